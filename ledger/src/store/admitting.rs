//! The only door into the log.
//!
//! ```text
//! admit ─ known? ─ signature ─ a second event with this number? ─ judge (E3)
//!                                  └ freeze: proof kept, live set and heads afresh (F1–F3)
//! judge ─ refused ─▶ nothing stored
//!       ─ missing ─▶ orphan, verified, charged to its sender
//!       ─ admissible ─ of a frozen device that nobody needs ─▶ waits in the pool (F2)
//!                    └ else ─▶ stored ─▶ live, with those of its ancestors that were not (F3) ─▶ fold
//!                                └▶ releases what waited for it
//! ```

use std::collections::BTreeSet;

use y7ke_crypto::epoch::KeyBox;
use y7ke_crypto::event::{Class, Dep, Header, Payload};
use y7ke_crypto::ids::{EventId, LogId, RootId};
use y7ke_crypto::sign::{Signed, Verified};

use super::StorageError;
use super::batch::{Batch, News};
use super::raw::Tbl;
use super::schema::{DueNotice, Place, Record, name, pair};
use super::view::{Content, EventRef};
use super::walks::Past;
use crate::admit::{Facts, Refusal, Verdict, judge, open_body};
use crate::body::Body;
use crate::fold::{self, Change};
use crate::fork::{ForkProof, live_set};
use crate::id::Event;
use crate::intake;
use crate::orphans::Sender;

/// What became of an event that somebody handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Stored, and everything that waited for it.
    Admitted(Admitted),
    /// Stored before.
    Known {
        /// Whether it brought a body or a box that was missing.
        filled: bool,
    },
    /// Verified; waits in memory for these.
    Orphan {
        /// Dependencies that are not here.
        missing: Vec<Dep>,
    },
    /// Of a frozen device; waits in memory until an event of another device needs it (F2).
    Waiting,
    /// It contradicts another event of its device: the proof is kept and the device is frozen (F1).
    /// The news say whether the event itself was taken.
    Forked(Box<ForkProof>),
    /// It can never belong here.
    Refused(Refusal),
}

/// A stored event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Which.
    pub event: EventRef,
    /// Whether it is in the live set.
    pub live: bool,
}

/// What became of a fork proof that somebody handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofOutcome {
    /// The device is frozen now.
    Frozen,
    /// It was frozen before.
    Known,
    /// No event of that device is here yet: the proof waits in memory for the first.
    Waiting,
    /// The log is not known here.
    UnknownLog,
}

/// A verified event on its way in.
struct Incoming {
    event: Verified<Event>,
    boxes: Vec<KeyBox>,
    facts: Facts,
    body: Option<Body>,
}

impl Batch {
    /// Takes an event in, from whomever: the only door. `sender` is charged if it must wait.
    pub fn admit(
        &mut self,
        event: Signed<Event>,
        boxes: Vec<KeyBox>,
        sender: Sender,
    ) -> Result<Admission, StorageError> {
        let Some(log) = self.log_number(&event.claim.header().log)? else {
            return Ok(Admission::Refused(Refusal::UnknownLog));
        };
        if let Some(place) = self.place_of(&event.claim.id())? {
            return self.admit_known(&place, &event.claim, boxes);
        }
        match event.verify() {
            Ok(verified) => self.admit_verified(log, verified, boxes, sender),
            Err(_) => Ok(Admission::Refused(Refusal::Signature)),
        }
    }

    /// Takes many events in, in this order; their signatures are checked together.
    pub fn admit_all(
        &mut self,
        events: Vec<(Signed<Event>, Vec<KeyBox>)>,
        sender: Sender,
    ) -> Result<Vec<Admission>, StorageError> {
        let (events, boxes): (Vec<_>, Vec<_>) = events.into_iter().unzip();
        let verdicts = intake::verify(events);
        verdicts
            .into_iter()
            .zip(boxes)
            .map(|(verdict, boxes)| match verdict {
                Ok(event) => self.take(event, boxes, sender),
                Err(_) => Ok(Admission::Refused(Refusal::Signature)),
            })
            .collect()
    }

    /// Takes an event in whose signature was checked before: the second half of the door.
    pub fn take(
        &mut self,
        event: Verified<Event>,
        boxes: Vec<KeyBox>,
        sender: Sender,
    ) -> Result<Admission, StorageError> {
        let Some(log) = self.known_log(&event.header().log)? else {
            return Ok(Admission::Refused(Refusal::UnknownLog));
        };
        let place = if self.is_ahead(log, event.header())? { None } else { self.place_of(&event.id())? };
        match place {
            Some(place) => self.admit_known(&place, &event, boxes),
            None => self.admit_verified(log, event, boxes, sender),
        }
    }

