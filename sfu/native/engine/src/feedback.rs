//! RTCP in. Feedback about a stream changes only the stream of who sent it: every SSRC is looked up among the sender's own.

use crate::drop_reason::DropReason;
use crate::engine::{Engine, Path};
use crate::ids::{EncodingKey, ParticipantKey, TrackKey};
use crate::keyframe_limiter::KeyframeCause;
use crate::media::drop_reason;
use crate::selection::source_clock;
use crate::time::{PublisherClock, Time};
use std::time::Duration;
use wire::rtcp::{self, NackPairs, ReportBlocks, RtcpPacket, SenderInfo};

/// Round trip assumed until a report tells.
const DEFAULT_ROUND_TRIP: Duration = Duration::from_millis(100);

impl Engine {
    pub(crate) fn handle_rtcp(
        &mut self,
        now: Time,
        path: Path,
        datagram: &mut [u8],
    ) -> Result<(), DropReason> {
        let key = *self
            .routes
            .by_path
            .get(&path)
            .ok_or(DropReason::UnknownTuple)?;
        let participant = self
            .participants
            .get_mut(key)
            .ok_or(DropReason::UnknownTuple)?;
        let receiver = participant
            .transport
            .srtp_receiver
            .as_mut()
            .ok_or(DropReason::NoKeys)?;
        let length = receiver.unprotect_rtcp(datagram).map_err(drop_reason)?;
        for packet in rtcp::packets(&datagram[..length]) {
            self.handle_rtcp_packet(now, key, packet.map_err(|_| DropReason::Malformed)?);
        }
        Ok(())
    }

    fn handle_rtcp_packet(&mut self, now: Time, key: ParticipantKey, packet: RtcpPacket<'_>) {
        match packet {
            RtcpPacket::SenderReport { ssrc, info, blocks } => {
                self.handle_sender_report(now, key, ssrc, &info);
                self.handle_report_blocks(now, key, blocks);
            }
            RtcpPacket::ReceiverReport { blocks, .. } => {
                self.handle_report_blocks(now, key, blocks);
            }
            RtcpPacket::Nack { media_ssrc, pairs } => {
                self.handle_nack(now, key, media_ssrc, &pairs);
            }
            RtcpPacket::PictureLossIndication { media_ssrc } => {
                self.handle_keyframe_request(now, key, media_ssrc);
            }
            RtcpPacket::FullIntraRequest { entries } => {
                for (ssrc, _) in entries {
                    self.handle_keyframe_request(now, key, ssrc);
                }
            }
            RtcpPacket::TransportFeedback(feedback) => {
                if let Some(participant) = self.participants.get_mut(key) {
                    participant
                        .transport
                        .output
                        .sent_packets
                        .handle_feedback(now, &feedback);
                }
            }
            RtcpPacket::Goodbye { ssrcs } => {
                for ssrc in ssrcs {
                    self.handle_goodbye(key, ssrc);
                }
            }
            RtcpPacket::ReceiverReferenceTime { ssrc, ntp_time } => {
                if let Some(participant) = self.participants.get_mut(key) {
                    participant.reference_time = Some((ssrc, ntp_time, now));
                }
            }
            RtcpPacket::ReceiverEstimatedMaxBitrate { bitrate_bps } => {
                if let Some(participant) = self.participants.get_mut(key) {
                    participant
                        .transport
                        .ceiling
                        .handle_report(now, bitrate_bps);
                    self.counters.ceilings_received += 1;
                }
            }
            _ => {}
        }
    }

