//! Sequence numbers, timestamps and picture ids across switches, loss, reordering and duplication.

use super::builders::*;
use crate::drop_reason::DropReason;
use crate::send_stream::{Forwarded, SendStream, SourceClock};
use crate::time::Time;
use proptest::prelude::*;
use wire::codec::Codec;

fn give(stream: &mut SendStream, sink: &mut Collector, source: &Source, packets: &[Stored]) {
    for packet in packets {
        let _ = stream.handle_packet(packet.meta.arrival, source.key, packet.borrow(), sink);
    }
}

#[test]
fn switches_are_seamless_wherever_the_numbers_start() {
    for (first, a_first, b_first) in [
        (0, 65_536, 70_000),
        (1, 131_071, 65_536),
        (32_767, 65_540, 131_070),
        (65_530, 131_065, 99_999),
        (65_535, 131_071, 131_071),
    ] {
        let mut stream = stream(video_config(), first);
        let mut sink = Collector::default();
        let mut a = Source::new(key(1, 0), Codec::Vp8, a_first);
        let mut b = Source::new(key(2, 2), Codec::Vp8, b_first);
        stream.select(Some(&wanted(a.key, &a.codecs)));

        for frame in 0..60u64 {
            let millis = frame * 33;
            if frame == 20 {
                stream.select(Some(&wanted(b.key, &b.codecs)));
                assert_eq!(stream.needs_keyframe(), Some(b.key));
                assert_eq!(stream.listens_to(), [Some(a.key), Some(b.key)]);
            }
            if frame == 40 {
                stream.select(Some(&wanted(a.key, &a.codecs)));
            }
            let packets = a.vp8_frame(millis, 3, frame % 15 == 0, 0);
            give(&mut stream, &mut sink, &a, &packets);
            let packets = b.vp8_frame(millis, 2, frame % 25 == 0, 0);
            give(&mut stream, &mut sink, &b, &packets);
        }

        sink.assert_continuous();
        // a: frames 0–25, b: 25–44, a again: 45–59.
        assert_eq!(sink.received.len(), 26 * 3 + 20 * 2 + 15 * 3);
        assert_eq!(sink.received[0].index, u64::from(first));
        let expected: Vec<_> = (0..61u16)
            .map(|n| {
                (
                    0x7ffe_u16.wrapping_add(n) & 0x7fff,
                    255u8.wrapping_add(n as u8),
                )
            })
            .collect();
        assert_eq!(sink.pictures(), expected);
        assert!(
            sink.received
                .iter()
                .all(|packet| packet.header.payload_type == VP8)
        );
    }
}

#[test]
fn timestamps_follow_the_time_that_passed() {
    let mut stream = stream(video_config(), 9);
    let mut sink = Collector::default();
    let mut a = Source::new(key(1, 0), Codec::Vp8, 65_536);
    let mut b = Source::new(key(2, 0), Codec::Vp8, 80_000);
    stream.select(Some(&wanted(a.key, &a.codecs)));
    give(
        &mut stream,
        &mut sink,
        &a.clone(),
        &a.vp8_frame(0, 1, true, 0),
    );
    stream.select(Some(&wanted(b.key, &b.codecs)));

    give(
        &mut stream,
        &mut sink,
        &b.clone(),
        &b.vp8_frame(5_000, 1, true, 0),
    );

    let step = sink.received[1]
        .header
        .timestamp
        .wrapping_sub(sink.received[0].header.timestamp);
    assert_eq!(step, 5 * 90_000);
}

#[test]
fn layers_with_equal_capture_times_do_not_push_the_line_ahead() {
    let mut stream = stream(video_config(), 9);
    let mut sink = Collector::default();
    let mut layers = [
        Source::new(key(1, 0), Codec::Vp8, 65_536),
        Source::new(key(1, 1), Codec::Vp8, 80_000),
    ];

    // Each frame is a keyframe and comes from the other layer: 300 switches in 10 s, arriving together.
    for frame in 0..300u64 {
        let [low, high] = &mut layers;
        let packets = [
            low.vp8_frame(frame * 33, 1, true, 0),
            high.vp8_frame(frame * 33, 1, true, 0),
        ];
        for (layer, packets) in [&*low, &*high].into_iter().zip(&packets) {
            stream.select(Some(&wanted(layer.key, &layer.codecs)));
            give(&mut stream, &mut sink, layer, packets);
        }
    }

    sink.assert_continuous();
    let first = sink.received[0].header.timestamp;
    let last = sink.received[599].header.timestamp;
    let elapsed = i64::from(last.wrapping_sub(first));
    assert!((elapsed - 299 * 33 * 90).abs() < 300, "{elapsed}");
    for pair in sink.received.windows(2) {
        assert_ne!(
            pair[0].header.timestamp, pair[1].header.timestamp,
            "frames merged"
        );
    }
}

