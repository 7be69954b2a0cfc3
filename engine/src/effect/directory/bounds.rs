//! The bounds of one directory.

use crate::bound::bounds;

bounds! {
    /// How much a directory takes and holds.
    ///
    /// [`Directory`](super::Directory) has a method of each name, and each is a key of the section
    /// `[resources.NAME]` of a configuration.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// let directory = Directory::open("uploads").uploads_max(8);
    /// assert_eq!(directory.bounds().uploads_max, 8);
    /// assert_eq!(directory.bounds().write_bytes, 128 * 1024);
    /// ```
    pub struct DirectoryBounds {
        /// How many files a shard writes into it at a time.
        ///
        /// Past it, a request that wants to write one more is answered 503.
        pub uploads_max: usize = count 64, 1 to 255;
        /// How much of a file is written with one call, while as much again is received.
        ///
        /// Past twice that, the client is not read from until the disk has taken the first part. So a
        /// file under way holds at most about twice that in memory, however large it is.
        pub write_bytes: usize = bytes "128 KiB", "4 KiB" to "16 MiB";
    }
}
