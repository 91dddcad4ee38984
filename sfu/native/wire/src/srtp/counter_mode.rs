//! `AES_CM_128_HMAC_SHA1_80` for SRTP and SRTCP (RFC 3711 §4).
//!
//! The AES key schedule and the keyed HMAC state are made once; a packet costs a copy of the two SHA-1 states.

use aes::Aes128Enc;
use aes::cipher::{InnerIvInit, KeyInit, StreamCipherCore};
use ctr::CtrCore;
use ctr::flavors::Ctr32BE;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use zeroize::Zeroizing;

use super::key_derivation::{KeyDerivation, PacketKind, Purpose};
use super::{RTCP_HEADER_BYTES, RTCP_INDEX_BYTES, SrtpError};

/// RFC 3711 §5.2: 80 bits, in SRTCP too.
pub(super) const TAG_BYTES: usize = 10;
const SALT_BYTES: usize = 14;
const AUTHENTICATION_KEY_BYTES: usize = 20;

/// Keys of one packet kind.
pub(super) struct CounterModeSession {
    cipher: Aes128Enc,
    salt: Zeroizing<[u8; SALT_BYTES]>,
    mac: Hmac<Sha1>,
}

impl CounterModeSession {
    /// Derive the three session keys.
    pub(super) fn derive(master: &KeyDerivation, kind: PacketKind) -> Result<Self, SrtpError> {
        let key = master.derive::<16>(kind, Purpose::Encryption);
        let mac_key = master.derive::<AUTHENTICATION_KEY_BYTES>(kind, Purpose::Authentication);
        Self::new(&key[..], master.derive(kind, Purpose::Salt), &mac_key[..])
    }

    pub(super) fn new(
        key: &[u8],
        salt: Zeroizing<[u8; SALT_BYTES]>,
        authentication_key: &[u8],
    ) -> Result<Self, SrtpError> {
        Ok(Self {
            cipher: Aes128Enc::new_from_slice(key).map_err(|_| SrtpError::BadKey)?,
            salt,
            mac: Hmac::new_from_slice(authentication_key).map_err(|_| SrtpError::BadKey)?,
        })
    }

    /// Encrypt `packet[header_bytes..]` in place and return the tag to append.
    pub(super) fn seal_rtp(
        &self,
        packet: &mut [u8],
        header_bytes: usize,
        ssrc: u32,
        index: u64,
    ) -> [u8; TAG_BYTES] {
        self.apply_keystream(&mut packet[header_bytes..], ssrc, index);
        truncated(self.rtp_mac(packet, index))
    }

    /// Check the tag that ends `packet`, then decrypt; return the plain packet's length.
    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        header_bytes: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, SrtpError> {
        let plain_bytes = packet.len() - TAG_BYTES;
        let (authenticated, tag) = packet.split_at_mut(plain_bytes);
        self.rtp_mac(authenticated, index)
            .verify_truncated_left(tag)
            .map_err(|_| SrtpError::Authentication)?;
        self.apply_keystream(&mut authenticated[header_bytes..], ssrc, index);
        Ok(plain_bytes)
    }

    /// Encrypt the compound after its first 8 bytes.
    pub(super) fn encrypt_rtcp(&self, packet: &mut [u8], ssrc: u32, index: u32) {
        self.apply_keystream(&mut packet[RTCP_HEADER_BYTES..], ssrc, index.into());
    }

    /// Tag over the encrypted compound with its index word.
    pub(super) fn rtcp_tag(&self, packet_with_index: &[u8]) -> [u8; TAG_BYTES] {
        truncated(self.mac.clone().chain_update(packet_with_index))
    }

    /// Check header, ciphertext, index word, tag; decrypt; return the plain compound's length.
    pub(super) fn open_rtcp(
        &self,
        packet: &mut [u8],
        ssrc: u32,
        index: u32,
    ) -> Result<usize, SrtpError> {
        let authenticated_bytes = packet.len() - TAG_BYTES;
        let (authenticated, tag) = packet.split_at_mut(authenticated_bytes);
        self.mac
            .clone()
            .chain_update(&*authenticated)
            .verify_truncated_left(tag)
            .map_err(|_| SrtpError::Authentication)?;
        let plain_bytes = authenticated_bytes - RTCP_INDEX_BYTES;
        self.encrypt_rtcp(&mut authenticated[..plain_bytes], ssrc, index);
        Ok(plain_bytes)
    }

    /// RFC 3711 §4.2: the rollover counter is authenticated after the packet.
    fn rtp_mac(&self, packet: &[u8], index: u64) -> Hmac<Sha1> {
        let rollover_counter = (index >> 16) as u32;
        self.mac
            .clone()
            .chain_update(packet)
            .chain_update(rollover_counter.to_be_bytes())
    }

    /// RFC 3711 §4.1.1: IV = (salt << 16) XOR (SSRC << 64) XOR (index << 16), the low 16 bits counting blocks.
    pub(super) fn apply_keystream(&self, data: &mut [u8], ssrc: u32, index: u64) {
        let mut iv = [0; 16];
        iv[4..8].copy_from_slice(&ssrc.to_be_bytes());
        iv[8..14].copy_from_slice(&index.to_be_bytes()[2..]);
        for (byte, salt) in iv.iter_mut().zip(self.salt.iter()) {
            *byte ^= salt;
        }
        // The 32-bit counter never carries past its low 16 bits: callers bound packets to `MAX_PACKET_BYTES`.
        CtrCore::<&Aes128Enc, Ctr32BE>::inner_iv_init(&self.cipher, &iv.into())
            .apply_keystream_partial(data.into());
    }
}

fn truncated(mac: Hmac<Sha1>) -> [u8; TAG_BYTES] {
    let full = mac.finalize().into_bytes();
    let mut tag = [0; TAG_BYTES];
    tag.copy_from_slice(&full[..TAG_BYTES]);
    tag
}
