//! A room full of protocol-true clients around one engine, in virtual time. The oracle is what a subscriber receives: clients
//! open SRTP and parse RTP with the wire crate only.

mod camera;
mod client;
mod delivery;
mod harness;
mod label;
mod media;
mod microphone;
mod play;
mod publisher;
mod rtp;
mod viewer;
mod whole;

pub(crate) use camera::*;
pub(crate) use client::*;
pub(crate) use harness::*;
pub(crate) use label::*;
pub(crate) use media::*;
pub(crate) use microphone::*;
pub(crate) use play::*;
pub(crate) use publisher::*;
pub(crate) use rtp::*;
pub(crate) use viewer::*;

use netem::Random;

pub(crate) fn pick(random: &mut Random, from: &[usize]) -> usize {
    from[random.up_to(from.len() as u64 - 1) as usize]
}
