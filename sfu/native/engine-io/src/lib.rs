//! The engine's shell: one thread, its UDP sockets, batching, and the queues to Python.
//!
//! It holds no protocol decisions. A turn of the thread is: wait for sockets, requests or the engine's next timeout; hand in
//! what came, with one `now` per batch; then drain the engine's transmits into GSO messages and its events into a queue.
//! The Python side sees [`EngineHandle`] only. `unsafe` lives in `system` and `udp_batch`, nowhere else.
//!
//! ```
//! use std::os::fd::AsRawFd;
//!
//! use engine::{Command, ids::RoomId};
//! use engine_io::{EngineHandle, Options};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
//! let engine = EngineHandle::start(&Options {
//!     sockets: vec![socket.as_raw_fd()],
//!     seed: [7; 32],
//!     is_kep: false,
//!     use_gso: true,
//! })?;
//! engine.command(Command::AddRoom { room: RoomId(1) })?;
//! assert!(engine.command(Command::AddRoom { room: RoomId(1) }).is_err());
//! assert_eq!(engine.snapshot()?.engine.gauges.rooms, 1);
//! engine.close();
//! # Ok(())
//! # }
//! ```

mod address;
mod control_message;
mod core;
mod delay_histogram;
mod engine_thread;
mod gathering;
mod gso;
mod handle;
mod promptness;
mod sender;
mod signalled_queue;
mod snapshot;
mod socket;
mod system;
mod udp_batch;

pub use crate::core::Core;
pub use delay_histogram::{BUCKET_BOUNDS_NS, DelayHistogram};
pub use engine_thread::{FLUSH_AFTER_DATAGRAMS, MAX_REQUESTS_PER_TURN, ShellEvent};
pub use handle::{EngineHandle, HandleError, MAX_WAITING_EVENTS, MAX_WAITING_REQUESTS, Options};
pub use sender::{SendCounters, Sender};
pub use snapshot::{ShellCounters, Snapshot};
pub use socket::{Socket, SocketError};
pub use system::thread_cpu_time;
