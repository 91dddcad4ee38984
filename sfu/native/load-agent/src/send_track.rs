//! One m-line that a participant sends on: frames when they are due, in all encodings; keyframes and packets again when asked.
//! Sans-IO.

use crate::mark::{Mark, SILENT, track_of};
use crate::media_loop::{Frame, MediaLoop};
use crate::outbox::Outbox;
use crate::protocol::{Extensions, Kind, SendMedia, Source};
use crate::random::Random;
use crate::send_encoding::{Encoding, SentPacket};
use crate::time::{MILLISECOND, SECOND, Time};
use crate::totals::Totals;
use std::collections::HashMap;
use std::sync::Arc;
use wire::extensions::{AudioLevel, ExtensionWriter, Tag};
use wire::rtcp::{self, SenderInfo};
use wire::rtp::OutgoingHeader;
use wire::srtp::SrtpSender;

/// A track that is later than this skips to now; what it skips is lateness, not a burst.
const MAX_CATCH_UP: u64 = 500 * MILLISECOND;

/// What sending needs of the participant.
pub struct SendContext<'a> {
    /// Protects.
    pub srtp: &'a mut SrtpSender,
    /// Takes datagrams.
    pub outbox: &'a mut Outbox,
    /// Transport-wide number of the next packet.
    pub transport_number: &'a mut u16,
    /// Counts what is sent.
    pub totals: &'a mut Totals,
    /// Room of the marks.
    pub room: u32,
    /// Publisher of the marks.
    pub publisher: u32,
    /// What time it is.
    pub now: Time,
    /// Nothing is sent again within this, µs: one round trip, as libwebrtc.
    pub round_trip: u64,
}

/// One track.
pub struct SendTrack {
    /// a=mid
    pub mid: Tag,
    kind: Kind,
    track: u8,
    payload_type: u8,
    rtx_payload_type: Option<u8>,
    red_payload_type: Option<u8>,
    extensions: Extensions,
    minus_dbov: Option<u8>,
    encodings: Vec<Encoding>,
    interval: u64,
    started: Time,
    next_frame: Option<Time>,
    frame: u32,
    was_silent: bool,
}

impl SendTrack {
    /// A track that is idle until `set_active`.
    ///
    /// # Errors
    /// What of `media` cannot be sent.
    pub fn new(
        media: &SendMedia,
        loops: &HashMap<String, Arc<MediaLoop>>,
        random: &mut Random,
    ) -> Result<Self, String> {
        let mid = Tag::new(media.mid.as_bytes()).ok_or("a mid that is no token")?;
        let made: Result<Vec<_>, String> = (media.encodings.iter().enumerate())
            .map(|(index, encoding)| Encoding::new(encoding, index, loops, random))
            .collect();
        let encodings = made?;
        let first = encodings.first().ok_or("an m-line without encodings")?;
        let (codec, interval) = (first.media.codec, u64::from(first.media.interval_micros));
        let is_alike = |other: &Encoding| {
            other.media.codec == codec && u64::from(other.media.interval_micros) == interval
        };
        if !encodings.iter().all(is_alike) {
            return Err("encodings of different codecs or frame rates".to_owned());
        }
        if codec.kind() != media.kind {
            return Err("a loop of the wrong kind".to_owned());
        }
        let source = media.source.unwrap_or(match media.kind {
            Kind::Audio => Source::Microphone,
            Kind::Video => Source::Camera,
        });
        Ok(Self {
            mid,
            kind: media.kind,
            track: track_of(source),
            payload_type: media.payload_type,
            rtx_payload_type: media.rtx_payload_type,
            red_payload_type: media.red_payload_type,
            extensions: media.extensions,
            minus_dbov: media.minus_dbov,
            encodings,
            interval,
            started: Time::default(),
            next_frame: None,
            frame: 0,
            was_silent: true,
        })
    }

    /// SSRC of the first encoding.
    pub fn ssrc(&self) -> u32 {
        self.encodings[0].ssrc
    }

    /// Go on from `first`, or pause.
    pub fn set_active(&mut self, first: Option<Time>) {
        if let (Some(first), true) = (first, self.started == Time::default()) {
            self.started = first;
        }
        self.next_frame = first;
        if self.kind == Kind::Video {
            for encoding in &mut self.encodings {
                encoding.wants_keyframe = true;
            }
        }
    }

    /// When the next frame is due.
    pub fn next_timeout(&self) -> Option<Time> {
        self.next_frame
    }

