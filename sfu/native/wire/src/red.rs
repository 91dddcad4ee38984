//! Redundant audio data (RFC 2198): split into blocks, strip to the primary.

use crate::ParseError;

/// The last (primary) block of a RED payload and its payload type. At most 8 blocks.
///
/// # Errors
/// `ParseError` on truncation, too many blocks, or nested lengths past the end.
pub fn primary(_payload: &[u8]) -> Result<(u8, &[u8]), ParseError> {
    todo!("wire formats")
}
