//! The node's core: commands, network events and timers in; sends, dials, answers and notices out.
//!
//! ```text
//!   Command ─┐                                ┌─▶ Output::Net      (dial, send a frame, close …)
//!   NetEvent ├─▶ Core::handle ─▶ Batch ─commit┼─▶ Output::Answer   (to the caller of a command)
//!   timer   ─┘        ▲                       └─▶ Output::Notice   (to whoever listens)
//!                     └ the one write transaction of the round
//! ```
//!
//! The core decides; it owns no socket, no clock, no randomness and no file. A *round*
//! ([`Engine::round`]) runs a handful of inputs against one ledger batch, commits it, and
//! only then releases the outputs. What follows from that, by construction:
//!
//! * nothing is acknowledged, sent or answered before it is durable (PROTOCOL E7, S3);
//! * whatever waits while a commit runs becomes the next transaction (group commit);
//! * a disk error throws the whole round away, in memory as well: the core is rebuilt from
//!   the disk, and nobody was told anything that is not there.
//!
//! The shell (`shell.rs`) drives an engine with real sockets; the simulator in `tests/`
//! drives the same engine with virtual time and a disk that loses writes.

use rand_core::CryptoRng;
use y7ke_ledger::store::{Ledger, StorageError};
use y7ke_transport::{Command as NetCommand, Event as NetEvent};

use crate::api::{Answer, ApiError, Command, Notice};

/// Names a command's caller until its answer is released.
pub type CallId = u64;

/// The time of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Wall clock, milliseconds since 1970: for what people see and for expiry.
    pub wall_ms: u64,
    /// Monotonic clock of this process, milliseconds: for timers.
    pub mono_ms: u64,
}

/// What comes in.
#[derive(Debug)]
pub enum Input {
    /// The first input after a start: publish what is due, dial whom we know.
    Start,
    /// A command of a person or a program.
    Command {
        /// Whom to answer.
        call: CallId,
        /// What to do.
        command: Command,
    },
    /// From the transport.
    Net(NetEvent),
    /// The time that [`Core::poll_timeout`] named has come.
    Timeout,
}

/// What goes out once the round is durable.
#[derive(Debug)]
pub enum Output {
    /// To the transport.
    Net(NetCommand),
    /// The answer to a command; each call is answered exactly once.
    Answer {
        /// Whose.
        call: CallId,
        /// With what.
        result: Result<Answer, ApiError>,
    },
    /// To every listener.
    Notice(Notice),
}

/// What a core is told once, at its start.
#[derive(Clone, Debug)]
pub struct CoreConfig {
    /// Version of the program, for `node.info`.
    pub version: String,
    /// How the vault is locked, for `node.info`.
    pub vault: crate::api::VaultKind,
    /// Overrides the saved dial mode for this run.
    pub mode: Option<crate::api::Mode>,
}

/// A core with its ledger: what the shell and the simulator drive.
///
/// The identity's secrets are made at the first [`Engine::open`] of a ledger, in one
/// transaction ([`identity::load_or_create`]), and read from it ever after.
pub struct Engine<R> {
    ledger: Ledger,
    core: Core,
    config: CoreConfig,
    rng: R,
}

impl<R: CryptoRng> Engine<R> {
    /// Opens the node that lives in `ledger`, or makes a new one there.
    pub fn open(ledger: Ledger, config: CoreConfig, rng: R, now: Now) -> Result<Self, StorageError> {
        todo!()
    }

    /// Seed of this device's libp2p key: the transport starts with it.
    pub fn net_seed(&self) -> zeroize::Zeroizing<[u8; 32]> {
        todo!()
    }

    /// Runs `inputs` in one transaction and returns what may leave now that it is durable.
    ///
    /// On a disk error nothing of the round happened: the core stands as the disk has it, every
    /// command of the round is answered with `storage`, sessions are closed, and the error is
    /// returned for the shell to wait before it goes on.
    pub fn round(&mut self, inputs: Vec<Input>, now: Now) -> (Vec<Output>, Option<StorageError>) {
        todo!()
    }

    /// When the next [`Input::Timeout`] is wanted (monotonic ms), and why.
    pub fn poll_timeout(&self) -> Option<(u64, &'static str)> {
        todo!()
    }

    /// The ledger, for snapshots.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

/// The state of a running node: caches of the ledger, and what lives only as long as sessions do.
pub struct Core {}
