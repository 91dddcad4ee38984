//! The packet engine.
#![forbid(unsafe_code)]
