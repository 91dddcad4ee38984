//! Whole rooms: what they cost, when they wake, what is left when everybody goes.

use crate::common::*;
use engine::Command;
use netem::{LinkConfig, Loss, Random};
use std::time::Duration;

/// Packets out of the engine while one of `size` publishes, everybody watches, and the speaker changes every second.
fn packets_in_a_room(size: usize) -> (u64, u64) {
    let mut harness = Harness::new();
    let clients: Vec<usize> = (0..size)
        .map(|_| harness.join(vec![camera(&[]), microphone()], 1))
        .collect();
    let mut cameras: Vec<Publisher> = (0..4).map(|i| Publisher::new(clients[i], &[])).collect();
    let mut voices: Vec<Microphone> = (0..4).map(|i| Microphone::new(clients[i])).collect();
    let before = harness.engine.statistics().counters;
    for round in 0..4 {
        let speaker = clients[round];
        for viewer in &clients {
            harness
                .engine
                .handle_command(
                    harness.now,
                    Command::SetSource {
                        participant: harness.clients[*viewer].id,
                        mid: tag("v0"),
                        source: Some((harness.clients[speaker].id, tag("cam"))),
                        max_height: 720,
                    },
                )
                .expect("good");
        }
        for step in 0..50u16 {
            voices[round].speak(&mut harness, 20);
            if step % 2 == 0 {
                cameras[round].send_frame(&mut harness, &[0]);
            }
            harness.run(Duration::from_millis(20));
        }
    }
    harness.assert_consistent();
    let last = harness.clients.last().expect("some");
    assert!(last.stream(last.id.0 as u32 * 1_000 + 200).len() > 250);
    let after = harness.engine.statistics().counters;
    (
        after.rtp_packets_forwarded - before.rtp_packets_forwarded,
        after.packets_sent - before.packets_sent,
    )
}

#[test]
fn work_grows_with_packets_out_and_nothing_else() {
    let (small_media, small_all) = packets_in_a_room(20);
    let (large_media, large_all) = packets_in_a_room(200);
    // Per second and viewer: 75 of video, 50 of sound; the speaker does not hear itself.
    assert!(
        (20 * 480..=20 * 510).contains(&small_media),
        "{small_media}"
    );
    assert!(
        (200 * 480..=200 * 510).contains(&large_media),
        "{large_media}"
    );
    let ratio = large_all as f64 / small_all as f64;
    assert!((9.0..11.0).contains(&ratio), "{ratio}");
}

#[test]
fn timers_neither_spin_nor_stay_due() {
    let per_second = |harness: &mut Harness, seconds: u64, run: &mut dyn FnMut(&mut Harness)| {
        let before = harness.timeouts;
        run(harness);
        (harness.timeouts - before) as f64 / harness.clients.len() as f64 / seconds as f64
    };
    let mut harness = Harness::new();
    let (alice, bob) = (
        harness.join(vec![camera(&RIDS), microphone()], 1),
        harness.join(vec![], 1),
    );
    let idle = per_second(&mut harness, 20, &mut |harness| harness.run(20 * SECOND));
    assert!(idle <= 3.0, "{idle} idle");

    harness.set_source(bob, "v0", Some((alice, "cam")), 720);
    let (mut publisher, mut viewer) = (Publisher::new(alice, &RIDS), Viewer::new(&harness, bob, 0));
    let mut watch = |harness: &mut Harness| {
        let publishers = &mut [&mut publisher];
        play(harness, publishers, &mut [&mut viewer], 10 * SECOND);
    };
    let busy = per_second(&mut harness, 10, &mut watch);
    assert!(busy <= 30.0, "{busy} busy");

    let config = LinkConfig {
        loss: Loss::Random { probability: 0.1 },
        delay_ns: 20_000_000,
        ..LinkConfig::default()
    };
    harness.set_links(alice, config, config, 5);
    harness.set_links(bob, config, config, 6);
    let lossy = per_second(&mut harness, 10, &mut watch);
    assert!(lossy <= 60.0, "{lossy} with loss");

    // Packets go missing and the publisher cannot be asked any more.
    harness.links.clear();
    publisher.next[0] += 2;
    let live = [0, 1, 2];
    publisher.send_frame(&mut harness, &live);
    for client in &mut harness.clients {
        client.is_checking = false;
    }
    let fading = per_second(&mut harness, 15, &mut |harness| harness.run(15 * SECOND));
    publisher.next[0] += 2;
    publisher.send_frame(&mut harness, &live);
    let gone = per_second(&mut harness, 15, &mut |harness| harness.run(15 * SECOND));
    assert!(fading <= 10.0, "{fading} fading");
    assert!(gone <= 10.0, "{gone} gone");
}

#[test]
fn what_can_wait_is_done_for_all_at_once() {
    let mut harness = Harness::new();
    for _ in 0..100 {
        harness.join(vec![], 1);
        harness.run(Duration::from_micros(7_300));
    }
    let before = harness.timeouts;
    harness.run(10 * SECOND);

    let a_second = (harness.timeouts - before) / 10;
    assert!(a_second <= 55, "{a_second} wakings a second for 100");
}

#[test]
fn churn_leaves_nothing_behind() {
    for seed in 1..=3 {
        let mut random = Random::new(seed);
        let mut harness = Harness::new();
        let mut here: Vec<usize> = Vec::new();
        for _ in 0..200 {
            let is_join = here.len() < 3 || (here.len() < 20 && random.chance(0.55));
            if is_join {
                let published = match random.up_to(2) {
                    0 => vec![],
                    1 => vec![camera(&RIDS)],
                    _ => vec![microphone(), camera(&[])],
                };
                here.push(harness.join(published, 1 + random.up_to(3) as usize));
            } else {
                let gone = here.swap_remove(random.up_to(here.len() as u64 - 1) as usize);
                harness.remove(gone);
            }
            for _ in 0..3 {
                let (viewer, publisher) = (pick(&mut random, &here), pick(&mut random, &here));
                let participant = harness.clients[viewer].id;
                let source = Some((harness.clients[publisher].id, tag("cam")));
                let command = Command::SetSource {
                    participant,
                    mid: tag("v0"),
                    source,
                    max_height: [0, 180, 720][random.up_to(2) as usize],
                };
                harness
                    .engine
                    .handle_command(harness.now, command)
                    .expect("everybody has v0");
            }
            for client in &here {
                Microphone::new(*client).speak(&mut harness, 20 + random.up_to(40) as u8);
                // Some publish no camera, others none without rids: refused, and no harm.
                Publisher::new(*client, &["q"]).send_frame(&mut harness, &[0]);
            }
            harness.run(Duration::from_millis(random.up_to(300)));
            harness.assert_consistent();
        }
        for client in &mut harness.clients {
            client.is_checking = false;
        }
        for client in here.iter().filter(|_| seed != 2) {
            harness.remove(*client);
        }
        // With everybody in it, for one seed.
        harness.command(Command::RemoveRoom { room: ROOM });
        let gauges = harness.engine.statistics().gauges;
        assert_eq!(gauges.participants, 0);
        assert_eq!((gauges.send_streams, gauges.receive_streams), (0, 0));
        assert_eq!(gauges.cached_bytes, 0);
        harness.run(2 * SECOND);
        assert_eq!(harness.engine.next_timeout(), engine::Time::NEVER);
    }
}
