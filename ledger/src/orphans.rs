//! Verified events that cannot be stored yet: a bounded pool in memory.
//!
//! ```text
//!            ┌ a dependency is missing ────── it arrives ─────────────┐
//! event ─────┤                                                        ├─▶ take ─▶ admitted
//!            └ of a frozen device ── an event of another device needs it ┘                    (F2)
//! ```
//!
//! Invariants
//! * Per log at most [`MAX_EVENTS`] and [`MAX_BYTES`]; who overflows it is whoever holds most of it:
//!   the greatest holder's oldest event goes first. A dropped orphan forces a clock exchange (S5).
//! * Every event in it is verified: an orphan costs its sender a signature of a real key.
//! * Every change is journalled until [`Pool::settle`]: [`Pool::undo`] gives the pool back as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use y7ke_crypto::codec::Wire;
use y7ke_crypto::epoch::KeyBox;
use y7ke_crypto::event::{Dep, Header, Payload};
use y7ke_crypto::ids::{DeviceId, EventId, LogId};
use y7ke_crypto::sign::Verified;

use crate::fork::ForkProof;
use crate::id::Event;

/// Orphans of one log.
pub const MAX_EVENTS: usize = 2_000;
/// Their size in bytes, boxes included: a few batches of the largest bodies.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Who is charged for an event: the device that sent it in a session.
pub type Sender = DeviceId;

/// An event in the pool.
#[derive(Clone, Debug)]
pub struct Orphan {
    /// The event.
    pub event: Verified<Event>,
    /// Boxes that came with it.
    pub boxes: Vec<KeyBox>,
    /// Who is charged.
    pub sender: Sender,
    /// What was missing when it came; empty if it only waits to be wanted.
    pub missing: Vec<Dep>,
    arrival: u64,
}

impl Orphan {
    fn size(&self) -> usize {
        let boxes = self.boxes.len() * KeyBox::CAP;
        let body = match self.event.payload() {
            Payload::Full(ct) => ct.len(),
            Payload::Hollow(_) => 0,
        };
        size_of::<Header>() + body + boxes
    }

    fn header(&self) -> &Header {
        self.event.header()
    }
}

/// An event that was dropped because the pool was full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Of this log.
    pub log: LogId,
    /// Sent by.
    pub sender: Sender,
    /// The event.
    pub id: EventId,
}

/// Fork proofs of devices without an event here, per log: a stranger's key costs nothing to make.
pub const MAX_PROOFS: usize = 256;

enum Done {
    Put(LogId, EventId),
    Taken(LogId, Arc<Orphan>),
    ProofPut(LogId, DeviceId),
    ProofTaken(Box<ForkProof>),
}

/// All orphans, log by log.
#[derive(Default)]
pub struct Pool {
    logs: BTreeMap<LogId, LogPool>,
    proofs: BTreeMap<(LogId, DeviceId), ForkProof>,
    arrivals: u64,
    journal: Vec<Done>,
}

impl Pool {
    /// An empty pool.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes an event in and returns what had to go for it (perhaps itself).
    pub fn put(
        &mut self,
        event: Verified<Event>,
        boxes: Vec<KeyBox>,
        sender: Sender,
        missing: Vec<Dep>,
    ) -> Vec<Dropped> {
        self.arrivals += 1;
        let log = event.header().log;
        let orphan = Arc::new(Orphan { event, boxes, sender, missing, arrival: self.arrivals });
        let pool = self.logs.entry(log).or_default();
        if pool.held.contains_key(&orphan.event.id()) {
            return Vec::new();
        }
        self.journal.push(Done::Put(log, orphan.event.id()));
        pool.insert(orphan);
        self.shrink(log)
    }

    /// Takes an event out.
    pub fn take(&mut self, log: &LogId, id: &EventId) -> Option<Arc<Orphan>> {
        let taken = self.logs.get_mut(log)?.remove(id)?;
        self.journal.push(Done::Taken(*log, Arc::clone(&taken)));
        Some(taken)
    }

