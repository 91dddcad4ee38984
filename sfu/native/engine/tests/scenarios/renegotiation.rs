//! Lines that come and go leave the streams of the others alone.

use crate::common::*;
use engine::{Command, DropReason};

#[test]
fn a_new_offer_with_more_lines_leaves_running_streams_alone() {
    let mut call = Call::new(&[]);
    for lines in 2..6 {
        call.play(SECOND);
        call.harness.set_media(call.receiver, vec![], lines);
        let mut screen = camera(&[]);
        screen.mid = tag("screen");
        let mut published = vec![microphone(), camera(&[]), screen];
        published.truncate(lines);
        call.harness.set_media(call.sender, published, 1);
    }
    let frames = call.viewer.assert_whole();
    assert_eq!(frames.len(), 100);
    assert_eq!(call.publisher.keyframes_sent, 1, "nothing began anew");
}

#[test]
fn a_removed_line_takes_its_stream_and_leaves_the_others_their_numbers() {
    let mut harness = Harness::new();
    let sender = harness.join(vec![camera(&[])], 1);
    let receiver = harness.join(vec![], 3);
    let id = harness.clients[receiver].id;
    let mut publisher = Publisher::new(sender, &[]);
    let mut viewers: Vec<Viewer> = (0..3)
        .map(|line| Viewer::new(&harness, receiver, line))
        .collect();
    for mid in ["v0", "v1", "v2"] {
        harness.set_source(receiver, mid, Some((sender, "cam")), 720);
    }
    let mut all: Vec<&mut Viewer> = viewers.iter_mut().collect();
    play(&mut harness, &mut [&mut publisher], &mut all, SECOND);
    let mut lines = receive_lines(id.0, 3);
    let gone = lines.remove(4);
    assert_eq!(gone.mid, tag("v1"));
    harness.command(Command::SetMedia {
        participant: id,
        published: vec![],
        subscribed: lines.clone(),
    });
    play(&mut harness, &mut [&mut publisher], &mut all, SECOND);

    let frames = viewers[0].assert_whole().len();
    assert_eq!((frames, viewers[2].assert_whole().len()), (50, 50));
    assert_eq!(viewers[1].assert_whole().len(), 25);
    assert_eq!(publisher.keyframes_sent, 1);

    // Under the same keys the SSRC must not begin anew.
    lines.push(gone);
    let result = harness.engine.handle_command(
        harness.now,
        Command::SetMedia {
            participant: id,
            published: vec![],
            subscribed: lines,
        },
    );
    assert!(result.is_err());
    harness.assert_consistent();
}

#[test]
fn a_publisher_who_takes_a_line_away_stops_its_viewers_and_may_bring_it_back() {
    let mut call = Call::new(&[]);
    let publish = |call: &mut Call, published| call.harness.set_media(call.sender, published, 1);
    call.play(SECOND);
    call.harness.take_events();
    publish(&mut call, vec![]);
    assert_eq!(call.harness.take_started_sources(call.receiver), [None]);
    call.play(SECOND);
    assert_eq!(call.harness.drops(DropReason::UnknownSsrc), 75);
    // Other codecs than before.
    let mut other = camera(&[]);
    other.codecs[0].format_key = "other".into();
    publish(&mut call, vec![other]);
    call.play(SECOND);
    assert_eq!(
        call.viewer.assert_whole().len(),
        25,
        "nobody can decode that"
    );
    publish(&mut call, vec![camera(&[])]);
    call.play(2 * SECOND);
    let packets = call.viewer.packets.len();
    assert!(packets > 75 + 100, "{packets}");
    call.viewer.assert_gapless();
}
