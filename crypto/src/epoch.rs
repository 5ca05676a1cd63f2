//! Epochs and sender chains: who can read what, and how keys are forgotten (K1, K2).
//!
//! ```text
//! rekey    generation u64 ≥ 1 · commitment 32 · u32 n 1..=128 · n × ( device 32 · prekey 16 · box hash 32 )
//!          ascending by device; the body of an open event, whose id names the epoch
//! box      device 32 · HPKE(prekey, secret) 1,168           detached, hash = BLAKE3("y7/box-hash/1" ‖ HPKE part)
//!          info = "y7/box/1" ‖ log ‖ generation ‖ author ‖ device ‖ prekey ‖ members ‖ commitment
//! members  BLAKE3("y7/members/1" ‖ n × ( device ‖ prekey ))
//! commitment = HKDF(salt log, secret, "y7/commit/1")
//!
//! secret ──▶ CK₀[d] = HKDF(salt log, secret, "y7/chain/1" ‖ epoch ‖ d)   for every member at once, then erased
//! CKᵢ ──▶ EKᵢ = HKDF(CKᵢ, "y7/ek/1")        seals event i of this author in this epoch
//!     └─▶ CKᵢ₊₁ = HKDF(CKᵢ, "y7/ck/1")      CKᵢ is consumed: `step` takes it by value
//! ```
//!
//! Invariants: the commitment makes every member derive the same secret or none; a box opens only for
//! the rekey that lists it; a chain has 1,024 keys and no way back.

use std::collections::BTreeMap;

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::boxes::{self, OVERHEAD, Opener, PrekeySecret};
use crate::bundle::Prekey;
use crate::codec::{DecodeError, Reader, Wire, Writer, ascending};
use crate::event::EventKey;
use crate::ids::{DeviceId, EpochId, LogId, PrekeyId};
use crate::label;
use crate::secret::{random, secret};
use crate::sign::Verified;

/// Member devices of an epoch: each costs 1,248 bytes per rekey, 160 KB in all.
pub const MAX_MEMBERS: usize = 128;

/// Events of one author in one epoch (K2): the most that one stolen chain key opens.
pub const MAX_CHAIN: u32 = 1_024;

/// Length of the HPKE part of a box in bytes.
pub const BOX_LEN: usize = OVERHEAD + 32;

/// One member of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// The device.
    pub device: DeviceId,
    /// The prekey that its box is sealed to.
    pub prekey: PrekeyId,
    /// Hash of its box.
    pub box_hash: [u8; 32],
}

/// The body of the event that begins an epoch (K1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rekey {
    /// 1 + the greatest in the event's causal past.
    pub generation: u64,
    /// Binds all boxes to one secret.
    pub commitment: [u8; 32],
    /// Who can read, ascending by device.
    pub members: Vec<Member>,
}

/// An epoch's secret sealed to one member; travels beside its rekey event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyBox {
    /// The addressee.
    pub device: DeviceId,
    /// HPKE to the addressee's prekey.
    pub sealed: Box<[u8; BOX_LEN]>,
}

secret!(
    /// What all chains of an epoch grow from; erased as soon as they did (K2).
    EpochSecret, 32
);

/// A freshly made epoch: the body to append, the boxes to send, the secret to derive from.
#[derive(Debug)]
pub struct NewEpoch {
    /// The body of the rekey event.
    pub rekey: Rekey,
    /// One per member, ascending by device.
    pub boxes: Vec<KeyBox>,
    /// To be turned into chains once the event has its id.
    pub secret: EpochSecret,
}

/// The next key of one author's chain in one epoch.
#[derive(zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
pub struct ChainKey {
    key: [u8; 32],
    index: u32,
}

/// An epoch cannot be made like this. Our own caller's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RekeyFault {
    /// No member, or more than [`MAX_MEMBERS`].
    #[error("an epoch has 1 to {MAX_MEMBERS} members")]
    Count,
    /// A device is listed twice.
    #[error("a device is a member twice")]
    Repeated,
    /// Generations begin at 1.
    #[error("generations begin at 1")]
    NoGeneration,
}

/// Why a box yields no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BoxFault {
    /// The rekey does not list this device: it is not meant to read.
    #[error("this device is not a member of the epoch")]
    NotMember,
    /// Sealed to another prekey of this device: try that one.
    #[error("the box is sealed to another prekey")]
    OtherPrekey,
    /// Not the box that the rekey lists: the fault of whoever sent the bytes, ask somebody else.
    #[error("not the box that the rekey lists")]
    OtherBox,
    /// The listed box does not open: the author's fault.
    #[error("the box does not open")]
    Broken,
    /// The secret is not the one that the rekey commits to: the author's fault.
    #[error("the secret is not what the rekey commits to")]
    BrokenCommitment,
}

/// What a box is bound to besides its addressee.
struct Circumstances<'a> {
    log: &'a LogId,
    generation: u64,
    author: &'a DeviceId,
    members: [u8; 32],
    commitment: [u8; 32],
}

