use proptest::prelude::*;

use super::*;

fn table(patterns: &[(Method, &str)]) -> Result<Table<usize>, Vec<RouteError>> {
    let mut builder = TableBuilder::default();
    for (index, (method, pattern)) in patterns.iter().enumerate() {
        builder.add(*method, pattern, index);
    }
    builder.build()
}

/// What a look-up gives, as text: the pattern's index with its parameters, 404, or 405 with Allow.
fn look_up(table: &Table<usize>, method: Method, path: &str) -> String {
    match table.find(method, path.as_bytes()) {
        Found::Route { value, params } => {
            let params: Vec<&str> = params
                .spans()
                .iter()
                .map(|span| span.text(path.as_bytes()))
                .collect();
            format!("{value} {params:?}")
        }
        Found::NotFound => "404".to_owned(),
        Found::MethodNotAllowed { allow, .. } => format!("405 {allow}"),
    }
}

/// As [`look_up`], for a path with escapes.
fn look_up_escaped(table: &Table<usize>, path: &str) -> String {
    match table.find_escaped(Method::Get, path.as_bytes()) {
        Found::Route { value, params } => {
            let texts = params.spans().iter();
            let texts: Vec<&str> = texts.map(|span| span.text(path.as_bytes())).collect();
            format!("{value} {texts:?}")
        }
        Found::NotFound => "404".to_owned(),
        Found::MethodNotAllowed { .. } => "405".to_owned(),
    }
}

fn check(patterns: &[&str], path: &str, expected: &str) {
    let patterns: Vec<_> = patterns
        .iter()
        .map(|pattern| (Method::Get, *pattern))
        .collect();
    assert_eq!(
        look_up(&table(&patterns).unwrap(), Method::Get, path),
        expected,
        "{path}"
    );
}

