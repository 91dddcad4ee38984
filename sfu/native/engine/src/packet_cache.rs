//! Recent packets of one encoding, stored once for all subscribers: the source of retransmissions and of instant starts.
//!
//! A ring keyed by extended sequence number, bounded by span and by age. It takes memory as packets come and gives all
//! of it back when the stream pauses.

use crate::drop_reason::DropReason;
use crate::ids::Kind;
use crate::packet::{PacketMeta, SourcePacket};
use crate::payload_store::{PayloadStore, Place};
use crate::time::Time;
use std::collections::VecDeque;
use std::time::Duration;
use wire::codec::Codec;
use wire::dependency_descriptor::DecodeTargets;

/// Bounds of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketCacheConfig {
    /// Older packets are released.
    pub max_age: Duration,
    /// Span of sequence numbers kept.
    pub max_packets: usize,
    /// Overwrite bytes with zeros on release.
    pub is_zeroed: bool,
    /// Allocation unit in bytes.
    pub chunk_bytes: usize,
}

impl PacketCacheConfig {
    /// 2 s and 1,024 packets of video (4 Mbit/s), 1 s and 128 packets of audio.
    pub const fn new(kind: Kind, is_zeroed: bool) -> Self {
        match kind {
            Kind::Audio => Self {
                max_age: Duration::from_secs(1),
                max_packets: 128,
                is_zeroed,
                chunk_bytes: 2 * 1024,
            },
            Kind::Video => Self {
                max_age: Duration::from_secs(2),
                max_packets: 1024,
                is_zeroed,
                chunk_bytes: 16 * 1024,
            },
        }
    }
}

/// LIMIT: dependency descriptor and payload of one packet together; a datagram cannot hold more.
const MAX_PACKET_BYTES: usize = u16::MAX as usize;
/// How long after the last look at the age of packets the next is due: a running stream, which looks with every packet, does not
/// move a timer with each, and the streams of many participants are not looked at all at once.
const EXPIRY_INTERVAL: Duration = Duration::from_millis(250);

#[derive(Debug)]
struct Entry {
    meta: PacketMeta,
    /// Age counts from here: the arrival, but never later than a successor's, so that a late packet at the front does
    /// not hold up what is behind it.
    aged_from: Time,
    place: Place,
    descriptor_bytes: u16,
    /// The sender's padding: nothing to forward, but no hole either.
    is_padding: bool,
}

/// The cache.
#[derive(Debug)]
pub struct PacketCache {
    config: PacketCacheConfig,
    /// `entries[i]` has number `front + i`. First and last are present unless it is empty.
    entries: VecDeque<Option<Entry>>,
    front: u64,
    /// Numbers below were released: they never come back.
    floor: u64,
    /// When `expire` was last called.
    looked_at: Time,
    /// First packet of the newest keyframe, and its timestamp.
    keyframe: Option<(u64, u32)>,
    store: PayloadStore,
    /// Of the encoding's newest dependency structure; goes out with every packet.
    pub(crate) decode_targets: Option<DecodeTargets>,
}

impl PacketCache {
    /// An empty cache; allocates nothing.
    pub fn new(config: PacketCacheConfig) -> Self {
        Self {
            config,
            entries: VecDeque::new(),
            front: 0,
            floor: 0,
            looked_at: Time::ZERO,
            keyframe: None,
            store: PayloadStore::new(config.chunk_bytes, config.is_zeroed),
            decode_targets: None,
        }
    }

    /// Load the places of the next packet and of the oldest, which may be released for it.
    pub(crate) fn prefetch(&self, size_bytes: usize) {
        if let Some(newest) = self.entries.back() {
            prefetch::prefetch(newest);
        }
        if let Some(oldest) = self.entries.front() {
            prefetch::prefetch(oldest);
        }
        self.store.prefetch_end(size_bytes);
    }

    /// Load the bytes of the oldest, some time after `prefetch`: they may be overwritten.
    pub(crate) fn prefetch_oldest(&self) {
        if let Some(Some(oldest)) = self.entries.front().filter(|_| self.config.is_zeroed) {
            prefetch::prefetch_slice(self.store.get(oldest.place));
        }
    }

