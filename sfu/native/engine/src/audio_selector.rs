//! Which voices of a room are carried, and who is heard to speak (RFC 6464 levels).
//!
//! Three slots. A publisher who holds one keeps it, and its number, until somebody else needs it: whoever speaks up takes
//! the slot of the holder who has been silent longest, at the first voiced packet, so that no word loses its start. Only
//! when all three holders speak must a newcomer be clearly louder. Work per packet is constant.

use crate::drop_reason::DropReason;
use crate::event::AUDIO_SLOTS;
use crate::time::Time;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;
use wire::extensions::AudioLevel;

/// At least this loud is voice, whatever the V bit says: speech at a headset is −20 to −35 dBov.
const VOICE_MINUS_DBOV: u8 = 45;
/// With the V bit, quieter counts too; a detector that sees voice below this hears the room.
const FLAGGED_VOICE_MINUS_DBOV: u8 = 60;
/// RFC 6464: 127 is digital silence.
const SILENCE_MINUS_DBOV: u8 = 127;
/// A publisher without the extension: moderately loud whenever packets flow.
const UNKNOWN_MINUS_DBOV: u8 = 45;
/// Speaking begins with so many voiced packets …
const ONSET_PACKETS: u32 = 3;
/// … of the last ten (200 ms at 20 ms each) …
const ONSET_WINDOW: u16 = (1 << 10) - 1;
/// … and ends after this long without one: longer than a pause between words.
const SPEECH_PAUSE: Duration = Duration::from_millis(600);
/// A holder silent for this long gives way to anybody who speaks.
const HOLD: Duration = Duration::from_secs(2);
/// How much louder than the weakest of three speaking holders a fourth must be.
const TAKEOVER_MARGIN_DB: f32 = 6.0;
/// Weight of a new packet in the loudness: a time constant of about 400 ms.
const LOUDNESS_WEIGHT: f32 = 0.05;
/// LIMIT: takeovers in a room, so that publishers with forged levels cannot make the slots flicker.
const TAKEOVER_INTERVAL: Duration = Duration::from_millis(250);
/// … after a burst of so many.
const TAKEOVER_BURST: u32 = 4;
/// Silent packets still sent after sound, so that the receiver hears it fade and starts comfort noise.
const SILENCE_TAIL: Duration = Duration::from_millis(200);
/// How often the list of speakers may change.
const SPEAKERS_INTERVAL: Duration = Duration::from_millis(300);
/// Loudness steps in the speakers' order: smaller differences do not reorder it.
const LOUDNESS_STEP_DB: f32 = 6.0;
/// LIMIT: speakers named at once.
const MAX_SPEAKERS: usize = 10;

/// Looked for among these before the table is asked: in a call of two or three nobody else is there.
const FIRST_VOICES: usize = 3;

/// What to do with one audio packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Forward it on this audio slot.
    Forward {
        /// 0–2.
        slot: u8,
    },
    /// `NotSelected` or `Silence`.
    Drop(DropReason),
}

#[derive(Debug)]
struct Voice<K> {
    key: K,
    slot: Option<u8>,
    /// One bit per packet, newest lowest: voiced or not.
    history: u16,
    /// Of its voiced packets, smoothed: 0 (silence) to 127.
    loudness: f32,
    last_voice_at: Option<Time>,
    last_sound_at: Option<Time>,
    /// While speaking: since when.
    speaking_since: Option<Time>,
    slot_since: Time,
}

/// Chooses the voices of one room. `K` names a publisher's audio track.
#[derive(Debug)]
pub struct AudioSelector<K> {
    voices: Vec<Voice<K>>,
    /// Never iterated: its order is not the same in two runs.
    index_of: HashMap<K, usize>,
    slots: [Option<K>; AUDIO_SLOTS],
    are_slots_changed: bool,
    takeovers_refilled_at: Time,
    speakers: Vec<K>,
    next_speakers_at: Time,
    is_watching: bool,
}

impl<K: Copy + Eq + Hash> Default for AudioSelector<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Copy + Eq + Hash> AudioSelector<K> {
    /// Nobody yet.
    pub fn new() -> Self {
        Self {
            voices: Vec::new(),
            index_of: HashMap::new(),
            slots: [None; AUDIO_SLOTS],
            are_slots_changed: false,
            takeovers_refilled_at: Time::ZERO,
            speakers: Vec::new(),
            next_speakers_at: Time::ZERO,
            is_watching: false,
        }
    }

