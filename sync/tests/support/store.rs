//! A log in memory: the simplest thing that keeps the rules of F and S2.
//!
//! Everything that is whole (all deps here) is stored; live is the ancestor closure of the events of
//! devices without a fork proof (F3); heads, clock, digest and reads speak of live events only.

use std::collections::{BTreeMap, BTreeSet};

use y7ke_crypto::clock::{Clock, Tip};
use y7ke_crypto::ids::{DeviceId, EventId, LogId};
use y7ke_crypto::label;
use y7ke_sync::{Heads, Item, Name, Outcome, Parcel, Position, Want};

/// An event as the model has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub log: LogId,
    pub device: DeviceId,
    pub seq: u64,
    pub hlc: u64,
    pub deps: Vec<EventId>,
    /// The dep that is the device's own previous event.
    pub previous: Option<EventId>,
    pub filler: usize,
}

impl Event {
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.log.as_bytes().to_vec();
        bytes.extend(self.device.as_bytes());
        bytes.extend(self.seq.to_le_bytes());
        bytes.extend(self.hlc.to_le_bytes());
        bytes.push(self.deps.len() as u8);
        bytes.push(self.previous.and_then(|p| self.deps.iter().position(|d| *d == p)).map_or(255, |at| at as u8));
        self.deps.iter().for_each(|dep| bytes.extend(dep.as_bytes()));
        bytes.resize(bytes.len() + self.filler, 0xee);
        bytes
    }

    pub fn parse(bytes: &[u8]) -> Self {
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let hash = |at: usize| EventId::from(<[u8; 32]>::try_from(&bytes[at..at + 32]).unwrap());
        let n = bytes[80] as usize;
        let deps: Vec<EventId> = (0..n).map(|i| hash(82 + 32 * i)).collect();
        let (log, device) = (LogId::from(hash(0).into_bytes()), DeviceId::from(hash(32).into_bytes()));
        let previous = deps.get(bytes[81] as usize).copied();
        Self { log, device, seq: word(64), hlc: word(72), deps, previous, filler: bytes.len() - 82 - 32 * n }
    }

    pub fn id(&self) -> EventId {
        EventId::from(label::hash("y7/model/1", &[&self.bytes()]))
    }

    pub fn name(&self) -> Name {
        Name { device: self.device, seq: self.seq, id: self.id() }
    }
}

/// One log of one node.
#[derive(Clone, Debug)]
pub struct Store {
    pub log: LogId,
    pub events: BTreeMap<EventId, Event>,
    pub orphans: BTreeMap<EventId, Event>,
    pub frozen: BTreeSet<DeviceId>,
    /// More orphans than this are dropped.
    pub pool: usize,
}

impl Store {
    pub fn new(log: LogId, pool: usize) -> Self {
        Self { log, events: BTreeMap::new(), orphans: BTreeMap::new(), frozen: BTreeSet::new(), pool }
    }

    /// Ids of the live set (F3).
    pub fn live(&self) -> BTreeSet<EventId> {
        let honest = self.events.iter().filter(|(_, event)| !self.frozen.contains(&event.device));
        let mut todo: Vec<EventId> = honest.map(|(id, _)| *id).collect();
        let mut live = BTreeSet::new();
        while let Some(id) = todo.pop() {
            if live.insert(id) {
                todo.extend(&self.events[&id].deps);
            }
        }
        live
    }

    /// Live events that no live event depends on.
    pub fn head_ids(&self) -> BTreeSet<EventId> {
        let live = self.live();
        let inner: BTreeSet<EventId> = live.iter().flat_map(|id| self.events[id].deps.clone()).collect();
        live.difference(&inner).copied().collect()
    }

    pub fn heads(&self) -> Heads {
        let live = self.live();
        let mut tips: BTreeMap<DeviceId, Vec<Tip>> = BTreeMap::new();
        let followed: BTreeSet<EventId> = live.iter().filter_map(|id| self.events[id].previous).collect();
        for id in live.difference(&followed) {
            let event = &self.events[id];
            tips.entry(event.device).or_default().push(Tip { seq: event.seq, id: *id });
        }
        let mut clock = Clock::new();
        tips.into_iter().for_each(|(device, tips)| clock.set_tips(device, tips));
        let newest = live.iter().map(|id| self.events[id].hlc).max().unwrap_or(0);
        Heads { clock, digest: self.digest(), frozen: self.frozen.clone(), newest }
    }

    pub fn digest(&self) -> [u8; 32] {
        let heads: Vec<u8> = self.head_ids().iter().flat_map(|id| id.into_bytes()).collect();
        label::hash("y7/model-heads/1", &[&heads])
    }

    /// Whether a device may still write here: it has not seen itself forked (F5).
    pub fn may_write(&self, device: &DeviceId) -> bool {
        !self.frozen.contains(device)
    }

