//! Commands: what Python decides becomes rooms, transports, tracks and wishes.

use crate::command::{Command, CommandError, SrtpKeys};
use crate::engine::{Engine, Owner};
use crate::event::AUDIO_SLOTS;
use crate::feedback_recorder::FeedbackRecorder;
use crate::ice::{Credentials, IceAgent};
use crate::ids::{Kind, ParticipantId, ParticipantKey, RoomId};
use crate::keyframe_limiter::KeyframeLimiter;
use crate::media_config::{MAX_MEDIA, PublishConfig, SubscribeConfig};
use crate::participant::{Participant, Publication, Subscription};
use crate::published_track::PublishedTrack;
use crate::room::Room;
use crate::send_stream::{SendSeeds, SendStream};
use crate::ssrc_table::SsrcTable;
use crate::time::Time;
use crate::timer_queue::Deadline;
use crate::track_table::{Listener, TrackEntry};
use crate::transport::Transport;
use wire::extensions::{ExtensionIds, Tag};
use wire::rtcp;
use wire::srtp::{SrtpReceiver, SrtpSender};

/// RFC 8445 §5.3: at least 24 bits of ufrag and 128 bits of password, in ice-chars; at most 256 characters.
const UFRAG_CHARACTERS: std::ops::RangeInclusive<usize> = 4..=256;
const PASSWORD_CHARACTERS: std::ops::RangeInclusive<usize> = 22..=256;

impl Engine {
    pub(crate) fn apply_command(
        &mut self,
        now: Time,
        command: Command,
    ) -> Result<(), CommandError> {
        match command {
            Command::AddRoom { room } => self.add_room(room),
            Command::RemoveRoom { room } => self.remove_room(now, room),
            Command::AddParticipant {
                room,
                participant,
                ice_ufrag,
                ice_pwd,
            } => self.add_participant(now, room, participant, ice_ufrag, ice_pwd),
            Command::RemoveParticipant { participant } => {
                let key = self.key_of(participant)?;
                self.remove_participant(now, key);
                Ok(())
            }
            Command::SetRemoteIce {
                participant,
                remote_ufrag,
            } => {
                let key = self.key_of(participant)?;
                if let Some(participant) = self.participants.get_mut(key) {
                    participant.transport.ice.set_remote_ufrag(remote_ufrag);
                }
                Ok(())
            }
            Command::RestartIce {
                participant,
                ice_ufrag,
                ice_pwd,
                remote_ufrag,
            } => self.restart_ice(now, participant, ice_ufrag, ice_pwd, remote_ufrag),
            Command::SetMedia {
                participant,
                published,
                subscribed,
            } => self.set_media(now, participant, published, subscribed),
            Command::SetSrtpKeys { participant, keys } => {
                self.set_srtp_keys(now, participant, &keys)
            }
            Command::SendDtls {
                participant,
                datagram,
            } => self.send_dtls(participant, &datagram),
            Command::SetSource {
                participant,
                mid,
                source,
                max_height,
            } => self.set_source(now, participant, mid, source, max_height),
            Command::SetForwarding {
                participant,
                mid,
                is_allowed,
            } => self.set_forwarding(now, participant, mid, is_allowed),
        }
    }

    fn key_of(&self, participant: ParticipantId) -> Result<ParticipantKey, CommandError> {
        self.participants
            .key(participant)
            .ok_or(CommandError::UnknownParticipant(participant))
    }

    fn add_room(&mut self, room: RoomId) -> Result<(), CommandError> {
        if self.rooms.contains_key(&room) {
            return Err(CommandError::AlreadyExists("room"));
        }
        self.rooms.insert(room, Room::new());
        Ok(())
    }

    fn remove_room(&mut self, now: Time, room_id: RoomId) -> Result<(), CommandError> {
        let room = self
            .rooms
            .get(&room_id)
            .ok_or(CommandError::UnknownRoom(room_id))?;
        for key in room.participants.clone() {
            self.remove_participant(now, key);
        }
        self.rooms.remove(&room_id);
        Ok(())
    }

