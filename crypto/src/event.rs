//! The event: the one thing that logs are made of (E).
//!
//! ```text
//! header   ver u8 = 1 · suite u8 · class u8 (0 open, 1 sealed)                                    3
//!          log 32 · epoch 16 · device 32 · seq u64 ≥ 1 · chain u32 · hlc u64                    103
//!          nonce 24 · key_commit 16 · n u8 ≤ 16 · n × ( device 32 · seq u64 ≥ 1 · id 32 )       144 + 72 n
//!          dependencies ascending by device, one per device
//! event    header · sig 64 · tag u8 ( 1 full: u32 length · ct | 0 hollow: BLAKE3(ct) 32 )
//! sealed   ct = XChaCha20-Poly1305(event key, nonce, body ‖ 80 ‖ 00…, aad = header)
//! open     ct = the body itself; epoch, chain, nonce and key_commit are zero; never hollow (D2)
//! content  BLAKE3("y7/event/1" ‖ u32 length · header ‖ BLAKE3(ct)), stands behind 59 in the change's extra bytes
//! sig      Ed25519(device, "y7/sig/1" ‖ event id)
//! ```
//!
//! Invariants: the header layout is frozen across versions and suites. An unknown suite decodes, is
//! stored and has no effect (E4); an unknown version is refused. The id covers the *hash* of the body,
//! so a hollow event keeps its id and its signature.

use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::{Aead, KeyInit, Payload as Sealing};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::codec::{DecodeError, Reader, Wire, Writer, ascending};
use crate::ids::{BodyHash, DeviceId, EpochId, EventId, LogId};
use crate::label;
use crate::secret::secret;
use crate::sign::SIG_LEN;

/// The version of the header layout.
pub const VERSION: u8 = 1;

/// The suite that this crate seals with.
pub const SUITE: u8 = 1;

/// Dependencies of one event: heads above this are bridged by the next event (E2).
pub const MAX_DEPS: usize = 16;

/// Lengths in bytes that a padded body can have (E6): few, so that a length says little.
pub const BUCKETS: [usize; 5] = [256, 1_024, 4_096, 16_384, 69_632];

/// Longest body before padding: the greatest bucket less the padding mark. A text of 65,536 bytes fits
/// with 4 KiB to spare for what stands around it.
pub const MAX_BODY: usize = BUCKETS[4] - 1;

/// Longest body of an open event in bytes.
pub const MAX_OPEN: usize = BUCKETS[4];

/// Longest `ct` in bytes: the greatest bucket and its tag.
pub const MAX_CT: usize = BUCKETS[4] + TAG_LEN;

/// Poly1305 tag in bytes.
const TAG_LEN: usize = 16;

/// Header without dependencies, in bytes.
const HEADER_FIXED: usize = 144;

/// Who can read the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Every holder of the log.
    Open,
    /// The members of the epoch.
    Sealed,
}

/// An event that the author had seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dep {
    /// Its author.
    pub device: DeviceId,
    /// Its number.
    pub seq: u64,
    /// Its id.
    pub id: EventId,
}

/// What is known of an event without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Of algorithms; [`SUITE`] or unknown (E4).
    pub suite: u8,
    /// Who can read the body.
    pub class: Class,
    /// The log it belongs to.
    pub log: LogId,
    /// The epoch whose keys seal it; zero if open.
    pub epoch: EpochId,
    /// Its author.
    pub device: DeviceId,
    /// The author's count of own events in this log, from 1.
    pub seq: u64,
    /// Index in the author's chain of this epoch, from 0; zero if open.
    pub chain: u32,
    /// Hybrid logical clock in milliseconds (E5).
    pub hlc: u64,
    /// Random; zero if open.
    pub nonce: [u8; 24],
    /// Binds the ciphertext to one key (E6); zero if open.
    pub key_commit: [u8; 16],
    /// Heads that the author saw, own previous event included, ascending by device (E2).
    pub deps: Vec<Dep>,
}

/// The body of an event, or what is left of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// As it travels: sealed and padded, or open.
    Full(Vec<u8>),
    /// Deleted or missing (D2): the hash that the id covers.
    Hollow(BodyHash),
}

/// An event as it travels; nothing about it is checked but its layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireEvent {
    /// What is known without the body.
    pub header: Header,
    /// The author's signature over the id; see [`sig_message`].
    pub sig: [u8; SIG_LEN],
    /// The body.
    pub payload: Payload,
}

secret!(
    /// Seals one event (K2).
    EventKey, 32
);

/// The body cannot be sealed. Our own caller's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SealFault {
    /// Longer than [`MAX_BODY`].
    #[error("the body is longer than {MAX_BODY} bytes")]
    TooLong,
    /// The header says open, or another suite.
    #[error("the header is not that of a sealed event of suite {SUITE}")]
    NotSealed,
}

