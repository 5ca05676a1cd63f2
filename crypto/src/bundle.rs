//! Bundles: the devices of a person and the prekeys to reach them (C1, K4).
//!
//! ```text
//! prekey   device 32 · created u64 · public 1,216 · sig 64 = Ed25519(device, "y7/prekey/1" ‖ …)   1,320
//! device   chain · prekey
//! bundle   root 32 · u8 n 1..=16 · n × device, ascending by device
//! hash     BLAKE3("y7/bundle/1" ‖ bundle)
//! ```
//!
//! Nobody need be trusted to hand a bundle over: the id that was exchanged is the root key. Whoever hands
//! it over can leave devices out, though; they are learned later, from the identity log.

use thiserror::Error;

use crate::boxes::{PUBLIC_LEN, PrekeyPublic};
use crate::cert::{CertChain, ChainFault, Proven};
use crate::codec::{DecodeError, Reader, Wire, Writer, ascending};
use crate::ids::{BundleHash, DeviceId, PrekeyId, RootId};
use crate::label;
use crate::sign::{BadSignature, Claim, Signed, Verified};

/// Devices of one bundle: what fits a stranger's frame of 64 KiB, chains of four included.
pub const MAX_DEVICES: usize = 16;

/// A device's public prekey, as the device itself publishes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prekey {
    /// Whose it is.
    pub device: DeviceId,
    /// When it was made, in milliseconds since 1970; the newest counts (K4).
    pub created: u64,
    /// What is sealed to.
    pub public: PrekeyPublic,
}

/// A prekey with its device's signature, unchecked.
pub type SignedPrekey = Signed<Prekey>;

/// One device of a bundle, unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceBundle {
    /// From the root to the device.
    pub chain: CertChain,
    /// The device's newest prekey.
    pub prekey: SignedPrekey,
}

/// A person's devices; nothing about them is checked but the layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    root: RootId,
    devices: Vec<DeviceBundle>,
}

/// A device that provably speaks for the bundle's root, and its prekey.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProvenDevice {
    /// Who it is.
    pub proven: Proven,
    /// How to seal to it.
    pub prekey: Verified<Prekey>,
}

/// A bundle that was checked against its root. Only [`Bundle::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProvenBundle {
    /// The person.
    pub root: RootId,
    /// The devices, ascending.
    pub devices: Vec<ProvenDevice>,
    /// What a request to this bundle cites.
    pub hash: BundleHash,
}

/// Why a bundle proves nothing. The fault of whoever made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BundleFault {
    /// No device, or more than [`MAX_DEVICES`].
    #[error("a bundle has 1 to {MAX_DEVICES} devices")]
    Count,
    /// A device stands in it twice.
    #[error("a device stands in the bundle twice")]
    Repeated,
    /// A chain leads to another person.
    #[error("a certificate is another person's")]
    OtherRoot,
    /// A prekey is another device's.
    #[error("a prekey is another device's")]
    OtherDevice,
    /// A chain proves nothing.
    #[error(transparent)]
    Chain(#[from] ChainFault),
    /// A prekey's signature is not its device's.
    #[error(transparent)]
    BadSignature(#[from] BadSignature),
}

impl Prekey {
    /// The name of the prekey.
    pub fn id(&self) -> PrekeyId {
        self.public.id()
    }
}

impl Claim for Prekey {
    fn signer(&self) -> [u8; 32] {
        self.device.into_bytes()
    }

    fn message(&self) -> Vec<u8> {
        label::message(label::PREKEY, &[&self.to_bytes()])
    }
}

impl Bundle {
    /// The bundle of these devices, in any order.
    pub fn new(root: RootId, mut devices: Vec<DeviceBundle>) -> Result<Self, BundleFault> {
        devices.sort_by_key(|device| device.chain.device());
        if devices.is_empty() || devices.len() > MAX_DEVICES {
            return Err(BundleFault::Count);
        }
        if !in_order(&devices) {
            return Err(BundleFault::Repeated);
        }
        Ok(Self { root, devices })
    }

    /// The person that the bundle speaks of, unproven.
    pub fn root(&self) -> RootId {
        self.root
    }

    /// The devices, ascending, unproven.
    pub fn devices(&self) -> &[DeviceBundle] {
        &self.devices
    }

    /// What a request cites.
    pub fn hash(&self) -> BundleHash {
        BundleHash::from(label::hash(label::BUNDLE, &[&self.to_bytes()]))
    }

    /// Checks every chain and prekey against the root.
    pub fn verify(&self) -> Result<ProvenBundle, BundleFault> {
        let devices = self.devices.iter().map(|device| device.verify(&self.root)).collect::<Result<_, _>>()?;
        Ok(ProvenBundle { root: self.root, devices, hash: self.hash() })
    }
}

impl DeviceBundle {
    fn verify(&self, root: &RootId) -> Result<ProvenDevice, BundleFault> {
        if self.chain.root() != *root {
            return Err(BundleFault::OtherRoot);
        }
        if self.prekey.claim.device != self.chain.device() {
            return Err(BundleFault::OtherDevice);
        }
        Ok(ProvenDevice { proven: self.chain.verify()?, prekey: self.prekey.clone().verify()? })
    }
}

impl ProvenBundle {
    /// One device of the bundle.
    pub fn device(&self, device: &DeviceId) -> Option<&ProvenDevice> {
        self.devices.iter().find(|of| of.proven.device == *device)
    }
}

impl Wire for Prekey {
    const WHAT: &'static str = "prekey";
    const CAP: usize = 32 + 8 + PUBLIC_LEN;

    fn write(&self, to: &mut Writer) {
        to.put(&self.device).u64(self.created).put(&self.public);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { device: from.get()?, created: from.u64()?, public: from.get()? })
    }
}

impl Wire for DeviceBundle {
    const WHAT: &'static str = "bundle";
    const CAP: usize = CertChain::CAP + SignedPrekey::CAP;

    fn write(&self, to: &mut Writer) {
        to.put(&self.chain).put(&self.prekey);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { chain: from.get()?, prekey: from.get()? })
    }
}

impl Wire for Bundle {
    const WHAT: &'static str = "bundle";
    const CAP: usize = 32 + 1 + MAX_DEVICES * DeviceBundle::CAP;

    fn write(&self, to: &mut Writer) {
        to.put(&self.root).u8(u8::try_from(self.devices.len()).expect("new() refuses a seventeenth device"));
        self.devices.iter().for_each(|device| device.write(to));
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let root = from.get()?;
        let count = usize::from(from.u8()?);
        from.cap(count, MAX_DEVICES)?;
        let devices: Vec<DeviceBundle> = (0..count).map(|_| from.get()).collect::<Result<_, _>>()?;
        from.require(!devices.is_empty() && in_order(&devices))?;
        Ok(Self { root, devices })
    }
}

fn in_order(devices: &[DeviceBundle]) -> bool {
    ascending(devices.iter().map(|device| device.chain.device()))
}
