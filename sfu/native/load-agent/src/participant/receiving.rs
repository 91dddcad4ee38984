//! What a participant does with RTP and RTCP that reaches it.

use super::Participant;
use crate::mark::Mark;
use crate::outbox::Outbox;
use crate::protocol::{Event, Extensions, Kind, WrongSource};
use crate::receive_stream::ReceiveStream;
use crate::send_track::SendContext;
use crate::time::{MILLISECOND, Time};
use wire::extensions::{self, ExtensionIds};
use wire::rtcp::{self, RtcpPacket};
use wire::rtp::{self, RtpHeader};
use wire::srtp::SrtpError;

impl Participant {
    pub(super) fn handle_rtp(&mut self, now: Time, arrival: Time, datagram: &mut [u8]) {
        let (index, is_rtx, header, payload) = match self.open_rtp(datagram) {
            Ok(opened) => opened,
            Err(SrtpError::Replay) => {
                self.totals.packets_duplicate += 1;
                return;
            }
            Err(_) => {
                self.totals.unreadable += 1;
                return;
            }
        };
        let packet = &datagram[..payload.end];
        let stream = &mut self.streams[index];
        let ids = extension_ids(&stream.media.extensions);
        let number = extensions::parse(packet, &header, &ids).transport_sequence_number;
        if let Some(number) = number {
            self.feedback.record(number, arrival);
        }
        let had_media = stream.first_media.is_some();
        let payload = &packet[payload.start..];
        let wrong = if is_rtx {
            stream.handle_rtx(arrival, &header, payload)
        } else {
            stream.handle_rtp(arrival, &header, payload)
        };
        if stream.media.kind == Kind::Audio
            && let Some(mark) = stream.judge.last_mark()
        {
            let rest = u64::from(mark.rest_ms) * MILLISECOND;
            self.hearing.handle_frame(arrival, mark.publisher, rest);
        }
        if stream.is_waiting() && self.next_repair.is_none() {
            self.next_repair = Some(now);
        }
        if let (false, Some(at)) = (had_media, stream.first_media) {
            let (id, mid) = (self.id, stream.media.mid.clone());
            self.events.push(Event::FirstMedia {
                id,
                mid,
                at_us: at.0,
            });
        }
        self.tell_wrong(index, &wrong);
    }

    /// Decrypt; gives the stream's index, whether it is its retransmission stream, the header and the payload's place.
    pub(super) fn open_rtp(
        &mut self,
        datagram: &mut [u8],
    ) -> Result<(usize, bool, RtpHeader, std::ops::Range<usize>), SrtpError> {
        let header = RtpHeader::parse(datagram).map_err(|_| SrtpError::Malformed)?;
        let ssrc = header.ssrc;
        let is_of = |stream: &ReceiveStream| {
            stream.media.ssrc == ssrc || stream.media.rtx_ssrc == Some(ssrc)
        };
        let index = self.streams.iter().position(is_of);
        let (Some(index), Some(srtp)) = (index, &mut self.srtp) else {
            return Err(SrtpError::Malformed);
        };
        let end = (srtp.receiver).unprotect_rtp(
            datagram,
            header.header_bytes,
            ssrc,
            header.sequence_number,
        )?;
        let payload = &datagram[header.header_bytes..end];
        let padding = rtp::padding_bytes(header.has_padding, payload);
        let padding = padding.map_err(|_| SrtpError::Malformed)?;
        let is_rtx = self.streams[index].media.ssrc != ssrc;
        Ok((index, is_rtx, header, header.header_bytes..end - padding))
    }

    pub(super) fn handle_rtcp(
        &mut self,
        now: Time,
        arrival: Time,
        datagram: &mut [u8],
        outbox: &mut Outbox,
    ) {
        let Some(srtp) = &mut self.srtp else {
            return;
        };
        let Ok(length) = srtp.receiver.unprotect_rtcp(datagram) else {
            self.totals.unreadable += 1;
            return;
        };
        for packet in rtcp::packets(&datagram[..length]) {
            let Ok(packet) = packet else {
                self.totals.unreadable += 1;
                return;
            };
            self.handle_rtcp_packet(now, arrival, &packet, outbox);
        }
    }

    pub(super) fn handle_rtcp_packet(
        &mut self,
        now: Time,
        arrival: Time,
        packet: &RtcpPacket<'_>,
        outbox: &mut Outbox,
    ) {
        match packet {
            RtcpPacket::SenderReport { ssrc, info, blocks } => {
                for stream in self
                    .streams
                    .iter_mut()
                    .filter(|stream| stream.media.ssrc == *ssrc)
                {
                    stream.handle_sender_report(arrival, info.ntp_time);
                }
                self.handle_blocks(blocks.clone());
            }
            RtcpPacket::ReceiverReport { blocks, .. } => self.handle_blocks(blocks.clone()),
            RtcpPacket::PictureLossIndication { media_ssrc } => {
                self.handle_keyframe_request(*media_ssrc);
            }
            RtcpPacket::FullIntraRequest { entries } => {
                for (ssrc, _) in entries.clone() {
                    self.handle_keyframe_request(ssrc);
                }
            }
            RtcpPacket::Nack { media_ssrc, pairs } => {
                let numbers: Vec<u16> = pairs.sequence_numbers().collect();
                self.handle_nack(now, *media_ssrc, &numbers, outbox);
            }
            RtcpPacket::TransportFeedback(_) => self.totals.feedback_received += 1,
            _ => {}
        }
    }

    pub(super) fn handle_blocks(&mut self, blocks: rtcp::ReportBlocks<'_>) {
        for block in blocks {
            for track in &mut self.tracks {
                track.handle_report_block(block.ssrc);
            }
        }
    }

    pub(super) fn handle_keyframe_request(&mut self, ssrc: u32) {
        let is_ours = self
            .tracks
            .iter_mut()
            .any(|track| track.handle_keyframe_request(ssrc));
        self.totals.keyframe_requests_received += u64::from(is_ours);
    }

    pub(super) fn handle_nack(
        &mut self,
        now: Time,
        ssrc: u32,
        numbers: &[u16],
        outbox: &mut Outbox,
    ) {
        let round_trip = self.round_trip();
        self.totals.nacks_received += numbers.len() as u64;
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
            for number in numbers {
                track.handle_nack(ssrc, *number, &mut context);
            }
        }
    }

    /// µs; of the last ICE check, within reason.
    pub(super) fn round_trip(&self) -> u64 {
        let measured = self.ice.round_trip_micros.unwrap_or(0);
        measured.clamp(10 * MILLISECOND, 200 * MILLISECOND)
    }

    pub(super) fn tell_wrong(&mut self, index: usize, wrong: &[(WrongSource, Mark)]) {
        for (reason, mark) in wrong {
            self.events.push(Event::WrongSource {
                reason: *reason,
                id: self.id,
                mid: self.streams[index].media.mid.clone(),
                room: mark.room,
                publisher: mark.publisher,
            });
        }
    }
}

fn extension_ids(extensions: &Extensions) -> ExtensionIds {
    ExtensionIds {
        mid: extensions.mid,
        transport_sequence_number: extensions.transport_sequence_number,
        ..ExtensionIds::default()
    }
}
