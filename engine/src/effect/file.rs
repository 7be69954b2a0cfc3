//! Files as a step names them: the content of its request goes there.
//!
//! A name is one name in one directory: no path, nothing hidden. So there is nothing to traverse, and
//! no link to follow on the way; who wants several directories declares several resources.

use std::fmt;

use super::decode::{Answer, Decode, Undecoded};
use super::directory::Directory;
use super::shape::Shape;
use super::{Kind, ResourceIndex, Settings};
use crate::ctx::{Arena, Keeper};
use crate::step::{Fail, Failure};

impl Kind for Directory {
    type Handle<'r> = DirectoryHandle<'r>;

    fn handle<'r>(resource: ResourceIndex, keeper: Keeper<'r>) -> DirectoryHandle<'r> {
        let ResourceIndex(resource) = resource;
        let arena = keeper.arena();
        DirectoryHandle { resource, arena }
    }

    fn settings(self) -> Settings {
        Settings::Directory(self)
    }
}

/// Names files of a directory: `cx.on(Uploads)`.
///
/// ```
/// use cutaway::prelude::*;
///
/// resource!(pub Uploads: Directory);
/// slot!(pub Saved: StoredFile);
///
/// fn save(cx: &mut Cx<Writes<Saved>, Uses<(Body, Uploads)>>) -> Step {
///     let file = cx.on(Uploads).file(cx.param("name"));
///     cx.need(cx.body().to_file(file).into(Saved))
/// }
///
/// fn show(cx: &mut Cx<Reads<Saved>>) -> Step {
///     cx.json(&cx.get(Saved).bytes)
/// }
///
/// let upload = |name| {
///     let request = cutaway::testing::post("/").param("name", name).body("hello");
///     request.run_chain(chain(save).then(show))
/// };
/// assert_eq!(upload("report.txt").text(), "5");
/// upload("../secret").assert_fails(Unprocessable, "file name", "has a `/`");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct DirectoryHandle<'r> {
    resource: u16,
    arena: &'r Arena,
}

impl<'r> DirectoryHandle<'r> {
    /// The file of this name in the directory, for
    /// [`cx.body().to_file(..)`](super::BodyHandle::to_file).
    ///
    /// # Bounds
    /// A name has 1 to 255 bytes and no `/`, begins with no `.`, and has no control characters.
    ///
    /// # Errors
    /// Of another name the effect fails with a 422 that says what is wrong with it: names come from
    /// clients. The directory is not asked then.
    pub fn file(self, name: &str) -> NewFile<'r> {
        NewFile {
            resource: self.resource,
            name: checked(name).map(|name| self.arena.text(name)),
            is_replacing: false,
        }
    }
}

/// A file that is to be written.
#[derive(Clone, Copy, Debug)]
#[must_use = "a file is written by `cx.body().to_file(..)`"]
pub struct NewFile<'r> {
    pub(super) resource: u16,
    pub(super) name: Result<&'r str, NameRefused>,
    pub(super) is_replacing: bool,
}

impl NewFile<'_> {
    /// Takes the place of a file that has the name already. Whoever has that one open keeps it; whoever
    /// opens the name finds the old file or the new one, each whole.
    ///
    /// Without it the effect fails with a 409 whose key is the name: before the content is read where
    /// the name is taken already, else at the end.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # resource!(pub Uploads: Directory);
    /// # slot!(pub Saved: StoredFile);
    /// fn save(cx: &mut Cx<Writes<Saved>, Uses<(Body, Uploads)>>) -> Step {
    ///     let file = cx.on(Uploads).file("latest").replacing();
    ///     cx.need(cx.body().to_file(file).into(Saved))
    /// }
    /// # assert_eq!(cutaway::testing::post("/").run(save).decision(), Ok(Decision::Need));
    /// ```
    pub fn replacing(mut self) -> Self {
        self.is_replacing = true;
        self
    }
}

/// A file that was written: `cx.body().to_file(..)` fills a slot of this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredFile {
    /// Its length.
    pub bytes: u64,
    /// Whether it has taken the place of another one.
    pub has_replaced: bool,
}

impl StoredFile {
    /// A new file of this length.
    pub(crate) fn of(bytes: u64) -> StoredFile {
        StoredFile {
            bytes,
            has_replaced: false,
        }
    }
}

/// Why a name is none that a file may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRefused {
    /// It is empty.
    Empty,
    /// It has more than [`NAME_BYTES_MAX`] bytes.
    TooLong,
    /// It begins with a dot: `..`, and what directories hide.
    Dot,
    /// It has a `/`: it is a path.
    Path,
    /// It has a control character, a zero byte among them.
    Control,
}

impl NameRefused {
    /// What it means for the request.
    pub(crate) fn failure(self) -> Failure {
        Failure::new(Fail::Unprocessable, "file name", self.words())
    }

    fn words(self) -> &'static str {
        match self {
            NameRefused::Empty => "is empty",
            NameRefused::TooLong => "has more than 255 bytes",
            NameRefused::Dot => "begins with `.`",
            NameRefused::Path => "has a `/`",
            NameRefused::Control => "has a control character",
        }
    }
}

impl fmt::Display for NameRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// How long a name may be: `NAME_MAX` of Linux.
pub const NAME_BYTES_MAX: usize = 255;

fn checked(name: &str) -> Result<&str, NameRefused> {
    if name.is_empty() {
        Err(NameRefused::Empty)
    } else if name.contains('/') {
        Err(NameRefused::Path)
    } else if name.starts_with('.') {
        Err(NameRefused::Dot)
    } else if name.contains(char::is_control) {
        Err(NameRefused::Control)
    } else if name.len() > NAME_BYTES_MAX {
        Err(NameRefused::TooLong)
    } else {
        Ok(name)
    }
}

/// The content in a file.
#[derive(Debug)]
pub struct BodyFile;

impl Shape for BodyFile {}

impl<'r> Decode<'r, BodyFile> for StoredFile {
    fn decode(answer: Answer<'r>, _: &'r Arena) -> Result<Self, Undecoded> {
        Ok(answer.stored.expect("content that was stored is in a file"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_visible_name() {
        let check = |name: &str, expected| assert_eq!(checked(name).err(), expected, "{name:?}");
        check("a", None);
        check("summer 2026 (1).jpg", None);
        check("übung…", None);
        check("a..b", None);
        check("back\\slash", None);
        check(&"x".repeat(NAME_BYTES_MAX), None);
        check(&"x".repeat(NAME_BYTES_MAX + 1), Some(NameRefused::TooLong));
        check(&"ü".repeat(128), Some(NameRefused::TooLong));
        check("", Some(NameRefused::Empty));
        check(".", Some(NameRefused::Dot));
        check("..", Some(NameRefused::Dot));
        check(".htaccess", Some(NameRefused::Dot));
        check(".cutaway-1-1", Some(NameRefused::Dot));
        check("/etc/passwd", Some(NameRefused::Path));
        check("../secret", Some(NameRefused::Path));
        check("a/b", Some(NameRefused::Path));
        check("a\0b", Some(NameRefused::Control));
        check("a\r\nb", Some(NameRefused::Control));
    }
}
