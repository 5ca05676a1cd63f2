//! A node in memory: people, messages and drafts in maps; answers at once, or when told to.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

use y7ke::port::{Backend, Key, Reply, Sink, Source, Stretch};
use y7ke_node::api::{
    Answer, ApiError, Command, ContactState, ContactView, Conversation, Direction, ErrorKind, MessageView, Mode,
    NodeInfo, Notice, Passphrase, PathView, Presence, RequestState, RequestView, Settings, Status, VaultKind,
    VaultView,
};

pub const ME: &str = "y7:8fKq3xYzW5tN7bVcR2mLpD9sHgJ4aQeU6iXoT1kZyBnM";
pub const ADA: &str = "y7:4uQeVj5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM1";
pub const GRACE: &str = "y7:7gRaCe5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM2";
/// Halves of the safety number that all share: mine, and everybody else's.
pub const MINE: &str = "901234567801234567892345678901";
pub const THEIRS: &str = "012345678901234567890123456789";
pub const NEW: &str = "y7:9nEwPe5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM3";

/// Monday, 16 November 2026, 14:05:09 UTC.
pub const NOW: u64 = 1_794_837_909_000;
pub const MINUTE: u64 = 60_000;
pub const DAY: u64 = 86_400_000;

/// The node. Clones of the `Rc` see the same.
#[derive(Default)]
pub struct Fake {
    pub info: RefCell<Option<NodeInfo>>,
    pub settings: RefCell<Option<Settings>>,
    pub contacts: RefCell<BTreeMap<String, ContactView>>,
    pub requests: RefCell<BTreeMap<String, RequestView>>,
    pub messages: RefCell<BTreeMap<String, BTreeMap<Key, MessageView>>>,
    pub drafts: RefCell<BTreeMap<String, String>>,
    pub calls: RefCell<Vec<Command>>,
    /// Messages that were read.
    pub read: Cell<usize>,
    /// How the vault is kept, whether it is locked, and what opens it.
    pub vault: RefCell<Option<VaultView>>,
    pub passphrase: RefCell<Option<Passphrase>>,
    /// Why the disk refuses writes.
    pub broken: RefCell<Option<String>>,
    /// Answers wait here while `slow`.
    pub slow: Cell<bool>,
    held: RefCell<Vec<(Reply, Result<Answer, ApiError>)>>,
    sink: RefCell<Option<Sink>>,
    clock: Cell<u64>,
    number: Cell<u64>,
}

impl Fake {
    pub fn new() -> Rc<Self> {
        let fake = Self::default();
        fake.clock.set(NOW);
        fake.info.replace(Some(NodeInfo {
            version: "0.1.0".into(),
            y7_id: ME.into(),
            uri: format!("{ME}?via=%2Fip4%2F192.168.1.23%2Fudp%2F40123%2Fquic-v1%2Fp2p%2F12D3KooWJ1J5VjV8t8hEJHnLjQJ6aUzBPPz1rHhS6qg5zj7gV9sE"),
            device_id: "3f9a1c77".repeat(8),
            peer_id: "12D3KooWJ1J5VjV8t8hEJHnLjQJ6aUzBPPz1rHhS6qg5zj7gV9sE".into(),
            listen: vec!["/ip4/192.168.1.23/udp/40123/quic-v1".into()],
            mode: Mode::Lan,
            vault: VaultKind::File,
            name: String::new(),
        }));
        fake.vault.replace(Some(VaultView { kind: VaultKind::File, locked: false, keyring: false }));
        fake.settings.replace(Some(Settings {
            mode: Mode::Lan,
            name: "Marek".into(),
            receipts: true,
            typing: true,
            notifications: true,
            notification_text: true,
            theme: "light".into(),
            scale: 100,
            close_to_tray: false,
            window: None,
        }));
        Rc::new(fake)
    }

    pub fn tell(&self, notice: Notice) {
        if let Some(sink) = &*self.sink.borrow() {
            sink(notice);
        }
    }

    pub fn release(&self) {
        self.slow.set(false);
        for (reply, answer) in self.held.take() {
            reply(answer);
        }
    }

