//! The blog for people: pages and plain forms, which work without a script.

use cutaway::prelude::*;
use maud::Markup;

use super::comments::{self, Comment, CommentId, CommentRow, Comments};
use super::input::{self, CommentInput, Fields};
use super::list::{Before, Limit, Page};
use super::posts::{self, Post, PostId, PostInput, Posts};
use super::view::{self, Form};
use super::{Blog, WRITE};

slot!(pub PostForm: Fields = body form);
slot!(pub CommentForm: Fields = body form);
slot!(pub Total: (u64,));

pub fn routes() -> Routes {
    const POST: &str = "/posts/{id}";
    const COMMENT: &str = "/posts/{id}/comments/{comment_id}";
    Routes::new()
        .get("/", chain(load_index).then(show_index))
        .get("/new", chain(show_new))
        .get(POST, chain(comments::load_page).then(show_post))
        .get("/posts/{id}/edit", chain(posts::load).then(show_edit))
        .get(COMMENT, chain(comments::load).then(show_comment))
        .get("/style.css", chain(style))
        .get("/script.js", chain(script))
        .deadline(WRITE)
        .post(
            "/posts",
            chain(check_new).then(posts::insert).then(see_post),
        )
        .post(POST, chain(save_post))
        .post("/posts/{id}/delete", chain(posts::delete).then(see_index))
        .post("/posts/{id}/comments", chain(add_comment))
        .post(COMMENT, chain(save_comment))
        .post(
            "/posts/{id}/comments/{comment_id}/delete",
            chain(comments::delete).then(see_comments),
        )
}

/// The page of posts and the number of all, at the same time.
fn load_index(cx: &mut Cx<Reads<(Before, Limit)>, Writes<(Posts, Total)>, Uses<Blog>>) -> Step {
    let posts = posts::newest(cx.on(Blog), *cx.get(Before), *cx.get(Limit));
    let total = cx.on(Blog).query_one("SELECT count(*) FROM posts");
    cx.need((posts, total.into(Total)))
}

fn show_index(cx: &mut Cx<Reads<(Posts, Total, Before, Limit)>>) -> Step {
    let page = Page::of(cx.get(Posts), *cx.get(Before), *cx.get(Limit), |post| {
        post.id
    });
    let (total,) = *cx.get(Total);
    show(cx, view::index(&page, total))
}

fn show_new(cx: &mut Cx) -> Step {
    show(cx, view::edit(None, &Form::default()))
}

fn show_edit(cx: &mut Cx<Reads<Post>>) -> Step {
    let post = cx.get(Post);
    let form = Form {
        title: post.title,
        content: post.content,
        author: post.author,
        faults: &[],
    };
    show(cx, view::edit(Some(post.id), &form))
}

fn show_comment(cx: &mut Cx<Reads<Comment>>) -> Step {
    let comment = cx.get(Comment);
    let form = Form {
        content: comment.content,
        author: comment.author,
        ..Form::default()
    };
    show(cx, view::edit_comment(comment.post_id, comment.id, &form))
}

fn check_new(cx: &mut Cx<Reads<PostForm>, Writes<PostInput>>) -> Step {
    let form = cx.get(PostForm);
    match input::PostInput::whole(form) {
        Ok(post) => cx.put(PostInput, post),
        Err(faults) => return show_again(cx, view::edit(None, &Form::again(form, &faults))),
    };
    Continue
}

fn show_post(cx: &mut Cx<Reads<(Post, Comments, Before, Limit)>>) -> Step {
    let page = Page::of(
        cx.get(Comments),
        *cx.get(Before),
        *cx.get(Limit),
        |comment| comment.id,
    );
    show(cx, view::post(cx.get(Post), &page, &Form::default()))
}

// A form for something that is there goes on in one of two ways, and each need says itself what comes
// after it: what was written is seen, or the form comes back. There is nothing to bring it back with
// where the post is missing, so that is a 404 first.

fn save_post(cx: &mut Cx<Reads<(PostId, PostForm)>, Writes<Post>, Uses<Blog>>) -> Step {
    let id = *cx.get(PostId);
    match input::PostInput::whole(cx.get(PostForm)) {
        Ok(post) => cx.need(posts::changed(cx.on(Blog), id, &post).then(see_post)),
        Err(_) => cx.need(posts::by_id(cx.on(Blog), id).then(show_edit_again)),
    }
}

