//! A receiver sees one endless stream whatever happens at the source: switches, restarts, jumps, padding.

use crate::common::*;
use engine::DropReason;
use std::time::Duration;
use wire::rtp::OutgoingHeader;

#[test]
fn sources_and_layers_switch_under_loss_without_a_seam() {
    for seed in 1..=3 {
        let mut harness = Harness::new();
        let alice = harness.join(vec![camera(&RIDS)], 1);
        let bob = harness.join(vec![camera(&[])], 1);
        let carol = harness.join(vec![], 1);
        let (mut first, mut second) = (Publisher::new(alice, &RIDS), Publisher::new(bob, &[]));
        let mut viewer = Viewer::new(&harness, carol, 0);
        harness.set_source(carol, "v0", Some((alice, "cam")), 180);
        let publishers = &mut [&mut first, &mut second];
        let viewers = &mut [&mut viewer];
        play(&mut harness, publishers, viewers, SECOND);
        for client in [alice, bob, carol] {
            harness.set_links(client, lossy(0.05), lossy(0.05), seed);
        }

        let wishes = [
            (alice, 720),
            (bob, 720),
            (alice, 360),
            (alice, 180),
            (bob, 360),
            (alice, 720),
        ];
        for (source, height) in wishes {
            harness.set_source(carol, "v0", Some((source, "cam")), height);
            play(&mut harness, publishers, viewers, SECOND);
        }
        harness.links.clear();
        settle(&mut harness, publishers, viewers);

        let frames = viewer.assert_whole();
        let mut seen: Vec<(u8, u8)> = frames.iter().map(|f| (f.publisher, f.encoding)).collect();
        seen.dedup();
        let (a, b) = (alice as u8, bob as u8);
        assert_eq!(
            seen,
            [(a, 0), (a, 2), (b, 0), (a, 1), (a, 0), (b, 0), (a, 2)],
            "seed {seed}"
        );
        assert!(frames.len() > 150, "{}", frames.len());
        harness.assert_consistent();
    }
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
    harness.remove(alice);
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
fn publisher_that_begins_anew_under_another_ssrc_goes_on_in_the_same_stream() {
    let mut call = Call::new(&RIDS);
    for _ in 0..4 {
        call.play(SECOND);
        call.publisher.restart();
    }
    let frames = call.viewer.assert_whole();
    assert_eq!(frames.len(), 100);
    assert!(call.harness.clients[call.receiver].inbox.unreadable == 0);
    call.harness.assert_consistent();
}

#[test]
fn a_publisher_that_begins_anew_is_shown_again_from_its_keyframe_in_the_same_stream() {
    let (mut harness, mut camera, viewer) = watched_camera();
    camera.film(&mut harness, 20);

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

#[test]
fn same_ssrc_may_jump_in_its_numbers() {
    let mut call = Call::new(&[]);
    for _ in 0..4 {
        call.play(SECOND);
        // Not so far that SRTP would guess another rollover count.
        call.publisher.next[0] = call.publisher.next[0].wrapping_add(20_000);
    }
    call.viewer.assert_gapless();
    let packets = call.viewer.packets.len();
    // The first packet after a jump is not yet believed, so that a keyframe is asked for.
    assert!(packets > 3 * 60, "{packets}");
}

#[test]
fn numbers_wrap_many_times() {
    let mut call = Call::new(&[]);
    call.publisher.packets_per_frame = 100;
    // 2,500 packets a second: both sides pass 2^16 twice.
    call.play(60 * SECOND);
    assert_eq!(call.viewer.assert_whole().len(), 1_500);
    let inbox = &call.harness.clients[call.receiver].inbox;
    assert_eq!(inbox.unreadable, 0);
    assert_eq!(inbox.rtp.len(), 150_000);
}

#[test]
fn padding_of_a_publisher_leaves_no_gap_at_the_viewer() {
    let (mut harness, mut camera, viewer) = watched_camera();
    for frame in 0..40 {
        if frame % 10 == 5 {
            let header = OutgoingHeader {
                marker: false,
                payload_type: VP8,
                sequence_number: camera.sequence_base.wrapping_add(camera.frame),
                timestamp: 1_000_000 + u32::from(camera.frame) * 3_600,
                ssrc: camera.ssrc(0),
            };
            harness.send_padding(camera.client, &header, 4);
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
fn padding_alone_takes_no_number_on_the_way_out() {
    let mut call = Call::new(&[]);
    for _ in 0..20 {
        call.play(Duration::from_millis(80));
        for _ in 0..3 {
            let sequence_number = call.publisher.next[0];
            call.publisher.next[0] = sequence_number.wrapping_add(1);
            let header = OutgoingHeader {
                marker: false,
                payload_type: VP8,
                sequence_number,
                timestamp: 1,
                ssrc: call.publisher.ssrc(0),
            };
            call.harness.send_padding(call.sender, &header, 100);
        }
    }
    assert_eq!(call.harness.drops(DropReason::PaddingOnly), 60);
    assert_eq!(call.viewer.assert_whole().len(), 40);
    assert_eq!(call.viewer.repaired, 0);
    assert_eq!(call.viewer.packets.len(), 120);
}
