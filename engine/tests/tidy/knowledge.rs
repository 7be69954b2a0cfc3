//! Who may know whom.

use std::collections::BTreeSet;

use crate::source::{Source, braces_len};

/// The three libraries: what the invariants of the architecture speak of.
const LIBRARIES: [&str; 3] = ["scheduler", "reactor", "engine"];

/// Invariant 1. The host can be changed in an afternoon.
pub fn only_the_host_names_glommio(source: &Source) -> Vec<String> {
    let sentence = "only engine/src/shard/host.rs names glommio";
    except(
        source,
        &["engine/src/shard/host.rs"],
        &["glommio"],
        sentence,
    )
}

/// Invariant 3. Everything else receives `now`, and so runs on virtual time too.
pub fn only_the_clock_reads_the_time(source: &Source) -> Vec<String> {
    let words = [
        "Instant",
        "SystemTime",
        "clock_gettime",
        "gettimeofday",
        "_rdtsc",
        "__rdtscp",
    ];
    let sentence = "only reactor/src/clock.rs reads a clock; take `now` as an argument";
    except(source, &["reactor/src/clock.rs"], &words, sentence)
}

/// Invariant 3. A seed repeats a whole run. Hash maps of the standard library draw a seed of their
/// own, which shows in their order.
pub fn only_the_stream_is_random(source: &Source) -> Vec<String> {
    let words = [
        "RandomState",
        "HashMap",
        "HashSet",
        "getrandom",
        "rand",
        "fastrand",
    ];
    let homes = ["reactor/src/seed.rs", "reactor/src/sim/random.rs"];
    let sentence = "only reactor/src/sim/random.rs is random, and reactor/src/seed.rs once a \
                    process; take a stream, or an ordered map";
    except(source, &homes, &words, sentence)
}

/// Invariant 4. Shards, workers and the exporter; no other thread.
pub fn threads_start_in_their_files(source: &Source) -> Vec<String> {
    let homes = ["reactor/src/worker.rs", "engine/src/server.rs"];
    let words = [
        "thread::spawn",
        "thread::Builder",
        "thread::scope",
        "pthread_create",
        "clone3",
    ];
    except(
        source,
        &homes,
        &words,
        "a thread starts in the worker file or the server file only",
    )
}

/// The libraries' files but these must not say these words.
fn except(source: &Source, homes: &[&str], words: &[&str], sentence: &str) -> Vec<String> {
    let is_home = homes.contains(&source.path.as_str());
    if is_home || source.is_test() || !source.is_in_src_of(&LIBRARIES) {
        return Vec::new();
    }
    source.find_words(words, sentence)
}

/// scheduler ← reactor ← engine ← bench, loadtest.
pub fn crates_know_the_left_only(source: &Source) -> Vec<String> {
    let right_of = [
        (
            "scheduler",
            &[
                "cutaway_reactor",
                "cutaway",
                "cutaway_loadtest",
                "std::net",
                "std::fs",
            ][..],
        ),
        (
            "reactor",
            &["cutaway", "cutaway_loadtest", "httparse", "libsqlite3_sys"][..],
        ),
        ("engine", &["cutaway_loadtest", "cutaway_bench"][..]),
    ];
    (right_of.iter())
        .filter(|(name, _)| source.is_in_src_of(&[name]))
        .flat_map(|(_, words)| source.find_words(words, "a crate knows only what is left of it"))
        .collect()
}

/// Invariant 2, and the chain inside the engine: what each folder may name of the crate, and
/// whether it may name the reactor. What is not listed here stands above all of these.
const FLOORS: &[(&str, &[&str], bool)] = &[
    ("http", &["limits"], false),
    ("route", &["http"], false),
    ("timeline", &[], false),
    (
        "ctx",
        &["effect", "http", "response", "route", "step"],
        false,
    ),
    ("step", &["ctx", "effect", "http", "response"], false),
    ("response", &["ctx", "http", "step"], false),
    ("effect/sqlite", &["bound", "ctx", "effect", "step"], true),
    (
        "effect/directory",
        &["bound", "ctx", "effect", "step"],
        true,
    ),
    ("effect", &["ctx", "step"], false),
    ("limits", &["bound"], false),
    ("bound", &[], false),
    ("config", &["bound", "effect", "limits", "timeline"], false),
];

