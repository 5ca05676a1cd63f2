//! The ledger: events, their Automerge graph, admission, and the log on disk.
//!
//! ```text
//!  WireEvent ──id──▶ Signed<Event> ──verify──▶ Verified<Event> ──admit──▶ stored
//!                                                   │ deps missing, or of a frozen device that nobody wants
//!                                                   ▼
//!                                                orphans
//!  stored ──live (F3)──▶ heads · clock · acks      ──opened──▶ fold ──▶ rows ──▶ views
//! ```
//!
//! | module | what | touches a disk |
//! |---|---|---|
//! | [`id`], [`intake`], [`body`], [`admit`], [`fork`], [`orphans`], [`keys`], [`fold`], [`rows`], [`views`] | pure decisions over arguments | never |
//! | [`store`] | redb: one writer's batch, many readers' snapshots | only here |
//! | [`tools`] | list, show, verify, export: read only | through `store` |
//!
//! Invariants: admission is a function of an event and its ancestors (E3); what is stored is closed
//! under ancestors; heads, clocks, digests and projections come from the live set alone (F3).
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout))]

pub mod admit;
pub mod body;
pub mod fold;
pub mod fork;
#[doc(hidden)]
pub mod fuzz;
pub mod id;
pub mod intake;
pub mod keys;
pub mod orphans;
pub mod rows;
pub mod store;
#[cfg(test)]
pub(crate) mod tests;
pub mod tools;
pub mod views;

pub use id::Event;
pub use store::{Batch, Ledger, StorageError, View};