    fn add_participant(
        &mut self,
        now: Time,
        room_id: RoomId,
        id: ParticipantId,
        local_ufrag: String,
        local_pwd: String,
    ) -> Result<(), CommandError> {
        if !self.rooms.contains_key(&room_id) {
            return Err(CommandError::UnknownRoom(room_id));
        }
        if self.participants.key(id).is_some() {
            return Err(CommandError::AlreadyExists("participant"));
        }
        self.check_credentials(&local_ufrag, &local_pwd)?;
        let ufrag = local_ufrag.clone();
        let credentials = Credentials {
            local_ufrag,
            local_pwd,
            remote_ufrag: None,
        };
        let participant = Participant {
            id,
            room: room_id,
            transport: Transport::new(IceAgent::new(credentials)),
            deadline: Deadline::default(),
            own_ssrc: self.random.next() as u32,
            extension_ids: ExtensionIds::default(),
            ssrcs: SsrcTable::default(),
            feedback: FeedbackRecorder::default(),
            published: Vec::new(),
            published_configs: Vec::new(),
            publisher_clock: None,
            subscribed: Vec::new(),
            reports_due: Time::NEVER,
            quality_due: now,
            round_trip: None,
            loss_received: 0.0,
            reference_time: None,
        };
        let key = self.participants.insert(participant);
        self.routes.by_ufrag.insert(ufrag, key);
        if let Some(room) = self.rooms.get_mut(&room_id) {
            room.participants.push(key);
        }
        Ok(())
    }

    fn check_credentials(&self, ufrag: &str, password: &str) -> Result<(), CommandError> {
        let is_ice_chars = |text: &str| {
            text.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
        };
        if !UFRAG_CHARACTERS.contains(&ufrag.len()) || !is_ice_chars(ufrag) {
            return Err(CommandError::BadValue("ice_ufrag"));
        }
        if !PASSWORD_CHARACTERS.contains(&password.len()) || !is_ice_chars(password) {
            return Err(CommandError::BadValue("ice_pwd"));
        }
        if self.routes.by_ufrag.contains_key(ufrag) {
            return Err(CommandError::AlreadyExists("ice_ufrag"));
        }
        Ok(())
    }

    fn restart_ice(
        &mut self,
        now: Time,
        id: ParticipantId,
        local_ufrag: String,
        local_pwd: String,
        remote_ufrag: String,
    ) -> Result<(), CommandError> {
        let key = self.key_of(id)?;
        self.check_credentials(&local_ufrag, &local_pwd)?;
        let Some(participant) = self.participants.get_mut(key) else {
            return Ok(());
        };
        let kept = participant
            .transport
            .ice
            .local_ufrags()
            .next()
            .map(str::to_owned);
        let ufrag = local_ufrag.clone();
        let credentials = Credentials {
            local_ufrag,
            local_pwd,
            remote_ufrag: Some(remote_ufrag),
        };
        participant.transport.ice.restart(now, credentials);
        let due = participant.transport.ice.next_timeout();
        self.timers
            .schedule(&mut participant.deadline, Owner::Participant(key), due);
        // Ufrags of generations before the last one are forgotten; the last one serves until the new pair is nominated.
        self.routes
            .by_ufrag
            .retain(|other, owner| *owner != key || Some(other) == kept.as_ref());
        self.routes.by_ufrag.insert(ufrag, key);
        Ok(())
    }

    pub(crate) fn remove_participant(&mut self, now: Time, key: ParticipantKey) {
        self.say_goodbye(now, key);
        let Some(participant) = self.participants.get(key) else {
            return;
        };
        let room_id = participant.room;
        let tracks: Vec<_> = participant
            .published
            .iter()
            .map(|publication| publication.track)
            .collect();
        for track in tracks {
            self.remove_track(now, track);
        }
        self.forget_subscriptions(key, 0);
        let Some(participant) = self.participants.remove(key) else {
            return;
        };
        let transport = &participant.transport;
        self.routes.by_path.retain(|_, owner| *owner != key);
        self.routes.by_ufrag.retain(|_, owner| *owner != key);
        if let Some(transmit) = transport.output.transmit() {
            // The BYE leaves although its transport is gone.
            let mut rest = transmit.contents;
            for length in transmit.datagram_bytes {
                let (datagram, tail) = rest.split_at(usize::from(*length));
                self.outgoing
                    .answer(transmit.path, |out| out.extend_from_slice(datagram));
                rest = tail;
            }
        }
        self.outgoing.dirty.retain(|other| *other != key);
        if let Some(room) = self.rooms.get_mut(&room_id) {
            room.participants.retain(|other| *other != key);
            room.ssrc_owners.retain(|_, owner| *owner != key);
        }
    }

