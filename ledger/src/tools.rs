//! Log tools: list, show, verify, replay, diff, capsule, export. They read; nothing here can write.
//!
//! ```text
//!            ┌─ list      what logs there are                         shape of `log.list`
//!  View ─────┼─ show      one log, event by event                     lines for a person, or JSON
//!            ├─ verify    every id, signature, dependency, verdict    what is bad, and why
//!            ├─ replay    a log as it stood at a point, folded anew
//!            ├─ diff      two ledgers: what only one of them has
//!            ├─ capsule   a log without its words, replayed elsewhere
//!            └─ export    json: everything needed to verify elsewhere
//!                         automerge: a document that any implementation loads, heads equal to `list`'s
//! ```
//!
//! Invariants
//! * A tool decides nothing about files or terminals: bytes and lines go back to the caller.
//! * Words of people are shown only where [`Words::Shown`] asks for them.
//! * Automerge meets only changes that were rebuilt here from checked fields (E1).

mod capsule;
mod diff;
mod export;
mod list;
mod replay;
mod show;
mod verify;

pub use capsule::{CAPSULE_FORMAT, Capsule, CapsuleFault, MOST_CAPSULE_BYTES, OpenCapsule, capsule};
pub use diff::{LogDiff, Run, diff};
pub use export::{ExportError, JSON_FORMAT, export_automerge, export_json};
pub use list::{ClockEntry, LogRow, list};
pub use replay::{Point, ReplayError, ShownMessage, State, Step, Steps, replay};
pub use show::{ShownEvent, Words, show};
pub use verify::{BadEvent, Report, Why, verify};

use std::ops::ControlFlow;

use y7ke_crypto::ids::{EventId, LogId};

use crate::store::{EventInfo, StorageError, View};

/// Visits every stored event of `log` after everything it depends on.
fn each(
    view: &View,
    log: &LogId,
    visit: &mut dyn FnMut(EventInfo) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    view.visit_stored(log, 0, &mut |event| visit(event).map(ControlFlow::Continue))
}

/// The ids of what an event depends on.
fn deps_of(event: &EventInfo) -> Vec<EventId> {
    event.header.deps.iter().map(|dep| dep.id).collect()
}
