//! A participant as the engine sees it: a transport, what it publishes, what it is sent.

use crate::feedback_recorder::FeedbackRecorder;
use crate::ids::{EncodingKey, ParticipantId, ParticipantKey, RoomKey, TrackKey};
use crate::media_config::{PublishConfig, SubscribeConfig};
use crate::quality::QualityMeter;
use crate::send_stream::SendStream;
use crate::slots::Slots;
use crate::ssrc_table::SsrcTable;
use crate::time::{PublisherClock, Time};
use crate::timer_queue::Deadline;
use crate::transport::Transport;
use std::collections::HashMap;
use std::time::Duration;
use wire::extensions::Tag;

/// A participant.
pub(crate) struct Participant {
    pub(crate) id: ParticipantId,
    pub(crate) room: RoomKey,
    pub(crate) transport: Transport,
    /// Those of ours that lead here: the present one, and after an ICE restart the one before.
    pub(crate) routed_ufrags: Vec<String>,
    pub(crate) deadline: Deadline,
    /// Of `feedback`, which is due more often than all else.
    pub(crate) feedback_deadline: Deadline,
    /// SSRC of our receiver reports and feedback.
    pub(crate) own_ssrc: u32,
    pub(crate) ssrcs: SsrcTable,
    pub(crate) feedback: FeedbackRecorder,
    pub(crate) published: Vec<Publication>,
    /// As negotiated, in the order of `published`: what `ssrcs` binds by.
    pub(crate) published_configs: Vec<PublishConfig>,
    pub(crate) publisher_clock: Option<PublisherClock>,
    pub(crate) subscribed: Vec<Subscription>,
    /// SSRCs of send streams given up: under the same SRTP keys they must never begin anew.
    pub(crate) spent_ssrcs: Vec<u32>,
    pub(crate) reports_due: Time,
    pub(crate) quality_due: Time,
    pub(crate) quality: QualityMeter,
    pub(crate) round_trip: Option<Duration>,
    /// Worst loss of what it sends, by our last report.
    pub(crate) loss_received: f32,
    /// Receiver reference time of the other side's last XR, and when it came: answered with DLRR.
    pub(crate) reference_time: Option<(u32, u64, Time)>,
}

/// An m-line the participant sends on.
pub(crate) struct Publication {
    pub(crate) mid: Tag,
    pub(crate) track: TrackKey,
}

/// A receive-only m-line and the stream that feeds it.
pub(crate) struct Subscription {
    pub(crate) config: SubscribeConfig,
    pub(crate) stream: SendStream,
    /// Video: what Python asked for. Audio follows the room's slots.
    pub(crate) wish: Option<(ParticipantId, Tag)>,
    pub(crate) max_height: u16,
    /// The track `wish` (or the audio slot) stands for now.
    pub(crate) track: Option<TrackKey>,
    /// What the tables of listeners say of this stream.
    pub(crate) listening: [Option<EncodingKey>; 2],
    /// Audio: which of the room's voices this stream carries, by its place among the audio m-lines.
    pub(crate) audio_slot: Option<usize>,
}

impl Participant {
    /// Load what receiving a packet needs first.
    pub(crate) fn prefetch_receiving(&self) {
        prefetch::prefetch(&self.transport.srtp_receiver);
        prefetch::prefetch(&self.ssrcs);
        prefetch::prefetch(&self.feedback);
        prefetch::prefetch(&self.published);
        prefetch::prefetch(&self.deadline);
        prefetch::prefetch(&self.feedback_deadline);
    }

    /// Load what `prefetch_receiving` leads to.
    pub(crate) fn prefetch_received(&self) {
        if let Some(receiver) = &self.transport.srtp_receiver {
            receiver.prefetch_windows();
        }
        self.ssrcs.prefetch();
        self.feedback.prefetch();
        prefetch::prefetch_slice(&self.published);
    }

