//! Certificates: which devices speak for a person (V2).
//!
//! ```text
//! cert    ver u8 = 1 · suite u8 = 1 · root 32 · device 32 · net 32 · caps u8 · not_before u64
//!         · cert_seq u64 · issuer 32                                                     147 bytes
//! link    cert · sig 64 = Ed25519(issuer, "y7/cert/1" ‖ cert)                            211 bytes
//! chain   u8 n 1..=4 · n × link, from the root to the device
//!
//! root ──▶ admin device ──▶ admin device ──▶ device        issuer of each link = device of the one before
//! ```
//!
//! Invariants: one root in all links; only links with the admin capability issue; no key has two uses.
//! Verification knows no time and no revocation: `not_before` may only grow along the chain, and who is
//! revoked stands in the identity log (V3).

use thiserror::Error;

use crate::codec::{DecodeError, Reader, Wire, Writer};
use crate::ids::{DeviceId, NetKey, RootId};
use crate::label;
use crate::sign::{BadSignature, Claim, DeviceKey, RootKey, Signed};

/// Links of a chain: root → first device → its successor → a linked device, and one to spare.
pub const MAX_LINKS: usize = 4;

/// Version and suite of a certificate.
const VERSION: [u8; 2] = [1, 1];

/// What a device may do for its person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Caps(u8);

impl Caps {
    /// Writes events.
    pub const SPEAK: Self = Self(1);
    /// Writes events, certifies and revokes devices.
    pub const ADMIN: Self = Self(3);

    /// Whether it certifies and revokes devices.
    pub const fn is_admin(self) -> bool {
        self.0 & 2 != 0
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let caps = Self(from.u8()?);
        from.require(caps == Self::SPEAK || caps == Self::ADMIN)?;
        Ok(caps)
    }
}

/// Who signed a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Issuer {
    /// The person's root key.
    Root,
    /// An admin device of the person.
    Device(DeviceId),
}

/// What a certificate says of its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Signs its events.
    pub device: DeviceId,
    /// Its libp2p host.
    pub net: NetKey,
    /// What it may do.
    pub caps: Caps,
    /// When it was certified, in milliseconds since 1970.
    pub not_before: u64,
    /// The issuer's count of certificates; the greatest one for a device stands.
    pub cert_seq: u64,
}

/// `device` speaks for `root`, says `issuer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceCert {
    /// The person.
    pub root: RootId,
    /// The device.
    pub subject: Subject,
    /// Who says so.
    pub issuer: Issuer,
}

/// Certificates from the root down to one device; nothing about them is checked but their layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertChain(Vec<Signed<DeviceCert>>);

/// A device that provably speaks for a person. Only [`CertChain::verify`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proven {
    /// The person.
    pub root: RootId,
    /// The device.
    pub device: DeviceId,
    /// Its libp2p host.
    pub net: NetKey,
    /// What it may do.
    pub caps: Caps,
    /// When it was certified, in milliseconds since 1970.
    pub not_before: u64,
    /// The issuer's count of certificates.
    pub cert_seq: u64,
}

/// Why a chain proves nothing. The fault of whoever made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChainFault {
    /// More than [`MAX_LINKS`] links.
    #[error("more than {MAX_LINKS} certificates")]
    TooLong,
    /// Links of different people.
    #[error("certificates of different people")]
    OtherRoot,
    /// A link was not issued by the one before it, or the first not by the root.
    #[error("a certificate is not issued by the one before it")]
    BrokenLink,
    /// A link was issued by a device that may not.
    #[error("a certificate is issued by a device that is no admin")]
    NotAdmin,
    /// A key has two uses, or a device stands in the chain twice.
    #[error("a key is used twice")]
    KeyReused,
    /// A certificate is older than the one that it rests on.
    #[error("a certificate is older than its issuer's")]
    TimeRunsBack,
    /// A signature is not the issuer's.
    #[error(transparent)]
    BadSignature(#[from] BadSignature),
}

impl DeviceCert {
    /// The public key of the issuer.
    fn issuer_key(&self) -> [u8; 32] {
        match self.issuer {
            Issuer::Root => self.root.into_bytes(),
            Issuer::Device(device) => device.into_bytes(),
        }
    }
}

impl Claim for DeviceCert {
    fn signer(&self) -> [u8; 32] {
        self.issuer_key()
    }

    fn message(&self) -> Vec<u8> {
        label::message(label::CERT, &[&self.to_bytes()])
    }
}

