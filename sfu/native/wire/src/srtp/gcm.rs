//! `AEAD_AES_128_GCM` and `AEAD_AES_256_GCM` for SRTP and SRTCP (RFC 7714).
//!
//! Ring keeps the expanded key and the GHASH table inside `LessSafeKey` and does not zero them on drop.

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};
use zeroize::Zeroizing;

use super::key_derivation::{KeyDerivation, PacketKind, Purpose};
use super::{RTCP_ENCRYPTED_FLAG, RTCP_HEADER_BYTES, RTCP_INDEX_BYTES, SrtpError};

/// RFC 7714 §13.2: all profiles use the full tag.
pub(super) const TAG_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;

/// Key and salt of one packet kind.
pub(super) struct GcmSession {
    key: LessSafeKey,
    salt: Zeroizing<[u8; NONCE_BYTES]>,
}

impl GcmSession {
    /// Derive with a 128-bit key.
    pub(super) fn derive_128(master: &KeyDerivation, kind: PacketKind) -> Result<Self, SrtpError> {
        let key = master.derive::<16>(kind, Purpose::Encryption);
        let key = UnboundKey::new(&AES_128_GCM, &key[..]).map_err(|_| SrtpError::BadKey)?;
        Ok(Self::new(key, master.derive(kind, Purpose::Salt)))
    }

    /// Derive with a 256-bit key.
    pub(super) fn derive_256(master: &KeyDerivation, kind: PacketKind) -> Result<Self, SrtpError> {
        let key = master.derive::<32>(kind, Purpose::Encryption);
        let key = UnboundKey::new(&AES_256_GCM, &key[..]).map_err(|_| SrtpError::BadKey)?;
        Ok(Self::new(key, master.derive(kind, Purpose::Salt)))
    }

    pub(super) fn new(key: UnboundKey, salt: Zeroizing<[u8; NONCE_BYTES]>) -> Self {
        Self {
            key: LessSafeKey::new(key),
            salt,
        }
    }

    /// Encrypt `packet[header_bytes..]` in place and return the tag to append.
    pub(super) fn seal_rtp(
        &self,
        packet: &mut [u8],
        header_bytes: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<Tag, SrtpError> {
        let (header, payload) = packet.split_at_mut(header_bytes);
        self.key
            .seal_in_place_separate_tag(self.nonce(ssrc, index), Aad::from(&*header), payload)
            .map_err(|_| SrtpError::Malformed)
    }

    /// Decrypt `packet[header_bytes..]`, which ends with the tag, and return the plain packet's length.
    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        header_bytes: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, SrtpError> {
        let (header, payload) = packet.split_at_mut(header_bytes);
        let plain = self
            .key
            .open_in_place(self.nonce(ssrc, index), Aad::from(&*header), payload)
            .map_err(|_| SrtpError::Authentication)?;
        Ok(header_bytes + plain.len())
    }

    /// Encrypt the compound after its first 8 bytes and return the tag, which goes before the index word.
    pub(super) fn seal_rtcp(
        &self,
        packet: &mut [u8],
        ssrc: u32,
        index: u32,
    ) -> Result<Tag, SrtpError> {
        let (header, payload) = packet.split_at_mut(RTCP_HEADER_BYTES);
        let aad = rtcp_aad(header, index);
        self.key
            .seal_in_place_separate_tag(self.nonce(ssrc, index.into()), Aad::from(aad), payload)
            .map_err(|_| SrtpError::Malformed)
    }

    /// Decrypt header, ciphertext, tag, index word; return the plain compound's length.
    pub(super) fn open_rtcp(
        &self,
        packet: &mut [u8],
        ssrc: u32,
        index: u32,
    ) -> Result<usize, SrtpError> {
        let end = packet.len() - RTCP_INDEX_BYTES;
        let (header, payload) = packet[..end].split_at_mut(RTCP_HEADER_BYTES);
        let aad = rtcp_aad(header, index);
        let plain = self
            .key
            .open_in_place(self.nonce(ssrc, index.into()), Aad::from(aad), payload)
            .map_err(|_| SrtpError::Authentication)?;
        Ok(RTCP_HEADER_BYTES + plain.len())
    }

    /// RFC 7714 §8.1 and §9.1: 0x0000 || SSRC || 48-bit index (31-bit for RTCP), XOR salt.
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let mut bytes = [0; NONCE_BYTES];
        bytes[2..6].copy_from_slice(&ssrc.to_be_bytes());
        bytes[6..].copy_from_slice(&index.to_be_bytes()[2..]);
        for (byte, salt) in bytes.iter_mut().zip(self.salt.iter()) {
            *byte ^= salt;
        }
        Nonce::assume_unique_for_key(bytes)
    }
}

/// RFC 7714 §9.2: the first 8 bytes, then E flag and index.
fn rtcp_aad(header: &[u8], index: u32) -> [u8; RTCP_HEADER_BYTES + RTCP_INDEX_BYTES] {
    let mut aad = [0; RTCP_HEADER_BYTES + RTCP_INDEX_BYTES];
    aad[..RTCP_HEADER_BYTES].copy_from_slice(header);
    aad[RTCP_HEADER_BYTES..].copy_from_slice(&(RTCP_ENCRYPTED_FLAG | index).to_be_bytes());
    aad
}