    /// Load what sending a packet needs first, whatever the subscription.
    pub(crate) fn prefetch_sending_of(&self, _index: u16) {
        prefetch::prefetch(&self.subscribed);
        prefetch::prefetch(&self.transport.ice);
        self.transport.output.prefetch();
    }

    /// Load what `prefetch_sending_of` leads to, for the subscription at `index`.
    pub(crate) fn prefetch_subscription(&self, index: u16) {
        self.transport.output.sent_packets.prefetch();
        if let Some(subscription) = self.subscribed.get(usize::from(index)) {
            prefetch::prefetch(&subscription.stream);
        }
    }

    /// Load what `prefetch_subscription` leads to.
    pub(crate) fn prefetch_stream(&self, index: u16) {
        if let Some(subscription) = self.subscribed.get(usize::from(index)) {
            subscription.stream.prefetch();
        }
    }

    /// A packet of this transport-wide number arrived.
    pub(crate) fn note_arrival(&mut self, now: Time, transport_sequence_number: u16) {
        let before = self.feedback.ripe_at();
        self.feedback.handle_packet(now, transport_sequence_number);
        let ripe_at = self.feedback.ripe_at();
        if ripe_at != before {
            self.transport.output.feedback_ripe_at = ripe_at;
        }
    }

    /// Let transport-wide feedback leave with what is being sent: a message with two datagrams costs little more than one
    /// with one.
    pub(crate) fn add_ripe_feedback(&mut self, now: Time, scratch: &mut Vec<u8>) {
        let output = &self.transport.output;
        if output.feedback_ripe_at <= now && !output.is_empty() {
            self.write_feedback(now, scratch);
        }
    }

    /// Queue transport-wide feedback, if it is ripe. The output is open.
    pub(crate) fn write_feedback(&mut self, now: Time, scratch: &mut Vec<u8>) {
        let media_ssrc = self.ssrcs.iter().next().map_or(0, |(ssrc, _)| ssrc);
        let output = &mut self.transport.output;
        scratch.clear();
        while (self.feedback).poll_feedback(now, self.own_ssrc, media_ssrc, scratch) {
            output.send_rtcp(|out| out.extend_from_slice(scratch));
            scratch.clear();
        }
        output.feedback_ripe_at = self.feedback.ripe_at();
    }

    /// Index of the send stream with this SSRC, its retransmissions included.
    pub(crate) fn subscription_of(&self, ssrc: u32) -> Option<usize> {
        self.subscribed.iter().position(|subscription| {
            subscription.config.ssrc == ssrc || subscription.config.rtx_ssrc == Some(ssrc)
        })
    }

    pub(crate) fn publication_of(&self, mid: &Tag) -> Option<&Publication> {
        self.published
            .iter()
            .find(|publication| publication.mid == *mid)
    }
}

/// All participants, by slot and by id.
#[derive(Default)]
pub(crate) struct Participants {
    slots: Slots<Participant>,
    by_id: HashMap<ParticipantId, ParticipantKey>,
}

impl Participants {
    pub(crate) fn insert(&mut self, participant: Participant) -> ParticipantKey {
        let id = participant.id;
        let key = ParticipantKey(self.slots.insert(participant));
        self.by_id.insert(id, key);
        key
    }

    pub(crate) fn remove(&mut self, key: ParticipantKey) -> Option<Box<Participant>> {
        let participant = self.slots.remove(key.0)?;
        self.by_id.remove(&participant.id);
        Some(participant)
    }

    pub(crate) fn key(&self, id: ParticipantId) -> Option<ParticipantKey> {
        self.by_id.get(&id).copied()
    }

    pub(crate) fn get(&self, key: ParticipantKey) -> Option<&Participant> {
        self.slots.get(key.0)
    }

    pub(crate) fn get_mut(&mut self, key: ParticipantKey) -> Option<&mut Participant> {
        self.slots.get_mut(key.0)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Participant> {
        self.slots.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }
}

#[cfg(test)]
#[path = "participant_tests.rs"]
mod tests;
