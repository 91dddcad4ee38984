//! Every version of DTLS that str0m speaks, and frames packed and put together by str0m itself.

mod world;

use engine::Command;
use engine::ids::Kind;
use netem::{LinkConfig, Loss};
use std::time::Duration;
use str0m::config::DtlsVersion;
use str0m::media::{Frequency, MediaKind, MediaTime};
use str0m::{Event, Rtc};
use world::{VP8, World, published, subscribed, tag};

const RTP_CLOCK: Frequency = Frequency::NINETY_KHZ;

/// A VP8 frame of several packets: key frame header (RFC 6386 §9.1) or not, then bytes that tell the frame.
fn frame(number: u32, is_keyframe: bool) -> Vec<u8> {
    let mut data = vec![u8::from(!is_keyframe), 0, 0];
    if is_keyframe {
        data.extend_from_slice(&[0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02]);
    }
    data.resize(3_000, number as u8);
    data.extend_from_slice(&number.to_be_bytes());
    data
}

/// Frames of 25 a second from one str0m to another; returns those that arrived whole, and whether each followed the last.
fn call(version: DtlsVersion, loss: f64) -> (World, Vec<(u32, bool)>) {
    let mut world = World::new();
    let config = || Rtc::builder().set_dtls_version(version);
    let publisher = world.join(
        config(),
        vec![published("cam", Kind::Video, &[])],
        vec![],
        |rtc| {
            let mut direct = rtc.direct_api();
            direct.declare_media("cam".into(), MediaKind::Video);
            direct.declare_stream_tx(1_000.into(), Some(1_001.into()), "cam".into(), None);
        },
    );
    let viewer = world.join(
        config(),
        vec![],
        vec![subscribed("v0", Kind::Video, 6_000)],
        |rtc| {
            let mut direct = rtc.direct_api();
            direct.declare_media("v0".into(), MediaKind::Video);
            direct.expect_stream_rx(6_000.into(), Some(6_001.into()), "v0".into(), None);
        },
    );
    world.run(Duration::from_secs(3));
    assert!(world.peers.iter().all(|peer| peer.has_keys), "{version:?}");
    let source = Some((world.peers[publisher].id, tag("cam")));
    let participant = world.peers[viewer].id;
    world.command(Command::SetSource {
        participant,
        mid: tag("v0"),
        source,
        max_height: 720,
    });
    let mut frames = Vec::new();
    let mut is_keyframe_due = true;
    for number in 0..200u32 {
        if number == 10 {
            let config = LinkConfig {
                loss: Loss::Random { probability: loss },
                delay_ns: 10_000_000,
                ..LinkConfig::default()
            };
            world.set_path(publisher, config);
            world.set_path(viewer, config);
        }
        if number == 180 {
            world.set_path(publisher, LinkConfig::default());
            world.set_path(viewer, LinkConfig::default());
        }
        for event in std::mem::take(&mut world.peers[publisher].events) {
            is_keyframe_due |= matches!(event, Event::KeyframeRequest(_));
        }
        let now = world.now;
        let data = frame(number, std::mem::take(&mut is_keyframe_due));
        world.peers[publisher]
            .rtc
            .writer("cam".into())
            .expect("declared")
            .write(
                VP8.into(),
                now,
                MediaTime::new(u64::from(number) * 3_600, RTP_CLOCK),
                data,
            )
            .expect("connected");
        world.run(Duration::from_millis(40));
        for event in std::mem::take(&mut world.peers[viewer].events) {
            if let Event::MediaData(media) = event {
                let tail = media.data.last_chunk::<4>().expect("long enough");
                frames.push((u32::from_be_bytes(*tail), media.contiguous));
                let body = &media.data[10..media.data.len() - 4];
                let number = u32::from_be_bytes(*tail) as u8;
                assert!(body.iter().all(|byte| *byte == number), "a mixed frame");
            }
        }
    }
    world.check();
    (world, frames)
}

#[test]
fn every_dtls_version_leads_to_a_call() {
    for version in [DtlsVersion::Dtls12, DtlsVersion::Dtls13, DtlsVersion::Auto] {
        let (world, frames) = call(version, 0.0);
        assert!(frames.len() >= 195, "{version:?}: {}", frames.len());
        assert!(frames.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1));
        assert!(
            frames
                .iter()
                .skip(1)
                .all(|(_, is_contiguous)| *is_contiguous)
        );
        assert!(world.peers.iter().all(|peer| peer.profile.is_some()));
    }
}

#[test]
fn frames_are_put_together_under_loss() {
    let (_, frames) = call(DtlsVersion::Auto, 0.03);
    assert!(frames.len() >= 190, "{}", frames.len());
    assert!(frames.windows(2).all(|pair| pair[1].0 > pair[0].0));
}
