use super::*;

fn answer(date: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

const NOON: &str = "Sun, 06 Nov 1994 12:00:00 GMT";
const LATER: &str = "Sun, 06 Nov 1994 12:00:01 GMT";

#[test]
fn answers_equal_but_for_date_are_counted_as_equal() {
    let exchange = Exchange::get("/", Body::Exact(b"right".to_vec()));
    let mut expectation = Expectation::of(&exchange);
    for date in [NOON, NOON, LATER, NOON, LATER] {
        let bytes = answer(date, "right");
        let expected = Answer {
            len_bytes: bytes.len(),
            close: false,
        };
        assert_eq!(expectation.check(&bytes), Ok(Some(expected)));
    }
    assert_eq!(
        (expectation.equal_count, expectation.differing_count),
        (5, 0)
    );
}

#[test]
fn a_head_of_another_shape_is_right_but_counted() {
    let exchange = Exchange::get("/", Body::Exact(b"right".to_vec()));
    let mut expectation = Expectation::of(&exchange);
    expectation.check(&answer(NOON, "right")).unwrap();
    let other = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\nright";
    assert!(expectation.check(other).unwrap().is_some());
    assert_eq!(
        (expectation.equal_count, expectation.differing_count),
        (1, 1)
    );
}

/// The fast path must see what the full check sees: any byte changed after the reference was taken.
#[test]
fn no_changed_byte_passes_as_equal() {
    let exchange = Exchange::get("/", Body::Exact(b"right".to_vec()));
    let reference = answer(NOON, "right");
    for at in 0..reference.len() {
        let mut expectation = Expectation::of(&exchange);
        expectation.check(&reference).unwrap();
        let mut changed = reference.clone();
        changed[at] ^= 0x20;
        let passed = expectation.check(&changed);
        assert_eq!(
            expectation.equal_count, 1,
            "byte {at} of the answer, judged {passed:?}"
        );
    }
}

#[test]
fn a_farewell_is_seen_whether_it_comes_first_or_later() {
    let exchange = Exchange::get("/", Body::Any);
    let farewell = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n!";
    let mut expectation = Expectation::of(&exchange);
    assert!(expectation.check(farewell).unwrap().unwrap().close);
    assert!(
        !expectation
            .check(&answer(NOON, "!"))
            .unwrap()
            .unwrap()
            .close
    );
    assert!(expectation.check(farewell).unwrap().unwrap().close);
}

#[test]
fn each_wrong_answer_has_its_fault() {
    let text = |text: &str| Body::Exact(text.as_bytes().to_vec());
    let parts =
        |parts: &[&str]| Body::Containing(parts.iter().map(|&part| part.to_owned()).collect());
    for (body, fault) in [
        (
            text("right!"),
            Fault::Length {
                expected: 6,
                actual: 5,
            },
        ),
        (text("rIght"), Fault::Content { at: 1 }),
        (
            Body::Length(4),
            Fault::Length {
                expected: 4,
                actual: 5,
            },
        ),
        (parts(&["ri", "no"]), Fault::Lacks("no".to_owned())),
    ] {
        let exchange = Exchange::get("/", body);
        assert_eq!(
            Expectation::of(&exchange).check(&answer(NOON, "right")),
            Err(fault)
        );
    }
    for body in [
        text("right"),
        Body::Length(5),
        parts(&["ri", "ght"]),
        Body::Any,
    ] {
        let exchange = Exchange::get("/", body);
        assert!(
            Expectation::of(&exchange)
                .check(&answer(NOON, "right"))
                .unwrap()
                .is_some()
        );
    }
    let exchange = Exchange::get("/", Body::Any).answered(503);
    let fault = Fault::Status {
        expected: 503,
        actual: 200,
    };
    assert_eq!(
        Expectation::of(&exchange).check(&answer(NOON, "right")),
        Err(fault)
    );
}
