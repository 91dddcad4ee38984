//! The agent's clock: microseconds of the machine's monotonic clock, so that marks of one process mean something in another.

/// An instant, µs of `CLOCK_MONOTONIC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Time(pub u64);

impl Time {
    /// Later by `micros`.
    #[must_use]
    pub const fn after(self, micros: u64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// Microseconds since `earlier`, 0 if it is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A second.
pub const SECOND: u64 = 1_000_000;
/// A millisecond.
pub const MILLISECOND: u64 = 1_000;
