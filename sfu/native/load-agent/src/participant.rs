//! One participant: ICE, DTLS, SRTP, what it sends and what it receives. Sans-IO.

use crate::dtls::{DtlsClient, DtlsIdentity, SrtpSession};
use crate::histogram::Histogram;
use crate::ice::{Credentials, IceClient, IceOutcome};
use crate::judge::{LineReport, Report, Totals};
use crate::mark::Mark;
use crate::media_loop::MediaLoop;
use crate::outbox::Outbox;
use crate::protocol::{Connect, Event, Extensions};
use crate::random::Random;
use crate::receive_stream::ReceiveStream;
use crate::send_track::{SendContext, SendTrack};
use crate::time::{MILLISECOND, SECOND, Time};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use wire::extended_sequence::SequenceUnwrapper;
use wire::extensions::{self, ExtensionIds};
use wire::rtcp::{self, RtcpPacket};
use wire::rtp::{self, RtpHeader};
use wire::srtp::SrtpProfile;
use wire::transport_feedback;

/// Sender and receiver reports.
const REPORT_INTERVAL: u64 = SECOND;
/// Transport-wide feedback; browsers send it every 50 to 250 ms.
const FEEDBACK_INTERVAL: u64 = 100 * MILLISECOND;
/// NACKs and keyframe requests while something is missing.
const REPAIR_INTERVAL: u64 = 20 * MILLISECOND;
/// LIMIT: packets one feedback interval remembers.
const MAX_ARRIVALS: usize = 4_096;
/// DTLS and ICE together must be done after this.
const CONNECT_TIMEOUT: u64 = 30 * SECOND;

/// What all participants of an agent share.
pub struct Shared {
    /// The certificate.
    pub identity: Arc<DtlsIdentity>,
    /// Loaded media.
    pub loops: HashMap<String, Arc<MediaLoop>>,
    /// NTP time (RFC 3550 §4) at `Time(0)`.
    pub ntp_at_zero: u64,
}

impl Shared {
    fn ntp(&self, time: Time) -> u64 {
        let since = (u128::from(time.0) << 32) / u128::from(SECOND);
        self.ntp_at_zero.wrapping_add(since as u64)
    }
}

/// One participant.
pub struct Participant {
    id: u32,
    room: u32,
    random: Random,
    ice: IceClient,
    dtls: Option<DtlsClient>,
    srtp: Option<SrtpSession>,
    connect_started: Time,
    tracks: Vec<SendTrack>,
    active_at_start: Vec<bool>,
    streams: Vec<ReceiveStream>,
    transport_number: u16,
    feedback: FeedbackRecorder,
    totals: Totals,
    next_report: Option<Time>,
    next_repair: Option<Time>,
    is_failed: bool,
    /// Lateness of the frames sent since the shell took it.
    pub send_lateness: Histogram,
    /// What the shell has to tell.
    pub events: Vec<Event>,
}

impl Participant {
    /// A participant that has not negotiated; `seed` makes its random numbers.
    pub fn new(id: u32, room: u32, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let ice = IceClient::new(&mut random);
        Self {
            id,
            room,
            transport_number: random.next() as u16,
            random,
            ice,
            dtls: None,
            srtp: None,
            connect_started: Time::default(),
            tracks: Vec::new(),
            active_at_start: Vec::new(),
            streams: Vec::new(),
            feedback: FeedbackRecorder::default(),
            totals: Totals::default(),
            next_report: None,
            next_repair: None,
            is_failed: false,
            send_lateness: Histogram::default(),
            events: Vec::new(),
        }
    }

    /// Our ICE credentials.
    pub fn local_ice(&self) -> &Credentials {
        &self.ice.local
    }

    /// Where to send.
    pub fn remote_address(&self) -> Option<SocketAddr> {
        self.ice.remote_address()
    }

    /// Whether media may flow.
    pub fn is_connected(&self) -> bool {
        self.srtp.is_some() && !self.is_failed
    }

    /// Take what the answer said, and start.
    ///
    /// # Errors
    /// What of it cannot be done; nothing has changed then.
    pub fn handle_connect(
        &mut self,
        now: Time,
        connect: Connect,
        shared: &Shared,
    ) -> Result<(), String> {
        if self.dtls.is_some() {
            return Err("it is connected already".to_owned());
        }
        if connect.candidates.is_empty() {
            return Err("no candidate to connect to".to_owned());
        }
        let tracks: Result<Vec<_>, String> = (connect.send.iter().enumerate())
            .map(|(index, media)| SendTrack::new(media, index, &shared.loops, &mut self.random))
            .collect();
        self.tracks = tracks?;
        self.active_at_start = connect.send.iter().map(|media| media.is_active).collect();
        let (room, id) = (self.room, self.id);
        self.streams = (connect.receive.into_iter())
            .map(|media| ReceiveStream::new(media, room, id))
            .collect();
        let credentials = Credentials {
            ufrag: connect.ice_ufrag,
            password: connect.ice_pwd,
        };
        self.ice.start(now, credentials, connect.candidates);
        self.dtls = Some(DtlsClient::new(&shared.identity, &connect.fingerprint, now));
        self.connect_started = now;
        Ok(())
    }

