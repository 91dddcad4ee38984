//! A room: who is in it, whose SSRC is whose, and which voices are carried.

use crate::audio_selector::AudioSelector;
use crate::event::AUDIO_SLOTS;
use crate::ids::{ParticipantKey, RoomId, RoomKey, TrackKey};
use crate::slots::Slots;
use crate::timer_queue::Deadline;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// A room.
pub(crate) struct Room {
    pub(crate) id: RoomId,
    pub(crate) participants: Vec<ParticipantKey>,
    pub(crate) voices: AudioSelector<TrackKey>,
    /// The tracks that the audio streams carry now.
    pub(crate) audio_slots: [Option<TrackKey>; AUDIO_SLOTS],
    /// SSRC → who bound it first. A claim by anybody else is refused.
    pub(crate) ssrc_owners: HashMap<u32, ParticipantKey>,
    pub(crate) deadline: Deadline,
}

impl Room {
    fn new(id: RoomId) -> Self {
        Self {
            id,
            participants: Vec::new(),
            voices: AudioSelector::new(),
            audio_slots: [None; AUDIO_SLOTS],
            ssrc_owners: HashMap::new(),
            deadline: Deadline::default(),
        }
    }

    /// Load what an audio packet needs first.
    pub(crate) fn prefetch(&self) {
        prefetch::prefetch(&self.voices);
        prefetch::prefetch(&self.deadline);
    }
}

/// All rooms, by slot and by id. A slot may be used again: nobody keeps the key of a room that is gone but the timers, to which
/// the next one in its place says that it is not due.
#[derive(Default)]
pub(crate) struct Rooms {
    slots: Slots<Room>,
    by_id: HashMap<RoomId, RoomKey>,
}

impl Rooms {
    /// Make a room; `None` if there is one of this id.
    pub(crate) fn insert(&mut self, id: RoomId) -> Option<RoomKey> {
        let Entry::Vacant(vacant) = self.by_id.entry(id) else {
            return None;
        };
        Some(*vacant.insert(RoomKey(self.slots.insert(Room::new(id)))))
    }

    pub(crate) fn remove(&mut self, key: RoomKey) {
        if let Some(room) = self.slots.remove(key.0) {
            self.by_id.remove(&room.id);
        }
    }

    pub(crate) fn key(&self, id: RoomId) -> Option<RoomKey> {
        self.by_id.get(&id).copied()
    }

    pub(crate) fn get(&self, key: RoomKey) -> Option<&Room> {
        self.slots.get(key.0)
    }

    pub(crate) fn get_mut(&mut self, key: RoomKey) -> Option<&mut Room> {
        self.slots.get_mut(key.0)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Room> {
        self.slots.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_used_again_and_ids_lead_to_what_they_name() {
        let mut rooms = Rooms::default();
        let keys: Vec<_> = (0..5)
            .map(|id| rooms.insert(RoomId(id)).expect("new"))
            .collect();
        assert_eq!(rooms.insert(RoomId(3)), None, "there is one");
        rooms.remove(keys[3]);
        rooms.remove(keys[3]);
        assert!(rooms.get(keys[3]).is_none() && rooms.get_mut(keys[3]).is_none());
        assert_eq!(rooms.key(RoomId(3)), None);
        assert_eq!(rooms.len(), 4);

        let next = rooms.insert(RoomId(9)).expect("new");

        assert_eq!(next, keys[3]);
        assert_eq!(rooms.get(next).map(|room| room.id), Some(RoomId(9)));
        let ids: Vec<_> = rooms.iter().map(|room| room.id.0).collect();
        assert_eq!(ids, [0, 1, 2, 9, 4]);
    }
}
