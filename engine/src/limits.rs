//! Every bound of the engine, in one place.

use cutaway_scheduler::Nanos;

use crate::bound::{Range, bounds, refusals};

bounds! {
    /// How much of everything the engine takes, holds and waits for.
    ///
    /// Each field tells what happens when it is hit, its default, and its range. A clone is handed
    /// to every shard; nothing reads a bound from anywhere else. Each is a key of the section
    /// `[limits]` of a [configuration](crate::Config), too.
    ///
    /// ```
    /// use cutaway::limits::Limits;
    ///
    /// let limits = Limits { head_bytes_max: 8192, ..Limits::default() };
    /// assert!(limits.check().is_ok());
    ///
    /// let limits = Limits { head_bytes_max: 100, ..Limits::default() };
    /// let refused = limits.check().unwrap_err().to_string();
    /// assert!(refused.contains("head_bytes_max is 100 B; it takes 256 B to 1 MiB"));
    /// ```
    pub struct Limits {
        /// The largest head: request-line, field lines and the empty line behind them.
        ///
        /// Beyond it the request is answered 431 (414 where the request-line alone is that long)
        /// and the connection closed.
        pub head_bytes_max: usize = bytes "16 KiB", "256 B" to "1 MiB";
        /// The most field lines in a head.
        ///
        /// Beyond it the request is answered 431 and the connection closed.
        pub fields_max: usize = count 64, 1 to 128;
        /// The longest request-target.
        ///
        /// Beyond it the request is answered 414 and the connection closed.
        pub target_bytes_max: usize = bytes "8 KiB", "1 B" to head_bytes_max;
        /// The largest content of a request whose chain says nothing else.
        ///
        /// Beyond it the request is answered 413 (at the head where Content-Length tells, else at
        /// the chunk that exceeds) and the connection closed.
        pub body_bytes_max: u64 = bytes "1 MiB", "0 B" to "1 TiB";
        /// The most content of a request that is read and thrown away after its reply.
        ///
        /// Where more is to come the connection is closed behind the reply; where it comes in
        /// chunks, when so much has come.
        pub discard_bytes_max: usize = bytes "64 KiB", "0 B" to "1 GiB";
        /// The most bytes of chunk extensions in one message.
        ///
        /// Beyond it the request is answered 413 and the connection closed. With zero no extension
        /// is taken.
        pub chunk_extension_bytes_max: usize = bytes "4 KiB", "0 B" to "48 KiB";
        /// The largest trailer section of a chunked message.
        ///
        /// Beyond it the request is answered 431 and the connection closed. With zero no trailer is
        /// taken.
        pub trailer_bytes_max: usize = bytes "4 KiB", "0 B" to "48 KiB";
        /// The most requests of one connection in flight at once.
        ///
        /// While it is reached the connection's further bytes wait unparsed.
        pub parse_ahead_max: usize = count 32, 1 to 1024;
        /// The most answer bytes of one connection that wait for the socket.
        ///
        /// While it is exceeded the connection is not parsed: a client that does not read gets no
        /// further work done.
        pub output_bytes_max: usize = bytes "256 KiB", "4 KiB" or more;
        /// The most received bytes of one connection that wait unparsed.
        ///
        /// While it is reached nothing more is received, and the peer is slowed by TCP.
        pub inbox_bytes_max: usize = bytes "64 KiB", head_bytes_max or more;
        /// The most connections open on one shard.
        ///
        /// A connection beyond it gets a preformatted 503 with Retry-After and is closed; with 64
        /// of these on their way out, further ones are closed without a word.
        pub connections_max: usize = count 16384, 1 to 16777216;
        /// The most requests alive on one shard.
        ///
        /// A request beyond it is answered 503 with Retry-After.
        pub requests_max: usize = count 4096, 1 to 16777216;
        /// How many times one request may ask for effects.
        ///
        /// Beyond it the request fails with a 500 that names the step: steps and continuations that
        /// ask so often go round in a circle.
        pub needs_per_request_max: usize = count 1000, 1 to 1000000;
        /// The most requests waiting in one shard's ready queue.
        ///
        /// A request beyond it is answered 503 with Retry-After.
        pub queue_depth_max: usize = count 4096, 1 to 16777216;
        /// How long a head may take from its first byte to its last.
        ///
        /// Beyond it the request is answered 408 and the connection closed.
        pub head_timeout: Nanos = time "10 s", "1 ns" or more;
        /// How long a body may bring no byte.
        ///
        /// Beyond it the request is answered 408 and the connection closed.
        pub body_idle_timeout: Nanos = time "10 s", "1 ns" or more;
        /// How long a connection may stay open without a request.
        ///
        /// Beyond it the connection is closed without a word.
        pub keep_alive_idle: Nanos = time "60 s", "1 ns" or more;
        /// How long an answer may wait for the socket to take a byte.
        ///
        /// Beyond it the connection is given up.
        pub write_timeout: Nanos = time "30 s", "1 ns" or more;
        /// How long a closing connection is still read, so that the answer is not lost to a reset.
        ///
        /// Beyond it the connection is closed; zero closes at once.
        pub linger_timeout: Nanos = time "2 s", "0 ns" or more;
        /// The longest a shard sleeps without looking at its timers.
        ///
        /// It bounds how late a timer can be seen, whatever else fails.
        pub timer_period_max: Nanos = time "5 s", "1 ns" or more;
        /// How long a draining engine waits for the requests in flight.
        ///
        /// Beyond it the remaining connections are closed; zero ends at once.
        pub drain_timeout: Nanos = time "10 s", "0 ns" or more;
        /// How long one turn of a shard runs steps before it looks at the ring again.
        ///
        /// Beyond it the remaining steps wait for the next turn.
        pub turn_quantum: Nanos = time "500 µs", "1 ns" or more;
        /// How long the replies of a turn wait for the ring before no further batch is begun.
        ///
        /// Beyond it what was received waits for the next turn.
        pub reply_wait_max: Nanos = time "100 µs", "1 ns" or more;
        /// The most completions one turn of a shard takes.
        ///
        /// The rest wait for the next turn.
        pub completions_per_turn: usize = count 256, 1 or more;
        /// The most requests that are parsed before those are run.
        ///
        /// Beyond it what was received waits unparsed; small enough that the slots of a batch stay
        /// in the cache, large enough that the deadlines have a choice.
        pub batch_max: usize = count 16, 1 or more;
        /// The most finished timelines that wait for the exporter.
        ///
        /// A timeline beyond it is dropped and counted.
        pub trace_queue_len: usize = count 1024, 1 to 1048576;
        /// The memory a request's arena starts with.
        ///
        /// A request that needs more takes it from the heap.
        pub arena_bytes: usize = bytes "4 KiB", "1 KiB" to "1 MiB";
        /// The receive buffers the kernel may fill for one shard at once.
        ///
        /// While all are taken, receives wait.
        pub receive_buffers: usize = count 256, 1 to 32768, a power of two;
        /// The size of one receive buffer.
        ///
        /// A longer arrival takes several.
        pub receive_buffer_bytes: usize = bytes "2 KiB", "256 B" to "1 MiB";
    }
}

impl Limits {
    /// Whether every bound lies in its range.
    ///
    /// ```
    /// use cutaway::limits::Limits;
    ///
    /// assert!(Limits::default().check().is_ok());
    /// assert!(Limits { batch_max: 0, ..Limits::default() }.check().is_err());
    /// ```
    ///
    /// # Errors
    /// All that do not, at once, each by name with its range.
    pub fn check(&self) -> Result<(), LimitsRefused> {
        let refusals = refusals(self, Limits::BOUNDS);
        if refusals.is_empty() {
            return Ok(());
        }
        let told = |(range, refusal): (&Range, String)| format!("{} {refusal}", range.name);
        Err(LimitsRefused(refusals.into_iter().map(told).collect()))
    }
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
