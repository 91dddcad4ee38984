//! The engine's state and its entrances. What each entrance does is told by its module: `stun_server`, `media` (RTP in),
//! `fan_out` (RTP out), `feedback` (RTCP in), `reports` and `service` (timers), `control` (commands), `selection` (who carries what). The
//! whole path of a packet: `docs/packet-path.md`.

use crate::command::{Command, CommandError};
use crate::drop_reason::DropReason;
use crate::event::Event;
use crate::fan_out::Run;
use crate::ids::{ParticipantId, ParticipantKey, RoomKey};
use crate::keyed_hash::HashSecret;
use crate::participant::Participants;
use crate::room::Rooms;
use crate::statistics::{Counters, Gauges, Statistics};
use crate::time::{NtpClock, Time};
use crate::timer_queue::TimerQueue;
use crate::track_table::TrackTable;
use crate::transport::BufferPool;
use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};

/// What an engine is made with.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Source of SSRCs of our own, initial sequence numbers and timestamps.
    pub seed: [u8; 32],
    /// Ties `Time` to NTP.
    pub clock: NtpClock,
    /// Caches bounded to 1 s of audio and 2 s of video, zeroed on release.
    pub is_kep: bool,
}

/// Between which address of ours and which remote address a datagram goes: an ICE pair's two ends (RFC 8445 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    /// Index of the local socket.
    pub socket: u8,
    /// Which of the machine's addresses it came to, and answers leave from; `None` for a socket bound to one address, which
    /// needs no telling. Unmapped as `remote`.
    pub local: Option<IpAddr>,
    /// The other end. IPv4-mapped IPv6 addresses are unmapped by the shell.
    pub remote: SocketAddr,
}

impl Hash for Path {
    /// In few words: it is hashed for every packet.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (remote, is_remote_v6) = bits_of(self.remote.ip());
        let (local, is_local_v6) = self.local.map_or((0, false), bits_of);
        let flags = u64::from(is_remote_v6) | u64::from(is_local_v6) << 1;
        state.write_u64(u64::from(self.remote.port()) | u64::from(self.socket) << 16 | flags << 24);
        state.write_u128(remote);
        state.write_u128(local);
    }
}

fn bits_of(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), false),
        IpAddr::V6(address) => (u128::from(address), true),
    }
}

/// Datagrams for one path, back to back.
#[derive(Debug, Clone, Copy)]
pub struct Transmit<'a> {
    /// Where to.
    pub path: Path,
    /// The datagrams' bytes.
    pub contents: &'a [u8],
    /// Length of each datagram in order; their sum is `contents.len()`. Runs of equal lengths (the last of a run may be
    /// shorter) can leave as one GSO message.
    pub datagram_bytes: &'a [u16],
}

impl<'a> Transmit<'a> {
    /// Each datagram by itself.
    pub fn datagrams(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.contents;
        self.datagram_bytes.iter().map(move |length| {
            let (datagram, tail) = rest.split_at(usize::from(*length));
            rest = tail;
            datagram
        })
    }
}

/// The engine. See the calling invariant in the crate's documentation.
pub struct Engine {
    pub(crate) clock: NtpClock,
    pub(crate) is_kep: bool,
    pub(crate) random: Random,
    pub(crate) rooms: Rooms,
    pub(crate) participants: Participants,
    pub(crate) tracks: TrackTable,
    pub(crate) routes: Routes,
    pub(crate) timers: TimerQueue<Owner>,
    pub(crate) outgoing: Outgoing,
    pub(crate) events: VecDeque<Event>,
    pub(crate) counters: Counters,
    pub(crate) drops: [u64; DropReason::ALL.len()],
    pub(crate) scratch: Scratch,
    pub(crate) run: Run,
}

/// Whose timer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    Participant(ParticipantKey),
    Feedback(ParticipantKey),
    Room(RoomKey),
}

/// Which transport a datagram belongs to. Holds validated tuples and known ufrags only.
pub(crate) struct Routes {
    pub(crate) by_path: HashMap<Path, ParticipantKey, HashSecret>,
    pub(crate) by_ufrag: HashMap<String, ParticipantKey>,
}

/// What is to be sent before the engine sleeps again.
#[derive(Default)]
pub(crate) struct Outgoing {
    pub(crate) dirty: Vec<ParticipantKey>,
    pub(crate) pool: BufferPool,
    /// Answers that go where the question came from, not over a selected pair.
    pub(crate) answers: Vec<Answer>,
    pub(crate) answer_bytes: Vec<u8>,
}

