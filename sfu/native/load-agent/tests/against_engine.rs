//! Participants of the agent around one engine, in virtual time, with real DTLS: each judges what the other lets through.
//! Faults are put on the way on purpose: the judge must name them.

use dimpl::{Config, Dtls, DtlsCertificate, Output};
use engine::command::SrtpKeys;
use engine::ids::{Kind, ParticipantId, RoomId};
use engine::media_config::{CodecConfig, PublishConfig, SubscribeConfig};
use engine::{Command, Engine, EngineConfig, Event, NtpClock, Path};
use load_agent::dtls::{DtlsIdentity, fingerprint};
use load_agent::media_loop::{Frame, LoopCodec, MediaLoop};
use load_agent::outbox::Outbox;
use load_agent::participant::{Participant, Shared};
use load_agent::protocol::{
    self, Connect, Extensions, ReceiveMedia, SendEncoding, SendMedia, SrtpOffer,
};
use load_agent::random::Random;
use load_agent::report::Report;
use load_agent::time::Time;
use load_agent::totals::Totals;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::codec::Codec;
use wire::extensions::{ExtensionIds, Tag};
use wire::srtp::SrtpProfile;

const ROOM: RoomId = RoomId(1);
const SERVER_PWD: &str = "0123456789abcdefghijklmn";
const START: Time = Time(1_000_000);
const STEP_MICROS: u64 = 1_000;
const IDS: ExtensionIds = ExtensionIds {
    mid: Some(1),
    rid: None,
    repaired_rid: None,
    absolute_send_time: Some(4),
    transport_sequence_number: Some(5),
    audio_level: Some(6),
    video_orientation: None,
    playout_delay: None,
    dependency_descriptor: None,
};
const AGENT_IDS: Extensions = Extensions {
    mid: Some(1),
    rid: None,
    repaired_rid: None,
    absolute_send_time: Some(4),
    transport_sequence_number: Some(5),
    audio_level: Some(6),
};

struct Peer {
    participant: Participant,
    server_dtls: Dtls,
    path: Path,
    events: Vec<protocol::Event>,
}

struct World {
    engine: Engine,
    now: Time,
    epoch: Instant,
    shared: Shared,
    certificate: DtlsCertificate,
    peers: Vec<Peer>,
    random: Random,
    /// Of 1000 RTP packets from the server, this many are lost.
    loss_per_mille: u64,
    /// Of who joins.
    srtp_offer: SrtpOffer,
}

fn tag(text: &str) -> Tag {
    Tag::new(text.as_bytes()).expect("a token")
}

fn codec(kind: Kind) -> Vec<CodecConfig> {
    let (payload_type, codec, clock_rate, rtx) = match kind {
        Kind::Audio => (111, Codec::Opus, 48_000, None),
        Kind::Video => (96, Codec::Vp8, 90_000, Some(97)),
    };
    vec![CodecConfig {
        payload_type,
        codec,
        clock_rate,
        rtx_payload_type: rtx,
        red_payload_type: None,
        format_key: String::new(),
        has_nack: kind == Kind::Video,
    }]
}

fn published(mid: &str, kind: Kind, ssrc: u32, rtx_ssrc: Option<u32>) -> PublishConfig {
    PublishConfig {
        mid: tag(mid),
        kind,
        codecs: codec(kind),
        rids: vec![],
        ssrcs: vec![(ssrc, rtx_ssrc)],
        extensions: IDS,
    }
}

fn subscribed(mid: &str, kind: Kind, ssrc: u32, rtx_ssrc: Option<u32>) -> SubscribeConfig {
    SubscribeConfig {
        mid: tag(mid),
        kind,
        ssrc,
        rtx_ssrc,
        codecs: codec(kind),
        extensions: IDS,
    }
}

fn sent(mid: &str, kind: protocol::Kind, ssrc: u32, rtx_ssrc: Option<u32>) -> SendMedia {
    let is_audio = kind == protocol::Kind::Audio;
    let media = if is_audio { "voice" } else { "video" };
    SendMedia {
        mid: mid.into(),
        kind,
        source: None,
        red_payload_type: None,
        payload_type: if is_audio { 111 } else { 96 },
        rtx_payload_type: rtx_ssrc.map(|_| 97),
        extensions: AGENT_IDS,
        encodings: vec![SendEncoding {
            rid: None,
            ssrc,
            rtx_ssrc,
            media: media.into(),
        }],
        is_active: true,
        minus_dbov: None,
    }
}

