//! The pages as HTML. Every text is escaped by `maud` where it is written, so there is no place
//! where one could forget to.

use cutaway::response::Problem;
use maud::{DOCTYPE, Markup, html};

use super::comments::CommentRow;
use super::input::{AUTHOR, COMMENT, CONTENT, Fault, Fields, Rule, TITLE, pointer};
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
    pub fn again(fields: &'a Fields, faults: &'a [Fault]) -> Form<'a> {
        let text = |rule: &Rule| fields.get(rule.name).and_then(|text| text.as_str());
        Form {
            title: text(&TITLE).unwrap_or_default(),
            content: text(&CONTENT).unwrap_or_default(),
            author: text(&AUTHOR).unwrap_or_default(),
            faults,
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
                h2 { a href={ "/posts/" (post.id) } { (post.title) } }
                p { (excerpt(post.content)) }
                p.quiet { (byline(post.author, post.created_at)) " · " (count(post.comment_count, "comment")) }
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
                h1 { (post.title) }
                p.quiet {
                    (byline(post.author, post.created_at))
                    @if post.updated_at != post.created_at { " · edited " (time(post.updated_at)) }
                }
            }
            div.text { (post.content) }
            footer.actions {
                a.button href={ (at) "/edit" } { "Edit" }
                details {
                    summary.button { "Delete" }
                    form.inline method="post" action={ (at) "/delete" } {
                        p { "Delete this post and its comments for good?" }
                        button.danger { "Yes, delete it" }
                    }
                }
            }
        }
        section #comments aria-labelledby="comments-title" {
            h2 #comments-title { (count(post.comment_count, "comment")) }
            (turn_pages(comments, "comments", &at, "#comments"))
            ol.comments {
                @for comment in comments.entries.iter().rev() {
                    li id={ "comment-" (comment.id) } {
                        p.quiet { (byline(comment.author, comment.created_at)) }
                        div.text { (comment.content) }
                    }
                }
            }
            form method="post" action={ (at) "/comments" } aria-labelledby="form-title" {
                h3 #form-title { "Write a comment" }
                (summary(form.faults))
                (field("Comment", &COMMENT, form.content, "", form.faults))
                (field("Name", &AUTHOR, form.author, "May be left empty.", form.faults))
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
            (summary(form.faults))
            (field("Title", &TITLE, form.title, "", form.faults))
            (field("Text", &CONTENT, form.content, "", form.faults))
            (field("Name", &AUTHOR, form.author, "May be left empty.", form.faults))
            p.actions {
                button.primary { @if id.is_some() { "Save" } @else { "Publish" } }
                a.button href=(at) { "Cancel" }
            }
        }
    };
    page(title, content)
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
        _ => "Something went wrong. It was not your fault.",
    };
    let content = html! {
        header.lead {
            p.quiet { (status.code()) }
            h1 { (status.reason()) }
        }
        p { (words) }
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

/// A labelled field with its bounds and, where there is one, its fault.
fn field(label: &str, rule: &Rule, value: &str, hint: &str, faults: &[Fault]) -> Markup {
    let at = pointer(rule.name);
    let fault = faults.iter().find(|fault| fault.pointer == at);
    let note = fault.map(|_| format!("{}-fault", rule.name));
    html! {
        div.field {
            label for=(rule.name) { (label) }
            @if rule.has_lines {
                textarea id=(rule.name) name=(rule.name) maxlength=(rule.chars_max) rows="6" required
                    aria-invalid=[note.as_ref().map(|_| "true")] aria-describedby=[&note] { "\n" (value) }
            } @else {
                input id=(rule.name) name=(rule.name) maxlength=(rule.chars_max) value=(value)
                    required[hint.is_empty()] aria-invalid=[note.as_ref().map(|_| "true")] aria-describedby=[&note];
            }
            @if let Some(fault) = fault {
                p.fault id=[&note] { (label) " " (fault.detail) "." }
            } @else if !hint.is_empty() {
                p.quiet { (hint) }
            }
        }
    }
}

/// Says that a form came back, also to those who do not see the marks at its fields.
fn summary(faults: &[Fault]) -> Markup {
    html! {
        @if !faults.is_empty() {
            p.fault role="alert" {
                "Not saved yet: " (count(faults.len() as u64, "field")) " to mend."
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

fn byline(author: &str, at: &str) -> Markup {
    html! { span.author { (author) } ", " (time(at)) }
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
