//! Packets that arrive: gaps and their repair, probes, streams that begin anew, what is dropped and why.

use super::builders::*;
use crate::published_track::*;
use wire::rtp::OutgoingHeader;

#[test]
fn a_lost_packet_is_asked_for_and_its_retransmission_fills_the_gap() {
    for start in STARTS {
        let mut track = track(Codec::Vp8, &[]);
        let first = send(&mut track, 0, MEDIA, &video(start, VP8_KEYFRAME)).expect("stored");
        assert!(first.starts_keyframe && !first.is_restart);
        for offset in [2, 3, 4] {
            send(
                &mut track,
                1,
                MEDIA,
                &video(start.wrapping_add(offset), VP8_DELTA),
            )
            .expect("stored");
        }
        let lost = start.wrapping_add(1);
        let startable = |track: &PublishedTrack| {
            let cache = track.cache(0).expect("one encoding");
            cache.startable_from(at(30), Duration::from_secs(1), 100)
        };
        assert_eq!(startable(&track), None);

        let mut asked = Vec::new();
        assert_eq!(track.poll_nacks(at(1), 0, None, &mut asked), Some(10));
        assert_eq!(asked, [lost]);
        let payload = rtx_payload(lost, VP8_DELTA);
        let repair = Packet {
            ssrc: 20,
            payload_type: 97,
            number: 7,
            payload: &payload,
            padding: 3,
        };
        let received = send(&mut track, 30, RTX, &repair).expect("stored");

        assert!(received.filled_gap);
        assert_eq!(
            received.extended_sequence_number,
            first.extended_sequence_number + 1
        );
        let stored = track
            .cache(0)
            .and_then(|cache| cache.get(received.extended_sequence_number));
        assert_eq!(stored.map(|packet| packet.payload), Some(VP8_DELTA));
        assert_eq!(startable(&track), Some(first.extended_sequence_number));
        assert_eq!(
            send(
                &mut track,
                31,
                RTX,
                &Packet {
                    number: 8,
                    ..repair
                }
            ),
            Err(DropReason::Duplicate)
        );
        // The loss stays in the report of the media SSRC (RFC 4588: another stream); both SSRCs are reported.
        let mut blocks = Vec::new();
        track.report_blocks(at(40), &mut blocks);
        let told: Vec<_> = blocks
            .iter()
            .map(|block| (block.ssrc, block.cumulative_lost))
            .collect();
        assert_eq!(told, [(10, 1), (20, 0)]);
    }
}

#[test]
fn probes_are_counted_but_not_stored() {
    let mut track = track(Codec::Vp8, &[]);
    let probe = Packet {
        ssrc: 20,
        payload_type: 97,
        number: 1,
        payload: &[],
        padding: 255,
    };
    assert_eq!(
        send(&mut track, 0, RTX, &probe),
        Err(DropReason::PaddingOnly)
    );
    let key = send(&mut track, 1, MEDIA, &video(5, VP8_KEYFRAME)).expect("stored");
    let padding = Packet {
        padding: 100,
        ..video(6, &[])
    };
    assert!(
        send(&mut track, 2, MEDIA, &padding)
            .expect("noted")
            .is_padding
    );
    send(&mut track, 3, MEDIA, &video(7, VP8_DELTA)).expect("stored");

    let mut blocks = Vec::new();
    track.report_blocks(at(4), &mut blocks);
    assert_eq!(
        blocks
            .iter()
            .map(|block| block.cumulative_lost)
            .collect::<Vec<_>>(),
        [0, 0]
    );
    let cache = track.cache(0).expect("one encoding");
    let start = cache.startable_from(at(4), Duration::from_secs(1), 100);
    assert_eq!(
        start,
        Some(key.extended_sequence_number),
        "padding is no hole"
    );
    let mut asked = Vec::new();
    assert_eq!(track.poll_nacks(at(100), 0, None, &mut asked), None);
}

