//! Which cores the process may run on.

use std::io;

/// The cores that the calling thread may run on, in order: what `taskset` or a cgroup has left.
///
/// # Errors
/// `/proc` is not there or says something unheard of.
///
/// # Source
/// proc_pid_status(5), `Cpus_allowed_list`.
pub fn allowed_cores() -> io::Result<Vec<usize>> {
    let status = std::fs::read_to_string("/proc/thread-self/status")?;
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list.and_then(|list| parse(list.trim())).ok_or_else(|| {
        let what = "/proc/thread-self/status has no Cpus_allowed_list that can be read";
        io::Error::new(io::ErrorKind::InvalidData, what)
    })
}

/// Reads `0-2,5`; none where it is empty or no such list.
fn parse(list: &str) -> Option<Vec<usize>> {
    let mut cores = Vec::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        cores.extend(first..=last);
    }
    (!cores.is_empty()).then_some(cores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cores() {
        assert_eq!(parse("0"), Some(vec![0]));
        assert_eq!(parse("0-2,5"), Some(vec![0, 1, 2, 5]));
        assert_eq!(parse("7,9-9"), Some(vec![7, 9]));
        for bad in ["", "a", "1-", "2-1"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn this_process_runs_somewhere() {
        assert!(!allowed_cores().unwrap().is_empty());
    }
}
