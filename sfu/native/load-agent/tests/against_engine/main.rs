//! Participants of the agent around one engine, in virtual time, with real DTLS: each judges what the other lets through.
//! Faults are put on the way on purpose: the judge must name them.

mod media;
mod world;

use load_agent::protocol::{self, SrtpOffer};
use world::{World, call};

#[test]
fn two_participants_hear_and_see_each_other_without_a_fault() {
    let mut world = call([1, 1], 0);

    for index in 0..2 {
        let report = world.report(index);
        let totals = report.totals;
        assert!(report.is_connected);
        assert!(totals.frames > 5 * (50 + 20), "{}", totals.frames);
        assert_eq!(
            totals.frames_missing + totals.frames_duplicate + totals.packets_lost,
            0
        );
        assert_eq!(
            totals.frames_unmarked + totals.frames_wrong_source + totals.unreadable,
            0
        );
        assert_eq!(
            (totals.freezes, totals.decoder_breaks, totals.nacks_sent),
            (0, 0, 0)
        );
        assert!(totals.feedback_received > 20);
        let other = 2 - index as u32;
        // Two of the three audio lines are for voices that nobody has, or for one's own.
        let heard = report.lines.iter().filter_map(|line| line.publisher);
        assert_eq!(heard.collect::<Vec<_>>(), [other, other]);
    }
}

#[test]
fn either_srtp_profile_can_be_offered_alone_and_media_flows_under_it() {
    for (offer, name) in [
        (SrtpOffer::AeadAes128Gcm, "aead_aes_128_gcm"),
        (SrtpOffer::Aes128CmSha1_80, "aes128_cm_sha1_80"),
    ] {
        let mut world = World::new();
        world.srtp_offer = offer;
        world.join(1, None);
        world.join(1, None);
        world.watch(0, 1);
        world.run(2);

        let is_chosen = |event: &protocol::Event| matches!(event, protocol::Event::Connected { profile, .. } if *profile == name);
        assert!(world.peers[0].events.iter().any(is_chosen), "{name}");
        let totals = world.totals(0);
        assert!(totals.frames > 100 && totals.unreadable == 0, "{name}");
    }
}

#[test]
fn a_server_with_another_certificate_gets_no_media_whichever_profile_is_offered() {
    for offer in [SrtpOffer::All, SrtpOffer::Aes128CmSha1_80] {
        let mut world = World::new();
        world.srtp_offer = offer;
        let wrong = ["AB"; 32].join(":");
        world.join(1, Some(&wrong));
        world.run(2);

        let is_failed = |event: &protocol::Event| matches!(event, protocol::Event::Failed { reason, .. } if reason.contains("certificate"));
        assert!(world.peers[0].events.iter().any(is_failed));
        assert_eq!(world.totals(0).packets_sent, 0);
    }
}

#[test]
fn another_source_than_wished_for_and_a_source_that_ends_are_named() {
    let mut world = World::new();
    for _ in 0..3 {
        world.join(1, None);
    }
    world.watch(0, 2);
    let expect = |world: &mut World, publisher: u32| {
        let wished = protocol::ExpectVideo {
            mid: "v0".into(),
            publisher: Some(publisher),
            source: protocol::Source::Camera,
            height: Some(360),
            is_muted: false,
        };
        let expect = protocol::Expect {
            id: 1,
            video: vec![wished],
            audio: Some(vec![2, 3]),
        };
        world.expect(0, expect);
    };
    expect(&mut world, 3);
    world.run(6);
    let before = world.totals(0);
    assert_eq!((before.frames_unwished, before.silences), (0, 0));
    assert_eq!((before.frames_above_wish, before.frames_below_wish), (0, 0));

    world.watch(0, 1);
    world.run(6);
    let swapped = world.totals(0);
    assert!(swapped.frames_unwished > 80, "{}", swapped.frames_unwished);
    assert_eq!((swapped.frames_wrong_source, swapped.silences), (0, 1));
    let is_named = |event: &protocol::Event| {
        matches!(
            event,
            protocol::Event::WrongSource {
                reason: protocol::WrongSource::Unwished,
                publisher: 2,
                ..
            }
        )
    };
    assert!(world.peers[0].events.iter().any(is_named));

    let now = world.now;
    world.peers[2].participant.handle_publish(now, "mic", false);
    world.run(4);
    let report = world.report(0);
    assert_eq!(report.unheard, [3]);
}

#[test]
fn a_voice_is_missed_no_sooner_than_the_loops_that_are_played_may_pause() {
    for (longest_pause_ms, unheard) in [(0, vec![9]), (5_000, vec![])] {
        let mut world = World::new();
        world.load_pausing_voice(longest_pause_ms);
        world.join(1, None);
        let expect = protocol::Expect {
            id: 1,
            audio: Some(vec![9]),
            ..protocol::Expect::default()
        };
        world.expect(0, expect);
        world.run(4);
        assert_eq!(world.report(0).unheard, unheard);
        world.run(4);
        assert_eq!(world.report(0).unheard, [9]);
    }
}

#[test]
fn lost_pictures_are_asked_for_and_repaired_lost_sound_is_counted() {
    let mut world = call([1, 1], 50);

    for index in 0..2 {
        let lines = world.report(index).lines;
        let (pictures, sound) = lines.split_last().expect("four lines");
        let (pictures, sound) = (&pictures.totals, sound.iter().map(|line| &line.totals));
        assert!(sound.clone().map(|line| line.frames_missing).sum::<u64>() > 3);
        assert_eq!(sound.map(|line| line.packets_repaired).sum::<u64>(), 0);
        assert!(pictures.packets_repaired > 3 && pictures.nacks_sent >= pictures.packets_repaired);
        assert_eq!(pictures.frames_missing, 0);
    }
}

#[test]
fn marks_of_another_room_are_a_security_failure_at_once() {
    let world = call([1, 2], 0);

    let totals = world.totals(0);
    assert!(totals.frames_wrong_source > 100);
    let is_told = |event: &protocol::Event| {
        matches!(
            event,
            protocol::Event::WrongSource {
                room: 2,
                publisher: 2,
                ..
            }
        )
    };
    assert!(world.peers[0].events.iter().any(is_told));
}
