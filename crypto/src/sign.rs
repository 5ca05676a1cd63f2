//! Signatures, and the proof in the type that one was checked.
//!
//! ```text
//! Signed<T>  = claim · sig 64        anybody's bytes
//!    │ verify (ZIP-215)    ▲ from_verified
//!    ▼                     │
//! Verified<T>              made here only, or by signing with a key of our own
//! ```
//!
//! Verification is ZIP-215 (`ed25519-zebra`), where a batch and a single check agree by definition:
//! two replicas that batch differently must still admit the same events (E3). `ed25519-dalek` makes and
//! holds keys. Signers of small order or with a non-canonical encoding are refused.

use ed25519_dalek::Signer;
use ed25519_zebra::batch;
use rand_core::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::codec::{DecodeError, Reader, Wire, Writer};
use crate::ids::{DeviceId, NetKey, RootId, is_sound};
use crate::secret::{random, secret};

/// Length of a signature in bytes.
pub const SIG_LEN: usize = 64;

/// Something that one key says.
pub trait Claim {
    /// The public key that says it.
    fn signer(&self) -> [u8; 32];

    /// What is signed: a label, then the claim.
    fn message(&self) -> Vec<u8>;
}

/// The signature is not the signer's. The fault of whoever made the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the signature is not the signer's")]
pub struct BadSignature;

/// A key was asked to sign what another one says. Our own bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this key does not speak for the claim's signer")]
pub struct WrongSigner;

/// A claim with a signature that nobody has checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<T> {
    /// What is said.
    pub claim: T,
    /// Ed25519 over [`Claim::message`].
    pub sig: [u8; SIG_LEN],
}

/// A claim whose signature was checked, or made by us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T>(Signed<T>);

impl<T: Claim> Signed<T> {
    /// Checks the signature by ZIP-215.
    pub fn verify(self) -> Result<Verified<T>, BadSignature> {
        verify_bytes(&self.claim.signer(), &self.claim.message(), &self.sig)?;
        Ok(Verified(self))
    }
}

impl<T> Verified<T> {
    /// What is said.
    pub fn claim(&self) -> &T {
        &self.0.claim
    }

    /// The signature.
    pub fn sig(&self) -> &[u8; SIG_LEN] {
        &self.0.sig
    }

    /// As it is sent.
    pub fn as_signed(&self) -> &Signed<T> {
        &self.0
    }

    /// As it is sent, without the proof.
    pub fn into_signed(self) -> Signed<T> {
        self.0
    }

    /// What is said, without signature and proof.
    pub fn into_claim(self) -> T {
        self.0.claim
    }
}

impl<T> std::ops::Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.claim
    }
}

impl<T: Claim + Wire> Wire for Signed<T> {
    const WHAT: &'static str = T::WHAT;
    const CAP: usize = T::CAP + SIG_LEN;

    fn write(&self, to: &mut Writer) {
        to.put(&self.claim).raw(&self.sig);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { claim: from.get()?, sig: from.array()? })
    }
}

/// Checks many signatures at about half the cost of one by one, with the same verdict for each.
/// `rng` only weights the sum: it decides nothing about an honest or a forged signature.
pub fn verify_batch<T: Claim>(rng: &mut impl CryptoRng, all: Vec<Signed<T>>) -> Vec<Result<Verified<T>, BadSignature>> {
    // A batch of one takes longer than its signature alone.
    if all.len() > 1 && batch_holds(rng, &all) {
        return all.into_iter().map(|signed| Ok(Verified(signed))).collect();
    }
    all.into_iter().map(Signed::verify).collect()
}

fn batch_holds<T: Claim>(rng: &mut impl CryptoRng, all: &[Signed<T>]) -> bool {
    let mut batch = batch::Verifier::new();
    for Signed { claim, sig } in all {
        let signer = claim.signer();
        if !is_sound(&signer) {
            return false;
        }
        batch.queue((signer.into(), ed25519_zebra::Signature::from_bytes(sig), &claim.message()));
    }
    batch.verify(rng).is_ok()
}

