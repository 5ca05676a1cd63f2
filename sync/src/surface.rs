//! The surface: what goes into a session and what comes out of it.

use std::collections::BTreeSet;

use y7ke_crypto::clock::Clock;
use y7ke_crypto::ids::{DeviceId, EventId, LogId};

use crate::{Close, Fault, Misuse, Note, Proof, Proven, SessionProof};

/// One of the three framed streams of a connection. Frames keep their order within a lane, not across.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// `/y7ke/handshake/1.0.0`: hello, proof, notes.
    Handshake,
    /// `/y7ke/sync/1.0.0`: offers, clocks, acknowledgements, credit.
    Sync,
    /// `/y7ke/msg/1.0.0`: fork proofs and events.
    Msg,
}

/// When a log may be spoken of (S1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// At once: identity logs, by which the owner decides what else this device may see.
    Identity,
    /// After [`Output::IdentitySynced`]: account and conversation logs.
    Shared,
}

/// What the ledger holds of a log: the live set (F3).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Heads {
    /// Per device, the newest live event (S2).
    pub clock: Clock,
    /// Of the live heads: equal digests mean equal live sets.
    pub digest: [u8; 32],
    /// Devices with a fork proof in this log (F2), whether or not the clock names them.
    pub frozen: BTreeSet<DeviceId>,
    /// The greatest hlc in the log: the newest log is served first (S4).
    pub newest: u64,
}

/// Names a [`Output::Read`] until its last [`Input::Events`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReadId(pub u64);

/// Names an [`Output::Admit`] until its [`Input::Settled`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// A run of events of one device that the peer lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Whose.
    pub device: DeviceId,
    /// The first, from 1.
    pub from: u64,
    /// The last, included. Of a frozen device: every live variant of every number in the run.
    pub to: u64,
    /// What the peer says stands at `from - 1`. A store that holds *another* event there begins at
    /// `from - 1`: the peer then has both variants, and with them the fork proof (F1).
    pub base: Option<EventId>,
}

/// A place in the causal order of a log: (hlc, device, id), ascending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Hybrid logical clock of the event.
    pub hlc: u64,
    /// Its author.
    pub device: DeviceId,
    /// Its id.
    pub id: EventId,
}

/// What travels of an event: opaque here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// An encoded `WireEvent` of crypto.
    pub bytes: Vec<u8>,
    /// Key boxes that go with it (K1), each to a device.
    pub boxes: Vec<(DeviceId, Vec<u8>)>,
}

/// An event that the ledger read for this session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its author.
    pub device: DeviceId,
    /// Its number.
    pub seq: u64,
    /// Its place in the causal order.
    pub hlc: u64,
    /// Its id.
    pub id: EventId,
    /// What is sent.
    pub parcel: Parcel,
}

/// The name of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// Its author.
    pub device: DeviceId,
    /// Its number.
    pub seq: u64,
    /// Its id.
    pub id: EventId,
}

/// What became of a received item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// New, and durable.
    Stored(Name),
    /// Held already.
    Known(Name),
    /// Verified, and held until what it waits for arrives.
    Orphaned(Name),
    /// No honest replica takes it. Counted ([`Fault::Refused`]).
    Refused,
    /// Not kept, though it may be good: a full orphan pool, a quota. Forces a clock exchange (S5).
    Dropped,
}

