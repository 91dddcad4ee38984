//! Clients that do what no client should: nobody else is hurt, nothing grows, nothing panics.

use crate::common::*;
use engine::{DropReason, Path};
use std::time::Duration;
use wire::rtcp;
use wire::transport_feedback;

/// Alice publishes, Carol watches her, Bob is in the room with a camera of his own that nobody watches.
struct Scene {
    harness: Harness,
    alice: usize,
    bob: usize,
    carol: usize,
    publisher: Publisher,
    viewer: Viewer,
}

impl Scene {
    fn new() -> Self {
        let mut harness = Harness::new();
        let alice = harness.join(vec![camera(&[])], 1);
        let bob = harness.join(vec![camera(&[])], 1);
        let carol = harness.join(vec![], 1);
        harness.set_source(carol, "v0", Some((alice, "cam")), 720);
        let publisher = Publisher::new(alice, &[]);
        let viewer = Viewer::new(&harness, carol, 0);
        let mut scene = Self {
            harness,
            alice,
            bob,
            carol,
            publisher,
            viewer,
        };
        scene.play(SECOND);
        scene
    }

    fn play(&mut self, duration: Duration) {
        play(
            &mut self.harness,
            &mut [&mut self.publisher],
            &mut [&mut self.viewer],
            duration,
        );
    }

    /// Carol saw all of Alice.
    fn assert_unhurt(&self) {
        let frames = self.viewer.assert_whole();
        assert_eq!(frames.len() as u32, self.publisher.frame);
        self.harness.assert_consistent();
    }
}

#[test]
fn feedback_about_others_streams_has_no_effect() {
    let mut scene = Scene::new();
    let (media, sent_to_carol) = (scene.publisher.ssrc(0), scene.viewer.ssrc);
    let before = scene.harness.engine.statistics().counters;
    let keyframes = scene.publisher.keyframes_sent;
    for about in [media, sent_to_carol, sent_to_carol + 1] {
        for _ in 0..20 {
            let bob = scene.bob;
            let harness = &mut scene.harness;
            harness.send_rtcp(bob, |out| {
                rtcp::write_picture_loss_indication(out, 1, about);
            });
            harness.send_rtcp(bob, |out| {
                rtcp::write_full_intra_request(out, 1, about, 1);
            });
            let newest = harness.clients[scene.carol].stream(sent_to_carol);
            let number = newest.last().expect("some").header.sequence_number;
            harness.send_rtcp(bob, |out| {
                rtcp::write_nack(out, 1, about, &[number, number.wrapping_sub(1)]);
            });
            harness.send_rtcp(bob, |out| rtcp::write_goodbye(out, &[about]));
            let info = rtcp::SenderInfo {
                ntp_time: 1,
                rtp_timestamp: 0xdead_beef,
                packet_count: 1,
                octet_count: 1,
            };
            harness.send_rtcp(bob, |out| {
                rtcp::write_sender_report(out, about, &info, &[]);
            });
            let block = rtcp::ReportBlock {
                ssrc: about,
                fraction_lost: 255,
                cumulative_lost: 0x7f_ffff,
                highest_sequence_number: 0,
                jitter: u32::MAX,
                last_sender_report: 7,
                delay_since_last_sender_report: 7,
            };
            harness.send_rtcp(bob, |out| rtcp::write_receiver_report(out, 1, &[block]));
        }
        scene.play(SECOND);
    }
    let after = scene.harness.engine.statistics().counters;
    assert_eq!(
        after.keyframe_requests_received,
        before.keyframe_requests_received
    );
    assert_eq!(after.nacks_received, before.nacks_received);
    assert_eq!(after.retransmissions_sent, 0);
    assert_eq!(scene.publisher.keyframes_sent, keyframes);
    let inbox = &scene.harness.clients[scene.bob].inbox;
    assert!(inbox.rtp.is_empty(), "Bob got nothing out of it");
    scene.assert_unhurt();
}

#[test]
fn replayed_and_tampered_packets_are_dropped_and_leave_the_stream_alone() {
    let mut scene = Scene::new();
    let path = scene.harness.clients[scene.alice].path;
    let payload = vp8_payload(0, 0, 9, None);
    let packet = Rtp {
        ssrc: 90_000,
        sequence_number: 5,
        timestamp: 1,
        payload: &payload,
        ..Rtp::PICTURE
    };
    // What Alice would send, protected with her keys by a client of the same seed, and spoilt byte by byte.
    let mut other = Harness::new();
    let alice = other.add(vec![camera(&[])], 1);
    let sealed = other.clients[alice].seal(&packet);
    for at in 0..sealed.len() {
        let mut spoilt = sealed.clone();
        spoilt[at] ^= 0x40;
        scene.harness.deliver(path, spoilt);
    }
    let counted = drops(&scene.harness);
    assert_eq!(
        counted.values().sum::<u64>(),
        sealed.len() as u64,
        "{counted:?}"
    );
    assert!(counted["authentication"] > sealed.len() as u64 - 20);
    scene.play(SECOND);
    scene.assert_unhurt();
}

