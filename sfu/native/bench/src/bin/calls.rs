//! What calls of two cost without the kernel: many rooms of two, no sockets.
//! `calls [calls] [seconds of media] [packets in a batch] [gcm|cm]` prints one line of JSON.

use bench::calls::{CYCLE, Client, call_commands, call_request, shuffled_cycle};
use engine::{Coming, Engine, EngineConfig, MAX_COMING, NtpClock, Path, Time};
use engine_io::thread_cpu_time;
use std::time::Duration;
use wire::srtp::SrtpProfile;

/// Streams start and caches fill.
const WARM_UP: Duration = Duration::from_secs(4);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| {
        arguments
            .next()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (calls, seconds, batch) = (number(200), number(4), number(16));
    let profile = match arguments.next().as_deref() {
        Some("cm") => SrtpProfile::Aes128CmSha1_80,
        _ => SrtpProfile::AeadAes128Gcm,
    };
    let mut engine = Engine::new(&EngineConfig {
        seed: [1; 32],
        clock: NtpClock { ntp_at_zero: 0 },
        is_kep: true,
    });
    for command in call_commands(calls, profile) {
        engine
            .handle_command(Time::ZERO, command)
            .expect("a good command");
    }
    let mut clients = Vec::new();
    for index in 0..calls * 2 {
        clients.push(Client::new(index, profile).expect("good keys"));
        engine.handle_datagram(Time::ZERO, path(index), &mut call_request(index));
    }
    engine.clear_transmits();
    let cycle = shuffled_cycle(clients.len());
    let end = WARM_UP + Duration::from_secs(seconds as u64);
    let (mut spent, mut received, mut sent) = (Duration::ZERO, 0, 0);
    let mut waiting: Vec<(Path, Vec<u8>)> = Vec::new();
    let steps = (0..).flat_map(|turn| cycle.iter().map(move |step| (CYCLE * turn, step)));
    for (start, (at, index, what)) in steps.take_while(|(start, step)| *start + step.0 < end) {
        clients[*index].make(*what, |packet| {
            waiting.push((path(*index), std::mem::take(packet)));
        });
        if waiting.len() < batch {
            continue;
        }
        let now = Time::from_nanos((start + *at).as_nanos() as u64);
        let turn = thread_cpu_time();
        for chunk in waiting.chunks(MAX_COMING) {
            let coming: Vec<_> = chunk
                .iter()
                .map(|(path, datagram)| Coming::new(*path, datagram))
                .collect();
            engine.prefetch(&coming);
        }
        for (path, datagram) in &mut waiting {
            engine.handle_datagram(now, *path, datagram);
        }
        if engine.next_timeout() <= now {
            engine.handle_timeout(now);
        }
        let transmits = engine.transmits();
        let datagrams = transmits
            .map(|transmit| transmit.datagram_bytes.len())
            .sum::<usize>();
        engine.clear_transmits();
        if start >= WARM_UP {
            spent += thread_cpu_time().saturating_sub(turn);
            received += waiting.len();
            sent += datagrams;
        }
        waiting.clear();
        while engine.poll_event().is_some() {}
    }
    println!(
        "{{\"calls\": {calls}, \"batch\": {batch}, \"profile\": \"{profile:?}\", \"received\": {received}, \
         \"sent\": {sent}, \"nanoseconds_per_packet\": {:.0}}}",
        spent.as_nanos() as f64 / received as f64
    );
}

fn path(index: usize) -> Path {
    Path {
        socket: 0,
        local: None,
        remote: ([127, 0, (index >> 8) as u8, index as u8], 5_000).into(),
    }
}
