//! One file as the rules see it: its text, and its code without comments, strings and tests.

/// A file of the workspace.
pub struct Source {
    /// From the repository's root, with forward slashes.
    pub path: String,
    /// As it stands there.
    pub text: String,
    /// The same lines with the content of comments, strings and test modules blanked.
    pub code: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Source {
        Source {
            path: path.replace('\\', "/"),
            text: text.to_owned(),
            code: without_tests(&blanked(text)),
        }
    }

    /// Whether all of the file is test code.
    pub fn is_test(&self) -> bool {
        let mut parts = self.path.split('/');
        parts.any(|part| ["tests", "tests.rs", "benches", "examples"].contains(&part))
    }

    /// Whether the file lies in the `src` of one of these crates.
    pub fn is_in_src_of(&self, crates: &[&str]) -> bool {
        (crates.iter()).any(|name| self.path.starts_with(&format!("{name}/src/")))
    }

    /// A finding for each line of code that contains one of these words as a whole.
    pub fn find_words(&self, words: &[&str], sentence: &str) -> Vec<String> {
        let is_named = |line: &str| words.iter().any(|word| contains_word(line, word));
        (self.code.lines().enumerate())
            .filter(|(_, line)| is_named(line))
            .map(|(index, _)| self.finding(index, sentence))
            .collect()
    }

    /// What is wrong with the line at this index.
    pub fn finding(&self, index: usize, sentence: &str) -> String {
        format!("{}:{}: {sentence}", self.path, index + 1)
    }
}

/// Whether the word stands in the line with no letter, digit or underscore beside it.
pub fn contains_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        // A word that begins or ends with punctuation is its own boundary.
        let begins = !word.starts_with(is_part) || !before.is_some_and(is_part);
        let ends = !word.ends_with(is_part) || !after.is_some_and(is_part);
        begins && ends
    })
}

/// The text with every character of comments, strings and character literals turned into a space.
/// Line breaks stay where they are.
fn blanked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let len = literal_len(rest, out.chars().next_back());
        if len == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let blank = |c: char| if c == '\n' { '\n' } else { ' ' };
        out.extend(rest[..len].chars().map(blank));
        rest = &rest[len..];
    }
    out
}

/// How many bytes of a comment, a string or a character literal the text begins with; zero where
/// it begins with code.
fn literal_len(text: &str, before: Option<char>) -> usize {
    let to = |end: Option<usize>| end.unwrap_or(text.len());
    if text.starts_with("//") {
        return to(text.find('\n'));
    }
    if text.starts_with("/*") {
        return block_comment_len(text);
    }
    if text.starts_with('"') {
        return quoted_len(text, '"');
    }
    // `b"` and `c"` need nothing of their own: the letter stays, the quote begins a string.
    if !before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
        let prefix = text.len() - text.trim_start_matches(['b', 'c']).len();
        let raw = &text[prefix.min(1)..];
        if let Some(hashes) = raw.strip_prefix('r') {
            let count = hashes.len() - hashes.trim_start_matches('#').len();
            if hashes[count..].starts_with('"') {
                let end = format!("\"{}", "#".repeat(count));
                let begin = text.len() - hashes.len() + count + 1;
                return to(text[begin..].find(&end).map(|at| begin + at + end.len()));
            }
        }
    }
    // A character literal, and not a lifetime: its closing quote follows one character or an escape.
    let mut chars = text.chars();
    if chars.next() == Some('\'') {
        let is_literal = match chars.next() {
            Some('\\') => true,
            Some(_) => chars.next() == Some('\''),
            None => false,
        };
        if is_literal {
            return quoted_len(text, '\'');
        }
    }
    0
}

fn block_comment_len(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    at.min(text.len())
}

fn quoted_len(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// The code with the bodies of `#[cfg(test)]` modules blanked.
fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    let mut from = 0;
    while let Some(at) = out[from..].find("#[cfg(test)]") {
        let begin = from + at;
        let Some(open) = out[begin..].find(['{', ';']).map(|at| begin + at) else {
            break;
        };
        let end = match out.as_bytes()[open] {
            b'{' => open + braces_len(&out[open..]),
            _ => open + 1,
        };
        let blank = |c: char| if c == '\n' { '\n' } else { ' ' };
        // Byte by byte of what was read, so that later positions stay where they are.
        let blanked: String = (out[begin..end].chars())
            .flat_map(|c| std::iter::repeat_n(blank(c), c.len_utf8()))
            .collect();
        out.replace_range(begin..end, &blanked);
        from = end;
    }
    out
}

/// How many bytes to the end of the pair of braces that the text begins with.
pub fn braces_len(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

#[test]
fn comments_strings_and_tests_are_no_code() {
    let check = |text: &str, word: &str, expected: bool| {
        let found = Source::new("a.rs", text).find_words(&[word], "");
        assert_eq!(!found.is_empty(), expected, "{word} in {text}");
    };
    check("let glommio = 1;", "glommio", true);
    check("// glommio", "glommio", false);
    check("/* a /* glommio */ glommio */ code", "glommio", false);
    check("/* a /* glommio */ b */ code", "code", true);
    check("let a = \"glommio \\\" glommio\"; code", "glommio", false);
    check("let a = \"x\"; code", "code", true);
    check("let a = r#\"glommio \" glommio\"#; code", "glommio", false);
    check("let a = br#\"glommio\"#; code", "code", true);
    check("let a = '\"'; glommio; let b = '\"';", "glommio", true);
    check("fn a<'r>(b: &'r str) { glommio('\\'') }", "glommio", true);
    check("let glommio_like = 1;", "glommio", false);
    check(
        "#[cfg(test)]\nmod tests {\n fn a() { glommio }\n}\n",
        "glommio",
        false,
    );
    check("#[cfg(test)]\nmod tests;\nglommio", "glommio", true);
    check("#[cfg(test)]\nmod tests { {} }\nglommio", "glommio", true);
}

#[test]
fn findings_name_the_line() {
    let source = Source::new("a/b.rs", "//! \u{e9}\n\nlet a = \"\n\"; unsafe {}\n");
    assert_eq!(source.find_words(&["unsafe"], "no"), ["a/b.rs:4: no"]);
}
