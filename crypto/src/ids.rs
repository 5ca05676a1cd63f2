//! Names of things: fixed bytes, ordered, printed as text.
//!
//! ```text
//! RootId    32  Ed25519 key of a person          "y7:" + base58
//! DeviceId  32  Ed25519 key of a device          hex
//! NetKey    32  Ed25519 key of a libp2p host     base58(00 24 08 01 12 20 ‖ key), "12D3Koo…"
//! LogId     32  H(root) or H(roots, req_id)      hex      identity, account, conversation (C2)
//! EventId   32  Automerge change hash            hex      (E)
//! RequestId 32  random · BodyHash 32 BLAKE3(ct) · BundleHash 32
//! EpochId   16  H(rekey event) · PrekeyId 16 H(public key) · LogTag 16 a log's name in one session (S1)
//! ```
//!
//! Invariants of keys of people and devices that came from outside: canonical encoding, not of small
//! order (E3: such a key verifies signatures that nobody made). `RootId` is also checked to be on the
//! curve wherever it is read; a `DeviceId` where its certificate is read. A header's device is not
//! decompressed again: its signature check does that.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::codec::{DecodeError, Reader, Wire, Writer};
use crate::label;

/// Why text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ParseIdError {
    /// Not the alphabet, length or prefix of this kind of id.
    #[error("not an id of this kind")]
    Malformed,
    /// The bytes are not a usable Ed25519 public key.
    #[error("not a usable public key")]
    BadKey,
}

/// Declares an id of `N` bytes without its text form and its codec.
macro_rules! id_bytes {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name([u8; $len]);

        impl Ord for $name {
            /// As bytes. Most maps have ids for keys, and the first eight bytes tell nearly all of them apart.
            fn cmp(&self, other: &Self) -> Ordering {
                head(&self.0).cmp(&head(&other.0)).then_with(|| self.0.cmp(&other.0))
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// The bytes, by value.
            pub const fn into_bytes(self) -> [u8; $len] {
                self.0
            }
        }

        impl From<[u8; $len]> for $name {
            /// Trusts the bytes; those of a peer go through `Wire` or `FromStr`.
            fn from(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    };
}

/// The first eight bytes as a number: it orders as they do.
fn head<const N: usize>(bytes: &[u8; N]) -> u64 {
    bytes.first_chunk().map_or(0, |head| u64::from_be_bytes(*head))
}

/// Text form in hex.
macro_rules! id_hex {
    ($name:ident, $len:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0; 2 * $len];
                hex::encode_to_slice(self.0, &mut text).or(Err(fmt::Error))?;
                f.write_str(std::str::from_utf8(&text).or(Err(fmt::Error))?)
            }
        }
    };
}

/// An id that is any bytes: text form in hex, codec without checks.
macro_rules! plain_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        id_bytes!($(#[$doc])* $name, $len);
        id_hex!($name, $len);

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                unhex(text).map(Self).ok_or(ParseIdError::Malformed)
            }
        }

        impl Wire for $name {
            const WHAT: &'static str = stringify!($name);
            const CAP: usize = $len;

            fn write(&self, to: &mut Writer) {
                to.raw(&self.0);
            }

            fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                from.array().map(Self)
            }
        }
    };
}

id_bytes!(
    /// A person: an Ed25519 public key that certifies devices (V2).
    RootId, 32
);
id_bytes!(
    /// A device: the Ed25519 public key that signs its events (V2).
    DeviceId, 32
);
id_bytes!(
    /// The Ed25519 public key of a device's libp2p host, shown as a peer id (V2).
    NetKey, 32
);
plain_id!(
    /// A log (C2).
    LogId, 32
);
plain_id!(
    /// An event: the Automerge hash of its change (E).
    EventId, 32
);
plain_id!(
    /// A contact request: random (C1).
    RequestId, 32
);
plain_id!(
    /// BLAKE3 of an event's body as it travels (E).
    BodyHash, 32
);
plain_id!(
    /// Hash of a [`crate::bundle::Bundle`] (C1).
    BundleHash, 32
);
plain_id!(
    /// An epoch: hash of the rekey event that began it (K1).
    EpochId, 16
);
plain_id!(
    /// A prekey: hash of its public key (K4).
    PrekeyId, 16
);
plain_id!(
    /// A log's name within one session (S1).
    LogTag, 16
);
id_hex!(DeviceId, 32);

impl LogId {
    /// The identity log of a person (V1).
    pub fn identity(root: &RootId) -> Self {
        Self(label::hash(label::LOG_IDENTITY, &[&root.0]))
    }

    /// The account log of a person.
    pub fn account(root: &RootId) -> Self {
        Self(label::hash(label::LOG_ACCOUNT, &[&root.0]))
    }

