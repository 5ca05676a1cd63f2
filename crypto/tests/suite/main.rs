//! The crate from outside: rules of PROTOCOL, vectors of every format, and what must be refused.
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, missing_docs)]

mod epochs;
mod events;
mod formats;
mod kit;
mod refusals;
mod requests;
mod vectors;
