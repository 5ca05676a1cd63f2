//! Reconcile: two logs of n events, of which one side has d more, until both are equal.
//!
//! ```text
//! ours        two real sessions over two ledgers: offers ─▶ clocks ─▶ exactly the missing events ─▶ all checks, durable
//! Automerge   its own sync protocol, fresh states, between two documents of as many changes (300 bytes each)
//! negentropy  range fingerprints over the ids alone: says what is missing, carries nothing
//! ```
//!
//! Counted from the moment both sides have proven who they are: every byte with its frame, every wave
//! (frames that cross count as one; two waves are a round trip), and the CPU time of both sides in this
//! one thread. What checking and storing the events costs is shown apart: the rivals do neither.

#![allow(clippy::cast_precision_loss, reason = "figures for people")]

use std::num::NonZeroU64;
use std::path::Path;

use anyhow::Context;
use automerge::sync::{State, SyncDoc};
use automerge::{ActorId, Automerge, Change, ChangeHash, ExpandedChange};
use negentropy::{Id, Negentropy, NegentropyStorageVector};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use y7ke_crypto::cert::{Caps, CertChain, Subject};
use y7ke_crypto::clock;
use y7ke_crypto::codec::Wire;
use y7ke_crypto::event::WireEvent;
use y7ke_crypto::ids::{LogId, RootId};
use y7ke_crypto::sign::{DeviceKey, NetSecret, RootKey};
use y7ke_crypto::text::Name;
use y7ke_crypto::vault::VaultFile;
use y7ke_ledger::Event;
use y7ke_ledger::admit::LogSpec;
use y7ke_ledger::body::Body;
use y7ke_ledger::store::{Admission, FILE_NAME, JOURNAL_NAME, Ledger, Storage, SubKeys};
use y7ke_sync as sync;
use y7ke_tests::bench::{Bar, Figures, Place, Unit, cpu, head, number, pairs, row, say};

const NOW: u64 = 1_790_000_000_000;
/// Devices that write in turn.
const WRITERS: u64 = 4;
/// Events of one transaction while the logs are made.
const CHUNK: u64 = 1_000;
/// What an Automerge change carries: as much as a short sealed message.
const CARRIED: usize = 300;
/// What stands before a frame on its stream.
const FRAME_HEADER: usize = 4;

fn main() -> anyhow::Result<()> {
    let longest = number("Y7KE_BENCH_EVENTS", 1_000_000) as u64;
    head();
    for n in [100_000, 1_000_000].into_iter().filter(|n| *n <= longest) {
        let folder = Place::Memory.folder()?;
        let mut ours = Ours::with(n, folder.path())?;
        let mut documents = Documents::with(n)?;
        let mut sets = Sets::with(n)?;
        for d in [0, 1, 100] {
            compare(n, d, &mut ours, &mut documents, &mut sets)?;
        }
    }
    Ok(())
}

fn compare(n: u64, d: u64, ours: &mut Ours, documents: &mut Documents, sets: &mut Sets) -> anyhow::Result<()> {
    let mut figures: [Figures; 5] = Default::default();
    let mut waves = (0, 0, 0);
    for _ in 0..pairs() {
        let (mine, theirs, ids) = (ours.reconcile(d)?, documents.reconcile(d)?, sets.reconcile(d)?);
        figures[0].add(mine.beside(), theirs.beside());
        figures[1].add(mine.beside(), ids.beside());
        figures[2].add(mine.protocol, theirs.protocol);
        figures[3].add(mine.protocol, ids.protocol);
        figures[4].add(mine.protocol + mine.intake, theirs.protocol);
        waves = (mine.waves, theirs.waves, ids.waves);
    }
    let name = format!("{n} events, {d} differ");
    row(&format!("{name}: bytes beside the events; Automerge"), Unit::Bytes, &figures[0], Bar::Within(1_024.0));
    row(&format!("{name}: bytes beside the events; negentropy"), Unit::Bytes, &figures[1], Bar::None);
    row(&format!("{name}: CPU; Automerge"), Unit::Time, &figures[2], Bar::AtMost(0.02));
    row(&format!("{name}: CPU; negentropy"), Unit::Time, &figures[3], Bar::None);
    row(&format!("{name}: CPU with all checks and the commit; Automerge"), Unit::Time, &figures[4], Bar::None);
    say(&format!(
        "| {name}: waves until nothing moves | {} | {} (Automerge), {} (negentropy) | | | |",
        waves.0, waves.1, waves.2
    ));
    Ok(())
}

