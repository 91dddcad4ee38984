//! Transport-wide feedback that a participant owes the server.

use crate::time::{MILLISECOND, Time};
use wire::extended_sequence::SequenceUnwrapper;
use wire::transport_feedback;

/// Transport-wide feedback; browsers send it every 50 to 250 ms.
const FEEDBACK_INTERVAL: u64 = 100 * MILLISECOND;
/// LIMIT: packets one feedback interval remembers.
const MAX_ARRIVALS: usize = 4_096;

/// Arrivals by transport-wide sequence number, for one feedback interval.
#[derive(Debug, Default)]
pub(super) struct FeedbackRecorder {
    unwrapper: SequenceUnwrapper,
    base: u64,
    arrivals: Vec<Option<i64>>,
    count: u8,
    /// When to send it.
    pub(super) due: Option<Time>,
}

impl FeedbackRecorder {
    pub(super) fn record(&mut self, number: u16, arrival: Time) {
        let number = self.unwrapper.unwrap(number);
        if self.arrivals.is_empty() {
            // What is missing since the last feedback is told too, unless this is the first or a jump.
            if self.base == 0 || number.abs_diff(self.base) > MAX_ARRIVALS as u64 {
                self.base = number;
            }
            self.due = Some(arrival.after(FEEDBACK_INTERVAL));
        }
        let Some(offset) = number.checked_sub(self.base) else {
            return; // told as missing already
        };
        let offset = offset as usize;
        if offset >= MAX_ARRIVALS {
            return;
        }
        if offset >= self.arrivals.len() {
            self.arrivals.resize(offset + 1, None);
        }
        self.arrivals[offset] = Some(arrival.0 as i64);
    }

    pub(super) fn write(&mut self, out: &mut Vec<u8>, sender_ssrc: u32, media_ssrc: u32) {
        let mut start = 0;
        while start < self.arrivals.len() {
            let number = (self.base + start as u64) as u16;
            let rest = &self.arrivals[start..];
            let taken =
                transport_feedback::write(out, sender_ssrc, media_ssrc, self.count, number, rest);
            self.count = self.count.wrapping_add(1);
            start += taken.max(1);
        }
        self.base += self.arrivals.len() as u64;
        self.arrivals.clear();
        self.due = None;
    }
}
