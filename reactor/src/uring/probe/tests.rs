//! Errnos and facts in, messages out.

use super::*;

fn facts() -> Facts {
    Facts {
        release: "6.18.0".into(),
        disabled: Some(0),
        memory_lock_bytes: Some(65_536),
        descriptors_max: Some(1024),
        needed_bytes: 600_000,
    }
}

/// The message must hold every one of these words: the cause and the remedy.
fn check(step: Step, errno: i32, facts: &Facts, words: &[&str]) {
    let message = explain(step, errno, facts).to_string();
    for word in words {
        assert!(message.contains(word), "no {word:?} in {message:?}");
    }
}

#[test]
fn messages_name_cause_and_remedy() {
    let old = Facts {
        release: "5.10.0".into(),
        disabled: None,
        ..facts()
    };
    check(
        Step::Setup,
        libc::ENOSYS,
        &old,
        &["io_uring", "5.19", "5.10.0"],
    );
    check(
        Step::Setup,
        libc::EINVAL,
        &old,
        &["COOP_TASKRUN", "5.19", "5.10.0"],
    );
    check(Step::Probe, libc::EINVAL, &old, &["5.19", "5.10.0"]);
    check(
        Step::RegisterBuffers,
        libc::EINVAL,
        &old,
        &["provided-buffer", "5.19", "5.10.0", "6.1 or later"],
    );

    let off = |level| Facts {
        disabled: Some(level),
        ..facts()
    };
    let remedy = "sysctl -w kernel.io_uring_disabled=0";
    check(
        Step::Setup,
        libc::EPERM,
        &off(2),
        &["is 2", "for everybody", remedy],
    );
    check(
        Step::Setup,
        libc::EPERM,
        &off(1),
        &["is 1", "CAP_SYS_ADMIN", remedy],
    );

    let seccomp = [
        "seccomp",
        "io_uring_setup",
        "io_uring_enter",
        "--security-opt",
    ];
    check(Step::Setup, libc::EPERM, &facts(), &seccomp);
    check(Step::Setup, libc::EPERM, &old, &seccomp);
    check(Step::RegisterBuffers, libc::EACCES, &facts(), &seccomp);

    check(
        Step::Setup,
        libc::ENOMEM,
        &facts(),
        &[
            "RLIMIT_MEMLOCK",
            "65536",
            "600000",
            "ulimit -l",
            "LimitMEMLOCK",
        ],
    );
    check(
        Step::Eventfd,
        libc::EMFILE,
        &facts(),
        &["RLIMIT_NOFILE", "1024", "ulimit -n", "eventfd"],
    );
}

#[test]
fn what_has_no_remedy_says_what_failed() {
    let unlimited = Facts {
        memory_lock_bytes: None,
        descriptors_max: None,
        ..facts()
    };
    check(
        Step::Setup,
        libc::ENOMEM,
        &unlimited,
        &["io_uring_setup", "os error 12"],
    );
    check(
        Step::Setup,
        libc::EMFILE,
        &unlimited,
        &["io_uring_setup", "os error 24"],
    );
    check(
        Step::MapBuffers,
        libc::ENOMEM,
        &facts(),
        &["mmap", "os error 12"],
    );
    check(Step::Probe, libc::EBADF, &facts(), &["PROBE", "os error 9"]);
}

#[test]
fn reads_the_limits_of_proc() {
    let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                  Max open files            1024                 524288               files     \n\
                  Max locked memory         unlimited            unlimited            bytes     \n";
    assert_eq!(soft_limit(limits, "Max open files"), Some(1024));
    assert_eq!(soft_limit(limits, "Max locked memory"), None);
    assert_eq!(soft_limit(limits, "Max stack size"), None);
    assert!(!Facts::of_this_machine(0).release.is_empty());
}
