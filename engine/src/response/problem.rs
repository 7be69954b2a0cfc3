//! Failures as RFC 9457 problem+json.

use std::io;

use super::said::Said;
use crate::ctx::id::Identity;
use crate::ctx::{Arena, Request};
use crate::http::Status;
use crate::http::encode::FieldValue;
use crate::step::{Failure, caught};

/// Renders the failure of a request: writes the content and says its media type. One serves all
/// routes; [`problem`] is the default, `Routes::renderer` replaces it.
///
/// One that fails is answered for with fixed bytes; one that panics too, and the reply is a 500 then.
///
/// ```
/// use std::io::{self, Write};
///
/// use cutaway::prelude::*;
/// use cutaway::response::{Problem, problem};
///
/// /// A page for browsers, problem+json for everybody else.
/// fn page(failed: &Problem<'_>, out: &mut Vec<u8>) -> io::Result<&'static str> {
///     let accept = failed.request().and_then(|request| request.field("Accept"));
///     if !accept.is_some_and(|types| types.starts_with(b"text/html")) {
///         return problem(failed, out);
///     }
///     write!(out, "<h1>{}</h1>", failed.status().reason())?;
///     Ok("text/html; charset=utf-8")
/// }
///
/// let routes = Routes::new().renderer(page);
/// ```
pub type Renderer = fn(&Problem<'_>, &mut Vec<u8>) -> io::Result<&'static str>;

/// A failed request, as a [`Renderer`] sees it.
#[derive(Clone, Copy)]
pub struct Problem<'a> {
    failure: &'a Failure,
    request: Option<&'a Request<'a>>,
    identity: &'a Identity,
    arena: &'a Arena,
    said: Option<&'a Said>,
}

