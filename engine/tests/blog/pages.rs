//! The pages: what a visitor sees and sends, without a script.

use serde_json::json;

use crate::site::{Ask, get, on_every_site, post};

/// What would break out of wherever it is written unescaped.
const HOSTILE: &str = r#"<script>alert("1")</script>'"&<b>"#;

fn contains(page: &str, part: &str) {
    assert!(page.contains(part), "{part:?} is not in\n{page}");
}

fn lacks(page: &str, part: &str) {
    assert!(!page.contains(part), "{part:?} is in\n{page}");
}

#[test]
fn a_visitor_writes_changes_and_deletes_a_post() {
    on_every_site(|site| {
        let index = site.page(200, get("/"));
        contains(&index, "Nothing here yet.");
        let form = site.page(200, get("/new"));
        contains(&form, r#"<form method="post" action="/posts">"#);
        for name in ["title", "content", "author"] {
            contains(&form, &format!(r#"<label for="{name}">"#));
            contains(&form, &format!(r#"id="{name}" name="{name}""#));
        }

        let fields = [
            ("title", "Hello"),
            ("content", "one\r\n\r\ntwo"),
            ("author", ""),
        ];
        assert_eq!(site.sent_on(post("/posts").form(&fields)), "/posts/1");
        let page = site.page(200, get("/posts/1"));
        contains(&page, "Hello</h1>");
        contains(&page, "one\r\n\r\ntwo");
        contains(&page, "Anonymous");
        lacks(&page, "edited");
        let index = site.page(200, get("/"));
        contains(&index, r#"<a href="/posts/1">Hello</a>"#);
        contains(&index, "1 post<");

        let form = site.page(200, get("/posts/1/edit"));
        contains(&form, r#"value="Hello""#);
        contains(&form, "\none\r\n\r\ntwo</textarea>");
        let fields = [
            ("title", "Hello again"),
            ("content", "three"),
            ("author", "Ada"),
        ];
        assert_eq!(site.sent_on(post("/posts/1").form(&fields)), "/posts/1");
        contains(&site.page(200, get("/posts/1")), "Hello again</h1>");
        assert_eq!(site.json(200, get("/blog/posts/1"))["author"], "Ada");

        assert_eq!(site.sent_on(post("/posts/1/delete")), "/");
        contains(&site.page(404, get("/posts/1")), "There is no such page");
        for gone in [
            get("/posts/1/edit"),
            post("/posts/1").form(&fields),
            post("/posts/1/delete"),
            post("/posts/1/comments").form(&[("content", "c")]),
            get("/posts/1/comments/1"),
            post("/posts/1/comments/1").form(&[("content", "c")]),
            post("/posts/1/comments/1/delete"),
            // With faults as well: there is nothing to show them with.
            post("/posts/1").form(&[]),
            post("/posts/1/comments").form(&[]),
            post("/posts/1/comments/1").form(&[]),
        ] {
            site.page(404, gone);
        }
    });
}

#[test]
fn a_visitor_changes_and_deletes_a_comment() {
    on_every_site(|site| {
        site.write_post("Post");
        for text in ["one", "two", "three"] {
            site.sent_on(post("/posts/1/comments").form(&[("content", text)]));
        }
        contains(
            &site.page(200, get("/posts/1")),
            r#"<a class="quiet" href="/posts/1/comments/2">Edit</a>"#,
        );
        let form = site.page(200, get("/posts/1/comments/2"));
        contains(
            &form,
            r#"<form method="post" action="/posts/1/comments/2">"#,
        );
        contains(&form, "\ntwo</textarea>");
        contains(&form, r#"value="Anonymous""#);

        let change = |fields| post("/posts/1/comments/2").form(fields);
        let form = site.page(
            422,
            change(&[("content", " "), ("author", "Bob"), ("x", "y")]),
        );
        contains(&form, "Comment must not be blank.");
        contains(&form, "<code>x</code> is not a field of this.");
        contains(&form, r#"value="Bob""#);
        // Where it stands, however many have come since.
        let sent_on = site.sent_on(change(&[("content", "second thoughts"), ("author", "Bob")]));
        assert_eq!(sent_on, "/posts/1?before=3#comment-2");
        let page = site.page(200, get("/posts/1?before=3"));
        contains(&page, "second thoughts");
        contains(&page, "edited");
        lacks(&page, "three");

        let sent_on = site.sent_on(post("/posts/1/comments/2/delete"));
        assert_eq!(sent_on, "/posts/1#comments");
        let page = site.page(200, get("/posts/1"));
        contains(&page, "2 comments");
        lacks(&page, "second thoughts");
        site.page(404, get("/posts/1/comments/2"));
        site.page(404, post("/posts/1/comments/2/delete"));
        // A comment of another post is not there.
        site.write_post("Other");
        site.page(404, get("/posts/2/comments/1"));
        site.page(404, change(&[("content", "c")]));
    });
}

/// The ids of a page; two alike would lead a label to the wrong field.
fn check_ids(page: &str) {
    let ids: Vec<&str> = page
        .split(" id=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    for (place, id) in ids.iter().enumerate() {
        assert!(
            !ids[..place].contains(id),
            "two elements have the id {id}:\n{page}"
        );
    }
    for target in ["for", "aria-labelledby", "aria-describedby"] {
        for rest in page.split(&format!(" {target}=\"")).skip(1) {
            let id = rest.split('"').next().unwrap();
            assert!(ids.contains(&id), "there is no {id} for {target}");
        }
    }
}

#[test]
fn a_label_leads_to_its_field() {
    on_every_site(|site| {
        let id = site.write_post("Post");
        site.sent_on(post(format!("/posts/{id}/comments")).form(&[("content", "c")]));
        check_ids(&site.page(200, get("/")));
        check_ids(&site.page(200, get("/new")));
        check_ids(&site.page(200, get(format!("/posts/{id}"))));
        check_ids(&site.page(200, get(format!("/posts/{id}/edit"))));
        check_ids(&site.page(422, post("/posts").form(&[])));
        check_ids(&site.page(422, post(format!("/posts/{id}/comments")).form(&[])));
        check_ids(&site.page(200, get(format!("/posts/{id}/comments/1"))));
        check_ids(&site.page(422, post(format!("/posts/{id}/comments/1")).form(&[])));
        check_ids(&site.page(404, get("/nowhere")));
    });
}

#[test]
fn a_visitor_comments() {
    on_every_site(|site| {
        let id = site.write_post("Post");
        let at = format!("/posts/{id}");
        let comments = format!("{at}/comments");
        for number in 1..=3 {
            let text = format!("Comment number {number}");
            let sent_on =
                site.sent_on(post(&comments).form(&[("content", &text), ("author", "Bob")]));
            assert_eq!(sent_on, format!("{at}#comment-{number}"));
        }
        let page = site.page(200, get(&at));
        contains(&page, "3 comments");
        let place = |number| page.find(&format!("Comment number {number}")).unwrap();
        assert!(
            place(1) < place(2) && place(2) < place(3),
            "a conversation is read downwards"
        );

        let page = site.page(200, get(format!("{at}?limit=2")));
        lacks(&page, "Comment number 1");
        contains(
            &page,
            &format!(r#"href="{at}?before=2&amp;limit=2#comments""#),
        );
        let page = site.page(200, get(format!("{at}?before=2&limit=2")));
        contains(&page, "Comment number 1");
        lacks(&page, "Comment number 2");
        contains(&page, "Newest comments");
    });
}

#[test]
fn the_list_has_pages() {
    on_every_site(|site| {
        for number in 1..=3 {
            site.write_post(&format!("Post {number}"));
        }
        let first = site.page(200, get("/?limit=2"));
        contains(&first, "3 posts");
        contains(&first, "Post 3");
        lacks(&first, "Post 1");
        contains(&first, r#"href="/?before=2&amp;limit=2""#);
        lacks(&first, "Newest posts");
        let last = site.page(200, get("/?before=2&limit=2"));
        contains(&last, "Post 1");
        contains(&last, "Newest posts");
        lacks(&last, "Older posts");
    });
}

#[test]
fn a_form_with_faults_comes_back_as_it_was() {
    on_every_site(|site| {
        let id = site.write_post("Post");
        for target in ["/posts".to_owned(), format!("/posts/{id}")] {
            let fields = [
                ("title", " "),
                ("content", "Much text."),
                ("author", "Somebody"),
            ];
            let form = site.page(422, post(&target).form(&fields));
            contains(&form, &format!(r#"action="{target}""#));
            contains(&form, "Title must not be blank.");
            contains(
                &form,
                r#"aria-invalid="true" aria-describedby="title-note""#,
            );
            contains(&form, "Much text.</textarea>");
            contains(&form, r#"value="Somebody""#);
            contains(&form, r#"role="alert""#);

            let form = site.page(422, post(&target).form(&[("author", &"a".repeat(81))]));
            contains(&form, "Title is missing.");
            contains(&form, "Text is missing.");
            contains(&form, "Name has 81 characters; 80 are allowed.");
            contains(&form, "3 fields</span> to mend");

            // What has no place in the form is told above it.
            let more = [("title", "t"), ("content", "c"), ("<b>", "x")];
            let form = site.page(422, post(&target).form(&more));
            contains(&form, "<code>&lt;b&gt;</code> is not a field of this.");
            contains(&form, r#"value="t""#);
            contains(&form, "Up to 200 characters.");
        }
        let page = site.page(
            422,
            post(format!("/posts/{id}/comments")).form(&[("content", ""), ("author", "Bob")]),
        );
        contains(&page, "Post</h1>");
        contains(&page, "Comment must not be blank.");
        contains(&page, r#"value="Bob""#);
        assert_eq!(
            site.json(200, get("/blog/posts"))["posts"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
        assert_eq!(site.json(200, get("/blog/posts/1"))["comment_count"], 0);
    });
}

#[test]
fn a_body_that_is_no_form_is_refused() {
    on_every_site(|site| {
        site.write_post("Post");
        for target in ["/posts", "/posts/1", "/posts/1/comments"] {
            site.page(415, post(target));
            site.page(
                415,
                post(target).json(&json!({"title": "t", "content": "c"})),
            );
            let latin =
                post(target).body("application/x-www-form-urlencoded", "title=%FF&content=c");
            site.page(400, latin);
        }
    });
}

#[test]
fn every_text_is_escaped() {
    on_every_site(|site| {
        let fields = [
            ("title", HOSTILE),
            ("content", HOSTILE),
            ("author", HOSTILE),
        ];
        site.sent_on(post("/posts").form(&fields));
        site.sent_on(post("/posts/1/comments").form(&fields[1..]));
        // With a fault, so that the form shows what was sent.
        let long = "a".repeat(201);
        let faulty = [
            ("title", long.as_str()),
            ("content", HOSTILE),
            ("author", HOSTILE),
        ];
        let title = [("title", HOSTILE), ("author", HOSTILE)];
        for page in [
            site.page(200, get("/")),
            site.page(200, get("/posts/1")),
            site.page(200, get("/posts/1/edit")),
            site.page(422, post("/posts").form(&faulty)),
            site.page(422, post("/posts/1").form(&title)),
            site.page(200, get("/posts/1/comments/1")),
            site.page(422, post("/posts/1/comments").form(&[("author", HOSTILE)])),
            site.page(
                422,
                post("/posts/1/comments/1").form(&[("author", HOSTILE)]),
            ),
            site.page(422, post("/posts/1/comments/1").form(&[(HOSTILE, "x")])),
        ] {
            lacks(&page, "<script>alert");
            lacks(&page, "<b>");
            lacks(&page, r#"alert("1")"#);
            contains(&page, "&lt;b&gt;");
        }
        // What is stored is what was written.
        let stored = site.json(200, get("/blog/posts/1"));
        assert_eq!(stored["title"], HOSTILE);
        let missing = site.page(404, get("/%3Cscript%3Ealert(%221%22)%3C/script%3E"));
        lacks(&missing, "alert");
    });
}

#[test]
fn errors_are_pages_for_people_and_problems_for_programs() {
    on_every_site(|site| {
        let named = get("/nowhere").field("X-Request-Id", "theirs-7");
        let missing = site.page(404, named);
        contains(&missing, "Not Found");
        contains(&missing, "<code>theirs-7</code>");
        contains(&site.page(400, get("/posts/one")), "Bad Request");
        contains(&site.page(400, get("/?limit=0")), "Bad Request");
        let refused = site.page(403, post("/posts").field("Sec-Fetch-Site", "cross-site"));
        contains(&refused, "another site");
        let response = site.expect(405, Ask::new("PUT", "/posts/1"));
        assert!(
            response
                .field("allow")
                .is_some_and(|allow| allow.contains("POST"))
        );
        contains(response.text(), "<h1>Method Not Allowed</h1>");
        site.problem(404, get("/blog/nowhere"));
        site.problem(405, Ask::new("PUT", "/blog/posts"));
    });
}

#[test]
fn a_browser_is_told_what_a_page_may_do() {
    on_every_site(|site| {
        for (status, target) in [(200, "/"), (404, "/nowhere"), (200, "/blog/posts")] {
            let response = site.expect(status, get(target));
            let policy = response.field("content-security-policy").unwrap();
            contains(policy, "default-src 'none'");
            assert_eq!(response.field("x-content-type-options"), Some("nosniff"));
        }
        let style = site.expect(200, get("/style.css"));
        assert_eq!(style.field("content-type"), Some("text/css; charset=utf-8"));
        contains(style.text(), "prefers-color-scheme: dark");
        let script = site.expect(200, get("/script.js"));
        assert_eq!(
            script.field("content-type"),
            Some("text/javascript; charset=utf-8")
        );
    });
}