impl CertChain {
    /// The chain of a device that the root itself certifies.
    pub fn rooted(root: &RootKey, subject: Subject) -> Self {
        let cert = DeviceCert { root: root.id(), subject, issuer: Issuer::Root };
        let link = root.sign(cert).expect("the issuer is the key's own id");
        Self(vec![link.into_signed()])
    }

    /// The chain of a device that the last device of this chain certifies.
    pub fn extended(&self, admin: &DeviceKey, subject: Subject) -> Result<Self, ChainFault> {
        let last = self.verify()?;
        let cert = DeviceCert { root: last.root, subject, issuer: Issuer::Device(admin.id()) };
        let link = admin.sign(cert).expect("the issuer is the key's own id");
        let mut links = self.0.clone();
        links.push(link.into_signed());
        let chain = Self(links);
        chain.verify().map(|_| chain)
    }

    /// The certificates, from the root down.
    pub fn links(&self) -> &[Signed<DeviceCert>] {
        &self.0
    }

    /// The device that the chain speaks of, unproven.
    pub fn device(&self) -> DeviceId {
        self.last().claim.subject.device
    }

    /// The person that the chain speaks of, unproven.
    pub fn root(&self) -> RootId {
        self.last().claim.root
    }

    /// Checks every link; cheap rules first, signatures last.
    pub fn verify(&self) -> Result<Proven, ChainFault> {
        self.check_links()?;
        self.check_keys()?;
        for link in &self.0 {
            link.clone().verify()?;
        }
        let DeviceCert { root, subject, .. } = self.last().claim;
        let Subject { device, net, caps, not_before, cert_seq } = subject;
        Ok(Proven { root, device, net, caps, not_before, cert_seq })
    }

    fn last(&self) -> &Signed<DeviceCert> {
        self.0.last().expect("a chain is made and read with at least one link")
    }

    fn check_links(&self) -> Result<(), ChainFault> {
        let root = self.root();
        let mut above: Option<Subject> = None;
        for DeviceCert { root: of, subject, issuer } in self.0.iter().map(|link| link.claim) {
            match (above, issuer) {
                _ if of != root => return Err(ChainFault::OtherRoot),
                (None, Issuer::Root) => {}
                (Some(above), Issuer::Device(by)) if by == above.device => check_issue(&above, &subject)?,
                _ => return Err(ChainFault::BrokenLink),
            }
            above = Some(subject);
        }
        if self.0.len() > MAX_LINKS { Err(ChainFault::TooLong) } else { Ok(()) }
    }

    /// Every key of the chain, root, device or net, stands in it once.
    fn check_keys(&self) -> Result<(), ChainFault> {
        let subjects = self.0.iter().map(|link| link.claim.subject);
        let mut keys = vec![self.root().into_bytes()];
        keys.extend(subjects.flat_map(|subject| [subject.device.into_bytes(), subject.net.into_bytes()]));
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        if keys.len() == count { Ok(()) } else { Err(ChainFault::KeyReused) }
    }
}

fn check_issue(above: &Subject, below: &Subject) -> Result<(), ChainFault> {
    if !above.caps.is_admin() {
        return Err(ChainFault::NotAdmin);
    }
    if below.not_before < above.not_before { Err(ChainFault::TimeRunsBack) } else { Ok(()) }
}

impl Wire for Subject {
    const WHAT: &'static str = "certificate";
    const CAP: usize = 81;

    fn write(&self, to: &mut Writer) {
        to.put(&self.device).put(&self.net).u8(self.caps.0).u64(self.not_before).u64(self.cert_seq);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let device = DeviceId::checked(from.array()?).ok().ok_or(from.bad())?;
        let net = NetKey::checked(from.array()?).ok().ok_or(from.bad())?;
        Ok(Self { device, net, caps: Caps::read(from)?, not_before: from.u64()?, cert_seq: from.u64()? })
    }
}

impl Wire for DeviceCert {
    const WHAT: &'static str = "certificate";
    const CAP: usize = 147;

    fn write(&self, to: &mut Writer) {
        to.raw(&VERSION).put(&self.root).put(&self.subject).raw(&self.issuer_key());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let version: [u8; 2] = from.array()?;
        from.require(version == VERSION)?;
        let (root, subject): (RootId, Subject) = (from.get()?, from.get()?);
        let issuer: DeviceId = from.get()?;
        let by_root = issuer.as_bytes() == root.as_bytes();
        Ok(Self { root, subject, issuer: if by_root { Issuer::Root } else { Issuer::Device(issuer) } })
    }
}

