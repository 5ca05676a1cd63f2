//! Two ledgers, log by log: which events only one of them has, and whether equal events say the same.
//!
//! ```text
//! heads ─ equal ──▶ the same live events (S2) ─▶ cannot be opened in one alone? digests equal (S7)?
//!         differ ─▶ the events of both, by id ─▶ runs that only one of them has
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use y7ke_crypto::ids::{DeviceId, EventId, LogId};

use super::each;
use crate::fold;
use crate::store::{LogInfo, StorageError, Unopened, View};

/// A log in two ledgers, the first and the second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogDiff {
    /// Its id, hex.
    pub log: String,
    /// `identity`, `account` or `conversation`.
    pub kind: &'static str,
    /// Live events of each; `None` where the log is unknown.
    pub events: [Option<u64>; 2],
    /// Live events that only this one has.
    pub only: [Vec<Run>; 2],
    /// Events that both have and only this one cannot open.
    pub closed: [Vec<Run>; 2],
    /// Digest of the projection of each, hex.
    pub projections: [Option<String>; 2],
}

/// Events of one device, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    /// Whose events, hex.
    pub device_id: String,
    /// First number.
    pub from: u64,
    /// Last number, included.
    pub to: u64,
}

impl LogDiff {
    /// Whether both hold the same, and make the same of it.
    pub fn is_same(&self) -> bool {
        self.only.iter().chain(&self.closed).all(Vec::is_empty) && self.projections[0] == self.projections[1]
    }
}

/// Every log that either knows, ascending by id.
pub fn diff(views: [&View; 2]) -> Result<Vec<LogDiff>, StorageError> {
    let mut logs: BTreeMap<LogId, [Option<LogInfo>; 2]> = BTreeMap::new();
    for (side, view) in views.iter().enumerate() {
        for info in view.logs()? {
            let log = info.log;
            logs.entry(log).or_default()[side] = Some(info);
        }
    }
    logs.into_iter().map(|(log, known)| log_diff(views, &log, &known)).collect()
}

fn log_diff(views: [&View; 2], log: &LogId, known: &[Option<LogInfo>; 2]) -> Result<LogDiff, StorageError> {
    let [one, other] = views;
    let equal = one.heads(log)? == other.heads(log)?;
    let [mine, theirs] = if equal { [BTreeMap::new(), BTreeMap::new()] } else { [live(one, log)?, live(other, log)?] };
    let lacks = |of: &Live, other: &Live| runs(of.iter().filter(|(id, _)| !other.contains_key(id)).map(|(_, at)| *at));
    let [shut, shut_there] = [closed(one, log)?, closed(other, log)?];
    // What only one has is told once.
    let held = [&mine, &theirs].map(|live| live.values().copied().collect::<BTreeSet<At>>());
    let both = |at: &At| equal || held.iter().all(|held| held.contains(at));
    let alone = |of: &BTreeSet<At>, other: &BTreeSet<At>| runs(of.difference(other).copied().filter(both));
    let digest = |side: usize| match &known[side] {
        Some(_) => Ok::<_, StorageError>(Some(hex::encode(fold::digest(views[side], log)?))),
        None => Ok(None),
    };
    let kind = known.iter().flatten().next().map_or("", |info| info.spec.kind().name());
    Ok(LogDiff {
        log: log.to_string(),
        kind,
        events: [0, 1].map(|side| known[side].as_ref().map(|info| info.live)),
        only: [lacks(&mine, &theirs), lacks(&theirs, &mine)],
        closed: [alone(&shut, &shut_there), alone(&shut_there, &shut)],
        projections: [digest(0)?, digest(1)?],
    })
}

/// A device and a number.
type At = (DeviceId, u64);
type Live = BTreeMap<EventId, At>;

fn live(view: &View, log: &LogId) -> Result<Live, StorageError> {
    let mut live = BTreeMap::new();
    each(view, log, &mut |event| {
        if event.live {
            live.insert(event.id, (event.header.device, event.header.seq));
        }
        Ok(())
    })?;
    Ok(live)
}

fn closed(view: &View, log: &LogId) -> Result<BTreeSet<At>, StorageError> {
    let numbers = |run: Unopened| (run.from..=run.to).map(move |seq| (run.device, seq));
    Ok(view.unopened(log)?.into_iter().flat_map(numbers).collect())
}

fn runs(events: impl Iterator<Item = At>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (device, seq) in events.collect::<BTreeSet<_>>() {
        let device_id = device.to_string();
        match runs.last_mut() {
            Some(last) if last.device_id == device_id && last.to + 1 == seq => last.to = seq,
            _ => runs.push(Run { device_id, from: seq, to: seq }),
        }
    }
    runs
}
