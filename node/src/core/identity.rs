//! Who this node is: made once, in one transaction, and read ever after.
//!
//! ```text
//! root ─ certifies ─▶ device (signs events)          three keys, three uses (V2)
//!                     net    (libp2p, named in the device's certificate)
//! identity log   1 join · 2 prekey                   account log   1 join · 2 rekey
//! ```
//!
//! The root's seed stays sealed in the ledger and is not read in daily use.

use rand_core::CryptoRng;
use y7ke_crypto::cert::{Caps, CertChain, Subject};
use y7ke_crypto::codec::Wire;
use y7ke_crypto::ids::{LogId, NetKey, RootId};
use y7ke_crypto::sign::{DeviceKey, NetSecret, RootKey};
use y7ke_ledger::admit::LogSpec;
use y7ke_ledger::body::Body;
use y7ke_ledger::store::{AppendError, Batch, Ledger, StorageError, View};
use zeroize::Zeroizing;

use super::Now;

/// Names of the secrets in the ledger.
const ROOT: &str = "root seed";
const DEVICE: &str = "device seed";
const NET: &str = "net seed";
const CHAIN: &str = "certificate chain";

/// This device, as whom it speaks.
pub(crate) struct Me {
    pub(crate) root: RootId,
    pub(crate) device: DeviceKey,
    pub(crate) net: NetKey,
    pub(crate) net_seed: Zeroizing<[u8; 32]>,
    pub(crate) chain: CertChain,
    pub(crate) identity: LogId,
    pub(crate) account: LogId,
}

/// The identity in `ledger`, or a new one there, durable before this returns.
pub(super) fn load_or_create(ledger: &Ledger, rng: &mut impl CryptoRng, now: Now) -> Result<Me, StorageError> {
    if let Some(me) = load(&ledger.view()?)? {
        return Ok(me);
    }
    let mut batch = ledger.begin(rng)?;
    let me = create(&mut batch, rng, now).map_err(disk_fault)?;
    batch.commit()?;
    Ok(me)
}

fn load(view: &View) -> Result<Option<Me>, StorageError> {
    let Some(device) = seed(view, DEVICE)? else { return Ok(None) };
    let net = seed(view, NET)?.ok_or(damaged("net seed"))?;
    let chain = view.secret(CHAIN)?.ok_or(damaged("certificate chain"))?;
    let chain = CertChain::from_bytes(&chain)?;
    Ok(Some(Me::of(DeviceKey::from_seed(&device), net, chain)))
}

fn create(batch: &mut Batch, rng: &mut impl CryptoRng, now: Now) -> Result<Me, AppendError> {
    let (root, device, net) = (RootKey::generate(rng), DeviceKey::generate(rng), NetSecret::generate(rng));
    let subject =
        Subject { device: device.id(), net: net.id(), caps: Caps::ADMIN, not_before: now.wall_ms, cert_seq: 1 };
    let chain = CertChain::rooted(&root, subject);
    batch.put_secret(ROOT, root.seed().as_slice());
    batch.put_secret(DEVICE, device.seed().as_slice());
    batch.put_secret(NET, net.expose().as_slice());
    batch.put_secret(CHAIN, &chain.to_bytes());
    batch.set_device(device.id())?;
    let me = Me::of(device, Zeroizing::new(*net.expose()), chain);
    found_logs(batch, &me, rng, now)?;
    Ok(me)
}

fn found_logs(batch: &mut Batch, me: &Me, rng: &mut impl CryptoRng, now: Now) -> Result<(), AppendError> {
    for spec in [LogSpec::Identity { root: me.root }, LogSpec::Account { root: me.root }] {
        let log = batch.ensure_log(spec)?;
        batch.append(log, &Body::Join { chain: me.chain.clone() }, now.wall_ms, rng, &me.device)?;
    }
    batch.publish_prekey_if_due(me.identity, now.wall_ms, rng, &me.device)?;
    Ok(())
}

impl Me {
    fn of(device: DeviceKey, net_seed: Zeroizing<[u8; 32]>, chain: CertChain) -> Self {
        let root = chain.root();
        let net = NetSecret::from_bytes(&net_seed).id();
        Self { root, device, net, net_seed, chain, identity: LogId::identity(&root), account: LogId::account(&root) }
    }
}

fn seed(view: &View, name: &str) -> Result<Option<Zeroizing<[u8; 32]>>, StorageError> {
    let Some(bytes) = view.secret(name)? else { return Ok(None) };
    let seed = bytes.as_slice().try_into().ok().ok_or(damaged("seed"))?;
    Ok(Some(Zeroizing::new(seed)))
}

fn damaged(what: &'static str) -> StorageError {
    StorageError::Damaged { what }
}

/// In an empty ledger nothing but the disk can keep a first event out.
fn disk_fault(error: AppendError) -> StorageError {
    match error {
        AppendError::Storage(error) => error,
        _ => damaged("a new identity was not taken by its own ledger"),
    }
}
