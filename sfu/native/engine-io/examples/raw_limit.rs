//! The raw limit that the bench holds the engine against: a loop that only encrypts and sends, with the engine's own
//! batching (`Sender`: GSO runs gathered into `sendmmsg`), and no SFU around it.
//!
//! Each round writes a burst of packets for every destination (copy, AES-128-GCM seal) and sends all of them. CPU time is
//! that of this thread. On loopback that includes delivery into the receivers' sockets, so both sides of a comparison must
//! treat receivers alike: without `--drain` nobody reads them, and once their buffers are full (at once) the kernel drops
//! each packet at the receiving socket; with `--drain` a second thread reads them, on the other core. With `--rate` the loop
//! sleeps between its rounds, as a server does between frames: it then finds the caches as cold as that does.
//!
//! `cargo run --release -p engine-io --example raw_limit -- --destinations 100 --burst 10 --bytes 1100 --rounds 1000`
//! prints one JSON object.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use engine::{Path, Transmit};
use engine_io::{Sender, Socket, thread_cpu_time};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

const TAG_BYTES: usize = 16;
/// RTP header and one extension block, authenticated but not encrypted.
const HEADER_BYTES: usize = 24;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse()?;
    let receivers = (0..arguments.destinations)
        .map(|_| UdpSocket::bind("127.0.0.1:0"))
        .collect::<Result<Vec<_>, _>>()?;
    let is_over = AtomicBool::new(false);
    let result = std::thread::scope(|scope| {
        if arguments.drain {
            scope.spawn(|| drain(&receivers, &is_over));
        }
        let result = measure(&arguments, &receivers);
        is_over.store(true, Ordering::Relaxed);
        result
    })?;
    println!("{result}");
    Ok(())
}

/// Run the rounds and describe them as JSON.
fn measure(arguments: &Arguments, receivers: &[UdpSocket]) -> Result<String, Failure> {
    let own = UdpSocket::bind("127.0.0.1:0")?;
    let mut socket = Socket::duplicate(own.as_raw_fd(), arguments.gso)?;
    let mut sender = Sender::new();
    let mut destinations = (receivers.iter().zip(0..))
        .map(|(receiver, number)| Destination::new(receiver.local_addr()?, number, arguments))
        .collect::<Result<Vec<_>, Failure>>()?;
    let plain = vec![0x5A; arguments.bytes - TAG_BYTES];
    // The first rounds fill the receivers' buffers and warm the caches; they do not count.
    let warm_up = arguments.rounds / 10 + 1;
    let mut sent_before = 0;
    let mut writing = Duration::ZERO;
    let mut sending = Duration::ZERO;
    let started = Instant::now();
    for round in 0..warm_up + arguments.rounds {
        if round == warm_up {
            (writing, sending) = (Duration::ZERO, Duration::ZERO);
            sent_before = sender.counters().datagrams_sent;
        }
        if arguments.rate > 0 {
            let due = Duration::from_secs_f64(round as f64 / arguments.rate as f64);
            std::thread::sleep(due.saturating_sub(started.elapsed()));
        }
        let begun = thread_cpu_time();
        for destination in &mut destinations {
            destination.write_burst(&plain, arguments.burst)?;
        }
        let written = thread_cpu_time();
        sender.send(&mut socket, destinations.iter().map(Destination::transmit));
        sending += thread_cpu_time().saturating_sub(written);
        writing += written.saturating_sub(begun);
    }
    let counters = sender.counters();
    let packets = (counters.datagrams_sent - sent_before) as f64;
    let per_packet = |time: Duration| time.as_nanos() as f64 / packets;
    Ok(format!(
        concat!(
            r#"{{"cpu_ns_per_packet": {:.1}, "encrypt_ns_per_packet": {:.1}, "send_ns_per_packet": {:.1}, "#,
            r#""packets": {}, "failures": {}, "datagrams_per_message": {:.2}, "destinations": {}, "burst": {}, "#,
            r#""bytes": {}, "gso": {}, "drained": {}}}"#
        ),
        per_packet(writing + sending),
        per_packet(writing),
        per_packet(sending),
        packets,
        counters.failures,
        counters.datagrams_sent as f64 / counters.messages_sent as f64,
        arguments.destinations,
        arguments.burst,
        arguments.bytes,
        socket.is_gso_on(),
        arguments.drain,
    ))
}

