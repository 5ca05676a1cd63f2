//! Admission: whether an event belongs into its log. A pure function of the event and its ancestors.
//!
//! ```text
//! caps ▶ layout              crypto::codec: what decodes is within every cap
//! known log                  the store: UnknownLog
//! id rebuilt, signature      id.rs, Signed::verify
//! deps known                 else Missing: an orphan, verified, charged to its sender
//! seq ▶ hlc ▶ class ▶ certificates ▶ generation ▶ epoch ▶ chain           judge()          (E3)
//! ```
//!
//! Invariants
//! * No verdict depends on decryption, on the order of arrival, on a block, a quota or the wall clock.
//!   Whoever holds the same ancestors gives the same verdict for ever.
//! * A refused event can never be admitted later; a missing dependency refuses nothing.
//! * A body that does not parse, an unknown kind, an unknown suite: admitted, no effect (E4). Only
//!   a device's *first* event must be understood: it is what makes the device known.

use std::collections::BTreeSet;

use thiserror::Error;
use y7ke_crypto::cert::CertChain;
use y7ke_crypto::epoch::Rekey;
use y7ke_crypto::event::{Class, Dep, Header, Payload, SUITE};
use y7ke_crypto::ids::{DeviceId, EpochId, EventId, LogId, RequestId, RootId};
use y7ke_crypto::request::Opening;

use crate::body::{Body, BodyFault};
use crate::fold::LogKind;
use crate::id::Event;

/// How far one event may be ahead of its newest dependency, in ms: 4.3 years, so that a wrong clock
/// neither stops a log nor carries it to the end of time (E5).
pub const MAX_HLC_STEP: u64 = 1 << 37;

/// Latest `hlc` of an event without dependencies, in ms: the year 4199 (E5).
pub const MAX_OPENING_HLC: u64 = 1 << 46;

pub use y7ke_crypto::epoch::MAX_CHAIN;

/// What a log is. The id is a hash of it, so a log has one kind for ever (V1, C2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogSpec {
    /// Of one person: devices, prekeys, profile. Held by contacts too.
    Identity {
        /// The person.
        root: RootId,
    },
    /// Of one person's devices alone.
    Account {
        /// The person.
        root: RootId,
    },
    /// Of two persons.
    Conversation {
        /// The lesser root.
        lesser: RootId,
        /// The greater root.
        greater: RootId,
        /// The request that it came from.
        request: RequestId,
    },
}

impl LogSpec {
    /// The conversation of two persons, in whatever order they are named.
    pub fn conversation(a: RootId, b: RootId, request: RequestId) -> Self {
        let (lesser, greater) = if a < b { (a, b) } else { (b, a) };
        Self::Conversation { lesser, greater, request }
    }

    /// The log's id.
    pub fn id(&self) -> LogId {
        match self {
            Self::Identity { root } => LogId::identity(root),
            Self::Account { root } => LogId::account(root),
            Self::Conversation { lesser, greater, request } => LogId::conversation(lesser, greater, request),
        }
    }

    /// Whose devices may write here.
    pub fn roots(&self) -> Vec<RootId> {
        match self {
            Self::Identity { root } | Self::Account { root } => vec![*root],
            Self::Conversation { lesser, greater, .. } => vec![*lesser, *greater],
        }
    }

    /// What the log is for.
    pub fn kind(&self) -> LogKind {
        match self {
            Self::Identity { .. } => LogKind::Identity,
            Self::Account { .. } => LogKind::Account,
            Self::Conversation { .. } => LogKind::Conversation,
        }
    }

    /// Whether it is a conversation.
    pub fn is_conversation(&self) -> bool {
        matches!(self, Self::Conversation { .. })
    }
}

/// An epoch by what orders epochs: the greater one is the later one (K3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EpochRef {
    /// Of its rekey.
    pub generation: u64,
    /// The rekey event.
    pub rekey: EventId,
}

/// What is remembered of an admitted event for the admission of later ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its hybrid clock.
    pub hlc: u64,
    /// Greatest rekey generation in its causal past, itself included; 0 if none.
    pub generation: u64,
    /// The epoch that its author has sealed in last, up to this event.
    pub epoch: Option<EpochRef>,
    /// The index that its author's next event in that epoch has.
    pub next_chain: u32,
}

