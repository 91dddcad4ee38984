//! Prints ns per packet of `SendStream::handle_packet` into a sink that throws away, 1,100-byte VP8 payloads.
//! The copy of the payload is printed beside it. Run with `cargo run --release -p engine --example forward_speed`.

use engine::ids::{EncodingKey, Kind, TrackKey};
use engine::media_config::{CodecConfig, SubscribeConfig};
use engine::outbox::{RtpSink, WrittenPacket};
use engine::packet::{PacketMeta, SourcePacket};
use engine::send_stream::{SendSeeds, SendStream, Wanted};
use engine::time::Time;
use std::hint::black_box;
use std::time::Instant;
use wire::codec::{Codec, describe};
use wire::dependency_descriptor::TargetsField;
use wire::extensions::{ExtensionIds, Tag};

const PACKETS: u64 = 2_000_000;
const PAYLOAD_BYTES: usize = 1_100;

#[derive(Default)]
struct NullSink {
    buffer: Vec<u8>,
    next: u16,
}

impl RtpSink for NullSink {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn next_transport_sequence_number(&mut self) -> u16 {
        self.next = self.next.wrapping_add(1);
        self.next
    }

    fn finish(&mut self, packet: WrittenPacket) {
        black_box(&self.buffer[packet.start..]);
        self.buffer.clear();
    }
}

fn main() {
    let codecs = vec![CodecConfig {
        payload_type: 96,
        codec: Codec::Vp8,
        clock_rate: 90_000,
        rtx_payload_type: Some(97),
        red_payload_type: None,
        format_key: String::new(),
        has_nack: true,
    }];
    let mut stream = make_stream(codecs.clone());
    let encoding = EncodingKey {
        track: TrackKey(1),
        encoding: 0,
    };
    stream.select(Some(&Wanted {
        encoding,
        codecs: &codecs,
        max_spatial_layer: u8::MAX,
        max_temporal_layer: u8::MAX,
        clock: None,
    }));
    let mut payload = vec![
        0x90, 0xe0, 0x80, 0, 0, 0, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 64, 1, 180, 0,
    ];
    payload.resize(PAYLOAD_BYTES, 7);
    let mut sink = NullSink::default();

    let started = Instant::now();
    let mut forwarded = 0;
    for index in 0..PACKETS {
        let meta = meta_of(index, &payload);
        let packet = SourcePacket {
            meta: &meta,
            dependency_descriptor: &[],
            decode_targets: None,
            payload: &payload,
            is_evened: false,
        };
        forwarded += u64::from(
            stream
                .handle_packet(meta.arrival, encoding, packet, &mut sink)
                .is_ok(),
        );
    }
    let forwarding = started.elapsed();

    let started = Instant::now();
    for index in 0..PACKETS {
        black_box(meta_of(index, &payload));
        sink.buffer.extend_from_slice(black_box(&payload));
        black_box(&sink.buffer);
        sink.buffer.clear();
    }
    let copying = started.elapsed();

    assert_eq!(forwarded, PACKETS);
    let per_packet = |elapsed: std::time::Duration| elapsed.as_nanos() as u64 / PACKETS;
    println!("forward {} ns/packet", per_packet(forwarding));
    println!("copy and describe alone {} ns/packet", per_packet(copying));
}

/// Three packets a frame, a keyframe first; picture ids go on as a real source's do.
fn meta_of(index: u64, payload: &[u8]) -> PacketMeta {
    let frame = index / 3;
    let mut info = describe(Codec::Vp8, payload).unwrap_or_default();
    info.starts_frame = index.is_multiple_of(3);
    info.starts_keyframe = index == 0;
    if let Some(picture) = &mut info.picture {
        picture.picture_id = frame as u16 & 0x7fff;
        picture.tl0_picture_index = picture
            .tl0_picture_index
            .map(|(_, offset)| (frame as u8, offset));
    }
    PacketMeta {
        extended_sequence_number: 65_536 + index,
        timestamp: frame as u32 * 3_000,
        marker: index % 3 == 2,
        codec: Codec::Vp8,
        codec_index: 0,
        arrival: Time::from_nanos(index * 11_000_000),
        info,
        audio_level: None,
        video_orientation: None,
        playout_delay: None,
        targets_field: TargetsField::default(),
    }
}

fn make_stream(codecs: Vec<CodecConfig>) -> SendStream {
    let config = SubscribeConfig {
        mid: Tag::new(b"3").unwrap_or_default(),
        kind: Kind::Video,
        ssrc: 1,
        rtx_ssrc: Some(2),
        codecs,
        extensions: ExtensionIds {
            mid: Some(1),
            absolute_send_time: Some(2),
            transport_sequence_number: Some(3),
            ..ExtensionIds::default()
        },
    };
    let seeds = SendSeeds {
        sequence_number: 1,
        rtx_sequence_number: 1,
        timestamp: 1,
        picture_id: 1,
        tl0_picture_index: 1,
    };
    SendStream::new(config, &seeds)
}
