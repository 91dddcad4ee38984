//! Who carries what: wishes and voices become the encodings that send streams listen to.

use crate::engine::{Engine, Owner};
use crate::event::{AUDIO_SLOTS, Event};
use crate::ids::{EncodingKey, Kind, ParticipantId, ParticipantKey, RoomKey, TrackKey};
use crate::keyframe_limiter::KeyframeCause;
use crate::layer_selection::{LayerState, choose_encoding, choose_spatial_layer};
use crate::media_config::MAX_ENCODINGS;
use crate::send_stream::{SourceClock, Wanted};
use crate::time::Time;
use crate::track_table::{Listener, TrackEntry, enter, leave};
use std::time::Duration;
use wire::extensions::Tag;

/// A stream that carries nothing may start from a keyframe this old: the viewer sees a picture at once.
const CACHE_START_MAX_AGE: Duration = Duration::from_secs(2);
/// One that carries something already only from a keyframe this fresh: a longer replay would put its timestamps ahead of
/// time, and the receiver would keep that as delay.
const CACHE_SWITCH_MAX_AGE: Duration = Duration::from_millis(150);
/// LIMIT: packets of one replay, about 128 KiB.
const CACHE_START_MAX_PACKETS: usize = 120;

impl Engine {
    /// Take a viewer's wish for one receive-only video m-line and act on it.
    pub(crate) fn set_wish(
        &mut self,
        now: Time,
        listener: Listener,
        wish: Option<(ParticipantId, Tag)>,
        max_height: u16,
    ) {
        let Some(participant) = self.participants.get_mut(listener.participant) else {
            return;
        };
        let subscription = &mut participant.subscribed[usize::from(listener.subscription)];
        subscription.wish = wish;
        subscription.max_height = max_height;
        let track = self.find_track(wish);
        self.set_subscribed_track(listener, track);
        self.reselect(now, listener);
    }

    /// The track that a wish names, if it is published now.
    pub(crate) fn find_track(&self, wish: Option<(ParticipantId, Tag)>) -> Option<TrackKey> {
        let (publisher, mid) = wish?;
        let publisher = self.participants.get(self.participants.key(publisher)?)?;
        publisher
            .publication_of(&mid)
            .map(|publication| publication.track)
    }

    /// Note which track a subscription stands for, on both sides.
    pub(crate) fn set_subscribed_track(&mut self, listener: Listener, track: Option<TrackKey>) {
        let Some(participant) = self.participants.get_mut(listener.participant) else {
            return;
        };
        let subscription = &mut participant.subscribed[usize::from(listener.subscription)];
        let before = std::mem::replace(&mut subscription.track, track);
        if before == track {
            return;
        }
        if let Some(entry) = before.and_then(|key| self.tracks.get_mut(key)) {
            leave(&mut entry.wishers, listener);
        }
        if let Some(entry) = track.and_then(|key| self.tracks.get_mut(key)) {
            enter(&mut entry.wishers, listener);
        }
    }

    /// Choose the encoding for one subscription again and start it, from the cache if it can be.
    pub(crate) fn reselect(&mut self, now: Time, listener: Listener) {
        let Some(participant) = self.participants.get_mut(listener.participant) else {
            return;
        };
        let subscription = &mut participant.subscribed[usize::from(listener.subscription)];
        let entry = subscription.track.and_then(|key| self.tracks.get(key));
        let stream = &mut subscription.stream;
        let carried = stream.current();
        let wanted = entry.and_then(|entry| {
            if !entry.is_allowed || !stream.can_decode(&entry.track.config().codecs) {
                return None;
            }
            let encoding = choose(entry, subscription.max_height)?;
            Some(EncodingKey {
                track: entry.track.key(),
                encoding,
            })
        });
        match (entry, wanted) {
            (Some(entry), Some(encoding)) => stream.select(Some(&Wanted {
                encoding,
                codecs: &entry.track.config().codecs,
                max_spatial_layer: choose_layer(entry, encoding, subscription.max_height),
                max_temporal_layer: u8::MAX,
                clock: source_clock(entry, encoding.encoding),
            })),
            // A source that is published but silent for now keeps its stream: its layers may come back.
            (Some(entry), None)
                if entry.is_allowed
                    && subscription.max_height > 0
                    && stream
                        .listens_to()
                        .iter()
                        .flatten()
                        .any(|own| Some(own.track) == subscription.track) => {}
            _ => stream.select(None),
        }
        let needs_keyframe = stream.needs_keyframe();
        let stopped = carried.is_some() && stream.current().is_none();
        let (id, mid) = (participant.id, subscription.config.mid);
        let is_video = subscription.config.kind == Kind::Video;
        self.sync_listening(listener);
        if stopped && is_video {
            self.push_event(Event::SourceStarted {
                participant: id,
                mid,
                source: None,
            });
        }
        if let Some(encoding) = needs_keyframe.filter(|_| is_video) {
            self.start_or_ask(now, listener, encoding, carried);
        }
    }

    fn start_or_ask(
        &mut self,
        now: Time,
        listener: Listener,
        wanted: EncodingKey,
        carried: Option<EncodingKey>,
    ) {
        let max_age = if carried.is_none() {
            CACHE_START_MAX_AGE
        } else {
            CACHE_SWITCH_MAX_AGE
        };
        let first = self
            .tracks
            .get(wanted.track)
            .and_then(|entry| entry.track.cache(wanted.encoding))
            .and_then(|cache| cache.startable_from(now, max_age, CACHE_START_MAX_PACKETS));
        if let Some(first) = first
            && self.replay(now, listener, wanted, first)
        {
            self.counters.keyframe_cache_starts += 1;
            self.handle_started(listener);
            return;
        }
        self.request_keyframe(now, wanted, KeyframeCause::Switch);
    }

