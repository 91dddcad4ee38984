//! The other threads' side of the engine: starts its thread, hands requests over, takes events.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Instant;

use engine::{Command, CommandError, Engine, EngineConfig, NtpClock};

use crate::core::Core;
use crate::engine_thread::{EngineThread, Request, ShellEvent};
use crate::promptness::Promptness;
use crate::signalled_queue::SignalledQueue;
use crate::snapshot::Snapshot;
use crate::socket::{Socket, SocketError};
use crate::system;

/// LIMIT: events that wait; past that the oldest are lost and counted.
pub const MAX_WAITING_EVENTS: usize = 65_536;
/// LIMIT: requests that wait; past that they are refused.
pub const MAX_WAITING_REQUESTS: usize = 4_096;
/// LIMIT: sockets of one engine: `Path` names them with a `u8`, and each costs a pass over the transmits.
const MAX_SOCKETS: usize = 16;
/// Seconds from 1900, where NTP begins, to 1970.
const NTP_UNIX_OFFSET_S: u64 = 2_208_988_800;

/// What an engine is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Descriptors of bound UDP sockets; duplicated, so the caller may close its own.
    pub sockets: Vec<RawFd>,
    /// See [`EngineConfig::seed`].
    pub seed: [u8; 32],
    /// See [`EngineConfig::is_kep`].
    pub is_kep: bool,
    /// Whether runs of datagrams may leave as one message.
    pub use_gso: bool,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// A bad socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// None, or too many.
    #[error("{0} sockets given, 1 to {MAX_SOCKETS} wanted")]
    SocketCount(usize),
    /// The system has no thread or descriptor left.
    #[error("the engine cannot start: {0}")]
    Start(#[from] io::Error),
    /// The engine refused the command.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// [`MAX_WAITING_REQUESTS`] wait already.
    #[error("the engine is {MAX_WAITING_REQUESTS} requests behind")]
    Busy,
    /// It was closed.
    #[error("the engine is closed")]
    Closed,
}

/// A running engine. Every method may be called from any thread.
pub struct EngineHandle {
    requests: Arc<SignalledQueue<Request>>,
    events: Arc<SignalledQueue<ShellEvent>>,
    /// `None` once closed.
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl EngineHandle {
    /// Start the packet engine on its thread. If the calling thread runs in real time, it hands that on: the engine's thread has
    /// it from its start, even where the process may not ask for it any more, and the caller is an ordinary thread again.
    ///
    /// # Errors
    /// If a socket is none, or the system refuses.
    pub fn start(options: &Options) -> Result<Self, HandleError> {
        let (seed, is_kep) = (options.seed, options.is_kep);
        Self::start_core(options, move |clock| {
            Engine::new(&EngineConfig {
                seed,
                clock,
                is_kep,
            })
        })
    }

    /// Start any core, made on its own thread by `make_core`.
    ///
    /// # Errors
    /// As [`EngineHandle::start`].
    pub fn start_core<C: Core>(
        options: &Options,
        make_core: impl FnOnce(NtpClock) -> C + Send + 'static,
    ) -> Result<Self, HandleError> {
        if options.sockets.is_empty() || options.sockets.len() > MAX_SOCKETS {
            return Err(HandleError::SocketCount(options.sockets.len()));
        }
        let sockets = (options.sockets.iter())
            .map(|descriptor| Socket::duplicate(*descriptor, options.use_gso))
            .collect::<Result<Vec<_>, _>>()?;
        let requests = Arc::new(SignalledQueue::new(MAX_WAITING_REQUESTS)?);
        let events = Arc::new(SignalledQueue::new(MAX_WAITING_EVENTS)?);
        let theirs = (Arc::clone(&requests), Arc::clone(&events));
        let is_kep = options.is_kep;
        let thread = std::thread::Builder::new()
            .name("engine".into())
            .spawn(move || {
                system::end_sleeps_on_time();
                let promptness = Promptness::new(system::ask_to_run_soon());
                let zero = Instant::now();
                let core = make_core(ntp_clock());
                EngineThread::new(core, zero, sockets, theirs, promptness)
                    .wiping_received(is_kep)
                    .run();
            })?;
        system::leave_real_time();
        Ok(Self {
            requests,
            events,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Have `command` carried out and wait for the result: at most what is left of the thread's turn, and those before it.
    ///
    /// # Errors
    /// The engine's refusal, or that it is busy or closed.
    pub fn command(&self, command: Command) -> Result<(), HandleError> {
        let (reply, result) = mpsc::sync_channel(1);
        self.request(Request::Command(command, reply))?;
        Ok(result.recv().map_err(|_| HandleError::Closed)??)
    }

    /// Hand `command` over and return at once; a refusal comes as [`ShellEvent::CommandFailed`] about `participant`.
    ///
    /// # Errors
    /// That the engine is busy or closed.
    pub fn post(&self, participant: u64, command: Command) -> Result<(), HandleError> {
        self.request(Request::Post(participant, command))
    }

    /// Wait for a copy of all statistics.
    ///
    /// # Errors
    /// That the engine is busy or closed.
    pub fn snapshot(&self) -> Result<Snapshot, HandleError> {
        let (reply, result) = mpsc::sync_channel(1);
        self.request(Request::Snapshot(reply))?;
        result.recv().map_err(|_| HandleError::Closed)
    }

    /// Readable while events wait.
    pub fn event_descriptor(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }

    /// Take at most `limit` events, oldest first; also after closing.
    pub fn take_events(&self, limit: usize) -> Vec<ShellEvent> {
        let mut taken = Vec::new();
        self.events.take(limit, &mut taken);
        taken
    }

    /// Say BYE in every room, end the thread, close its sockets. Calling again does nothing.
    pub fn close(&self) {
        let thread = self.lock_thread().take();
        if let Some(thread) = thread {
            self.requests.push_beyond_capacity(Request::Close);
            // It cannot have panicked: that would have ended the process.
            let _ = thread.join();
        }
    }

    fn request(&self, request: Request) -> Result<(), HandleError> {
        // Held while pushing: an accepted request lies before `Close` in the queue, so its caller gets an answer.
        let thread = self.lock_thread();
        if thread.is_none() {
            return Err(HandleError::Closed);
        }
        self.requests
            .try_push(request)
            .map_err(|_| HandleError::Busy)
    }

    fn lock_thread(&self) -> std::sync::MutexGuard<'_, Option<JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for EngineHandle {
    /// Without what waits: commands hold passwords and keys.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_closed = self.lock_thread().is_none();
        formatter
            .debug_struct("EngineHandle")
            .field("is_closed", &is_closed)
            .finish_non_exhaustive()
    }
}

impl Drop for EngineHandle {
    fn drop(&mut self) {
        self.close();
    }
}

/// Wall time now, as the NTP time of the engine's zero.
fn ntp_clock() -> NtpClock {
    let now = system::realtime();
    let fraction = (u64::from(now.subsec_nanos()) << 32) / 1_000_000_000;
    NtpClock {
        ntp_at_zero: ((now.as_secs() + NTP_UNIX_OFFSET_S) << 32) | fraction,
    }
}
