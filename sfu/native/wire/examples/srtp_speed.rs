//! Prints nanoseconds per 1,100-byte RTP packet for each profile, protecting and opening. Run with `--release`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use wire::srtp::{SrtpError, SrtpProfile, SrtpReceiver, SrtpSender};

const PACKET_BYTES: usize = 1_100;
const HEADER_BYTES: usize = 20;
/// Packets protected, then opened, before the clock is read again: they fit in the second-level cache.
const BATCH: u64 = 256;
const BATCHES: u64 = 1_000;
/// As many streams as a subscriber of a middling call has, so that the SSRC search is in the figure.
const STREAMS: u64 = 16;
/// Packets of one stream in a row, as video frames come.
const RUN: u64 = 4;

fn main() -> Result<(), SrtpError> {
    for profile in [
        SrtpProfile::AeadAes128Gcm,
        SrtpProfile::AeadAes256Gcm,
        SrtpProfile::Aes128CmSha1_80,
    ] {
        let (protect, open) = measure(profile)?;
        let packets = u128::from(BATCH * BATCHES);
        println!(
            "{profile:?}: protect {} ns, open {} ns",
            protect.as_nanos() / packets,
            open.as_nanos() / packets,
        );
    }
    Ok(())
}

fn measure(profile: SrtpProfile) -> Result<(Duration, Duration), SrtpError> {
    let (key_bytes, salt_bytes) = profile.key_and_salt_bytes();
    let (key, salt) = (vec![1; key_bytes], vec![2; salt_bytes]);
    let mut sender = SrtpSender::new(profile, &key, &salt)?;
    let mut receiver = SrtpReceiver::new(profile, &key, &salt)?;
    let mut packets = vec![Vec::with_capacity(2 * PACKET_BYTES); BATCH as usize];
    let (mut protect, mut open) = (Duration::ZERO, Duration::ZERO);
    for batch in 0..BATCHES {
        for packet in &mut packets {
            packet.resize(PACKET_BYTES, 0x5a);
        }
        let started = Instant::now();
        for (at, packet) in (batch * BATCH..).zip(&mut packets) {
            let (ssrc, index) = position(at);
            sender.protect_rtp(packet, 0, HEADER_BYTES, ssrc, index)?;
        }
        protect += started.elapsed();
        let started = Instant::now();
        for (at, packet) in (batch * BATCH..).zip(&mut packets) {
            let (ssrc, index) = position(at);
            black_box(receiver.unprotect_rtp(packet, HEADER_BYTES, ssrc, index as u16)?);
        }
        open += started.elapsed();
    }
    Ok((protect, open))
}

/// SSRC and packet index of the packet at `at`.
fn position(at: u64) -> (u32, u64) {
    let run = at / RUN;
    let ssrc = (run % STREAMS) as u32;
    (ssrc, run / STREAMS * RUN + at % RUN)
}
