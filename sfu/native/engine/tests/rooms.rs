//! Whole rooms: cost, churn, timers, choice of sources against a plain recomputation, and the same run twice.

mod common;

use common::browser::{Microphone, Publisher, Viewer, play};
use common::*;
use engine::ids::ParticipantId;
use engine::{Command, Event};
use netem::{LinkConfig, Loss, Random};
use std::hash::Hasher;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const RIDS: [&str; 3] = ["q", "h", "f"];

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
    let busy = per_second(&mut harness, 10, &mut |harness| {
        play(
            harness,
            &mut [&mut publisher],
            &mut [&mut viewer],
            10 * SECOND,
        );
    });
    assert!(busy <= 30.0, "{busy} busy");

    let config = LinkConfig {
        loss: Loss::Random { probability: 0.1 },
        delay_ns: 20_000_000,
        ..LinkConfig::default()
    };
    harness.set_links(alice, config, config, 5);
    harness.set_links(bob, config, config, 6);
    let lossy = per_second(&mut harness, 10, &mut |harness| {
        play(
            harness,
            &mut [&mut publisher],
            &mut [&mut viewer],
            10 * SECOND,
        );
    });
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
                harness.clients[gone].is_checking = false;
                let participant = harness.clients[gone].id;
                harness.command(Command::RemoveParticipant { participant });
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
            let participant = harness.clients[*client].id;
            harness.command(Command::RemoveParticipant { participant });
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

fn pick(random: &mut Random, from: &[usize]) -> usize {
    from[random.up_to(from.len() as u64 - 1) as usize]
}

/// What the rules say, recomputed from scratch after any history.
struct Model {
    people: Vec<Person>,
}

struct Person {
    client: usize,
    is_here: bool,
    /// Heights of the encodings of its camera; empty without one.
    heights: Vec<u16>,
    live: Vec<usize>,
    is_allowed: bool,
    wishes: Vec<Option<(usize, u16)>>,
    publisher: Publisher,
}

impl Model {
    /// The smallest live layer of three quarters of what is wanted, or the largest there is.
    fn expected(&self, viewer: &Person, line: usize) -> Option<(usize, u8)> {
        let (publisher, wanted) = viewer.wishes[line]?;
        let person = &self.people[publisher];
        if !person.is_here || person.heights.is_empty() || !person.is_allowed || wanted == 0 {
            return None;
        }
        let enough = person
            .live
            .iter()
            .filter(|layer| u32::from(person.heights[**layer]) * 4 >= u32::from(wanted) * 3)
            .min();
        let chosen = enough.or(person.live.iter().max())?;
        Some((publisher, *chosen as u8))
    }

    fn assert_agrees(&self, harness: &Harness, seed: u64, step: usize) {
        let selected = harness.engine.selected_sources();
        for person in self.people.iter().filter(|person| person.is_here) {
            let id = harness.clients[person.client].id;
            for line in 0..person.wishes.len() {
                let mid = tag(&format!("v{line}"));
                let actual = selected
                    .iter()
                    .find(|(participant, of, _)| *participant == id && *of == mid)
                    .map(|(_, _, source)| *source);
                let expected = self.expected(person, line).map(|(publisher, layer)| {
                    let publisher = harness.clients[self.people[publisher].client].id;
                    (publisher, tag("cam"), layer)
                });
                assert_eq!(
                    actual,
                    Some(expected),
                    "{id:?} {mid:?}, wish {:?}, seed {seed}, step {step}",
                    person.wishes[line]
                );
            }
        }
    }
}

