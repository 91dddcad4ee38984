use super::*;
use wire::extensions::{ExtensionIds, Tag};
use wire::rtp::OutgoingHeader;

const STARTS: [u16; 4] = [0, 32_766, 65_533, 65_535];
const MEDIA: Binding = Binding {
    track: 0,
    encoding: 0,
    is_retransmission: false,
};
const RTX: Binding = Binding {
    track: 0,
    encoding: 0,
    is_retransmission: true,
};
/// VP8 descriptor (S bit), key frame header with 320x180.
const VP8_KEYFRAME: &[u8] = &[
    0x10, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00, 0, 0, 0,
];
/// VP8 descriptor (S bit), inter frame.
const VP8_DELTA: &[u8] = &[0x10, 0x11, 0x02, 0x00, 1, 2, 3];

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

fn codec_config(codec: Codec) -> CodecConfig {
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

fn track(codec: Codec, rids: &[&str]) -> PublishedTrack {
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

struct Packet<'a> {
    ssrc: u32,
    payload_type: u8,
    number: u16,
    payload: &'a [u8],
    padding: u8,
}

fn video(number: u16, payload: &[u8]) -> Packet<'_> {
    Packet {
        ssrc: 10,
        payload_type: 96,
        number,
        payload,
        padding: 0,
    }
}

fn send(
    track: &mut PublishedTrack,
    millis: u64,
    binding: Binding,
    packet: &Packet<'_>,
) -> Result<Received, DropReason> {
    send_with(track, millis, binding, packet, &Extensions::default())
}

fn send_with(
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

fn rtx_payload(original: u16, payload: &[u8]) -> Vec<u8> {
    [&original.to_be_bytes(), payload].concat()
}

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
fn flow_and_layers_are_told_once_when_they_come_and_go() {
    let mut track = track(Codec::Vp8, &["q", "h", "f"]);
    let sizes = |track: &PublishedTrack| -> Vec<_> {
        track
            .encodings()
            .iter()
            .map(|state| (state.is_alive, state.width, state.height))
            .collect()
    };
    assert_eq!(
        sizes(&track),
        [(false, 320, 180), (false, 640, 360), (false, 1280, 720)]
    );
    assert_eq!(track.poll_changes(at(0)), TrackChanges::default());

    send(&mut track, 10, MEDIA, &video(1, VP8_DELTA)).expect("stored");
    let began = TrackChanges {
        is_flowing: Some(true),
        are_encodings_changed: true,
    };
    assert_eq!(track.poll_changes(at(10)), began);
    assert_eq!(track.poll_changes(at(10)), TrackChanges::default());

    // A keyframe tells 320x180 of the middle encoding: the others follow by halves.
    let middle = Binding {
        encoding: 1,
        ..MEDIA
    };
    send(
        &mut track,
        20,
        middle,
        &Packet {
            ssrc: 11,
            ..video(1, VP8_KEYFRAME)
        },
    )
    .expect("stored");
    assert!(track.poll_changes(at(20)).are_encodings_changed);
    assert_eq!(
        sizes(&track),
        [(true, 160, 90), (true, 320, 180), (false, 640, 360)]
    );

    let (mut told, mut now) = (Vec::new(), 20);
    while track.next_timeout() != Time::NEVER {
        now = track.next_timeout().as_micros() / 1000;
        track.expire(at(now));
        let mut asked = Vec::new();
        track.poll_nacks(at(now), 0, None, &mut asked);
        let changes = track.poll_changes(at(now));
        if changes != TrackChanges::default() {
            told.push(changes);
        }
    }
    let gone = TrackChanges {
        is_flowing: None,
        are_encodings_changed: true,
    };
    let stopped = TrackChanges {
        is_flowing: Some(false),
        are_encodings_changed: false,
    };
    assert_eq!(told, [gone, stopped]);
    assert!((2020..=2520).contains(&now), "{now}");
    assert_eq!(track.cached_bytes(), 0);
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

#[test]
fn an_outage_wants_a_keyframe_once() {
    let mut track = track(Codec::Vp8, &[]);
    send(&mut track, 0, MEDIA, &video(1, VP8_KEYFRAME)).expect("stored");
    send(&mut track, 1, MEDIA, &video(1000, VP8_DELTA)).expect("stored");
    assert!(track.take_wants_keyframe(0));
    assert!(!track.take_wants_keyframe(0));
}

#[test]
fn renegotiation_keeps_the_caches_unless_codecs_or_rids_changed() {
    let mut track = track(Codec::Vp8, &[]);
    let received = send(&mut track, 0, MEDIA, &video(1, VP8_KEYFRAME)).expect("stored");
    let mut config = track.config().clone();
    config.ssrcs.push((10, None));
    track.set_config(config.clone());
    let number = received.extended_sequence_number;
    assert!(
        track
            .cache(0)
            .is_some_and(|cache| cache.get(number).is_some())
    );
    config.rids = vec![
        Tag::new(b"q").expect("a token"),
        Tag::new(b"f").expect("a token"),
    ];
    track.set_config(config);
    assert_eq!(track.encoding_count(), 2);
    assert!(
        track
            .cache(0)
            .is_some_and(|cache| cache.get(number).is_none())
    );
}

#[test]
fn a_goodbye_and_a_return_of_the_ssrc_forget_what_was_before() {
    let mut track = track(Codec::Vp8, &[]);
    let before = send(&mut track, 0, MEDIA, &video(1, VP8_KEYFRAME)).expect("stored");
    track.handle_goodbye(99);
    assert!(track.cache(0).is_some_and(|cache| cache.newest().is_some()));
    track.handle_goodbye(10);
    assert_eq!(track.cached_bytes(), 0);
    let after = send(&mut track, 10, MEDIA, &video(2, VP8_KEYFRAME)).expect("stored");
    assert!(after.extended_sequence_number > before.extended_sequence_number);
}

#[test]
fn sender_reports_reach_the_encoding_of_their_ssrc() {
    let mut track = track(Codec::Vp8, &["q", "f"]);
    send(&mut track, 0, MEDIA, &video(1, VP8_KEYFRAME)).expect("stored");
    let info = SenderInfo {
        ntp_time: 1 << 40,
        rtp_timestamp: 77,
        packet_count: 1,
        octet_count: 1,
    };
    track.handle_sender_report(at(5), 10, &info);
    let expected = SenderReport {
        ntp_time: 1 << 40,
        rtp_timestamp: 77,
        arrival: at(5),
    };
    assert_eq!(track.sender_report(0), Some(expected));
    assert_eq!(track.sender_report(1), None);
}

#[test]
fn temporal_layers_are_known_while_they_are_seen() {
    let mut track = track(Codec::Vp8, &[]);
    // Extension with T: TID 2, Y 0.
    let third_layer = [0x90, 0x20, 0x80, 0x11, 0x02, 0x00, 1];
    send(&mut track, 0, MEDIA, &video(1, VP8_KEYFRAME)).expect("stored");
    send(&mut track, 10, MEDIA, &video(2, &third_layer)).expect("stored");
    track.poll_changes(at(10));
    assert_eq!(track.encodings()[0].max_temporal_layer, 2);
    for number in 3..30u16 {
        send(
            &mut track,
            u64::from(number) * 100,
            MEDIA,
            &video(number, VP8_DELTA),
        )
        .expect("stored");
    }
    track.poll_changes(at(3000));
    assert_eq!(track.encodings()[0].max_temporal_layer, 0);
}
