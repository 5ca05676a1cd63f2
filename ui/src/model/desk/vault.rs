//! The desk and the vault: locking forgets everything, unlocking asks for everything again.
//!
//! ```text
//! Lock ─▶ drafts written ─▶ VaultLock ─▶ locked: nothing of anybody is left in this state
//! Unlock(typed) ─▶ VaultUnlock ─▶ refused: why, in words ─▶ again
//!                              └▶ open: everything is asked for anew
//! ```

use y7ke_node::api::{Answer, ApiError, Command, VaultKind, VaultView};

use super::{Act, Asked, Chat, Desk, Effect, Field};
use crate::model::vault::{Change, Typed};
use crate::model::{add, text, toasts};
use crate::ui::Pane;

/// What is known of the vault and what is being done with it.
#[derive(Debug, Default)]
pub struct Safe {
    /// As the node says.
    pub view: Option<VaultView>,
    /// It is being unlocked or changed.
    pub busy: bool,
    /// Why it did not open.
    pub problem: String,
    /// What is being changed.
    pub change: Option<Change>,
    /// What was typed for the change can be tried.
    pub ready: bool,
    /// What is said of what was typed.
    pub words: String,
    /// Why the change was refused.
    pub refused: String,
}

/// What is typed for a change of the vault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// The passphrase of now.
    pub current: Typed,
    /// The new one.
    pub new: Typed,
    /// The new one again.
    pub again: Typed,
}

impl Desk {
    /// Nothing is shown but a field for the passphrase.
    pub fn locked(&self) -> bool {
        self.safe.view.is_some_and(|view| view.locked)
    }

    pub(super) fn guarding(&mut self, act: Act, now_ms: u64) -> Vec<Effect> {
        match act {
            Act::Lock => self.lock(now_ms),
            Act::Unlock(typed) => self.unlock(&typed),
            Act::ChangeVault(to) => self.begin_change(to),
            Act::VaultTyped(typed) => {
                self.judge(&typed);
                Vec::new()
            }
            Act::ApplyVault(typed) => self.apply(&typed),
            _ => {
                self.end_change();
                vec![Effect::Wipe]
            }
        }
    }

    fn lock(&mut self, now_ms: u64) -> Vec<Effect> {
        if self.safe.view.is_none_or(|view| view.kind == VaultKind::File) {
            self.toasts.say("There is nothing to lock with yet. Set a passphrase first.", true, now_ms);
            return self.show(Pane::Settings, now_ms);
        }
        let mut effects = self.leave(now_ms);
        effects.push(Effect::Call(Asked::Vault, Command::VaultLock));
        effects
    }

    fn unlock(&mut self, typed: &Typed) -> Vec<Effect> {
        let by_keyring = self.safe.view.is_some_and(|view| view.kind == VaultKind::Keyring);
        if self.safe.busy || (typed.is_empty() && !by_keyring) {
            return Vec::new();
        }
        self.safe.busy = true;
        self.safe.problem.clear();
        // It leaves the field at once: what is typed while this one is tried is another try.
        vec![Effect::Wipe, Effect::Call(Asked::Unlock, Command::VaultUnlock { passphrase: typed.passphrase() })]
    }

    fn begin_change(&mut self, to: VaultKind) -> Vec<Effect> {
        self.end_change();
        self.safe.change = self.safe.view.map(|view| Change::new(view, to));
        // Where nothing has to be typed, the press itself is the change.
        let change = self.safe.change.filter(|change| !change.needs_current && !change.needs_new());
        match change {
            Some(_) => self.apply(&Words::default()),
            None => vec![Effect::Wipe],
        }
    }

    fn end_change(&mut self) {
        self.safe = Safe { view: self.safe.view, busy: self.safe.busy, ..Safe::default() };
    }

    fn judge(&mut self, typed: &Words) {
        let Some(change) = self.safe.change else { return };
        self.safe.refused.clear();
        self.safe.ready = change.is_ready(&typed.current, &typed.new, &typed.again);
        self.safe.words = change.words(&typed.new, &typed.again).to_owned();
    }

