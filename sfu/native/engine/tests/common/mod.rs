//! A room full of protocol-true clients around one engine, in virtual time. The oracle is what a subscriber receives: clients
//! open SRTP and parse RTP with the wire crate only.
#![allow(dead_code)] // each test file uses its own part

pub(crate) mod browser;

use engine::command::SrtpKeys;
use engine::ids::{Kind, ParticipantId, RoomId};
use engine::media_config::{CodecConfig, PublishConfig, SubscribeConfig};
use engine::{Coming, Command, Engine, EngineConfig, Event, NtpClock, Path, Time};
use netem::{Link, LinkConfig};
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash};
use std::net::SocketAddr;
use std::time::Duration;
use wire::codec::Codec;
use wire::extended_sequence::SequenceUnwrapper;
use wire::extensions::{self, AudioLevel, ExtensionIds, ExtensionWriter, Tag};
use wire::rtcp::{self, RtcpPacket};
use wire::rtp::{OutgoingHeader, RtpHeader};
use wire::srtp::{SrtpProfile, SrtpReceiver, SrtpSender};
use wire::stun::{self, OutgoingRequest};

pub(crate) const ROOM: RoomId = RoomId(1);
pub(crate) const PASSWORD: &str = "0123456789abcdefghijklmn";
pub(crate) const VP8: u8 = 96;
pub(crate) const VP8_RTX: u8 = 97;
pub(crate) const OPUS: u8 = 111;

pub(crate) const IDS: ExtensionIds = ExtensionIds {
    mid: Some(1),
    rid: Some(2),
    repaired_rid: Some(3),
    absolute_send_time: Some(4),
    transport_sequence_number: Some(5),
    audio_level: Some(6),
    video_orientation: Some(7),
    playout_delay: None,
    dependency_descriptor: Some(9),
};

/// An RTP packet as a client received it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReceivedRtp {
    pub at: Time,
    pub header: RtpHeader,
    pub mid: Option<String>,
    pub payload: Vec<u8>,
}

/// What came to a client.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    pub rtp: Vec<ReceivedRtp>,
    /// (media ssrc, sequence numbers)
    pub nacks: Vec<(u32, Vec<u16>)>,
    pub keyframe_requests: Vec<u32>,
    pub sender_reports: Vec<(Time, u32, rtcp::SenderInfo)>,
    pub feedback_packets: usize,
    pub report_blocks: Vec<rtcp::ReportBlock>,
    pub stun: usize,
    pub plain: Vec<Vec<u8>>,
    pub unreadable: usize,
}

pub(crate) struct Client {
    pub id: ParticipantId,
    pub path: Path,
    pub ufrag: String,
    pub sender: SrtpSender,
    pub receiver: SrtpReceiver,
    pub inbox: Inbox,
    pub transport_sequence_number: u16,
    /// Keeps its consent fresh.
    pub is_checking: bool,
    /// Per SSRC: the rollover counter of what it sends.
    numbers: HashMap<u32, SequenceUnwrapper>,
    transaction: u8,
}

/// To the engine, and back.
pub(crate) type BothWays = (Link<Vec<u8>>, Link<Vec<u8>>);

pub(crate) struct Harness {
    /// M-lines that have their grant.
    granted: HashSet<(ParticipantId, Tag)>,
    pub engine: Engine,
    pub now: Time,
    pub clients: Vec<Client>,
    pub events: VecDeque<Event>,
    /// Per client: its path to the engine, and back. Without one datagrams arrive at once.
    pub(crate) links: HashMap<usize, BothWays>,
    /// Over every datagram out of the engine, its time and its path.
    pub(crate) trace: DefaultHasher,
    /// Calls of `handle_timeout`.
    pub(crate) timeouts: u64,
    /// RTP datagrams handed to the engine.
    pub(crate) rtp_delivered: u64,
    /// Datagrams handed to the engine are copied here, if wanted.
    pub(crate) capture: Option<Vec<Vec<u8>>>,
    profiles: [SrtpProfile; 2],
    next_check: Time,
    /// Datagrams that went to no client.
    pub strays: Vec<(Path, Vec<u8>)>,
}

pub(crate) fn tag(text: &str) -> Tag {
    Tag::new(text.as_bytes()).expect("a token")
}