/// The body does not open (E4: stored, no effect).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OpenFault {
    /// Open class, or a suite of another time.
    #[error("not sealed by suite {SUITE}")]
    NotSealed,
    /// The header commits to another key.
    #[error("the header commits to another key")]
    OtherKey,
    /// The ciphertext is not what this key made: the author's fault, for the id covers it.
    #[error("the ciphertext does not open")]
    Broken,
    /// The padding is not ours: the author's fault.
    #[error("the padding is broken")]
    BadPadding,
}

impl Class {
    const fn code(self) -> u8 {
        match self {
            Self::Open => 0,
            Self::Sealed => 1,
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match from.u8()? {
            0 => Ok(Self::Open),
            1 => Ok(Self::Sealed),
            _ => Err(from.bad()),
        }
    }
}

impl Header {
    /// Of an open event: epoch, chain, nonce and commitment are zero.
    pub fn open(log: LogId, device: DeviceId, seq: u64, hlc: u64, deps: Vec<Dep>) -> Self {
        Self {
            suite: SUITE,
            class: Class::Open,
            log,
            epoch: EpochId::from([0; 16]),
            device,
            seq,
            chain: 0,
            hlc,
            nonce: [0; 24],
            key_commit: [0; 16],
            deps,
        }
    }

    /// The author's previous event, if the header names it.
    pub fn previous(&self) -> Option<&Dep> {
        let at = self.deps.binary_search_by_key(&self.device, |dep| dep.device).ok()?;
        self.deps.get(at)
    }

    /// Whether the layout's own rules hold; a decoded header always passes.
    pub fn is_valid(&self) -> bool {
        self.seq > 0
            && self.deps.len() <= MAX_DEPS
            && ascending(self.deps.iter().map(|dep| dep.device))
            && self.deps.iter().all(|dep| dep.seq > 0)
            && (self.class == Class::Sealed || self.is_bare())
    }

    /// Whether nothing speaks of keys.
    fn is_bare(&self) -> bool {
        self.epoch == EpochId::from([0; 16]) && self.chain == 0 && self.nonce == [0; 24] && self.key_commit == [0; 16]
    }

    /// Whether a body of this length can stand behind this header. Other suites may pad otherwise.
    fn fits(&self, len: usize) -> bool {
        match self.class {
            Class::Open => len <= MAX_OPEN,
            Class::Sealed if self.suite == SUITE => BUCKETS.iter().any(|bucket| len == bucket + TAG_LEN),
            Class::Sealed => len <= MAX_CT,
        }
    }
}

impl Payload {
    /// The hash that the event's id covers.
    pub fn hash(&self) -> BodyHash {
        match self {
            Self::Full(ct) => BodyHash::of(ct),
            Self::Hollow(hash) => *hash,
        }
    }
}

impl Wire for Dep {
    const WHAT: &'static str = "dependency";
    const CAP: usize = 72;

    fn write(&self, to: &mut Writer) {
        to.put(&self.device).u64(self.seq).put(&self.id);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { device: from.get()?, seq: from.u64()?, id: from.get()? })
    }
}

impl Wire for Header {
    const WHAT: &'static str = "header";
    const CAP: usize = HEADER_FIXED + MAX_DEPS * Dep::CAP;

    fn write(&self, to: &mut Writer) {
        to.u8(VERSION).u8(self.suite).u8(self.class.code());
        to.put(&self.log).put(&self.epoch).put(&self.device);
        to.u64(self.seq).u32(self.chain).u64(self.hlc);
        to.raw(&self.nonce).raw(&self.key_commit);
        to.u8(u8::try_from(self.deps.len()).expect("the author takes at most 16 heads (E2)"));
        self.deps.iter().for_each(|dep| dep.write(to));
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let version = from.u8()?;
        from.require(version == VERSION)?;
        let header = Self {
            suite: from.u8()?,
            class: Class::read(from)?,
            log: from.get()?,
            epoch: from.get()?,
            device: from.get()?,
            seq: from.u64()?,
            chain: from.u32()?,
            hlc: from.u64()?,
            nonce: from.array()?,
            key_commit: from.array()?,
            deps: read_deps(from)?,
        };
        from.require(header.is_valid())?;
        Ok(header)
    }
}

impl Wire for WireEvent {
    const WHAT: &'static str = "event";
    const CAP: usize = Header::CAP + SIG_LEN + 1 + 4 + MAX_CT;

    fn write(&self, to: &mut Writer) {
        to.put(&self.header).raw(&self.sig);
        match &self.payload {
            Payload::Full(ct) => to.u8(1).var(ct),
            Payload::Hollow(hash) => to.u8(0).put(hash),
        };
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let header = from.get()?;
        let sig = from.array()?;
        let payload = read_payload(from, &header)?;
        Ok(Self { header, sig, payload })
    }
}

fn read_deps(from: &mut Reader<'_>) -> Result<Vec<Dep>, DecodeError> {
    let count = usize::from(from.u8()?);
    from.cap(count, MAX_DEPS)?;
    (0..count).map(|_| from.get()).collect()
}