    /// Send the frame that is due, if one is; gives its lateness in µs.
    pub fn handle_timeout(&mut self, now: Time, context: &mut SendContext<'_>) -> Option<u64> {
        let due = self.next_frame.filter(|due| *due <= now)?;
        let lateness = now.since(due);
        let skipped = if lateness > MAX_CATCH_UP {
            lateness / self.interval
        } else {
            0
        };
        let captured = due.after(skipped * self.interval);
        self.next_frame = Some(captured.after(self.interval));
        // Sound has one encoding.
        if self.kind == Kind::Audio && self.encodings[0].skip_silence() {
            self.was_silent = true;
            return Some(lateness);
        }
        let next = self.encodings[0].upcoming();
        let is_silent = self.kind == Kind::Audio && self.is_silent(next);
        for index in 0..self.encodings.len() {
            self.send_frame(index, captured, is_silent, context);
        }
        if !is_silent {
            self.frame = self.frame.wrapping_add(1);
        }
        self.was_silent = false;
        Some(lateness)
    }

    /// The server wants a keyframe of `ssrc`; false if it is not ours.
    pub fn handle_keyframe_request(&mut self, ssrc: u32) -> bool {
        let Some(encoding) = self
            .encodings
            .iter_mut()
            .find(|encoding| encoding.ssrc == ssrc)
        else {
            return false;
        };
        encoding.wants_keyframe = true;
        true
    }

    /// The server reports on `ssrc`.
    pub fn handle_report_block(&mut self, ssrc: u32) {
        for encoding in &mut self.encodings {
            encoding.is_known |= encoding.ssrc == ssrc;
        }
    }

    /// Send packets of `ssrc` again (RFC 4588), if retransmission was agreed.
    pub fn handle_nack(&mut self, ssrc: u32, number: u16, context: &mut SendContext<'_>) {
        let Some(index) = self
            .encodings
            .iter()
            .position(|encoding| encoding.ssrc == ssrc)
        else {
            return;
        };
        let recalled = self.encodings[index].recall(number, context.now, context.round_trip);
        if let Some(sent) = recalled {
            self.send_again(index, &sent, context);
        }
    }

    /// Append a sender report for each encoding that sent (RFC 3550 §6.4.1); `ntp_of` converts times.
    pub fn write_sender_reports(&self, now: Time, ntp_of: impl Fn(Time) -> u64, out: &mut Vec<u8>) {
        let rate = clock_rate(self.kind);
        for encoding in &self.encodings {
            let Some((at, timestamp)) = encoding.last_timestamp else {
                continue;
            };
            let passed = (now.since(at) * rate / SECOND) as u32;
            let info = SenderInfo {
                ntp_time: ntp_of(now),
                rtp_timestamp: timestamp.wrapping_add(passed),
                packet_count: encoding.packet_count,
                octet_count: encoding.octet_count,
            };
            rtcp::write_sender_report(out, encoding.ssrc, &info, &[]);
        }
    }

    /// The SSRCs of a BYE.
    pub fn ssrcs(&self) -> impl Iterator<Item = u32> {
        self.encodings.iter().map(|encoding| encoding.ssrc)
    }

    fn send_frame(
        &mut self,
        index: usize,
        captured: Time,
        is_silent: bool,
        context: &mut SendContext<'_>,
    ) {
        let elapsed = captured.since(self.started);
        // By when it leaves, not by when it was due: the agent's own lateness is nobody's freeze either.
        let since_start = context.now.since(self.started);
        let sent_time = u64::from(self.frame) * self.interval;
        let encoding = &mut self.encodings[index];
        let mark = Mark {
            room: context.room,
            publisher: context.publisher,
            track: self.track,
            encoding: if is_silent { SILENT } else { encoding.index },
            frame: self.frame,
            idle_ms: (since_start.saturating_sub(sent_time) / MILLISECOND) as u32,
            height: encoding.media.height,
            rest_ms: if self.minus_dbov == Some(127) {
                u16::MAX
            } else {
                encoding.upcoming().rest_ms
            },
            sent: context.now,
        };
        let timestamp = (elapsed * clock_rate(self.kind) / SECOND) as u32;
        for sent in encoding.next_frame(mark, captured, timestamp, self.was_silent) {
            if self.rtx_payload_type.is_some() {
                self.encodings[index].remember(sent);
            }
            self.send_packet(index, &sent, context);
        }
    }

    /// Whether the server may leave it out.
    fn is_silent(&self, frame: &Frame) -> bool {
        self.minus_dbov
            .map_or(frame.is_silent(), |minus_dbov| minus_dbov == 127)
    }