#[test]
fn whole_capture_replayed_changes_nothing() {
    let mut scene = Scene::new();
    let path = scene.harness.clients[scene.alice].path;
    scene.harness.capture = Some(Vec::new());
    scene.play(SECOND);
    let captured = scene.harness.capture.take().expect("set above");
    assert!(captured.len() > 70);
    let before = scene.harness.engine.statistics();
    for datagram in &captured {
        scene.harness.deliver(path, datagram.clone());
    }
    // From Bob's address they are authenticated with Bob's keys.
    let bob = scene.harness.clients[scene.bob].path;
    for datagram in &captured {
        scene.harness.deliver(bob, datagram.clone());
    }
    let after = scene.harness.engine.statistics();
    assert_eq!(
        after.counters.rtp_packets_forwarded,
        before.counters.rtp_packets_forwarded
    );
    assert_eq!(after.gauges, before.gauges);
    scene.play(SECOND);
    scene.assert_unhurt();
}

#[test]
fn nack_flood_is_bounded_by_the_budget() {
    let mut scene = Scene::new();
    let sent_before = scene.harness.engine.statistics().counters.bytes_sent;
    let ssrc = scene.viewer.ssrc;
    let numbers: Vec<u16> = scene.harness.clients[scene.carol]
        .stream(ssrc)
        .iter()
        .map(|packet| packet.header.sequence_number)
        .collect();
    for _ in 0..500 {
        scene.harness.send_rtcp(scene.carol, |out| {
            rtcp::write_nack(out, 1, ssrc, &numbers);
        });
        scene.harness.run(Duration::from_millis(2));
    }
    let counters = scene.harness.engine.statistics().counters;
    let spent = counters.bytes_sent - sent_before;
    assert!(spent < 200_000, "{spent} bytes for one second of NACKs");
    assert!(counters.retransmissions_refused > 20_000);
    scene.play(SECOND);
    scene.assert_unhurt();
}

#[test]
fn keyframe_request_flood_costs_the_publisher_a_few() {
    let mut scene = Scene::new();
    let before = scene.publisher.keyframes_sent;
    for _ in 0..100 {
        for _ in 0..50 {
            let ssrc = scene.viewer.ssrc;
            scene.harness.send_rtcp(scene.carol, |out| {
                rtcp::write_picture_loss_indication(out, 1, ssrc);
            });
        }
        scene.play(Duration::from_millis(40));
    }
    let keyframes = scene.publisher.keyframes_sent - before;
    assert!((2..=6).contains(&keyframes), "{keyframes} in 4 s");
    scene.assert_unhurt();
}

#[test]
fn forged_transport_feedback_is_ignored() {
    let mut scene = Scene::new();
    for base in (0..=u16::MAX).step_by(257) {
        for times in [0i64, 1 << 40, -5_000_000] {
            let arrivals: Vec<Option<i64>> = (0..50)
                .map(|i| (i % 3 != 0).then_some(times + i * 1_000))
                .collect();
            for sender in [scene.carol, scene.bob] {
                scene.harness.send_rtcp(sender, |out| {
                    transport_feedback::write(out, 1, 2, base as u8, base, &arrivals);
                });
            }
        }
    }
    scene.play(SECOND);
    scene.assert_unhurt();
}

#[test]
fn many_ssrcs_of_one_participant_are_refused() {
    let mut scene = Scene::new();
    let payload = vp8_payload(1, 0, 1, Some(720));
    for ssrc in 0..500u32 {
        let bob = scene.bob;
        scene.harness.send_rtp(
            bob,
            &Rtp {
                ssrc: 200_000 + ssrc,
                sequence_number: 1,
                timestamp: 0,
                payload: &payload,
                ..Rtp::PICTURE
            },
        );
    }
    assert!(scene.harness.drops(DropReason::TooManySsrcs) > 300);
    assert!(scene.harness.engine.statistics().gauges.receive_streams < 60);
    scene.play(SECOND);
    scene.assert_unhurt();
}

/// A little generator for bytes; its seeds are committed.
struct Bytes(u64);

impl Bytes {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            *byte = (self.0 >> 33) as u8;
        }
    }
}

