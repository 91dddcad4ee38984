//! Single-stream SVC (VP9, three spatial layers): who shows a small tile gets the lower layers, who shows a large one all, each
//! at its own time, over lossy paths.

use crate::common::*;
use engine::media_config::CodecConfig;
use std::collections::BTreeMap;
use std::time::Duration;
use wire::codec::Codec;

const VP9: u8 = 98;
const VP9_RTX: u8 = 99;
const SSRC: u32 = 60_000;
const HEIGHTS: [u16; 3] = [135, 270, 540];
/// Packets of each layer frame: as in life, each layer is several times the one below.
const PACKETS: [u8; 3] = [1, 2, 5];
const TICK: Duration = Duration::from_millis(5);
const TICKS_PER_PICTURE: u64 = 8;

fn vp9() -> CodecConfig {
    CodecConfig {
        payload_type: VP9,
        codec: Codec::Vp9,
        rtx_payload_type: Some(VP9_RTX),
        format_key: "profile=0".into(),
        ..vp8()
    }
}

/// An L3 sender that repairs and refreshes when asked.
struct Publisher {
    client: usize,
    picture: u32,
    next: u16,
    rtx_next: u16,
    sent: BTreeMap<u16, (u32, bool, Vec<u8>)>,
    is_keyframe_due: bool,
    /// The first packet of the next keyframe is lost on its way, until it is asked for.
    loses_keyframe_start: bool,
    keyframes: Vec<u32>,
    nacks_seen: usize,
    requests_seen: usize,
}

impl Publisher {
    fn new(client: usize) -> Self {
        Self {
            client,
            picture: 0,
            next: 65_000,
            rtx_next: 7,
            sent: BTreeMap::new(),
            is_keyframe_due: true,
            loses_keyframe_start: false,
            keyframes: Vec::new(),
            nacks_seen: 0,
            requests_seen: 0,
        }
    }

    fn answer(&mut self, harness: &mut Harness) {
        let inbox = &harness.clients[self.client].inbox;
        self.is_keyframe_due |= inbox.keyframe_requests.len() > self.requests_seen;
        self.requests_seen = inbox.keyframe_requests.len();
        let asked: Vec<u16> = inbox.nacks[self.nacks_seen..]
            .iter()
            .flat_map(|(_, numbers)| numbers.clone())
            .collect();
        self.nacks_seen = inbox.nacks.len();
        for number in asked {
            if let Some((timestamp, marker, payload)) = self.sent.get(&number).cloned() {
                let payload = [&number.to_be_bytes()[..], &payload].concat();
                let sequence_number = self.rtx_next;
                self.rtx_next += 1;
                self.send(harness, true, sequence_number, timestamp, marker, &payload);
            }
        }
    }

    fn send(
        &self,
        harness: &mut Harness,
        is_rtx: bool,
        sequence_number: u16,
        timestamp: u32,
        marker: bool,
        payload: &[u8],
    ) {
        let packet = Rtp {
            ssrc: SSRC + u32::from(is_rtx),
            sequence_number,
            timestamp,
            payload_type: if is_rtx { VP9_RTX } else { VP9 },
            marker,
            payload,
            ..Rtp::PICTURE
        };
        harness.send_rtp(self.client, &packet);
    }

    fn send_picture(&mut self, harness: &mut Harness) {
        let is_key = std::mem::take(&mut self.is_keyframe_due);
        if is_key {
            self.keyframes.push(self.picture);
        }
        let timestamp = self.picture.wrapping_mul(3_600).wrapping_sub(90_000);
        for layer in 0..3u8 {
            let packets = PACKETS[usize::from(layer)];
            for packet in 0..packets {
                let payload = self.payload(layer, packet, packets, is_key);
                let marker = layer == 2 && packet + 1 == packets;
                let number = self.next;
                self.next = self.next.wrapping_add(1);
                self.sent
                    .insert(number, (timestamp, marker, payload.clone()));
                let is_lost = is_key
                    && (layer, packet) == (0, 0)
                    && std::mem::take(&mut self.loses_keyframe_start);
                if !is_lost {
                    self.send(harness, false, number, timestamp, marker, &payload);
                }
            }
        }
        self.picture += 1;
    }

