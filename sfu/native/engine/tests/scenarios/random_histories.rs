//! Any history: the choice of sources equals a plain recomputation, every stream is endless, and the same run twice is the same.

use crate::common::*;
use netem::{LinkConfig, Loss, Random};
use std::hash::Hasher;
use std::time::Duration;

/// What the rules say, recomputed from scratch after any history.
struct Model {
    people: Vec<Person>,
    packets_per_frame: u8,
}

impl Model {
    fn new(packets_per_frame: u8) -> Self {
        Self {
            people: Vec::new(),
            packets_per_frame,
        }
    }
}

struct Person {
    client: usize,
    is_here: bool,
    /// Heights of the encodings of its camera; empty without one.
    heights: &'static [u16],
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
    let rids = any_rids(random);
    let has_camera = random.chance(0.8);
    let published = if has_camera {
        vec![camera(rids)]
    } else {
        vec![]
    };
    let lines = 1 + random.up_to(2) as usize;
    let client = harness.join(published, lines);
    let mut publisher = Publisher::new(client, rids);
    publisher.packets_per_frame = model.packets_per_frame;
    let heights = if has_camera { heights(rids) } else { &[] };
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
    let person = &mut model.people[index];
    match random.up_to(11) {
        0 if here.len() < 8 => join(harness, model, random),
        1 if here.len() > 4 => {
            person.is_here = false;
            harness.remove(person.client);
        }
        2 if !person.heights.is_empty() => {
            person.is_allowed = random.chance(0.5);
            harness.set_forwarding(person.client, "cam", person.is_allowed);
        }
        3 if person.heights.len() == 3 => {
            person.live = (0..3).filter(|_| random.chance(0.6)).collect();
            if person.live.is_empty() {
                person.live = vec![0];
            }
        }
        4 => person.publisher.restart(),
        5 => renegotiate(harness, person, any_rids(random)),
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

fn any_rids(random: &mut Random) -> &'static [&'static str] {
    if random.chance(0.5) { &RIDS } else { &[] }
}

/// Another line, and the camera with rids or without.
fn renegotiate(harness: &mut Harness, person: &mut Person, rids: &[&'static str]) {
    if person.wishes.len() < 4 {
        person.wishes.push(None);
    }
    let mut published = vec![];
    if !person.heights.is_empty() {
        published.push(camera(rids));
        if rids.len() != person.publisher.rids.len() {
            person.publisher.rids = rids.to_vec();
            person.publisher.restart();
            person.heights = heights(rids);
            person.live = (0..person.heights.len()).collect();
        }
    }
    harness.set_media(person.client, published, person.wishes.len());
}

fn send_frames(harness: &mut Harness, model: &mut Model, count: usize) {
    for _ in 0..count {
        harness.in_batch(|harness| {
            for person in model.people.iter_mut().filter(|person| person.is_here) {
                if !person.heights.is_empty() {
                    person.publisher.send_frame(harness, &person.live.clone());
                }
            }
        });
        harness.run(Duration::from_millis(40));
    }
}

#[test]
fn choice_of_sources_equals_a_plain_recomputation() {
    for seed in 1..=6 {
        let mut random = Random::new(seed * 1_000_003);
        let mut harness = Harness::new();
        let mut model = Model::new(1);
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
        let mut model = Model::new(1);
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
fn the_same_seeds_give_the_same_bytes() {
    let run = |seed: u64| {
        let mut harness = Harness::new();
        let mut model = Model::new(1);
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

#[test]
fn the_same_inputs_give_the_same_outputs() {
    let run = || {
        let mut harness = Harness::new();
        let publisher = harness.join(vec![camera(&RIDS), microphone()], 1);
        let viewer = harness.join(vec![microphone()], 1);
        harness.set_source(viewer, "v0", Some((publisher, "cam")), 360);
        let mut camera = Camera::new(publisher, &RIDS);
        let mut voice = Microphone::new(publisher);
        for _ in 0..50 {
            camera.send_frame(&mut harness, &[]);
            voice.speak(&mut harness, 25);
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

/// A picture of twenty packets is more than waits to be written together.
#[test]
fn whoever_gets_a_batch_gets_what_its_packets_one_by_one_would_have_given() {
    let run = |is_one_by_one: bool, packets_per_frame: u8| {
        let mut harness = Harness::new();
        harness.is_one_by_one = is_one_by_one;
        let mut model = Model::new(packets_per_frame);
        let mut random = Random::new(99 + u64::from(packets_per_frame));
        for _ in 0..60 {
            act(&mut harness, &mut model, &mut random);
            send_frames(&mut harness, &mut model, 3);
        }
        let streams = |client: &Client| {
            let packets = client.inbox.rtp.iter().map(ReceivedRtp::unpadded);
            let mut packets: Vec<ReceivedRtp> = packets.collect();
            // Stable: each stream keeps its order. Whoever watches a picture twice may get it once after the other.
            packets.sort_by_key(|packet| packet.header.ssrc);
            packets
        };
        let received: Vec<_> = harness.clients.iter().map(streams).collect();
        let bursts = harness.bursts.len();
        (received, harness.engine.statistics().drops, bursts)
    };
    for packets_per_frame in [1, 2, 7, 20] {
        let (together, drops, bursts) = run(false, packets_per_frame);
        let (one_by_one, other_drops, other_bursts) = run(true, packets_per_frame);
        assert!(together.iter().map(Vec::len).sum::<usize>() > 1_000);
        assert!(together == one_by_one, "{packets_per_frame} packets");
        assert_eq!(drops, other_drops);
        assert!(bursts < other_bursts);
    }
}