    /// An event of the pool.
    pub fn get(&self, log: &LogId, id: &EventId) -> Option<&Arc<Orphan>> {
        self.logs.get(log)?.held.get(id)
    }

    /// The events that were waiting for `id` when they came.
    pub fn waiting_for(&self, log: &LogId, id: &EventId) -> Vec<EventId> {
        let waiting = self.logs.get(log).and_then(|pool| pool.waiters.get(id));
        waiting.map(|ids| ids.iter().copied().collect()).unwrap_or_default()
    }

    /// The events that miss nothing: they wait until another device's event needs them (F2).
    pub fn unwanted(&self, log: &LogId) -> Vec<EventId> {
        self.logs.get(log).map(|pool| pool.complete.iter().copied().collect()).unwrap_or_default()
    }

    /// The events of a device with this number: a second one beside a known one is a fork (F1).
    pub fn at(&self, log: &LogId, device: &DeviceId, seq: u64) -> Vec<Arc<Orphan>> {
        let Some(pool) = self.logs.get(log) else { return Vec::new() };
        let ids = pool.places.get(&(*device, seq)).into_iter().flatten();
        ids.filter_map(|id| pool.held.get(id)).cloned().collect()
    }

    /// Whether an event of a device that is not `out` depends on `id`, at one or more removes.
    pub fn wants(&self, log: &LogId, id: &EventId, out: impl Fn(&DeviceId) -> bool) -> bool {
        let Some(pool) = self.logs.get(log) else { return false };
        let (mut open, mut seen) = (vec![*id], BTreeSet::new());
        while let Some(next) = open.pop() {
            let waiting = pool.waiters.get(&next).into_iter().flatten();
            for orphan in waiting.filter_map(|id| pool.held.get(id)) {
                if !out(&orphan.header().device) {
                    return true;
                }
                if seen.insert(orphan.event.id()) {
                    open.push(orphan.event.id());
                }
            }
        }
        false
    }

    /// Everything that an event missed has come; it still waits, to be wanted.
    pub fn completed(&mut self, log: &LogId, id: &EventId) {
        let Some(orphan) = self.take(log, id) else { return };
        let Orphan { event, boxes, sender, arrival, .. } = Orphan::clone(&orphan);
        self.journal.push(Done::Put(*log, *id));
        let complete = Orphan { event, boxes, sender, missing: Vec::new(), arrival };
        self.logs.entry(*log).or_default().insert(Arc::new(complete));
    }

    /// Keeps a proof until its device's first event comes; a full pool drops it, and the next
    /// session brings it again.
    pub fn put_proof(&mut self, proof: ForkProof) {
        let place = (proof.log(), proof.device());
        let of_log = self.proofs.keys().filter(|(log, _)| *log == place.0).count();
        if of_log < MAX_PROOFS && !self.proofs.contains_key(&place) {
            self.journal.push(Done::ProofPut(place.0, place.1));
            self.proofs.insert(place, proof);
        }
    }

    /// The proof that waits for this device.
    pub fn take_proof(&mut self, log: &LogId, device: &DeviceId) -> Option<ForkProof> {
        let proof = self.proofs.remove(&(*log, *device))?;
        self.journal.push(Done::ProofTaken(Box::new(proof.clone())));
        Some(proof)
    }

    /// How many events and bytes of this log wait.
    pub fn size(&self, log: &LogId) -> (usize, usize) {
        self.logs.get(log).map_or((0, 0), |pool| (pool.held.len(), pool.bytes))
    }

    /// How many changes are journalled.
    pub fn changes(&self) -> usize {
        self.journal.len()
    }

    /// The changes since the last call stand.
    pub fn settle(&mut self) {
        self.journal.clear();
    }

