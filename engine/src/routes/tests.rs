use super::*;
use crate::ctx::BodyFormat;
use crate::prelude::*;
use crate::response::Problem;
use crate::route::Found;
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

fn names(route: &Route) -> Vec<&'static str> {
    (0..route.steps_count())
        .map(|step| {
            route
                .step_name(step as u16)
                .rsplit("::")
                .next()
                .unwrap_or_default()
        })
        .collect()
}

fn stamp(_: &mut Cx) {}

fn check_rights(cx: &mut Cx<Reads<User>>) -> Step {
    if cx.get(User) == "ann" {
        Continue
    } else {
        fail(Forbidden, "user", cx.get(User))
    }
}

/// The steps that answer a request, and the Allow value where it has no route.
fn steps_for(routes: &BuiltRoutes, method: Method, path: &str) -> (Vec<&'static str>, String) {
    let found = routes.find(method, path.as_bytes());
    match &found {
        Found::Route { value, .. } => (names(routes.route(**value)), String::new()),
        _ => {
            let unrouted = routes.unrouted(&found, path.as_bytes());
            (
                names(routes.route(unrouted.index)),
                unrouted.allow.to_owned(),
            )
        }
    }
}

#[test]
fn mounted_routes_stand_below_their_prefix_behind_the_outer_chains() {
    let inner = Routes::given::<User>()
        .get("/plain", chain(hello))
        .before(given::<User>().then(check_rights))
        .get("/greet", given::<User>().then(greet))
        .get("", chain(hello))
        .get("/", chain(hello));
    let routes = Routes::new()
        .before(chain(authenticate))
        .mount("/api", inner)
        .before(chain(stamp))
        .get("/late", chain(hello))
        .build()
        .unwrap();
    let check = |method, path: &str, steps: &[&str], allow: &str| {
        let expected = (steps.to_vec(), allow.to_owned());
        assert_eq!(steps_for(&routes, method, path), expected, "{path}");
    };
    check(Method::Get, "/api/plain", &["authenticate", "hello"], "");
    let greeting = &["authenticate", "check_rights", "greet"];
    check(Method::Get, "/api/greet", greeting, "");
    let rooted = &["authenticate", "check_rights", "hello"];
    check(Method::Get, "/api", rooted, "");
    check(Method::Get, "/api/", rooted, "");
    check(
        Method::Get,
        "/late",
        &["authenticate", "stamp", "hello"],
        "",
    );

    // A 405 runs what the mount's routes run, a 404 what the outermost ones do.
    let refused = &["authenticate", "check_rights", "not_allowed"];
    check(Method::Put, "/api/greet", refused, "GET, HEAD, OPTIONS");
    let refused = &["authenticate", "stamp", "not_allowed"];
    check(Method::Put, "/late", refused, "GET, HEAD, OPTIONS");
    check(Method::Options, "*", refused, "");
    let nothing = &["authenticate", "stamp", "not_found"];
    check(Method::Get, "/api/greet/", nothing, "");
    check(Method::Get, "/nowhere", nothing, "");
}

#[test]
fn mounts_in_mounts_add_up() {
    let innermost = Routes::new()
        .before(chain(stamp))
        .get("/{id}", chain(show))
        .resource(Blog, Sqlite::open("blog.db"));
    let inner = Routes::new()
        .before(chain(authenticate))
        .mount("/posts", innermost)
        .get("/me", given::<User>().then(greet));
    let routes = Routes::new()
        .get("/", chain(hello))
        .mount("/users/{user}", inner)
        .build()
        .unwrap();
    let patterns: Vec<_> = routes.routes().iter().map(Route::pattern).collect();
    assert_eq!(
        patterns,
        ["/", "/users/{user}/posts/{id}", "/users/{user}/me"]
    );
    assert_eq!(routes.route(1).params(), ["user", "id"]);
    assert_eq!(routes.resources().len(), 1);

    let check = |path: &str, pattern: &str, steps: &[&str], params: usize| {
        let found = routes.find(Method::Delete, path.as_bytes());
        let unrouted = routes.unrouted(&found, path.as_bytes());
        let route = routes.route(unrouted.index);
        assert_eq!(route.pattern(), pattern);
        assert_eq!(names(route), steps, "{path}");
        assert_eq!(unrouted.params.spans().len(), params);
        assert_eq!(unrouted.is_answered_at_once, steps.len() == 1);
    };
    check("/", "(method not allowed)", &["not_allowed"], 0);
    check(
        "/users/ann/me",
        "(method not allowed) /users/{user}",
        &["authenticate", "not_allowed"],
        1,
    );
    check(
        "/users/ann/posts/7",
        "(method not allowed) /users/{user}/posts",
        &["authenticate", "stamp", "not_allowed"],
        1,
    );
    check("/users/ann", "(not found)", &["not_found"], 0);
}

