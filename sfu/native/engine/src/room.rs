//! A room: who is in it, whose SSRC is whose, and which voices are carried.

use crate::audio_selector::AudioSelector;
use crate::event::AUDIO_SLOTS;
use crate::ids::{ParticipantKey, TrackKey};
use crate::timer_queue::Deadline;
use std::collections::HashMap;

/// A room.
pub(crate) struct Room {
    pub(crate) participants: Vec<ParticipantKey>,
    pub(crate) voices: AudioSelector<TrackKey>,
    /// The tracks that the audio streams carry now.
    pub(crate) audio_slots: [Option<TrackKey>; AUDIO_SLOTS],
    /// SSRC → who bound it first. A claim by anybody else is refused.
    pub(crate) ssrc_owners: HashMap<u32, ParticipantKey>,
    pub(crate) deadline: Deadline,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self {
            participants: Vec::new(),
            voices: AudioSelector::new(),
            audio_slots: [None; AUDIO_SLOTS],
            ssrc_owners: HashMap::new(),
            deadline: Deadline::default(),
        }
    }
}