fn read_payload(from: &mut Reader<'_>, header: &Header) -> Result<Payload, DecodeError> {
    match from.u8()? {
        1 => {
            let ct = from.var(MAX_CT)?;
            from.require(header.fits(ct.len()))?;
            Ok(Payload::Full(ct.to_vec()))
        }
        0 if header.class == Class::Sealed => from.get().map(Payload::Hollow),
        _ => Err(from.bad()),
    }
}

/// What the event's id covers besides the graph: header and hash of the body (E).
pub fn content_hash(header: &Header, body: &BodyHash) -> [u8; 32] {
    let header = header.to_bytes();
    let length = u32::try_from(header.len()).expect("a header has less than 2 KiB");
    label::hash(label::EVENT, &[&length.to_le_bytes(), &header, body.as_bytes()])
}

/// What the author signs: "y7/sig/1" ‖ id (E).
pub fn sig_message(id: &EventId) -> Vec<u8> {
    label::message(label::EVENT_SIG, &[id.as_bytes()])
}

/// Pads and seals a body and sets the header's key commitment; the nonce stands in the header already.
/// The header is the associated data, so nothing in it may change afterwards.
pub fn seal(key: &EventKey, header: &mut Header, body: &[u8]) -> Result<Vec<u8>, SealFault> {
    if header.class != Class::Sealed || header.suite != SUITE {
        return Err(SealFault::NotSealed);
    }
    let padded = pad(body).ok_or(SealFault::TooLong)?;
    header.key_commit = commitment(key);
    let sealing = Sealing { msg: &padded, aad: &header.to_bytes() };
    let ct = cipher(key).encrypt(&header.nonce.into(), sealing);
    Ok(ct.expect("XChaCha20 takes 256 GiB, a body has 68 KiB"))
}

/// Opens a sealed body and takes the padding off.
pub fn open(key: &EventKey, header: &Header, ct: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenFault> {
    if header.class != Class::Sealed || header.suite != SUITE {
        return Err(OpenFault::NotSealed);
    }
    if !bool::from(commitment(key).ct_eq(&header.key_commit)) {
        return Err(OpenFault::OtherKey);
    }
    let sealed = Sealing { msg: ct, aad: &header.to_bytes() };
    let padded = cipher(key).decrypt(&header.nonce.into(), sealed).ok().ok_or(OpenFault::Broken)?;
    unpad(Zeroizing::new(padded)).ok_or(OpenFault::BadPadding)
}

fn cipher(key: &EventKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.expose().into())
}

/// `HKDF(EK, "kc")[..16]`: Poly1305 alone would let one ciphertext show two texts under two keys.
fn commitment(key: &EventKey) -> [u8; 16] {
    *label::derive(None, key.expose(), label::KEY_COMMIT, &[])
}

/// Body ‖ 80 ‖ 00… up to the least bucket that holds it.
pub(crate) fn pad(body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let bucket = BUCKETS.into_iter().find(|bucket| body.len() < *bucket)?;
    let mut padded = Zeroizing::new(Vec::with_capacity(bucket));
    padded.extend_from_slice(body);
    padded.push(0x80);
    padded.resize(bucket, 0);
    Some(padded)
}

/// The inverse of [`pad`], and of nothing else: a body in a greater bucket than it needs is refused.
pub(crate) fn unpad(mut padded: Zeroizing<Vec<u8>>) -> Option<Zeroizing<Vec<u8>>> {
    let mark = padded.iter().rposition(|byte| *byte != 0).filter(|at| padded[*at] == 0x80)?;
    let least = BUCKETS.into_iter().find(|bucket| mark < *bucket)?;
    if padded.len() != least {
        return None;
    }
    padded.truncate(mark);
    Some(padded)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// E6: every length lands in the least bucket that holds it, and comes back.
    #[test]
    fn e6_padding_round_trips_at_every_edge() {
        let edges = BUCKETS.iter().flat_map(|bucket| [bucket - 2, bucket - 1, *bucket, bucket + 1]);
        for len in edges.chain([0, 1]).filter(|len| *len <= MAX_BODY) {
            let body = vec![0x80; len];
            let padded = pad(&body).unwrap();
            let least = BUCKETS.into_iter().find(|bucket| len < *bucket);
            assert_eq!(Some(padded.len()), least);
            assert_eq!(unpad(padded).unwrap().as_slice(), body);
        }
        assert!(pad(&vec![0; MAX_BODY + 1]).is_none());
    }

    /// E6: a body has one padding; no mark, a wrong mark, a greater bucket and an odd length are refused.
    #[test]
    fn e6_foreign_padding_is_refused() {
        let with = |len: usize, mark: usize, byte: u8| {
            let mut padded = Zeroizing::new(vec![0; len]);
            padded[mark] = byte;
            unpad(padded)
        };
        assert!(with(256, 9, 0x80).is_some());
        assert!(with(256, 9, 0x81).is_none());
        assert!(with(256, 9, 0).is_none());
        assert!(with(1_024, 9, 0x80).is_none());
        assert!(with(255, 9, 0x80).is_none());
        assert!(unpad(Zeroizing::new(Vec::new())).is_none());
    }
}
