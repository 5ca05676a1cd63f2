//! Network keys and libp2p's peer ids.
//!
//! ```text
//! peer id = 00 24 08 01 12 20 ‖ Ed25519 key     identity multihash (00, 36 bytes) of a protobuf key
//! ```
//!
//! Any other peer id (RSA, a hashed key) has no `NetKey` and gets no session.

use libp2p::PeerId;
use libp2p::identity::Keypair;
use y7ke_crypto::ids::NetKey;

const PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// The key inside a peer id, if it is a usable Ed25519 key.
pub(crate) fn net_key(peer: &PeerId) -> Option<NetKey> {
    let bytes = peer.to_bytes();
    let key = bytes.strip_prefix(&PREFIX)?;
    NetKey::checked(key.try_into().ok()?).ok()
}

/// The peer id that contains this key.
pub(crate) fn peer_id(key: &NetKey) -> PeerId {
    let bytes = [PREFIX.as_slice(), key.as_bytes()].concat();
    // An identity multihash of 36 bytes is within the 42 that a peer id may carry.
    PeerId::from_bytes(&bytes).expect("a well-formed identity multihash is a peer id")
}

/// The libp2p key pair of a seed.
pub(crate) fn keypair(seed: &[u8; 32]) -> Keypair {
    let mut bytes = *seed;
    // The copy is zeroed by the constructor; every 32 bytes are an Ed25519 seed.
    Keypair::ed25519_from_bytes(&mut bytes).expect("32 bytes are an Ed25519 seed")
}

/// The network key of a seed.
pub(crate) fn net_key_of_seed(seed: &[u8; 32]) -> NetKey {
    net_key(&keypair(seed).public().to_peer_id()).expect("the peer id of an Ed25519 key contains it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_the_way_to_a_peer_id_and_back() {
        let key = net_key_of_seed(&[7; 32]);
        assert_eq!(net_key(&peer_id(&key)), Some(key));
        assert_eq!(peer_id(&key).to_string(), key.to_string());
    }

    #[test]
    fn a_peer_id_that_is_only_a_hash_has_no_key() {
        // sha2-256 multihash, as RSA keys have.
        let mut bytes = vec![0x12, 0x20];
        bytes.extend_from_slice(&[9; 32]);
        assert_eq!(net_key(&PeerId::from_bytes(&bytes).unwrap()), None);
    }

    #[test]
    fn a_key_that_is_no_point_is_refused() {
        let bytes = [PREFIX.as_slice(), &[0; 32]].concat();
        assert_eq!(net_key(&PeerId::from_bytes(&bytes).unwrap()), None);
    }
}