    fn send_packet(&mut self, index: usize, sent: &SentPacket, context: &mut SendContext<'_>) {
        let encoding = &self.encodings[index];
        let header = OutgoingHeader {
            marker: sent.marker,
            payload_type: self.red_payload_type.unwrap_or(self.payload_type),
            sequence_number: sent.number as u16,
            timestamp: sent.timestamp,
            ssrc: encoding.ssrc,
        };
        let start = context.outbox.begin();
        let rid = encoding.rid.map(|rid| (self.extensions.rid, rid));
        self.write_header(&header, rid, encoding.is_known, sent, context);
        let header_end = context.outbox.bytes.len();
        let encoding = &mut self.encodings[index];
        if self.red_payload_type.is_some() {
            encoding.write_redundant(sent, self.payload_type, &mut context.outbox.bytes);
        } else {
            encoding.write_payload(sent, &mut context.outbox.bytes);
        }
        let payload_bytes = context.outbox.bytes.len() - header_end;
        protect(context, start, header_end, header.ssrc, sent.number);
        let encoding = &mut self.encodings[index];
        encoding.packet_count = encoding.packet_count.wrapping_add(1);
        encoding.octet_count = encoding.octet_count.wrapping_add(payload_bytes as u32);
    }

    fn send_again(&mut self, index: usize, sent: &SentPacket, context: &mut SendContext<'_>) {
        let encoding = &mut self.encodings[index];
        let (Some(payload_type), Some(ssrc)) = (self.rtx_payload_type, encoding.rtx_ssrc) else {
            return;
        };
        let number = encoding.next_rtx_number();
        let encoding = &self.encodings[index];
        let header = OutgoingHeader {
            marker: sent.marker,
            payload_type,
            sequence_number: number as u16,
            timestamp: sent.timestamp,
            ssrc,
        };
        let start = context.outbox.begin();
        let rid = encoding.rid.map(|rid| (self.extensions.repaired_rid, rid));
        // Few enough to be told their names each time.
        self.write_header(&header, rid, false, sent, context);
        let header_end = context.outbox.bytes.len();
        // RFC 4588 §4: the original sequence number, then the original payload.
        let original = (sent.number as u16).to_be_bytes();
        context.outbox.bytes.extend_from_slice(&original);
        encoding.write_payload(sent, &mut context.outbox.bytes);
        protect(context, start, header_end, ssrc, number);
    }

    fn write_header(
        &self,
        header: &OutgoingHeader,
        rid: Option<(Option<u8>, Tag)>,
        is_known: bool,
        sent: &SentPacket,
        context: &mut SendContext<'_>,
    ) {
        let out = &mut context.outbox.bytes;
        header.write(out, true, false);
        let mut writer = ExtensionWriter::new(out, false);
        let ids = &self.extensions;
        if let (Some(id), false) = (ids.mid, is_known) {
            writer.push(id, self.mid.as_bytes());
        }
        if let (Some((Some(id), rid)), false) = (rid, is_known) {
            writer.push(id, rid.as_bytes());
        }
        if let Some(id) = ids.transport_sequence_number {
            writer.push(id, &context.transport_number.to_be_bytes());
            *context.transport_number = context.transport_number.wrapping_add(1);
        }
        if let Some(id) = ids.absolute_send_time {
            // 24 bits of seconds, 6.18 fixed point.
            let time = ((u128::from(sent.mark.sent.0) << 18) / u128::from(SECOND)) as u32;
            writer.push(id, &time.to_be_bytes()[1..]);
        }
        if let (Some(id), Kind::Audio) = (ids.audio_level, self.kind) {
            let frame = &self.encodings[0].media.frames[sent.loop_frame];
            let minus_dbov = self.minus_dbov.unwrap_or(frame.minus_dbov);
            let level = AudioLevel {
                minus_dbov,
                is_voice: minus_dbov < VOICE_MINUS_DBOV,
            };
            writer.push(id, &[level.to_byte()]);
        }
        writer.finish();
    }
}

/// Louder than this is told to be voice.
const VOICE_MINUS_DBOV: u8 = 60;

const fn clock_rate(kind: Kind) -> u64 {
    match kind {
        Kind::Audio => 48_000,
        Kind::Video => 90_000,
    }
}

fn protect(context: &mut SendContext<'_>, start: usize, header_end: usize, ssrc: u32, number: u64) {
    let (srtp, outbox) = (&mut *context.srtp, &mut *context.outbox);
    let packet_bytes = outbox.bytes.len() - start;
    let header_bytes = header_end - start;
    if srtp
        .protect_rtp(&mut outbox.bytes, start, header_bytes, ssrc, number)
        .is_err()
    {
        outbox.cancel();
        return;
    }
    outbox.finish();
    context.totals.packets_sent += 1;
    context.totals.bytes_sent += packet_bytes as u64;
}