fn show_edit_again(cx: &mut Cx<Reads<(PostId, PostForm)>>) -> Step {
    let (id, form) = (*cx.get(PostId), cx.get(PostForm));
    let faults = input::PostInput::whole(form).err().unwrap_or_default();
    show_again(cx, view::edit(Some(id), &Form::again(form, &faults)))
}

fn add_comment(
    cx: &mut Cx<Reads<(PostId, CommentForm, Limit)>, Writes<(Comment, Post, Comments)>, Uses<Blog>>,
) -> Step {
    let id = *cx.get(PostId);
    match CommentInput::whole(cx.get(CommentForm)) {
        Ok(comment) => cx.need(comments::new(cx.on(Blog), id, &comment).then(see_comment)),
        Err(_) => {
            let post = posts::by_id(cx.on(Blog), id);
            let comments = comments::newest(cx.on(Blog), id, i64::MAX, *cx.get(Limit));
            cx.need((post, comments).then(show_post_again))
        }
    }
}

fn show_post_again(cx: &mut Cx<Reads<(Post, Comments, Limit, CommentForm)>>) -> Step {
    let page = Page::of(cx.get(Comments), i64::MAX, *cx.get(Limit), |comment| {
        comment.id
    });
    let form = cx.get(CommentForm);
    let faults = CommentInput::whole(form).err().unwrap_or_default();
    show_again(
        cx,
        view::post(cx.get(Post), &page, &Form::again(form, &faults)),
    )
}

fn save_comment(
    cx: &mut Cx<Reads<(PostId, CommentId, CommentForm)>, Writes<Comment>, Uses<Blog>>,
) -> Step {
    let (post, id) = (*cx.get(PostId), *cx.get(CommentId));
    match CommentInput::whole(cx.get(CommentForm)) {
        Ok(comment) => {
            let changed = comments::changed(cx.on(Blog), post, id, &comment);
            cx.need(changed.then(see_changed))
        }
        Err(_) => cx.need(comments::by_id(cx.on(Blog), post, id).then(show_comment_again)),
    }
}

fn show_comment_again(cx: &mut Cx<Reads<(Comment, CommentForm)>>) -> Step {
    let (comment, form) = (cx.get(Comment), cx.get(CommentForm));
    let faults = CommentInput::whole(form).err().unwrap_or_default();
    let form = Form::again(form, &faults);
    show_again(cx, view::edit_comment(comment.post_id, comment.id, &form))
}

fn show<A, B, C>(cx: &mut Cx<'_, A, B, C>, page: Markup) -> Step {
    cx.html(&page.into_string())
}

/// Shows a form that has faults.
fn show_again<A, B, C>(cx: &mut Cx<'_, A, B, C>, page: Markup) -> Step {
    show(cx.status(Status::UNPROCESSABLE_CONTENT), page)
}

// A form that was taken in ends with an address to see: to load that again sends nothing again.

fn see_post(cx: &mut Cx<Reads<Post>>) -> Step {
    let at = format!("/posts/{}", cx.get(Post).id);
    see(cx, &at)
}

fn see_comment(cx: &mut Cx<Reads<Comment>>) -> Step {
    let comment = cx.get(Comment);
    see(
        cx,
        &format!("/posts/{}#comment-{}", comment.post_id, comment.id),
    )
}

/// On the page of comments that it ends, however old it is.
fn see_changed(cx: &mut Cx<Reads<Comment>>) -> Step {
    let CommentRow { post_id, id, .. } = *cx.get(Comment);
    let before = id + 1;
    see(
        cx,
        &format!("/posts/{post_id}?before={before}#comment-{id}"),
    )
}

fn see_comments(cx: &mut Cx<Reads<PostId>>) -> Step {
    let at = format!("/posts/{}#comments", cx.get(PostId));
    see(cx, &at)
}

fn see_index(cx: &mut Cx) -> Step {
    see(cx, "/")
}

fn see<A, B, C>(cx: &mut Cx<'_, A, B, C>, at: &str) -> Step {
    cx.response_header("Location", at)?;
    cx.status(Status::SEE_OTHER).empty()
}

fn style(cx: &mut Cx) -> Step {
    cx.fixed("text/css; charset=utf-8", include_bytes!("style.css"))
}

fn script(cx: &mut Cx) -> Step {
    cx.fixed(
        "text/javascript; charset=utf-8",
        include_bytes!("script.js"),
    )
}
