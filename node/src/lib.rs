//! The node: commands in, events out, one owner of the state.
//!
//! ```text
//! desktop ─┐
//! y7 rpc  ─┼─ Command ─▶ shell (one thread) ─▶ core (decides, pure) ─▶ ledger (commit)
//! console ─┘ ◀─ Answer, Notice ──┘    ▲ └─▶ transport (sockets, tokio)
//!                                     └ clock and randomness enter here only
//! ```
//!
//! Read [`api`] first (what can be asked and what is told), then [`core`] (what is decided),
//! then [`shell`] (what drives it).

#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

#[allow(missing_docs, reason = "fields of its variants are the parameters and results that RPC.md describes")]
pub mod api;
pub mod cli;
pub mod console;
pub mod core;
#[doc(hidden)]
pub mod fuzz;
pub mod home;
mod keyring;
pub mod logtool;
pub mod options;
pub mod rpc;
pub mod shell;
pub mod uri;
mod vault;

pub use home::PassphraseFault;
pub use options::{Config, Options};
pub use shell::{Handle, MessageKey, Node, NoticeReader, Places, StartError, Views};
