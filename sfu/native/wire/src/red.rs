//! Redundant audio data (RFC 2198): strip to the primary block.

use crate::ParseError;

/// LIMIT: blocks of one payload, the primary included. Chromium sends at most 3, RFC 2198 names no bound.
pub const MAX_BLOCKS: usize = 8;

/// The last (primary) block of a RED payload and its payload type. At most [`MAX_BLOCKS`] blocks.
///
/// # Errors
/// `ParseError` on truncation, too many blocks, or nested lengths past the end.
pub fn primary(payload: &[u8]) -> Result<(u8, &[u8]), ParseError> {
    const NAME: &str = "red";
    let mut headers = payload;
    let mut redundant_bytes = 0;
    for _ in 0..MAX_BLOCKS {
        let (&first, after) = headers.split_first().ok_or(ParseError::Truncated(NAME))?;
        // RFC 2198 §3: the F bit says that another block header follows.
        if first & 0x80 == 0 {
            let primary = after
                .get(redundant_bytes..)
                .ok_or(ParseError::BadLength(NAME))?;
            return Ok((first & 0x7f, primary));
        }
        // 14 bits of timestamp offset, 10 bits of block length.
        let (&[_, high, low], after) = after
            .split_first_chunk()
            .ok_or(ParseError::Truncated(NAME))?;
        redundant_bytes += usize::from(u16::from_be_bytes([high & 0x03, low]));
        headers = after;
    }
    Err(ParseError::TooMany(NAME))
}

/// The redundant blocks of a RED payload, oldest first; none of a malformed one.
pub fn redundant(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut lengths = [0; MAX_BLOCKS];
    let (mut count, mut headers) = (0, payload);
    if primary(payload).is_ok() {
        while let [first, _, high, low, after @ ..] = headers
            && first & 0x80 != 0
        {
            lengths[count] = usize::from(u16::from_be_bytes([high & 0x03, *low]));
            count += 1;
            headers = after;
        }
    }
    let mut rest = headers.get(1..).unwrap_or_default();
    lengths.into_iter().take(count).map(move |length| {
        let (block, after) = rest.split_at_checked(length).unwrap_or_default();
        rest = after;
        block
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Two redundant blocks of 2 and 3 bytes (payload type 111), primary of 4 bytes under payload type 109.
    const SAMPLE: [u8; 18] = [
        0xef, 0x1e, 0x00, 0x02, 0xef, 0x0f, 0x00, 0x03, 109, 1, 2, 3, 4, 5, 0xaa, 0xbb, 0xcc, 0xdd,
    ];

    #[test]
    fn primary_is_what_follows_the_redundant_blocks() {
        assert_eq!(primary(&SAMPLE), Ok((109, &[0xaa, 0xbb, 0xcc, 0xdd][..])));
        assert_eq!(primary(&[111, 7, 8]), Ok((111, &[7, 8][..])));
        assert_eq!(primary(&[111]), Ok((111, &[][..])));
    }

    #[test]
    fn truncation_inside_headers_or_redundant_blocks_is_refused() {
        for length in 0..14 {
            assert!(primary(&SAMPLE[..length]).is_err(), "{length} bytes");
        }
        for length in 14..SAMPLE.len() {
            assert_eq!(primary(&SAMPLE[..length]), Ok((109, &SAMPLE[14..length])));
        }
    }

    #[test]
    fn redundant_blocks_come_oldest_first_and_never_from_malformed_payloads() {
        let blocks: Vec<_> = redundant(&SAMPLE).collect();
        assert_eq!(blocks, [&[1, 2][..], &[3, 4, 5]]);
        assert_eq!(redundant(&[111, 7, 8]).count(), 0);
        for length in 0..14 {
            assert_eq!(redundant(&SAMPLE[..length]).count(), 0, "{length} bytes");
        }
    }

    #[test]
    fn block_count_is_limited() {
        let payload_of = |redundant: usize| {
            let mut payload = [0xef, 0, 0, 0].repeat(redundant);
            payload.extend_from_slice(&[111, 42]);
            payload
        };

        assert_eq!(primary(&payload_of(MAX_BLOCKS - 1)), Ok((111, &[42][..])));
        assert_eq!(
            primary(&payload_of(MAX_BLOCKS)),
            Err(ParseError::TooMany("red"))
        );
    }

    #[test]
    fn ten_bit_length_ignores_the_timestamp_bits_above_it() {
        let mut payload = vec![0xef, 0xff, 0xff, 0xff, 111];
        payload.extend_from_slice(&[9; 1023]);
        payload.push(5);

        assert_eq!(primary(&payload), Ok((111, &[5][..])));
        payload.truncate(payload.len() - 2);
        assert_eq!(primary(&payload), Err(ParseError::BadLength("red")));
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_suffix_or_an_error(payload: Vec<u8>) {
            if let Ok((payload_type, block)) = primary(&payload) {
                prop_assert!(payload_type < 128);
                prop_assert!(payload.ends_with(block));
            }
        }
    }
}
