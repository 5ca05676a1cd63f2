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
//! * Change and id are built here from checked fields; Automerge never decodes a byte of a peer (E1).
//! * The extra bytes begin with 0x59, never with 1, which Automerge reads as an author.
//! * [`Event`] can only be made together with its id: an id that lies does not exist.

use std::num::NonZeroU64;

use automerge::{ActorId, Change, ChangeHash, ExpandedChange};
use sha2::{Digest, Sha256};
use y7ke_crypto::event::{Dep, Header, Payload, WireEvent, content_hash, sig_message};
use y7ke_crypto::ids::{BodyHash, DeviceId, EventId};
use y7ke_crypto::sign::{Claim, Signed};

/// First of the extra bytes of every change.
pub const EXTRA_TAG: u8 = 0x59;

/// A header, its body and the id that follows from both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    header: Header,
    payload: Payload,
    body: BodyHash,
    id: EventId,
}

impl Event {
    /// Names an event.
    pub fn new(header: Header, payload: Payload) -> Self {
        let body = payload.hash();
        let id = event_id(&header, &body);
        Self { header, payload, body, id }
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

    /// The hash of the body, which the id covers.
    pub fn body_hash(&self) -> BodyHash {
        self.body
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
        let payload = Payload::Hollow(self.body);
        Self { header: self.header.clone(), payload, ..*self }
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

/// The id of the event with this header and this hash of its body (E1): what [`change`] hashes, without
/// building the change, in an eighth of the time. The tests hold both against each other.
pub fn event_id(header: &Header, body: &BodyHash) -> EventId {
    let chunk = change_chunk(header, body);
    let mut hash = Sha256::new();
    hash.update([CHANGE_CHUNK]);
    let mut length = Vec::with_capacity(LEB_MAX);
    leb128(&mut length, chunk.len() as u64);
    hash.update(&length);
    hash.update(&chunk);
    EventId::from(<[u8; 32]>::from(hash.finalize()))
}

/// Type of a chunk that holds a change.
const CHANGE_CHUNK: u8 = 1;

/// Longest encoding of a u64 in bytes.
const LEB_MAX: usize = 10;

/// Automerge's encoding of the change of an event, its dependencies ascending by hash:
///
/// ```text
/// leb n · n × dep 32 · leb 32 · actor 32 · leb seq · start_op 1 · time 0 · message 0 · other actors 0 · columns 0 · extra 33
/// ```
fn change_chunk(header: &Header, body: &BodyHash) -> Vec<u8> {
    let mut chunk = Vec::with_capacity(2 + 32 * header.deps.len() + 33 + LEB_MAX + 5 + 33);
    let mut deps: Vec<&EventId> = header.deps.iter().map(|dep| &dep.id).collect();
    deps.sort_unstable();
    leb128(&mut chunk, deps.len() as u64);
    deps.iter().for_each(|dep| chunk.extend_from_slice(dep.as_bytes()));
    leb128(&mut chunk, DeviceId::LEN as u64);
    chunk.extend_from_slice(header.device.as_bytes());
    leb128(&mut chunk, header.seq);
    chunk.extend_from_slice(&[1, 0, 0, 0, 0, EXTRA_TAG]);
    chunk.extend_from_slice(&content_hash(header, body));
    chunk
}

/// Unsigned LEB128.
fn leb128(to: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        to.push(0x80 | (number & 0x7f) as u8);
        number >>= 7;
    }
    to.push(number as u8);
}

/// The Automerge change of an event: zero operations; for export, and what its id is the hash of.
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
    use y7ke_crypto::ids::LogId;

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

    /// E1: our hash is that of Automerge's own change, for every number of dependencies and every length of
    /// a number.
    #[test]
    fn e1_the_id_is_the_hash_of_automerges_change() {
        let sealed = |header: &mut Header| header.class = y7ke_crypto::event::Class::Sealed;
        for deps in 0..=16 {
            for bits in 0..64 {
                let deps = (0..deps).map(|n| open(n, u64::from(n) + 1, vec![]).as_dep()).collect();
                let mut event = open(7, (1 << bits) + u64::from(bits % 3 == 1), deps);
                if bits % 2 == 0 {
                    sealed(&mut event.header);
                }
                let hash = event.body;
                assert_eq!(event_id(&event.header, &hash).into_bytes(), change(&event.header, &hash).hash().0);
            }
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