pub(crate) fn opus() -> CodecConfig {
    CodecConfig {
        payload_type: OPUS,
        codec: Codec::Opus,
        clock_rate: 48_000,
        rtx_payload_type: None,
        red_payload_type: None,
        format_key: String::new(),
        has_nack: false,
    }
}

pub(crate) fn vp8() -> CodecConfig {
    CodecConfig {
        payload_type: VP8,
        codec: Codec::Vp8,
        clock_rate: 90_000,
        rtx_payload_type: Some(VP8_RTX),
        red_payload_type: None,
        format_key: String::new(),
        has_nack: true,
    }
}

pub(crate) fn microphone() -> PublishConfig {
    PublishConfig {
        mid: tag("mic"),
        kind: Kind::Audio,
        codecs: vec![opus()],
        rids: vec![],
        ssrcs: vec![],
        extensions: IDS,
    }
}

pub(crate) fn camera(rids: &[&str]) -> PublishConfig {
    PublishConfig {
        mid: tag("cam"),
        kind: Kind::Video,
        codecs: vec![vp8()],
        rids: rids.iter().map(|rid| tag(rid)).collect(),
        ssrcs: vec![],
        extensions: IDS,
    }
}

/// Three audio m-lines a0–a2 and `video` video m-lines v0….
pub(crate) fn receive_lines(participant: u64, video: usize) -> Vec<SubscribeConfig> {
    let line = |mid: String, kind, ssrc: u32, codec: CodecConfig| SubscribeConfig {
        mid: tag(&mid),
        kind,
        ssrc,
        rtx_ssrc: codec.rtx_payload_type.map(|_| ssrc + 1),
        codecs: vec![codec],
        extensions: IDS,
    };
    let base = participant as u32 * 1_000;
    let audio = (0..3).map(|i| line(format!("a{i}"), Kind::Audio, base + 100 + 2 * i, opus()));
    let video =
        (0..video as u32).map(|i| line(format!("v{i}"), Kind::Video, base + 200 + 2 * i, vp8()));
    audio.chain(video).collect()
}

impl Harness {
    pub(crate) fn new() -> Self {
        let config = EngineConfig {
            seed: [7; 32],
            clock: NtpClock {
                ntp_at_zero: 4_000_000_000 << 32,
            },
            is_kep: false,
        };
        let mut harness = Self {
            granted: HashSet::new(),
            engine: Engine::new(&config),
            now: Time::from_millis(1_000),
            clients: Vec::new(),
            events: VecDeque::new(),
            links: HashMap::new(),
            trace: DefaultHasher::new(),
            timeouts: 0,
            rtp_delivered: 0,
            capture: None,
            profiles: [SrtpProfile::AeadAes128Gcm; 2],
            next_check: Time::ZERO,
            strays: Vec::new(),
        };
        harness.command(Command::AddRoom { room: ROOM });
        harness
    }

    /// Add a participant, its keys set, its ICE connected; returns its index.
    pub(crate) fn join(&mut self, published: Vec<PublishConfig>, video_lines: usize) -> usize {
        let index = self.add(published, video_lines);
        self.check(index, true);
        index
    }

    /// Add a participant that has keys but has not checked yet.
    pub(crate) fn add(&mut self, published: Vec<PublishConfig>, video_lines: usize) -> usize {
        let index = self.clients.len();
        let id = ParticipantId(index as u64 + 1);
        let ufrag = format!("uf{index:02}");
        self.command(Command::AddParticipant {
            room: ROOM,
            participant: id,
            ice_ufrag: ufrag.clone(),
            ice_pwd: PASSWORD.into(),
        });
        self.command(Command::SetRemoteIce {
            participant: id,
            remote_ufrag: "them".into(),
        });
        self.command(Command::SetMedia {
            participant: id,
            published,
            subscribed: receive_lines(id.0, video_lines),
        });
        let profile = self.profiles[index % 2];
        let key = |byte: u8| vec![byte ^ index as u8; 16];
        let salt = vec![
            3;
            if profile == SrtpProfile::AeadAes128Gcm {
                12
            } else {
                14
            }
        ];
        let keys = SrtpKeys {
            profile,
            local_key: key(1),
            local_salt: salt.clone(),
            remote_key: key(2),
            remote_salt: salt.clone(),
        };
        self.command(Command::SetSrtpKeys {
            participant: id,
            keys,
        });
        self.clients.push(Client {
            id,
            path: Path {
                socket: 0,
                local: None,
                remote: SocketAddr::from(([127, 0, 0, 1], 20_000 + index as u16)),
            },
            ufrag,
            sender: SrtpSender::new(profile, &key(2), &salt).expect("good key"),
            receiver: SrtpReceiver::new(profile, &key(1), &salt).expect("good key"),
            inbox: Inbox::default(),
            transport_sequence_number: 0,
            is_checking: true,
            numbers: HashMap::new(),
            transaction: 0,
        });
        index
    }

