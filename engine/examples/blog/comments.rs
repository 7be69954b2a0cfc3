//! Comments, as JSON: `/blog/posts/{id}/comments` and `/blog/posts/{id}/comments/{comment_id}`.

use cutaway::effect::{Effect, SqliteHandle};
use cutaway::prelude::*;
use serde::Serialize;

use super::input::{self, Fields};
use super::list::{Before, Limit, Page, PageSize, link_to_next};
use super::posts::{self, Post, PostId, no_content};
use super::{Blog, WRITE};

slot!(pub CommentId: i64 = path "comment_id");
slot!(pub CommentJson: Fields = body json);
slot!(pub CommentInput<'r>: input::CommentInput<'r>);
slot!(pub Comment<'r>: CommentRow<'r>);
slot!(pub Comments<'r>: &'r [CommentRow<'r>]);

pub fn routes() -> Routes {
    const ALL: &str = "/posts/{id}/comments";
    const ONE: &str = "/posts/{id}/comments/{comment_id}";
    Routes::new()
        .get(ALL, chain(load_page).then(show_page))
        .get(ONE, chain(load).then(show))
        .deadline(WRITE)
        .post(ALL, chain(check_whole).then(insert).then(show_created))
        .put(ONE, chain(check_whole).then(update).then(show))
        .patch(ONE, chain(check_part).then(update).then(show))
        .delete(ONE, chain(delete).then(no_content))
}

/// A row of `comments`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CommentRow<'r> {
    pub id: i64,
    pub post_id: i64,
    pub content: &'r str,
    pub author: &'r str,
    pub created_at: &'r str,
    pub updated_at: &'r str,
}

impl<'r> FromRow<'r> for CommentRow<'r> {
    fn from_row(row: Row<'r>) -> Result<Self, DecodeError> {
        let mut columns = row.columns();
        Ok(CommentRow {
            id: columns.read()?,
            post_id: columns.read()?,
            content: columns.read()?,
            author: columns.read()?,
            created_at: columns.read()?,
            updated_at: columns.read()?,
        })
    }
}

/// The input of a new comment, or of one that is replaced.
fn check_whole(cx: &mut Cx<Reads<CommentJson>, Writes<CommentInput>>) -> Step {
    match input::CommentInput::whole(cx.get(CommentJson)) {
        Ok(comment) => cx.put(CommentInput, comment),
        Err(faults) => return cx.problem(Unprocessable, "the comment has faults", &faults),
    };
    Continue
}

/// The input of a change.
fn check_part(cx: &mut Cx<Reads<CommentJson>, Writes<CommentInput>>) -> Step {
    match input::CommentInput::part(cx.get(CommentJson)) {
        Ok(comment) => cx.put(CommentInput, comment),
        Err(faults) => return cx.problem(Unprocessable, "the comment has faults", &faults),
    };
    Continue
}

pub fn newest(
    blog: SqliteHandle<'_>,
    post: i64,
    before: i64,
    limit: PageSize,
) -> Effect<'_, Comments> {
    blog.query("SELECT * FROM comments WHERE post_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3")
        .bind(post)
        .bind(before)
        .bind(limit.rows())
        .into(Comments)
}

/// Writes both or nothing: a comment, and the number of comments of its post, which must be there.
pub fn new<'r>(
    blog: SqliteHandle<'r>,
    post: i64,
    comment: &input::CommentInput<'r>,
) -> Effect<'r, Comment> {
    blog.transaction()
        .exec("UPDATE posts SET comment_count = comment_count + 1 WHERE id = ?1")
        .bind(post)
        .or_missing("post", post)
        .returning_one(
            "INSERT INTO comments (post_id, content, author) VALUES (?1, ?2, ?3) RETURNING *",
        )
        .bind(post)
        .bind(comment.content)
        .bind(comment.author)
        .into(Comment)
}