/// What one reconciliation cost.
#[derive(Default)]
struct Cost {
    bytes: usize,
    /// Of them, events.
    events: usize,
    waves: usize,
    /// CPU seconds to find, read and carry what is missing.
    protocol: f64,
    /// CPU seconds to check, fold and store it.
    intake: f64,
}

impl Cost {
    fn beside(&self) -> f64 {
        self.bytes.saturating_sub(self.events) as f64
    }
}

// ---- ours ------------------------------------------------------------------------------------

/// Two devices of one person, each with the person's log.
struct Ours {
    log: LogId,
    a: Side,
    b: Side,
    writers: Vec<DeviceKey>,
    written: u64,
}

struct Side {
    ledger: Ledger,
    key: DeviceKey,
    chain: CertChain,
    net: NetSecret,
    rng: ChaCha20Rng,
    session: Option<sync::Session>,
    trusted: bool,
}

impl Ours {
    /// The same log on both sides: made once, its file copied.
    fn with(n: u64, folder: &Path) -> anyhow::Result<Self> {
        let root = RootKey::from_seed(&[1; 32]);
        let log = LogId::identity(&root.id());
        let writers: Vec<_> = (0..WRITERS).map(|device| DeviceKey::from_seed(&[10 + device as u8; 32])).collect();
        let (here, there) = (folder.join("a"), folder.join("b"));
        let mut maker = Side::open(&here, &root, 0)?;
        maker.join_all(&root, &writers)?;
        let mut written = WRITERS;
        while written < n {
            written = maker.write(log, &writers, written, CHUNK.min(n - written))?;
        }
        drop(maker);
        std::fs::create_dir_all(&there)?;
        for name in [FILE_NAME, JOURNAL_NAME] {
            std::fs::copy(here.join(name), there.join(name))?;
        }
        Ok(Self { log, a: Side::open(&here, &root, 0)?, b: Side::open(&there, &root, 1)?, writers, written })
    }

    fn reconcile(&mut self, d: u64) -> anyhow::Result<Cost> {
        self.written = self.a.write(self.log, &self.writers, self.written, d)?;
        let mut cost = Cost::default();
        let (a_net, b_net) = (self.a.net.id(), self.b.net.id());
        let from_a = self.a.begin(b_net, true)?;
        let from_b = self.b.begin(a_net, false)?;
        self.pump(from_a, from_b, &mut Cost::default())?;
        let from_a = self.a.grant(self.log, &mut cost)?;
        let from_b = self.b.grant(self.log, &mut cost)?;
        self.pump(from_a, from_b, &mut cost)?;
        let (one, other) = (self.a.ledger.view()?, self.b.ledger.view()?);
        anyhow::ensure!(one.heads_digest(&self.log)? == other.heads_digest(&self.log)?, "the two are not in step");
        Ok(cost)
    }

    /// Carries frames to and fro until nothing moves.
    fn pump(&mut self, mut from_a: Vec<Frame>, mut from_b: Vec<Frame>, cost: &mut Cost) -> anyhow::Result<()> {
        while !(from_a.is_empty() && from_b.is_empty()) {
            cost.waves += 1;
            cost.bytes += from_a.iter().chain(&from_b).map(|(_, bytes)| bytes.len() + FRAME_HEADER).sum::<usize>();
            let answers = self.b.take(self.log, std::mem::take(&mut from_a), cost)?;
            from_a = self.a.take(self.log, from_b, cost)?;
            from_b = answers;
        }
        Ok(())
    }
}

type Frame = (sync::Lane, Vec<u8>);

impl Side {
    fn open(folder: &Path, root: &RootKey, device: u8) -> anyhow::Result<Self> {
        let (_, dek) = VaultFile::with_file_slot(&mut ChaCha20Rng::seed_from_u64(1));
        let ledger = Ledger::open(Storage::folder(folder), SubKeys::new(&dek))?;
        let key = DeviceKey::from_seed(&[10 + device; 32]);
        let net = NetSecret::from_bytes(&[20 + device; 32]);
        let chain = certified(root, &key, &net);
        let rng = ChaCha20Rng::seed_from_u64(u64::from(device));
        Ok(Self { ledger, key, chain, net, rng, session: None, trusted: false })
    }