fn received(mid: &str, kind: protocol::Kind, ssrc: u32, rtx_ssrc: Option<u32>) -> ReceiveMedia {
    ReceiveMedia {
        mid: mid.into(),
        kind,
        ssrc,
        rtx_ssrc,
        h264_payload_types: vec![],
        red_payload_type: None,
        has_nack: rtx_ssrc.is_some(),
        extensions: AGENT_IDS,
    }
}

fn loops() -> HashMap<String, Arc<MediaLoop>> {
    let picture = |is_keyframe: bool, size: usize| {
        let mut data = vec![
            u8::from(!is_keyframe),
            0,
            0,
            0x9d,
            0x01,
            0x2a,
            0x80,
            0x02,
            0x68,
            0x01,
        ];
        data.resize(size, 0x5a);
        Frame {
            is_keyframe,
            minus_dbov: 127,
            data,
            rest_ms: 0,
            parts: vec![],
        }
    };
    let mut pictures = vec![picture(true, 6_000)];
    pictures.extend((0..59).map(|_| picture(false, 2_000)));
    let voice = Frame {
        is_keyframe: true,
        minus_dbov: 30,
        data: vec![0x78; 60],
        rest_ms: 0,
        parts: vec![],
    };
    let video = MediaLoop {
        codec: LoopCodec::Vp8,
        interval_micros: 50_000,
        height: 360,
        frames: pictures,
    };
    let audio = MediaLoop {
        codec: LoopCodec::Opus,
        interval_micros: 20_000,
        height: 0,
        frames: vec![voice],
    };
    HashMap::from([
        ("video".into(), Arc::new(video)),
        ("voice".into(), Arc::new(audio)),
    ])
}

impl World {
    fn new() -> Self {
        let epoch = Instant::now();
        let config = EngineConfig {
            seed: [7; 32],
            clock: NtpClock {
                ntp_at_zero: 4_000_000_000 << 32,
            },
            is_kep: false,
        };
        let mut engine = Engine::new(&config);
        let now = engine_time(START);
        engine
            .handle_command(now, Command::AddRoom { room: ROOM })
            .expect("a new room");
        let made =
            rcgen::generate_simple_self_signed(vec!["server".into()]).expect("a certificate");
        let identity = DtlsIdentity::generate((epoch, START)).expect("a certificate");
        Self {
            engine,
            now: START,
            epoch,
            shared: Shared {
                identity: Arc::new(identity),
                loops: loops(),
                ntp_at_zero: 4_000_000_000 << 32,
            },
            certificate: DtlsCertificate {
                certificate: made.cert.der().to_vec(),
                private_key: made.signing_key.serialize_der(),
            },
            peers: Vec::new(),
            random: Random::new(5),
            loss_per_mille: 0,
            srtp_offer: SrtpOffer::All,
        }
    }

    fn command(&mut self, command: Command) {
        let now = engine_time(self.now);
        self.engine
            .handle_command(now, command)
            .expect("a good command");
    }

