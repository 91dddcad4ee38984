//! One engine, its control plane and the agent's participants, joined by paths without delay.

use crate::media::{self, tag};
use dimpl::{Config, Dtls, DtlsCertificate, Output};
use engine::command::SrtpKeys;
use engine::ids::{ParticipantId, RoomId};
use engine::{Command, Engine, EngineConfig, Event, NtpClock, Path};
use load_agent::dtls::{DtlsIdentity, fingerprint};
use load_agent::media_loop::MediaLoop;
use load_agent::outbox::Outbox;
use load_agent::participant::{Participant, Shared};
use load_agent::protocol::{self, Connect, SrtpOffer};
use load_agent::random::Random;
use load_agent::report::Report;
use load_agent::time::Time;
use load_agent::totals::Totals;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::srtp::SrtpProfile;

const ROOM: RoomId = RoomId(1);
const SERVER_PWD: &str = "0123456789abcdefghijklmn";
const START: Time = Time(1_000_000);
const STEP_MICROS: u64 = 1_000;

pub(crate) struct Peer {
    pub(crate) participant: Participant,
    server_dtls: Dtls,
    path: Path,
    pub(crate) events: Vec<protocol::Event>,
}

pub(crate) struct World {
    engine: Engine,
    pub(crate) now: Time,
    epoch: Instant,
    shared: Shared,
    certificate: DtlsCertificate,
    pub(crate) peers: Vec<Peer>,
    random: Random,
    /// Of 1000 RTP packets from the server, this many are lost.
    loss_per_mille: u64,
    /// Of who joins.
    pub(crate) srtp_offer: SrtpOffer,
}

impl World {
    pub(crate) fn new() -> Self {
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
                loops: media::loops(),
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
    pub(crate) fn join(&mut self, room: u32, server_fingerprint: Option<&str>) -> usize {
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
            published: media::published(base),
            subscribed: media::subscribed(base),
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
            send: media::sent(base),
            receive: media::received(base),
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

    /// What a participant ought to see and hear from now on.
    pub(crate) fn expect(&mut self, index: usize, expect: protocol::Expect) {
        let participant = &mut self.peers[index].participant;
        participant.handle_expect(self.now, expect, &self.shared);
    }

    /// Have a voice among the loops that pauses so long.
    pub(crate) fn load_pausing_voice(&mut self, longest_pause_ms: u16) {
        let voice = MediaLoop {
            longest_pause_ms,
            ..MediaLoop::clone(&self.shared.loops["voice"])
        };
        (self.shared.loops).insert("pausing".into(), Arc::new(voice));
    }

    pub(crate) fn watch(&mut self, viewer: usize, publisher: usize) {
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

    pub(crate) fn run(&mut self, seconds: u64) {
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
                for datagram in transmit.datagrams() {
                    datagrams.push((transmit.path, datagram.to_vec()));
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
                    commands.push(Command::SetSrtpKeys {
                        participant,
                        keys: server_keys(&material, profile),
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

    pub(crate) fn totals(&self, index: usize) -> Totals {
        self.peers[index].participant.sum()
    }

    pub(crate) fn report(&mut self, index: usize) -> Report {
        self.peers[index].participant.report(self.now)
    }
}

/// RFC 5764 §4.2: the client's key, the server's, the client's salt, the server's.
fn server_keys(material: &[u8], profile: dimpl::SrtpProfile) -> SrtpKeys {
    let profile = match profile {
        dimpl::SrtpProfile::AEAD_AES_256_GCM => SrtpProfile::AeadAes256Gcm,
        dimpl::SrtpProfile::AEAD_AES_128_GCM => SrtpProfile::AeadAes128Gcm,
        _ => SrtpProfile::Aes128CmSha1_80,
    };
    let (key_bytes, salt_bytes) = profile.key_and_salt_bytes();
    let (keys, salts) = material.split_at(2 * key_bytes);
    SrtpKeys {
        profile,
        remote_key: keys[..key_bytes].to_vec(),
        local_key: keys[key_bytes..].to_vec(),
        remote_salt: salts[..salt_bytes].to_vec(),
        local_salt: salts[salt_bytes..2 * salt_bytes].to_vec(),
    }
}

fn engine_time(time: Time) -> engine::Time {
    engine::Time::from_millis(time.0 / 1_000)
}

/// Two participants whose marks name `rooms`, for six seconds.
pub(crate) fn call(rooms: [u32; 2], loss_per_mille: u64) -> World {
    let mut world = World::new();
    world.loss_per_mille = loss_per_mille;
    world.join(rooms[0], None);
    world.join(rooms[1], None);
    world.watch(0, 1);
    world.watch(1, 0);
    world.run(6);
    world
}