    fn say_goodbye(&mut self, now: Time, key: ParticipantKey) {
        if !self.open_output(now, key) {
            return;
        }
        if let Some(participant) = self.participants.get_mut(key) {
            let own_ssrc = participant.own_ssrc;
            let ssrcs: Vec<u32> = participant
                .subscribed
                .iter()
                .take(30)
                .map(|subscription| subscription.config.ssrc)
                .collect();
            participant.transport.output.send_rtcp(|out| {
                rtcp::write_receiver_report(out, own_ssrc, &[]);
                rtcp::write_goodbye(out, &ssrcs);
            });
        }
    }

    /// Take a track out of the room: its voice, its listeners, its wishers.
    fn remove_track(&mut self, now: Time, track: crate::ids::TrackKey) {
        let Some(entry) = self.tracks.get(track) else {
            return;
        };
        let room_id = entry.room;
        if let Some(room) = self.rooms.get_mut(&room_id) {
            room.voices.remove(track);
            if let Some(slots) = room.voices.poll_slots() {
                self.apply_audio_slots(now, room_id, slots);
            }
        }
        let Some(entry) = self.tracks.remove(track) else {
            return;
        };
        let mut touched = entry.wishers;
        for listener in entry.listeners.into_iter().flatten() {
            if !touched.contains(&listener) {
                touched.push(listener);
            }
        }
        for listener in touched {
            self.lose_track(now, listener, track);
        }
    }

    fn lose_track(&mut self, now: Time, listener: Listener, track: crate::ids::TrackKey) {
        let Some(participant) = self.participants.get_mut(listener.participant) else {
            return;
        };
        let subscription = &mut participant.subscribed[usize::from(listener.subscription)];
        for key in subscription
            .stream
            .listens_to()
            .into_iter()
            .flatten()
            .filter(|key| key.track == track)
        {
            subscription.stream.source_gone(key);
        }
        if subscription.track == Some(track) {
            subscription.track = None;
        }
        self.reselect(now, listener);
    }

