//! One encoding (simulcast layer) of a published track: its SSRCs, losses, cache and what is known of its picture.

use crate::dependency_reader::DependencyReader;
use crate::drop_reason::DropReason;
use crate::ids::Kind;
use crate::layer_selection::SpatialHeights;
use crate::media_config::CodecConfig;
use crate::nack_generator::NackGenerator;
use crate::packet::PacketMeta;
use crate::packet_cache::{PacketCache, PacketCacheConfig};
use crate::receive_stream::{Arrival, ReceiveStream};
use crate::time::Time;
use std::time::Duration;
use wire::codec::{self, Codec, PayloadInfo};
use wire::dependency_descriptor::{DependencyDescriptor, TargetsField};
use wire::extensions::Extensions;
use wire::rtp::RtpHeader;

/// A layer is gone when nothing came for this long: longer than the slowest screen share that Chromium sends.
const ENCODING_SILENCE: Duration = Duration::from_millis(1500);
/// A temporal layer not seen for this long is not sent any more.
const TEMPORAL_SILENCE: Duration = Duration::from_secs(2);
/// The dependency descriptor's 3 bits.
const MAX_TEMPORAL_LAYERS: usize = 8;

/// A packet with padding taken off, on its way into the cache.
pub(crate) struct MediaPacket<'a> {
    pub(crate) header: &'a RtpHeader,
    pub(crate) extensions: &'a Extensions<'a>,
    pub(crate) payload: &'a [u8],
    pub(crate) codec: Codec,
    pub(crate) codec_index: u8,
    pub(crate) codec_config: &'a CodecConfig,
    /// Size on the wire, for rates.
    pub(crate) size_bytes: usize,
}

/// What became of a stored packet.
pub(crate) struct Stored {
    pub(crate) extended_sequence_number: u64,
    pub(crate) starts_keyframe: bool,
    pub(crate) filled_gap: bool,
    pub(crate) is_restart: bool,
    /// Padding alone: the number is noted, nothing is there to forward.
    pub(crate) is_padding: bool,
}

impl Stored {
    fn padding(arrival: &Arrival) -> Self {
        Self {
            extended_sequence_number: arrival.extended_sequence_number,
            starts_keyframe: false,
            filled_gap: false,
            is_restart: arrival.is_restart,
            is_padding: true,
        }
    }
}

pub(crate) struct Encoding {
    pub(crate) media: Option<ReceiveStream>,
    pub(crate) retransmissions: Option<ReceiveStream>,
    pub(crate) nacks: NackGenerator,
    pub(crate) cache: PacketCache,
    dependencies: DependencyReader,
    pub(crate) size: Option<(u16, u16)>,
    /// Of a single-stream SVC encoding, as the newest keyframe tells; zeros otherwise.
    pub(crate) spatial_heights: SpatialHeights,
    pub(crate) last_keyframe_at: Option<Time>,
    temporal_seen: [Option<Time>; MAX_TEMPORAL_LAYERS],
}

impl Encoding {
    pub(crate) fn new(kind: Kind, is_kep: bool) -> Self {
        let config = PacketCacheConfig::new(kind, is_kep);
        Self {
            media: None,
            retransmissions: None,
            nacks: NackGenerator::new(config.max_age),
            cache: PacketCache::new(config),
            dependencies: DependencyReader::default(),
            size: None,
            spatial_heights: SpatialHeights::default(),
            last_keyframe_at: None,
            temporal_seen: [None; MAX_TEMPORAL_LAYERS],
        }
    }

    pub(crate) fn handle_media(
        &mut self,
        now: Time,
        packet: &MediaPacket<'_>,
    ) -> Result<Stored, DropReason> {
        let is_new_ssrc = self.follow_ssrc(packet.header.ssrc, packet.codec_config.clock_rate);
        let arrival = self
            .media
            .as_mut()
            .and_then(|stream| {
                let header = packet.header;
                stream.handle_packet(
                    now,
                    header.sequence_number,
                    header.timestamp,
                    packet.size_bytes,
                )
            })
            .ok_or(DropReason::TooOld)?;
        if arrival.is_restart {
            self.forget_continuity();
        }
        let arrival = Arrival {
            is_restart: arrival.is_restart || is_new_ssrc,
            ..arrival
        };
        self.store(now, packet, packet.payload, arrival)
    }

    /// RFC 4588 §4: the payload begins with the original sequence number.
    pub(crate) fn handle_retransmission(
        &mut self,
        now: Time,
        packet: &MediaPacket<'_>,
    ) -> Result<Stored, DropReason> {
        let header = packet.header;
        let stream = match &mut self.retransmissions {
            Some(stream) if stream.ssrc() == header.ssrc => stream,
            other => other.insert(ReceiveStream::new(
                header.ssrc,
                packet.codec_config.clock_rate,
            )),
        };
        stream.handle_packet(
            now,
            header.sequence_number,
            header.timestamp,
            packet.size_bytes,
        );
        if packet.payload.is_empty() {
            return Err(DropReason::PaddingOnly);
        }
        let (original, payload) = packet
            .payload
            .split_first_chunk::<2>()
            .ok_or(DropReason::Malformed)?;
        if payload.is_empty() {
            return Err(DropReason::PaddingOnly);
        }
        let extended_sequence_number = self
            .media
            .as_ref()
            .and_then(|media| media.extend(u16::from_be_bytes(*original)))
            .ok_or(DropReason::TooOld)?;
        let arrival = Arrival {
            extended_sequence_number,
            is_restart: false,
        };
        self.store(now, packet, payload, arrival)
    }

