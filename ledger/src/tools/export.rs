//! A log, taken out of the house.
//!
//! ```text
//! json       { format, log, kind, heads, forks: [proof hex], events: [ { shown fields, wire: hex } ] }
//!            `wire` is what travels between peers: whoever has it can verify without this program's store
//! automerge  Automerge document of one zero-op change per live event; its heads are the log's heads
//! ```

use std::collections::{BTreeMap, BTreeSet};

use automerge::{AutomergeError, Change};
use serde_json::{Value, json};
use thiserror::Error;
use y7ke_crypto::codec::Wire;
use y7ke_crypto::ids::{DeviceId, EventId, LogId};

use super::each;
use super::show::{Words, show};
use crate::id;
use crate::store::{LogInfo, StorageError, View};

/// Name of the JSON export's format.
pub const JSON_FORMAT: &str = "y7ke-log/1";

/// Changes that are applied together: bounds memory, and a batch costs less than its changes one by one.
const CHUNK: usize = 1_024;

/// Why a log cannot be exported.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The disk failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// No such log here.
    #[error("there is no log {0} here; `y7 log list` shows those that there are")]
    UnknownLog(LogId),
    /// An Automerge document has one change per actor and number; both variants of a fork count here (F4).
    #[error(
        "this log cannot be an Automerge document: {} wrote two different events with one number, and both \
         count here, while Automerge knows one change per device and number. Export it with `--format json`",
        .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    )]
    Forked(Vec<DeviceId>),
    /// Automerge refuses what we built, or reads other heads: a bug of ours.
    #[error("Automerge does not take this log: {0}")]
    Automerge(#[from] AutomergeError),
    /// An event is not what its id says, or what it depends on is not there: a damaged store.
    #[error("an event of this log is damaged or missing; `y7 log verify` tells more")]
    Damaged,
    /// The document has other heads than the log: a bug of ours, or a damaged store.
    #[error("the document has other heads than the log; `y7 log verify` tells more")]
    Heads,
}

/// Everything of `log`, live or not, for a person and for verification elsewhere.
pub fn export_json(view: &View, log: &LogId, words: Words) -> Result<Value, ExportError> {
    let info = known(view, log)?;
    let mut events = Vec::new();
    for shown in show(view, log, words)? {
        let wire = match shown.message_id.parse::<EventId>() {
            Ok(id) => view.item(&id)?.map(|item| hex::encode(item.wire.to_bytes())),
            Err(_) => None,
        };
        events.push(json!({ "event": shown, "wire": wire }));
    }
    let forks: Vec<_> = view.fork_proofs(log)?.iter().map(|proof| hex::encode(proof.to_bytes())).collect();
    let heads: Vec<_> = view.heads(log)?.iter().map(ToString::to_string).collect();
    Ok(json!({
        "format": JSON_FORMAT,
        "log": log.to_string(),
        "kind": info.spec.kind().name(),
        "heads": heads,
        "forks": forks,
        "events": events,
    }))
}

/// The live events of `log` as the bytes of an Automerge document.
pub fn export_automerge(view: &View, log: &LogId) -> Result<Vec<u8>, ExportError> {
    known(view, log)?;
    let clock = view.clock(log)?;
    let forked: Vec<_> = clock.iter().map(|(device, _)| *device).filter(|device| clock.is_frozen(device)).collect();
    if !forked.is_empty() {
        return Err(ExportError::Forked(forked));
    }
    let mut document = automerge::Automerge::new();
    for chunk in changes(view, log)?.chunks(CHUNK) {
        document.apply_changes(chunk.iter().cloned())?;
    }
    let mut heads: Vec<_> = document.get_heads().iter().map(|head| EventId::from(head.0)).collect();
    heads.sort_unstable();
    if heads != view.heads(log)? {
        return Err(ExportError::Heads);
    }
    Ok(document.save())
}

/// The changes of the live events, each behind what it depends on, each device's numbers without a gap. Automerge
/// panics where a number is missing, and a damaged file may lack any.
fn changes(view: &View, log: &LogId) -> Result<Vec<Change>, ExportError> {
    let (mut changes, mut seen, mut last) = (Vec::new(), BTreeSet::new(), BTreeMap::new());
    let mut whole = true;
    each(view, log, &mut |event| {
        if event.live {
            let change = id::change(&event.header, &event.body);
            let last = last.entry(event.header.device).or_insert(0);
            whole &= change.hash().0 == *event.id.as_bytes() && event.header.seq.checked_sub(1) == Some(*last);
            whole &= event.header.deps.iter().all(|dep| seen.contains(&dep.id));
            seen.insert(event.id);
            *last = event.header.seq;
            changes.push(change);
        }
        Ok(())
    })?;
    if whole { Ok(changes) } else { Err(ExportError::Damaged) }
}

fn known(view: &View, log: &LogId) -> Result<LogInfo, ExportError> {
    view.log(log)?.ok_or(ExportError::UnknownLog(*log))
}
