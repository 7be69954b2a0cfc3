use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use proptest::prelude::*;

use super::key::{Key, Takes, keys};
use super::*;
use crate::bound::{End, Range, Unit};
use crate::effect::directory::{Directory, DirectoryBounds};
use crate::effect::sqlite::{Sqlite, SqliteBounds};
use crate::effect::{Kind, Settings};

const NO_VARIABLES: [(&str, &str); 0] = [];

/// What a program has, and what configuration makes of it.
#[derive(Debug)]
struct Program {
    serving: Serving,
    limits: Limits,
    classes: ClassTable,
    resources: Vec<(&'static str, Settings)>,
}

impl Program {
    /// A program with a database called `Blog`, another one, and a directory.
    fn new() -> Program {
        let sqlite = |path: &str| Sqlite::open(path).settings();
        Program {
            serving: Serving::default(),
            limits: Limits::default(),
            classes: ClassTable::default(),
            resources: vec![
                ("Blog", sqlite("own.db")),
                ("UserNotes", sqlite("notes.db")),
                ("Uploads", Directory::open("uploads").settings()),
            ],
        }
    }

    fn settle(&mut self, config: &Config) -> Result<(), ConfigRefused> {
        config.settle(Base {
            serving: &mut self.serving,
            limits: &mut self.limits,
            classes: &mut self.classes,
            resources: Some(&mut self.resources),
        })
    }

    fn configured(config: &Config) -> Program {
        let mut program = Program::new();
        program.settle(config).unwrap();
        program
    }

    fn sqlite(&self, name: &str) -> &Sqlite {
        let mut found = self.resources.iter().filter(|(known, _)| *known == name);
        match found.next() {
            Some((_, Settings::Sqlite(sqlite))) => sqlite,
            _ => panic!("no database `{name}`"),
        }
    }

