//! Which voices of a room are carried, and who is heard to speak.
use crate::drop_reason::DropReason;
use crate::event::AUDIO_SLOTS;
use crate::time::Time;
use std::hash::Hash;
use std::marker::PhantomData;
use wire::extensions::AudioLevel;

/// What to do with one audio packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Forward it on this audio slot, 0–2.
    Forward { slot: u8 },
    /// `NotSelected` or `Silence`.
    Drop(DropReason),
}

/// Chooses the voices of one room. `K` names a publisher's audio track.
pub struct AudioSelector<K>(PhantomData<K>);

impl<K: Copy + Eq + Hash> AudioSelector<K> {
    /// Nobody yet.
    pub fn new() -> Self {
        todo!()
    }
    /// One new audio packet of `key`; `level` as its extension says. O(1).
    pub fn handle_packet(&mut self, _now: Time, _key: K, _level: Option<AudioLevel>) -> Decision {
        todo!()
    }
    /// The publisher is gone or may not speak any more.
    pub fn remove(&mut self, _key: K) {
        todo!()
    }
    /// Who holds which slot.
    pub fn slots(&self) -> [Option<K>; AUDIO_SLOTS] {
        todo!()
    }
    /// The slots, if they changed since the last call.
    pub fn poll_slots(&mut self) -> Option<[Option<K>; AUDIO_SLOTS]> {
        todo!()
    }
    /// Who speaks, loudest first, if it changed; at most every 300 ms.
    pub fn poll_speakers(&mut self, _now: Time) -> Option<Vec<K>> {
        todo!()
    }
    /// When `poll_speakers` is next of use.
    pub fn next_timeout(&self) -> Time {
        todo!()
    }
}