/// What a floor that may not know the reactor may name of it all the same: a value that performs
/// nothing.
const PURE: &str = "cutaway_reactor::Join";

/// Wire types: a step speaks of a status or a method, never of heads, framing or encoding.
const WIRE: [&str; 6] = ["body", "connection", "encode", "field", "head", "octet"];

/// Bytes and values are below, what performs is above, and the shard is on top.
pub fn the_engine_knows_downwards_only(source: &Source) -> Vec<String> {
    let Some(module) = source.path.strip_prefix("engine/src/") else {
        return Vec::new();
    };
    let module = module.strip_suffix(".rs").unwrap_or(module);
    let floor = FLOORS.iter().find(|(name, ..)| {
        let rest = module.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    let Some((name, below, may_know_reactor)) = floor else {
        return Vec::new();
    };
    if source.is_test() {
        return Vec::new();
    }
    let own = name.split('/').next().unwrap_or(name);
    let mut findings = Vec::new();
    for (index, line) in statements(&source.code) {
        for path in crate_paths(&line) {
            let mut segments = path.split("::");
            let first = segments.next().unwrap_or_default();
            if first != own && !below.contains(&first) {
                let sentence = format!("`{name}` may not name `crate::{first}`");
                findings.push(source.finding(index, &sentence));
            }
            let is_wire = segments.next().is_some_and(|second| WIRE.contains(&second));
            if own == "step" && first == "http" && is_wire {
                findings.push(source.finding(index, "a step names no wire types"));
            }
        }
    }
    if !may_know_reactor {
        let sentence = format!("`{name}` may not name the reactor: what performs stands above it");
        let code = source.code.replace(&format!("{PURE};"), ";");
        let impure = Source::new(&source.path, &code);
        findings.extend(impure.find_words(&["cutaway_reactor"], &sentence));
    }
    findings
}

/// The code cut at semicolons, each piece with the index of its first line.
fn statements(code: &str) -> Vec<(usize, String)> {
    let mut index = 0;
    let mut found = Vec::new();
    for piece in code.split(';') {
        let blank = piece.len() - piece.trim_start().len();
        let begins = index + piece[..blank].matches('\n').count();
        found.push((begins, piece.to_owned()));
        index += piece.matches('\n').count();
    }
    found
}

/// What a piece of code names of its own crate, as `module::item`; macros are nobody's.
fn crate_paths(code: &str) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for (at, word) in code.match_indices("crate::") {
        // `$crate::` is this crate as well; `that_crate::` is not.
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + word.len()..];
        let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        let end = rest.find(|c: char| !is_path(c)).unwrap_or(rest.len());
        match rest[end..].chars().next() {
            Some('!') => {}
            Some('{') => expand(&rest[..end + braces_len(&rest[end..])], &mut paths),
            _ => expand(&rest[..end], &mut paths),
        }
    }
    paths
}

/// `a::{b, c::{d, e}}` as `a::b`, `a::c::d` and `a::c::e`.
fn expand(path: &str, paths: &mut BTreeSet<String>) {
    let Some(open) = path.find('{') else {
        paths.insert(path.to_owned());
        return;
    };
    let inside = &path[open + 1..path.len() - 1];
    for part in split_outside_braces(inside) {
        expand(&format!("{}{part}", &path[..open]), paths);
    }
}

/// The parts between commas that stand in no braces.
fn split_outside_braces(text: &str) -> Vec<String> {
    let mut depth = 0;
    let mut parts = vec![String::new()];
    for c in text.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    (parts.iter())
        .map(|part| part.split_whitespace().collect::<String>())
        .filter(|part| !part.is_empty())
        .collect()
}

