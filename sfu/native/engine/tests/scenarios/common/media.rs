//! What clients of these tests negotiate: codecs, extension ids, m-lines.

use engine::ids::Kind;
use engine::media_config::{CodecConfig, PublishConfig, SubscribeConfig};
use wire::codec::Codec;
use wire::extensions::{ExtensionIds, Tag};

pub(crate) const VP8: u8 = 96;
pub(crate) const VP8_RTX: u8 = 97;
pub(crate) const OPUS: u8 = 111;
/// Of a camera with three encodings, the smallest first.
pub(crate) const RIDS: [&str; 3] = ["q", "h", "f"];

const HEIGHTS: [u16; 3] = [180, 360, 720];

pub(crate) const IDS: ExtensionIds = ExtensionIds {
    mid: Some(1),
    rid: Some(2),
    repaired_rid: Some(3),
    absolute_send_time: Some(4),
    transport_sequence_number: Some(5),
    audio_level: Some(6),
    video_orientation: Some(7),
    playout_delay: None,
    dependency_descriptor: Some(9),
};

pub(crate) fn tag(text: &str) -> Tag {
    Tag::new(text.as_bytes()).expect("a token")
}

pub(crate) fn opus() -> CodecConfig {
    CodecConfig {
        payload_type: OPUS,
        codec: Codec::Opus,
        clock_rate: 48_000,
        rtx_payload_type: None,
        red_payload_type: None,
        format_key: String::new(),
        has_nack: false,
    }
}

pub(crate) fn vp8() -> CodecConfig {
    CodecConfig {
        payload_type: VP8,
        codec: Codec::Vp8,
        clock_rate: 90_000,
        rtx_payload_type: Some(VP8_RTX),
        red_payload_type: None,
        format_key: String::new(),
        has_nack: true,
    }
}

pub(crate) fn microphone() -> PublishConfig {
    PublishConfig {
        mid: tag("mic"),
        kind: Kind::Audio,
        codecs: vec![opus()],
        rids: vec![],
        ssrcs: vec![],
        extensions: IDS,
    }
}

pub(crate) fn camera(rids: &[&str]) -> PublishConfig {
    PublishConfig {
        mid: tag("cam"),
        kind: Kind::Video,
        codecs: vec![vp8()],
        rids: rids.iter().map(|rid| tag(rid)).collect(),
        ssrcs: vec![],
        extensions: IDS,
    }
}

/// Of the pictures of a camera with these encodings; without rids it has one, of full height.
pub(crate) fn heights(rids: &[&str]) -> &'static [u16] {
    if rids.is_empty() {
        &HEIGHTS[2..]
    } else {
        &HEIGHTS
    }
}

/// Descriptor of a keyframe of Chrome's in VP9 L3T3, as published in the tests of `LiveKit`'s server
/// (`dependencydescriptor`, "hex bytes from traffic capture"). It brings 15 templates, with ids from 0 on.
pub(crate) fn l3t3_descriptor() -> &'static [u8] {
    let (&length, descriptors) = L3T3_DESCRIPTORS.split_first().expect("not empty");
    &descriptors[..usize::from(length)]
}

/// After a byte with the length of the first.
const L3T3_DESCRIPTORS: &[u8] =
    include_bytes!("../../../../fuzz/corpus/dependency_descriptor/l3t3_then_delta");

/// Three audio m-lines a0–a2 and `video` video m-lines v0….
pub(crate) fn receive_lines(participant: u64, video: usize) -> Vec<SubscribeConfig> {
    let line = |mid: String, kind, ssrc: u32, codec: CodecConfig| SubscribeConfig {
        mid: tag(&mid),
        kind,
        ssrc,
        rtx_ssrc: codec.rtx_payload_type.map(|_| ssrc + 1),
        codecs: vec![codec],
        extensions: IDS,
    };
    let base = participant as u32 * 1_000;
    let audio = (0..3).map(|i| line(format!("a{i}"), Kind::Audio, base + 100 + 2 * i, opus()));
    let video =
        (0..video as u32).map(|i| line(format!("v{i}"), Kind::Video, base + 200 + 2 * i, vp8()));
    audio.chain(video).collect()
}
