//! What publishers and viewers are told by RTCP, and what viewers tell.

use crate::common::*;
use engine::Event;
use engine::ids::ParticipantId;
use std::time::Duration;
use wire::rtcp;

#[test]
fn publishers_get_transport_feedback_and_receiver_reports_and_viewers_get_sender_reports() {
    let (mut harness, mut camera, viewer) = watched_camera();
    camera.film(&mut harness, 75);

    let inbox = &harness.clients[camera.client].inbox;
    assert!(
        (20..=90).contains(&inbox.feedback_packets),
        "{}",
        inbox.feedback_packets
    );
    assert!(
        inbox
            .report_blocks
            .iter()
            .any(|block| block.ssrc == camera.ssrc(0))
    );
    let reports = &harness.clients[viewer].inbox.sender_reports;
    assert!(reports.iter().filter(|(_, ssrc, _)| *ssrc == 2_200).count() >= 2);
    let (at, _, info) = reports.last().expect("a report");
    let last = harness.clients[viewer]
        .stream(2_200)
        .last()
        .expect("packets")
        .header
        .timestamp;
    let ahead = info.rtp_timestamp.wrapping_sub(last) as i32;
    assert!(
        ahead.abs() < 90_000 / 5,
        "the report's RTP time is that of now ({at:?}): {ahead}"
    );
}

#[test]
fn feedback_leaves_with_what_is_sent_and_alone_where_nothing_is() {
    let mut harness = Harness::new();
    let mut voices: Vec<_> = (0..2)
        .map(|_| Microphone::new(harness.join(vec![microphone()], 0)))
        .collect();
    let mut speak_for_4_s = |harness: &mut Harness, speakers: usize| {
        let before = harness.clients.iter().map(told).collect::<Vec<_>>();
        harness.bursts.clear();
        for _ in 0..200 {
            for voice in &mut voices[..speakers] {
                voice.speak(harness, 20);
            }
            harness.run(Duration::from_millis(20));
        }
        let told = harness.clients.iter().map(told).zip(before);
        told.map(|((feedback, heard), before)| (feedback - before.0, heard - before.1))
            .collect::<Vec<_>>()
    };

    let both = speak_for_4_s(&mut harness, 2);
    let messages = harness.bursts.len();
    let heard: usize = both.iter().map(|(_, heard)| heard).sum();
    assert!(
        both.iter()
            .all(|(feedback, _)| (35..=42).contains(feedback)),
        "{both:?}"
    );
    // Answers to checks, and the reports of each second.
    assert!(messages < heard + 15, "{messages} for {both:?}");

    let one = speak_for_4_s(&mut harness, 1);
    assert!((32..=36).contains(&one[0].0), "{one:?}");
    assert_eq!(one[0].1, 0, "the other is silent");
}

/// Feedback packets and RTP packets so far.
fn told(client: &Client) -> (usize, usize) {
    (client.inbox.feedback_packets, client.inbox.rtp.len())
}

#[test]
fn what_a_viewer_says_its_path_carries_is_kept_while_it_says_so() {
    let mut harness = Harness::new();
    let viewer = harness.join(vec![], 1);
    let other = harness.join(vec![], 1);
    let ceiling = |harness: &Harness, client: usize| {
        let participant = harness.clients[client].id;
        harness
            .engine
            .reported_ceiling_bps(harness.now, participant)
    };

    assert_eq!(ceiling(&harness, viewer), None);
    for bitrate_bps in [1_500_000, 300_000] {
        harness.send_rtcp(viewer, |out| {
            rtcp::write_remb(out, 1, bitrate_bps, &[2_200]);
        });
        assert_eq!(ceiling(&harness, viewer), Some(bitrate_bps));
    }
    harness.run(Duration::from_secs(4));
    assert_eq!(ceiling(&harness, viewer), Some(300_000));
    assert_eq!(ceiling(&harness, other), None, "of one transport alone");
    assert_eq!(harness.engine.statistics().counters.ceilings_received, 2);
    harness.run(Duration::from_secs(2));
    assert_eq!(ceiling(&harness, viewer), None, "an old word does not bind");
}

#[test]
fn the_score_of_a_connection_is_told_when_it_changes() {
    let (mut harness, mut camera, viewer) = watched_camera();
    let mut scores_after = |harness: &mut Harness, reports: u32, fraction_lost: u8| {
        for _ in 0..reports {
            camera.film(harness, 25);
            let block = rtcp::ReportBlock {
                ssrc: 2_200,
                fraction_lost,
                ..Default::default()
            };
            harness.send_rtcp(viewer, |out| rtcp::write_receiver_report(out, 1, &[block]));
        }
        scores(harness)
    };
    let (filmed, watches) = (harness.clients[0].id, harness.clients[viewer].id);

    let mut first = scores_after(&mut harness, 10, 0);
    first.sort_unstable();
    assert_eq!(first, [(filmed, 5), (watches, 5)], "once each");
    let worse = scores_after(&mut harness, 10, 51);
    assert_eq!(worse, [(watches, 2), (watches, 1)], "of the other nothing");
    let better = scores_after(&mut harness, 12, 0);
    assert_eq!(
        better,
        [(watches, 2), (watches, 3), (watches, 4), (watches, 5)]
    );
}

/// Whose score was told, in order, since the events were last taken.
fn scores(harness: &mut Harness) -> Vec<(ParticipantId, u8)> {
    let told = harness.take_events().into_iter();
    told.filter_map(|event| match event {
        Event::Quality {
            participant,
            quality,
        } => Some((participant, quality.score)),
        _ => None,
    })
    .collect()
}
