//! Posts, as JSON: `/blog/posts` and `/blog/posts/{id}`.

use cutaway::effect::{Effect, SqliteHandle};
use cutaway::prelude::*;
use serde::Serialize;

use super::input::{self, Fields};
use super::list::{Before, Limit, Page, PageSize, link_to_next};
use super::{Blog, WRITE};

slot!(pub PostId: i64 = path "id");
slot!(pub PostJson: Fields = body json);
slot!(pub PostInput<'r>: input::PostInput<'r>);
slot!(pub Post<'r>: PostRow<'r>);
slot!(pub Posts<'r>: &'r [PostRow<'r>]);

pub fn routes() -> Routes {
    Routes::new()
        .get("/posts", chain(load_page).then(show_page))
        .get("/posts/{id}", chain(load).then(show))
        .deadline(WRITE)
        .post("/posts", chain(check_whole).then(insert).then(show_created))
        .put("/posts/{id}", chain(check_whole).then(update).then(show))
        .patch("/posts/{id}", chain(check_part).then(update).then(show))
        .delete("/posts/{id}", chain(delete).then(no_content))
}

/// A row of `posts`. Its text lies in the request's own memory.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PostRow<'r> {
    pub id: i64,
    pub title: &'r str,
    pub content: &'r str,
    pub author: &'r str,
    pub created_at: &'r str,
    pub updated_at: &'r str,
    pub comment_count: u64,
}

impl<'r> FromRow<'r> for PostRow<'r> {
    fn from_row(row: Row<'r>) -> Result<Self, DecodeError> {
        let mut columns = row.columns();
        Ok(PostRow {
            id: columns.read()?,
            title: columns.read()?,
            content: columns.read()?,
            author: columns.read()?,
            created_at: columns.read()?,
            updated_at: columns.read()?,
            comment_count: columns.read()?,
        })
    }
}

/// The input of a new post, or of one that is replaced.
fn check_whole(cx: &mut Cx<Reads<PostJson>, Writes<PostInput>>) -> Step {
    match input::PostInput::whole(cx.get(PostJson)) {
        Ok(post) => cx.put(PostInput, post),
        Err(faults) => return cx.problem(Unprocessable, "the post has faults", &faults),
    };
    Continue
}

/// The input of a change.
fn check_part(cx: &mut Cx<Reads<PostJson>, Writes<PostInput>>) -> Step {
    match input::PostInput::part(cx.get(PostJson)) {
        Ok(post) => cx.put(PostInput, post),
        Err(faults) => return cx.problem(Unprocessable, "the post has faults", &faults),
    };
    Continue
}

// Effects are values, so what several routes ask for has a name.

pub fn by_id(blog: SqliteHandle<'_>, id: i64) -> Effect<'_, Post> {
    blog.query_one("SELECT * FROM posts WHERE id = ?1")
        .bind(id)
        .or_missing("post", id)
        .into(Post)
}

pub fn newest(blog: SqliteHandle<'_>, before: i64, limit: PageSize) -> Effect<'_, Posts> {
    blog.query("SELECT * FROM posts WHERE id < ?1 ORDER BY id DESC LIMIT ?2")
        .bind(before)
        .bind(limit.rows())
        .into(Posts)
}

/// What the input does not name stays as it is.
pub fn changed<'r>(
    blog: SqliteHandle<'r>,
    id: i64,
    post: &input::PostInput<'r>,
) -> Effect<'r, Post> {
    blog.returning_one(
        "UPDATE posts SET title = coalesce(?2, title), content = coalesce(?3, content),
             author = coalesce(?4, author), updated_at = strftime('%Y-%m-%dT%H:%M:%fZ')
         WHERE id = ?1 RETURNING *",
    )
    .bind(id)
    .bind(post.title)
    .bind(post.content)
    .bind(post.author)
    .or_missing("post", id)
    .into(Post)
}

pub fn load(cx: &mut Cx<Reads<PostId>, Writes<Post>, Uses<Blog>>) -> Step {
    let id = *cx.get(PostId);
    cx.need(by_id(cx.on(Blog), id))
}

fn load_page(cx: &mut Cx<Reads<(Before, Limit)>, Writes<Posts>, Uses<Blog>>) -> Step {
    let (before, limit) = (*cx.get(Before), *cx.get(Limit));
    cx.need(newest(cx.on(Blog), before, limit))
}

pub fn insert(cx: &mut Cx<Reads<PostInput>, Writes<Post>, Uses<Blog>>) -> Step {
    let post = cx.get(PostInput);
    let insert = cx
        .on(Blog)
        .returning_one("INSERT INTO posts (title, content, author) VALUES (?1, ?2, ?3) RETURNING *")
        .bind(post.title)
        .bind(post.content)
        .bind(post.author);
    cx.need(insert.into(Post))
}

fn update(cx: &mut Cx<Reads<(PostId, PostInput)>, Writes<Post>, Uses<Blog>>) -> Step {
    let (id, post) = (*cx.get(PostId), cx.get(PostInput));
    cx.need(changed(cx.on(Blog), id, post))
}

/// Its comments go with it.
pub fn delete(cx: &mut Cx<Reads<PostId>, Uses<Blog>>) -> Step {
    let id = *cx.get(PostId);
    let delete = cx.on(Blog).exec("DELETE FROM posts WHERE id = ?1").bind(id);
    cx.need(delete.or_missing("post", id))
}

fn show(cx: &mut Cx<Reads<Post>>) -> Step {
    let post = cx.get(Post);
    cx.json(post)
}

fn show_created(cx: &mut Cx<Reads<Post>>) -> Step {
    let post = cx.get(Post);
    cx.response_header("Location", &format!("/blog/posts/{}", post.id))?;
    cx.status(Status::CREATED).json(post)
}

fn show_page(cx: &mut Cx<Reads<(Posts, Before, Limit)>>) -> Step {
    #[derive(Serialize)]
    struct Listed<'r> {
        posts: &'r [PostRow<'r>],
        next: Option<String>,
    }
    let page = Page::of(cx.get(Posts), *cx.get(Before), *cx.get(Limit), |post| {
        post.id
    });
    let posts = page.entries;
    let next = page.next.map(|query| format!("/blog/posts{query}"));
    link_to_next(cx, next.as_deref())?;
    cx.json(&Listed { posts, next })
}

pub fn no_content(cx: &mut Cx) -> Step {
    cx.empty()
}
