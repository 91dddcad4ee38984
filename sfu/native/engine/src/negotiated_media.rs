//! A negotiation's result becomes tracks and send streams; what stays the same keeps running.

use crate::command::CommandError;
use crate::engine::Engine;
use crate::event::AUDIO_SLOTS;
use crate::ids::{Kind, ParticipantId, ParticipantKey, RoomKey, TrackKey};
use crate::keyframe_limiter::KeyframeLimiter;
use crate::media_config::{MAX_MEDIA, PublishConfig, SubscribeConfig};
use crate::participant::{Participant, Publication, Subscription};
use crate::published_track::PublishedTrack;
use crate::send_stream::{SendSeeds, SendStream};
use crate::time::Time;
use crate::track_table::{Listener, TrackEntry};
use std::collections::HashSet;
use wire::extensions::Tag;

/// LIMIT: SSRCs of send streams that one participant gave up; they are never used again.
const MAX_SPENT_SSRCS: usize = 1_024;

impl Engine {
    pub(crate) fn set_media(
        &mut self,
        now: Time,
        id: ParticipantId,
        published: Vec<PublishConfig>,
        subscribed: Vec<SubscribeConfig>,
    ) -> Result<(), CommandError> {
        let key = self.key_of(id)?;
        if let Some(participant) = self.participants.get(key) {
            check_media(participant, &published, &subscribed)?;
        }
        if let Some(participant) = self.participants.get_mut(key) {
            participant.ssrcs.set_media(&published);
        }
        self.set_published(now, key, published);
        self.set_subscribed(now, key, subscribed);
        if let Some(participant) = self.participants.get_mut(key) {
            participant.reports_due = participant.reports_due.min(now);
        }
        self.wake_participant(now, key);
        Ok(())
    }

    fn set_published(&mut self, now: Time, key: ParticipantKey, published: Vec<PublishConfig>) {
        let Some(participant) = self.participants.get_mut(key) else {
            return;
        };
        let (room, id) = (participant.room, participant.id);
        participant.published_configs.clone_from(&published);
        let mut old = std::mem::take(&mut participant.published);
        let mut added = Vec::new();
        let mut publications = Vec::with_capacity(published.len());
        for config in published {
            let mid = config.mid;
            let before = old.iter().position(|publication| publication.mid == mid);
            let before =
                before.and_then(|index| self.tracks.get(old[index].track).zip(Some(index)));
            // A new m-line is closed until its grant comes: nothing slips through between the two commands.
            let is_allowed = before.is_some_and(|(entry, _)| entry.is_allowed);
            let kept = before.filter(|(entry, _)| entry.track.is_compatible(&config));
            let track = if let Some((_, index)) = kept {
                let publication = old.swap_remove(index);
                if let Some(entry) = self.tracks.get_mut(publication.track) {
                    entry.track.set_config(config);
                }
                publication.track
            } else {
                // Other codecs or rids are another track: its numbers have nothing to do with those before, and a
                // retransmission must never find them. The grant is of the m-line and stays.
                added.push(mid);
                self.add_track(key, room, config, is_allowed)
            };
            publications.push(Publication { mid, track });
        }
        if let Some(participant) = self.participants.get_mut(key) {
            participant.published = publications;
        }
        for gone in old {
            self.remove_track(now, gone.track);
        }
        for mid in added {
            self.fulfil_wishes(now, room, (id, mid));
        }
    }

    fn add_track(
        &mut self,
        owner: ParticipantKey,
        room: RoomKey,
        config: PublishConfig,
        is_allowed: bool,
    ) -> TrackKey {
        let is_kep = self.is_kep;
        let publisher_clock = self
            .participants
            .get(owner)
            .and_then(|participant| participant.publisher_clock);
        self.tracks.insert_with(|track| TrackEntry {
            track: PublishedTrack::new(track, config, is_kep),
            owner,
            room,
            is_allowed,
            publisher_clock,
            keyframes: std::array::from_fn(|_| KeyframeLimiter::default()),
            listeners: Default::default(),
            wishers: Vec::new(),
        })
    }

    /// Take a track out of the room: its voice, its listeners, its wishers.
    pub(crate) fn remove_track(&mut self, now: Time, track: TrackKey) {
        self.silence_voice(now, track);
        let Some(entry) = self.tracks.remove(track) else {
            return;
        };
        let mut touched = entry.wishers;
        touched.extend(entry.listeners.into_iter().flatten());
        touched.sort_unstable();
        touched.dedup();
        for listener in touched {
            self.lose_track(now, listener, track);
        }
    }

    fn lose_track(&mut self, now: Time, listener: Listener, track: TrackKey) {
        let Some(participant) = self.participants.get_mut(listener.participant) else {
            return;
        };
        let subscription = &mut participant.subscribed[usize::from(listener.subscription)];
        if subscription.track == Some(track) {
            subscription.track = None;
        }
        self.reselect(now, listener);
        if let Some(participant) = self.participants.get_mut(listener.participant) {
            // What is still awaited of another source may have kept it as the current one.
            let stream = &mut participant.subscribed[usize::from(listener.subscription)].stream;
            let gone = stream.listens_to().into_iter().flatten();
            for key in gone.filter(|key| key.track == track) {
                stream.source_gone(key);
            }
        }
        self.sync_listening(listener);
    }

