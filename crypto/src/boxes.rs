//! Sealing to a device's prekey: HPKE (RFC 9180), base mode, with X-Wing.
//!
//! ```text
//! prekey   X-Wing public key 1,216 = ML-KEM-768 1,184 ‖ X25519 32          secret: seed 32
//! box      encapsulated key 1,120 ‖ ChaCha20-Poly1305(plain, aad) n + 16
//! suite    KEM 647A X-Wing · KDF 0001 HKDF-SHA256 · AEAD 0003 ChaCha20-Poly1305
//! ```
//!
//! A box is not signed: whoever knows a prekey can seal to it. What is inside, or the event that lists
//! the box's hash, says who did.

use std::cell::RefCell;
use std::fmt;

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use rand_core::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::codec::{DecodeError, Reader, Wire, Writer};
use crate::ids::{PrekeyId, prefix};
use crate::label;
use crate::secret::secret;

/// Length of a prekey's public half in bytes.
pub const PUBLIC_LEN: usize = 1_216;

/// Length of an encapsulated key in bytes.
const ENC_LEN: usize = 1_120;

/// What a box is longer than its content, in bytes.
pub const OVERHEAD: usize = ENC_LEN + 16;

type PublicKey = <XWing as Kem>::PublicKey;
type PrivateKey = <XWing as Kem>::PrivateKey;
type Encapped = <XWing as Kem>::EncappedKey;

/// The public half of a prekey; a valid X-Wing key.
#[derive(Clone, PartialEq, Eq)]
pub struct PrekeyPublic(Box<[u8; PUBLIC_LEN]>);

secret!(
    /// The secret half of a prekey (K4): opens what is boxed to the device.
    PrekeySecret, 32
);

/// A box does not open: it is damaged, meant for another key, or bound to other circumstances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the box does not open")]
pub struct BoxBroken;

impl PrekeySecret {
    /// A fresh prekey.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let (secret, _) = XWing::gen_keypair_with_rng(rng);
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(secret.to_bytes().into());
        Self(*bytes)
    }

    /// The public half.
    pub fn public(&self) -> PrekeyPublic {
        public_of(&self.key())
    }

    /// The name of the prekey.
    pub fn id(&self) -> PrekeyId {
        self.public().id()
    }

    fn key(&self) -> PrivateKey {
        PrivateKey::from_bytes(&self.0).expect("any 32 bytes are the seed of an X-Wing key")
    }
}

impl PrekeyPublic {
    /// The name of the prekey.
    pub fn id(&self) -> PrekeyId {
        PrekeyId::from(prefix(&label::hash(label::PREKEY_ID, &[self.0.as_slice()])))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; PUBLIC_LEN] {
        &self.0
    }

    fn key(&self) -> PublicKey {
        PublicKey::from_bytes(self.0.as_slice()).expect("checked where the bytes were read")
    }
}

impl fmt::Debug for PrekeyPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrekeyPublic({})", self.id())
    }
}

impl Wire for PrekeyPublic {
    const WHAT: &'static str = "prekey";
    const CAP: usize = PUBLIC_LEN;

    fn write(&self, to: &mut Writer) {
        to.raw(self.0.as_slice());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes: [u8; PUBLIC_LEN] = from.array()?;
        from.require(is_key(&bytes))?;
        Ok(Self(Box::new(bytes)))
    }
}

thread_local! {
    /// Keys that were found sound, by their first byte: writing reads those of a conversation with each message, and
    /// a check expands the whole lattice.
    static SOUND: RefCell<[Option<Box<[u8; PUBLIC_LEN]>>; 32]> = const { RefCell::new([const { None }; 32]) };
}

fn is_key(bytes: &[u8; PUBLIC_LEN]) -> bool {
    SOUND.with_borrow_mut(|known| {
        let known = &mut known[usize::from(bytes[0]) % 32];
        if known.as_deref() != Some(bytes) && PublicKey::from_bytes(bytes).is_ok() {
            *known = Some(Box::new(*bytes));
        }
        known.as_deref() == Some(bytes)
    })
}