/// What comes in.
#[derive(Clone, Debug)]
pub enum Input {
    /// A frame of the peer.
    Frame {
        /// Which stream.
        lane: Lane,
        /// One whole frame.
        bytes: Vec<u8>,
    },
    /// Our device's signature, asked for by [`Output::Sign`].
    Signed(Proof),
    /// The peer is a contact or a sibling: frames up to 1 MiB and wide windows. Before the grants.
    Trust,
    /// The peer may see and give this log. Also before [`Output::IdentitySynced`]: shared logs wait.
    /// Granting again what is granted begins its exchange afresh.
    Grant {
        /// Which.
        log: LogId,
        /// When.
        stage: Stage,
        /// What we hold of it.
        heads: Heads,
    },
    /// Every identity log that this peer may see has been granted. More may follow later.
    IdentityGranted,
    /// The peer may no longer see this log.
    Withdraw {
        /// Which.
        log: LogId,
    },
    /// The log has changed: a local commit, or another session's. For logs that are not granted here
    /// it does nothing.
    Grown {
        /// Which.
        log: LogId,
        /// What we hold now.
        heads: Heads,
    },
    /// The answer to [`Output::Read`].
    Events {
        /// Which read.
        read: ReadId,
        /// The proofs that were asked for: (frozen device, its encoded fork proof).
        proofs: Vec<(DeviceId, Vec<u8>)>,
        /// In the causal order of [`Position`], after the read's `after`; at least one if there is one.
        items: Vec<Item>,
        /// Whether the wants reach beyond the last item.
        more: bool,
    },
    /// The answer to [`Output::Admit`], after the durable commit. Credit goes back to the peer with it.
    Settled {
        /// Which.
        ticket: Ticket,
        /// One for each item, in order.
        outcomes: Vec<Outcome>,
        /// The log after that commit, if it changed (no [`Input::Grown`] is needed for this session
        /// then). Must not be older than what the outcomes say, else events are sent back or twice.
        heads: Option<Heads>,
    },
    /// An acknowledgement to hand over: of our own device, or another's that we forward (S3). It
    /// replaces an older one of the same device and goes out as soon as the peer speaks of the log.
    Ack {
        /// Of which log.
        log: LogId,
        /// Whose.
        device: DeviceId,
        /// As signed.
        bytes: Vec<u8>,
    },
    /// A note for the peer.
    Note(Note),
    /// The time that [`crate::Session::poll_timeout`] named has come. (Every input looks at the clock.)
    Timeout,
}

/// What comes out, in order.
#[derive(Clone, Debug)]
pub enum Output {
    /// To the transport.
    Send {
        /// On which stream.
        lane: Lane,
        /// One whole frame.
        bytes: Vec<u8>,
    },
    /// Sign this with our device key ([`SessionProof::sign`]) and hand it back by [`Input::Signed`].
    Sign(SessionProof),
    /// The peer is this device of this person. Grant what it may see.
    Proven(Proven),
    /// Both sides hold the same identity logs and fork proofs. Decide by them now what else to grant.
    IdentitySynced,
    /// Fetch from the ledger what the peer lacks; answer with [`Input::Events`].
    Read {
        /// To be named in the answer.
        read: ReadId,
        /// Which log.
        log: LogId,
        /// Frozen devices whose fork proof the peer lacks (first page only).
        proofs: Vec<DeviceId>,
        /// What the peer lacks.
        wants: Vec<Want>,
        /// Only what comes after this place: a further page. Runs of honest devices begin behind it
        /// already; of a frozen device it alone says where to go on.
        after: Option<Position>,
        /// At most so many events.
        max_events: usize,
        /// At most so many bytes of parcels, but always one event.
        max_bytes: usize,
    },
    /// Admit these in order and answer with [`Input::Settled`].
    Admit {
        /// To be named in the answer.
        ticket: Ticket,
        /// Which log the peer says they belong to; the ledger checks the header.
        log: LogId,
        /// What came.
        items: Vec<Parcel>,
    },
    /// A fork proof of the peer. It comes before the events that need it.
    Proof {
        /// Which log the peer says it belongs to.
        log: LogId,
        /// Which device the peer says it freezes.
        device: DeviceId,
        /// As encoded by the ledger; not looked into here.
        bytes: Vec<u8>,
    },
    /// An acknowledgement of the peer or forwarded by it; unverified.
    Ack {
        /// Of which log.
        log: LogId,
        /// As signed.
        bytes: Vec<u8>,
    },
    /// A note of the peer.
    Note(Note),
    /// A note that was not taken: too long, or too many wait. Give it again later.
    NoteReturned(Note),
    /// What the peer did wrong. If it is fatal, [`Output::Close`] follows.
    PeerFault(Fault),
    /// What our own node did wrong.
    Misuse(Misuse),
    /// The session is over: close the connection. Nothing follows, and inputs do nothing any more.
    Close(Close),
}
