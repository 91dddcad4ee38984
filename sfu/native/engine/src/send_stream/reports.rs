//! Counts for sender reports, and what the subscriber's report blocks say.

use super::units::{duration_of_ntp_middle, ntp_middle};
use crate::time::Time;
use std::time::Duration;
use wire::rtcp::ReportBlock;

/// Figures of one send stream.
#[derive(Debug, Default)]
pub(super) struct Reports {
    /// Packets sent, as sender reports count them.
    pub(super) packet_count: u32,
    /// Payload bytes sent.
    pub(super) octet_count: u32,
    last_sent: Option<Time>,
    round_trip: Option<Duration>,
    loss_fraction: f32,
    is_acknowledged: bool,
}

impl Reports {
    /// A packet went out.
    pub(super) fn count(&mut self, now: Time, payload_bytes: usize) {
        self.packet_count = self.packet_count.wrapping_add(1);
        self.octet_count = self.octet_count.wrapping_add(payload_bytes as u32);
        self.last_sent = Some(now);
    }

    /// Something was sent lately: sender reports are due.
    pub(super) fn is_active(&self, now: Time) -> bool {
        self.last_sent
            .is_some_and(|last_sent| now.since(last_sent) < ACTIVE_FOR)
    }

    /// The subscriber reported on the stream, so it knows its SSRC: the mid need not be repeated (RFC 8843 §9.2).
    pub(super) fn is_acknowledged(&self) -> bool {
        self.is_acknowledged
    }

    /// Take a report block.
    pub(super) fn handle_block(&mut self, ntp_now: u64, block: &ReportBlock) {
        self.is_acknowledged |= self.packet_count > 0;
        self.loss_fraction = f32::from(block.fraction_lost) / 256.0;
        if block.last_sender_report == 0 {
            return;
        }
        // RFC 3550 §6.4.1: round trip = A − LSR − DLSR.
        let span = ntp_middle(ntp_now)
            .wrapping_sub(block.last_sender_report)
            .wrapping_sub(block.delay_since_last_sender_report);
        let sample = duration_of_ntp_middle(span);
        if sample <= MAX_ROUND_TRIP {
            self.round_trip = Some(match self.round_trip {
                Some(smoothed) => (smoothed * 7 + sample) / 8,
                None => sample,
            });
        }
    }

    /// Smoothed round trip.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Fraction lost of the last block.
    pub(super) fn loss_fraction(&self) -> f32 {
        self.loss_fraction
    }
}

/// RFC 3550 §6.4: who sent since the report before last is a sender. Reports leave each second or so.
const ACTIVE_FOR: Duration = Duration::from_secs(5);
/// More is a wrong or forged block.
const MAX_ROUND_TRIP: Duration = Duration::from_secs(10);
