//! The cryptography of y7ke: identities, certificates, sealed events, epochs and the vault.
//!
//! Everything here is a pure function of bytes, time and randomness. There is no file, no socket,
//! no clock and no generator of its own: `now_ms` and `rng` are arguments.
//!
//! ```text
//!  codec ─ ids ─ clock                   bytes at the border, parsed once
//!  sign                                  Signed<T> ──verify──▶ Verified<T>
//!  cert ─▶ bundle ─▶ request             who is who; how strangers meet     (V1, V2, C1, C2)
//!  boxes ─▶ epoch ─▶ event               X-Wing boxes, sender chains, seals (K1–K3, E6)
//!  ack, hello, safety, vault             delivered; who is on the line; compared aloud; at rest
//! ```
//!
//! Invariants:
//! * every hash, MAC, signature, key derivation and HPKE `info` begins with a label of [`label`];
//! * what decodes re-encodes to the same bytes, and nothing may follow it;
//! * only a verification, or signing with our own key, makes a [`sign::Verified`];
//! * a secret has no `Debug` that shows it and is wiped when dropped.
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod ack;
pub mod boxes;
pub mod bundle;
pub mod cert;
pub mod clock;
pub mod codec;
pub mod epoch;
pub mod event;
#[doc(hidden)]
pub mod fuzz;
pub mod hello;
pub mod ids;
pub mod label;
pub mod request;
pub mod safety;
mod secret;
pub mod sign;
pub mod text;
pub mod vault;

pub use codec::{DecodeError, Wire};