    /// Carry out a command that must be good. As the control plane does, grant each m-line that `SetMedia` adds.
    pub(crate) fn command(&mut self, command: Command) {
        let grants = match &command {
            Command::SetMedia {
                participant,
                published,
                ..
            } => self.new_grants(*participant, published),
            _ => Vec::new(),
        };
        self.engine
            .handle_command(self.now, command)
            .expect("a good command");
        self.drain();
        self.assert_consistent();
        for grant in grants {
            self.command(grant);
        }
    }

    fn new_grants(
        &mut self,
        participant: ParticipantId,
        published: &[PublishConfig],
    ) -> Vec<Command> {
        let mids: Vec<Tag> = published.iter().map(|config| config.mid).collect();
        self.granted
            .retain(|(owner, mid)| *owner != participant || mids.contains(mid));
        mids.into_iter()
            .filter(|mid| self.granted.insert((participant, *mid)))
            .map(|mid| Command::SetForwarding {
                participant,
                mid,
                is_allowed: true,
            })
            .collect()
    }

    /// Every client with an even index uses the first SRTP profile, every other the second.
    pub(crate) fn use_profiles(&mut self, profiles: [SrtpProfile; 2]) {
        self.profiles = profiles;
    }

    /// Put a path between a client and the engine, different seeds for both ways.
    pub(crate) fn set_links(&mut self, index: usize, up: LinkConfig, down: LinkConfig, seed: u64) {
        let seed = seed ^ (index as u64) << 8;
        self.links
            .insert(index, (Link::new(up, seed), Link::new(down, seed ^ 0x5555)));
    }

    /// The engine's tables agree with one another.
    pub(crate) fn assert_consistent(&self) {
        if let Err(message) = self.engine.check_invariants() {
            panic!("{message}");
        }
    }

    pub(crate) fn set_source(
        &mut self,
        viewer: usize,
        mid: &str,
        source: Option<(usize, &str)>,
        max_height: u16,
    ) {
        let source = source.map(|(publisher, mid)| (self.clients[publisher].id, tag(mid)));
        let participant = self.clients[viewer].id;
        self.command(Command::SetSource {
            participant,
            mid: tag(mid),
            source,
            max_height,
        });
    }

    /// A binding request from the client's current path.
    pub(crate) fn check(&mut self, index: usize, is_nominating: bool) {
        let client = &mut self.clients[index];
        client.transaction += 1;
        let username = format!("{}:them", client.ufrag);
        let request = OutgoingRequest {
            transaction_id: [client.transaction; 12],
            username: &username,
            password: PASSWORD.as_bytes(),
            priority: 1,
            tie_breaker: 9,
            is_nominating,
        };
        let mut datagram = Vec::new();
        stun::write_request(&mut datagram, &request);
        let path = client.path;
        self.deliver(path, datagram);
    }

    /// Send a datagram from `path`, over the client's link if it has one.
    pub(crate) fn deliver(&mut self, path: Path, datagram: Vec<u8>) {
        let index = self.client_at(path);
        if let Some((up, _)) = index.and_then(|index| self.links.get_mut(&index)) {
            up.send(self.now.as_nanos(), datagram);
            return;
        }
        self.hand_in(path, datagram);
    }

    fn hand_in(&mut self, path: Path, mut datagram: Vec<u8>) {
        let is_rtp = matches!(datagram.first(), Some(128..=191)) && !wire::rtp::is_rtcp(&datagram);
        self.rtp_delivered += u64::from(is_rtp);
        if let Some(capture) = self.capture.as_mut().filter(|_| is_rtp) {
            capture.push(datagram.clone());
        }
        self.engine.prefetch(&[Coming::new(path, &datagram)]);
        self.engine.handle_datagram(self.now, path, &mut datagram);
        self.drain();
    }

    /// Hand in a datagram and collect what comes of it, past any link.
    pub(crate) fn hand_in_quietly(&mut self, path: Path, datagram: &mut [u8]) {
        // Whatever comes, looking ahead does no harm.
        self.engine.prefetch(&[Coming::new(path, datagram)]);
        self.engine.handle_datagram(self.now, path, datagram);
        self.drain();
    }

