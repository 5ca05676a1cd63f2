//! What is ingested: a conversation that one device of the other person wrote, as it travels.

use ed25519_zebra::{Signature, VerificationKeyBytes};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use y7ke_crypto::bundle::Prekey;
use y7ke_crypto::cert::{Caps, CertChain, Subject};
use y7ke_crypto::clock::Clock;
use y7ke_crypto::codec::Wire;
use y7ke_crypto::epoch::KeyBox;
use y7ke_crypto::event::WireEvent;
use y7ke_crypto::ids::{BundleHash, DeviceId, LogId, RequestId};
use y7ke_crypto::request::{Opening, RequestCore};
use y7ke_crypto::sign::{Claim, DeviceKey, NetSecret, RootKey, Signed, Verified};
use y7ke_crypto::vault::VaultFile;
use y7ke_ledger::Event;
use y7ke_ledger::admit::LogSpec;
use y7ke_ledger::body::Body;
use y7ke_ledger::store::{Ledger, Storage, SubKeys};

const NOW: u64 = 1_790_000_000_000;
/// Of one of sync's frames.
const FRAME_EVENTS: usize = 512;
const FRAME_BYTES: usize = 1_024 * 1_024;
/// Appended in one transaction.
const ROUND: usize = 1_000;

/// A device of a person, everything from one small number.
struct Person {
    root: RootKey,
    key: DeviceKey,
    chain: CertChain,
}

impl Person {
    fn new(n: u8) -> Self {
        let (root, key) = (RootKey::from_seed(&[n; 32]), DeviceKey::from_seed(&[n + 64; 32]));
        let net = NetSecret::from_bytes(&[n + 128; 32]).id();
        let subject = Subject { device: key.id(), net, caps: Caps::ADMIN, not_before: NOW, cert_seq: 1 };
        let chain = CertChain::rooted(&root, subject);
        Self { root, key, chain }
    }

    /// A log with this device's prekey in it, the same every time.
    fn at_home(&self, storage: Storage, spec: LogSpec) -> anyhow::Result<(Ledger, Verified<Prekey>)> {
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        let ledger = Ledger::open(storage, sub_keys())?;
        let mut batch = ledger.begin(&mut rng)?;
        batch.ensure_log(spec)?;
        let identity = batch.ensure_log(LogSpec::Identity { root: self.root.id() })?;
        batch.append(identity, &Body::Join { chain: self.chain.clone() }, NOW, &mut rng, &self.key)?;
        let published = batch.publish_prekey_if_due(identity, NOW, &mut rng, &self.key)?;
        let published = published.ok_or_else(|| anyhow::anyhow!("a first prekey is due"))?;
        let Some(Body::Prekey(prekey)) = batch.open_body(&published.id)? else { anyhow::bail!("a prekey") };
        batch.commit()?;
        Ok((ledger, prekey.verify()?))
    }
}

/// An event and its boxes, as they travel.
#[derive(Clone)]
pub(crate) struct Parcel {
    pub(crate) bytes: Vec<u8>,
    pub(crate) boxes: Vec<KeyBox>,
}

pub(crate) struct Script {
    spec: LogSpec,
    reader: Person,
    writer: Person,
    frames: Vec<Vec<Parcel>>,
    heads: [u8; 32],
}

impl Script {
    /// Writes `count` events: an opening, a rekey per 100, the rest texts.
    pub(crate) fn write(count: usize) -> anyhow::Result<Self> {
        let (reader, writer) = (Person::new(1), Person::new(2));
        let request = RequestId::from([1; 32]);
        let spec = LogSpec::conversation(reader.root.id(), writer.root.id(), request);
        let prekey = reader.at_home(Storage::memory(), spec)?.1;
        let (ledger, own) = writer.at_home(Storage::memory(), spec)?;
        compose(&ledger, spec, &reader, &writer, &[&prekey, &own], count)?;
        let frames = frames_of(&ledger, &spec.id())?;
        let heads = ledger.view()?.heads_digest(&spec.id())?;
        Ok(Self { spec, reader, writer, frames, heads })
    }

    /// How many events there are.
    pub(crate) fn count(&self) -> usize {
        self.frames.iter().map(Vec::len).sum()
    }

    /// All of it, in sync's frames.
    pub(crate) fn frames(&self) -> &[Vec<Parcel>] {
        &self.frames
    }