    fn handle_sender_report(
        &mut self,
        now: Time,
        key: ParticipantKey,
        ssrc: u32,
        info: &SenderInfo,
    ) {
        let Some(participant) = self.participants.get_mut(key) else {
            return;
        };
        let Some(binding) = participant.ssrcs.get(ssrc) else {
            return;
        };
        match &mut participant.publisher_clock {
            Some(clock) => clock.handle_report(info.ntp_time, now),
            None => participant.publisher_clock = Some(PublisherClock::new(info.ntp_time, now)),
        }
        let (publisher_clock, track) = (participant.publisher_clock, binding.track);
        for (index, publication) in participant.published.iter().enumerate() {
            if let Some(entry) = self.tracks.get_mut(publication.track) {
                entry.publisher_clock = publisher_clock;
                if index == usize::from(track) {
                    entry.track.handle_sender_report(now, ssrc, info);
                }
            }
        }
        if let Some(publication) = participant.published.get(usize::from(track)) {
            let track = publication.track;
            self.spread_source_clock(track, binding.encoding);
        }
    }

    /// Tell who listens to an encoding how its RTP clock stands: their sender reports speak of the same instant then.
    fn spread_source_clock(&mut self, track: TrackKey, encoding: u8) {
        let Some(entry) = self.tracks.get(track) else {
            return;
        };
        let Some(clock) = source_clock(entry, encoding) else {
            return;
        };
        for listener in entry
            .listeners
            .get(usize::from(encoding))
            .into_iter()
            .flatten()
        {
            if let Some(participant) = self.participants.get_mut(listener.participant) {
                participant.subscribed[usize::from(listener.subscription)]
                    .stream
                    .set_source_clock(EncodingKey { track, encoding }, clock);
            }
        }
    }

    fn handle_report_blocks(&mut self, now: Time, key: ParticipantKey, blocks: ReportBlocks<'_>) {
        let ntp_now = self.clock.ntp(now);
        let Some(participant) = self.participants.get_mut(key) else {
            return;
        };
        for block in blocks {
            let Some(index) = participant.subscription_of(block.ssrc) else {
                continue;
            };
            let stream = &mut participant.subscribed[index].stream;
            stream.handle_report_block(ntp_now, &block);
            participant.round_trip = stream.round_trip().or(participant.round_trip);
        }
    }

    fn handle_nack(
        &mut self,
        now: Time,
        key: ParticipantKey,
        media_ssrc: u32,
        pairs: &NackPairs<'_>,
    ) {
        if !self.open_output(now, key) {
            return;
        }
        let tracks = &self.tracks;
        let Some(participant) = self.participants.get_mut(key) else {
            return;
        };
        let round_trip = participant.round_trip.unwrap_or(DEFAULT_ROUND_TRIP);
        let Some(index) = participant.subscription_of(media_ssrc) else {
            return;
        };
        let outcome = participant.subscribed[index].stream.handle_nack(
            now,
            pairs.sequence_numbers(),
            round_trip,
            |from: EncodingKey, number| {
                tracks
                    .get(from.track)?
                    .track
                    .cache(from.encoding)?
                    .get(number)
            },
            &mut participant.transport.output,
        );
        self.counters.nacks_received += u64::from(outcome.resent + outcome.refused);
        self.counters.retransmissions_refused += u64::from(outcome.refused);
    }

    fn handle_keyframe_request(&mut self, now: Time, key: ParticipantKey, media_ssrc: u32) {
        let Some(participant) = self.participants.get(key) else {
            return;
        };
        let Some(index) = participant.subscription_of(media_ssrc) else {
            return;
        };
        self.counters.keyframe_requests_received += 1;
        if let Some(encoding) = participant.subscribed[index].stream.current() {
            self.request_keyframe(now, encoding, KeyframeCause::Subscriber);
        }
    }

    fn handle_goodbye(&mut self, key: ParticipantKey, ssrc: u32) {
        let Some(participant) = self.participants.get_mut(key) else {
            return;
        };
        let Some(binding) = participant.ssrcs.get(ssrc) else {
            return;
        };
        participant.ssrcs.remove(ssrc);
        if let Some(room) = self.rooms.get_mut(participant.room) {
            room.ssrc_owners.remove(&ssrc);
        }
        let track = participant
            .published
            .get(usize::from(binding.track))
            .map(|publication| publication.track);
        if let Some(entry) = track.and_then(|track| self.tracks.get_mut(track)) {
            entry.track.handle_goodbye(ssrc);
        }
    }
}
