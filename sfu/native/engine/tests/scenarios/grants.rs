//! What a publisher may not send reaches nobody, whatever else happens.

use crate::common::*;
use engine::DropReason;
use std::time::Duration;

#[test]
fn participant_without_the_grant_is_dropped_at_ingress() {
    let mut harness = Harness::new();
    let publisher = harness.join(vec![microphone()], 0);
    let listener = harness.join(vec![], 0);
    let mut voice = Microphone::new(publisher);

    harness.set_forwarding(publisher, "mic", false);
    for _ in 0..20 {
        voice.speak(&mut harness, 25);
        harness.run(Duration::from_millis(20));
    }
    assert!(harness.clients[listener].inbox.rtp.is_empty());
    assert_eq!(harness.drops(DropReason::NotGranted), 20);

    harness.set_forwarding(publisher, "mic", true);
    for _ in 0..20 {
        voice.speak(&mut harness, 25);
        harness.run(Duration::from_millis(20));
    }
    assert!(harness.clients[listener].inbox.rtp.len() >= 19);
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
fn grants_that_come_and_go_hurt_nobody_else_and_let_nothing_through_later() {
    let mut harness = Harness::new();
    let alice = harness.join(vec![camera(&[])], 1);
    let bob = harness.join(vec![camera(&[])], 1);
    let carol = harness.join(vec![], 2);
    let (mut first, mut second) = (Publisher::new(alice, &[]), Publisher::new(bob, &[]));
    let (mut left, mut right) = (
        Viewer::new(&harness, carol, 0),
        Viewer::new(&harness, carol, 1),
    );
    harness.set_source(carol, "v0", Some((alice, "cam")), 720);
    harness.set_source(carol, "v1", Some((bob, "cam")), 720);
    let mut denied = Vec::new();
    for round in 0..6 {
        let is_allowed = round % 2 == 0;
        harness.set_forwarding(alice, "cam", is_allowed);
        let from = first.frame;
        play(
            &mut harness,
            &mut [&mut first, &mut second],
            &mut [&mut left, &mut right],
            SECOND,
        );
        if !is_allowed {
            denied.push(from..first.frame);
        }
    }
    assert_eq!(right.assert_whole().len(), 150, "bob's viewers see no seam");
    let shown: Vec<u32> = left
        .packets
        .values()
        .map(|got| Label::read(&got.payload).frame)
        .collect();
    for range in &denied {
        assert!(
            !shown.iter().any(|frame| range.contains(frame)),
            "nothing of what was denied is ever shown"
        );
    }
    assert!(shown.len() > 3 * 60, "{}", shown.len());
    left.assert_gapless();
    let starts = harness.take_started_sources(carol);
    assert_eq!(
        starts.iter().filter(|source| source.is_none()).count(),
        3,
        "{starts:?}"
    );
}

#[test]
fn a_renegotiation_does_not_give_a_denied_publisher_the_floor() {
    let mut call = Call::new(&[]);
    call.harness.set_forwarding(call.sender, "cam", false);
    for published in [vec![camera(&RIDS)], vec![camera(&[]), microphone()]] {
        call.harness.set_media(call.sender, published, 1);
        call.play(SECOND);
    }
    assert!(call.viewer.packets.is_empty());
}
