//! Bodies of fuzz targets: hostile bytes and hostile graphs at the ledger's door.
//!
//! Each takes any bytes and must neither panic nor break what it checks. Smoke-run on stable by the
//! tests below; `tests/fuzz` wraps them. A panic is how they report what they found.

mod disk;
mod folds;
mod rows;

use std::sync::OnceLock;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use y7ke_crypto::cert::{Caps, CertChain, Subject};
use y7ke_crypto::codec::Wire;
use y7ke_crypto::event::{Class, Dep, Header, MAX_DEPS, Payload, WireEvent};
use y7ke_crypto::ids::{EpochId, LogId};
use y7ke_crypto::sign::{DeviceKey, NetSecret, RootKey, Verified};
use y7ke_crypto::vault::VaultFile;

use crate::admit::LogSpec;
use crate::body::Body;
pub use crate::body::fuzz::decode as body;
use crate::fork::ForkProof;
use crate::id::Event;
use crate::store::{Admission, Batch, Ledger, SubKeys};
use crate::tools::{Capsule, Point, Steps};
pub use disk::{Disk, Image};
pub use folds::folds;
pub(crate) use folds::rng;
pub use rows::rows;

/// A body.
pub type Target = fn(&[u8]);

/// Every body by name.
pub const ALL: &[(&str, Target)] = &[
    ("blocks", blocks),
    ("body", body),
    ("capsule", capsule),
    ("folds", folds),
    ("fork_proof", fork_proof),
    ("graph", graph),
    ("journal", journal),
    ("rows", rows),
    ("stored_values", stored_values),
    ("wire_event", wire_event),
];

/// A fork proof from a peer: what decodes and verifies encodes to the same bytes.
pub fn fork_proof(data: &[u8]) {
    if let Ok(proof) = ForkProof::from_bytes(data) {
        assert_eq!(proof.to_bytes(), data);
    }
}

/// A capsule of anybody: what opens replays, and any number of its events is the point that their heads are.
pub fn capsule(data: &[u8]) {
    let Ok(capsule) = Capsule::from_json(data) else { return };
    let at = |point: &Point| capsule.replay(point, Steps::Shown);
    let Ok(newest) = at(&Point::Newest) else { return };
    // Who writes before being introduced is nobody's yet: only of what was changed by hand.
    let Ok(half) = at(&Point::First(newest.events / 2)) else { return };
    let heads = half.heads.iter().map(|head| head.parse().expect("it was printed")).collect();
    let again = at(&Point::Heads(heads)).expect("heads that were told");
    assert_eq!(again, half, "a number of events is another point than their heads");
}

/// Rows of a damaged or hostile file: refused, never a panic.
pub fn stored_values(data: &[u8]) {
    crate::store::schema::decode_any(data);
}

/// Blocks of rows: of a damaged or hostile file, and as this store writes them.
pub fn blocks(data: &[u8]) {
    crate::store::blocks::fuzz::blocks(data);
}

/// A journal of a damaged or hostile file, and one whose records open.
pub fn journal(data: &[u8]) {
    crate::store::journal::fuzz::journal(data);
}

/// An event from the wire, handed to a ledger that knows its log: nothing unsigned gets in. Then the same event
/// in that log and signed by a device of it, behind its introduction: so the rules of admission are reached.
pub fn wire_event(data: &[u8]) {
    let Ok(wire) = WireEvent::from_bytes(data) else { return };
    let mut batch = batch();
    let event = Event::from_wire(wire);
    let is_signed = event.clone().verify().is_ok();
    let outcome = batch.admit(event.clone(), Vec::new(), device(1).id()).expect("memory does not fail");
    assert!(is_signed || matches!(outcome, Admission::Refused(_)));
    let author = device(1);
    let first =
        Event::new(Header::open(spec().id(), author.id(), 1, 5, vec![]), Payload::Full(join(&author).to_bytes()));
    let first = author.sign(first).expect("its own device");
    hand_over(&mut batch, &first);
    let mut header = event.claim.header().clone();
    (header.log, header.device) = (spec().id(), author.id());
    header.deps.retain(|dep| dep.device != author.id());
    header.deps.truncate(MAX_DEPS - 1);
    header.deps.push(first.as_dep());
    header.deps.sort_unstable_by_key(|dep| dep.device);
    if let Payload::Full(_) = event.claim.payload()
        && let Ok(mended) = author.sign(Event::new(header, event.claim.payload().clone()))
    {
        hand_over(&mut batch, &mended);
        let heads = batch.heads(&spec().id()).expect("memory does not fail");
        assert!(heads.iter().all(|head| [first.id(), mended.id()].contains(head)), "a head that nobody wrote");
    }
}

/// A graph of validly signed events with arbitrary headers: whatever is admitted keeps the invariants
/// (numbers follow, clocks grow, heads are those of the stored graph), and a second replica that
/// sees the events in the opposite order agrees after both have exchanged their proofs.
pub fn graph(data: &[u8]) {
    let events = hostile_events(data);
    let (mut one, mut other) = (batch(), batch());
    for event in &events {
        hand_over(&mut one, event);
    }
    for _ in 0..2 {
        for event in events.iter().rev() {
            hand_over(&mut other, event);
        }
    }
    let log = spec().id();
    for (from, to) in [(0, 1), (1, 0)] {
        let proofs = [&one, &other][from].fork_proofs(&log).expect("memory does not fail");
        for proof in proofs {
            [&mut one, &mut other][to].admit_proof(proof).expect("memory does not fail");
        }
    }
    events.iter().for_each(|event| [&mut one, &mut other].into_iter().for_each(|batch| hand_over(batch, event)));
    let heads = |batch: &Batch| batch.heads(&log).expect("memory does not fail");
    assert_eq!(heads(&one), heads(&other));
    assert_eq!(one.clock(&log).ok(), other.clock(&log).ok());
}

