//! What crates depend on.

/// For each crate the crates of ours that stand left of it, and what it must never depend on.
const CHAIN: &[(&str, &[&str], &[&str])] = &[
    ("scheduler", &[], &["io-uring", "libc", "glommio", "bytes"]),
    (
        "reactor",
        &["cutaway-scheduler"],
        &["glommio", "httparse", "libsqlite3-sys", "tokio"],
    ),
    (
        "engine",
        &["cutaway-scheduler", "cutaway-reactor"],
        &["tokio", "hyper"],
    ),
    (
        "bench",
        &["cutaway-scheduler", "cutaway-reactor", "cutaway"],
        &[],
    ),
    (
        "loadtest",
        &["cutaway-scheduler", "cutaway-reactor", "cutaway"],
        &[],
    ),
];

/// Runtimes that must not come in by the back door.
const FOREIGN: [&str; 4] = ["tokio", "async-std", "smol", "hyper"];

/// scheduler ← reactor ← engine ← bench, loadtest; and every crate takes the workspace's lints.
pub fn manifest_keeps_the_chain(path: &str, text: &str) -> Vec<String> {
    let name = path.split('/').next().unwrap_or_default();
    let Some((_, left, never)) = CHAIN.iter().find(|(own, ..)| *own == name) else {
        return vec![format!("{path}:1: a crate that the chain does not know")];
    };
    let mut findings = Vec::new();
    let mut section = "";
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            section = line.trim();
        }
        let dependency = line.split(['.', '=', ' ']).next().unwrap_or_default();
        if !section.ends_with("dependencies]") || dependency.is_empty() {
            continue;
        }
        let is_ours = dependency == "cutaway" || dependency.starts_with("cutaway-");
        if is_ours && !left.contains(&dependency) || never.contains(&dependency) {
            findings.push(format!(
                "{path}:{}: {name} may not know {dependency}",
                index + 1
            ));
        }
        if name == "scheduler" && section == "[dependencies]" && !line.starts_with(['[', '#']) {
            findings.push(format!(
                "{path}:{}: the scheduler depends on nothing",
                index + 1
            ));
        }
    }
    if !text.contains("[lints]\nworkspace = true") {
        findings.push(format!("{path}:1: take the workspace's lints"));
    }
    findings
}

/// The output of `cargo tree --prefix none`.
pub fn no_foreign_runtime(tree: &str) -> Vec<String> {
    let is_foreign = |name: &str| {
        (FOREIGN.iter()).any(|runtime| {
            let rest = name.strip_prefix(runtime);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        })
    };
    (tree.lines())
        .filter(|line| line.split(' ').next().is_some_and(is_foreign))
        .map(|line| format!("in the engine's own tree: {line}"))
        .collect()
}

#[test]
fn violations_are_caught() {
    let lints = "[lints]\nworkspace = true\n";
    let caught = |path: &str, text: &str| manifest_keeps_the_chain(path, text).len();
    let reactor = |dependency: &str| format!("{lints}[dependencies]\n{dependency}\n");
    assert_eq!(
        caught(
            "reactor/Cargo.toml",
            &reactor("cutaway-scheduler.workspace = true")
        ),
        0
    );
    assert_eq!(
        caught("reactor/Cargo.toml", &reactor("cutaway.workspace = true")),
        1
    );
    assert_eq!(
        caught("reactor/Cargo.toml", &reactor("glommio = \"0.9\"")),
        1
    );
    assert_eq!(
        caught("reactor/Cargo.toml", "[dependencies]\n"),
        1,
        "no lints"
    );
    assert_eq!(caught("scheduler/Cargo.toml", &reactor("bytes = \"1\"")), 2);
    assert_eq!(caught("utils/Cargo.toml", lints), 1);
    let dev = format!("{lints}[dev-dependencies]\ncutaway.workspace = true\n");
    assert_eq!(
        caught("scheduler/Cargo.toml", &dev),
        1,
        "not for tests either"
    );

    let tree = "cutaway v0.1.0\nbytes v1.12.1\n";
    assert!(no_foreign_runtime(tree).is_empty());
    for line in ["tokio v1.54.1", "tokio-util v0.7.0", "hyper v1.12.0 (*)"] {
        assert_eq!(
            no_foreign_runtime(&format!("{tree}{line}\n")).len(),
            1,
            "{line}"
        );
    }
}
