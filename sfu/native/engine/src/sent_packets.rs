//! Record of what a transport sent, by transport-wide sequence number, and what its feedback says of it
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use crate::time::Time;
use wire::transport_feedback::FeedbackView;

/// What one feedback packet told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FeedbackSummary {
    /// Packets now known to have arrived.
    pub received: u32,
    /// Packets now known to be lost.
    pub lost: u32,
    /// Bytes of those that arrived.
    pub acked_bytes: u64,
    /// Statuses about packets never sent, forgotten, or reported before.
    pub ignored: u32,
}

/// One packet's fate, for a bandwidth estimator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketResult {
    /// When it was sent.
    pub sent_at: Time,
    /// Its size.
    pub size_bytes: u16,
    /// Arrival in µs on the subscriber's clock; `None` if lost.
    pub arrival_micros: Option<i64>,
}

/// The record of one transport.
#[derive(Debug, Default)]
pub struct SentPackets {}

impl SentPackets {
    /// The number that `register` gives next.
    pub fn next_sequence_number(&self) -> u16 {
        todo!()
    }
    /// Number a packet that is being sent.
    pub fn register(&mut self, _now: Time, _size_bytes: u16) -> u16 {
        todo!()
    }
    /// Take feedback. What cannot be true (never sent, from the future, time going back) is ignored and counted.
    pub fn handle_feedback(&mut self, _now: Time, _feedback: &FeedbackView<'_>) -> FeedbackSummary {
        todo!()
    }
    /// As `handle_feedback`, telling each packet's fate in order of sending.
    pub fn handle_feedback_with(
        &mut self,
        _now: Time,
        _feedback: &FeedbackView<'_>,
        _each: impl FnMut(PacketResult),
    ) -> FeedbackSummary {
        todo!()
    }
    /// Loss over about the last 2 s, as a fraction of 1; `None` without feedback in that time.
    pub fn loss_fraction(&self, _now: Time) -> Option<f32> {
        todo!()
    }
    /// Statuses and whole feedback packets that could not be true.
    pub fn ignored_count(&self) -> u64 {
        todo!()
    }
}
