//! Recent packets of one encoding, stored once for all subscribers.
use crate::drop_reason::DropReason;
use crate::packet::{PacketMeta, SourcePacket};
use crate::time::Time;
use std::time::Duration;

/// Bounds of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketCacheConfig {
    /// Older packets are released.
    pub max_age: Duration,
    /// Span of sequence numbers kept.
    pub max_packets: usize,
    /// Overwrite bytes with zeros on release.
    pub is_zeroed: bool,
}

/// The cache.
#[derive(Debug)]
pub struct PacketCache {}

impl PacketCache {
    /// An empty cache; allocates nothing.
    pub fn new(_config: PacketCacheConfig) -> Self {
        todo!()
    }
    /// Store a packet in its place.
    ///
    /// # Errors
    /// `Duplicate`, `TooOld`, `Malformed` (over 64 KiB).
    pub fn insert(
        &mut self,
        _now: Time,
        _meta: PacketMeta,
        _dependency_descriptor: &[u8],
        _payload: &[u8],
    ) -> Result<(), DropReason> {
        todo!()
    }
    /// The packet, if it is there.
    pub fn get(&self, _extended_sequence_number: u64) -> Option<SourcePacket<'_>> {
        todo!()
    }
    /// Newest number held.
    pub fn newest(&self) -> Option<u64> {
        todo!()
    }
    /// First packet of the newest keyframe, if from it to the newest packet nothing is missing, it is not older than
    /// `max_age` and at most `max_packets` packets are to be sent.
    pub fn startable_from(
        &self,
        _now: Time,
        _max_age: Duration,
        _max_packets: usize,
    ) -> Option<u64> {
        todo!()
    }
    /// Packets held from this number on, in order.
    pub fn packets_from(
        &self,
        _extended_sequence_number: u64,
    ) -> impl Iterator<Item = SourcePacket<'_>> {
        std::iter::from_fn(|| todo!())
    }
    /// Release what is too old.
    pub fn expire(&mut self, _now: Time) {
        todo!()
    }
    /// Release everything.
    pub fn clear(&mut self) {
        todo!()
    }
    /// Memory held, in bytes.
    pub fn bytes(&self) -> usize {
        todo!()
    }
    /// When `expire` is next of use.
    pub fn next_timeout(&self) -> Time {
        todo!()
    }
}