#[test]
fn literals_params_and_rests() {
    let patterns = [
        "/",
        "/users",
        "/users/{id}",
        "/users/me",
        "/files/{*rest}",
        "/a/{x}/c",
    ];
    check(&patterns, "/", "0 []");
    check(&patterns, "/users", "1 []");
    check(&patterns, "/users/", "404");
    check(&patterns, "/users/7", r#"2 ["7"]"#);
    check(&patterns, "/users/me", "3 []");
    check(&patterns, "/users/mex", r#"2 ["mex"]"#);
    check(&patterns, "/users/7/", "404");
    check(&patterns, "/files", "404");
    check(&patterns, "/files/", "404");
    check(&patterns, "/files/x/y", r#"4 ["x/y"]"#);
    check(&patterns, "/a/%2F/c", r#"5 ["%2F"]"#);
    check(&patterns, "/a//c", "404");
}

#[test]
fn the_leftmost_literal_wins_and_a_dead_end_is_left_again() {
    check(&["/{y}/b", "/a/{x}"], "/a/b", r#"1 ["b"]"#);
    check(&["/a/b/c", "/a/{x}/d"], "/a/b/d", r#"1 ["b"]"#);
    check(&["/a/{x}/c", "/{*rest}"], "/a/b/d", r#"1 ["a/b/d"]"#);
    check(&["/ab", "/a{", "/abc"][..1], "/abc", "404");
}

#[test]
fn other_methods_are_named() {
    let patterns = [
        (Method::Get, "/x"),
        (Method::Post, "/x"),
        (Method::Delete, "/{id}"),
    ];
    let table = table(&patterns).unwrap();
    assert_eq!(look_up(&table, Method::Head, "/x"), "0 []");
    assert_eq!(
        look_up(&table, Method::Put, "/x"),
        "405 GET, HEAD, POST, DELETE, OPTIONS"
    );
    assert_eq!(look_up(&table, Method::Get, "/y"), "405 DELETE, OPTIONS");
    assert_eq!(look_up(&table, Method::Get, "/x/y"), "404");
}

#[test]
fn what_another_method_would_have_found_is_told() {
    let patterns = [(Method::Delete, "/{id}/x"), (Method::Put, "/a/{name}")];
    let table = table(&patterns).unwrap();
    assert_eq!(
        look_up(&table, Method::Get, "/a/x"),
        "405 PUT, DELETE, OPTIONS"
    );
    let (value, params) = table.find_any(b"/%61/x").unwrap();
    assert_eq!((*value, params.spans()), (1, &[Span::between(5, 6)][..]));
    assert!(table.find_any(b"/a").is_none());
}

// https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2 - an escape of an unreserved character is
// that character, the digits of an escape have no case.
#[test]
fn escapes_of_unreserved_characters_are_those_characters() {
    let patterns = [
        "/posts",
        "/{name}",
        "/a%2fb",
        "/a%2Bb",
        "/%7euser/{id}",
        "/files/{*rest}",
    ];
    let patterns: Vec<_> = (patterns.iter())
        .map(|pattern| (Method::Get, *pattern))
        .collect();
    let table = table(&patterns).unwrap();
    let check = |path: &str, expected: &str| {
        assert_eq!(look_up_escaped(&table, path), expected, "{path}");
    };
    check("/%70osts", "0 []");
    check("/p%6Fst%73", "0 []");
    check("/posts", "0 []");
    check("/%70ost%21", r#"1 ["%70ost%21"]"#);
    check("/a%2Fb", "2 []");
    check("/a%2fb", "2 []");
    check("/%61%2b%62", "3 []");
    check("/a+b", r#"1 ["a+b"]"#);
    check("/~user/%37", r#"4 ["%37"]"#);
    check("/%7Euser/x%2Fy", r#"4 ["x%2Fy"]"#);
    check("/f%69les/%61/b", r#"5 ["%61/b"]"#);
    check("/posts%2F", r#"1 ["posts%2F"]"#);
    check("/posts/%61", "404");
    check("%2Fposts", "404");
}

#[test]
fn refusals_name_the_pattern() {
    let refused = |pattern: &str| {
        table(&[(Method::Get, pattern)])
            .unwrap_err()
            .remove(0)
            .to_string()
    };
    assert_eq!(refused("x"), "route `x`: a pattern begins with `/`");
    assert!(refused("/a{b}").contains("segment `a{b}`"));
    assert!(refused("/{*rest}/x").contains("segment `{*rest}`"));
    assert!(refused("/{}").contains("segment `{}`"));
    assert!(refused("/a b").contains("percent-encoded"));
    assert!(refused("/100%").contains("a `%` is written `%25`"));
    assert!(refused("/{a}/{a}").contains("parameter `a`"));
    assert!(refused(&(0..17).map(|n| format!("/{{p{n}}}")).collect::<String>()).contains("17"));
}

#[test]
fn a_conflict_names_both_patterns() {
    let errors = table(&[
        (Method::Get, "/{a}/x"),
        (Method::Post, "/{b}/x"),
        (Method::Get, "/{c}/x"),
    ]);
    let errors = errors.unwrap_err();
    assert_eq!(errors.len(), 1);
    assert_eq!(
        errors[0].to_string(),
        "route `GET /{c}/x` matches the same paths as `GET /{a}/x`"
    );
}

/// The oracle: every pattern tried one by one, the best match chosen by comparing segment kinds.
mod naive {
    /// A match is better where, at the first difference, it has the more literal segment.
    pub fn find(patterns: &[&str], path: &str) -> Option<(usize, Vec<String>)> {
        let mut best: Option<(Vec<u8>, usize, Vec<String>)> = None;
        for (index, pattern) in patterns.iter().enumerate() {
            if let Some((rank, params)) = matches(pattern, path)
                && best.as_ref().is_none_or(|best| rank < best.0)
            {
                best = Some((rank, index, params));
            }
        }
        best.map(|(_, index, params)| (index, params))
    }

    fn matches(pattern: &str, path: &str) -> Option<(Vec<u8>, Vec<String>)> {
        let pattern: Vec<&str> = pattern.split('/').collect();
        let path: Vec<&str> = path.split('/').collect();
        let (mut rank, mut params) = (Vec::new(), Vec::new());
        for (at, segment) in pattern.iter().enumerate() {
            if segment.starts_with("{*") {
                let rest = path.get(at..)?.join("/");
                if rest.is_empty() {
                    return None;
                }
                params.push(rest);
                rank.push(2);
                return Some((rank, params));
            }
            let given = path.get(at)?;
            if segment.starts_with('{') {
                if given.is_empty() {
                    return None;
                }
                params.push((*given).to_owned());
                rank.push(1);
            } else if segment == given {
                rank.push(0);
            } else {
                return None;
            }
        }
        (pattern.len() == path.len()).then_some((rank, params))
    }

    /// Whether two patterns match the same paths.
    pub fn same(a: &str, b: &str) -> bool {
        let shape = |pattern: &str| -> Vec<String> {
            pattern
                .split('/')
                .map(|segment| match segment {
                    rest if rest.starts_with("{*") => "{*}".to_owned(),
                    param if param.starts_with('{') => "{}".to_owned(),
                    literal => literal.to_owned(),
                })
                .collect()
        };
        shape(a) == shape(b)
    }
}

fn pattern() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        4 => "[ab]{0,2}",
        2 => Just("{x}".to_owned()),
    ];
    (
        prop::collection::vec(segment, 1..4),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(segments, rest)| {
            let mut text = String::new();
            for (at, segment) in segments.iter().enumerate() {
                text.push('/');
                // Each parameter has a name of its own.
                text.push_str(&segment.replace("{x}", &format!("{{x{at}}}")));
            }
            if rest { text + "/{*rest}" } else { text }
        })
}

/// The path with some of its letters written as escapes, in either case of the digits.
fn escaped(path: &str, choices: &[u8]) -> String {
    let mut choices = choices.iter().cycle();
    (path.chars())
        .map(|character| match choices.next() {
            Some(0) if character != '/' => format!("%{:02x}", character as u32),
            Some(1) if character != '/' => format!("%{:02X}", character as u32),
            _ => character.to_string(),
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn an_escaped_path_finds_what_the_plain_one_finds(
        patterns in prop::collection::vec(pattern(), 1..8),
        paths in prop::collection::vec("(/[ab]{0,3}){1,5}", 1..16),
        choices in prop::collection::vec(0..4_u8, 1..20),
    ) {
        let given: Vec<_> =
            patterns.iter().map(|pattern| (Method::Get, pattern.as_str())).collect();
        prop_assume!(table(&given).is_ok());
        let table = table(&given).unwrap();
        for path in paths {
            let plain = look_up(&table, Method::Get, &path);
            let escaped = look_up_escaped(&table, &escaped(&path, &choices));
            let decoded = percent_encoding::percent_decode_str(&escaped).decode_utf8().unwrap();
            prop_assert_eq!(decoded, plain, "{}", path);
        }
    }

    #[test]
    fn equals_the_naive_oracle(
        patterns in prop::collection::vec(pattern(), 1..8),
        paths in prop::collection::vec("(/[ab]{0,3}){1,5}", 1..16),
    ) {
        let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
        let conflicts = (0..patterns.len())
            .filter(|&b| (0..b).any(|a| naive::same(patterns[a], patterns[b])))
            .count();
        let given: Vec<_> = patterns.iter().map(|pattern| (Method::Get, *pattern)).collect();
        match table(&given) {
            Err(errors) => prop_assert_eq!(errors.len(), conflicts),
            Ok(table) => {
                prop_assert_eq!(conflicts, 0);
                for path in paths {
                    let expected = match naive::find(&patterns, &path) {
                        Some((index, params)) => format!("{index} {params:?}"),
                        None => "404".to_owned(),
                    };
                    prop_assert_eq!(look_up(&table, Method::Get, &path), expected, "{}", path);
                }
            }
        }
    }
}
