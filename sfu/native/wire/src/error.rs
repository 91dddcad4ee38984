//! The one error of all parsers: which format, and what was wrong with it.

/// Why bytes from the network were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Fewer bytes than the format's fixed part or its own length field needs.
    #[error("{0}: truncated")]
    Truncated(&'static str),
    /// A length field that contradicts the bytes at hand.
    #[error("{0}: bad length")]
    BadLength(&'static str),
    /// A version, type, magic or reserved value that is not this format.
    #[error("{0}: bad value")]
    BadValue(&'static str),
    /// More elements than the limit stated beside the parser.
    #[error("{0}: too many elements")]
    TooMany(&'static str),
}
