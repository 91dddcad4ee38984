//! RTP in: the hot path. One packet is authenticated, bound to its encoding, stored once, and handed on to `fan_out`.

use crate::audio_selector::Decision;
use crate::drop_reason::DropReason;
use crate::engine::{Engine, Owner, Path};
use crate::ids::{EncodingKey, Kind, ParticipantKey, TrackKey};
use crate::published_track::Received;
use crate::time::Time;
use crate::track_table::Listener;
use wire::extensions;
use wire::rtp::RtpHeader;
use wire::srtp::SrtpError;

impl Engine {
    pub(crate) fn handle_rtp(
        &mut self,
        now: Time,
        path: Path,
        datagram: &mut [u8],
    ) -> Result<(), DropReason> {
        let key = *self
            .routes
            .by_path
            .get(&path)
            .ok_or(DropReason::UnknownTuple)?;
        let (track, received) = self.receive_rtp(now, key, datagram)?;
        self.forward_received(now, path, datagram, track, &received)
    }

    /// Authenticate, bind and store one packet of `key`'s.
    fn receive_rtp(
        &mut self,
        now: Time,
        key: ParticipantKey,
        datagram: &mut [u8],
    ) -> Result<(TrackKey, Received), DropReason> {
        let participant = self
            .participants
            .get_mut(key)
            .ok_or(DropReason::UnknownTuple)?;
        let header = RtpHeader::parse(datagram).map_err(|_| DropReason::Malformed)?;
        let receiver = participant
            .transport
            .srtp_receiver
            .as_mut()
            .ok_or(DropReason::NoKeys)?;
        let length = receiver
            .unprotect_rtp(
                datagram,
                header.header_bytes,
                header.ssrc,
                header.sequence_number,
            )
            .map_err(drop_reason)?;
        let packet = &datagram[..length];
        let extensions = extensions::parse(packet, &header, participant.ssrcs.extension_ids());
        if let Some(number) = extensions.transport_sequence_number {
            participant.note_arrival(now, number);
        }
        let feedback_due = participant.feedback.next_timeout();
        self.timers.schedule(
            &mut participant.feedback_deadline,
            Owner::Feedback(key),
            feedback_due,
        );

        let binding = if let Some(binding) = participant.ssrcs.get(header.ssrc) {
            binding
        } else {
            let owners = &mut self
                .rooms
                .get_mut(participant.room)
                .ok_or(DropReason::UnknownSsrc)?
                .ssrc_owners;
            if owners.get(&header.ssrc).is_some_and(|owner| *owner != key) {
                return Err(DropReason::ForeignSsrc);
            }
            let binding = participant.ssrcs.resolve(
                &participant.published_configs,
                header.ssrc,
                header.payload_type,
                &extensions,
            )?;
            owners.insert(header.ssrc, key);
            binding
        };
        let publication = participant
            .published
            .get(usize::from(binding.track))
            .ok_or(DropReason::UnknownSsrc)?;
        let track = publication.track;
        let entry = self.tracks.get_mut(track).ok_or(DropReason::UnknownSsrc)?;
        if !entry.is_allowed {
            return Err(DropReason::NotGranted);
        }
        let result = entry
            .track
            .handle_rtp(now, binding, &header, &extensions, packet);
        let track_due = entry.track.next_timeout();
        self.timers.schedule(
            &mut participant.deadline,
            Owner::Participant(key),
            track_due,
        );
        let received = result?;
        self.counters.retransmissions_received +=
            u64::from(received.filled_gap && binding.is_retransmission);
        let index = usize::from(received.encoding);
        if received.starts_keyframe {
            entry.keyframes[index].handle_keyframe();
        }
        Ok((track, received))
    }

    fn forward_received(
        &mut self,
        now: Time,
        path: Path,
        datagram: &[u8],
        track: TrackKey,
        received: &Received,
    ) -> Result<(), DropReason> {
        let from = EncodingKey {
            track,
            encoding: received.encoding,
        };
        let entry = self.tracks.get(track).ok_or(DropReason::UnknownSsrc)?;
        let (kind, room_key) = (entry.track.config().kind, entry.room);
        let number = received.extended_sequence_number;
        if received.is_restart {
            self.restart_listeners(now, from);
            if kind == Kind::Video && !received.is_padding {
                // Each has begun anew from the cache, or waits for a keyframe.
                return Ok(());
            }
        }
        if received.is_padding {
            self.finish_run();
            self.close_gap(now, from, number);
            return Err(DropReason::PaddingOnly);
        }
        if kind == Kind::Audio {
            let room = self
                .rooms
                .get_mut(room_key)
                .ok_or(DropReason::UnknownSsrc)?;
            let decision = room.voices.handle_packet(now, track, received.audio_level);
            let due = room.voices.next_timeout();
            self.timers
                .schedule(&mut room.deadline, Owner::Room(room_key), due);
            if let Some(slots) = room.voices.poll_slots() {
                self.apply_audio_slots(now, room_key, slots);
            }
            // Silence of a carried voice is left out stream by stream: each keeps a packet now and then.
            if decision == Decision::Drop(DropReason::NotSelected) {
                self.close_gap(now, from, number);
                return Err(DropReason::NotSelected);
            }
        }
        match kind {
            Kind::Audio => self.fan_out(now, from, &[number]),
            Kind::Video => self.prolong_run(now, path, datagram, from, number),
        }
        Ok(())
    }

    /// A number that will not be sent: whoever carries the encoding numbers on without it.
    fn close_gap(&mut self, now: Time, from: EncodingKey, number: u64) {
        let Some(entry) = self.tracks.get(from.track) else {
            return;
        };
        for listener in &entry.listeners[usize::from(from.encoding)] {
            let Some(participant) = self.participants.get_mut(listener.participant) else {
                continue;
            };
            if !participant.transport.open_output(now) {
                continue;
            }
            let stream = &mut participant.subscribed[usize::from(listener.subscription)].stream;
            stream.skip_packet(now, from, number, &mut participant.transport.output);
            if !participant.transport.output.is_empty() {
                // Only a number that came too late is sent, as padding; a full output takes that one more.
                let _ = self.outgoing.list(participant, listener.participant);
            }
        }
    }

    /// The sender of an encoding began anew: its numbers and timestamps have nothing to do with those before, so every
    /// stream that carries it switches, from it to it.
    fn restart_listeners(&mut self, now: Time, from: EncodingKey) {
        let Some(entry) = self.tracks.get(from.track) else {
            return;
        };
        for listener in entry.listeners[usize::from(from.encoding)].clone() {
            self.restart_stream(now, listener, from);
        }
    }

    /// Let one stream begin `from` anew, as if it had never carried it.
    pub(crate) fn restart_stream(&mut self, now: Time, listener: Listener, from: EncodingKey) {
        if let Some(participant) = self.participants.get_mut(listener.participant) {
            participant.subscribed[usize::from(listener.subscription)]
                .stream
                .restart(from);
        }
        self.reselect(now, listener);
    }
}

pub(crate) fn drop_reason(error: SrtpError) -> DropReason {
    match error {
        SrtpError::Malformed | SrtpError::BadKey => DropReason::Malformed,
        SrtpError::Authentication | SrtpError::KeyExhausted => DropReason::Authentication,
        SrtpError::Replay => DropReason::Replay,
        SrtpError::TooManySsrcs => DropReason::TooManySsrcs,
    }
}
