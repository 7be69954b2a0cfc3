use super::*;
use crate::prelude::*;

resource!(Blog: Sqlite);
slot!(Id: i64 = path "id");
slot!(PostId: i64);
slot!(Post<'r>: Option<(&'r str,)>);

fn by_id(cx: &mut Cx<Reads<Id>, Writes<PostId>>) {
    let id = *cx.get(Id);
    cx.put(PostId, id);
}

fn load(cx: &mut Cx<Reads<PostId>, Writes<Post>, Uses<Blog>>) -> Step {
    let id = *cx.get(PostId);
    cx.need(cx.on(Blog).query_opt("SELECT ?1").bind(id).into(Post))
}

fn render(cx: &mut Cx<Reads<(Post, PostId)>>) -> Step {
    let _ = (cx.get(Post), cx.get(PostId));
    cx.text("post")
}

fn routes() -> BuiltRoutes {
    Routes::new()
        .resource(Blog, Sqlite::open("blog.db"))
        .get("/posts/{id}", chain(by_id).then(load).then(render))
        .build()
        .unwrap()
}

#[test]
fn slots_flow_from_their_writer_to_their_readers() {
    let expected = r#"digraph routes {
  rankdir=LR;
  node [shape=box, fontname="sans-serif"];
  edge [fontname="sans-serif", fontsize=10];
  resource0 [shape=cylinder, label="Blog"];
  subgraph cluster_0 {
    label="GET /posts/{id}";
    r0s0 [shape=oval, label="request"];
    r0s1 [label="by_id"];
    r0s2 [label="load"];
    r0s3 [label="render"];
  }
  r0s0 -> r0s1 [label="Id"];
  r0s1 -> r0s2 [label="PostId"];
  r0s2 -> r0s3 [label="Post"];
  r0s1 -> r0s3 [label="PostId", style=dashed, constraint=false];
  r0s2 -> resource0 [style=dotted];
"#;
    let dot = routes().dot().to_string();
    assert!(dot.starts_with(expected), "{dot}");
    assert!(dot.ends_with("}\n"));
}

#[test]
fn mermaid_shows_the_same() {
    let expected = r#"flowchart LR
  resource0[("Blog")]
  subgraph r0["GET /posts/{id}"]
    direction LR
    r0s0(["request"])
    r0s1["by_id"]
    r0s2["load"]
    r0s3["render"]
    r0s0 -->|"Id"| r0s1
    r0s1 -->|"PostId"| r0s2
    r0s2 -->|"Post"| r0s3
    r0s1 -.->|"PostId"| r0s3
  end
  r0s2 -.- resource0
  subgraph r1["(not found)"]
    direction LR
    r1s0(["request"])
    r1s1["not_found"]
    r1s0 --> r1s1
  end
  subgraph r2["(method not allowed)"]
    direction LR
    r2s0(["request"])
    r2s1["not_allowed"]
    r2s0 --> r2s1
  end
"#;
    assert_eq!(routes().mermaid().to_string(), expected);
}

#[test]
fn names_are_cut_to_their_function() {
    let check = |name, expected| assert_eq!(short(name), expected);
    check("blog::posts::load", "load");
    check("load", "load");
    check("blog::main::{{closure}}", "main::{{closure}}");
    check("blog::load<blog::Post>", "blog::load<blog::Post>");
}

#[test]
fn what_mermaid_reads_itself_is_escaped() {
    fn of<T: 'static>(cx: &mut Cx) -> Step {
        cx.text(std::any::type_name::<T>())
    }
    let routes = Routes::new().get("/a&b", chain(of::<i64>)).build().unwrap();
    let (dot, mermaid) = (routes.dot().to_string(), routes.mermaid().to_string());
    assert!(dot.contains("::of<i64>\"];"), "{dot}");
    assert!(mermaid.contains("::of#60;i64#62;\"]"), "{mermaid}");
    assert!(mermaid.contains("[\"GET /a#38;b\"]"), "{mermaid}");
}
