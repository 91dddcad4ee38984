//! SRTP and SRTCP (RFC 3711, RFC 7714), in place. Keys are zeroed on drop, those that ring keeps excepted (see `gcm`).
//!
//! One [`SrtpSender`] and one [`SrtpReceiver`] per transport: all SSRCs of a direction share the session keys (key
//! derivation rate 0); rollover counters and replay windows are per SSRC.

mod counter_mode;
mod gcm;
mod key_derivation;
mod receiver;
mod replay;
mod sender;
#[cfg(test)]
mod tests;

use counter_mode::CounterModeSession;
use gcm::GcmSession;
use key_derivation::{KeyDerivation, PacketKind};

pub use receiver::SrtpReceiver;
pub use sender::SrtpSender;

/// Protection profile, by its DTLS-SRTP number (RFC 5764, RFC 7714).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SrtpProfile {
    /// 0x0007.
    AeadAes128Gcm,
    /// 0x0008.
    AeadAes256Gcm,
    /// 0x0001.
    Aes128CmSha1_80,
}

impl SrtpProfile {
    /// Master key and salt lengths in bytes.
    pub const fn key_and_salt_bytes(self) -> (usize, usize) {
        match self {
            Self::AeadAes128Gcm => (16, 12),
            Self::AeadAes256Gcm => (32, 12),
            Self::Aes128CmSha1_80 => (16, 14),
        }
    }

    /// Bytes that protection adds to an RTP packet.
    pub const fn rtp_overhead_bytes(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
            Self::Aes128CmSha1_80 => 10,
        }
    }
}

/// Why a packet was not accepted or not protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SrtpError {
    /// Key or salt of the wrong length for the profile.
    #[error("srtp: key or salt has the wrong length for the profile")]
    BadKey,
    /// Too short or not RTP/RTCP.
    #[error("srtp: malformed packet")]
    Malformed,
    /// Authentication failed.
    #[error("srtp: authentication failed")]
    Authentication,
    /// Seen already, or older than the window.
    #[error("srtp: replayed or too old")]
    Replay,
    /// More SSRCs than `MAX_SSRCS` in one direction.
    #[error("srtp: too many SSRCs")]
    TooManySsrcs,
    /// 2^48 RTP or 2^31 RTCP packets under one key.
    #[error("srtp: key exhausted")]
    KeyExhausted,
}

/// Replay window in packets. RFC 3711 §3.3.2 asks for at least 64.
pub const REPLAY_WINDOW: u64 = 1024;
/// LIMIT: SSRCs tracked per receiver; state is made only by authenticated packets.
pub const MAX_SSRCS: usize = 128;

/// First RTCP packet's fixed header and sender SSRC, which stay clear.
const RTCP_HEADER_BYTES: usize = 8;
/// E flag and index, 4 bytes.
const RTCP_INDEX_BYTES: usize = 4;
const RTCP_ENCRYPTED_FLAG: u32 = 1 << 31;
/// RFC 3711 §9.2: at most 2^48 SRTP packets under one key, which is also where the index ends.
const RTP_INDEX_LIMIT: u64 = 1 << 48;
/// RFC 3711 §9.2: at most 2^31 SRTCP packets under one key.
const RTCP_INDEX_LIMIT: u32 = 1 << 31;
/// LIMIT: no UDP datagram is longer; far under the 2^16 blocks of one AES-CM keystream segment.
const MAX_PACKET_BYTES: usize = 65_535;

/// The session keys of one packet kind.
// Two per transport and direction, read for every packet: a box would save little and cost a load.
#[allow(clippy::large_enum_variant)]
enum SessionCipher {
    Gcm(GcmSession),
    CounterMode(CounterModeSession),
}

impl SessionCipher {
    fn derive_pair(
        profile: SrtpProfile,
        key: &[u8],
        salt: &[u8],
    ) -> Result<(Self, Self), SrtpError> {
        if (key.len(), salt.len()) != profile.key_and_salt_bytes() {
            return Err(SrtpError::BadKey);
        }
        let master = KeyDerivation::new(key, salt)?;
        let derive = |kind| -> Result<Self, SrtpError> {
            Ok(match profile {
                SrtpProfile::AeadAes128Gcm => Self::Gcm(GcmSession::derive_128(&master, kind)?),
                SrtpProfile::AeadAes256Gcm => Self::Gcm(GcmSession::derive_256(&master, kind)?),
                SrtpProfile::Aes128CmSha1_80 => {
                    Self::CounterMode(CounterModeSession::derive(&master, kind)?)
                }
            })
        };
        Ok((derive(PacketKind::Rtp)?, derive(PacketKind::Rtcp)?))
    }

    const fn tag_bytes(&self) -> usize {
        match self {
            Self::Gcm(_) => gcm::TAG_BYTES,
            Self::CounterMode(_) => counter_mode::TAG_BYTES,
        }
    }
}

fn rtcp_ssrc(packet: &[u8]) -> Result<u32, SrtpError> {
    match packet.first_chunk::<RTCP_HEADER_BYTES>() {
        Some(&[_, _, _, _, a, b, c, d]) => Ok(u32::from_be_bytes([a, b, c, d])),
        None => Err(SrtpError::Malformed),
    }
}
