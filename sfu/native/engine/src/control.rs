//! Commands: what Python decides becomes rooms, transports, tracks and wishes.

use crate::command::{Command, CommandError, SrtpKeys};
use crate::drop_reason::DropReason;
use crate::engine::{Engine, Owner};
use crate::ice::Credentials;
use crate::ids::{Kind, ParticipantId, ParticipantKey, TrackKey};
use crate::time::Time;
use crate::track_table::Listener;
use wire::extensions::Tag;
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

    pub(crate) fn key_of(
        &self,
        participant: ParticipantId,
    ) -> Result<ParticipantKey, CommandError> {
        self.participants
            .key(participant)
            .ok_or(CommandError::UnknownParticipant(participant))
    }

    pub(crate) fn check_credentials(
        &self,
        ufrag: &str,
        password: &str,
    ) -> Result<(), CommandError> {
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
        for other in std::mem::take(&mut participant.routed_ufrags) {
            if Some(&other) == kept.as_ref() {
                participant.routed_ufrags.push(other);
            } else {
                self.routes.by_ufrag.remove(&other);
            }
        }
        participant.routed_ufrags.push(ufrag.clone());
        self.routes.by_ufrag.insert(ufrag, key);
        Ok(())
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
        }
        self.wake_participant(now, key);
        self.reselect_all(now, key);
        Ok(())
    }

    /// Everything the participant is to see starts (again) now: it has just become able to receive.
    pub(crate) fn reselect_all(&mut self, now: Time, key: ParticipantKey) {
        for index in 0..self.subscription_count(key) {
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
            _ => self.count_drop(DropReason::NotConnected),
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
        let track = self
            .participants
            .get(key)
            .and_then(|participant| participant.publication_of(&mid))
            .ok_or(CommandError::UnknownMid(mid))?
            .track;
        let Some(entry) = self.tracks.get_mut(track) else {
            return Ok(());
        };
        if entry.is_allowed == is_allowed {
            return Ok(());
        }
        entry.is_allowed = is_allowed;
        let wishers = entry.wishers.clone();
        if !is_allowed {
            // What is said without the grant is never asked for again once there is one.
            entry.track.interrupt();
            self.silence_voice(now, track);
        }
        for listener in wishers {
            self.reselect(now, listener);
        }
        Ok(())
    }

    /// Take a track out of its room's voices.
    pub(crate) fn silence_voice(&mut self, now: Time, track: TrackKey) {
        let Some(room_key) = self.tracks.get(track).map(|entry| entry.room) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(room_key) else {
            return;
        };
        room.voices.remove(track);
        let due = room.voices.next_timeout();
        self.timers
            .schedule(&mut room.deadline, Owner::Room(room_key), due);
        if let Some(slots) = room.voices.poll_slots() {
            self.apply_audio_slots(now, room_key, slots);
        }
    }

    /// Serve the participant's timers at the next `handle_timeout`.
    pub(crate) fn wake_participant(&mut self, now: Time, key: ParticipantKey) {
        if let Some(participant) = self.participants.get_mut(key) {
            self.timers
                .schedule(&mut participant.deadline, Owner::Participant(key), now);
        }
    }
}