    /// Add a participant that publishes and receives one track of each kind; `room` is what its marks say.
    fn join(&mut self, room: u32, server_fingerprint: Option<&str>) -> usize {
        let index = self.peers.len();
        let id = index as u32 + 1;
        let (participant, base) = (ParticipantId(id.into()), id * 100);
        let mut client = Participant::new(id, room, 1000 + u64::from(id), self.srtp_offer);
        let ice_ufrag = format!("user{id}");
        self.command(Command::AddParticipant {
            room: ROOM,
            participant,
            ice_ufrag: ice_ufrag.clone(),
            ice_pwd: SERVER_PWD.into(),
        });
        self.command(Command::SetRemoteIce {
            participant,
            remote_ufrag: client.local_ice().ufrag.clone(),
        });
        self.command(Command::SetMedia {
            participant,
            published: vec![
                published("mic", Kind::Audio, base + 1, None),
                published("cam", Kind::Video, base + 2, Some(base + 3)),
            ],
            subscribed: vec![
                subscribed("a0", Kind::Audio, base + 4, None),
                subscribed("a1", Kind::Audio, base + 7, None),
                subscribed("a2", Kind::Audio, base + 8, None),
                subscribed("v0", Kind::Video, base + 5, Some(base + 6)),
            ],
        });
        for mid in ["mic", "cam"] {
            self.command(Command::SetForwarding {
                participant,
                mid: tag(mid),
                is_allowed: true,
            });
        }
        let right = fingerprint(&self.certificate.certificate);
        let connect = Connect {
            id,
            ice_ufrag,
            ice_pwd: SERVER_PWD.into(),
            fingerprint: server_fingerprint.map_or(right, str::to_owned),
            candidates: vec![SocketAddr::from(([127, 0, 0, 1], 7882))],
            send: vec![
                sent("mic", protocol::Kind::Audio, base + 1, None),
                sent("cam", protocol::Kind::Video, base + 2, Some(base + 3)),
            ],
            receive: vec![
                received("a0", protocol::Kind::Audio, base + 4, None),
                received("a1", protocol::Kind::Audio, base + 7, None),
                received("a2", protocol::Kind::Audio, base + 8, None),
                received("v0", protocol::Kind::Video, base + 5, Some(base + 6)),
            ],
        };
        client
            .handle_connect(self.now, connect, &self.shared)
            .expect("a good answer");
        let config = Arc::new(Config::default());
        let server_dtls = Dtls::new_12(config, self.certificate.clone(), self.instant());
        self.peers.push(Peer {
            participant: client,
            server_dtls,
            path: Path {
                socket: 0,
                local: None,
                remote: SocketAddr::from(([127, 0, 0, 1], 20_000 + index as u16)),
            },
            events: Vec::new(),
        });
        index
    }

    fn watch(&mut self, viewer: usize, publisher: usize) {
        self.command(Command::SetSource {
            participant: ParticipantId(viewer as u64 + 1),
            mid: tag("v0"),
            source: Some((ParticipantId(publisher as u64 + 1), tag("cam"))),
            max_height: 720,
        });
    }

    fn instant(&self) -> Instant {
        self.epoch + Duration::from_micros(self.now.since(START))
    }

    fn run(&mut self, seconds: u64) {
        let end = self.now.after(seconds * 1_000_000);
        while self.now < end {
            self.now = self.now.after(STEP_MICROS);
            for index in 0..self.peers.len() {
                let mut outbox = Outbox::default();
                let peer = &mut self.peers[index];
                if peer
                    .participant
                    .next_timeout()
                    .is_some_and(|due| due <= self.now)
                {
                    peer.participant
                        .handle_timeout(self.now, &self.shared, &mut outbox);
                }
                self.give_engine(index, &outbox);
            }
            self.engine.handle_timeout(engine_time(self.now));
            self.settle_engine();
        }
    }

    fn give_engine(&mut self, index: usize, outbox: &Outbox) {
        let path = self.peers[index].path;
        for datagram in outbox.datagrams() {
            let mut datagram = datagram.to_vec();
            let now = engine_time(self.now);
            self.engine.handle_datagram(now, path, &mut datagram);
        }
        let peer = &mut self.peers[index];
        peer.events.append(&mut peer.participant.events);
    }

    /// Carry what the engine wants sent, and its handshakes, until it wants nothing more.
    fn settle_engine(&mut self) {
        loop {
            let mut datagrams = Vec::new();
            for transmit in self.engine.transmits() {
                let mut rest = transmit.contents;
                for length in transmit.datagram_bytes {
                    let (datagram, tail) = rest.split_at(usize::from(*length));
                    datagrams.push((transmit.path, datagram.to_vec()));
                    rest = tail;
                }
            }
            self.engine.clear_transmits();
            let mut is_quiet = datagrams.is_empty();
            for (path, datagram) in datagrams {
                self.give_client(path, datagram);
            }
            while let Some(event) = self.engine.poll_event() {
                if let Event::Dtls {
                    participant,
                    datagram,
                } = event
                {
                    is_quiet = false;
                    self.shake_hands(participant, &datagram);
                }
            }
            if is_quiet {
                return;
            }
        }
    }