    fn deadline(&self, name: &str) -> Nanos {
        let class = self.classes.find(name).unwrap();
        self.classes.class(class).deadline
    }
}

/// What a configuration is refused with, by a program with the resources `Blog` and `UserNotes`.
fn faults_of(config: &Config) -> Vec<String> {
    match Program::new().settle(config) {
        Ok(()) => Vec::new(),
        Err(refused) => refused.faults().iter().map(ToString::to_string).collect(),
    }
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let faults = faults_of(&Config::new().text("blog.toml", text));
    assert_eq!(faults, expected, "{text}");
}

#[track_caller]
fn check_variables(variables: &[(&str, &str)], expected: &[&str]) {
    let faults = faults_of(&Config::new().environment(variables.iter().copied()));
    assert_eq!(faults, expected, "{variables:?}");
}

#[test]
fn a_good_file_sets_what_it_says_and_nothing_else() {
    let text = "
        [server]
        address = '0.0.0.0:80'
        shards = 0x10
        trace = 'all'
        [limits]
        head_bytes_max = 8_192
        target_bytes_max = '1 KiB'
        head_timeout = '1500ms'
        [classes.interactive]
        deadline = '50 ms'
        [resources]
        Blog = { path = 'data/blog.db', readers = 3 }
    ";
    let program = Program::configured(&Config::new().text("/etc/blog/blog.toml", text));
    let serving = Serving {
        address: "0.0.0.0:80".parse().unwrap(),
        shards: Some(16),
        trace: TraceMode::All,
    };
    assert_eq!(program.serving, serving);
    let limits = Limits {
        head_bytes_max: 8192,
        target_bytes_max: 1024,
        head_timeout: Nanos::from_millis(1500),
        ..Limits::default()
    };
    assert_eq!(program.limits, limits);
    assert_eq!(program.deadline("interactive"), Nanos::from_millis(50));
    assert_eq!(program.deadline("batch"), Nanos::from_secs(2));
    let bounds = SqliteBounds {
        readers: 3,
        ..SqliteBounds::default()
    };
    assert_eq!(program.sqlite("Blog").bounds(), &bounds);
    let path = program.sqlite("Blog").path();
    assert_eq!(path, Path::new("/etc/blog/data/blog.db"));
    let other = program.sqlite("UserNotes");
    assert_eq!(other.path(), Path::new("notes.db"));
    assert_eq!(other.bounds(), &SqliteBounds::default());
}

#[test]
fn unknown_names_are_told_with_the_nearest_right_one() {
    check(
        "[limits]\nhead_byte_max = 8192",
        &[
            "blog.toml:2:1: unknown key `limits.head_byte_max`; did you mean `limits.head_bytes_max`?",
        ],
    );
    check(
        "[limits]\n\n  hed_timeout = '1 s'",
        &["blog.toml:3:3: unknown key `limits.hed_timeout`; did you mean `limits.head_timeout`?"],
    );
    // A right name in the wrong place.
    check(
        "shards = 2\n[server]\nfields_max = 3\ndeadline = '1 s'",
        &[
            "blog.toml:1:1: unknown key `shards`; did you mean `server.shards`?",
            "blog.toml:3:1: unknown key `server.fields_max`; did you mean `limits.fields_max`?",
            "blog.toml:4:1: unknown key `server.deadline`; did you mean `classes.NAME.deadline`?",
        ],
    );
    check(
        "'server.shards' = 2",
        &["blog.toml:1:1: unknown key `\"server.shards\"`; did you mean `server.shards`?"],
    );
    check(
        "[classes]\ndeadline = '1 s'\nx = 3",
        &[
            "blog.toml:2:1: unknown key `classes.deadline`; did you mean `classes.NAME.deadline`?",
            "blog.toml:3:1: `classes.x` is a number; it takes a table of keys",
        ],
    );
    check(
        "[resources.Blog]\npth = 'x'",
        &["blog.toml:2:1: unknown key `resources.Blog.pth`; did you mean `resources.Blog.path`?"],
    );
    // Nothing is near.
    check(
        "[tls]\nkey = 'x'\n[limits]\ncolour = 'red'",
        &[
            "blog.toml:1:2: unknown section `tls`",
            "blog.toml:4:1: unknown key `limits.colour`",
        ],
    );
    // What is below a section that is merely mistyped is looked at as well.
    check(
        "[limit]\nhead_timeout = 10",
        &[
            "blog.toml:1:2: unknown section `limit`; did you mean `limits`?",
            "blog.toml:2:16: `limits.head_timeout` has no unit; it takes a length of time like \"10 s\", 1 ns or more",
        ],
    );
}

#[test]
fn classes_and_resources_are_those_of_the_program() {
    check(
        "[classes.interactiv]\ndeadline = '1 s'\n[resources.Blgo]\npath = 'x'\n[resources.blog]",
        &[
            "blog.toml:1:10: unknown class `interactiv`; did you mean `interactive`?",
            "blog.toml:3:12: unknown resource `Blgo`; did you mean `Blog`?",
            "blog.toml:5:12: unknown resource `blog`; did you mean `Blog`?",
        ],
    );
    check_variables(
        &[("CUTAWAY_RESOURCES__USERNOTE__PATH", "x")],
        &[
            "CUTAWAY_RESOURCES__USERNOTE__PATH: unknown resource `USERNOTE`; did you mean `CUTAWAY_RESOURCES__USERNOTES__PATH`?",
        ],
    );
    // Without a program any resource may be one, while classes are known.
    let config = Config::new().text("blog.toml", "[resources.X]\nreaders = 2\n[classes.x]");
    let refused = config.check().unwrap_err();
    assert_eq!(refused.faults().len(), 1);
    assert_eq!(
        refused.to_string(),
        "this configuration cannot be used:\n  blog.toml:3:10: unknown class `x`; there is `interactive`, `standard`, `batch`",
    );
}

#[test]
fn values_of_a_wrong_kind_are_told_with_the_right_one() {
    let size = "it takes a size like \"16 KiB\", 256 B to 1 MiB";
    for (value, what) in [
        ("true", "is a boolean"),
        ("1.5", "is a fraction"),
        ("[1]", "is an array"),
        ("{ a = 1 }", "is a table"),
        ("1979-05-27", "is a date or time"),
        ("'16 KB'", "cannot be read"),
        ("''", "cannot be read"),
        ("-1", "is -1"),
        (
            "340282366920938463463374607431768211456",
            "is larger than 64 bits hold",
        ),
        ("'17179869184 GiB'", "is larger than 64 bits hold"),
    ] {
        let text = format!("[limits]\nhead_bytes_max = {value}");
        let fault = format!("blog.toml:2:18: `limits.head_bytes_max` {what}; {size}");
        check(&text, &[&fault]);
    }
    check(
        "[server]\nshards = '2'\naddress = 'localhost'\ntrace = 'loud'",
        &[
            "blog.toml:2:10: `server.shards` is a string; it takes a whole number, 1 to 1024",
            "blog.toml:3:11: `server.address` cannot be read; it takes an address with its port, like \"127.0.0.1:8080\"",
            "blog.toml:4:9: `server.trace` cannot be read; it takes \"all\", \"slow\" or \"off\"",
        ],
    );
    check(
        "[server]\naddress = 8080\ntrace = true\n[resources.Blog]\npath = ''",
        &[
            "blog.toml:2:11: `server.address` is a number; it takes an address with its port, like \"127.0.0.1:8080\"",
            "blog.toml:3:9: `server.trace` is a boolean; it takes \"all\", \"slow\" or \"off\"",
            "blog.toml:5:8: `resources.Blog.path` is empty; it takes a path, like \"blog.db\"",
        ],
    );
    check(
        "limits = 3",
        &["blog.toml:1:10: `limits` is a number; it takes a table of keys"],
    );
    check(
        "[[limits]]\nfields_max = 3",
        &["blog.toml:1:1: `limits` is an array; it takes a table of keys"],
    );
}

#[test]
fn values_out_of_range_are_told_with_it() {
    check(
        "[limits]\nhead_bytes_max = 255\nfields_max = 129\nreceive_buffers = 48\nhead_timeout = '0 s'",
        &[
            "blog.toml:2:18: `limits.head_bytes_max` is 255 B; it takes 256 B to 1 MiB",
            "blog.toml:3:14: `limits.fields_max` is 129; it takes 1 to 128",
            "blog.toml:4:19: `limits.receive_buffers` is 48; it takes a power of two, 1 to 32768",
            "blog.toml:5:16: `limits.head_timeout` is 0 ns; it takes 1 ns or more",
        ],
    );
    check(
        "[server]\nshards = 0\n[classes.batch]\ndeadline = '0 ms'\n[resources.Blog]\nreaders = 0",
        &[
            "blog.toml:2:10: `server.shards` is 0; it takes 1 to 1024",
            "blog.toml:4:12: `classes.batch.deadline` is 0 ns; it takes 1 ns or more",
            "blog.toml:6:11: `resources.Blog.readers` is 0; it takes 1 to 64",
        ],
    );
}

#[test]
fn values_that_cannot_hold_beside_each_other_are_told_where_one_was_set() {
    let beyond = "is 8 KiB; it takes 1 B to `head_bytes_max`, and `head_bytes_max` is 4 KiB";
    // The one that is beyond its neighbour was set here, or only the neighbour was.
    check(
        "[limits]\ntarget_bytes_max = '8 KiB'\nhead_bytes_max = '4 KiB'",
        &[&format!(
            "blog.toml:2:20: `limits.target_bytes_max` {beyond}"
        )],
    );
    check(
        "[limits]\nhead_bytes_max = '4 KiB'",
        &[&format!(
            "blog.toml:2:18: `limits.target_bytes_max` {beyond}"
        )],
    );
    check_variables(
        &[("CUTAWAY_LIMITS__HEAD_BYTES_MAX", "4096")],
        &[&format!(
            "CUTAWAY_LIMITS__HEAD_BYTES_MAX: `limits.target_bytes_max` {beyond}"
        )],
    );
    // A neighbour whose own value is refused says nothing about this one.
    check(
        "[limits]\ntarget_bytes_max = '32 KiB'\nhead_bytes_max = '2 MiB'",
        &["blog.toml:3:18: `limits.head_bytes_max` is 2 MiB; it takes 256 B to 1 MiB"],
    );
    // What the program itself has set has no place.
    let mut program = Program::new();
    program.limits.batch_max = 0;
    program.resources[0].1 = Sqlite::open("own.db").readers(0).settings();
    let refused = program.settle(&Config::new()).unwrap_err();
    let faults: Vec<String> = refused.faults().iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        [
            "`limits.batch_max` is 0; it takes 1 or more",
            "`resources.Blog.readers` is 0; it takes 1 to 64",
        ]
    );
    // Unless something stronger puts it right.
    let config = Config::new().text("x", "limits.batch_max = 1\nresources.Blog.readers = 1");
    program.settle(&config).unwrap();
    assert_eq!(program.limits.batch_max, 1);
}

