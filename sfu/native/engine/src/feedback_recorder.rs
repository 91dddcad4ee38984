//! Transport-wide feedback towards a publisher (draft-holmer-rmcat-transport-wide-cc-extensions-01): which packets of its
//! transport arrived, and when. Without it browsers do not raise their rate.

use crate::time::Time;
use std::collections::VecDeque;
use std::time::Duration;
use wire::transport_feedback;

/// Under load; libwebrtc's shortest is 50 ms.
const BUSY_INTERVAL: Duration = Duration::from_millis(60);
/// With few packets, such as audio alone.
const CALM_INTERVAL: Duration = Duration::from_millis(120);
/// So long before it is due, feedback may leave with something else: of a voice, a packet comes within that time.
const RIPENING: Duration = Duration::from_millis(20);
/// Packets waiting from which on the transport is busy.
const BUSY_PACKETS: usize = 10;
/// LIMIT: numbers remembered. At 60 ms that is 34,000 packets a second.
const MAX_WINDOW: usize = 2048;
/// Reported packets are remembered for so many numbers: a late one among them is reported with its neighbours.
const MAX_REORDER: u64 = 128;
/// Numbers in one RTCP packet; with two bytes each it fits a datagram.
const MAX_STATUSES: usize = 400;

/// Records arrivals of one transport.
#[derive(Debug, Default)]
pub struct FeedbackRecorder {
    /// `arrivals[i]` is of number `first + i`, in µs. The last is present unless it is empty.
    arrivals: VecDeque<Option<i64>>,
    /// Extended number.
    first: u64,
    /// First number of the next feedback.
    next_reported: u64,
    waiting: usize,
    feedback_count: u8,
    due: Option<Time>,
    last_sent_at: Option<Time>,
}

impl FeedbackRecorder {
    /// Load where the next number will be noted.
    pub(crate) fn prefetch(&self) {
        if let Some(newest) = self.arrivals.back() {
            prefetch::prefetch(newest);
        }
    }

    /// A packet carried this transport-wide number.
    pub fn handle_packet(&mut self, now: Time, transport_sequence_number: u16) {
        let Some(number) = self.place(transport_sequence_number) else {
            return;
        };
        let slot = &mut self.arrivals[(number - self.first) as usize];
        if slot.is_some() {
            return;
        }
        *slot = Some(now.as_micros() as i64);
        self.next_reported = self.next_reported.min(number);
        self.waiting += 1;
        let interval = if self.waiting >= BUSY_PACKETS {
            BUSY_INTERVAL
        } else {
            CALM_INTERVAL
        };
        let due = self.last_sent_at.unwrap_or(now) + interval;
        // The first feedback is what a browser's ramp-up waits for.
        let due = if self.last_sent_at.is_none() {
            now + BUSY_INTERVAL
        } else {
            due
        };
        self.due = Some(self.due.map_or(due, |before| before.min(due)));
    }

    /// If feedback is ripe, append one RTCP packet (under 1,000 bytes) to `out`; true if it was written. Call again until
    /// false: a long run takes several.
    pub fn poll_feedback(
        &mut self,
        now: Time,
        sender_ssrc: u32,
        media_ssrc: u32,
        out: &mut Vec<u8>,
    ) -> bool {
        if now < self.ripe_at() {
            return false;
        }
        let taken = self.write_next(sender_ssrc, media_ssrc, out);
        self.next_reported += taken;
        if taken > 0 && self.next_reported < self.end() {
            return true;
        }
        self.next_reported = self.end();
        self.waiting = 0;
        self.due = None;
        self.last_sent_at = Some(now);
        self.drop_front(self.arrivals.len().saturating_sub(MAX_REORDER as usize));
        taken > 0
    }

    /// When feedback is next due.
    pub fn next_timeout(&self) -> Time {
        self.due.unwrap_or(Time::NEVER)
    }

    /// From when on feedback may leave, alone or with something else; `Time::NEVER` if nothing is to be told.
    pub fn ripe_at(&self) -> Time {
        self.due.map_or(Time::NEVER, |due| due.earlier_by(RIPENING))
    }

    fn end(&self) -> u64 {
        self.first + self.arrivals.len() as u64
    }

    /// Write the next packet; returns how many numbers it covers, 0 if nothing is left to tell.
    fn write_next(&mut self, sender_ssrc: u32, media_ssrc: u32, out: &mut Vec<u8>) -> u64 {
        let from = (self.next_reported - self.first) as usize;
        let arrivals = self.arrivals.make_contiguous();
        let to = arrivals.len().min(from + MAX_STATUSES);
        // INVARIANT: a run that is all loss is followed by an arrival, for the window ends with one.
        let last = match arrivals[from..to].iter().rposition(Option::is_some) {
            Some(last) => from + last,
            None if to == arrivals.len() => return 0,
            None => to - 1,
        };
        let taken = transport_feedback::write(
            out,
            sender_ssrc,
            media_ssrc,
            self.feedback_count,
            self.next_reported as u16,
            &arrivals[from..=last],
        );
        self.feedback_count = self.feedback_count.wrapping_add(u8::from(taken > 0));
        taken as u64
    }

    /// Extended number with a place in the window, or `None` if it is too old.
    fn place(&mut self, transport_sequence_number: u16) -> Option<u64> {
        if self.arrivals.is_empty() {
            self.first = (1 << 16) + u64::from(transport_sequence_number);
            self.next_reported = self.first;
            self.arrivals.push_back(None);
            return Some(self.first);
        }
        let newest = self.first + self.arrivals.len() as u64 - 1;
        let step = transport_sequence_number.wrapping_sub(newest as u16) as i16;
        let number = newest.wrapping_add_signed(i64::from(step));
        if step > 0 {
            if step as usize >= MAX_WINDOW {
                // An outage or a restart: what lies between was not lost one by one.
                self.arrivals.clear();
                self.first = number;
                self.next_reported = number;
                self.waiting = 0;
            }
            let length = (number - self.first) as usize + 1;
            self.arrivals.resize(length, None);
            self.drop_front(length.saturating_sub(MAX_WINDOW));
            return Some(number);
        }
        if number < self.first {
            // Before the very first packet, or right before what is remembered.
            let missing = self.first - number;
            if missing > MAX_REORDER || self.arrivals.len() + missing as usize > MAX_WINDOW {
                return None;
            }
            for _ in 0..missing {
                self.arrivals.push_front(None);
            }
            self.first = number;
        }
        Some(number)
    }

    fn drop_front(&mut self, count: usize) {
        self.arrivals.drain(..count);
        self.first += count as u64;
        self.next_reported = self.next_reported.max(self.first);
    }
}

#[cfg(test)]
#[path = "feedback_recorder_tests.rs"]
mod tests;
