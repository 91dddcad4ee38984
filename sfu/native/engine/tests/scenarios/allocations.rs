//! The packet path allocates nothing once it is warm: memory is taken when streams begin, not when packets pass.

use crate::common::*;
use engine::media_config::CodecConfig;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;
use wire::codec::Codec;
use wire::extensions::AudioLevel;

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches a thread-local cell without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's layout is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` or `realloc` above with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: as `dealloc`; the new size is the caller's.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations while `work` runs on this thread.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

/// What packets of a publisher cost the engine, once its streams are warm.
#[derive(Default)]
struct Cost {
    on_packet_path: u64,
    in_timers: u64,
    datagrams_sent: usize,
}

impl Cost {
    fn hand_in(&mut self, harness: &mut Harness, publisher: usize, packet: &Rtp<'_>) {
        let mut datagram = harness.clients[publisher].seal(packet);
        let path = harness.clients[publisher].path;
        let (now, engine) = (harness.now, &mut harness.engine);
        self.on_packet_path += allocations(|| {
            engine.prefetch(&[engine::Coming::new(path, &datagram)]);
            engine.handle_datagram(now, path, &mut datagram);
            self.datagrams_sent += engine
                .transmits()
                .map(|transmit| transmit.datagram_bytes.len())
                .sum::<usize>();
            engine.clear_transmits();
        });
        self.in_timers += allocations(|| {
            engine.handle_timeout(now);
            engine.clear_transmits();
        });
        while engine.poll_event().is_some() {}
        harness.now = now + Duration::from_millis(5);
    }
}

/// Keep everybody's consent fresh, uncounted.
fn check_all(harness: &mut Harness) {
    harness.run(Duration::ZERO);
    for client in 0..harness.clients.len() {
        harness.check(client);
    }
}

#[test]
fn forwarding_to_fifty_viewers_allocates_nothing() {
    let mut harness = Harness::new();
    let publisher = harness.join(vec![camera(&[]), microphone()], 0);
    for _ in 0..50 {
        let viewer = harness.join(vec![], 1);
        harness.set_source(viewer, "v0", Some((publisher, "cam")), 720);
    }
    let mut cost = Cost::default();
    for number in 0..4_000u16 {
        let payload = vp8_payload(0, 0, number, (number == 0).then_some(720));
        let media = if number % 2 == 0 {
            Rtp {
                ssrc: 1,
                payload: &payload,
                ..Rtp::PICTURE
            }
        } else {
            Rtp {
                ssrc: 2,
                payload: &payload[..80],
                level: Some(AudioLevel {
                    minus_dbov: 20,
                    is_voice: true,
                }),
                ..Rtp::SOUND
            }
        };
        let packet = Rtp {
            sequence_number: number / 2,
            timestamp: u32::from(number) * 500,
            ..media
        };
        if number == 2_000 {
            cost = Cost::default();
        }
        cost.hand_in(&mut harness, publisher, &packet);
        if number % 500 == 0 {
            check_all(&mut harness);
        }
    }
    let sent = cost.datagrams_sent;
    assert!(sent > 50 * 1_950, "{sent}");
    assert_eq!(cost.on_packet_path, 0);
    let count = cost.in_timers;
    assert!(count <= 200, "{count} allocations in timers");
}

const AV1: u8 = 45;

fn av1() -> CodecConfig {
    CodecConfig {
        payload_type: AV1,
        codec: Codec::Av1,
        rtx_payload_type: None,
        ..vp8()
    }
}

/// The descriptor of an L3T3 picture's layer: the structure with a keyframe, otherwise a template alone, with the mask of
/// active decode targets, or with all that a packet can state itself.
fn l3t3_layer(frame: u16, spatial_layer: u8, is_key: bool) -> Vec<u8> {
    // Templates of temporal layers 0, 2, 1, 2.
    let step = usize::from(frame / 3 % 4);
    let template_id = [0, 3, 2, 3][step] + 5 * spatial_layer;
    let stated: &[u8] = match step {
        2 => &[0x47, 0xfc],
        3 => &[0x3f, 0xff, 0xfe, 0x88, 2, 2, 2],
        _ => &[],
    };
    let mut descriptor = if is_key && spatial_layer == 0 {
        l3t3_descriptor().to_vec()
    } else {
        [&[0xc0 | template_id, 0, 0], stated].concat()
    };
    descriptor[1..3].copy_from_slice(&frame.to_be_bytes());
    descriptor
}

#[test]
fn forwarding_layers_of_a_described_stream_allocates_nothing() {
    let mut harness = Harness::new();
    let publisher = harness.join_in(&av1(), true);
    for height in [67, 135, 270].repeat(10) {
        let viewer = harness.join_in(&av1(), false);
        harness.set_source(viewer, "v0", Some((publisher, "cam")), height);
    }
    let mut cost = Cost::default();
    for frame in 0..6_000u16 {
        let (picture, spatial_layer) = (frame / 3, (frame % 3) as u8);
        let is_key = picture % 100 == 0;
        let descriptor = l3t3_layer(frame, spatial_layer, is_key);
        // One OBU, a frame; N where a keyframe begins.
        let mut payload = [0x55; 200];
        payload[..2].copy_from_slice(&[0x10 | u8::from(is_key && spatial_layer == 0) << 3, 0x30]);
        let packet = Rtp {
            ssrc: 1,
            sequence_number: frame,
            timestamp: u32::from(picture) * 1_350,
            payload_type: AV1,
            marker: spatial_layer == 2,
            descriptor: &descriptor,
            payload: &payload,
            ..Rtp::PICTURE
        };
        if frame == 3_000 {
            cost = Cost::default();
        }
        cost.hand_in(&mut harness, publisher, &packet);
        if frame % 500 == 0 {
            check_all(&mut harness);
        }
    }
    // Each third of the viewers shows another number of layers.
    assert_eq!(cost.datagrams_sent, 1_000 * (10 + 20 + 30));
    assert_eq!(cost.on_packet_path, 0);
}
