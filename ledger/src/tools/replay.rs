//! A log as it stood at a point in time: its events folded anew, in memory.
//!
//! ```text
//! point   heads ─ these and their ancestors │ time ─ hybrid time up to it │ n ─ the first n in the order of display
//!                              └───────── a set closed under ancestors: a past that there was ─────────┘
//! events ─ fold one by one ─▶ rows in memory ─┬─ digest: that of every device which held just these events (S7)
//!             └─▶ what each of them changed   └─ messages as they stood
//! ```
//!
//! A time or a number is a set of heads as well, the one that is told: hybrid time grows along dependencies (E5).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use serde::Serialize;
use thiserror::Error;
use y7ke_crypto::ids::{EventId, LogId};

use super::each;
use super::show::{ShownEvent, Words, one, quoted};
use crate::fold::{self, Change, LogKind};
use crate::rows::{MemRows, Order, Rows, Span, Table, Visit};
use crate::store::{Content, EventInfo, StorageError, View};
use crate::views::{self, EventAt, Events, MessageRow, Opened};

/// Up to where a log is replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Point {
    /// Everything that is there.
    Newest,
    /// These events and what they depend on.
    Heads(Vec<EventId>),
    /// Events whose hybrid time, ms since 1970, is not later.
    Time(u64),
    /// So many events, the first ones in the order of display.
    First(u64),
}

/// What to tell besides the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steps {
    /// Every event, and what it changed.
    Shown,
    /// Nothing.
    Hidden,
}

/// Why there is no such point.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The disk failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// No such log here.
    #[error("there is no log {0} here; `y7 log list` shows those that there are")]
    UnknownLog(LogId),
    /// A head is no event of this log.
    #[error("there is no event {0} in this log; `y7 log show` lists them")]
    UnknownEvent(EventId),
}

/// A log at a point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct State {
    /// Its id, hex.
    pub log: String,
    /// `identity`, `account` or `conversation`.
    pub kind: &'static str,
    /// The point: events that no other one depends on, ascending hex.
    pub heads: Vec<String>,
    /// Live events up to there.
    pub events: u64,
    /// Live events that there are.
    pub of: u64,
    /// Those up to there that cannot be opened here.
    pub closed: u64,
    /// Digest of the projection, hex.
    pub projection: String,
    /// Rows of the projection, by table.
    pub rows: BTreeMap<String, usize>,
    /// A conversation's messages, oldest first.
    pub messages: Vec<ShownMessage>,
    /// Event by event, if asked for.
    pub steps: Vec<Step>,
}

/// A message as it stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownMessage {
    /// Its event, hex.
    pub message_id: String,
    /// Hybrid time.
    pub hlc: u64,
    /// Who wrote it, `y7:…`.
    pub author: String,
    /// What it says, or its length.
    pub says: String,
}

/// An event, and what it changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The event.
    #[serde(flatten)]
    pub event: ShownEvent,
    /// In words; nothing if it changed nothing.
    pub changed: Option<String>,
}

