//! People with devices, made from one seed.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use y7ke_crypto::boxes::PrekeySecret;
use y7ke_crypto::bundle::{Bundle, DeviceBundle, Prekey};
use y7ke_crypto::cert::{Caps, CertChain, Subject};
use y7ke_crypto::event::{Class, Dep, Header};
use y7ke_crypto::ids::{DeviceId, EpochId, EventId, LogId, NetKey, RequestId, RootId};
use y7ke_crypto::request::{Draft, Opening, Request, SealedRequest};
use y7ke_crypto::sign::{DeviceKey, NetSecret, RootKey, Verified};
use y7ke_crypto::text::{Greeting, Name};

/// 2026-01-01 in milliseconds.
pub const NOW: u64 = 1_767_225_600_000;

pub const DAY: u64 = 86_400_000;

pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub struct Device {
    pub key: DeviceKey,
    pub net: NetSecret,
    pub prekey: PrekeySecret,
    pub chain: CertChain,
}

pub struct Person {
    pub root: RootKey,
    pub devices: Vec<Device>,
}

impl Device {
    pub fn id(&self) -> DeviceId {
        self.key.id()
    }

    pub fn signed_prekey(&self) -> Verified<Prekey> {
        let prekey = Prekey { device: self.id(), created: NOW, public: self.prekey.public() };
        self.key.sign(prekey).unwrap()
    }

    pub fn bundle(&self) -> DeviceBundle {
        DeviceBundle { chain: self.chain.clone(), prekey: self.signed_prekey().into_signed() }
    }
}

impl Person {
    /// The first device is certified by the root, each further one by the one before it, three deep at
    /// most: the chain then begins anew.
    pub fn new(seed: u64, devices: usize) -> Self {
        let mut rng = rng(seed);
        let root = RootKey::generate(&mut rng);
        let mut made: Vec<Device> = Vec::new();
        for n in 0..devices {
            let (key, net) = (DeviceKey::generate(&mut rng), NetSecret::generate(&mut rng));
            let prekey = PrekeySecret::generate(&mut rng);
            let subject = subject(&key, net.id(), n as u64);
            let chain = match made.last() {
                Some(above) if n % 3 != 0 => above.chain.extended(&above.key, subject).unwrap(),
                _ => CertChain::rooted(&root, subject),
            };
            made.push(Device { key, net, prekey, chain });
        }
        Self { root, devices: made }
    }

    pub fn id(&self) -> RootId {
        self.root.id()
    }

    pub fn bundle(&self) -> Bundle {
        Bundle::new(self.id(), self.devices.iter().map(Device::bundle).collect()).unwrap()
    }
}

fn subject(key: &DeviceKey, net: NetKey, cert_seq: u64) -> Subject {
    Subject { device: key.id(), net, caps: Caps::ADMIN, not_before: NOW + cert_seq, cert_seq }
}

pub fn draft(from: &Person, to: &Person) -> Draft {
    Draft {
        req_id: RequestId::from([7; 32]),
        created: NOW,
        expires: NOW + 14 * DAY,
        to_root: to.id(),
        to_bundle: to.bundle().hash(),
        from_bundle: from.bundle(),
        name: Name::new("Ada").unwrap(),
        greeting: Greeting::new("We met in the library.\n").unwrap(),
    }
}

pub fn request(from: &Person, to: &Person) -> Request {
    draft(from, to).sign(&from.devices[0].key).unwrap()
}

pub fn sealed_request(from: &Person, to: &Person) -> SealedRequest {
    request(from, to).seal(&mut rng(90), &to.bundle().verify().unwrap()).unwrap()
}

pub fn opening(from: &Person, to: &Person) -> Opening {
    let checked = request(from, to).check(NOW, &to.id(), |_| true).unwrap();
    checked.accept(to.devices[0].chain.clone())
}

/// A sealed header with two dependencies, own previous included.
pub fn sealed_header(device: DeviceId, other: DeviceId) -> Header {
    let dep = |device, seq, id| Dep { device, seq, id: EventId::from([id; 32]) };
    let mut deps = vec![dep(device, 4, 3), dep(other, 9, 4)];
    deps.sort_unstable();
    Header {
        class: Class::Sealed,
        epoch: EpochId::from([2; 16]),
        chain: 3,
        nonce: std::array::from_fn(|i| i as u8 + 1),
        ..Header::open(LogId::from([1; 32]), device, 5, NOW, deps)
    }
}

pub fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "odd hex");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