    fn give_client(&mut self, path: Path, mut datagram: Vec<u8>) {
        let is_rtp = datagram[0] >= 128 && !wire::rtp::is_rtcp(&datagram);
        if is_rtp && self.random.next() % 1000 < self.loss_per_mille {
            return;
        }
        let Some(index) = self.peers.iter().position(|peer| peer.path == path) else {
            panic!("a datagram to a stranger");
        };
        let mut outbox = Outbox::default();
        let (now, peer) = (self.now, &mut self.peers[index]);
        peer.participant
            .handle_datagram(now, now, &mut datagram, &mut outbox);
        peer.events.append(&mut peer.participant.events);
        self.give_engine(index, &outbox);
    }

    fn shake_hands(&mut self, participant: ParticipantId, datagram: &[u8]) {
        let instant = self.instant();
        let peer = &mut self.peers[participant.0 as usize - 1];
        // An alert ends the server's side; what matters is what the client says.
        let _ = peer.server_dtls.handle_timeout(instant);
        let _ = peer.server_dtls.handle_packet(datagram);
        let mut buffer = [0; 2048];
        let mut commands = Vec::new();
        loop {
            match peer.server_dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => commands.push(Command::SendDtls {
                    participant,
                    datagram: packet.to_vec(),
                }),
                Output::KeyingMaterial(material, profile) => {
                    let profile = match profile {
                        dimpl::SrtpProfile::AEAD_AES_256_GCM => SrtpProfile::AeadAes256Gcm,
                        dimpl::SrtpProfile::AEAD_AES_128_GCM => SrtpProfile::AeadAes128Gcm,
                        _ => SrtpProfile::Aes128CmSha1_80,
                    };
                    let (key_bytes, salt_bytes) = profile.key_and_salt_bytes();
                    let (keys, salts) = material.split_at(2 * key_bytes);
                    commands.push(Command::SetSrtpKeys {
                        participant,
                        keys: SrtpKeys {
                            profile,
                            remote_key: keys[..key_bytes].to_vec(),
                            local_key: keys[key_bytes..].to_vec(),
                            remote_salt: salts[..salt_bytes].to_vec(),
                            local_salt: salts[salt_bytes..2 * salt_bytes].to_vec(),
                        },
                    });
                }
                Output::Timeout(_) => break,
                _ => {}
            }
        }
        for command in commands {
            self.command(command);
        }
    }

    fn totals(&self, index: usize) -> Totals {
        self.peers[index].participant.sum()
    }
}

fn report(world: &mut World, index: usize) -> Report {
    let now = world.now;
    world.peers[index].participant.report(now)
}

fn engine_time(time: Time) -> engine::Time {
    engine::Time::from_millis(time.0 / 1_000)
}

fn call(rooms: [u32; 2], loss_per_mille: u64) -> World {
    let mut world = World::new();
    world.loss_per_mille = loss_per_mille;
    world.join(rooms[0], None);
    world.join(rooms[1], None);
    world.watch(0, 1);
    world.watch(1, 0);
    world.run(6);
    world
}

#[test]
fn two_participants_hear_and_see_each_other_without_a_fault() {
    let mut world = call([1, 1], 0);

    for index in 0..2 {
        let report = report(&mut world, index);
        let totals = report.totals;
        assert!(report.is_connected);
        assert!(totals.frames > 5 * (50 + 20), "{}", totals.frames);
        assert_eq!(
            totals.frames_missing + totals.frames_duplicate + totals.packets_lost,
            0
        );
        assert_eq!(
            totals.frames_unmarked + totals.frames_wrong_source + totals.unreadable,
            0
        );
        assert_eq!(
            (totals.freezes, totals.decoder_breaks, totals.nacks_sent),
            (0, 0, 0)
        );
        assert!(totals.feedback_received > 20);
        let other = 2 - index as u32;
        // Two of the three audio lines are for voices that nobody has, or for one's own.
        let heard = report.lines.iter().filter_map(|line| line.publisher);
        assert_eq!(heard.collect::<Vec<_>>(), [other, other]);
    }
}

