//! Counters and the coherent snapshot that leaves the engine.

use crate::drop_reason::DropReason;

/// Counts since the start. Every field is a metric.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams in.
    pub packets_received: u64,
    /// Bytes in, UDP payload.
    pub bytes_received: u64,
    /// Datagrams out.
    pub packets_sent: u64,
    /// Bytes out, UDP payload.
    pub bytes_sent: u64,
    /// Media packets written to subscribers, retransmissions apart.
    pub rtp_packets_forwarded: u64,
    /// `NACKed` sequence numbers from subscribers.
    pub nacks_received: u64,
    /// Sequence numbers `NACKed` to publishers.
    pub nacks_sent: u64,
    /// Packets resent to subscribers.
    pub retransmissions_sent: u64,
    /// Asked for, but over the budget, too soon, or gone.
    pub retransmissions_refused: u64,
    /// Packets that publishers resent and that filled a gap.
    pub retransmissions_received: u64,
    /// PLI and FIR from subscribers.
    pub keyframe_requests_received: u64,
    /// REMB from subscribers: what their paths carry at most.
    pub ceilings_received: u64,
    /// PLI and FIR to publishers.
    pub keyframe_requests_sent: u64,
    /// Switches that began from a cached keyframe.
    pub keyframe_cache_starts: u64,
    /// Completed switches of a send stream to another source or layer.
    pub source_switches: u64,
    /// STUN requests answered.
    pub stun_requests: u64,
    /// Events that nobody took in time.
    pub events_lost: u64,
}

/// What is there now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Rooms.
    pub rooms: u64,
    /// Participants.
    pub participants: u64,
    /// Transports with a nominated, consenting pair and keys.
    pub transports_connected: u64,
    /// Send streams.
    pub send_streams: u64,
    /// SSRCs received.
    pub receive_streams: u64,
    /// Bytes held in packet caches.
    pub cached_bytes: u64,
}

/// One instant's statistics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statistics {
    /// Counts.
    pub counters: Counters,
    /// Drops, indexed as `DropReason::ALL`.
    pub drops: [u64; DropReason::ALL.len()],
    /// Gauges.
    pub gauges: Gauges,
}
