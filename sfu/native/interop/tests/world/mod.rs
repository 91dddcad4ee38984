//! str0m clients around one engine, in virtual time: str0m's ICE agent, DTLS and SRTP on their side, the engine's ICE and SRTP
//! and dimpl's DTLS on ours. Nothing of the engine's own test clients is used.
#![allow(dead_code)] // each test file uses its own part

use dimpl::certificate::generate_self_signed_certificate;
use dimpl::{Config, Dtls};
use engine::command::SrtpKeys;
use engine::ids::{Kind, ParticipantId, RoomId};
use engine::media_config::{CodecConfig, PublishConfig, SubscribeConfig};
use engine::{Command, Engine, EngineConfig, Event, NtpClock, Path, Time};
use netem::{Link, LinkConfig};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use str0m::config::Fingerprint;
use str0m::ice::IceCreds;
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Input, Output, Rtc, RtcConfig};
use wire::codec::Codec;
use wire::extensions::{ExtensionIds, Tag};
use wire::srtp::SrtpProfile;

pub const ROOM: RoomId = RoomId(1);
pub const VP8: u8 = 96;
pub const OPUS: u8 = 111;
const PASSWORD: &str = "0123456789abcdefghijklmn";

/// What `str0m::rtp::ExtensionMap::standard` maps.
const IDS: ExtensionIds = ExtensionIds {
    mid: Some(4),
    rid: Some(10),
    repaired_rid: Some(11),
    absolute_send_time: Some(2),
    transport_sequence_number: Some(3),
    audio_level: Some(1),
    video_orientation: Some(13),
    playout_delay: None,
    dependency_descriptor: None,
};

pub fn tag(text: &str) -> Tag {
    Tag::new(text.as_bytes()).expect("a token")
}

fn codec(kind: Kind) -> CodecConfig {
    let is_video = kind == Kind::Video;
    CodecConfig {
        payload_type: if is_video { VP8 } else { OPUS },
        codec: if is_video { Codec::Vp8 } else { Codec::Opus },
        clock_rate: if is_video { 90_000 } else { 48_000 },
        rtx_payload_type: is_video.then_some(97),
        red_payload_type: None,
        format_key: String::new(),
        has_nack: is_video,
    }
}

pub fn published(mid: &str, kind: Kind, rids: &[&str]) -> PublishConfig {
    PublishConfig {
        mid: tag(mid),
        kind,
        codecs: vec![codec(kind)],
        rids: rids.iter().map(|rid| tag(rid)).collect(),
        ssrcs: vec![],
        extensions: IDS,
    }
}

pub fn subscribed(mid: &str, kind: Kind, ssrc: u32) -> SubscribeConfig {
    SubscribeConfig {
        mid: tag(mid),
        kind,
        ssrc,
        rtx_ssrc: (kind == Kind::Video).then_some(ssrc + 1),
        codecs: vec![codec(kind)],
        extensions: IDS,
    }
}

/// One client, and the server's end of its handshake.
pub struct Peer {
    pub id: ParticipantId,
    pub rtc: Rtc,
    pub address: SocketAddr,
    pub events: VecDeque<str0m::Event>,
    pub has_keys: bool,
    pub profile: Option<dimpl::SrtpProfile>,
    dtls: Dtls,
    up: Link<Vec<u8>>,
    down: Link<Vec<u8>>,
}

pub struct World {
    pub engine: Engine,
    pub peers: Vec<Peer>,
    pub now: Instant,
    pub events: Vec<Event>,
    start: Instant,
    server: SocketAddr,
}

impl World {
    pub fn new() -> Self {
        let start = Instant::now();
        let mut engine = Engine::new(&EngineConfig {
            seed: [3; 32],
            clock: NtpClock {
                ntp_at_zero: 4_000_000_000 << 32,
            },
            is_kep: false,
        });
        engine
            .handle_command(Time::ZERO, Command::AddRoom { room: ROOM })
            .expect("a new room");
        Self {
            engine,
            peers: Vec::new(),
            now: start,
            events: Vec::new(),
            start,
            server: ([192, 0, 2, 1], 3_478).into(),
        }
    }

