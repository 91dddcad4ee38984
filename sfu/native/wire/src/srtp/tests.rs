//! Sender and receiver against published vectors, and against each other.

mod builders;
mod properties;
mod refusals;
mod rollover;
mod vectors;
