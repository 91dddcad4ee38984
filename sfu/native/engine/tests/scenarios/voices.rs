//! Who is heard: the loudest three, by everybody but themselves, each in an endless stream.

use crate::common::*;
use engine::Event;
use engine::ids::ParticipantId;
use netem::Random;
use std::time::Duration;

fn microphones(harness: &mut Harness, count: usize) -> Vec<Microphone> {
    (0..count)
        .map(|_| Microphone::new(harness.join(vec![microphone()], 0)))
        .collect()
}

#[test]
fn three_voices_of_five_are_carried_and_nobody_hears_itself() {
    let mut harness = Harness::new();
    let mut voices = microphones(&mut harness, 5);
    for _ in 0..200 {
        for (minus_dbov, voice) in (20..).step_by(15).zip(&mut voices) {
            voice.speak(&mut harness, minus_dbov);
        }
        harness.run(Duration::from_millis(20));
    }

    for client in 0..5 {
        let base = (client as u32 + 1) * 1_000 + 100;
        let mut heard: Vec<u8> = harness.clients[client]
            .inbox
            .rtp
            .iter()
            .map(|packet| packet.payload[1])
            .collect();
        heard.sort_unstable();
        heard.dedup();
        let expected: Vec<u8> = (0..3)
            .filter(|voice| usize::from(*voice) != client)
            .collect();
        assert_eq!(heard, expected, "client {client}");
        for slot in 0..3 {
            assert_continuous(&harness.clients[client].stream(base + 2 * slot));
        }
    }
}

#[test]
fn audio_slots_of_all_follow_the_room() {
    let mut random = Random::new(77);
    let mut harness = Harness::new();
    let mut voices = microphones(&mut harness, 8);
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
fn audio_numbers_close_up_over_silence_and_speaker_changes() {
    let mut harness = Harness::new();
    let mut voices = microphones(&mut harness, 5);
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
