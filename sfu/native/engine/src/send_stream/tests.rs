//! The oracle is what the subscriber receives: packets parsed with the wire crate.

mod builders;
mod continuity;
mod decode_targets;
mod layers_and_audio;
mod reports_and_nack;
