//! The engine's thread: one loop that owns the core, the sockets and the clock.
//!
//! A turn: sleep until input, a request or a timeout, in a steady flow by the clock (`gathering`); read at most one batch of
//! each socket, and another a moment later if a picture came in part; carry out at most [`MAX_REQUESTS_PER_TURN`] requests; do
//! what is due; flush. So no socket, and neither people nor packets, can starve the others.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use engine::{Coming, Command, CommandError, Event, Path, Time};

use crate::core::Core;
use crate::delay_histogram::DelayHistogram;
use crate::gathering::{Gathering, Wait};
use crate::promptness::Promptness;
use crate::sender::Sender;
use crate::signalled_queue::SignalledQueue;
use crate::snapshot::{ShellCounters, Snapshot};
use crate::socket::Socket;
use crate::system::{self, Poller};
use crate::udp_batch::{RECEIVE_BATCH, ReceiveArrays, Received};

/// LIMIT: datagrams handed in before what they caused is sent. A batch can be 2,048 datagrams when GRO joined them; half a
/// dozen video frames of one batch still leave in runs.
pub const FLUSH_AFTER_DATAGRAMS: u64 = 64;
/// LIMIT: commands and snapshots per turn.
pub const MAX_REQUESTS_PER_TURN: usize = 64;
const _: () = assert!(RECEIVE_BATCH <= engine::MAX_COMING);
/// One datagram in so many is timed.
const DELAY_SAMPLE_INTERVAL: u64 = 64;
/// A longer delay is a step of the wall clock, not a delay.
const MAX_CREDIBLE_DELAY: Duration = Duration::from_secs(10);

/// What the control plane hears.
#[derive(Debug, Clone, PartialEq)]
pub enum ShellEvent {
    /// From the engine.
    Engine(Event),
    /// A command that nobody waited for was refused.
    CommandFailed {
        /// The participant it was about.
        participant: u64,
        /// Why.
        error: CommandError,
    },
}

/// What the handle asks of the thread.
pub(crate) enum Request {
    /// Carry it out and answer.
    Command(Command, mpsc::SyncSender<Result<(), CommandError>>),
    /// Carry it out; a refusal becomes an event.
    Post(u64, Command),
    /// Copy all statistics.
    Snapshot(mpsc::SyncSender<Snapshot>),
    /// Say BYE in every room and end.
    Close,
}

/// What came of waiting.
struct Waited {
    /// The poller says which descriptors are ready; else all are to be tried.
    is_polled: bool,
    /// Others could run.
    has_slept: bool,
    /// How long the rest of what came in part is worth waiting for.
    rest_within: Duration,
}

impl Waited {
    const NOT: Self = Self {
        is_polled: false,
        has_slept: false,
        rest_within: Duration::ZERO,
    };
}

/// The thread's state.
pub(crate) struct EngineThread<C> {
    core: C,
    sockets: Vec<Socket>,
    requests: Arc<SignalledQueue<Request>>,
    events: Arc<SignalledQueue<ShellEvent>>,
    /// `Time::ZERO`.
    zero: Instant,
    poller: Poller,
    gathering: Gathering,
    promptness: Promptness,
    /// When the present turn's input was fetched.
    turn_start: Time,
    receiver: ReceiveArrays,
    sender: Sender,
    /// Reused.
    coming: Vec<Coming>,
    taken_requests: Vec<Request>,
    new_events: Vec<ShellEvent>,
    /// Rooms that were added, so that `Close` can remove them: removal is what says BYE.
    rooms: BTreeSet<engine::ids::RoomId>,
    counters: ShellCounters,
    datagrams_received: u64,
    datagrams_since_flush: u64,
    /// Kernel arrival (realtime) of the datagram being timed in this turn.
    sampled_arrival: Option<Duration>,
    forwarding_delay: DelayHistogram,
    is_closing: bool,
    /// Received datagrams, which the core decrypts in place, are overwritten once it is done with them.
    wipes_received: bool,
}

impl<C: Core> EngineThread<C> {
    pub(crate) fn new(
        core: C,
        zero: Instant,
        sockets: Vec<Socket>,
        (requests, events): (
            Arc<SignalledQueue<Request>>,
            Arc<SignalledQueue<ShellEvent>>,
        ),
        promptness: Promptness,
    ) -> Self {
        let descriptors = sockets.iter().map(AsFd::as_fd);
        let poller = Poller::new(descriptors.chain(std::iter::once(requests.as_fd())));
        Self {
            core,
            sockets,
            requests,
            events,
            zero,
            poller,
            gathering: Gathering::new(),
            promptness,
            turn_start: Time::ZERO,
            receiver: ReceiveArrays::new(),
            sender: Sender::new(),
            coming: Vec::new(),
            taken_requests: Vec::new(),
            new_events: Vec::new(),
            rooms: BTreeSet::new(),
            counters: ShellCounters::default(),
            datagrams_received: 0,
            datagrams_since_flush: 0,
            sampled_arrival: None,
            forwarding_delay: DelayHistogram::default(),
            is_closing: false,
            wipes_received: false,
        }
    }

