//! The protecting half of a transport's SRTP.

use super::{
    MAX_PACKET_BYTES, RTCP_ENCRYPTED_FLAG, RTCP_INDEX_LIMIT, RTP_INDEX_LIMIT, SessionCipher,
    SrtpError, SrtpProfile, rtcp_ssrc,
};
use crate::rtp::FIXED_HEADER_BYTES;

/// Protects what one transport sends.
///
/// ```
/// use wire::srtp::{SrtpProfile, SrtpReceiver, SrtpSender};
///
/// let (key, salt) = ([7; 16], [9; 12]);
/// let mut sender = SrtpSender::new(SrtpProfile::AeadAes128Gcm, &key, &salt)?;
/// let mut receiver = SrtpReceiver::new(SrtpProfile::AeadAes128Gcm, &key, &salt)?;
/// let plain = *b"\x80\x60\x00\x05\0\0\0\0\0\0\0\x01hello";
///
/// let mut packet = plain.to_vec();
/// sender.protect_rtp(&mut packet, 0, 12, 1, 5)?;
/// let plain_bytes = receiver.unprotect_rtp(&mut packet, 12, 1, 5)?;
///
/// assert_eq!(packet[..plain_bytes], plain);
/// # Ok::<(), wire::srtp::SrtpError>(())
/// ```
// In this order in memory: RTP's half is what is loaded ahead of a packet.
#[repr(C)]
pub struct SrtpSender {
    pub(super) rtp: SessionCipher,
    pub(super) rtcp: SessionCipher,
    /// Index of the next SRTCP packet, one count over all SSRCs: each SSRC then sees it grow, which is all a receiver asks.
    pub(super) next_rtcp_index: u32,
}

impl SrtpSender {
    /// Derive session keys from a master key and salt.
    ///
    /// # Errors
    /// `SrtpError::BadKey`.
    pub fn new(profile: SrtpProfile, key: &[u8], salt: &[u8]) -> Result<Self, SrtpError> {
        let (rtp, rtcp) = SessionCipher::derive_pair(profile, key, salt)?;
        Ok(Self {
            rtp,
            rtcp,
            // As libsrtp does; RFC 3711 §3.4 would allow 0.
            next_rtcp_index: 1,
        })
    }

    /// Protect the RTP packet that fills `buffer[start..]`, appending the tag. `index` is the 48-bit packet index
    /// (rollover counter << 16 | sequence number), which the caller keeps per stream as its extended sequence number.
    /// `header_bytes` is the clear part: fixed header, CSRCs, extensions.
    ///
    /// INVARIANT (the caller's): two packets that differ in any byte never share SSRC and index, else GCM is broken.
    /// A receiver assumes rollover counter 0 for the first packet of an SSRC.
    ///
    /// # Errors
    /// `KeyExhausted` past 2^48; `Malformed` if `header_bytes` is not inside the packet.
    pub fn protect_rtp(
        &mut self,
        buffer: &mut Vec<u8>,
        start: usize,
        header_bytes: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<(), SrtpError> {
        if index >= RTP_INDEX_LIMIT {
            return Err(SrtpError::KeyExhausted);
        }
        let packet = buffer.get_mut(start..).ok_or(SrtpError::Malformed)?;
        if !(FIXED_HEADER_BYTES..=packet.len()).contains(&header_bytes)
            || packet.len() > MAX_PACKET_BYTES
        {
            return Err(SrtpError::Malformed);
        }
        match &self.rtp {
            SessionCipher::Gcm(session) => {
                let tag = session.seal_rtp(packet, header_bytes, ssrc, index)?;
                buffer.extend_from_slice(tag.as_ref());
            }
            SessionCipher::CounterMode(session) => {
                let tag = session.seal_rtp(packet, header_bytes, ssrc, index);
                buffer.extend_from_slice(&tag);
            }
        }
        Ok(())
    }

    /// Protect the RTCP compound that fills `buffer[start..]`, appending E flag, index and tag. The index is kept here.
    ///
    /// # Errors
    /// `KeyExhausted` past 2^31, `Malformed` under 8 bytes.
    pub fn protect_rtcp(&mut self, buffer: &mut Vec<u8>, start: usize) -> Result<(), SrtpError> {
        let packet = buffer.get_mut(start..).ok_or(SrtpError::Malformed)?;
        let ssrc = rtcp_ssrc(packet)?;
        if packet.len() > MAX_PACKET_BYTES {
            return Err(SrtpError::Malformed);
        }
        let index = self.next_rtcp_index;
        if index >= RTCP_INDEX_LIMIT {
            return Err(SrtpError::KeyExhausted);
        }
        let index_word = (RTCP_ENCRYPTED_FLAG | index).to_be_bytes();
        match &self.rtcp {
            SessionCipher::Gcm(session) => {
                let tag = session.seal_rtcp(packet, ssrc, index)?;
                buffer.extend_from_slice(tag.as_ref());
                buffer.extend_from_slice(&index_word);
            }
            SessionCipher::CounterMode(session) => {
                session.encrypt_rtcp(packet, ssrc, index);
                buffer.extend_from_slice(&index_word);
                let tag = session.rtcp_tag(&buffer[start..]);
                buffer.extend_from_slice(&tag);
            }
        }
        self.next_rtcp_index += 1;
        Ok(())
    }
}
