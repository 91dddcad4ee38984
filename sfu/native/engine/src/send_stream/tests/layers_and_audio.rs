//! What is left out on purpose: temporal and spatial layers, silence; and how audio, RED and extensions go out.

use super::builders::*;
use crate::drop_reason::DropReason;
use crate::send_stream::{SendStream, Wanted};
use crate::time::Time;
use wire::codec::{Codec, PayloadInfo};
use wire::extensions::Tag;

fn temporal(source: &Source, max_temporal_layer: u8) -> Wanted<'_> {
    Wanted {
        max_temporal_layer,
        ..wanted(source.key, &source.codecs)
    }
}

fn give(
    stream: &mut SendStream,
    sink: &mut Collector,
    source: &Source,
    packets: &[Stored],
) -> usize {
    let now = |packet: &Stored| packet.meta.arrival;
    packets
        .iter()
        .filter(|packet| {
            stream
                .handle_packet(now(packet), source.key, packet.borrow(), sink)
                .is_ok()
        })
        .count()
}

#[test]
fn dropped_temporal_layers_leave_no_gap_in_numbers_and_picture_ids() {
    let mut stream = stream(video_config(), 65_500);
    let mut sink = Collector::default();
    let mut a = Source::new(key(1, 0), Codec::Vp8, 131_000);
    let mut sent = Vec::new();
    stream.select(Some(&temporal(&a, 2)));

    for frame in 0..200usize {
        if frame == 61 {
            stream.select(Some(&temporal(&a, 0)));
        }
        if frame == 120 {
            stream.select(Some(&temporal(&a, 2)));
        }
        let layer = [0, 2, 1, 2][frame % 4];
        let packets = a.vp8_frame(frame as u64 * 33, 2, frame == 0, layer);
        if give(&mut stream, &mut sink, &a, &packets) > 0 {
            sent.push((frame, layer));
        }
    }

    sink.assert_continuous();
    assert!(
        sent.iter()
            .all(|&(frame, layer)| !(61..120).contains(&frame) || layer == 0)
    );
    // Frame 121 is of layer 2, whose Y bit is not set; 122 of layer 1 is a point to switch up.
    let risen: Vec<_> = sent
        .iter()
        .filter(|(frame, _)| *frame >= 120)
        .take(3)
        .collect();
    assert_eq!(risen, [&(120, 0), &(122, 1), &(124, 0)]);
    let pictures: Vec<u16> = sink.pictures().iter().map(|ids| ids.0).collect();
    let expected: Vec<u16> = (0..pictures.len() as u16)
        .map(|n| (0x7ffe + n) & 0x7fff)
        .collect();
    assert_eq!(pictures, expected);
}

#[test]
fn an_unwanted_packet_that_comes_too_late_is_replaced_by_padding() {
    let mut stream = stream(video_config(), 10);
    let mut sink = Collector::default();
    let mut a = Source::new(key(1, 0), Codec::Vp8, 65_536);
    stream.select(Some(&temporal(&a, 0)));
    let mut packets = Vec::new();
    for (frame, layer) in [0, 2, 1, 2, 0].into_iter().enumerate() {
        packets.extend(a.vp8_frame(frame as u64 * 33, 1, frame == 0, layer));
    }

    for index in [0, 1, 3, 4, 2, 2] {
        let _ = stream.handle_packet(Time::ZERO, a.key, packets[index].borrow(), &mut sink);
    }

    sink.assert_continuous();
    let kinds: Vec<_> = sink
        .by_index()
        .values()
        .map(|p| (p.index, p.payload.is_empty()))
        .collect();
    assert_eq!(kinds, [(10, false), (11, true), (12, false)]);
}

