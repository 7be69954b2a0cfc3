use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert_eq, proptest};
use proptest::sample::select;
use serde::Deserialize;

use super::form::PAIRS_MAX;
use super::{form, json, pair};
use crate::ctx::arena::OwnedArena;
use crate::prelude::*;
use crate::testing::{self, Test, Tested};

slot!(Number: u32 = query "page");
slot!(Maybe: Option<u32> = query "page");
slot!(Defaulted: u32 = query "page" or 1);
slot!(Word<'r>: &'r str = query "q");
slot!(Agent<'r>: &'r str = header "user-agent");
slot!(MaybeAgent<'r>: Option<&'r str> = header "user-agent");
slot!(AnyAgent<'r>: &'r str = header "user-agent" or "nobody");
slot!(Segment: String = path "name");
slot!(Searched<'r>: Search<'r> = query);
slot!(Posted<'r>: Post<'r> = body json);
slot!(OwnedPost: OwnPost = body json);
slot!(Formed<'r>: Search<'r> = body form);
slot!(Texted<'r>: &'r str = body text);
slot!(Raw<'r>: &'r [u8] = body bytes);
slot!(RawVec: Vec<u8> = body bytes);

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
struct Search<'r> {
    q: &'r str,
    #[serde(default)]
    page: Option<u32>,
    #[serde(default)]
    exact: bool,
    #[serde(default)]
    order: Order,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Order {
    #[default]
    Newest,
    Oldest,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Post<'r> {
    title: &'r str,
    #[serde(borrow)]
    author: Option<Author<'r>>,
    #[serde(default)]
    place: (i32, i32),
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
struct Author<'r> {
    name: &'r str,
    #[serde(borrow)]
    kind: Kind<'r>,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
enum Kind<'r> {
    Guest,
    Member(u64),
    Bot { by: &'r str },
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnPost {
    title: String,
    tags: Vec<String>,
}

/// Runs a step that only reads the slot; gives what it shows of it.
fn read<S>(slot: S, test: Test) -> Result<String, (u16, &'static str, String)>
where
    S: crate::ctx::Slot<Origin = super::FromRequest> + super::Extracted + Copy + Send + Sync,
    for<'r> crate::ctx::Value<'r, S>: std::fmt::Debug,
{
    let tested: Tested = test.run(move |cx: &mut Cx<Reads<S>>| -> Step {
        let shown = format!("{:?}", cx.get(slot));
        cx.text(&shown)
    });
    match tested.failure() {
        None => Ok(String::from_utf8(tested.response().body().as_slice().to_vec()).unwrap()),
        Some(failure) => Err((
            failure.kind().status().code(),
            failure.what(),
            failure.key().to_owned(),
        )),
    }
}

type Shown = Result<&'static str, (u16, &'static str, &'static str)>;

fn check<S>(slot: S, test: Test, expected: Shown)
where
    S: crate::ctx::Slot<Origin = super::FromRequest> + super::Extracted + Copy + Send + Sync,
    for<'r> crate::ctx::Value<'r, S>: std::fmt::Debug,
{
    let expected = match expected {
        Ok(shown) => Ok(shown.to_owned()),
        Err((status, what, key)) => Err((status, what, key.to_owned())),
    };
    assert_eq!(read(slot, test), expected, "{}", S::NAME);
}

#[test]
fn a_field_of_the_query() {
    let get = |query: &str| testing::get(&format!("/posts{query}"));
    let refused: Shown = Err((400, "query", "page"));
    check(Number, get("?page=7"), Ok("7"));
    check(Number, get("?page=7&page=8"), Ok("7"));
    check(Number, get("?a&&b=&page=%37"), Ok("7"));
    check(Number, get("?p%61ge=7"), Ok("7"));
    check(Number, get(""), refused);
    check(Number, get("?"), refused);
    check(Number, get("?page"), refused);
    check(Number, get("?page="), refused);
    check(Number, get("?page=-1"), refused);
    check(Number, get("?page=4294967296"), refused);
    check(Number, get("?page=x&page=7"), refused);
    check(Number, get("?PAGE=7"), refused);
    check(Number, get("?page=%ff"), refused);
    check(Maybe, get(""), Ok("None"));
    check(Maybe, get("?page=7"), Ok("Some(7)"));
    check(Maybe, get("?page=x"), refused);
    check(Maybe, get("?page=%ff"), refused);
    check(Defaulted, get("?q=7"), Ok("1"));
    check(Defaulted, get("?page=7"), Ok("7"));
    check(Defaulted, get("?page=x"), refused);
    check(Word, get("?q=a+b%2Bc%26%3D=d"), Ok(r#""a b+c&==d""#));
    check(Word, get("?q=%E2%9C%93"), Ok(r#""✓""#));
    // An escape without two digits stands for itself, as in browsers.
    check(Word, get("?q=100%&x"), Ok(r#""100%""#));
    check(Word, get("?q=%4"), Ok(r#""%4""#));
    check(Word, get("?q=%zz"), Ok(r#""%zz""#));
    check(Word, get("?q=%e2%9c"), Err((400, "query", "q")));
}

#[test]
fn a_header() {
    let get = || testing::get("/");
    let refused: Shown = Err((400, "header", "user-agent"));
    check(Agent, get().field("User-Agent", "curl"), Ok(r#""curl""#));
    check(Agent, get().field("USER-AGENT", "a b"), Ok(r#""a b""#));
    check(Agent, get(), refused);
    check(MaybeAgent, get(), Ok("None"));
    check(AnyAgent, get(), Ok(r#""nobody""#));
    check(AnyAgent, get().field("user-agent", ""), Ok(r#""""#));
}

#[test]
fn a_path_parameter() {
    let get = |text: &str| testing::get("/").param("name", text);
    check(Segment, get("a%20b+c"), Ok(r#""a b+c""#));
    check(Segment, get("%ff"), Err((400, "path", "name")));
}

#[test]
fn a_whole_query() {
    let get = |query: &str| testing::get(&format!("/posts?{query}"));
    let plain = r#"Search { q: "a b", page: None, exact: false, order: Newest }"#;
    check(Searched, get("q=a+b"), Ok(plain));
    check(Searched, get("q=a%20b&q=c&unknown=1&page="), Ok(plain));
    check(
        Searched,
        get("order=oldest&exact=on&page=3&q="),
        Ok(r#"Search { q: "", page: Some(3), exact: true, order: Oldest }"#),
    );
    check(Searched, get(""), Err((400, "query", "q")));
    check(Searched, get("q=a&page=x"), Err((400, "query", "page")));
    check(
        Searched,
        get("q=a&exact=maybe"),
        Err((400, "query", "exact")),
    );
    check(
        Searched,
        get("q=a&order=upwards"),
        Err((400, "query", "order")),
    );
    check(Searched, get("q=a&b=%ff"), Err((400, "query", "UTF-8")));
    let many = vec!["q"; PAIRS_MAX].join("&");
    assert!(read(Searched, get(&many)).is_ok());
    check(Searched, get(&(many + "&q")), Err((400, "query", "pairs")));
}

#[test]
fn a_form() {
    let post = |content: &str| {
        let post = testing::post("/").body(content);
        post.field(
            "Content-Type",
            "Application/X-WWW-form-urlencoded; charset=\"UTF-8\"",
        )
    };
    check(
        Formed,
        testing::post("/").form(&[("q", "a+b & 100%"), ("exact", "true")]),
        Ok(r#"Search { q: "a+b & 100%", page: None, exact: true, order: Newest }"#),
    );
    check(Formed, post("page=1"), Err((422, "body", "q")));
    check(Formed, post(""), Err((422, "body", "q")));
    check(Formed, post("q=a&page=x"), Err((422, "body", "page")));
    check(Formed, post("q=%ff"), Err((400, "body", "UTF-8")));
    check(
        Formed,
        post("q=\u{fffd}"),
        Ok("Search { q: \"\u{fffd}\", page: None, exact: false, order: Newest }"),
    );
}

#[test]
fn a_json_document() {
    let post = |content: &str| {
        testing::post("/")
            .field("Content-Type", "application/json")
            .body(content)
    };
    check(
        Posted,
        post(r#"{"title": "plain", "place": [1, -2]}"#),
        Ok(r#"Post { title: "plain", author: None, place: (1, -2) }"#),
    );
    // A string with escapes is as good as one without.
    check(
        Posted,
        post(
            r#"{"t\u0069tle": "a \"b\" \u2713", "other": [{}], "author":
                {"name": "\n", "kind": {"Bot": {"by": "\\"}}}}"#,
        ),
        Ok(
            r#"Post { title: "a \"b\" ✓", author: Some(Author { name: "\n", kind: Bot { by: "\\" } }), place: (0, 0) }"#,
        ),
    );
    let author = |kind: &str| {
        post(&format!(
            r#"{{"title": "", "author": {{"name": "", "kind": {kind}}}}}"#
        ))
    };
    check(
        Posted,
        author(r#"{"Member": 7}"#),
        Ok(
            r#"Post { title: "", author: Some(Author { name: "", kind: Member(7) }), place: (0, 0) }"#,
        ),
    );
    check(
        Posted,
        author(r#""Guest""#),
        Ok(r#"Post { title: "", author: Some(Author { name: "", kind: Guest }), place: (0, 0) }"#),
    );
    // The right syntax and the wrong shape: which field.
    check(Posted, post("{}"), Err((422, "body", "title")));
    check(Posted, post("[]"), Err((422, "body", "")));
    check(Posted, post("7"), Err((422, "body", "")));
    check(Posted, post(r#"{"title": 7}"#), Err((422, "body", "title")));
    check(
        Posted,
        post(r#"{"title": null}"#),
        Err((422, "body", "title")),
    );
    check(
        Posted,
        post(r#"{"title": "", "author": {"kind": "Guest"}}"#),
        Err((422, "body", "author.name")),
    );
    check(
        Posted,
        author(r#"{"Member": "x"}"#),
        Err((422, "body", "author.kind.Member")),
    );
    check(
        Posted,
        author(r#""Admin""#),
        Err((422, "body", "author.kind")),
    );
    check(
        Posted,
        post(r#"{"title": "", "place": [1, 1.5]}"#),
        Err((422, "body", "place[1]")),
    );
    check(
        OwnedPost,
        post(r#"{"title": "\t", "tags": ["a", "b"]}"#),
        Ok(r#"OwnPost { title: "\t", tags: ["a", "b"] }"#),
    );
    check(
        OwnedPost,
        post(r#"{"title": "", "tags": ["a", 1]}"#),
        Err((422, "body", "tags[1]")),
    );
    check(
        OwnedPost,
        post(r#"{"title": "", "tags": [], "more": 1}"#),
        Err((422, "body", "more")),
    );
    // No JSON, even where the shape was wrong before that.
    check(
        Posted,
        post(""),
        Err((400, "body", "json at line 1 column 0")),
    );
    check(
        Posted,
        post(r#"{"title": "#),
        Err((400, "body", "json at line 1 column 10")),
    );
    check(
        Posted,
        post("{\n\"title\": 7, }"),
        Err((400, "body", "json at line 2 column 13")),
    );
    check(
        Posted,
        post(r#"{"title": ""} x"#),
        Err((400, "body", "json at line 1 column 15")),
    );
    let not_text = post("").body(*b"{\"title\": \"\xff\"}");
    assert_eq!(read(Posted, not_text).unwrap_err().0, 400);
    let deep = post(&"[".repeat(100_000));
    assert_eq!(read(Posted, deep).unwrap_err().0, 400);
}

#[test]
fn a_content_type_is_wanted() {
    let post = |content_type: &'static str| {
        testing::post("/")
            .field("Content-Type", content_type)
            .body(r#"{"title": ""}"#)
    };
    let json: Shown = Err((415, "body", "application/json"));
    for good in [
        "application/json",
        "APPLICATION/JSON ; charset=latin1",
        "application/ld+json",
    ] {
        assert!(read(Posted, post(good)).is_ok(), "{good}");
    }
    for bad in [
        "",
        "text/json",
        "application/jsonp",
        "application/json+xml",
        "json",
        "+jso",
    ] {
        check(Posted, post(bad), json);
    }
    check(Posted, testing::post("/").body("{}"), json);
    let form: Shown = Err((415, "body", "application/x-www-form-urlencoded"));
    check(Formed, post("multipart/form-data; boundary=x"), form);
    check(
        Formed,
        post("application/x-www-form-urlencoded; charset=iso-8859-1"),
        Err((400, "body", "charset")),
    );
    check(Texted, testing::post("/").text("ä"), Ok(r#""ä""#));
    check(
        Texted,
        post("text/markdown; x=charset; charset=us-ascii"),
        Ok(r#""{\"title\": \"\"}""#),
    );
    check(
        Texted,
        post("text/plain; Charset = \"latin1\""),
        Err((400, "body", "charset")),
    );
    check(Texted, post("image/png"), Err((415, "body", "text/plain")));
    check(
        Texted,
        post("text/plain").body(*b"\xff"),
        Err((400, "body", "text")),
    );
    check(Raw, testing::post("/").body(*b"\xff"), Ok("[255]"));
    check(RawVec, post("image/png").body(*b"\xff"), Ok("[255]"));
    check(Raw, testing::post("/"), Ok("[]"));
}

#[test]
fn other_types_of_strings_work_too() {
    use std::borrow::Cow;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Both<'r> {
        #[serde(borrow)]
        cow: Cow<'r, str>,
        owned: String,
        #[serde(flatten, borrow)]
        rest: std::collections::BTreeMap<&'r str, &'r str>,
    }
    let is_borrowed = |both: &Both<'_>| matches!(both.cow, Cow::Borrowed(_));
    let with = |cow: &'static str, owned: &str, rest: &'static str| Both {
        cow: Cow::Borrowed(cow),
        owned: owned.to_owned(),
        rest: [("more", rest)].into(),
    };
    let owned = OwnedArena::with_capacity(1024);
    let arena = owned.arena();
    let document = br#"{"cow": "\"", "owned": "\n", "more": "\t"}"#;
    let read: Both<'_> = json::read(document, arena).unwrap();
    assert!(is_borrowed(&read), "it lies in the arena");
    assert_eq!(read, with("\"", "\n", "\t"));
    let Ok(read) = form::read::<Both<'_>>(b"cow=%22&owned=%0a&more=%09", arena) else {
        panic!("it is such a form");
    };
    assert!(is_borrowed(&read), "it lies in the arena");
    assert_eq!(read, with("\"", "\n", "\t"));
}

/// Decodes in the dullest way.
fn naive(text: &str) -> Option<Vec<(String, String)>> {
    fn decoded(text: &str) -> Option<String> {
        let text = text.replace('+', " ");
        let mut octets = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let digits = text.as_bytes().get(at + 1..at + 3);
            let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
            let is_hex = |digits: &&str| digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            match digits.filter(is_hex) {
                Some(digits) if text.as_bytes()[at] == b'%' => {
                    octets.push(u8::from_str_radix(digits, 16).unwrap());
                    at += 3;
                }
                _ => {
                    octets.push(text.as_bytes()[at]);
                    at += 1;
                }
            }
        }
        String::from_utf8(octets).ok()
    }
    (text.split('&').filter(|pair| !pair.is_empty()))
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decoded(name)?, decoded(value)?))
        })
        .collect()
}

/// Texts in which everything that has a meaning is frequent.
fn texts() -> impl Strategy<Value = String> {
    const PARTS: &[&str] = &[
        "a", "b", "ab", "=", "&", "+", "%", "%2", "%2b", "%26", "%3D", "%C3", "%a4", "ä", " ", "7",
    ];
    vec(select(PARTS), 0..24).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn pairs_are_decoded_as_a_naive_decoder_would(text in texts(), name in select(&["a", "b", "", "ä", "a b"][..])) {
        let owned = OwnedArena::with_capacity(1024);
    let arena = owned.arena();
        let decoded: Option<Vec<(String, String)>> = pair::pairs(text.as_bytes())
            .map(|pair| Some((pair.name(arena)?.to_owned(), pair.value(arena)?.to_owned())))
            .collect();
        let expected = naive(&text);
        prop_assert_eq!(&decoded, &expected);
        if let Some(pairs) = expected {
            let first = pairs.iter().find(|(known, _)| known == name);
            let found = pair::find(text.as_bytes(), name, arena);
            prop_assert_eq!(found, Some(first.map(|(_, value)| value.as_str())));
        }
    }

    /// Against another crate's reading, where that is strict enough to compare with.
    #[test]
    fn forms_are_read_as_others_read_them(text in texts()) {
        let owned = OwnedArena::with_capacity(1024);
    let arena = owned.arena();
        type Lists = std::collections::BTreeMap<String, Vec<String>>;
        let read = form::read::<Lists>(text.as_bytes(), arena).ok();
        if naive(&text).is_some() {
            prop_assert_eq!(read, serde_html_form::from_str::<Lists>(&text).ok());
        } else {
            prop_assert_eq!(read, None);
        }
    }

    #[test]
    fn json_is_read_as_its_parser_reads_it(texts in vec(any::<String>(), 0..4), number in any::<i64>()) {
        let owned = OwnedArena::with_capacity(1024);
    let arena = owned.arena();
        let value = serde_json::json!({"texts": &texts, "number": number, "none": null});
        let document = value.to_string();
        prop_assert_eq!(json::read::<serde_json::Value>(document.as_bytes(), arena), Ok(value));
        #[derive(Debug, PartialEq, Deserialize)]
        struct Document<'r> {
            #[serde(borrow)]
            texts: Vec<&'r str>,
            number: i64,
        }
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        prop_assert_eq!(json::read(document.as_bytes(), arena), Ok(Document { texts, number }));
    }
}
