//! A capsule: a log without its words, which replays to the same bytes wherever it is carried.
//!
//! ```text
//! json  { format, log, kind, projection, events: [ {
//!           id · device · root · seq · hlc · deps · live · arrival · epoch, chain (of a sealed one)
//!           bytes     its body as it travels, padding and all
//!           content   { body: hex } · "nothing" (E4) · "sealed" · "missing"          the body's words are filler
//!       } … ] }   each behind what it depends on, in the order of display
//! ```
//!
//! * Words are gone: texts, names, greetings, values of settings and address hints are filler of as many bytes (of as many
//!   characters, where a name has no room for more). Who, when and how much stay, and ids are what they were.
//! * Whoever guesses a word can tell if a hash of it stays: of a request's name and greeting, and, since an id hashes an
//!   open body, of a public name in an identity log.
//! * `projection` is the digest of what the events fold to *in here*: whoever replays it must come to the same.
//! * Nothing of it can be admitted anywhere: bodies that were changed have other ids.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use y7ke_crypto::event::{Class, Payload};
use y7ke_crypto::ids::{EpochId, EventId, LogId, RootId};

use super::replay::{Point, ReplayError, Source, State, Steps, Visit, run};
use super::show::{ShownEvent, Words, describe};
use super::{deps_of, each};
use crate::body::Body;
use crate::fold::{EventMeta, LogKind};
use crate::store::{Content, EventInfo, StorageError, View};

/// Name of the format.
pub const CAPSULE_FORMAT: &str = "y7ke-capsule/1";

/// Bytes of a capsule at most, some 700 an event; read, it takes a few times as many.
pub const MOST_CAPSULE_BYTES: u64 = 512 << 20;

/// Ids that an event may depend on (E2).
const MOST_DEPS: usize = 16;

/// Why a file is no capsule.
#[derive(Debug, thiserror::Error)]
pub enum CapsuleFault {
    /// Not JSON, or of another shape. What is there is not repeated: it may be anything.
    #[error("this is no capsule: line {line}, column {column}")]
    Shape {
        /// Where, from 1.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// Made by another version.
    #[error("this is a capsule of another version (“{}”); this one reads {CAPSULE_FORMAT}", .0.escape_debug())]
    Format(String),
    /// More bytes than are read, or written.
    #[error("this capsule is larger than {} MiB", MOST_CAPSULE_BYTES >> 20)]
    TooLarge,
    /// A field says something that it cannot say.
    #[error("this capsule was changed or damaged: event {at} has a wrong {field}")]
    Field {
        /// Which event, from 0.
        at: usize,
        /// What of it.
        field: &'static str,
    },
}

/// A log without its words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capsule {
    format: String,
    log: String,
    kind: String,
    /// Digest of what the events in here fold to, hex.
    pub projection: String,
    events: Vec<Kept>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    id: String,
    device: String,
    root: String,
    seq: u64,
    hlc: u64,
    deps: Deps,
    live: bool,
    arrival: u64,
    sealed: Option<(String, u32)>,
    bytes: u64,
    content: Held,
}

/// Ids, of which no more are read than an event may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Deps(Vec<String>);

impl<'de> Deserialize<'de> for Deps {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(FewIds)
    }
}

struct FewIds;

impl<'de> Visitor<'de> for FewIds {
    type Value = Deps;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MOST_DEPS} ids")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut ids: A) -> Result<Deps, A::Error> {
        let mut deps = Vec::new();
        while let Some(id) = ids.next_element()? {
            deps.push(id);
            if deps.len() > MOST_DEPS {
                return Err(A::Error::invalid_length(deps.len(), &self));
            }
        }
        Ok(Deps(deps))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Held {
    Body(String),
    Nothing,
    Sealed,
    Missing,
}

