//! The shell: sockets, clock, standard input and output around [`Participant`]s. Decides nothing about media.

use crate::dtls::DtlsIdentity;
use crate::histogram::Histogram;
use crate::judge::Totals;
use crate::media_loop::MediaLoop;
use crate::outbox::Outbox;
use crate::participant::{Participant, Shared};
use crate::protocol::{Command, Event, Statistics};
use crate::random::Random;
use crate::system::{self, Epoll, Receiver, Sender};
use crate::time::{SECOND, Time};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Instant;

/// Token of the pipe that tells of commands.
const COMMANDS: u64 = u64::MAX;
/// Socket buffers: what a browser has.
const RECEIVE_BUFFER_BYTES: usize = 256 * 1024;
/// LIMIT: batches taken from one socket before others get their turn.
const MAX_BATCHES: usize = 4;
/// Seconds from 1900 to 1970 (RFC 868).
const NTP_OFFSET_S: u64 = 2_208_988_800;

struct Member {
    participant: Participant,
    socket: UdpSocket,
    connected_to: Option<SocketAddr>,
    /// When the timer queue has it.
    scheduled: Option<Time>,
}

/// All participants of the process.
pub struct Agent {
    shared: Shared,
    members: HashMap<u32, Member>,
    /// (when, who); entries that are not `Member::scheduled` any more are stale.
    timers: BinaryHeap<Reverse<(Time, u32)>>,
    epoll: Epoll,
    receiver: Receiver,
    sender: Sender,
    outbox: Outbox,
    random: Random,
    address: IpAddr,
    events: mpsc::Sender<Event>,
    /// Totals of those who left.
    departed: Totals,
    send_lateness: Histogram,
    receive_lateness: Histogram,
    next_statistics: Time,
    is_over: bool,
}