#[test]
fn faults_of_syntax_are_told_beside_the_others() {
    check(
        "[limits]\nfields_max = 3\nfields_max = 4\n[limits]\nbatch_max = 1",
        &[
            "blog.toml:3:1: `fields_max` is there twice",
            "blog.toml:4:2: `limits` is there twice",
        ],
    );
    check(
        "[limits]\nfields_max =\nbatch_max = # none\nhed = 1",
        &[
            "blog.toml:2:13: there is no value",
            "blog.toml:3:13: there is no value",
            "blog.toml:4:1: unknown key `limits.hed`",
        ],
    );
    check(
        "[limits\nfields_max = 0\n[server]\nshards = 0\n[classes.x",
        &[
            "blog.toml:1:8: unclosed table, expected `]`",
            "blog.toml:4:10: `server.shards` is 0; it takes 1 to 1024",
            "blog.toml:5:11: unclosed table, expected `]`",
        ],
    );
    check(
        "[server]\ntrace = slow\naddress = 'é' x",
        &[
            "blog.toml:2:9: a text needs quotes",
            "blog.toml:3:15: unexpected key or value, expected newline, `#`",
        ],
    );
    // Columns count characters; a name that could play with the terminal cannot.
    check(
        "server = { 'ä' = 1, \"\\u001b[2J\" = 2 }",
        &[
            "blog.toml:1:12: unknown key `server.\"ä\"`",
            "blog.toml:1:21: unknown key `server.\"\\u{1b}[2J\"`",
        ],
    );
}

