use std::fs;
use std::path::PathBuf;

use super::*;

/// A directory of the test's own, gone with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let name = format!("cutaway-folder-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        Scratch(path)
    }

    /// All names in it, hidden ones too, in order.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Both ways of having no name yet.
fn for_each_way(name: &str, check: impl Fn(&Scratch, Folder)) {
    for is_nameless in [true, false] {
        let scratch = Scratch::new(&format!("{name}-{is_nameless}"));
        Folder::prepare(&scratch.0).unwrap();
        let folder = Folder::open(&scratch.0).unwrap();
        check(&scratch, if is_nameless { folder } else { folder.named() });
    }
}

fn store(folder: &mut Folder, name: &str, content: &[u8], is_replacing: bool) -> io::Result<bool> {
    let mut file = folder.create()?;
    folder.write(&mut file, content)?;
    folder.sync(&mut file)?;
    let has_replaced = folder.name(file, name, is_replacing)?;
    folder.sync_names()?;
    Ok(has_replaced)
}

#[test]
fn a_file_has_its_name_when_it_is_given_and_not_before() {
    for_each_way("named", |scratch, mut folder| {
        let mut file = folder.create().unwrap();
        folder.write(&mut file, b"one, ").unwrap();
        folder.write(&mut file, b"two").unwrap();
        assert!(!folder.has("a").unwrap());
        assert!(!scratch.names().contains(&"a".to_owned()));
        assert!(!folder.name(file, "a", false).unwrap());
        assert!(folder.has("a").unwrap());
        assert_eq!(scratch.names(), ["a"]);
        assert_eq!(fs::read(scratch.0.join("a")).unwrap(), b"one, two");
        folder.remove("a").unwrap();
        assert!(scratch.names().is_empty());
    });
}

#[test]
fn what_is_dropped_without_a_name_leaves_nothing() {
    for_each_way("dropped", |scratch, mut folder| {
        let mut file = folder.create().unwrap();
        folder.write(&mut file, b"content").unwrap();
        drop(file);
        assert!(scratch.names().is_empty(), "{:?}", scratch.names());
    });
}

#[test]
fn a_name_that_is_taken_is_replaced_only_where_that_is_wanted() {
    for_each_way("taken", |scratch, mut folder| {
        assert!(!store(&mut folder, "a", b"first", true).unwrap());
        let refused = store(&mut folder, "a", b"second", false).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(scratch.0.join("a")).unwrap(), b"first");
        assert!(store(&mut folder, "a", b"second", true).unwrap());
        assert_eq!(fs::read(scratch.0.join("a")).unwrap(), b"second");
        assert_eq!(scratch.names(), ["a"]);
    });
}

/// A link is a name like any other: what it leads to is never touched.
#[test]
fn a_link_is_not_followed() {
    for_each_way("link", |scratch, mut folder| {
        let outside = Scratch::new("outside");
        fs::create_dir(&outside.0).unwrap();
        let target = outside.0.join("target");
        fs::write(&target, "untouched").unwrap();
        for target in [&target, &outside.0.join("absent")] {
            let link = scratch.0.join("a");
            let _ = fs::remove_file(&link);
            std::os::unix::fs::symlink(target, &link).unwrap();
            assert!(folder.has("a").unwrap());
            assert!(store(&mut folder, "a", b"x", false).is_err());
            assert!(store(&mut folder, "a", b"x", true).unwrap());
            assert!(fs::symlink_metadata(&link).unwrap().is_file());
        }
        assert_eq!(fs::read(&target).unwrap(), b"untouched");
        assert_eq!(outside.names(), ["target"]);
    });
}

#[test]
fn a_directory_is_never_replaced() {
    for_each_way("directory", |scratch, mut folder| {
        fs::create_dir(scratch.0.join("a")).unwrap();
        for is_replacing in [false, true] {
            let refused = store(&mut folder, "a", b"x", is_replacing).unwrap_err();
            let told = crate::effect::directory::FileError::from(refused);
            assert_eq!(told, crate::effect::directory::FileError::Exists);
        }
        assert_eq!(scratch.names(), ["a"]);
    });
}

#[test]
fn the_next_start_removes_what_a_killed_process_has_left() {
    let scratch = Scratch::new("remains");
    fs::create_dir(&scratch.0).unwrap();
    for name in [".cutaway-1-7", ".hidden", "a"] {
        fs::write(scratch.0.join(name), "x").unwrap();
    }
    // Somebody writes into it: what stands there may be theirs.
    let other = Folder::open(&scratch.0).unwrap();
    Folder::prepare(&scratch.0).unwrap();
    assert_eq!(scratch.names(), [".cutaway-1-7", ".hidden", "a"]);
    drop(other);
    Folder::prepare(&scratch.0).unwrap();
    assert_eq!(scratch.names(), [".hidden", "a"]);
}

#[test]
fn what_is_no_directory_is_refused() {
    let scratch = Scratch::new("refused");
    let above_is_missing = scratch.0.join("a/b");
    assert!(Folder::prepare(&above_is_missing).is_err());
    fs::create_dir(&scratch.0).unwrap();
    let file = scratch.0.join("file");
    fs::write(&file, "x").unwrap();
    let refused = Folder::prepare(&file).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(Errno::NOTDIR.raw_os_error()));
}
