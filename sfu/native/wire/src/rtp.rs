//! RTP header (RFC 3550 §5.1): parse in place, write for sending.

use crate::ParseError;

/// Smallest RTP packet: the fixed header.
pub const FIXED_HEADER_BYTES: usize = 12;

/// What the fixed header, the CSRC list and the extension preamble say. All of it is readable before decryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpHeader {
    /// P bit. The count of padding bytes is the last byte of the *decrypted* payload: see [`padding_bytes`].
    pub has_padding: bool,
    /// Marker bit: last packet of a video frame, first of a talk spurt.
    pub marker: bool,
    /// 7 bits.
    pub payload_type: u8,
    /// As on the wire; unwrap with `SequenceUnwrapper`.
    pub sequence_number: u16,
    /// In units of the payload's clock rate.
    pub timestamp: u32,
    /// Synchronization source.
    pub ssrc: u32,
    /// Number of CSRC entries, 0–15.
    pub csrc_count: u8,
    /// Profile word of the extension block (0xBEDE one-byte, 0x100x two-byte), if the X bit is set.
    pub extension_profile: Option<u16>,
    /// Offset and length of the extension elements, without the 4-byte preamble; empty if none.
    pub extension_start: usize,
    /// Length in bytes of the extension elements.
    pub extension_bytes: usize,
    /// Offset of the payload (of the ciphertext, before decryption).
    pub header_bytes: usize,
}

impl RtpHeader {
    /// Parse the header of `packet`.
    ///
    /// # Errors
    /// `ParseError` if it is not version 2 or a length reaches past the end.
    pub fn parse(packet: &[u8]) -> Result<Self, ParseError> {
        const NAME: &str = "rtp";
        let Some(fixed) = packet.first_chunk::<FIXED_HEADER_BYTES>() else {
            return Err(ParseError::Truncated(NAME));
        };
        if fixed[0] >> 6 != 2 {
            return Err(ParseError::BadValue(NAME));
        }
        let csrc_count = fixed[0] & 0x0f;
        let mut header_bytes = FIXED_HEADER_BYTES + usize::from(csrc_count) * 4;
        let (mut extension_profile, mut extension_start, mut extension_bytes) = (None, 0, 0);
        if fixed[0] & 0x10 != 0 {
            let preamble = packet
                .get(header_bytes..header_bytes + 4)
                .ok_or(ParseError::Truncated(NAME))?;
            extension_profile = Some(u16::from_be_bytes([preamble[0], preamble[1]]));
            extension_bytes = usize::from(u16::from_be_bytes([preamble[2], preamble[3]])) * 4;
            extension_start = header_bytes + 4;
            header_bytes = extension_start + extension_bytes;
        }
        if header_bytes > packet.len() {
            return Err(ParseError::BadLength(NAME));
        }
        Ok(Self {
            has_padding: fixed[0] & 0x20 != 0,
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7f,
            sequence_number: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            csrc_count,
            extension_profile,
            extension_start,
            extension_bytes,
            header_bytes,
        })
    }
}

/// Return how many padding bytes end the decrypted `payload` (0 if `has_padding` is false).
///
/// # Errors
/// `ParseError` if the count is zero or longer than the payload.
pub fn padding_bytes(has_padding: bool, payload: &[u8]) -> Result<usize, ParseError> {
    if !has_padding {
        return Ok(0);
    }
    match payload.last() {
        Some(&count) if count > 0 && usize::from(count) <= payload.len() => Ok(usize::from(count)),
        _ => Err(ParseError::BadLength("rtp padding")),
    }
}

/// The fixed header of a packet to send.
#[derive(Debug, Clone, Copy)]
pub struct OutgoingHeader {
    /// Marker bit.
    pub marker: bool,
    /// 7 bits.
    pub payload_type: u8,
    /// 16-bit wire value.
    pub sequence_number: u16,
    /// Wire timestamp.
    pub timestamp: u32,
    /// SSRC of the send stream.
    pub ssrc: u32,
}

