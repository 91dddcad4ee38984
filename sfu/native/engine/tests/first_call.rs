//! The wiring end to end: who may reach the engine, what a subscriber sees of a publisher, and what a grant stops.

mod common;

use common::*;
use engine::ids::ParticipantId;
use engine::{Command, DropReason, Event};
use std::time::Duration;
use wire::extensions::AudioLevel;
use wire::rtcp;

const FRAME: Duration = Duration::from_millis(40);
const VOICE: Option<AudioLevel> = Some(AudioLevel {
    minus_dbov: 25,
    is_voice: true,
});

fn send_voice(harness: &mut Harness, client: usize, number: u16, level: Option<AudioLevel>) {
    let payload = [0x78, client as u8, number as u8];
    harness.send_rtp(
        client,
        &Rtp {
            ssrc: 7_000 + client as u32,
            sequence_number: number,
            timestamp: u32::from(number) * 960,
            payload_type: OPUS,
            marker: false,
            mid: "mic",
            rid: None,
            level,
            payload: &payload,
        },
    );
}

#[test]
fn strangers_get_no_answer_and_make_no_state() {
    let mut harness = Harness::new();
    harness.join(vec![], 1);
    let stranger = engine::Path {
        socket: 0,
        local: None,
        remote: ([10, 0, 0, 9], 9).into(),
    };
    let before = harness.engine.statistics().gauges;

    for first in [0u8, 1, 22, 128, 200, 255] {
        for length in [1usize, 12, 20, 60, 1_500] {
            let mut datagram = vec![0x11; length];
            datagram[0] = first;
            harness.deliver(stranger, datagram);
        }
    }

    assert!(harness.strays.is_empty(), "silent");
    assert_eq!(harness.engine.statistics().gauges, before);
    assert!(
        harness
            .take_events()
            .iter()
            .all(|event| !matches!(event, Event::Dtls { .. }))
    );
}

#[test]
fn handshake_datagrams_are_taken_from_validated_tuples_only() {
    let mut harness = Harness::new();
    let index = harness.add(vec![], 1);
    let path = harness.clients[index].path;

    harness.deliver(path, vec![22, 1, 2, 3]);
    assert_eq!(harness.drops(DropReason::UnknownTuple), 1);

    harness.check(index, true);
    harness.deliver(path, vec![22, 1, 2, 3]);
    let participant = ParticipantId(1);
    assert!(harness.take_events().contains(&Event::Dtls {
        participant,
        datagram: vec![22, 1, 2, 3]
    }));
}

#[test]
fn viewer_receives_every_frame_of_the_camera_it_asked_for() {
    let mut harness = Harness::new();
    let publisher = harness.join(vec![camera(&[])], 1);
    let viewer = harness.join(vec![], 1);
    harness.set_source(viewer, "v0", Some((publisher, "cam")), 720);
    let mut camera = Camera::new(publisher, &[]);

    for _ in 0..100 {
        camera.send_frame(&mut harness, &[]);
        harness.run(FRAME);
    }

    let received = harness.clients[viewer].stream(2_200);
    assert_eq!(received.len(), 100);
    assert_continuous(&received);
    assert!(
        received
            .iter()
            .all(|packet| packet.payload[packet.payload.len() - 1] == 0x55)
    );
    let event = Event::SourceStarted {
        participant: ParticipantId(2),
        mid: tag("v0"),
        source: Some((ParticipantId(1), tag("cam"))),
    };
    assert!(harness.take_events().contains(&event));
}

#[test]
fn late_viewer_starts_from_the_cached_keyframe_without_asking_for_one() {
    let mut harness = Harness::new();
    let publisher = harness.join(vec![camera(&[])], 1);
    let viewer = harness.join(vec![], 1);
    let mut camera = Camera::new(publisher, &[]);
    for _ in 0..10 {
        camera.send_frame(&mut harness, &[]);
        harness.run(FRAME);
    }

    harness.set_source(viewer, "v0", Some((publisher, "cam")), 720);

    let received = harness.clients[viewer].stream(2_200);
    assert_eq!(received.len(), 10, "the keyframe and all since, at once");
    assert_continuous(&received);
    assert!(
        harness.clients[publisher]
            .inbox
            .keyframe_requests
            .is_empty()
    );
    assert_eq!(
        harness.engine.statistics().counters.keyframe_cache_starts,
        1
    );
}

