//! The packet engine of Synedrion: a sans-IO selective forwarding unit.
//!
//! The calling invariant: one mutation (`handle_datagram`, `handle_command`, `handle_timeout`), or a batch of them with the
//! same `now`, then drain `transmits` and `poll_event`, then sleep until `next_timeout`. The core reads no clock, opens no
//! socket and draws no randomness but from the seed it was given: the same inputs give the same outputs, byte for byte.
#![forbid(unsafe_code)]

pub mod command;
pub mod drop_reason;
pub mod engine;
pub mod event;
pub mod ids;
pub mod media_config;
pub mod outbox;
pub mod packet;
pub mod statistics;
pub mod time;

pub use command::{Command, CommandError, SrtpKeys};
pub use drop_reason::DropReason;
pub use engine::{Engine, EngineConfig, Path, Transmit};
pub use event::Event;
pub use statistics::Statistics;
pub use time::{NtpClock, Time};