    /// Leave nothing of what was received in the buffers, if `wipes`: else it stays there until another packet comes.
    pub(crate) fn wiping_received(mut self, wipes: bool) -> Self {
        self.wipes_received = wipes;
        self
    }

    /// Run until a `Close` request was carried out.
    pub(crate) fn run(mut self) {
        let _abort = AbortOnPanic;
        let mut is_more_waiting = false;
        while !self.is_closing {
            let waits_from = self.now();
            let Waited {
                is_polled,
                has_slept,
                rest_within,
            } = self.wait(waits_from, is_more_waiting);
            self.turn_start = self.now();
            if has_slept {
                (self.gathering).handle_sleep(self.turn_start.since(waits_from));
            }
            self.gathering.handle_turn(self.turn_start);
            if let Some(wanted) = self.promptness.handle_turn(self.turn_start, has_slept)
                && !system::set_scheduling(wanted)
            {
                self.promptness.handle_refusal();
            }
            self.counters.turns += 1;
            is_more_waiting = false;
            for socket in 0..self.sockets.len() {
                if !is_polled || self.poller.is_ready(socket) {
                    is_more_waiting |= self.receive(socket);
                }
            }
            if !is_more_waiting && !rest_within.is_zero() && self.core.expects_more() {
                std::thread::sleep(rest_within);
                self.gathering.handle_sleep(rest_within);
                for socket in 0..self.sockets.len() {
                    is_more_waiting |= self.receive(socket);
                }
            }
            if !is_polled || self.poller.is_ready(self.sockets.len()) {
                self.serve_requests();
            }
            let now = self.now();
            if self.core.next_timeout() <= now {
                self.core.handle_timeout(now);
            }
            self.flush();
        }
    }

    /// Sleep as long as is right.
    fn wait(&mut self, now: Time, is_more_waiting: bool) -> Waited {
        let gather = match self.gathering.next_wait(is_more_waiting) {
            Wait::Not => return Waited::NOT,
            Wait::ForTime(gather) => {
                // The time of serving counts: what came meanwhile has waited already.
                let left = gather.saturating_sub(now.since(self.turn_start));
                if !left.is_zero() {
                    std::thread::sleep(left);
                }
                return Waited {
                    has_slept: !left.is_zero(),
                    ..Waited::NOT
                };
            }
            Wait::ForInput(gather) => gather,
        };
        self.poller.wait(self.time_to_sleep(now));
        // If input was there at once, it was little.
        Waited {
            is_polled: true,
            has_slept: true,
            rest_within: gather,
        }
    }

    fn now(&self) -> Time {
        Time::ZERO + self.zero.elapsed()
    }

    /// `None`: nothing is due, ever.
    fn time_to_sleep(&self, now: Time) -> Option<Duration> {
        let due = self.core.next_timeout();
        (due != Time::NEVER).then(|| due.since(now))
    }

    /// Hand one batch of what waits at the socket at `index` to the core; true if more waits.
    fn receive(&mut self, index: usize) -> bool {
        let now = self.now();
        let messages = match self.receiver.receive(self.sockets[index].as_fd()) {
            Ok(messages) => messages,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(_) => {
                self.counters.receive_failures += 1;
                return false;
            }
        };
        self.prefetch(index, messages);
        for message in 0..messages {
            self.handle_message(now, index, message);
            if self.datagrams_since_flush >= FLUSH_AFTER_DATAGRAMS {
                self.flush();
            }
        }
        messages == RECEIVE_BATCH
    }

    /// Let the core load what the messages need. One at a time would gain nothing: it waits either way.
    fn prefetch(&mut self, socket: usize, messages: usize) {
        if messages < 2 {
            return;
        }
        self.coming.clear();
        for message in 0..messages {
            if let Some(received) = self.receiver.message(message) {
                self.coming
                    .push(Coming::new(path_of(socket, &received), received.contents));
            }
        }
        self.core.prefetch(&self.coming);
    }

