//! Who is there: rooms and participants come and go.

use crate::command::CommandError;
use crate::engine::Engine;
use crate::feedback_recorder::FeedbackRecorder;
use crate::ice::{Credentials, IceAgent};
use crate::ids::{ParticipantId, ParticipantKey, RoomId, RoomKey};
use crate::participant::Participant;
use crate::quality::QualityMeter;
use crate::ssrc_table::SsrcTable;
use crate::time::Time;
use crate::timer_queue::Deadline;
use crate::transport::Transport;
use wire::rtcp;

impl Engine {
    pub(crate) fn add_room(&mut self, room: RoomId) -> Result<(), CommandError> {
        let added = self.rooms.insert(room);
        added.map(|_| ()).ok_or(CommandError::AlreadyExists("room"))
    }

    pub(crate) fn remove_room(&mut self, now: Time, room_id: RoomId) -> Result<(), CommandError> {
        let key = self.room_of(room_id)?;
        if let Some(room) = self.rooms.get_mut(key) {
            // Nobody is left to be told of anybody's leaving, and each leaves in the time of its own things.
            room.ssrc_owners.clear();
            for participant in std::mem::take(&mut room.participants) {
                self.remove_participant(now, participant);
            }
        }
        self.rooms.remove(key);
        Ok(())
    }

    pub(crate) fn add_participant(
        &mut self,
        now: Time,
        room_id: RoomId,
        id: ParticipantId,
        local_ufrag: String,
        local_pwd: String,
    ) -> Result<(), CommandError> {
        let room_key = self.room_of(room_id)?;
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
            room: room_key,
            transport: Transport::new(IceAgent::new(credentials)),
            routed_ufrags: vec![ufrag.clone()],
            deadline: Deadline::default(),
            feedback_deadline: Deadline::default(),
            own_ssrc: self.random.next() as u32,
            ssrcs: SsrcTable::default(),
            feedback: FeedbackRecorder::default(),
            published: Vec::new(),
            published_configs: Vec::new(),
            publisher_clock: None,
            subscribed: Vec::new(),
            spent_ssrcs: Vec::new(),
            reports_due: Time::NEVER,
            quality_due: now,
            quality: QualityMeter::default(),
            round_trip: None,
            loss_received: 0.0,
            reference_time: None,
        };
        let key = self.participants.insert(participant);
        self.routes.by_ufrag.insert(ufrag, key);
        if let Some(room) = self.rooms.get_mut(room_key) {
            room.participants.push(key);
        }
        Ok(())
    }

    fn room_of(&self, id: RoomId) -> Result<RoomKey, CommandError> {
        self.rooms.key(id).ok_or(CommandError::UnknownRoom(id))
    }

    pub(crate) fn remove_participant(&mut self, now: Time, key: ParticipantKey) {
        self.say_goodbye(now, key);
        let Some(participant) = self.participants.get(key) else {
            return;
        };
        let room_key = participant.room;
        let tracks: Vec<_> = participant
            .published
            .iter()
            .map(|publication| publication.track)
            .collect();
        for track in tracks {
            self.remove_track(now, track);
        }
        self.forget_subscriptions(key);
        let Some(participant) = self.participants.remove(key).map(|boxed| *boxed) else {
            return;
        };
        for path in participant.transport.ice.paths() {
            self.routes.by_path.remove(&path);
        }
        for ufrag in &participant.routed_ufrags {
            self.routes.by_ufrag.remove(ufrag);
        }
        let mut output = participant.transport.output;
        if let Some(transmit) = output.transmit() {
            // The BYE, and what else waits, leaves although its transport is gone.
            for datagram in transmit.datagrams() {
                self.outgoing
                    .answer(transmit.path, |out| out.extend_from_slice(datagram));
            }
        }
        if output.is_listed {
            let dirty = &mut self.outgoing.dirty;
            if let Some(index) = dirty.iter().rposition(|other| *other == key) {
                dirty.remove(index);
            }
            let (forwarded, retransmitted) = output.clear(&mut self.outgoing.pool);
            self.counters.rtp_packets_forwarded += forwarded;
            self.counters.retransmissions_sent += retransmitted;
        }
        if let Some(room) = self.rooms.get_mut(room_key) {
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
}
