//! The real node behind the port.
