//! What a participant sends by itself: frames, reports, feedback, requests for what is missing.

use super::{Participant, REPAIR_INTERVAL, Shared};
use crate::outbox::Outbox;
use crate::receive_stream::ReceiveStream;
use crate::send_track::{SendContext, SendTrack};
use crate::time::Time;
use wire::rtcp;

impl Participant {
    pub(super) fn send_media(&mut self, now: Time, outbox: &mut Outbox) {
        let round_trip = self.round_trip();
        let Some(srtp) = &mut self.srtp else {
            return;
        };
        let mut context = SendContext {
            srtp: &mut srtp.sender,
            outbox,
            transport_number: &mut self.transport_number,
            totals: &mut self.totals,
            room: self.room,
            publisher: self.id,
            now,
            round_trip,
        };
        for track in &mut self.tracks {
            // Each call sends one frame; a track that fell behind catches up here.
            while let Some(lateness) = track.handle_timeout(now, &mut context) {
                self.send_lateness.push(lateness);
            }
        }
    }

    pub(super) fn send_rtcp(&mut self, outbox: &mut Outbox, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(srtp) = &mut self.srtp else {
            return;
        };
        let start = outbox.begin();
        write(&mut outbox.bytes);
        if outbox.bytes.len() == start {
            return;
        }
        match srtp.sender.protect_rtcp(&mut outbox.bytes, start) {
            Ok(()) => outbox.finish(),
            Err(_) => outbox.cancel(),
        }
    }

    /// The SSRC under which feedback is sent; 1 as libwebrtc for who sends nothing.
    pub(super) fn feedback_ssrc(&self) -> u32 {
        self.tracks.first().map_or(1, SendTrack::ssrc)
    }

    pub(super) fn send_reports(&mut self, now: Time, shared: &Shared, outbox: &mut Outbox) {
        let mut reports = Vec::new();
        for track in &self.tracks {
            track.write_sender_reports(now, |time| shared.ntp(time), &mut reports);
        }
        let ssrc = self.feedback_ssrc();
        let blocks: Vec<_> = (self.streams.iter_mut())
            .filter_map(|stream| stream.report_block(now))
            .collect();
        self.send_rtcp(outbox, |out| {
            out.extend_from_slice(&reports);
            for some in blocks.chunks(31) {
                rtcp::write_receiver_report(out, ssrc, some);
            }
            if blocks.is_empty() && reports.is_empty() {
                rtcp::write_receiver_report(out, ssrc, &[]);
            }
            rtcp::write_sdes_cname(out, ssrc, b"load-agent");
        });
    }

    pub(super) fn send_feedback(&mut self, outbox: &mut Outbox) {
        let ssrc = self.feedback_ssrc();
        let media_ssrc = self.streams.first().map_or(0, |stream| stream.media.ssrc);
        let mut feedback = std::mem::take(&mut self.feedback);
        self.send_rtcp(outbox, |out| feedback.write(out, ssrc, media_ssrc));
        self.feedback = feedback;
    }

    pub(super) fn repair(&mut self, now: Time, outbox: &mut Outbox) {
        let ssrc = self.feedback_ssrc();
        let mut requests = Vec::new();
        let mut wrong = Vec::new();
        for (index, stream) in self.streams.iter_mut().enumerate() {
            wrong.push((index, stream.handle_timeout(now)));
            let numbers = stream.poll_nacks(now);
            rtcp::write_nack(&mut requests, ssrc, stream.media.ssrc, &numbers);
            if stream.poll_keyframe_request(now) {
                rtcp::write_picture_loss_indication(&mut requests, ssrc, stream.media.ssrc);
            }
        }
        for (index, wrong) in wrong {
            self.tell_wrong(index, &wrong);
        }
        self.send_rtcp(outbox, |out| out.extend_from_slice(&requests));
        let is_waiting = self.streams.iter().any(ReceiveStream::is_waiting);
        self.next_repair = is_waiting.then(|| now.after(REPAIR_INTERVAL));
    }
}