    /// Go on or pause sending on `mid`; false if there is no such track.
    pub fn handle_publish(&mut self, now: Time, mid: &str, is_active: bool) -> bool {
        let is_connected = self.is_connected();
        let Some(index) = self
            .tracks
            .iter()
            .position(|track| track.mid.as_str() == mid)
        else {
            return false;
        };
        self.active_at_start[index] = is_active;
        if is_connected {
            self.tracks[index].set_active(is_active.then_some(now));
        }
        true
    }

    /// When to call `handle_timeout`; `None` while nothing is due.
    pub fn next_timeout(&self) -> Option<Time> {
        if self.is_failed {
            return None;
        }
        let dtls = (self.dtls.as_ref())
            .filter(|_| self.ice.is_connected() && self.srtp.is_none())
            .and_then(DtlsClient::next_timeout);
        let fixed = [
            self.ice.next_timeout(),
            dtls,
            self.next_report,
            self.next_repair,
            self.feedback.due,
        ];
        let tracks = self.tracks.iter().filter_map(SendTrack::next_timeout);
        fixed.into_iter().flatten().chain(tracks).min()
    }

    /// Do what is due.
    pub fn handle_timeout(&mut self, now: Time, shared: &Shared, outbox: &mut Outbox) {
        if self.is_failed {
            return;
        }
        self.ice.handle_timeout(now, &mut self.random, outbox);
        if self.srtp.is_none() {
            self.continue_handshake(now, outbox);
            return;
        }
        if self.ice.is_lost(now) {
            self.fail("the server answers no checks any more".to_owned());
            return;
        }
        self.send_media(now, outbox);
        if self.feedback.due.is_some_and(|due| due <= now) {
            self.send_feedback(outbox);
        }
        if self.next_repair.is_some_and(|due| due <= now) {
            self.repair(now, outbox);
        }
        if self.next_report.is_some_and(|due| due <= now) {
            self.next_report = Some(now.after(REPORT_INTERVAL));
            self.send_reports(now, shared, outbox);
        }
    }

    /// Take a datagram that the kernel had at `arrival`.
    pub fn handle_datagram(
        &mut self,
        now: Time,
        arrival: Time,
        datagram: &mut [u8],
        outbox: &mut Outbox,
    ) {
        if self.is_failed {
            return;
        }
        // RFC 7983 §7.
        match datagram.first() {
            Some(0..=3) => {
                if self.ice.handle_datagram(now, datagram, outbox) == IceOutcome::Connected {
                    self.continue_handshake(now, outbox);
                }
            }
            Some(20..=63) => {
                if let Some(dtls) = &mut self.dtls {
                    let result = dtls.handle_datagram(now, datagram, outbox);
                    self.handle_handshake(now, result);
                }
            }
            Some(128..=191) if rtp::is_rtcp(datagram) => {
                self.handle_rtcp(now, arrival, datagram, outbox);
            }
            Some(128..=191) => self.handle_rtp(now, arrival, datagram),
            _ => self.totals.unreadable += 1,
        }
    }

    /// Say BYE.
    pub fn handle_remove(&mut self, outbox: &mut Outbox) {
        let ssrcs: Vec<u32> = self.tracks.iter().flat_map(SendTrack::ssrcs).collect();
        if !ssrcs.is_empty() {
            self.send_rtcp(outbox, |out| rtcp::write_goodbye(out, &ssrcs));
        }
    }

    /// Count datagrams that the kernel did not take.
    pub fn handle_send_failures(&mut self, count: usize) {
        self.totals.send_failures += count as u64;
    }

    /// What happened to it so far.
    pub fn report(&self) -> Report {
        let lines: Vec<LineReport> = (self.streams.iter())
            .map(|stream| stream.judge.report(&stream.media.mid, stream.first_media))
            .collect();
        Report {
            id: self.id,
            room: self.room,
            is_connected: self.is_connected(),
            round_trip_us: self.ice.round_trip_micros,
            totals: self.sum(),
            lines,
        }
    }

