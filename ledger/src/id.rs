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
