//! Small arithmetic of clocks: send time in 2^-18 s, RTP units, NTP.

use crate::time::Time;
use std::time::Duration;

/// A time in units of 2^-18 s, modulo 2^32 (4.5 hours). Its low 24 bits are the abs-send-time extension.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SendTime(u32);

impl SendTime {
    /// Of engine time.
    pub(super) fn new(time: Time) -> Self {
        // 2^18 / 10^9 = 2^9 / 1,953,125: exact, and no overflow for 1,100 years of nanoseconds once divided first.
        let nanos = time.as_nanos();
        let whole = (nanos / 1_000_000_000) << 18;
        let fraction = ((nanos % 1_000_000_000) << 18) / 1_000_000_000;
        Self((whole + fraction) as u32)
    }

    /// 24 bits, big endian: seconds in 6.18 fixed point.
    pub(super) fn absolute_send_time(self) -> [u8; 3] {
        let [_, a, b, c] = self.0.to_be_bytes();
        [a, b, c]
    }

    /// Milliseconds since `earlier`.
    pub(super) fn millis_since(self, earlier: Self) -> u32 {
        ((u64::from(self.0.wrapping_sub(earlier.0)) * 1_000) >> 18) as u32
    }
}

/// RTP units of a signed span of nanoseconds. Spans over an hour are cut: nothing here lasts so long unanswered.
pub(super) fn rtp_units(nanos: i64, clock_rate: u32) -> i64 {
    const HOUR: i64 = 3_600_000_000_000;
    // 3.6 × 10^12 × 90,000 < 2^63.
    nanos.clamp(-HOUR, HOUR) * i64::from(clock_rate.min(200_000)) / 1_000_000_000
}

/// Signed nanoseconds from `earlier` to `later`.
pub(super) fn nanos_between(earlier: Time, later: Time) -> i64 {
    later.as_nanos().wrapping_sub(earlier.as_nanos()) as i64
}

/// Middle 32 bits of an NTP time.
pub(super) fn ntp_middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// A span of 1/65536 s.
pub(super) fn duration_of_ntp_middle(span: u32) -> Duration {
    Duration::from_nanos((u64::from(span) * 1_000_000_000) >> 16)
}