    /// A send stream began to carry what it waited for: it listens to less now, and Python may know.
    pub(crate) fn handle_started(&mut self, listener: Listener) {
        self.sync_listening(listener);
        self.counters.source_switches += 1;
        let Some(participant) = self.participants.get(listener.participant) else {
            return;
        };
        let subscription = &participant.subscribed[usize::from(listener.subscription)];
        let entry = subscription
            .stream
            .current()
            .and_then(|current| self.tracks.get(current.track));
        if subscription.config.kind == Kind::Video
            && let Some(entry) = entry
            && let Some(owner) = self.participants.get(entry.owner)
        {
            let source = Some((owner.id, entry.track.config().mid));
            let (id, mid) = (participant.id, subscription.config.mid);
            self.push_event(Event::SourceStarted {
                participant: id,
                mid,
                source,
            });
        }
    }

    /// Bring the tables of listeners in line with what a send stream listens to now.
    pub(crate) fn sync_listening(&mut self, listener: Listener) {
        let Some(participant) = self.participants.get_mut(listener.participant) else {
            return;
        };
        let subscription = &mut participant.subscribed[usize::from(listener.subscription)];
        let after = subscription.stream.listens_to();
        let before = std::mem::replace(&mut subscription.listening, after);
        if before != after {
            self.tracks.move_listener(listener, before, after);
        }
    }

    /// Ask the publisher for a keyframe, through the encoding's one limiter.
    pub(crate) fn request_keyframe(
        &mut self,
        now: Time,
        encoding: EncodingKey,
        cause: KeyframeCause,
    ) {
        let Some(entry) = self.tracks.get_mut(encoding.track) else {
            return;
        };
        let owner = entry.owner;
        let limiter = &mut entry.keyframes[usize::from(encoding.encoding)];
        limiter.request(now, cause);
        let due = limiter.next_timeout();
        if let Some(participant) = self.participants.get_mut(owner) {
            self.timers
                .schedule(&mut participant.deadline, Owner::Participant(owner), due);
        }
    }

    /// The room's voices changed: point every audio stream at its slot's new holder.
    pub(crate) fn apply_audio_slots(
        &mut self,
        now: Time,
        room_key: RoomKey,
        slots: [Option<TrackKey>; AUDIO_SLOTS],
    ) {
        let Some(room) = self.rooms.get_mut(room_key) else {
            return;
        };
        room.audio_slots = slots;
        let room_id = room.id;
        let participants = std::mem::take(&mut room.participants);
        for key in &participants {
            self.follow_audio_slots(now, *key, slots);
        }
        if let Some(room) = self.rooms.get_mut(room_key) {
            room.participants = participants;
        }
        let holders = slots.map(|slot| {
            let entry = self.tracks.get(slot?)?;
            self.participants.get(entry.owner).map(|owner| owner.id)
        });
        self.push_event(Event::AudioSlots {
            room: room_id,
            participants: holders,
        });
    }

    /// Point one participant's audio streams at the room's voices, never at its own.
    pub(crate) fn follow_audio_slots(
        &mut self,
        now: Time,
        key: ParticipantKey,
        slots: [Option<TrackKey>; AUDIO_SLOTS],
    ) {
        let Some(participant) = self.participants.get(key) else {
            return;
        };
        for index in 0..participant.subscribed.len() {
            let Some(participant) = self.participants.get(key) else {
                return;
            };
            let Some(slot) = participant.subscribed[index].audio_slot else {
                continue;
            };
            let track = slots.get(slot).copied().flatten().filter(|track| {
                self.tracks
                    .get(*track)
                    .is_some_and(|entry| entry.owner != key)
            });
            if participant.subscribed[index].track != track {
                let listener = Listener {
                    participant: key,
                    subscription: index as u16,
                };
                self.set_subscribed_track(listener, track);
                self.reselect(now, listener);
            }
        }
    }
}

fn choose(entry: &TrackEntry, max_height: u16) -> Option<u8> {
    if entry.track.config().kind == Kind::Audio {
        return Some(0);
    }
    let mut layers = [LayerState::default(); MAX_ENCODINGS];
    let encodings = entry.track.encodings();
    for (layer, state) in layers.iter_mut().zip(encodings) {
        *layer = LayerState {
            is_alive: state.is_alive,
            height: state.height,
            bitrate_bps: state.bitrate_bps,
        };
    }
    // The bandwidth allocator's budget will come in here.
    choose_encoding(
        &layers[..encodings.len().min(MAX_ENCODINGS)],
        max_height,
        None,
    )
}

/// The highest spatial layer wanted of an encoding.
fn choose_layer(entry: &TrackEntry, encoding: EncodingKey, max_height: u16) -> u8 {
    let state = entry.track.encodings().get(usize::from(encoding.encoding));
    state.map_or(u8::MAX, |state| {
        choose_spatial_layer(&state.spatial_heights, max_height)
    })
}

/// Where the encoding's RTP clock stood at what engine time, by its publisher's latest sender report.
pub(crate) fn source_clock(entry: &TrackEntry, encoding: u8) -> Option<SourceClock> {
    let report = entry.track.sender_report(encoding)?;
    let time = entry.publisher_clock?.engine_time(report.ntp_time)?;
    Some(SourceClock {
        time,
        rtp_timestamp: report.rtp_timestamp,
    })
}
