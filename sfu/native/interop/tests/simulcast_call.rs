//! str0m publishes VP8 simulcast and Opus; another str0m receives: handshake, forwarding, layer switches, loss.

mod world;

use engine::Command;
use engine::ids::Kind;
use netem::{LinkConfig, Loss};
use std::time::Duration;
use str0m::media::{KeyframeRequest, MediaKind, MediaTime};
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite, Ssrc};
use str0m::{Event, Rtc};
use world::{OPUS, VP8, World, published, subscribed, tag};

const RIDS: [&str; 3] = ["q", "h", "f"];
const HEIGHTS: [u16; 3] = [180, 360, 720];
const FRAME: Duration = Duration::from_millis(40);

struct Call {
    world: World,
    publisher: usize,
    viewer: usize,
    frame: u16,
    keyframe_due: [bool; 3],
    received: Vec<RtpPacket>,
    keyframe_requests: usize,
}

/// RFC 7741 with a 15-bit picture id; the last bytes tell encoding and frame.
fn vp8(encoding: usize, frame: u16, is_keyframe: bool) -> Vec<u8> {
    let mut payload = vec![
        0x90,
        0xc0,
        0x80 | (frame >> 8) as u8,
        frame as u8,
        frame as u8,
    ];
    payload.extend_from_slice(&[u8::from(!is_keyframe), 0, 0]);
    if is_keyframe {
        let height = HEIGHTS[encoding];
        payload.extend_from_slice(&[0x9d, 0x01, 0x2a]);
        payload.extend_from_slice(&(height / 9 * 16).to_le_bytes());
        payload.extend_from_slice(&height.to_le_bytes());
    }
    payload.resize(200, 0x55);
    payload.push(encoding as u8);
    payload.extend_from_slice(&frame.to_be_bytes());
    payload
}

impl Call {
    fn start() -> Self {
        let mut world = World::new();
        let config = || Rtc::builder().set_rtp_mode(true);
        let publisher = world.join(
            config(),
            vec![
                published("cam", Kind::Video, &RIDS),
                published("mic", Kind::Audio, &[]),
            ],
            vec![],
            |rtc| {
                let mut direct = rtc.direct_api();
                direct.declare_media("cam".into(), MediaKind::Video);
                for (index, rid) in RIDS.into_iter().enumerate() {
                    let ssrc = 1_000 + 10 * index as u32;
                    direct.declare_stream_tx(
                        ssrc.into(),
                        Some((ssrc + 1).into()),
                        "cam".into(),
                        Some(rid.into()),
                    );
                }
                direct.declare_media("mic".into(), MediaKind::Audio);
                direct.declare_stream_tx(2_000.into(), None, "mic".into(), None);
            },
        );
        let viewer = world.join(
            config(),
            vec![],
            vec![
                subscribed("a0", Kind::Audio, 5_000),
                subscribed("v0", Kind::Video, 6_000),
            ],
            |rtc| {
                let mut direct = rtc.direct_api();
                direct.declare_media("a0".into(), MediaKind::Audio);
                direct.expect_stream_rx(5_000.into(), None, "a0".into(), None);
                direct.declare_media("v0".into(), MediaKind::Video);
                direct.expect_stream_rx(6_000.into(), Some(6_001.into()), "v0".into(), None);
            },
        );
        let mut call = Self {
            world,
            publisher,
            viewer,
            frame: 0,
            keyframe_due: [true; 3],
            received: Vec::new(),
            keyframe_requests: 0,
        };
        call.world.run(Duration::from_secs(2));
        assert!(
            call.world.peers.iter().all(|peer| peer.has_keys),
            "both handshakes ended"
        );
        assert!(call.world.peers.iter().all(|peer| peer.rtc.is_connected()));
        call
    }

    fn watch(&mut self, max_height: u16) {
        let participant = self.world.peers[self.viewer].id;
        let source = Some((self.world.peers[self.publisher].id, tag("cam")));
        self.world.command(Command::SetSource {
            participant,
            mid: tag("v0"),
            source,
            max_height,
        });
    }

    fn write(&mut self, ssrc: u32, write: RtpWrite) {
        let rtc = &mut self.world.peers[self.publisher].rtc;
        let mut direct = rtc.direct_api();
        let ssrc: Ssrc = ssrc.into();
        direct.stream_tx(&ssrc).expect("declared").write_rtp(write);
    }

    /// A frame on every layer and two packets of sound, and what comes of them.
    fn frame(&mut self) {
        for event in std::mem::take(&mut self.world.peers[self.publisher].events) {
            if let Event::KeyframeRequest(KeyframeRequest { rid, .. }) = event {
                self.keyframe_requests += 1;
                let rid = rid.expect("simulcast");
                let index = RIDS.iter().position(|known| *known == &*rid);
                self.keyframe_due[index.expect("a known rid")] = true;
            }
        }
        let frame = self.frame;
        for encoding in 0..3 {
            let is_keyframe = std::mem::take(&mut self.keyframe_due[encoding]);
            let write = RtpWrite::new(
                VP8.into(),
                u64::from(frame + 60_000).into(),
                u32::from(frame) * 3_600,
                self.world.now,
                vp8(encoding, frame, is_keyframe),
            );
            self.write(
                1_000 + 10 * encoding as u32,
                write.marker(true).nackable(true),
            );
        }
        for half in 0..2 {
            let number = 2 * frame + half;
            let levels = ExtensionValues {
                audio_level: Some(-25),
                voice_activity: Some(true),
                ..ExtensionValues::default()
            };
            let write = RtpWrite::new(
                OPUS.into(),
                u64::from(number).into(),
                u32::from(number) * 960,
                self.world.now,
                vec![0x78, (number >> 8) as u8, number as u8],
            );
            self.write(2_000, write.ext_vals(levels));
            self.world.run(FRAME / 2);
        }
        self.frame += 1;
        for event in std::mem::take(&mut self.world.peers[self.viewer].events) {
            if let Event::RtpPacket(packet) = event {
                self.received.push(packet);
            }
        }
    }

