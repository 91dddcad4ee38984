//! The load agent: one process that is thousands of participants of a meeting, each with its own UDP socket, and the judge of
//! what arrives at them. It knows the wire formats that the engine knows, and none of its forwarding.
//!
//! [`participant::Participant`] is sans-IO: datagrams, commands and the time go in; datagrams and events come out, and
//! `next_timeout` tells when to call again. [`agent`] gives it sockets and a clock; [`protocol`] is what the process hears on
//! standard input and says on standard output.

pub mod agent;
pub mod assembler;
pub mod dtls;
pub mod dtls_one_profile;
pub mod emulation;
pub mod h264;
pub mod hearing;
pub mod histogram;
pub mod ice;
pub mod judge;
pub mod lateness;
pub mod mark;
pub mod media_loop;
pub mod outbox;
pub mod participant;
pub mod protocol;
pub mod random;
pub mod receive_stream;
pub mod report;
pub mod send_encoding;
pub mod send_track;
pub mod silence;
pub mod system;
pub mod time;
pub mod totals;
pub mod vp8;
