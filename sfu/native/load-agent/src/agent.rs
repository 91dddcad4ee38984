//! The shell: sockets, clock, standard input and output around [`Participant`]s. Decides nothing about media.

use crate::dtls::DtlsIdentity;
use crate::emulation::Emulation;
use crate::lateness::Lateness;
use crate::media_loop::MediaLoop;
use crate::outbox::Outbox;
use crate::participant::{Participant, Shared};
use crate::protocol::{Command, Event, LinkSpec, SrtpOffer, Statistics};
use crate::random::Random;
use crate::system::{self, Epoll, Receiver, Sender};
use crate::time::{SECOND, Time};
use crate::totals::Totals;
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
    network: Emulation,
    /// As the kernel counts them.
    overflows: u32,
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
    lateness: Lateness,
    next_statistics: Time,
    /// Totals and time of the statistics before.
    previous: (Totals, Time),
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
            lateness: Lateness::default(),
            next_statistics: now.after(SECOND),
            previous: (Totals::default(), now),
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
            Command::Add {
                id,
                room,
                seed,
                srtp,
                up,
                down,
            } => {
                let seed = seed.unwrap_or_else(|| self.random.next());
                let network = Emulation::new(seed, &up, &down);
                let added = network.and_then(|network| self.add((id, room), seed, srtp, network));
                // The driver waits for news of the participant.
                if let Err(reason) = added {
                    self.tell(Event::Failed { id, reason });
                }
            }
            Command::Connect(connect) => {
                let id = connect.id;
                let member = self.members.get_mut(&id).ok_or_else(|| unknown(id))?;
                let participant = &mut member.participant;
                let result = participant.handle_connect(now, connect, &self.shared);
                self.settle_or_fail(id, result);
            }
            Command::Renegotiate { id, send, receive } => {
                let member = self.members.get_mut(&id).ok_or_else(|| unknown(id))?;
                let participant = &mut member.participant;
                let result = participant.handle_renegotiate(now, &send, receive, &self.shared);
                self.settle_or_fail(id, result);
            }
            Command::Expect(expect) => {
                let id = expect.id;
                let member = self.members.get_mut(&id).ok_or_else(|| unknown(id))?;
                (member.participant).handle_expect(now, expect, &self.shared);
            }
            Command::Link { id, up, down } => self
                .set_link(id, &up, &down)
                .map_err(|error| format!("participant {id}: {error}"))?,
            Command::Publish { id, mid, is_active } => {
                let participant = &mut self.member(id)?.participant;
                if !participant.handle_publish(now, &mid, is_active) {
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

    fn member(&mut self, id: u32) -> Result<&mut Member, String> {
        self.members.get_mut(&id).ok_or_else(|| unknown(id))
    }

    fn set_link(&mut self, id: u32, up: &LinkSpec, down: &LinkSpec) -> Result<(), String> {
        self.member(id)?.network.set(up, down)?;
        self.settle(id);
        Ok(())
    }

    /// A failure is fatal for this participant, and the driver waits for news of it.
    fn settle_or_fail(&mut self, id: u32, result: Result<(), String>) {
        if let Err(reason) = result {
            self.tell(Event::Failed { id, reason });
        }
        self.settle(id);
    }

    fn add(
        &mut self,
        (id, room): (u32, u32),
        seed: u64,
        srtp: SrtpOffer,
        network: Emulation,
    ) -> Result<(), String> {
        if self.members.contains_key(&id) {
            return Err("is there already".to_owned());
        }
        let (socket, address) = self.open_socket(id).map_err(|error| error.to_string())?;
        let participant = Participant::new(id, room, seed, srtp);
        let local = participant.local_ice();
        self.tell(Event::Ready {
            id,
            ice_ufrag: local.ufrag.clone(),
            ice_pwd: local.password.clone(),
            fingerprint: self.shared.identity.fingerprint.clone(),
            address,
        });
        let member = Member {
            participant,
            network,
            overflows: 0,
            socket,
            connected_to: None,
            scheduled: None,
        };
        self.members.insert(id, member);
        Ok(())
    }

    fn open_socket(&self, id: u32) -> io::Result<(UdpSocket, SocketAddr)> {
        let socket = UdpSocket::bind((self.address, 0))?;
        socket.set_nonblocking(true)?;
        system::prepare_socket(socket.as_fd(), RECEIVE_BUFFER_BYTES)?;
        self.epoll.add(socket.as_fd(), id.into())?;
        let address = socket.local_addr()?;
        Ok((socket, address))
    }

    fn report(&mut self, now: Time, resets: bool) {
        let mut participants: Vec<_> = self
            .members
            .values_mut()
            .map(|member| member.participant.report(now))
            .collect();
        participants.sort_unstable_by_key(|report| report.id);
        let statistics = self.statistics(now);
        self.tell(Event::Report {
            participants,
            statistics: Box::new(statistics),
        });
        if resets {
            for member in self.members.values_mut() {
                member.participant.reset();
            }
            self.departed = Totals::default();
            self.lateness.reset();
            self.previous = (Totals::default(), now);
        }
    }

    /// `interval` and what goes with it are the caller's.
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
            interval: Totals::default(),
            interval_us: 0,
            send_lateness: self.lateness.send.clone(),
            receive_lateness: self.lateness.receive.clone(),
            timer_lateness: self.lateness.timer.clone(),
            interval_lateness_us: [0; 3],
            cpu_us: system::cpu_micros(),
        }
    }

    fn tell_statistics(&mut self, now: Time) {
        let mut statistics = self.statistics(now);
        let previous = std::mem::replace(&mut self.previous, (statistics.totals.clone(), now));
        statistics.interval = statistics.totals.since(&previous.0);
        statistics.interval_us = now.since(previous.1);
        statistics.interval_lateness_us = self.lateness.take_worst();
        self.tell(Event::Statistics(Box::new(statistics)));
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
                let Member {
                    participant,
                    network,
                    overflows,
                    ..
                } = member;
                let (outbox, lateness) = (&mut self.outbox, &mut self.lateness);
                self.receiver.for_each(index, |received| {
                    let arrival = (received.realtime_micros).map_or(now, |micros| {
                        Time(micros.saturating_sub(realtime_offset)).min(now)
                    });
                    lateness.record_receive(now.since(arrival));
                    if let Some(total) = received.overflows {
                        let more = total.wrapping_sub(std::mem::replace(overflows, total));
                        participant.totals_mut().receive_overflows += u64::from(more);
                    }
                    if !network.receive(arrival, received.bytes) {
                        participant.handle_datagram(now, arrival, received.bytes, outbox);
                    }
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
            self.lateness.record_timer(now.since(due));
            let (participant, outbox) = (&mut member.participant, &mut self.outbox);
            participant.handle_timeout(now, &self.shared, outbox);
            self.settle(id);
        }
        if turn >= self.next_statistics {
            self.next_statistics = turn.after(SECOND);
            self.tell_statistics(turn);
        }
    }

    /// After a participant did anything: send, tell, and set its timer.
    fn settle(&mut self, id: u32) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        let now = system::monotonic();
        let Member {
            participant,
            network,
            ..
        } = member;
        while let Some((arrival, mut datagram)) = network.poll_down(now) {
            participant.handle_datagram(now, arrival, &mut datagram, &mut self.outbox);
        }
        network.send(now, &mut self.outbox);
        let totals = participant.totals_mut();
        totals.emulated_losses += network.take_losses();
        if !self.outbox.is_empty() {
            let remote = participant.remote_address();
            if remote != member.connected_to {
                member.connected_to = remote.filter(|remote| member.socket.connect(remote).is_ok());
            }
            let failures = self.sender.send(member.socket.as_fd(), &self.outbox);
            participant.totals_mut().send_failures += failures as u64;
            self.outbox.clear();
        }
        for lateness in participant.send_lateness.drain(..) {
            self.lateness.record_send(lateness);
        }
        for event in member.participant.events.drain(..) {
            // The reader of events ends with the process.
            let _ = self.events.send(event);
        }
        let timeouts = [
            member.participant.next_timeout(),
            member.network.next_timeout(),
        ];
        let next = timeouts.into_iter().flatten().min();
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
