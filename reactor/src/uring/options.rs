//! How large a ring is made.

/// Sizes of a [`Uring`](crate::Uring).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UringOptions {
    /// Entries of the submission queue; a power of two, 1 to 32768, 1024 if not told. When it is
    /// full a submission costs a syscall of its own.
    pub submissions_max: u32,
    /// Entries of the completion queue; a power of two, not below `submissions_max`, up to 65536,
    /// 8192 if not told. When it is full the kernel queues completions aside, which costs an
    /// allocation each; counted as `overflow_count`.
    pub completions_max: u32,
    /// Receive buffers; a power of two, 1 to 32768, 512 if not told. When all are leased, receives
    /// end with [`NoBuffers`](crate::Received::NoBuffers) and have to be armed again.
    pub buffers_count: u16,
    /// Size of a receive buffer in bytes; 2048 if not told. A small set of small buffers stays in
    /// the cache; a longer head comes in several leases.
    pub buffer_bytes: u32,
    /// Operations in flight to make room for; 4096 if not told. More than that makes the table grow,
    /// which allocates.
    pub operations_count: usize,
    /// Whether multishot operations are used where the kernel has them; yes if not told. Without,
    /// each accept and each receive has to be armed again, as on kernels before 6.0.
    pub multishot: bool,
}

impl Default for UringOptions {
    fn default() -> UringOptions {
        UringOptions {
            submissions_max: 1024,
            completions_max: 8192,
            buffers_count: 512,
            buffer_bytes: 2048,
            operations_count: 4096,
            multishot: true,
        }
    }
}

impl UringOptions {
    /// # Panics
    /// On queues outside their ranges; the kernel would say no more than `EINVAL`.
    pub(super) fn check(&self) {
        let UringOptions {
            submissions_max,
            completions_max,
            ..
        } = *self;
        assert!(
            submissions_max.is_power_of_two() && submissions_max <= 1 << 15,
            "submissions_max is {submissions_max}, not a power of two up to 32768"
        );
        assert!(
            completions_max.is_power_of_two()
                && (submissions_max..=1 << 16).contains(&completions_max),
            "completions_max is {completions_max}, not a power of two from {submissions_max} to 65536"
        );
    }
}
