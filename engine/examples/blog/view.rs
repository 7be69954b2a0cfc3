//! The pages as HTML. Every text is escaped by `maud` where it is written, so there is no place
//! where one could forget to.

use cutaway::response::Problem;
use maud::{DOCTYPE, Markup, html};

use super::comments::CommentRow;
use super::input::{AUTHOR, COMMENT, CONTENT, Fault, Faults, Fields, Rule, TITLE, pointer};
use super::list::Page;
use super::posts::PostRow;

/// What a form shows: what was written so far, and what is wrong with it.
#[derive(Default)]
pub struct Form<'a> {
    pub title: &'a str,
    pub content: &'a str,
    pub author: &'a str,
    pub faults: &'a [Fault],
}

impl<'a> Form<'a> {
    /// A form that comes back to whoever filled it in.
    pub fn again(fields: &'a Fields, faults: &'a Faults) -> Form<'a> {
        let text = |rule: &Rule| fields.get(rule.name).and_then(|text| text.as_str());
        Form {
            title: text(&TITLE).unwrap_or_default(),
            content: text(&CONTENT).unwrap_or_default(),
            author: text(&AUTHOR).unwrap_or_default(),
            faults: &faults.errors,
        }
    }
}

impl Form<'_> {
    fn value(&self, rule: &Rule) -> &str {
        match rule.name {
            "title" => self.title,
            "author" => self.author,
            _ => self.content,
        }
    }
}

/// A page of the list, and how many posts there are in all.
pub fn index(posts: &Page<'_, PostRow<'_>>, total: u64) -> Markup {
    let content = html! {
        header.lead {
            h1 { "Posts" }
            p.quiet { (count(total, "post")) }
        }
        @if posts.entries.is_empty() {
            p.empty { "Nothing here yet. " a href="/new" { "Write the first post" } "." }
        }
        @for post in posts.entries {
            article.card {
                h2 dir="auto" { a href={ "/posts/" (post.id) } { (post.title) } }
                p dir="auto" { (excerpt(post.content)) }
                p.quiet.byline {
                    (written(post.author, post.created_at, post.updated_at))
                    (count(post.comment_count, "comment"))
                }
            }
        }
        (turn_pages(posts, "posts", "/", ""))
    };
    page("Posts", content)
}

/// A post, a page of its comments, and the form for another one.
pub fn post(post: &PostRow<'_>, comments: &Page<'_, CommentRow<'_>>, form: &Form<'_>) -> Markup {
    let at = format!("/posts/{}", post.id);
    let content = html! {
        article {
            header.lead {
                h1 dir="auto" { (post.title) }
                p.quiet.byline { (written(post.author, post.created_at, post.updated_at)) }
            }
            div.text dir="auto" { (post.content) }
            footer.actions {
                a.button href={ (at) "/edit" } { "Edit" }
                (delete(&at, "Delete this post and its comments for good?"))
            }
        }
        section #comments aria-labelledby="comments-title" {
            h2 #comments-title { (count(post.comment_count, "comment")) }
            (turn_pages(comments, "comments", &at, "#comments"))
            ol.comments {
                @for comment in comments.entries.iter().rev() {
                    li id={ "comment-" (comment.id) } {
                        p.quiet.byline { (written(comment.author, comment.created_at, comment.updated_at)) }
                        a.quiet href={ (at) "/comments/" (comment.id) } { "Edit" }
                        div.text dir="auto" { (comment.content) }
                    }
                }
            }
            form method="post" action={ (at) "/comments" } aria-labelledby="form-title" {
                h3 #form-title { "Write a comment" }
                (fields(&COMMENT_FIELDS, form))
                button.primary { "Send comment" }
            }
        }
    };
    page(post.title, content)
}

/// The form for a new post, or for the post with this id.
pub fn edit(id: Option<i64>, form: &Form<'_>) -> Markup {
    let (title, at) = match id {
        None => ("New post", "/".to_owned()),
        Some(id) => ("Edit post", format!("/posts/{id}")),
    };
    let content = html! {
        form method="post" action=(if id.is_some() { at.as_str() } else { "/posts" }) {
            h1 { (title) }
            (fields(&POST_FIELDS, form))
            p.actions {
                button.primary { @if id.is_some() { "Save" } @else { "Publish" } }
                a.button href=(at) { "Cancel" }
            }
        }
    };
    page(title, content)
}

/// The form for a comment that is there.
pub fn edit_comment(post: i64, id: i64, form: &Form<'_>) -> Markup {
    let at = format!("/posts/{post}/comments/{id}");
    let content = html! {
        form method="post" action=(at) {
            h1 { "Edit comment" }
            (fields(&COMMENT_FIELDS, form))
            p.actions {
                button.primary { "Save" }
                a.button href={ "/posts/" (post) "#comments" } { "Cancel" }
            }
        }
        div.actions { (delete(&at, "Delete this comment for good?")) }
    };
    page("Edit comment", content)
}

