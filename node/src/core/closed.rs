//! A core whose file is being opened again after a disk error.
//!
//! redb serves nothing more after an error of the disk, so the file has to be let go of before it
//! can be opened again. What the process knew (who listens where, what strangers did) is kept.

use y7ke_ledger::store::Ledger;

use super::{Core, CoreConfig, Engine};

/// An [`Engine`] without its ledger.
pub struct Closed<R> {
    core: Core,
    config: CoreConfig,
    rng: R,
}

impl<R> Engine<R> {
    /// Lets go of the ledger.
    pub fn close(self) -> Closed<R> {
        Closed { core: self.core, config: self.config, rng: self.rng }
    }
}

impl<R> Closed<R> {
    /// Goes on with the ledger, opened again: the first input is [`super::Input::Start`].
    pub fn open(self, ledger: Ledger) -> Engine<R> {
        Engine { ledger, core: self.core, config: self.config, rng: self.rng }
    }
}
