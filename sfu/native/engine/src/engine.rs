//! The engine: demultiplexes datagrams to transports, media to forwards, commands to rooms. See `docs/packet-path.md`.

use crate::command::{Command, CommandError};
use crate::event::Event;
use crate::statistics::Statistics;
use crate::time::{NtpClock, Time};
use std::net::SocketAddr;

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

/// Between which of our sockets and which remote address a datagram goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Path {
    /// Index of the local socket.
    pub socket: u8,
    /// The other end. IPv4-mapped IPv6 addresses are unmapped by the shell.
    pub remote: SocketAddr,
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

/// The engine. See the calling invariant in the crate's documentation.
pub struct Engine {}

impl Engine {
    /// An engine without rooms.
    pub fn new(_config: &EngineConfig) -> Self {
        todo!("engine")
    }

    /// Take one datagram. Decrypts in place: the buffer's contents are spent. Never fails: what is wrong is counted.
    pub fn handle_datagram(&mut self, _now: Time, _path: Path, _datagram: &mut [u8]) {
        todo!("engine")
    }

    /// Carry out a command.
    ///
    /// # Errors
    /// `CommandError` names what is wrong; nothing was changed then.
    pub fn handle_command(&mut self, _now: Time, _command: Command) -> Result<(), CommandError> {
        todo!("engine")
    }

    /// Do what is due at `now`. Calling early is harmless.
    pub fn handle_timeout(&mut self, _now: Time) {
        todo!("engine")
    }

    /// When `handle_timeout` is next due; `Time::NEVER` if nothing waits.
    pub fn next_timeout(&self) -> Time {
        todo!("engine")
    }

    /// What is to be sent now, grouped by path. Valid until the next mutation; call `clear_transmits` when sent.
    pub fn transmits(&self) -> impl Iterator<Item = Transmit<'_>> {
        std::iter::from_fn(|| todo!("engine"))
    }

    /// Forget what `transmits` gave and give the buffers back.
    pub fn clear_transmits(&mut self) {
        todo!("engine")
    }

    /// The next event, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        todo!("engine")
    }

    /// All statistics at this instant.
    pub fn statistics(&self) -> Statistics {
        todo!("engine")
    }
}
