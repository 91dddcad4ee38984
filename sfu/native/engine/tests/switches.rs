//! A receiver sees one endless stream whatever happens at the source: switches, restarts, grants, renegotiation.

mod common;

use common::browser::{Label, Microphone, Publisher, Viewer, play, settle};
use common::*;
use engine::ids::ParticipantId;
use engine::{Command, DropReason, Event};
use netem::{LinkConfig, Loss};
use std::time::Duration;
use wire::extensions::Tag;
use wire::srtp::SrtpProfile;

const SECOND: Duration = Duration::from_secs(1);
const RIDS: [&str; 3] = ["q", "h", "f"];

fn lossy(probability: f64) -> LinkConfig {
    LinkConfig {
        loss: Loss::Random { probability },
        delay_ns: 15_000_000,
        jitter_ns: 2_000_000,
        ..LinkConfig::default()
    }
}

fn started(harness: &mut Harness, viewer: usize) -> Vec<Option<(ParticipantId, Tag)>> {
    let id = harness.clients[viewer].id;
    harness
        .take_events()
        .into_iter()
        .filter_map(|event| match event {
            Event::SourceStarted {
                participant,
                source,
                ..
            } if participant == id => Some(source),
            _ => None,
        })
        .collect()
}

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
        play(
            &mut harness,
            &mut [&mut first, &mut second],
            &mut [&mut viewer],
            SECOND,
        );
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
            play(
                &mut harness,
                &mut [&mut first, &mut second],
                &mut [&mut viewer],
                SECOND,
            );
        }
        harness.links.clear();
        settle(
            &mut harness,
            &mut [&mut first, &mut second],
            &mut [&mut viewer],
        );

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
fn publisher_that_begins_anew_under_another_ssrc_goes_on_in_the_same_stream() {
    let mut harness = Harness::new();
    let sender = harness.join(vec![camera(&RIDS)], 1);
    let receiver = harness.join(vec![], 1);
    let mut publisher = Publisher::new(sender, &RIDS);
    let mut viewer = Viewer::new(&harness, receiver, 0);
    harness.set_source(receiver, "v0", Some((sender, "cam")), 720);
    for _ in 0..4 {
        play(
            &mut harness,
            &mut [&mut publisher],
            &mut [&mut viewer],
            SECOND,
        );
        publisher.restart();
    }
    let frames = viewer.assert_whole();
    assert_eq!(frames.len(), 100);
    assert!(harness.clients[receiver].inbox.unreadable == 0);
    harness.assert_consistent();
}

#[test]
fn same_ssrc_may_jump_in_its_numbers() {
    let mut harness = Harness::new();
    let sender = harness.join(vec![camera(&[])], 1);
    let receiver = harness.join(vec![], 1);
    let mut publisher = Publisher::new(sender, &[]);
    let mut viewer = Viewer::new(&harness, receiver, 0);
    harness.set_source(receiver, "v0", Some((sender, "cam")), 720);
    for _ in 0..4 {
        play(
            &mut harness,
            &mut [&mut publisher],
            &mut [&mut viewer],
            SECOND,
        );
        // Not so far that SRTP would guess another rollover count.
        publisher.next[0] = publisher.next[0].wrapping_add(20_000);
    }
    let packets: Vec<_> = viewer.packets.keys().copied().collect();
    assert_eq!(
        packets.last().expect("some") - packets[0] + 1,
        packets.len() as u64,
        "no holes"
    );
    // The first packet after a jump is not yet believed, so that a keyframe is asked for.
    assert!(packets.len() > 3 * 60, "{}", packets.len());
}