    /// The conversation that a request opens (C2); who asked whom makes no difference.
    pub fn conversation(a: &RootId, b: &RootId, request: &RequestId) -> Self {
        let (lesser, greater) = if a <= b { (a, b) } else { (b, a) };
        Self(label::hash(label::LOG_CONVERSATION, &[&lesser.0, &greater.0, &request.0]))
    }
}

impl EpochId {
    /// The epoch that this rekey event begins (K1).
    pub fn of(rekey: &EventId) -> Self {
        Self(prefix(&label::hash(label::EPOCH, &[&rekey.0])))
    }
}

impl BodyHash {
    /// The hash of a body as it travels. It has no label of its own: it is only ever used inside the
    /// labelled content hash of an event (E).
    pub fn of(ct: &[u8]) -> Self {
        Self(blake3::hash(ct).into())
    }
}

impl RootId {
    /// Refuses what is not a usable Ed25519 public key.
    pub fn checked(bytes: [u8; 32]) -> Result<Self, ParseIdError> {
        check_key(&bytes).map(|()| Self(bytes))
    }
}

impl DeviceId {
    /// Refuses what is not a usable Ed25519 public key.
    pub fn checked(bytes: [u8; 32]) -> Result<Self, ParseIdError> {
        check_key(&bytes).map(|()| Self(bytes))
    }
}

impl NetKey {
    /// Refuses what is not a usable Ed25519 public key.
    pub fn checked(bytes: [u8; 32]) -> Result<Self, ParseIdError> {
        check_key(&bytes).map(|()| Self(bytes))
    }
}

impl fmt::Display for RootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ROOT_PREFIX}{}", bs58::encode(self.0).into_string())
    }
}

impl FromStr for RootId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let base58 = text.strip_prefix(ROOT_PREFIX).ok_or(ParseIdError::Malformed)?;
        unbase58(base58).ok_or(ParseIdError::Malformed).and_then(Self::checked)
    }
}

impl FromStr for DeviceId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        unhex(text).ok_or(ParseIdError::Malformed).and_then(Self::checked)
    }
}

impl fmt::Display for NetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = PEER_ID_PREFIX.to_vec();
        bytes.extend_from_slice(&self.0);
        f.write_str(&bs58::encode(bytes).into_string())
    }
}

impl FromStr for NetKey {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let bytes: [u8; 38] = unbase58(text).ok_or(ParseIdError::Malformed)?;
        let (prefix, key) = bytes.split_first_chunk::<6>().ok_or(ParseIdError::Malformed)?;
        let key = <[u8; 32]>::try_from(key).ok().filter(|_| prefix == PEER_ID_PREFIX);
        key.ok_or(ParseIdError::Malformed).and_then(Self::checked)
    }
}

impl Wire for RootId {
    const WHAT: &'static str = "RootId";
    const CAP: usize = 32;

    fn write(&self, to: &mut Writer) {
        to.raw(&self.0);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::checked(from.array()?).ok().ok_or(from.bad())
    }
}

impl Wire for DeviceId {
    const WHAT: &'static str = "DeviceId";
    const CAP: usize = 32;

    fn write(&self, to: &mut Writer) {
        to.raw(&self.0);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes = from.array()?;
        from.require(is_sound(&bytes))?;
        Ok(Self(bytes))
    }
}

impl Wire for NetKey {
    const WHAT: &'static str = "NetKey";
    const CAP: usize = 32;

    fn write(&self, to: &mut Writer) {
        to.raw(&self.0);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes = from.array()?;
        from.require(is_sound(&bytes))?;
        Ok(Self(bytes))
    }
}

/// What every identity begins with in text.
const ROOT_PREFIX: &str = "y7:";

/// Identity multihash (00, 36 bytes) of a protobuf-encoded Ed25519 key (08 01 12 20).
const PEER_ID_PREFIX: &[u8; 6] = &[0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// The y coordinates of the points of order 1, 2, 4 and 8, little-endian, without the sign bit.
/// With [`is_canonical`] they are all the encodings of small-order points.
const SMALL_ORDER_Y: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    {
        let mut minus_one = [0xff; 32];
        minus_one[0] = 0xec;
        minus_one[31] = 0x7f;
        minus_one
    },
];

/// Whether the encoding is canonical and not of small order: everything about a key but the curve.
pub(crate) fn is_sound(key: &[u8; 32]) -> bool {
    let mut y = *key;
    y[31] &= 0x7f;
    is_canonical(&y) && !SMALL_ORDER_Y.iter().any(|small| small[0] == y[0] && *small == y)
}

/// Whether y < 2²⁵⁵ − 19.
fn is_canonical(y: &[u8; 32]) -> bool {
    y[31] != 0x7f || y[0] < 0xed || y[1..31].iter().any(|byte| *byte != 0xff)
}