#[test]
fn a_before_chain_of_a_mount_may_read_the_parameters_of_its_prefix() {
    slot!(Tenant: String = path "tenant");
    fn know(cx: &mut Cx<Reads<Tenant>>) {
        let _ = cx.get(Tenant);
    }
    let inner = || Routes::new().before(chain(know)).get("/", chain(hello));
    assert!(Routes::new().mount("/{tenant}", inner()).build().is_ok());
    let refused = Routes::new().mount("/all", inner()).build().err().unwrap();
    assert_eq!(
        refused.to_string(),
        "these routes cannot serve:\
         \n  /all/: step cutaway::routes::tests::a_before_chain_of_a_mount_may_read_the_parameters_of_its_prefix::know reads path parameter `tenant`, which the pattern lacks\
         \n  (method not allowed) /all: step cutaway::routes::tests::a_before_chain_of_a_mount_may_read_the_parameters_of_its_prefix::know reads path parameter `tenant`, which the pattern lacks"
    );
}

#[test]
fn what_is_wrong_with_mounts_is_told_by_name() {
    let inner = || {
        Routes::new()
            .resource(Blog, Sqlite::open("blog.db"))
            .get("/posts/{id}", chain(hello))
    };
    let refused = Routes::new()
        .resource(Blog, Sqlite::open("blog.db"))
        .get("/api/posts/{number}", chain(hello))
        .mount("/api", inner())
        .mount("/api/", Routes::new().get("posts", chain(hello)))
        .mount("/pages", Routes::new().fallback(chain(hello)))
        .fallback(chain(hello))
        .fallback(chain(hello))
        .build()
        .err()
        .unwrap();
    assert_eq!(
        refused.to_string(),
        "these routes cannot serve:\
         \n  resource `Blog` is given twice\
         \n  mount `/api/`: a prefix begins with `/` and ends without one, or is empty\
         \n  mount `/pages`: only the outermost routes may have a fallback\
         \n  a fallback is given twice\
         \n  route `GET /api/posts/{id}` matches the same paths as `GET /api/posts/{number}`\
         \n  route `posts`: a pattern begins with `/`"
    );
}

#[test]
fn a_slot_that_a_mount_writes_again_has_two_writers() {
    let inner = Routes::new()
        .before(chain(authenticate))
        .get("/", given::<User>().then(greet));
    let refused = Routes::new()
        .before(chain(authenticate))
        .mount("/api", inner)
        .build()
        .err()
        .unwrap();
    let writers = |pattern| {
        RoutesRefusal::Route(RouteRefusal::TwoWriters {
            pattern,
            slot: "User",
            first: "cutaway::routes::tests::authenticate",
            second: "cutaway::routes::tests::authenticate",
        })
    };
    let expected = [writers("/api/"), writers("(method not allowed) /api")];
    assert_eq!(refused.refusals(), expected);
}

#[test]
fn a_fallback_stands_behind_all_before_chains() {
    let routes = Routes::new()
        .before(chain(authenticate))
        .fallback(given::<User>().then(greet).class(Batch))
        .before(chain(stamp))
        .build()
        .unwrap();
    let found = routes.find(Method::Get, b"/nowhere");
    let unrouted = routes.unrouted(&found, b"/nowhere");
    let route = routes.route(unrouted.index);
    assert_eq!(names(route), ["authenticate", "stamp", "greet"]);
    assert_eq!(route.class(), Batch);

    let alone = Routes::new().fallback(chain(hello)).build().unwrap();
    let found = alone.find(Method::Get, b"/nowhere");
    // A step of the user's waits for its turn.
    assert!(!alone.unrouted(&found, b"/nowhere").is_answered_at_once);
}

