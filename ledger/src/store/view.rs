//! What can be read: of the last commit, or in a batch with its own writes on top.
//!
//! ```text
//! logs ─ LogInfo      heads · digest of heads · clock · unopened          of the live set alone (F3)
//! id   ─ EventInfo ─ Content (body | sealed | missing | no effect) ─ Item (as it travels, with boxes)
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use y7ke_crypto::ack::{Ack, Arrival};
use y7ke_crypto::clock::{Clock, Tip, Want};
use y7ke_crypto::codec::Wire;
use y7ke_crypto::epoch::KeyBox;
use y7ke_crypto::event::{Class, Dep, Header, Payload, WireEvent};
use y7ke_crypto::ids::{BodyHash, DeviceId, EpochId, EventId, LogId, RootId};
use y7ke_crypto::label;
use y7ke_crypto::sign::Signed;
use zeroize::Zeroizing;

use super::lockbox::OpenRun;
use super::memo::Memo;
use super::raw::{Range, Tables, Tbl, after};
use super::schema::{self, Arrivals, EpochInfo, Lacking, LogState, Place, Record, decode, epoch_key, name, pair};
use super::walks::next_of;
use super::{StorageError, SubKeys};
use crate::admit::{KnownRekey, LogSpec};
use crate::body::Body;
use crate::fold::EventMeta;
use crate::fork::ForkProof;

/// Label of the digest of a log's heads; not a rule of the protocol's hashes but in their manner.
const HEADS_LABEL: &str = "y7/heads/1";

/// An event by all its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventRef {
    /// Its log.
    pub log: LogId,
    /// Its hybrid clock: with `device`, the order of display (E5).
    pub hlc: u64,
    /// Its author.
    pub device: DeviceId,
    /// Its number among the author's events in this log.
    pub seq: u64,
    /// Its id.
    pub id: EventId,
}

/// A stored event, all but its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventInfo {
    /// Its id.
    pub id: EventId,
    /// As it was signed.
    pub header: Header,
    /// The author's signature.
    pub sig: [u8; 64],
    /// The hash that the id covers.
    pub body: BodyHash,
    /// Whether it is in the live set (F3).
    pub live: bool,
    /// Its place in the order of arrival here, from 1.
    pub arrival: u64,
    /// Greatest rekey generation in its causal past, itself included.
    pub generation: u64,
}

impl EventRef {
    pub(super) fn of(header: &Header, id: EventId) -> Self {
        let Header { log, hlc, device, seq, .. } = *header;
        Self { log, hlc, device, seq, id }
    }
}

impl EventInfo {
    /// All its names.
    pub fn names(&self) -> EventRef {
        EventRef::of(&self.header, self.id)
    }
}

/// What an event says, as far as this device can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// It opens and is understood.
    Body(Body),
    /// It opens and says nothing that this version understands, or does not open with its own key (E4).
    NoEffect,
    /// Its key is not here (yet).
    Sealed,
    /// Its body is not here (D2).
    Missing,
}

impl Content {
    /// The body, if there is one to be understood.
    pub fn into_body(self) -> Option<Body> {
        match self {
            Self::Body(body) => Some(body),
            _ => None,
        }
    }
}

/// A log as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogInfo {
    /// Its id.
    pub log: LogId,
    /// What it is.
    pub spec: LogSpec,
    /// Live events.
    pub live: u64,
    /// Stored events, those included that count only if somebody depends on them.
    pub stored: u64,
    /// Devices that have forked here (F2).
    pub frozen: Vec<DeviceId>,
}

/// Why an event is listed as unopened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Its epoch's key is not here.
    Key,
    /// Its body is not here (D2).
    Body,
    /// A rekey whose box for this device is not here.
    Box,
}

/// A run of one device's events that are stored and cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unopened {
    /// Whose events.
    pub device: DeviceId,
    /// First number.
    pub from: u64,
    /// Last number, included.
    pub to: u64,
    /// Why.
    pub reason: Reason,
}

/// An event as it travels: with the boxes that still wait for their addressees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its names.
    pub event: EventRef,
    /// The event; hollow if its body is not here.
    pub wire: WireEvent,
    /// Boxes of a rekey.
    pub boxes: Vec<KeyBox>,
}

