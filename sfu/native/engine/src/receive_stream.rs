//! One SSRC as received: unwrapping, loss and jitter, rate, sender reports.
use crate::time::Time;

/// A sender report, with when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderReport {
    /// The sender's NTP time.
    pub ntp_time: u64,
    /// The same instant on the RTP clock.
    pub rtp_timestamp: u32,
    /// When it arrived.
    pub arrival: Time,
}