/// One receiver, its key and its output buffer.
struct Destination {
    path: Path,
    key: LessSafeKey,
    next_index: u64,
    contents: Vec<u8>,
    datagram_bytes: Vec<u16>,
}

impl Destination {
    fn new(remote: SocketAddr, number: u64, arguments: &Arguments) -> Result<Self, Failure> {
        let key_bytes = u128::from(number).to_be_bytes();
        let key = UnboundKey::new(&AES_128_GCM, &key_bytes).map_err(|_| "bad key")?;
        Ok(Self {
            path: Path {
                socket: 0,
                local: None,
                remote,
            },
            key: LessSafeKey::new(key),
            next_index: 0,
            contents: Vec::new(),
            datagram_bytes: vec![arguments.bytes as u16; arguments.burst],
        })
    }

    /// Fill the buffer with `burst` protected copies of `plain`.
    fn write_burst(&mut self, plain: &[u8], burst: usize) -> Result<(), Failure> {
        self.contents.clear();
        for _ in 0..burst {
            let start = self.contents.len();
            self.contents.extend_from_slice(plain);
            let (header, payload) = self.contents[start..].split_at_mut(HEADER_BYTES);
            header[..8].copy_from_slice(&self.next_index.to_be_bytes());
            let mut nonce = [0; 12];
            nonce[4..].copy_from_slice(&self.next_index.to_be_bytes());
            self.next_index += 1;
            let nonce = Nonce::assume_unique_for_key(nonce);
            let tag = self
                .key
                .seal_in_place_separate_tag(nonce, Aad::from(&*header), payload)
                .map_err(|_| "encryption failed")?;
            self.contents.extend_from_slice(tag.as_ref());
        }
        Ok(())
    }

    fn transmit(&self) -> Transmit<'_> {
        Transmit {
            path: self.path,
            contents: &self.contents,
            datagram_bytes: &self.datagram_bytes,
        }
    }
}

/// Read everything that arrives, until told to stop.
fn drain(receivers: &[UdpSocket], is_over: &AtomicBool) {
    let mut buffer = [0; 2_048];
    for receiver in receivers {
        // A receiver that blocked would keep the others full.
        let _ = receiver.set_nonblocking(true);
    }
    while !is_over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        for receiver in receivers {
            while receiver.recv(&mut buffer).is_ok() {}
        }
        if begun.elapsed() < Duration::from_micros(100) {
            std::thread::yield_now();
        }
    }
}

struct Arguments {
    destinations: usize,
    burst: usize,
    bytes: usize,
    rounds: usize,
    /// Rounds a second; 0 is as fast as it goes.
    rate: usize,
    gso: bool,
    drain: bool,
}

impl Arguments {
    fn parse() -> Result<Self, Failure> {
        let mut arguments = Self {
            destinations: 100,
            burst: 10,
            bytes: 1_100,
            rounds: 500,
            rate: 0,
            gso: true,
            drain: false,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut number = |least: usize, most: usize| -> Result<usize, Failure> {
                let text = words
                    .next()
                    .ok_or_else(|| format!("{word}: a number is missing"))?;
                let value: usize = text
                    .parse()
                    .map_err(|_| format!("{word}: {text} is no number"))?;
                if !(least..=most).contains(&value) {
                    return Err(format!("{word}: {value} is not in {least} to {most}").into());
                }
                Ok(value)
            };
            match word.as_str() {
                "--destinations" => arguments.destinations = number(1, 10_000)?,
                "--burst" => arguments.burst = number(1, 1_000)?,
                "--bytes" => arguments.bytes = number(HEADER_BYTES + TAG_BYTES, 9_000)?,
                "--rounds" => arguments.rounds = number(1, 10_000_000)?,
                "--rate" => arguments.rate = number(0, 100_000)?,
                "--no-gso" => arguments.gso = false,
                "--drain" => arguments.drain = true,
                _ => return Err(format!("unknown argument {word}").into()),
            }
        }
        Ok(arguments)
    }
}
