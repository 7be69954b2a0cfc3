//! Every bound of the engine, in one place.

use cutaway_scheduler::Nanos;

/// How much of everything the engine takes, holds and waits for.
///
/// Each field tells its default, its range, and what happens when it is hit. A clone is handed to
/// every shard; nothing reads a bound from anywhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest head: request-line, field lines and the empty line behind them.
    ///
    /// Default 16 KiB; bytes, 256 to 1 MiB. Beyond it the request is answered 431 (414 where the
    /// request-line alone is that long) and the connection closed.
    pub head_bytes_max: usize,
    /// The most field lines in a head.
    ///
    /// Default 64; count, 1 to 128. Beyond it the request is answered 431 and the connection
    /// closed.
    pub fields_max: usize,
    /// The longest request-target.
    ///
    /// Default 8 KiB; bytes, 1 to `head_bytes_max`. Beyond it the request is answered 414 and the
    /// connection closed.
    pub target_bytes_max: usize,
    /// The largest content of a request.
    ///
    /// Default 1 MiB; bytes, 0 to 2^63. Beyond it the request is answered 413 (at the head where
    /// Content-Length tells, else at the chunk that exceeds) and the connection closed.
    pub body_bytes_max: u64,
    /// The most bytes of chunk extensions in one message.
    ///
    /// Default 4 KiB; bytes, 0 (no extension is taken) to 48 KiB. Beyond it the request is
    /// answered 413 and the connection closed.
    pub chunk_extension_bytes_max: usize,
    /// The largest trailer section of a chunked message.
    ///
    /// Default 4 KiB; bytes, 0 (no trailer is taken) to 48 KiB. Beyond it the request is answered
    /// 431 and the connection closed.
    pub trailer_bytes_max: usize,
    /// The most requests of one connection in flight at once.
    ///
    /// Default 32; count, 1 to 1024. While it is reached the connection's further bytes wait
    /// unparsed.
    pub parse_ahead_max: usize,
    /// The most answer bytes of one connection that wait for the socket.
    ///
    /// Default 256 KiB; bytes, 4 KiB or more. While it is exceeded the connection is not parsed:
    /// a client that does not read gets no further work done.
    pub output_bytes_max: usize,
    /// The most received bytes of one connection that wait unparsed.
    ///
    /// Default 64 KiB; bytes, at least `head_bytes_max`. While it is reached nothing more is
    /// received, and the peer is slowed by TCP.
    pub inbox_bytes_max: usize,
    /// The most connections open on one shard.
    ///
    /// Default 16384; count, 1 or more. A connection beyond it gets a preformatted 503 with
    /// Retry-After and is closed; with 64 of these on their way out, further ones are closed without
    /// a word.
    pub connections_max: usize,
    /// The most requests alive on one shard.
    ///
    /// Default 4096; count, 1 or more. A request beyond it is answered 503 with Retry-After.
    pub requests_max: usize,
    /// The most requests waiting in one shard's ready queue.
    ///
    /// Default 4096; count, 1 or more. A request beyond it is answered 503 with Retry-After.
    pub queue_depth_max: usize,
    /// How long a head may take from its first byte to its last.
    ///
    /// Default 10 s; more than zero. Beyond it the request is answered 408 and the connection
    /// closed.
    pub head_timeout: Nanos,
    /// How long a body may bring no byte.
    ///
    /// Default 10 s; more than zero. Beyond it the request is answered 408 and the connection
    /// closed.
    pub body_idle_timeout: Nanos,
    /// How long a connection may stay open without a request.
    ///
    /// Default 60 s; more than zero. Beyond it the connection is closed without a word.
    pub keep_alive_idle: Nanos,
    /// How long an answer may wait for the socket to take a byte.
    ///
    /// Default 30 s; more than zero. Beyond it the connection is given up.
    pub write_timeout: Nanos,
    /// How long a closing connection is still read, so that the answer is not lost to a reset.
    ///
    /// Default 2 s; zero closes at once. Beyond it the connection is closed.
    pub linger_timeout: Nanos,
    /// The longest a shard sleeps without looking at its timers.
    ///
    /// Default 5 s; more than zero. It bounds how late a timer can be seen, whatever else fails.
    pub timer_period_max: Nanos,
    /// How long a draining engine waits for the requests in flight.
    ///
    /// Default 10 s; zero ends at once. Beyond it the remaining connections are closed.
    pub drain_timeout: Nanos,
    /// How long one turn of a shard runs steps before it looks at the ring again.
    ///
    /// Default 500 µs; more than zero. Beyond it the remaining steps wait for the next turn.
    pub turn_quantum: Nanos,
    /// How long the replies of a turn wait for the ring before no further batch is begun.
    ///
    /// Default 100 µs; more than zero. Beyond it what was received waits for the next turn.
    pub reply_wait_max: Nanos,
    /// The most completions one turn of a shard takes.
    ///
    /// Default 256; count, 1 or more. The rest wait for the next turn.
    pub completions_per_turn: usize,
    /// The most requests that are parsed before those are run.
    ///
    /// Default 16; count, 1 or more. Beyond it what was received waits unparsed; small enough that
    /// the slots of a batch stay in the cache, large enough that the deadlines have a choice.
    pub batch_max: usize,
    /// The most finished timelines that wait for the exporter.
    ///
    /// Default 1024; count, 1 or more. A timeline beyond it is dropped and counted.
    pub trace_queue_len: usize,
    /// The memory a request's arena starts with.
    ///
    /// Default 4096; bytes, 1 KiB or more. A request that needs more takes it from the heap.
    pub arena_bytes: usize,
    /// The receive buffers the kernel may fill for one shard at once.
    ///
    /// Default 256; count, a power of two, 1 to 32768. While all are taken, receives wait.
    pub receive_buffers: usize,
    /// The size of one receive buffer.
    ///
    /// Default 2048; bytes, 256 or more. A longer arrival takes several.
    pub receive_buffer_bytes: usize,
}

