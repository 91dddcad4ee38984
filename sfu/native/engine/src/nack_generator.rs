//! Finds gaps in one SSRC's packets and says what to ask for again, and when.
use crate::time::Time;
use std::time::Duration;

/// The generator of one encoding.
#[derive(Debug)]
pub struct NackGenerator {}

impl NackGenerator {
    /// `max_age`: how long a lost packet is still of use (the cache's age).
    pub fn new(_max_age: Duration) -> Self {
        todo!()
    }
    /// A packet arrived; true if it fills a gap.
    pub fn handle_packet(
        &mut self,
        _now: Time,
        _extended_sequence_number: u64,
        _starts_keyframe: bool,
    ) -> bool {
        todo!()
    }
    /// Append what is to be asked for now, ascending modulo wrap.
    pub fn poll(&mut self, _now: Time, _round_trip: Option<Duration>, _out: &mut Vec<u16>) {
        todo!()
    }
    /// True once after packets were given up and only a keyframe helps.
    pub fn take_wants_keyframe(&mut self) -> bool {
        todo!()
    }
    /// When `poll` is next of use.
    pub fn next_timeout(&self) -> Time {
        todo!()
    }
    /// Forget everything (stream restart).
    pub fn reset(&mut self) {
        todo!()
    }
}