    fn join_all(&mut self, root: &RootKey, writers: &[DeviceKey]) -> anyhow::Result<()> {
        let root_id: RootId = root.id();
        let mut batch = self.ledger.begin(&mut self.rng)?;
        let log = batch.ensure_log(LogSpec::Identity { root: root_id })?;
        for (n, writer) in writers.iter().enumerate() {
            let chain = certified(root, writer, &NetSecret::from_bytes(&[20 + n as u8; 32]));
            batch.append(log, &Body::Join { chain }, NOW, &mut self.rng, writer)?;
        }
        Ok(batch.commit()?)
    }

    /// More events, by each writer in turn; how many there are then.
    fn write(&mut self, log: LogId, writers: &[DeviceKey], from: u64, count: u64) -> anyhow::Result<u64> {
        let mut batch = self.ledger.begin(&mut self.rng)?;
        for n in from..from + count {
            let name = Name::new(format!("name {n}")).ok().context("a name")?;
            let writer = &writers[(n % WRITERS) as usize];
            batch.append(log, &Body::Profile { name }, NOW + n, &mut self.rng, writer)?;
        }
        batch.commit()?;
        Ok(from + count)
    }

    fn begin(&mut self, peer: y7ke_crypto::ids::NetKey, dialer: bool) -> anyhow::Result<Vec<Frame>> {
        let mut nonce = [0; 32];
        self.rng.fill_bytes(&mut nonce);
        let config = sync::Config { chain: self.chain.clone(), net: self.net.id(), peer, dialer, nonce };
        let (session, outputs) = sync::Session::new(config, 0);
        self.session = Some(session);
        self.trusted = false;
        self.carry_out(LogId::from([0; 32]), outputs, &mut Cost::default())
    }

    /// From here it is counted: what we hold is said, and the peer may see it.
    fn grant(&mut self, log: LogId, cost: &mut Cost) -> anyhow::Result<Vec<Frame>> {
        anyhow::ensure!(self.trusted, "the peer has not proven itself");
        let heads = measured(&mut cost.protocol, || self.heads(log))?;
        let mut frames = self.feed(log, sync::Input::Grant { log, stage: sync::Stage::Identity, heads }, cost)?;
        frames.extend(self.feed(log, sync::Input::IdentityGranted, cost)?);
        Ok(frames)
    }

    fn take(&mut self, log: LogId, frames: Vec<Frame>, cost: &mut Cost) -> anyhow::Result<Vec<Frame>> {
        let mut out = Vec::new();
        for (lane, bytes) in frames {
            out.extend(self.feed(log, sync::Input::Frame { lane, bytes }, cost)?);
        }
        Ok(out)
    }

    fn feed(&mut self, log: LogId, input: sync::Input, cost: &mut Cost) -> anyhow::Result<Vec<Frame>> {
        let session = self.session.as_mut().context("no session")?;
        let outputs = measured(&mut cost.protocol, || session.handle(input, 0));
        self.carry_out(log, outputs, cost)
    }

    fn carry_out(&mut self, log: LogId, outputs: Vec<sync::Output>, cost: &mut Cost) -> anyhow::Result<Vec<Frame>> {
        let mut frames = Vec::new();
        for output in outputs {
            let input = match output {
                sync::Output::Send { lane, bytes } => {
                    frames.push((lane, bytes));
                    continue;
                }
                sync::Output::Sign(proof) => sync::Input::Signed(proof.sign(&self.key).ok().context("our own key")?),
                sync::Output::Proven(_) => {
                    self.trusted = true;
                    sync::Input::Trust
                }
                sync::Output::Read { read, wants, max_events, max_bytes, .. } => {
                    let (items, more) = measured(&mut cost.protocol, || self.read(log, &wants, max_events, max_bytes))?;
                    cost.events += items.iter().map(|item| item.parcel.bytes.len()).sum::<usize>();
                    sync::Input::Events { read, proofs: Vec::new(), items, more }
                }
                sync::Output::Admit { ticket, items, .. } => {
                    let outcomes = measured(&mut cost.intake, || self.admit(items))?;
                    let heads = measured(&mut cost.protocol, || self.heads(log))?;
                    sync::Input::Settled { ticket, outcomes, heads: Some(heads) }
                }
                sync::Output::IdentitySynced => continue,
                other => anyhow::bail!("not part of this: {other:?}"),
            };
            frames.extend(self.feed(log, input, cost)?);
        }
        Ok(frames)
    }