#[test]
fn either_srtp_profile_can_be_offered_alone_and_media_flows_under_it() {
    for (offer, name) in [
        (SrtpOffer::AeadAes128Gcm, "aead_aes_128_gcm"),
        (SrtpOffer::Aes128CmSha1_80, "aes128_cm_sha1_80"),
    ] {
        let mut world = World::new();
        world.srtp_offer = offer;
        world.join(1, None);
        world.join(1, None);
        world.watch(0, 1);
        world.run(2);

        let is_chosen = |event: &protocol::Event| matches!(event, protocol::Event::Connected { profile, .. } if *profile == name);
        assert!(world.peers[0].events.iter().any(is_chosen), "{name}");
        let totals = world.totals(0);
        assert!(totals.frames > 100 && totals.unreadable == 0, "{name}");
    }
}

#[test]
fn a_server_with_another_certificate_gets_no_media_whichever_profile_is_offered() {
    for offer in [SrtpOffer::All, SrtpOffer::Aes128CmSha1_80] {
        let mut world = World::new();
        world.srtp_offer = offer;
        let wrong = ["AB"; 32].join(":");
        world.join(1, Some(&wrong));
        world.run(2);

        let is_failed = |event: &protocol::Event| matches!(event, protocol::Event::Failed { reason, .. } if reason.contains("certificate"));
        assert!(world.peers[0].events.iter().any(is_failed));
        assert_eq!(world.totals(0).packets_sent, 0);
    }
}

#[test]
fn another_source_than_wished_for_and_a_source_that_ends_are_named() {
    let mut world = World::new();
    for _ in 0..3 {
        world.join(1, None);
    }
    world.watch(0, 2);
    let expect = |world: &mut World, publisher: u32| {
        let wished = protocol::ExpectVideo {
            mid: "v0".into(),
            publisher: Some(publisher),
            source: protocol::Source::Camera,
            height: Some(360),
            is_muted: false,
        };
        let expect = protocol::Expect {
            id: 1,
            video: vec![wished],
            audio: Some(vec![2, 3]),
        };
        let now = world.now;
        world.peers[0].participant.handle_expect(now, expect);
    };
    expect(&mut world, 3);
    world.run(6);
    let before = world.totals(0);
    assert_eq!((before.frames_unwished, before.silences), (0, 0));
    assert_eq!((before.frames_above_wish, before.frames_below_wish), (0, 0));

    world.watch(0, 1);
    world.run(6);
    let swapped = world.totals(0);
    assert!(swapped.frames_unwished > 80, "{}", swapped.frames_unwished);
    assert_eq!((swapped.frames_wrong_source, swapped.silences), (0, 1));
    let is_named = |event: &protocol::Event| {
        matches!(
            event,
            protocol::Event::WrongSource {
                reason: protocol::WrongSource::Unwished,
                publisher: 2,
                ..
            }
        )
    };
    assert!(world.peers[0].events.iter().any(is_named));

    let now = world.now;
    world.peers[2].participant.handle_publish(now, "mic", false);
    world.run(4);
    let report = report(&mut world, 0);
    assert_eq!(report.unheard, [3]);
}

#[test]
fn lost_pictures_are_asked_for_and_repaired_lost_sound_is_counted() {
    let mut world = call([1, 1], 50);

    for index in 0..2 {
        let lines = report(&mut world, index).lines;
        let (pictures, sound) = lines.split_last().expect("four lines");
        let (pictures, sound) = (&pictures.totals, sound.iter().map(|line| &line.totals));
        assert!(sound.clone().map(|line| line.frames_missing).sum::<u64>() > 3);
        assert_eq!(sound.map(|line| line.packets_repaired).sum::<u64>(), 0);
        assert!(pictures.packets_repaired > 3 && pictures.nacks_sent >= pictures.packets_repaired);
        assert_eq!(pictures.frames_missing, 0);
    }
}

#[test]
fn marks_of_another_room_are_a_security_failure_at_once() {
    let world = call([1, 2], 0);

    let totals = world.totals(0);
    assert!(totals.frames_wrong_source > 100);
    let is_told = |event: &protocol::Event| {
        matches!(
            event,
            protocol::Event::WrongSource {
                room: 2,
                publisher: 2,
                ..
            }
        )
    };
    assert!(world.peers[0].events.iter().any(is_told));
}
