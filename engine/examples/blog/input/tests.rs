use serde_json::json;

use super::*;

fn fields(value: Value) -> Fields {
    let Value::Object(fields) = value else {
        panic!("an input is an object")
    };
    fields
}

fn told(faults: Faults) -> Vec<(String, String)> {
    let told = (faults.errors.into_iter()).map(|fault| (fault.pointer, fault.detail));
    told.collect()
}

fn check(found: Result<(), Faults>, expected: &[(&str, &str)]) {
    let found = found.err().map_or_else(Vec::new, told);
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|(pointer, detail)| (pointer.as_str(), detail.as_str()))
        .collect();
    assert_eq!(found, expected);
}

fn whole_post(value: Value, expected: &[(&str, &str)]) {
    check(PostInput::whole(&fields(value)).map(drop), expected);
}

fn part_of_post(value: Value, expected: &[(&str, &str)]) {
    check(PostInput::part(&fields(value)).map(drop), expected);
}

#[test]
fn a_post_is_taken_without_the_space_around_it() {
    let fields =
        fields(json!({"title": "  A title ", "content": "\tone\r\ntwo\n", "author": " Ada"}));
    let post = PostInput::whole(&fields).unwrap();
    assert_eq!(post.title, Some("A title"));
    assert_eq!(post.content, Some("one\r\ntwo"));
    assert_eq!(post.author, Some("Ada"));
}

#[test]
fn nobody_has_to_give_a_name() {
    for value in [
        json!({"title": "t", "content": "c"}),
        json!({"title": "t", "content": "c", "author": ""}),
        json!({"title": "t", "content": "c", "author": " \n"}),
    ] {
        let fields = fields(value);
        assert_eq!(PostInput::whole(&fields).unwrap().author, Some("Anonymous"));
    }
    // A change that says nothing of the author leaves it.
    let fields = fields(json!({"title": "t"}));
    assert_eq!(PostInput::part(&fields).unwrap().author, None);
}

#[test]
fn every_fault_is_told_at_once() {
    whole_post(
        json!({}),
        &[("/title", "is missing"), ("/content", "is missing")],
    );
    whole_post(
        json!({"title": 5, "content": " ", "author": null, "a/b~c": 1}),
        &[
            ("/title", "must be a text"),
            ("/content", "must not be blank"),
            ("/author", "must be a text"),
            ("/a~1b~0c", "is not a field of this"),
        ],
    );
    part_of_post(json!({}), &[("", "names nothing to change")]);
    part_of_post(
        json!({"title": "", "id": 7}),
        &[
            ("/title", "must not be blank"),
            ("/id", "is not a field of this"),
        ],
    );
    let comment = fields(json!({"title": "t", "content": []}));
    check(
        CommentInput::whole(&comment).map(drop),
        &[
            ("/content", "must be a text"),
            ("/title", "is not a field of this"),
        ],
    );
}

#[test]
fn a_text_has_its_bounds() {
    let post = |title: String, content: String| json!({"title": title, "content": content});
    // Characters are counted, not bytes, and a line end is one however it is sent.
    whole_post(post("é".repeat(200), "a\r\n".repeat(5_000)), &[]);
    whole_post(
        post("é".repeat(201), "a".repeat(10_001)),
        &[
            ("/title", "has 201 characters; 200 are allowed"),
            ("/content", "has 10001 characters; 10000 are allowed"),
        ],
    );
    whole_post(
        post("one\ntwo".to_owned(), "a\u{0}b".to_owned()),
        &[
            ("/title", "must be one line without control characters"),
            ("/content", "must not have control characters"),
        ],
    );
}

#[test]
fn what_nobody_sees_is_blank() {
    let title = |title: &str| json!({"title": title, "content": "c"});
    for unseen in [
        "\u{200B}",
        "\u{2060}\u{FEFF}",
        "\u{00AD} \u{200D}\u{FE0F}",
        "\u{3164}",
        "\u{2800}\u{E0041}",
        "\u{202E}\u{3000}",
    ] {
        whole_post(title(unseen), &[("/title", "must not be blank")]);
        // A name like this is nobody's.
        let fields = fields(json!({"title": "t", "content": "c", "author": unseen}));
        assert_eq!(PostInput::whole(&fields).unwrap().author, Some("Anonymous"));
    }
    let controls = "must be one line without control characters";
    for control in ["\u{7F}", "\u{0}\u{1B}", "\u{85}"] {
        let found = PostInput::whole(&fields(title(&format!("a{control}b")))).unwrap_err();
        assert_eq!(found.errors[0].detail, controls, "{control:?}");
        assert!(PostInput::whole(&fields(title(control))).is_err());
    }
    // Among others they have their use: a family in one emoji, a soft hyphen, a direction.
    for seen in [
        "\u{1F469}\u{200D}\u{1F467}\u{FE0F}",
        "co\u{AD}op",
        "\u{200F}\u{05D0}",
    ] {
        whole_post(title(seen), &[]);
    }
    // These separate lines too.
    whole_post(title("one\u{2028}two"), &[("/title", controls)]);
}