    /// Leave the tables of listeners and wishers with every subscription from index `from` on.
    fn forget_subscriptions(&mut self, key: ParticipantKey, from: usize) {
        let count = self
            .participants
            .get(key)
            .map_or(0, |participant| participant.subscribed.len());
        for index in from..count {
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

    fn set_media(
        &mut self,
        now: Time,
        id: ParticipantId,
        published: Vec<PublishConfig>,
        subscribed: Vec<SubscribeConfig>,
    ) -> Result<(), CommandError> {
        let key = self.key_of(id)?;
        if published.len() > MAX_MEDIA || subscribed.len() > MAX_MEDIA {
            return Err(CommandError::TooMany("m-lines"));
        }
        if let Some(participant) = self.participants.get_mut(key) {
            participant.extension_ids = merge_extension_ids(&published);
            participant.ssrcs.set_media(&published);
        }
        self.set_published(now, key, published);
        self.set_subscribed(now, key, subscribed);
        if let Some(participant) = self.participants.get_mut(key) {
            participant.reports_due = participant.reports_due.min(now);
            self.timers
                .schedule(&mut participant.deadline, Owner::Participant(key), now);
        }
        Ok(())
    }

    fn set_published(&mut self, now: Time, key: ParticipantKey, published: Vec<PublishConfig>) {
        let Some(participant) = self.participants.get_mut(key) else {
            return;
        };
        let (room, is_kep, id) = (participant.room, self.is_kep, participant.id);
        let publisher_clock = participant.publisher_clock;
        participant.published_configs.clone_from(&published);
        let mut old = std::mem::take(&mut participant.published);
        let mut added = Vec::new();
        let mut publications = Vec::with_capacity(published.len());
        for config in published {
            let mid = config.mid;
            match old.iter().position(|publication| publication.mid == mid) {
                Some(index) => {
                    let publication = old.swap_remove(index);
                    if let Some(entry) = self.tracks.get_mut(publication.track) {
                        entry.track.set_config(config);
                    }
                    publications.push(publication);
                }
                None => {
                    let track = self.tracks.insert_with(|track| TrackEntry {
                        track: PublishedTrack::new(track, config, is_kep),
                        owner: key,
                        room,
                        publisher_clock,
                        keyframes: std::array::from_fn(|_| KeyframeLimiter::default()),
                        listeners: Default::default(),
                        wishers: Vec::new(),
                    });
                    publications.push(Publication {
                        mid,
                        track,
                        is_allowed: true,
                    });
                    added.push(mid);
                }
            }
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

    /// Somebody may have wished for this track before it was there.
    fn fulfil_wishes(&mut self, now: Time, room: RoomId, source: (ParticipantId, Tag)) {
        let track = self.find_track(Some(source));
        let participants = self
            .rooms
            .get(&room)
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

    fn set_subscribed(&mut self, now: Time, key: ParticipantKey, subscribed: Vec<SubscribeConfig>) {
        // Listeners are named by index: m-lines only ever grow or are replaced in place (RFC 8829 §5.2.2), so an index whose
        // SSRC is the same keeps its stream, and any other is made anew.
        let Some(participant) = self.participants.get(key) else {
            return;
        };
        let first_change = (0..participant.subscribed.len())
            .find(|index| {
                subscribed
                    .get(*index)
                    .is_none_or(|new| new.ssrc != participant.subscribed[*index].config.ssrc)
            })
            .unwrap_or(participant.subscribed.len());
        self.forget_subscriptions(key, first_change);
        let mut audio_slot = 0..AUDIO_SLOTS;
        let room_id = participant_room(self, key);
        let mut made = Vec::with_capacity(subscribed.len());
        for (index, config) in subscribed.into_iter().enumerate() {
            let slot = if config.kind == Kind::Audio {
                audio_slot.next()
            } else {
                None
            };
            if index >= first_change {
                let stream = SendStream::new(config.clone(), &self.draw_seeds());
                made.push(Subscription {
                    config,
                    stream,
                    wish: None,
                    max_height: 0,
                    track: None,
                    listening: [None; 2],
                    audio_slot: slot,
                });
            } else if let Some(participant) = self.participants.get_mut(key) {
                let kept = &mut participant.subscribed[index];
                kept.stream.set_config(config.clone());
                kept.config = config;
            }
        }
        if let Some(participant) = self.participants.get_mut(key) {
            participant.subscribed.truncate(first_change);
            participant.subscribed.extend(made);
        }
        let slots = self
            .rooms
            .get(&room_id)
            .map(|room| room.audio_slots)
            .unwrap_or_default();
        self.follow_audio_slots(now, key, slots);
        self.reselect_all(now, key);
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

    fn set_srtp_keys(
        &mut self,
        now: Time,
        id: ParticipantId,
        keys: &SrtpKeys,
    ) -> Result<(), CommandError> {
        let key = self.key_of(id)?;
        let sender = SrtpSender::new(keys.profile, &keys.local_key, &keys.local_salt)
            .map_err(|_| CommandError::BadValue("local_key or local_salt"))?;
        let receiver = SrtpReceiver::new(keys.profile, &keys.remote_key, &keys.remote_salt)
            .map_err(|_| CommandError::BadValue("remote_key or remote_salt"))?;
        if let Some(participant) = self.participants.get_mut(key) {
            participant.transport.output.srtp_sender = Some(sender);
            participant.transport.srtp_receiver = Some(receiver);
            participant.reports_due = now;
            self.timers
                .schedule(&mut participant.deadline, Owner::Participant(key), now);
        }
        self.reselect_all(now, key);
        Ok(())
    }

    /// Everything the participant is to see starts (again) now: it has just become able to receive.
    fn reselect_all(&mut self, now: Time, key: ParticipantKey) {
        let count = self
            .participants
            .get(key)
            .map_or(0, |participant| participant.subscribed.len());
        for index in 0..count {
            self.reselect(
                now,
                Listener {
                    participant: key,
                    subscription: index as u16,
                },
            );
        }
    }

    fn send_dtls(&mut self, id: ParticipantId, datagram: &[u8]) -> Result<(), CommandError> {
        let key = self.key_of(id)?;
        let Some(participant) = self.participants.get(key) else {
            return Ok(());
        };
        let path = participant
            .transport
            .ice
            .selected()
            .or(participant.transport.last_dtls_path);
        match path {
            Some(path) if u16::try_from(datagram.len()).is_ok() => {
                self.outgoing
                    .answer(path, |out| out.extend_from_slice(datagram));
            }
            _ => self.count_drop(crate::drop_reason::DropReason::NotConnected),
        }
        Ok(())
    }

    fn set_source(
        &mut self,
        now: Time,
        id: ParticipantId,
        mid: Tag,
        source: Option<(ParticipantId, Tag)>,
        max_height: u16,
    ) -> Result<(), CommandError> {
        let key = self.key_of(id)?;
        let Some(participant) = self.participants.get(key) else {
            return Ok(());
        };
        let index = participant
            .subscribed
            .iter()
            .position(|subscription| {
                subscription.config.mid == mid && subscription.config.kind == Kind::Video
            })
            .ok_or(CommandError::UnknownMid(mid))?;
        if let Some((publisher, _)) = source
            && let Some(publisher) = self.participants.get(self.key_of(publisher)?)
            && publisher.room != participant.room
        {
            return Err(CommandError::OtherRoom);
        }
        let listener = Listener {
            participant: key,
            subscription: index as u16,
        };
        self.set_wish(now, listener, source, max_height);
        Ok(())
    }

    fn set_forwarding(
        &mut self,
        now: Time,
        id: ParticipantId,
        mid: Tag,
        is_allowed: bool,
    ) -> Result<(), CommandError> {
        let key = self.key_of(id)?;
        let Some(participant) = self.participants.get_mut(key) else {
            return Ok(());
        };
        let room_id = participant.room;
        let publication = participant
            .published
            .iter_mut()
            .find(|publication| publication.mid == mid)
            .ok_or(CommandError::UnknownMid(mid))?;
        publication.is_allowed = is_allowed;
        let track = publication.track;
        if !is_allowed && let Some(room) = self.rooms.get_mut(&room_id) {
            room.voices.remove(track);
            if let Some(slots) = room.voices.poll_slots() {
                self.apply_audio_slots(now, room_id, slots);
            }
        }
        Ok(())
    }
}

fn participant_room(engine: &Engine, key: ParticipantKey) -> RoomId {
    engine
        .participants
        .get(key)
        .map_or(RoomId(u64::MAX), |participant| participant.room)
}

/// One table for all m-lines: what any of them negotiated.
fn merge_extension_ids(published: &[PublishConfig]) -> ExtensionIds {
    published
        .iter()
        .fold(ExtensionIds::default(), |ids, config| {
            let more = &config.extensions;
            ExtensionIds {
                mid: ids.mid.or(more.mid),
                rid: ids.rid.or(more.rid),
                repaired_rid: ids.repaired_rid.or(more.repaired_rid),
                absolute_send_time: ids.absolute_send_time.or(more.absolute_send_time),
                transport_sequence_number: ids
                    .transport_sequence_number
                    .or(more.transport_sequence_number),
                audio_level: ids.audio_level.or(more.audio_level),
                video_orientation: ids.video_orientation.or(more.video_orientation),
                playout_delay: ids.playout_delay.or(more.playout_delay),
                dependency_descriptor: ids.dependency_descriptor.or(more.dependency_descriptor),
            }
        })
}