#[test]
fn layer_follows_the_height_asked_for_at_a_keyframe_of_the_new_layer() {
    let mut harness = Harness::new();
    let rids = ["q", "h", "f"];
    let publisher = harness.join(vec![camera(&rids)], 1);
    let viewer = harness.join(vec![], 1);
    let mut camera = Camera::new(publisher, &rids);
    harness.set_source(viewer, "v0", Some((publisher, "cam")), 180);
    for _ in 0..50 {
        camera.send_frame(&mut harness, &[]);
        harness.run(FRAME);
    }
    let encoding_of = |packet: &ReceivedRtp| packet.payload[packet.payload.len() - 190..].to_vec();
    let _ = encoding_of;

    harness.set_source(viewer, "v0", Some((publisher, "cam")), 720);
    camera.send_frame(&mut harness, &[]);
    harness.run(FRAME);
    let asked = &harness.clients[publisher].inbox.keyframe_requests;
    assert_eq!(
        asked.last(),
        Some(&camera.ssrc(2)),
        "the wanted layer is asked for a keyframe"
    );
    let requests = asked.len();
    assert!(requests <= 3, "not asked again and again: {requests}");
    camera.send_frame(&mut harness, &[2]);
    for _ in 0..50 {
        harness.run(FRAME);
        camera.send_frame(&mut harness, &[]);
    }

    let received = harness.clients[viewer].stream(2_200);
    assert_continuous(&received);
    let layers: Vec<u8> = received
        .iter()
        .map(|packet| layer_of(&packet.payload))
        .collect();
    let switch = layers
        .iter()
        .position(|layer| *layer == 2)
        .expect("switched up");
    assert!(
        layers[..switch].iter().all(|layer| *layer == 0),
        "the low layer until the keyframe"
    );
    assert!(
        layers[switch..].iter().all(|layer| *layer == 2),
        "the high layer from then on"
    );
}

fn layer_of(payload: &[u8]) -> u8 {
    let is_keyframe = payload[5] & 1 == 0;
    payload[if is_keyframe { 16 } else { 9 }]
}

#[test]
fn participant_without_the_grant_is_dropped_at_ingress() {
    let mut harness = Harness::new();
    let publisher = harness.join(vec![microphone()], 0);
    let listener = harness.join(vec![], 0);
    let set = |harness: &mut Harness, is_allowed| {
        let participant = harness.clients[publisher].id;
        harness.command(Command::SetForwarding {
            participant,
            mid: tag("mic"),
            is_allowed,
        });
    };

    set(&mut harness, false);
    for number in 0..20 {
        send_voice(&mut harness, publisher, number, VOICE);
        harness.run(Duration::from_millis(20));
    }
    assert!(harness.clients[listener].inbox.rtp.is_empty());
    assert_eq!(harness.drops(DropReason::NotGranted), 20);

    set(&mut harness, true);
    for number in 20..40 {
        send_voice(&mut harness, publisher, number, VOICE);
        harness.run(Duration::from_millis(20));
    }
    assert!(harness.clients[listener].inbox.rtp.len() >= 19);
}

#[test]
fn three_voices_of_five_are_carried_and_nobody_hears_itself() {
    let mut harness = Harness::new();
    let clients: Vec<usize> = (0..5)
        .map(|_| harness.join(vec![microphone()], 0))
        .collect();
    for number in 0..200 {
        for client in &clients {
            let level = AudioLevel {
                minus_dbov: 20 + 15 * *client as u8,
                is_voice: *client < 3,
            };
            send_voice(&mut harness, *client, number, Some(level));
        }
        harness.run(Duration::from_millis(20));
    }

    for client in &clients {
        let base = (*client as u32 + 1) * 1_000 + 100;
        let mut heard: Vec<u8> = harness.clients[*client]
            .inbox
            .rtp
            .iter()
            .map(|packet| packet.payload[1])
            .collect();
        heard.sort_unstable();
        heard.dedup();
        let expected: Vec<u8> = (0..3)
            .filter(|voice| usize::from(*voice) != *client)
            .collect();
        assert_eq!(heard, expected, "client {client}");
        for slot in 0..3 {
            assert_continuous(&harness.clients[*client].stream(base + 2 * slot));
        }
    }
}