    fn play(&mut self, frames: usize) {
        for _ in 0..frames {
            self.frame();
        }
    }

    /// In order of sequence numbers, each once.
    fn stream(&self, ssrc: u32) -> Vec<&RtpPacket> {
        let mut packets: Vec<_> = self
            .received
            .iter()
            .filter(|packet| *packet.header.ssrc == ssrc)
            .collect();
        packets.sort_by_key(|packet| *packet.seq_no);
        packets
    }

    fn assert_continuous(packets: &[&RtpPacket]) {
        for pair in packets.windows(2) {
            assert_eq!(*pair[1].seq_no, *pair[0].seq_no + 1);
            let step = pair[1]
                .header
                .timestamp
                .wrapping_sub(pair[0].header.timestamp) as i32;
            assert!(step > 0, "{step}");
        }
    }
}

fn encoding_of(packet: &RtpPacket) -> u8 {
    packet.payload[packet.payload.len() - 3]
}

#[test]
fn sound_and_picture_arrive_whole() {
    let mut call = Call::start();
    call.watch(720);
    call.play(150);

    let sound = call.stream(5_000);
    assert!(sound.len() >= 290, "{}", sound.len());
    Call::assert_continuous(&sound);
    let picture = call.stream(6_000);
    assert!(picture.len() >= 145, "{}", picture.len());
    Call::assert_continuous(&picture);
    assert!(picture.iter().all(|packet| packet.header.marker));
    let last = picture.last().expect("some");
    let ids = u16::from_be_bytes([last.payload[2], last.payload[3]]);
    let first = u16::from_be_bytes([picture[0].payload[2], picture[0].payload[3]]);
    assert_eq!(
        ids.wrapping_sub(first) & 0x7fff,
        picture.len() as u16 - 1,
        "picture ids step by one"
    );
    call.world.check();
}

#[test]
fn layers_follow_what_is_asked_for() {
    let mut call = Call::start();
    for height in [180, 720, 360, 720, 180] {
        call.watch(height);
        call.play(60);
    }
    let picture = call.stream(6_000);
    Call::assert_continuous(&picture);
    let mut layers: Vec<u8> = picture.iter().map(|packet| encoding_of(packet)).collect();
    layers.dedup();
    // Until a layer's height is known from its keyframe it is guessed, so the first choice may be another.
    assert!(layers.ends_with(&[0, 2, 1, 2, 0]), "{layers:?}");
    assert!(
        call.keyframe_requests >= 3,
        "str0m understood the engine's requests: {}",
        call.keyframe_requests
    );
    assert!(picture.len() > 280, "{}", picture.len());
}

#[test]
fn losses_on_both_ways_are_repaired_by_both_stacks() {
    let mut call = Call::start();
    call.watch(720);
    call.play(25);
    let config = LinkConfig {
        loss: Loss::Random { probability: 0.05 },
        delay_ns: 15_000_000,
        ..LinkConfig::default()
    };
    call.world.set_path(call.publisher, config);
    call.world.set_path(call.viewer, config);
    call.play(250);
    for index in [call.publisher, call.viewer] {
        call.world.set_path(index, LinkConfig::default());
    }
    call.play(25);

    let counters = call.world.engine.statistics().counters;
    assert!(counters.nacks_sent > 5, "the engine asked str0m");
    assert!(
        counters.retransmissions_received > 5,
        "str0m answered: {}",
        counters.retransmissions_received
    );
    assert!(counters.retransmissions_sent > 5, "str0m asked the engine");
    let picture = call.stream(6_000);
    Call::assert_continuous(&picture);
    assert!(picture.len() >= 295, "{}", picture.len());
    call.world.check();
}

#[test]
fn reports_make_sense_to_each_other() {
    let mut call = Call::start();
    call.watch(720);
    call.play(150);
    let picture = call.stream(6_000);
    let newest = picture.last().expect("some");
    let info = newest
        .last_sender_info
        .expect("the engine's sender reports were taken");
    let at: MediaTime = info.rtp_time;
    let apart = (newest.time.as_seconds() - at.as_seconds()).abs();
    assert!(apart < 2.0, "{apart} s between report and media");
    let rtt = call
        .world
        .events
        .iter()
        .rev()
        .find_map(|event| match event {
            engine::Event::Quality { quality, .. } => quality.round_trip,
            _ => None,
        });
    assert!(rtt.is_some_and(|rtt| rtt < Duration::from_millis(50)), "{rtt:?}");
}
