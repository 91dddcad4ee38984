//! A track, packets for it, and what it is given them by.

use crate::drop_reason::DropReason;
use crate::published_track::*;
use wire::extensions::{ExtensionIds, Tag};
use wire::rtp::OutgoingHeader;

pub(super) const STARTS: [u16; 4] = [0, 32_766, 65_533, 65_535];
pub(super) const MEDIA: Binding = Binding {
    track: 0,
    encoding: 0,
    is_retransmission: false,
};
pub(super) const RTX: Binding = Binding {
    track: 0,
    encoding: 0,
    is_retransmission: true,
};
/// VP8 descriptor (S bit), key frame header with 320x180.
pub(super) const VP8_KEYFRAME: &[u8] = &[
    0x10, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00, 0, 0, 0,
];
/// VP8 descriptor (S bit), inter frame.
pub(super) const VP8_DELTA: &[u8] = &[0x10, 0x11, 0x02, 0x00, 1, 2, 3];

pub(super) fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

pub(super) fn codec_config(codec: Codec) -> CodecConfig {
    let is_audio = codec == Codec::Opus;
    CodecConfig {
        payload_type: if is_audio { 111 } else { 96 },
        codec,
        clock_rate: if is_audio { 48_000 } else { 90_000 },
        rtx_payload_type: (!is_audio).then_some(97),
        red_payload_type: is_audio.then_some(63),
        format_key: String::new(),
        has_nack: !is_audio,
    }
}

pub(super) fn track(codec: Codec, rids: &[&str]) -> PublishedTrack {
    let config = PublishConfig {
        mid: Tag::new(b"1").expect("a token"),
        kind: if codec == Codec::Opus {
            Kind::Audio
        } else {
            Kind::Video
        },
        codecs: vec![codec_config(codec)],
        rids: rids
            .iter()
            .filter_map(|rid| Tag::new(rid.as_bytes()))
            .collect(),
        ssrcs: vec![],
        extensions: ExtensionIds::default(),
    };
    PublishedTrack::new(TrackKey(1), config, false)
}

pub(super) struct Packet<'a> {
    pub(super) ssrc: u32,
    pub(super) payload_type: u8,
    pub(super) number: u16,
    pub(super) payload: &'a [u8],
    pub(super) padding: u8,
}

pub(super) fn video(number: u16, payload: &[u8]) -> Packet<'_> {
    Packet {
        ssrc: 10,
        payload_type: 96,
        number,
        payload,
        padding: 0,
    }
}

pub(super) fn send(
    track: &mut PublishedTrack,
    millis: u64,
    binding: Binding,
    packet: &Packet<'_>,
) -> Result<Received, DropReason> {
    send_with(track, millis, binding, packet, &Extensions::default())
}

pub(super) fn send_with(
    track: &mut PublishedTrack,
    millis: u64,
    binding: Binding,
    packet: &Packet<'_>,
    extensions: &Extensions<'_>,
) -> Result<Received, DropReason> {
    let mut bytes = Vec::new();
    OutgoingHeader {
        marker: true,
        payload_type: packet.payload_type,
        sequence_number: packet.number,
        timestamp: millis as u32 * 90,
        ssrc: packet.ssrc,
    }
    .write(&mut bytes, false, packet.padding > 0);
    bytes.extend_from_slice(packet.payload);
    if packet.padding > 0 {
        bytes.resize(bytes.len() + usize::from(packet.padding) - 1, 0);
        bytes.push(packet.padding);
    }
    let header = RtpHeader::parse(&bytes).expect("just written");
    track.handle_rtp(at(millis), binding, &header, extensions, &bytes)
}

pub(super) fn rtx_payload(original: u16, payload: &[u8]) -> Vec<u8> {
    [&original.to_be_bytes(), payload].concat()
}
