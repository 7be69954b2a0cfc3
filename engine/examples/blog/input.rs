//! What clients send, checked: all faults at once, each with the place it is at.

use serde::Serialize;
use serde_json::{Map, Value};

/// The fields of a body as they came, from JSON or from a form. Nothing is decided yet: a body that
/// is wrong in three places should be told of all three.
pub type Fields = Map<String, Value>;

/// Everything that is wrong with an input: the members of its problem.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Faults {
    pub errors: Vec<Fault>,
}

/// Something that is wrong with an input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Where: a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What, in words for people.
    pub detail: String,
}

/// What a text must be like. Its length is counted in characters, as people count, not in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub name: &'static str,
    pub chars_max: usize,
    pub has_lines: bool,
    pub is_required: bool,
}

pub const TITLE: Rule = Rule::line("title", 200);
pub const CONTENT: Rule = Rule::lines("content", 10_000);
pub const COMMENT: Rule = Rule::lines("content", 2_000);
pub const AUTHOR: Rule = Rule {
    is_required: false,
    ..Rule::line("author", 80)
};

/// Who has not given a name.
const NOBODY: &str = "Anonymous";

/// A post as a client wants it; what is `None` stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostInput<'r> {
    pub title: Option<&'r str>,
    pub content: Option<&'r str>,
    pub author: Option<&'r str>,
}

impl<'r> PostInput<'r> {
    /// All of a post.
    pub fn whole(fields: &'r Fields) -> Result<PostInput<'r>, Faults> {
        let mut reader = Reader::new(fields);
        let post = PostInput {
            title: reader.required(&TITLE),
            content: reader.required(&CONTENT),
            author: reader.author().or(Some(NOBODY)),
        };
        reader.finish().map(|()| post)
    }

    /// What is to change of a post.
    pub fn part(fields: &'r Fields) -> Result<PostInput<'r>, Faults> {
        let mut reader = Reader::some(fields);
        let post = PostInput {
            title: reader.optional(&TITLE),
            content: reader.optional(&CONTENT),
            author: reader.author(),
        };
        reader.finish().map(|()| post)
    }
}

/// A comment as a client wants it; what is `None` stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommentInput<'r> {
    pub content: Option<&'r str>,
    pub author: Option<&'r str>,
}

impl<'r> CommentInput<'r> {
    /// All of a comment.
    pub fn whole(fields: &'r Fields) -> Result<CommentInput<'r>, Faults> {
        let mut reader = Reader::new(fields);
        let comment = CommentInput {
            content: reader.required(&COMMENT),
            author: reader.author().or(Some(NOBODY)),
        };
        reader.finish().map(|()| comment)
    }

    /// What is to change of a comment.
    pub fn part(fields: &'r Fields) -> Result<CommentInput<'r>, Faults> {
        let mut reader = Reader::some(fields);
        let comment = CommentInput {
            content: reader.optional(&COMMENT),
            author: reader.author(),
        };
        reader.finish().map(|()| comment)
    }
}

/// Reads fields one by one and notes what is wrong, instead of ending at the first fault.
struct Reader<'r> {
    fields: &'r Fields,
    known: Vec<&'static str>,
    faults: Vec<Fault>,
}

impl<'r> Reader<'r> {
    fn new(fields: &'r Fields) -> Reader<'r> {
        Reader {
            fields,
            known: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// For an input that says what to change, and so has to say something.
    fn some(fields: &'r Fields) -> Reader<'r> {
        let mut reader = Reader::new(fields);
        if fields.is_empty() {
            reader.fault("", "names nothing to change");
        }
        reader
    }

    /// A text that must be there.
    fn required(&mut self, rule: &Rule) -> Option<&'r str> {
        if !self.fields.contains_key(rule.name) {
            self.fault(rule.name, "is missing");
        }
        self.optional(rule)
    }

    /// A text that may be missing, but not blank.
    fn optional(&mut self, rule: &Rule) -> Option<&'r str> {
        let text = self.text(rule)?;
        if is_blank(text) {
            self.fault(rule.name, "must not be blank");
        }
        Some(text)
    }

    /// A name; a blank one is nobody's, as in a form that was left empty.
    fn author(&mut self) -> Option<&'r str> {
        let name = self.text(&AUTHOR)?;
        Some(if is_blank(name) { NOBODY } else { name })
    }

    /// A text without the white space around it.
    fn text(&mut self, rule: &Rule) -> Option<&'r str> {
        self.known.push(rule.name);
        let Some(text) = self.fields.get(rule.name)?.as_str() else {
            self.fault(rule.name, "must be a text");
            return None;
        };
        let text = text.trim();
        let count = rule.count(text);
        if count > rule.chars_max {
            let most = rule.chars_max;
            self.fault(
                rule.name,
                &format!("has {count} characters; {most} are allowed"),
            );
        }
        if text.chars().any(|char| !rule.takes(char)) {
            self.fault(rule.name, rule.complaint());
        }
        Some(text)
    }

    /// The end: fields that nobody has asked for are faults too.
    fn finish(mut self) -> Result<(), Faults> {
        for name in self.fields.keys() {
            if !self.known.contains(&name.as_str()) {
                self.fault(name, "is not a field of this");
            }
        }
        if self.faults.is_empty() {
            Ok(())
        } else {
            Err(Faults {
                errors: self.faults,
            })
        }
    }

    fn fault(&mut self, name: &str, detail: &str) {
        self.faults.push(Fault {
            pointer: pointer(name),
            detail: detail.to_owned(),
        });
    }
}

impl Rule {
    const fn line(name: &'static str, chars_max: usize) -> Rule {
        Rule {
            name,
            chars_max,
            has_lines: false,
            is_required: true,
        }
    }

    const fn lines(name: &'static str, chars_max: usize) -> Rule {
        Rule {
            name,
            chars_max,
            has_lines: true,
            is_required: true,
        }
    }

    /// Browsers send line ends as CR LF; people count them as one.
    fn count(&self, text: &str) -> usize {
        text.chars().filter(|char| *char != '\r').count()
    }

    fn takes(&self, char: char) -> bool {
        match char {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => self.has_lines,
            _ => !char.is_control(),
        }
    }

    fn complaint(&self) -> &'static str {
        if self.has_lines {
            "must not have control characters"
        } else {
            "must be one line without control characters"
        }
    }
}

/// Whether nobody would see anything of it.
fn is_blank(text: &str) -> bool {
    text.chars()
        .all(|char| char.is_whitespace() || is_invisible(char))
}

/// Characters that leave no mark: those that Unicode lets a font ignore (Default_Ignorable_Code_Point),
/// other controls of format, and the Braille pattern without dots. Among others they have their use, as
/// in the emoji of a family.
fn is_invisible(char: char) -> bool {
    matches!(char,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
        | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
        || char.is_control()
}

/// The JSON pointer to a member of the whole; of "" to the whole itself.
pub fn pointer(name: &str) -> String {
    match name {
        "" => String::new(),
        name => format!("/{}", name.replace('~', "~0").replace('/', "~1")),
    }
}

#[cfg(test)]
mod tests;
