//! What forwarding costs without the kernel: one camera, N viewers, no sockets.
//! `fan_out [viewers] [packets per frame] [frames] [gcm|cm]` prints one line of JSON.

use bench::{CameraSource, binding_request, room_commands};
use engine::{Engine, EngineConfig, NtpClock, Path, Time};
use std::time::{Duration, Instant};
use wire::srtp::SrtpProfile;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| {
        arguments
            .next()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (viewers, packets, frames) = (number(100), number(10), number(2_000));
    let profile = match arguments.next().as_deref() {
        Some("cm") => SrtpProfile::Aes128CmSha1_80,
        _ => SrtpProfile::AeadAes128Gcm,
    };
    let config = EngineConfig {
        seed: [1; 32],
        clock: NtpClock { ntp_at_zero: 0 },
        is_kep: false,
    };
    let mut engine = Engine::new(&config);
    for command in room_commands(viewers, profile) {
        engine
            .handle_command(Time::ZERO, command)
            .expect("a good command");
    }
    for index in 0..=viewers {
        engine.handle_datagram(Time::ZERO, path(index), &mut binding_request(index));
    }
    engine.clear_transmits();
    let mut camera = CameraSource::new(profile).expect("good keys");
    let mut spent = Duration::ZERO;
    for frame in 0..frames {
        // All within the consent time: the clock only has to move for the pacing of reports.
        let now = Time::from_nanos(frame as u64 * 1_000_000);
        let mut datagrams = camera.frame(packets);
        let start = Instant::now();
        for datagram in &mut datagrams {
            engine.handle_datagram(now, path(0), datagram);
        }
        engine.handle_timeout(now);
        engine.clear_transmits();
        spent += start.elapsed();
        while engine.poll_event().is_some() {}
    }
    let forwarded = engine.statistics().counters.rtp_packets_forwarded;
    println!(
        "{{\"viewers\": {viewers}, \"packets_per_frame\": {packets}, \"profile\": \"{profile:?}\", \
         \"forwarded\": {forwarded}, \"nanoseconds_per_packet\": {:.0}}}",
        spent.as_nanos() as f64 / forwarded as f64
    );
}

fn path(index: usize) -> Path {
    Path {
        socket: 0,
        local: None,
        remote: ([127, 0, (index >> 8) as u8, index as u8], 5_000).into(),
    }
}
