//! All published tracks, who listens to each encoding, and who wishes to.

use crate::ids::{EncodingKey, ParticipantKey, RoomKey, TrackKey};
use crate::keyframe_limiter::KeyframeLimiter;
use crate::media_config::MAX_ENCODINGS;
use crate::published_track::PublishedTrack;
use crate::time::PublisherClock;

/// A send stream, by its participant and its place among that participant's subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Listener {
    pub(crate) participant: ParticipantKey,
    pub(crate) subscription: u16,
}

/// A track with everything that hangs on it.
pub(crate) struct TrackEntry {
    pub(crate) track: PublishedTrack,
    pub(crate) owner: ParticipantKey,
    pub(crate) room: RoomKey,
    /// The grant at ingress.
    pub(crate) is_allowed: bool,
    /// The publisher's NTP clock against ours; one for all its tracks, so that sound and picture keep their distance.
    pub(crate) publisher_clock: Option<PublisherClock>,
    pub(crate) keyframes: [KeyframeLimiter; MAX_ENCODINGS],
    /// Send streams that take packets of an encoding now, or wait for its keyframe. Ascending: a room of hundreds that turns
    /// to another speaker moves each of its streams in O(log n).
    pub(crate) listeners: [Vec<Listener>; MAX_ENCODINGS],
    /// Send streams whose wish is this track, whatever they carry now. Ascending.
    pub(crate) wishers: Vec<Listener>,
}

impl TrackEntry {
    /// Load what the next packet of `encoding` needs, some time after the entry itself.
    pub(crate) fn prefetch(&self, encoding: u8) {
        self.track.prefetch(encoding);
        if let Some(listeners) = self.listeners.get(usize::from(encoding)) {
            prefetch::prefetch_slice(listeners);
        }
    }
}

/// Enter a listener into an ascending list, once.
pub(crate) fn enter(list: &mut Vec<Listener>, listener: Listener) {
    if let Err(index) = list.binary_search(&listener) {
        list.insert(index, listener);
    }
}

/// Take a listener out of an ascending list, if it is there.
pub(crate) fn leave(list: &mut Vec<Listener>, listener: Listener) {
    if let Ok(index) = list.binary_search(&listener) {
        list.remove(index);
    }
}

/// Slots with generations: a key is never used again.
#[derive(Default)]
pub(crate) struct TrackTable {
    slots: Vec<(u32, Option<Box<TrackEntry>>)>,
    free: Vec<u32>,
}

impl TrackTable {
    /// Insert the entry that `make` builds for its key.
    pub(crate) fn insert_with(&mut self, make: impl FnOnce(TrackKey) -> TrackEntry) -> TrackKey {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            self.slots.len() as u32 - 1
        });
        let (generation, slot) = &mut self.slots[index as usize];
        let key = TrackKey(u64::from(*generation) << 32 | u64::from(index));
        *slot = Some(Box::new(make(key)));
        key
    }

    pub(crate) fn remove(&mut self, key: TrackKey) -> Option<Box<TrackEntry>> {
        self.get(key)?;
        let index = key.0 as u32;
        let (generation, slot) = &mut self.slots[index as usize];
        *generation = generation.wrapping_add(1);
        self.free.push(index);
        slot.take()
    }

    pub(crate) fn get(&self, key: TrackKey) -> Option<&TrackEntry> {
        let (generation, slot) = self.slots.get(key.0 as u32 as usize)?;
        slot.as_deref()
            .filter(|_| u64::from(*generation) == key.0 >> 32)
    }

    pub(crate) fn get_mut(&mut self, key: TrackKey) -> Option<&mut TrackEntry> {
        let (generation, slot) = self.slots.get_mut(key.0 as u32 as usize)?;
        let is_current = u64::from(*generation) == key.0 >> 32;
        slot.as_deref_mut().filter(|_| is_current)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &TrackEntry> {
        self.slots.iter().filter_map(|(_, slot)| slot.as_deref())
    }

    /// Make `listener` listen to exactly `after`, given that it listened to exactly `before`.
    pub(crate) fn move_listener(
        &mut self,
        listener: Listener,
        before: [Option<EncodingKey>; 2],
        after: [Option<EncodingKey>; 2],
    ) {
        for key in before
            .into_iter()
            .flatten()
            .filter(|key| !after.contains(&Some(*key)))
        {
            if let Some(listeners) = self.listeners_mut(key) {
                leave(listeners, listener);
            }
        }
        for key in after
            .into_iter()
            .flatten()
            .filter(|key| !before.contains(&Some(*key)))
        {
            if let Some(listeners) = self.listeners_mut(key) {
                enter(listeners, listener);
            }
        }
    }

    fn listeners_mut(&mut self, key: EncodingKey) -> Option<&mut Vec<Listener>> {
        self.get_mut(key.track)?
            .listeners
            .get_mut(usize::from(key.encoding))
    }
}

#[cfg(test)]
#[path = "track_table_tests.rs"]
mod tests;
