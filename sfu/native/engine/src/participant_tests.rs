use super::*;
use crate::ice::{Credentials, IceAgent};

fn participant(id: u64) -> Participant {
    Participant {
        id: ParticipantId(id),
        room: RoomKey(1),
        transport: Transport::new(IceAgent::new(Credentials {
            local_ufrag: format!("uf{id}"),
            local_pwd: String::new(),
            remote_ufrag: None,
        })),
        routed_ufrags: Vec::new(),
        deadline: Deadline::default(),
        feedback_deadline: Deadline::default(),
        own_ssrc: 0,
        ssrcs: SsrcTable::default(),
        feedback: FeedbackRecorder::default(),
        published: Vec::new(),
        published_configs: Vec::new(),
        publisher_clock: None,
        subscribed: Vec::new(),
        spent_ssrcs: Vec::new(),
        reports_due: Time::NEVER,
        quality_due: Time::NEVER,
        quality: QualityMeter::default(),
        round_trip: None,
        loss_received: 0.0,
        reference_time: None,
    }
}

#[test]
fn slots_are_used_again_and_ids_lead_to_whom_they_name() {
    let mut participants = Participants::default();
    let keys: Vec<_> = (0..10)
        .map(|id| participants.insert(participant(id)))
        .collect();
    for id in [3, 7, 0] {
        let key = keys[id as usize];
        let removed = participants.remove(key).expect("there");
        assert_eq!(removed.id, ParticipantId(id));
        assert!(participants.remove(key).is_none());
        assert!(participants.get(key).is_none() && participants.get_mut(key).is_none());
        assert_eq!(participants.key(ParticipantId(id)), None);
    }
    let added: Vec<_> = (20..24)
        .map(|id| participants.insert(participant(id)))
        .collect();
    assert!(added.iter().all(|key| key.0 < 11), "{added:?}");
    assert_eq!(participants.len(), 11);
    assert_eq!(participants.iter().count(), 11);
    for participant in participants.iter() {
        let key = participants.key(participant.id).expect("known");
        assert_eq!(
            participants.get(key).map(|found| found.id),
            Some(participant.id)
        );
    }
    assert!(participants.get(ParticipantKey(99)).is_none());
}