#[test]
fn faults_of_variables_name_them() {
    check_variables(
        &[
            ("CUTAWAY_LIMITS__HEAD_BYTE_MAX", "8192"),
            ("CUTAWAY_LIMITS_HEAD_BYTES_MAX", "8192"),
            ("CUTAWAY_limits__fields_max", "3"),
            ("CUTAWAY_A__B__C__D", "3"),
        ],
        &[
            "CUTAWAY_A__B__C__D: no key has this variable",
            "CUTAWAY_LIMITS_HEAD_BYTES_MAX: no key has this variable; did you mean `CUTAWAY_LIMITS__HEAD_BYTES_MAX`?",
            "CUTAWAY_LIMITS__HEAD_BYTE_MAX: no key has this variable; did you mean `CUTAWAY_LIMITS__HEAD_BYTES_MAX`?",
            "CUTAWAY_limits__fields_max: no key has this variable; did you mean `CUTAWAY_LIMITS__FIELDS_MAX`?",
        ],
    );
    check_variables(
        &[
            ("CUTAWAY_LIMITS__HEAD_BYTES_MAX", "1"),
            ("CUTAWAY_SERVER__SHARDS", "two"),
            ("CUTAWAY_RESOURCES__BLOG__PAHT", "x"),
            ("CUTAWAY_CLASSES__BATCH__DEADLINE", "5"),
        ],
        &[
            "CUTAWAY_CLASSES__BATCH__DEADLINE: `classes.BATCH.deadline` has no unit; it takes a length of time like \"50 ms\", 1 ns or more",
            "CUTAWAY_LIMITS__HEAD_BYTES_MAX: `limits.head_bytes_max` is 1 B; it takes 256 B to 1 MiB",
            "CUTAWAY_RESOURCES__BLOG__PAHT: no key has this variable; did you mean `CUTAWAY_RESOURCES__BLOG__PATH`?",
            "CUTAWAY_SERVER__SHARDS: `server.shards` cannot be read; it takes a whole number, 1 to 1024",
        ],
    );
    // Somebody else's.
    check_variables(
        &[("CUTAWAY_SEED", "17"), ("HOME", "/"), ("cutaway__x", "1")],
        &[],
    );
    let no_text = OsString::from_vec(vec![0xff]);
    let config = Config::new()
        .environment([("CUTAWAY_SERVER__TRACE".into(), no_text)] as [(OsString, OsString); 1]);
    assert_eq!(
        faults_of(&config),
        [
            "CUTAWAY_SERVER__TRACE: `server.trace` is not UTF-8; it takes \"all\", \"slow\" or \"off\""
        ]
    );
}

