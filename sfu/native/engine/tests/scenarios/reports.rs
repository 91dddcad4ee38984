//! What publishers and viewers are told by RTCP, and what viewers tell.

use crate::common::*;
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