#[test]
fn an_ssrc_belongs_to_who_bound_it_first() {
    let mut harness = Harness::new();
    let alice = harness.join(vec![camera(&[])], 1);
    let bob = harness.join(vec![camera(&[])], 1);
    let carol = harness.join(vec![], 2);
    harness.set_source(carol, "v0", Some((alice, "cam")), 720);
    harness.set_source(carol, "v1", Some((bob, "cam")), 720);
    let mut camera = Camera::new(alice, &[]);
    let mut thief = Camera::new(bob, &[]);
    thief.ssrc_base = camera.ssrc_base;

    for _ in 0..10 {
        camera.send_frame(&mut harness, &[]);
        thief.send_frame(&mut harness, &[]);
        harness.run(FRAME);
    }

    assert_eq!(harness.clients[carol].stream(3_200).len(), 10);
    assert!(harness.clients[carol].stream(3_202).is_empty());
    assert_eq!(harness.drops(DropReason::ForeignSsrc), 10);
}

#[test]
fn lost_packets_are_asked_for_and_resent_to_who_missed_them() {
    let mut harness = Harness::new();
    let publisher = harness.join(vec![camera(&[])], 1);
    let viewer = harness.join(vec![], 1);
    harness.set_source(viewer, "v0", Some((publisher, "cam")), 720);
    let mut camera = Camera::new(publisher, &[]);
    for frame in 0..20 {
        if frame == 10 {
            camera.frame += 1; // never sent: lost on the way in
        }
        camera.send_frame(&mut harness, &[]);
        harness.run(FRAME);
    }
    let lost = camera.sequence_base.wrapping_add(10);
    let nacks = &harness.clients[publisher].inbox.nacks;
    assert!(
        nacks
            .iter()
            .any(|(ssrc, numbers)| *ssrc == camera.ssrc(0) && numbers.contains(&lost)),
        "{nacks:?}"
    );

    let fifth = harness.clients[viewer].stream(2_200)[4].clone();
    harness.run(Duration::from_millis(500));
    harness.send_rtcp(viewer, |out| {
        rtcp::write_nack(out, 1, 2_200, &[fifth.header.sequence_number]);
    });

    let resent = harness.clients[viewer].stream(2_201);
    assert_eq!(resent.len(), 1, "by RTX");
    assert_eq!(
        resent[0].payload[..2],
        fifth.header.sequence_number.to_be_bytes()
    );
    assert_eq!(resent[0].payload[2..], fifth.payload[..]);
}

#[test]
fn keyframe_requests_of_many_viewers_become_one() {
    let mut harness = Harness::new();
    let publisher = harness.join(vec![camera(&[])], 1);
    let viewers: Vec<usize> = (0..20).map(|_| harness.join(vec![], 1)).collect();
    for viewer in &viewers {
        harness.set_source(*viewer, "v0", Some((publisher, "cam")), 720);
    }
    let mut camera = Camera::new(publisher, &[]);
    for _ in 0..50 {
        camera.send_frame(&mut harness, &[]);
        harness.run(FRAME);
    }
    let before = harness.clients[publisher].inbox.keyframe_requests.len();

    for _ in 0..25 {
        for viewer in &viewers {
            let ssrc = (*viewer as u32 + 1) * 1_000 + 200;
            harness.send_rtcp(*viewer, |out| {
                rtcp::write_picture_loss_indication(out, 1, ssrc);
            });
        }
        camera.send_frame(&mut harness, &[]);
        harness.run(FRAME);
    }

    let asked = harness.clients[publisher].inbox.keyframe_requests.len() - before;
    assert!(
        (1..=3).contains(&asked),
        "500 requests in one second became {asked}"
    );
}

