//! How strangers become contacts: request and accept (C1, C2).
//!
//! ```text
//! core     ver u8 = 1 · suite u8 = 1 · req_id 32 · created u64 · expires u64 · from_root 32 · to_root 32
//!          · from_device 32 · to_bundle 32 · from_bundle 32 · details 32                         242 bytes
//! sig      Ed25519(from_device, "y7/request/1" ‖ core)        H(Req) = BLAKE3("y7/request-hash/1" ‖ core)
//! details  BLAKE3("y7/details/1" ‖ var name ‖ var greeting)
//! request  core · sig · bundle of the requester · name · greeting
//! sealed   nonce 24 · u8 n 1..=16 · n × ( device 32 · prekey 16 · box 1,168 ) · var ct         ≤ 24 KiB
//!          box = HPKE(prekey, content key, info = "y7/request-box/1" ‖ device ‖ prekey)
//!          ct  = XChaCha20-Poly1305(content key, nonce, request ‖ 80 ‖ 00…, aad = "y7/request-seal/1" ‖ n × (device ‖ prekey))
//! opening  core · sig · requester's chain · opener's chain     body of the conversation's first event
//!
//!   A: Draft ─sign─▶ Request ─seal─▶ SealedRequest ──────▶ B: open ─▶ Request ─check─▶ VerifiedRequest
//!   A: Opening::verify(log, author) ◀────────── opening event + first rekey ◀── accept ──┘
//! ```
//!
//! Invariants: only the core is signed, so an opening shows who asked whom and never the greeting; the
//! log's id is rebuilt from it. The opener must prove a device of `to_root`, and `from_root` differs from
//! it: nobody can accept himself, by admission (B5). Whether a req_id was seen before is the node's to know.

use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use rand_core::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::boxes::{self, OVERHEAD, PrekeyPublic, PrekeySecret};
use crate::bundle::{Bundle, BundleFault, MAX_DEVICES, ProvenBundle, ProvenDevice};
use crate::cert::{CertChain, ChainFault, Proven};
use crate::codec::{DecodeError, Reader, Wire, Writer, ascending};
use crate::ids::{BundleHash, DeviceId, LogId, PrekeyId, RequestId, RootId};
use crate::label;
use crate::secret::random;
use crate::sign::{BadSignature, Claim, DeviceKey, SIG_LEN, Signed, Verified, WrongSigner};
use crate::text::{Greeting, Name};

/// The longest a request may live: who was away for a fortnight still finds it (C1).
pub const MAX_LIFE_MS: u64 = 14 * 24 * 60 * 60 * 1_000;

/// How far ahead of ours the requester's clock may run (C1).
pub const MAX_AHEAD_MS: u64 = 10 * 60 * 1_000;

/// Longest sealed request in bytes: what a stranger may make us keep.
pub const MAX_SEALED: usize = 24 * 1_024;

/// A request's length is rounded up to this many bytes, so that it says little about the greeting.
const PAD: usize = 1_024;

/// Length of a boxed content key in bytes.
const BOX_LEN: usize = OVERHEAD + 32;

/// Version and suite of a request.
const VERSION: [u8; 2] = [1, 1];

/// What the requester signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestCore {
    /// Random; names the request and, with both roots, the conversation.
    pub req_id: RequestId,
    /// In milliseconds since 1970.
    pub created: u64,
    /// In milliseconds since 1970, at most [`MAX_LIFE_MS`] after `created`.
    pub expires: u64,
    /// Who asks.
    pub from_root: RootId,
    /// Who is asked.
    pub to_root: RootId,
    /// Which device asks.
    pub from_device: DeviceId,
    /// The bundle that the requester checked and sealed to.
    pub to_bundle: BundleHash,
    /// The bundle that the requester sends along.
    pub from_bundle: BundleHash,
    /// Hash of name and greeting.
    pub details: [u8; 32],
}

/// What the requester decides; [`Draft::sign`] makes the request of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Random, kept over every resend.
    pub req_id: RequestId,
    /// In milliseconds since 1970.
    pub created: u64,
    /// In milliseconds since 1970.
    pub expires: u64,
    /// Who is asked.
    pub to_root: RootId,
    /// Their bundle.
    pub to_bundle: BundleHash,
    /// My bundle.
    pub from_bundle: Bundle,
    /// What I call myself.
    pub name: Name,
    /// What I say.
    pub greeting: Greeting,
}

