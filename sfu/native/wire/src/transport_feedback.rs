//! Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).

use crate::ParseError;

/// Unit of arrival deltas.
pub const DELTA_UNIT_MICROS: i64 = 250;
/// Unit of the reference time.
pub const REFERENCE_UNIT_MICROS: i64 = 64_000;

/// A feedback packet's FCI, validated on construction, read lazily.
#[derive(Debug, Clone, Copy)]
pub struct FeedbackView<'a> {
    /// First transport sequence number described.
    pub base_sequence_number: u16,
    /// Packets described, 1–65535 (LIMIT: 8192 accepted).
    pub status_count: u16,
    /// 24-bit signed, × 64 ms.
    pub reference_time: i32,
    /// Feedback packet count, wraps at 256.
    pub feedback_count: u8,
    #[allow(dead_code)]
    pub(crate) body: &'a [u8],
}

impl<'a> FeedbackView<'a> {
    /// Check that chunks and deltas are all there.
    ///
    /// # Errors
    /// `ParseError` on truncation, reserved symbol 0b11, or a count over the limit.
    pub fn parse(_fci: &'a [u8]) -> Result<Self, ParseError> {
        todo!("wire formats")
    }

    /// Each described packet: sequence number and arrival in µs on the receiver's clock (from `reference_time`), `None`
    /// if it was not received.
    pub fn statuses(&self) -> impl Iterator<Item = (u16, Option<i64>)> + '_ {
        std::iter::from_fn(|| todo!("wire formats"))
    }
}

/// Append one whole RTCP feedback packet. `arrivals[i]` is the arrival in µs of `base_sequence_number + i`, `None` if
/// missing; returns how many entries were taken (a delta that does not fit 16 bits ends the packet early; call again).
pub fn write(
    _out: &mut Vec<u8>,
    _sender_ssrc: u32,
    _media_ssrc: u32,
    _feedback_count: u8,
    _base_sequence_number: u16,
    _arrivals: &[Option<i64>],
) -> usize {
    todo!("wire formats")
}
