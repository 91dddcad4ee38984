//! Record of what a transport sent, by transport-wide sequence number, and what its feedback says of it
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use crate::time::Time;
use std::time::Duration;
use wire::transport_feedback::{FeedbackView, REFERENCE_UNIT_MICROS};

/// What one feedback packet told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FeedbackSummary {
    /// Packets now known to have arrived.
    pub received: u32,
    /// Packets now known to be lost.
    pub lost: u32,
    /// Bytes of those that arrived.
    pub acked_bytes: u64,
    /// Statuses about packets never sent or forgotten. All of them if the feedback's time went back.
    pub ignored: u32,
}

/// One packet's fate, for a bandwidth estimator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketResult {
    /// When it was sent.
    pub sent_at: Time,
    /// Its size.
    pub size_bytes: u16,
    /// Arrival in µs on the subscriber's clock, unwrapped; `None` if lost.
    pub arrival_micros: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Fate {
    #[default]
    Unknown,
    Lost,
    Received,
}

#[derive(Debug, Clone, Copy, Default)]
struct SentPacket {
    sent_at: Time,
    size_bytes: u16,
    fate: Fate,
}

/// The record of one transport.
#[derive(Debug, Default)]
pub struct SentPackets {
    slots: Vec<SentPacket>,
    /// Unwrapped number of the next packet.
    next: u64,
    /// Lowest number still in the ring.
    start: u64,
    /// Unwrapped reference time of the last feedback, in its units.
    reference_time: Option<i64>,
    loss: RollingLoss,
    ignored: u64,
}

impl SentPackets {
    /// The number the next packet gets; `register` it when its size is known.
    pub fn next_sequence_number(&self) -> u16 {
        self.next as u16
    }

    /// Load where the next packet will be noted, and the oldest, which may give way.
    pub(crate) fn prefetch(&self) {
        if self.slots.is_empty() {
            return;
        }
        for number in [self.next, self.start] {
            if let Some(slot) = self.slots.get(self.slot(number)) {
                prefetch::prefetch(slot);
            }
        }
    }

    /// Number a packet that is being sent.
    pub fn register(&mut self, now: Time, size_bytes: u16) -> u16 {
        self.make_room(now);
        let number = self.next;
        let slot = self.slot(number);
        self.slots[slot] = SentPacket {
            sent_at: now,
            size_bytes,
            fate: Fate::Unknown,
        };
        self.next += 1;
        self.start = self
            .start
            .max(self.next.saturating_sub(self.slots.len() as u64));
        number as u16
    }

    /// Take feedback. What cannot be true (never sent, from the future, time going back) is ignored and counted.
    pub fn handle_feedback(&mut self, now: Time, feedback: &FeedbackView<'_>) -> FeedbackSummary {
        self.handle_feedback_with(now, feedback, |_| {})
    }

    /// As `handle_feedback`, telling each packet's fate in order of sending.
    pub fn handle_feedback_with(
        &mut self,
        now: Time,
        feedback: &FeedbackView<'_>,
        mut each: impl FnMut(PacketResult),
    ) -> FeedbackSummary {
        let mut summary = FeedbackSummary::default();
        let Some(shift_micros) = self.accept_reference_time(feedback.reference_time) else {
            summary.ignored = u32::from(feedback.status_count);
            self.ignored += u64::from(summary.ignored);
            return summary;
        };
        let base = self.unwrap(feedback.base_sequence_number);
        for (index, (_, arrival)) in feedback.statuses().enumerate() {
            let number = base.and_then(|base| base.checked_add_signed(index as i64));
            let slot = number
                .filter(|number| (self.start..self.next).contains(number))
                .map(|number| self.slot(number));
            let Some(packet) = slot.and_then(|slot| self.slots.get_mut(slot)) else {
                summary.ignored += 1;
                continue;
            };
            let arrival_micros = arrival.map(|micros| micros + shift_micros);
            if !note_fate(packet, arrival.is_some(), &mut summary) {
                continue;
            }
            each(PacketResult {
                sent_at: packet.sent_at,
                size_bytes: packet.size_bytes,
                arrival_micros,
            });
        }
        self.ignored += u64::from(summary.ignored);
        self.loss.add(now, summary.received, summary.lost);
        summary
    }

    /// Loss over about the last 2 s, as a fraction of 1; `None` without feedback in that time.
    pub fn loss_fraction(&self, now: Time) -> Option<f32> {
        self.loss.fraction(now)
    }

    /// Statuses that could not be true, since the start.
    pub fn ignored_count(&self) -> u64 {
        self.ignored
    }