impl Agent {
    /// An agent whose sockets are bound to `address`, and which says what it has to say through `events`.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn new(address: IpAddr, events: mpsc::Sender<Event>) -> io::Result<Self> {
        system::raise_file_limit();
        let now = system::monotonic();
        let identity = DtlsIdentity::generate((Instant::now(), now)).map_err(io::Error::other)?;
        let mut seed = [0; 8];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut seed)?;
        let since_1970 = system::realtime_micros() - now.0;
        let fraction = (u128::from(since_1970 % SECOND) << 32) / u128::from(SECOND);
        Ok(Self {
            shared: Shared {
                identity: Arc::new(identity),
                loops: HashMap::new(),
                ntp_at_zero: ((since_1970 / SECOND + NTP_OFFSET_S) << 32) | fraction as u64,
            },
            members: HashMap::new(),
            timers: BinaryHeap::new(),
            epoll: Epoll::new()?,
            receiver: Receiver::default(),
            sender: Sender::default(),
            outbox: Outbox::default(),
            random: Random::new(u64::from_be_bytes(seed)),
            address,
            events,
            departed: Totals::default(),
            send_lateness: Histogram::default(),
            receive_lateness: Histogram::default(),
            next_statistics: now.after(SECOND),
            is_over: false,
        })
    }

    /// Work until `commands` ends. `wake` becomes readable whenever a command was added.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn run(
        &mut self,
        commands: &mpsc::Receiver<Command>,
        mut wake: UnixStream,
    ) -> io::Result<()> {
        wake.set_nonblocking(true)?;
        self.epoll.add(wake.as_fd(), COMMANDS)?;
        let mut ready = Vec::new();
        while !self.is_over {
            let wait = self.next_timeout().since(system::monotonic());
            self.epoll.wait(wait, &mut ready);
            let offset = system::realtime_micros().saturating_sub(system::monotonic().0);
            for token in &ready {
                if *token == COMMANDS {
                    // However many bytes: one look at the queue serves them all.
                    let mut bytes = [0; 256];
                    self.is_over |= matches!(wake.read(&mut bytes), Ok(0));
                    self.handle_commands(commands);
                } else {
                    self.handle_readable(*token as u32, offset);
                }
            }
            self.handle_timers();
        }
        Ok(())
    }

    fn next_timeout(&self) -> Time {
        let timer = self.timers.peek().map(|Reverse((time, _))| *time);
        timer.map_or(self.next_statistics, |time| time.min(self.next_statistics))
    }

    // ---- commands

    fn handle_commands(&mut self, commands: &mpsc::Receiver<Command>) {
        while let Ok(command) = commands.try_recv() {
            if let Err(reason) = self.handle_command(command) {
                self.tell(Event::Refused { reason });
            }
        }
    }

    fn handle_command(&mut self, command: Command) -> Result<(), String> {
        let now = system::monotonic();
        match command {
            Command::Load { name, path } => {
                let media = MediaLoop::read(Path::new(&path))
                    .map_err(|error| format!("{path}: {error}"))?;
                self.shared.loops.insert(name, Arc::new(media));
            }
            Command::Add { id, room } => self
                .add(id, room)
                .map_err(|error| format!("participant {id}: {error}"))?,
            Command::Connect(connect) => {
                let id = connect.id;
                let member = self.members.get_mut(&id).ok_or_else(|| unknown(id))?;
                let result = member
                    .participant
                    .handle_connect(now, connect, &self.shared);
                // Fatal for this participant, and the driver waits for news of it.
                if let Err(reason) = result {
                    self.tell(Event::Failed { id, reason });
                }
                self.settle(id);
            }
            Command::Publish { id, mid, is_active } => {
                let member = self.members.get_mut(&id).ok_or_else(|| unknown(id))?;
                if !member.participant.handle_publish(now, &mid, is_active) {
                    return Err(format!("participant {id}: sends nothing on {mid}"));
                }
                self.settle(id);
            }
            Command::Remove { id } => {
                let mut member = self.members.remove(&id).ok_or_else(|| unknown(id))?;
                member.participant.handle_remove(&mut self.outbox);
                self.sender.send(member.socket.as_fd(), &self.outbox);
                self.outbox.clear();
                self.departed.merge(&member.participant.sum());
            }
            Command::Report { resets } => self.report(now, resets),
        }
        Ok(())
    }

    fn add(&mut self, id: u32, room: u32) -> io::Result<()> {
        if self.members.contains_key(&id) {
            return Err(io::Error::other("is there already"));
        }
        let socket = UdpSocket::bind((self.address, 0))?;
        socket.set_nonblocking(true)?;
        system::prepare_socket(socket.as_fd(), RECEIVE_BUFFER_BYTES)?;
        self.epoll.add(socket.as_fd(), id.into())?;
        let participant = Participant::new(id, room, self.random.next());
        let local = participant.local_ice();
        self.tell(Event::Ready {
            id,
            ice_ufrag: local.ufrag.clone(),
            ice_pwd: local.password.clone(),
            fingerprint: self.shared.identity.fingerprint.clone(),
            address: socket.local_addr()?,
        });
        let member = Member {
            participant,
            socket,
            connected_to: None,
            scheduled: None,
        };
        self.members.insert(id, member);
        Ok(())
    }

    fn report(&mut self, now: Time, resets: bool) {
        let mut participants: Vec<_> = self
            .members
            .values()
            .map(|member| member.participant.report())
            .collect();
        participants.sort_unstable_by_key(|report| report.id);
        let statistics = self.statistics(now);
        self.tell(Event::Report {
            participants,
            statistics,
        });
        if resets {
            for member in self.members.values_mut() {
                member.participant.reset();
            }
            self.departed = Totals::default();
            self.send_lateness = Histogram::default();
            self.receive_lateness = Histogram::default();
        }
    }

    fn statistics(&self, now: Time) -> Statistics {
        let mut totals = self.departed.clone();
        for member in self.members.values() {
            totals.merge(&member.participant.sum());
        }
        let is_connected = |member: &&Member| member.participant.is_connected();
        Statistics {
            at_us: now.0,
            participants: self.members.len(),
            connected: self.members.values().filter(is_connected).count(),
            totals,
            send_lateness: self.send_lateness.clone(),
            receive_lateness: self.receive_lateness.clone(),
            cpu_us: system::cpu_micros(),
        }
    }

    // ---- participants

    fn handle_readable(&mut self, id: u32, realtime_offset: u64) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        for _ in 0..MAX_BATCHES {
            let count = self.receiver.receive(member.socket.as_fd());
            let now = system::monotonic();
            for index in 0..count {
                let (participant, outbox) = (&mut member.participant, &mut self.outbox);
                let lateness = &mut self.receive_lateness;
                self.receiver.for_each(index, |received| {
                    let arrival = (received.realtime_micros).map_or(now, |micros| {
                        Time(micros.saturating_sub(realtime_offset)).min(now)
                    });
                    lateness.record(now.since(arrival));
                    participant.handle_datagram(now, arrival, received.bytes, outbox);
                });
            }
            if count == 0 {
                break;
            }
        }
        self.settle(id);
    }

    fn handle_timers(&mut self) {
        let turn = system::monotonic();
        while let Some(Reverse((due, id))) = self.timers.peek().copied() {
            if due > turn {
                break;
            }
            self.timers.pop();
            let Some(member) = self.members.get_mut(&id) else {
                continue;
            };
            if member.scheduled != Some(due) {
                continue;
            }
            member.scheduled = None;
            // Read again for each: marks tell when their packets leave, not when the turn began.
            let now = system::monotonic();
            member
                .participant
                .handle_timeout(now, &self.shared, &mut self.outbox);
            self.settle(id);
        }
        if turn >= self.next_statistics {
            self.next_statistics = turn.after(SECOND);
            let statistics = self.statistics(turn);
            self.tell(Event::Statistics(statistics));
        }
    }

    /// After a participant did anything: send, tell, and set its timer.
    fn settle(&mut self, id: u32) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        if !self.outbox.is_empty() {
            let remote = member.participant.remote_address();
            if remote != member.connected_to {
                member.connected_to = remote.filter(|remote| member.socket.connect(remote).is_ok());
            }
            let failures = self.sender.send(member.socket.as_fd(), &self.outbox);
            member.participant.handle_send_failures(failures);
            self.outbox.clear();
        }
        let lateness = std::mem::take(&mut member.participant.send_lateness);
        self.send_lateness.merge(&lateness);
        for event in member.participant.events.drain(..) {
            // The reader of events ends with the process.
            let _ = self.events.send(event);
        }
        let next = member.participant.next_timeout();
        if let Some(next) =
            next.filter(|next| member.scheduled.is_none_or(|scheduled| *next < scheduled))
        {
            member.scheduled = Some(next);
            self.timers.push(Reverse((next, id)));
        }
    }

    fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }
}

/// The address to bind to, of the family and reach of where the server is.
pub const fn unspecified(is_ipv6: bool) -> IpAddr {
    if is_ipv6 {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    } else {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    }
}

fn unknown(id: u32) -> String {
    format!("participant {id}: there is no such one")
}