/// One datagram in `Outgoing::answer_bytes`.
pub(crate) struct Answer {
    pub(crate) path: Path,
    pub(crate) start: usize,
    pub(crate) length: [u16; 1],
}

/// Reused lists, so that the packet path allocates nothing.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) started: Vec<crate::track_table::Listener>,
    pub(crate) numbers: Vec<u16>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) blocks: Vec<wire::rtcp::ReportBlock>,
}

/// LIMIT: events that wait; past that the oldest are lost and counted. The shell drains them every turn.
const MAX_EVENTS: usize = 65_536;

impl Engine {
    /// An engine without rooms.
    pub fn new(config: &EngineConfig) -> Self {
        let mut random = Random::new(config.seed);
        let secret = HashSecret::new(random.next(), random.next());
        Self {
            clock: config.clock,
            is_kep: config.is_kep,
            random,
            rooms: Rooms::default(),
            participants: Participants::default(),
            tracks: TrackTable::default(),
            routes: Routes {
                by_path: HashMap::with_hasher(secret),
                by_ufrag: HashMap::new(),
            },
            timers: TimerQueue::new(),
            outgoing: Outgoing::default(),
            events: VecDeque::new(),
            counters: Counters::default(),
            drops: [0; DropReason::ALL.len()],
            scratch: Scratch::default(),
            run: Run::default(),
        }
    }

    /// Take one datagram. Decrypts in place: the buffer's contents are spent. Never fails: what is wrong is counted.
    pub fn handle_datagram(&mut self, now: Time, path: Path, datagram: &mut [u8]) {
        self.finish_run_before(&path, datagram);
        self.counters.packets_received += 1;
        self.counters.bytes_received += datagram.len() as u64;
        // RFC 7983 §7: the first byte tells the protocol.
        let result = match datagram.first() {
            Some(0..=3) => self.handle_stun(now, path, datagram),
            Some(20..=63) => self.handle_dtls(now, path, datagram),
            Some(128..=191) if wire::rtp::is_rtcp(datagram) => {
                self.handle_rtcp(now, path, datagram)
            }
            Some(128..=191) => self.handle_rtp(now, path, datagram),
            _ => Err(DropReason::UnknownProtocol),
        };
        if let Err(reason) = result {
            self.count_drop(reason);
        }
    }

    /// Carry out a command.
    ///
    /// # Errors
    /// `CommandError` names what is wrong; nothing was changed then.
    pub fn handle_command(&mut self, now: Time, command: Command) -> Result<(), CommandError> {
        self.finish_run();
        self.apply_command(now, command)
    }

    /// Do what is due at `now`. Calling early is harmless.
    pub fn handle_timeout(&mut self, now: Time) {
        self.finish_run();
        while let Some(owner) = self.timers.pop_due(now) {
            match owner {
                Owner::Participant(key) => self.service_participant(now, key),
                Owner::Feedback(key) => self.service_feedback(now, key),
                Owner::Room(room) => self.service_room(now, room),
            }
        }
    }

    /// When `handle_timeout` is next due; `Time::NEVER` if nothing waits.
    pub fn next_timeout(&self) -> Time {
        self.timers.next()
    }