    /// Sums over its m-lines.
    pub fn sum(&self) -> Totals {
        let mut totals = self.totals.clone();
        for stream in &self.streams {
            totals.merge(&stream.judge.totals);
        }
        totals
    }

    /// Start all counts again.
    pub fn reset(&mut self) {
        self.totals = Totals::default();
        for stream in &mut self.streams {
            stream.judge.reset();
        }
    }

    // ---- handshake

    fn continue_handshake(&mut self, now: Time, outbox: &mut Outbox) {
        let Some(dtls) = &mut self.dtls else {
            return;
        };
        if now.since(self.connect_started) > CONNECT_TIMEOUT {
            let reason = if self.ice.is_connected() {
                format!("DTLS did not get through: {}", dtls.describe())
            } else {
                "ICE did not get through".to_owned()
            };
            self.fail(reason);
        } else if self.ice.is_connected() && self.srtp.is_none() {
            let result = dtls.handle_timeout(now, outbox);
            self.handle_handshake(now, result);
        }
    }

    fn handle_handshake(&mut self, now: Time, result: Result<Option<SrtpSession>, String>) {
        match result {
            Err(reason) => self.fail(reason),
            Ok(None) => {}
            Ok(Some(session)) => {
                self.events.push(Event::Connected {
                    id: self.id,
                    at_us: now.0,
                    after_us: now.since(self.connect_started),
                    profile: profile_name(session.profile),
                });
                self.srtp = Some(session);
                // Spread, so that thousands that start together do not report together.
                self.next_report = Some(now.after(self.random.next() % REPORT_INTERVAL));
                for (track, is_active) in self.tracks.iter_mut().zip(&self.active_at_start) {
                    track.set_active(is_active.then_some(now));
                }
            }
        }
    }

    fn fail(&mut self, reason: String) {
        if !self.is_failed {
            self.is_failed = true;
            self.events.push(Event::Failed {
                id: self.id,
                reason,
            });
        }
    }

    // ---- sending

    fn send_media(&mut self, now: Time, outbox: &mut Outbox) {
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
        };
        for track in &mut self.tracks {
            // Each call sends one frame; a track that fell behind catches up here.
            while let Some(lateness) = track.handle_timeout(now, &mut context) {
                self.send_lateness.record(lateness);
            }
        }
    }

    fn send_rtcp(&mut self, outbox: &mut Outbox, write: impl FnOnce(&mut Vec<u8>)) {
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
    fn feedback_ssrc(&self) -> u32 {
        self.tracks.first().map_or(1, SendTrack::ssrc)
    }

    fn send_reports(&mut self, now: Time, shared: &Shared, outbox: &mut Outbox) {
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

    fn send_feedback(&mut self, outbox: &mut Outbox) {
        let ssrc = self.feedback_ssrc();
        let media_ssrc = self.streams.first().map_or(0, |stream| stream.media.ssrc);
        let mut feedback = std::mem::take(&mut self.feedback);
        self.send_rtcp(outbox, |out| feedback.write(out, ssrc, media_ssrc));
        self.feedback = feedback;
    }

    fn repair(&mut self, now: Time, outbox: &mut Outbox) {
        let ssrc = self.feedback_ssrc();
        let mut requests = Vec::new();
        let mut wrong = Vec::new();
        for (index, stream) in self.streams.iter_mut().enumerate() {
            wrong.extend(
                stream
                    .handle_timeout(now)
                    .into_iter()
                    .map(|mark| (index, mark)),
            );
            let numbers = stream.poll_nacks(now);
            rtcp::write_nack(&mut requests, ssrc, stream.media.ssrc, &numbers);
            if stream.poll_keyframe_request(now) {
                rtcp::write_picture_loss_indication(&mut requests, ssrc, stream.media.ssrc);
            }
        }
        self.tell_wrong(&wrong);
        self.send_rtcp(outbox, |out| out.extend_from_slice(&requests));
        let is_waiting = self.streams.iter().any(ReceiveStream::is_waiting);
        self.next_repair = is_waiting.then(|| now.after(REPAIR_INTERVAL));
    }

    // ---- receiving

    fn handle_rtp(&mut self, now: Time, arrival: Time, datagram: &mut [u8]) {
        let Some((index, is_rtx, header, payload)) = self.open_rtp(datagram) else {
            self.totals.unreadable += 1;
            return;
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
        let wrong: Vec<_> = wrong.into_iter().map(|mark| (index, mark)).collect();
        self.tell_wrong(&wrong);
    }

    /// Decrypt; gives the stream's index, whether it is its retransmission stream, the header and the payload's place.
    fn open_rtp(
        &mut self,
        datagram: &mut [u8],
    ) -> Option<(usize, bool, RtpHeader, std::ops::Range<usize>)> {
        let header = RtpHeader::parse(datagram).ok()?;
        let ssrc = header.ssrc;
        let is_of = |stream: &ReceiveStream| {
            stream.media.ssrc == ssrc || stream.media.rtx_ssrc == Some(ssrc)
        };
        let index = self.streams.iter().position(is_of)?;
        let receiver = &mut self.srtp.as_mut()?.receiver;
        let end =
            (receiver.unprotect_rtp(datagram, header.header_bytes, ssrc, header.sequence_number))
                .ok()?;
        let payload = &datagram[header.header_bytes..end];
        let padding = rtp::padding_bytes(header.has_padding, payload).ok()?;
        let is_rtx = self.streams[index].media.ssrc != ssrc;
        Some((index, is_rtx, header, header.header_bytes..end - padding))
    }

    fn handle_rtcp(&mut self, now: Time, arrival: Time, datagram: &mut [u8], outbox: &mut Outbox) {
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

    fn handle_rtcp_packet(
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
                self.handle_nack(*media_ssrc, &numbers, outbox);
            }
            RtcpPacket::TransportFeedback(_) => self.totals.feedback_received += 1,
            _ => {}
        }
        let _ = now;
    }

    fn handle_blocks(&mut self, blocks: rtcp::ReportBlocks<'_>) {
        for block in blocks {
            for track in &mut self.tracks {
                track.handle_report_block(block.ssrc);
            }
        }
    }

    fn handle_keyframe_request(&mut self, ssrc: u32) {
        let is_ours = self
            .tracks
            .iter_mut()
            .any(|track| track.handle_keyframe_request(ssrc));
        self.totals.keyframe_requests_received += u64::from(is_ours);
    }

    fn handle_nack(&mut self, ssrc: u32, numbers: &[u16], outbox: &mut Outbox) {
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
        };
        for track in &mut self.tracks {
            for number in numbers {
                track.handle_nack(ssrc, *number, &mut context);
            }
        }
    }

    fn tell_wrong(&mut self, marks: &[(usize, Mark)]) {
        for (index, mark) in marks {
            self.events.push(Event::WrongSource {
                id: self.id,
                mid: self.streams[*index].media.mid.clone(),
                room: mark.room,
                publisher: mark.publisher,
            });
        }
    }
}