    pub fn person(&self, y7_id: &str, name: &str) -> &Self {
        let contact = ContactView {
            y7_id: y7_id.into(),
            name: name.into(),
            state: ContactState::Accepted,
            verified: false,
            log: Some(log_of(y7_id)),
            presence: Presence::Offline,
            path: None,
            unread: 0,
            last: None,
        };
        self.contacts.borrow_mut().insert(y7_id.into(), contact);
        self
    }

    pub fn alter(&self, y7_id: &str, change: impl FnOnce(&mut ContactView)) -> &Self {
        if let Some(contact) = self.contacts.borrow_mut().get_mut(y7_id) {
            change(contact);
        }
        self
    }

    pub fn online(&self, y7_id: &str) -> &Self {
        self.alter(y7_id, |contact| {
            contact.presence = Presence::Online;
            contact.path = Some(PathView {
                kind: "direct".into(),
                transport: "quic".into(),
                ip: "ipv6".into(),
                via: "mdns".into(),
                label: "DIRECT · QUIC · IPv6".into(),
            });
        })
    }

    /// A message in the past; nobody is told.
    pub fn said(&self, with: &str, mine: bool, text: &str, at_ms: u64) -> MessageView {
        self.number.set(self.number.get() + 1);
        let message = MessageView {
            message_id: format!("{:064x}", self.number.get()),
            log: log_of(with),
            author: if mine { ME } else { with }.into(),
            device_id: if mine { "01" } else { "02" }.repeat(32),
            mine,
            text: text.into(),
            sent_at: at_ms,
            hlc: at_ms * 1000 + self.number.get(),
            reply_to: None,
            edited_at: None,
            deleted: false,
            reactions: Vec::new(),
            status: if mine { Status::Delivered } else { Status::Read },
            delivered_to: vec!["02".repeat(32)],
            unopened: false,
            disputed: false,
        };
        self.keep(with, &message);
        message
    }

    pub fn keep(&self, with: &str, message: &MessageView) {
        let key = Key::of(message).expect("ids of the fake are ids");
        self.messages.borrow_mut().entry(with.into()).or_default().insert(key, message.clone());
        self.alter(with, |contact| {
            if contact.last.as_ref().is_none_or(|last| last.hlc <= message.hlc) {
                contact.last = Some(message.clone());
            }
        });
    }

    /// The last message of a person gets another status.
    pub fn status(&self, with: &str, message: &MessageView, status: Status) -> MessageView {
        let message = MessageView { status, ..message.clone() };
        self.keep(with, &message);
        message
    }

    /// A message comes now, and the window is told.
    pub fn receive(&self, from: &str, text: &str) -> MessageView {
        let mut message = self.said(from, false, text, self.clock.get());
        message.status = Status::Delivered;
        self.keep(from, &message);
        self.alter(from, |contact| contact.unread += 1);
        self.tell(Notice::MessageReceived { message: message.clone() });
        message
    }

    pub fn unread(&self, from: &str, texts: &[&str]) {
        for (at, text) in texts.iter().enumerate() {
            let message = self.said(from, false, text, NOW - 20 * MINUTE + at as u64);
            self.status(from, &message, Status::Delivered);
        }
        self.alter(from, |contact| contact.unread += texts.len() as u64);
    }

    pub fn request(&self, id: &str, direction: Direction, y7_id: &str, name: &str, greeting: &str) -> RequestView {
        let request = RequestView {
            request_id: id.into(),
            direction,
            y7_id: y7_id.into(),
            name: name.into(),
            greeting: greeting.into(),
            created: NOW - 50 * MINUTE,
            expires: NOW + 14 * DAY,
            state: RequestState::Pending,
            problem: None,
            arrived: false,
        };
        self.requests.borrow_mut().insert(id.into(), request.clone());
        request
    }

    /// The vault is locked by these words.
    pub fn protect(&self, words: &str, locked: bool) -> &Self {
        self.passphrase.replace(Some(Passphrase::new(words)));
        self.vault.replace(Some(VaultView { kind: VaultKind::Passphrase, locked, keyring: true }));
        self
    }

    fn view(&self) -> VaultView {
        self.vault.borrow().expect("set at the start")
    }