#[test]
fn garbage_of_every_length_and_kind_changes_nothing() {
    let mut scene = Scene::new();
    let stranger = Path {
        socket: 0,
        local: None,
        remote: ([10, 9, 8, 7], 6).into(),
    };
    let known = scene.harness.clients[scene.bob].path;
    let before = scene.harness.engine.statistics().gauges;
    scene.harness.take_events();
    let mut bytes = Bytes(1);
    let firsts: [u8; 16] = [
        0, 1, 3, 4, 19, 20, 22, 63, 64, 127, 128, 129, 144, 160, 191, 255,
    ];
    for length in 0..=1_500usize {
        for first in firsts {
            let mut datagram = vec![0; length];
            bytes.fill(&mut datagram);
            if let Some(byte) = datagram.first_mut() {
                *byte = first;
            }
            if length > 1 && length % 2 == 0 && first >= 128 {
                // RTCP packet types, and lengths that may be right.
                datagram[1] = 192 + (length % 32) as u8;
            }
            scene.harness.deliver(known, datagram.clone());
            scene.harness.deliver(stranger, datagram);
        }
    }
    assert!(scene.harness.strays.is_empty());
    assert_eq!(scene.harness.engine.statistics().gauges, before);
    let counted: u64 = drops(&scene.harness).values().sum();
    // Handshake bytes from a known tuple are handed on, up to their limit; STUN that is no request is silence.
    assert!(counted > 1_501 * 16 * 2 - 5_000, "{counted}");
    scene.play(SECOND);
    scene.assert_unhurt();
}

#[test]
fn authentic_garbage_is_counted_and_harmless() {
    let mut scene = Scene::new();
    let mut bytes = Bytes(2);
    for length in 0..400usize {
        for payload_type in [VP8, VP8_RTX, OPUS, 5, 127] {
            let mut payload = vec![0; length % 60];
            bytes.fill(&mut payload);
            let rid = [None, Some("q"), Some("zz")][length % 3];
            let mid = ["cam", "mic", "nope", ""][length % 4];
            let packet = Rtp {
                ssrc: 300_000 + (length % 40) as u32,
                sequence_number: (length * 7 % 65_536) as u16,
                timestamp: length as u32,
                payload_type,
                marker: length % 2 == 0,
                mid,
                rid,
                payload: &payload,
                ..Rtp::PICTURE
            };
            let bob = scene.bob;
            scene.harness.send_rtp(bob, &packet);
        }
        let mut compound = vec![0; 8 + length % 200];
        bytes.fill(&mut compound);
        compound[0] = 0x80 | (length % 32) as u8;
        compound[1] = 200 + (length % 8) as u8;
        let words = (compound.len() / 4 - 1) as u16;
        compound.truncate(compound.len() / 4 * 4);
        compound[2..4].copy_from_slice(&words.to_be_bytes());
        let bob = scene.bob;
        scene
            .harness
            .send_rtcp(bob, |out| out.extend_from_slice(&compound));
    }
    scene.play(SECOND);
    scene.assert_unhurt();
}

#[test]
fn forged_checks_move_nobody() {
    let mut scene = Scene::new();
    // Bob holds good credentials and forges Alice's and Carol's addresses.
    let bob = scene.bob;
    let own = scene.harness.clients[bob].path;
    for victim in [scene.alice, scene.carol] {
        scene.harness.clients[bob].path = scene.harness.clients[victim].path;
        for _ in 0..10 {
            scene.harness.check(bob);
        }
        scene.harness.clients[bob].path = own;
    }
    assert_eq!(scene.harness.drops(DropReason::ForeignTuple), 20);
    scene.play(SECOND);
    scene.assert_unhurt();
}

#[test]
fn an_address_that_its_holder_left_moves_to_who_proves_to_have_it_now() {
    let mut scene = Scene::new();
    let (alice, bob) = (scene.alice, scene.bob);
    let freed = scene.harness.clients[alice].path;
    // Alice's NAT gives her another port, and hers to Bob.
    scene.harness.clients[alice].path.remote = ([127, 0, 0, 1], 50_001).into();
    scene.harness.check(alice);
    scene.play(8 * SECOND);
    scene.harness.clients[bob].path = freed;
    scene.harness.check(bob);
    scene.harness.assert_consistent();
    let mut publisher = Publisher::new(bob, &[]);
    let Scene {
        mut harness,
        carol,
        mut viewer,
        publisher: mut first,
        ..
    } = scene;
    harness.set_source(carol, "v0", Some((bob, "cam")), 720);
    play(
        &mut harness,
        &mut [&mut publisher, &mut first],
        &mut [&mut viewer],
        SECOND,
    );
    let frames = viewer.assert_whole();
    assert_eq!(frames.last().expect("some").publisher, bob as u8);
}
