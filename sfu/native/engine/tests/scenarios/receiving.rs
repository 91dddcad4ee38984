//! A publisher's stream over a bad link, and dependency descriptors as Chromium sends them, through a published track.

use crate::common::{l3t3_descriptor, vp8};
use engine::DropReason;
use engine::ids::{Kind, TrackKey};
use engine::media_config::PublishConfig;
use engine::published_track::{PublishedTrack, Received};
use engine::ssrc_table::Binding;
use engine::time::Time;
use std::collections::BTreeMap;
use std::time::Duration;
use wire::dependency_descriptor::DecodeTargets;
use wire::extensions::{ExtensionIds, Extensions, Tag};
use wire::rtp::{OutgoingHeader, RtpHeader};

const VP8_KEYFRAME: &[u8] = &[
    0x10, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00, 0, 0, 0,
];
const VP8_DELTA: &[u8] = &[0x10, 0x11, 0x02, 0x00, 1, 2, 3];

fn track() -> PublishedTrack {
    let config = PublishConfig {
        mid: Tag::new(b"1").expect("a token"),
        kind: Kind::Video,
        codecs: vec![vp8()],
        rids: vec![],
        ssrcs: vec![],
        extensions: ExtensionIds::default(),
    };
    PublishedTrack::new(TrackKey(1), config, true)
}

fn deliver(
    track: &mut PublishedTrack,
    millis: u64,
    (is_retransmission, number): (bool, u16),
    payload: &[u8],
    extensions: &Extensions<'_>,
) -> Result<Received, DropReason> {
    let mut bytes = Vec::new();
    let header = OutgoingHeader {
        marker: true,
        payload_type: if is_retransmission { 97 } else { 96 },
        sequence_number: number,
        timestamp: millis as u32 * 90,
        ssrc: if is_retransmission { 20 } else { 10 },
    };
    header.write(&mut bytes, false, false);
    bytes.extend_from_slice(payload);
    let header = RtpHeader::parse(&bytes).expect("just written");
    let binding = Binding {
        track: 0,
        encoding: 0,
        is_retransmission,
    };
    track.handle_rtp(
        Time::from_millis(millis),
        binding,
        &header,
        extensions,
        &bytes,
    )
}

/// Deterministic noise for the link (the `SplitMix64` generator).
fn noise(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ (mixed >> 27)) >> 16
}

/// 500 packets 5 ms apart; 10 % lost, 10 % up to 30 ms late, 5 % twice; answers to NACKs take 40 ms and are lost alike.
/// Returns how many of the last 300 numbers are in the cache at the end, and how many were asked for.
fn bad_link(seed: u64, start: u16) -> (usize, usize) {
    let mut track = track();
    let mut state = seed;
    // (arrival, order) → (is a retransmission, wire number, original number)
    let mut link: BTreeMap<(u64, usize), (bool, u16, u16)> = BTreeMap::new();
    let (mut first, mut asked, mut rtx_number) = (None, 0, 60_000u16);
    for now in 0..3000u64 {
        if now % 5 == 0 && now < 2500 {
            let number = start.wrapping_add((now / 5) as u16);
            let draw = noise(&mut state) % 100;
            let delay = if (10..20).contains(&draw) {
                noise(&mut state) % 30
            } else {
                0
            };
            if draw >= 10 || now == 0 {
                link.insert((now + delay, link.len()), (false, number, number));
            }
            if draw >= 95 {
                link.insert((now + 3, link.len() + 10_000), (false, number, number));
            }
        }
        while let Some(entry) = link.first_entry().filter(|entry| entry.key().0 <= now) {
            let (is_retransmission, number, original) = entry.remove();
            let media = if original == start {
                VP8_KEYFRAME
            } else {
                VP8_DELTA
            };
            let payload = if is_retransmission {
                [&original.to_be_bytes(), media].concat()
            } else {
                media.to_vec()
            };
            let packet = (is_retransmission, number);
            let result = deliver(&mut track, now, packet, &payload, &Extensions::default());
            first = first.or(result
                .ok()
                .map(|received| received.extended_sequence_number));
        }
        let mut numbers = Vec::new();
        track.poll_nacks(
            Time::from_millis(now),
            0,
            Some(Duration::from_millis(40)),
            &mut numbers,
        );
        asked += numbers.len();
        for number in numbers {
            rtx_number = rtx_number.wrapping_add(1);
            if noise(&mut state) % 100 >= 10 {
                link.insert((now + 40, link.len() + 20_000), (true, rtx_number, number));
            }
        }
    }
    let from = first.expect("something arrived") + 200;
    let cache = track.cache(0).expect("one encoding");
    (cache.packets_from(from).count(), asked)
}

