//! The running log: what two runs of a seed must have in common.

use std::fmt::Write;

use cutaway_scheduler::Nanos;

/// Hashes every entry, and keeps it as text where that is asked for.
#[derive(Debug)]
pub(super) struct Log {
    hash: u64,
    text: Option<String>,
}

impl Log {
    pub(super) fn new(seed: u64, keeps_text: bool) -> Log {
        Log {
            hash: seed,
            text: keeps_text.then(String::new),
        }
    }

    /// One thing that happened, with what tells it from others of its name.
    pub(super) fn record(&mut self, at: Nanos, name: &str, first: u64, second: u64) {
        self.stir(at.as_u64());
        self.stir_bytes(name.as_bytes());
        self.stir(first);
        self.stir(second);
        if let Some(text) = &mut self.text {
            writeln!(text, "{:>12} {name} {first} {second}", at.as_u64())
                .expect("writing to a string cannot fail");
        }
    }

    /// Bytes that passed, in the direction `name`.
    pub(super) fn record_bytes(&mut self, at: Nanos, name: &str, connection: usize, bytes: &[u8]) {
        self.record(at, name, connection as u64, bytes.len() as u64);
        self.stir_bytes(bytes);
        if let Some(text) = &mut self.text {
            writeln!(text, "             \"{}\"", bytes.escape_ascii())
                .expect("writing to a string cannot fail");
        }
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    fn stir_bytes(&mut self, bytes: &[u8]) {
        self.stir(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.stir(u64::from_le_bytes(word));
        }
    }

    fn stir(&mut self, word: u64) {
        // FNV-1a by words; the rotation carries high bits back down, which the product never does.
        self.hash = (self.hash ^ word)
            .wrapping_mul(0x0000_0100_0000_01b3)
            .rotate_left(29);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_an_entry_counts() {
        let hash = |at, name, first, bytes: &[u8]| {
            let mut log = Log::new(1, false);
            log.record(Nanos(at), name, first, 0);
            log.record_bytes(Nanos(at), "sent", 0, bytes);
            log.hash()
        };
        let entry = hash(1, "recv", 2, b"abc");
        assert_eq!(entry, hash(1, "recv", 2, b"abc"));
        for other in [
            hash(2, "recv", 2, b"abc"),
            hash(1, "send", 2, b"abc"),
            hash(1, "recv", 3, b"abc"),
            hash(1, "recv", 2, b"abd"),
            hash(1, "recv", 2, b"abc\0"),
        ] {
            assert_ne!(entry, other);
        }
    }

    #[test]
    fn text_is_kept_where_asked_for() {
        let mut log = Log::new(1, true);
        log.record_bytes(Nanos(5), "sent", 3, b"a\n");
        assert_eq!(
            log.text().unwrap(),
            "           5 sent 3 2\n             \"a\\n\"\n"
        );
        assert_eq!(Log::new(1, false).text(), None);
    }
}