fn check_key(key: &[u8; 32]) -> Result<(), ParseIdError> {
    if is_sound(key) && is_on_curve(key) { Ok(()) } else { Err(ParseIdError::BadKey) }
}

thread_local! {
    /// Keys that were found on the curve, by their first byte. The few people of a conversation are read again with each
    /// row and each frame, and a check takes as long as a signature's half.
    static ON_CURVE: RefCell<[[u8; 32]; 256]> = const { RefCell::new([[0; 32]; 256]) };
}

/// Whether a sound encoding is that of a point. (The zeros that the memory begins with are not sound.)
fn is_on_curve(key: &[u8; 32]) -> bool {
    ON_CURVE.with_borrow_mut(|known| {
        let known = &mut known[usize::from(key[0])];
        if known != key && ed25519_dalek::VerifyingKey::from_bytes(key).is_ok() {
            *known = *key;
        }
        known == key
    })
}

/// The first `N` bytes of a hash.
pub(crate) fn prefix<const N: usize>(hash: &[u8; 32]) -> [u8; N] {
    const { assert!(N <= 32, "a hash has 32 bytes") };
    std::array::from_fn(|i| hash[i])
}

fn unbase58<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    // base58 of N bytes has at most 1.37 · N characters; longer text is refused before it is decoded.
    let fits = text.len() <= N * 2;
    let len = fits.then(|| bs58::decode(text).onto(&mut bytes).ok()).flatten()?;
    (len == N).then_some(bytes)
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    let mut bytes = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = 16 * digit(pair[0])? + digit(pair[1])?;
    }
    Some(bytes)
}

/// Lower case only: an id has one text form.
fn digit(char: u8) -> Option<u8> {
    match char {
        b'0'..=b'9' => Some(char - b'0'),
        b'a'..=b'f' => Some(char - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> [u8; 32] {
        ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes()
    }

    /// A2: the text form round-trips, and one wrong character is refused or is another id.
    #[test]
    fn a2_root_text_round_trips() {
        for seed in 0..50 {
            let root = RootId::checked(key(seed)).unwrap();
            let text = root.to_string();
            assert!(text.starts_with("y7:"));
            assert_eq!(text.parse(), Ok(root));
            assert_eq!(text[3..].parse::<RootId>(), Err(ParseIdError::Malformed));
            assert_eq!(format!("{text} ").parse::<RootId>(), Err(ParseIdError::Malformed));
        }
    }

    #[test]
    fn net_key_is_a_peer_id() {
        // The key of RFC 8032 test 1 and its peer id as libp2p prints it.
        let net: NetKey =
            unhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").map(NetKey).unwrap();
        let text = net.to_string();
        assert!(text.starts_with("12D3Koo"), "{text}");
        assert_eq!(text.parse(), Ok(net));
    }

    /// E3: keys of small order are refused in every encoding, also where dalek would take them.
    #[test]
    fn e3_small_order_and_non_canonical_keys_are_refused() {
        for mut y in SMALL_ORDER_Y {
            for sign in [0, 0x80] {
                y[31] = y[31] & 0x7f | sign;
                assert!(!is_sound(&y));
                if let Ok(point) = ed25519_dalek::VerifyingKey::from_bytes(&y) {
                    assert!(point.is_weak());
                }
                assert!(RootId::from_bytes(&y).is_err() && DeviceId::from_bytes(&y).is_err());
            }
        }
        for low in 0xed..=0xff {
            let mut y = [0xff; 32];
            (y[0], y[31]) = (low, 0x7f);
            assert!(!is_sound(&y), "p + {}", low - 0xed);
        }
    }

    #[test]
    fn sound_keys_are_taken_and_no_weak_one_is_missed() {
        let mut taken = 0;
        for seed in 0..=255 {
            assert!(is_sound(&key(seed)));
            // Small y: any point there is either refused by us or not weak.
            let mut y = [0; 32];
            y[0] = seed;
            if let Ok(point) = ed25519_dalek::VerifyingKey::from_bytes(&y) {
                assert!(!is_sound(&y) || !point.is_weak());
                taken += 1;
            }
        }
        assert!(taken > 50);
    }

    /// C2: a conversation is the same whichever side names it; other requests make other logs.
    #[test]
    fn c2_conversation_id_is_symmetric() {
        let (a, b) = (RootId(key(1)), RootId(key(2)));
        let one = LogId::conversation(&a, &b, &RequestId([1; 32]));
        assert_eq!(one, LogId::conversation(&b, &a, &RequestId([1; 32])));
        assert_ne!(one, LogId::conversation(&a, &b, &RequestId([2; 32])));
        assert_ne!(LogId::identity(&a), LogId::account(&a));
    }

    #[test]
    fn hex_has_one_form() {
        let id = LogId([0xab; 32]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().to_uppercase().parse::<LogId>().is_err());
    }
}
