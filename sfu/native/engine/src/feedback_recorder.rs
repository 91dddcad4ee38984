//! Transport-wide feedback towards a publisher.
use crate::time::Time;

/// Records arrivals of one transport.
#[derive(Debug, Default)]
pub struct FeedbackRecorder {}

impl FeedbackRecorder {
    /// A packet carried this transport-wide number.
    pub fn handle_packet(&mut self, _now: Time, _transport_sequence_number: u16) {
        todo!()
    }
    /// If feedback is due, append whole RTCP packets to `out`; true if something was written.
    pub fn poll_feedback(
        &mut self,
        _now: Time,
        _sender_ssrc: u32,
        _media_ssrc: u32,
        _out: &mut Vec<u8>,
    ) -> bool {
        todo!()
    }
    /// When feedback is next due.
    pub fn next_timeout(&self) -> Time {
        todo!()
    }
}
