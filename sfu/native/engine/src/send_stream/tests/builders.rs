//! A collecting sink, and sources of VP8, VP9, AV1 and Opus packets.

use crate::ids::{EncodingKey, Kind, TrackKey};
use crate::media_config::{CodecConfig, SubscribeConfig};
use crate::outbox::{RtpSink, WrittenPacket};
use crate::packet::{PacketMeta, SourcePacket};
use crate::send_stream::{SendSeeds, SendStream, Wanted};
use crate::time::Time;
use std::collections::BTreeMap;
use wire::codec::{Codec, PayloadInfo, describe};
use wire::dependency_descriptor::{DecodeTargets, TargetsField};
use wire::extensions::{AudioLevel, ExtensionIds, Tag, parse};
use wire::rtp::{RtpHeader, padding_bytes};

pub(super) const SSRC: u32 = 0x1111;
pub(super) const RTX_SSRC: u32 = 0x2222;
pub(super) const VP8: u8 = 96;
pub(super) const RTX: u8 = 97;
pub(super) const OPUS: u8 = 109;
pub(super) const RED: u8 = 63;

pub(super) const IDS: ExtensionIds = ExtensionIds {
    mid: Some(4),
    rid: None,
    repaired_rid: None,
    absolute_send_time: Some(2),
    transport_sequence_number: Some(3),
    audio_level: Some(1),
    video_orientation: Some(5),
    playout_delay: Some(6),
    dependency_descriptor: Some(7),
};

/// One packet as the subscriber sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) header: RtpHeader,
    pub(super) index: u64,
    pub(super) is_retransmission: bool,
    pub(super) has_mid: bool,
    pub(super) absolute_send_time: Option<u32>,
    pub(super) transport_sequence_number: Option<u16>,
    pub(super) audio_level: Option<AudioLevel>,
    pub(super) video_orientation: Option<u8>,
    pub(super) playout_delay: Option<(u16, u16)>,
    pub(super) descriptor: Option<Vec<u8>>,
    pub(super) payload: Vec<u8>,
    pub(super) bytes: Vec<u8>,
}

/// Collects; numbers transport-wide from 65,530 so that it wraps early.
#[derive(Debug, Default)]
pub(super) struct Collector {
    buffer: Vec<u8>,
    taken: u16,
    pub(super) received: Vec<Received>,
}

impl RtpSink for Collector {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn next_transport_sequence_number(&mut self) -> u16 {
        self.taken += 1;
        self.taken.wrapping_add(65_529)
    }

    fn finish(&mut self, packet: WrittenPacket) {
        let bytes = self.buffer[packet.start..].to_vec();
        let header = RtpHeader::parse(&bytes).expect("RTP");
        let extensions = parse(&bytes, &header, &IDS);
        assert_eq!(header.header_bytes, packet.header_bytes);
        assert_eq!(header.ssrc, packet.ssrc);
        assert_eq!(header.sequence_number, packet.index as u16);
        let payload = &bytes[header.header_bytes..];
        let padding = padding_bytes(header.has_padding, payload).expect("padding");
        self.received.push(Received {
            index: packet.index,
            is_retransmission: packet.is_retransmission,
            has_mid: extensions.mid == Some(b"v1"),
            absolute_send_time: extensions.absolute_send_time,
            transport_sequence_number: extensions.transport_sequence_number,
            audio_level: extensions.audio_level,
            video_orientation: extensions.video_orientation,
            playout_delay: extensions.playout_delay,
            descriptor: extensions.dependency_descriptor.map(<[u8]>::to_vec),
            payload: payload[..payload.len() - padding].to_vec(),
            header,
            bytes,
        });
    }
}

impl Collector {
    /// Media packets by index; each index at most once.
    pub(super) fn by_index(&self) -> BTreeMap<u64, &Received> {
        let mut packets = BTreeMap::new();
        for packet in self.received.iter().filter(|p| p.header.ssrc == SSRC) {
            assert!(
                packets.insert(packet.index, packet).is_none(),
                "index sent twice"
            );
        }
        packets
    }

