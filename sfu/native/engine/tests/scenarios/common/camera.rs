//! A camera that sends and does not listen.

use super::{Harness, Rtp, camera, heights, vp8_payload};
use std::time::Duration;

pub(crate) const FRAME: Duration = Duration::from_millis(40);

/// A camera that sends up to three encodings at 25 frames a second.
pub(crate) struct Camera {
    pub client: usize,
    pub rids: Vec<&'static str>,
    pub frame: u16,
    pub ssrc_base: u32,
    pub sequence_base: u16,
}

/// A camera of one encoding and a viewer whose v0 shows it.
pub(crate) fn watched_camera() -> (Harness, Camera, usize) {
    let mut harness = Harness::new();
    let publisher = harness.join(vec![camera(&[])], 1);
    let viewer = harness.join(vec![], 1);
    harness.set_source(viewer, "v0", Some((publisher, "cam")), 720);
    (harness, Camera::new(publisher, &[]), viewer)
}

impl Camera {
    pub(crate) fn new(client: usize, rids: &[&'static str]) -> Self {
        Self {
            client,
            rids: rids.to_vec(),
            frame: 0,
            ssrc_base: 50_000 + client as u32 * 100,
            sequence_base: 65_500,
        }
    }

    pub(crate) fn ssrc(&self, encoding: usize) -> u32 {
        self.ssrc_base + encoding as u32
    }

    /// Send one frame on every encoding; a keyframe where asked or on the first frame.
    pub(crate) fn send_frame(&mut self, harness: &mut Harness, keyframes: &[usize]) {
        let count = self.rids.len().max(1);
        for encoding in 0..count {
            let is_keyframe = self.frame == 0 || keyframes.contains(&encoding);
            self.send_one(harness, encoding, is_keyframe);
        }
        self.frame += 1;
    }

    /// Send `frames` frames in as much time as they last.
    pub(crate) fn film(&mut self, harness: &mut Harness, frames: usize) {
        for _ in 0..frames {
            self.send_frame(harness, &[]);
            harness.run(FRAME);
        }
    }

    fn send_one(&self, harness: &mut Harness, encoding: usize, is_keyframe: bool) {
        let height = heights(&self.rids)[encoding];
        let payload = vp8_payload(
            self.client as u8,
            encoding as u8,
            self.frame,
            is_keyframe.then_some(height),
        );
        harness.send_rtp(
            self.client,
            &Rtp {
                ssrc: self.ssrc(encoding),
                sequence_number: self.sequence_base.wrapping_add(self.frame),
                timestamp: 1_000_000 + u32::from(self.frame) * 3_600 + encoding as u32 * 77,
                rid: self.rids.get(encoding).copied(),
                payload: &payload,
                ..Rtp::PICTURE
            },
        );
    }
}
