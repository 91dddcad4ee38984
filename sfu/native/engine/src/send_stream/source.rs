//! What a send stream knows of the source it carries, and of those it carried.

use super::layer_filter::LayerFilter;
use super::number_map::NumberMap;
use super::silence::SilenceGate;
use super::{SourceClock, Wanted};
use crate::ids::EncodingKey;
use crate::media_config::{CodecConfig, SubscribeConfig};
use crate::packet::PacketMeta;
use std::collections::VecDeque;
use wire::codec::Codec;

/// The subscriber's terms for one codec of a track.
#[derive(Debug, Clone, Copy)]
pub(super) struct PayloadTypes {
    pub(super) plain: u8,
    pub(super) red: Option<u8>,
    pub(super) clock_rate: u32,
}

/// Per codec of the track: what the subscriber calls it, if it can decode it.
#[derive(Debug, Clone, Default)]
pub(super) struct PayloadMap(Vec<Option<PayloadTypes>>);

impl PayloadMap {
    pub(super) fn new(config: &SubscribeConfig, track: &[CodecConfig]) -> Self {
        let find = |codec: &CodecConfig| {
            let own = config.codecs.iter().find(|own| is_same(own, codec))?;
            Some(PayloadTypes {
                plain: own.payload_type,
                red: own.red_payload_type,
                clock_rate: own.clock_rate,
            })
        };
        Self(track.iter().map(find).collect())
    }

    /// Load the terms.
    pub(super) fn prefetch(&self) {
        prefetch::prefetch_slice(&self.0);
    }

    /// The subscriber's terms for a packet.
    pub(super) fn of(&self, meta: &PacketMeta) -> Option<PayloadTypes> {
        *self.0.get(usize::from(meta.codec_index))?
    }
}

/// True if a decoder of one takes the other.
pub(super) fn is_same(a: &CodecConfig, b: &CodecConfig) -> bool {
    a.codec == b.codec && a.format_key == b.format_key
}

/// The source whose start is awaited.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) encoding: EncodingKey,
    pub(super) payloads: PayloadMap,
    pub(super) max_spatial: u8,
    pub(super) max_temporal: u8,
    pub(super) clock: Option<SourceClock>,
}

impl Pending {
    pub(super) fn new(config: &SubscribeConfig, wanted: &Wanted<'_>) -> Self {
        Self {
            encoding: wanted.encoding,
            payloads: PayloadMap::new(config, wanted.codecs),
            max_spatial: wanted.max_spatial_layer,
            max_temporal: wanted.max_temporal_layer,
            clock: wanted.clock,
        }
    }
}

/// The source being sent.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) encoding: EncodingKey,
    pub(super) payloads: PayloadMap,
    pub(super) numbers: NumberMap,
    /// Number its first packet was sent under.
    pub(super) first_sent: u64,
    pub(super) layers: LayerFilter,
    pub(super) silence: SilenceGate,
    /// The next audio packet begins a talk spurt.
    pub(super) is_marker_due: bool,
    /// The source's extended sequence number after the highest looked at.
    pub(super) next: u64,
}

/// One stretch of sending one source: what a retransmission needs to find and rebuild its packets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Era {
    pub(super) number: u16,
    pub(super) encoding: EncodingKey,
    /// Highest extended sequence number sent of it.
    pub(super) highest: u64,
    pub(super) frame_number_offset: Option<u16>,
}

impl Era {
    /// The extended sequence number with this low half.
    pub(super) fn source_number(&self, low: u32) -> u64 {
        let distance = low.wrapping_sub(self.highest as u32) as i32;
        self.highest.wrapping_add_signed(i64::from(distance))
    }
}

/// The last few eras, the newest at the back.
#[derive(Debug, Default)]
pub(super) struct Eras {
    eras: VecDeque<Era>,
    next: u16,
}

impl Eras {
    pub(super) fn begin(&mut self, encoding: EncodingKey, first: u64) {
        if self.eras.len() == MAX_ERAS {
            self.eras.pop_front();
        }
        self.eras.push_back(Era {
            number: self.next,
            encoding,
            highest: first,
            frame_number_offset: None,
        });
        self.next = self.next.wrapping_add(1);
    }

    /// Load the newest.
    pub(super) fn prefetch(&self) {
        if let Some(era) = self.eras.back() {
            prefetch::prefetch(era);
        }
    }

    pub(super) fn newest_mut(&mut self) -> Option<&mut Era> {
        self.eras.back_mut()
    }

    pub(super) fn find(&self, number: u16) -> Option<&Era> {
        self.eras.iter().rev().find(|era| era.number == number)
    }
}

/// LIMIT: sources within the history's 2 s; each begins with a keyframe.
const MAX_ERAS: usize = 16;

/// True for a payload that the subscriber gets as RED.
pub(super) fn keeps_red(meta: &PacketMeta, types: PayloadTypes) -> Option<u8> {
    types.red.filter(|_| meta.codec == Codec::Red)
}
