//! What hostile bytes cannot do by chance: certificates, signatures, hashes and seals, made good with fixed keys.
//!
//! What else the bytes say stays as it is, so the rules behind the signatures are reached. The rules are
//! written down a second time here, plainly, and both must agree.

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use zeroize::Zeroizing;

use crate::boxes::PrekeySecret;
use crate::bundle::{Bundle, DeviceBundle};
use crate::cert::{CertChain, DeviceCert, Issuer};
use crate::codec::{Wire, Writer};
use crate::request::{Draft, MAX_LIFE_MS, Opening, Request};
use crate::sign::{DeviceKey, RootKey};
use crate::vault::{Cost, Dek, Entry, VaultFile};

pub(super) fn root(person: u8) -> RootKey {
    RootKey::from_seed(&[0x80 ^ person; 32])
}

/// The key of link `at` in the chain of device `n` of a person.
pub(super) fn device(person: u8, n: usize, at: usize) -> DeviceKey {
    let mut seed = [person; 32];
    (seed[1], seed[2]) = (n.to_le_bytes()[0], at.to_le_bytes()[0]);
    DeviceKey::from_seed(&seed)
}

/// The key of the device that the mended chain speaks of.
pub(super) fn holder(chain: &CertChain, person: u8, n: usize) -> DeviceKey {
    device(person, n, chain.links().len() - 1)
}

/// The same bytes in every run: a body must not depend on chance.
pub(super) struct Fixed(blake3::OutputReader);

pub(super) fn rng() -> Fixed {
    Fixed(blake3::Hasher::new().finalize_xof())
}

impl TryRng for Fixed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(dst);
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}

pub(super) fn prekey() -> PrekeySecret {
    PrekeySecret::from_bytes(&[4; 32])
}

pub(super) const PASSPHRASE: &str = "words";

/// A vault with a slot of each kind, and what opens them.
pub(super) struct Vault {
    pub(super) bytes: Vec<u8>,
    pub(super) dek: Dek,
    pub(super) entry: Entry,
    pub(super) key: Zeroizing<[u8; 32]>,
}

impl Vault {
    pub(super) fn new() -> Self {
        let mut rng = rng();
        let (vault, dek) = VaultFile::with_file_slot(&mut rng);
        let made = vault.rewrapped_by_keyring(&mut rng, &dek).expect("its own key");
        let (mut vault, entry, key) = made;
        let cheap = Cost { memory_kib: 8, passes: 1, lanes: 1 };
        vault.add_passphrase(&mut rng, &dek, PASSPHRASE, cheap).expect("its own key");
        vault.add_file_slot(&mut rng, &dek).expect("its own key");
        Self { bytes: vault.to_bytes(), dek, entry, key }
    }
}

/// Each link of a chain issued and signed by the one before it, the first by the person's root.
pub(super) fn chain(chain: &CertChain, person: u8, n: usize) -> CertChain {
    let mut mended = Writer::new();
    mended.u8(u8::try_from(chain.links().len()).expect("a chain is short"));
    for (at, link) in chain.links().iter().enumerate() {
        let mut cert: DeviceCert = link.claim;
        cert.root = root(person).id();
        cert.subject.device = device(person, n, at).id();
        let signed = if at == 0 {
            cert.issuer = Issuer::Root;
            root(person).sign(cert)
        } else {
            let above = device(person, n, at - 1);
            cert.issuer = Issuer::Device(above.id());
            above.sign(cert)
        };
        mended.put(signed.expect("the issuer is the key's own id").as_signed());
    }
    CertChain::from_bytes(&mended.into_bytes()).expect("links that were read can be read")
}

/// Whether a mended chain proves its device: admins above, times that do not run back, no key used twice.
pub(super) fn is_sound(chain: &CertChain) -> bool {
    let links: Vec<_> = chain.links().iter().map(|link| link.claim.subject).collect();
    let by_admins = links[..links.len() - 1].iter().all(|subject| subject.caps.is_admin());
    let in_time = links.windows(2).all(|pair| pair[0].not_before <= pair[1].not_before);
    let mut keys: Vec<[u8; 32]> = vec![chain.root().into_bytes()];
    for subject in &links {
        for key in [subject.device.into_bytes(), subject.net.into_bytes()] {
            if keys.contains(&key) {
                return false;
            }
            keys.push(key);
        }
    }
    by_admins && in_time
}

/// A bundle with its chains mended and its prekeys signed by their devices.
pub(super) fn bundle(bundle: &Bundle, person: u8) -> Bundle {
    let devices = bundle.devices().iter().enumerate().map(|(n, of)| {
        let chain = chain(&of.chain, person, n);
        let key = holder(&chain, person, n);
        let mut prekey = of.prekey.claim.clone();
        prekey.device = key.id();
        let prekey = key.sign(prekey).expect("its own device").into_signed();
        DeviceBundle { chain, prekey }
    });
    Bundle::new(root(person).id(), devices.collect()).expect("as many devices as were read, each another one")
}

/// A request of the first device of the bundle inside it, everything signed.
pub(super) fn request(request: &Request) -> Request {
    let from_bundle = bundle(&request.from_bundle, 1);
    let key = holder(&request.from_bundle.devices()[0].chain, 1, 0);
    let core = request.core.claim;
    let draft = Draft {
        req_id: core.req_id,
        created: core.created,
        expires: core.expires,
        to_root: core.to_root,
        to_bundle: core.to_bundle,
        from_bundle,
        name: request.name.clone(),
        greeting: request.greeting.clone(),
    };
    draft.sign(&key).expect("a device of the bundle")
}

/// Whether a mended request is taken at the time of its creation.
pub(super) fn is_taken(request: &Request) -> bool {
    let core = request.core.claim;
    let lives = core.expires - core.created <= MAX_LIFE_MS;
    let chains = request.from_bundle.devices().iter().all(|device| is_sound(&device.chain));
    lives && chains && core.from_root != core.to_root
}

/// An opening between two mended people.
pub(super) fn opening(opening: &Opening) -> Opening {
    let (requester, opener) = (chain(&opening.requester, 1, 0), chain(&opening.opener, 2, 0));
    let key = holder(&requester, 1, 0);
    let mut core = opening.core.claim;
    (core.from_root, core.to_root, core.from_device) = (requester.root(), opener.root(), key.id());
    Opening { core: key.sign(core).expect("the asking device").into_signed(), requester, opener }
}
