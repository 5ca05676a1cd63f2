//! The reconciliation protocol of y7ke as a pure state machine: one [`Session`] per connected device.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod cargo;
mod fault;
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

pub use fault::{Bye, Close, Fault, Misuse};
pub use note::{BUNDLE_CAP, Note, REQUEST_CAP, RefusalReason};
pub use proof::SessionProof;
pub use session::{Config, Session};
pub use surface::{Heads, Input, Item, Lane, Name, Outcome, Output, Parcel, Position, ReadId, Stage, Ticket, Want};
pub use y7ke_crypto::cert::{CertChain, Proven};
pub use y7ke_crypto::hello::Proof;

/// The version of the session protocol.
pub const VERSION: u16 = 1;
