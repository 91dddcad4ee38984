//! SRTP and SRTCP (RFC 3711, RFC 7714), in place. Keys are zeroed on drop.
//!
//! One [`SrtpSender`] and one [`SrtpReceiver`] per transport: all SSRCs of a direction share the session keys (key
//! derivation rate 0); rollover counters and replay windows are per SSRC.

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

/// Protects what one transport sends.
pub struct SrtpSender {}

impl SrtpSender {
    /// Derive session keys from a master key and salt.
    ///
    /// # Errors
    /// `SrtpError::BadKey`.
    pub fn new(_profile: SrtpProfile, _key: &[u8], _salt: &[u8]) -> Result<Self, SrtpError> {
        todo!("srtp")
    }

    /// Protect the RTP packet that fills `buffer[start..]`, appending the tag. `index` is the 48-bit packet index
    /// (rollover counter << 16 | sequence number), which the caller keeps per stream as its extended sequence number.
    /// `header_bytes` is the clear part: fixed header, CSRCs, extensions.
    ///
    /// # Errors
    /// `KeyExhausted` past 2^48.
    pub fn protect_rtp(
        &mut self,
        _buffer: &mut Vec<u8>,
        _start: usize,
        _header_bytes: usize,
        _ssrc: u32,
        _index: u64,
    ) -> Result<(), SrtpError> {
        todo!("srtp")
    }

    /// Protect the RTCP compound that fills `buffer[start..]`, appending E flag, index and tag. The index is kept here.
    ///
    /// # Errors
    /// `KeyExhausted` past 2^31, `Malformed` under 8 bytes.
    pub fn protect_rtcp(&mut self, _buffer: &mut Vec<u8>, _start: usize) -> Result<(), SrtpError> {
        todo!("srtp")
    }
}

/// Opens what one transport receives.
pub struct SrtpReceiver {}

impl SrtpReceiver {
    /// Derive session keys from a master key and salt.
    ///
    /// # Errors
    /// `SrtpError::BadKey`.
    pub fn new(_profile: SrtpProfile, _key: &[u8], _salt: &[u8]) -> Result<Self, SrtpError> {
        todo!("srtp")
    }

    /// Authenticate and decrypt in place; return the length of the plain RTP packet (header included).
    /// Unauthenticated packets change no state. `header_bytes` is `RtpHeader::header_bytes`.
    ///
    /// # Errors
    /// `SrtpError`.
    pub fn unprotect_rtp(
        &mut self,
        _packet: &mut [u8],
        _header_bytes: usize,
        _ssrc: u32,
        _sequence_number: u16,
    ) -> Result<usize, SrtpError> {
        todo!("srtp")
    }

    /// Authenticate and decrypt an SRTCP compound in place; return its plain length.
    ///
    /// # Errors
    /// `SrtpError`.
    pub fn unprotect_rtcp(&mut self, _packet: &mut [u8]) -> Result<usize, SrtpError> {
        todo!("srtp")
    }
}
