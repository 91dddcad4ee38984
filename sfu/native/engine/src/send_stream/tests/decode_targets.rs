//! What a subscriber reads in the dependency descriptor where layers are dropped for it: the mask of active decode targets, and
//! for the rest what the sender wrote.

use super::builders::*;
use crate::ids::EncodingKey;
use crate::send_stream::{SendStream, Wanted};
use crate::time::Time;
use std::time::Duration;
use wire::codec::{Codec, PayloadInfo};
use wire::dependency_descriptor::{DecodeTargets, DependencyDescriptor, TemplateStructure, parse};

/// Keyframe of a Chrome L3T3 stream, after a byte with its length.
const CAPTURE: &[u8] =
    include_bytes!("../../../../fuzz/corpus/dependency_descriptor/l3t3_then_delta");
const ALL: u32 = 0x1ff;
/// Of spatial layers 0, and 0 and 1.
const LOWEST: u32 = 0x007;
const LOWER_TWO: u32 = 0x03f;
/// Of temporal layer 0.
const SLOWEST: u32 = 0b001_001_001;

fn keyframe_descriptor() -> Vec<u8> {
    CAPTURE[1..=usize::from(CAPTURE[0])].to_vec()
}

fn structure() -> TemplateStructure {
    let mut structure = TemplateStructure::default();
    parse(&keyframe_descriptor(), None, &mut structure).expect("captured");
    structure
}

/// Of a descriptor that carries no structure, or the same.
fn read(bytes: &[u8]) -> DependencyDescriptor {
    parse(bytes, Some(&structure()), &mut TemplateStructure::default()).expect("whole")
}

/// An L3T3 sender: pictures of three layer frames, one packet each.
struct Svc {
    source: Source,
    structure: TemplateStructure,
    targets: DecodeTargets,
    frame: u16,
    sent: Vec<Stored>,
}

impl Svc {
    fn new() -> Self {
        let structure = structure();
        Self {
            source: Source::new(key(1, 0), Codec::Av1, 131_070),
            targets: DecodeTargets::new(&structure),
            structure,
            frame: 60_000,
            sent: Vec::new(),
        }
    }

    fn picture(&mut self, temporal_layer: u8, is_key: bool) -> Vec<Stored> {
        self.source.timestamp = self.source.timestamp.wrapping_add(3_000);
        let packets: Vec<Stored> = (0..3)
            .map(|layer| self.packet(layer, temporal_layer, is_key))
            .collect();
        self.sent.extend(packets.iter().cloned());
        packets
    }

    fn packet(&mut self, spatial_layer: u8, temporal_layer: u8, is_key: bool) -> Stored {
        self.frame = self.frame.wrapping_add(1);
        let is_start = is_key && spatial_layer == 0;
        let info = PayloadInfo {
            starts_frame: true,
            ends_frame: true,
            starts_keyframe: is_start,
            is_switch_point: true,
            spatial_layer,
            temporal_layer,
            ..PayloadInfo::default()
        };
        let mut descriptor = keyframe_descriptor();
        if !is_start {
            let of_layer = |t: &wire::dependency_descriptor::Template| {
                (t.spatial_layer, t.temporal_layer) == (spatial_layer, temporal_layer)
            };
            let index = self.structure.templates.iter().rposition(of_layer);
            let template = self.structure.template_id_offset + index.expect("of L3T3") as u8;
            descriptor = vec![0xc0 | template, 0, 0];
        }
        descriptor[1..3].copy_from_slice(&self.frame.to_be_bytes());
        let payload = vec![0x10, spatial_layer];
        let is_last = spatial_layer == 2;
        let mut stored = self
            .source
            .store_described(0, Codec::Av1, payload, is_last, info);
        stored.meta.targets_field = read(&descriptor).targets_field;
        stored.descriptor = descriptor;
        stored.decode_targets = Some(self.targets);
        stored
    }
}

struct Watched {
    stream: SendStream,
    sink: Collector,
    svc: Svc,
}

impl Watched {
    fn new(has_descriptor: bool) -> Self {
        let mut config = video_config();
        if !has_descriptor {
            config.extensions.dependency_descriptor = None;
        }
        Self {
            stream: stream(config, 100),
            sink: Collector::default(),
            svc: Svc::new(),
        }
    }

    fn want(&mut self, max_spatial_layer: u8, max_temporal_layer: u8) {
        let source = &self.svc.source;
        self.stream.select(Some(&Wanted {
            max_spatial_layer,
            max_temporal_layer,
            ..wanted(source.key, &source.codecs)
        }));
    }

