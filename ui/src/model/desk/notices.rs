//! What the node tells without being asked.

use y7ke_node::api::{ContactView, Direction, MessageView, Notice, RequestState, RequestView, Status};

use super::{Chat, Desk, Effect, Field};
use crate::model::{person, text};
use crate::ui::Pane;

impl Desk {
    pub(super) fn told(&mut self, notice: Notice, now_ms: u64) -> Vec<Effect> {
        match notice {
            Notice::Vault { vault } => self.vault_is(vault),
            // Told before it was locked.
            _ if self.locked() => Vec::new(),
            Notice::MessageReceived { message } => self.received(message),
            Notice::MessageChanged { message } | Notice::MessageStatus { message } => {
                self.message_changed(message, false)
            }
            Notice::RequestReceived { request } => {
                self.toasts.say(format!("{} asks to talk to you", person::requester(&request)), false, now_ms);
                let mut effects = self.request_changed(request.clone(), now_ms);
                effects.extend(self.note_request(&request));
                effects
            }
            Notice::RequestChanged { request } => self.request_changed(request, now_ms),
            Notice::ContactChanged { contact } => self.contact_changed(contact, now_ms),
            Notice::Presence { y7_id, presence } => {
                self.contacts.get_mut(&y7_id).into_iter().for_each(|contact| contact.presence = presence);
                Vec::new()
            }
            Notice::Path { y7_id, path } => {
                self.contacts.get_mut(&y7_id).into_iter().for_each(|contact| contact.path = path.clone());
                Vec::new()
            }
            Notice::Draft { y7_id, text, .. } => self.draft_came(&y7_id, text),
            Notice::SettingsChanged { settings } => {
                self.settings = Some(settings);
                Vec::new()
            }
            Notice::Listening { .. } => {
                vec![Effect::Call(super::Asked::Info, y7ke_node::api::Command::NodeInfo)]
            }
            Notice::Storage { error } => {
                self.trouble = text::sentence(&text::preview(&error));
                Vec::new()
            }
            Notice::Resync => {
                let mut effects = self.ask_for_everything();
                effects.push(Effect::Chat(Chat::Resync));
                effects
            }
        }
    }

    fn draft_came(&mut self, of: &str, text: String) -> Vec<Effect> {
        let followed = self.drafts.follow(of, text.clone());
        let shown = followed && self.open.as_deref() == Some(of);
        if shown { vec![Effect::Fill(Field::Draft, text)] } else { Vec::new() }
    }

    fn received(&mut self, message: MessageView) -> Vec<Effect> {
        let Some(y7_id) = self.person_of(&message) else { return Vec::new() };
        let here = self.open.as_deref() == Some(&y7_id);
        let seen = here && self.is_reading();
        // Counted already if the contact's own notice came first; read already by another device of mine.
        let counted =
            |contact: &ContactView| contact.last.as_ref().is_some_and(|last| last.message_id == message.message_id);
        if let Some(contact) = self.contacts.get_mut(&y7_id).filter(|contact| !counted(contact))
            && message.status != Status::Read
        {
            contact.unread += 1;
        }
        if here && !self.at_end {
            self.below += 1;
        }
        let note = self.note_message(&message, &y7_id);
        let mut effects = self.message_changed(message, here && !seen);
        effects.extend(note);
        effects
    }

    fn message_changed(&mut self, message: MessageView, fresh: bool) -> Vec<Effect> {
        let Some(y7_id) = self.person_of(&message) else { return Vec::new() };
        if let Some(contact) = self.contacts.get_mut(&y7_id) {
            keep_newest(contact, &message);
        }
        if self.open.as_deref() != Some(&y7_id) {
            return Vec::new();
        }
        let mut effects = vec![Effect::Chat(Chat::Upsert { message: Box::new(message), fresh })];
        effects.extend(self.read());
        effects
    }

    /// Whose conversation a message belongs to.
    pub(super) fn person_of(&self, message: &MessageView) -> Option<String> {
        let by_log = self.contacts.values().find(|contact| contact.log.as_deref() == Some(&message.log));
        let by_author = || self.contacts.get(&message.author).filter(|_| !message.mine);
        by_log.or_else(by_author).map(|contact| contact.y7_id.clone())
    }

    fn request_changed(&mut self, request: RequestView, now_ms: u64) -> Vec<Effect> {
        if request.direction == Direction::Out && request.state == RequestState::Accepted {
            let name = self.contacts.get(&request.y7_id).map_or_else(|| person::requester(&request), person::name);
            self.toasts.say(format!("{name} accepted"), false, now_ms);
        }
        self.requests.insert(request.request_id.clone(), request);
        Vec::new()
    }

    fn contact_changed(&mut self, contact: ContactView, now_ms: u64) -> Vec<Effect> {
        let here = self.open.as_deref() == Some(&contact.y7_id);
        let renamed = self.contacts.get(&contact.y7_id).is_some_and(|known| known.name != contact.name);
        self.watch_mark(&contact);
        self.contacts.insert(contact.y7_id.clone(), contact);
        let mut effects = Vec::new();
        if here && renamed {
            effects.push(Effect::Chat(Chat::Redraw));
        }
        if matches!(self.pane, Pane::Add | Pane::Requests | Pane::Home) {
            effects.extend(self.open_awaited(now_ms));
        }
        effects.extend(self.read());
        effects
    }
}

fn keep_newest(contact: &mut ContactView, message: &MessageView) {
    let older =
        contact.last.as_ref().is_some_and(|last| (last.hlc, &last.device_id) > (message.hlc, &message.device_id));
    if !older {
        contact.last = Some(message.clone());
    }
}