impl<'a> Problem<'a> {
    pub(crate) fn new(
        failure: &'a Failure,
        request: Option<&'a Request<'a>>,
        identity: &'a Identity,
        arena: &'a Arena,
    ) -> Problem<'a> {
        Problem {
            failure,
            request,
            identity,
            arena,
            said: None,
        }
    }

    /// With what the step has said of it, if it has.
    pub(super) fn with<'b>(self, said: Option<&'b Said>) -> Problem<'b>
    where
        'a: 'b,
    {
        Problem { said, ..self }
    }

    /// Why it failed. Only what [is public](Failure::is_public) is meant for the client.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use std::io::{self, Write};
    /// use cutaway::response::Problem;
    ///
    /// fn render(failed: &Problem<'_>, out: &mut Vec<u8>) -> io::Result<&'static str> {
    ///     let failure = failed.failure();
    ///     if failure.is_public() {
    ///         write!(out, "{}: {}", failure.what(), failure.key())?;
    ///     }
    ///     Ok("text/plain")
    /// }
    /// # let app = cutaway::testing::App::new(Routes::new().renderer(render).build()?);
    /// # assert_eq!(app.get("/nowhere").send().text(), "route: /nowhere");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn failure(&self) -> &'a Failure {
        self.failure
    }

    /// The status of the reply.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use std::io::{self, Write};
    /// use cutaway::response::Problem;
    ///
    /// fn render(failed: &Problem<'_>, out: &mut Vec<u8>) -> io::Result<&'static str> {
    ///     write!(out, "{}", failed.status().code())?;
    ///     Ok("text/plain")
    /// }
    /// # let app = cutaway::testing::App::new(Routes::new().renderer(render).build()?);
    /// # assert_eq!(app.get("/nowhere").send().text(), "404");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn status(&self) -> Status {
        self.failure.kind().status()
    }

    /// The request; none where it could not be read as one.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use std::io::{self, Write};
    /// use cutaway::response::Problem;
    ///
    /// fn render(failed: &Problem<'_>, out: &mut Vec<u8>) -> io::Result<&'static str> {
    ///     if let Some(request) = failed.request() {
    ///         write!(out, "nothing at {}", request.path())?;
    ///     }
    ///     Ok("text/plain")
    /// }
    /// # let app = cutaway::testing::App::new(Routes::new().renderer(render).build()?);
    /// # assert_eq!(app.get("/nowhere").send().text(), "nothing at /nowhere");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn request(&self) -> Option<&'a Request<'a>> {
        self.request
    }

    /// What a step has said with [`Cx::problem`](crate::Cx::problem); none for every other failure, of
    /// which [`failure`](Problem::failure) says `what` and `key`. It is meant for the client.
    ///
    /// ```
    /// use std::io::{self, Write};
    ///
    /// use cutaway::prelude::*;
    /// use cutaway::response::Problem;
    ///
    /// fn plain(failed: &Problem<'_>, out: &mut Vec<u8>) -> io::Result<&'static str> {
    ///     write!(out, "{}: {}", failed.status().reason(), failed.detail().unwrap_or_default())?;
    ///     Ok("text/plain; charset=utf-8")
    /// }
    ///
    /// fn book(cx: &mut Cx) -> Step {
    ///     cx.problem(Conflict, "All seats of the evening are taken.", &())
    /// }
    ///
    /// let routes = Routes::new().renderer(plain).post("/seats", chain(book)).build()?;
    /// let response = cutaway::testing::App::new(routes).post("/seats").send();
    /// assert_eq!(response.text(), "Conflict: All seats of the evening are taken.");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn detail(&self) -> Option<&'a str> {
        self.said.map(Said::detail)
    }

    /// The members that a step has given it with [`Cx::problem`](crate::Cx::problem): a JSON object as
    /// text.
    ///
    /// ```
    /// use std::io;
    ///
    /// use cutaway::prelude::*;
    /// use cutaway::response::Problem;
    ///
    /// /// The members are all that clients of this service look at.
    /// fn bare(failed: &Problem<'_>, out: &mut Vec<u8>) -> io::Result<&'static str> {
    ///     out.extend_from_slice(failed.members().unwrap_or("{}").as_bytes());
    ///     Ok("application/json")
    /// }
    ///
    /// fn book(cx: &mut Cx) -> Step {
    ///     #[derive(serde::Serialize)]
    ///     struct Taken { seats: [u32; 2] }
    ///     cx.problem(Conflict, "two seats are taken", &Taken { seats: [7, 8] })
    /// }
    ///
    /// let routes = Routes::new().renderer(bare).post("/seats", chain(book)).build()?;
    /// let response = cutaway::testing::App::new(routes).post("/seats").send();
    /// assert_eq!(response.text(), r#"{"seats":[7,8]}"#);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn members(&self) -> Option<&'a str> {
        let text = self.said?.members_text();
        (!text.is_empty()).then_some(text)
    }

    /// The request's id, as [`Cx::request_id`](crate::Cx::request_id) gives it.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use std::io::{self, Write};
    /// use cutaway::response::Problem;
    ///
    /// fn render(failed: &Problem<'_>, out: &mut Vec<u8>) -> io::Result<&'static str> {
    ///     write!(out, "tell us {}", failed.request_id())?;
    ///     Ok("text/plain")
    /// }
    /// # let app = cutaway::testing::App::new(Routes::new().renderer(render).build()?);
    /// # assert_eq!(app.get("/nowhere").field("X-Request-Id", "r7").send().text(), "tell us r7");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn request_id(&self) -> &'a str {
        self.identity.text(self.request, self.arena)
    }

    /// Whether a step has asked for the id: who did not, cannot do anything with it.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use std::io::{self, Write};
    /// use cutaway::response::Problem;
    ///
    /// fn render(failed: &Problem<'_>, out: &mut Vec<u8>) -> io::Result<&'static str> {
    ///     if failed.is_request_id_known() {
    ///         write!(out, "tell us {}", failed.request_id())?;
    ///     }
    ///     Ok("text/plain")
    /// }
    /// # let app = cutaway::testing::App::new(Routes::new().renderer(render).build()?);
    /// # assert_eq!(app.get("/nowhere").send().text(), "");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn is_request_id_known(&self) -> bool {
        self.identity.is_asked()
    }
}

