//! The packet engine of Synedrion: a sans-IO selective forwarding unit.
//!
//! The calling invariant: one mutation (`handle_datagram`, `handle_command`, `handle_timeout`), or a batch of them with a `now`
//! that never goes back, then drain `transmits` and `poll_event`, then sleep until `next_timeout`. The core reads no clock, opens no
//! socket and draws no randomness but from the seed it was given: the same inputs give the same outputs, byte for byte.
#![forbid(unsafe_code)]

pub mod audio_selector;
pub mod command;
mod control;
mod dependency_reader;
pub mod drop_reason;
mod encoding;
pub mod engine;
pub mod event;
mod fan_out;
mod feedback;
pub mod feedback_recorder;
pub mod ice;
pub mod ids;
mod invariants;
mod keyed_hash;
pub mod keyframe_limiter;
pub mod layer_selection;
mod media;
pub mod media_config;
mod membership;
pub mod nack_generator;
mod negotiated_media;
pub mod outbox;
pub mod packet;
pub mod packet_cache;
mod participant;
mod payload_store;
mod prefetching;
pub mod published_track;
pub mod quality;
pub mod receive_stream;
mod reported_ceiling;
mod reports;
pub mod retransmission_budget;
mod room;
mod selection;
pub mod send_stream;
pub mod sent_packets;
mod service;
mod slots;
pub mod ssrc_table;
pub mod statistics;
mod stun_server;
pub mod time;
pub mod timer_queue;
mod track_table;
mod transport;

pub use command::{Command, CommandError, SrtpKeys};
pub use drop_reason::DropReason;
pub use engine::{Engine, EngineConfig, Path, Transmit};
pub use event::Event;
pub use prefetching::{Coming, MAX_COMING};
pub use statistics::Statistics;
pub use time::{NtpClock, Time};