    /// One new audio packet of `key`, which may speak; `level` as its extension says. Not for retransmissions. O(1).
    pub fn handle_packet(&mut self, now: Time, key: K, level: Option<AudioLevel>) -> Decision {
        let index = self.index(now, key);
        let voice = &mut self.voices[index];
        let is_voiced = voice.hear(now, level);
        self.is_watching |= voice.speaking_since.is_some();
        let is_faded = voice.is_faded(now, level);
        if voice.slot.is_none() && !is_faded {
            self.seek_slot(now, index, is_voiced);
        }
        match self.voices[index].slot {
            None => Decision::Drop(DropReason::NotSelected),
            Some(_) if is_faded => Decision::Drop(DropReason::Silence),
            Some(slot) => Decision::Forward { slot },
        }
    }

    /// The publisher is gone or may not speak any more.
    pub fn remove(&mut self, key: K) {
        let Some(index) = self.index_of.remove(&key) else {
            return;
        };
        let voice = self.voices.swap_remove(index);
        if let Some(moved) = self.voices.get(index) {
            self.index_of.insert(moved.key, index);
        }
        if let Some(slot) = voice.slot {
            self.slots[usize::from(slot)] = None;
            self.are_slots_changed = true;
        }
        self.is_watching |= self.speakers.contains(&key);
    }

    /// Who holds which slot.
    pub fn slots(&self) -> [Option<K>; AUDIO_SLOTS] {
        self.slots
    }

    /// The slots, if they changed since the last call.
    pub fn poll_slots(&mut self) -> Option<[Option<K>; AUDIO_SLOTS]> {
        std::mem::take(&mut self.are_slots_changed).then_some(self.slots)
    }

    /// Who speaks, loudest first, if it changed; at most every 300 ms. O(publishers) then, else O(1).
    pub fn poll_speakers(&mut self, now: Time) -> Option<Vec<K>> {
        if !self.is_watching || now < self.next_speakers_at {
            return None;
        }
        self.next_speakers_at = now + SPEAKERS_INTERVAL;
        let mut speaking: Vec<(u32, Time, K)> = Vec::new();
        for voice in &mut self.voices {
            voice.end_speech(now);
            if let Some(since) = voice.speaking_since {
                speaking.push(((voice.loudness / LOUDNESS_STEP_DB) as u32, since, voice.key));
            }
        }
        // Of the equally loud, who began first.
        speaking.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        speaking.truncate(MAX_SPEAKERS);
        let speakers: Vec<K> = speaking.into_iter().map(|(_, _, key)| key).collect();
        self.is_watching = !speakers.is_empty();
        if speakers == self.speakers {
            return None;
        }
        self.speakers.clone_from(&speakers);
        Some(speakers)
    }

    /// When `poll_speakers` is next of use.
    pub fn next_timeout(&self) -> Time {
        if self.is_watching {
            self.next_speakers_at
        } else {
            Time::NEVER
        }
    }

    /// Load what the next packet needs, some time after the selector itself.
    pub(crate) fn prefetch(&self) {
        prefetch::prefetch_slice(&self.voices);
    }

    fn index(&mut self, now: Time, key: K) -> usize {
        let mut first = self.voices.iter().take(FIRST_VOICES);
        if let Some(index) = first.position(|voice| voice.key == key) {
            return index;
        }
        *self.index_of.entry(key).or_insert_with(|| {
            self.voices.push(Voice::new(now, key));
            self.voices.len() - 1
        })
    }

    fn seek_slot(&mut self, now: Time, index: usize, is_voiced: bool) {
        if let Some(free) = self.slots.iter().position(Option::is_none) {
            self.give_slot(now, index, free);
            return;
        }
        if !is_voiced || self.takeovers_refilled_at > now + TAKEOVER_INTERVAL * (TAKEOVER_BURST - 1)
        {
            return;
        }
        let Some(slot) = self
            .silent_slot(now)
            .or_else(|| self.weaker_slot(now, index))
        else {
            return;
        };
        self.takeovers_refilled_at = self.takeovers_refilled_at.max(now) + TAKEOVER_INTERVAL;
        if let Some(holder) = self.holder(slot) {
            self.voices[holder].slot = None;
        }
        self.give_slot(now, index, slot);
    }

