//! What a viewer sees of the camera it asked for: from the first keyframe, in the layer that fits, repaired.

use crate::common::*;
use engine::Event;
use engine::ids::ParticipantId;
use std::time::Duration;
use wire::rtcp;

#[test]
fn viewer_receives_every_frame_of_the_camera_it_asked_for() {
    let (mut harness, mut camera, viewer) = watched_camera();

    camera.film(&mut harness, 100);

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
fn the_packets_of_a_picture_leave_as_one_burst_of_one_length() {
    let mut harness = Harness::new();
    let sender = harness.join(vec![camera(&[])], 1);
    let viewers: Vec<usize> = (0..3).map(|_| harness.join(vec![], 1)).collect();
    for viewer in &viewers {
        harness.set_source(*viewer, "v0", Some((sender, "cam")), 720);
    }
    let mut publisher = Publisher::new(sender, &[]);
    publisher.packets_per_frame = 6;
    publisher.send_frame(&mut harness, &[0]);
    harness.run(FRAME);
    harness.bursts.clear();

    publisher.send_frame(&mut harness, &[0]);

    assert_eq!(harness.bursts.len(), viewers.len());
    for burst in &harness.bursts {
        assert_eq!(burst.len(), 6);
        assert!(burst.iter().all(|length| *length == burst[0]), "{burst:?}");
    }
    for viewer in viewers {
        let lengths = |packet: &ReceivedRtp| packet.payload.len();
        let received = &harness.clients[viewer].inbox.rtp[6..];
        let received: Vec<usize> = received.iter().map(lengths).collect();
        assert_eq!(received, [108, 108, 108, 109, 109, 109]);
    }
}

#[test]
fn more_is_expected_until_a_picture_is_whole_or_was_sent() {
    let (mut harness, mut camera, viewer) = watched_camera();
    camera.film(&mut harness, 3);
    let payload = vp8_payload(0, 0, 3, None);
    let mut sequence_number = camera.sequence_base.wrapping_add(camera.frame);
    let mut send = |harness: &mut Harness, marker| {
        let packet = Rtp {
            ssrc: camera.ssrc(0),
            sequence_number,
            timestamp: 2_000_000,
            marker,
            payload: &payload,
            ..Rtp::PICTURE
        };
        harness.send_rtp(camera.client, &packet);
        sequence_number = sequence_number.wrapping_add(1);
    };

    harness.in_batch(|harness| {
        assert!(!harness.engine.expects_more());
        send(harness, false);
        assert!(harness.engine.expects_more());
        send(harness, true);
        assert!(!harness.engine.expects_more());
        send(harness, false);
    });

    assert!(!harness.engine.expects_more(), "it was sent");
    assert_eq!(harness.clients[viewer].stream(2_200).len(), 6);
}

#[test]
fn late_viewer_starts_from_the_cached_keyframe_without_asking_for_one() {
    let mut harness = Harness::new();
    let publisher = harness.join(vec![camera(&[])], 1);
    let viewer = harness.join(vec![], 1);
    let mut camera = Camera::new(publisher, &[]);
    camera.film(&mut harness, 10);

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
fn late_joiners_see_a_picture_at_once_and_cost_the_publisher_nothing() {
    let mut harness = Harness::new();
    let sender = harness.join(vec![camera(&[])], 1);
    let mut publisher = Publisher::new(sender, &[]);
    play(&mut harness, &mut [&mut publisher], &mut [], SECOND);
    for _ in 0..20 {
        let receiver = harness.join(vec![], 1);
        let mut viewer = Viewer::new(&harness, receiver, 0);
        harness.set_source(receiver, "v0", Some((sender, "cam")), 720);
        play(
            &mut harness,
            &mut [&mut publisher],
            &mut [&mut viewer],
            Duration::from_millis(700),
        );
        let frames = viewer.assert_whole();
        assert!(frames.len() >= 16, "{}", frames.len());
    }
    assert!(
        publisher.keyframes_sent <= 1 + 20 * 700 / 1_000,
        "{} keyframes in 14 s",
        publisher.keyframes_sent
    );
}

#[test]
fn layer_follows_the_height_asked_for_at_a_keyframe_of_the_new_layer() {
    let mut harness = Harness::new();
    let publisher = harness.join(vec![camera(&RIDS)], 1);
    let viewer = harness.join(vec![], 1);
    let mut camera = Camera::new(publisher, &RIDS);
    harness.set_source(viewer, "v0", Some((publisher, "cam")), 180);
    camera.film(&mut harness, 50);

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
fn lost_packets_are_asked_for_and_resent_to_who_missed_them() {
    let (mut harness, mut camera, viewer) = watched_camera();
    for frame in 0..20 {
        if frame == 10 {
            camera.frame += 1; // never sent: lost on the way in
        }
        camera.send_frame(&mut harness, &[]);
        harness.run(FRAME);
    }
    let lost = camera.sequence_base.wrapping_add(10);
    let nacks = &harness.clients[camera.client].inbox.nacks;
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
    camera.film(&mut harness, 50);
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
