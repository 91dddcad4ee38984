//! The judge in virtual time: each fault is named, and what is no fault is not.

use super::*;
use crate::mark::{VIDEO_TRACK, track_of};
use crate::protocol::Source;
use crate::silence::SILENT_AFTER;

const INTERVAL: u64 = 50 * MILLISECOND;

fn mark(publisher: u32, frame: u32) -> Mark {
    Mark {
        room: 1,
        publisher,
        track: 0,
        encoding: 0,
        frame,
        idle_ms: 0,
        height: 0,
        rest_ms: 0,
        sent: Time(u64::from(frame) * INTERVAL),
    }
}

fn video(publisher: u32, frame: u32) -> Mark {
    Mark {
        track: VIDEO_TRACK,
        height: 360,
        ..mark(publisher, frame)
    }
}

fn wish(publisher: u32) -> Wish {
    Wish {
        publisher: Some(publisher),
        track: track_of(Source::Camera),
        height: None,
        is_muted: false,
    }
}

fn judged(kind: Kind, marks: &[(u64, Mark)]) -> Totals {
    let mut judge = Judge::new(1, 9, kind);
    for (at, mark) in marks {
        judge.handle_frame(Time(*at), Some(*mark));
    }
    judge.totals
}

/// Pictures `frames` of `publisher`, each at its due time plus `delay`.
fn play(judge: &mut Judge, publisher: u32, frames: std::ops::Range<u32>, delay: u64) -> Time {
    let mut end = Time::default();
    for frame in frames {
        let mark = video(publisher, frame);
        end = mark.sent.after(delay);
        judge.handle_frame(end, Some(mark));
    }
    end
}

#[test]
fn missing_duplicate_and_late_frames_are_told_apart() {
    let totals = judged(
        Kind::Audio,
        &[
            (1, mark(2, 1)),
            (2, mark(2, 4)),
            (3, mark(2, 4)),
            (4, mark(2, 3)),
            (5, mark(2, 5)),
        ],
    );
    assert_eq!(totals.frames_missing, 1);
    assert_eq!(totals.frames_duplicate, 1);
    assert_eq!(totals.frames_reordered, 1);
}

#[test]
fn another_publisher_is_a_change_and_no_loss() {
    let totals = judged(
        Kind::Video,
        &[(1, video(2, 1)), (2, video(3, 70)), (3, video(3, 71))],
    );
    assert_eq!((totals.source_changes, totals.frames_missing), (1, 0));
}

#[test]
fn another_layer_that_begins_with_a_picture_seen_already_is_no_fault() {
    let other_layer = |frame| Mark {
        encoding: 2,
        ..video(2, frame)
    };
    let totals = judged(
        Kind::Video,
        &[
            (1, video(2, 1)),
            (2, video(2, 2)),
            (3, other_layer(2)),
            (4, other_layer(3)),
        ],
    );
    assert_eq!((totals.source_changes, totals.frames_missing), (1, 0));
    assert_eq!((totals.frames_duplicate, totals.frames_reordered), (0, 0));
}

#[test]
fn foreign_rooms_oneself_and_the_wrong_kind_are_wrong_sources_told_once_each() {
    let foreign = Mark {
        room: 2,
        ..video(3, 1)
    };
    let mut judge = Judge::new(1, 9, Kind::Video);
    let mut told = |at, mark| judge.handle_frame(Time(at), Some(mark)).map(|(why, _)| why);

    assert_eq!(told(1, foreign), Some(WrongSource::ForeignRoom));
    assert_eq!(told(2, foreign), None, "told already");
    assert_eq!(told(3, video(9, 1)), Some(WrongSource::Oneself));
    assert_eq!(told(4, mark(3, 1)), Some(WrongSource::WrongKind));
    assert_eq!(told(5, video(3, 2)), None);
    assert_eq!(told(6, foreign), Some(WrongSource::ForeignRoom));
    assert_eq!(judge.totals.frames_wrong_source, 5);
}

#[test]
fn a_pause_of_over_200_ms_is_a_freeze_with_its_length() {
    let totals = judged(
        Kind::Video,
        &[
            (0, video(2, 0)),
            (200_000, video(2, 1)),
            (500_000, video(2, 2)),
        ],
    );
    assert_eq!((totals.freezes, totals.freeze_us), (1, 300_000));
}