/// Folds `log` up to `point`.
pub fn replay(view: &View, log: &LogId, point: &Point, words: Words, steps: Steps) -> Result<State, ReplayError> {
    let info = view.log(log)?.ok_or(ReplayError::UnknownLog(*log))?;
    let past = match point {
        Point::Heads(heads) => Some(ancestors(view, log, heads)?),
        Point::Newest | Point::Time(_) | Point::First(_) => None,
    };
    let mut replay = Replay { view, words, rows: MemRows::new(), heads: BTreeSet::new(), events: 0, closed: 0 };
    let mut told = Vec::new();
    view.visit_live(log, 0, &mut |event| {
        match point {
            Point::First(count) if replay.events == *count => return Ok(ControlFlow::Break(())),
            Point::Time(until) if event.header.hlc > *until => return Ok(ControlFlow::Break(())),
            Point::Heads(_) if past.as_ref().is_some_and(|past| !past.contains(&event.id)) => {}
            _ => {
                let changed = replay.take(&event)?;
                if steps == Steps::Shown {
                    told.push(Step { event: one(view, &event, words)?, changed: changed.as_ref().map(in_words) });
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(State {
        log: log.to_string(),
        kind: info.spec.kind().name(),
        heads: replay.heads.iter().map(ToString::to_string).collect(),
        events: replay.events,
        of: info.live,
        closed: replay.closed,
        projection: hex::encode(fold::digest(&replay, log)?),
        rows: replay.counts(),
        messages: if info.spec.kind() == LogKind::Conversation { replay.messages(log)? } else { Vec::new() },
        steps: told,
    })
}

/// These events, and everything that they depend on.
fn ancestors(view: &View, log: &LogId, heads: &[EventId]) -> Result<BTreeSet<EventId>, ReplayError> {
    let mut graph = Vec::new();
    each(view, log, &mut |event| {
        graph.push((event.id, event.header.deps));
        Ok(())
    })?;
    let mut past: BTreeSet<EventId> = heads.iter().copied().collect();
    let mut sought = past.clone();
    // Newest first: whoever depends on an event was met before it.
    for (id, deps) in graph.into_iter().rev() {
        if past.contains(&id) {
            sought.remove(&id);
            past.extend(deps.iter().map(|dep| dep.id));
        }
    }
    sought.pop_first().map_or(Ok(past), |head| Err(ReplayError::UnknownEvent(head)))
}

/// The rows folded so far, and the events that they point to.
struct Replay<'v> {
    view: &'v View,
    words: Words,
    rows: MemRows,
    heads: BTreeSet<EventId>,
    events: u64,
    closed: u64,
}

impl Replay<'_> {
    fn take(&mut self, event: &EventInfo) -> Result<Option<Change>, StorageError> {
        self.events += 1;
        event.header.deps.iter().for_each(|dep| _ = self.heads.remove(&dep.id));
        self.heads.insert(event.id);
        let meta = self.view.fold_meta(event)?;
        Ok(match self.view.content(&event.id)? {
            Some(Content::Body(body)) => fold::apply(&mut self.rows, &meta, &body)?,
            Some(Content::NoEffect) => fold::settle(&mut self.rows, &meta).map(|()| None)?,
            Some(Content::Sealed | Content::Missing) | None => {
                self.closed += 1;
                fold::unopened(&mut self.rows, &meta)?
            }
        })
    }

    fn counts(&self) -> BTreeMap<String, usize> {
        let counted = Table::ALL.into_iter().map(|table| (format!("{table:?}"), self.rows.len(table)));
        counted.filter(|(_, rows)| *rows > 0).collect()
    }

    fn messages(&self, log: &LogId) -> Result<Vec<ShownMessage>, StorageError> {
        let page = views::page(self, &[*log], None, usize::MAX)?;
        Ok(page.messages.into_iter().map(|message| self.shown(&message)).collect())
    }

    fn shown(&self, message: &MessageRow) -> ShownMessage {
        let said = quoted(&message.text, self.words);
        ShownMessage {
            message_id: message.key.id.to_string(),
            hlc: message.key.hlc,
            author: message.author.to_string(),
            says: if message.unopened { "cannot be opened here".into() } else { said },
        }
    }
}

impl Rows for Replay<'_> {
    type Error = StorageError;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.rows.get(table, key)?)
    }

    fn walk(&self, table: Table, span: &Span, order: Order, visit: &mut Visit<'_>) -> Result<(), StorageError> {
        Ok(self.rows.walk(table, span, order, visit)?)
    }
}

impl Events for Replay<'_> {
    fn locate(&self, id: &EventId) -> Result<Option<EventAt>, StorageError> {
        self.view.locate(id)
    }

    fn body(&self, at: &EventAt) -> Result<Opened, StorageError> {
        self.view.body(at)
    }
}

fn in_words(change: &Change) -> String {
    match change {
        Change::Message(_) => "a message".into(),
        Change::Read(root) => format!("what {root} has read"),
        Change::Opened => "the conversation is open".into(),
        Change::Device(device) => format!("device {device} is in"),
        Change::Revoked(device) => format!("device {device} is out"),
        Change::Disputed(device, seq) => format!("device {device} is disputed at {seq}"),
        Change::Prekey(device) => format!("the newest prekey of device {device}"),
        Change::Profile => "the public name".into(),
        Change::Request(request) => format!("request {request}"),
        Change::Contact(root) => format!("contact {root}"),
        Change::Setting(key) => format!("setting {key}"),
        Change::Draft(log) => format!("the draft in {log}"),
        Change::ReadUpTo(log) => format!("how far {log} was read"),
        Change::Unopened => "an event that cannot be opened here".into(),
    }
}