    /// Whose device sends it.
    pub(crate) fn sender(&self) -> DeviceId {
        self.writer.key.id()
    }

    /// An empty log of the reader, who waits for this conversation.
    pub(crate) fn reader(&self, storage: Storage) -> anyhow::Result<Ledger> {
        Ok(self.reader.at_home(storage, self.spec)?.0)
    }

    /// Whether a log has taken everything in and can read it.
    pub(crate) fn check(&self, ledger: &Ledger, taken: usize) -> anyhow::Result<()> {
        anyhow::ensure!(taken == self.count(), "all of them are admissible, {taken} were taken");
        let view = ledger.view()?;
        anyhow::ensure!(view.heads_digest(&self.spec.id())? == self.heads, "the heads are those of the writer");
        anyhow::ensure!(view.unopened(&self.spec.id())?.is_empty(), "everything was opened");
        Ok(())
    }

    /// What is signed, by whom, and the signatures.
    pub(crate) fn signatures(&self) -> anyhow::Result<Vec<(VerificationKeyBytes, Signature, Vec<u8>)>> {
        let wires = self.frames.iter().flatten().map(|parcel| WireEvent::from_bytes(&parcel.bytes));
        let triple = |wire| {
            let Signed { claim, sig } = Event::from_wire(wire);
            (claim.signer().into(), Signature::from_bytes(&sig), claim.message())
        };
        Ok(wires.map(|wire| wire.map(triple)).collect::<Result<_, _>>()?)
    }
}

fn sub_keys() -> SubKeys {
    SubKeys::new(&VaultFile::with_file_slot(&mut ChaCha20Rng::seed_from_u64(1)).1)
}

fn opening(asker: &Person, asked: &Person, req_id: RequestId) -> anyhow::Result<Body> {
    let core = RequestCore {
        req_id,
        created: NOW,
        expires: NOW + 1_000,
        from_root: asker.root.id(),
        to_root: asked.root.id(),
        from_device: asker.key.id(),
        to_bundle: BundleHash::from([1; 32]),
        from_bundle: BundleHash::from([2; 32]),
        details: [3; 32],
    };
    let core = asker.key.sign(core)?.into_signed();
    Ok(Body::Opening(Box::new(Opening { core, requester: asker.chain.clone(), opener: asked.chain.clone() })))
}

fn compose(
    ledger: &Ledger,
    spec: LogSpec,
    reader: &Person,
    writer: &Person,
    members: &[&Verified<Prekey>],
    count: usize,
) -> anyhow::Result<()> {
    let LogSpec::Conversation { request, .. } = spec else { anyhow::bail!("a conversation") };
    let (log, key) = (spec.id(), &writer.key);
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let (mut written, mut now) = (1, NOW);
    let mut batch = ledger.begin(&mut rng)?;
    batch.append(log, &opening(reader, writer, request)?, now, &mut rng, key)?;
    while written < count {
        now += 40;
        let outcome = batch.ensure_epoch(log, members, now, &mut rng, key)?;
        written += usize::from(matches!(outcome, y7ke_ledger::store::EpochOutcome::Renewed { .. }));
        if written < count {
            let text = format!("message {written} {}", "and a few words more ".repeat(written % 6));
            batch.append(log, &Body::Text { text, reply_to: None }, now, &mut rng, key)?;
            written += 1;
        }
        if written % ROUND == 0 {
            batch.commit()?;
            batch = ledger.begin(&mut rng)?;
        }
    }
    Ok(batch.commit()?)
}

/// As sync reads and sends it.
fn frames_of(ledger: &Ledger, log: &LogId) -> anyhow::Result<Vec<Vec<Parcel>>> {
    let view = ledger.view()?;
    let mut frames = Vec::new();
    let mut wants = Clock::new().lacks(&view.clock(log)?);
    loop {
        let page = view.events_between(log, &wants, FRAME_EVENTS, FRAME_BYTES)?;
        if let (Some(last), Some(want)) = (page.items.last(), wants.first_mut()) {
            want.from = last.event.seq + 1;
        }
        let parcels = page.items.into_iter().map(|item| Parcel { bytes: item.wire.to_bytes(), boxes: item.boxes });
        frames.push(parcels.collect());
        if !page.more {
            return Ok(frames);
        }
    }
}
