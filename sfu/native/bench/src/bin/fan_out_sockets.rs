//! What forwarding costs on real sockets: one camera and N viewers on loopback around the engine's own thread.
//! `fan_out_sockets [viewers] [packets per frame] [frames] [frames a second] [gcm|cm]` prints one line of JSON: CPU time of the
//! engine's thread for every packet it sent, kernel included. Viewers' sockets are never read: a full one drops, which costs
//! the sender the same as one that is read.

use bench::{CameraSource, binding_request, room_commands};
use engine_io::{EngineHandle, Options};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::thread::sleep;
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
    let (viewers, packets, frames, rate) = (number(100), number(10), number(500), number(100));
    let profile = match arguments.next().as_deref() {
        Some("cm") => SrtpProfile::Aes128CmSha1_80,
        _ => SrtpProfile::AeadAes128Gcm,
    };
    let server = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = server.local_addr().expect("bound");
    let engine = EngineHandle::start(&Options {
        sockets: vec![server.as_raw_fd()],
        seed: [1; 32],
        is_kep: false,
        use_gso: true,
    })
    .expect("the engine starts");
    for command in room_commands(viewers, profile) {
        engine.command(command).expect("a good command");
    }
    let clients: Vec<UdpSocket> = (0..=viewers)
        .map(|index| {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
            socket
                .send_to(&binding_request(index), address)
                .expect("loopback takes it");
            socket
        })
        .collect();
    sleep(Duration::from_millis(200));
    let mut camera = CameraSource::new(profile).expect("good keys");
    let before = engine.snapshot().expect("the engine runs");
    let start = Instant::now();
    for frame in 0..frames {
        for datagram in camera.frame(packets) {
            clients[0]
                .send_to(&datagram, address)
                .expect("loopback takes it");
        }
        let due = Duration::from_secs_f64((frame + 1) as f64 / rate as f64);
        sleep(due.saturating_sub(start.elapsed()));
    }
    sleep(Duration::from_millis(100));
    let after = engine.snapshot().expect("the engine runs");
    let forwarded =
        after.engine.counters.rtp_packets_forwarded - before.engine.counters.rtp_packets_forwarded;
    let expected = (viewers * packets * frames) as u64;
    let messages = after.shell.send.messages_sent - before.shell.send.messages_sent;
    let cpu = after.cpu_time.checked_sub(before.cpu_time).unwrap();
    println!(
        "{{\"viewers\": {viewers}, \"packets_per_frame\": {packets}, \"profile\": \"{profile:?}\", \
         \"forwarded\": {forwarded}, \"expected\": {expected}, \"datagrams_per_message\": {:.2}, \"cpu_nanoseconds_per_packet\": {:.0}}}",
        forwarded as f64 / messages as f64,
        cpu.as_nanos() as f64 / forwarded as f64
    );
}
