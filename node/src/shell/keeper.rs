//! The vault's own thread: what takes a third of a second, or a person's hand, never holds the core up.
//!
//! ```text
//! core's thread ── Job ──▶ y7ke-vault: stretch, ask the keyring, write ── Done ──▶ core's thread ── Answer ──▶ caller
//! ```
//!
//! One job after the other: two changes never meet, and guessing a passphrase costs what Argon2id costs.

use std::thread;

use tokio::sync::mpsc;
use y7ke_crypto::vault::Dek;

use super::clock::randomness;
use crate::api::{ApiError, ErrorKind, Passphrase, VaultKind};
use crate::core::CallId;
use crate::home::StartError;
use crate::vault::{Target, Vault, not_opened};

/// Jobs that wait for one another at most; callers beyond them are told to wait.
const JOBS: usize = 16;

/// What the thread is asked.
pub(super) enum Job {
    /// Whether there is a keyring.
    Look,
    /// Another secret.
    Change { to: Target, current: Option<Passphrase> },
    /// The key.
    Open(Option<Passphrase>),
}

/// What came of it.
pub(super) enum Did {
    Looked,
    Changed(Result<VaultKind, ApiError>),
    Opened(Result<Dek, ApiError>),
}

/// A job that is done, for whom, and whether there is a keyring here.
pub(super) struct Done {
    pub(super) call: CallId,
    pub(super) keyring: bool,
    pub(super) did: Did,
}

/// The two ends of the thread. It ends with them.
pub(super) struct Keeper {
    jobs: mpsc::Sender<(CallId, Job)>,
    pub(super) done: mpsc::Receiver<Done>,
}

impl Keeper {
    pub(super) fn start(vault: Vault) -> Result<Self, StartError> {
        let (jobs, mut inbox) = mpsc::channel(JOBS);
        let (outbox, done) = mpsc::channel(JOBS);
        let thread = thread::Builder::new().name("y7ke-vault".into());
        let _detached = thread.spawn(move || {
            while let Some((call, job)) = inbox.blocking_recv() {
                let did = run(&vault, job);
                if outbox.blocking_send(Done { call, keyring: vault.has_keyring(), did }).is_err() {
                    return tracing::debug!("the node ended before the vault was through");
                }
            }
        })?;
        Ok(Self { jobs, done })
    }

    /// Asks; in words why not.
    pub(super) fn ask(&self, call: CallId, job: Job) -> Result<(), ApiError> {
        let busy =
            || ApiError::new(ErrorKind::Storage, "The vault is busy. Wait for the answers before, then try again.");
        self.jobs.try_send((call, job)).map_err(|_full| busy())
    }
}

fn run(vault: &Vault, job: Job) -> Did {
    match job {
        Job::Look => Did::Looked,
        Job::Change { to, current } => Did::Changed(change(vault, &to, current.as_ref())),
        Job::Open(passphrase) => {
            let opened = vault.open(passphrase.as_ref());
            Did::Opened(opened.map(|(_, dek)| dek).map_err(|fault| not_opened(&fault)))
        }
    }
}

fn change(vault: &Vault, to: &Target, current: Option<&Passphrase>) -> Result<VaultKind, ApiError> {
    let mut rng = randomness().map_err(|why| {
        ApiError::new(ErrorKind::Storage, format!("The system gives no randomness ({why}). Nothing was changed."))
    })?;
    vault.change(to, current, &mut rng)
}