#[test]
fn media_stops_when_consent_expires_and_returns_with_it() {
    let mut harness = Harness::new();
    let publisher = harness.join(vec![camera(&[])], 1);
    let viewer = harness.join(vec![], 1);
    harness.set_source(viewer, "v0", Some((publisher, "cam")), 720);
    let mut camera = Camera::new(publisher, &[]);
    camera.send_frame(&mut harness, &[]);
    harness.take_events();

    harness.run_silently(Duration::from_secs(16));
    let lost = Event::IceState {
        participant: ParticipantId(2),
        is_connected: false,
    };
    assert!(harness.take_events().contains(&lost));
    let before = harness.clients[viewer].inbox.rtp.len();
    harness.check(publisher, true);
    camera.send_frame(&mut harness, &[0]);
    assert_eq!(
        harness.clients[viewer].inbox.rtp.len(),
        before,
        "nothing without consent"
    );

    harness.check(viewer, true);
    camera.send_frame(&mut harness, &[0]);
    assert!(harness.clients[viewer].inbox.rtp.len() > before);
}

#[test]
fn address_change_moves_media_to_the_nominated_path_at_once() {
    let mut harness = Harness::new();
    let publisher = harness.join(vec![camera(&[])], 1);
    let viewer = harness.join(vec![], 1);
    harness.set_source(viewer, "v0", Some((publisher, "cam")), 720);
    let mut camera = Camera::new(publisher, &[]);
    for _ in 0..5 {
        camera.send_frame(&mut harness, &[]);
        harness.run(FRAME);
    }

    harness.clients[viewer].path.remote = ([127, 0, 0, 1], 30_000).into();
    harness.check(viewer, true);
    for _ in 0..5 {
        camera.send_frame(&mut harness, &[]);
        harness.run(FRAME);
    }

    let received = harness.clients[viewer].stream(2_200);
    assert_eq!(received.len(), 10);
    assert_continuous(&received);
    assert!(
        harness.strays.is_empty(),
        "nothing to the old address after the move"
    );
}

#[test]
fn removing_a_publisher_leaves_the_viewer_a_stream_that_another_can_take_over() {
    let mut harness = Harness::new();
    let alice = harness.join(vec![camera(&[])], 1);
    let bob = harness.join(vec![camera(&[])], 1);
    let viewer = harness.join(vec![], 1);
    harness.set_source(viewer, "v0", Some((alice, "cam")), 720);
    let (mut first, mut second) = (Camera::new(alice, &[]), Camera::new(bob, &[]));
    for _ in 0..10 {
        first.send_frame(&mut harness, &[]);
        second.send_frame(&mut harness, &[]);
        harness.run(FRAME);
    }
    harness.command(Command::RemoveParticipant {
        participant: ParticipantId(1),
    });
    harness.set_source(viewer, "v0", Some((bob, "cam")), 720);
    for _ in 0..10 {
        second.send_frame(&mut harness, &[0]);
        harness.run(FRAME);
    }

    let received = harness.clients[viewer].stream(3_200);
    assert!(received.len() >= 20);
    assert_continuous(&received);
    assert_eq!(harness.engine.statistics().gauges.participants, 2);
}

#[test]
fn publishers_get_transport_feedback_and_receiver_reports_and_viewers_get_sender_reports() {
    let mut harness = Harness::new();
    let publisher = harness.join(vec![camera(&[])], 1);
    let viewer = harness.join(vec![], 1);
    harness.set_source(viewer, "v0", Some((publisher, "cam")), 720);
    let mut camera = Camera::new(publisher, &[]);
    for _ in 0..75 {
        camera.send_frame(&mut harness, &[]);
        harness.run(FRAME);
    }

    let inbox = &harness.clients[publisher].inbox;
    assert!(
        (20..=90).contains(&inbox.feedback_packets),
        "{}",
        inbox.feedback_packets
    );
    assert!(
        inbox
            .report_blocks
            .iter()
            .any(|block| block.ssrc == camera.ssrc(0))
    );
    let reports = &harness.clients[viewer].inbox.sender_reports;
    assert!(reports.iter().filter(|(_, ssrc, _)| *ssrc == 2_200).count() >= 2);
    let (at, _, info) = reports.last().expect("a report");
    let last = harness.clients[viewer]
        .stream(2_200)
        .last()
        .expect("packets")
        .header
        .timestamp;
    let ahead = info.rtp_timestamp.wrapping_sub(last) as i32;
    assert!(
        ahead.abs() < 90_000 / 5,
        "the report's RTP time is that of now ({at:?}): {ahead}"
    );
}