/// Arrivals by transport-wide sequence number, for one feedback interval.
#[derive(Debug, Default)]
struct FeedbackRecorder {
    unwrapper: SequenceUnwrapper,
    base: u64,
    arrivals: Vec<Option<i64>>,
    count: u8,
    due: Option<Time>,
}

impl FeedbackRecorder {
    fn record(&mut self, number: u16, arrival: Time) {
        let number = self.unwrapper.unwrap(number);
        if self.arrivals.is_empty() {
            // What is missing since the last feedback is told too, unless this is the first or a jump.
            if self.base == 0 || number.abs_diff(self.base) > MAX_ARRIVALS as u64 {
                self.base = number;
            }
            self.due = Some(arrival.after(FEEDBACK_INTERVAL));
        }
        let Some(offset) = number.checked_sub(self.base) else {
            return; // told as missing already
        };
        let offset = offset as usize;
        if offset >= MAX_ARRIVALS {
            return;
        }
        if offset >= self.arrivals.len() {
            self.arrivals.resize(offset + 1, None);
        }
        self.arrivals[offset] = Some(arrival.0 as i64);
    }

    fn write(&mut self, out: &mut Vec<u8>, sender_ssrc: u32, media_ssrc: u32) {
        let mut start = 0;
        while start < self.arrivals.len() {
            let number = (self.base + start as u64) as u16;
            let rest = &self.arrivals[start..];
            let taken =
                transport_feedback::write(out, sender_ssrc, media_ssrc, self.count, number, rest);
            self.count = self.count.wrapping_add(1);
            start += taken.max(1);
        }
        self.base += self.arrivals.len() as u64;
        self.arrivals.clear();
        self.due = None;
    }
}

fn extension_ids(extensions: &Extensions) -> ExtensionIds {
    ExtensionIds {
        mid: extensions.mid,
        transport_sequence_number: extensions.transport_sequence_number,
        ..ExtensionIds::default()
    }
}

const fn profile_name(profile: SrtpProfile) -> &'static str {
    match profile {
        SrtpProfile::AeadAes128Gcm => "aead_aes_128_gcm",
        SrtpProfile::AeadAes256Gcm => "aead_aes_256_gcm",
        SrtpProfile::Aes128CmSha1_80 => "aes128_cm_sha1_80",
    }
}