impl OutgoingHeader {
    /// Append the 12 fixed bytes to `out`; `has_extensions` sets the X bit (write the block next, with
    /// `extensions::ExtensionWriter`).
    pub fn write(&self, out: &mut Vec<u8>, has_extensions: bool, has_padding: bool) {
        let mut bytes = [0u8; FIXED_HEADER_BYTES];
        bytes[0] = 0x80 | (u8::from(has_extensions) << 4) | (u8::from(has_padding) << 5);
        bytes[1] = (u8::from(self.marker) << 7) | (self.payload_type & 0x7f);
        bytes[2..4].copy_from_slice(&self.sequence_number.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        out.extend_from_slice(&bytes);
    }
}

/// True for the second byte of an RTCP packet under rtcp-mux (RFC 5761 §4: payload types 64–95 with the marker).
pub fn is_rtcp(packet: &[u8]) -> bool {
    packet.get(1).is_some_and(|byte| (192..=223).contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Two CSRCs, an extension of one word, three bytes of payload and one of padding.
    const SAMPLE: [u8; 32] = [
        0xb2, 0xe0, 0xff, 0xff, 0, 0, 0, 9, 0, 0, 0, 7, // fixed
        0, 0, 0, 1, 0, 0, 0, 2, // CSRCs
        0xbe, 0xde, 0, 1, 0x10, b'a', 0, 0, // extension
        1, 2, 3, 1, // payload and padding
    ];

    #[test]
    fn header_with_csrcs_extension_and_padding_is_read() {
        let header = RtpHeader::parse(&SAMPLE).unwrap();

        assert_eq!(
            header,
            RtpHeader {
                has_padding: true,
                marker: true,
                payload_type: 96,
                sequence_number: 65_535,
                timestamp: 9,
                ssrc: 7,
                csrc_count: 2,
                extension_profile: Some(0xbede),
                extension_start: 24,
                extension_bytes: 4,
                header_bytes: 28,
            }
        );
        assert_eq!(padding_bytes(true, &SAMPLE[28..]), Ok(1));
    }

    #[test]
    fn header_cut_anywhere_is_refused() {
        for length in 0..28 {
            assert!(RtpHeader::parse(&SAMPLE[..length]).is_err(), "{length}");
        }
        assert!(RtpHeader::parse(&SAMPLE[..28]).is_ok());
    }

    #[test]
    fn lengths_and_versions_that_lie_are_refused() {
        for (name, offset, byte) in [
            ("version 1", 0, 0x72),
            ("version 0", 0, 0x32),
            ("fifteen CSRCs", 0, 0xbf),
            ("extension past the end", 23, 3),
            ("extension far past the end", 22, 0xff),
        ] {
            let mut packet = SAMPLE;
            packet[offset] = byte;
            assert!(RtpHeader::parse(&packet).is_err(), "{name}");
        }
    }

    #[test]
    fn padding_must_fit_the_payload() {
        for (has_padding, payload, expected) in [
            (false, &[9, 9][..], Some(0)),
            (false, &[], Some(0)),
            (true, &[9, 2], Some(2)),
            (true, &[1], Some(1)),
            (true, &[9, 3], None),
            (true, &[9, 0], None),
            (true, &[], None),
        ] {
            assert_eq!(padding_bytes(has_padding, payload).ok(), expected);
        }
    }

    #[test]
    fn written_headers_are_read_back_around_the_wrap() {
        for sequence_number in [0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff] {
            let outgoing = OutgoingHeader {
                marker: sequence_number % 2 == 0,
                payload_type: 127,
                sequence_number,
                timestamp: u32::MAX,
                ssrc: 0x8000_0001,
            };
            let mut out = Vec::new();
            outgoing.write(&mut out, false, true);

            let header = RtpHeader::parse(&out).unwrap();
            assert_eq!(header.sequence_number, sequence_number);
            assert_eq!(header.marker, outgoing.marker);
            assert_eq!(header.payload_type, 127);
            assert_eq!(header.timestamp, u32::MAX);
            assert_eq!(header.ssrc, 0x8000_0001);
            assert!(header.has_padding);
            assert_eq!(header.header_bytes, FIXED_HEADER_BYTES);
        }
    }

    #[test]
    fn payload_type_never_touches_the_marker() {
        let mut out = Vec::new();
        let header = OutgoingHeader {
            marker: false,
            payload_type: 0xff,
            sequence_number: 0,
            timestamp: 0,
            ssrc: 0,
        };
        header.write(&mut out, false, false);

        assert!(!RtpHeader::parse(&out).unwrap().marker);
    }

    #[test]
    fn rtcp_is_told_from_rtp_by_the_second_byte() {
        for (byte, expected) in [
            (191, false),
            (192, true),
            (200, true),
            (207, true),
            (223, true),
            (224, false),
            (96, false),
            (0xef, false),
        ] {
            assert_eq!(is_rtcp(&[0x80, byte]), expected, "{byte}");
        }
        assert!(!is_rtcp(&[0x80]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_panic(
            mut packet in prop::collection::vec(any::<u8>(), 0..200),
            is_version_2: bool,
        ) {
            if let (true, Some(first)) = (is_version_2, packet.first_mut()) {
                *first = 0x80 | (*first & 0x3f);
            }
            if let Ok(header) = RtpHeader::parse(&packet) {
                let payload = &packet[header.header_bytes..];
                if let Ok(padding) = padding_bytes(header.has_padding, payload) {
                    prop_assert!(padding <= payload.len());
                }
            }
        }
    }
}