impl Item {
    /// Bytes that it takes on the wire, boxes included.
    pub fn size(&self) -> usize {
        self.wire.to_bytes().len() + self.boxes.len() * KeyBox::CAP
    }
}

/// A page of events in causal order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Items {
    /// The events.
    pub items: Vec<Item>,
    /// Whether some that were wanted did not fit.
    pub more: bool,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Logs.
    pub logs: u64,
    /// Stored events of all logs.
    pub events: u64,
    /// Live events of all logs.
    pub live: u64,
    /// Events that cannot be opened.
    pub unopened: u64,
}

/// A consistent look at everything that is stored.
pub struct View {
    pub(super) tables: Tables,
    pub(super) keys: Arc<SubKeys>,
    /// States that an open batch has changed and not yet written down.
    pub(super) states: BTreeMap<u32, LogState>,
    /// What an open batch need not look up again; empty otherwise.
    pub(super) memo: Memo,
    /// The event keys that were opened last: who reads an event reads its neighbours next.
    pub(super) run: RefCell<Option<OpenRun>>,
}

impl View {
    pub(super) fn new(tables: Tables, keys: Arc<SubKeys>) -> Self {
        Self { tables, keys, states: BTreeMap::new(), memo: Memo::default(), run: RefCell::default() }
    }

    /// Every log, ascending by id.
    pub fn logs(&self) -> Result<Vec<LogInfo>, StorageError> {
        let mut logs = Vec::new();
        for number in self.log_numbers()? {
            logs.push(info(&self.state(number)?));
        }
        logs.sort_by_key(|log| log.log);
        Ok(logs)
    }

    /// One log, if it is known here.
    pub fn log(&self, log: &LogId) -> Result<Option<LogInfo>, StorageError> {
        Ok(self.state_of(log)?.map(|state| info(&state)))
    }

    /// The live events that no live event depends on, ascending: the heads of the Automerge document.
    pub fn heads(&self, log: &LogId) -> Result<Vec<EventId>, StorageError> {
        let state = self.state_of(log)?;
        let mut heads: Vec<_> = state.iter().flat_map(|state| &state.frontier.heads).map(|dep| dep.id).collect();
        heads.sort_unstable();
        Ok(heads)
    }

    /// BLAKE3 of the heads: equal digests mean equal live sets (S2). An unknown log has that of no heads.
    pub fn heads_digest(&self, log: &LogId) -> Result<[u8; 32], StorageError> {
        let heads: Vec<u8> = self.heads(log)?.iter().flat_map(|id| *id.as_bytes()).collect();
        Ok(label::hash(HEADS_LABEL, &[&heads]))
    }

    /// What is held of each device, the live set alone (F3).
    pub fn clock(&self, log: &LogId) -> Result<Clock, StorageError> {
        let mut clock = Clock::new();
        for (device, tips) in self.state_of(log)?.map(|state| state.frontier.tips).unwrap_or_default() {
            clock.set_tips(device, tips.into_iter().map(|(seq, id)| Tip { seq, id }).collect());
        }
        Ok(clock)
    }

    /// Whether a device has forked in a log (F2).
    pub fn is_frozen(&self, log: &LogId, device: &DeviceId) -> Result<bool, StorageError> {
        Ok(self.state_of(log)?.is_some_and(|state| state.frozen.contains(device)))
    }