    pub fn time(&self) -> Time {
        Time::from_millis(1_000) + self.now.duration_since(self.start)
    }

    pub fn command(&mut self, command: Command) {
        let now = self.time();
        self.engine.handle_command(now, command).expect("good");
    }

    /// A client with these m-lines. `declare` tells str0m of them.
    pub fn join(
        &mut self,
        config: RtcConfig,
        published: Vec<PublishConfig>,
        subscribed: Vec<SubscribeConfig>,
        declare: impl FnOnce(&mut Rtc),
    ) -> usize {
        let index = self.peers.len();
        let id = ParticipantId(index as u64 + 1);
        let address: SocketAddr = ([192, 0, 2, 10 + index as u8], 5_000).into();
        let ufrag = format!("server{index}");
        let mut rtc = config.build(self.now);
        let certificate = generate_self_signed_certificate().expect("a certificate");
        let fingerprint = Fingerprint {
            hash_func: "sha-256".into(),
            bytes: certificate.fingerprint(),
        };
        rtc.add_local_candidate(Candidate::host(address, "udp").expect("an address"));
        rtc.add_remote_candidate(Candidate::host(self.server, "udp").expect("an address"));
        let mut direct = rtc.direct_api();
        let remote_ufrag = direct.local_ice_credentials().ufrag;
        direct.set_remote_ice_credentials(IceCreds {
            ufrag: ufrag.clone(),
            pass: PASSWORD.into(),
        });
        direct.set_remote_fingerprint(fingerprint);
        direct.set_ice_controlling(true);
        direct.start_dtls(true).expect("not started before");
        direct.enable_twcc_feedback();
        declare(&mut rtc);
        self.command(Command::AddParticipant {
            room: ROOM,
            participant: id,
            ice_ufrag: ufrag,
            ice_pwd: PASSWORD.into(),
        });
        self.command(Command::SetRemoteIce {
            participant: id,
            remote_ufrag,
        });
        let mids: Vec<_> = published.iter().map(|config| config.mid).collect();
        self.command(Command::SetMedia {
            participant: id,
            published,
            subscribed,
        });
        for mid in mids {
            self.command(Command::SetForwarding {
                participant: id,
                mid,
                is_allowed: true,
            });
        }
        let config = Arc::new(Config::builder().build().expect("defaults are good"));
        self.peers.push(Peer {
            id,
            rtc,
            address,
            events: VecDeque::new(),
            has_keys: false,
            profile: None,
            dtls: Dtls::new_auto(config, certificate, self.now),
            up: Link::new(LinkConfig::default(), index as u64),
            down: Link::new(LinkConfig::default(), 100 + index as u64),
        });
        index
    }

    pub fn set_path(&mut self, index: usize, config: LinkConfig) {
        let peer = &mut self.peers[index];
        peer.up.set_config(config);
        peer.down.set_config(config);
    }

