//! Everything measured, of one instant.

use std::time::Duration;

use engine::Statistics;

use crate::delay_histogram::DelayHistogram;
use crate::sender::SendCounters;

/// What the shell counts beside the engine. Counts since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShellCounters {
    /// What became of what was sent.
    pub send: SendCounters,
    /// Messages that arrived unusable, and errors that reading a socket gave.
    pub receive_failures: u64,
    /// Datagrams that the kernel lost because the thread did not read in time.
    pub receive_queue_drops: u64,
    /// Commands that the engine refused.
    pub commands_refused: u64,
    /// Turns of the thread.
    pub turns: u64,
    /// Times the thread gave up running in real time, because it had not slept for too long.
    pub steps_back: u64,
}

/// The statistics of engine and shell, taken between two turns.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The engine's. `events_lost` includes those the shell's queue lost.
    pub engine: Statistics,
    /// The shell's.
    pub shell: ShellCounters,
    /// Kernel receive to handed to the kernel, 1 in 64 datagrams, of turns that sent something.
    pub forwarding_delay: DelayHistogram,
    /// CPU time of the engine's thread.
    pub cpu_time: Duration,
    /// The engine's thread runs before all ordinary threads.
    pub is_real_time: bool,
}
