//! Wire formats of a media server: STUN, RTP, RTCP, SRTP, and what codecs say in their payload headers.
//!
//! Parsers borrow, never allocate on the media path, never panic on any input, and know nothing of
//! rooms or streams. Both the engine and the load agent stand on this crate.
//!
//! ```
//! use wire::rtcp::{RtcpPacket, packets, write_nack};
//!
//! let mut compound = Vec::new();
//! write_nack(&mut compound, 1, 2, &[65_535, 0, 7]);
//!
//! let Some(Ok(RtcpPacket::Nack { media_ssrc, pairs })) = packets(&compound).next() else {
//!     panic!("not a NACK");
//! };
//! assert_eq!(media_ssrc, 2);
//! assert!(pairs.sequence_numbers().eq([65_535, 0, 7]));
//! ```
#![forbid(unsafe_code)]

pub mod codec;
pub mod dependency_descriptor;
pub mod error;
pub mod extended_sequence;
pub mod extensions;
pub mod red;
pub mod rtcp;
pub mod rtp;
pub mod srtp;
pub mod stun;
pub mod transport_feedback;

pub use error::ParseError;
