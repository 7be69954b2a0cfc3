//! Opening a database.

use std::path::Path;

use super::*;

#[test]
fn a_database_that_cannot_be_opened_is_named() {
    fn refused(path: impl AsRef<Path>) -> String {
        let settings = Sqlite::open(path.as_ref());
        let no_death = Arc::new(|_: &Death| {});
        match settings.start("bad", &[], RealClock::new(), no_death) {
            Ok(_) => panic!("it cannot be opened"),
            Err(error) => error.to_string(),
        }
    }
    assert_eq!(
        refused("/nowhere/test.db"),
        "/nowhere/test.db: unable to open database file (SQLite 14)"
    );
    assert_eq!(
        refused(":memory:"),
        ":memory:: a write-ahead log is needed, SQLite says `memory`"
    );
    assert_eq!(refused("a\0b"), "not a path: \"a\\0b\"");
    let place = Place::new();
    std::fs::write(place.file(), "this is no database, only a text in a file").unwrap();
    let error = refused(place.file());
    assert!(
        error.ends_with("file is not a database (SQLite 26)"),
        "{error}"
    );
}

#[test]
fn sqlite_s_memory_is_counted() {
    let place = Place::new();
    let shard = Shard::open(&place.settings());
    let open = memory();
    assert!(open.allocation_count > 0);
    assert!(open.bytes > 0);
    drop(shard);
}
