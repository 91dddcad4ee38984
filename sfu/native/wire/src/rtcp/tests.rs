//! Compound packets, written and read.

mod builders;
mod hostile;
mod read_back;