    fn client_at(&self, path: Path) -> Option<usize> {
        let guess = usize::from(path.remote.port().wrapping_sub(20_000));
        if self
            .clients
            .get(guess)
            .is_some_and(|client| client.path == path)
        {
            return Some(guess);
        }
        self.clients.iter().position(|client| client.path == path)
    }

    /// What the links have for now.
    fn serve_links(&mut self) {
        let now = self.now.as_nanos();
        for index in 0..self.clients.len() {
            while let Some(datagram) = self.links.get_mut(&index).and_then(|(up, _)| up.poll(now)) {
                let path = self.clients[index].path;
                self.hand_in(path, datagram);
            }
            while let Some(datagram) = self
                .links
                .get_mut(&index)
                .and_then(|(_, down)| down.poll(now))
            {
                self.clients[index].receive(self.now, datagram);
            }
        }
    }

    fn next_delivery(&self) -> Time {
        self.links
            .values()
            .flat_map(|(up, down)| [up.next_timeout(), down.next_timeout()])
            .flatten()
            .min()
            .map_or(Time::NEVER, Time::from_nanos)
    }

    fn time_out(&mut self) {
        self.timeouts += 1;
        self.engine.handle_timeout(self.now);
        assert!(
            self.engine.next_timeout() > self.now,
            "served timers do not stay due"
        );
        self.drain();
    }

    /// Protect and send one RTP packet, with mid (and rid, level) extensions and a transport-wide number.
    pub(crate) fn send_rtp(&mut self, index: usize, packet: &Rtp<'_>) {
        let plain = packet.write(&mut self.clients[index].transport_sequence_number);
        self.send_plain_rtp(index, plain);
    }

    /// The packet as the client would send it, not sent.
    pub(crate) fn seal(&mut self, index: usize, packet: &Rtp<'_>) -> Vec<u8> {
        let plain = packet.write(&mut self.clients[index].transport_sequence_number);
        self.protect(index, plain)
    }

    pub(crate) fn send_plain_rtp(&mut self, index: usize, plain: Vec<u8>) {
        let path = self.clients[index].path;
        let datagram = self.protect(index, plain);
        self.deliver(path, datagram);
    }

    fn protect(&mut self, index: usize, mut plain: Vec<u8>) -> Vec<u8> {
        let header = RtpHeader::parse(&plain).expect("own packet");
        let client = &mut self.clients[index];
        let number = client
            .numbers
            .entry(header.ssrc)
            .or_default()
            .unwrap(header.sequence_number);
        // The unwrapper begins one cycle up; SRTP begins at rollover counter 0.
        let packet_index = number - (1 << 16);
        client
            .sender
            .protect_rtp(
                &mut plain,
                0,
                header.header_bytes,
                header.ssrc,
                packet_index,
            )
            .expect("protect");
        plain
    }

    pub(crate) fn send_rtcp(&mut self, index: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let mut compound = Vec::new();
        write(&mut compound);
        let client = &mut self.clients[index];
        client
            .sender
            .protect_rtcp(&mut compound, 0)
            .expect("protect");
        let path = client.path;
        self.deliver(path, compound);
    }

    /// Let time pass, serving timers on the way; clients keep their consent fresh.
    pub(crate) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let next = self
                .engine
                .next_timeout()
                .max(self.now)
                .min(self.next_check)
                .min(self.next_delivery());
            if next > end {
                break;
            }
            self.now = next;
            if next >= self.next_check {
                for index in 0..self.clients.len() {
                    if self.clients[index].is_checking {
                        self.check(index, true);
                    }
                }
                self.next_check = self.now + Duration::from_secs(4);
            }
            self.serve_links();
            if self.engine.next_timeout() <= self.now {
                self.time_out();
            }
        }
        self.now = end;
    }

    /// Let time pass with nobody checking.
    pub(crate) fn run_silently(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.engine.next_timeout() <= end {
            self.now = self.engine.next_timeout().max(self.now);
            self.time_out();
        }
        self.now = end;
    }

    pub(crate) fn drops(&self, reason: engine::DropReason) -> u64 {
        self.engine.statistics().drops[reason as usize]
    }

    /// Events so far, taken.
    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        self.events.drain(..).collect()
    }

    fn drain(&mut self) {
        let mut datagrams = Vec::new();
        for transmit in self.engine.transmits() {
            let mut rest = transmit.contents;
            for length in transmit.datagram_bytes {
                let (datagram, tail) = rest.split_at(usize::from(*length));
                datagrams.push((transmit.path, datagram.to_vec()));
                rest = tail;
            }
            assert!(rest.is_empty(), "datagram lengths must cover the contents");
        }
        self.engine.clear_transmits();
        for (path, datagram) in datagrams {
            (self.now, path, &datagram).hash(&mut self.trace);
            let Some(index) = self.client_at(path) else {
                self.strays.push((path, datagram));
                continue;
            };
            match self.links.get_mut(&index) {
                Some((_, down)) => down.send(self.now.as_nanos(), datagram),
                None => self.clients[index].receive(self.now, datagram),
            }
        }
        while let Some(event) = self.engine.poll_event() {
            self.events.push_back(event);
        }
    }
}