#[test]
fn what_a_viewer_says_its_path_carries_is_kept_while_it_says_so() {
    let mut harness = Harness::new();
    let viewer = harness.join(vec![], 1);
    let other = harness.join(vec![], 1);
    let id = |harness: &Harness, client: usize| harness.clients[client].id;
    let ceiling = |harness: &Harness, client: usize| {
        let participant = id(harness, client);
        harness
            .engine
            .reported_ceiling_bps(harness.now, participant)
    };

    assert_eq!(ceiling(&harness, viewer), None);
    for bitrate_bps in [1_500_000, 300_000] {
        harness.send_rtcp(viewer, |out| {
            rtcp::write_remb(out, 1, bitrate_bps, &[2_200]);
        });
        assert_eq!(ceiling(&harness, viewer), Some(bitrate_bps));
    }
    harness.run(Duration::from_secs(4));
    assert_eq!(ceiling(&harness, viewer), Some(300_000));
    assert_eq!(ceiling(&harness, other), None, "of one transport alone");
    assert_eq!(harness.engine.statistics().counters.ceilings_received, 2);
    harness.run(Duration::from_secs(2));
    assert_eq!(ceiling(&harness, viewer), None, "an old word does not bind");
}

#[test]
fn the_same_inputs_give_the_same_outputs() {
    let run = || {
        let mut harness = Harness::new();
        let publisher = harness.join(vec![camera(&["q", "h", "f"]), microphone()], 1);
        let viewer = harness.join(vec![microphone()], 1);
        harness.set_source(viewer, "v0", Some((publisher, "cam")), 360);
        let mut camera = Camera::new(publisher, &["q", "h", "f"]);
        for number in 0..50 {
            camera.send_frame(&mut harness, &[]);
            send_voice(&mut harness, publisher, number, VOICE);
            harness.run(FRAME);
        }
        (
            harness.clients[viewer].inbox.rtp.clone(),
            harness.take_events(),
            harness.engine.statistics(),
        )
    };
    assert_eq!(run(), run());
}

#[test]
fn padding_of_a_publisher_leaves_no_gap_at_the_viewer() {
    let mut harness = Harness::new();
    let publisher = harness.join(vec![camera(&[])], 1);
    let viewer = harness.join(vec![], 1);
    harness.set_source(viewer, "v0", Some((publisher, "cam")), 720);
    let mut camera = Camera::new(publisher, &[]);
    for frame in 0..40 {
        if frame % 10 == 5 {
            let mut padding = Vec::new();
            let header = wire::rtp::OutgoingHeader {
                marker: false,
                payload_type: VP8,
                sequence_number: camera.sequence_base.wrapping_add(camera.frame),
                timestamp: 1_000_000 + u32::from(camera.frame) * 3_600,
                ssrc: camera.ssrc(0),
            };
            header.write(&mut padding, false, true);
            padding.extend_from_slice(&[0, 0, 0, 4]);
            harness.send_plain_rtp(publisher, padding);
            camera.frame += 1;
        }
        camera.send_frame(&mut harness, &[]);
        harness.run(FRAME);
    }

    let received = harness.clients[viewer].stream(2_200);
    assert_eq!(received.len(), 40);
    assert_continuous(&received);
    assert_eq!(harness.drops(DropReason::PaddingOnly), 4);
}

#[test]
fn a_publisher_that_begins_anew_is_shown_again_from_its_keyframe_in_the_same_stream() {
    let mut harness = Harness::new();
    let publisher = harness.join(vec![camera(&[])], 1);
    let viewer = harness.join(vec![], 1);
    harness.set_source(viewer, "v0", Some((publisher, "cam")), 720);
    let mut camera = Camera::new(publisher, &[]);
    for _ in 0..20 {
        camera.send_frame(&mut harness, &[]);
        harness.run(FRAME);
    }

    // A new SSRC with other numbers on the same mid, first without a keyframe.
    let mut again = Camera {
        ssrc_base: 60_000,
        sequence_base: 9,
        frame: 300,
        ..camera
    };
    for frame in 0..20u16 {
        again.send_frame(&mut harness, if frame == 5 { &[0] } else { &[] });
        harness.run(FRAME);
    }

    let received = harness.clients[viewer].stream(2_200);
    assert_eq!(
        received.len(),
        20 + 15,
        "nothing of the new stream before its keyframe"
    );
    assert_continuous(&received);
}