    fn guard(&self, command: Command) -> Result<Answer, ApiError> {
        let wrong = |field| ApiError::param(field, "This passphrase is not the right one.");
        let view = match command {
            Command::VaultLock => VaultView { locked: true, ..self.view() },
            Command::VaultUnlock { passphrase } if passphrase == *self.passphrase.borrow() => {
                VaultView { locked: false, ..self.view() }
            }
            Command::VaultUnlock { .. } => return Err(wrong("passphrase")),
            Command::VaultSet { current, .. } if current != *self.passphrase.borrow() => return Err(wrong("current")),
            Command::VaultSet { to, passphrase, .. } => {
                self.passphrase.replace(passphrase);
                VaultView { kind: to, ..self.view() }
            }
            _ => return Ok(Answer::Vault(self.view())),
        };
        self.vault.replace(Some(view));
        self.tell(Notice::Vault { vault: view });
        Ok(Answer::Vault(view))
    }

    fn answer(&self, command: Command) -> Result<Answer, ApiError> {
        use Command::{VaultGet, VaultLock, VaultSet, VaultUnlock};
        if matches!(command, VaultGet | VaultLock | VaultSet { .. } | VaultUnlock { .. }) {
            return self.guard(command);
        }
        if self.view().locked {
            return Err(ApiError::new(ErrorKind::Locked, "This profile is locked."));
        }
        if let Some(why) = self.broken.borrow().as_ref().filter(|_| writes(&command)) {
            return Err(ApiError::new(ErrorKind::Storage, why));
        }
        match command {
            Command::NodeInfo => Ok(Answer::NodeInfo(self.info.borrow().clone().expect("set at the start"))),
            Command::SettingsGet => Ok(Answer::Settings(self.settings.borrow().clone().expect("set at the start"))),
            Command::ContactList => Ok(Answer::Contacts(self.contacts.borrow().values().cloned().collect())),
            Command::RequestList => Ok(Answer::Requests(self.requests.borrow().values().cloned().collect())),
            Command::ContactSafetyNumber { .. } => {
                Ok(Answer::SafetyNumber { digits: [THEIRS, MINE].concat(), code: [MINE, THEIRS].concat() })
            }
            Command::MessageSend { to: Conversation::Person(to), text, reply_to } => self.send(&to, &text, reply_to),
            Command::MessageSearch { query, y7_id, limit } => Ok(self.search(&query, y7_id, limit)),
            Command::MessageRead { of: Conversation::Person(of), .. } => {
                self.alter(&of, |contact| contact.unread = 0);
                Ok(Answer::Done {})
            }
            Command::DraftSet { of: Conversation::Person(of), text } => {
                self.drafts.borrow_mut().insert(of, text);
                Ok(Answer::Done {})
            }
            Command::DraftGet { of: Conversation::Person(of) } => {
                Ok(Answer::Draft { text: self.drafts.borrow().get(&of).cloned().unwrap_or_default() })
            }
            command => self.relate(command),
        }
    }

    fn search(&self, query: &str, y7_id: Option<String>, limit: usize) -> Answer {
        let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
        let fits = |message: &&MessageView| words.iter().all(|word| message.text.to_lowercase().contains(word));
        let all = self.messages.borrow();
        let asked = all.iter().filter(|(of, _)| y7_id.as_ref().is_none_or(|id| id == *of));
        let mut found: Vec<MessageView> = asked.flat_map(|(_, of)| of.values()).filter(fits).cloned().collect();
        found.sort_by_key(|message| std::cmp::Reverse(message.hlc));
        let more = found.len() > limit;
        found.truncate(limit);
        Answer::Messages { messages: found, more }
    }

    /// One message answers another, in the past.
    pub fn answers(&self, with: &str, message: &MessageView, to: &MessageView) -> MessageView {
        let message = MessageView { reply_to: Some(to.message_id.clone()), ..message.clone() };
        self.keep(with, &message);
        message
    }

    fn send(&self, to: &str, text: &str, reply_to: Option<String>) -> Result<Answer, ApiError> {
        let message = MessageView { reply_to, ..self.said(to, true, text, self.clock.get()) };
        let message = self.status(to, &message, Status::Queued);
        self.drafts.borrow_mut().remove(to);
        self.tell(Notice::MessageChanged { message: message.clone() });
        Ok(Answer::Sent { message_id: message.message_id })
    }