    /// Let time pass in steps of 2 ms.
    pub fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.now += Duration::from_millis(2);
            self.step();
        }
    }

    fn step(&mut self) {
        for index in 0..self.peers.len() {
            self.peers[index]
                .rtc
                .handle_input(Input::Timeout(self.now))
                .expect("str0m goes on");
            self.poll_client(index);
            self.deliver(index);
            self.poll_dtls(index);
        }
        let now = self.time();
        if self.engine.next_timeout() <= now {
            self.engine.handle_timeout(now);
        }
        self.drain();
    }

    fn nanos(&self) -> u64 {
        self.now.duration_since(self.start).as_nanos() as u64
    }

    fn poll_client(&mut self, index: usize) {
        let nanos = self.nanos();
        let peer = &mut self.peers[index];
        loop {
            match peer.rtc.poll_output().expect("str0m goes on") {
                Output::Timeout(_) => return,
                Output::Transmit(transmit) => peer.up.send(nanos, transmit.contents.to_vec()),
                Output::Event(event) => peer.events.push_back(event),
            }
        }
    }

    fn deliver(&mut self, index: usize) {
        let (now, nanos) = (self.time(), self.nanos());
        let path = Path {
            socket: 0,
            local: None,
            remote: self.peers[index].address,
        };
        while let Some(mut datagram) = self.peers[index].up.poll(nanos) {
            self.engine.handle_datagram(now, path, &mut datagram);
            self.drain();
        }
        while let Some(datagram) = self.peers[index].down.poll(nanos) {
            let peer = &mut self.peers[index];
            let receive = Receive {
                proto: Protocol::Udp,
                source: self.server,
                destination: peer.address,
                contents: datagram.as_slice().try_into().expect("a known protocol"),
            };
            peer.rtc
                .handle_input(Input::Receive(self.now, receive))
                .expect("str0m takes what the engine sends");
            self.poll_client(index);
        }
    }

    /// Send what the engine has, and feed handshakes.
    fn drain(&mut self) {
        let nanos = self.nanos();
        let mut sent = Vec::new();
        for transmit in self.engine.transmits() {
            for datagram in transmit.datagrams() {
                sent.push((transmit.path.remote, datagram.to_vec()));
            }
        }
        self.engine.clear_transmits();
        for (address, datagram) in sent {
            let peer = self.peers.iter_mut().find(|peer| peer.address == address);
            peer.expect("the engine answers clients only")
                .down
                .send(nanos, datagram);
        }
        while let Some(event) = self.engine.poll_event() {
            if let Event::Dtls {
                participant,
                datagram,
            } = &event
            {
                let index = participant.0 as usize - 1;
                self.peers[index]
                    .dtls
                    .handle_packet(datagram)
                    .expect("a good handshake");
                self.poll_dtls(index);
            }
            self.events.push(event);
        }
    }

    fn poll_dtls(&mut self, index: usize) {
        let now = self.now;
        let participant = self.peers[index].id;
        let dtls = &mut self.peers[index].dtls;
        dtls.handle_timeout(now).expect("a good handshake");
        let mut buffer = vec![0; 4_096];
        let mut commands = Vec::new();
        loop {
            match dtls.poll_output(&mut buffer) {
                dimpl::Output::Timeout(_) => break,
                dimpl::Output::Packet(datagram) => commands.push(Command::SendDtls {
                    participant,
                    datagram: datagram.to_vec(),
                }),
                dimpl::Output::KeyingMaterial(material, profile) => {
                    let keys = server_keys(&material, profile);
                    commands.push(Command::SetSrtpKeys { participant, keys });
                    self.peers[index].has_keys = true;
                    self.peers[index].profile = Some(profile);
                    return self.command_all(commands);
                }
                _ => {}
            }
        }
        self.command_all(commands);
    }

    fn command_all(&mut self, commands: Vec<Command>) {
        for command in commands {
            self.command(command);
        }
    }

    pub fn check(&self) {
        if let Err(message) = self.engine.check_invariants() {
            panic!("{message}");
        }
    }
}

/// RFC 5764 §4.2: client key, server key, client salt, server salt.
fn server_keys(material: &[u8], profile: dimpl::SrtpProfile) -> SrtpKeys {
    let (profile, key_bytes, salt_bytes) = match profile {
        dimpl::SrtpProfile::AEAD_AES_128_GCM => (SrtpProfile::AeadAes128Gcm, 16, 12),
        dimpl::SrtpProfile::AEAD_AES_256_GCM => (SrtpProfile::AeadAes256Gcm, 32, 12),
        dimpl::SrtpProfile::AES128_CM_SHA1_80 => (SrtpProfile::Aes128CmSha1_80, 16, 14),
        _ => panic!("a profile that nobody offered"),
    };
    let (keys, salts) = material.split_at(2 * key_bytes);
    SrtpKeys {
        profile,
        remote_key: keys[..key_bytes].to_vec(),
        local_key: keys[key_bytes..].to_vec(),
        remote_salt: salts[..salt_bytes].to_vec(),
        local_salt: salts[salt_bytes..2 * salt_bytes].to_vec(),
    }
}