/// A rekey event and its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownRekey {
    /// The event.
    pub at: Dep,
    /// Its hybrid clock.
    pub hlc: u64,
    /// What it says.
    pub rekey: Rekey,
}

impl KnownRekey {
    /// Its place in the order of epochs.
    pub fn epoch(&self) -> EpochRef {
        EpochRef { generation: self.rekey.generation, rekey: self.at.id }
    }

    /// Whether `device` has a box in it.
    pub fn lists(&self, device: &DeviceId) -> bool {
        self.rekey.members.iter().any(|member| member.device == *device)
    }
}

/// The stored events of one log, as admission asks about them.
pub trait Ancestors {
    /// Why the store failed: this disk's fault.
    type Error;

    /// Facts of exactly this event (device, number and id).
    fn facts(&self, at: &Dep) -> Result<Option<Facts>, Self::Error>;

    /// What a stored event depends on; empty if it is not stored.
    fn deps(&self, at: &Dep) -> Result<Vec<Dep>, Self::Error>;

    /// Whether this id is stored under any device and number.
    fn knows(&self, id: &EventId) -> Result<bool, Self::Error>;

    /// The stored rekey event that made this epoch.
    fn rekey(&self, epoch: &EpochId) -> Result<Option<KnownRekey>, Self::Error>;
}

/// Why an event can never belong into its log: its author's fault, except [`Refusal::Hollow`] and
/// [`Refusal::UnknownLog`], which are its sender's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Nobody asked for this log.
    #[error("unknown log")]
    UnknownLog,
    /// Not signed by its author.
    #[error("the signature is not the author's")]
    Signature,
    /// An open event without its body: open events are never hollow (D2).
    #[error("an open event came without its body")]
    Hollow,
    /// A dependency is named with another device or number than it has.
    #[error("a dependency is not what the header says")]
    Dependency,
    /// Not the author's next number, or its previous event is no dependency.
    #[error("number {found} does not follow the author's previous event")]
    Seq {
        /// The number in the header.
        found: u64,
    },
    /// Not later than every dependency, or too far ahead (E5).
    #[error("hybrid clock {found} is not within {least}..={greatest}")]
    Hlc {
        /// In the header.
        found: u64,
        /// Allowed from.
        least: u64,
        /// Allowed up to.
        greatest: u64,
    },
    /// A known kind in the other class (E2).
    #[error("the kind of the body belongs into the other class")]
    Class,
    /// The first event of a device is no join and no opening that this log takes (V1, C2).
    #[error("the device's first event does not show that it belongs here")]
    NotIntroduced,
    /// An opening that is not a device's first event, or depends on something.
    #[error("an opening stands at the beginning")]
    LateOpening,
    /// The certificates do not lead from this device to a root of this log.
    #[error("the certificates do not lead from this device to a root of this log")]
    NotCertified,
    /// Not 1 + the greatest generation in its causal past (K1).
    #[error("rekey generation {found} instead of {expected}")]
    Generation {
        /// In the body.
        found: u64,
        /// By its past.
        expected: u64,
    },
    /// The epoch's rekey is no ancestor (K1).
    #[error("the epoch's rekey is no ancestor")]
    EpochUnseen,
    /// The epoch's rekey does not list the author (K1).
    #[error("the author is no member of the epoch")]
    EpochNotMember,
    /// The author has sealed in a later epoch before (K1).
    #[error("the author returns to an earlier epoch")]
    EpochEarlier,
    /// Not the author's next index in this epoch (K2).
    #[error("chain index {found} instead of {expected}")]
    Chain {
        /// In the header.
        found: u32,
        /// By the author's previous event.
        expected: u32,
    },
    /// The author's chain in this epoch has ended (K2).
    #[error("the chain has ended")]
    ChainEnded,
}

/// What is to become of a verified event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It belongs into the log; this is to be remembered of it.
    Admissible(Facts),
    /// Dependencies that are not stored here.
    Missing(Vec<Dep>),
    /// Never.
    Refused(Refusal),
}

/// Why judging stopped: the event's fault or the disk's.
enum Stop<E> {
    Missing(Vec<Dep>),
    Refused(Refusal),
    Failed(E),
}

