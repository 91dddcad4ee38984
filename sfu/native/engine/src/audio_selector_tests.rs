use super::*;

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

fn level(minus_dbov: u8) -> AudioLevel {
    AudioLevel {
        minus_dbov,
        is_voice: false,
    }
}

const LOUD: u8 = 25;
const QUIET: u8 = 40;
const NOISE: u8 = 70;

/// Everybody in `voices` (key, −dBov) sends a packet each 20 ms from `from` to `to`; returns each one's decisions.
fn talk(
    selector: &mut AudioSelector<u8>,
    from: u64,
    to: u64,
    voices: &[(u8, u8)],
) -> Vec<Vec<Decision>> {
    let mut decisions = vec![Vec::new(); voices.len()];
    for now in (from..to).step_by(20) {
        for (index, &(key, minus_dbov)) in voices.iter().enumerate() {
            decisions[index].push(selector.handle_packet(at(now), key, Some(level(minus_dbov))));
        }
    }
    decisions
}

fn forwarded(decisions: &[Decision]) -> usize {
    decisions
        .iter()
        .filter(|decision| matches!(decision, Decision::Forward { .. }))
        .count()
}

/// 1, 2 and 3 hold the slots; 1 spoke last at 1 s, 2 at 2 s, 3 at 5 s.
fn settled() -> AudioSelector<u8> {
    let mut selector = AudioSelector::new();
    talk(&mut selector, 0, 1000, &[(1, LOUD), (2, NOISE), (3, NOISE)]);
    talk(
        &mut selector,
        1000,
        2000,
        &[(1, NOISE), (2, LOUD), (3, NOISE)],
    );
    talk(
        &mut selector,
        2000,
        5000,
        &[(1, NOISE), (2, NOISE), (3, LOUD)],
    );
    selector
}

#[test]
fn up_to_three_publishers_always_hold_slots_even_if_quiet() {
    let mut selector = AudioSelector::new();
    let decisions = talk(
        &mut selector,
        0,
        10_000,
        &[(7, NOISE), (8, LOUD), (9, NOISE)],
    );
    assert_eq!(selector.poll_slots(), Some([Some(7), Some(8), Some(9)]));
    assert_eq!(selector.poll_slots(), None);
    assert!(decisions.iter().all(|each| forwarded(each) == 500));
}

#[test]
fn a_newcomer_takes_the_longest_silent_slot_without_losing_a_packet() {
    let mut selector = settled();
    selector.poll_slots();
    let decisions = talk(&mut selector, 5000, 5100, &[(4, LOUD)]);
    assert_eq!(forwarded(&decisions[0]), 5);
    assert_eq!(selector.poll_slots(), Some([Some(4), Some(2), Some(3)]));
}

#[test]
fn noise_takes_no_slot() {
    let mut selector = settled();
    let decisions = talk(&mut selector, 5000, 6000, &[(4, NOISE)]);
    assert_eq!(forwarded(&decisions[0]), 0);
    assert_eq!(decisions[0][0], Decision::Drop(DropReason::NotSelected));
}

#[test]
fn a_holder_who_pauses_between_words_is_not_cut() {
    let mut selector = settled();
    talk(
        &mut selector,
        5000,
        6000,
        &[(1, LOUD), (2, LOUD), (3, LOUD)],
    );
    // 1 pauses 1.5 s, within the hold, while a fourth as loud as the others speaks.
    talk(
        &mut selector,
        6000,
        7500,
        &[(1, NOISE), (2, LOUD), (3, LOUD), (4, QUIET)],
    );
    assert_eq!(selector.slots(), [Some(1), Some(2), Some(3)]);
    let decisions = talk(&mut selector, 7500, 7600, &[(1, LOUD)]);
    assert_eq!(forwarded(&decisions[0]), 5);
}

#[test]
fn of_four_speakers_the_three_loudest_are_heard_and_small_differences_change_nothing() {
    let mut selector = settled();
    talk(
        &mut selector,
        5000,
        8000,
        &[(1, LOUD), (2, QUIET), (3, LOUD)],
    );
    talk(
        &mut selector,
        8000,
        12_000,
        &[(1, LOUD), (2, QUIET), (3, LOUD), (4, QUIET - 3)],
    );
    assert_eq!(selector.slots(), [Some(1), Some(2), Some(3)]);
    talk(
        &mut selector,
        12_000,
        15_000,
        &[(1, LOUD), (2, QUIET), (3, LOUD), (4, LOUD)],
    );
    assert_eq!(selector.slots(), [Some(1), Some(4), Some(3)]);
}

#[test]
fn equally_loud_crowds_do_not_make_the_slots_flicker() {
    let mut selector = AudioSelector::new();
    let crowd: Vec<(u8, u8)> = (0..50).map(|key| (key, 20 + key % 4)).collect();
    let mut changes = 0;
    for second in 0..20 {
        talk(&mut selector, second * 1000, second * 1000 + 1000, &crowd);
        changes += usize::from(selector.poll_slots().is_some());
    }
    assert_eq!(changes, 1);
}

