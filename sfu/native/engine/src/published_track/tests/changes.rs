//! What else it knows and tells: flow, layers, outages, another configuration, goodbyes, sender reports.

use super::builders::*;
use crate::published_track::*;
use wire::extensions::Tag;

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