impl Client {
    fn receive(&mut self, now: Time, mut datagram: Vec<u8>) {
        match datagram[0] {
            0..=3 => self.inbox.stun += 1,
            128..=191 if wire::rtp::is_rtcp(&datagram) => self.receive_rtcp(now, &mut datagram),
            128..=191 => self.receive_rtp(now, &mut datagram),
            _ => self.inbox.plain.push(datagram),
        }
    }

    fn receive_rtp(&mut self, now: Time, datagram: &mut [u8]) {
        let header = RtpHeader::parse(datagram).expect("engine sends RTP that parses");
        let result = self.receiver.unprotect_rtp(
            datagram,
            header.header_bytes,
            header.ssrc,
            header.sequence_number,
        );
        let Ok(length) = result else {
            self.inbox.unreadable += 1;
            return;
        };
        let packet = &datagram[..length];
        let extensions = extensions::parse(packet, &header, &IDS);
        self.inbox.rtp.push(ReceivedRtp {
            at: now,
            header,
            mid: extensions
                .mid
                .map(|mid| String::from_utf8_lossy(mid).into_owned()),
            payload: packet[header.header_bytes..].to_vec(),
        });
    }

    fn receive_rtcp(&mut self, now: Time, datagram: &mut [u8]) {
        let Ok(length) = self.receiver.unprotect_rtcp(datagram) else {
            self.inbox.unreadable += 1;
            return;
        };
        for packet in rtcp::packets(&datagram[..length]) {
            match packet.expect("engine sends RTCP that parses") {
                RtcpPacket::Nack { media_ssrc, pairs } => {
                    self.inbox
                        .nacks
                        .push((media_ssrc, pairs.sequence_numbers().collect()));
                }
                RtcpPacket::PictureLossIndication { media_ssrc } => {
                    self.inbox.keyframe_requests.push(media_ssrc);
                }
                RtcpPacket::SenderReport { ssrc, info, .. } => {
                    self.inbox.sender_reports.push((now, ssrc, info));
                }
                RtcpPacket::ReceiverReport { blocks, .. } => {
                    self.inbox.report_blocks.extend(blocks);
                }
                RtcpPacket::TransportFeedback(_) => self.inbox.feedback_packets += 1,
                _ => {}
            }
        }
    }

    /// Packets received on one SSRC, in order of arrival.
    pub(crate) fn stream(&self, ssrc: u32) -> Vec<&ReceivedRtp> {
        self.inbox
            .rtp
            .iter()
            .filter(|packet| packet.header.ssrc == ssrc)
            .collect()
    }
}

/// A packet to publish.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rtp<'a> {
    pub ssrc: u32,
    pub sequence_number: u16,
    pub timestamp: u32,
    pub payload_type: u8,
    pub marker: bool,
    pub mid: &'a str,
    pub rid: Option<&'a str>,
    pub level: Option<AudioLevel>,
    pub payload: &'a [u8],
}