    fn heads(&self, log: LogId) -> anyhow::Result<sync::Heads> {
        let view = self.ledger.view()?;
        let mut newest = 0;
        for head in view.heads(&log)? {
            newest = newest.max(view.event(&head)?.map_or(0, |event| event.header.hlc));
        }
        let frozen = view.log(&log)?.map(|info| info.frozen).unwrap_or_default().into_iter().collect();
        Ok(sync::Heads { clock: view.clock(&log)?, digest: view.heads_digest(&log)?, frozen, newest })
    }

    fn read(
        &self,
        log: LogId,
        wants: &[sync::Want],
        events: usize,
        bytes: usize,
    ) -> anyhow::Result<(Vec<sync::Item>, bool)> {
        let run = |want: &sync::Want| clock::Want { device: want.device, from: want.from, to: want.to };
        let runs: Vec<_> = wants.iter().map(run).collect();
        let page = self.ledger.view()?.events_between(&log, &runs, events, bytes)?;
        let item = |item: y7ke_ledger::store::Item| sync::Item {
            device: item.event.device,
            seq: item.event.seq,
            hlc: item.event.hlc,
            id: item.event.id,
            parcel: sync::Parcel { bytes: item.wire.to_bytes(), boxes: Vec::new() },
        };
        Ok((page.items.into_iter().map(item).collect(), page.more))
    }

    fn admit(&mut self, items: Vec<sync::Parcel>) -> anyhow::Result<Vec<sync::Outcome>> {
        let event = |parcel: sync::Parcel| Ok((Event::from_wire(WireEvent::from_bytes(&parcel.bytes)?), Vec::new()));
        let events = items.into_iter().map(event).collect::<anyhow::Result<Vec<_>>>()?;
        let mut batch = self.ledger.begin(&mut self.rng)?;
        let admissions = batch.admit_all(events, self.key.id())?;
        batch.commit()?;
        let outcome = |admission: Admission| match admission {
            Admission::Admitted(admitted) => {
                let event = admitted.event;
                Ok(sync::Outcome::Stored(sync::Name { device: event.device, seq: event.seq, id: event.id }))
            }
            other => anyhow::bail!("not admitted: {other:?}"),
        };
        admissions.into_iter().map(outcome).collect()
    }
}

fn certified(root: &RootKey, key: &DeviceKey, net: &NetSecret) -> CertChain {
    let subject = Subject { device: key.id(), net: net.id(), caps: Caps::ADMIN, not_before: NOW, cert_seq: 1 };
    CertChain::rooted(root, subject)
}

fn measured<T>(into: &mut f64, work: impl FnOnce() -> T) -> T {
    let (made, took) = cpu(work);
    *into += took;
    made
}

// ---- Automerge -------------------------------------------------------------------------------

/// Two documents of as many changes.
struct Documents {
    a: Automerge,
    b: Automerge,
    tips: Vec<(u64, ChangeHash)>,
    rng: ChaCha20Rng,
}

impl Documents {
    fn with(n: u64) -> anyhow::Result<Self> {
        let mut made =
            Self { a: Automerge::new(), b: Automerge::new(), tips: Vec::new(), rng: ChaCha20Rng::seed_from_u64(3) };
        let changes = made.more(n);
        made.a.apply_changes(changes.clone())?;
        made.b.apply_changes(changes)?;
        Ok(made)
    }

    /// The next changes: each writer in turn, each on top of the one before.
    fn more(&mut self, count: u64) -> Vec<Change> {
        (0..count).map(|_| self.next()).collect()
    }

    fn next(&mut self) -> Change {
        let n = self.tips.last().map_or(0, |(n, _)| n + 1);
        let mut extra_bytes = vec![0; CARRIED];
        self.rng.fill_bytes(&mut extra_bytes);
        extra_bytes[0] = 0x59;
        let change = Change::from(ExpandedChange {
            operations: Vec::new(),
            actor_id: ActorId::from([(n % WRITERS) as u8; 32]),
            hash: None,
            seq: n / WRITERS + 1,
            start_op: NonZeroU64::MIN,
            time: 0,
            message: None,
            deps: self.deps(n),
            extra_bytes,
            author: None,
        });
        self.tips.push((n, change.hash()));
        if self.tips.len() > WRITERS as usize {
            self.tips.remove(0);
        }
        change
    }