fn hand_over(batch: &mut Batch, event: &Verified<Event>) {
    let event = event.as_signed().clone();
    batch.admit(event, Vec::new(), device(1).id()).expect("memory does not fail");
}

/// Twelve bytes make an event: author, number, clock, class, chain, dependencies, body.
fn hostile_events(data: &[u8]) -> Vec<Verified<Event>> {
    let mut events: Vec<Verified<Event>> = Vec::new();
    for (at, bytes) in data.chunks_exact(12).take(64).enumerate() {
        let author = device(1 + bytes[0] % 3);
        let mut deps: Vec<Dep> = bytes[4..8]
            .iter()
            .filter_map(|byte| events.get(usize::from(*byte) % (at + 1)))
            .map(|event| event.as_dep())
            .collect();
        deps.sort_unstable_by_key(|dep| dep.device);
        deps.dedup_by_key(|dep| dep.device);
        let previous = deps.iter().find(|dep| dep.device == author.id()).map_or(0, |dep| dep.seq);
        let seq = (previous + 1 + u64::from(bytes[1] / 250)).max(1);
        let newest = events.iter().map(|event| event.header().hlc).max().unwrap_or(0);
        let hlc = if bytes[2] > 250 { u64::MAX } else { newest.saturating_add(u64::from(bytes[2] % 8)) };
        let mut header = Header::open(spec().id(), author.id(), seq, hlc, deps);
        if bytes[3] > 200 {
            header.class = Class::Sealed;
            header.epoch = events.last().map_or(EpochId::from([1; 16]), |event| EpochId::of(&event.id()));
            header.chain = u32::from(bytes[3] % 3);
        }
        let body = if seq == 1 { join(&author).to_bytes() } else { bytes[8..].to_vec() };
        events.extend(author.sign(Event::new(header, Payload::Full(body))));
    }
    events
}

fn spec() -> LogSpec {
    LogSpec::Identity { root: root().id() }
}

fn root() -> RootKey {
    RootKey::from_seed(&[7; 32])
}

fn device(n: u8) -> DeviceKey {
    DeviceKey::from_seed(&[0x40 + n; 32])
}

fn join(device: &DeviceKey) -> Body {
    let net = NetSecret::from_bytes(device.id().as_bytes()).id();
    let subject = Subject { device: device.id(), net, caps: Caps::SPEAK, not_before: 1, cert_seq: 1 };
    Body::Join { chain: CertChain::rooted(&root(), subject) }
}

/// An empty log on a copy of a disk that was made once.
fn batch() -> Batch {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    let disk = Disk::of(IMAGE.get_or_init(empty).clone());
    open(&disk).begin(&mut ChaCha20Rng::from_seed([1; 32])).expect("no other batch is open")
}

fn empty() -> Image {
    let disk = Disk::default();
    let ledger = open(&disk);
    let mut batch = ledger.begin(&mut ChaCha20Rng::from_seed([1; 32])).expect("no other batch is open");
    let log: LogId = batch.ensure_log(spec()).expect("memory does not fail");
    assert_eq!(log, spec().id());
    batch.commit().expect("memory does not fail");
    drop(ledger);
    disk.durable()
}

fn open(disk: &Disk) -> Ledger {
    let (_, dek) = VaultFile::with_file_slot(&mut ChaCha20Rng::from_seed([1; 32]));
    Ledger::open(disk.storage(), SubKeys::new(&dek)).expect("memory does not fail")
}

#[cfg(test)]
mod tests {
    use rand_core::Rng;

    use super::*;
    use crate::tests::rng;

    fn noise(seed: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        rng(seed).fill_bytes(&mut bytes);
        bytes
    }

    #[test]
    fn bodies_take_noise() {
        for seed in 0..300 {
            let data = noise(seed, 17 * usize::try_from(seed).unwrap());
            fork_proof(&data);
            stored_values(&data);
            wire_event(&data);
        }
    }

    #[test]
    fn what_lies_in_the_store_takes_noise() {
        for seed in 0..60 {
            let data = noise(seed, 400);
            folds(&data);
            rows(&data);
            blocks(&data);
            journal(&data);
        }
    }

    #[test]
    fn wire_events_take_mutations() {
        let author = device(1);
        let header = Header::open(spec().id(), author.id(), 1, 5, vec![]);
        let signed = author.sign(Event::new(header, Payload::Full(join(&author).to_bytes()))).unwrap();
        let good = Event::to_wire(signed.as_signed()).to_bytes();
        wire_event(&good);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            wire_event(&bad);
            wire_event(&good[..at]);
        }
    }

    /// E3, F3: hostile graphs, forks at every turn: two replicas agree.
    #[test]
    fn e3_hostile_graphs_do_not_split_replicas() {
        (0..150).for_each(|seed| graph(&noise(seed, 12 * 30)));
    }
}