    fn relate(&self, command: Command) -> Result<Answer, ApiError> {
        match command {
            Command::ContactRequest { uri, greeting } => {
                let y7_id = uri.split('?').next().unwrap_or_default().to_owned();
                self.request("out", Direction::Out, &y7_id, "", &greeting);
                self.person(&y7_id, "").alter(&y7_id, |contact| contact.state = ContactState::PendingOut);
                self.tell_contact(&y7_id);
                Ok(Answer::Requested { request_id: "out".into() })
            }
            Command::RequestAccept { request_id } => {
                self.settle(&request_id, RequestState::Accepted, ContactState::Accepted)
            }
            Command::RequestReject { request_id } => {
                self.settle(&request_id, RequestState::Rejected, ContactState::Rejected)
            }
            Command::RequestCancel { request_id } => {
                self.settle(&request_id, RequestState::Cancelled, ContactState::Rejected)
            }
            Command::ContactVerify { y7_id, digits, verified } => {
                if digits.is_some_and(|digits| digits != [THEIRS, MINE].concat()) {
                    return Err(ApiError::param("digits", "These digits are not the ones of you two."));
                }
                self.alter(&y7_id, |contact| contact.verified = verified);
                self.tell_contact(&y7_id);
                Ok(Answer::Done {})
            }
            Command::ContactBlock { y7_id } => self.restate(&y7_id, ContactState::Blocked),
            Command::ContactUnblock { y7_id } => self.restate(&y7_id, ContactState::Accepted),
            Command::ContactRename { y7_id, name } => {
                self.alter(&y7_id, |contact| contact.name = name);
                self.tell_contact(&y7_id);
                Ok(Answer::Done {})
            }
            Command::SettingsSet(patch) => {
                let mut settings = self.settings.borrow().clone().expect("set at the start");
                patch.name.into_iter().for_each(|name| settings.name = name);
                patch.theme.into_iter().for_each(|theme| settings.theme = theme);
                patch.scale.into_iter().for_each(|scale| settings.scale = scale);
                patch.receipts.into_iter().for_each(|receipts| settings.receipts = receipts);
                patch.mode.into_iter().for_each(|mode| settings.mode = mode);
                patch.notifications.into_iter().for_each(|on| settings.notifications = on);
                patch.notification_text.into_iter().for_each(|on| settings.notification_text = on);
                patch.close_to_tray.into_iter().for_each(|on| settings.close_to_tray = on);
                settings.window = patch.window.or(settings.window);
                self.settings.replace(Some(settings.clone()));
                Ok(Answer::Settings(settings))
            }
            other => Err(ApiError::new(ErrorKind::NotFound, format!("not in the fake: {other:?}"))),
        }
    }

    fn settle(&self, id: &str, state: RequestState, contact: ContactState) -> Result<Answer, ApiError> {
        let mut request =
            self.requests.borrow().get(id).cloned().ok_or(ApiError::new(ErrorKind::NotFound, "no such request"))?;
        request.state = state;
        self.requests.borrow_mut().insert(id.into(), request.clone());
        self.tell(Notice::RequestChanged { request: request.clone() });
        if !self.contacts.borrow().contains_key(&request.y7_id) {
            self.person(&request.y7_id, &request.name);
        }
        self.restate(&request.y7_id, contact)
    }

    fn restate(&self, y7_id: &str, state: ContactState) -> Result<Answer, ApiError> {
        if !self.contacts.borrow().contains_key(y7_id) {
            self.person(y7_id, "");
        }
        self.alter(y7_id, |contact| contact.state = state);
        self.tell_contact(y7_id);
        Ok(Answer::Done {})
    }

    pub fn tell_contact(&self, y7_id: &str) {
        let contact = self.contacts.borrow().get(y7_id).cloned();
        contact.into_iter().for_each(|contact| self.tell(Notice::ContactChanged { contact }));
    }

    pub fn called(&self, wanted: impl Fn(&Command) -> bool) -> usize {
        self.calls.borrow().iter().filter(|command| wanted(command)).count()
    }
}

fn log_of(y7_id: &str) -> String {
    let mut hex: String = y7_id.bytes().map(|byte| format!("{byte:02x}")).collect();
    hex.truncate(64);
    format!("{hex:0<64}")
}

