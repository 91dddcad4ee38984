//! Which layers of one encoding go on: temporal layers (VP8, VP9, AV1) and the spatial layers of single-stream SVC.

use wire::codec::PayloadInfo;
use wire::dependency_descriptor::DecodeTargets;

/// The highest layers that go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limits {
    spatial: u8,
    temporal: u8,
}

impl Limits {
    fn within(self, other: Self) -> Self {
        Self {
            spatial: self.spatial.min(other.spatial),
            temporal: self.temporal.min(other.temporal),
        }
    }
}

/// The filter of the current source.
#[derive(Debug, Clone, Copy)]
pub(super) struct LayerFilter {
    wanted: Limits,
    current: Limits,
    /// Those of the pictures before the timestamp `since`: what comes late of them still belongs to them.
    before: Limits,
    since: u32,
    seen_spatial: u8,
    timestamp: Option<u32>,
    /// The subscriber was told of fewer decode targets than the sender's structure has.
    is_narrowed: bool,
}

impl LayerFilter {
    /// Begin, at a keyframe, with all that is wanted.
    pub(super) fn new(max_spatial: u8, max_temporal: u8) -> Self {
        let wanted = Limits {
            spatial: max_spatial,
            temporal: max_temporal,
        };
        Self {
            wanted,
            current: wanted,
            before: wanted,
            since: 0,
            seen_spatial: 0,
            timestamp: None,
            is_narrowed: false,
        }
    }

    /// Want other limits. Lower ones hold from the next picture, higher ones from the next point where a decoder can.
    pub(super) fn set_wanted(&mut self, max_spatial: u8, max_temporal: u8) {
        self.wanted = Limits {
            spatial: max_spatial,
            temporal: max_temporal,
        };
    }

    /// The limits wanted, spatial and temporal.
    pub(super) fn wanted(&self) -> (u8, u8) {
        (self.wanted.spatial, self.wanted.temporal)
    }

    /// A wanted spatial layer exists that only a keyframe can begin.
    pub(super) fn needs_keyframe(&self) -> bool {
        self.wanted.spatial > self.current.spatial && self.seen_spatial > self.current.spatial
    }

    /// True if the packet goes on. `is_newest`: no later packet came before; late ones change no limit.
    pub(super) fn accepts(&mut self, info: &PayloadInfo, timestamp: u32, is_newest: bool) -> bool {
        let limits = if is_newest {
            self.follow(info, timestamp);
            self.current
        } else {
            self.limits_at(timestamp)
        };
        info.spatial_layer <= limits.spatial && info.temporal_layer <= limits.temporal
    }

    fn follow(&mut self, info: &PayloadInfo, timestamp: u32) {
        self.seen_spatial = self.seen_spatial.max(info.spatial_layer);
        let mut limits = self.current;
        if self.timestamp != Some(timestamp) {
            self.timestamp = Some(timestamp);
            limits = limits.within(self.wanted);
        }
        if info.starts_keyframe && info.spatial_layer == 0 {
            limits = self.wanted;
        }
        let is_step_up = info.starts_frame
            && info.is_switch_point
            && info.temporal_layer > limits.temporal
            && info.temporal_layer <= self.wanted.temporal;
        if is_step_up {
            limits.temporal = info.temporal_layer;
        }
        if limits != self.current {
            if self.since != timestamp {
                self.before = self.current;
                self.since = timestamp;
            }
            self.current = limits;
        }
    }

    fn limits_at(&self, timestamp: u32) -> Limits {
        if self.before != self.current && (timestamp.wrapping_sub(self.since) as i32) < 0 {
            self.before
        } else {
            self.current
        }
    }

    /// The decode targets that a packet which goes on shall name as active; `None`: what its sender wrote holds.
    ///
    /// Once told of fewer, the subscriber is told with every packet, so that no loss matters, until a structure starts anew.
    pub(super) fn active_targets(
        &mut self,
        info: &PayloadInfo,
        timestamp: u32,
        targets: &DecodeTargets,
    ) -> Option<u32> {
        let limits = self.limits_at(timestamp);
        let left = targets.within(limits.spatial, limits.temporal);
        if info.starts_keyframe {
            self.is_narrowed = false;
        }
        self.is_narrowed |= left != targets.active;
        self.is_narrowed.then_some(left)
    }

    /// True if the packet is the last of its picture to go on, though the picture may have more layers.
    pub(super) fn ends_picture(&self, info: &PayloadInfo, timestamp: u32) -> bool {
        info.ends_frame && info.spatial_layer == self.limits_at(timestamp).spatial
    }
}
