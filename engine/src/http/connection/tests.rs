use proptest::collection::vec;
use proptest::prelude::*;

use super::{Connection, Event};
use crate::http::{FieldSpan, Framing, Head, Method, Refusal};
use crate::limits::Limits;

/// What a connection told, independent of how its bytes came: content in one piece, no offsets.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    Head {
        method: Method,
        target: String,
        fields: Vec<(String, String)>,
        framing: Framing,
        keep_alive: bool,
    },
    Body(Vec<u8>),
    End,
    Refused(Refusal),
}

impl Told {
    fn head(head: &Head, fields: &[FieldSpan], seen: &[u8]) -> Told {
        let text = |field: &FieldSpan| {
            let name = field.name.text(seen).to_owned();
            (name, field.value.text(seen).to_owned())
        };
        Told::Head {
            method: head.method,
            target: head.target.text(seen).to_owned(),
            fields: fields.iter().map(text).collect(),
            framing: head.framing,
            keep_alive: head.keep_alive,
        }
    }
}

/// Reads `input`, which arrives cut at the offsets `cuts`. Also tells how many bytes were left.
fn told(input: &[u8], cuts: &[usize]) -> (Vec<Told>, usize) {
    let limits = Limits::default();
    let mut connection = Connection::new();
    let mut fields = Vec::new();
    let mut story = Vec::new();
    let mut start = 0;
    let mut ends = cuts.iter().copied().chain([input.len()]);
    let mut end = 0;
    loop {
        let seen = &input[start..end];
        let (consumed, event) = match connection.next(seen, &limits, &mut fields) {
            Ok(next) => next,
            Err(refusal) => {
                story.push(Told::Refused(refusal));
                return (story, 0);
            }
        };
        match event {
            Event::Head(head) => story.push(Told::head(&head, &fields, &seen[..consumed])),
            Event::End => story.push(Told::End),
            Event::Body(span) => match story.last_mut() {
                Some(Told::Body(content)) => content.extend_from_slice(span.of(seen)),
                _ => story.push(Told::Body(span.of(seen).to_vec())),
            },
            Event::NeedMore => {}
        }
        start += consumed;
        if event == Event::NeedMore {
            match ends.next() {
                Some(next) => end = next,
                None => return (story, input.len() - start),
            }
        }
    }
}

/// Reads `input` in one piece, and cut at every offset, and byte by byte.
fn check(input: &[u8]) -> (Vec<Told>, usize) {
    let whole = told(input, &[]);
    for cut in 0..input.len() {
        assert_eq!(told(input, &[cut]), whole, "cut at {cut}");
    }
    let everywhere: Vec<usize> = (0..input.len()).collect();
    assert_eq!(told(input, &everywhere), whole, "byte by byte");
    whole
}

fn methods_and_bodies(story: &[Told]) -> Vec<String> {
    story
        .iter()
        .map(|told| match told {
            Told::Head { target, .. } => target.clone(),
            Told::Body(content) => String::from_utf8_lossy(content).into_owned(),
            Told::End => "end".to_owned(),
            Told::Refused(refusal) => format!("{refusal:?}"),
        })
        .collect()
}

#[test]
fn pipelined_messages_are_told_in_order() {
    let input = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n\
        POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
        POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
        2;x=y\r\nde\r\n1\r\nf\r\n0\r\nA: b\r\n\r\n\
        \r\nPOST /4 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n\
        GET /5 HTTP/1.1\r\nHo";
    let (story, left) = check(input);
    let expected = ["/1", "/2", "abc", "end", "/3", "def", "end", "/4"];
    assert_eq!(methods_and_bodies(&story), expected);
    assert_eq!(left, "GET /5 HTTP/1.1\r\nHo".len());
}