#[test]
fn spatial_layers_above_the_wanted_are_left_out_and_the_picture_still_ends() {
    let mut stream = stream(video_config(), 10);
    let mut sink = Collector::default();
    let mut a = Source::new(key(1, 0), Codec::Vp9, 65_536);
    let mut picture = |stream: &mut SendStream, sink: &mut Collector, millis, is_key| {
        a.timestamp = a.timestamp.wrapping_add(3_000);
        for spatial_layer in 0..3 {
            let info = PayloadInfo {
                starts_frame: true,
                ends_frame: true,
                starts_keyframe: is_key && spatial_layer == 0,
                is_switch_point: true,
                spatial_layer,
                ..PayloadInfo::default()
            };
            let stored = a.store_described(
                millis,
                Codec::Vp9,
                vec![spatial_layer],
                spatial_layer == 2,
                info,
            );
            let _ = stream.handle_packet(Time::from_millis(millis), a.key, stored.borrow(), sink);
        }
    };
    let codecs = [codec(120, Codec::Vp9, None)];
    let want = |max_spatial_layer| Wanted {
        max_spatial_layer,
        ..wanted(key(1, 0), &codecs)
    };

    stream.select(Some(&want(1)));
    picture(&mut stream, &mut sink, 0, true);
    picture(&mut stream, &mut sink, 33, false);
    stream.select(Some(&want(2)));
    picture(&mut stream, &mut sink, 66, false);
    assert_eq!(stream.needs_keyframe(), Some(key(1, 0)));
    picture(&mut stream, &mut sink, 99, true);
    assert_eq!(stream.needs_keyframe(), None);
    stream.select(Some(&want(0)));
    picture(&mut stream, &mut sink, 132, false);

    sink.assert_continuous();
    let sent: Vec<_> = sink
        .received
        .iter()
        .map(|p| (p.payload[0], p.header.marker))
        .collect();
    let two = [(0, false), (1, true)];
    let expected = [
        &two[..],
        &two,
        &two,
        &[(0, false), (1, false), (2, true)],
        &[(0, true)],
    ]
    .concat();
    assert_eq!(sent, expected);
}

#[test]
fn audio_switches_at_any_packet_with_the_marker() {
    let mut stream = stream(audio_config(None), 65_530);
    let mut sink = Collector::default();
    let mut voices = [
        Source::new(key(1, 0), Codec::Opus, 65_536),
        Source::new(key(2, 0), Codec::Opus, 131_060),
    ];

    for packet in 0..100usize {
        let voice = &mut voices[(packet / 10) % 2];
        if packet % 10 == 0 {
            stream.select(Some(&wanted(voice.key, &voice.codecs)));
            assert_eq!(stream.needs_keyframe(), None);
        }
        let stored = voice.opus(packet as u64 * 20, 30);
        give(&mut stream, &mut sink, voice, &[stored]);
    }

    sink.assert_continuous();
    for (index, packet) in sink.received.iter().enumerate() {
        assert_eq!(packet.header.marker, index % 10 == 0);
        assert_eq!(packet.header.payload_type, OPUS);
        let elapsed = packet
            .header
            .timestamp
            .wrapping_sub(sink.received[0].header.timestamp);
        assert_eq!(elapsed, index as u32 * 960);
    }
}

#[test]
fn silence_leaves_after_a_hangover_but_for_signs_of_life() {
    let mut stream = stream(audio_config(None), 0);
    let mut sink = Collector::default();
    let mut voice = Source::new(key(1, 0), Codec::Opus, 65_536);
    stream.select(Some(&wanted(voice.key, &voice.codecs)));
    let mut sent = Vec::new();
    let mut reasons = Vec::new();

    for packet in 0..200u64 {
        let level = if (10..150).contains(&packet) { 127 } else { 30 };
        let stored = voice.opus(packet * 20, level);
        match stream.handle_packet(stored.meta.arrival, voice.key, stored.borrow(), &mut sink) {
            Ok(_) => sent.push(packet),
            Err(reason) => reasons.push(reason),
        }
    }

    sink.assert_continuous();
    let in_silence: Vec<_> = sent
        .iter()
        .copied()
        .filter(|packet| (10..150).contains(packet))
        .collect();
    assert_eq!(
        in_silence,
        [
            10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 39, 59, 79, 99, 119, 139
        ]
    );
    assert!(reasons.iter().all(|reason| *reason == DropReason::Silence));
    let speech = sent
        .iter()
        .position(|packet| *packet == 150)
        .expect("speech goes on");
    assert!(sink.received[speech].header.marker);
    assert!(!sink.received[speech + 1].header.marker);
}

#[test]
fn red_stays_red_for_who_takes_it_and_is_stripped_for_who_does_not() {
    let red_payload = [0xef, 0, 0, 2, 0x6f, 1, 2, 3, 4, 5];
    for (red, expected_type, expected) in [
        (
            Some(RED),
            RED,
            &[0x80 | OPUS, 0, 0, 2, OPUS, 1, 2, 3, 4, 5][..],
        ),
        (None, OPUS, &[3, 4, 5][..]),
    ] {
        let mut stream = stream(audio_config(red), 0);
        let mut sink = Collector::default();
        let mut voice = Source::new(key(1, 0), Codec::Opus, 65_536);
        stream.select(Some(&wanted(voice.key, &voice.codecs)));
        let info = PayloadInfo::default();
        let good = voice.store_described(0, Codec::Red, red_payload.to_vec(), false, info);
        let bad = voice.store_described(20, Codec::Red, vec![0xef, 0], false, info);

        give(&mut stream, &mut sink, &voice, std::slice::from_ref(&good));
        let refused = stream.handle_packet(Time::ZERO, voice.key, bad.borrow(), &mut sink);
        let lookup = |_, number| (number == 65_536).then(|| good.borrow());
        let numbers = std::iter::once(0);
        stream.handle_nack(
            Time::ZERO,
            numbers,
            std::time::Duration::ZERO,
            lookup,
            &mut sink,
        );

        assert_eq!(refused, Err(DropReason::BadPayload));
        assert_eq!(sink.received[0].header.payload_type, expected_type);
        assert_eq!(sink.received[0].payload, expected);
        assert_eq!(sink.received[1].bytes, sink.received[0].bytes);
    }
}

