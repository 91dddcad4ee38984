//! Session keys from a master key and salt: the AES-CM pseudo-random function of RFC 3711 §4.3 (256-bit form: RFC 6188 §3).

use aes::cipher::array::Array;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128Enc, Aes256Enc};
use zeroize::Zeroizing;

use super::SrtpError;

/// Which of the three session keys to derive. RTCP labels are three higher (RFC 3711 §4.3.2).
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// Label 0 or 3.
    Encryption = 0,
    /// Label 1 or 4.
    Authentication = 1,
    /// Label 2 or 5.
    Salt = 2,
}

/// Whether keys are for RTP or for RTCP packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PacketKind {
    /// SRTP.
    Rtp,
    /// SRTCP.
    Rtcp,
}

/// The master key expanded once, with its salt.
pub(super) struct KeyDerivation {
    cipher: MasterCipher,
    salt: Zeroizing<[u8; MASTER_SALT_BYTES]>,
}

// Short-lived and few: the size difference does not matter.
#[allow(clippy::large_enum_variant)]
enum MasterCipher {
    Aes128(Aes128Enc),
    Aes256(Aes256Enc),
}

/// RFC 3711 §4.3.1: 112 bits. RFC 7714 §11: a 96-bit salt is padded with zeros on the right.
const MASTER_SALT_BYTES: usize = 14;
const BLOCK_BYTES: usize = 16;
const RTCP_LABEL_OFFSET: u8 = 3;

impl KeyDerivation {
    /// Take a 16- or 32-byte master key and a salt of at most 14 bytes.
    ///
    /// # Errors
    /// `SrtpError::BadKey` on other lengths.
    pub(super) fn new(key: &[u8], salt: &[u8]) -> Result<Self, SrtpError> {
        let cipher = match key.len() {
            16 => {
                MasterCipher::Aes128(Aes128Enc::new_from_slice(key).map_err(|_| SrtpError::BadKey)?)
            }
            32 => {
                MasterCipher::Aes256(Aes256Enc::new_from_slice(key).map_err(|_| SrtpError::BadKey)?)
            }
            _ => return Err(SrtpError::BadKey),
        };
        let mut padded = Zeroizing::new([0; MASTER_SALT_BYTES]);
        padded
            .get_mut(..salt.len())
            .ok_or(SrtpError::BadKey)?
            .copy_from_slice(salt);
        Ok(Self {
            cipher,
            salt: padded,
        })
    }

    /// Derive `N` bytes (at most 1 MiB: the counter has 16 bits).
    pub(super) fn derive<const N: usize>(
        &self,
        kind: PacketKind,
        purpose: Purpose,
    ) -> Zeroizing<[u8; N]> {
        let label = purpose as u8
            + match kind {
                PacketKind::Rtp => 0,
                PacketKind::Rtcp => RTCP_LABEL_OFFSET,
            };
        // RFC 3711 §4.3.1: key_id = label || r with r = 0 (key derivation rate 0), so only byte 7 differs from the salt.
        let mut input = Zeroizing::new([0; BLOCK_BYTES]);
        input[..MASTER_SALT_BYTES].copy_from_slice(&self.salt[..]);
        input[7] ^= label;

        let mut output = Zeroizing::new([0; N]);
        for (counter, chunk) in output.chunks_mut(BLOCK_BYTES).enumerate() {
            input[MASTER_SALT_BYTES..].copy_from_slice(&(counter as u16).to_be_bytes());
            let mut block = Zeroizing::new(*input);
            self.encrypt(&mut block);
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        output
    }

    fn encrypt(&self, block: &mut [u8; BLOCK_BYTES]) {
        let block: &mut Array<u8, _> = block.into();
        match &self.cipher {
            MasterCipher::Aes128(cipher) => cipher.encrypt_block(block),
            MasterCipher::Aes256(cipher) => cipher.encrypt_block(block),
        }
    }
}
