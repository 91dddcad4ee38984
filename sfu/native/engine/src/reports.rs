//! RTCP out on the clock: transport-wide feedback, sender and receiver reports, SDES, DLRR.

use crate::engine::{Engine, Owner};
use crate::ids::ParticipantKey;
use crate::time::Time;
use std::time::Duration;
use wire::rtcp::{self, ReportBlock};

/// RFC 3550 §6.2 scales with members and bandwidth; one second is what WebRTC clients expect per transport.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Same for every stream: a neutral name that says nothing of who publishes (RFC 7022).
const CNAME: &[u8] = b"synedrion";
/// RFC 3550 §6.4: report blocks in one packet.
const MAX_BLOCKS: usize = 31;
/// LIMIT: bytes of one compound, well under any path's MTU.
const MAX_COMPOUND_BYTES: usize = 1_100;

impl Engine {
    /// Transport-wide feedback towards a publisher to whom nothing was sent meanwhile.
    pub(crate) fn service_feedback(&mut self, now: Time, key: ParticipantKey) {
        let Some(participant) = self.participants.get_mut(key) else {
            return;
        };
        if !participant.feedback_deadline.take_due(now) {
            return;
        }
        let is_to_send = participant.feedback.next_timeout() <= now;
        // Where nothing can be sent now, the next packet that comes asks again.
        if is_to_send && !self.open_output(now, key) {
            return;
        }
        if let Some(participant) = self.participants.get_mut(key) {
            if is_to_send {
                participant.write_feedback(now, &mut self.scratch.bytes);
            }
            self.timers.schedule(
                &mut participant.feedback_deadline,
                Owner::Feedback(key),
                participant.feedback.next_timeout(),
            );
        }
    }

    /// Once a second: a report per stream sent and per SSRC received.
    pub(crate) fn send_reports(&mut self, now: Time, key: ParticipantKey) {
        let Some(participant) = self.participants.get_mut(key) else {
            return;
        };
        if now < participant.reports_due {
            return;
        }
        participant.reports_due = now + REPORT_INTERVAL;
        let mut blocks = std::mem::take(&mut self.scratch.blocks);
        blocks.clear();
        for publication in &participant.published {
            if let Some(entry) = self.tracks.get_mut(publication.track) {
                entry.track.report_blocks(now, &mut blocks);
            }
        }
        participant.loss_received = blocks
            .iter()
            .map(|block| f32::from(block.fraction_lost) / 256.0)
            .fold(0.0, f32::max);
        if self.open_output(now, key) {
            self.write_reports(now, key, &blocks);
        }
        self.scratch.blocks = blocks;
    }

    fn write_reports(&mut self, now: Time, key: ParticipantKey, blocks: &[ReportBlock]) {
        let Some(participant) = self.participants.get_mut(key) else {
            return;
        };
        let (own_ssrc, clock) = (participant.own_ssrc, self.clock);
        let output = &mut participant.transport.output;
        for chunk in blocks.chunks(MAX_BLOCKS) {
            output.send_rtcp(|out| {
                rtcp::write_receiver_report(out, own_ssrc, chunk);
                rtcp::write_sdes_cname(out, own_ssrc, CNAME);
            });
        }
        if let Some((about, ntp_time, arrival)) = participant.reference_time.take() {
            let delay = (now.since(arrival).as_micros() * 65_536 / 1_000_000) as u32;
            output.send_rtcp(|out| {
                rtcp::write_dlrr(out, own_ssrc, about, (ntp_time >> 16) as u32, delay);
            });
        }
        let mut reports = participant
            .subscribed
            .iter()
            .filter_map(|subscription| {
                Some((
                    subscription.config.ssrc,
                    subscription.stream.sender_info(now, &clock)?,
                ))
            })
            .peekable();
        while reports.peek().is_some() {
            output.send_rtcp(|out| {
                let start = out.len();
                while out.len() - start < MAX_COMPOUND_BYTES
                    && let Some((ssrc, info)) = reports.next()
                {
                    rtcp::write_sender_report(out, ssrc, &info, &[]);
                    rtcp::write_sdes_cname(out, ssrc, CNAME);
                }
            });
        }
    }
}