    /// Somebody may have wished for this track before it was there.
    fn fulfil_wishes(&mut self, now: Time, room: RoomKey, source: (ParticipantId, Tag)) {
        let track = self.find_track(Some(source));
        let participants = self
            .rooms
            .get(room)
            .map(|room| room.participants.clone())
            .unwrap_or_default();
        for key in participants {
            let Some(participant) = self.participants.get(key) else {
                continue;
            };
            let waiting: Vec<usize> = (0..participant.subscribed.len())
                .filter(|index| participant.subscribed[*index].wish == Some(source))
                .collect();
            for index in waiting {
                let listener = Listener {
                    participant: key,
                    subscription: index as u16,
                };
                self.set_subscribed_track(listener, track);
                self.reselect(now, listener);
            }
        }
    }

    /// A stream is known by its SSRC and keeps its numbers wherever its m-line moves: under the same SRTP key a number must
    /// never be used twice.
    fn set_subscribed(&mut self, now: Time, key: ParticipantKey, subscribed: Vec<SubscribeConfig>) {
        // Listeners are named by index, and that may change.
        self.forget_subscriptions(key);
        let Some(participant) = self.participants.get_mut(key) else {
            return;
        };
        let mut old = std::mem::take(&mut participant.subscribed);
        let room_key = participant.room;
        let mut audio_slots = 0..AUDIO_SLOTS;
        let mut made = Vec::with_capacity(subscribed.len());
        for config in subscribed {
            let audio_slot = match config.kind {
                Kind::Audio => audio_slots.next(),
                Kind::Video => None,
            };
            let kept = old.iter().position(|subscription| {
                let before = &subscription.config;
                (before.ssrc, before.kind) == (config.ssrc, config.kind)
            });
            made.push(match kept {
                Some(index) => {
                    let mut kept = old.swap_remove(index);
                    kept.stream.set_config(config.clone());
                    Subscription {
                        config,
                        audio_slot,
                        ..kept
                    }
                }
                None => self.make_subscription(config, audio_slot),
            });
        }
        if let Some(participant) = self.participants.get_mut(key) {
            participant.spent_ssrcs.extend(old.iter().flat_map(|gone| {
                [Some(gone.config.ssrc), gone.config.rtx_ssrc]
                    .into_iter()
                    .flatten()
            }));
            participant.subscribed = made;
        }
        self.follow_wishes(key);
        let slots = self
            .rooms
            .get(room_key)
            .map(|room| room.audio_slots)
            .unwrap_or_default();
        self.follow_audio_slots(now, key, slots);
        self.reselect_all(now, key);
    }

    fn make_subscription(
        &mut self,
        config: SubscribeConfig,
        audio_slot: Option<usize>,
    ) -> Subscription {
        Subscription {
            stream: SendStream::new(config.clone(), &self.draw_seeds()),
            config,
            wish: None,
            max_height: 0,
            track: None,
            listening: [None; 2],
            audio_slot,
        }
    }

    /// Point every video subscription of a participant at the track it wishes for.
    fn follow_wishes(&mut self, key: ParticipantKey) {
        let count = self.subscription_count(key);
        for index in 0..count {
            let wish = self
                .participants
                .get(key)
                .and_then(|participant| participant.subscribed[index].wish);
            let listener = Listener {
                participant: key,
                subscription: index as u16,
            };
            if wish.is_some() {
                let track = self.find_track(wish);
                self.set_subscribed_track(listener, track);
            }
        }
    }

    /// Leave the tables of listeners and wishers with every subscription; the streams keep what they carry.
    pub(crate) fn forget_subscriptions(&mut self, key: ParticipantKey) {
        for index in 0..self.subscription_count(key) {
            let listener = Listener {
                participant: key,
                subscription: index as u16,
            };
            self.set_subscribed_track(listener, None);
            if let Some(participant) = self.participants.get_mut(key) {
                let listening = std::mem::take(&mut participant.subscribed[index].listening);
                self.tracks.move_listener(listener, listening, [None; 2]);
            }
        }
    }

    pub(crate) fn subscription_count(&self, key: ParticipantKey) -> usize {
        self.participants
            .get(key)
            .map_or(0, |participant| participant.subscribed.len())
    }

    fn draw_seeds(&mut self) -> SendSeeds {
        let (first, second) = (self.random.next(), self.random.next());
        SendSeeds {
            sequence_number: first as u16 & 0x7fff,
            rtx_sequence_number: (first >> 16) as u16 & 0x7fff,
            timestamp: (first >> 32) as u32,
            picture_id: second as u16 & 0x7fff,
            tl0_picture_index: (second >> 16) as u8,
        }
    }
}

/// Refuse what could not be carried out whole, before anything changes.
fn check_media(
    participant: &Participant,
    published: &[PublishConfig],
    subscribed: &[SubscribeConfig],
) -> Result<(), CommandError> {
    if published.len() > MAX_MEDIA || subscribed.len() > MAX_MEDIA {
        return Err(CommandError::TooMany("m-lines"));
    }
    if participant.spent_ssrcs.len() + 2 * participant.subscribed.len() > MAX_SPENT_SSRCS {
        return Err(CommandError::TooMany("given-up SSRCs"));
    }
    let mut mids = HashSet::new();
    let is_unique = published.iter().all(|config| mids.insert(config.mid));
    mids.clear();
    if !is_unique || !subscribed.iter().all(|config| mids.insert(config.mid)) {
        return Err(CommandError::BadValue("mid: used twice"));
    }
    let mut ssrcs = HashSet::new();
    for config in subscribed {
        for ssrc in std::iter::once(config.ssrc).chain(config.rtx_ssrc) {
            // The same SSRC and number under the same key, once more: fatal to AES-GCM (RFC 7714 §10.1).
            if !ssrcs.insert(ssrc) || participant.spent_ssrcs.contains(&ssrc) {
                return Err(CommandError::BadValue("ssrc: used before"));
            }
        }
    }
    Ok(())
}
