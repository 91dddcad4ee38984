//! The loop itself: commands, events, timeouts, fairness, closing, panics.

mod support;

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use engine::ids::RoomId;
use engine::{Command, CommandError, Event, Path, Transmit};
use engine_io::{
    FLUSH_AFTER_DATAGRAMS, HandleError, MAX_WAITING_EVENTS, MAX_WAITING_REQUESTS, Sender,
    ShellEvent, Socket,
};
use support::{ECHO, EVENTS, LATER, PANIC, REPORT, SLOW_ROOM, ask, bind, receive, serve};

fn add(room: u64) -> Command {
    Command::AddRoom { room: RoomId(room) }
}

#[test]
fn a_command_waits_for_its_result() {
    let server = serve(&[bind("127.0.0.1:0")], true);
    server.handle.command(add(1)).unwrap();
    let refused = server.handle.command(add(1)).unwrap_err();
    assert!(matches!(
        refused,
        HandleError::Command(CommandError::AlreadyExists("room"))
    ));
    assert_eq!(server.handle.snapshot().unwrap().shell.commands_refused, 1);
}

#[test]
fn a_posted_commands_refusal_is_an_event() {
    let server = serve(&[bind("127.0.0.1:0")], true);
    server
        .handle
        .post(42, support::unknown_participant())
        .unwrap();
    server.handle.snapshot().unwrap();
    wait_readable(&server.handle);
    let events = server.handle.take_events(10);
    assert!(
        matches!(
            events[..],
            [ShellEvent::CommandFailed {
                participant: 42,
                ..
            }]
        ),
        "{events:?}"
    );
}

