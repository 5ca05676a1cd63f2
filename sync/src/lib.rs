//! The reconciliation protocol of y7ke as a pure state machine: one [`Session`] per connected device.
//!
//! Bytes, timers and commands in; bytes, timers and effects out. There is no socket, no store, no
//! clock, no randomness and no key in here: the owner carries frames, reads and admits events, signs.
//!
//! ```text
//!             Input                                          Output
//!   peer ──── Frame ────────────▶ ┌───────────┐ ────────▶ Send ──────────────▶ peer
//!             Signed ───────────▶ │           │ ────────▶ Sign
//!   owner ─── Trust, Grant,       │  Session  │ ────────▶ Proven, IdentitySynced
//!             Withdraw, Grown ──▶ │           │ ────────▶ Read ─────▶ ledger ─▶ Input::Events
//!             Ack, Note ────────▶ │           │ ────────▶ Admit ────▶ ledger ─▶ Input::Settled
//!   clock ─── Timeout ──────────▶ └───────────┘ ────────▶ Proof, Ack, Note, PeerFault, Close
//!                                        └── poll_timeout() ─▶ (when, why)
//! ```
//!
//! The life of a session, on three framed streams ([`Lane`]):
//!
//! ```text
//!   dialler                                                             listener
//!     │ hello ─────────────── handshake ─────────────────────────▶ ◀ hello │   who claims what
//!     │ proof ───────────────────────────────────────────────────▶ ◀ proof │   device key, here and now
//!     │ open ────────────────────────────────────────────────────▶ ◀ open  │   caps and windows
//!     │ ◀ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ notes, also of strangers ─ ─ ─ ─ ─ ─ ─ ─ ▶ │
//!     │ offers of identity logs, listed ──── sync ───────────────▶ ◀ …     │   S1: identities first
//!     │ clocks where digests differ ─────────────────────────────▶ ◀ …     │   S2: one round trip
//!     │ fork proofs, events, flushed ══════ msg ═════════════════▶ ◀ …     │   F1: proofs ahead of events
//!     │ done ────────────────────────────────────────────────────▶ ◀ done  │   IdentitySynced
//!     │ offers of shared logs, clocks, acknowledgements ─────────▶ ◀ …     │   S3
//!     │ events as they happen ══════════════════════════════════▶ ◀ …      │   S5: live push
//! ```
//!
//! What holds, whatever comes in whatever order (the tests play it, `docs/WIRE.md` draws the bytes):
//!
//! * after quiescence both hold everything that both grant; no timer is needed for it;
//! * an event leaves after its dependencies and at most once per session, and is never sent back;
//! * what is under way is bounded by credit, and credit for events returns when the ledger settled them;
//! * a clock exchange costs bytes by the number of devices, never by the length of the history;
//! * a peer's fault ends this session and nothing else. No input panics.
//!
//! Read on in this order: [`Input`] and [`Output`], `session.rs`, `greeting.rs`, `live.rs`, `log.rs`
//! (the exchange), `known.rs` (what the peer holds), `cargo.rs`, `words.rs`, `window.rs`, `wire.rs`.
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod cargo;
mod fault;
#[doc(hidden)]
pub mod fuzz;
mod greeting;
mod known;
mod lanes;
pub mod limits;
mod live;
mod log;
mod note;
mod proof;
mod receipts;
mod session;
mod stage;
mod surface;
mod window;
mod wire;
mod words;

pub use cargo::parcels;
pub use fault::{Bye, Close, Fault, Misuse};
pub use note::{ADDRESS_CAP, ADDRESSES, BUNDLE_CAP, Note, REQUEST_CAP, RefusalReason};
pub use proof::SessionProof;
pub use session::{Config, Session};
pub use surface::{Heads, Input, Item, Lane, Name, Outcome, Output, Parcel, Position, ReadId, Stage, Ticket, Want};
pub use y7ke_crypto::cert::{CertChain, Proven};
pub use y7ke_crypto::hello::Proof;

/// The version of the session protocol.
pub const VERSION: u16 = 1;