#[test]
fn everything_arrives_in_the_end_over_a_link_that_loses_delays_and_doubles() {
    for (seed, start) in [(1, 0), (2, 65_400), (3, 65_535), (4, 32_600), (5, 65_035)] {
        let (held, asked) = bad_link(seed, start);

        assert_eq!(held, 300, "seed {seed}");
        // 50 lost, a tenth of the answers again, and some that were only late.
        assert!(
            (40..=110).contains(&asked),
            "{asked} asked for, seed {seed}"
        );
    }
}

fn describe(bytes: &[u8]) -> Extensions<'_> {
    Extensions {
        dependency_descriptor: Some(bytes),
        ..Extensions::default()
    }
}

#[test]
fn a_dependency_descriptor_tells_keyframe_layers_and_size_better_than_the_payload() {
    let mut track = track();
    // (descriptor, starts a keyframe, spatial and temporal layer), as captured.
    let cases: [(&[u8], bool, (u8, u8)); 4] = [
        (l3t3_descriptor(), true, (0, 0)),
        (&[0x86, 0x01, 0x73, 0x40, 0xfc], false, (1, 0)),
        (&[0xc3, 0x01, 0x75, 0x40, 0xfc], false, (0, 2)),
        // Damaged: the payload speaks for itself.
        (&[0xc3, 0x01], false, (0, 0)),
    ];
    for (number, (bytes, starts_keyframe, layers)) in (1u16..).zip(cases) {
        let received =
            deliver(&mut track, 0, (false, number), VP8_DELTA, &describe(bytes)).expect("stored");

        assert_eq!(received.starts_keyframe, starts_keyframe, "packet {number}");
        let cache = track.cache(0).expect("one encoding");
        let packet = cache
            .get(received.extended_sequence_number)
            .expect("stored");
        let info = packet.meta.info;
        assert_eq!(
            (info.spatial_layer, info.temporal_layer),
            layers,
            "packet {number}"
        );
        assert_eq!(packet.dependency_descriptor, bytes);
        assert_eq!(packet.payload, VP8_DELTA);
    }
    track.poll_changes(Time::ZERO);
    let state = track.encodings()[0];
    assert_eq!(
        (state.width, state.height, state.max_temporal_layer),
        (480, 270, 2)
    );
}

#[test]
fn neither_a_late_structure_nor_a_damaged_one_takes_the_place_of_the_newest() {
    let mut track = track();
    // One template, one decode target.
    let other: &[u8] = &[0xc0, 0x01, 0x60, 0x80, 0x00, 0xe0];
    let damaged = &l3t3_descriptor()[..60];
    // (sequence number, descriptor, spatial and temporal layer)
    for (number, bytes, layers) in [
        (1, other, (0, 0)),
        (9, l3t3_descriptor(), (0, 0)),
        (5, other, (0, 0)),
        (10, damaged, (0, 0)),
        (11, &[0x88, 0x01, 0x76], (1, 2)),
    ] {
        let received =
            deliver(&mut track, 0, (false, number), VP8_DELTA, &describe(bytes)).expect("stored");

        let cache = track.cache(0).expect("one encoding");
        let packet = cache
            .get(received.extended_sequence_number)
            .expect("stored");
        let info = packet.meta.info;
        let read = (info.spatial_layer, info.temporal_layer);
        assert_eq!(read, layers, "packet {number}");
        assert_eq!(info.starts_keyframe, bytes == other || number == 9);
        let targets = packet.decode_targets.map(DecodeTargets::count);
        assert_eq!(targets, Some(if number == 1 { 1 } else { 9 }));
    }
}

#[test]
fn without_the_structure_a_descriptor_is_passed_on_but_not_believed() {
    let mut track = track();
    let extensions = describe(&[0x86, 0x01, 0x73, 0x40, 0xfc]);
    let received = deliver(&mut track, 0, (false, 1), VP8_KEYFRAME, &extensions).expect("stored");
    assert!(received.starts_keyframe);
}
