//! What happens while a person types: messages, requests and people coming and going.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::screen::{self, Screen};
use crate::api::{
    Answer, Command, ContactState, ContactView, Conversation, Direction, MessageView, Notice, Presence, RequestState,
    RequestView,
};
use crate::shell::{Handle, NoticeReader};

/// The thread that shows notices, and the chat that is open.
pub(super) struct Announcer {
    thread: JoinHandle<()>,
    open: Arc<Mutex<Option<String>>>,
}

impl Announcer {
    pub(super) fn start<O: Write + Send + 'static>(
        node: Handle,
        notices: NoticeReader,
        screen: Arc<Screen<O>>,
    ) -> Self {
        let open = Arc::new(Mutex::new(None));
        let (names, online, states) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let teller = Teller { node, screen, open: Arc::clone(&open), names, online, states };
        Self { thread: std::thread::spawn(move || teller.tell(notices)), open }
    }

    /// Whom the open chat is with.
    pub(super) fn open_chat(&self) -> Option<String> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn open(&self, y7_id: Option<String>) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = y7_id;
    }

    pub(super) fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("the thread that shows notices panicked");
        }
    }
}

struct Teller<O> {
    node: Handle,
    screen: Arc<Screen<O>>,
    open: Arc<Mutex<Option<String>>>,
    names: BTreeMap<String, String>,
    online: BTreeMap<String, Presence>,
    states: BTreeMap<String, ContactState>,
}

impl<O: Write> Teller<O> {
    fn tell(mut self, mut notices: NoticeReader) {
        self.learn_names();
        while let Some(notice) = notices.recv_blocking() {
            match notice {
                Notice::MessageReceived { message } => self.message(&message),
                Notice::RequestReceived { request } => self.request(&request),
                Notice::RequestChanged { request } => self.answered(&request),
                Notice::ContactChanged { contact } => self.contact(&contact),
                Notice::Presence { y7_id, presence } => self.presence(y7_id, presence),
                Notice::Storage { error } => self.storage(&error),
                Notice::Resync => self.screen.say("Much happened at once; open the chat again to see all of it."),
                _ => {}
            }
        }
    }

    fn learn_names(&mut self) {
        if let Ok(Answer::Contacts(people)) = self.node.call_blocking(Command::ContactList) {
            for person in &people {
                self.states.insert(person.y7_id.clone(), person.state);
                self.learn(person);
            }
        }
    }

    fn learn(&mut self, person: &ContactView) {
        self.names.insert(person.y7_id.clone(), screen::name(person));
    }

    fn name(&self, y7_id: &str) -> String {
        self.names.get(y7_id).cloned().unwrap_or_else(|| screen::short(y7_id))
    }

    fn message(&self, message: &MessageView) {
        self.screen.message(message, &self.name(&message.author));
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if open.as_ref() == Some(&message.author) {
            let read = Command::MessageRead {
                of: Conversation::Person(message.author.clone()),
                up_to: message.message_id.clone(),
            };
            if let Err(fault) = self.node.call_blocking(read) {
                tracing::warn!(%fault, "a message could not be marked as read");
            }
        }
    }

    fn request(&self, request: &RequestView) {
        let who = if request.name.is_empty() { screen::short(&request.y7_id) } else { screen::clean(&request.name) };
        self.screen.say(&format!("{who} asks to be a contact. Type requests to see and answer it."));
    }

    /// Theirs to answer, so worth a line; what was done here was said where it was typed.
    fn answered(&self, request: &RequestView) {
        if request.direction == Direction::Out && request.state == RequestState::Expired {
            self.screen.say(&format!("{} did not answer in time.", self.name(&request.y7_id)));
        }
    }

    fn contact(&mut self, contact: &ContactView) {
        let before = self.states.insert(contact.y7_id.clone(), contact.state);
        self.learn(contact);
        if before == Some(ContactState::PendingOut) && contact.state == ContactState::Accepted {
            self.screen.say(&format!("{} accepted. Type chats to see them in the list.", self.name(&contact.y7_id)));
        }
    }

    /// Connecting is nothing that a person waits for; coming and going is.
    fn presence(&mut self, y7_id: String, presence: Presence) {
        let before = self.online.insert(y7_id.clone(), presence).unwrap_or_default();
        match (before == Presence::Online, presence == Presence::Online) {
            (false, true) => self.screen.say(&format!("{} is online.", self.name(&y7_id))),
            (true, false) => self.screen.say(&format!("{} is offline.", self.name(&y7_id))),
            _ => {}
        }
    }

    fn storage(&self, error: &str) {
        match error {
            "" => self.screen.say("The disk works again."),
            error => self.screen.say(&format!("The disk failed: {error}. Nothing is sent until it works again.")),
        }
    }
}
