//! A running engine thread allocates nothing per packet: counted by the allocator itself.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::Duration;

use engine::{Command, CommandError, DropReason, Event, Path, Statistics, Time, Transmit};
use engine_io::{Core, EngineHandle, Options};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is passed on to the system's allocator; counting touches a thread-local that needs no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's contract is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}

const COPIES: usize = 100;
const BYTES: usize = 200;

/// Answers each datagram with a hundred, the first of which says how often its thread has allocated.
struct Fan {
    path: Option<Path>,
    contents: Vec<u8>,
    sizes: Vec<u16>,
}

impl Core for Fan {
    fn handle_datagram(&mut self, _now: Time, path: Path, _datagram: &mut [u8]) {
        self.contents[..8].copy_from_slice(&ALLOCATIONS.get().to_be_bytes());
        self.path = Some(path);
    }

    fn handle_command(&mut self, _now: Time, _command: Command) -> Result<(), CommandError> {
        Ok(())
    }

    fn handle_timeout(&mut self, _now: Time) {}

    fn next_timeout(&self) -> Time {
        Time::NEVER
    }

    fn transmits(&mut self) -> impl Iterator<Item = Transmit<'_>> {
        self.path.into_iter().map(|path| Transmit {
            path,
            contents: &self.contents,
            datagram_bytes: &self.sizes,
        })
    }

    fn clear_transmits(&mut self) {
        self.path = None;
    }

    fn poll_event(&mut self) -> Option<Event> {
        None
    }

    fn statistics(&self) -> Statistics {
        Statistics {
            counters: engine::statistics::Counters::default(),
            drops: [0; DropReason::ALL.len()],
            gauges: engine::statistics::Gauges::default(),
        }
    }
}

#[test]
fn forwarding_allocates_nothing() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let options = Options {
        sockets: vec![server.as_raw_fd()],
        seed: [0; 32],
        is_kep: false,
        use_gso: true,
    };
    let _handle = EngineHandle::start_core(&options, |_clock| Fan {
        path: None,
        contents: vec![0; COPIES * BYTES],
        sizes: vec![BYTES as u16; COPIES],
    })
    .unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut counts = Vec::new();
    for _ in 0..300 {
        client.send_to(&[1], server.local_addr().unwrap()).unwrap();
        let mut buffer = [0; BYTES];
        for copy in 0..COPIES {
            client.recv(&mut buffer).unwrap();
            if copy == 0 {
                counts.push(u64::from_be_bytes(buffer[..8].try_into().unwrap()));
            }
        }
    }
    assert!(counts[0] > 0, "the counter counts");
    assert_eq!(counts[10], counts[299]);
}
