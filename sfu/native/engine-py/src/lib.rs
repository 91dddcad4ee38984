//! PyO3 bindings: conversions and error mapping only.