impl Rtp<'_> {
    fn write(&self, transport_sequence_number: &mut u16) -> Vec<u8> {
        let mut out = Vec::new();
        let header = OutgoingHeader {
            marker: self.marker,
            payload_type: self.payload_type,
            sequence_number: self.sequence_number,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        };
        header.write(&mut out, true, false);
        let mut writer = ExtensionWriter::new(&mut out, false);
        writer.push(1, self.mid.as_bytes());
        if let Some(rid) = self.rid {
            let id = if self.payload_type == VP8_RTX { 3 } else { 2 };
            writer.push(id, rid.as_bytes());
        }
        writer.push(5, &transport_sequence_number.to_be_bytes());
        *transport_sequence_number = transport_sequence_number.wrapping_add(1);
        if let Some(level) = self.level {
            writer.push(6, &[u8::from(level.is_voice) << 7 | level.minus_dbov]);
        }
        writer.finish();
        out.extend_from_slice(self.payload);
        out
    }
}

/// One VP8 frame of a camera encoding: `picture_id` 15 bits, one packet. Payload bytes tell publisher, encoding and frame.
pub(crate) fn vp8_payload(
    publisher: u8,
    encoding: u8,
    picture_id: u16,
    is_keyframe: bool,
    height: u16,
) -> Vec<u8> {
    // X=1 S=1; I=1 L=1; M=1 picture id; TL0PICIDX (RFC 7741 §4.2).
    let mut payload = vec![
        0x90,
        0xc0,
        0x80 | (picture_id >> 8) as u8,
        picture_id as u8,
        picture_id as u8,
    ];
    // Payload header: P bit is 0 on a key frame; then start code and dimensions (RFC 6386 §9.1).
    payload.push(u8::from(!is_keyframe));
    payload.extend_from_slice(&[0, 0]);
    if is_keyframe {
        payload.extend_from_slice(&[0x9d, 0x01, 0x2a]);
        payload.extend_from_slice(&(height * 16 / 9).to_le_bytes());
        payload.extend_from_slice(&height.to_le_bytes());
    }
    payload.extend_from_slice(&[publisher, encoding]);
    payload.extend_from_slice(&picture_id.to_be_bytes());
    payload.resize(200, 0x55);
    payload
}

/// A camera that sends up to three encodings at 25 frames a second.
pub(crate) struct Camera {
    pub client: usize,
    pub rids: Vec<&'static str>,
    pub frame: u16,
    pub ssrc_base: u32,
    pub sequence_base: u16,
}

pub(crate) const HEIGHTS: [u16; 3] = [180, 360, 720];

impl Camera {
    pub(crate) fn new(client: usize, rids: &[&'static str]) -> Self {
        Self {
            client,
            rids: rids.to_vec(),
            frame: 0,
            ssrc_base: 50_000 + client as u32 * 100,
            sequence_base: 65_500,
        }
    }

    pub(crate) fn ssrc(&self, encoding: usize) -> u32 {
        self.ssrc_base + encoding as u32
    }

    /// Send one frame on every encoding; a keyframe where asked or on the first frame.
    pub(crate) fn send_frame(&mut self, harness: &mut Harness, keyframes: &[usize]) {
        let count = self.rids.len().max(1);
        for encoding in 0..count {
            let is_keyframe = self.frame == 0 || keyframes.contains(&encoding);
            self.send_one(harness, encoding, is_keyframe);
        }
        self.frame += 1;
    }

    pub(crate) fn send_one(&self, harness: &mut Harness, encoding: usize, is_keyframe: bool) {
        let height = if self.rids.is_empty() {
            720
        } else {
            HEIGHTS[encoding]
        };
        let payload = vp8_payload(
            self.client as u8,
            encoding as u8,
            self.frame,
            is_keyframe,
            height,
        );
        harness.send_rtp(
            self.client,
            &Rtp {
                ssrc: self.ssrc(encoding),
                sequence_number: self.sequence_base.wrapping_add(self.frame),
                timestamp: 1_000_000 + u32::from(self.frame) * 3_600 + encoding as u32 * 77,
                payload_type: VP8,
                marker: true,
                mid: "cam",
                rid: self.rids.get(encoding).copied(),
                level: None,
                payload: &payload,
            },
        );
    }
}

/// Assert that what came on `ssrc` is one endless stream: sequence numbers step by one, timestamps never go back, picture ids
/// step by at most one.
pub(crate) fn assert_continuous(packets: &[&ReceivedRtp]) {
    for pair in packets.windows(2) {
        let (first, second) = (&pair[0].header, &pair[1].header);
        assert_eq!(
            second.sequence_number,
            first.sequence_number.wrapping_add(1),
            "sequence numbers step by one"
        );
        let step = second.timestamp.wrapping_sub(first.timestamp) as i32;
        assert!(step >= 0, "timestamps never go back: {step}");
    }
}