fn is_readable(handle: &engine_io::EngineHandle, timeout_ms: i32) -> bool {
    let mut entry = libc::pollfd {
        fd: handle.event_descriptor().as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one valid entry.
    unsafe { libc::poll(&raw mut entry, 1, timeout_ms) == 1 }
}

fn wait_readable(handle: &engine_io::EngineHandle) {
    assert!(is_readable(handle, 10_000));
}

#[test]
fn events_wait_up_to_the_limit_and_the_oldest_are_lost_and_counted() {
    let server = serve(&[bind("127.0.0.1:0")], true);
    let client = bind("127.0.0.1:0");
    assert!(!is_readable(&server.handle, 0));
    let extra = 1_000;
    let count = MAX_WAITING_EVENTS as u32 + extra;
    let request = [&[EVENTS][..], &count.to_be_bytes()].concat();
    client.send_to(&request, server.addresses[0]).unwrap();
    ask(&client, server.addresses[0], &[ECHO]);
    wait_readable(&server.handle);
    assert_eq!(
        server
            .handle
            .snapshot()
            .unwrap()
            .engine
            .counters
            .events_lost,
        u64::from(extra)
    );
    let first = server.handle.take_events(1);
    let expected = Event::Speakers {
        room: RoomId(u64::from(extra)),
        participants: vec![],
    };
    assert_eq!(first, [ShellEvent::Engine(expected)]);
    assert!(is_readable(&server.handle, 0));
    assert_eq!(
        server.handle.take_events(usize::MAX).len(),
        MAX_WAITING_EVENTS - 1
    );
    assert!(!is_readable(&server.handle, 0));
}

#[test]
fn timeouts_below_a_millisecond_are_kept_and_never_early() {
    let server = serve(&[bind("127.0.0.1:0")], true);
    let client = bind("127.0.0.1:0");
    let mut shortest = u64::MAX;
    for _ in 0..100 {
        let request = [&[LATER][..], &300_u32.to_be_bytes()].concat();
        let answer = ask(&client, server.addresses[0], &request);
        let passed_us = u64::from_be_bytes(answer.try_into().unwrap());
        assert!(passed_us >= 300);
        shortest = shortest.min(passed_us);
    }
    // Not a bar: a timer that rounds up to milliseconds would never come below 1,000.
    assert!(shortest < 1_000, "{shortest}");
}

#[test]
fn a_flood_on_one_socket_starves_neither_the_other_nor_commands() {
    let server = serve(&[bind("127.0.0.1:0"), bind("127.0.0.1:0")], true);
    let flooded = AtomicU64::new(0);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let flooder = bind("127.0.0.1:0");
            while !is_over.load(Ordering::Relaxed) {
                let _ = flooder.send_to(&[0; 100], server.addresses[0]);
                flooded.fetch_add(1, Ordering::Relaxed);
            }
        });
        let client = bind("127.0.0.1:0");
        let mut room = 0;
        while room < 100 || flooded.load(Ordering::Relaxed) < 20_000 {
            server.handle.command(add(room)).unwrap();
            ask(&client, server.addresses[1], &[ECHO]);
            room += 1;
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_long_backlog_is_flushed_in_bounded_pieces() {
    const RUN: usize = 50;
    let server = serve(&[bind("127.0.0.1:0")], true);
    let client = bind("127.0.0.1:0");
    let mut socket = Socket::duplicate(client.as_raw_fd(), true).unwrap();
    std::thread::scope(|scope| {
        let slow = Command::RemoveRoom { room: SLOW_ROOM };
        let blocked = scope.spawn(|| server.handle.command(slow));
        std::thread::sleep(Duration::from_millis(50));
        // Ten coalesced messages of fifty datagrams: one receive batch.
        let path = Path {
            socket: 0,
            local: None,
            remote: server.addresses[0],
        };
        let burst = Transmit {
            path,
            contents: &[ECHO; RUN * 10],
            datagram_bytes: &[10; RUN],
        };
        Sender::new().send(&mut socket, std::iter::repeat_n(burst, 10));
        blocked.join().unwrap().unwrap();
    });
    let report = ask(&bind("127.0.0.1:0"), server.addresses[0], &[REPORT]);
    let number = |at: usize| u64::from_be_bytes(report[at..at + 8].try_into().unwrap());
    let (longest, seen) = (number(0), number(8));
    assert_eq!(seen, 10 * RUN as u64 + 1);
    assert!(longest > RUN as u64, "nothing was batched: {longest}");
    // The message that crosses the bound is handed in whole.
    assert!(longest < FLUSH_AFTER_DATAGRAMS + RUN as u64, "{longest}");
}

#[test]
fn requests_beyond_the_limit_are_refused_not_queued() {
    let server = serve(&[bind("127.0.0.1:0")], true);
    std::thread::scope(|scope| {
        let slow = Command::RemoveRoom { room: SLOW_ROOM };
        let blocked = scope.spawn(|| server.handle.command(slow));
        std::thread::sleep(Duration::from_millis(50));
        let accepted = (0..MAX_WAITING_REQUESTS + 10)
            .filter(|_| server.handle.post(1, add(7)).is_ok())
            .count();
        assert_eq!(accepted, MAX_WAITING_REQUESTS);
        assert!(matches!(
            server.handle.command(add(8)),
            Err(HandleError::Busy)
        ));
        blocked.join().unwrap().unwrap();
    });
    // It catches up, in order.
    while matches!(server.handle.command(add(9)), Err(HandleError::Busy)) {
        std::thread::yield_now();
    }
    assert!(matches!(
        server.handle.command(add(7)),
        Err(HandleError::Command(_))
    ));
}

#[test]
fn forwarding_delay_is_sampled_and_cpu_time_counted() {
    let server = serve(&[bind("127.0.0.1:0")], true);
    let client = bind("127.0.0.1:0");
    let started = Instant::now();
    for _ in 0..640 {
        ask(&client, server.addresses[0], &[ECHO]);
    }
    let elapsed = started.elapsed();
    let snapshot = server.handle.snapshot().unwrap();
    assert_eq!(snapshot.forwarding_delay.count(), 10);
    assert!(snapshot.forwarding_delay.sum_s() > 0.0);
    assert!(snapshot.forwarding_delay.sum_s() < elapsed.as_secs_f64());
    assert!(snapshot.cpu_time > Duration::ZERO && snapshot.cpu_time < elapsed);
}

#[test]
fn closing_says_bye_in_every_room_and_refuses_what_comes_later() {
    let server = serve(&[bind("127.0.0.1:0")], true);
    let client = bind("127.0.0.1:0");
    ask(&client, server.addresses[0], &[ECHO]);
    for room in [3, 4] {
        server.handle.command(add(room)).unwrap();
    }
    server.handle.close();
    assert_eq!(receive(&client), b"bye 3");
    assert_eq!(receive(&client), b"bye 4");
    server.handle.close();
    assert!(matches!(
        server.handle.command(add(5)),
        Err(HandleError::Closed)
    ));
    assert!(matches!(
        server.handle.post(5, add(5)),
        Err(HandleError::Closed)
    ));
    assert!(matches!(server.handle.snapshot(), Err(HandleError::Closed)));
    assert!(server.handle.take_events(1).is_empty());
    // The descriptors are closed: the address is free again.
    bind(&server.addresses[0].to_string());
}

#[test]
fn a_panic_of_the_thread_ends_the_process() {
    const CHILD: &str = "ENGINE_IO_PANIC_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let server = serve(&[bind("127.0.0.1:0")], true);
        ask(&bind("127.0.0.1:0"), server.addresses[0], &[PANIC]);
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "a_panic_of_the_thread_ends_the_process",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
    assert_eq!(signal, Some(libc::SIGABRT));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("thread 'engine'") && text.contains("asked to"),
        "{text}"
    );
}