#[test]
fn nothing_is_read_behind_the_last_message() {
    // https://www.rfc-editor.org/rfc/rfc9112#section-9.6 – the server "MUST NOT process any
    // further requests received on that connection".
    let inputs: [&[u8]; 3] = [
        b"GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /1 HTTP/1.0\r\n\r\nGET /2 HTTP/1.0\r\n\r\n",
        b"GET /1 HTTP/1.0\r\n\r\n\0\0 not HTTP \0\0",
    ];
    for input in inputs {
        let (story, left) = check(input);
        assert_eq!(methods_and_bodies(&story), ["/1"]);
        assert_eq!(left, 0);
    }
    let with_body = b"PUT /1 HTTP/1.0\r\nContent-Length: 2\r\n\r\nabGET /2 HTTP/1.0\r\n\r\n";
    assert_eq!(methods_and_bodies(&check(with_body).0), ["/1", "ab", "end"]);
}

#[test]
fn where_a_connection_stands_can_be_asked() {
    let limits = Limits::default();
    let mut fields = Vec::new();
    let mut connection = Connection::new();
    let mut next = |connection: &mut Connection, input: &[u8]| {
        connection
            .next(input, &limits, &mut fields)
            .map(|(_, event)| event)
    };
    let head = b"PUT / HTTP/1.0\r\nContent-Length: 1\r\n\r\n";
    assert!(matches!(next(&mut connection, head), Ok(Event::Head(_))));
    assert!(connection.is_in_body() && !connection.is_finished());
    assert!(matches!(next(&mut connection, b"x"), Ok(Event::Body(_))));
    assert!(connection.is_in_body());
    assert_eq!(next(&mut connection, b""), Ok(Event::End));
    assert!(!connection.is_in_body() && connection.is_finished());
}

#[test]
fn a_head_that_trickles_in_is_not_read_again_and_again() {
    // Each byte of a large head is one call. Were every call to look at all bytes so far, this
    // would be 10^10 looks, and nobody would wait for the test.
    let limits = Limits {
        head_bytes_max: 1 << 20,
        ..Limits::default()
    };
    let mut input = b"GET / HTTP/1.0\r\nA: ".to_vec();
    input.resize(150_000, b'v');
    input.extend_from_slice(b"\r\n\r\n");
    let mut connection = Connection::new();
    let mut fields = Vec::new();
    for len in 0..input.len() {
        let next = connection.next(&input[..len], &limits, &mut fields);
        assert_eq!(next, Ok((0, Event::NeedMore)));
    }
    let next = connection.next(&input, &limits, &mut fields);
    assert!(matches!(next, Ok((_, Event::Head(_)))));
}

#[test]
fn a_refusal_comes_as_soon_as_it_can_be_told() {
    // The last byte is the one that tells.
    let refused: [(&[u8], Refusal); 6] = [
        (b"\x16", Refusal::RequestLineMalformed),
        (b"\r\n\r", Refusal::RequestLineMalformed),
        (b"GET / HTTP/1.1\r\n\r\n", Refusal::HostMissing),
        (b"GET / HTTP/1.1\nHost: a\n\n", Refusal::LineEndMalformed),
        (
            b"GET / HTTP/1.1\r\nA b\r\n\r\n",
            Refusal::FieldNameMalformed,
        ),
        (
            b"PUT / HTTP/1.0\r\nContent-Length: 99999999999999999999\r\n\r\n",
            Refusal::ContentLengthMalformed,
        ),
    ];
    for (input, refusal) in refused {
        assert_eq!(check(input).0, [Told::Refused(refusal)]);
        let before = told(&input[..input.len() - 1], &[]).0;
        assert_eq!(before, [], "{}", input.escape_ascii());
    }
}

