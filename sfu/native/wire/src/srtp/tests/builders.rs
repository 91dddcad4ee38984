//! Keys, packets, and a pair of sender and receiver.

use crate::srtp::*;
use proptest::prelude::*;

pub(super) const PROFILES: [SrtpProfile; 3] = [
    SrtpProfile::AeadAes128Gcm,
    SrtpProfile::AeadAes256Gcm,
    SrtpProfile::Aes128CmSha1_80,
];
pub(super) const SSRC: u32 = 0xcafe_babe;
pub(super) const KEY: [u8; 32] = [0x5a; 32];
pub(super) const SALT: [u8; 14] = [0xa5; 14];

pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|character| character.to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

pub(super) fn pair(profile: SrtpProfile) -> (SrtpSender, SrtpReceiver) {
    let (key_bytes, salt_bytes) = profile.key_and_salt_bytes();
    let (key, salt) = (&KEY[..key_bytes], &SALT[..salt_bytes]);
    (
        SrtpSender::new(profile, key, salt).expect("lengths fit"),
        SrtpReceiver::new(profile, key, salt).expect("lengths fit"),
    )
}

pub(super) fn rtp_packet(ssrc: u32, sequence_number: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 0x60];
    packet.extend_from_slice(&sequence_number.to_be_bytes());
    packet.extend_from_slice(&[1, 2, 3, 4]);
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

pub(super) fn rtcp_packet(ssrc: u32, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(body);
    packet
}

pub(super) fn protected_rtp(sender: &mut SrtpSender, index: u64) -> Vec<u8> {
    let mut packet = rtp_packet(SSRC, index as u16, b"payload of a packet");
    sender
        .protect_rtp(&mut packet, 0, 12, SSRC, index)
        .expect("a valid packet");
    packet
}

pub(super) fn open(
    receiver: &mut SrtpReceiver,
    packet: &[u8],
    sequence_number: u16,
) -> Result<usize, SrtpError> {
    receiver.unprotect_rtp(&mut packet.to_vec(), 12, SSRC, sequence_number)
}

pub(super) fn any_profile() -> impl Strategy<Value = SrtpProfile> {
    (0..PROFILES.len()).prop_map(|at| PROFILES[at])
}