/// A request as it is sealed; nothing about it is checked but its layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The signed part.
    pub core: Signed<RequestCore>,
    /// The requester's devices.
    pub from_bundle: Bundle,
    /// What the requester calls himself.
    pub name: Name,
    /// What he says.
    pub greeting: Greeting,
}

/// A request that was checked. Only [`Request::check`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedRequest {
    /// The signed part.
    pub core: Verified<RequestCore>,
    /// The device that asks.
    pub requester: Proven,
    /// Its certificates, for the opening event.
    pub chain: CertChain,
    /// The requester's devices and their prekeys.
    pub bundle: ProvenBundle,
    /// What the requester calls himself.
    pub name: Name,
    /// What he says.
    pub greeting: Greeting,
}

/// A request sealed to the devices of the recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedRequest {
    nonce: [u8; 24],
    boxes: Vec<ContentBox>,
    ct: Vec<u8>,
}

/// The body of a conversation's first event: the recipient's acceptance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The request that is accepted.
    pub core: Signed<RequestCore>,
    /// Certificates of the device that asked.
    pub requester: CertChain,
    /// Certificates of the device that accepts.
    pub opener: CertChain,
}

/// Why a request cannot be sealed. Our own side's matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RequestSealFault {
    /// The request was signed for another person or another bundle of theirs.
    #[error("the request was signed for another bundle")]
    OtherBundle,
    /// Both sides' devices together do not fit [`MAX_SEALED`]: leave devices of mine out.
    #[error("the request does not fit {MAX_SEALED} bytes")]
    TooLong,
}

/// Why a sealed request does not open. The fault of whoever made it, unless noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RequestOpenFault {
    /// Not sealed to this device; perhaps to a sibling.
    #[error("not sealed to this device")]
    NotForMe,
    /// Sealed to another prekey of this device: try that one. See [`SealedRequest::prekey_of`].
    #[error("sealed to another prekey")]
    OtherPrekey,
    /// A seal is broken.
    #[error("the request does not open")]
    Broken,
    /// What is inside is no request.
    #[error(transparent)]
    Layout(#[from] DecodeError),
}