    fn apply(&mut self, typed: &Words) -> Vec<Effect> {
        self.judge(typed);
        let Some(change) = self.safe.change.filter(|_| !self.safe.busy) else { return Vec::new() };
        if !change.is_ready(&typed.current, &typed.new, &typed.again) {
            return Vec::new();
        }
        self.safe.busy = true;
        let passphrase = typed.new.passphrase().filter(|_| change.needs_new());
        let current = typed.current.passphrase().filter(|_| change.needs_current);
        vec![Effect::Call(Asked::SetVault, Command::VaultSet { to: change.to, passphrase, current })]
    }

    /// An answer to what was asked of the vault.
    pub(super) fn vault_answered(
        &mut self,
        asked: &Asked,
        answer: Result<Answer, ApiError>,
        now_ms: u64,
    ) -> Vec<Effect> {
        if matches!(asked, Asked::Unlock | Asked::SetVault) {
            self.safe.busy = false;
        }
        match (asked, answer) {
            (Asked::SetVault, Ok(Answer::Vault(view))) => {
                let said = self.safe.change.map(Change::done).unwrap_or_default();
                self.end_change();
                self.toasts.say(said, false, now_ms);
                let mut effects = self.vault_is(view);
                effects.push(Effect::Wipe);
                effects
            }
            (_, Ok(Answer::Vault(view))) => self.vault_is(view),
            (Asked::Unlock, Err(fault)) => {
                self.safe.problem = text::sentence(&fault.message);
                Vec::new()
            }
            (Asked::SetVault, Err(fault)) => {
                self.safe.refused = text::sentence(&fault.message);
                Vec::new()
            }
            // A node without a folder has no vault; it says so, and there is nothing to show.
            (Asked::Vault, Err(fault)) if self.ready() => {
                self.toasts.say(text::sentence(&fault.message), true, now_ms);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// The node says how the vault stands.
    pub(super) fn vault_is(&mut self, view: VaultView) -> Vec<Effect> {
        let was_locked = self.locked();
        self.safe.view = Some(view);
        if let Some(me) = &mut self.me {
            me.vault = view.kind;
        }
        match (was_locked, view.locked) {
            (false, true) => self.forget(),
            (true, false) => {
                self.safe = Safe { view: Some(view), ..Safe::default() };
                let mut effects = self.ask_for_everything();
                effects.push(Effect::Wipe);
                effects
            }
            _ => Vec::new(),
        }
    }

    /// Nothing of anybody stays: neither here nor in a field of the window.
    fn forget(&mut self) -> Vec<Effect> {
        if let Some(settings) = &mut self.settings {
            settings.name.clear();
        }
        self.me = None;
        self.contacts.clear();
        self.requests.clear();
        (self.has_contacts, self.has_requests) = (false, false);
        (self.pane, self.welcome, self.open, self.awaited) = (Pane::Home, false, None, None);
        self.trail.clear();
        self.drafts = super::Drafts::default();
        self.add = add::Form::default();
        self.toasts = toasts::Toasts::default();
        self.question = None;
        self.below = 0;
        self.search = super::Query::default();
        self.within = None;
        self.finding = false;
        self.lapsed.clear();
        self.unmarking.clear();
        self.compare.clear();
        self.reading = None;
        self.safety = super::Safety::default();
        for words in [&mut self.filter, &mut self.trouble, &mut self.composer_trouble] {
            words.clear();
        }
        self.safe = Safe { view: self.safe.view, ..Safe::default() };
        let fields = [Field::Draft, Field::Uri, Field::Greeting, Field::Name, Field::Nickname, Field::Filter];
        let mut effects = vec![Effect::Chat(Chat::Close), Effect::Wipe];
        effects.extend(fields.map(|field| Effect::Fill(field, String::new())));
        effects
    }
}