    /// Whether a device's number is greater than that of all its stored events: then neither this event nor one
    /// that contradicts it is stored. All that is stored of a device that is not out is live, its tip the last.
    fn is_ahead(&mut self, log: u32, header: &Header) -> Result<bool, StorageError> {
        let state = self.state_mut(log)?;
        Ok(!state.is_out(&header.device) && state.tip(&header.device).is_none_or(|tip| tip.seq < header.seq))
    }

    /// Takes a fork proof in: before events, so that both sides count the same devices (F1).
    pub fn admit_proof(&mut self, proof: ForkProof) -> Result<ProofOutcome, StorageError> {
        let (log, device) = (proof.log(), proof.device());
        let Some(number) = self.log_number(&log)? else { return Ok(ProofOutcome::UnknownLog) };
        if self.state_mut(number)?.frozen.contains(&device) {
            return Ok(ProofOutcome::Known);
        }
        if self.events_at(&log, &device, 1)?.is_empty() {
            self.lease.pool.put_proof(proof);
            return Ok(ProofOutcome::Waiting);
        }
        self.freeze(number, &proof)?;
        self.release(number, &log, Vec::new())?;
        Ok(ProofOutcome::Frozen)
    }

    /// Folds the live events of a log afresh: the same rows, from the log alone.
    pub fn rebuild_projections(&mut self, log: &LogId) -> Result<(), StorageError> {
        let Some(number) = self.log_number(log)? else { return Ok(()) };
        fold::clear(self, log)?;
        let mut page = self.page_behind(number, None)?;
        while let Some((last, _)) = page.last() {
            let next = self.page_behind(number, Some(last))?;
            for (place, record) in page.into_iter().filter(|(_, record)| record.live) {
                self.fold_event(&place, &record)?;
            }
            page = next;
        }
        Ok(())
    }

    pub(super) fn admit_verified(
        &mut self,
        log: u32,
        event: Verified<Event>,
        boxes: Vec<KeyBox>,
        sender: Sender,
    ) -> Result<Admission, StorageError> {
        let proof = self.contradiction(log, &event)?;
        if let Some(proof) = &proof {
            self.freeze(log, proof)?;
        }
        let outcome = self.decide(log, event, boxes, sender)?;
        Ok(proof.map_or(outcome, |proof| Admission::Forked(Box::new(proof))))
    }

    fn decide(
        &mut self,
        log: u32,
        event: Verified<Event>,
        boxes: Vec<KeyBox>,
        sender: Sender,
    ) -> Result<Admission, StorageError> {
        let body = match open_body(&event) {
            Ok(body) => body,
            Err(refusal) => return Ok(Admission::Refused(refusal)),
        };
        match self.judge(log, &event, body.as_ref())? {
            Verdict::Refused(refusal) => Ok(Admission::Refused(refusal)),
            Verdict::Missing(missing) => self.orphan(log, event, boxes, sender, missing),
            Verdict::Admissible(_) if self.must_wait(log, &event)? => {
                self.pool(event, boxes, sender, Vec::new());
                Ok(Admission::Waiting)
            }
            Verdict::Admissible(facts) => {
                let (id, of) = (event.id(), event.header().log);
                let stored = self.insert(log, Incoming { event, boxes, facts, body })?;
                self.release(log, &of, vec![id])?;
                Ok(Admission::Admitted(stored))
            }
        }
    }

    fn judge(&mut self, log: u32, event: &Event, body: Option<&Body>) -> Result<Verdict, StorageError> {
        let spec = self.state_mut(log)?.spec;
        judge(&spec, event, body, &Past { view: &self.view, log })
    }

    /// Whether the author is frozen and nobody else's event needs this one (F2).
    fn must_wait(&mut self, log: u32, event: &Event) -> Result<bool, StorageError> {
        if !self.state_mut(log)?.is_out(&event.header().device) {
            return Ok(false);
        }
        self.is_wanted(log, &event.header().log, &event.id()).map(|wanted| !wanted)
    }

    fn is_wanted(&self, log: u32, of: &LogId, id: &EventId) -> Result<bool, StorageError> {
        let state = self.view.states.get(&log).ok_or(StorageError::Absent { what: "log state" })?;
        Ok(self.lease.pool.wants(of, id, |device| state.is_out(device)))
    }