    /// The change before, and the writer's own previous one.
    fn deps(&self, n: u64) -> Vec<ChangeHash> {
        let own = self.tips.iter().find(|(at, _)| at + WRITERS == n);
        let mut deps: Vec<_> = self.tips.last().into_iter().chain(own).map(|(_, hash)| *hash).collect();
        deps.sort_unstable();
        deps.dedup();
        deps
    }

    fn reconcile(&mut self, d: u64) -> anyhow::Result<Cost> {
        let changes = self.more(d);
        let events = changes.iter().map(|change| change.raw_bytes().len()).sum();
        self.a.apply_changes(changes)?;
        let mut cost = Cost { events, ..Cost::default() };
        let (mut of_a, mut of_b) = (State::new(), State::new());
        loop {
            let there = measured(&mut cost.protocol, || self.a.generate_sync_message(&mut of_a).map(sync_bytes));
            let back = measured(&mut cost.protocol, || self.b.generate_sync_message(&mut of_b).map(sync_bytes));
            if there.is_none() && back.is_none() {
                break;
            }
            cost.waves += 1;
            for (bytes, document, state) in [(there, &mut self.b, &mut of_b), (back, &mut self.a, &mut of_a)] {
                let Some(bytes) = bytes else { continue };
                cost.bytes += bytes.len();
                measured(&mut cost.protocol, || -> anyhow::Result<()> {
                    Ok(document.receive_sync_message(state, automerge::sync::Message::decode(&bytes)?)?)
                })?;
            }
        }
        anyhow::ensure!(self.a.get_heads() == self.b.get_heads(), "Automerge did not get level");
        Ok(cost)
    }
}

fn sync_bytes(message: automerge::sync::Message) -> Vec<u8> {
    message.encode()
}

// ---- negentropy ------------------------------------------------------------------------------

/// Two sets of ids, ordered by time.
struct Sets {
    all: Vec<(u64, [u8; 32])>,
    behind: NegentropyStorageVector,
    rng: ChaCha20Rng,
}

impl Sets {
    fn with(n: u64) -> anyhow::Result<Self> {
        let mut rng = ChaCha20Rng::seed_from_u64(4);
        let all: Vec<_> = (0..n).map(|at| (NOW + at, id(&mut rng))).collect();
        Ok(Self { behind: storage(&all)?, all, rng })
    }

    fn reconcile(&mut self, d: u64) -> anyhow::Result<Cost> {
        let mut ahead = self.all.clone();
        let from = NOW + ahead.len() as u64;
        ahead.extend((0..d).map(|at| (from + at, id(&mut self.rng))));
        let ahead = storage(&ahead)?;
        let mut cost = Cost::default();
        let (mut have, mut need) = (Vec::new(), Vec::new());
        let (mut client, mut server) = (Negentropy::borrowed(&self.behind, 0)?, Negentropy::borrowed(&ahead, 0)?);
        let mut query = Some(measured(&mut cost.protocol, || client.initiate())?);
        while let Some(asked) = query {
            let answer = measured(&mut cost.protocol, || server.reconcile(&asked))?;
            query = measured(&mut cost.protocol, || client.reconcile_with_ids(&answer, &mut have, &mut need))?;
            cost.waves += 2;
            cost.bytes += asked.len() + answer.len();
        }
        anyhow::ensure!(need.len() as u64 == d && have.is_empty(), "negentropy found something else");
        Ok(cost)
    }
}

fn id(rng: &mut ChaCha20Rng) -> [u8; 32] {
    let mut id = [0; 32];
    rng.fill_bytes(&mut id);
    id
}

fn storage(items: &[(u64, [u8; 32])]) -> anyhow::Result<NegentropyStorageVector> {
    let mut storage = NegentropyStorageVector::with_capacity(items.len());
    items.iter().try_for_each(|(at, id)| storage.insert(*at, Id::from_byte_array(*id)))?;
    storage.seal()?;
    Ok(storage)
}