#[test]
fn a_cached_keyframe_catches_up_with_the_line_and_late_packets_keep_their_frames_timestamp() {
    let mut stream = stream(video_config(), 9);
    let mut sink = Collector::default();
    let mut a = Source::new(key(1, 0), Codec::Vp8, 65_536);
    let mut b = Source::new(key(2, 0), Codec::Vp8, 80_000);
    stream.select(Some(&wanted(a.key, &a.codecs)));
    let mut cached = Vec::new();
    for frame in 0..31u64 {
        give(
            &mut stream,
            &mut sink,
            &a.clone(),
            &a.vp8_frame(frame * 33, 1, frame == 0, 0),
        );
        cached.extend(b.vp8_frame(frame * 33, 2, frame == 0, 0));
    }
    stream.select(Some(&wanted(b.key, &b.codecs)));
    let late = cached.remove(21);

    for packet in &cached {
        let _ = stream.handle_packet(Time::from_millis(1_000), b.key, packet.borrow(), &mut sink);
    }
    let forwarded = stream.handle_packet(Time::from_millis(1_001), b.key, late.borrow(), &mut sink);
    give(
        &mut stream,
        &mut sink,
        &b.clone(),
        &b.vp8_frame(31 * 33, 2, false, 0),
    );

    assert_eq!(forwarded, Ok(Forwarded::default()));
    sink.assert_continuous();
    let packets: Vec<_> = sink.by_index().into_values().collect();
    assert_eq!(
        packets[31 + 20].header.timestamp,
        packets[31 + 21].header.timestamp
    );
    let elapsed = packets[packets.len() - 1]
        .header
        .timestamp
        .wrapping_sub(packets[0].header.timestamp);
    assert_eq!(
        elapsed,
        30 * 3_000 - 30 * 2_970 + 31 * 3_000,
        "the live frame is on the line of elapsed time"
    );
}

#[test]
fn capture_clocks_decide_where_both_are_known() {
    let mut stream = stream(video_config(), 9);
    let mut sink = Collector::default();
    let mut a = Source::new(key(1, 0), Codec::Vp8, 65_536);
    let mut b = Source::new(key(1, 1), Codec::Vp8, 80_000);
    let from_a = a.vp8_frame(100, 1, true, 0);
    let from_b = b.vp8_frame(250, 1, true, 0);
    let clock = |millis, packet: &Stored| SourceClock {
        time: Time::from_millis(millis),
        rtp_timestamp: packet.meta.timestamp,
    };
    let mut want_a = wanted(a.key, &a.codecs);
    want_a.clock = Some(clock(90, &from_a[0]));
    stream.select(Some(&want_a));
    give(&mut stream, &mut sink, &a, &from_a);
    let mut want_b = wanted(b.key, &b.codecs);
    want_b.clock = Some(clock(190, &from_b[0]));
    stream.select(Some(&want_b));

    give(&mut stream, &mut sink, &b, &from_b);

    let step = sink.received[1]
        .header
        .timestamp
        .wrapping_sub(sink.received[0].header.timestamp);
    assert_eq!(step, 100 * 90);
}

#[test]
fn a_source_gap_stays_a_gap_and_the_late_packet_fills_it() {
    let mut stream = stream(video_config(), 65_534);
    let mut sink = Collector::default();
    let mut a = Source::new(key(1, 0), Codec::Vp8, 131_068);
    stream.select(Some(&wanted(a.key, &a.codecs)));
    let packets = a.vp8_frame(0, 8, true, 0);

    for index in [0, 1, 4, 5, 3, 5, 0, 7] {
        let result = stream.handle_packet(Time::ZERO, a.key, packets[index].borrow(), &mut sink);
        assert!(matches!(result, Ok(_) | Err(DropReason::Duplicate)));
    }

    let offsets: Vec<_> = sink
        .received
        .iter()
        .map(|packet| packet.index - 65_534)
        .collect();
    assert_eq!(offsets, [0, 1, 4, 5, 3, 7]);
}

#[test]
fn stragglers_from_before_a_switch_are_dropped() {
    let mut stream = stream(video_config(), 0);
    let mut sink = Collector::default();
    let mut a = Source::new(key(1, 0), Codec::Vp8, 65_536);
    let mut b = Source::new(key(2, 0), Codec::Vp8, 80_000);
    stream.select(Some(&wanted(a.key, &a.codecs)));
    let from_a = a.vp8_frame(0, 3, true, 0);
    give(&mut stream, &mut sink, &a, &from_a[..2]);
    let older = b.vp8_frame(1, 1, false, 0);
    let from_b = b.vp8_frame(2, 1, true, 0);
    stream.select(Some(&wanted(b.key, &b.codecs)));
    give(&mut stream, &mut sink, &b, &from_b);

    let old_source = stream.handle_packet(Time::ZERO, a.key, from_a[2].borrow(), &mut sink);
    let before_keyframe = stream.handle_packet(Time::ZERO, b.key, older[0].borrow(), &mut sink);

    assert_eq!(old_source, Err(DropReason::TooOld));
    assert_eq!(before_keyframe, Err(DropReason::TooOld));
    assert_eq!(stream.listens_to(), [Some(b.key), None]);
    sink.assert_continuous();
}

