//! Which layers of one encoding go on: temporal layers (VP8, VP9, AV1) and the spatial layers of single-stream SVC.

use wire::codec::PayloadInfo;

/// The filter of the current source.
#[derive(Debug, Clone, Copy)]
pub(super) struct LayerFilter {
    wanted_spatial: u8,
    wanted_temporal: u8,
    spatial: u8,
    temporal: u8,
    seen_spatial: u8,
    timestamp: Option<u32>,
}

impl LayerFilter {
    /// Begin, at a keyframe, with all that is wanted.
    pub(super) fn new(max_spatial: u8, max_temporal: u8) -> Self {
        Self {
            wanted_spatial: max_spatial,
            wanted_temporal: max_temporal,
            spatial: max_spatial,
            temporal: max_temporal,
            seen_spatial: 0,
            timestamp: None,
        }
    }

    /// Want other limits. Lower ones hold from the next picture, higher ones from the next point where a decoder can.
    pub(super) fn set_wanted(&mut self, max_spatial: u8, max_temporal: u8) {
        self.wanted_spatial = max_spatial;
        self.wanted_temporal = max_temporal;
    }

    /// The limits wanted, spatial and temporal.
    pub(super) fn wanted(&self) -> (u8, u8) {
        (self.wanted_spatial, self.wanted_temporal)
    }

    /// A wanted spatial layer exists that only a keyframe can begin.
    pub(super) fn needs_keyframe(&self) -> bool {
        self.wanted_spatial > self.spatial && self.seen_spatial > self.spatial
    }

    /// True if the packet goes on. `is_newest`: no later packet came before; late ones change no limit.
    pub(super) fn accepts(&mut self, info: &PayloadInfo, timestamp: u32, is_newest: bool) -> bool {
        if is_newest {
            self.seen_spatial = self.seen_spatial.max(info.spatial_layer);
            if self.timestamp != Some(timestamp) {
                self.timestamp = Some(timestamp);
                self.spatial = self.spatial.min(self.wanted_spatial);
                self.temporal = self.temporal.min(self.wanted_temporal);
            }
            if info.starts_keyframe && info.spatial_layer == 0 {
                self.spatial = self.wanted_spatial;
                self.temporal = self.wanted_temporal;
            }
            let is_step_up = info.starts_frame
                && info.is_switch_point
                && info.temporal_layer > self.temporal
                && info.temporal_layer <= self.wanted_temporal;
            if is_step_up {
                self.temporal = info.temporal_layer;
            }
        }
        info.spatial_layer <= self.spatial && info.temporal_layer <= self.temporal
    }

    /// True if the packet is the last of its picture to go on, though the picture has more layers.
    pub(super) fn ends_picture(&self, info: &PayloadInfo) -> bool {
        info.ends_frame && info.spatial_layer == self.spatial && self.seen_spatial > 0
    }
}