fn writes(command: &Command) -> bool {
    matches!(
        command,
        Command::MessageSend { .. }
            | Command::ContactRequest { .. }
            | Command::SettingsSet(_)
            | Command::RequestAccept { .. }
    )
}

impl Source for Fake {
    fn index(&self, of: &Conversation, before: Option<&Key>, limit: usize) -> Result<Stretch, ApiError> {
        let Conversation::Person(of) = of else { return Ok(Stretch::default()) };
        let end = before.map_or(Bound::Unbounded, Bound::Excluded);
        let stretch = |all: &BTreeMap<Key, MessageView>| {
            Stretch::end_of(all.range((Bound::Unbounded, end)).map(|(key, _)| key), limit)
        };
        Ok(self.messages.borrow().get(of).map(stretch).unwrap_or_default())
    }

    fn messages(&self, keys: &[Key]) -> Result<Vec<MessageView>, ApiError> {
        self.read.set(self.read.get() + keys.len());
        let all = self.messages.borrow();
        let find = |key: &Key| all.values().find_map(|of| of.get(key).cloned());
        Ok(keys.iter().filter_map(find).collect())
    }

    fn find(&self, id: &[u8; 32]) -> Result<Option<MessageView>, ApiError> {
        let all = self.messages.borrow();
        Ok(all.values().flatten().find(|(key, _)| key.id == *id).map(|(_, message)| message.clone()))
    }

    fn first_unread(&self, of: &Conversation) -> Result<Option<Key>, ApiError> {
        let Conversation::Person(of) = of else { return Ok(None) };
        let unread = |message: &MessageView| !message.mine && message.status != Status::Read;
        let all = self.messages.borrow();
        Ok(all.get(of).and_then(|of| of.iter().find(|(_, message)| unread(message)).map(|(key, _)| *key)))
    }
}

impl Backend for Fake {
    fn call(&self, command: Command, reply: Reply) {
        self.calls.borrow_mut().push(command.clone());
        let answer = self.answer(command);
        if self.slow.get() {
            self.held.borrow_mut().push((reply, answer));
        } else {
            reply(answer);
        }
    }

    fn subscribe(&self, sink: Sink) {
        self.sink.replace(Some(sink));
    }

    fn read_uri(&self, text: &str) -> Result<String, String> {
        let id = text.split('?').next().unwrap_or_default();
        if id.len() == 47 {
            Ok(id.into())
        } else {
            Err("this is not a y7 id; it begins with y7: and is followed by about 44 letters and digits".into())
        }
    }
}

/// A dozen people and a conversation as one has them.
pub fn everyday() -> Rc<Fake> {
    let fake = Fake::new();
    fake.person(ADA, "Ada Lovelace").online(ADA);
    fake.person(GRACE, "Grace Hopper").alter(GRACE, |contact| contact.presence = Presence::Connecting);
    talk(&fake);
    let others = [
        ("Emmy Noether", "See you on Thursday then", 30, false),
        ("Katherine Johnson", "I checked the numbers by hand, they hold.", 60 * 5, true),
        ("Hedy Lamarr", "Frequency hopping! 📻", 60 * 26, false),
        ("Rosalind Franklin", "The picture came out well", 60 * 24 * 3, true),
        ("Lise Meitner", "Danke, bis bald", 60 * 24 * 9, false),
        ("Chien-Shiung Wu", "Yes.", 60 * 24 * 40, true),
    ];
    for (at, (name, text, minutes, mine)) in others.into_iter().enumerate() {
        let id = format!("y7:{}{}", ["Em", "Ka", "He", "Ro", "Li", "Ch"][at], &ADA[5..]);
        fake.person(&id, name);
        let message = fake.said(&id, mine, text, NOW - minutes * MINUTE);
        if mine {
            fake.status(&id, &message, if at % 2 == 1 { Status::Read } else { Status::Sent });
        }
    }
    fake.unread(GRACE, &["Found it! An actual moth in relay 70.", "Taped it into the log book"]);
    fake
}