/// Why a request is refused (C1). The fault of whoever made it; "seen before" is the node's to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RequestFault {
    /// Its time is over.
    #[error("the request has expired")]
    Expired,
    /// Created more than [`MAX_AHEAD_MS`] ahead of our clock.
    #[error("the request comes from the future")]
    FromFuture,
    /// Lives longer than [`MAX_LIFE_MS`].
    #[error("the request lives longer than 14 days")]
    LivesTooLong,
    /// Meant for somebody else.
    #[error("the request is meant for somebody else")]
    WrongAddressee,
    /// Sealed to a bundle that is not, and was not, mine.
    #[error("the request cites a bundle that is not mine")]
    NotThisBundle,
    /// From the root that it is addressed to (B5).
    #[error("a request to oneself")]
    Own,
    /// The bundle inside is not the one that was signed, or not the requester's.
    #[error("the bundle is not the one that was signed")]
    OtherBundle,
    /// The device that signed is not in the requester's bundle.
    #[error("the requesting device is not in the requester's bundle")]
    NotInBundle,
    /// Name or greeting are not those that were signed.
    #[error("name or greeting are not those that were signed")]
    OtherDetails,
    /// The bundle does not prove the requester's devices.
    #[error(transparent)]
    BadChain(#[from] BundleFault),
    /// The signature is not the requesting device's.
    #[error(transparent)]
    BadSignature(#[from] BadSignature),
}

/// Why an opening opens nothing (C2, B5). The fault of its author.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OpeningFault {
    /// Both sides are one person.
    #[error("a conversation with oneself")]
    Own,
    /// The log's id is not that of the request.
    #[error("the request opens another log")]
    OtherLog,
    /// The requester's chain is not that of the device that asked.
    #[error("the requester's certificates are another device's")]
    NotRequester,
    /// The opener does not belong to the person who was asked.
    #[error("the opener is not the person who was asked")]
    NotAddressee,
    /// The opener's chain is not that of the event's author.
    #[error("the opener's certificates are not the author's")]
    NotAuthor,
    /// A chain proves nothing.
    #[error(transparent)]
    Chain(#[from] ChainFault),
    /// The request's signature is not the requester's.
    #[error(transparent)]
    BadSignature(#[from] BadSignature),
}

/// The content key, sealed to one device.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ContentBox {
    device: DeviceId,
    prekey: PrekeyId,
    sealed: Box<[u8; BOX_LEN]>,
}

impl RequestCore {
    /// H(Req).
    pub fn hash(&self) -> [u8; 32] {
        label::hash(label::REQUEST_HASH, &[&self.to_bytes()])
    }

    /// The conversation that accepting opens (C2).
    pub fn log(&self) -> LogId {
        LogId::conversation(&self.from_root, &self.to_root, &self.req_id)
    }

    /// The rules of C1 that need the clock, cheapest refusals first.
    fn check_time(&self, now_ms: u64) -> Result<(), RequestFault> {
        if self.expires.saturating_sub(self.created) > MAX_LIFE_MS {
            return Err(RequestFault::LivesTooLong);
        }
        if self.created > now_ms.saturating_add(MAX_AHEAD_MS) {
            return Err(RequestFault::FromFuture);
        }
        if self.expires <= now_ms { Err(RequestFault::Expired) } else { Ok(()) }
    }
}

impl Claim for RequestCore {
    fn signer(&self) -> [u8; 32] {
        self.from_device.into_bytes()
    }

    fn message(&self) -> Vec<u8> {
        label::message(label::REQUEST, &[&self.to_bytes()])
    }
}

impl Draft {
    /// Signs the request as a device of my bundle.
    pub fn sign(self, key: &DeviceKey) -> Result<Request, WrongSigner> {
        let Self { req_id, created, expires, to_root, to_bundle, from_bundle, name, greeting } = self;
        from_bundle.devices().iter().find(|device| device.chain.device() == key.id()).ok_or(WrongSigner)?;
        let core = RequestCore {
            req_id,
            created,
            expires,
            from_root: from_bundle.root(),
            to_root,
            from_device: key.id(),
            to_bundle,
            from_bundle: from_bundle.hash(),
            details: details(&name, &greeting),
        };
        Ok(Request { core: key.sign(core)?.into_signed(), from_bundle, name, greeting })
    }
}

impl Request {
    /// Seals to every device of the recipient's bundle, which was checked against his root.
    pub fn seal(&self, rng: &mut impl CryptoRng, to: &ProvenBundle) -> Result<SealedRequest, RequestSealFault> {
        let core = &self.core.claim;
        if core.to_root != to.root || core.to_bundle != to.hash {
            return Err(RequestSealFault::OtherBundle);
        }
        let key = Zeroizing::new(random::<32>(rng));
        let boxes: Vec<ContentBox> = to.devices.iter().map(|device| ContentBox::seal(rng, device, &key)).collect();
        let nonce = random(rng);
        let sealing = Payload { msg: &pad(self.to_bytes()), aad: &seal_aad(&boxes) };
        let ct = XChaCha20Poly1305::new((&*key).into()).encrypt(&nonce.into(), sealing);
        let ct = ct.expect("XChaCha20 takes 256 GiB, a request has 36 KiB");
        let sealed = SealedRequest { nonce, boxes, ct };
        if sealed.to_bytes().len() > MAX_SEALED { Err(RequestSealFault::TooLong) } else { Ok(sealed) }
    }

    /// Checks everything about a request that the request itself and the clock can tell (C1).
    /// `is_mine` says whether a bundle hash is one of mine, now or within the life of a request.
    pub fn check(
        self,
        now_ms: u64,
        me: &RootId,
        is_mine: impl FnOnce(&BundleHash) -> bool,
    ) -> Result<VerifiedRequest, RequestFault> {
        let core = self.core.claim;
        core.check_time(now_ms)?;
        check_addressee(&core, me, is_mine)?;
        if core.from_bundle != self.from_bundle.hash() || core.from_root != self.from_bundle.root() {
            return Err(RequestFault::OtherBundle);
        }
        if core.details != details(&self.name, &self.greeting) {
            return Err(RequestFault::OtherDetails);
        }
        self.verify()
    }

    /// The signatures.
    fn verify(self) -> Result<VerifiedRequest, RequestFault> {
        let Self { core, from_bundle, name, greeting } = self;
        let device = from_bundle.devices().iter().find(|device| device.chain.device() == core.claim.from_device);
        let chain = device.ok_or(RequestFault::NotInBundle)?.chain.clone();
        let bundle = from_bundle.verify()?;
        let proven = bundle.device(&core.claim.from_device).map(|device| device.proven);
        let requester = proven.ok_or(RequestFault::NotInBundle)?;
        Ok(VerifiedRequest { core: core.verify()?, requester, chain, bundle, name, greeting })
    }
}

impl VerifiedRequest {
    /// The body of the opening event by which a device of mine accepts (C2).
    pub fn accept(&self, opener: CertChain) -> Opening {
        Opening { core: self.core.as_signed().clone(), requester: self.chain.clone(), opener }
    }
}

impl SealedRequest {
    /// Any bytes, sealed to one device as a padded request is. For fuzz bodies: no request has them.
    pub(crate) fn of(rng: &mut impl CryptoRng, device: &DeviceId, to: &PrekeyPublic, padded: &[u8]) -> Self {
        let (key, prekey) = (Zeroizing::new(random::<32>(rng)), to.id());
        let sealed = boxes::seal(rng, to, &box_info(device, &prekey), &[], &*key);
        let sealed = Box::new(sealed.try_into().expect("32 bytes and the box's overhead"));
        let boxes = vec![ContentBox { device: *device, prekey, sealed }];
        let nonce = random(rng);
        let sealing = Payload { msg: padded, aad: &seal_aad(&boxes) };
        let ct = XChaCha20Poly1305::new((&*key).into()).encrypt(&nonce.into(), sealing);
        Self { nonce, boxes, ct: ct.expect("XChaCha20 takes 256 GiB") }
    }

    /// Which prekey of a device it is sealed to.
    pub fn prekey_of(&self, device: &DeviceId) -> Option<PrekeyId> {
        self.box_of(device).map(|content| content.prekey)
    }

    /// Opens it for a device with the prekey that [`SealedRequest::prekey_of`] names.
    pub fn open(&self, device: &DeviceId, with: &PrekeySecret) -> Result<Request, RequestOpenFault> {
        let content = self.box_of(device).ok_or(RequestOpenFault::NotForMe)?;
        if content.prekey != with.id() {
            return Err(RequestOpenFault::OtherPrekey);
        }
        let key = content.open(with)?;
        let sealed = Payload { msg: &self.ct, aad: &seal_aad(&self.boxes) };
        let padded = XChaCha20Poly1305::new((&*key).into()).decrypt(&self.nonce.into(), sealed);
        let padded = padded.ok().ok_or(RequestOpenFault::Broken)?;
        let bytes = unpad(&padded).ok_or(RequestOpenFault::Broken)?;
        Ok(Request::from_bytes(bytes)?)
    }

    fn box_of(&self, device: &DeviceId) -> Option<&ContentBox> {
        self.boxes.iter().find(|content| content.device == *device)
    }
}

impl ContentBox {
    fn seal(rng: &mut impl CryptoRng, to: &ProvenDevice, key: &[u8; 32]) -> Self {
        let (device, prekey) = (to.proven.device, to.prekey.id());
        let sealed = boxes::seal(rng, &to.prekey.public, &box_info(&device, &prekey), &[], key);
        let sealed = sealed.try_into().expect("32 bytes and the box's overhead");
        Self { device, prekey, sealed: Box::new(sealed) }
    }

    fn open(&self, with: &PrekeySecret) -> Result<Zeroizing<[u8; 32]>, RequestOpenFault> {
        let info = box_info(&self.device, &self.prekey);
        let key = boxes::open(with, &info, &[], self.sealed.as_slice()).ok().ok_or(RequestOpenFault::Broken)?;
        key.as_slice().try_into().ok().map(Zeroizing::new).ok_or(RequestOpenFault::Broken)
    }
}

impl Opening {
    /// Proves both sides of the conversation `log` from the body of its opening event, written by
    /// `author`: requester and opener.
    pub fn verify(&self, log: &LogId, author: &DeviceId) -> Result<(Proven, Proven), OpeningFault> {
        let core = &self.core.claim;
        if core.from_root == core.to_root {
            return Err(OpeningFault::Own);
        }
        if core.log() != *log {
            return Err(OpeningFault::OtherLog);
        }
        let (requester, opener) = (self.requester.verify()?, self.opener.verify()?);
        if (requester.root, requester.device) != (core.from_root, core.from_device) {
            return Err(OpeningFault::NotRequester);
        }
        if opener.root != core.to_root {
            return Err(OpeningFault::NotAddressee);
        }
        if opener.device != *author {
            return Err(OpeningFault::NotAuthor);
        }
        self.core.clone().verify()?;
        Ok((requester, opener))
    }
}

impl Wire for RequestCore {
    const WHAT: &'static str = "request";
    const CAP: usize = 242;

    fn write(&self, to: &mut Writer) {
        to.raw(&VERSION).put(&self.req_id).u64(self.created).u64(self.expires);
        to.put(&self.from_root).put(&self.to_root).put(&self.from_device);
        to.put(&self.to_bundle).put(&self.from_bundle).raw(&self.details);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let version: [u8; 2] = from.array()?;
        from.require(version == VERSION)?;
        let core = Self {
            req_id: from.get()?,
            created: from.u64()?,
            expires: from.u64()?,
            from_root: from.get()?,
            to_root: from.get()?,
            from_device: from.get()?,
            to_bundle: from.get()?,
            from_bundle: from.get()?,
            details: from.array()?,
        };
        from.require(core.created < core.expires)?;
        Ok(core)
    }
}

impl Wire for Request {
    const WHAT: &'static str = "request";
    const CAP: usize = RequestCore::CAP + SIG_LEN + Bundle::CAP + Name::CAP + Greeting::CAP;

    fn write(&self, to: &mut Writer) {
        to.put(&self.core).put(&self.from_bundle).put(&self.name).put(&self.greeting);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { core: from.get()?, from_bundle: from.get()?, name: from.get()?, greeting: from.get()? })
    }
}