    /// Puts an event into the pool; it may be what an event that waits there needed to be wanted.
    fn orphan(
        &mut self,
        log: u32,
        event: Verified<Event>,
        boxes: Vec<KeyBox>,
        sender: Sender,
        missing: Vec<Dep>,
    ) -> Result<Admission, StorageError> {
        let (id, of) = (event.id(), event.header().log);
        let is_out = self.state_mut(log)?.is_out(&event.header().device);
        self.pool(event, boxes, sender, missing.clone());
        self.release(log, &of, Vec::new())?;
        match self.event(&id)? {
            Some(info) => Ok(Admission::Admitted(Admitted { event: info.names(), live: info.live })),
            None if is_out => Ok(Admission::Waiting),
            None => Ok(Admission::Orphan { missing }),
        }
    }

    fn pool(&mut self, event: Verified<Event>, boxes: Vec<KeyBox>, sender: Sender, missing: Vec<Dep>) {
        let dropped = self.lease.pool.put(event, boxes, sender, missing);
        self.news.extend(dropped.into_iter().map(News::Dropped));
    }

    /// Takes out of the pool whatever can be stored now that these are.
    fn release(&mut self, log: u32, of: &LogId, mut stored: Vec<EventId>) -> Result<(), StorageError> {
        loop {
            while let Some(id) = stored.pop() {
                for waiter in self.lease.pool.waiting_for(of, &id) {
                    stored.extend(self.release_one(log, of, &waiter)?);
                }
            }
            for id in self.lease.pool.unwanted(of) {
                stored.extend(self.release_one(log, of, &id)?);
            }
            if stored.is_empty() {
                return Ok(());
            }
        }
    }

    fn release_one(&mut self, log: u32, of: &LogId, id: &EventId) -> Result<Option<EventId>, StorageError> {
        let Some(orphan) = self.lease.pool.get(of, id).cloned() else { return Ok(None) };
        if let Some(proof) = self.contradiction(log, &orphan.event)? {
            self.freeze(log, &proof)?;
        }
        let body = open_body(&orphan.event).unwrap_or(None);
        match self.judge(log, &orphan.event, body.as_ref())? {
            Verdict::Missing(_) => Ok(None),
            Verdict::Refused(refusal) => {
                self.lease.pool.take(of, id);
                self.news.push(News::Refused { sender: orphan.sender, id: *id, refusal });
                Ok(None)
            }
            Verdict::Admissible(_) if self.must_wait(log, &orphan.event)? => {
                self.lease.pool.completed(of, id);
                Ok(None)
            }
            Verdict::Admissible(facts) => {
                self.lease.pool.take(of, id);
                let (event, boxes) = (orphan.event.clone(), orphan.boxes.clone());
                self.insert(log, Incoming { event, boxes, facts, body })?;
                Ok(Some(*id))
            }
        }
    }

    /// An event that is stored came again: it may bring a body or boxes that are missing.
    fn admit_known(&mut self, place: &Place, event: &Event, boxes: Vec<KeyBox>) -> Result<Admission, StorageError> {
        let mut filled = false;
        if let Payload::Full(bytes) = event.payload()
            && !self.view.tables.contains(Tbl::Bodies, &place.key())?
        {
            self.put_body(place, event.header().class, bytes);
            let record = self.record_at(place)?;
            self.open_late(place, &record)?;
            filled = true;
        }
        filled |= self.take_boxes(place, event, boxes)?;
        Ok(Admission::Known { filled })
    }

    /// Stores an event and everything that follows from it.
    fn insert(&mut self, log: u32, incoming: Incoming) -> Result<Admitted, StorageError> {
        let Incoming { event, boxes, facts, body } = incoming;
        let header = event.header();
        let place = self.free_place(log, header)?;
        let live = !self.state_mut(log)?.is_out(&header.device);
        let record = self.new_record(&event, facts, live)?;
        self.write(&place, &event, &record);
        self.view.memo.facts.insert(record.id, (record.at(), facts));
        self.introduce(&place, body.as_ref());
        if let Some(Body::Rekey(rekey)) = &body {
            self.note_rekey(&place, &record, rekey, boxes)?;
        }
        if header.class == Class::Sealed {
            self.note_sealed(&place, &record, matches!(event.payload(), Payload::Full(_)))?;
        }
        let state = self.state_mut(log)?;
        state.stored += 1;
        if live {
            self.enliven(place, record)?;
        }
        self.freeze_if_proven(log, header)?;
        Ok(Admitted { event: EventRef::of(header, event.id()), live })
    }