#[test]
fn faults_of_a_command_line_say_so() {
    let config = Config::new()
        .set("server.shard", 2)
        .set("server.trace", "loud")
        .set("resources.Blgo.path", "x")
        .set("", 1);
    assert_eq!(
        faults_of(&config),
        [
            "command line: unknown key `server.shard`; did you mean `server.shards`?",
            "command line: `server.trace` cannot be read; it takes \"all\", \"slow\" or \"off\"",
            "command line: unknown key ``",
            "command line: unknown resource `Blgo`; did you mean `Blog`?",
        ]
    );
}

#[test]
fn no_fault_tells_a_text() {
    let config = Config::new()
        .text("x", "[server]\naddress = 'hunter2'\ntrace = 'hunter2'\nx = 'hunter2'\nshards = 'hunter2'\n[limits]\nfields_max = hunter2\nhead_timeout = 'hunter2'")
        .environment([("CUTAWAY_SERVER__ADDRESS", "hunter2"), ("CUTAWAY_X__Y", "hunter2")])
        .set("server.trace", "hunter2")
        .set("x", "hunter2");
    let faults = faults_of(&config);
    assert_eq!(faults.len(), 10);
    assert!(!faults.concat().contains("hunter2"), "{faults:?}");
}

#[test]
fn what_is_stronger_counts_whatever_the_order() {
    let file = "[server]\nshards = 2\naddress = '127.0.0.1:2'\ntrace = 'all'\n[resources.UserNotes]\nreaders = 2";
    let variables = [
        ("CUTAWAY_SERVER__ADDRESS", "127.0.0.1:3"),
        ("CUTAWAY_SERVER__TRACE", "off"),
        ("CUTAWAY_RESOURCES__USERNOTES__READERS", "3"),
        ("CUTAWAY_RESOURCES__USERNOTES__PATH", "from/variable.db"),
        ("CUTAWAY_CLASSES__INTERACTIVE__DEADLINE", "3ms"),
    ];
    let one = Config::new()
        .text(
            "etc/first.toml",
            "[server]\nshards = 7\n[classes.batch]\ndeadline = '7 s'",
        )
        .text("etc/blog.toml", file)
        .environment(variables)
        .set("server.trace", "slow");
    let other = Config::new()
        .set("server.trace", "slow")
        .environment(variables)
        .text(
            "etc/first.toml",
            "[server]\nshards = 7\n[classes.batch]\ndeadline = '7 s'",
        )
        .text("etc/blog.toml", file);
    for config in [one, other] {
        let program = Program::configured(&config);
        let serving = Serving {
            address: "127.0.0.1:3".parse().unwrap(),
            shards: Some(2),
            trace: TraceMode::Slow,
        };
        assert_eq!(program.serving, serving);
        assert_eq!(program.sqlite("UserNotes").bounds().readers, 3);
        let path = program.sqlite("UserNotes").path();
        assert_eq!(path, Path::new("from/variable.db"));
        assert_eq!(program.deadline("interactive"), Nanos::from_millis(3));
        assert_eq!(program.deadline("batch"), Nanos::from_secs(7));
    }
}

#[test]
fn a_bad_value_is_told_though_a_stronger_one_is_good() {
    let config = Config::new()
        .text("x", "[server]\nshards = 0")
        .set("server.shards", 2);
    assert_eq!(faults_of(&config).len(), 1);
}

