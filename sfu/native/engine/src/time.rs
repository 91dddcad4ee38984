//! The engine's clock: monotonic nanoseconds that the caller hands in. The core never reads a clock.

use std::time::Duration;

/// A point in time, in nanoseconds since the caller's own zero. Only differences mean anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(u64);

impl Time {
    /// The zero of the clock.
    pub const ZERO: Self = Self(0);
    /// Later than any timer: "never".
    pub const NEVER: Self = Self(u64::MAX);

    /// From nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// From milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    /// Nanoseconds since zero.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Microseconds since zero.
    pub const fn as_micros(self) -> u64 {
        self.0 / 1_000
    }

    /// Time elapsed since `earlier`; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Time {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_nanos() as u64))
    }
}

/// Ties the monotonic clock to wall time once, for NTP fields. A later step of the wall clock changes nothing.
#[derive(Debug, Clone, Copy)]
pub struct NtpClock {
    /// NTP time (seconds since 1900 in 32.32 fixed point) of `Time::ZERO`.
    pub ntp_at_zero: u64,
}

impl NtpClock {
    /// 64-bit NTP time of `time`.
    pub fn ntp(&self, time: Time) -> u64 {
        let seconds = time.as_nanos() / 1_000_000_000;
        let fraction = ((time.as_nanos() % 1_000_000_000) << 32) / 1_000_000_000;
        self.ntp_at_zero.wrapping_add((seconds << 32) | fraction)
    }
}