#[test]
fn what_makes_no_sense_is_dropped_with_its_reason() {
    let rtx = |payload| Packet {
        ssrc: 20,
        payload_type: 97,
        number: 1,
        payload,
        padding: 0,
    };
    let third = Binding {
        encoding: 2,
        ..MEDIA
    };
    // (binding, packet, reason)
    let cases = [
        (
            MEDIA,
            Packet {
                payload_type: 100,
                ..video(9, VP8_DELTA)
            },
            DropReason::UnknownPayloadType,
        ),
        (
            MEDIA,
            Packet {
                payload_type: 97,
                ..video(9, VP8_DELTA)
            },
            DropReason::UnknownPayloadType,
        ),
        (RTX, video(9, VP8_DELTA), DropReason::UnknownPayloadType),
        (third, video(9, VP8_DELTA), DropReason::UnknownSsrc),
        (MEDIA, video(5, VP8_KEYFRAME), DropReason::Duplicate),
        (MEDIA, video(6, &[0x80]), DropReason::BadPayload),
        (MEDIA, video(30_000, VP8_DELTA), DropReason::TooOld),
        (RTX, rtx(&[0]), DropReason::Malformed),
        (RTX, rtx(&[0, 5]), DropReason::PaddingOnly),
        (RTX, rtx(&[0x70, 0, 0x10, 0x11]), DropReason::TooOld),
    ];
    for (binding, packet, reason) in cases {
        let mut track = track(Codec::Vp8, &[]);
        send(&mut track, 0, MEDIA, &video(5, VP8_KEYFRAME)).expect("stored");
        assert_eq!(
            send(&mut track, 1, binding, &packet),
            Err(reason),
            "number {}",
            packet.number
        );
    }
    let mut track = track(Codec::Vp8, &[]);
    let payload = rtx_payload(5, VP8_DELTA);
    assert_eq!(
        send(&mut track, 0, RTX, &rtx(&payload)),
        Err(DropReason::TooOld),
        "before any media"
    );
}

#[test]
fn a_padding_count_longer_than_the_packet_is_malformed() {
    let mut track = track(Codec::Vp8, &[]);
    let mut bytes = Vec::new();
    let header = OutgoingHeader {
        marker: false,
        payload_type: 96,
        sequence_number: 1,
        timestamp: 0,
        ssrc: 10,
    };
    header.write(&mut bytes, false, true);
    bytes.extend_from_slice(&[1, 2, 200]);
    let header = RtpHeader::parse(&bytes).expect("just written");
    let result = track.handle_rtp(at(0), MEDIA, &header, &Extensions::default(), &bytes);
    assert_eq!(result, Err(DropReason::Malformed));
}

#[test]
fn another_ssrc_in_the_same_place_continues_with_higher_numbers() {
    for start in STARTS {
        let mut track = track(Codec::Vp8, &[]);
        let before = send(&mut track, 0, MEDIA, &video(start, VP8_KEYFRAME)).expect("stored");
        let other = Packet {
            ssrc: 11,
            ..video(3, VP8_KEYFRAME)
        };
        let after = send(&mut track, 10, MEDIA, &other).expect("stored");
        assert!(after.is_restart);
        assert!(after.extended_sequence_number > before.extended_sequence_number);
        let cache = track.cache(0).expect("one encoding");
        assert!(
            cache.get(before.extended_sequence_number).is_none(),
            "of another stream"
        );
        let mut blocks = Vec::new();
        track.report_blocks(at(20), &mut blocks);
        assert_eq!(
            blocks
                .iter()
                .map(|b| (b.ssrc, b.highest_sequence_number))
                .collect::<Vec<_>>(),
            [(11, 3)]
        );
    }
}

#[test]
fn audio_and_red_share_a_codec_index_and_ask_for_nothing_without_nack() {
    let mut track = track(Codec::Opus, &[]);
    let level = AudioLevel {
        minus_dbov: 30,
        is_voice: true,
    };
    let extensions = Extensions {
        audio_level: Some(level),
        ..Extensions::default()
    };
    let opus = Packet {
        ssrc: 1,
        payload_type: 111,
        number: 1,
        payload: &[0x78, 1, 2],
        padding: 0,
    };
    let red_payload = [111, 0x78, 1, 2];
    let red = Packet {
        payload_type: 63,
        number: 5,
        payload: &red_payload,
        ..opus
    };
    let first = send_with(&mut track, 0, MEDIA, &opus, &extensions).expect("stored");
    let second = send_with(&mut track, 20, MEDIA, &red, &extensions).expect("stored");

    assert_eq!((first.audio_level, second.encoding), (Some(level), 0));
    let cache = track.cache(0).expect("one encoding");
    let stored: Vec<_> = cache
        .packets_from(0)
        .map(|packet| {
            (
                packet.meta.codec,
                packet.meta.codec_index,
                packet.payload.len(),
            )
        })
        .collect();
    assert_eq!(stored, [(Codec::Opus, 0, 3), (Codec::Red, 0, 4)]);
    let mut asked = Vec::new();
    assert_eq!(track.poll_nacks(at(500), 0, None, &mut asked), None);
    assert!(!track.take_wants_keyframe(0));
}