    /// RFC 9628 §4.2: I, P, L, B, E, V; 15-bit picture id; SID; TL0PICIDX; with a keyframe the structure.
    fn payload(&self, layer: u8, packet: u8, packets: u8, is_key: bool) -> Vec<u8> {
        let has_structure = is_key && layer == 0 && packet == 0;
        let flags = [
            (true, 0x80),
            (!is_key, 0x40),
            (true, 0x20),
            (packet == 0, 0x08),
            (packet + 1 == packets, 0x04),
            (has_structure, 0x02),
        ];
        let mut payload = vec![flags.iter().filter(|flag| flag.0).map(|flag| flag.1).sum()];
        payload.extend((0x8000 | self.picture as u16 & 0x7fff).to_be_bytes());
        payload.extend([layer << 1 | u8::from(layer > 0), self.picture as u8]);
        if has_structure {
            payload.push(0x50);
            for height in HEIGHTS {
                payload.extend((height / 9 * 16).to_be_bytes());
                payload.extend(height.to_be_bytes());
            }
        }
        payload.resize(200, 0x55);
        let label = Label {
            publisher: self.client as u8,
            encoding: layer,
            frame: self.picture,
            packet,
            packets,
        };
        label.write(&mut payload);
        payload
    }
}

fn play(harness: &mut Harness, publisher: &mut Publisher, viewers: &mut [Viewer], pictures: u64) {
    for tick in 0..pictures * TICKS_PER_PICTURE {
        publisher.answer(harness);
        if tick % TICKS_PER_PICTURE == 0 {
            publisher.send_picture(harness);
        }
        harness.run(TICK);
        for viewer in viewers.iter_mut() {
            viewer.tick(harness);
        }
    }
}

/// Let repairs arrive, with nothing new sent.
fn settle(harness: &mut Harness, publisher: &mut Publisher, viewers: &mut [Viewer]) {
    for _ in 0..200 {
        publisher.answer(harness);
        harness.run(TICK);
        for viewer in viewers.iter_mut() {
            viewer.tick(harness);
        }
    }
}

/// All but padding, which stands for a packet of an unwanted layer that came too late to be left out.
fn media(viewer: &Viewer) -> impl Iterator<Item = &Got> {
    viewer.packets.values().filter(|got| got.payload.len() > 1)
}

/// The oracle: no number is missing; each picture has all packets of its lowest layers and ends with the marker; a layer
/// comes in only at a keyframe. Returns (picture, highest layer) of each.
fn pictures(viewer: &Viewer, keyframes: &[u32]) -> Vec<(u32, u8)> {
    viewer.assert_gapless();
    let mut came: Vec<(u32, u8)> = Vec::new();
    let mut expected = (0, 0);
    let mut timestamp = None;
    for got in media(viewer) {
        let label = Label::read(&got.payload);
        let is_new = (label.encoding, label.packet) == (0, 0);
        if is_new {
            assert!(
                came.last().is_none_or(|last| last.0 + 1 == label.frame),
                "no picture is left out: {label:?}"
            );
            came.push((label.frame, 0));
            expected = (0, 0);
            timestamp = Some(got.timestamp);
        }
        assert_eq!((label.encoding, label.packet), expected, "{label:?}");
        assert_eq!(timestamp, Some(got.timestamp), "{label:?}");
        let picture = came.last_mut().expect("begun");
        assert_eq!(picture.0, label.frame);
        picture.1 = label.encoding;
        expected = if label.packet + 1 == label.packets {
            (label.encoding + 1, 0)
        } else {
            (label.encoding, label.packet + 1)
        };
    }
    assert_markers(viewer);
    for pair in came.windows(2) {
        assert!(
            pair[1].1 <= pair[0].1 || keyframes.contains(&pair[1].0),
            "a layer begins at a keyframe: {pair:?}"
        );
    }
    came
}

/// The marker is on the last packet of each picture and nowhere else.
fn assert_markers(viewer: &Viewer) {
    let packets: Vec<_> = media(viewer).collect();
    for pair in packets.windows(2) {
        let is_last = pair[0].timestamp != pair[1].timestamp;
        assert_eq!(
            pair[0].marker,
            is_last,
            "{:?}",
            Label::read(&pair[0].payload)
        );
    }
}

