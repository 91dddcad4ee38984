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

    /// The first whole multiple of `step` that is not earlier; what never comes stays so.
    #[must_use]
    pub const fn rounded_up(self, step: Duration) -> Self {
        let step = step.as_nanos() as u64;
        match self.0.checked_next_multiple_of(step) {
            Some(nanos) => Self(nanos),
            None => Self::NEVER,
        }
    }

    /// So much earlier, but not before zero.
    #[must_use]
    pub const fn earlier_by(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.as_nanos() as u64))
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

/// A publisher's NTP clock against engine time: the smallest (arrival − NTP) seen, which is the offset plus the least delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublisherClock {
    offset_nanos: i64,
}

impl PublisherClock {
    /// Clocks drift apart by at most this per report (about one per second): 100 ppm.
    const DRIFT_NANOS: i64 = 100_000;
    /// A jump larger than this is a clock that was set, not delay.
    const STEP_NANOS: i64 = 1_000_000_000;

    /// From the first sender report.
    pub fn new(ntp_time: u64, arrival: Time) -> Self {
        Self {
            offset_nanos: Self::offset(ntp_time, arrival),
        }
    }

    /// A further report: follow a faster path at once, drift slowly, and a step at once.
    pub fn handle_report(&mut self, ntp_time: u64, arrival: Time) {
        let offset = Self::offset(ntp_time, arrival);
        let change = offset.wrapping_sub(self.offset_nanos);
        self.offset_nanos = if (0..=Self::STEP_NANOS).contains(&change) {
            self.offset_nanos + change.min(Self::DRIFT_NANOS)
        } else {
            offset
        };
    }

    /// The engine time at which the publisher's clock showed `ntp_time`; `None` before the engine's zero.
    pub fn engine_time(&self, ntp_time: u64) -> Option<Time> {
        let nanos = ntp_nanos(ntp_time).wrapping_add(self.offset_nanos);
        u64::try_from(nanos).ok().map(Time::from_nanos)
    }

    fn offset(ntp_time: u64, arrival: Time) -> i64 {
        (arrival.as_nanos() as i64).wrapping_sub(ntp_nanos(ntp_time))
    }
}

/// Nanoseconds since 1900; wraps far outside any real clock, and only differences are used.
const fn ntp_nanos(ntp_time: u64) -> i64 {
    let seconds = (ntp_time >> 32) as i64;
    let fraction = (((ntp_time & 0xffff_ffff) * 1_000_000_000) >> 32) as i64;
    seconds.wrapping_mul(1_000_000_000).wrapping_add(fraction)
}

#[cfg(test)]
#[path = "time_tests.rs"]
mod tests;