#[test]
fn a_pause_that_the_publisher_made_is_no_freeze_but_its_delay_is() {
    let unmuted = |frame, idle_ms| Mark {
        idle_ms,
        ..video(2, frame)
    };
    let totals = judged(
        Kind::Video,
        &[(0, video(2, 0)), (5_050_000, unmuted(1, 5_000))],
    );
    assert_eq!(totals.freezes, 0);
    let totals = judged(
        Kind::Video,
        &[(0, video(2, 0)), (5_350_000, unmuted(1, 5_000))],
    );
    assert_eq!((totals.freezes, totals.freeze_us), (1, 350_000));
}

#[test]
fn sound_that_stops_for_over_60_ms_is_a_gap_unless_it_was_silence() {
    let quiet = Mark {
        idle_ms: 400,
        ..mark(2, 3)
    };
    let totals = judged(
        Kind::Audio,
        &[
            (0, mark(2, 0)),
            (60_000, mark(2, 1)),
            (140_000, mark(2, 2)),
            (560_000, quiet),
        ],
    );
    assert_eq!((totals.audio_gaps, totals.audio_gap_us), (1, 80_000));
}

#[test]
fn silent_packets_may_come_or_be_left_out() {
    let silent = |frame, idle_ms| Mark {
        encoding: SILENT,
        idle_ms,
        ..mark(2, frame)
    };
    let resumed = Mark {
        idle_ms: 1_000,
        ..mark(2, 1)
    };
    for comfort in [
        vec![],
        vec![(20_000, silent(1, 20)), (420_000, silent(1, 420))],
    ] {
        let mut marks = vec![(0, mark(2, 0))];
        marks.extend(comfort);
        marks.push((1_020_000, resumed));
        let totals = judged(Kind::Audio, &marks);
        assert_eq!((totals.frames_missing, totals.frames_duplicate), (0, 0));
        assert_eq!((totals.audio_gaps, totals.source_changes), (0, 0));
    }
}

#[test]
fn delay_is_from_the_mark_to_the_last_packet() {
    let totals = judged(
        Kind::Audio,
        &[(
            1_007,
            Mark {
                sent: Time(1_000),
                ..mark(2, 1)
            },
        )],
    );
    assert_eq!(totals.audio_delay.buckets().collect::<Vec<_>>(), [(7, 1)]);
}

#[test]
fn another_publisher_than_wished_for_is_told_once_the_change_had_its_time() {
    let mut judge = Judge::new(1, 9, Kind::Video);
    judge.handle_wish(Time(0), Some(wish(2)));
    let told = |judge: &mut Judge, at: u64| {
        let frame = (at / INTERVAL) as u32;
        let told = judge.handle_frame(Time(at), Some(video(3, frame)));
        told.map(|(why, mark)| (why, mark.publisher))
    };

    assert_eq!(told(&mut judge, GRACE), None);
    assert_eq!(
        told(&mut judge, GRACE + INTERVAL),
        Some((WrongSource::Unwished, 3))
    );
    assert_eq!(told(&mut judge, GRACE + 2 * INTERVAL), None, "told already");
    assert_eq!(judge.totals.frames_unwished, 2);
    assert_eq!(judge.totals.frames_wrong_source, 0);
    judge.handle_wish(Time(GRACE + 2 * INTERVAL), Some(wish(3)));
    assert_eq!(told(&mut judge, 3 * GRACE), None);
    assert_eq!(judge.totals.frames_unwished, 2);
}

#[test]
fn pictures_that_nobody_wished_for_are_told_and_the_screen_is_not_the_camera() {
    let mut judge = Judge::new(1, 9, Kind::Video);
    judge.handle_wish(Time(0), None);
    play(&mut judge, 2, 0..60, 0);
    assert_eq!(judge.totals.frames_unwished, 19, "those after 2 s");

    let mut judge = Judge::new(1, 9, Kind::Video);
    let screen = Wish {
        track: track_of(Source::Screen),
        ..wish(2)
    };
    judge.handle_wish(Time(0), Some(screen));
    play(&mut judge, 2, 0..60, 0);
    assert_eq!(judge.totals.frames_unwished, 19);
}

