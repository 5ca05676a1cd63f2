//! The rival: the signatures in batches, and one X-Wing box per 100 events. Nothing is parsed, hashed or stored.

use ed25519_zebra::{Signature, VerificationKeyBytes, batch};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use y7ke_crypto::boxes::{self, PrekeySecret};

use super::script::Script;

/// Events of one batch: as many as one of sync's frames.
const BATCH: usize = 512;
/// Events per box (K3).
const PER_BOX: usize = 100;

pub(crate) struct Rival {
    signatures: Vec<(VerificationKeyBytes, Signature, Vec<u8>)>,
    prekey: PrekeySecret,
    boxes: Vec<Vec<u8>>,
}

impl Rival {
    /// The signatures of exactly these events.
    pub(crate) fn of(script: &Script) -> anyhow::Result<Self> {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let prekey = PrekeySecret::generate(&mut rng);
        let public = prekey.public();
        let boxes = (0..script.count() / PER_BOX).map(|_| boxes::seal(&mut rng, &public, b"bench", &[], &[7; 32]));
        let boxes = boxes.collect();
        Ok(Self { signatures: script.signatures()?, prekey, boxes })
    }

    /// Verifies and opens all of it.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let mut rng = ChaCha20Rng::seed_from_u64(4);
        for chunk in self.signatures.chunks(BATCH) {
            let mut batch = batch::Verifier::new();
            for (key, sig, message) in chunk {
                batch.queue((*key, *sig, message));
            }
            batch.verify(&mut rng).map_err(|_| anyhow::anyhow!("every signature is good"))?;
        }
        for sealed in &self.boxes {
            boxes::open(&self.prekey, b"bench", &[], sealed)?;
        }
        Ok(())
    }
}