    /// The proofs of all forks in a log: synced before its events (F1).
    pub fn fork_proofs(&self, log: &LogId) -> Result<Vec<ForkProof>, StorageError> {
        let Some(number) = self.log_number(log)? else { return Ok(Vec::new()) };
        let mut proofs = Vec::new();
        self.walk_prefix(Tbl::Forks, &number.to_be_bytes(), &mut |_, bytes| {
            proofs.push(ForkProof::from_bytes(bytes).or(Err(StorageError::Damaged { what: "fork proof" }))?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(proofs)
    }

    /// The devices that were introduced in a log, and whose they are, ascending by first arrival here.
    pub fn members(&self, log: &LogId) -> Result<Vec<(DeviceId, RootId)>, StorageError> {
        let Some(number) = self.log_number(log)? else { return Ok(Vec::new()) };
        let mut members = Vec::new();
        self.walk_prefix(Tbl::Names, &[&[4], number.to_be_bytes().as_slice()].concat(), &mut |key, root| {
            members.push((self.device_id(schema::number_at(key, 5)?)?, decode(root)?));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(members)
    }

    /// Whose a device of a log is, as admission proved it.
    pub fn member_root(&self, log: &LogId, device: &DeviceId) -> Result<Option<RootId>, StorageError> {
        let (Some(log), Some(device)) = (self.log_number(log)?, self.device_number(device)?) else { return Ok(None) };
        self.root_of(log, device)
    }

    /// An event by its id.
    pub fn event(&self, id: &EventId) -> Result<Option<EventInfo>, StorageError> {
        let Some(place) = self.place_of(id)? else { return Ok(None) };
        Ok(self.record(&place)?.map(event_info))
    }

    /// All stored variants of a number: one, or several of a device that forked.
    pub fn events_at(&self, log: &LogId, device: &DeviceId, seq: u64) -> Result<Vec<EventInfo>, StorageError> {
        let (Some(log), Some(device)) = (self.log_number(log)?, self.device_number(device)?) else {
            return Ok(Vec::new());
        };
        Ok(self.variants(log, device, seq)?.into_iter().map(|(_, record)| event_info(record)).collect())
    }

    /// Visits the live events of a log in the order of display, (hlc, device), from clock `from` on.
    pub fn visit_live(
        &self,
        log: &LogId,
        from: u64,
        visit: &mut dyn FnMut(EventInfo) -> Result<ControlFlow<()>, StorageError>,
    ) -> Result<(), StorageError> {
        self.visit_stored(log, from, &mut |event| if event.live { visit(event) } else { Ok(ControlFlow::Continue(())) })
    }

    /// Like [`View::visit_live`], with the events that are stored and not live.
    pub fn visit_stored(
        &self,
        log: &LogId,
        from: u64,
        visit: &mut dyn FnMut(EventInfo) -> Result<ControlFlow<()>, StorageError>,
    ) -> Result<(), StorageError> {
        let Some(number) = self.log_number(log)? else { return Ok(()) };
        for found in self.in_order(number, false)? {
            let (_, record) = found?;
            if record.header.hlc >= from && visit(event_info(record))?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// At most `limit` events of all logs in the order of their arrival here, from number `from` on.
    pub fn arrivals(&self, from: u64, limit: usize) -> Result<Vec<EventInfo>, StorageError> {
        let mut places = Vec::new();
        let first = self.arrivals_around(from)?;
        self.tables.walk(Tbl::Arrival, Range::new(&first.to_be_bytes(), None), &mut |key, value| {
            places.extend(Arrivals::from_row(key, value)?.from(from).take(limit - places.len()));
            Ok(if places.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        let new = self.memo.arrived.iter().flat_map(|run| run.from(from));
        let all = places.iter().copied().chain(new).take(limit);
        all.map(|place| Ok(event_info(self.record_at(&place)?))).collect()
    }

    /// The number of the first event of the run that this one is in, if it is in one.
    fn arrivals_around(&self, number: u64) -> Result<u64, StorageError> {
        let (mut first, to) = (number, after(&number.to_be_bytes()));
        self.tables.walk(Tbl::Arrival, Range::new(&[], to.as_deref()).reversed(), &mut |key, _| {
            first = schema::long_at(key, 0)?.min(number);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(first)
    }

    /// What an event says, as far as this device can tell; `None` if it is not stored.
    pub fn content(&self, id: &EventId) -> Result<Option<Content>, StorageError> {
        let Some(place) = self.place_of(id)? else { return Ok(None) };
        self.content_of(&place, &self.record_at(&place)?).map(Some)
    }

    /// The body of an event, if it is here, opens and is understood.
    pub fn open_body(&self, id: &EventId) -> Result<Option<Body>, StorageError> {
        Ok(self.content(id)?.and_then(Content::into_body))
    }

    /// An event as it travels, with the boxes that still wait for their addressees.
    pub fn item(&self, id: &EventId) -> Result<Option<Item>, StorageError> {
        let Some(place) = self.place_of(id)? else { return Ok(None) };
        let Some(record) = self.record(&place)? else { return Ok(None) };
        self.item_of(&place, record).map(Some)
    }

    /// Live events of these runs, merged by (hlc, device): a causal order, for the clock grows along
    /// dependencies. At most `max_events`, and at most `max_bytes` unless the first alone is larger.
    pub fn events_between(
        &self,
        log: &LogId,
        wants: &[Want],
        max_events: usize,
        max_bytes: usize,
    ) -> Result<Items, StorageError> {
        let mut runs = self.runs(log, wants)?;
        let (mut page, mut bytes) = (Items::default(), 0);
        while let Some((place, record)) = next_of(&mut runs, self, false)? {
            let item = self.item_of(&place, record)?;
            bytes += item.size();
            let full = page.items.len() == max_events || (bytes > max_bytes && !page.items.is_empty());
            if full {
                page.more = true;
                break;
            }
            page.items.push(item);
        }
        Ok(page)
    }

    /// Runs of live events that cannot be opened here, ascending: what an acknowledgement leaves out (S3).
    pub fn unopened(&self, log: &LogId) -> Result<Vec<Unopened>, StorageError> {
        let Some(number) = self.log_number(log)? else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        self.walk_prefix(Tbl::Unopened, &number.to_be_bytes(), &mut |key, value| {
            let place = Place::from_key(key)?;
            if self.record_at(&place)?.live {
                found.push((place, Lacking::from_value(value)?));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let runs = found.iter().map(|(place, lacking)| self.run_of(place, *lacking));
        let mut runs = runs.collect::<Result<Vec<_>, _>>()?;
        runs.sort_unstable_by_key(|run| (run.device, run.from));
        Ok(join_runs(runs))
    }

    /// The newest acknowledgement of each device of a log.
    pub fn acks(&self, log: &LogId) -> Result<Vec<Signed<Ack>>, StorageError> {
        let Some(number) = self.log_number(log)? else { return Ok(Vec::new()) };
        let mut acks = Vec::new();
        self.walk_prefix(Tbl::Acks, &number.to_be_bytes(), &mut |_, value| {
            acks.push(decode(value)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(acks)
    }

    /// The newest acknowledgement of one device.
    pub fn ack(&self, log: &LogId, device: &DeviceId) -> Result<Option<Signed<Ack>>, StorageError> {
        let (Some(log), Some(device)) = (self.log_number(log)?, self.device_number(device)?) else { return Ok(None) };
        self.tables.get(Tbl::Acks, &pair(log, device))?.map(|value| decode(&value)).transpose()
    }

    /// The devices that have acknowledged an event and can open it (S3).
    pub fn delivered_to(&self, event: &EventRef) -> Result<Vec<DeviceId>, StorageError> {
        let acks = self.acks(&event.log)?;
        let covering = acks.iter().filter(|ack| delivers(&ack.claim, &event.device, event.seq));
        Ok(covering.map(|ack| ack.claim.device).collect())
    }

    /// How much there is.
    pub fn stats(&self) -> Result<Stats, StorageError> {
        let mut stats = Stats::default();
        for log in self.logs()? {
            let sum = |count: u64, more: u64| {
                count.checked_add(more).ok_or(StorageError::Damaged { what: "count of events" })
            };
            stats.logs += 1;
            stats.events = sum(stats.events, log.stored)?;
            stats.live = sum(stats.live, log.live)?;
        }
        self.tables.walk(Tbl::Unopened, Range::ALL, &mut |_, _| {
            stats.unopened += 1;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(stats)
    }

    /// What a fold is told of an event.
    pub fn fold_meta(&self, event: &EventInfo) -> Result<EventMeta, StorageError> {
        let spec = self.log(&event.header.log)?.ok_or(StorageError::Absent { what: "log" })?.spec;
        let root = self.member_root(&event.header.log, &event.header.device)?;
        let Header { log, hlc, device, seq, .. } = event.header;
        let root = root.ok_or(StorageError::Damaged { what: "member" })?;
        Ok(EventMeta { log, kind: spec.kind(), id: event.id, device, root, seq, hlc })
    }
}

/// Numbers and records, for the store's own modules.
impl View {
    pub(super) fn walk_prefix(
        &self,
        table: Tbl,
        prefix: &[u8],
        visit: &mut super::raw::Visit<'_>,
    ) -> Result<(), StorageError> {
        self.tables.walk(table, Range::new(prefix, after(prefix).as_deref()), visit)
    }

    fn number(&self, key: &[u8]) -> Result<Option<u32>, StorageError> {
        self.tables.get(Tbl::Names, key)?.map(|value| schema::number_at(&value, 0)).transpose()
    }

    pub(super) fn log_number(&self, log: &LogId) -> Result<Option<u32>, StorageError> {
        if let Some(number) = self.memo.logs.get(log) {
            return Ok(Some(*number));
        }
        self.number(&name::log(log))
    }

    pub(super) fn device_number(&self, device: &DeviceId) -> Result<Option<u32>, StorageError> {
        if let Some(number) = self.memo.devices.get(device) {
            return Ok(Some(*number));
        }
        self.number(&name::device(device))
    }

    pub(super) fn device_id(&self, number: u32) -> Result<DeviceId, StorageError> {
        let found = self.tables.get(Tbl::Names, &name::device_number(number))?;
        decode(&found.ok_or(StorageError::Damaged { what: "device number" })?)
    }

    /// Whom a device belongs to, as admission proved it: that the root is a point was checked then.
    pub(super) fn root_of(&self, log: u32, device: u32) -> Result<Option<RootId>, StorageError> {
        if let Some(root) = self.memo.members.get(&(log, device)) {
            return Ok(Some(*root));
        }
        let Some(value) = self.tables.get(Tbl::Names, &name::member(log, device))? else { return Ok(None) };
        let bytes =
            <[u8; RootId::LEN]>::try_from(value.as_slice()).or(Err(StorageError::Damaged { what: "member" }))?;
        Ok(Some(RootId::from(bytes)))
    }

    fn log_numbers(&self) -> Result<Vec<u32>, StorageError> {
        let mut numbers: Vec<u32> = self.states.keys().copied().collect();
        self.tables.walk(Tbl::Logs, Range::ALL, &mut |key, _| {
            numbers.push(schema::number_at(key, 0)?);
            Ok(ControlFlow::Continue(()))
        })?;
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    pub(super) fn state(&self, number: u32) -> Result<LogState, StorageError> {
        if let Some(state) = self.states.get(&number) {
            return Ok(state.clone());
        }
        let found = self.tables.get(Tbl::Logs, &number.to_be_bytes())?;
        decode(&found.ok_or(StorageError::Damaged { what: "log number" })?)
    }

    pub(super) fn state_of(&self, log: &LogId) -> Result<Option<LogState>, StorageError> {
        self.log_number(log)?.map(|number| self.state(number)).transpose()
    }

    pub(super) fn record(&self, place: &Place) -> Result<Option<Record>, StorageError> {
        self.tables.see(Tbl::Events, &place.key(), |value| value.map(decode).transpose())?
    }

    pub(super) fn record_at(&self, place: &Place) -> Result<Record, StorageError> {
        self.record(place)?.ok_or(StorageError::Damaged { what: "event index" })
    }

    pub(super) fn variants(&self, log: u32, device: u32, seq: u64) -> Result<Vec<(Place, Record)>, StorageError> {
        let mut found = Vec::new();
        self.walk_prefix(Tbl::Events, &Place::variants(log, device, seq), &mut |key, value| {
            found.push((Place::from_key(key)?, decode(value)?));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    /// Exactly this event. Nearly always the number's first variant.
    pub(super) fn find(&self, log: u32, at: &Dep) -> Result<Option<(Place, Record)>, StorageError> {
        let Some(device) = self.device_number(&at.device)? else { return Ok(None) };
        let first = Place { log, device, seq: at.seq, variant: 0 };
        match self.record(&first)? {
            Some(record) if record.id == at.id => Ok(Some((first, record))),
            Some(_) => Ok(self.variants(log, device, at.seq)?.into_iter().find(|(_, record)| record.id == at.id)),
            None => Ok(None),
        }
    }

    pub(super) fn epoch_number(&self, log: u32, epoch: &EpochId) -> Result<Option<u32>, StorageError> {
        if let Some(number) = self.memo.epochs.get(&(log, *epoch)) {
            return Ok(Some(*number));
        }
        let found = self.tables.get(Tbl::Epochs, &epoch_key::by_id(log, epoch))?;
        found.map(|value| schema::number_at(&value, 0)).transpose()
    }

    pub(super) fn epoch(&self, number: u32) -> Result<EpochInfo, StorageError> {
        if let Some(info) = self.memo.infos.get(&number) {
            return Ok(*info);
        }
        let found = self.tables.get(Tbl::Epochs, &epoch_key::by_number(number))?;
        decode(&found.ok_or(StorageError::Damaged { what: "epoch number" })?)
    }

    pub(super) fn known_rekey(&self, info: &EpochInfo) -> Result<KnownRekey, StorageError> {
        let record = self.record_at(&info.place)?;
        match self.content_of(&info.place, &record)? {
            Content::Body(Body::Rekey(rekey)) => Ok(KnownRekey { at: info.at, hlc: record.header.hlc, rekey }),
            _ => Err(StorageError::Damaged { what: "rekey" }),
        }
    }

    /// A body as it travelled; open ones are sealed at rest.
    pub(super) fn body_bytes(&self, place: &Place, class: Class) -> Result<Option<Vec<u8>>, StorageError> {
        match class {
            Class::Open => Ok(self.get_sealed(Tbl::Bodies, &place.key())?.map(|bytes| bytes.to_vec())),
            Class::Sealed => self.tables.get(Tbl::Bodies, &place.key()),
        }
    }

    fn item_of(&self, place: &Place, record: Record) -> Result<Item, StorageError> {
        let event = record.names();
        let payload = self.body_bytes(place, record.header.class)?.map_or(Payload::Hollow(record.body), Payload::Full);
        let boxes = self.boxes_of(place, &record)?;
        let wire = WireEvent { header: record.header, sig: record.sig, payload };
        Ok(Item { event, wire, boxes })
    }

    /// The boxes of a rekey that still wait for their addressees.
    fn boxes_of(&self, place: &Place, record: &Record) -> Result<Vec<KeyBox>, StorageError> {
        let mut boxes = Vec::new();
        if record.header.class == Class::Sealed {
            return Ok(boxes);
        }
        let Some(epoch) = self.epoch_number(place.log, &EpochId::of(&record.id))? else { return Ok(boxes) };
        self.walk_prefix(Tbl::Boxes, &pair(place.log, epoch), &mut |_, value| {
            boxes.push(decode(value)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(boxes)
    }

    fn run_of(&self, place: &Place, lacking: Lacking) -> Result<Unopened, StorageError> {
        let reason = match lacking {
            Lacking::Key => Reason::Key,
            Lacking::Body => Reason::Body,
            Lacking::Box => Reason::Box,
        };
        Ok(Unopened { device: self.device_id(place.device)?, from: place.seq, to: place.seq, reason })
    }

    /// Opens what [`super::Batch`] sealed.
    pub(super) fn unseal(&self, table: Tbl, key: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StorageError> {
        let opened = self.keys.of(table).open(&context(table, key), sealed);
        opened.or(Err(StorageError::Sealed { table: table.name() }))
    }

    /// The opened value of a sealed table.
    pub(super) fn get_sealed(&self, table: Tbl, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, StorageError> {
        self.tables.get(table, key)?.map(|sealed| self.unseal(table, key, &sealed)).transpose()
    }
}

/// What a sealed value is bound to: its table and its key.
pub(super) fn context(table: Tbl, key: &[u8]) -> Vec<u8> {
    [table.name().as_bytes(), &[0], key].concat()
}

impl Record {
    pub(super) fn names(&self) -> EventRef {
        EventRef::of(&self.header, self.id)
    }
}

/// Whether an acknowledgement says that this event was opened (S3).
pub(super) fn delivers(ack: &Ack, device: &DeviceId, seq: u64) -> bool {
    ack.arrival(device, seq) == Arrival::Delivered
}

fn info(state: &LogState) -> LogInfo {
    LogInfo {
        log: state.spec.id(),
        spec: state.spec,
        live: state.live,
        stored: state.stored,
        frozen: state.frozen.iter().copied().collect(),
    }
}

fn event_info(record: Record) -> EventInfo {
    let Record { id, live, arrival, generation, body, sig, header, .. } = record;
    EventInfo { id, header, sig, body, live, arrival, generation }
}

fn join_runs(runs: Vec<Unopened>) -> Vec<Unopened> {
    let mut joined: Vec<Unopened> = Vec::new();
    for run in runs {
        match joined.last_mut() {
            Some(last)
                if last.device == run.device && last.reason == run.reason && run.from <= last.to.saturating_add(1) =>
            {
                last.to = last.to.max(run.to);
            }
            _ => joined.push(run),
        }
    }
    joined
}