    /// A new event of `device`, after everything live and what else is cited.
    pub fn append(&mut self, device: DeviceId, cite: &BTreeSet<EventId>, filler: usize) -> EventId {
        let own = self.events.iter().filter(|(_, event)| event.device == device);
        let previous = own.max_by_key(|(_, event)| event.seq).map(|(id, event)| (*id, event.seq));
        let mut deps: BTreeSet<EventId> = self.head_ids();
        deps.extend(cite);
        deps.extend(previous.map(|(id, _)| id));
        let hlc = deps.iter().map(|id| self.events[id].hlc).max().unwrap_or(0) + 1;
        let seq = previous.map_or(1, |(_, seq)| seq + 1);
        let deps: Vec<EventId> = deps.into_iter().collect();
        let event = Event { log: self.log, device, seq, hlc, deps, previous: previous.map(|(id, _)| id), filler };
        let id = event.id();
        self.events.insert(id, event);
        id
    }

    /// F4: our notice of the forks we know cites every tip of a frozen device.
    pub fn notice(&mut self, device: DeviceId) {
        let followed: BTreeSet<EventId> = self.events.values().filter_map(|event| event.previous).collect();
        let tips =
            self.events.iter().filter(|(id, event)| self.frozen.contains(&event.device) && !followed.contains(id));
        let tips: BTreeSet<EventId> = tips.map(|(id, _)| *id).collect();
        self.append(device, &tips, 0);
    }

    /// Admission. Returns the outcome and whether a fork came to light.
    pub fn admit(&mut self, parcel: &Parcel) -> (Outcome, bool) {
        let event = Event::parse(&parcel.bytes);
        let (id, name) = (event.id(), event.name());
        if self.events.contains_key(&id) {
            return (Outcome::Known(name), false);
        }
        let forked = self.expose(&event, &id);
        if event.deps.iter().all(|dep| self.events.contains_key(dep)) {
            self.events.insert(id, event);
            self.orphans.remove(&id);
            self.release();
            return (Outcome::Stored(name), forked);
        }
        if !self.orphans.contains_key(&id) && self.orphans.len() >= self.pool {
            return (Outcome::Dropped, forked);
        }
        self.orphans.insert(id, event);
        (Outcome::Orphaned(name), forked)
    }

    /// A fork proof came; whether it is news.
    pub fn freeze(&mut self, device: DeviceId) -> bool {
        self.frozen.insert(device)
    }

    pub fn read(
        &self,
        wants: &[Want],
        after: Option<Position>,
        max_events: usize,
        max_bytes: usize,
    ) -> (Vec<Item>, bool) {
        let mut found: Vec<Item> = self.live().iter().map(|id| item(&self.events[id])).collect();
        found.retain(|item| wants.iter().any(|want| self.is_wanted(want, item)));
        found.retain(|item| after.is_none_or(|after| position(item) > after));
        found.sort_by_key(position);
        let mut bytes = 0;
        let fitting = found.iter().take(max_events).take_while(|item| {
            bytes += item.parcel.bytes.len();
            bytes <= max_bytes
        });
        let count = fitting.count().max(1).min(found.len());
        let more = count < found.len();
        found.truncate(count);
        (found, more)
    }

    fn is_wanted(&self, want: &Want, item: &Item) -> bool {
        let from = match want.base {
            Some(base) if !self.events.contains_key(&base) => want.from - 1,
            _ => want.from,
        };
        want.device == item.device && (from..=want.to).contains(&item.seq)
    }

    fn expose(&mut self, event: &Event, id: &EventId) -> bool {
        let known = self.events.iter().chain(&self.orphans);
        let mut twins = known.filter(|(other, it)| *other != id && it.device == event.device && it.seq == event.seq);
        twins.next().is_some() && self.frozen.insert(event.device)
    }

    fn release(&mut self) {
        loop {
            let whole = |event: &Event| event.deps.iter().all(|dep| self.events.contains_key(dep));
            let ready: Vec<EventId> = self.orphans.iter().filter(|(_, it)| whole(it)).map(|(id, _)| *id).collect();
            if ready.is_empty() {
                return;
            }
            for id in ready {
                let event = self.orphans.remove(&id).unwrap();
                self.events.insert(id, event);
            }
        }
    }
}

pub fn item(event: &Event) -> Item {
    let parcel = Parcel { bytes: event.bytes(), boxes: vec![] };
    Item { device: event.device, seq: event.seq, hlc: event.hlc, id: event.id(), parcel }
}

fn position(item: &Item) -> Position {
    Position { hlc: item.hlc, device: item.device, id: item.id }
}

/// Named logs.
pub fn log(n: u8) -> LogId {
    LogId::from([n; 32])
}
