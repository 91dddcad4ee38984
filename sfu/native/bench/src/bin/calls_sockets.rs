//! What calls of two cost on real sockets: many rooms of two on loopback around the engine's own thread.
//! `calls_sockets [calls] [seconds] [gcm|cm]` prints one line of JSON: CPU time of the engine's thread for every packet it
//! forwarded, kernel included, and how long packets stayed. Nobody reads the clients' sockets: a full one drops, which costs
//! the sender about the same as one that is read.

use bench::calls::{
    CYCLE, Client, PACKETS_PER_CYCLE, Sending, call_commands, call_request, shuffled_cycle,
};
use engine_io::{EngineHandle, Options, Snapshot};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::thread::sleep;
use std::time::{Duration, Instant};
use wire::srtp::SrtpProfile;

/// Streams start and caches fill.
const WARM_UP_CYCLES: usize = 30;
/// Shorter gaps are spun away: sleeping would bunch packets that in life come one by one.
const SHORTEST_SLEEP: Duration = Duration::from_micros(80);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| {
        arguments
            .next()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (calls, seconds) = (number(200), number(5));
    let profile = match arguments.next().as_deref() {
        Some("cm") => SrtpProfile::Aes128CmSha1_80,
        _ => SrtpProfile::AeadAes128Gcm,
    };
    let server = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    set_receive_buffer(&server);
    let address = server.local_addr().expect("bound");
    let engine = EngineHandle::start(&Options {
        sockets: vec![server.as_raw_fd()],
        seed: [1; 32],
        is_kep: true,
        use_gso: true,
    })
    .expect("the engine starts");
    for command in call_commands(calls, profile) {
        engine.command(command).expect("a good command");
    }
    let mut clients: Vec<(Client, UdpSocket)> = (0..calls * 2)
        .map(|index| {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
            socket.connect(address).expect("loopback");
            socket.send(&call_request(index)).expect("loopback");
            (Client::new(index, profile).expect("good keys"), socket)
        })
        .collect();
    sleep(Duration::from_millis(300));
    let cycle = shuffled_cycle(clients.len());
    // Streams start in the first cycles.
    play(&mut clients, &cycle, WARM_UP_CYCLES);
    let before = engine.snapshot().expect("the engine runs");
    let cycles = seconds * (Duration::from_secs(1).as_nanos() / CYCLE.as_nanos()) as usize;
    play(&mut clients, &cycle, cycles);
    sleep(Duration::from_millis(20));
    let after = engine.snapshot().expect("the engine runs");
    let expected = (clients.len() * PACKETS_PER_CYCLE * cycles) as u64;
    print(calls, expected, seconds, &before, &after);
}

/// As the service sets it: the default holds a few ms of 870 calls.
fn set_receive_buffer(socket: &UdpSocket) {
    let bytes: libc::c_int = 4 << 20;
    // SAFETY: `bytes` outlives the call and the stated length is its size. A refusal leaves the default.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUFFORCE,
            (&raw const bytes).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        );
    }
}

fn play(clients: &mut [(Client, UdpSocket)], cycle: &[(Duration, usize, Sending)], cycles: usize) {
    let start = Instant::now();
    for turn in 0..cycles {
        for (at, index, what) in cycle {
            let due = start + CYCLE * turn as u32 + *at;
            let (client, socket) = &mut clients[*index];
            let mut packets = Vec::with_capacity(2);
            client.make(*what, |packet| packets.push(std::mem::take(packet)));
            loop {
                let left = due.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                if let Some(long) = left.checked_sub(SHORTEST_SLEEP) {
                    sleep(long);
                }
            }
            for packet in packets {
                // A full queue is seen in what was forwarded.
                let _ = socket.send(&packet);
            }
        }
    }
}

fn print(calls: usize, expected: u64, seconds: usize, before: &Snapshot, after: &Snapshot) {
    let counters = |snapshot: &Snapshot| snapshot.engine.counters;
    let forwarded = counters(after).rtp_packets_forwarded - counters(before).rtp_packets_forwarded;
    let turns = after.shell.turns - before.shell.turns;
    let queue_drops = after.shell.receive_queue_drops - before.shell.receive_queue_drops;
    let messages = after.shell.send.messages_sent - before.shell.send.messages_sent;
    let cpu = after.cpu_time.checked_sub(before.cpu_time).unwrap();
    println!(
        "{{\"calls\": {calls}, \"forwarded\": {forwarded}, \"expected\": {expected}, \"queue_drops\": {queue_drops}, \"packets_per_turn\": {:.2}, \
         \"datagrams_per_message\": {:.2}, \"delay_p50_us\": {:.0}, \"delay_p99_us\": {:.0}, \
         \"cpu_share\": {:.3}, \"cpu_nanoseconds_per_packet\": {:.0}}}",
        forwarded as f64 / turns as f64,
        forwarded as f64 / messages as f64,
        delay(before, after, 0.5) * 1e6,
        delay(before, after, 0.99) * 1e6,
        cpu.as_secs_f64() / seconds as f64,
        cpu.as_nanos() as f64 / forwarded as f64
    );
}

/// The bound in s of the bucket that holds the quantile of the forwarding delay between two snapshots, at most the last.
fn delay(before: &Snapshot, after: &Snapshot, quantile: f64) -> f64 {
    let (old, new) = (before.forwarding_delay, after.forwarding_delay);
    let wanted = quantile * (new.count() - old.count()) as f64;
    let last = engine_io::BUCKET_BOUNDS_NS
        .last()
        .map_or(0.0, |bound| *bound as f64 / 1e9);
    old.cumulative()
        .zip(new.cumulative())
        .find(|((_, old), (_, new))| (new - old) as f64 >= wanted)
        .map_or(last, |((bound, _), _)| bound)
}
