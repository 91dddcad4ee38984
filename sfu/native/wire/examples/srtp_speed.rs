//! Prints nanoseconds per 1,100-byte RTP packet for each profile, protecting and opening. Run with `--release`.

use std::hint::black_box;
use std::time::Instant;

use wire::srtp::{SrtpError, SrtpProfile, SrtpReceiver, SrtpSender};

const PACKET_BYTES: usize = 1_100;
const HEADER_BYTES: usize = 20;
const PACKETS: u64 = 200_000;
/// As many streams as a subscriber of a middling call has, so that the SSRC search is in the figure.
const STREAMS: u32 = 16;

fn main() -> Result<(), SrtpError> {
    for profile in [
        SrtpProfile::AeadAes128Gcm,
        SrtpProfile::AeadAes256Gcm,
        SrtpProfile::Aes128CmSha1_80,
    ] {
        let (key_bytes, salt_bytes) = profile.key_and_salt_bytes();
        let (key, salt) = (vec![1; key_bytes], vec![2; salt_bytes]);
        let mut sender = SrtpSender::new(profile, &key, &salt)?;
        let mut receiver = SrtpReceiver::new(profile, &key, &salt)?;
        let stride = PACKET_BYTES + profile.rtp_overhead_bytes();

        // One buffer as the engine's batches have: opening must meet distinct packets.
        let mut buffer = Vec::with_capacity(stride * PACKETS as usize);
        let started = Instant::now();
        for at in 0..PACKETS {
            let (ssrc, index) = position(at);
            let start = buffer.len();
            buffer.resize(start + PACKET_BYTES, 0x5a);
            sender.protect_rtp(&mut buffer, start, HEADER_BYTES, ssrc, index)?;
        }
        let with_filling = started.elapsed();
        let fill_started = Instant::now();
        let mut plain = Vec::with_capacity(buffer.len());
        for _ in 0..PACKETS {
            plain.resize(plain.len() + stride, 0x5a_u8);
        }
        black_box(&plain);
        let protect = with_filling.saturating_sub(fill_started.elapsed());

        let started = Instant::now();
        for (at, packet) in (0..PACKETS).zip(buffer.chunks_mut(stride)) {
            let (ssrc, index) = position(at);
            black_box(receiver.unprotect_rtp(packet, HEADER_BYTES, ssrc, index as u16)?);
        }
        let open = started.elapsed();

        println!(
            "{profile:?}: protect {} ns, open {} ns",
            protect.as_nanos() / u128::from(PACKETS),
            open.as_nanos() / u128::from(PACKETS),
        );
    }
    Ok(())
}

/// SSRC and index of the packet at `at`: runs of four packets, as video frames come.
fn position(at: u64) -> (u32, u64) {
    let run = at / 4;
    let ssrc = (run % u64::from(STREAMS)) as u32;
    (ssrc, run / u64::from(STREAMS) * 4 + at % 4)
}
