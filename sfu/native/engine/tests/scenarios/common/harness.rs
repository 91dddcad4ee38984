//! Who is in the room and what the control plane told the engine of them, in virtual time.

use super::{Client, camera, receive_lines, tag};
use engine::ids::{Kind, ParticipantId, RoomId};
use engine::media_config::{CodecConfig, PublishConfig};
use engine::{Command, Engine, EngineConfig, Event, NtpClock, Path, Time};
use netem::Link;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::DefaultHasher;
use std::time::Duration;
use wire::extensions::Tag;
use wire::srtp::SrtpProfile;

pub(crate) const ROOM: RoomId = RoomId(1);
pub(crate) const PASSWORD: &str = "0123456789abcdefghijklmn";
pub(crate) const SECOND: Duration = Duration::from_secs(1);

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
    /// Lengths of the datagrams that left together.
    pub(crate) bursts: Vec<Vec<u16>>,
    pub(super) is_in_batch: bool,
    /// Nothing is handed in as a batch.
    pub(crate) is_one_by_one: bool,
    profiles: [SrtpProfile; 2],
    next_check: Time,
    /// Datagrams that went to no client.
    pub strays: Vec<(Path, Vec<u8>)>,
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
            bursts: Vec::new(),
            is_in_batch: false,
            is_one_by_one: false,
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
        self.check(index);
        index
    }

    /// Join with a camera, or to watch one on v0, in another codec than VP8.
    pub(crate) fn join_in(&mut self, codec: &CodecConfig, is_publisher: bool) -> usize {
        let index = self.join(vec![], 0);
        let participant = self.clients[index].id;
        let (mut published, mut subscribed) = (Vec::new(), Vec::new());
        if is_publisher {
            published.push(camera(&[]));
            published[0].codecs = vec![codec.clone()];
        } else {
            subscribed = receive_lines(participant.0, 1);
            let mut lines = subscribed.iter_mut();
            let video = lines.find(|line| line.kind == Kind::Video);
            video.expect("one").codecs = vec![codec.clone()];
        }
        self.command(Command::SetMedia {
            participant,
            published,
            subscribed,
        });
        index
    }

    /// Add a participant that has keys but has not checked yet.
    pub(crate) fn add(&mut self, published: Vec<PublishConfig>, video_lines: usize) -> usize {
        let index = self.clients.len();
        let (client, keys) = Client::new(index, self.profiles[index % 2]);
        let id = client.id;
        self.command(Command::AddParticipant {
            room: ROOM,
            participant: id,
            ice_ufrag: client.ufrag.clone(),
            ice_pwd: PASSWORD.into(),
        });
        self.command(Command::SetRemoteIce {
            participant: id,
            remote_ufrag: "them".into(),
        });
        self.clients.push(client);
        self.set_media(index, published, video_lines);
        self.command(Command::SetSrtpKeys {
            participant: id,
            keys,
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

    pub(crate) fn set_media(
        &mut self,
        index: usize,
        published: Vec<PublishConfig>,
        video_lines: usize,
    ) {
        let participant = self.clients[index].id;
        self.command(Command::SetMedia {
            participant,
            published,
            subscribed: receive_lines(participant.0, video_lines),
        });
    }

    pub(crate) fn set_forwarding(&mut self, index: usize, mid: &str, is_allowed: bool) {
        self.command(Command::SetForwarding {
            participant: self.clients[index].id,
            mid: tag(mid),
            is_allowed,
        });
    }

    pub(crate) fn remove(&mut self, index: usize) {
        self.clients[index].is_checking = false;
        self.command(Command::RemoveParticipant {
            participant: self.clients[index].id,
        });
    }

    /// Every client with an even index uses the first SRTP profile, every other the second.
    pub(crate) fn use_profiles(&mut self, profiles: [SrtpProfile; 2]) {
        self.profiles = profiles;
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
                        self.check(index);
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

    fn time_out(&mut self) {
        self.timeouts += 1;
        self.engine.handle_timeout(self.now);
        assert!(
            self.engine.next_timeout() > self.now,
            "served timers do not stay due"
        );
        self.drain();
    }

    pub(crate) fn drops(&self, reason: engine::DropReason) -> u64 {
        self.engine.statistics().drops[reason as usize]
    }

    /// Events so far, taken.
    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        self.events.drain(..).collect()
    }

    /// What a viewer's streams were switched to since the events were last taken.
    pub(crate) fn take_started_sources(
        &mut self,
        viewer: usize,
    ) -> Vec<Option<(ParticipantId, Tag)>> {
        let id = self.clients[viewer].id;
        self.take_events()
            .into_iter()
            .filter_map(|event| match event {
                Event::SourceStarted {
                    participant,
                    source,
                    ..
                } if participant == id => Some(source),
                _ => None,
            })
            .collect()
    }
}
