//! What must hold between the engine's tables whenever nothing is under way. For tests: O(everything).

use crate::engine::Engine;
use crate::ids::{EncodingKey, ParticipantId, ParticipantKey};
use crate::participant::Participant;
use crate::track_table::{Listener, TrackEntry};
use std::collections::HashSet;
use wire::extensions::Tag;

/// One send stream: its owner, its m-line, and the track and encoding it carries or waits for.
#[doc(hidden)]
pub(crate) type SelectedSource = (ParticipantId, Tag, Option<(ParticipantId, Tag, u8)>);

macro_rules! require {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

impl Engine {
    /// Compare every table with every other that it must agree with.
    ///
    /// # Errors
    /// What disagrees.
    #[doc(hidden)]
    pub fn check_invariants(&self) -> Result<(), String> {
        for participant in self.participants.iter() {
            let key = self.participants.key(participant.id);
            let key = key.ok_or_else(|| format!("{:?} has no key", participant.id))?;
            self.check_participant(key, participant)?;
        }
        for entry in self.tracks.iter() {
            self.check_track(entry)?;
        }
        for room in self.rooms.iter() {
            let id = room.id;
            let room_key = (self.rooms.key(id))
                .filter(|key| (self.rooms.get(*key)).is_some_and(|found| std::ptr::eq(found, room)))
                .ok_or_else(|| format!("{id:?} is not found"))?;
            let members: HashSet<_> = room.participants.iter().collect();
            require!(
                members.len() == room.participants.len(),
                "{id:?} lists somebody twice"
            );
            for key in room.participants.iter().chain(room.ssrc_owners.values()) {
                let is_here = self
                    .participants
                    .get(*key)
                    .is_some_and(|p| p.room == room_key);
                require!(is_here, "{id:?} knows {key:?}, who is not there");
            }
            for track in room.audio_slots.into_iter().flatten() {
                let is_here = self.tracks.get(track).is_some_and(|t| t.room == room_key);
                require!(is_here, "{id:?} carries {track:?}, which is not there");
            }
        }
        self.check_routes()?;
        self.check_outgoing()
    }

    /// Which source every send stream carries, or will once its keyframe is there.
    #[doc(hidden)]
    pub fn selected_sources(&self) -> Vec<SelectedSource> {
        let name = |encoding: EncodingKey| {
            let entry = self.tracks.get(encoding.track)?;
            let owner = self.participants.get(entry.owner)?;
            Some((owner.id, entry.track.config().mid, encoding.encoding))
        };
        let mut selected: Vec<_> = self
            .participants
            .iter()
            .flat_map(|participant| {
                participant.subscribed.iter().map(move |subscription| {
                    let [current, pending] = subscription.stream.listens_to();
                    let source = pending.or(current).and_then(name);
                    (participant.id, subscription.config.mid, source)
                })
            })
            .collect();
        selected.sort_by(|a, b| (a.0, a.1.as_bytes()).cmp(&(b.0, b.1.as_bytes())));
        selected
    }

    fn check_participant(
        &self,
        key: ParticipantKey,
        participant: &Participant,
    ) -> Result<(), String> {
        let id = participant.id;
        let room = self.rooms.get(participant.room);
        let room = room.ok_or_else(|| format!("{id:?} is in no room"))?;
        require!(
            room.participants.contains(&key),
            "{id:?} is not listed by its room"
        );
        require!(
            participant.transport.output.feedback_ripe_at == participant.feedback.ripe_at(),
            "{id:?}: the output has another time for feedback"
        );
        require!(
            participant.published.len() == participant.published_configs.len(),
            "{id:?}: publications and their configurations differ"
        );
        for (publication, config) in participant
            .published
            .iter()
            .zip(&participant.published_configs)
        {
            let entry = self.tracks.get(publication.track);
            let is_own = entry.is_some_and(|entry| {
                entry.owner == key
                    && entry.room == participant.room
                    && entry.track.config() == config
                    && publication.mid == config.mid
            });
            require!(is_own, "{id:?}: {:?} is not its track", publication.mid);
        }
        for (ssrc, binding) in participant.ssrcs.iter() {
            require!(
                room.ssrc_owners.get(&ssrc) == Some(&key),
                "{id:?}: SSRC {ssrc} is bound but not owned"
            );
            require!(
                usize::from(binding.track) < participant.published.len(),
                "{id:?}: SSRC {ssrc} is bound to no m-line"
            );
        }
        for (index, subscription) in participant.subscribed.iter().enumerate() {
            let listener = Listener {
                participant: key,
                subscription: index as u16,
            };
            require!(
                subscription.listening == subscription.stream.listens_to(),
                "{id:?} {index}: tables say {:?}, the stream {:?}",
                subscription.listening,
                subscription.stream.listens_to()
            );
            for from in subscription.listening.into_iter().flatten() {
                let is_listed = self.tracks.get(from.track).is_some_and(|entry| {
                    entry.listeners[usize::from(from.encoding)].contains(&listener)
                });
                require!(is_listed, "{id:?} {index}: {from:?} does not know of it");
            }
            if let Some(track) = subscription.track {
                let is_listed = self
                    .tracks
                    .get(track)
                    .is_some_and(|entry| entry.wishers.contains(&listener));
                require!(
                    is_listed,
                    "{id:?} {index}: {track:?} does not know its wish"
                );
            }
        }
        Ok(())
    }

    fn check_track(&self, entry: &TrackEntry) -> Result<(), String> {
        let key = entry.track.key();
        let is_published = self
            .participants
            .get(entry.owner)
            .is_some_and(|owner| owner.published.iter().any(|p| p.track == key));
        require!(is_published, "{key:?} is published by nobody");
        let find = |listener: &Listener| {
            self.participants
                .get(listener.participant)
                .and_then(|p| p.subscribed.get(usize::from(listener.subscription)))
        };
        for (index, listeners) in entry.listeners.iter().enumerate() {
            require!(
                listeners.is_sorted_by(|a, b| a < b),
                "{key:?}: listeners out of order"
            );
            let own = EncodingKey {
                track: key,
                encoding: index as u8,
            };
            for listener in listeners {
                let is_known = find(listener).is_some_and(|s| s.listening.contains(&Some(own)));
                require!(is_known, "{own:?}: {listener:?} does not listen");
            }
        }
        require!(
            entry.wishers.is_sorted_by(|a, b| a < b),
            "{key:?}: wishers out of order"
        );
        for wisher in &entry.wishers {
            let is_known = find(wisher).is_some_and(|s| s.track == Some(key));
            require!(is_known, "{key:?}: {wisher:?} does not wish for it");
        }
        Ok(())
    }

    fn check_routes(&self) -> Result<(), String> {
        let mut count = 0;
        for participant in self.participants.iter() {
            let key = self.participants.key(participant.id);
            for path in participant.transport.ice.paths() {
                count += 1;
                require!(
                    self.routes.by_path.get(&path).copied() == key,
                    "{:?}: {path:?} leads elsewhere",
                    participant.id
                );
            }
            for ufrag in participant.transport.ice.local_ufrags() {
                require!(
                    self.routes.by_ufrag.get(ufrag).copied() == key,
                    "{:?}: {ufrag} leads elsewhere",
                    participant.id
                );
            }
        }
        require!(
            count == self.routes.by_path.len(),
            "{} paths are nobody's",
            self.routes.by_path.len() - count
        );
        let routed = self.participants.iter().map(|p| p.routed_ufrags.len());
        require!(
            routed.sum::<usize>() == self.routes.by_ufrag.len(),
            "some ufrags are nobody's"
        );
        Ok(())
    }

    fn check_outgoing(&self) -> Result<(), String> {
        let dirty: HashSet<_> = self.outgoing.dirty.iter().collect();
        require!(
            dirty.len() == self.outgoing.dirty.len(),
            "somebody is listed for sending twice"
        );
        for participant in self.participants.iter() {
            let key = self.participants.key(participant.id);
            let output = &participant.transport.output;
            require!(
                output.is_listed == key.is_some_and(|key| dirty.contains(&key)),
                "{:?}: listed for sending, or not, against its own word",
                participant.id
            );
            require!(
                output.is_listed || output.is_empty(),
                "{:?}: datagrams that nobody will send",
                participant.id
            );
        }
        Ok(())
    }
}