fn bytes(viewer: &Viewer) -> usize {
    viewer.packets.values().map(|got| got.payload.len()).sum()
}

#[test]
fn each_tile_takes_the_layers_it_needs() {
    for (seed, probability) in [
        (1, 0.0),
        (2, 0.04),
        (3, 0.04),
        (4, 0.08),
        (5, 0.08),
        (6, 0.08),
    ] {
        let mut harness = Harness::new();
        let sender = harness.join_in(&vp9(), true);
        let mut publisher = Publisher::new(sender);
        let mut viewers = Vec::new();
        for _ in 0..2 {
            let client = harness.join_in(&vp9(), false);
            viewers.push(Viewer::new(&harness, client, 0));
            harness.set_source(client, "v0", Some((sender, "cam")), 90);
        }
        play(&mut harness, &mut publisher, &mut viewers, 25);
        for client in 0..3 {
            harness.set_links(client, lossy(probability), lossy(probability), seed);
        }

        let changing = viewers[1].client;
        for height in [540, 270, 720, 90] {
            harness.set_source(changing, "v0", Some((sender, "cam")), height);
            play(&mut harness, &mut publisher, &mut viewers, 50);
        }
        harness.links.clear();
        settle(&mut harness, &mut publisher, &mut viewers);

        let tops: Vec<Vec<u8>> = viewers
            .iter()
            .map(|viewer| {
                let came = pictures(viewer, &publisher.keyframes);
                assert!(came.len() > 220, "{} pictures", came.len());
                let mut tops: Vec<u8> = came.iter().map(|picture| picture.1).collect();
                tops.dedup();
                tops
            })
            .collect();
        assert_eq!(tops, [vec![0], vec![0, 2, 1, 2, 0]], "seed {seed}");
        assert!(bytes(&viewers[0]) * 2 < bytes(&viewers[1]));
        if probability == 0.0 {
            assert_eq!(
                publisher.keyframes.len(),
                3,
                "the first, and one for each way up"
            );
        }
        harness.assert_consistent();
    }
}

#[test]
fn a_tile_larger_than_the_picture_asks_for_nothing_more() {
    let mut harness = Harness::new();
    let sender = harness.join_in(&vp9(), true);
    let client = harness.join_in(&vp9(), false);
    let mut publisher = Publisher::new(sender);
    let mut viewers = [Viewer::new(&harness, client, 0)];
    harness.set_source(client, "v0", Some((sender, "cam")), 540);
    play(&mut harness, &mut publisher, &mut viewers, 25);
    let requests = harness.clients[sender].inbox.keyframe_requests.len();
    // Nobody shows more than there is, however large the tile: no endless asking for keyframes.
    harness.set_source(client, "v0", Some((sender, "cam")), 2_160);
    play(&mut harness, &mut publisher, &mut viewers, 50);

    let came = pictures(&viewers[0], &publisher.keyframes);
    assert!(came.iter().all(|picture| picture.1 == 2));
    assert_eq!(
        harness.clients[sender].inbox.keyframe_requests.len(),
        requests
    );
}

#[test]
fn a_keyframe_repaired_too_late_to_raise_the_layers_is_asked_for_once_more() {
    let mut harness = Harness::new();
    let sender = harness.join_in(&vp9(), true);
    let client = harness.join_in(&vp9(), false);
    let mut publisher = Publisher::new(sender);
    let mut viewers = [Viewer::new(&harness, client, 0)];
    harness.set_source(client, "v0", Some((sender, "cam")), 90);
    play(&mut harness, &mut publisher, &mut viewers, 25);
    publisher.loses_keyframe_start = true;
    harness.set_source(client, "v0", Some((sender, "cam")), 540);
    play(&mut harness, &mut publisher, &mut viewers, 50);

    let came = pictures(&viewers[0], &publisher.keyframes);
    let [_, late, in_time] = publisher.keyframes[..] else {
        panic!("keyframes {:?}", publisher.keyframes);
    };
    let top = |picture| {
        came.iter()
            .find(|each| each.0 == picture)
            .map(|each| each.1)
    };
    assert_eq!((top(late), top(in_time)), (Some(0), Some(2)));
    assert_eq!(came.last().map(|each| each.1), Some(2));
    harness.assert_consistent();
}