#[test]
fn a_silent_stream_is_named_with_its_length_and_ends_with_the_next_picture() {
    let mut judge = Judge::new(1, 9, Kind::Video);
    judge.handle_wish(Time(0), Some(wish(2)));
    let last = play(&mut judge, 2, 0..20, 7);
    assert_eq!(judge.handle_timeout(last.after(SILENT_AFTER)), None);

    assert_eq!(
        judge.handle_timeout(last.after(SILENT_AFTER + 1)),
        Some(wish(2))
    );
    assert_eq!(
        judge.handle_timeout(last.after(3 * SECOND)),
        None,
        "told already"
    );
    assert!(judge.is_silent());
    assert_eq!(
        (judge.totals.silences, judge.totals.silence_us),
        (1, 3 * SECOND)
    );
    judge.handle_frame(last.after(4 * SECOND), Some(video(2, 20)));
    assert_eq!(
        (judge.totals.silences, judge.totals.silence_us),
        (1, 4 * SECOND)
    );
    assert!(!judge.is_silent());
}

#[test]
fn a_stream_that_never_came_is_silent_and_so_is_one_with_pictures_of_another() {
    let mut judge = Judge::new(1, 9, Kind::Video);
    judge.handle_wish(Time(0), Some(wish(2)));
    let end = play(&mut judge, 3, 0..100, 0);
    assert_eq!(judge.handle_timeout(end), Some(wish(2)));
}

#[test]
fn who_is_muted_or_wished_for_no_more_is_not_silent() {
    let muted = Wish {
        is_muted: true,
        ..wish(2)
    };
    for quiet in [Some(muted), None] {
        let mut judge = Judge::new(1, 9, Kind::Video);
        judge.handle_wish(Time(0), Some(wish(2)));
        let last = play(&mut judge, 2, 0..20, 0);
        judge.handle_wish(last, quiet);
        assert_eq!(judge.handle_timeout(last.after(60 * SECOND)), None);
        // Unmuted, it has its time to come back.
        judge.handle_wish(last.after(60 * SECOND), Some(wish(2)));
        assert_eq!(judge.handle_timeout(last.after(61 * SECOND)), None);
        assert_eq!(judge.handle_timeout(last.after(63 * SECOND)), Some(wish(2)));
    }
}

#[test]
fn the_time_to_the_first_picture_is_counted_for_each_wish() {
    let mut judge = Judge::new(1, 9, Kind::Video);
    judge.handle_wish(Time(0), Some(wish(2)));
    play(&mut judge, 2, 3..10, 7);
    let smaller = Wish {
        height: Some(180),
        ..wish(2)
    };
    judge.handle_wish(Time(500_000), Some(smaller));
    play(&mut judge, 2, 10..20, 7);
    let delays = &judge.totals.first_picture_delay;
    let bounds: Vec<_> = delays.buckets().collect();
    assert_eq!(bounds.len(), 1, "another height is the same picture");
    assert!((150_007..160_000).contains(&bounds[0].0) && bounds[0].1 == 1);
}

#[test]
fn layers_above_and_below_the_wish_are_counted_once_it_had_its_time() {
    for (height, above, below) in [(180, 19, 0), (360, 0, 0), (720, 0, 19)] {
        let mut judge = Judge::new(1, 9, Kind::Video);
        let wish = Wish {
            height: Some(height),
            ..wish(2)
        };
        judge.handle_wish(Time(0), Some(wish));
        play(&mut judge, 2, 0..60, 0);
        let totals = &judge.totals;
        assert_eq!(
            (totals.frames_above_wish, totals.frames_below_wish),
            (above, below)
        );
    }
}

#[test]
fn the_loss_of_a_voice_that_the_server_may_leave_out_does_not_count() {
    for (audible, missing) in [(None, 8), (Some(&[2][..]), 8), (Some(&[3][..]), 0)] {
        let mut judge = Judge::new(1, 9, Kind::Audio);
        judge.handle_audible(audible);
        judge.handle_frame(Time(0), Some(mark(2, 1)));
        judge.handle_frame(Time(180_000), Some(mark(2, 10)));
        assert_eq!(judge.totals.frames_missing, missing);
        assert_eq!(judge.totals.audio_gaps, u64::from(missing > 0));
    }
}

#[test]
fn a_pause_between_two_wishes_for_the_same_is_no_freeze() {
    let mut judge = Judge::new(1, 9, Kind::Video);
    judge.handle_wish(Time(0), Some(wish(2)));
    play(&mut judge, 2, 0..10, 0);
    judge.handle_wish(Time(500_000), None);
    judge.handle_wish(Time(9_500_000), Some(wish(2)));
    play(&mut judge, 2, 200..220, 0);
    assert_eq!((judge.totals.freezes, judge.totals.frames_missing), (0, 0));
}