    /// Forward one picture; what came of it, as (spatial layer, marker, active targets).
    fn show(&mut self, temporal_layer: u8, is_key: bool) -> Vec<(u8, bool, Option<u32>)> {
        let before = self.sink.received.len();
        let from = self.svc.source.key;
        for packet in self.svc.picture(temporal_layer, is_key) {
            let _ = self
                .stream
                .handle_packet(Time::ZERO, from, packet.borrow(), &mut self.sink);
        }
        let came = self.sink.received[before..].iter();
        came.map(|packet| {
            let bytes = packet.descriptor.as_ref().expect("a descriptor");
            let read = read(bytes);
            assert_eq!(read.temporal_layer, temporal_layer);
            (
                read.spatial_layer,
                packet.header.marker,
                read.active_decode_targets,
            )
        })
        .collect()
    }
}

#[test]
fn who_gets_fewer_layers_reads_fewer_decode_targets_in_every_packet() {
    let mut watched = Watched::new(true);

    watched.want(0, u8::MAX);
    assert_eq!(watched.show(0, true), [(0, true, Some(LOWEST))]);
    assert_eq!(watched.show(2, false), [(0, true, Some(LOWEST))]);
    watched.want(1, u8::MAX);
    assert_eq!(watched.show(1, false), [(0, true, Some(LOWEST))]);
    let two = [(0, false, Some(LOWER_TWO)), (1, true, Some(LOWER_TWO))];
    assert_eq!(watched.show(0, true), two);
    assert_eq!(watched.show(2, false), two);
    watched.want(u8::MAX, u8::MAX);
    // The structure itself says that all are active, and holds until another word.
    assert_eq!(
        watched.show(0, true),
        [(0, false, Some(ALL)), (1, false, None), (2, true, None)]
    );
    assert_eq!(
        watched
            .sink
            .received
            .last()
            .expect("came")
            .descriptor
            .as_ref()
            .map(Vec::len),
        Some(3)
    );

    watched.sink.assert_continuous();
}

#[test]
fn targets_that_come_back_without_a_keyframe_are_named() {
    let mut watched = Watched::new(true);
    watched.want(u8::MAX, 0);
    watched.show(0, true);

    let slow = |layer, marker| (layer, marker, Some(SLOWEST));
    assert_eq!(
        watched.show(0, false),
        [slow(0, false), slow(1, false), slow(2, true)]
    );
    assert_eq!(watched.show(2, false), []);
    watched.want(u8::MAX, u8::MAX);
    assert_eq!(
        watched.show(1, false)[0],
        (0, false, Some(0b011_011_011)),
        "up to the layer that may be decoded from here"
    );
    assert_eq!(watched.show(2, false)[0], (0, false, Some(ALL)));
    assert_eq!(watched.show(0, false)[0], (0, false, Some(ALL)));
    watched.show(0, true);
    assert_eq!(watched.show(0, false)[0], (0, false, None));
}

#[test]
fn what_the_sender_itself_gave_up_stays_given_up() {
    let mut watched = Watched::new(true);
    watched.want(0, u8::MAX);
    watched.show(0, true);

    watched.svc.targets.active = LOWER_TWO & SLOWEST;

    assert_eq!(watched.show(0, false), [(0, true, Some(1))]);
}

#[test]
fn a_packet_sent_again_is_the_packet_that_was_sent() {
    let mut watched = Watched::new(true);
    watched.want(0, u8::MAX);
    watched.show(0, true);
    watched.show(0, false);
    let sent: Vec<Vec<u8>> = watched
        .sink
        .received
        .iter()
        .map(|p| p.bytes.clone())
        .collect();
    let numbers: Vec<u16> = (0..2)
        .map(|i| watched.sink.received[i].header.sequence_number)
        .collect();
    watched.want(u8::MAX, u8::MAX);
    watched.show(0, true);

    let cache = &watched.svc.sent;
    let lookup = |_: EncodingKey, number| {
        let found = cache
            .iter()
            .find(|p| p.meta.extended_sequence_number == number);
        found.map(Stored::borrow)
    };
    let before = watched.sink.received.len();
    let now = Time::from_millis(500);
    let outcome = watched.stream.handle_nack(
        now,
        numbers.into_iter(),
        Duration::ZERO,
        lookup,
        &mut watched.sink,
    );

    assert_eq!(outcome.resent, 2);
    let again: Vec<_> = watched.sink.received[before..]
        .iter()
        .map(|p| p.bytes.clone())
        .collect();
    assert_eq!(again, sent);
}

#[test]
fn who_agreed_to_no_descriptor_gets_the_layers_all_the_same() {
    let mut watched = Watched::new(false);
    watched.want(1, u8::MAX);

    for is_key in [true, false] {
        for packet in watched.svc.picture(0, is_key) {
            let from = watched.svc.source.key;
            let _ =
                watched
                    .stream
                    .handle_packet(Time::ZERO, from, packet.borrow(), &mut watched.sink);
        }
    }

    watched.sink.assert_continuous();
    let came = watched.sink.received.iter();
    let came: Vec<_> = came.map(|p| (p.payload[1], p.header.marker)).collect();
    assert_eq!(came, [(0, false), (1, true), (0, false), (1, true)]);
    assert!(watched.sink.received.iter().all(|p| p.descriptor.is_none()));
}