#[test]
fn nothing_is_set_where_anything_is_wrong() {
    let mut program = Program::new();
    let config = Config::new().text(
        "x",
        "[server]\nshards = 2\ntrace = 'loud'\n[limits]\nfields_max = 3\n[classes.batch]\ndeadline = '1 s'\n[resources.Blog]\npath = 'x'",
    );
    assert!(program.settle(&config).is_err());
    assert_eq!(format!("{program:?}"), format!("{:?}", Program::new()));
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let folder = std::env::temp_dir().join(format!("cutaway-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("blog.toml");
    let told = path.display().to_string();
    let check = |expected: &str| {
        let faults = faults_of(&Config::new().file(&path));
        assert_eq!(faults, [format!("{told}:{expected}")]);
    };
    check(" cannot be read: No such file or directory (os error 2)");
    std::fs::write(&path, b"[server]\n# \xc3\xa4\xff").unwrap();
    check("2:4: is not UTF-8");
    std::fs::write(&path, " ".repeat(FILE_BYTES_MAX as usize + 1)).unwrap();
    check(" is larger than 1 MiB");
    std::fs::write(&path, " ".repeat(FILE_BYTES_MAX as usize)).unwrap();
    assert_eq!(faults_of(&Config::new().file(&path)), [""; 0]);
    std::fs::write(&path, "[resources.Blog]\npath = 'blog.db'").unwrap();
    let program = Program::configured(&Config::new().file(&path));
    assert_eq!(program.sqlite("Blog").path(), folder.join("blog.db"));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_environment_given_is_the_one_that_counts() {
    let variables = || [("CUTAWAY_SERVER__SHARDS".into(), "5".into())];
    let shards = |config: Config| {
        let config = config.or_environment(variables());
        Program::configured(&config).serving.shards
    };
    assert_eq!(shards(Config::new()), Some(5));
    assert_eq!(shards(Config::new().environment(NO_VARIABLES)), None);
}

#[test]
fn what_a_program_says_of_a_class_is_the_weakest() {
    let mut config = Config::new();
    config.deadline("batch", Nanos::from_secs(9));
    config.deadline("interactive", Nanos::from_millis(9));
    let config = config.text("x", "[classes.batch]\ndeadline = '1 s'");
    let program = Program::configured(&config);
    assert_eq!(program.deadline("batch"), Nanos::from_secs(1));
    assert_eq!(program.deadline("interactive"), Nanos::from_millis(9));

    let mut config = Config::new();
    config.deadline("batch", Nanos::ZERO);
    assert_eq!(
        faults_of(&config),
        ["`classes.batch.deadline` is 0 ns; it takes 1 ns or more"]
    );
}

#[test]
fn the_defaults_that_the_page_prints_are_those_of_the_program() {
    let text = page::defaults();
    let program = Program::configured(&Config::new().text("blog.toml", &text));
    assert_eq!(format!("{program:?}"), format!("{:?}", Program::new()));
    // And each of them is really set by it.
    let mut other = Program::new();
    for bound in Limits::BOUNDS {
        (bound.set)(&mut other.limits, bound.range.default + 1);
    }
    let Settings::Sqlite(sqlite) = &mut other.resources[0].1 else {
        panic!("it is a database");
    };
    for bound in SqliteBounds::BOUNDS {
        (bound.set)(sqlite.bounds_mut(), bound.range.default + 1);
    }
    let Settings::Directory(directory) = &mut other.resources[2].1 else {
        panic!("it is a directory");
    };
    for bound in DirectoryBounds::BOUNDS {
        (bound.set)(directory.bounds_mut(), bound.range.default - 1);
    }
    other.serving.trace = TraceMode::Off;
    other.serving.address = "[::1]:1".parse().unwrap();
    for (id, _) in ClassTable::default().iter() {
        other.classes.set_deadline(id, Nanos(1)).unwrap();
    }
    other
        .settle(&Config::new().text("blog.toml", &text))
        .unwrap();
    assert_eq!(format!("{other:?}"), format!("{:?}", Program::new()));
}

#[test]
fn a_directory_has_keys_of_its_own() {
    let text = "[resources.Uploads]\npath = 'files'\nuploads_max = 8\nwrite_bytes = '64 KiB'";
    let program = Program::configured(&Config::new().text("etc/x.toml", text));
    let (_, Settings::Directory(directory)) = &program.resources[2] else {
        panic!("it is a directory");
    };
    assert_eq!(directory.path(), Path::new("etc/files"));
    let bounds = directory.bounds();
    assert_eq!((bounds.uploads_max, bounds.write_bytes), (8, 64 << 10));
    check(
        "[resources.Uploads]\nreaders = 2\n[resources.Blog]\nuploads_max = 2",
        &[
            "blog.toml:2:11: `resources.Uploads.readers` is no key of a `Directory`",
            "blog.toml:4:15: `resources.Blog.uploads_max` is no key of a `Sqlite`",
        ],
    );
    let mut program = Program::new();
    program.resources[2].1 = Directory::open("uploads").uploads_max(256).settings();
    let refused = program.settle(&Config::new()).unwrap_err().to_string();
    let told = "`resources.Uploads.uploads_max` is 256; it takes 1 to 255";
    assert!(refused.contains(told), "{refused}");
}

#[test]
fn the_page_of_keys_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let kept = std::fs::read_to_string(path).unwrap();
    assert!(
        page() == kept,
        "engine/docs/configuration.md is old; it is made by\n  \
         cargo run -p cutaway -- keys > engine/docs/configuration.md"
    );
}

#[test]
fn names_in_the_table_are_told_apart() {
    let paths: Vec<String> = keys()
        .map(|key| {
            let entry = key.section.has_entries().then_some("NAME");
            KeyPath::new(key, entry).to_string()
        })
        .collect();
    let mut sorted = paths.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), paths.len());
    for path in &paths {
        let found = KeyPath::parse(path).map(|path| path.to_string());
        assert_eq!(found.as_ref(), Ok(path));
    }
    for key in keys() {
        assert!(!key.doc.is_empty(), "{} says nothing", key.name);
    }
}