/// What went wrong, for people.
pub fn failure(failed: &Problem<'_>) -> Markup {
    let status = failed.status();
    let words = match status.code() {
        400 => "This address or form is not one that can be read.",
        403 => "This was sent from another site, so nothing was done.",
        404 => "There is no such page, or no longer.",
        405 => "That cannot be done with this page.",
        413 => "That is more than fits.",
        503 | 504 => "There is too much going on. Please try again in a moment.",
        code if code < 500 => "This cannot be done with what was sent.",
        _ => "Something went wrong. It was not your fault.",
    };
    let content = html! {
        header.lead {
            p.quiet { (status.code()) }
            h1 { (status.reason()) }
        }
        p { (words) }
        p.quiet { "Should you ask us about it, say that it was request " code { (failed.request_id()) } "." }
        p { a.button href="/" { "To the posts" } }
    };
    page(status.reason(), content)
}

fn page(title: &str, content: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Cutaway blog" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/style.css";
                script src="/script.js" defer {}
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header.site {
                    a.name href="/" { "Cutaway blog" }
                    a.button href="/new" { "Write" }
                }
                main #main tabindex="-1" { (content) }
            }
        }
    }
}

/// What a form asks for: a label and its rule.
type Labelled = (&'static str, &'static Rule);

const POST_FIELDS: [Labelled; 3] = [("Title", &TITLE), ("Text", &CONTENT), ("Name", &AUTHOR)];
const COMMENT_FIELDS: [Labelled; 2] = [("Comment", &COMMENT), ("Name", &AUTHOR)];

/// The fields of a form, and what is wrong with it as a whole.
fn fields(asked: &[Labelled], form: &Form<'_>) -> Markup {
    let count_of_faults = form.faults.len() as u64;
    let has_field = |fault: &&Fault| {
        let mut asked = asked.iter();
        asked.any(|(_, rule)| fault.pointer == pointer(rule.name))
    };
    html! {
        @if count_of_faults > 0 {
            // Also for those who do not see the marks at the fields.
            div.fault role="alert" {
                p { "Not saved yet: " (count(count_of_faults, "field")) " to mend." }
                @for fault in form.faults.iter().filter(|fault| !has_field(fault)) {
                    p { code { (fault.pointer.trim_start_matches('/')) } " " (fault.detail) "." }
                }
            }
        }
        @for (label, rule) in asked {
            (field(label, rule, form.value(rule), form.faults))
        }
    }
}

/// A labelled field with its bounds and, where there is one, its fault.
///
/// It has no `maxlength`: browsers count otherwise, and cut what is pasted without a word.
fn field(label: &str, rule: &Rule, value: &str, faults: &[Fault]) -> Markup {
    let at = pointer(rule.name);
    let fault = faults.iter().find(|fault| fault.pointer == at);
    let note = format!("{}-note", rule.name);
    let is_invalid = fault.map(|_| "true");
    html! {
        div.field {
            label for=(rule.name) { (label) }
            @if rule.has_lines {
                textarea id=(rule.name) name=(rule.name) dir="auto" rows="6" required[rule.is_required]
                    aria-invalid=[is_invalid] aria-describedby=(note) { "\n" (value) }
            } @else {
                input id=(rule.name) name=(rule.name) dir="auto" value=(value) required[rule.is_required]
                    aria-invalid=[is_invalid] aria-describedby=(note);
            }
            @if let Some(fault) = fault {
                p.fault id=(note) { (label) " " (fault.detail) "." }
            } @else {
                p.quiet id=(note) {
                    @if !rule.is_required { "May be left empty. " }
                    "Up to " (rule.chars_max) " characters."
                }
            }
        }
    }
}

/// A button that asks once more.
fn delete(at: &str, question: &str) -> Markup {
    html! {
        details {
            summary.button { "Delete" }
            form method="post" action={ (at) "/delete" } {
                p { (question) }
                button.danger { "Yes, delete it" }
            }
        }
    }
}

/// The ways from a page of a list to the others.
fn turn_pages<T>(page: &Page<'_, T>, of: &str, at: &str, fragment: &str) -> Markup {
    html! {
        @if page.next.is_some() || !page.is_first {
            nav.pages aria-label="Pages" {
                @if let Some(query) = &page.next {
                    a.button href={ (at) (query) (fragment) } { "Older " (of) }
                }
                @if !page.is_first {
                    a.button href={ (at) (fragment) } { "Newest " (of) }
                }
            }
        }
    }
}

/// Who has written something, when, and when it was changed.
fn written(author: &str, created_at: &str, updated_at: &str) -> Markup {
    html! {
        bdi.author { (author) } " "
        (time(created_at)) " "
        @if updated_at != created_at { span { "edited " (time(updated_at)) } " " }
    }
}

/// `2026-11-21T10:05:00.000Z` as `21 November 2026, 10:05 UTC`.
fn time(at: &str) -> Markup {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let part = |range| at.get(range).unwrap_or_default();
    let month = part(5..7)
        .parse()
        .ok()
        .and_then(|month: usize| MONTHS.get(month.wrapping_sub(1)));
    html! {
        time datetime=(at) {
            (part(8..10).trim_start_matches('0')) " " (month.unwrap_or(&"")) " " (part(0..4)) ", " (part(11..16)) " UTC"
        }
    }
}

fn count(count: u64, noun: &str) -> Markup {
    html! { span.count { (count) " " (noun) @if count != 1 { "s" } } }
}

/// How a text begins.
fn excerpt(text: &str) -> Markup {
    let cut = text.char_indices().nth(280).map(|(at, _)| &text[..at]);
    html! { (cut.unwrap_or(text)) @if cut.is_some() { "…" } }
}