    fn give_slot(&mut self, now: Time, index: usize, slot: usize) {
        let voice = &mut self.voices[index];
        voice.slot = Some(slot as u8);
        voice.slot_since = now;
        self.slots[slot] = Some(voice.key);
        self.are_slots_changed = true;
    }

    fn holder(&self, slot: usize) -> Option<usize> {
        let key = self.slots[slot]?;
        self.index_of.get(&key).copied()
    }

    fn holders(&self) -> impl Iterator<Item = (usize, &Voice<K>)> {
        (0..AUDIO_SLOTS).filter_map(|slot| Some((slot, &self.voices[self.holder(slot)?])))
    }

    /// The slot of the holder longest without voice, if that is long enough. A holder that never spoke has the oldest.
    fn silent_slot(&self, now: Time) -> Option<usize> {
        self.holders()
            .map(|(slot, voice)| (voice.last_voice_at, slot))
            .filter(|(last_voice_at, _)| last_voice_at.is_none_or(|last| now.since(last) >= HOLD))
            .min()
            .map(|(_, slot)| slot)
    }

    /// Among holders who all spoke lately, the quietest, if the newcomer really speaks and is clearly louder.
    fn weaker_slot(&self, now: Time, index: usize) -> Option<usize> {
        let newcomer = &self.voices[index];
        newcomer.speaking_since?;
        self.holders()
            .filter(|(_, voice)| now.since(voice.slot_since) >= HOLD)
            .filter(|(_, voice)| voice.loudness + TAKEOVER_MARGIN_DB <= newcomer.loudness)
            .min_by(|a, b| a.1.loudness.total_cmp(&b.1.loudness))
            .map(|(slot, _)| slot)
    }
}

impl<K> Voice<K> {
    fn new(now: Time, key: K) -> Self {
        Self {
            key,
            slot: None,
            history: 0,
            loudness: 0.0,
            last_voice_at: None,
            last_sound_at: None,
            speaking_since: None,
            slot_since: now,
        }
    }

    /// Take a packet's level in; true if it is voiced.
    fn hear(&mut self, now: Time, level: Option<AudioLevel>) -> bool {
        let (minus_dbov, is_flagged) = level.map_or((UNKNOWN_MINUS_DBOV, false), |level| {
            (level.minus_dbov.min(SILENCE_MINUS_DBOV), level.is_voice)
        });
        let is_voiced = minus_dbov <= VOICE_MINUS_DBOV
            || (is_flagged && minus_dbov <= FLAGGED_VOICE_MINUS_DBOV);
        let loudness = f32::from(SILENCE_MINUS_DBOV - minus_dbov);
        self.end_speech(now);
        if is_voiced {
            self.update_loudness(now, loudness);
        }
        self.history = (self.history << 1) | u16::from(is_voiced);
        if minus_dbov < SILENCE_MINUS_DBOV {
            self.last_sound_at = Some(now);
        }
        if is_voiced {
            self.last_voice_at = Some(now);
            if (self.history & ONSET_WINDOW).count_ones() >= ONSET_PACKETS {
                self.speaking_since.get_or_insert(now);
            }
        }
        is_voiced
    }

    /// Only voice counts: a pause between words makes nobody quieter. After a long one loudness is earned anew.
    fn update_loudness(&mut self, now: Time, loudness: f32) {
        if self
            .last_voice_at
            .is_none_or(|last| now.since(last) >= HOLD)
        {
            self.loudness = loudness.min(f32::from(SILENCE_MINUS_DBOV - VOICE_MINUS_DBOV));
        }
        self.loudness += (loudness - self.loudness) * LOUDNESS_WEIGHT;
    }

    /// The pause after speech is over: packets before it say nothing of the present.
    fn end_speech(&mut self, now: Time) {
        if self
            .last_voice_at
            .is_some_and(|last| now.since(last) >= SPEECH_PAUSE)
        {
            self.speaking_since = None;
            self.history = 0;
        }
    }

    /// Digital silence, and whoever listens has heard it fade.
    fn is_faded(&self, now: Time, level: Option<AudioLevel>) -> bool {
        level.is_some_and(|level| level.minus_dbov >= SILENCE_MINUS_DBOV)
            && self
                .last_sound_at
                .is_none_or(|last| now.since(last) >= SILENCE_TAIL)
    }
}

#[cfg(test)]
#[path = "audio_selector_tests.rs"]
mod tests;
