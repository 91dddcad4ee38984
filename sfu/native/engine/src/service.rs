//! Timers: what a participant and a room need done when nothing arrives.

use crate::engine::{Engine, Owner};
use crate::event::Event;
use crate::ids::{ParticipantKey, RoomKey, TrackKey};
use crate::keyframe_limiter::KeyframeCause;
use crate::time::Time;
use std::time::Duration;
use wire::rtcp;

/// How often the quality of each participant's connection is looked at, with the reports.
const QUALITY_INTERVAL: Duration = Duration::from_secs(2);
/// LIMIT: a participant is served at most this often by the clock, whatever its parts ask for.
const MIN_SERVICE_INTERVAL: Duration = Duration::from_millis(2);
/// What can wait is done for all participants at once, in steps of this: one waking of the thread for each step, however many
/// there are, and their share of the caches is warm. LIMIT: adds so much to the age of reports.
const CALM_STEP: Duration = Duration::from_millis(20);

impl Engine {
    /// Do everything that is due for one participant, and schedule what comes next.
    pub(crate) fn service_participant(&mut self, now: Time, key: ParticipantKey) {
        let Some(participant) = self.participants.get_mut(key) else {
            return;
        };
        if !participant.deadline.take_due(now) {
            return;
        }
        if participant.transport.ice.handle_timeout(now) {
            let id = participant.id;
            self.push_event(Event::IceState {
                participant: id,
                is_connected: false,
            });
        }
        let mut index = 0;
        while let Some(track) = self.published_track(key, index) {
            self.service_track(now, key, track);
            index += 1;
        }
        self.send_reports(now, key);
        self.check_quality(now, key);
        self.schedule_participant(now, key);
    }

    fn published_track(&self, key: ParticipantKey, index: usize) -> Option<TrackKey> {
        let publication = self.participants.get(key)?.published.get(index)?;
        Some(publication.track)
    }

    pub(crate) fn service_room(&mut self, now: Time, room_key: RoomKey) {
        let Some(room) = self.rooms.get_mut(room_key) else {
            return;
        };
        if !room.deadline.take_due(now) {
            return;
        }
        let room_id = room.id;
        let speakers = room.voices.poll_speakers(now);
        let slots = room.voices.poll_slots();
        let due = room.voices.next_timeout();
        self.timers
            .schedule(&mut room.deadline, Owner::Room(room_key), due);
        if let Some(slots) = slots {
            self.apply_audio_slots(now, room_key, slots);
        }
        if let Some(tracks) = speakers {
            let participants = tracks
                .into_iter()
                .filter_map(|track| self.participants.get(self.tracks.get(track)?.owner))
                .map(|participant| participant.id)
                .collect();
            self.push_event(Event::Speakers {
                room: room_id,
                participants,
            });
        }
    }

    fn service_track(&mut self, now: Time, key: ParticipantKey, track: TrackKey) {
        let Some(entry) = self.tracks.get_mut(track) else {
            return;
        };
        entry.track.expire(now);
        let changes = entry.track.poll_changes(now);
        let mid = entry.track.config().mid;
        let wishers = if changes.are_encodings_changed {
            entry.wishers.clone()
        } else {
            Vec::new()
        };
        if let Some(is_flowing) = changes.is_flowing
            && let Some(participant) = self.participants.get(key)
        {
            let participant = participant.id;
            self.push_event(Event::TrackState {
                participant,
                mid,
                is_flowing,
            });
        }
        for listener in wishers {
            self.reselect(now, listener);
        }
        self.send_track_feedback(now, key, track);
    }

    /// NACKs and keyframe requests of one track.
    fn send_track_feedback(&mut self, now: Time, key: ParticipantKey, track: TrackKey) {
        let mut numbers = std::mem::take(&mut self.scratch.numbers);
        numbers.clear();
        let is_open = self.open_output(now, key);
        if let (Some(entry), Some(participant), true) = (
            self.tracks.get_mut(track),
            self.participants.get_mut(key),
            is_open,
        ) {
            let own_ssrc = participant.own_ssrc;
            let output = &mut participant.transport.output;
            for encoding in 0..entry.track.encoding_count() {
                numbers.clear();
                if let Some(media_ssrc) =
                    entry
                        .track
                        .poll_nacks(now, encoding, participant.round_trip, &mut numbers)
                {
                    self.counters.nacks_sent += numbers.len() as u64;
                    output.send_rtcp(|out| rtcp::write_nack(out, own_ssrc, media_ssrc, &numbers));
                }
                let limiter = &mut entry.keyframes[usize::from(encoding)];
                if entry.track.take_wants_keyframe(encoding)
                    && !entry.listeners[usize::from(encoding)].is_empty()
                {
                    limiter.request(now, KeyframeCause::Gap);
                }
                let media_ssrc = entry
                    .track
                    .encodings()
                    .get(usize::from(encoding))
                    .and_then(|state| state.media_ssrc);
                // Polled in any case: a request that nobody can be told of must not stay due.
                if limiter.poll(now, participant.round_trip)
                    && let Some(media_ssrc) = media_ssrc
                {
                    self.counters.keyframe_requests_sent += 1;
                    output.send_rtcp(|out| {
                        rtcp::write_picture_loss_indication(out, own_ssrc, media_ssrc);
                    });
                }
            }
        } else if let Some(entry) = self.tracks.get_mut(track) {
            // Nobody can be asked now: the tries count all the same, or they would stay due.
            for encoding in 0..entry.track.encoding_count() {
                entry.track.poll_nacks(now, encoding, None, &mut numbers);
            }
        }
        self.scratch.numbers = numbers;
    }

    fn check_quality(&mut self, now: Time, key: ParticipantKey) {
        let Some(participant) = self.participants.get_mut(key) else {
            return;
        };
        if now < participant.quality_due || !participant.transport.is_ready() {
            return;
        }
        participant.quality_due = now + QUALITY_INTERVAL;
        let losses = participant
            .subscribed
            .iter()
            .filter(|subscription| subscription.stream.current().is_some());
        let by_reports = losses
            .map(|subscription| subscription.stream.loss_fraction())
            .fold(0.0, f32::max);
        let loss_sent = participant
            .transport
            .output
            .sent_packets
            .loss_fraction(now)
            .unwrap_or(by_reports);
        let (id, round_trip) = (participant.id, participant.round_trip);
        let loss_received = participant.loss_received;
        if let Some(quality) =
            participant
                .quality
                .handle_report(round_trip, loss_received, loss_sent)
        {
            self.push_event(Event::Quality {
                participant: id,
                quality,
            });
        }
    }

    fn schedule_participant(&mut self, now: Time, key: ParticipantKey) {
        let Some(participant) = self.participants.get_mut(key) else {
            return;
        };
        let is_ready = participant.transport.is_ready();
        let mut due = participant.transport.ice.next_timeout();
        for publication in &participant.published {
            if let Some(entry) = self.tracks.get(publication.track) {
                due = due.min(entry.track.next_timeout());
                if is_ready {
                    due = entry
                        .keyframes
                        .iter()
                        .map(super::keyframe_limiter::KeyframeLimiter::next_timeout)
                        .fold(due, Time::min);
                }
            }
        }
        if is_ready {
            due = due.min(participant.reports_due.rounded_up(CALM_STEP));
        }
        let due = due.max(now + MIN_SERVICE_INTERVAL);
        self.timers
            .schedule(&mut participant.deadline, Owner::Participant(key), due);
    }
}
