//! The engine as its clients see it, in virtual time. One binary: what the scenarios share is compiled and linked once.

mod common;

mod allocations;
mod grants;
mod hostile;
mod lossy_links;
mod paths;
mod pictures;
mod random_histories;
mod receiving;
mod renegotiation;
mod reports;
mod rooms;
mod svc;
mod switches;
mod voices;
