//! One m-line of a publisher, packet by packet.

mod builders;
mod changes;
mod receiving;
