use super::*;
use wire::rtcp::{self, RtcpPacket};

const STARTS: [u16; 5] = [0, 1, 32_767, 65_530, 65_535];

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

/// (number less `start`, arrival in ms relative to the first) of every status in `out`.
fn read(out: &[u8], start: u16) -> Vec<(i16, Option<i64>)> {
    let mut statuses = Vec::new();
    for packet in rtcp::packets(out) {
        let Ok(RtcpPacket::TransportFeedback(view)) = packet else {
            panic!("not feedback");
        };
        statuses.extend(view.statuses().map(|(number, arrival)| {
            (
                number.wrapping_sub(start) as i16,
                arrival.map(|micros| micros / 1000),
            )
        }));
    }
    statuses
}

fn poll(recorder: &mut FeedbackRecorder, millis: u64, start: u16) -> Vec<(i16, Option<i64>)> {
    let mut statuses = Vec::new();
    for _ in 0..100 {
        let mut out = Vec::new();
        let has_written = recorder.poll_feedback(at(millis), 1, 2, &mut out);
        assert_eq!(has_written, !out.is_empty());
        assert!(out.len() < 1000, "{} bytes", out.len());
        statuses.extend(read(&out, start));
        if !has_written {
            return statuses;
        }
    }
    panic!("feedback without end");
}

#[test]
fn tells_what_arrived_and_what_did_not() {
    for start in STARTS {
        let mut recorder = FeedbackRecorder::default();
        for (offset, millis) in [(0u16, 1000), (2, 1004), (1, 1006), (5, 1010)] {
            recorder.handle_packet(at(millis), start.wrapping_add(offset));
        }
        assert_eq!(recorder.next_timeout(), at(1060));
        assert_eq!(recorder.ripe_at(), at(1040));
        assert!(poll(&mut recorder, 1039, start).is_empty(), "too early");
        assert_eq!(
            poll(&mut recorder, 1040, start),
            [
                (0, Some(1000)),
                (1, Some(1006)),
                (2, Some(1004)),
                (3, None),
                (4, None),
                (5, Some(1010))
            ],
            "from {start}"
        );
        assert_eq!(recorder.next_timeout(), Time::NEVER);
        assert_eq!(recorder.ripe_at(), Time::NEVER);
    }
}

#[test]
fn the_next_feedback_continues_where_the_last_ended() {
    for start in STARTS {
        let mut recorder = FeedbackRecorder::default();
        recorder.handle_packet(at(1000), start);
        assert_eq!(poll(&mut recorder, 1050, start), [(0, Some(1000))]);
        recorder.handle_packet(at(1060), start.wrapping_add(2));
        assert_eq!(
            poll(&mut recorder, 1150, start),
            [(1, None), (2, Some(1060))]
        );
        // A late one is told with its neighbours.
        recorder.handle_packet(at(1160), start.wrapping_add(1));
        assert_eq!(
            poll(&mut recorder, 1250, start),
            [(1, Some(1160)), (2, Some(1060))]
        );
        // A duplicate is no news.
        recorder.handle_packet(at(1260), start.wrapping_add(1));
        assert_eq!(recorder.next_timeout(), Time::NEVER);
    }
}

#[test]
fn a_packet_sent_before_the_first_that_came_is_told_too() {
    for start in STARTS {
        let mut recorder = FeedbackRecorder::default();
        recorder.handle_packet(at(1000), start.wrapping_add(3));
        recorder.handle_packet(at(1001), start);
        let statuses = poll(&mut recorder, 1050, start);
        assert_eq!(
            statuses,
            [(0, Some(1001)), (1, None), (2, None), (3, Some(1000))]
        );
    }
}

#[test]
fn feedback_comes_faster_under_load() {
    let mut recorder = FeedbackRecorder::default();
    recorder.handle_packet(at(0), 0);
    poll(&mut recorder, 50, 0);
    recorder.handle_packet(at(60), 1);
    assert_eq!(recorder.next_timeout(), at(170));
    for number in 2..12 {
        recorder.handle_packet(at(70), number);
    }
    assert_eq!(recorder.next_timeout(), at(110));
}

#[test]
fn long_runs_are_split_and_complete_and_memory_is_bounded() {
    for start in STARTS {
        let mut recorder = FeedbackRecorder::default();
        for offset in 0..5000u16 {
            recorder.handle_packet(at(u64::from(offset) / 100), start.wrapping_add(offset));
        }
        assert!(recorder.arrivals.len() <= MAX_WINDOW);
        let statuses = poll(&mut recorder, 60, start);
        let expected: Vec<i16> = (5000 - MAX_WINDOW as i16..5000).collect();
        assert_eq!(
            statuses.iter().map(|status| status.0).collect::<Vec<_>>(),
            expected
        );
        assert!(statuses.iter().all(|status| status.1.is_some()));
        assert!(recorder.arrivals.len() <= MAX_REORDER as usize);
    }
}

#[test]
fn an_outage_is_not_told_packet_by_packet() {
    for start in STARTS {
        let mut recorder = FeedbackRecorder::default();
        recorder.handle_packet(at(0), start);
        poll(&mut recorder, 50, start);
        recorder.handle_packet(at(10_000), start.wrapping_add(20_000));
        assert_eq!(poll(&mut recorder, 10_100, start), [(20_000, Some(10_000))]);
    }
}

#[test]
fn a_loss_longer_than_one_packet_can_tell_is_told_in_several() {
    for start in STARTS {
        let mut recorder = FeedbackRecorder::default();
        recorder.handle_packet(at(0), start);
        recorder.handle_packet(at(40), start.wrapping_add(1500));
        let statuses = poll(&mut recorder, 60, start);
        assert_eq!(statuses.len(), 1501);
        assert_eq!(statuses[1500], (1500, Some(40)));
    }
}

#[test]
fn what_lies_long_before_the_window_is_forgotten() {
    let mut recorder = FeedbackRecorder::default();
    recorder.handle_packet(at(0), 1000);
    recorder.handle_packet(at(1), 500);
    assert_eq!(poll(&mut recorder, 50, 1000), [(0, Some(0))]);
}

#[test]
fn a_gap_in_time_too_long_for_one_packet_is_told_in_two() {
    let mut recorder = FeedbackRecorder::default();
    recorder.handle_packet(at(0), 10);
    // Nothing polled for 20 s: more than a 16-bit delta of 250 µs.
    recorder.handle_packet(at(20_000), 11);
    assert_eq!(
        poll(&mut recorder, 20_000, 10),
        [(0, Some(0)), (1, Some(20_000))]
    );
}