    fn free_place(&mut self, log: u32, header: &Header) -> Result<Place, StorageError> {
        let device = self.number_device(&header.device)?;
        let first = Place { log, device, seq: header.seq, variant: 0 };
        if self.is_ahead(log, header)? || !self.is_taken(&first)? {
            return Ok(first);
        }
        let last = self.variants(log, device, header.seq)?.last().map_or(0, |(last, _)| last.variant);
        Ok(Place { variant: last + 1, ..first })
    }

    fn new_record(&mut self, event: &Verified<Event>, facts: Facts, live: bool) -> Result<Record, StorageError> {
        Ok(Record {
            id: event.id(),
            live,
            arrival: self.next_arrival()?,
            generation: facts.generation,
            epoch: facts.epoch,
            next_chain: facts.next_chain,
            body: event.body_hash(),
            sig: *event.sig(),
            header: event.header().clone(),
        })
    }

    fn write(&mut self, place: &Place, event: &Event, record: &Record) {
        self.put_record(place, record);
        if let Payload::Full(bytes) = event.payload() {
            self.put_body(place, record.header.class, bytes);
        }
        self.view.memo.ids.insert(record.id, *place);
        self.view.memo.arrive(record.arrival, place);
    }

    /// A body as it travelled: a sealed one as it is; an open one holds names, so it is sealed here.
    fn put_body(&mut self, place: &Place, class: Class, bytes: &[u8]) {
        match class {
            Class::Open => self.put_sealed(Tbl::Bodies, place.key(), bytes),
            Class::Sealed => self.put(Tbl::Bodies, place.key(), bytes),
        }
    }

    /// Remembers whose a device is; admission has proved it.
    fn introduce(&mut self, place: &Place, body: Option<&Body>) {
        if let Some(root) = body.and_then(introduced_root) {
            self.put(Tbl::Names, name::member(place.log, place.device), root.as_bytes());
            self.view.memo.members.insert((place.log, place.device), root);
        }
    }

    /// Makes an event live, after those of its ancestors that were not (F3).
    fn enliven(&mut self, place: Place, record: Record) -> Result<(), StorageError> {
        let mut fresh = self.dormant_ancestors(place.log, &record)?;
        fresh.push((place, record));
        fresh.sort_by_key(|(_, record)| record.header.hlc);
        for (place, mut record) in fresh {
            if !std::mem::replace(&mut record.live, true) {
                self.put_record(&place, &record);
            }
            let state = self.state_mut(place.log)?;
            state.live += 1;
            state.frontier.add(&record.at(), &record.header.deps);
            self.news.push(News::Live(record.names()));
            self.count_in_epoch(&place, &record)?;
            let change = self.fold_event(&place, &record)?;
            self.tell(&record, change);
        }
        Ok(())
    }

    /// Stored ancestors that are not live: there are some only where a device has forked.
    fn dormant_ancestors(&mut self, log: u32, record: &Record) -> Result<Vec<(Place, Record)>, StorageError> {
        let mut dormant = Vec::new();
        if self.state_mut(log)?.frozen.is_empty() {
            return Ok(dormant);
        }
        let (mut open, mut seen) = (record.header.deps.clone(), BTreeSet::new());
        while let Some(at) = open.pop() {
            if !seen.insert(at.id) {
                continue;
            }
            let (place, record) = self.find(log, &at)?.ok_or(StorageError::Damaged { what: "dependency" })?;
            if !record.live {
                open.extend(record.header.deps.iter().copied());
                dormant.push((place, record));
            }
        }
        Ok(dormant)
    }

    /// Folds a live event, or notes that it cannot be opened yet.
    pub(super) fn fold_event(&mut self, place: &Place, record: &Record) -> Result<Option<Change>, StorageError> {
        let spec = self.state_mut(place.log)?.spec;
        let root = self.root_of(place.log, place.device)?.ok_or(StorageError::Damaged { what: "member" })?;
        self.view.memo.members.insert((place.log, place.device), root);
        let Header { log, hlc, device, seq, .. } = record.header;
        let meta = fold::EventMeta { log, kind: spec.kind(), id: record.id, device, root, seq, hlc };
        match self.content_of(place, record)? {
            Content::Body(body) => {
                let held = self.draft_held(&meta, &body)?.filter(|held| *held != meta.id);
                let change = fold::apply(self, &meta, &body)?;
                if let Some(held) = held {
                    // Of two drafts of one conversation the one that lost opens nothing any more.
                    self.destroy_key_of(if change.is_some() { &held } else { &meta.id })?;
                }
                Ok(change)
            }
            Content::Sealed | Content::Missing => fold::unopened(self, &meta),
            Content::NoEffect => fold::settle(self, &meta).map(|()| None),
        }
    }