fn talk(fake: &Fake) {
    let lines: [(bool, &str, u64); 13] = [
        (false, "Morning! Did you get the draft of the notes on the engine?", DAY + 90),
        (true, "Yes, read it on the train. Note G is astonishing.", DAY + 80),
        (
            false,
            "You think it is clear enough? I tried to lay the operations out as a table, step by step, so that nobody has to guess which variable holds what.",
            DAY + 78,
        ),
        (true, "Very clear. One thing: in step 4 the indices look swapped to me.", DAY + 70),
        (false, "Let me look", 62),
        (false, "You are right, it should be v5 over v4", 61),
        (false, "Thank you!", 61),
        (true, "Good eyes need good coffee ☕", 55),
        (
            true,
            "Shall we go through the rest tomorrow? I could be at the library from ten, the big table on the first floor is usually free on Tuesdays.",
            54,
        ),
        (false, "Ten is perfect", 30),
        (false, "https://example.org/notes/g", 30),
        (true, "See you there then", 12),
        (true, "I bring the printouts", 11),
    ];
    for (mine, text, ago) in lines {
        let at = NOW - if ago > DAY { DAY + (ago - DAY) * MINUTE } else { ago * MINUTE };
        let message = fake.said(ADA, mine, text, at);
        if mine && ago > 20 {
            fake.status(ADA, &message, Status::Read);
        }
    }
}

/// Nobody yet.
pub fn empty() -> Rc<Fake> {
    Fake::new()
}

/// Names and words that do not fit.
pub fn long() -> Rc<Fake> {
    let fake = Fake::new();
    let name = "Maximiliane-Wilhelmine von und zu Hohenstein-Schillingsfürst";
    fake.person(ADA, name).online(ADA).alter(ADA, |contact| contact.verified = true);
    fake.person(GRACE, "Wolfeschlegelsteinhausenbergerdorffwelchevoralternwarengewissenh");
    fake.said(
        ADA,
        false,
        "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft".repeat(3).as_str(),
        NOW - 30 * MINUTE,
    );
    fake.said(ADA, true, &"A long answer that goes on for quite a while, so that it wraps over several lines and one sees how it reads. ".repeat(6), NOW - 20 * MINUTE);
    fake.said(ADA, false, "short", NOW - 10 * MINUTE);
    fake.said(ADA, true, "line one\nline two\n\nline four", NOW - 5 * MINUTE);
    fake.unread(GRACE, &["x"; 120]);
    fake.alter(GRACE, |contact| contact.unread = 1234);
    fake.settings.borrow_mut().iter_mut().for_each(|settings| settings.name = name.into());
    fake
}

/// Right to left, and both mixed.
pub fn right_to_left() -> Rc<Fake> {
    let fake = Fake::new();
    fake.person(ADA, "עדה לאבלייס").online(ADA);
    fake.person(GRACE, "غريس هوبر");
    fake.said(ADA, false, "שלום! מה שלומך היום?", NOW - 40 * MINUTE);
    fake.said(ADA, true, "הכול טוב, תודה. נפגש מחר בשעה 10:00 בספרייה?", NOW - 35 * MINUTE);
    fake.said(ADA, false, "מצוין, אביא את ה-notes על Note G ואת ההדפסות.", NOW - 30 * MINUTE);
    fake.said(ADA, true, "See you there — להתראות!", NOW - 12 * MINUTE);
    fake.said(GRACE, false, "مرحبا، كيف حالك؟", NOW - 60 * MINUTE);
    fake
}

/// Requests of every kind.
pub fn asked() -> Rc<Fake> {
    let fake = everyday();
    fake.request("in1", Direction::In, NEW, "Sofia Kovalevskaya", "Hello Marek, we met at the conference in Brno last week, after the talk on partial differential equations. I promised to send you the paper.");
    fake.request("in2", Direction::In, "y7:2nOnEm5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM4", "", "");
    fake.request(
        "out1",
        Direction::Out,
        "y7:5wAiTi5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM5",
        "",
        "It is me, from the reading group.",
    );
    let rejected = fake.request(
        "no1",
        Direction::In,
        "y7:6rEjEc5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM6",
        "Definitely a prince",
        "Dear friend",
    );
    fake.requests.borrow_mut().insert("no1".into(), RequestView { state: RequestState::Rejected, ..rejected });
    fake.person("y7:3bLoCk5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM7", "Spammer").alter(
        "y7:3bLoCk5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM7",
        |contact| {
            contact.state = ContactState::Blocked;
            contact.log = None;
        },
    );
    fake
}