/// Checks one signature over bytes by ZIP-215, for claims that are not a [`Claim`] value.
pub(crate) fn verify_bytes(signer: &[u8; 32], message: &[u8], sig: &[u8; SIG_LEN]) -> Result<(), BadSignature> {
    if !is_sound(signer) {
        return Err(BadSignature);
    }
    let key = ed25519_zebra::VerificationKey::try_from(*signer);
    let verdict = key.and_then(|key| key.verify(&ed25519_zebra::Signature::from_bytes(sig), message));
    verdict.ok().ok_or(BadSignature)
}

/// Declares an Ed25519 key pair whose public half is the id `$id`.
macro_rules! key_pair {
    ($(#[$doc:meta])* $name:ident, $id:ident) => {
        $(#[$doc])*
        pub struct $name(ed25519_dalek::SigningKey);

        impl $name {
            /// A fresh key.
            pub fn generate(rng: &mut impl CryptoRng) -> Self {
                Self::from_seed(&Zeroizing::new(random(rng)))
            }

            /// The key that this seed makes.
            pub fn from_seed(seed: &[u8; 32]) -> Self {
                Self(ed25519_dalek::SigningKey::from_bytes(seed))
            }

            /// Shows the seed, to be sealed at once.
            pub fn seed(&self) -> Zeroizing<[u8; 32]> {
                Zeroizing::new(self.0.to_bytes())
            }

            /// The public half.
            pub fn id(&self) -> $id {
                $id::from(self.0.verifying_key().to_bytes())
            }

            /// Says `claim`.
            pub fn sign<T: Claim>(&self, claim: T) -> Result<Verified<T>, WrongSigner> {
                if claim.signer() != *self.id().as_bytes() {
                    return Err(WrongSigner);
                }
                let sig = self.0.sign(&claim.message()).to_bytes();
                Ok(Verified(Signed { claim, sig }))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

key_pair!(
    /// The key of a person: certifies devices, signs nothing else (V2).
    RootKey, RootId
);
key_pair!(
    /// The key of a device: signs its events and proves it in sessions (V2).
    DeviceKey, DeviceId
);

secret!(
    /// The seed of a device's libp2p key: the transport signs with it, nothing of ours does (V2).
    NetSecret, 32
);

impl NetSecret {
    /// A fresh key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(random(rng))
    }

    /// The public half.
    pub fn id(&self) -> NetKey {
        NetKey::from(ed25519_dalek::SigningKey::from_bytes(&self.0).verifying_key().to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    #[derive(Clone, Debug, PartialEq)]
    struct Said(DeviceId, u32);

    impl Claim for Said {
        fn signer(&self) -> [u8; 32] {
            *self.0.as_bytes()
        }

        fn message(&self) -> Vec<u8> {
            crate::label::message("y7/test/1", &[&self.1.to_le_bytes()])
        }
    }

    fn said(n: u32, key: &DeviceKey) -> Signed<Said> {
        key.sign(Said(key.id(), n)).unwrap().into_signed()
    }

    #[test]
    fn a_key_signs_only_for_itself() {
        let (a, b) = (DeviceKey::from_seed(&[1; 32]), DeviceKey::from_seed(&[2; 32]));
        assert_eq!(a.sign(Said(b.id(), 1)).unwrap_err(), WrongSigner);
        assert!(said(1, &a).verify().is_ok());
    }

    #[test]
    fn every_flipped_bit_of_a_signature_is_refused() {
        let good = said(7, &DeviceKey::from_seed(&[1; 32]));
        for bit in 0..512 {
            let mut bad = good.clone();
            bad.sig[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(bad.verify().unwrap_err(), BadSignature, "bit {bit}");
        }
    }

    /// E3: a batch gives each signature the verdict that it has alone.
    #[test]
    fn e3_batch_and_single_agree() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let keys: Vec<_> = (0..5).map(|n| DeviceKey::from_seed(&[n; 32])).collect();
        for broken in [vec![], vec![0], vec![3, 17], (0..40).collect()] {
            let mut all: Vec<_> = (0..40).map(|n| said(n, &keys[n as usize % 5])).collect();
            broken.iter().for_each(|&n: &usize| all[n].sig[5] ^= 1);
            let single: Vec<_> = all.iter().cloned().map(Signed::verify).collect();
            assert_eq!(verify_batch(&mut rng, all), single);
            assert_eq!(single.iter().filter(|verdict| verdict.is_err()).count(), broken.len());
        }
    }

    /// E3: R with a torsion component, made by the key's own holder: ZIP-215 takes it, single and batched.
    /// S = r + k·a with R = r·B + T still satisfies 8·S·B = 8·R + 8·k·A.
    #[test]
    fn e3_torsioned_r_has_one_verdict() {
        let mut rng = ChaCha20Rng::seed_from_u64(4);
        for sig in torsioned::signatures() {
            assert!(verify_bytes(&sig.key, &sig.message, &sig.sig).is_ok());
            let claim = torsioned::Raw { key: sig.key, message: sig.message };
            let verdicts = verify_batch(&mut rng, vec![Signed { claim, sig: sig.sig }]);
            assert!(verdicts[0].is_ok());
        }
    }

    /// E3: the neutral point as a key verifies what nobody signed; it is refused.
    #[test]
    fn e3_small_order_signer_is_refused() {
        let mut key = [0; 32];
        key[0] = 1;
        let mut sig = [0; 64];
        sig[0] = 1;
        let plain = ed25519_zebra::VerificationKey::try_from(key)
            .and_then(|k| k.verify(&ed25519_zebra::Signature::from_bytes(&sig), b"anything"));
        assert!(plain.is_ok(), "the curve alone takes it");
        assert_eq!(verify_bytes(&key, b"anything", &sig), Err(BadSignature));
        let claim = torsioned::Raw { key, message: b"anything".to_vec() };
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        assert!(verify_batch(&mut rng, vec![Signed { claim, sig }])[0].is_err());
    }

    mod torsioned {
        use super::*;
        use ed25519_dalek::{SigningKey, VerifyingKey};
        use sha2::{Digest, Sha512};

        #[derive(Clone, Debug)]
        pub(super) struct Raw {
            pub(super) key: [u8; 32],
            pub(super) message: Vec<u8>,
        }

        impl Claim for Raw {
            fn signer(&self) -> [u8; 32] {
                self.key
            }

            fn message(&self) -> Vec<u8> {
                self.message.clone()
            }
        }

        pub(super) struct Torsioned {
            pub(super) key: [u8; 32],
            pub(super) message: Vec<u8>,
            pub(super) sig: [u8; 64],
        }

        /// For several points T of order 2, 4 and 8: a signature with R = r·B + T, S = r + k·a.
        pub(super) fn signatures() -> Vec<Torsioned> {
            let order_2 = std::array::from_fn(|i| [0xec, 0xff, 0x7f][(i > 0) as usize + (i == 31) as usize]);
            let order_8 = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
            let order_8 = crate::ids::LogId::into_bytes(order_8.parse().unwrap());
            let points = [[0; 32], order_2, order_8];
            let tries = points.into_iter().flat_map(|point| (0..20).map(move |seed| sign(point, seed)));
            tries.collect()
        }

        fn sign(torsion: [u8; 32], seed: u8) -> Torsioned {
            let (holder, nonce) = (SigningKey::from_bytes(&[seed; 32]), SigningKey::from_bytes(&[seed + 100; 32]));
            let message = vec![seed; 9];
            let torsion = VerifyingKey::from_bytes(&torsion).unwrap().to_edwards();
            let point = (nonce.verifying_key().to_edwards() + torsion).compress().to_bytes();
            let key = holder.verifying_key().to_bytes();
            let hash = Sha512::new().chain_update(point).chain_update(key).chain_update(&message).finalize();
            let a = holder.to_scalar();
            let k = hash.iter().rev().fold(lift(&a, 0), |sum, byte| sum * lift(&a, 256) + lift(&a, u64::from(*byte)));
            let scalar = nonce.to_scalar() + k * a;
            let sig = [point, scalar.to_bytes()].concat().try_into().unwrap();
            Torsioned { key, message, sig }
        }

        /// A scalar, of a type that this crate does not name.
        fn lift<S: From<u64>>(_like: &S, n: u64) -> S {
            S::from(n)
        }
    }
}