impl Wire for ContentBox {
    const WHAT: &'static str = "sealed request";
    const CAP: usize = 32 + 16 + BOX_LEN;

    fn write(&self, to: &mut Writer) {
        to.put(&self.device).put(&self.prekey).raw(self.sealed.as_slice());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { device: from.get()?, prekey: from.get()?, sealed: Box::new(from.array()?) })
    }
}

impl Wire for SealedRequest {
    const WHAT: &'static str = "sealed request";
    const CAP: usize = MAX_SEALED;

    fn write(&self, to: &mut Writer) {
        to.raw(&self.nonce).u8(u8::try_from(self.boxes.len()).expect("a bundle has at most 16 devices"));
        self.boxes.iter().for_each(|content| content.write(to));
        to.var(&self.ct);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let nonce = from.array()?;
        let count = usize::from(from.u8()?);
        from.cap(count, MAX_DEVICES)?;
        let boxes: Vec<ContentBox> = (0..count).map(|_| from.get()).collect::<Result<_, _>>()?;
        from.require(!boxes.is_empty() && ascending(boxes.iter().map(|content| content.device)))?;
        Ok(Self { nonce, boxes, ct: from.var(MAX_SEALED)?.to_vec() })
    }
}

impl Wire for Opening {
    const WHAT: &'static str = "opening";
    const CAP: usize = RequestCore::CAP + SIG_LEN + 2 * CertChain::CAP;

