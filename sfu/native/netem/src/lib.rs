//! Seeded link emulator in virtual time: loss, bursts, delay, jitter, reordering, duplication, rate.
//!
//! One [`Link`] is one direction. It reads no clock: times are nanoseconds that the test hands in. The same configuration,
//! seed and calls give the same deliveries, byte for byte.
//!
//! ```
//! use netem::{Link, LinkConfig};
//!
//! let mut link = Link::new(LinkConfig { delay_ns: 20_000_000, ..LinkConfig::default() }, 7);
//! link.send(0, vec![1, 2, 3]);
//! assert_eq!(link.poll(19_999_999), None);
//! assert_eq!(link.next_timeout(), Some(20_000_000));
//! assert_eq!(link.poll(20_000_000), Some(vec![1, 2, 3]));
//! ```
#![forbid(unsafe_code)]

mod link;
mod loss;
mod random;

pub use link::{Link, LinkConfig, LinkCounters, Rate};
pub use loss::Loss;
pub use random::Random;
