//! The engine's shell: one thread, its UDP sockets, batching, and the queues to Python.
//!
//! It holds no protocol decisions. A turn of the thread is: wait for sockets, requests or the engine's next timeout; hand in
//! what came, with one `now` per batch; then drain the engine's transmits into GSO messages and its events into a queue.
//! The Python side sees [`EngineHandle`] only. `unsafe` lives in `system` and `udp_batch`, nowhere else.

mod address;
mod control_message;
mod core;
mod delay_histogram;
mod engine_thread;
mod gso;
mod handle;
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