    /// Store a packet in its place, and release what is over the bounds.
    ///
    /// # Errors
    /// `Duplicate`, `TooOld`, `Malformed` (over 64 KiB).
    pub fn insert(
        &mut self,
        now: Time,
        meta: PacketMeta,
        dependency_descriptor: &[u8],
        payload: &[u8],
    ) -> Result<(), DropReason> {
        if dependency_descriptor.len() + payload.len() > MAX_PACKET_BYTES {
            return Err(DropReason::Malformed);
        }
        self.expire(now);
        self.place(meta, dependency_descriptor, payload, false)
    }

    /// Note that this number was padding without media: not a hole, and nothing to forward.
    ///
    /// # Errors
    /// `Duplicate`, `TooOld`.
    pub fn insert_padding(&mut self, now: Time, meta: PacketMeta) -> Result<(), DropReason> {
        self.expire(now);
        self.place(meta, &[], &[], true)
    }

    fn place(
        &mut self,
        meta: PacketMeta,
        dependency_descriptor: &[u8],
        payload: &[u8],
        is_padding: bool,
    ) -> Result<(), DropReason> {
        let index = self.make_place(meta.extended_sequence_number)?;
        let aged_from = self
            .entries
            .range(index + 1..)
            .flatten()
            .next()
            .map_or(meta.arrival, |later| later.aged_from.min(meta.arrival));
        self.note_keyframe(&meta);
        self.entries[index] = Some(Entry {
            meta,
            aged_from,
            place: self.store.push(dependency_descriptor, payload),
            descriptor_bytes: dependency_descriptor.len() as u16,
            is_padding,
        });
        Ok(())
    }

