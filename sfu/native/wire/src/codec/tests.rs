//! Payloads of each codec, described and rewritten.

mod av1;
mod every_codec;
mod h264;
mod samples;
mod vp8;
mod vp9;