/// An amount from a range; ends that are a neighbour's or none are taken far apart.
fn amount_in(range: &'static Range) -> BoxedStrategy<u64> {
    let least = match range.least {
        End::At(amount) => amount,
        End::Neighbour(_) | End::Open => 1 << 20,
    };
    let most = match range.most {
        End::At(amount) => amount,
        // No more than the smallest that the neighbours of today may be.
        End::Neighbour(_) => 256,
        End::Open => 1 << 50,
    };
    if range.is_power_of_two {
        let shifts = least.trailing_zeros()..=most.trailing_zeros();
        shifts.prop_map(|shift| 1 << shift).boxed()
    } else {
        (least..=most).boxed()
    }
}

/// Every key that takes an amount.
fn amount_keys() -> Vec<(KeyPath, &'static Range)> {
    let of_key = |key: Key| {
        let Takes::Amount(range) = key.takes else {
            return None;
        };
        let entry = match key.section {
            Section::Server | Section::Limits => None,
            Section::Classes => Some("batch"),
            Section::Resources if key.kind() == Some("Directory") => Some("Uploads"),
            Section::Resources => Some("Blog"),
        };
        Some((KeyPath::new(key, entry), range))
    };
    keys().filter_map(of_key).collect()
}

/// An amount for each of them.
fn amounts() -> impl Strategy<Value = Vec<u64>> {
    let ranges = amount_keys().into_iter();
    ranges
        .map(|(_, range)| amount_in(range))
        .collect::<Vec<_>>()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever lies in its range, written as the page writes defaults, is read as the same from a
    /// file, from the environment and from a command line.
    #[test]
    fn what_is_written_is_what_is_set(amounts in amounts()) {
        let mut file = String::new();
        let mut variables = Vec::new();
        let mut line = Config::new();
        let keys = amount_keys();
        for ((path, range), amount) in keys.iter().zip(&amounts) {
            let written = range.unit.written(*amount).to_string();
            let quote = if range.unit == Unit::Count { "" } else { "'" };
            file += &format!("{path} = {quote}{written}{quote}\n");
            variables.push((format!("CUTAWAY_{}", environment::rest_of(path)), written.clone()));
            line = line.set(&path.to_string(), written);
        }
        let told = |config: &Config| format!("{:?}", Program::configured(config));
        let program = Program::configured(&Config::new().text("", &file));
        for ((path, range), amount) in keys.iter().zip(&amounts) {
            if path.key.section == Section::Limits {
                let bound = Limits::BOUNDS.iter().find(|bound| bound.range.name == range.name);
                prop_assert_eq!((bound.unwrap().get)(&program.limits), *amount, "{}", path);
            }
        }
        prop_assert_eq!(&format!("{program:?}"), &told(&Config::new().environment(variables)));
        prop_assert_eq!(&format!("{program:?}"), &told(&line));
    }

    /// Nothing that is called a configuration brings a program down, and every fault is one line
    /// with its place.
    #[test]
    fn no_text_is_too_strange(text in "([\\[\\]={}'\"#.a-c \\n\u{e4}]|head_bytes_max|limits|server|resources|[0-9]){0,40}") {
        if let Err(refused) = Config::new().text("x", &text).check() {
            for fault in refused.faults() {
                let fault = fault.to_string();
                prop_assert!(fault.starts_with("x:"), "{}", fault);
                prop_assert!(!fault.contains('\n'), "{}", fault);
            }
        }
    }
}

#[test]
fn paths_need_no_folder() {
    let config = Config::new().text("blog.toml", "[resources.Blog]\npath = 'a/b.db'");
    let path: PathBuf = Program::configured(&config).sqlite("Blog").path().into();
    assert_eq!(path, Path::new("a/b.db"));
}