    /// The event that holds the draft which this body is about to replace.
    fn draft_held(&self, meta: &fold::EventMeta, body: &Body) -> Result<Option<EventId>, StorageError> {
        let Body::Draft { log, .. } = body else { return Ok(None) };
        let held = fold::account::draft_event(self, &meta.log, log)?;
        Ok(held.filter(|_| meta.kind == fold::LogKind::Account).map(|(id, _)| id))
    }

    pub(super) fn tell(&mut self, record: &Record, change: Option<Change>) {
        self.news.extend(change.map(|change| News::Changed { event: record.names(), change }));
    }
}

/// Forks.
impl Batch {
    /// The proof that this event's device has forked, if it has and nobody knew.
    fn contradiction(&mut self, log: u32, event: &Verified<Event>) -> Result<Option<ForkProof>, StorageError> {
        let Header { log: of, device, seq, .. } = *event.header();
        let Some(number) = self.device_number(&device)? else { return Ok(None) };
        if self.state_mut(log)?.frozen.contains(&device) {
            return Ok(None);
        }
        let first = Place { log, device: number, seq, variant: 0 };
        let stored = if self.is_ahead(log, event.header())? { None } else { self.record(&first)? };
        if let Some(record) = stored {
            let stored = Signed { claim: record.hollow_event(), sig: record.sig };
            let stored = stored.verify().or(Err(StorageError::Damaged { what: "signature" }))?;
            return Ok(ForkProof::of(event, &stored));
        }
        let waiting = self.lease.pool.at(&of, &device, seq);
        let proof = waiting.iter().find_map(|orphan| ForkProof::of(event, &orphan.event));
        let is_introduced = proof.is_some() && self.is_taken(&Place { log, device: number, seq: 1, variant: 0 })?;
        Ok(proof.filter(|_| is_introduced))
    }

    fn is_taken(&self, place: &Place) -> Result<bool, StorageError> {
        self.view.tables.contains(Tbl::Events, &place.key())
    }

    /// A proof may have waited for the device's first event.
    fn freeze_if_proven(&mut self, log: u32, header: &Header) -> Result<(), StorageError> {
        if header.seq != 1 {
            return Ok(());
        }
        match self.lease.pool.take_proof(&header.log, &header.device) {
            Some(proof) => self.freeze(log, &proof),
            None => Ok(()),
        }
    }

    /// Keeps the proof and counts the device's events only where others depend on them (F2, F3).
    fn freeze(&mut self, log: u32, proof: &ForkProof) -> Result<(), StorageError> {
        let (device, seq) = (proof.device(), proof.seq());
        let number = self.number_device(&device)?;
        self.put(Tbl::Forks, pair(log, number), proof.to_bytes());
        let state = self.state_mut(log)?;
        let tip = state.tip(&device);
        state.frozen.insert(device);
        state.notices.push(DueNotice { device, seq, tip });
        self.news.push(News::Frozen { log: proof.log(), device, seq });
        if self.recount(log)? {
            self.rebuild_projections(&proof.log())?;
            self.news.push(News::Refolded(proof.log()));
        }
        Ok(())
    }

    /// Computes the live set afresh; says whether events have left it.
    fn recount(&mut self, log: u32) -> Result<bool, StorageError> {
        let state = self.state_mut(log)?.clone();
        let nodes = self.view.in_order(log, true)?.map(|found| found.map(|(_, record)| record.node()));
        let (dead, frontier) = live_set(nodes, |device| state.is_out(device))?;
        let mut lost = false;
        for id in &dead {
            let place = self.place_of(id)?.ok_or(StorageError::Damaged { what: "event index" })?;
            let mut record = self.record_at(&place)?;
            if record.live {
                (record.live, lost) = (false, true);
                self.put_record(&place, &record);
            }
        }
        let state = self.state_mut(log)?;
        state.live = state.stored - dead.len() as u64;
        state.frontier = frontier;
        Ok(lost)
    }
}

impl Record {
    /// The event without its body, as a fork proof holds it.
    fn hollow_event(&self) -> Event {
        Event::new(self.header.clone(), Payload::Hollow(self.body))
    }
}

/// Whose the introduced device is; admission has verified the certificates.
fn introduced_root(body: &Body) -> Option<RootId> {
    match body {
        Body::Join { chain } => Some(chain.root()),
        Body::Opening(opening) => Some(opening.opener.root()),
        _ => None,
    }
}