#[test]
fn a_mounts_renderer_is_its_own() {
    fn words(problem: &Problem<'_>, out: &mut Vec<u8>) -> std::io::Result<&'static str> {
        out.extend_from_slice(problem.failure().what().as_bytes());
        Ok("text/plain")
    }
    let inner = || Routes::new().get("/", chain(hello));
    let routes = Routes::new()
        .mount("/a", inner())
        .mount("/b", inner().renderer(words).mount("/c", inner()))
        .build()
        .unwrap();
    let is_own = |route: &Route| std::ptr::fn_addr_eq(route.renderer(), words as Renderer);
    let own: Vec<_> = routes.all_routes().iter().map(is_own).collect();
    // Three routes, the 404, the outermost 405 and that of `/b`.
    assert_eq!(own, [false, true, true, false, false, true]);
}

#[test]
fn a_chain_ahead_of_a_routes_own_steps() {
    let rights = given::<User>().then(check_rights);
    let routes = Routes::new()
        .get(
            "/a",
            given::<User>().then(greet).before(&chain(authenticate)),
        )
        .before(chain(authenticate))
        .get("/b", chain(hello).before(&rights).class(Batch))
        .get("/c", given::<User>().then(greet).before(&rights))
        .build()
        .unwrap();
    let steps: Vec<_> = routes.routes().iter().map(names).collect();
    assert_eq!(steps[0], ["authenticate", "greet"]);
    assert_eq!(steps[1], ["authenticate", "check_rights", "hello"]);
    assert_eq!(steps[2], ["authenticate", "check_rights", "greet"]);
    assert_eq!(routes.route(1).class(), Batch);
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

    slot!(Taken: Vec<u8>);
    fn take(cx: &mut Cx<Writes<Taken>, Uses<Body>>) -> Step {
        cx.need(cx.body().bytes().into(Taken))
    }
    let streamed = || chain(take).then(|_: &mut Cx<Reads<Taken>>| ()).then(hello);
    let built = Routes::new().post("/taken", streamed()).build().unwrap();
    let route = built.route(0);
    assert_eq!(
        (route.body_mode(), route.body_format()),
        (BodyMode::Streamed, None)
    );
    let listing = built.listing().to_string();
    assert!(listing.contains("body streamed"), "{listing}");

    let refused = Routes::new()
        .post("/taken", streamed().then(json))
        .post("/two", chain(both).then(form).then(hello))
        .post("/one", chain(writes).then(json).then(show_form))
        .build()
        .err()
        .unwrap();
    assert_eq!(
        refused.to_string(),
        "these routes cannot serve:\
         \n  /taken: slot `Json` is the body, which step cutaway::routes::tests::what_becomes_of_the_content_follows_from_the_types::take takes with `cx.body()`; one of the two\
         \n  /two: slot `Json` is the body as json, slot `Form` as form"
    );
}

#[test]
fn the_nearest_word_says_class_and_deadline() {
    fn hello(cx: &mut Cx) -> Step {
        cx.text("hello")
    }
    let hello = || chain(hello);
    let inner = Routes::new()
        .get("/silent", hello())
        .deadline(3.secs())
        .get("/routes", hello())
        .get("/chain", hello().deadline(4.secs()))
        .get("/class", hello().class(Interactive));
    let routes = Routes::new()
        .get("/before", hello())
        .class(Batch)
        .no_deadline()
        .get("/after", hello())
        .mount("/in", inner)
        .fallback(hello())
        .build()
        .unwrap();
    let listing = routes.listing().to_string();
    let terms: Vec<&str> = listing
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("class "))
        .map(|line| line.trim_end_matches(", body not read"))
        .collect();
    assert_eq!(
        terms,
        [
            "standard, deadline 100 ms",
            "batch, no deadline",
            "batch, no deadline",
            "batch, deadline 3 s",
            "batch, deadline 4 s",
            "interactive, deadline 3 s",
            // The fallback is a chain of the program's own, a 405 is not.
            "batch, no deadline",
            "standard, deadline 100 ms",
        ]
    );
}