impl<E> From<Refusal> for Stop<E> {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The body of an event as admission sees it: open and understood, or nothing.
pub fn open_body(event: &Event) -> Result<Option<Body>, Refusal> {
    if event.header().class == Class::Sealed {
        return Ok(None);
    }
    let Payload::Full(bytes) = event.payload() else { return Err(Refusal::Hollow) };
    if event.header().suite != SUITE {
        return Ok(None);
    }
    match Body::decode(Class::Open, bytes) {
        Ok(body) => Ok(Some(body)),
        Err(BodyFault::Decode(_)) => Ok(None),
        Err(BodyFault::WrongClass(_)) => Err(Refusal::Class),
    }
}

/// Judges an event whose signature is verified; `body` is what [`open_body`] says of it.
pub fn judge<A: Ancestors>(spec: &LogSpec, event: &Event, body: Option<&Body>, past: &A) -> Result<Verdict, A::Error> {
    match examine(spec, event, body, past) {
        Ok(facts) => Ok(Verdict::Admissible(facts)),
        Err(Stop::Missing(deps)) => Ok(Verdict::Missing(deps)),
        Err(Stop::Refused(refusal)) => Ok(Verdict::Refused(refusal)),
        Err(Stop::Failed(fault)) => Err(fault),
    }
}

fn examine<A: Ancestors>(
    spec: &LogSpec,
    event: &Event,
    body: Option<&Body>,
    past: &A,
) -> Result<Facts, Stop<A::Error>> {
    let header = event.header();
    let known = known_deps(header, past)?;
    let previous = check_seq(header, &known)?;
    check_hlc(header, &known)?;
    check_introduction(spec, header, body)?;
    let generation = check_generation(&known, body)?;
    let (epoch, next_chain) = check_epoch(header, previous, past)?;
    Ok(Facts { hlc: header.hlc, generation, epoch, next_chain })
}

/// Facts of every dependency, or the ones that are not stored here.
fn known_deps<A: Ancestors>(header: &Header, past: &A) -> Result<Vec<(Dep, Facts)>, Stop<A::Error>> {
    let (mut known, mut missing) = (Vec::new(), Vec::new());
    for dep in &header.deps {
        match past.facts(dep).map_err(Stop::Failed)? {
            Some(facts) => known.push((*dep, facts)),
            None if past.knows(&dep.id).map_err(Stop::Failed)? => return Err(Refusal::Dependency.into()),
            None => missing.push(*dep),
        }
    }
    if missing.is_empty() { Ok(known) } else { Err(Stop::Missing(missing)) }
}

/// The author's previous event: number 1 has none, every other follows a dependency by one.
fn check_seq(header: &Header, known: &[(Dep, Facts)]) -> Result<Option<Facts>, Refusal> {
    let previous = known.iter().find(|(dep, _)| dep.device == header.device);
    match (header.seq, previous) {
        (1, None) => Ok(None),
        (seq, Some((dep, facts))) if dep.seq.checked_add(1) == Some(seq) => Ok(Some(*facts)),
        (found, _) => Err(Refusal::Seq { found }),
    }
}

fn check_hlc(header: &Header, known: &[(Dep, Facts)]) -> Result<(), Refusal> {
    let newest = known.iter().map(|(_, facts)| facts.hlc).max();
    let (least, greatest) =
        hlc_range(newest).ok_or(Refusal::Hlc { found: header.hlc, least: u64::MAX, greatest: 0 })?;
    if (least..=greatest).contains(&header.hlc) {
        return Ok(());
    }
    Err(Refusal::Hlc { found: header.hlc, least, greatest })
}

/// The clock values that an event may have on top of dependencies up to `newest` (E5).
pub fn hlc_range(newest: Option<u64>) -> Option<(u64, u64)> {
    match newest {
        None => Some((0, MAX_OPENING_HLC)),
        Some(newest) => Some((newest.checked_add(1)?, newest.checked_add(MAX_HLC_STEP)?)),
    }
}

/// A device's first event introduces it, whatever else it may say later (V1, C2).
fn check_introduction(spec: &LogSpec, header: &Header, body: Option<&Body>) -> Result<(), Refusal> {
    match body {
        Some(Body::Opening(opening)) if spec.is_conversation() => check_opening(header, opening),
        Some(Body::Join { chain }) => check_join(spec, header, chain),
        _ if header.seq == 1 => Err(Refusal::NotIntroduced),
        _ => Ok(()),
    }
}

fn check_opening(header: &Header, opening: &Opening) -> Result<(), Refusal> {
    if header.seq != 1 || !header.deps.is_empty() {
        return Err(Refusal::LateOpening);
    }
    opening.verify(&header.log, &header.device).map(drop).or(Err(Refusal::NotCertified))
}

/// In a conversation a join stands on an opening, by its dependencies' dependencies: nothing else can
/// be without any. The roots that the opening proves are those that the log's id is a hash of.
fn check_join(spec: &LogSpec, header: &Header, chain: &CertChain) -> Result<(), Refusal> {
    if spec.is_conversation() && header.deps.is_empty() {
        return Err(Refusal::NotIntroduced);
    }
    let proven = chain.verify().or(Err(Refusal::NotCertified))?;
    let belongs = spec.roots().contains(&proven.root) && proven.device == header.device;
    if belongs { Ok(()) } else { Err(Refusal::NotCertified) }
}

fn check_generation(known: &[(Dep, Facts)], body: Option<&Body>) -> Result<u64, Refusal> {
    let seen = known.iter().map(|(_, facts)| facts.generation).max().unwrap_or(0);
    let Some(Body::Rekey(rekey)) = body else { return Ok(seen) };
    let (found, expected) = (rekey.generation, seen.saturating_add(1));
    if found == expected && found > seen { Ok(found) } else { Err(Refusal::Generation { found, expected }) }
}

/// The author's epoch and next chain index after this event (K1, K2).
fn check_epoch<A: Ancestors>(
    header: &Header,
    previous: Option<Facts>,
    past: &A,
) -> Result<(Option<EpochRef>, u32), Stop<A::Error>> {
    let before = previous.and_then(|facts| facts.epoch);
    let next = previous.map_or(0, |facts| facts.next_chain);
    if header.class == Class::Open {
        return Ok((before, next));
    }
    let (epoch, expected) = match before {
        Some(same) if EpochId::of(&same.rekey) == header.epoch => (same, next),
        _ => (check_switch(header, before, past)?, 0),
    };
    check_chain(header.chain, expected)?;
    Ok((Some(epoch), expected + 1))
}

/// The author seals in an epoch that it has not sealed in before (K1).
fn check_switch<A: Ancestors>(header: &Header, before: Option<EpochRef>, past: &A) -> Result<EpochRef, Stop<A::Error>> {
    let Some(known) = past.rekey(&header.epoch).map_err(Stop::Failed)? else {
        return Err(Refusal::EpochUnseen.into());
    };
    if !is_ancestor(&known, &header.deps, past).map_err(Stop::Failed)? {
        return Err(Refusal::EpochUnseen.into());
    }
    if !known.lists(&header.device) {
        return Err(Refusal::EpochNotMember.into());
    }
    if before.is_some_and(|before| known.epoch() <= before) {
        return Err(Refusal::EpochEarlier.into());
    }
    Ok(known.epoch())
}

fn check_chain(found: u32, expected: u32) -> Result<(), Refusal> {
    if expected >= MAX_CHAIN {
        return Err(Refusal::ChainEnded);
    }
    if found == expected { Ok(()) } else { Err(Refusal::Chain { found, expected }) }
}

/// Whether `rekey` is an ancestor of an event with these dependencies: a search backwards that goes
/// on only where the clock and the greatest generation leave room for it, and ends at the first event whose author
/// sealed in that epoch, for nobody does without having seen its rekey (K1).
pub fn is_ancestor<A: Ancestors>(rekey: &KnownRekey, deps: &[Dep], past: &A) -> Result<bool, A::Error> {
    let (mut open, mut seen) = (deps.to_vec(), BTreeSet::new());
    while let Some(at) = open.pop() {
        if at == rekey.at {
            return Ok(true);
        }
        let Some(facts) = past.facts(&at)? else { continue };
        if facts.epoch == Some(rekey.epoch()) {
            return Ok(true);
        }
        let has_room = facts.hlc > rekey.hlc && facts.generation >= rekey.rekey.generation;
        if has_room && seen.insert(at.id) {
            open.extend(past.deps(&at)?);
        }
    }
    Ok(false)
}