/// A legal request and what is to be told of it.
fn message() -> impl Strategy<Value = (Vec<u8>, Vec<Told>)> {
    let method = prop::sample::select(vec![Method::Get, Method::Post, Method::Put]);
    let target = "/[a-z0-9._~-]{0,12}(\\?[a-z=&%]{0,8})?";
    let fields = vec(("X-[A-Za-z]{1,8}", "([!-~]([ -~]{0,20}[!-~])?)?"), 0..4);
    let body = prop_oneof![
        Just(None),
        vec(any::<u8>(), 1..40).prop_map(|content| Some(Body::Sized(content))),
        vec(vec(any::<u8>(), 1..20), 0..4).prop_map(|chunks| Some(Body::Chunked(chunks))),
    ];
    let message = (method, target, fields, body, any::<bool>());
    message.prop_map(|(method, target, fields, body, empty_line)| {
        let mut bytes = Vec::new();
        if empty_line {
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("{} {target} HTTP/1.1\r\n", method.name()).as_bytes());
        let mut all = vec![("Host".to_owned(), "a".to_owned())];
        all.extend(fields);
        all.extend(body.as_ref().map(Body::field));
        for (name, value) in &all {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        let mut story = vec![Told::Head {
            method,
            target,
            fields: all,
            framing: body.as_ref().map_or(Framing::None, Body::framing),
            keep_alive: true,
        }];
        if let Some(body) = body {
            body.write(&mut bytes);
            let content = body.content();
            if !content.is_empty() {
                story.push(Told::Body(content));
            }
            story.push(Told::End);
        }
        (bytes, story)
    })
}

#[derive(Clone, Debug)]
enum Body {
    Sized(Vec<u8>),
    Chunked(Vec<Vec<u8>>),
}

impl Body {
    fn framing(&self) -> Framing {
        match self {
            Body::Sized(content) => Framing::Length(content.len() as u64),
            Body::Chunked(_) => Framing::Chunked,
        }
    }

    fn field(&self) -> (String, String) {
        match self {
            Body::Sized(content) => ("Content-Length".to_owned(), content.len().to_string()),
            Body::Chunked(_) => ("Transfer-Encoding".to_owned(), "chunked".to_owned()),
        }
    }

    fn content(&self) -> Vec<u8> {
        match self {
            Body::Sized(content) => content.clone(),
            Body::Chunked(chunks) => chunks.concat(),
        }
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        let chunks = match self {
            Body::Sized(content) => return bytes.extend_from_slice(content),
            Body::Chunked(chunks) => chunks,
        };
        for chunk in chunks {
            bytes.extend_from_slice(format!("{:X};a=\"b\"\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\nX-Sum: 1\r\n\r\n");
    }
}

/// Offsets to cut `len` bytes at, in order.
fn in_order(cuts: &[prop::sample::Index], len: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(len)).collect();
    cuts.sort_unstable();
    cuts
}

proptest! {
    #[test]
    fn legal_messages_are_told_however_they_are_cut(
        messages in vec(message(), 1..5),
        cuts in vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let input: Vec<u8> = messages.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let story: Vec<Told> = messages.into_iter().flat_map(|(_, story)| story).collect();
        prop_assert_eq!(told(&input, &in_order(&cuts, input.len())), (story, 0));
    }

    /// One octet of a legal stream is changed or lost, so that most are refused; an end of a
    /// head and more than a whole body follow, so that a refusal that waits for its line gets it.
    #[test]
    fn damaged_messages_are_judged_alike_however_they_are_cut(
        messages in vec(message(), 1..3),
        at in any::<prop::sample::Index>(),
        octet in prop_oneof![
            Just(None),
            prop::sample::select(b"\r\n\0 \t:;,09aF%/#\x7f\xff".as_slice()).prop_map(Some),
        ],
        cuts in vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut input: Vec<u8> = messages.into_iter().flat_map(|(bytes, _)| bytes).collect();
        let at = at.index(input.len());
        input.splice(at..=at, octet);
        input.extend_from_slice(b"\r\n\r\n");
        let whole = told(&input, &[]);
        prop_assert_eq!(told(&input, &in_order(&cuts, input.len())), whole.clone());
        let everywhere: Vec<usize> = (0..input.len()).collect();
        prop_assert_eq!(told(&input, &everywhere), whole);
    }
}
