//! Over which path a client is reached: strangers, consent, restarts, other addresses, either SRTP profile.

use crate::common::*;
use engine::ids::ParticipantId;
use engine::{Command, DropReason, Event};
use std::time::Duration;
use wire::srtp::SrtpProfile;

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

    harness.check(index);
    harness.deliver(path, vec![22, 1, 2, 3]);
    let participant = ParticipantId(1);
    assert!(harness.take_events().contains(&Event::Dtls {
        participant,
        datagram: vec![22, 1, 2, 3]
    }));
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
    harness.check(receiver);
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
fn media_stops_when_consent_expires_and_returns_with_it() {
    let (mut harness, mut camera, viewer) = watched_camera();
    camera.send_frame(&mut harness, &[]);
    harness.take_events();

    harness.run_silently(Duration::from_secs(16));
    let lost = Event::IceState {
        participant: ParticipantId(2),
        is_connected: false,
    };
    assert!(harness.take_events().contains(&lost));
    let before = harness.clients[viewer].inbox.rtp.len();
    harness.check(camera.client);
    camera.send_frame(&mut harness, &[0]);
    assert_eq!(
        harness.clients[viewer].inbox.rtp.len(),
        before,
        "nothing without consent"
    );

    harness.check(viewer);
    camera.send_frame(&mut harness, &[0]);
    assert!(harness.clients[viewer].inbox.rtp.len() > before);
}

#[test]
fn consent_lost_and_found_leaves_no_gap_in_the_numbers() {
    let mut call = Call::new(&[]);
    call.play(SECOND);
    call.harness.clients[call.receiver].is_checking = false;
    call.play(20 * SECOND);
    let before = call.viewer.packets.len();
    call.harness.clients[call.receiver].is_checking = true;
    call.harness.check(call.receiver);
    call.play(2 * SECOND);
    assert!(call.viewer.packets.len() > before + 100);
    call.viewer.assert_gapless();
}

#[test]
fn address_change_moves_media_to_the_nominated_path_at_once() {
    let (mut harness, mut camera, viewer) = watched_camera();
    camera.film(&mut harness, 5);

    harness.clients[viewer].path.remote = ([127, 0, 0, 1], 30_000).into();
    harness.check(viewer);
    camera.film(&mut harness, 5);

    let received = harness.clients[viewer].stream(2_200);
    assert_eq!(received.len(), 10);
    assert_continuous(&received);
    assert!(
        harness.strays.is_empty(),
        "nothing to the old address after the move"
    );
}

#[test]
fn ice_restart_in_mid_call_costs_no_packet() {
    let mut call = Call::new(&[]);
    for generation in 0..5 {
        call.play(SECOND);
        for client in [call.sender, call.receiver] {
            let ufrag = format!("new{client}{generation}");
            call.harness.command(Command::RestartIce {
                participant: call.harness.clients[client].id,
                ice_ufrag: ufrag.clone(),
                ice_pwd: PASSWORD.into(),
                remote_ufrag: "them".into(),
            });
            // The old pair serves on, checks under the old credentials included.
            call.harness.check(client);
            call.play(SECOND / 2);
            call.harness.clients[client].ufrag = ufrag;
            call.harness.clients[client].path.remote =
                ([127, 0, 0, 1], 40_000 + 10 * generation + client as u16).into();
            call.harness.check(client);
        }
    }
    call.play(SECOND);
    let frames = call.viewer.assert_whole();
    assert_eq!(frames.len() as u32, call.publisher.frame);
    assert_eq!(call.viewer.repaired, 0);
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
        let mut call = Call::within(harness, &[]);
        call.harness
            .set_links(call.receiver, lossy(0.05), lossy(0.05), 9);
        call.play(3 * SECOND);
        call.harness.links.clear();
        call.settle();
        assert!(call.viewer.assert_whole().len() > 70);
        assert_eq!(call.harness.clients[call.receiver].inbox.unreadable, 0);
    }
}