fn join(harness: &mut Harness, model: &mut Model, random: &mut Random) {
    let rids: &[&'static str] = if random.chance(0.5) { &RIDS } else { &[] };
    let has_camera = random.chance(0.8);
    let published = if has_camera {
        vec![camera(rids)]
    } else {
        vec![]
    };
    let lines = 1 + random.up_to(2) as usize;
    let client = harness.join(published, lines);
    let mut publisher = Publisher::new(client, rids);
    publisher.packets_per_frame = 1;
    let heights = match (has_camera, rids.is_empty()) {
        (false, _) => vec![],
        (true, true) => vec![720],
        (true, false) => HEIGHTS.to_vec(),
    };
    model.people.push(Person {
        client,
        is_here: true,
        live: (0..heights.len()).collect(),
        heights,
        is_allowed: true,
        wishes: vec![None; lines],
        publisher,
    });
}

/// One random command, to the engine and to the model.
fn act(harness: &mut Harness, model: &mut Model, random: &mut Random) {
    let here: Vec<usize> = (0..model.people.len())
        .filter(|index| model.people[*index].is_here)
        .collect();
    if here.len() < 3 {
        return join(harness, model, random);
    }
    let index = pick(random, &here);
    let other = pick(random, &here);
    let participant = harness.clients[model.people[index].client].id;
    let person = &mut model.people[index];
    match random.up_to(11) {
        0 if here.len() < 8 => join(harness, model, random),
        1 if here.len() > 4 => {
            person.is_here = false;
            harness.clients[person.client].is_checking = false;
            harness.command(Command::RemoveParticipant { participant });
        }
        2 if !person.heights.is_empty() => {
            person.is_allowed = random.chance(0.5);
            let is_allowed = person.is_allowed;
            harness.command(Command::SetForwarding {
                participant,
                mid: tag("cam"),
                is_allowed,
            });
        }
        3 if person.heights.len() == 3 => {
            person.live = (0..3).filter(|_| random.chance(0.6)).collect();
            if person.live.is_empty() {
                person.live = vec![0];
            }
        }
        4 => person.publisher.restart(),
        5 => {
            // Another line, and the camera with rids or without.
            let rids: &[&'static str] = if random.chance(0.5) { &RIDS } else { &[] };
            if person.wishes.len() < 4 {
                person.wishes.push(None);
            }
            let mut published = vec![];
            if !person.heights.is_empty() {
                let is_same = rids.len() == person.publisher.rids.len();
                published.push(camera(rids));
                if !is_same {
                    person.publisher.rids = rids.to_vec();
                    person.publisher.restart();
                    person.heights = if rids.is_empty() {
                        vec![720]
                    } else {
                        HEIGHTS.to_vec()
                    };
                    person.live = (0..person.heights.len()).collect();
                }
            }
            let lines = person.wishes.len();
            harness.command(Command::SetMedia {
                participant,
                published,
                subscribed: receive_lines(participant.0, lines),
            });
        }
        _ => {
            let line = random.up_to(person.wishes.len() as u64 - 1) as usize;
            let height = [0, 90, 180, 200, 360, 500, 720, 1_080][random.up_to(7) as usize];
            person.wishes[line] = random.chance(0.9).then_some((other, height));
            let mid = format!("v{line}");
            let viewer = person.client;
            let wish = person.wishes[line];
            let source = wish.map(|(publisher, _)| (model.people[publisher].client, "cam"));
            harness.set_source(viewer, &mid, source, wish.map_or(0, |(_, height)| height));
        }
    }
}

fn send_frames(harness: &mut Harness, model: &mut Model, count: usize) {
    for _ in 0..count {
        for person in model.people.iter_mut().filter(|person| person.is_here) {
            if !person.heights.is_empty() {
                person.publisher.send_frame(harness, &person.live.clone());
            }
        }
        harness.run(Duration::from_millis(40));
    }
}

#[test]
fn choice_of_sources_equals_a_plain_recomputation() {
    for seed in 1..=6 {
        let mut random = Random::new(seed * 1_000_003);
        let mut harness = Harness::new();
        let mut model = Model { people: Vec::new() };
        for step in 0..30 {
            for _ in 0..4 {
                act(&mut harness, &mut model, &mut random);
                send_frames(&mut harness, &mut model, 1);
                harness.assert_consistent();
            }
            // A layer that stopped counts as gone after 1.5 s, and is looked at every half second.
            send_frames(&mut harness, &mut model, 56);
            model.assert_agrees(&harness, seed, step);
        }
        assert_eq!(
            harness
                .clients
                .iter()
                .map(|client| client.inbox.unreadable)
                .sum::<usize>(),
            0
        );
    }
}

#[test]
fn every_stream_of_a_random_history_is_one_endless_stream() {
    for seed in 1..=3 {
        let mut random = Random::new(seed * 7_777_777);
        let mut harness = Harness::new();
        let mut model = Model { people: Vec::new() };
        for _ in 0..80 {
            act(&mut harness, &mut model, &mut random);
            let frames = 1 + random.up_to(20) as usize;
            send_frames(&mut harness, &mut model, frames);
        }
        let mut packets = 0;
        for person in &model.people {
            for line in 0..person.wishes.len() as u32 {
                let client = &harness.clients[person.client];
                let received = client.stream(client.id.0 as u32 * 1_000 + 200 + 2 * line);
                packets += received.len();
                assert_continuous(&received);
            }
        }
        assert!(packets > 1_000, "{packets}");
    }
}

#[test]
fn audio_slots_of_all_follow_the_room() {
    let mut random = Random::new(77);
    let mut harness = Harness::new();
    let mut voices: Vec<Microphone> = (0..8)
        .map(|_| Microphone::new(harness.join(vec![microphone()], 0)))
        .collect();
    let mut slots: [Option<ParticipantId>; 3] = [None; 3];
    for _ in 0..40 {
        let loud: Vec<bool> = voices.iter().map(|_| random.chance(0.35)).collect();
        for _ in 0..50 {
            for (voice, is_loud) in voices.iter_mut().zip(&loud) {
                voice.speak(&mut harness, if *is_loud { 22 } else { 110 });
            }
            harness.run(Duration::from_millis(20));
        }
        for event in harness.take_events() {
            if let Event::AudioSlots { participants, .. } = event {
                slots = participants;
            }
        }
        for (viewer, mid, source) in harness.engine.selected_sources() {
            let slot: usize = mid.as_bytes()[1].wrapping_sub(b'0').into();
            let expected = slots[slot].filter(|holder| *holder != viewer);
            assert_eq!(source.map(|(holder, ..)| holder), expected);
        }
        harness.assert_consistent();
    }
}

#[test]
fn the_same_seeds_give_the_same_bytes() {
    let run = |seed: u64| {
        let mut harness = Harness::new();
        let mut model = Model { people: Vec::new() };
        let mut random = Random::new(seed);
        let config = LinkConfig {
            loss: Loss::Random { probability: 0.05 },
            delay_ns: 10_000_000,
            jitter_ns: 5_000_000,
            duplicate: 0.02,
            ..LinkConfig::default()
        };
        for _ in 0..60 {
            act(&mut harness, &mut model, &mut random);
            for index in 0..harness.clients.len() {
                if !harness.links.contains_key(&index) {
                    harness.set_links(index, config, config, seed);
                }
            }
            send_frames(&mut harness, &mut model, 8);
        }
        (harness.trace.finish(), harness.engine.statistics())
    };
    let (first, second, other) = (run(5), run(5), run(6));
    assert_eq!(first, second);
    assert_ne!(first.0, other.0);
}