    /// The changes since the last [`Pool::settle`] never happened.
    pub fn undo(&mut self) {
        while let Some(done) = self.journal.pop() {
            match done {
                Done::Put(log, id) => {
                    if let Some(pool) = self.logs.get_mut(&log) {
                        pool.remove(&id);
                    }
                }
                Done::Taken(log, orphan) => self.logs.entry(log).or_default().insert(orphan),
                Done::ProofPut(log, device) => drop(self.proofs.remove(&(log, device))),
                Done::ProofTaken(proof) => drop(self.proofs.insert((proof.log(), proof.device()), *proof)),
            }
        }
    }

    fn shrink(&mut self, log: LogId) -> Vec<Dropped> {
        let mut dropped = Vec::new();
        while let Some(id) = self.logs.get(&log).and_then(LogPool::overflow) {
            let Some(orphan) = self.take(&log, &id) else { break };
            dropped.push(Dropped { log, sender: orphan.sender, id });
        }
        dropped
    }
}

#[derive(Default)]
struct LogPool {
    held: BTreeMap<EventId, Arc<Orphan>>,
    /// Missing dependency → who misses it.
    waiters: BTreeMap<EventId, BTreeSet<EventId>>,
    /// Those that miss nothing.
    complete: BTreeSet<EventId>,
    places: BTreeMap<(DeviceId, u64), BTreeSet<EventId>>,
    /// Bytes, and events by arrival, of each sender.
    charges: BTreeMap<Sender, (usize, BTreeMap<u64, EventId>)>,
    bytes: usize,
}

impl LogPool {
    fn insert(&mut self, orphan: Arc<Orphan>) {
        let id = orphan.event.id();
        for dep in &orphan.missing {
            self.waiters.entry(dep.id).or_default().insert(id);
        }
        if orphan.missing.is_empty() {
            self.complete.insert(id);
        }
        self.places.entry((orphan.header().device, orphan.header().seq)).or_default().insert(id);
        let charge = self.charges.entry(orphan.sender).or_default();
        charge.0 += orphan.size();
        charge.1.insert(orphan.arrival, id);
        self.bytes += orphan.size();
        self.held.insert(id, orphan);
    }

    fn remove(&mut self, id: &EventId) -> Option<Arc<Orphan>> {
        let orphan = self.held.remove(id)?;
        for dep in &orphan.missing {
            prune(&mut self.waiters, dep.id, id);
        }
        self.complete.remove(id);
        prune(&mut self.places, (orphan.header().device, orphan.header().seq), id);
        self.discharge(&orphan);
        Some(orphan)
    }

    fn discharge(&mut self, orphan: &Orphan) {
        self.bytes -= orphan.size();
        let Some(charge) = self.charges.get_mut(&orphan.sender) else { return };
        charge.0 -= orphan.size();
        charge.1.remove(&orphan.arrival);
        if charge.1.is_empty() {
            self.charges.remove(&orphan.sender);
        }
    }

    /// The event that must go, if the pool is too full.
    fn overflow(&self) -> Option<EventId> {
        if self.held.len() <= MAX_EVENTS && self.bytes <= MAX_BYTES {
            return None;
        }
        let by_bytes = self.bytes > MAX_BYTES;
        let weight = |charge: &(usize, BTreeMap<u64, EventId>)| if by_bytes { charge.0 } else { charge.1.len() };
        let (_, greatest) = self.charges.iter().max_by_key(|(_, charge)| weight(charge))?;
        greatest.1.values().next().copied()
    }
}

