//! Forks: a device that signed two events with one number, and what stays of its history.
//!
//! ```text
//! proof   first · second        two hollow events, ascending by id, of one (log, device, seq)   (F1)
//! entry   header · sig 64 · BLAKE3(ct) 32
//!
//! frozen  the device of a proof, in that log                                                     (F2)
//! live    ancestor closure of the events of devices that are not frozen                          (F3)
//! ```
//!
//! Invariants
//! * A proof is verifiable by itself: it needs neither bodies nor ancestors.
//! * [`live_set`] looks at an event after everything that depends on it: `hlc` grows along
//!   dependencies (E5), so the order (hlc, …) backwards is such an order.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;
use y7ke_crypto::codec::{DecodeError, Reader, Wire, Writer};
use y7ke_crypto::event::{Dep, Header, Payload, WireEvent};
use y7ke_crypto::ids::{BodyHash, DeviceId, EventId, LogId};
use y7ke_crypto::sign::{BadSignature, SIG_LEN, Signed, Verified};

use crate::id::Event;

/// Two validly signed events of one device with one number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkProof {
    first: Verified<Event>,
    second: Verified<Event>,
}

/// Two events that prove nothing. The fault of whoever sent them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoFork {
    /// Not bytes of a proof.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// One of them is not signed by the device.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// They do not contradict each other, or stand in the wrong order.
    #[error("the two events do not contradict each other")]
    NoContradiction,
}

impl ForkProof {
    /// What two verified events prove, if they contradict each other.
    pub fn of(one: &Verified<Event>, other: &Verified<Event>) -> Option<Self> {
        let (one, other) = (hollow(one)?, hollow(other)?);
        let (first, second) = if one.id() < other.id() { (one, other) } else { (other, one) };
        contradict(&first, &second).then_some(Self { first, second })
    }

    /// Decodes and verifies.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NoFork> {
        let UncheckedProof { first, second } = UncheckedProof::from_bytes(bytes)?;
        if !contradict(&first.claim, &second.claim) {
            return Err(NoFork::NoContradiction);
        }
        Ok(Self { first: first.verify()?, second: second.verify()? })
    }

    /// The bytes that travel.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (first, second) = (self.first.as_signed().clone(), self.second.as_signed().clone());
        UncheckedProof { first, second }.to_bytes()
    }

    /// In which log.
    pub fn log(&self) -> LogId {
        self.first.header().log
    }

    /// Which device.
    pub fn device(&self) -> DeviceId {
        self.first.header().device
    }

    /// The number that was used twice.
    pub fn seq(&self) -> u64 {
        self.first.header().seq
    }

    /// The ids of both events, ascending.
    pub fn ids(&self) -> [EventId; 2] {
        [self.first.id(), self.second.id()]
    }
}

fn contradict(first: &Event, second: &Event) -> bool {
    let place = |event: &Event| (event.header().log, event.header().device, event.header().seq);
    place(first) == place(second) && first.id() < second.id()
}

/// The same event without its body; the id and what is signed stay.
fn hollow(event: &Verified<Event>) -> Option<Verified<Event>> {
    if matches!(event.payload(), Payload::Hollow(_)) {
        return Some(event.clone());
    }
    Signed { claim: event.hollow(), sig: *event.sig() }.verify().ok()
}

/// A proof as it is laid out, nothing about it checked.
struct UncheckedProof {
    first: Signed<Event>,
    second: Signed<Event>,
}

impl Wire for UncheckedProof {
    const WHAT: &'static str = "fork proof";
    const CAP: usize = 2 * (Header::CAP + SIG_LEN + 32);

    fn write(&self, to: &mut Writer) {
        for entry in [&self.first, &self.second] {
            to.put(entry.claim.header()).raw(&entry.sig).put(&entry.claim.payload().hash());
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { first: read_entry(from)?, second: read_entry(from)? })
    }
}

fn read_entry(from: &mut Reader<'_>) -> Result<Signed<Event>, DecodeError> {
    let (header, sig, hash) = (from.get()?, from.array()?, from.get::<BodyHash>()?);
    Ok(Event::from_wire(WireEvent { header, sig, payload: Payload::Hollow(hash) }))
}

/// An event's place in the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The event.
    pub at: Dep,
    /// What it depends on.
    pub deps: Vec<Dep>,
}

impl Node {
    /// The author's previous event, if there is one.
    pub fn previous(&self) -> Option<Dep> {
        self.deps.iter().find(|dep| dep.device == self.at.device).copied()
    }
}

/// Heads and tips of a live set, kept while events are added in causal order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    /// Live events that no live event depends on.
    pub heads: BTreeSet<Dep>,
    /// Per device, its live events that no later live event of it follows.
    pub tips: BTreeMap<DeviceId, BTreeSet<(u64, EventId)>>,
}

impl Frontier {
    /// A live event comes on top; everything it depends on is live already.
    pub fn add(&mut self, at: &Dep, deps: &[Dep]) {
        for dep in deps {
            self.heads.remove(dep);
        }
        self.heads.insert(*at);
        let tips = self.tips.entry(at.device).or_default();
        if let Some(previous) = deps.iter().find(|dep| dep.device == at.device) {
            tips.remove(&(previous.seq, previous.id));
        }
        tips.insert((at.seq, at.id));
    }
}

/// The live set (F3) of a whole log, computed afresh.
///
/// `newest_first` are all stored events, each before everything it depends on; `out` says whose
/// events count only as ancestors of others' (frozen devices; revoked ones will join them, V3).
/// Returns the ids that are *not* live, and the frontier of those that are. What is remembered on
/// the way is the frontier, not the log.
pub fn live_set<E>(
    newest_first: impl IntoIterator<Item = Result<Node, E>>,
    out: impl Fn(&DeviceId) -> bool,
) -> Result<(BTreeSet<EventId>, Frontier), E> {
    let (mut dead, mut wanted, mut followed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut frontier = Frontier::default();
    for node in newest_first {
        let node = node?;
        let Dep { device, seq, id } = node.at;
        let is_wanted = wanted.remove(&id);
        if out(&device) && !is_wanted {
            dead.insert(id);
            continue;
        }
        if !is_wanted {
            frontier.heads.insert(node.at);
        }
        if !followed.remove(&id) {
            frontier.tips.entry(device).or_default().insert((seq, id));
        }
        followed.extend(node.previous().map(|previous| previous.id));
        wanted.extend(node.deps.iter().map(|dep| dep.id));
    }
    Ok((dead, frontier))
}
