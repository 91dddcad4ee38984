//! Loss, bursts, reordering and duplication on every path, with clients that repair as browsers do.

use crate::common::*;
use engine::DropReason;
use netem::{LinkConfig, Loss};
use std::time::Duration;

const MS: u64 = 1_000_000;

fn path(loss: Loss) -> LinkConfig {
    LinkConfig {
        loss,
        delay_ns: 20 * MS,
        jitter_ns: 3 * MS,
        ..LinkConfig::default()
    }
}

fn random(probability: f64) -> LinkConfig {
    path(Loss::Random { probability })
}

/// One publisher, one viewer, ten seconds, each behind its path, both ways: everything arrives whole within a second.
fn assert_all_recovered(publishing: LinkConfig, viewing: LinkConfig, seed: u64) -> Call {
    let mut call = Call::new(&[]);
    // The first keyframe comes whole, so that the stream's beginning is known; all that follows suffers.
    call.play(Duration::from_millis(200));
    call.harness
        .set_links(call.sender, publishing, publishing, seed);
    call.harness
        .set_links(call.receiver, viewing, viewing, seed ^ 0xff00_0000);
    call.play(Duration::from_secs(10));
    let all = call.publisher.frame as usize;
    // A lost last packet shows only by what follows it.
    call.harness.links.clear();
    call.play(Duration::from_millis(80));
    call.settle();

    let frames = call.viewer.assert_whole();
    assert!(frames.len() >= all, "{} of {all} frames", frames.len());
    assert_eq!(frames[0].frame, 0);
    assert!(
        call.viewer.slowest_repair <= Duration::from_secs(1),
        "{:?} (seed {seed})",
        call.viewer.slowest_repair
    );
    call.harness.assert_consistent();
    call
}

#[test]
fn random_loss_up_to_a_tenth_each_way_is_repaired_whole_within_a_second() {
    for seed in 1..=4 {
        for loss in [0.01, 0.05, 0.10] {
            let call = assert_all_recovered(random(loss), random(loss), seed);
            assert!(call.publisher.repairs > 0, "the engine asked the publisher");
            assert!(call.viewer.repaired > 0, "the viewer asked the engine");
        }
    }
}

#[test]
fn bursts_are_repaired() {
    let bursts = Loss::GilbertElliott {
        good_to_bad: 0.01,
        bad_to_good: 0.2,
        loss_in_good: 0.0,
        loss_in_bad: 1.0,
    };
    for seed in 10..14 {
        assert_all_recovered(path(bursts), path(bursts), seed);
    }
}

#[test]
fn reordering_is_not_taken_for_loss_for_long() {
    let config = LinkConfig {
        reorder: 0.05,
        reorder_by_ns: 12 * MS,
        ..path(Loss::None)
    };
    for seed in 20..24 {
        assert_all_recovered(config, config, seed);
    }
}

#[test]
fn duplicates_are_dropped_and_nothing_is_sent_twice() {
    let config = LinkConfig {
        duplicate: 0.2,
        ..path(Loss::None)
    };
    let Call {
        harness, publisher, ..
    } = assert_all_recovered(config, LinkConfig::default(), 30);
    let sent = u64::from(publisher.frame) * 3;
    assert_eq!(
        harness.engine.statistics().counters.rtp_packets_forwarded,
        sent
    );
    assert!(harness.drops(DropReason::Replay) > sent / 10);
}

#[test]
fn everything_at_once() {
    for seed in 40..44 {
        let config = LinkConfig {
            reorder: 0.02,
            reorder_by_ns: 15 * MS,
            duplicate: 0.02,
            ..random(0.05)
        };
        assert_all_recovered(config, config, seed);
    }
}

#[test]
fn every_packet_in_is_forwarded_or_dropped_with_a_reason() {
    let config = LinkConfig {
        reorder: 0.02,
        reorder_by_ns: 15 * MS,
        duplicate: 0.05,
        ..random(0.05)
    };
    for seed in 50..54 {
        // No doubles from the viewer: it sends RTCP alone, and replays of that count as drops too.
        let Call { harness, .. } = assert_all_recovered(config, random(0.05), seed);
        let statistics = harness.engine.statistics();
        // One viewer: each packet in leads to at most one out.
        let dropped: u64 = drops(&harness).values().sum();
        assert_eq!(
            harness.rtp_delivered,
            statistics.counters.rtp_packets_forwarded + dropped,
            "{:?}",
            drops(&harness)
        );
    }
}
