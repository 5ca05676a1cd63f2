//! Who is on the line: the proof that opens a session (S1).
//!
//! ```text
//! hello   nonce 32 · chain                               each side's first word
//! proof   sig 64 = Ed25519(device, "y7/hello/1" ‖ role u8 (0 dialer, 1 listener) ‖ device 32
//!                  ‖ dialer's nonce 32 ‖ listener's nonce 32 ‖ dialer's net 32 ‖ listener's net 32)
//! tag     keyed BLAKE3(key, log)[..16], key = BLAKE3("y7/tag-key/1" ‖ dialer's nonce ‖ listener's nonce)
//! ```
//!
//! The connection below (Noise, TLS) proves the two libp2p keys; a certificate names the libp2p key of its
//! device; the proof is fresh by both nonces and bound to both keys and to the role. So a proof neither
//! reaches another connection nor comes back at its maker. A log's name differs in every session, and only
//! those two who know the log recognise it.

use thiserror::Error;

use crate::cert::{CertChain, ChainFault, Proven};
use crate::codec::{DecodeError, Reader, Wire, Writer};
use crate::ids::{DeviceId, LogId, LogTag, NetKey, prefix};
use crate::label;
use crate::sign::{BadSignature, Claim, DeviceKey, SIG_LEN, Signed, WrongSigner};

/// Which end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The one that dialled.
    Dialer,
    /// The one that was dialled.
    Listener,
}

/// The first word of each side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Fresh in every session.
    pub nonce: [u8; 32],
    /// Who I claim to be.
    pub chain: CertChain,
}

/// What both sides know after their first words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// The dialer's nonce.
    pub dialer_nonce: [u8; 32],
    /// The listener's nonce.
    pub listener_nonce: [u8; 32],
    /// The dialer's libp2p key, as the connection proved it.
    pub dialer_net: NetKey,
    /// The listener's libp2p key, as the connection proved it.
    pub listener_net: NetKey,
}

/// A device's signature over the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof(pub [u8; SIG_LEN]);

/// Why the peer is not who it says. Its own fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HelloFault {
    /// The certificates prove nothing.
    #[error(transparent)]
    Chain(#[from] ChainFault),
    /// The certificates name another libp2p key than the connection's.
    #[error("the certificate is not that of this connection's key")]
    OtherNet,
    /// The session is not signed by the certified device.
    #[error(transparent)]
    BadSignature(#[from] BadSignature),
}

/// Names logs within one session (S1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TagKey([u8; 32]);

/// What one side signs.
struct SessionClaim<'a> {
    device: DeviceId,
    role: Role,
    transcript: &'a Transcript,
}

impl Role {
    /// The other end.
    pub fn other(self) -> Self {
        match self {
            Self::Dialer => Self::Listener,
            Self::Listener => Self::Dialer,
        }
    }
}

impl Hello {
    /// Checks the certificates against the key that the connection proved. The peer is proven only once
    /// [`Transcript::check`] has taken its signature too.
    pub fn verify(&self, connected: &NetKey) -> Result<Proven, HelloFault> {
        let proven = self.chain.verify()?;
        if proven.net == *connected { Ok(proven) } else { Err(HelloFault::OtherNet) }
    }
}

impl Transcript {
    /// Signs the session as the device at this end.
    pub fn prove(&self, role: Role, key: &DeviceKey) -> Result<Proof, WrongSigner> {
        let claim = SessionClaim { device: key.id(), role, transcript: self };
        key.sign(claim).map(|signed| Proof(*signed.sig()))
    }

    /// Checks the signature of the device at that end.
    pub fn check(&self, role: Role, peer: &Proven, proof: &Proof) -> Result<(), HelloFault> {
        let net = match role {
            Role::Dialer => self.dialer_net,
            Role::Listener => self.listener_net,
        };
        if net != peer.net {
            return Err(HelloFault::OtherNet);
        }
        let claim = SessionClaim { device: peer.device, role, transcript: self };
        Signed { claim, sig: proof.0 }.verify()?;
        Ok(())
    }

    /// The key that names logs in this session.
    pub fn tag_key(&self) -> TagKey {
        TagKey(label::hash(label::TAG_KEY, &[&self.dialer_nonce, &self.listener_nonce]))
    }
}

impl TagKey {
    /// The name of a log in this session.
    pub fn tag(&self, log: &LogId) -> LogTag {
        LogTag::from(prefix(blake3::keyed_hash(&self.0, log.as_bytes()).as_bytes()))
    }
}

