//! A profile that is locked at the start: a backend that becomes the node once the vault opens.
//!
//! ```text
//! locked ── VaultUnlock ─▶ thread: Node::start ── opens ────▶ the node, for every command from now on
//!    ▲ every other command: 6 locked     └──── does not ─▶ why, in words; still locked
//! ```
//!
//! The desk sees the same as with a node that was locked while it ran, so there is one way to unlock.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use y7ke_node::api::{
    Answer, ApiError, Command, Conversation, ErrorKind, MessageView, Passphrase, VaultKind, VaultView,
};
use y7ke_node::{Config, Handle, Node, NoticeReader, StartError};

use crate::backend::{NodeBackend, read_uri};
use crate::model::text;
use crate::port::{Backend, Key, Reply, Sink, Source, Stretch};

/// A node, or a profile that waits for its passphrase.
pub struct Profile {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    state: Mutex<State>,
}

enum State {
    Locked { kind: VaultKind, sink: Option<Sink>, opening: bool },
    Open(NodeBackend),
}

impl Profile {
    /// A node that has started.
    pub fn open(config: Config, node: Handle, notices: NoticeReader) -> Self {
        Self::new(config, State::Open(NodeBackend::new(node, notices)))
    }

    /// A vault that asks for `kind`.
    pub fn locked(config: Config, kind: VaultKind) -> Self {
        Self::new(config, State::Locked { kind, sink: None, opening: false })
    }

    fn new(config: Config, state: State) -> Self {
        Self { shared: Arc::new(Shared { config, state: Mutex::new(state) }) }
    }

    /// The settings, asked for before there is a window to wait in; `None` while it is locked.
    pub fn settings(&self) -> Option<Answer> {
        let answer = self.shared.node()?.call_blocking(Command::SettingsGet);
        answer.map_err(|fault| tracing::warn!("the settings are not known before the window is: {fault}")).ok()
    }

    /// Ends the node, if there is one.
    pub fn shutdown(&self) {
        if let Some(node) = self.shared.node() {
            node.shutdown();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn node(&self) -> Option<Handle> {
        match &*self.state() {
            State::Open(backend) => Some(backend.node().clone()),
            State::Locked { .. } => None,
        }
    }

    /// Takes a command that needs no node.
    fn answer_locked(self: &Arc<Self>, kind: VaultKind, command: Command, reply: Reply) {
        match command {
            Command::VaultGet => reply(Ok(Answer::Vault(VaultView { kind, locked: true, keyring: false }))),
            Command::VaultUnlock { passphrase } => self.unlock(passphrase, reply),
            _ => reply(Err(ApiError::new(ErrorKind::Locked, "This profile is locked. Unlock it first."))),
        }
    }

    /// Argon2id takes its second on a thread of its own.
    fn unlock(self: &Arc<Self>, passphrase: Option<Passphrase>, reply: Reply) {
        if !self.begin() {
            return reply(Err(ApiError::new(ErrorKind::Locked, "It is being unlocked already.")));
        }
        let (hand, handed): (_, Receiver<Reply>) = channel();
        let shared = Arc::clone(self);
        let opening = thread::Builder::new().name("y7ke-unlock".into()).spawn(move || {
            let opened = shared.start(passphrase);
            if let Ok(reply) = handed.recv() {
                reply(opened);
            }
        });
        let (handed_over, why) = match opening {
            Ok(_) => (hand.send(reply).map_err(|unsent| unsent.0), String::new()),
            Err(why) => (Err(reply), why.to_string()),
        };
        if let Err(reply) = handed_over {
            self.rest();
            reply(Err(ApiError::new(ErrorKind::Locked, format!("Nothing can be unlocked now: {why}."))));
        }
    }

    fn start(&self, passphrase: Option<Passphrase>) -> Result<Answer, ApiError> {
        let config = Config { passphrase, passphrase_file: None, ..self.config.clone() };
        match Node::start(config) {
            Ok((node, notices)) => self.opened(node, notices),
            Err(fault) => {
                self.rest();
                Err(ApiError::new(ErrorKind::Locked, words(&fault)))
            }
        }
    }

    /// From now on the node answers; what it tells goes where it was to go.
    fn opened(&self, node: Handle, notices: NoticeReader) -> Result<Answer, ApiError> {
        let answer = node.call_blocking(Command::VaultGet);
        let backend = NodeBackend::new(node, notices);
        let before = std::mem::replace(&mut *self.state(), State::Open(backend));
        if let (State::Locked { sink: Some(sink), .. }, State::Open(backend)) = (before, &*self.state()) {
            backend.subscribe(sink);
        }
        answer
    }

    /// One try at a time.
    fn begin(&self) -> bool {
        match &mut *self.state() {
            State::Locked { opening, .. } => !std::mem::replace(opening, true),
            State::Open(_) => false,
        }
    }

    fn rest(&self) {
        if let State::Locked { opening, .. } = &mut *self.state() {
            *opening = false;
        }
    }
}

/// Why it does not start, for somebody in front of a window.
fn words(fault: &StartError) -> String {
    use y7ke_node::PassphraseFault;
    match fault {
        StartError::Passphrase(PassphraseFault::Wrong) => "This passphrase does not open the profile.".into(),
        StartError::Passphrase(PassphraseFault::Missing) => "Type the passphrase.".into(),
        fault => format!("{}.", text::sentence(&fault.to_string())),
    }
}

impl Source for Profile {
    fn index(&self, of: &Conversation, before: Option<&Key>, limit: usize) -> Result<Stretch, ApiError> {
        match &*self.shared.state() {
            State::Open(backend) => backend.index(of, before, limit),
            State::Locked { .. } => Ok(Stretch::default()),
        }
    }

    fn messages(&self, keys: &[Key]) -> Result<Vec<MessageView>, ApiError> {
        match &*self.shared.state() {
            State::Open(backend) => backend.messages(keys),
            State::Locked { .. } => Ok(Vec::new()),
        }
    }

    fn find(&self, id: &[u8; 32]) -> Result<Option<MessageView>, ApiError> {
        match &*self.shared.state() {
            State::Open(backend) => backend.find(id),
            State::Locked { .. } => Ok(None),
        }
    }

    fn first_unread(&self, of: &Conversation) -> Result<Option<Key>, ApiError> {
        match &*self.shared.state() {
            State::Open(backend) => backend.first_unread(of),
            State::Locked { .. } => Ok(None),
        }
    }
}

impl Backend for Profile {
    fn call(&self, command: Command, reply: Reply) {
        let locked = match &*self.shared.state() {
            State::Open(backend) => {
                backend.call(command, reply);
                return;
            }
            State::Locked { kind, .. } => *kind,
        };
        self.shared.answer_locked(locked, command, reply);
    }

    fn subscribe(&self, to: Sink) {
        match &mut *self.shared.state() {
            State::Open(backend) => backend.subscribe(to),
            State::Locked { sink, .. } => *sink = Some(to),
        }
    }

    fn read_uri(&self, text: &str) -> Result<String, String> {
        read_uri(text)
    }
}