/// Seals `plain` to a prekey, bound to `info` and `aad`.
pub fn seal(rng: &mut impl CryptoRng, to: &PrekeyPublic, info: &[u8], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    let made = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeS::Base,
        &to.key(),
        info,
        plain,
        aad,
        rng,
    );
    let (enc, ct) = made.expect("a checked X-Wing key encapsulates, and no box nears the cipher's 256 GiB");
    [enc.to_bytes().as_slice(), &ct].concat()
}

/// Opens what [`seal`] made for this prekey with the same `info` and `aad`.
pub fn open(with: &PrekeySecret, info: &[u8], aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, BoxBroken> {
    open_by(&with.key(), info, aad, sealed)
}

fn open_by(with: &PrivateKey, info: &[u8], aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, BoxBroken> {
    let (enc, ct) = sealed.split_at_checked(ENC_LEN).ok_or(BoxBroken)?;
    let enc = Encapped::from_bytes(enc).ok().ok_or(BoxBroken)?;
    let opened =
        hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, XWing>(&OpModeR::Base, with, &enc, info, ct, aad);
    opened.map(Zeroizing::new).ok().ok_or(BoxBroken)
}

/// A prekey for who opens many boxes: its public half, which opening needs, is made once. Wiped when dropped.
pub struct Opener {
    key: PrivateKey,
    id: PrekeyId,
}

impl Opener {
    /// Of this prekey.
    pub fn of(secret: &PrekeySecret) -> Self {
        let key = secret.key();
        let id = public_of(&key).id();
        Self { key, id }
    }

    /// The name of the prekey.
    pub fn id(&self) -> PrekeyId {
        self.id
    }

    /// As [`open`].
    pub fn open(&self, info: &[u8], aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, BoxBroken> {
        open_by(&self.key, info, aad, sealed)
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opener({})", self.id)
    }
}

fn public_of(key: &PrivateKey) -> PrekeyPublic {
    let mut bytes = Box::new([0; PUBLIC_LEN]);
    XWing::sk_to_pk(key).write_exact(bytes.as_mut_slice());
    PrekeyPublic(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    #[test]
    fn a_box_opens_for_its_key_info_and_aad_only() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let (mine, other) = (PrekeySecret::generate(&mut rng), PrekeySecret::generate(&mut rng));
        let sealed = seal(&mut rng, &mine.public(), b"info", b"aad", b"secret");
        assert_eq!(sealed.len(), 6 + OVERHEAD);
        assert_eq!(open(&mine, b"info", b"aad", &sealed).unwrap().as_slice(), b"secret");
        assert!(open(&other, b"info", b"aad", &sealed).is_err());
        assert!(open(&mine, b"inf0", b"aad", &sealed).is_err());
        assert!(open(&mine, b"info", b"aae", &sealed).is_err());
        assert!(open(&mine, b"info", b"aad", &sealed[..ENC_LEN - 1]).is_err());
        let opener = Opener::of(&mine);
        assert_eq!(opener.id(), mine.id());
        assert_eq!(opener.open(b"info", b"aad", &sealed).unwrap().as_slice(), b"secret");
        assert!(opener.open(b"inf0", b"aad", &sealed).is_err());
    }

    #[test]
    fn a_secret_keeps_its_public_half() {
        let secret = PrekeySecret::generate(&mut ChaCha20Rng::seed_from_u64(2));
        let again = PrekeySecret::from_bytes(secret.expose());
        assert_eq!(again.public(), secret.public());
        assert_eq!(PrekeyPublic::from_bytes(&secret.public().to_bytes()), Ok(secret.public()));
    }

    #[test]
    fn an_ml_kem_key_out_of_range_is_refused() {
        assert!(PrekeyPublic::from_bytes(&[0xff; PUBLIC_LEN]).is_err());
    }
}