impl std::fmt::Debug for TagKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TagKey(…)")
    }
}

impl Claim for SessionClaim<'_> {
    fn signer(&self) -> [u8; 32] {
        self.device.into_bytes()
    }

    fn message(&self) -> Vec<u8> {
        let Transcript { dialer_nonce, listener_nonce, dialer_net, listener_net } = self.transcript;
        let mut message = Writer::new();
        message.raw(label::HELLO.as_bytes()).u8(u8::from(self.role == Role::Listener)).put(&self.device);
        message.raw(dialer_nonce).raw(listener_nonce).put(dialer_net).put(listener_net);
        message.into_bytes()
    }
}

impl Wire for Hello {
    const WHAT: &'static str = "hello";
    const CAP: usize = 32 + CertChain::CAP;

    fn write(&self, to: &mut Writer) {
        to.raw(&self.nonce).put(&self.chain);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { nonce: from.array()?, chain: from.get()? })
    }
}

impl Wire for Proof {
    const WHAT: &'static str = "session proof";
    const CAP: usize = SIG_LEN;

    fn write(&self, to: &mut Writer) {
        to.raw(&self.0);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.array().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::{Caps, Subject};
    use crate::sign::{NetSecret, RootKey};

    fn peer(n: u8) -> (DeviceKey, Hello) {
        let key = DeviceKey::from_seed(&[n; 32]);
        let net = NetSecret::from_bytes(&[n + 50; 32]).id();
        let subject = Subject { device: key.id(), net, caps: Caps::ADMIN, not_before: 0, cert_seq: 0 };
        let chain = CertChain::rooted(&RootKey::from_seed(&[n + 100; 32]), subject);
        (key, Hello { nonce: [n; 32], chain })
    }

    fn net(n: u8) -> NetKey {
        NetSecret::from_bytes(&[n + 50; 32]).id()
    }

    fn transcript() -> Transcript {
        Transcript { dialer_nonce: [1; 32], listener_nonce: [2; 32], dialer_net: net(1), listener_net: net(2) }
    }

    #[test]
    fn s1_both_ends_prove_themselves() {
        let ((a, a_hello), (b, b_hello)) = (peer(1), peer(2));
        let (a_proven, b_proven) = (a_hello.verify(&net(1)).unwrap(), b_hello.verify(&net(2)).unwrap());
        let (a_proof, b_proof) =
            (transcript().prove(Role::Dialer, &a).unwrap(), transcript().prove(Role::Listener, &b).unwrap());
        assert_eq!(transcript().check(Role::Dialer, &a_proven, &a_proof), Ok(()));
        assert_eq!(transcript().check(Role::Listener, &b_proven, &b_proof), Ok(()));
    }

    /// S1: a proof serves one session, one end, one connection and one device.
    #[test]
    fn s1_a_proof_serves_nowhere_else() {
        let (a, hello) = peer(1);
        let proven = hello.verify(&net(1)).unwrap();
        let proof = transcript().prove(Role::Dialer, &a).unwrap();
        let elsewhere = [
            Transcript { dialer_nonce: [9; 32], ..transcript() },
            Transcript { listener_nonce: [9; 32], ..transcript() },
            Transcript { listener_net: net(3), ..transcript() },
        ];
        for other in elsewhere {
            assert!(other.check(Role::Dialer, &proven, &proof).is_err());
        }
        let mirrored = Transcript { dialer_net: net(2), listener_net: net(1), ..transcript() };
        assert!(mirrored.check(Role::Listener, &proven, &proof).is_err());
        let moved = Transcript { dialer_net: net(3), ..transcript() };
        assert_eq!(moved.check(Role::Dialer, &proven, &proof), Err(HelloFault::OtherNet));
    }

    #[test]
    fn s1_a_certificate_of_another_host_is_refused() {
        assert_eq!(peer(1).1.verify(&net(2)), Err(HelloFault::OtherNet));
    }

    #[test]
    fn s1_a_log_has_another_name_in_every_session() {
        let log = LogId::from([7; 32]);
        let other = Transcript { listener_nonce: [3; 32], ..transcript() };
        assert_ne!(transcript().tag_key().tag(&log), other.tag_key().tag(&log));
        assert_eq!(transcript().tag_key().tag(&log), transcript().tag_key().tag(&log));
    }
}