#[test]
fn numbers_wrap_many_times() {
    let mut harness = Harness::new();
    let sender = harness.join(vec![camera(&[])], 1);
    let receiver = harness.join(vec![], 1);
    let mut publisher = Publisher::new(sender, &[]);
    publisher.packets_per_frame = 100;
    let mut viewer = Viewer::new(&harness, receiver, 0);
    harness.set_source(receiver, "v0", Some((sender, "cam")), 720);
    // 2,500 packets a second: both sides pass 2^16 twice.
    play(
        &mut harness,
        &mut [&mut publisher],
        &mut [&mut viewer],
        60 * SECOND,
    );
    let frames = viewer.assert_whole();
    assert_eq!(frames.len(), 1_500);
    assert_eq!(harness.clients[receiver].inbox.unreadable, 0);
    let received = harness.clients[receiver].inbox.rtp.len();
    assert_eq!(received, 150_000);
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
fn viewer_whose_keys_come_before_its_path_starts_when_it_is_reached() {
    let mut harness = Harness::new();
    let sender = harness.join(vec![camera(&[])], 1);
    let mut publisher = Publisher::new(sender, &[]);
    let receiver = harness.add(vec![], 1);
    harness.clients[receiver].is_checking = false;
    let mut viewer = Viewer::new(&harness, receiver, 0);
    harness.set_source(receiver, "v0", Some((sender, "cam")), 720);
    // The keyframe that was asked for passes while nobody can be reached, and grows older than the cache may serve.
    play(
        &mut harness,
        &mut [&mut publisher],
        &mut [&mut viewer],
        4 * SECOND,
    );
    assert!(viewer.packets.is_empty());

    harness.clients[receiver].is_checking = true;
    harness.check(receiver, true);
    play(
        &mut harness,
        &mut [&mut publisher],
        &mut [&mut viewer],
        2 * SECOND,
    );
    assert!(viewer.assert_whole().len() > 40);
    let reports = &harness.clients[receiver].inbox.sender_reports;
    assert!(!reports.is_empty(), "its reports come from the start");
}

#[test]
fn consent_lost_and_found_leaves_no_gap_in_the_numbers() {
    let mut harness = Harness::new();
    let sender = harness.join(vec![camera(&[])], 1);
    let receiver = harness.join(vec![], 1);
    let mut publisher = Publisher::new(sender, &[]);
    let mut viewer = Viewer::new(&harness, receiver, 0);
    harness.set_source(receiver, "v0", Some((sender, "cam")), 720);
    play(
        &mut harness,
        &mut [&mut publisher],
        &mut [&mut viewer],
        SECOND,
    );
    harness.clients[receiver].is_checking = false;
    play(
        &mut harness,
        &mut [&mut publisher],
        &mut [&mut viewer],
        20 * SECOND,
    );
    let before = viewer.packets.len();
    harness.clients[receiver].is_checking = true;
    harness.check(receiver, true);
    play(
        &mut harness,
        &mut [&mut publisher],
        &mut [&mut viewer],
        2 * SECOND,
    );
    assert!(viewer.packets.len() > before + 100);
    let (first, last) = (
        viewer.packets.first_key_value().expect("some").0,
        viewer.packets.last_key_value().expect("some").0,
    );
    assert_eq!(last - first + 1, viewer.packets.len() as u64);
}

#[test]
fn ice_restart_in_mid_call_costs_no_packet() {
    let mut harness = Harness::new();
    let sender = harness.join(vec![camera(&[])], 1);
    let receiver = harness.join(vec![], 1);
    let mut publisher = Publisher::new(sender, &[]);
    let mut viewer = Viewer::new(&harness, receiver, 0);
    harness.set_source(receiver, "v0", Some((sender, "cam")), 720);
    for generation in 0..5 {
        play(
            &mut harness,
            &mut [&mut publisher],
            &mut [&mut viewer],
            SECOND,
        );
        for client in [sender, receiver] {
            let ufrag = format!("new{client}{generation}");
            harness.command(Command::RestartIce {
                participant: harness.clients[client].id,
                ice_ufrag: ufrag.clone(),
                ice_pwd: PASSWORD.into(),
                remote_ufrag: "them".into(),
            });
            // The old pair serves on, checks under the old credentials included.
            harness.check(client, true);
            play(
                &mut harness,
                &mut [&mut publisher],
                &mut [&mut viewer],
                SECOND / 2,
            );
            harness.clients[client].ufrag = ufrag;
            harness.clients[client].path.remote =
                ([127, 0, 0, 1], 40_000 + 10 * generation + client as u16).into();
            harness.check(client, true);
        }
    }
    play(
        &mut harness,
        &mut [&mut publisher],
        &mut [&mut viewer],
        SECOND,
    );
    let frames = viewer.assert_whole();
    assert_eq!(frames.len() as u32, publisher.frame);
    assert_eq!(viewer.repaired, 0);
}

#[test]
fn profiles_mix_in_one_room() {
    use SrtpProfile::{AeadAes128Gcm, Aes128CmSha1_80};
    for profiles in [
        [AeadAes128Gcm, Aes128CmSha1_80],
        [Aes128CmSha1_80, AeadAes128Gcm],
    ] {
        let mut harness = Harness::new();
        harness.use_profiles(profiles);
        let sender = harness.join(vec![camera(&[])], 1);
        let receiver = harness.join(vec![], 1);
        let mut publisher = Publisher::new(sender, &[]);
        let mut viewer = Viewer::new(&harness, receiver, 0);
        harness.set_source(receiver, "v0", Some((sender, "cam")), 720);
        harness.set_links(receiver, lossy(0.05), lossy(0.05), 9);
        play(
            &mut harness,
            &mut [&mut publisher],
            &mut [&mut viewer],
            3 * SECOND,
        );
        harness.links.clear();
        settle(&mut harness, &mut [&mut publisher], &mut [&mut viewer]);
        assert!(viewer.assert_whole().len() > 70);
        assert_eq!(harness.clients[receiver].inbox.unreadable, 0);
    }
}

#[test]
fn a_new_offer_with_more_lines_leaves_running_streams_alone() {
    let mut harness = Harness::new();
    let sender = harness.join(vec![camera(&[])], 1);
    let receiver = harness.join(vec![], 1);
    let mut publisher = Publisher::new(sender, &[]);
    let mut viewer = Viewer::new(&harness, receiver, 0);
    harness.set_source(receiver, "v0", Some((sender, "cam")), 720);
    for lines in 2..6 {
        play(
            &mut harness,
            &mut [&mut publisher],
            &mut [&mut viewer],
            SECOND,
        );
        harness.command(Command::SetMedia {
            participant: harness.clients[receiver].id,
            published: vec![],
            subscribed: receive_lines(harness.clients[receiver].id.0, lines),
        });
        let mut screen = camera(&[]);
        screen.mid = tag("screen");
        let mut published = vec![microphone(), camera(&[]), screen];
        published.truncate(lines);
        harness.command(Command::SetMedia {
            participant: harness.clients[sender].id,
            published,
            subscribed: receive_lines(harness.clients[sender].id.0, 1),
        });
    }
    let frames = viewer.assert_whole();
    assert_eq!(frames.len(), 100);
    assert_eq!(publisher.keyframes_sent, 1, "nothing began anew");
}

#[test]
fn a_removed_line_takes_its_stream_and_leaves_the_others_their_numbers() {
    let mut harness = Harness::new();
    let sender = harness.join(vec![camera(&[])], 1);
    let receiver = harness.join(vec![], 3);
    let id = harness.clients[receiver].id;
    let mut publisher = Publisher::new(sender, &[]);
    let mut viewers: Vec<Viewer> = (0..3)
        .map(|line| Viewer::new(&harness, receiver, line))
        .collect();
    for mid in ["v0", "v1", "v2"] {
        harness.set_source(receiver, mid, Some((sender, "cam")), 720);
    }
    let mut all: Vec<&mut Viewer> = viewers.iter_mut().collect();
    play(&mut harness, &mut [&mut publisher], &mut all, SECOND);
    let mut lines = receive_lines(id.0, 3);
    let gone = lines.remove(4);
    assert_eq!(gone.mid, tag("v1"));
    harness.command(Command::SetMedia {
        participant: id,
        published: vec![],
        subscribed: lines.clone(),
    });
    play(&mut harness, &mut [&mut publisher], &mut all, SECOND);

    let frames = viewers[0].assert_whole().len();
    assert_eq!((frames, viewers[2].assert_whole().len()), (50, 50));
    assert_eq!(viewers[1].assert_whole().len(), 25);
    assert_eq!(publisher.keyframes_sent, 1);

    // Under the same keys the SSRC must not begin anew.
    lines.push(gone);
    let result = harness.engine.handle_command(
        harness.now,
        Command::SetMedia {
            participant: id,
            published: vec![],
            subscribed: lines,
        },
    );
    assert!(result.is_err());
    harness.assert_consistent();
}

#[test]
fn a_publisher_who_takes_a_line_away_stops_its_viewers_and_may_bring_it_back() {
    let mut harness = Harness::new();
    let sender = harness.join(vec![camera(&[])], 0);
    let receiver = harness.join(vec![], 1);
    let mut publisher = Publisher::new(sender, &[]);
    let mut viewer = Viewer::new(&harness, receiver, 0);
    harness.set_source(receiver, "v0", Some((sender, "cam")), 720);
    play(
        &mut harness,
        &mut [&mut publisher],
        &mut [&mut viewer],
        SECOND,
    );
    harness.take_events();
    let set = |harness: &mut Harness, published| {
        harness.command(Command::SetMedia {
            participant: harness.clients[sender].id,
            published,
            subscribed: receive_lines(harness.clients[sender].id.0, 0),
        });
    };
    set(&mut harness, vec![]);
    assert_eq!(started(&mut harness, receiver), [None]);
    play(
        &mut harness,
        &mut [&mut publisher],
        &mut [&mut viewer],
        SECOND,
    );
    assert_eq!(harness.drops(DropReason::UnknownSsrc), 75);
    // Other codecs than before.
    let mut other = camera(&[]);
    other.codecs[0].format_key = "other".into();
    set(&mut harness, vec![other]);
    play(
        &mut harness,
        &mut [&mut publisher],
        &mut [&mut viewer],
        SECOND,
    );
    assert_eq!(viewer.assert_whole().len(), 25, "nobody can decode that");
    set(&mut harness, vec![camera(&[])]);
    play(
        &mut harness,
        &mut [&mut publisher],
        &mut [&mut viewer],
        2 * SECOND,
    );
    assert!(viewer.packets.len() > 75 + 100, "{}", viewer.packets.len());
    let first = *viewer.packets.first_key_value().expect("some").0;
    let last = *viewer.packets.last_key_value().expect("some").0;
    assert_eq!(last - first + 1, viewer.packets.len() as u64);
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
        harness.command(Command::SetForwarding {
            participant: harness.clients[alice].id,
            mid: tag("cam"),
            is_allowed,
        });
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
    let first = *left.packets.first_key_value().expect("some").0;
    let last = *left.packets.last_key_value().expect("some").0;
    assert_eq!(last - first + 1, left.packets.len() as u64, "no holes");
    let starts = started(&mut harness, carol);
    assert_eq!(
        starts.iter().filter(|source| source.is_none()).count(),
        3,
        "{starts:?}"
    );
}

#[test]
fn a_renegotiation_does_not_give_a_denied_publisher_the_floor() {
    let mut harness = Harness::new();
    let alice = harness.join(vec![camera(&[])], 1);
    let bob = harness.join(vec![], 1);
    let mut publisher = Publisher::new(alice, &[]);
    let mut viewer = Viewer::new(&harness, bob, 0);
    harness.set_source(bob, "v0", Some((alice, "cam")), 720);
    let participant = harness.clients[alice].id;
    harness.command(Command::SetForwarding {
        participant,
        mid: tag("cam"),
        is_allowed: false,
    });
    for published in [vec![camera(&RIDS)], vec![camera(&[]), microphone()]] {
        harness.command(Command::SetMedia {
            participant,
            published,
            subscribed: receive_lines(participant.0, 1),
        });
        play(
            &mut harness,
            &mut [&mut publisher],
            &mut [&mut viewer],
            SECOND,
        );
    }
    assert!(viewer.packets.is_empty());
}

#[test]
fn audio_numbers_close_up_over_silence_and_speaker_changes() {
    let mut harness = Harness::new();
    let mut voices: Vec<Microphone> = (0..5)
        .map(|_| Microphone::new(harness.join(vec![microphone()], 0)))
        .collect();
    let listener = harness.join(vec![], 0);
    for round in 0..20usize {
        for _ in 0..40 {
            for (index, voice) in voices.iter_mut().enumerate() {
                // Three of five speak, others in each round; the rest is digital silence.
                let speaks = (index + round) % 5 < 3;
                voice.speak(&mut harness, if speaks { 25 } else { 127 });
            }
            harness.run(Duration::from_millis(20));
        }
    }
    let base = harness.clients[listener].id.0 as u32 * 1_000 + 100;
    for slot in 0..3 {
        let received = harness.clients[listener].stream(base + 2 * slot);
        assert!(received.len() > 400, "slot {slot}: {}", received.len());
        assert_continuous(&received);
    }
    harness.assert_consistent();
}

#[test]
fn padding_alone_takes_no_number_on_the_way_out() {
    let mut harness = Harness::new();
    let sender = harness.join(vec![camera(&[])], 1);
    let receiver = harness.join(vec![], 1);
    let mut publisher = Publisher::new(sender, &[]);
    let mut viewer = Viewer::new(&harness, receiver, 0);
    harness.set_source(receiver, "v0", Some((sender, "cam")), 720);
    for _ in 0..20 {
        play(
            &mut harness,
            &mut [&mut publisher],
            &mut [&mut viewer],
            Duration::from_millis(80),
        );
        for _ in 0..3 {
            // A browser without RTX probes so: P bit, no payload, the last byte counts the padding.
            let sequence_number = publisher.next[0];
            publisher.next[0] = sequence_number.wrapping_add(1);
            let header = wire::rtp::OutgoingHeader {
                marker: false,
                payload_type: VP8,
                sequence_number,
                timestamp: 1,
                ssrc: publisher.ssrc(0),
            };
            let mut plain = Vec::new();
            header.write(&mut plain, false, true);
            plain.extend_from_slice(&[0; 99]);
            plain.push(100);
            harness.send_plain_rtp(sender, plain);
        }
    }
    assert_eq!(harness.drops(DropReason::PaddingOnly), 60);
    assert_eq!(viewer.assert_whole().len(), 40);
    assert_eq!(viewer.repaired, 0);
    assert_eq!(viewer.packets.len(), 120);
}
