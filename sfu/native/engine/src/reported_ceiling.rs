//! What a subscriber says its path carries at most: REMB (draft-alvestrand-rmcat-remb), of those who do no transport-wide
//! feedback. For the bandwidth allocator, beside `SentPackets`.

use crate::time::Time;
use std::time::Duration;

/// The last word holds this long: senders of REMB repeat it every second, and at once when it falls.
const HOLDS_FOR: Duration = Duration::from_secs(5);

/// The ceiling of one transport.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ReportedCeiling(Option<(Time, u64)>);

impl ReportedCeiling {
    pub(crate) fn handle_report(&mut self, now: Time, bitrate_bps: u64) {
        self.0 = Some((now, bitrate_bps));
    }

    /// In bit/s; `None` if nothing was said lately.
    pub(crate) fn bitrate_bps(&self, now: Time) -> Option<u64> {
        let (at, bitrate_bps) = self.0?;
        (now.since(at) < HOLDS_FOR).then_some(bitrate_bps)
    }
}