#[test]
fn extensions_go_out_under_the_subscribers_ids() {
    let mut stream = stream(video_config(), 0);
    let mut sink = Collector::default();
    let mut a = Source::new(key(1, 0), Codec::Vp8, 65_536);
    stream.select(Some(&wanted(a.key, &a.codecs)));
    let mut packets = a.vp8_frame(0, 3, true, 0);
    packets[0].meta.video_orientation = Some(3);
    packets[0].meta.playout_delay = Some((0x123, 0xfff));
    // A VP8 payload tells all by itself: its descriptor stays here.
    packets[0].descriptor = vec![0x40, 0x12, 0x34];
    for packet in &mut packets[1..] {
        packet.meta.codec = Codec::Av1;
    }
    packets[1].descriptor = vec![0x40, 0x12, 0x34];
    packets[2].descriptor = (0..40).collect();
    packets[2].descriptor[1..3].copy_from_slice(&[0x12, 0x35]);

    for packet in &packets {
        let now = Time::from_millis(1_500);
        let _ = stream.handle_packet(now, a.key, packet.borrow(), &mut sink);
    }

    let [first, second, third] = &sink.received[..] else {
        panic!("three packets")
    };
    assert_eq!(
        (first.video_orientation, second.video_orientation),
        (Some(3), None)
    );
    assert_eq!(first.playout_delay, Some((0x123, 0xfff)));
    assert_eq!(first.absolute_send_time, Some((1 << 18) + (1 << 17)));
    let numbers = sink.received.iter().map(|p| p.transport_sequence_number);
    assert!(numbers.eq([Some(65_530), Some(65_531), Some(65_532)]));
    assert!(sink.received.iter().all(|packet| packet.has_mid));
    assert_eq!(first.descriptor, None);
    // Frame numbers go on from where the stream stood (0), by a constant shift.
    assert_eq!(second.descriptor, Some(vec![0x40, 0, 1]));
    assert_eq!(third.header.extension_profile, Some(0x1000));
    let mut expected: Vec<u8> = (0..40).collect();
    expected[1..3].copy_from_slice(&[0, 2]);
    assert_eq!(third.descriptor, Some(expected));
    assert_eq!(third.payload.len(), packets[2].payload.len());
}

#[test]
fn codecs_match_by_format_and_others_are_refused() {
    let mut stream = stream(video_config(), 0);
    let mut sink = Collector::default();
    let mut a = Source::new(key(1, 0), Codec::Vp8, 65_536);
    a.codecs[0].format_key = "profile".to_owned();
    assert!(!stream.can_decode(&a.codecs));
    stream.select(Some(&wanted(a.key, &a.codecs)));
    let packets = a.vp8_frame(0, 1, true, 0);
    let refused = stream.handle_packet(Time::ZERO, a.key, packets[0].borrow(), &mut sink);
    assert_eq!(refused, Err(DropReason::CodecNotNegotiated));

    a.codecs[0].format_key.clear();
    assert!(stream.can_decode(&a.codecs));
    stream.select(None);
    assert_eq!(stream.listens_to(), [None, None]);
    let mut other = a.clone();
    other.codecs.insert(0, codec(99, Codec::H264, None));
    other.codecs[0].format_key = "none has this".to_owned();
    stream.select(Some(&wanted(other.key, &other.codecs)));
    let mut packets = other.vp8_frame(0, 1, true, 0);
    packets[0].meta.codec_index = 200;
    let refused = stream.handle_packet(Time::ZERO, a.key, packets[0].borrow(), &mut sink);
    assert_eq!(refused, Err(DropReason::CodecNotNegotiated));
    packets[0].meta.codec_index = 1;
    assert_eq!(give(&mut stream, &mut sink, &other, &packets), 1);
    assert_eq!(stream.config().mid, Tag::new(b"v1").expect("token"));
}
