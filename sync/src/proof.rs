//! What a device signs to prove itself in one session.
//!
//! ```text
//! proof   Ed25519(device key, "y7/hello/1" ‖ role u8 ‖ own nonce 32 ‖ other nonce 32 ‖ own NetKey 32 ‖ other NetKey 32)
//!         role   0 = the dialler signs · 1 = the listener signs
//! ```
//!
//! Both nonces make it of this session alone, both NetKeys tie it to this connection (nobody in the
//! middle can pass it on), the role keeps one side's proof from serving as the other's.

use y7ke_crypto::ids::{DeviceId, NetKey};
use y7ke_crypto::label;
use y7ke_crypto::sign::Claim;

/// "I hold this device's key, here and now."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionProof {
    /// Who signs.
    pub device: DeviceId,
    /// Whether the signer dialled.
    pub dialer: bool,
    /// The signer's nonce, then the other side's.
    pub nonces: [[u8; 32]; 2],
    /// The signer's connection key, then the other side's.
    pub nets: [NetKey; 2],
}

impl Claim for SessionProof {
    fn signer(&self) -> [u8; 32] {
        self.device.into_bytes()
    }

    fn message(&self) -> Vec<u8> {
        let role = [u8::from(!self.dialer)];
        let [own, other] = &self.nonces;
        let [net, other_net] = self.nets.each_ref().map(NetKey::as_bytes);
        label::message(label::HELLO, &[&role, own, other, net, other_net])
    }
}