/// Everything of `log`, live or not, without its words.
pub fn capsule(view: &View, log: &LogId) -> Result<Capsule, ReplayError> {
    let info = view.log(log)?.ok_or(ReplayError::UnknownLog(*log))?;
    let mut events = Vec::new();
    each(view, log, &mut |event| {
        events.push(kept(view, &event)?);
        Ok(())
    })?;
    let kind = info.spec.kind().name().to_owned();
    let mut capsule =
        Capsule { format: CAPSULE_FORMAT.to_owned(), log: log.to_string(), kind, projection: String::new(), events };
    let opened = capsule.open()?;
    capsule.projection = opened.replay(&Point::Newest, Steps::Hidden)?.projection;
    Ok(capsule)
}

fn kept(view: &View, event: &EventInfo) -> Result<Kept, StorageError> {
    let meta = view.fold_meta(event)?;
    let content = match view.content(&event.id)? {
        Some(Content::Body(body)) => Held::Body(hex::encode(body.redacted().to_bytes())),
        Some(Content::NoEffect) => Held::Nothing,
        Some(Content::Sealed) => Held::Sealed,
        Some(Content::Missing) | None => Held::Missing,
    };
    let bytes = match view.item(&event.id)?.map(|item| item.wire.payload) {
        Some(Payload::Full(bytes)) => bytes.len() as u64,
        Some(Payload::Hollow(_)) | None => 0,
    };
    let header = &event.header;
    Ok(Kept {
        id: event.id.to_string(),
        device: header.device.to_string(),
        root: meta.root.to_string(),
        seq: header.seq,
        hlc: header.hlc,
        deps: Deps(deps_of(event).iter().map(ToString::to_string).collect()),
        live: event.live,
        arrival: event.arrival,
        sealed: (header.class == Class::Sealed).then(|| (header.epoch.to_string(), header.chain)),
        bytes,
        content,
    })
}

impl Capsule {
    /// Reads a capsule; its bytes may be anybody's.
    pub fn from_json(bytes: &[u8]) -> Result<OpenCapsule, CapsuleFault> {
        small(bytes)?;
        let shape = |why: serde_json::Error| CapsuleFault::Shape { line: why.line(), column: why.column() };
        serde_json::from_slice::<Self>(bytes).map_err(shape)?.open()
    }

    /// As it is read again.
    pub fn to_json(&self) -> Result<Vec<u8>, CapsuleFault> {
        let bytes = serde_json::to_vec(self).map_err(|_full| CapsuleFault::TooLarge)?;
        small(&bytes)?;
        Ok(bytes)
    }

    fn open(&self) -> Result<OpenCapsule, CapsuleFault> {
        if self.format != CAPSULE_FORMAT {
            return Err(CapsuleFault::Format(self.format.chars().take(40).collect()));
        }
        let at = |field| CapsuleFault::Field { at: 0, field };
        let kinds = [LogKind::Identity, LogKind::Account, LogKind::Conversation];
        let kind = kinds.into_iter().find(|kind| kind.name() == self.kind).ok_or(at("kind"))?;
        let log = self.log.parse().map_err(|_no_id| at("log"))?;
        let mut opened =
            OpenCapsule { log, kind, named: self.projection.clone(), events: Vec::new(), at: BTreeMap::new() };
        for (at, kept) in self.events.iter().enumerate() {
            let event = kept.open(log, kind).map_err(|field| CapsuleFault::Field { at, field })?;
            opened.push(event).map_err(|field| CapsuleFault::Field { at, field })?;
        }
        Ok(opened)
    }
}

fn small(bytes: &[u8]) -> Result<(), CapsuleFault> {
    if bytes.len() as u64 > MOST_CAPSULE_BYTES { Err(CapsuleFault::TooLarge) } else { Ok(()) }
}

