//! A log as it stood at a point in time: its events folded anew, in memory.
//!
//! ```text
//! source  a ledger │ a capsule
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

use super::capsule::CapsuleFault;
use super::show::{ShownEvent, Words, one, quoted};
use super::{deps_of, each};
use crate::fold::{self, Change, EventMeta, LogKind};
use crate::rows::{self, MemRows, Order, Rows, Span, Table};
use crate::store::{Content, LogInfo, StorageError, View};
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
    #[error("there is no event {0} in this log")]
    UnknownEvent(EventId),
    /// A head is stored, and does not count (F3).
    #[error("event {0} does not count in this log: its device wrote another one with the same number")]
    NotLive(EventId),
    /// What was packed cannot be opened: a damaged store, or a bug of ours.
    #[error("this log cannot be made a capsule: {0}")]
    Capsule(#[from] CapsuleFault),
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

/// Where the events of a log come from.
pub(super) trait Source {
    /// The log, and what it is for.
    fn of(&self) -> (LogId, LogKind);

    /// How many events count.
    fn live(&self) -> u64;

    /// Visits every event behind what it depends on, and says whether it is live.
    fn graph(&self, visit: &mut dyn FnMut(EventId, Vec<EventId>, bool)) -> Result<(), StorageError>;

    /// Visits the live events in the order of display.
    fn each(&self, visit: &mut Visit<'_>) -> Result<(), StorageError>;

    /// What an event says.
    fn content(&self, id: &EventId) -> Result<Content, StorageError>;

    /// An event as a person reads it.
    fn shown(&self, id: &EventId, words: Words) -> Result<Option<ShownEvent>, StorageError>;
}

/// Receives events and what each of them depends on; `Break` stops the walk.
pub(super) type Visit<'v> = dyn FnMut(EventMeta, Vec<EventId>) -> Result<ControlFlow<()>, StorageError> + 'v;

/// Folds `log` up to `point`.
pub fn replay(view: &View, log: &LogId, point: &Point, words: Words, steps: Steps) -> Result<State, ReplayError> {
    let info = view.log(log)?.ok_or(ReplayError::UnknownLog(*log))?;
    run(&Stored { view, info }, point, words, steps)
}

/// Folds what a source has up to `point`.
pub(super) fn run<S: Source>(source: &S, point: &Point, words: Words, steps: Steps) -> Result<State, ReplayError> {
    let past = match point {
        Point::Heads(heads) => Some(ancestors(source, heads)?),
        Point::Newest | Point::Time(_) | Point::First(_) => None,
    };
    let mut replay = Replay { source, words, rows: MemRows::new(), heads: BTreeSet::new(), events: 0, closed: 0 };
    let mut told = Vec::new();
    source.each(&mut |meta, deps| {
        match point {
            Point::First(count) if replay.events == *count => return Ok(ControlFlow::Break(())),
            Point::Time(until) if meta.hlc > *until => return Ok(ControlFlow::Break(())),
            Point::Heads(_) if past.as_ref().is_some_and(|past| !past.contains(&meta.id)) => {}
            _ => {
                let changed = replay.take(&meta, &deps)?.as_ref().map(in_words);
                if let (Steps::Shown, Some(event)) = (steps, source.shown(&meta.id, words)?) {
                    told.push(Step { event, changed });
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let (log, kind) = source.of();
    Ok(State {
        log: log.to_string(),
        kind: kind.name(),
        heads: replay.heads.iter().map(ToString::to_string).collect(),
        events: replay.events,
        of: source.live(),
        closed: replay.closed,
        projection: hex::encode(fold::digest(&replay, &log)?),
        rows: replay.counts(),
        messages: if kind == LogKind::Conversation { replay.messages(&log)? } else { Vec::new() },
        steps: told,
    })
}

/// These events, and everything that they depend on.
fn ancestors(source: &impl Source, heads: &[EventId]) -> Result<BTreeSet<EventId>, ReplayError> {
    let mut graph = Vec::new();
    source.graph(&mut |id, deps, live| graph.push((id, deps, live)))?;
    let mut past: BTreeSet<EventId> = heads.iter().copied().collect();
    let mut sought = past.clone();
    // Newest first: whoever depends on an event was met before it.
    for (id, deps, live) in graph.into_iter().rev() {
        if sought.remove(&id) && !live {
            return Err(ReplayError::NotLive(id));
        }
        if past.contains(&id) {
            past.extend(deps);
        }
    }
    sought.pop_first().map_or(Ok(past), |head| Err(ReplayError::UnknownEvent(head)))
}

/// A log of a ledger.
struct Stored<'v> {
    view: &'v View,
    info: LogInfo,
}

impl Source for Stored<'_> {
    fn of(&self) -> (LogId, LogKind) {
        (self.info.log, self.info.spec.kind())
    }

    fn live(&self) -> u64 {
        self.info.live
    }

    fn graph(&self, visit: &mut dyn FnMut(EventId, Vec<EventId>, bool)) -> Result<(), StorageError> {
        each(self.view, &self.info.log, &mut |event| {
            visit(event.id, deps_of(&event), event.live);
            Ok(())
        })
    }

    fn each(&self, visit: &mut Visit<'_>) -> Result<(), StorageError> {
        self.view.visit_live(&self.info.log, 0, &mut |event| visit(self.view.fold_meta(&event)?, deps_of(&event)))
    }

    fn content(&self, id: &EventId) -> Result<Content, StorageError> {
        Ok(self.view.content(id)?.unwrap_or(Content::Missing))
    }

    fn shown(&self, id: &EventId, words: Words) -> Result<Option<ShownEvent>, StorageError> {
        self.view.event(id)?.map(|event| one(self.view, &event, words)).transpose()
    }
}

/// The rows folded so far, and the events that they point to.
struct Replay<'s, S> {
    source: &'s S,
    words: Words,
    rows: MemRows,
    heads: BTreeSet<EventId>,
    events: u64,
    closed: u64,
}

impl<S: Source> Replay<'_, S> {
    fn take(&mut self, meta: &EventMeta, deps: &[EventId]) -> Result<Option<Change>, StorageError> {
        self.events += 1;
        deps.iter().for_each(|dep| _ = self.heads.remove(dep));
        self.heads.insert(meta.id);
        Ok(match self.source.content(&meta.id)? {
            Content::Body(body) => fold::apply(&mut self.rows, meta, &body)?,
            Content::NoEffect => fold::settle(&mut self.rows, meta).map(|()| None)?,
            Content::Sealed | Content::Missing => {
                self.closed += 1;
                fold::unopened(&mut self.rows, meta)?
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

impl<S: Source> Rows for Replay<'_, S> {
    type Error = StorageError;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.rows.get(table, key)?)
    }

    fn walk(&self, table: Table, span: &Span, order: Order, visit: &mut rows::Visit<'_>) -> Result<(), StorageError> {
        Ok(self.rows.walk(table, span, order, visit)?)
    }
}

impl<S: Source> Events for Replay<'_, S> {
    /// No view of one log asks for it.
    fn locate(&self, _id: &EventId) -> Result<Option<EventAt>, StorageError> {
        Ok(None)
    }

    fn body(&self, at: &EventAt) -> Result<Opened, StorageError> {
        Ok(match self.source.content(&at.id)? {
            Content::Body(body) => Opened::Body(body),
            Content::NoEffect => Opened::Nothing,
            Content::Sealed | Content::Missing => Opened::Closed,
        })
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