impl Wire for CertChain {
    const WHAT: &'static str = "certificate chain";
    const CAP: usize = 1 + MAX_LINKS * Signed::<DeviceCert>::CAP;

    fn write(&self, to: &mut Writer) {
        to.u8(u8::try_from(self.0.len()).expect("extended() refuses a fifth link"));
        self.0.iter().for_each(|link| link.write(to));
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = usize::from(from.u8()?);
        from.cap(count, MAX_LINKS)?;
        from.require(count > 0)?;
        (0..count).map(|_| from.get()).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> DeviceKey {
        DeviceKey::from_seed(&[n; 32])
    }

    fn subject(n: u8, caps: Caps) -> Subject {
        let net = NetKey::from(key(n + 100).id().into_bytes());
        Subject { device: key(n).id(), net, caps, not_before: 10, cert_seq: 1 }
    }

    fn root() -> RootKey {
        RootKey::from_seed(&[200; 32])
    }

    fn link(cert: DeviceCert, by: &DeviceKey) -> Signed<DeviceCert> {
        by.sign(cert).unwrap().into_signed()
    }

    fn two() -> CertChain {
        CertChain::rooted(&root(), subject(1, Caps::ADMIN)).extended(&key(1), subject(2, Caps::SPEAK)).unwrap()
    }

    /// V2: certificates by the root or an admin device that chains to it.
    #[test]
    fn v2_chains_of_up_to_four_links_prove_their_device() {
        let mut chain = CertChain::rooted(&root(), subject(1, Caps::ADMIN));
        for n in 2..=4 {
            chain = chain.extended(&key(n - 1), subject(n, Caps::ADMIN)).unwrap();
            let proven = chain.verify().unwrap();
            assert_eq!((proven.root, proven.device), (root().id(), key(n).id()));
            assert_eq!(CertChain::from_bytes(&chain.to_bytes()), Ok(chain.clone()));
        }
        assert_eq!(chain.extended(&key(4), subject(5, Caps::SPEAK)), Err(ChainFault::TooLong));
    }

    /// V2: a device without the admin capability certifies nobody.
    #[test]
    fn v2_only_admins_issue() {
        assert_eq!(two().extended(&key(2), subject(3, Caps::SPEAK)), Err(ChainFault::NotAdmin));
    }

    /// V2: a link by somebody else than the device above it, however well signed.
    #[test]
    fn v2_a_foreign_issuer_breaks_the_chain() {
        assert_eq!(two().extended(&key(9), subject(3, Caps::SPEAK)), Err(ChainFault::BrokenLink));
        let mut cut = two();
        cut.0.remove(0);
        assert_eq!(cut.verify(), Err(ChainFault::BrokenLink));
    }

    /// V2: a device that names itself root of somebody else's chain.
    #[test]
    fn v2_links_of_two_people_are_refused() {
        let mut mixed = two();
        let cert = DeviceCert { root: RootKey::from_seed(&[201; 32]).id(), ..mixed.0[1].claim };
        mixed.0[1] = link(cert, &key(1));
        assert_eq!(mixed.verify(), Err(ChainFault::OtherRoot));
    }

    /// V2: no key has two uses.
    #[test]
    fn v2_no_key_has_two_uses() {
        let mut twice = subject(1, Caps::SPEAK);
        twice.net = NetKey::from(twice.device.into_bytes());
        assert_eq!(CertChain::rooted(&root(), twice).verify(), Err(ChainFault::KeyReused));
        let again = CertChain::rooted(&root(), subject(1, Caps::ADMIN)).extended(&key(1), subject(1, Caps::ADMIN));
        assert_eq!(again, Err(ChainFault::KeyReused));
    }

    #[test]
    fn time_does_not_run_back_along_a_chain() {
        let older = Subject { not_before: 9, ..subject(2, Caps::SPEAK) };
        let chain = CertChain::rooted(&root(), subject(1, Caps::ADMIN));
        assert_eq!(chain.extended(&key(1), older), Err(ChainFault::TimeRunsBack));
    }

    #[test]
    fn a_root_that_did_not_sign_is_refused() {
        let mut forged = two();
        forged.0[0].claim.subject.caps = Caps::SPEAK;
        assert_eq!(forged.verify(), Err(ChainFault::NotAdmin));
        let mut forged = two();
        forged.0[0].claim.subject.cert_seq += 1;
        assert_eq!(forged.verify(), Err(ChainFault::BadSignature(BadSignature)));
    }
}