    fn handle_message(&mut self, now: Time, socket: usize, message: usize) {
        let Some(received) = self.receiver.message(message) else {
            self.counters.receive_failures += 1;
            return;
        };
        if let Some(drops) = received.notes.queue_drops {
            self.counters.receive_queue_drops += self.sockets[socket].new_queue_drops(drops);
        }
        let path = path_of(socket, &received);
        let length = received.contents.len();
        let datagram_bytes = received
            .notes
            .segment_bytes
            .map_or(length, usize::from)
            .max(1);
        let datagrams = length.div_ceil(datagram_bytes).max(1) as u64;
        if length == 0 {
            self.core.handle_datagram(now, path, &mut []);
        }
        for datagram in received.contents.chunks_mut(datagram_bytes) {
            self.core.handle_datagram(now, path, datagram);
        }
        if self.wipes_received {
            received.contents.fill(0);
        }
        let arrived = (received.notes.arrived_realtime_ns).map(Duration::from_nanos);
        let on_some_clock = arrived.unwrap_or_else(|| now.since(Time::ZERO));
        self.gathering.handle_arrival(on_some_clock, datagrams);
        let before = self.datagrams_received / DELAY_SAMPLE_INTERVAL;
        self.datagrams_received += datagrams;
        self.datagrams_since_flush += datagrams;
        if self.datagrams_received / DELAY_SAMPLE_INTERVAL != before {
            self.sampled_arrival = arrived;
        }
    }

    fn serve_requests(&mut self) {
        let mut taken = std::mem::take(&mut self.taken_requests);
        self.requests.take(MAX_REQUESTS_PER_TURN, &mut taken);
        for request in taken.drain(..) {
            match request {
                // A caller that went away does not want its answer.
                Request::Command(command, reply) => drop(reply.send(self.execute(command))),
                Request::Snapshot(reply) => drop(reply.send(self.snapshot())),
                Request::Post(participant, command) => {
                    if let Err(error) = self.execute(command) {
                        self.new_events
                            .push(ShellEvent::CommandFailed { participant, error });
                    }
                }
                Request::Close => self.close(),
            }
        }
        self.taken_requests = taken;
    }

    fn execute(&mut self, command: Command) -> Result<(), CommandError> {
        let (added, removed) = match &command {
            Command::AddRoom { room } => (Some(*room), None),
            Command::RemoveRoom { room } => (None, Some(*room)),
            _ => (None, None),
        };
        let result = self.core.handle_command(self.now(), command);
        match &result {
            Ok(()) => {
                self.rooms.extend(added);
                removed.map(|room| self.rooms.remove(&room));
            }
            Err(_) => self.counters.commands_refused += 1,
        }
        result
    }

    fn close(&mut self) {
        for room in std::mem::take(&mut self.rooms) {
            // It was added and not removed, so the core knows it.
            let _ = self
                .core
                .handle_command(self.now(), Command::RemoveRoom { room });
        }
        self.is_closing = true;
    }

    /// Send all transmits and publish all events.
    fn flush(&mut self) {
        self.datagrams_since_flush = 0;
        let is_anything_to_send = self.core.transmits().next().is_some();
        if is_anything_to_send {
            // One pass over the transmits per socket: there are one or two, and passes are cheap beside system calls.
            for (index, socket) in self.sockets.iter_mut().enumerate() {
                let transmits = self.core.transmits();
                let ours = transmits.filter(|transmit| usize::from(transmit.path.socket) == index);
                self.sender.send(socket, ours);
            }
            self.core.clear_transmits();
        }
        if let Some(arrival) = self.sampled_arrival.take().filter(|_| is_anything_to_send) {
            let delay = system::realtime().checked_sub(arrival);
            if let Some(delay) = delay.filter(|delay| *delay <= MAX_CREDIBLE_DELAY) {
                self.forwarding_delay.record(delay.as_nanos() as u64);
            }
        }
        while let Some(event) = self.core.poll_event() {
            self.new_events.push(ShellEvent::Engine(event));
        }
        if !self.new_events.is_empty() {
            self.events.push_all_evicting(&mut self.new_events);
        }
    }

    fn snapshot(&self) -> Snapshot {
        let mut statistics = self.core.statistics();
        statistics.counters.events_lost += self.events.lost();
        Snapshot {
            engine: statistics,
            shell: ShellCounters {
                send: self.sender.counters(),
                steps_back: self.promptness.steps_back(),
                ..self.counters
            },
            forwarding_delay: self.forwarding_delay,
            cpu_time: system::thread_cpu_time(),
            is_real_time: self.promptness.is_real_time(),
        }
    }
}

fn path_of(socket: usize, received: &Received<'_>) -> Path {
    Path {
        socket: socket as u8,
        local: received.notes.local,
        remote: received.remote,
    }
}

/// Ends the process if the thread panics. A worker without its engine would look alive while every call is dead; a worker
/// that died is seen at once, restarted by its supervisor, and its rooms rejoin. The panic's text is on stderr by then.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}
