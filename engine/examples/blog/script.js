// Makes the pages quick where it runs: what a visitor points at is fetched before the click, and a
// click replaces <main> without a reload. Without it, every link and form works as it stands.

const FRESH_MS = 5_000;
const fetched = new Map(); // address → { at, page }
let shown = place(location); // what <main> holds

// The browser cannot know how long a page will be that is not there yet.
history.scrollRestoration = "manual";
if (history.state?.scroll) scrollTo(0, history.state.scroll);
addEventListener("pagehide", keepScroll);

function place(address) {
  return address.pathname + address.search;
}

function keepScroll() {
  history.replaceState({ scroll: scrollY }, "");
}

/** Fetches a page; a redirect is followed, and says where it led. */
async function load(address, options) {
  const response = await fetch(address, { headers: { Accept: "text/html" }, ...options });
  if (!response.headers.get("Content-Type")?.startsWith("text/html")) throw new TypeError("no page");
  return { address: response.url, text: await response.text(), isNew: response.ok };
}

/** Fetches what will probably be wanted next. */
function prefetch(address) {
  const known = fetched.get(address);
  if (known && performance.now() - known.at < FRESH_MS) return known.page;
  const page = load(address);
  page.catch(() => fetched.delete(address));
  fetched.set(address, { at: performance.now(), page });
  return page;
}

function show(page) {
  shown = place(location);
  const next = new DOMParser().parseFromString(page.text, "text/html");
  document.title = next.title;
  document.querySelector("main").replaceWith(next.querySelector("main"));
}

/** Goes on to a page: a new place begins at its top, or where its fragment points to. */
function enter(page, fragment) {
  const here = location.pathname;
  keepScroll();
  history.pushState(null, "", page.address + fragment);
  show(page);
  const main = document.querySelector("main");
  const target = fragment && document.getElementById(fragment.slice(1));
  if (target) target.scrollIntoView();
  else if (location.pathname !== here) scrollTo(0, 0);
  main.focus({ preventScroll: true });
}

/** The link under an event, if it leads to another page of ours. */
function ours(event) {
  const link = event.target.closest?.("a[href]");
  if (!link || link.origin !== location.origin || link.target || link.hasAttribute("download")) return;
  if (link.hash && place(link) === shown) return;
  return link;
}

const withoutFragment = (link) => link.href.split("#")[0];

for (const kind of ["pointerover", "touchstart", "focusin"]) {
  document.addEventListener(kind, (event) => {
    const link = ours(event);
    if (link) prefetch(withoutFragment(link)).catch(() => {});
  }, { passive: true });
}

document.addEventListener("click", async (event) => {
  const link = ours(event);
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  try {
    enter(await prefetch(withoutFragment(link)), link.hash);
  } catch {
    location = link.href; // the browser says best what is wrong
  }
});

document.addEventListener("submit", async (event) => {
  const form = event.target;
  event.preventDefault();
  const buttons = form.querySelectorAll("button");
  buttons.forEach((button) => (button.disabled = true)); // one press, one post
  fetched.clear();
  try {
    const page = await load(form.action, { method: form.method, body: new URLSearchParams(new FormData(form)) });
    if (page.isNew) return enter(page, "");
    show(page);
    (document.querySelector("[aria-invalid]") ?? document.querySelector("main")).focus();
  } catch {
    buttons.forEach((button) => (button.disabled = false));
    alert("No answer has come. Look whether it was saved before you send it again.");
  }
});

addEventListener("popstate", async (event) => {
  if (place(location) === shown) return; // only the fragment has changed
  try {
    show(await load(location.href));
    scrollTo(0, event.state?.scroll ?? 0);
  } catch {
    location.reload();
  }
});