#[test]
fn violations_are_caught() {
    use crate::assert_told_apart;

    let told = assert_told_apart;
    let (shard, host) = ("engine/src/shard/turn.rs", "engine/src/shard/host.rs");
    told(
        only_the_host_names_glommio,
        shard,
        "use glommio::Task;",
        "// glommio\nuse a;",
    );
    let naming = Source::new(host, "use glommio::Task;");
    assert!(only_the_host_names_glommio(&naming).is_empty());
    told(
        only_the_clock_reads_the_time,
        shard,
        "let now = Instant::now();",
        "let now = clock.now();",
    );
    told(
        only_the_stream_is_random,
        "reactor/src/inflight.rs",
        "use std::collections::HashMap;",
        "use std::collections::BTreeMap;",
    );
    let threads = [
        "std::thread::spawn(|| ())",
        "thread::Builder::new()",
        "use std::thread::{self}; thread::scope(|scope| ())",
    ];
    for violation in threads {
        told(
            threads_start_in_their_files,
            shard,
            violation,
            "thread::current()",
        );
    }
    let in_test = "#[cfg(test)]\nmod tests { fn a() { std::thread::spawn(b) } }";
    assert!(threads_start_in_their_files(&Source::new(shard, in_test)).is_empty());
    for (path, violation) in [
        ("scheduler/src/ready.rs", "use cutaway_reactor::Ring;"),
        ("scheduler/src/ready.rs", "std::fs::read(path)"),
        ("reactor/src/uring.rs", "use cutaway::http;"),
        ("reactor/src/uring.rs", "httparse::Request"),
        ("engine/src/server.rs", "cutaway_loadtest::smoke()"),
    ] {
        told(
            crates_know_the_left_only,
            path,
            violation,
            "use cutaway_scheduler::Nanos;",
        );
    }
}

#[test]
fn a_floor_of_the_engine_that_knows_too_much_is_caught() {
    let check = |path: &str, violation: &str, good: &str| {
        crate::assert_told_apart(the_engine_knows_downwards_only, path, violation, good);
    };
    let own = "use crate::http::head::Head;\nuse crate::limits::Limits;";
    check("engine/src/http/head.rs", "use crate::step::Step;", own);
    check(
        "engine/src/http.rs",
        "use crate::{limits::Limits, effect};",
        own,
    );
    check(
        "engine/src/http/body.rs",
        "use cutaway_reactor::Lease;",
        own,
    );
    check(
        "engine/src/http/body.rs",
        "let a = crate::shard::Close::Gone;",
        own,
    );
    let good = "use crate::ctx::{Cx, list};\nuse crate::http::Status;\n$crate::slot!(a)";
    check(
        "engine/src/step/need.rs",
        "use cutaway_reactor::JoinState;",
        "use cutaway_reactor::Join;",
    );
    check(
        "engine/src/step/need.rs",
        "use crate::http::head::Head;",
        good,
    );
    check(
        "engine/src/step/need.rs",
        "use crate::{ctx, http::{Status, encode::Date}};",
        good,
    );
    check("engine/src/step/need.rs", "use crate::shard::Shard;", good);
    check(
        "engine/src/timeline/mark.rs",
        "use crate::ctx::Cx;",
        "use crate::timeline::law;",
    );
    check(
        "engine/src/effect/row.rs",
        "cutaway_reactor::Ticket",
        "use crate::ctx::Cx;",
    );
    let worker = "use cutaway_reactor::worker;";
    check(
        "engine/src/effect/sqlite/job.rs",
        "use crate::shard::Shard;",
        worker,
    );
    let above = Source::new(
        "engine/src/shard/turn.rs",
        "use crate::effect::sqlite::SqliteJob;",
    );
    assert!(the_engine_knows_downwards_only(&above).is_empty());
}

#[test]
fn a_use_tree_is_taken_apart() {
    let paths =
        crate_paths("use crate::{a, b::{c, d::e}}; $crate::f::g(x) other_crate::h crate::i!()");
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    assert_eq!(paths, ["a", "b::c", "b::d::e", "f::g"]);
}
