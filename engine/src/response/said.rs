//! What a step says of its failure in its own words: a detail of any length, and members.

use serde::Serialize;

use crate::step::{Fail, Failure};

/// Kept beside the response until the failure that it belongs to is rendered; keeps its buffer.
#[derive(Default)]
pub(super) struct Said {
    /// The detail, and behind it the members as a JSON object, if there are any.
    text: Vec<u8>,
    detail_len: usize,
    own_names: OwnNames,
    /// Whose words they are; none where nothing was said.
    failure: Option<Failure>,
}

impl Said {
    /// Takes the words down and gives the failure that they belong to.
    #[cold]
    pub(super) fn say<T: Serialize + ?Sized>(
        &mut self,
        kind: Fail,
        detail: &str,
        members: &T,
    ) -> Failure {
        self.failure = None;
        self.text.clear();
        self.text.extend_from_slice(detail.as_bytes());
        self.detail_len = detail.len();
        if let Err(error) = serde_json::to_writer(&mut self.text, members) {
            return Failure::error("problem", &error);
        }
        match OwnNames::of(self.members()) {
            Ok(own_names) => self.own_names = own_names,
            Err(words) => return Failure::error("problem", &words),
        }
        if self.members() == b"null" {
            self.text.truncate(self.detail_len);
        }
        let failure = Failure::new(kind, "problem", detail);
        self.failure = Some(failure.clone());
        failure
    }

    /// The words, if they belong to this failure: between the step and the response another one may
    /// have come, of a deadline or a panic.
    pub(super) fn about(&self, failure: &Failure) -> Option<&Said> {
        (self.failure.as_ref() == Some(failure)).then_some(self)
    }

    /// What happened, for people.
    pub(super) fn detail(&self) -> &str {
        text(&self.text[..self.detail_len])
    }

    /// The members as a JSON object; empty where there are none.
    pub(super) fn members_text(&self) -> &str {
        text(self.members())
    }

    /// Which of the engine's members the step has replaced.
    pub(super) fn own_names(&self) -> OwnNames {
        self.own_names
    }

    fn members(&self) -> &[u8] {
        &self.text[self.detail_len..]
    }

    /// Forgets the words, keeps the buffer unless they have made it a giant.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.failure = None;
        if self.text.capacity() > super::BUFFER_BYTES_KEPT_MAX {
            self.text = Vec::new();
        }
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("it was copied from text and from JSON")
}

/// The members that a step may say instead of the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OwnNames {
    pub has_type: bool,
    pub has_title: bool,
}

impl OwnNames {
    /// Those among members as `serde_json` has written them. It is looked for them by hand, because
    /// that takes no memory, however deep the members are.
    ///
    /// # Errors
    /// They are no members; or they say what the reply says elsewhere, and has to agree with it.
    fn of(members: &[u8]) -> Result<OwnNames, &'static str> {
        let mut names = OwnNames::default();
        match members.first() {
            Some(b'{') => {}
            Some(b'n') => return Ok(names), // null
            _ => return Err("members have names"),
        }
        let (mut depth, mut is_name) = (0_usize, false);
        let mut rest = members;
        while let Some((first, behind)) = rest.split_first() {
            rest = behind;
            match first {
                b'{' | b'[' => (depth, is_name) = (depth + 1, true),
                b'}' | b']' => depth -= 1,
                b',' => is_name = true,
                b':' => is_name = false,
                b'"' => {
                    let (text, behind) = rest.split_at(string_len(rest));
                    rest = &behind[1..];
                    match text {
                        _ if depth > 1 || !is_name => {}
                        b"type" => names.has_type = true,
                        b"title" => names.has_title = true,
                        b"status" | b"detail" | b"request_id" => {
                            return Err("a member has a name of the engine's");
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        Ok(names)
    }
}

/// How long the string is whose first quote stands before this.
fn string_len(text: &[u8]) -> usize {
    let mut at = 0;
    while text[at] != b'"' {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    at
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(members: &impl Serialize, expected: Result<(&str, OwnNames), &str>) {
        let mut said = Said::default();
        let failure = said.say(Fail::Conflict, "it is taken", members);
        match expected {
            Ok((text, own_names)) => {
                let said = said.about(&failure).expect("it was said");
                assert_eq!((said.members_text(), said.own_names()), (text, own_names));
                assert_eq!(said.detail(), "it is taken");
                assert!(failure.is_public());
            }
            Err(words) => {
                assert!(said.about(&failure).is_none());
                assert_eq!(failure.kind(), Fail::Internal);
                assert!(failure.key().contains(words), "{failure}");
            }
        }
    }

    #[test]
    fn members_are_an_object_or_nothing() {
        let none = OwnNames::default();
        check(&(), Ok(("", none)));
        check(&None::<u8>, Ok(("", none)));
        check(&json!({}), Ok(("{}", none)));
        check(
            &json!({"at": {"type": 1}}),
            Ok((r#"{"at":{"type":1}}"#, none)),
        );
        let deep = json!({"a": [{"status": 1}, "type", "\\\"title"], "b\"": "status"});
        check(&deep, Ok((&deep.to_string(), none)));
        let typed = OwnNames {
            has_type: true,
            has_title: true,
        };
        let members = json!({"title": "Taken", "type": "/taken"});
        check(
            &members,
            Ok((r#"{"title":"Taken","type":"/taken"}"#, typed)),
        );
        check(&[1, 2], Err("members have names"));
        check(&"words", Err("members have names"));
        for name in ["status", "detail", "request_id"] {
            check(&json!({name: 1}), Err("a name of the engine's"));
        }
    }

    #[test]
    fn words_belong_to_their_failure_alone() {
        let mut said = Said::default();
        let failure = said.say(Fail::Conflict, "it is taken", &());
        let other = Failure::new(Fail::Timeout, "step", "slow");
        assert!(said.about(&other).is_none());
        assert!(said.about(&failure).is_some());
        said.clear();
        assert!(said.about(&failure).is_none());
    }
}
