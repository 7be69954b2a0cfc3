//! The bounds of one database.

use cutaway_scheduler::Nanos;

use crate::bound::bounds;

bounds! {
    /// How much a database takes, holds and waits for.
    ///
    /// [`Sqlite`](super::Sqlite) has a method of each name, and each is a key of the section
    /// `[resources.NAME]` of a configuration.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// let sqlite = Sqlite::open("blog.db").readers(3);
    /// assert_eq!(sqlite.bounds().readers, 3);
    /// assert_eq!(sqlite.bounds().statements_max, 64);
    /// ```
    pub struct SqliteBounds {
        /// Reader threads for each shard.
        ///
        /// The last of several has the statements that take long, so that the others wait behind
        /// none of them.
        pub readers: usize = count 2, 1 to 64;
        /// How long the writer waits for a lock that another process holds.
        ///
        /// Past it, the statement fails as busy; a deadline that comes earlier counts.
        pub busy_timeout: Nanos = time "5 s", "0 ns" or more;
        /// The largest result of a statement, as bytes of rows.
        ///
        /// Past it, the statement fails as too large and changes nothing.
        pub result_bytes_max: usize = bytes "1 MiB", "1 B" to "1 GiB";
        /// The largest sum of a statement's operands.
        ///
        /// Past it, the statement is refused.
        pub operand_bytes_max: usize = bytes "1 MiB", "0 B" to "1 GiB";
        /// How many compiled statements each connection keeps.
        ///
        /// Past it, the one used least recently is compiled again when it comes back.
        pub statements_max: usize = count 64, 1 to 65536;
        /// How many statements a shard has on their way, readers and writer together.
        ///
        /// Past it, a statement is refused.
        pub in_flight_max: usize = count 128, 1 to 65536;
    }
}