    /// What is to be sent now, grouped by path. Valid until the next mutation; call `clear_transmits` when sent.
    pub fn transmits(&mut self) -> impl Iterator<Item = Transmit<'_>> {
        self.finish_run();
        let answers = self.outgoing.answers.iter().map(|answer| Transmit {
            path: answer.path,
            contents: &self.outgoing.answer_bytes[answer.start..][..usize::from(answer.length[0])],
            datagram_bytes: &answer.length,
        });
        let bursts = self.outgoing.dirty.iter().filter_map(|key| {
            let participant = self.participants.get(*key)?;
            participant.transport.output.transmit()
        });
        answers.chain(bursts)
    }

    /// Forget what `transmits` gave and give the buffers back.
    pub fn clear_transmits(&mut self) {
        self.finish_run();
        for answer in self.outgoing.answers.drain(..) {
            self.counters.packets_sent += 1;
            self.counters.bytes_sent += u64::from(answer.length[0]);
        }
        self.outgoing.answer_bytes.clear();
        for key in self.outgoing.dirty.drain(..) {
            let Some(participant) = self.participants.get_mut(key) else {
                continue;
            };
            let output = &mut participant.transport.output;
            if let Some(transmit) = output.transmit() {
                self.counters.packets_sent += transmit.datagram_bytes.len() as u64;
                self.counters.bytes_sent += transmit.contents.len() as u64;
            }
            let (forwarded, retransmitted) = output.clear(&mut self.outgoing.pool);
            self.counters.rtp_packets_forwarded += forwarded;
            self.counters.retransmissions_sent += retransmitted;
        }
    }

    /// The next event, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.finish_run();
        self.events.pop_front()
    }

    /// All statistics at this instant.
    pub fn statistics(&self) -> Statistics {
        let (mut receive_streams, mut cached_bytes) = (0, 0);
        for entry in self.tracks.iter() {
            for encoding in 0..entry.track.encoding_count() {
                cached_bytes += entry
                    .track
                    .cache(encoding)
                    .map_or(0, |cache| cache.bytes() as u64);
            }
        }
        let (mut transports_connected, mut send_streams) = (0, 0);
        for participant in self.participants.iter() {
            transports_connected += u64::from(participant.transport.is_ready());
            send_streams += participant.subscribed.len() as u64;
            receive_streams += participant.ssrcs.iter().count() as u64;
        }
        Statistics {
            counters: self.counters,
            drops: self.drops,
            gauges: Gauges {
                rooms: self.rooms.len() as u64,
                participants: self.participants.len() as u64,
                transports_connected,
                send_streams,
                receive_streams,
                cached_bytes,
            },
        }
    }

    /// What the participant says it can be sent at most, in bit/s (REMB); `None` if it said nothing lately.
    pub fn reported_ceiling_bps(&self, now: Time, participant: ParticipantId) -> Option<u64> {
        let participant = self.participants.get(self.participants.key(participant)?)?;
        participant.transport.ceiling.bitrate_bps(now)
    }

    pub(crate) fn count_drop(&mut self, reason: DropReason) {
        self.drops[reason as usize] += 1;
    }

    pub(crate) fn push_event(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
            self.counters.events_lost += 1;
        }
        self.events.push_back(event);
    }

    /// Open the participant's output for a burst; false if it is not connected or its bound is reached.
    pub(crate) fn open_output(&mut self, now: Time, key: ParticipantKey) -> bool {
        open_output(&mut self.participants, &mut self.outgoing, now, key).is_ok()
    }
}

/// As the method, over just the fields it needs, for callers that hold the others.
pub(crate) fn open_output(
    participants: &mut Participants,
    outgoing: &mut Outgoing,
    now: Time,
    key: ParticipantKey,
) -> Result<(), DropReason> {
    let participant = participants.get_mut(key).ok_or(DropReason::NotConnected)?;
    if !participant.transport.open_output(now) {
        return Err(DropReason::NotConnected);
    }
    outgoing.list(participant, key)
}

impl Outgoing {
    /// Give the participant buffers and list it for sending.
    pub(crate) fn list(
        &mut self,
        participant: &mut crate::participant::Participant,
        key: ParticipantKey,
    ) -> Result<(), DropReason> {
        let output = &mut participant.transport.output;
        if !output.has_room() {
            return Err(DropReason::OutputFull);
        }
        if !output.is_listed {
            output.is_listed = true;
            output.take_buffers(&mut self.pool);
            self.dirty.push(key);
        }
        Ok(())
    }

    /// Queue one datagram to where a question came from.
    pub(crate) fn answer(&mut self, path: Path, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.answer_bytes.len();
        write(&mut self.answer_bytes);
        let length = (self.answer_bytes.len() - start) as u16;
        self.answers.push(Answer {
            path,
            start,
            length: [length],
        });
    }
}

/// `SplitMix64` over the seed: SSRCs and first sequence numbers need to be unpredictable to outsiders only as far as RFC 3550
/// §5.1 asks; keys and passwords never come from here.
pub(crate) struct Random {
    state: u64,
}

impl Random {
    fn new(seed: [u8; 32]) -> Self {
        let state = seed.chunks_exact(8).fold(0, |state: u64, chunk| {
            state.rotate_left(17) ^ u64::from_le_bytes(chunk.try_into().unwrap_or_default())
        });
        Self { state }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
