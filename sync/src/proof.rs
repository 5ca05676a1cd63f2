//! What our device signs to prove itself in one session (bytes: `y7ke_crypto::hello`).

use y7ke_crypto::hello::{Proof, Role, Transcript};
use y7ke_crypto::sign::{DeviceKey, WrongSigner};

/// "I hold this device's key, here and now." No secret enters a session: the owner signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionProof {
    /// Our end.
    pub role: Role,
    /// Both nonces and both connection keys.
    pub transcript: Transcript,
}

impl SessionProof {
    /// Signs; hand the result to [`crate::Input::Signed`].
    pub fn sign(&self, key: &DeviceKey) -> Result<Proof, WrongSigner> {
        self.transcript.prove(self.role, key)
    }
}