    /// Unwrap the 24-bit reference time. Return what turns arrivals of this feedback into unwrapped ones, in µs; `None` if
    /// time went back.
    fn accept_reference_time(&mut self, wire: i32) -> Option<i64> {
        let unwrapped = match self.reference_time {
            None => i64::from(wire),
            Some(last) => {
                let ahead = (i64::from(wire) - last).rem_euclid(REFERENCE_SPAN);
                if ahead >= REFERENCE_SPAN / 2 {
                    return None;
                }
                last + ahead
            }
        };
        self.reference_time = Some(unwrapped);
        Some((unwrapped - i64::from(wire)) * REFERENCE_UNIT_MICROS)
    }

    /// The number nearest to the highest sent; `None` before anything was sent.
    fn unwrap(&self, sequence_number: u16) -> Option<u64> {
        let highest = self.next.checked_sub(1)?;
        let distance = sequence_number.wrapping_sub(highest as u16) as i16;
        // Wrong below zero too: `contains` sorts it out.
        Some(highest.wrapping_add_signed(i64::from(distance)))
    }

    /// Double the ring while it would forget what feedback may still tell of.
    fn make_room(&mut self, now: Time) {
        let is_full = self.next - self.start >= self.slots.len() as u64;
        if !is_full || self.slots.len() >= MAX_SLOTS {
            return;
        }
        let is_young = self.slots.is_empty()
            || now.since(self.slots[self.slot(self.start)].sent_at) < KEPT_FOR;
        if !is_young {
            return;
        }
        let mut larger = vec![SentPacket::default(); (self.slots.len() * 2).max(MIN_SLOTS)];
        let mask = larger.len() - 1;
        for kept in self.start..self.next {
            larger[kept as usize & mask] = self.slots[self.slot(kept)];
        }
        self.slots = larger;
    }

    fn slot(&self, number: u64) -> usize {
        number as usize & (self.slots.len() - 1)
    }
}

/// Enter a status; false if it tells nothing new. A packet first told lost may arrive after all, not the other way.
fn note_fate(packet: &mut SentPacket, is_received: bool, summary: &mut FeedbackSummary) -> bool {
    match (packet.fate, is_received) {
        (Fate::Unknown | Fate::Lost, true) => {
            packet.fate = Fate::Received;
            summary.received += 1;
            summary.acked_bytes += u64::from(packet.size_bytes);
            true
        }
        (Fate::Unknown, false) => {
            packet.fate = Fate::Lost;
            summary.lost += 1;
            true
        }
        (Fate::Lost, false) | (Fate::Received, _) => false,
    }
}

/// Received and lost per half second, of the last four.
#[derive(Debug, Clone, Copy, Default)]
struct RollingLoss {
    /// (period, received, lost)
    buckets: [(u64, u32, u32); LOSS_BUCKETS],
}

impl RollingLoss {
    fn add(&mut self, now: Time, received: u32, lost: u32) {
        let period = now.as_nanos() / LOSS_PERIOD_NANOS;
        let bucket = &mut self.buckets[period as usize % LOSS_BUCKETS];
        if bucket.0 != period {
            *bucket = (period, 0, 0);
        }
        bucket.1 = bucket.1.saturating_add(received);
        bucket.2 = bucket.2.saturating_add(lost);
    }

    fn fraction(&self, now: Time) -> Option<f32> {
        let period = now.as_nanos() / LOSS_PERIOD_NANOS;
        let recent = self
            .buckets
            .iter()
            .filter(|bucket| period.saturating_sub(bucket.0) < LOSS_BUCKETS as u64);
        let (received, lost) = recent.fold((0u64, 0u64), |sum, bucket| {
            (sum.0 + u64::from(bucket.1), sum.1 + u64::from(bucket.2))
        });
        (received + lost > 0).then(|| lost as f32 / (received + lost) as f32)
    }
}

/// LIMIT: packets remembered, 48 KiB; 2 s at 9 Mbit/s in 1,100-byte packets.
const MAX_SLOTS: usize = 2_048;
const MIN_SLOTS: usize = 64;
/// Feedback comes every 50–100 ms and tells of the last few hundred ms; the rest is round trip.
const KEPT_FOR: Duration = Duration::from_secs(2);
/// Values of a 24-bit reference time.
const REFERENCE_SPAN: i64 = 1 << 24;
const LOSS_BUCKETS: usize = 4;
const LOSS_PERIOD_NANOS: u64 = 500_000_000;

#[cfg(test)]
mod tests;