#[test]
fn ids_of_seven_bits_and_sources_without_ids_follow_on() {
    let mut stream = stream(video_config(), 0);
    let mut sink = Collector::default();
    let mut long = Source::new(key(1, 0), Codec::Vp8, 65_536);
    let mut short = Source::new(key(2, 0), Codec::Vp8, 80_000);
    short.is_15_bit = false;
    short.picture_id = 0x7e;

    for (source, frames) in [(&mut long, 3), (&mut short, 200)] {
        stream.select(Some(&wanted(source.key, &source.codecs)));
        for frame in 0..frames {
            let packets = source.vp8_frame(frame * 33, 2, frame == 0, 0);
            give(&mut stream, &mut sink, source, &packets);
        }
    }

    sink.assert_continuous();
    let ids = sink.pictures();
    assert_eq!(ids.len(), 203);
    for (n, (picture_id, tl0)) in ids.into_iter().enumerate() {
        let expected = (0x7ffe + n as u16) & 0x7fff;
        let mask = if n < 3 { 0x7fff } else { 0x7f };
        assert_eq!(
            (picture_id, tl0),
            (expected & mask, 255u8.wrapping_add(n as u8))
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Loss, duplication and reordering in the network, deliberate drops and switches here: no index is used twice, each
    /// source packet keeps its order, and nothing is missing but what was lost.
    #[test]
    fn the_subscriber_sees_what_a_faultless_path_would_show_but_for_losses(
        first in prop_oneof![0u16..4, 65_500u16..=65_535],
        seed in any::<u64>(),
        max_temporal in 0u8..3,
    ) {
        let mut random = seed | 1;
        let mut next = move |bound: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % bound
        };
        let mut stream = stream(video_config(), first);
        let mut sink = Collector::default();
        let mut sources = [
            Source::new(key(1, 0), Codec::Vp8, 131_000),
            Source::new(key(2, 0), Codec::Vp8, 65_536),
        ];
        let mut lost = 0;
        let mut delayed: Vec<(usize, Stored)> = Vec::new();
        for frame in 0..120u64 {
            let temporal = [0, 2, 1, 2][frame as usize % 4];
            let selected = (frame / 40) as usize % 2;
            if frame % 40 == 0 {
                let mut want = wanted(sources[selected].key, &sources[selected].codecs);
                want.max_temporal_layer = max_temporal;
                stream.select(Some(&want));
                // What is delayed over a switch is a straggler: lost, if it was wanted.
                lost += delayed.drain(..).count() as u64;
            }
            let packets = sources[selected].vp8_frame(frame * 33, 3, frame % 40 == 0, temporal);
            let key = sources[selected].key;
            for (index, packet) in packets.into_iter().enumerate() {
                let is_first = frame % 40 == 0 && index == 0;
                match next(10) {
                    0 if !is_first => lost += 1,
                    1 if !is_first => delayed.push((next(6) as usize, packet)),
                    2 => {
                        for _ in 0..2 {
                            let _ = stream.handle_packet(packet.meta.arrival, key, packet.borrow(), &mut sink);
                        }
                    }
                    _ => {
                        let _ = stream.handle_packet(packet.meta.arrival, key, packet.borrow(), &mut sink);
                    }
                }
                for entry in &mut delayed {
                    entry.0 = entry.0.saturating_sub(1);
                }
                if let Some(due) = delayed.iter().position(|entry| entry.0 == 0) {
                    let (_, packet) = delayed.remove(due);
                    let _ = stream.handle_packet(packet.meta.arrival, key, packet.borrow(), &mut sink);
                }
            }
        }
        let packets: Vec<_> = sink.by_index().into_values().cloned().collect();
        let span = packets[packets.len() - 1].index - packets[0].index + 1;
        let holes = span - packets.len() as u64;
        // A lost packet of a layer that is not wanted may leave a hole too; there are never more holes than losses.
        prop_assert!(holes <= lost + delayed.len() as u64);
        let media: Vec<_> = packets.iter().filter(|p| !p.payload.is_empty()).collect();
        for pair in media.windows(2) {
            let step = pair[1].header.timestamp.wrapping_sub(pair[0].header.timestamp) as i32;
            prop_assert!(step >= 0, "timestamp went back by {}", step);
        }
    }
}