    /// Assert that sequence numbers have no gap and timestamps never go back.
    pub(super) fn assert_continuous(&self) {
        let packets: Vec<_> = self.by_index().into_values().collect();
        for pair in packets.windows(2) {
            assert_eq!(pair[1].index, pair[0].index + 1, "gap");
            let step = pair[1]
                .header
                .timestamp
                .wrapping_sub(pair[0].header.timestamp) as i32;
            assert!(step >= 0, "timestamp went back by {step}");
        }
    }

    /// Picture ids and TL0PICIDX in order of index, one per frame (timestamp).
    pub(super) fn pictures(&self) -> Vec<(u16, u8)> {
        let mut ids = Vec::new();
        for packet in self.by_index().values().filter(|p| !p.payload.is_empty()) {
            let info = describe(Codec::Vp8, &packet.payload).expect("vp8");
            let picture = info.picture.expect("ids");
            let pair = (
                picture.picture_id,
                picture.tl0_picture_index.map_or(0, |tl0| tl0.0),
            );
            if ids.last() != Some(&pair) {
                ids.push(pair);
            }
        }
        ids
    }
}

pub(super) fn codec(payload_type: u8, codec: Codec, rtx: Option<u8>) -> CodecConfig {
    CodecConfig {
        payload_type,
        codec,
        clock_rate: if codec == Codec::Opus { 48_000 } else { 90_000 },
        rtx_payload_type: rtx,
        red_payload_type: None,
        format_key: String::new(),
        has_nack: true,
    }
}

pub(super) fn video_config() -> SubscribeConfig {
    SubscribeConfig {
        mid: Tag::new(b"v1").expect("token"),
        kind: Kind::Video,
        ssrc: SSRC,
        rtx_ssrc: Some(RTX_SSRC),
        codecs: vec![
            codec(100, Codec::H264, Some(101)),
            codec(VP8, Codec::Vp8, Some(RTX)),
            codec(98, Codec::Vp9, None),
            codec(45, Codec::Av1, None),
        ],
        extensions: IDS,
    }
}

pub(super) fn audio_config(red: Option<u8>) -> SubscribeConfig {
    let mut opus = codec(OPUS, Codec::Opus, None);
    opus.red_payload_type = red;
    SubscribeConfig {
        kind: Kind::Audio,
        rtx_ssrc: None,
        codecs: vec![opus],
        ..video_config()
    }
}

pub(super) fn stream(config: SubscribeConfig, first: u16) -> SendStream {
    SendStream::new(
        config,
        &SendSeeds {
            sequence_number: first,
            rtx_sequence_number: 65_534,
            timestamp: u32::MAX - 5_000,
            picture_id: 0x7ffd,
            tl0_picture_index: 254,
        },
    )
}

pub(super) fn key(track: u64, encoding: u8) -> EncodingKey {
    EncodingKey {
        track: TrackKey(track),
        encoding,
    }
}

pub(super) fn wanted(encoding: EncodingKey, codecs: &[CodecConfig]) -> Wanted<'_> {
    Wanted {
        encoding,
        codecs,
        max_spatial_layer: u8::MAX,
        max_temporal_layer: u8::MAX,
        clock: None,
    }
}

/// A stored packet.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) meta: PacketMeta,
    pub(super) descriptor: Vec<u8>,
    pub(super) decode_targets: Option<DecodeTargets>,
    pub(super) payload: Vec<u8>,
}

impl Stored {
    pub(super) fn borrow(&self) -> SourcePacket<'_> {
        SourcePacket {
            meta: &self.meta,
            dependency_descriptor: &self.descriptor,
            decode_targets: self.decode_targets.as_ref(),
            payload: &self.payload,
            is_evened: false,
        }
    }
}

