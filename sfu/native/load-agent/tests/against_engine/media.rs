//! The tracks and lines of a participant, in the words of the engine and in those of the agent, and what is sent on them.

use engine::ids::Kind;
use engine::media_config::{CodecConfig, PublishConfig, SubscribeConfig};
use load_agent::media_loop::{Frame, LoopCodec, MediaLoop};
use load_agent::protocol::{self, Extensions, ReceiveMedia, SendEncoding, SendMedia};
use std::collections::HashMap;
use std::sync::Arc;
use wire::codec::Codec;
use wire::extensions::{ExtensionIds, Tag};

const OPUS: u8 = 111;
const VP8: u8 = 96;
const VP8_RTX: u8 = 97;
const IDS: ExtensionIds = ExtensionIds {
    mid: Some(1),
    rid: None,
    repaired_rid: None,
    absolute_send_time: Some(4),
    transport_sequence_number: Some(5),
    audio_level: Some(6),
    video_orientation: None,
    playout_delay: None,
    dependency_descriptor: None,
};
const AGENT_IDS: Extensions = Extensions {
    mid: IDS.mid,
    rid: IDS.rid,
    repaired_rid: IDS.repaired_rid,
    absolute_send_time: IDS.absolute_send_time,
    transport_sequence_number: IDS.transport_sequence_number,
    audio_level: IDS.audio_level,
};

/// One m-line; SSRCs are counted from a number of the participant's own.
struct Line {
    mid: &'static str,
    kind: Kind,
    ssrc: u32,
    rtx_ssrc: Option<u32>,
}

const fn audio(mid: &'static str, ssrc: u32) -> Line {
    Line {
        mid,
        kind: Kind::Audio,
        ssrc,
        rtx_ssrc: None,
    }
}

const fn video(mid: &'static str, ssrc: u32) -> Line {
    Line {
        mid,
        kind: Kind::Video,
        ssrc,
        rtx_ssrc: Some(ssrc + 1),
    }
}

const SENT: [Line; 2] = [audio("mic", 1), video("cam", 2)];
const RECEIVED: [Line; 4] = [
    audio("a0", 4),
    audio("a1", 7),
    audio("a2", 8),
    video("v0", 5),
];

pub(crate) fn tag(text: &str) -> Tag {
    Tag::new(text.as_bytes()).expect("a token")
}

pub(crate) fn published(base: u32) -> Vec<PublishConfig> {
    let config = |line: &Line| PublishConfig {
        mid: tag(line.mid),
        kind: line.kind,
        codecs: vec![codec(line.kind)],
        rids: vec![],
        ssrcs: vec![(base + line.ssrc, line.rtx_ssrc.map(|ssrc| base + ssrc))],
        extensions: IDS,
    };
    SENT.iter().map(config).collect()
}

pub(crate) fn subscribed(base: u32) -> Vec<SubscribeConfig> {
    let config = |line: &Line| SubscribeConfig {
        mid: tag(line.mid),
        kind: line.kind,
        ssrc: base + line.ssrc,
        rtx_ssrc: line.rtx_ssrc.map(|ssrc| base + ssrc),
        codecs: vec![codec(line.kind)],
        extensions: IDS,
    };
    RECEIVED.iter().map(config).collect()
}

fn codec(kind: Kind) -> CodecConfig {
    let (payload_type, codec, clock_rate, rtx_payload_type) = match kind {
        Kind::Audio => (OPUS, Codec::Opus, 48_000, None),
        Kind::Video => (VP8, Codec::Vp8, 90_000, Some(VP8_RTX)),
    };
    CodecConfig {
        payload_type,
        codec,
        clock_rate,
        rtx_payload_type,
        red_payload_type: None,
        format_key: String::new(),
        has_nack: kind == Kind::Video,
    }
}

pub(crate) fn sent(base: u32) -> Vec<SendMedia> {
    let config = |line: &Line| {
        let (kind, payload_type, media) = match line.kind {
            Kind::Audio => (protocol::Kind::Audio, OPUS, "voice"),
            Kind::Video => (protocol::Kind::Video, VP8, "video"),
        };
        SendMedia {
            mid: line.mid.into(),
            kind,
            source: None,
            red_payload_type: None,
            payload_type,
            rtx_payload_type: line.rtx_ssrc.map(|_| VP8_RTX),
            extensions: AGENT_IDS,
            encodings: vec![SendEncoding {
                rid: None,
                ssrc: base + line.ssrc,
                rtx_ssrc: line.rtx_ssrc.map(|ssrc| base + ssrc),
                media: media.into(),
            }],
            is_active: true,
            minus_dbov: None,
        }
    };
    SENT.iter().map(config).collect()
}

pub(crate) fn received(base: u32) -> Vec<ReceiveMedia> {
    let config = |line: &Line| ReceiveMedia {
        mid: line.mid.into(),
        kind: match line.kind {
            Kind::Audio => protocol::Kind::Audio,
            Kind::Video => protocol::Kind::Video,
        },
        ssrc: base + line.ssrc,
        rtx_ssrc: line.rtx_ssrc.map(|ssrc| base + ssrc),
        h264_payload_types: vec![],
        red_payload_type: None,
        has_nack: line.rtx_ssrc.is_some(),
        extensions: AGENT_IDS,
    };
    RECEIVED.iter().map(config).collect()
}

/// A picture every 50 ms, a keyframe every three seconds; one word for ever.
pub(crate) fn loops() -> HashMap<String, Arc<MediaLoop>> {
    let picture = |is_keyframe: bool, size: usize| {
        let mut data = vec![
            u8::from(!is_keyframe),
            0,
            0,
            0x9d,
            0x01,
            0x2a,
            0x80,
            0x02,
            0x68,
            0x01,
        ];
        data.resize(size, 0x5a);
        Frame {
            is_keyframe,
            minus_dbov: 127,
            data,
            rest_ms: 0,
            parts: vec![],
        }
    };
    let mut pictures = vec![picture(true, 6_000)];
    pictures.extend((0..59).map(|_| picture(false, 2_000)));
    let voice = Frame {
        is_keyframe: true,
        minus_dbov: 30,
        data: vec![0x78; 60],
        rest_ms: 0,
        parts: vec![],
    };
    let video = MediaLoop {
        codec: LoopCodec::Vp8,
        interval_micros: 50_000,
        height: 360,
        longest_pause_ms: 0,
        frames: pictures,
    };
    let audio = MediaLoop {
        codec: LoopCodec::Opus,
        interval_micros: 20_000,
        height: 0,
        longest_pause_ms: 0,
        frames: vec![voice],
    };
    HashMap::from([
        ("video".into(), Arc::new(video)),
        ("voice".into(), Arc::new(audio)),
    ])
}