fn prune<K: Ord>(index: &mut BTreeMap<K, BTreeSet<EventId>>, key: K, id: &EventId) {
    if let Some(ids) = index.get_mut(&key) {
        ids.remove(id);
        if ids.is_empty() {
            index.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Member, NOW, conversation, filler, rng, shuffle};

    /// Events of two devices: each of the first misses the one before it.
    fn chain(member: &Member, length: u64) -> Vec<Verified<Event>> {
        let log = conversation(&Member::new(1, 1), &Member::new(2, 2)).id();
        let mut events: Vec<Verified<Event>> = Vec::new();
        for seq in 1..=length {
            let deps = events.last().map(|event| event.as_dep()).into_iter().collect();
            events.push(member.open_event(log, seq, NOW + seq, deps, &filler(seq)));
        }
        events
    }

    fn put(pool: &mut Pool, event: &Verified<Event>, sender: Sender) -> Vec<Dropped> {
        pool.put(event.clone(), vec![], sender, event.header().deps.clone())
    }

    #[test]
    fn the_greatest_holder_loses_its_oldest() {
        let (flooder, other) = (Member::new(1, 1), Member::new(2, 2));
        let events = chain(&flooder, MAX_EVENTS as u64 + 5);
        let mine = chain(&other, 2);
        let log = events[0].header().log;
        let mut pool = Pool::new();
        assert!(put(&mut pool, &mine[1], other.id()).is_empty());
        let mut dropped = Vec::new();
        for event in &events[1..] {
            dropped.extend(put(&mut pool, event, flooder.id()));
        }
        assert_eq!(pool.size(&log).0, MAX_EVENTS);
        assert_eq!(dropped.len(), 5);
        assert!(dropped.iter().all(|dropped| dropped.sender == flooder.id()));
        assert_eq!(dropped[0].id, events[1].id());
        assert!(pool.get(&log, &mine[1].id()).is_some(), "who holds little loses nothing");
    }

    #[test]
    fn bytes_are_bounded_as_well() {
        let member = Member::new(1, 1);
        let log = conversation(&member, &Member::new(2, 2)).id();
        let mut pool = Pool::new();
        for seq in 1..400 {
            let header = y7ke_crypto::event::Header::open(log, member.id(), seq, NOW, vec![]);
            pool.put(member.sign(header, vec![0; 69_632]), vec![], member.id(), vec![]);
            assert!(pool.size(&log).1 <= MAX_BYTES);
        }
        assert!(pool.size(&log).0 < 400);
    }

    /// F2: wanted is what an event of another device needs, at any remove.
    #[test]
    fn f2_wanted_at_any_remove() {
        let (frozen, other) = (Member::new(1, 1), Member::new(2, 2));
        let events = chain(&frozen, 4);
        let log = events[0].header().log;
        let mut pool = Pool::new();
        for event in &events[1..] {
            put(&mut pool, event, frozen.id());
        }
        let out = |device: &DeviceId| *device == frozen.id();
        assert!(!pool.wants(&log, &events[0].id(), out));
        let needs = other.open_event(log, 1, NOW + 50, vec![events[3].as_dep()], &filler(1));
        put(&mut pool, &needs, other.id());
        assert!(events.iter().all(|event| pool.wants(&log, &event.id(), out)));
        assert!(!pool.wants(&log, &needs.id(), out));
    }

    /// What a dropped batch did to the pool is undone, whatever it was.
    #[test]
    fn undo_gives_the_pool_back() {
        let member = Member::new(1, 1);
        let events = chain(&member, 60);
        let log = events[0].header().log;
        let mut pool = Pool::new();
        events[1..30].iter().for_each(|event| drop(put(&mut pool, event, member.id())));
        pool.settle();
        let look = |pool: &Pool| {
            let held: Vec<bool> = events.iter().map(|event| pool.get(&log, &event.id()).is_some()).collect();
            let waiting: Vec<_> = events.iter().map(|event| pool.waiting_for(&log, &event.id())).collect();
            (held, waiting, pool.size(&log), pool.unwanted(&log))
        };
        let before = look(&pool);
        let mut rng = rng(8);
        for _ in 0..20 {
            let mut order: Vec<usize> = (1..60).collect();
            shuffle(&mut rng, &mut order);
            for at in order {
                match at % 3 {
                    0 => drop(put(&mut pool, &events[at], member.id())),
                    1 => drop(pool.take(&log, &events[at].id())),
                    _ => pool.completed(&log, &events[at].id()),
                }
            }
            assert_ne!(look(&pool), before);
            pool.undo();
            assert_eq!(look(&pool), before);
        }
    }
}
