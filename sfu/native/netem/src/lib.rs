//! Seeded link emulator in virtual time: loss, bursts, delay, jitter, reordering, duplication, rate.
#![forbid(unsafe_code)]
