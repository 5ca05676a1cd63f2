//! An event's name: the hash of an Automerge change that carries nothing but the event's hash.
//!
//! ```text
//! change   actor = device 32 · seq · start_op 1 · time 0 · no message · no operation
//!          deps = ids of the dependencies · extra = 59 ‖ content_hash(header, BLAKE3(ct))
//! id       ChangeHash of that change                                          (E1)
//! sig      Ed25519(device, "y7/sig/1" ‖ id)
//! ```
//!
//! Invariants
//! * The change is built here from checked fields; Automerge never decodes a byte of a peer (E1).
//! * The extra bytes begin with 0x59, never with 1, which Automerge reads as an author.
//! * [`Event`] can only be made together with its id: an id that lies does not exist.

use std::num::NonZeroU64;

use automerge::{ActorId, Change, ChangeHash, ExpandedChange};
use y7ke_crypto::event::{Dep, Header, Payload, WireEvent, content_hash, sig_message};
use y7ke_crypto::ids::{BodyHash, EventId};
use y7ke_crypto::sign::{Claim, Signed};

/// First of the extra bytes of every change.
pub const EXTRA_TAG: u8 = 0x59;

/// A header, its body and the id that follows from both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    header: Header,
    payload: Payload,
    id: EventId,
}

impl Event {
    /// Names an event.
    pub fn new(header: Header, payload: Payload) -> Self {
        let id = event_id(&header, &payload.hash());
        Self { header, payload, id }
    }

    /// What came over the wire, named, its signature beside it and not yet checked.
    pub fn from_wire(wire: WireEvent) -> Signed<Self> {
        Signed { claim: Self::new(wire.header, wire.payload), sig: wire.sig }
    }

    /// As it travels.
    pub fn to_wire(signed: &Signed<Self>) -> WireEvent {
        let Self { header, payload, .. } = signed.claim.clone();
        WireEvent { header, sig: signed.sig, payload }
    }

    /// What is known without the body.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The body, or the hash that is left of it.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// Its id (E1).
    pub fn id(&self) -> EventId {
        self.id
    }

    /// How a later event names this one.
    pub fn as_dep(&self) -> Dep {
        Dep { device: self.header.device, seq: self.header.seq, id: self.id }
    }

    /// The same event without its body: what a fork proof is made of (F1).
    pub fn hollow(&self) -> Self {
        let payload = Payload::Hollow(self.payload.hash());
        Self { header: self.header.clone(), payload, id: self.id }
    }
}

impl Claim for Event {
    fn signer(&self) -> [u8; 32] {
        *self.header.device.as_bytes()
    }

    fn message(&self) -> Vec<u8> {
        sig_message(&self.id)
    }
}

/// The id of the event with this header and this hash of its body (E1).
pub fn event_id(header: &Header, body: &BodyHash) -> EventId {
    EventId::from(change(header, body).hash().0)
}

/// The Automerge change of an event: zero operations, for its id and for export.
pub fn change(header: &Header, body: &BodyHash) -> Change {
    let mut extra_bytes = vec![EXTRA_TAG];
    extra_bytes.extend_from_slice(&content_hash(header, body));
    Change::from(ExpandedChange {
        operations: Vec::new(),
        actor_id: ActorId::from(*header.device.as_bytes()),
        hash: None,
        seq: header.seq,
        start_op: NonZeroU64::MIN,
        time: 0,
        message: None,
        deps: header.deps.iter().map(|dep| ChangeHash(*dep.id.as_bytes())).collect(),
        extra_bytes,
        author: None,
    })
}

#[cfg(test)]
mod tests {
    use automerge::AutoCommit;
    use y7ke_crypto::event::Dep;
    use y7ke_crypto::ids::{DeviceId, LogId};

    use super::*;
    use crate::tests::{NOW, sorted};

    fn open(device: u8, seq: u64, deps: Vec<Dep>) -> Event {
        let header = Header::open(LogId::from([1; 32]), DeviceId::from([device; 32]), seq, NOW + seq, sorted(deps));
        Event::new(header, Payload::Full(vec![device, 0]))
    }

    /// Two chains of 500 that see each other now and then.
    fn two_chains() -> Vec<Event> {
        let mut events = vec![open(2, 1, vec![]), open(3, 1, vec![])];
        for n in 2..=500 {
            let (left, right) = (events[events.len() - 2].as_dep(), events[events.len() - 1].as_dep());
            let meets = n % 50 == 0;
            events.push(open(2, n, if meets { vec![left, right] } else { vec![left] }));
            events.push(open(3, n, vec![right]));
        }
        events
    }

    fn heads(document: &mut AutoCommit) -> Vec<EventId> {
        let mut heads: Vec<_> = document.get_heads().iter().map(|hash| EventId::from(hash.0)).collect();
        heads.sort_unstable();
        heads
    }

    /// E1: a thousand events are changes of a real Automerge document, its heads are ours, and they
    /// still are after it was saved and loaded, in whatever order they were applied.
    #[test]
    fn e1_automerge_agrees_about_heads() {
        let events = two_chains();
        assert_eq!(events.len(), 1_000);
        let changes: Vec<Change> = events.iter().map(|event| change(event.header(), &event.payload().hash())).collect();
        let mut ours = [events[998].id(), events[999].id()];
        ours.sort_unstable();
        for backwards in [false, true] {
            let mut document = AutoCommit::new();
            let mut changes = changes.clone();
            if backwards {
                changes.reverse();
            }
            document.apply_changes(changes).unwrap();
            assert_eq!(heads(&mut document), ours);
            let mut loaded = AutoCommit::load(&document.save()).unwrap();
            assert_eq!(heads(&mut loaded), ours);
            assert_eq!(loaded.get_changes(&[]).len(), 1_000);
        }
    }

    /// E1: the change that Automerge loads from our bytes has the id that we gave it.
    #[test]
    fn e1_raw_bytes_keep_the_id() {
        for event in two_chains().iter().take(60) {
            let raw = change(event.header(), &event.payload().hash()).raw_bytes().to_vec();
            let loaded = Change::from_bytes(raw).unwrap();
            assert_eq!(EventId::from(loaded.hash().0), event.id());
            assert_eq!(loaded.extra_bytes()[0], EXTRA_TAG);
        }
    }

    /// Every field of the header and the body changes the id.
    #[test]
    fn the_id_covers_everything() {
        let base = open(2, 2, vec![open(2, 1, vec![]).as_dep()]);
        let with = |edit: fn(&mut Header)| {
            let mut header = base.header().clone();
            edit(&mut header);
            Event::new(header, base.payload().clone()).id()
        };
        let edits: [fn(&mut Header); 8] = [
            |header| header.suite = 2,
            |header| header.log = LogId::from([9; 32]),
            |header| header.device = DeviceId::from([9; 32]),
            |header| header.seq = 3,
            |header| header.hlc += 1,
            |header| header.deps.clear(),
            |header| header.deps[0].seq = 9,
            |header| header.chain = 1,
        ];
        for edit in edits {
            assert_ne!(with(edit), base.id());
        }
        assert_ne!(Event::new(base.header().clone(), Payload::Full(vec![])).id(), base.id());
        assert_eq!(base.hollow().id(), base.id());
    }
}
