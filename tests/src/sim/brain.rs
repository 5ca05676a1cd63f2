//! What runs on a machine: the node core as it is, or something that plays one.
//!
//! ```text
//! Brain ── round(inputs, now) ─▶ outputs     the surface of `y7ke_node::core::Engine`, and nothing else
//!   ├─ Engine<ChaCha20Rng>                   what people run
//!   ├─ planted::…                            an engine behind a wrapper that breaks one promise
//!   └─ liar::…                               a device with valid keys and no manners
//! ```

use std::rc::Rc;

use rand_chacha::ChaCha20Rng;
use y7ke_crypto::ids::{NetKey, RootId};
use y7ke_crypto::vault::{Dek, VaultFile};
use y7ke_ledger::store::{Ledger, StorageError, SubKeys};
use y7ke_node::api::VaultKind;
use y7ke_node::core::{Closed, CoreConfig, Engine, Input, Now, Output};
use y7ke_transport::Config;

use super::dice::Dice;
use super::disk::SimDisk;

/// What runs on a machine.
pub trait Brain {
    /// The name of its transport.
    fn net(&self) -> NetKey;

    /// Whose device it is.
    fn root(&self) -> RootId;

    /// One round; the error is the disk's.
    fn round(&mut self, inputs: Vec<Input>, now: Now) -> (Vec<Output>, Option<StorageError>);

    /// When it wants to be woken, in its monotonic ms.
    fn poll_timeout(&self) -> Option<(u64, &'static str)>;

    /// Its log, for the checkers.
    fn ledger(&self) -> Option<Ledger>;

    /// Lets go of the log after a disk error.
    fn close(self: Box<Self>) -> Box<dyn Shut>;
}

/// A brain without its log.
pub trait Shut {
    /// Goes on with the log, opened again.
    fn open(self: Box<Self>, ledger: Ledger) -> Box<dyn Brain>;
}

impl Brain for Engine<ChaCha20Rng> {
    fn net(&self) -> NetKey {
        Config::new(self.net_seed(), Vec::new()).net_key()
    }

    fn root(&self) -> RootId {
        Self::root(self)
    }

    fn round(&mut self, inputs: Vec<Input>, now: Now) -> (Vec<Output>, Option<StorageError>) {
        Self::round(self, inputs, now)
    }

    fn poll_timeout(&self) -> Option<(u64, &'static str)> {
        Self::poll_timeout(self)
    }

    fn ledger(&self) -> Option<Ledger> {
        Some(Self::ledger(self).clone())
    }

    fn close(self: Box<Self>) -> Box<dyn Shut> {
        Box::new(Self::close(*self))
    }
}

impl Shut for Closed<ChaCha20Rng> {
    fn open(self: Box<Self>, ledger: Ledger) -> Box<dyn Brain> {
        Box::new(Self::open(*self, ledger))
    }
}

/// What a machine keeps outside its log: the key of its vault.
#[derive(Clone)]
pub struct Safe(Rc<Dek>);

impl Safe {
    /// A new one.
    pub fn new(dice: &mut Dice) -> Self {
        Self(Rc::new(VaultFile::with_file_slot(&mut dice.rng()).1))
    }

    /// The log on this disk, under this key.
    pub fn open(&self, disk: &SimDisk) -> Result<Ledger, StorageError> {
        Ledger::open(disk.storage(), SubKeys::new(&self.0))
    }
}

/// A machine at the moment of its start.
pub struct Boot {
    /// Its disk.
    pub disk: SimDisk,
    /// Its vault.
    pub safe: Safe,
    /// Its randomness in this life.
    pub rng: ChaCha20Rng,
    /// The time.
    pub now: Now,
}

/// Starts what runs on a machine, each time that it is switched on.
pub type Maker = Rc<dyn Fn(Boot) -> Result<Box<dyn Brain>, StorageError>>;

/// The node as people run it.
pub fn engine(boot: Boot) -> Result<Engine<ChaCha20Rng>, StorageError> {
    let config = CoreConfig { version: "simulated".into(), vault: VaultKind::File, mode: None };
    Engine::open(boot.safe.open(&boot.disk)?, config, boot.rng, boot.now)
}

/// [`engine`] as a [`Maker`].
pub fn honest() -> Maker {
    Rc::new(|boot| Ok(Box::new(engine(boot)?)))
}
