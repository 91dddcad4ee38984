//! Time passes, and everybody sends and answers.

use super::{Harness, Publisher, Viewer, camera};
use netem::{LinkConfig, Loss};
use std::collections::HashMap;
use std::time::Duration;

const STEP: Duration = Duration::from_millis(5);
const STEPS_PER_FRAME: u128 = 8;

/// One camera and who watches it on v0, both as browsers behave.
pub(crate) struct Call {
    pub(crate) harness: Harness,
    pub(crate) sender: usize,
    pub(crate) receiver: usize,
    pub(crate) publisher: Publisher,
    pub(crate) viewer: Viewer,
}

impl Call {
    pub(crate) fn new(rids: &[&'static str]) -> Self {
        Self::within(Harness::new(), rids)
    }

    pub(crate) fn within(mut harness: Harness, rids: &[&'static str]) -> Self {
        let sender = harness.join(vec![camera(rids)], 1);
        let receiver = harness.join(vec![], 1);
        harness.set_source(receiver, "v0", Some((sender, "cam")), 720);
        Self {
            publisher: Publisher::new(sender, rids),
            viewer: Viewer::new(&harness, receiver, 0),
            harness,
            sender,
            receiver,
        }
    }

    pub(crate) fn play(&mut self, duration: Duration) {
        let publishers = &mut [&mut self.publisher];
        play(
            &mut self.harness,
            publishers,
            &mut [&mut self.viewer],
            duration,
        );
    }

    pub(crate) fn settle(&mut self) {
        let publishers = &mut [&mut self.publisher];
        settle(&mut self.harness, publishers, &mut [&mut self.viewer]);
    }
}

/// Let `publishers` send 25 frames a second for `duration`, and everybody answer.
pub(crate) fn play(
    harness: &mut Harness,
    publishers: &mut [&mut Publisher],
    viewers: &mut [&mut Viewer],
    duration: Duration,
) {
    for step in 0..duration.as_millis() / STEP.as_millis() {
        tick(harness, publishers, viewers, step % STEPS_PER_FRAME == 0);
    }
}

/// Let what is under way arrive, with nothing new sent.
pub(crate) fn settle(
    harness: &mut Harness,
    publishers: &mut [&mut Publisher],
    viewers: &mut [&mut Viewer],
) {
    for _ in 0..300 {
        tick(harness, publishers, viewers, false);
    }
}

fn tick(
    harness: &mut Harness,
    publishers: &mut [&mut Publisher],
    viewers: &mut [&mut Viewer],
    is_frame_due: bool,
) {
    for publisher in publishers.iter_mut() {
        if is_frame_due {
            let live: Vec<usize> = (0..publisher.encodings()).collect();
            publisher.send_frame(harness, &live);
        } else {
            publisher.answer(harness);
        }
    }
    harness.run(STEP);
    for viewer in viewers.iter_mut() {
        viewer.tick(harness);
    }
}

/// A path of 15 ms, give or take 2, that loses packets at random.
pub(crate) fn lossy(probability: f64) -> LinkConfig {
    LinkConfig {
        loss: Loss::Random { probability },
        delay_ns: 15_000_000,
        jitter_ns: 2_000_000,
        ..LinkConfig::default()
    }
}

/// Counted drops, by label.
pub(crate) fn drops(harness: &Harness) -> HashMap<&'static str, u64> {
    let statistics = harness.engine.statistics();
    engine::DropReason::ALL
        .iter()
        .map(|reason| (reason.label(), statistics.drops[*reason as usize]))
        .filter(|(_, count)| *count > 0)
        .collect()
}
