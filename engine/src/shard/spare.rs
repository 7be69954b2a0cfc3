//! Output buffers between two uses.

/// Empty buffers for reply bytes, kept so that a warm shard allocates none.
///
/// # Bounds
/// [`BUFFERS_COUNT`] from the start, later as many as were in use at once. One that has grown beyond [`BUFFER_BYTES_KEPT_MAX`] is freed, so
/// that one large reply does not stay for ever.
pub(super) struct SpareBuffers(Vec<Vec<u8>>);

impl SpareBuffers {
    /// The buffers of a shard that has served nothing yet.
    pub fn new() -> SpareBuffers {
        SpareBuffers(
            (0..BUFFERS_COUNT)
                .map(|_| Vec::with_capacity(BUFFER_BYTES))
                .collect(),
        )
    }

    /// An empty buffer.
    pub fn take(&mut self) -> Vec<u8> {
        self.0
            .pop()
            .unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES))
    }

    /// Keeps a buffer for its next use.
    pub fn put(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= BUFFER_BYTES_KEPT_MAX {
            buffer.clear();
            self.0.push(buffer);
        }
    }
}

/// How many buffers there are before the first reply. How many replies wait for earlier ones at once
/// depends on chance, so that a shard would find its largest number of buffers late.
const BUFFERS_COUNT: usize = 256;

/// What a buffer begins with: a batch of small replies. Were they to begin empty, each would have to
/// meet its largest batch before the shard is warm.
const BUFFER_BYTES: usize = 4 * 1024;

/// What a buffer may have grown to and still be kept.
const BUFFER_BYTES_KEPT_MAX: usize = 64 * 1024;