/// What the input does not name stays as it is.
pub fn changed<'r>(
    blog: SqliteHandle<'r>,
    post: i64,
    id: i64,
    comment: &input::CommentInput<'r>,
) -> Effect<'r, Comment> {
    blog.returning_one(
        "UPDATE comments SET content = coalesce(?3, content), author = coalesce(?4, author),
             updated_at = strftime('%Y-%m-%dT%H:%M:%fZ')
         WHERE id = ?1 AND post_id = ?2 RETURNING *",
    )
    .bind(id)
    .bind(post)
    .bind(comment.content)
    .bind(comment.author)
    .or_missing("comment", id)
    .into(Comment)
}

pub fn by_id(blog: SqliteHandle<'_>, post: i64, id: i64) -> Effect<'_, Comment> {
    blog.query_one("SELECT * FROM comments WHERE id = ?1 AND post_id = ?2")
        .bind(id)
        .bind(post)
        .or_missing("comment", id)
        .into(Comment)
}

pub fn load(cx: &mut Cx<Reads<(PostId, CommentId)>, Writes<Comment>, Uses<Blog>>) -> Step {
    let (post, id) = (*cx.get(PostId), *cx.get(CommentId));
    cx.need(by_id(cx.on(Blog), post, id))
}

/// The post as well, at the same time: no comments of no post are a 404.
pub fn load_page(
    cx: &mut Cx<Reads<(PostId, Before, Limit)>, Writes<(Post, Comments)>, Uses<Blog>>,
) -> Step {
    let (id, before, limit) = (*cx.get(PostId), *cx.get(Before), *cx.get(Limit));
    let post = posts::by_id(cx.on(Blog), id);
    let comments = newest(cx.on(Blog), id, before, limit);
    cx.need((post, comments))
}

fn insert(cx: &mut Cx<Reads<(PostId, CommentInput)>, Writes<Comment>, Uses<Blog>>) -> Step {
    let (post, comment) = (*cx.get(PostId), cx.get(CommentInput));
    cx.need(new(cx.on(Blog), post, comment))
}

fn update(
    cx: &mut Cx<Reads<(PostId, CommentId, CommentInput)>, Writes<Comment>, Uses<Blog>>,
) -> Step {
    let (post, id, comment) = (*cx.get(PostId), *cx.get(CommentId), cx.get(CommentInput));
    cx.need(changed(cx.on(Blog), post, id, comment))
}

pub fn delete(cx: &mut Cx<Reads<(PostId, CommentId)>, Uses<Blog>>) -> Step {
    let (post, id) = (*cx.get(PostId), *cx.get(CommentId));
    let both = cx
        .on(Blog)
        .transaction()
        .exec("DELETE FROM comments WHERE id = ?1 AND post_id = ?2")
        .bind(id)
        .bind(post)
        .or_missing("comment", id)
        .exec("UPDATE posts SET comment_count = comment_count - 1 WHERE id = ?1")
        .bind(post);
    cx.need(both)
}

fn show(cx: &mut Cx<Reads<Comment>>) -> Step {
    let comment = cx.get(Comment);
    cx.json(comment)
}

fn show_created(cx: &mut Cx<Reads<Comment>>) -> Step {
    let comment = cx.get(Comment);
    let at = format!("/blog/posts/{}/comments/{}", comment.post_id, comment.id);
    cx.response_header("Location", &at)?;
    cx.status(Status::CREATED).json(comment)
}

fn show_page(cx: &mut Cx<Reads<(PostId, Comments, Before, Limit)>>) -> Step {
    #[derive(Serialize)]
    struct Listed<'r> {
        comments: &'r [CommentRow<'r>],
        next: Option<String>,
    }
    let page = Page::of(
        cx.get(Comments),
        *cx.get(Before),
        *cx.get(Limit),
        |comment| comment.id,
    );
    let (post, comments) = (*cx.get(PostId), page.entries);
    let next = page
        .next
        .map(|query| format!("/blog/posts/{post}/comments{query}"));
    link_to_next(cx, next.as_deref())?;
    cx.json(&Listed { comments, next })
}
