//! `vault.*`, as the core's thread answers it, and what it does while the vault is locked.
//!
//! ```text
//!          vault.lock                              vault.unlock
//! open ───────────────▶ drafts rest, sessions end ──────────────▶ key ─▶ ledger ─▶ engine ─▶ sockets ─▶ open
//!                       ledger closed, keys wiped     (keeper.rs)          what fails leaves it locked, in words
//! ```
//!
//! While it is locked this process keeps the folder, callers and readers of notices, and nothing that opens anything.

use tokio::runtime::Runtime;
use y7ke_transport::Event as NetEvent;

use super::actor::{Actor, FIRST_PAUSE, Network, Next, NodeEngine};
use super::handle::{Inbound, Reply};
use super::keeper::{Did, Done, Job};
use super::{listening, open_engine};
use crate::api::{Answer, ApiError, Command, ErrorKind, Notice, VaultKind, VaultView};
use crate::home::StartError;
use crate::vault::{Target, sound};

/// How often the ledger is tried while a search still reads the old one.
const TRIES: u32 = 50;

/// Commands of the vault, which the core knows nothing of.
pub(super) enum VaultCommand {
    Get,
    Set(Target, Option<crate::api::Passphrase>),
    Lock,
    Unlock(Option<crate::api::Passphrase>),
}

/// A command of the vault, or the command back.
pub(super) fn sort(command: Command) -> Result<Result<VaultCommand, ApiError>, Command> {
    Ok(match command {
        Command::VaultGet => Ok(VaultCommand::Get),
        Command::VaultLock => Ok(VaultCommand::Lock),
        Command::VaultUnlock { passphrase } => Ok(VaultCommand::Unlock(passphrase)),
        Command::VaultSet { to, passphrase, current } => {
            target(to, passphrase).map(|to| VaultCommand::Set(to, current))
        }
        command => return Err(command),
    })
}

fn target(to: VaultKind, passphrase: Option<crate::api::Passphrase>) -> Result<Target, ApiError> {
    match (to, passphrase) {
        (VaultKind::Passphrase, Some(words)) => sound(words).map(Target::Passphrase),
        (VaultKind::Passphrase, None) => Err(ApiError::param("passphrase", "Give the new passphrase.")),
        (_, Some(_)) => Err(ApiError::param("passphrase", "Only a vault of the kind passphrase takes one.")),
        (VaultKind::File, None) => Ok(Target::File),
        (VaultKind::Keyring, None) => Ok(Target::Keyring),
    }
}

impl Actor {
    /// While open.
    pub(super) fn take_vault(&mut self, command: Result<VaultCommand, ApiError>, reply: Reply) -> Next {
        match command {
            Err(refused) => reply(Err(refused)),
            Ok(VaultCommand::Get | VaultCommand::Unlock(_)) => self.ask_keeper(Job::Look, reply),
            Ok(VaultCommand::Set(to, current)) => self.ask_keeper(Job::Change { to, current }, reply),
            Ok(VaultCommand::Lock) if self.home.vault_kind() == VaultKind::File => reply(Err(nothing_to_lock())),
            Ok(VaultCommand::Lock) => {
                let call = self.vault_calls.open(reply);
                self.lockers.push(call);
                return Next::Locks;
            }
        }
        Next::Goes
    }

    fn ask_keeper(&mut self, job: Job, reply: Reply) {
        let call = self.vault_calls.open(reply);
        if let Err(busy) = self.keeper.ask(call, job) {
            self.vault_calls.answer(call, Err(busy));
        }
    }

    /// What the keeper did, while open.
    pub(super) fn vault_done(&mut self, done: Done, engine: &mut NodeEngine) {
        let Done { call, keyring, did } = done;
        match did {
            Did::Changed(Err(refused)) => self.vault_calls.answer(call, Err(refused)),
            Did::Changed(Ok(kind)) => {
                self.changed(kind, keyring);
                engine.vault_is(kind);
                self.answer_view(call, keyring);
            }
            // It was unlocked twice.
            Did::Looked | Did::Opened(_) => self.answer_view(call, keyring),
        }
    }

    fn changed(&mut self, kind: VaultKind, keyring: bool) {
        self.home.vault_is(kind);
        self.announce(keyring);
    }

    fn answer_view(&mut self, call: crate::core::CallId, keyring: bool) {
        self.vault_calls.answer(call, Ok(Answer::Vault(self.vault_view(keyring))));
    }

    fn announce(&self, keyring: bool) {
        self.hub.publish(Notice::Vault { vault: self.vault_view(keyring) });
    }

