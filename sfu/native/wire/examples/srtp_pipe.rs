//! SRTP over a pipe, for tests in other languages: commands on stdin, answers on stdout, both binary.
//!
//! Command: u32 length of the rest | u8 verb | body. Answer: u32 length of the rest | u8 status (0 done) | bytes.
//! Integers are big endian. Verbs:
//! - `K`: u16 profile (DTLS-SRTP number) | key | salt. Start a fresh sender and receiver; no answer bytes.
//! - `P`: u64 packet index | RTP packet. Answers the protected packet.
//! - `U`: SRTP packet. Answers the plain packet.
//! - `p`, `u`: the same for an RTCP compound, without an index.
//!
//! A refused packet answers its error as text with status 1.

use std::io::{self, Read, Write};

use wire::rtp::FIXED_HEADER_BYTES;
use wire::srtp::{SrtpProfile, SrtpReceiver, SrtpSender};

type AnyError = Box<dyn std::error::Error>;

fn main() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut session = None;
    let mut length = [0; 4];
    while input.read_exact(&mut length).is_ok() {
        let mut command = vec![0; u32::from_be_bytes(length) as usize];
        input.read_exact(&mut command)?;
        let (status, answer) = match run(&mut session, &command) {
            Ok(answer) => (0, answer),
            Err(error) => (1, error.to_string().into_bytes()),
        };
        output.write_all(&(answer.len() as u32 + 1).to_be_bytes())?;
        output.write_all(&[status])?;
        output.write_all(&answer)?;
        output.flush()?;
    }
    Ok(())
}

fn run(
    session: &mut Option<(SrtpSender, SrtpReceiver)>,
    command: &[u8],
) -> Result<Vec<u8>, AnyError> {
    let (verb, body) = command.split_first().ok_or("empty command")?;
    if *verb == b'K' {
        *session = Some(start(body)?);
        return Ok(Vec::new());
    }
    let (sender, receiver) = session.as_mut().ok_or("no key yet")?;
    match verb {
        b'P' => {
            let (index, packet) = body.split_first_chunk::<8>().ok_or("short command")?;
            let header = Header::read(packet)?;
            let mut buffer = packet.to_vec();
            sender.protect_rtp(
                &mut buffer,
                0,
                header.bytes,
                header.ssrc,
                u64::from_be_bytes(*index),
            )?;
            Ok(buffer)
        }
        b'U' => {
            let header = Header::read(body)?;
            let mut buffer = body.to_vec();
            let length = receiver.unprotect_rtp(
                &mut buffer,
                header.bytes,
                header.ssrc,
                header.sequence_number,
            )?;
            buffer.truncate(length);
            Ok(buffer)
        }
        b'p' => {
            let mut buffer = body.to_vec();
            sender.protect_rtcp(&mut buffer, 0)?;
            Ok(buffer)
        }
        b'u' => {
            let mut buffer = body.to_vec();
            let length = receiver.unprotect_rtcp(&mut buffer)?;
            buffer.truncate(length);
            Ok(buffer)
        }
        _ => Err("unknown verb".into()),
    }
}

fn start(body: &[u8]) -> Result<(SrtpSender, SrtpReceiver), AnyError> {
    let (profile, keys) = body.split_first_chunk::<2>().ok_or("short command")?;
    let profile = match u16::from_be_bytes(*profile) {
        0x0001 => SrtpProfile::Aes128CmSha1_80,
        0x0007 => SrtpProfile::AeadAes128Gcm,
        0x0008 => SrtpProfile::AeadAes256Gcm,
        _ => return Err("unknown profile".into()),
    };
    let (key, salt) = keys
        .split_at_checked(profile.key_and_salt_bytes().0)
        .ok_or("short key")?;
    Ok((
        SrtpSender::new(profile, key, salt)?,
        SrtpReceiver::new(profile, key, salt)?,
    ))
}

/// What SRTP needs of the RTP header, read here so that the pipe does not stand on the parser under test elsewhere.
struct Header {
    bytes: usize,
    ssrc: u32,
    sequence_number: u16,
}

impl Header {
    fn read(packet: &[u8]) -> Result<Self, AnyError> {
        let fixed = packet
            .first_chunk::<FIXED_HEADER_BYTES>()
            .ok_or("short packet")?;
        let mut bytes = FIXED_HEADER_BYTES + 4 * usize::from(fixed[0] & 0x0f);
        if fixed[0] & 0x10 != 0 {
            let words = packet.get(bytes + 2..bytes + 4).ok_or("short packet")?;
            bytes += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
        }
        Ok(Self {
            bytes,
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            sequence_number: u16::from_be_bytes([fixed[2], fixed[3]]),
        })
    }
}