    pub(crate) fn handle_goodbye(&mut self, ssrc: u32) {
        if self
            .media
            .as_ref()
            .is_some_and(|stream| stream.ssrc() == ssrc)
        {
            self.forget_continuity();
        }
    }

    /// Begin anew, as if the sender had.
    pub(crate) fn interrupt(&mut self) {
        self.media = self.media.take().map(|before| before.begun_anew());
        self.forget_continuity();
    }

    pub(crate) fn is_alive(&self, now: Time) -> bool {
        self.has_flowed_within(now, ENCODING_SILENCE)
    }

    pub(crate) fn has_flowed_within(&self, now: Time, silence: Duration) -> bool {
        let last = self.media.as_ref().and_then(ReceiveStream::last_packet_at);
        last.is_some_and(|last| now.since(last) < silence)
    }

    pub(crate) fn max_temporal_layer(&self, now: Time) -> u8 {
        self.temporal_seen
            .iter()
            .rposition(|seen| seen.is_some_and(|seen| now.since(seen) < TEMPORAL_SILENCE))
            .unwrap_or(0) as u8
    }

    /// Start a new stream if the SSRC is not the one known. True if it took another's place.
    fn follow_ssrc(&mut self, ssrc: u32, clock_rate: u32) -> bool {
        match &self.media {
            Some(stream) if stream.ssrc() == ssrc => false,
            Some(before) => {
                self.media = Some(ReceiveStream::after(before, ssrc, clock_rate));
                self.forget_continuity();
                true
            }
            None => {
                self.media = Some(ReceiveStream::new(ssrc, clock_rate));
                false
            }
        }
    }

    fn forget_continuity(&mut self) {
        self.nacks.reset();
        self.cache.clear();
        self.dependencies.reset();
    }

    fn store(
        &mut self,
        now: Time,
        packet: &MediaPacket<'_>,
        payload: &[u8],
        arrival: Arrival,
    ) -> Result<Stored, DropReason> {
        let number = arrival.extended_sequence_number;
        let mut meta = meta_of(now, packet, number);
        if payload.is_empty() {
            self.note_arrival(now, packet, number, false);
            self.cache.insert_padding(now, meta)?;
            return Ok(Stored::padding(&arrival));
        }
        let Some(info) = codec::describe(packet.codec, payload) else {
            self.note_arrival(now, packet, number, false);
            return Err(DropReason::BadPayload);
        };
        meta.info = info;
        let bytes = packet.extensions.dependency_descriptor.unwrap_or_default();
        let descriptor = self.dependencies.read(bytes, &mut meta);
        let filled_gap = self.note_arrival(now, packet, number, meta.info.starts_keyframe);
        self.cache.insert(now, meta, bytes, payload)?;
        if meta.info.starts_keyframe && meta.info.spatial_layer == 0 {
            self.note_spatial_layers(packet.codec, payload, descriptor.as_ref());
        }
        if let Some(descriptor) = &descriptor {
            let targets = &mut self.cache.decode_targets;
            self.dependencies.keep(number, descriptor, targets);
        }
        self.note_picture(now, &meta.info);
        Ok(Stored {
            extended_sequence_number: number,
            starts_keyframe: meta.info.starts_keyframe,
            filled_gap,
            is_restart: arrival.is_restart,
            is_padding: false,
        })
    }

    fn note_arrival(
        &mut self,
        now: Time,
        packet: &MediaPacket<'_>,
        number: u64,
        starts_keyframe: bool,
    ) -> bool {
        packet.codec_config.has_nack && self.nacks.handle_packet(now, number, starts_keyframe)
    }

    /// What a keyframe's first packet tells of the layers in it.
    fn note_spatial_layers(
        &mut self,
        codec: Codec,
        payload: &[u8],
        descriptor: Option<&DependencyDescriptor>,
    ) {
        let told = descriptor.map_or(&[][..], |descriptor| {
            self.dependencies.told_sizes(descriptor)
        });
        let mut heights = SpatialHeights::default();
        let sizes = told.iter().copied();
        let told_by_payload = codec::spatial_layer_sizes(codec, payload);
        let sizes = sizes.chain(told_by_payload.filter(|_| told.is_empty()));
        for (height, (_, told)) in heights.iter_mut().zip(sizes) {
            *height = told;
        }
        // One layer is no choice.
        self.spatial_heights = if heights[1] > 0 {
            heights
        } else {
            SpatialHeights::default()
        };
    }

    fn note_picture(&mut self, now: Time, info: &PayloadInfo) {
        if info.starts_keyframe {
            self.last_keyframe_at = Some(now);
        }
        if let Some((width, height)) = info.resolution.filter(|&(w, h)| w > 0 && h > 0) {
            self.size = Some((width, height));
        }
        if let Some(seen) = self.temporal_seen.get_mut(usize::from(info.temporal_layer)) {
            *seen = Some(now);
        }
    }
}

fn meta_of(now: Time, packet: &MediaPacket<'_>, extended_sequence_number: u64) -> PacketMeta {
    PacketMeta {
        extended_sequence_number,
        timestamp: packet.header.timestamp,
        marker: packet.header.marker,
        codec: packet.codec,
        codec_index: packet.codec_index,
        arrival: now,
        info: PayloadInfo::default(),
        audio_level: packet.extensions.audio_level,
        video_orientation: packet.extensions.video_orientation,
        playout_delay: packet.extensions.playout_delay,
        targets_field: TargetsField::default(),
    }
}