    fn vault_view(&self, keyring: bool) -> VaultView {
        VaultView { kind: self.home.vault_kind(), locked: self.home.is_locked(), keyring }
    }

    /// Everything that opens anything goes: sessions, the ledger, the key.
    pub(super) fn lock(&mut self, engine: NodeEngine, runtime: &Runtime) {
        self.views.lock();
        drop(engine);
        self.home.lock_up();
        self.calls.refuse_all(&locked());
        runtime.block_on(self.say_goodbye());
        self.network = Network::ended();
        for call in std::mem::take(&mut self.lockers) {
            if let Err(busy) = self.keeper.ask(call, Job::Look) {
                self.vault_calls.answer(call, Err(busy));
            }
        }
    }

    /// Until somebody unlocks it; `None` if we are told to end before.
    pub(super) fn stay_locked(&mut self, runtime: &Runtime) -> Option<(NodeEngine, Vec<NetEvent>)> {
        let mut told = false;
        loop {
            match runtime.block_on(self.wait_locked()) {
                Woken::Inbound(Some(Inbound::Call(command, reply))) => self.take_locked(command, reply),
                Woken::Inbound(Some(Inbound::Shutdown) | None) | Woken::Done(None) => return None,
                Woken::Done(Some(Done { call, keyring, did })) => {
                    match did {
                        Did::Opened(Ok(dek)) => {
                            self.home.unlock(dek);
                            match self.open_again(runtime) {
                                Ok(opened) => {
                                    self.answer_view(call, keyring);
                                    self.announce(keyring);
                                    // Who read while it was locked has an old picture.
                                    self.hub.publish(Notice::Resync);
                                    return Some(opened);
                                }
                                Err(fault) => {
                                    self.home.lock_up();
                                    self.vault_calls.answer(call, Err(unopened(&fault)));
                                }
                            }
                        }
                        Did::Opened(Err(refused)) | Did::Changed(Err(refused)) => {
                            self.vault_calls.answer(call, Err(refused));
                        }
                        Did::Changed(Ok(kind)) => {
                            self.changed(kind, keyring);
                            self.answer_view(call, keyring);
                        }
                        Did::Looked => {
                            self.answer_view(call, keyring);
                            if !std::mem::replace(&mut told, true) {
                                self.announce(keyring);
                            }
                        }
                    }
                }
            }
        }
    }

    async fn wait_locked(&mut self) -> Woken {
        tokio::select! {
            inbound = self.inbox.recv() => Woken::Inbound(inbound),
            done = self.keeper.done.recv() => Woken::Done(done),
        }
    }

    fn take_locked(&mut self, command: Command, reply: Reply) {
        match sort(command) {
            Ok(Ok(VaultCommand::Get)) => self.ask_keeper(Job::Look, reply),
            Ok(Ok(VaultCommand::Unlock(passphrase))) => self.ask_keeper(Job::Open(passphrase), reply),
            _ => reply(Err(locked())),
        }
    }

    fn open_again(&mut self, runtime: &Runtime) -> Result<(NodeEngine, Vec<NetEvent>), StartError> {
        let mut engine = open_engine(&self.config, &self.home, self.clock);
        for _ in 0..TRIES {
            if !matches!(engine, Err(StartError::InUse(_))) {
                break;
            }
            // A search that began before still holds the file; it ends at its next message.
            runtime.block_on(pause());
            engine = open_engine(&self.config, &self.home, self.clock);
        }
        let engine = engine?;
        let (network, heard) = listening::start(runtime, &self.config, engine.net_seed())?;
        self.network = network;
        self.views.open(engine.ledger().clone());
        Ok((engine, heard))
    }
}

/// What ended a wait.
enum Woken {
    Inbound(Option<Inbound>),
    Done(Option<Done>),
}

#[allow(clippy::disallowed_methods, reason = "the file tells nobody when it is free: a shell's timer asks again")]
async fn pause() {
    tokio::time::sleep(FIRST_PAUSE).await;
}

/// What every other command is answered while the vault is locked.
pub(super) fn locked() -> ApiError {
    ApiError::new(ErrorKind::Locked, "The vault is locked. Unlock it with vault.unlock, then try again.")
}

fn nothing_to_lock() -> ApiError {
    let message = "There is nothing to unlock this profile with: its key lies in a plain file. Set a passphrase or use the keyring first, then lock it.";
    ApiError::new(ErrorKind::NotFound, message)
}

fn unopened(fault: &StartError) -> ApiError {
    ApiError::new(ErrorKind::Storage, format!("The secret is right, and still this does not open: {fault}."))
}