/// Bounds that cannot hold, each with its range.
#[derive(Debug, PartialEq, Eq)]
pub struct LimitsRefused(Vec<String>);

impl std::fmt::Display for LimitsRefused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("these limits cannot hold:")?;
        self.0
            .iter()
            .try_for_each(|refusal| write!(f, "\n  {refusal}"))
    }
}

impl std::error::Error for LimitsRefused {}

impl Limits {
    /// Whether every bound lies in its range.
    ///
    /// # Errors
    /// All that do not, at once, each by name with its range.
    pub fn check(&self) -> Result<(), LimitsRefused> {
        let mut refusals = Vec::new();
        let mut within = |name: &str, value: usize, least: usize, most: usize| {
            if !(least..=most).contains(&value) {
                refusals.push(format!("{name} is {value}, not from {least} to {most}"));
            }
        };
        within("head_bytes_max", self.head_bytes_max, 256, 1024 * KIB);
        within("fields_max", self.fields_max, 1, 128);
        within(
            "target_bytes_max",
            self.target_bytes_max,
            1,
            self.head_bytes_max,
        );
        within(
            "chunk_extension_bytes_max",
            self.chunk_extension_bytes_max,
            0,
            48 * KIB,
        );
        within("trailer_bytes_max", self.trailer_bytes_max, 0, 48 * KIB);
        within("parse_ahead_max", self.parse_ahead_max, 1, KIB);
        within(
            "output_bytes_max",
            self.output_bytes_max,
            4 * KIB,
            usize::MAX,
        );
        within(
            "inbox_bytes_max",
            self.inbox_bytes_max,
            self.head_bytes_max,
            usize::MAX,
        );
        within("connections_max", self.connections_max, 1, 1 << 24);
        within("requests_max", self.requests_max, 1, 1 << 24);
        within("queue_depth_max", self.queue_depth_max, 1, 1 << 24);
        within(
            "completions_per_turn",
            self.completions_per_turn,
            1,
            usize::MAX,
        );
        within("batch_max", self.batch_max, 1, usize::MAX);
        within("trace_queue_len", self.trace_queue_len, 1, 1 << 20);
        within("arena_bytes", self.arena_bytes, KIB, 1024 * KIB);
        within("receive_buffers", self.receive_buffers, 1, 1 << 15);
        within(
            "receive_buffer_bytes",
            self.receive_buffer_bytes,
            256,
            1024 * KIB,
        );
        if !self.receive_buffers.is_power_of_two() {
            refusals.push(format!(
                "receive_buffers is {}, not a power of two",
                self.receive_buffers
            ));
        }
        for (name, length) in [
            ("head_timeout", self.head_timeout),
            ("body_idle_timeout", self.body_idle_timeout),
            ("keep_alive_idle", self.keep_alive_idle),
            ("write_timeout", self.write_timeout),
            ("timer_period_max", self.timer_period_max),
            ("turn_quantum", self.turn_quantum),
            ("reply_wait_max", self.reply_wait_max),
        ] {
            if length == Nanos::ZERO {
                refusals.push(format!("{name} is zero"));
            }
        }
        if refusals.is_empty() {
            Ok(())
        } else {
            Err(LimitsRefused(refusals))
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head_bytes_max: 16 * KIB,
            fields_max: 64,
            target_bytes_max: 8 * KIB,
            body_bytes_max: 1024 * KIB as u64,
            chunk_extension_bytes_max: 4 * KIB,
            trailer_bytes_max: 4 * KIB,
            parse_ahead_max: 32,
            output_bytes_max: 256 * KIB,
            inbox_bytes_max: 64 * KIB,
            connections_max: 16_384,
            requests_max: 4096,
            queue_depth_max: 4096,
            head_timeout: Nanos::from_secs(10),
            body_idle_timeout: Nanos::from_secs(10),
            keep_alive_idle: Nanos::from_secs(60),
            write_timeout: Nanos::from_secs(30),
            linger_timeout: Nanos::from_secs(2),
            timer_period_max: Nanos::from_secs(5),
            drain_timeout: Nanos::from_secs(10),
            turn_quantum: Nanos::from_micros(500),
            reply_wait_max: Nanos::from_micros(100),
            completions_per_turn: 256,
            batch_max: 16,
            trace_queue_len: 1024,
            arena_bytes: 4096,
            receive_buffers: 256,
            receive_buffer_bytes: 2048,
        }
    }
}

const KIB: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_hold() {
        assert_eq!(Limits::default().check(), Ok(()));
    }

    #[test]
    fn every_bound_that_cannot_hold_is_named() {
        let limits = Limits {
            batch_max: 0,
            receive_buffers: 300,
            head_timeout: Nanos::ZERO,
            inbox_bytes_max: 1,
            ..Limits::default()
        };
        let refused = limits.check().unwrap_err().to_string();
        for name in [
            "batch_max",
            "receive_buffers",
            "head_timeout",
            "inbox_bytes_max",
        ] {
            assert!(refused.contains(name), "{name} is not in {refused}");
        }
        assert_eq!(refused.lines().count(), 5);
    }
}