impl Circumstances<'_> {
    fn info(&self, device: &DeviceId, prekey: &PrekeyId) -> Vec<u8> {
        let mut info = Writer::new();
        info.raw(label::BOX.as_bytes()).put(self.log).u64(self.generation).put(self.author);
        info.put(device).put(prekey).raw(&self.members).raw(&self.commitment);
        info.into_bytes()
    }
}

/// Makes an epoch for these devices: a fresh secret, boxed to the prekey of each.
pub fn make_rekey(
    rng: &mut impl CryptoRng,
    log: &LogId,
    generation: u64,
    author: &DeviceId,
    members: &[&Verified<Prekey>],
) -> Result<NewEpoch, RekeyFault> {
    let members = sorted(generation, members)?;
    let secret = EpochSecret(random(rng));
    let names = members.iter().map(|prekey| (prekey.device, prekey.id()));
    let commitment = secret.commitment(log);
    let bound = Circumstances { log, generation, author, members: members_hash(names), commitment };
    let boxes: Vec<KeyBox> = members.iter().map(|prekey| seal_box(rng, &bound, prekey, &secret)).collect();
    let listed = members.iter().zip(&boxes).map(|(prekey, sealed)| Member {
        device: prekey.device,
        prekey: prekey.id(),
        box_hash: sealed.hash(),
    });
    let rekey = Rekey { generation, commitment, members: listed.collect() };
    Ok(NewEpoch { rekey, boxes, secret })
}

fn sorted<'a>(generation: u64, members: &[&'a Verified<Prekey>]) -> Result<Vec<&'a Verified<Prekey>>, RekeyFault> {
    let mut members = members.to_vec();
    members.sort_by_key(|prekey| prekey.device);
    if members.is_empty() || members.len() > MAX_MEMBERS {
        return Err(RekeyFault::Count);
    }
    if !ascending(members.iter().map(|prekey| prekey.device)) {
        return Err(RekeyFault::Repeated);
    }
    if generation == 0 { Err(RekeyFault::NoGeneration) } else { Ok(members) }
}

fn seal_box(rng: &mut impl CryptoRng, bound: &Circumstances<'_>, to: &Prekey, secret: &EpochSecret) -> KeyBox {
    let info = bound.info(&to.device, &to.id());
    let sealed = boxes::seal(rng, &to.public, &info, &[], secret.expose());
    let sealed = sealed.try_into().expect("32 bytes and the box's overhead");
    KeyBox { device: to.device, sealed: Box::new(sealed) }
}

/// An epoch of one member, `with`'s, whose box holds `secret`; with `broken`, it commits to another one. For fuzz
/// bodies: no honest rekey chooses its secret.
pub(crate) fn boxed(
    rng: &mut impl CryptoRng,
    log: &LogId,
    author: &DeviceId,
    with: &PrekeySecret,
    secret: &[u8; 32],
    broken: bool,
) -> (Rekey, KeyBox) {
    let (device, prekey) = (*author, with.id());
    let mut commitment = EpochSecret::from_bytes(secret).commitment(log);
    commitment[0] ^= u8::from(broken);
    let mut rekey = Rekey { generation: 1, commitment, members: vec![Member { device, prekey, box_hash: [0; 32] }] };
    let info = rekey.bound(log, author).info(&device, &prekey);
    let sealed = boxes::seal(rng, &with.public(), &info, &[], secret);
    let sealed = KeyBox { device, sealed: Box::new(sealed.try_into().expect("32 bytes and the box's overhead")) };
    rekey.members[0].box_hash = sealed.hash();
    (rekey, sealed)
}

/// Opens this device's box of an epoch: membership, prekey, hash, seal, commitment.
pub fn open_box(
    log: &LogId,
    author: &DeviceId,
    rekey: &Rekey,
    with: &PrekeySecret,
    sealed: &KeyBox,
) -> Result<EpochSecret, BoxFault> {
    open_box_by(log, author, rekey, &Opener::of(with), sealed)
}

/// The same, for who opens many.
pub fn open_box_by(
    log: &LogId,
    author: &DeviceId,
    rekey: &Rekey,
    with: &Opener,
    sealed: &KeyBox,
) -> Result<EpochSecret, BoxFault> {
    let member = rekey.member(&sealed.device).ok_or(BoxFault::NotMember)?;
    if member.prekey != with.id() {
        return Err(BoxFault::OtherPrekey);
    }
    if member.box_hash != sealed.hash() {
        return Err(BoxFault::OtherBox);
    }
    let info = rekey.bound(log, author).info(&member.device, &member.prekey);
    let opened = with.open(&info, &[], sealed.sealed.as_slice()).ok().ok_or(BoxFault::Broken)?;
    let secret = opened.as_slice().try_into().ok().map(EpochSecret::from_bytes).ok_or(BoxFault::Broken)?;
    let kept = bool::from(secret.commitment(log).ct_eq(&rekey.commitment));
    if kept { Ok(secret) } else { Err(BoxFault::BrokenCommitment) }
}

