//! The packet path allocates nothing once it is warm: memory is taken when streams begin, not when packets pass.

use crate::common::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;
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

#[test]
fn forwarding_to_fifty_viewers_allocates_nothing() {
    let mut harness = Harness::new();
    let publisher = harness.join(vec![camera(&[]), microphone()], 0);
    for _ in 0..50 {
        let viewer = harness.join(vec![], 1);
        harness.set_source(viewer, "v0", Some((publisher, "cam")), 720);
    }
    let path = harness.clients[publisher].path;
    let (mut while_warm, mut in_timers, mut sent) = (0, 0, 0usize);
    for number in 0..4_000u16 {
        let payload = vp8_payload(0, 0, number, (number == 0).then_some(720));
        let packet = if number % 2 == 0 {
            Rtp {
                ssrc: 1,
                sequence_number: number / 2,
                timestamp: u32::from(number) * 500,
                payload: &payload,
                ..Rtp::PICTURE
            }
        } else {
            Rtp {
                ssrc: 2,
                sequence_number: number / 2,
                timestamp: u32::from(number) * 500,
                payload: &payload[..80],
                level: Some(AudioLevel {
                    minus_dbov: 20,
                    is_voice: true,
                }),
                ..Rtp::SOUND
            }
        };
        let mut datagram = harness.clients[publisher].seal(&packet);
        let now = harness.now;
        let engine = &mut harness.engine;
        let count = allocations(|| {
            engine.prefetch(&[engine::Coming::new(path, &datagram)]);
            engine.handle_datagram(now, path, &mut datagram);
            sent += engine
                .transmits()
                .map(|transmit| transmit.datagram_bytes.len())
                .sum::<usize>();
            engine.clear_transmits();
        });
        let timers = allocations(|| {
            engine.handle_timeout(now);
            engine.clear_transmits();
        });
        while engine.poll_event().is_some() {}
        if number >= 2_000 {
            while_warm += count;
            in_timers += timers;
        }
        harness.now = now + Duration::from_millis(5);
        if number % 500 == 0 {
            harness.run(Duration::ZERO);
            for client in 0..harness.clients.len() {
                harness.check(client);
            }
        }
    }
    assert!(sent > 50 * 3_900, "{sent}");
    // 2,000 packets in, 100,000 out: a chunk of the cache now and then.
    assert!(
        while_warm <= 40,
        "{while_warm} allocations on the packet path"
    );
    assert!(in_timers <= 200, "{in_timers} allocations in timers");
}