/// A source whose every call gives the next packets.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) key: EncodingKey,
    pub(super) codecs: Vec<CodecConfig>,
    pub(super) next: u64,
    pub(super) timestamp: u32,
    pub(super) picture_id: u16,
    pub(super) is_15_bit: bool,
    pub(super) tl0: u8,
}

impl Source {
    pub(super) fn new(key: EncodingKey, codec_of: Codec, first: u64) -> Self {
        Self {
            key,
            // In the track's own numbering: differs from the subscriber's.
            codecs: vec![codec(120, codec_of, Some(121))],
            next: first,
            timestamp: (first as u32).wrapping_mul(77_777_777),
            picture_id: first as u16 & 0x7fff,
            is_15_bit: true,
            tl0: first as u8,
        }
    }

    /// A VP8 frame of `packets` packets at `millis`; 30 frames/s apart in RTP time.
    pub(super) fn vp8_frame(
        &mut self,
        millis: u64,
        packets: usize,
        is_key: bool,
        temporal: u8,
    ) -> Vec<Stored> {
        self.timestamp = self.timestamp.wrapping_add(3_000);
        let span = if self.is_15_bit { 0x7fff } else { 0x7f };
        self.picture_id = (self.picture_id + 1) & span;
        if temporal == 0 {
            self.tl0 = self.tl0.wrapping_add(1);
        }
        (0..packets)
            .map(|index| {
                let payload = self.vp8_payload(index == 0, is_key, temporal);
                self.store(millis, Codec::Vp8, payload, index + 1 == packets)
            })
            .collect()
    }

    /// RFC 7741 §4.2: X with I, L, T; then a payload header for first packets.
    fn vp8_payload(&self, is_first: bool, is_key: bool, temporal: u8) -> Vec<u8> {
        let mut payload = vec![0x80 | u8::from(is_first) << 4, 0xe0];
        if self.is_15_bit {
            payload.extend((self.picture_id | 0x8000).to_be_bytes());
        } else {
            payload.push(self.picture_id as u8);
        }
        payload.push(self.tl0);
        // TID, Y (switch point) on the first enhancement layer.
        payload.push(temporal << 6 | u8::from(temporal == 1) << 5);
        if is_first && is_key {
            payload.extend([0x10, 0, 0, 0x9d, 0x01, 0x2a, 64, 1, 180, 0]);
        } else {
            payload.extend([0x11, 0, 0]);
        }
        payload.extend(self.next.to_be_bytes());
        payload
    }

    pub(super) fn store(
        &mut self,
        millis: u64,
        codec: Codec,
        payload: Vec<u8>,
        marker: bool,
    ) -> Stored {
        let info = describe(codec, &payload).expect("well formed");
        self.store_described(millis, codec, payload, marker, info)
    }

    pub(super) fn store_described(
        &mut self,
        millis: u64,
        codec: Codec,
        payload: Vec<u8>,
        marker: bool,
        info: PayloadInfo,
    ) -> Stored {
        let meta = PacketMeta {
            extended_sequence_number: self.next,
            timestamp: self.timestamp,
            marker,
            codec,
            codec_index: 0,
            arrival: Time::from_millis(millis),
            info,
            audio_level: None,
            video_orientation: None,
            playout_delay: None,
            targets_field: TargetsField::default(),
        };
        self.next += 1;
        Stored {
            meta,
            descriptor: Vec::new(),
            decode_targets: None,
            payload,
        }
    }

    /// One 20 ms Opus packet of this level.
    pub(super) fn opus(&mut self, millis: u64, minus_dbov: u8) -> Stored {
        self.timestamp = self.timestamp.wrapping_add(960);
        let mut payload = vec![0x78];
        payload.extend(self.next.to_be_bytes());
        let mut stored =
            self.store_described(millis, Codec::Opus, payload, false, PayloadInfo::default());
        stored.meta.audio_level = Some(AudioLevel {
            minus_dbov,
            is_voice: true,
        });
        stored
    }
}
