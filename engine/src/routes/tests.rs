use super::*;
use crate::ctx::BodyFormat;
use crate::prelude::*;
use crate::step::BodyMode;

resource!(Blog: Sqlite);
slot!(Id: i64 = path "id");
slot!(User: String);

fn hello(cx: &mut Cx) -> Step {
    cx.text("hello")
}

fn authenticate(cx: &mut Cx<Writes<User>>) {
    cx.put(User, "ann".to_owned());
}

fn greet(cx: &mut Cx<Reads<User>>) -> Step {
    cx.text(cx.get(User))
}

fn show(cx: &mut Cx<Reads<Id>>) -> Step {
    cx.text(&cx.get(Id).to_string())
}

fn load(cx: &mut Cx<Writes<User>, Uses<Blog>>) -> Step {
    cx.put(User, String::new());
    let _ = cx.on(Blog);
    Continue
}

#[test]
fn everything_that_is_wrong_is_listed_at_once() {
    let refused = Routes::new()
        .resource(Blog, Sqlite::open("blog.db"))
        .resource(Blog, Sqlite::open("blog.db"))
        .get("/users/{id}", chain(hello))
        .get("/users/{name}", chain(hello))
        .get("posts", given::<()>())
        .get("/posts", chain(show))
        .get("/empty", given::<()>())
        .build()
        .err()
        .unwrap();
    assert_eq!(
        refused.to_string(),
        "these routes cannot serve:\
         \n  resource `Blog` is given twice\
         \n  posts: the chain is empty, so nothing can answer\
         \n  /posts: step cutaway::routes::tests::show reads path parameter `id`, which the pattern lacks\
         \n  /empty: the chain is empty, so nothing can answer\
         \n  route `GET /users/{name}` matches the same paths as `GET /users/{id}`\
         \n  route `posts`: a pattern begins with `/`"
    );
}

#[test]
fn a_resource_that_is_not_given_is_named() {
    let refused = Routes::new()
        .get("/", chain(load).then(greet))
        .build()
        .err()
        .unwrap();
    assert_eq!(
        refused.refusals(),
        [RoutesRefusal::Route(RouteRefusal::ResourceMissing {
            pattern: "/",
            step: "cutaway::routes::tests::load",
            resource: "Blog",
        })]
    );
}

#[test]
fn a_before_chain_runs_before_the_routes_behind_it() {
    let routes = Routes::new()
        .get("/open", chain(hello))
        .before(chain(authenticate))
        .get("/closed", given::<User>().then(greet))
        .post("/closed", chain(hello))
        .build()
        .unwrap();
    let steps: Vec<_> = routes.routes().iter().map(Route::steps_count).collect();
    assert_eq!(steps, [1, 2, 2]);
    assert_eq!(
        routes.route(1).step_name(0),
        "cutaway::routes::tests::authenticate"
    );
    assert_eq!(routes.route(2).method(), Method::Post);
    assert_eq!(routes.route(2).pattern(), "/closed");
}

#[test]
fn a_shared_chain_brings_its_steps_and_not_its_settings() {
    let shared = chain(authenticate).deadline(1.secs()).class(Batch);
    let routes = Routes::new()
        .get(
            "/a",
            chain(|_: &mut Cx| ())
                .include(&shared)
                .then(greet)
                .class(Interactive),
        )
        .get(
            "/b",
            chain(|_: &mut Cx| ())
                .include(&shared)
                .then(greet)
                .deadline(50.millis()),
        )
        .build()
        .unwrap();
    assert_eq!(routes.route(0).steps_count(), 3);
    assert!(routes.route(0).has_class_deadline());
    let classes = ClassTable::default();
    assert_eq!(routes.route(1).deadline(&classes), Some(50.millis().into()));
    assert_eq!(routes.route(1).class(), Standard);
}

#[test]
fn resources_stand_in_the_order_they_were_given() {
    resource!(Second: Sqlite);
    let routes = Routes::new()
        .resource(Second, Sqlite::open("second.db"))
        .resource(Blog, Sqlite::open("blog.db"))
        .get("/", chain(hello))
        .build()
        .unwrap();
    let names: Vec<_> = routes.resources().iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["Second", "Blog"]);
}

slot!(Json: u32 = body json);
slot!(Form: String = body form);
slot!(Bytes: Vec<u8> = body bytes);

#[test]
fn what_becomes_of_the_content_follows_from_the_types() {
    fn json(_: &mut Cx<Reads<Json>>) {}
    fn both(_: &mut Cx<Reads<(Bytes, Json)>>) {}
    fn form(_: &mut Cx<Reads<Form>>) {}
    fn writes(cx: &mut Cx<Writes<Form>>) {
        cx.put(Form, String::new());
    }
    fn show_form(cx: &mut Cx<Reads<Form>>) -> Step {
        cx.text(cx.get(Form))
    }
    let built = Routes::new()
        .post("/none", chain(hello))
        .post("/json", chain(json).then(hello).body_bytes_max(7))
        .post("/both", chain(both).then(json).then(hello))
        .post("/bytes", chain(|_: &mut Cx<Reads<Bytes>>| ()).then(hello))
        .build()
        .unwrap();
    let bodies: Vec<_> = (built.routes().iter())
        .map(|route| {
            (
                route.body_mode(),
                route.body_format(),
                route.body_bytes_max(),
            )
        })
        .collect();
    assert_eq!(
        bodies,
        [
            (BodyMode::None, None, None),
            (BodyMode::Buffered, Some(BodyFormat::Json), Some(7)),
            (BodyMode::Buffered, Some(BodyFormat::Json), None),
            (BodyMode::Buffered, Some(BodyFormat::Bytes), None),
        ]
    );

    let refused = Routes::new()
        .post("/two", chain(both).then(form).then(hello))
        .post("/one", chain(writes).then(json).then(show_form))
        .build()
        .err()
        .unwrap();
    assert_eq!(
        refused.to_string(),
        "these routes cannot serve:\
         \n  /two: slot `Json` is the body as json, slot `Form` as form"
    );
}
