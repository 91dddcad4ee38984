//! Sends what the engine gives: runs gathered into few system calls, and what to do when the kernel refuses.
//!
//! UDP may lose anything at any time, so no error stops the rest: it costs the datagrams it names, which are counted.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use engine::Transmit;

use crate::address::{RawAddress, for_socket};
use crate::gso::{GsoState, runs};
use crate::socket::Socket;
use crate::system;
use crate::udp_batch::{Message, SEND_BATCH, SendArrays};

/// LIMIT: how long one call of [`Sender::send`] may wait in all for a full send buffer; then the rest is dropped and counted.
const MAX_WAIT: Duration = Duration::from_millis(2);

/// What became of what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SendCounters {
    /// Datagrams the kernel took.
    pub datagrams_sent: u64,
    /// Messages the kernel took; fewer than datagrams by what GSO joins.
    pub messages_sent: u64,
    /// Messages of more than one datagram.
    pub gso_messages: u64,
    /// GSO messages refused (and sent again singly).
    pub gso_refusals: u64,
    /// Datagrams the kernel refused: unreachable, forbidden, no address of that family, send buffer full for too long.
    pub failures: u64,
    /// Times the send buffer was full and was waited for.
    pub waits: u64,
}

/// Sends transmits through sockets. Keeps its arrays; allocates nothing once made.
pub struct Sender {
    arrays: SendArrays,
    counters: SendCounters,
}

impl Default for Sender {
    fn default() -> Self {
        Self::new()
    }
}

impl Sender {
    /// A sender with its arrays.
    pub fn new() -> Self {
        Self {
            arrays: SendArrays::new(),
            counters: SendCounters::default(),
        }
    }

    /// Counts since the start.
    pub const fn counters(&self) -> SendCounters {
        self.counters
    }

    /// Send all `transmits` through `socket` (their own socket index is not looked at), in order. Returns when the kernel
    /// has them or they are counted as failures; waits at most 2 ms in all.
    pub fn send<'a>(&mut self, socket: &mut Socket, transmits: impl Iterator<Item = Transmit<'a>>) {
        let mut batch = Batch::new();
        let mut patience = Patience::default();
        for transmit in transmits {
            let Some(remote) = RawAddress::encode(transmit.path.remote, socket.is_ipv6()) else {
                self.counters.failures += transmit.datagram_bytes.len() as u64;
                continue;
            };
            let source = (transmit.path.local).map(|local| for_socket(local, socket.is_ipv6()));
            let is_gso_on = socket.is_gso_on();
            for run in runs(transmit.contents, transmit.datagram_bytes, is_gso_on) {
                if batch.is_full() {
                    self.submit(socket, batch.messages(), &mut patience);
                    batch.clear();
                }
                batch.push(Message {
                    remote,
                    source,
                    contents: run.contents,
                    segment_bytes: (run.datagrams > 1).then_some(run.datagram_bytes),
                    datagrams: run.datagrams,
                });
            }
        }
        self.submit(socket, batch.messages(), &mut patience);
    }

    fn submit(&mut self, socket: &mut Socket, messages: &[Message<'_>], patience: &mut Patience) {
        let mut rest = messages;
        while let Some(first) = rest.first() {
            let error = match self.arrays.send(socket.as_fd(), rest) {
                Ok(taken @ 1..) => {
                    self.count_sent(socket, &rest[..taken]);
                    rest = &rest[taken..];
                    continue;
                }
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Err(error) => error,
            };
            match error.kind() {
                io::ErrorKind::Interrupted => continue,
                io::ErrorKind::WouldBlock => {
                    self.counters.waits += 1;
                    if patience.wait(socket) {
                        continue;
                    }
                    self.counters.failures += count_datagrams(rest);
                    return;
                }
                _ => {}
            }
            if first.segment_bytes.is_some() && GsoState::is_refusal(&error) {
                self.counters.gso_refusals += 1;
                let sent_before = self.counters.datagrams_sent;
                self.submit_singly(socket, first, patience);
                // EINVAL is also what a source address says that the machine has lost: that refuses single datagrams too.
                if self.counters.datagrams_sent > sent_before {
                    socket.gso.note_refusal(&error);
                }
            } else {
                self.counters.failures += u64::from(first.datagrams);
            }
            rest = &rest[1..];
        }
    }

    /// Send a refused GSO message as the datagrams it stands for.
    fn submit_singly(&mut self, socket: &mut Socket, run: &Message<'_>, patience: &mut Patience) {
        let datagram_bytes = usize::from(run.segment_bytes.unwrap_or(u16::MAX)).max(1);
        let mut batch = Batch::new();
        // At most `gso::MAX_SEGMENTS` of them, which is the batch's capacity.
        for datagram in run.contents.chunks(datagram_bytes) {
            batch.push(Message {
                remote: run.remote,
                source: run.source,
                contents: datagram,
                segment_bytes: None,
                datagrams: 1,
            });
        }
        self.submit(socket, batch.messages(), patience);
    }

    fn count_sent(&mut self, socket: &mut Socket, taken: &[Message<'_>]) {
        self.counters.messages_sent += taken.len() as u64;
        self.counters.datagrams_sent += count_datagrams(taken);
        let gso_messages = taken.iter().filter(|m| m.segment_bytes.is_some()).count();
        if gso_messages > 0 {
            self.counters.gso_messages += gso_messages as u64;
            socket.gso.note_success();
        }
    }
}

fn count_datagrams(messages: &[Message<'_>]) -> u64 {
    messages.iter().map(|m| u64::from(m.datagrams)).sum()
}

/// Messages on their way to one `sendmmsg`.
struct Batch<'a> {
    messages: [Message<'a>; SEND_BATCH],
    length: usize,
}

impl<'a> Batch<'a> {
    fn new() -> Self {
        const EMPTY: Message<'static> = Message {
            remote: RawAddress::EMPTY,
            source: None,
            contents: &[],
            segment_bytes: None,
            datagrams: 0,
        };
        Self {
            messages: [EMPTY; SEND_BATCH],
            length: 0,
        }
    }

    fn push(&mut self, message: Message<'a>) {
        if let Some(slot) = self.messages.get_mut(self.length) {
            *slot = message;
            self.length += 1;
        }
    }

    fn clear(&mut self) {
        self.length = 0;
    }

    const fn is_full(&self) -> bool {
        self.length == SEND_BATCH
    }

    fn messages(&self) -> &[Message<'a>] {
        &self.messages[..self.length]
    }
}

/// How much longer a full send buffer may hold up the engine. The clock is read only when it is full.
#[derive(Default)]
struct Patience {
    ends_at: Option<Instant>,
}

impl Patience {
    /// Wait until the socket takes output; false if patience is over.
    fn wait(&mut self, socket: &Socket) -> bool {
        let now = Instant::now();
        let ends_at = *self.ends_at.get_or_insert(now + MAX_WAIT);
        match ends_at.checked_duration_since(now) {
            None | Some(Duration::ZERO) => false,
            Some(left) => system::wait_writable(socket.as_fd(), left),
        }
    }
}

const _: () = assert!(crate::gso::MAX_SEGMENTS <= SEND_BATCH);
