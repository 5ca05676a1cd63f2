//! The labels that keep one use of a primitive apart from every other.
//!
//! ```text
//! hash      BLAKE3(label ‖ fields)           kdf     HKDF-SHA256(salt, key, info = label ‖ fields)
//! sign      Ed25519(label ‖ fields)          box     HPKE info = label ‖ fields
//! ```
//!
//! Invariant: no label is a prefix of another, so `label ‖ fields` is read in one way only. Fields of
//! variable length carry their length (see [`crate::codec`]).

use std::sync::LazyLock;

use hkdf::{Hkdf, HkdfExtract};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Content of an event, hashed into its id (E).
pub const EVENT: &str = "y7/event/1";
/// Signature of an event's author over its id (E).
pub const EVENT_SIG: &str = "y7/sig/1";
/// Identity log id (C2).
pub const LOG_IDENTITY: &str = "y7/log/identity/1";
/// Account log id (C2).
pub const LOG_ACCOUNT: &str = "y7/log/account/1";
/// Conversation log id (C2).
pub const LOG_CONVERSATION: &str = "y7/log/conversation/1";
/// Certificate of a device (V2).
pub const CERT: &str = "y7/cert/1";
/// Signature of a device over its prekey (K4).
pub const PREKEY: &str = "y7/prekey/1";
/// Name of a prekey (K4).
pub const PREKEY_ID: &str = "y7/prekey-id/1";
/// Hash of a bundle (C1).
pub const BUNDLE: &str = "y7/bundle/1";
/// Signature of a device over a contact request (C1).
pub const REQUEST: &str = "y7/request/1";
/// H(Req), what an opening event cites (C2).
pub const REQUEST_HASH: &str = "y7/request-hash/1";
/// Hash of a request's name and greeting (C1).
pub const DETAILS: &str = "y7/details/1";
/// HPKE `info` of the boxes of a contact request (C1).
pub const REQUEST_BOX: &str = "y7/request-box/1";
/// Associated data of the sealed body of a contact request (C1).
pub const REQUEST_SEAL: &str = "y7/request-seal/1";
/// HPKE `info` of an epoch's boxes (K1).
pub const BOX: &str = "y7/box/1";
/// Hash of a detached box, listed by its rekey (K1).
pub const BOX_HASH: &str = "y7/box-hash/1";
/// Commitment to an epoch's secret (K1).
pub const COMMIT: &str = "y7/commit/1";
/// Hash of an epoch's members (K1).
pub const MEMBERS: &str = "y7/members/1";
/// Name of an epoch: hash of its rekey event's id (K1).
pub const EPOCH: &str = "y7/epoch/1";
/// First key of a sender's chain (K2).
pub const CHAIN: &str = "y7/chain/1";
/// Event key from a chain key (K2).
pub const EVENT_KEY: &str = "y7/ek/1";
/// Next chain key from a chain key (K2).
pub const CHAIN_KEY: &str = "y7/ck/1";
/// Commitment to an event key (E6).
pub const KEY_COMMIT: &str = "y7/kc/1";
/// Signature of a device over what it holds (S3).
pub const ACK: &str = "y7/ack/1";
/// Signature of a device over the session it is in.
pub const HELLO: &str = "y7/hello/1";
/// Key of a session's log tags (S1).
pub const TAG_KEY: &str = "y7/tag-key/1";
/// Associated data of a vault slot.
pub const VAULT: &str = "y7/vault/1";
/// Fingerprint of a vault's key.
pub const VAULT_CHECK: &str = "y7/vault-check/1";
/// A key of the vault for one purpose.
pub const SUBKEY: &str = "y7/subkey/1";
/// Half of a safety number (B8).
pub const SAFETY: &str = "y7/safety/1";

/// `BLAKE3(label ‖ fields)`; fields are of fixed length or carry their own.
pub fn hash(label: &str, fields: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(label.as_bytes());
    for field in fields {
        hasher.update(field);
    }
    hasher.finalize().into()
}

/// `HKDF-SHA256(salt, key, label ‖ fields)`, up to 255 × 32 bytes of it.
pub(crate) fn derive<const N: usize>(
    salt: Option<&[u8]>,
    key: &[u8],
    label: &str,
    fields: &[&[u8]],
) -> Zeroizing<[u8; N]> {
    Extracted::of(salt, key).expand(label, fields)
}

/// The first half of HKDF: of one key several others are made, each under its own label.
pub(crate) struct Extracted(Hkdf<Sha256>);

impl Extracted {
    pub(crate) fn of(salt: Option<&[u8]>, key: &[u8]) -> Self {
        /// Without a salt the first two of its eight blocks are always the same.
        static UNSALTED: LazyLock<HkdfExtract<Sha256>> = LazyLock::new(|| HkdfExtract::new(None));
        let mut half = salt.map_or_else(|| UNSALTED.clone(), |salt| HkdfExtract::new(Some(salt)));
        half.input_ikm(key);
        Self(half.finalize().1)
    }

    pub(crate) fn expand<const N: usize>(&self, label: &str, fields: &[&[u8]]) -> Zeroizing<[u8; N]> {
        const { assert!(N <= 255 * 32, "HKDF-SHA256 yields at most 255 blocks") };
        let mut out = Zeroizing::new([0; N]);
        let made = match fields {
            [] => self.0.expand(label.as_bytes(), out.as_mut()),
            fields => {
                let info: Vec<&[u8]> = std::iter::once(label.as_bytes()).chain(fields.iter().copied()).collect();
                self.0.expand_multi_info(&info, out.as_mut())
            }
        };
        made.expect("the length is checked at compile time");
        out
    }
}

/// `label ‖ fields`, what is signed or bound as associated data.
pub fn message(label: &str, fields: &[&[u8]]) -> Vec<u8> {
    let mut bytes = label.as_bytes().to_vec();
    for field in fields {
        bytes.extend_from_slice(field);
    }
    bytes
}

/// Every label, for the test that none is a prefix of another.
#[cfg(test)]
const ALL: &[&str] = &[
    EVENT,
    EVENT_SIG,
    LOG_IDENTITY,
    LOG_ACCOUNT,
    LOG_CONVERSATION,
    CERT,
    PREKEY,
    PREKEY_ID,
    BUNDLE,
    REQUEST,
    REQUEST_HASH,
    DETAILS,
    REQUEST_BOX,
    REQUEST_SEAL,
    BOX,
    BOX_HASH,
    COMMIT,
    MEMBERS,
    EPOCH,
    CHAIN,
    EVENT_KEY,
    CHAIN_KEY,
    KEY_COMMIT,
    ACK,
    HELLO,
    TAG_KEY,
    VAULT,
    VAULT_CHECK,
    SUBKEY,
    SAFETY,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_label_is_a_prefix_of_another() {
        for (i, a) in ALL.iter().enumerate() {
            assert!(a.starts_with("y7/") && a.ends_with("/1"), "{a}");
            for (j, b) in ALL.iter().enumerate() {
                assert!(i == j || !b.starts_with(a), "{a} begins {b}");
            }
        }
    }
}