#[test]
fn forged_levels_cannot_change_the_slots_faster_than_the_limit() {
    let mut selector: AudioSelector<u64> = AudioSelector::new();
    let mut changes = 0;
    // Each packet is a new publisher shouting while the holders have been silent.
    for step in 0..1000u64 {
        selector.handle_packet(at(10_000 + step * 10), step, Some(level(0)));
        changes += usize::from(selector.poll_slots().is_some());
        for slot in selector.slots().into_iter().flatten() {
            // What holds a slot is made to look silent for ever.
            let index = selector.index_of[&slot];
            selector.voices[index].last_voice_at = None;
        }
    }
    // 10 s at 4 a second, the burst, and the free slots.
    assert!((40..=47).contains(&changes), "{changes}");
}

#[test]
fn a_slot_is_freed_by_removal_and_the_others_stay() {
    let mut selector = settled();
    selector.poll_slots();
    selector.remove(2);
    selector.remove(99);
    assert_eq!(selector.poll_slots(), Some([Some(1), None, Some(3)]));
    // A free slot needs no voice.
    talk(&mut selector, 5000, 5020, &[(4, NOISE)]);
    assert_eq!(selector.slots(), [Some(1), Some(4), Some(3)]);
    // The index survives the move inside.
    selector.remove(1);
    selector.remove(4);
    assert_eq!(selector.slots(), [None, None, Some(3)]);
    let decisions = talk(&mut selector, 5020, 5040, &[(3, LOUD)]);
    assert_eq!(decisions[0][0], Decision::Forward { slot: 2 });
}

#[test]
fn digital_silence_is_dropped_after_a_short_tail() {
    let mut selector = AudioSelector::new();
    let before = talk(&mut selector, 0, 100, &[(1, 127)]);
    assert_eq!(before[0][0], Decision::Drop(DropReason::NotSelected));
    talk(&mut selector, 100, 200, &[(1, LOUD)]);
    let after = talk(&mut selector, 200, 1000, &[(1, 127)]);
    assert_eq!(forwarded(&after[0]), 9);
    assert_eq!(after[0].last(), Some(&Decision::Drop(DropReason::Silence)));
}

#[test]
fn speaking_begins_after_three_voiced_packets_and_outlasts_a_pause() {
    let mut selector = AudioSelector::new();
    talk(&mut selector, 0, 40, &[(1, LOUD)]);
    assert_eq!(
        (selector.poll_speakers(at(40)), selector.next_timeout()),
        (None, Time::NEVER)
    );
    talk(&mut selector, 40, 60, &[(1, LOUD)]);
    assert_eq!(selector.poll_speakers(at(60)), Some(vec![1]));
    // A pause of 500 ms; polled whenever due.
    talk(&mut selector, 60, 540, &[(1, NOISE)]);
    assert_eq!(selector.poll_speakers(at(540)), None);
    talk(&mut selector, 540, 600, &[(1, LOUD)]);
    // Muted: no packets at all.
    assert_eq!(selector.poll_speakers(at(1000)), None);
    assert_eq!(selector.next_timeout(), at(1300));
    assert_eq!(selector.poll_speakers(at(1300)), Some(vec![]));
    assert_eq!(selector.next_timeout(), Time::NEVER);
}

#[test]
fn the_voice_flag_counts_unless_it_is_too_quiet_to_be_true() {
    for (minus_dbov, is_voice, speaks) in [
        (55, true, true),
        (55, false, false),
        (80, true, false),
        (45, false, true),
    ] {
        let mut selector = AudioSelector::new();
        for step in 0..10 {
            selector.handle_packet(
                at(step * 20),
                1,
                Some(AudioLevel {
                    minus_dbov,
                    is_voice,
                }),
            );
        }
        assert_eq!(
            selector.poll_speakers(at(200)).is_some(),
            speaks,
            "{minus_dbov} {is_voice}"
        );
    }
}

#[test]
fn speakers_are_listed_loudest_first_and_not_too_often() {
    let mut selector = AudioSelector::new();
    talk(&mut selector, 0, 2000, &[(1, QUIET), (2, LOUD), (3, NOISE)]);
    assert_eq!(selector.poll_speakers(at(2000)), Some(vec![2, 1]));
    talk(
        &mut selector,
        2000,
        2200,
        &[(1, QUIET), (2, LOUD), (3, LOUD)],
    );
    assert_eq!(selector.poll_speakers(at(2200)), None, "too soon");
    assert!(
        selector
            .poll_speakers(at(2300))
            .is_some_and(|speakers| speakers.contains(&3))
    );
}

#[test]
fn a_publisher_without_levels_is_heard_like_a_moderate_voice() {
    let mut selector = settled();
    let mut decision = Decision::Drop(DropReason::NotSelected);
    for step in 0..10 {
        decision = selector.handle_packet(at(5000 + step * 20), 4, None);
    }
    assert_eq!(decision, Decision::Forward { slot: 0 });
    assert!(
        selector
            .poll_speakers(at(5200))
            .is_some_and(|speakers| speakers.contains(&4))
    );
}

#[test]
fn a_speaker_who_leaves_is_taken_off_the_list() {
    let mut selector = AudioSelector::new();
    talk(&mut selector, 0, 100, &[(1, LOUD)]);
    assert_eq!(selector.poll_speakers(at(100)), Some(vec![1]));
    selector.remove(1);
    assert_eq!(selector.poll_speakers(at(400)), Some(vec![]));
}
