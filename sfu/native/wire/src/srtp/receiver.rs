//! The opening half of a transport's SRTP: index estimation, replay check, authentication, decryption, in this order.

use super::replay::{ReplayWindows, estimate_index};
use super::{
    MAX_PACKET_BYTES, RTCP_ENCRYPTED_FLAG, RTCP_HEADER_BYTES, RTCP_INDEX_BYTES, RTP_INDEX_LIMIT,
    SessionCipher, SrtpError, SrtpProfile, rtcp_ssrc,
};
use crate::rtp::FIXED_HEADER_BYTES;

/// Opens what one transport receives.
// In this order in memory: RTP's half is what is loaded ahead of a packet.
#[repr(C)]
pub struct SrtpReceiver {
    pub(super) rtp_windows: ReplayWindows,
    pub(super) rtp: SessionCipher,
    pub(super) rtcp: SessionCipher,
    pub(super) rtcp_windows: ReplayWindows,
}

impl SrtpReceiver {
    /// Derive session keys from a master key and salt.
    ///
    /// # Errors
    /// `SrtpError::BadKey`.
    pub fn new(profile: SrtpProfile, key: &[u8], salt: &[u8]) -> Result<Self, SrtpError> {
        let (rtp, rtcp) = SessionCipher::derive_pair(profile, key, salt)?;
        Ok(Self {
            rtp,
            rtcp,
            rtp_windows: ReplayWindows::default(),
            rtcp_windows: ReplayWindows::default(),
        })
    }

    /// Load the replay windows, some time after the receiver itself.
    pub fn prefetch_windows(&self) {
        self.rtp_windows.prefetch();
    }

    /// Authenticate and decrypt in place; return the length of the plain RTP packet (header included).
    /// Unauthenticated packets change no state, but their bytes may be overwritten. `header_bytes` is
    /// `RtpHeader::header_bytes`.
    ///
    /// # Errors
    /// `SrtpError`.
    pub fn unprotect_rtp(
        &mut self,
        packet: &mut [u8],
        header_bytes: usize,
        ssrc: u32,
        sequence_number: u16,
    ) -> Result<usize, SrtpError> {
        let room = packet.len().checked_sub(self.rtp.tag_bytes());
        if header_bytes < FIXED_HEADER_BYTES
            || room.is_none_or(|room| room < header_bytes)
            || packet.len() > MAX_PACKET_BYTES
        {
            return Err(SrtpError::Malformed);
        }
        let index = if let Some(window) = self.rtp_windows.get_mut(ssrc) {
            let index = estimate_index(Some(window.highest()), sequence_number);
            window.check(index)?;
            index
        } else {
            self.rtp_windows.check_room()?;
            estimate_index(None, sequence_number)
        };
        if index >= RTP_INDEX_LIMIT {
            return Err(SrtpError::KeyExhausted);
        }
        let plain_bytes = match &self.rtp {
            SessionCipher::Gcm(session) => session.open_rtp(packet, header_bytes, ssrc, index),
            SessionCipher::CounterMode(session) => {
                session.open_rtp(packet, header_bytes, ssrc, index)
            }
        }?;
        self.rtp_windows.accept(ssrc, index);
        Ok(plain_bytes)
    }

    /// Authenticate and decrypt an SRTCP compound in place; return its plain length.
    ///
    /// # Errors
    /// `SrtpError`; `Malformed` also for a compound that is not encrypted, which WebRTC never sends (RFC 8827 §6.5).
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let overhead_bytes = self.rtcp.tag_bytes() + RTCP_INDEX_BYTES;
        if packet.len() < RTCP_HEADER_BYTES + overhead_bytes || packet.len() > MAX_PACKET_BYTES {
            return Err(SrtpError::Malformed);
        }
        let ssrc = rtcp_ssrc(packet)?;
        let index_end = match self.rtcp {
            SessionCipher::Gcm(_) => packet.len(),
            SessionCipher::CounterMode(_) => packet.len() - self.rtcp.tag_bytes(),
        };
        let index_word = packet[..index_end]
            .last_chunk::<RTCP_INDEX_BYTES>()
            .map_or(0, |bytes| u32::from_be_bytes(*bytes));
        if index_word & RTCP_ENCRYPTED_FLAG == 0 {
            return Err(SrtpError::Malformed);
        }
        let index = index_word & !RTCP_ENCRYPTED_FLAG;
        match self.rtcp_windows.get_mut(ssrc) {
            Some(window) => window.check(index.into())?,
            None => self.rtcp_windows.check_room()?,
        }
        let plain_bytes = match &self.rtcp {
            SessionCipher::Gcm(session) => session.open_rtcp(packet, ssrc, index),
            SessionCipher::CounterMode(session) => session.open_rtcp(packet, ssrc, index),
        }?;
        self.rtcp_windows.accept(ssrc, index.into());
        Ok(plain_bytes)
    }
}