impl Kept {
    fn open(&self, log: LogId, kind: LogKind) -> Result<Event, &'static str> {
        let id = parsed(&self.id, "id")?;
        let root = self.root.parse::<RootId>().map_err(|_no_id| "root")?;
        let device = parsed(&self.device, "device")?;
        let meta = EventMeta { log, kind, id, device, root, seq: self.seq, hlc: self.hlc };
        let deps = self.deps.0.iter().map(|dep| parsed(dep, "dep")).collect::<Result<_, _>>()?;
        let class = if self.sealed.is_some() { Class::Sealed } else { Class::Open };
        let content = match &self.content {
            Held::Body(bytes) => {
                let bytes = hex::decode(bytes).map_err(|_odd| "body")?;
                Content::Body(Body::decode(class, &bytes).map_err(|_fault| "body")?)
            }
            Held::Nothing => Content::NoEffect,
            Held::Sealed => Content::Sealed,
            Held::Missing => Content::Missing,
        };
        let epoch = |(epoch, chain): &(String, u32)| Ok((parsed::<EpochId>(epoch, "epoch")?, *chain));
        let sealed = self.sealed.as_ref().map(epoch).transpose()?;
        let (live, arrival) = (self.live, self.arrival);
        Ok(Event { meta, deps, live, arrival, sealed, content })
    }
}

fn parsed<T: FromStr>(text: &str, field: &'static str) -> Result<T, &'static str> {
    text.parse().map_err(|_no_id| field)
}

/// A capsule that was read and checked.
#[derive(Debug)]
pub struct OpenCapsule {
    log: LogId,
    kind: LogKind,
    /// The projection that it says it replays to.
    named: String,
    events: Vec<Event>,
    at: BTreeMap<EventId, usize>,
}

#[derive(Debug)]
struct Event {
    meta: EventMeta,
    deps: Vec<EventId>,
    live: bool,
    arrival: u64,
    sealed: Option<(EpochId, u32)>,
    content: Content,
}

impl OpenCapsule {
    /// Folds it up to `point`.
    pub fn replay(&self, point: &Point, steps: Steps) -> Result<State, ReplayError> {
        run(self, point, Words::Hidden, steps)
    }

    /// Whether a state of all its events is the one that it was made with.
    pub fn is_faithful(&self, state: &State) -> bool {
        state.events != state.of || state.projection == self.named
    }

    /// In the order of display, each behind what it depends on.
    fn push(&mut self, event: Event) -> Result<(), &'static str> {
        let order = |event: &Event| (event.meta.hlc, event.meta.device, event.meta.id);
        if self.events.last().is_some_and(|last| order(last) >= order(&event)) {
            return Err("place");
        }
        if !event.deps.iter().all(|dep| self.at.contains_key(dep)) {
            return Err("dep");
        }
        match self.at.insert(event.meta.id, self.events.len()) {
            Some(_) => Err("id"),
            None => {
                self.events.push(event);
                Ok(())
            }
        }
    }

    fn event(&self, id: &EventId) -> Option<&Event> {
        self.events.get(*self.at.get(id)?)
    }
}

impl Source for OpenCapsule {
    fn of(&self) -> (LogId, LogKind) {
        (self.log, self.kind)
    }

    fn live(&self) -> u64 {
        self.events.iter().filter(|event| event.live).count() as u64
    }

    fn graph(&self, visit: &mut dyn FnMut(EventId, Vec<EventId>, bool)) -> Result<(), StorageError> {
        self.events.iter().for_each(|event| visit(event.meta.id, event.deps.clone(), event.live));
        Ok(())
    }

    fn each(&self, visit: &mut Visit<'_>) -> Result<(), StorageError> {
        for event in self.events.iter().filter(|event| event.live) {
            if let ControlFlow::Break(()) = visit(event.meta, event.deps.clone())? {
                break;
            }
        }
        Ok(())
    }

    fn content(&self, id: &EventId) -> Result<Content, StorageError> {
        Ok(self.event(id).map_or(Content::Missing, |event| event.content.clone()))
    }

    fn shown(&self, id: &EventId, words: Words) -> Result<Option<ShownEvent>, StorageError> {
        Ok(self.event(id).map(|event| {
            let (kind, says) = describe(Some(event.content.clone()), words);
            ShownEvent {
                message_id: event.meta.id.to_string(),
                device_id: event.meta.device.to_string(),
                author: event.meta.root.to_string(),
                seq: event.meta.seq,
                hlc: event.meta.hlc,
                sealed: event.sealed.map(|(epoch, chain)| (epoch.to_string(), chain)),
                kind,
                says,
                deps: event.deps.iter().map(ToString::to_string).collect(),
                live: event.live,
                arrival: event.arrival,
            }
        }))
    }
}