    fn write(&self, to: &mut Writer) {
        to.put(&self.core).put(&self.requester).put(&self.opener);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { core: from.get()?, requester: from.get()?, opener: from.get()? })
    }
}

fn check_addressee(
    core: &RequestCore,
    me: &RootId,
    is_mine: impl FnOnce(&BundleHash) -> bool,
) -> Result<(), RequestFault> {
    if core.from_root == core.to_root {
        return Err(RequestFault::Own);
    }
    if core.to_root != *me {
        return Err(RequestFault::WrongAddressee);
    }
    if is_mine(&core.to_bundle) { Ok(()) } else { Err(RequestFault::NotThisBundle) }
}

fn details(name: &Name, greeting: &Greeting) -> [u8; 32] {
    label::hash(label::DETAILS, &[&name.to_bytes(), &greeting.to_bytes()])
}

fn box_info(device: &DeviceId, prekey: &PrekeyId) -> Vec<u8> {
    label::message(label::REQUEST_BOX, &[device.as_bytes(), prekey.as_bytes()])
}

/// Binds the body to its list of recipients.
fn seal_aad(boxes: &[ContentBox]) -> Vec<u8> {
    let mut aad = Writer::new();
    aad.raw(label::REQUEST_SEAL.as_bytes());
    for content in boxes {
        aad.put(&content.device).put(&content.prekey);
    }
    aad.into_bytes()
}

fn pad(mut bytes: Vec<u8>) -> Zeroizing<Vec<u8>> {
    bytes.push(0x80);
    bytes.resize(bytes.len().next_multiple_of(PAD), 0);
    Zeroizing::new(bytes)
}

fn unpad(padded: &[u8]) -> Option<&[u8]> {
    let mark = padded.iter().rposition(|byte| *byte != 0).filter(|at| padded[*at] == 0x80)?;
    padded.get(..mark)
}