impl Rekey {
    /// What it says of one device.
    pub fn member(&self, device: &DeviceId) -> Option<&Member> {
        let at = self.members.binary_search_by_key(device, |member| member.device).ok()?;
        self.members.get(at)
    }

    /// Its members, ascending.
    pub fn devices(&self) -> impl Iterator<Item = DeviceId> {
        self.members.iter().map(|member| member.device)
    }

    fn bound<'a>(&self, log: &'a LogId, author: &'a DeviceId) -> Circumstances<'a> {
        let names = self.members.iter().map(|member| (member.device, member.prekey));
        let (generation, commitment) = (self.generation, self.commitment);
        Circumstances { log, generation, author, members: members_hash(names), commitment }
    }
}

impl KeyBox {
    /// What the rekey lists.
    pub fn hash(&self) -> [u8; 32] {
        label::hash(label::BOX_HASH, &[self.sealed.as_slice()])
    }
}

impl EpochSecret {
    /// Grows the first key of every member's chain and erases the secret (K2).
    pub fn into_chains(
        self,
        log: &LogId,
        epoch: &EpochId,
        devices: impl IntoIterator<Item = DeviceId>,
    ) -> BTreeMap<DeviceId, ChainKey> {
        let chains = devices.into_iter().map(|device| (device, self.chain(log, epoch, &device)));
        chains.collect()
    }

    fn chain(&self, log: &LogId, epoch: &EpochId, device: &DeviceId) -> ChainKey {
        let fields: [&[u8]; 2] = [epoch.as_bytes(), device.as_bytes()];
        ChainKey { key: *label::derive(Some(log.as_bytes()), &self.0, label::CHAIN, &fields), index: 0 }
    }

    fn commitment(&self, log: &LogId) -> [u8; 32] {
        *label::derive(Some(log.as_bytes()), &self.0, label::COMMIT, &[])
    }
}

impl ChainKey {
    /// Length of [`ChainKey::expose`] in bytes.
    pub const LEN: usize = 36;

    /// Which event of the chain comes next, from 0.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The key of event [`ChainKey::index`], and the rest of the chain unless that was its last.
    /// This key is consumed, so an earlier event key cannot be made again (K2).
    pub fn step(self) -> (EventKey, Option<Self>) {
        let half = label::Extracted::of(None, &self.key);
        let event = EventKey::from_bytes(&half.expand(label::EVENT_KEY, &[]));
        let next = self.index + 1;
        let rest = (next < MAX_CHAIN).then(|| Self { key: *half.expand(label::CHAIN_KEY, &[]), index: next });
        (event, rest)
    }

    /// Takes a chain over out of the store; `None` if it is none.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Option<Self> {
        let (key, index) = bytes.split_first_chunk::<32>()?;
        let index = u32::from_le_bytes(index.try_into().ok()?);
        (index < MAX_CHAIN).then_some(Self { key: *key, index })
    }

    /// Shows key and index, to be sealed at once.
    pub fn expose(&self) -> Zeroizing<[u8; Self::LEN]> {
        let mut bytes = Zeroizing::new([0; Self::LEN]);
        bytes[..32].copy_from_slice(&self.key);
        bytes[32..].copy_from_slice(&self.index.to_le_bytes());
        bytes
    }
}

impl std::fmt::Debug for ChainKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChainKey(… at {})", self.index)
    }
}

impl Wire for Member {
    const WHAT: &'static str = "rekey";
    const CAP: usize = 80;

    fn write(&self, to: &mut Writer) {
        to.put(&self.device).put(&self.prekey).raw(&self.box_hash);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { device: from.get()?, prekey: from.get()?, box_hash: from.array()? })
    }
}

impl Wire for Rekey {
    const WHAT: &'static str = "rekey";
    const CAP: usize = 8 + 32 + 4 + MAX_MEMBERS * Member::CAP;

    fn write(&self, to: &mut Writer) {
        to.u64(self.generation).raw(&self.commitment).list(&self.members);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let rekey = Self { generation: from.u64()?, commitment: from.array()?, members: from.list(MAX_MEMBERS)? };
        from.require(rekey.generation > 0 && !rekey.members.is_empty() && ascending(rekey.devices()))?;
        Ok(rekey)
    }
}

impl Wire for KeyBox {
    const WHAT: &'static str = "key box";
    const CAP: usize = 32 + BOX_LEN;

    fn write(&self, to: &mut Writer) {
        to.put(&self.device).raw(self.sealed.as_slice());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { device: from.get()?, sealed: Box::new(from.array()?) })
    }
}

fn members_hash(members: impl Iterator<Item = (DeviceId, PrekeyId)>) -> [u8; 32] {
    let mut fields = Writer::new();
    for (device, prekey) in members {
        fields.put(&device).put(&prekey);
    }
    label::hash(label::MEMBERS, &[&fields.into_bytes()])
}