/// Renders `{"type":"about:blank","title":…,"status":…,"detail":…,"request_id":…}`, and behind these
/// the members that a step has given it with [`Cx::problem`](crate::Cx::problem).
///
/// The detail is missing where the failure's words are not meant for clients, the id where no step
/// has asked for it.
///
/// ```
/// use std::io;
///
/// use cutaway::prelude::*;
/// use cutaway::response::{Problem, problem};
///
/// /// Counts, and renders as ever.
/// fn render(failed: &Problem<'_>, out: &mut Vec<u8>) -> io::Result<&'static str> {
///     eprintln!("answered with {}", failed.status().code());
///     problem(failed, out)
/// }
///
/// let app = cutaway::testing::App::new(Routes::new().renderer(render).build()?);
/// let expected = r#"{"type":"about:blank","title":"Not Found","status":404,"detail":"route /nowhere"}"#;
/// assert_eq!(app.get("/nowhere").send().text(), expected);
/// # Ok::<(), cutaway::RoutesRefused>(())
/// ```
///
/// # Errors
/// Never.
///
/// # Source
/// <https://www.rfc-editor.org/rfc/rfc9457#section-3.1>; the id is an extension by section 3.2.
pub fn problem(problem: &Problem<'_>, out: &mut Vec<u8>) -> io::Result<&'static str> {
    use io::Write as _;
    let (failure, status) = (problem.failure(), problem.status());
    let own_names = problem.said.map(Said::own_names).unwrap_or_default();
    out.push(b'{');
    if !own_names.has_type {
        out.extend_from_slice(br#""type":"about:blank","#);
    }
    if !own_names.has_title {
        write!(out, r#""title":"{}","#, status.reason())?;
    }
    write!(out, r#""status":{}"#, status.code())?;
    if let Some(detail) = problem.detail() {
        out.extend_from_slice(br#","detail":"#);
        serde_json::to_writer(&mut *out, detail)?;
    } else if failure.is_public() {
        out.extend_from_slice(br#","detail":"#);
        let (what, key) = (failure.what(), failure.key());
        let space = if key.is_empty() { "" } else { " " };
        serde_json::to_writer(&mut *out, &format_args!("{what}{space}{key}"))?;
    }
    if problem.is_request_id_known() {
        out.extend_from_slice(br#","request_id":"#);
        serde_json::to_writer(&mut *out, problem.request_id())?;
    }
    match problem.members().unwrap_or("{}") {
        "{}" => out.push(b'}'),
        members => {
            out.push(b',');
            // Its own brace closes the whole.
            out.extend_from_slice(&members.as_bytes()[1..]);
        }
    }
    Ok(PROBLEM_JSON.as_str())
}

/// Renders with what falls back.
///
/// # Errors
/// The renderer has panicked.
pub(super) fn render(
    renderer: Renderer,
    problem: &Problem<'_>,
    out: &mut Vec<u8>,
) -> Result<FieldValue<'static>, Failure> {
    let rendered = caught(|| renderer(problem, &mut *out));
    let rendered = rendered.map_err(|panic| panic.into_failure("renderer"))?;
    Ok(rendered.ok().and_then(FieldValue::new).unwrap_or_else(|| {
        fall_back(out);
        PROBLEM_JSON
    }))
}

/// The content of a failure that nothing else could be rendered of.
pub(super) fn fall_back(out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(FALLBACK);
}

pub(super) const PROBLEM_JSON: FieldValue<'static> = super::constant("application/problem+json");

/// The status line says the rest.
const FALLBACK: &[u8] = br#"{"type":"about:blank"}"#;