    /// The packet, if it is there.
    pub fn get(&self, extended_sequence_number: u64) -> Option<SourcePacket<'_>> {
        self.entry(extended_sequence_number)
            .filter(|entry| !entry.is_padding)
            .map(|entry| self.view(entry))
    }

    /// True if this number is known to have been padding.
    pub fn is_padding(&self, extended_sequence_number: u64) -> bool {
        self.entry(extended_sequence_number)
            .is_some_and(|entry| entry.is_padding)
    }

    /// Newest number held.
    pub fn newest(&self) -> Option<u64> {
        (!self.entries.is_empty()).then(|| self.front + self.entries.len() as u64 - 1)
    }

    /// Oldest number held.
    pub fn oldest(&self) -> Option<u64> {
        (!self.entries.is_empty()).then_some(self.front)
    }

    /// First packet of the newest keyframe, if nothing is missing from it to the newest packet, it is not older than
    /// `max_age` and the run is at most `max_packets` long. O(run).
    pub fn startable_from(&self, now: Time, max_age: Duration, max_packets: usize) -> Option<u64> {
        let (start, _) = self.keyframe?;
        let first = self.entry(start)?;
        let run = self.entries.len() - (start - self.front) as usize;
        if now.since(first.meta.arrival) > max_age || run > max_packets {
            return None;
        }
        // H.264 begins with SPS and PPS, perhaps in packets of their own: if what lies before the first piece seen is
        // missing, that may be what is missing.
        if first.meta.codec == Codec::H264 && start > self.front && self.entry(start - 1).is_none()
        {
            return None;
        }
        let from = self.entries.len() - run;
        self.entries
            .range(from..)
            .all(Option::is_some)
            .then_some(start)
    }

    /// Packets held from this number on, in order.
    pub fn packets_from(
        &self,
        extended_sequence_number: u64,
    ) -> impl Iterator<Item = SourcePacket<'_>> {
        let skipped = extended_sequence_number.saturating_sub(self.front);
        let skipped =
            usize::try_from(skipped).map_or(self.entries.len(), |n| n.min(self.entries.len()));
        self.entries
            .range(skipped..)
            .flatten()
            .filter(|entry| !entry.is_padding)
            .map(|entry| self.view(entry))
    }

    /// Release what is too old.
    pub fn expire(&mut self, now: Time) {
        self.looked_at = now;
        while let Some(Some(entry)) = self.entries.front() {
            if now.since(entry.aged_from) < self.config.max_age {
                return;
            }
            self.release_front();
        }
    }

    /// Release everything. Numbers held until now are not taken again.
    pub fn clear(&mut self) {
        if let Some(newest) = self.newest() {
            self.floor = newest + 1;
        }
        self.entries = VecDeque::new();
        self.keyframe = None;
        self.store.clear();
        self.decode_targets = None;
    }

    /// Memory held, in bytes.
    pub fn bytes(&self) -> usize {
        self.store.held_bytes() + self.entries.capacity() * size_of::<Option<Entry>>()
    }

    /// When `expire` is next of use if no packet comes before. Looks at no packet: the timers of many participants ask.
    pub fn next_timeout(&self) -> Time {
        if self.entries.is_empty() {
            Time::NEVER
        } else {
            self.looked_at + EXPIRY_INTERVAL
        }
    }

    fn entry(&self, number: u64) -> Option<&Entry> {
        let index = usize::try_from(number.checked_sub(self.front)?).ok()?;
        self.entries.get(index)?.as_ref()
    }

    fn view<'a>(&'a self, entry: &'a Entry) -> SourcePacket<'a> {
        let bytes = self.store.get(entry.place);
        let (dependency_descriptor, payload) =
            bytes.split_at(usize::from(entry.descriptor_bytes).min(bytes.len()));
        SourcePacket {
            meta: &entry.meta,
            dependency_descriptor,
            decode_targets: self.decode_targets.as_ref(),
            payload,
            is_evened: false,
        }
    }

    /// Index of a vacant place for `number`, with the ring grown and shrunk around it.
    fn make_place(&mut self, number: u64) -> Result<usize, DropReason> {
        if number < self.floor {
            return Err(DropReason::TooOld);
        }
        let Some(newest) = self.newest() else {
            self.front = number;
            self.entries.push_back(None);
            return Ok(0);
        };
        let max_packets = self.config.max_packets as u64;
        if number > newest {
            if number - newest >= max_packets {
                self.clear();
                self.front = number;
                self.entries.push_back(None);
                return Ok(0);
            }
            while !self.entries.is_empty() && number - self.front >= max_packets {
                self.release_front();
            }
            if self.entries.is_empty() {
                self.front = number;
            }
            let length = (number - self.front) as usize + 1;
            self.entries.resize_with(length, || None);
            return Ok(length - 1);
        }
        if newest - number >= max_packets {
            return Err(DropReason::TooOld);
        }
        while self.front > number {
            self.entries.push_front(None);
            self.front -= 1;
        }
        let index = (number - self.front) as usize;
        if self.entries[index].is_some() {
            return Err(DropReason::Duplicate);
        }
        Ok(index)
    }

    /// Release the first packet and the gap behind it.
    fn release_front(&mut self) {
        while let Some(first) = self.entries.pop_front() {
            self.front += 1;
            if let Some(entry) = first {
                self.store.release(entry.place);
                self.floor = self.front;
            }
            if matches!(self.entries.front(), Some(Some(_))) {
                break;
            }
        }
        if self.keyframe.is_some_and(|(number, _)| number < self.front) {
            self.keyframe = None;
        }
        if self.entries.is_empty() {
            self.clear();
        }
    }

    fn note_keyframe(&mut self, meta: &PacketMeta) {
        if !meta.info.starts_keyframe {
            return;
        }
        let number = meta.extended_sequence_number;
        // Several packets of one H.264 keyframe may claim to start it (SPS, IDR slices): the first one does.
        self.keyframe = match self.keyframe {
            Some((start, timestamp)) if timestamp == meta.timestamp => {
                Some((start.min(number), timestamp))
            }
            Some((start, timestamp)) if start > number => Some((start, timestamp)),
            _ => Some((number, meta.timestamp)),
        };
    }
}

#[cfg(test)]
#[path = "packet_cache_tests.rs"]
mod tests;
