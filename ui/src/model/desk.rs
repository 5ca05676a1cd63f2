//! The whole desk: who and what is known, what is open, and what a press does.
//!
//! ```text
//! Input ─▶ handle(input, now) ─▶ [Effect]      Effect::Call comes back as Input::Answered
//!   Did(Act)            the person pressed or typed
//!   Told(Notice)        the node tells
//!   Answered(Asked, …)  the node answers
//!   Found(Fact)         the system around the window is so
//!   Seen(look, Glimpse) what was seen where a code was looked for
//!   Tick                something was due
//! ```
//!
//! Invariants: one question at a time; one open conversation; nothing typed is dropped; a message counts as
//! read only while its conversation is on the screen, at its end, in an active window.

mod acts;
mod answers;
mod notices;
mod reading;
mod searching;
mod system;
mod vault;
mod verifying;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use y7ke_node::api::{
    Answer, ApiError, Command, ContactState, ContactView, Conversation, MessageView, NodeInfo, Notice, RequestState,
    RequestView, Settings, VaultKind,
};

pub use self::reading::{Glimpse, Look, Reading, Source};
pub use self::searching::Within;
pub use self::system::Around;
pub use self::vault::{Safe, Words};
use super::add::Form;
use super::codes::Wanted;
use super::drafts::{Drafts, Outgoing, Reply};
use super::notify::{About, Note};
use super::place::Seen;
use super::search::Query;
use super::toasts::Toasts;
use super::vault::Typed;
use super::{conversations, person};
use crate::port::Key;
use crate::ui::Pane;

/// Panes remembered for stepping back: nobody walks deeper.
const TRAIL: usize = 8;

/// What reaches the desk.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "made once, moved once: a box would cost more than it saves")]
pub enum Input {
    /// The window is there: ask for everything.
    Began,
    /// The person did something.
    Did(Act),
    /// The node tells.
    Told(Notice),
    /// The node answers.
    Answered(Asked, Result<Answer, ApiError>),
    /// The system around the window turned out to be so.
    Found(Fact),
    /// What the look of this number saw.
    Seen(u64, Glimpse),
    /// Something was due; see [`Desk::due`].
    Tick,
}

/// What a person can do.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Leaves the first screen, with a name or none.
    Start(String),
    /// Goes to a pane.
    Show(Pane),
    /// One step back.
    Back,
    /// Opens a conversation.
    Open(String),
    /// Opens the conversation so many places on in the list.
    Step(i32),
    /// Goes to the list's field.
    Find,
    /// Looks for people and messages.
    Filter(String),
    /// Chooses what stands so many places on among what was found.
    Choose(i32),
    /// Opens what is chosen.
    FilterAccepted,
    /// Opens a conversation at a message that was found.
    OpenHit(String),
    /// Finds within the open conversation.
    FindHere,
    /// Types what to find there.
    FindHereWords(String),
    /// Goes so many hits on, to older ones.
    FindHereStep(i32),
    /// Ends that.
    LeaveHere,
    /// Copies my link.
    CopyId,
    /// Copies something and says so.
    Copy(String, String),
    /// The clipboard did not do what was asked, in words.
    ClipboardFailed(String),
    /// Types an id.
    Uri(String),
    /// Types a greeting.
    Greeting(String),
    /// Sends the request.
    Request,
    /// Opens the conversation with whoever's id was typed.
    OpenKnown,
    /// Answers a request.
    Accept(String),
    /// Answers a request with no.
    Reject(String),
    /// Takes a request back.
    Cancel(String),
    /// Asks whether to block.
    Block(String),
    /// Takes a block back.
    Unblock(String),
    /// Types a message.
    Draft(String),
    /// Sends what is typed.
    Send,
    /// Answers a message.
    Reply(Reply),
    /// Answers none.
    DropReply,
    /// Shows a message of the open conversation in its place.
    Jump(Key),
    /// A message to be shown is not on this device.
    NotThere,
    /// Asks whether to open a link.
    Link(String),
    /// The system did not open a link.
    LinkFailed(String),
    /// Sends a refused message again.
    Retry(u64),
    /// Takes a refused message back into the composer.
    TakeBack(u64),
    /// The list of messages shows its end, or no longer.
    AtEnd(bool),
    /// Jumps to the newest.
    ToEnd,
    /// Gives the open person a name.
    Rename(String),
    /// Is to read a code with this computer.
    ReadCode(Wanted),
    /// Pastes where a code can be read, and there is no text to paste.
    PastePicture(Wanted),
    /// Drops a file on the window.
    Dropped(PathBuf),
    /// Looks there.
    ReadFrom(Source),
    /// Reads none.
    LeaveReading,
    /// Types the other side's safety number.
    Compare(String),
    /// The safety numbers are the same.
    Verify,
    /// Takes that back.
    Unverify,
    /// Has read that a mark no longer holds.
    PutAwayLapse,
    /// Gives me a name.
    SetName(String),
    /// `system`, `light`, `dark` by number.
    SetLook(i32),
    /// Per cent.
    SetScale(i32),
    /// Read receipts.
    SetReceipts(bool),
    /// `lan`, `y7net` by number.
    SetMode(i32),
    /// Notifications.
    SetNotifications(bool),
    /// Words of messages in them.
    SetNotificationText(bool),
    /// Closing the window leaves an icon in the tray.
    SetCloseToTray(bool),
    /// Answers the question.
    Answer(bool),
    /// Presses a toast away.
    Dismiss(i32),
    /// The window became active, or no longer.
    Active(bool),
    /// The window was moved, resized, shown or hidden.
    Placed(Seen),
    /// Brings the window forward: the tray was pressed, or the program started again.
    Raise,
    /// A notification was pressed.
    Follow(About),
    /// The window's close button.
    Close,
    /// Ends the program.
    Quit,
    /// Locks the vault.
    Lock,
    /// Tries to open the vault.
    Unlock(Typed),
    /// Begins to change how the vault is locked.
    ChangeVault(VaultKind),
    /// Types what the change needs.
    VaultTyped(Words),
    /// Does it.
    ApplyVault(Words),
    /// Leaves it.
    LeaveVault,
    /// The window closes: write what is unwritten.
    Leave,
}

/// How the system around the window is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Why notifications are not shown, in words; empty once they are.
    Notes(String),
    /// There is a tray, or none any more.
    Tray(bool),
}

/// Why a command was sent: its answer comes back with this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Who am I.
    Info,
    /// All contacts.
    Contacts,
    /// All requests.
    Requests,
    /// All settings.
    Settings,
    /// A change of settings.
    SetSettings,
    /// The saved draft for a person.
    Draft(String),
    /// A draft was to be saved.
    SaveDraft,
    /// A send.
    Send(u64),
    /// Read markers.
    Read(String),
    /// A request to a person.
    Request(String),
    /// An acceptance of a person.
    Accept(String),
    /// Something that says `said` when it is done.
    Simple(&'static str),
    /// A safety number.
    Safety(String),
    /// How the vault stands, or that it is to be locked.
    Vault,
    /// A try to open the vault.
    Unlock,
    /// A change of the vault.
    SetVault,
    /// The mark of who compared it.
    Verify,
    /// Messages by their words; which question.
    Found(u64),
    /// The same within the conversation with a person.
    FoundWithin(String, u64),
}

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Ask the node.
    Call(Asked, Command),
    /// Put this on the clipboard.
    Copy(String),
    /// Put this into a field of the window.
    Fill(Field, String),
    /// Bring the caret to the composer.
    Caret,
    /// Empty every field for a passphrase.
    Wipe,
    /// Have the system open this address.
    OpenLink(String),
    /// Do this to the open list of messages.
    Chat(Chat),
    /// Look for a code, or no longer.
    Look(Look),
    /// Say this outside the window.
    Notify(Note),
    /// Take back what was said about this.
    Withdraw(About),
    /// Bring the window forward.
    Raise,
    /// Take the window off the screen.
    Hide,
    /// End the program.
    Quit,
}

/// Fields whose text the person and the desk both write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The composer.
    Draft,
    /// The id to add.
    Uri,
    /// The greeting.
    Greeting,
    /// My name.
    Name,
    /// The open person's nickname.
    Nickname,
    /// The list's filter.
    Filter,
    /// The other side's safety number.
    Compare,
}

/// A safety number as digits; empty until the node has said it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Safety {
    /// As both people read it.
    pub digits: String,
    /// As my code has it.
    pub code: String,
}

/// Where a conversation opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At its newest message.
    End,
    /// At the oldest that was not read.
    Unread,
    /// At this message, marked.
    Message(Key),
}

/// What happens to the open list of messages.
#[derive(Clone, Debug, PartialEq)]
pub enum Chat {
    /// Another conversation is opened.
    Open {
        /// With whom.
        y7_id: String,
        /// Where.
        place: Place,
    },
    /// Show this message in its place, marked.
    Jump(Key),
    /// No message is marked.
    Unmark,
    /// A message came or changed; `fresh`: the "new" line belongs above it if there is none.
    Upsert {
        /// The message.
        message: Box<MessageView>,
        /// It was not seen coming.
        fresh: bool,
    },
    /// A send is under way or was refused.
    Outgoing(Outgoing),
    /// A send is durable or was taken back.
    Settled(u64),
    /// The "new" line has done its work.
    Seen,
    /// Hold to the end.
    ToEnd,
    /// Read the index again.
    Resync,
    /// Draw the rows again: the day or a name changed.
    Redraw,
    /// No conversation is open.
    Close,
}

/// A question that has to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Block this person?
    Block(String),
    /// Open this address?
    Link(String),
}

/// The state.
#[derive(Debug)]
pub struct Desk {
    /// Me, once the node said.
    pub me: Option<NodeInfo>,
    /// Settings, once the node said.
    pub settings: Option<Settings>,
    /// Everybody, by identity.
    pub contacts: BTreeMap<String, ContactView>,
    /// All requests, by id.
    pub requests: BTreeMap<String, RequestView>,
    /// The pane that is shown.
    pub pane: Pane,
    /// The first screen is still up.
    pub welcome: bool,
    /// The open conversation.
    pub open: Option<String>,
    /// Drafts and sends.
    pub drafts: Drafts,
    /// What is looked for in the list.
    pub filter: String,
    /// The messages that were found for it.
    pub search: Query,
    /// Which row of what was found Enter opens.
    pub chosen: usize,
    /// The list's field was asked for: it is shown where there is room for one pane only.
    pub finding: bool,
    /// Finding within the open conversation.
    pub within: Option<Within>,
    /// The form for adding somebody.
    pub add: Form,
    /// Toasts.
    pub toasts: Toasts,
    /// The open question.
    pub question: Option<Question>,
    /// What is wrong with the disk or the node.
    pub trouble: String,
    /// Why the composer did not take what was typed.
    pub composer_trouble: String,
    /// Messages that came below what is seen.
    pub below: u32,
    /// The open person's safety number.
    pub safety: Safety,
    /// The code that is to be read.
    pub reading: Option<Reading>,
    /// Looks for a code so far: the last one's number.
    looks: u64,
    /// The camera is open.
    camera: bool,
    /// The system around the window.
    pub around: Around,
    /// The vault.
    pub safe: Safe,
    /// What was typed to compare with it.
    pub compare: String,
    /// People whose mark went away by itself.
    lapsed: BTreeSet<String>,
    /// People whose mark is being taken back here.
    unmarking: BTreeSet<String>,
    trail: Vec<Pane>,
    awaited: Option<String>,
    has_contacts: bool,
    has_requests: bool,
    at_end: bool,
    active: bool,
    day: u64,
}

impl Desk {
    /// A desk that knows nothing yet; `fresh`: this identity was made just now.
    pub fn new(fresh: bool) -> Self {
        Self {
            me: None,
            settings: None,
            contacts: BTreeMap::new(),
            requests: BTreeMap::new(),
            pane: Pane::Home,
            welcome: fresh,
            open: None,
            drafts: Drafts::default(),
            filter: String::new(),
            search: Query::default(),
            chosen: 0,
            finding: false,
            within: None,
            add: Form::default(),
            toasts: Toasts::default(),
            question: None,
            trouble: String::new(),
            composer_trouble: String::new(),
            below: 0,
            safety: Safety::default(),
            reading: None,
            looks: 0,
            camera: false,
            around: Around::default(),
            safe: Safe::default(),
            compare: String::new(),
            lapsed: BTreeSet::new(),
            unmarking: BTreeSet::new(),
            trail: Vec::new(),
            awaited: None,
            has_contacts: false,
            has_requests: false,
            at_end: true,
            active: true,
            day: 0,
        }
    }

    /// Takes one input in.
    pub fn handle(&mut self, input: Input, read_uri: &ReadUri<'_>, now_ms: u64) -> Vec<Effect> {
        let mut effects = match input {
            Input::Began => self.ask_for_everything(),
            Input::Did(act) => self.did(act, read_uri, now_ms),
            Input::Told(notice) => self.told(notice, now_ms),
            Input::Answered(asked, answer) => self.answered(asked, answer, now_ms),
            Input::Found(fact) => self.found(fact),
            Input::Seen(look, glimpse) => self.seen(look, glimpse, read_uri, now_ms),
            Input::Tick => self.tick(now_ms),
        };
        effects.extend(self.take_back_notes());
        effects.extend(self.rest_sight());
        effects
    }

    fn ask_for_everything(&self) -> Vec<Effect> {
        vec![
            // First, so that what a locked one refuses is understood.
            Effect::Call(Asked::Vault, Command::VaultGet),
            Effect::Call(Asked::Info, Command::NodeInfo),
            Effect::Call(Asked::Settings, Command::SettingsGet),
            Effect::Call(Asked::Contacts, Command::ContactList),
            Effect::Call(Asked::Requests, Command::RequestList),
        ]
    }

    fn tick(&mut self, now_ms: u64) -> Vec<Effect> {
        self.toasts.expire(now_ms);
        let mut effects = self.save_drafts(now_ms, false);
        effects.extend(self.keep_place(now_ms));
        effects.extend(self.ask_due(now_ms));
        // Hours, not days: zones differ, and a redraw costs nothing.
        let hour = now_ms / 3_600_000;
        if std::mem::replace(&mut self.day, hour) != hour {
            effects.push(Effect::Chat(Chat::Redraw));
        }
        effects
    }

    /// When the next tick is due, ms since 1970.
    pub fn due(&self) -> Option<u64> {
        let within = self.within.as_ref().and_then(|within| within.query.due());
        let all = [self.toasts.due(), self.drafts.due(), self.search.due(), within, self.place_due()];
        all.into_iter().flatten().min()
    }

    /// Everything that the first picture needs is known.
    pub fn ready(&self) -> bool {
        !self.locked() && self.has_contacts && self.has_requests && self.me.is_some() && self.settings.is_some()
    }

    /// The open conversation is at its end, as far as is known.
    pub fn at_end(&self) -> bool {
        self.at_end
    }

    /// Nobody has a place in the list yet.
    pub fn alone(&self) -> bool {
        conversations::listed(self.contacts.values(), "").is_empty()
    }

    /// The open person.
    pub fn person(&self) -> Option<&ContactView> {
        self.contacts.get(self.open.as_deref()?)
    }

    /// What the open person is called.
    pub fn person_name(&self) -> String {
        self.person().map(person::name).unwrap_or_default()
    }

    /// The people of the list, in its order.
    pub fn listed(&self) -> Vec<&ContactView> {
        conversations::listed(self.contacts.values(), &self.filter)
    }

    /// Unread messages of all.
    pub fn unread(&self) -> u64 {
        self.contacts
            .values()
            .filter(|contact| contact.state == ContactState::Accepted)
            .map(|contact| contact.unread)
            .sum()
    }

    /// My pending request to the open person.
    pub fn open_request(&self) -> Option<&RequestView> {
        let open = self.open.as_deref()?;
        let waits = |request: &&RequestView| {
            request.y7_id == open
                && request.state == RequestState::Pending
                && request.direction == y7ke_node::api::Direction::Out
        };
        self.requests.values().find(waits)
    }

    /// What is on its way to the open person.
    pub fn open_outgoing(&self) -> Vec<Outgoing> {
        self.open.as_deref().map(|open| self.drafts.outgoing(open).cloned().collect()).unwrap_or_default()
    }

    fn go(&mut self, pane: Pane) {
        if self.pane == pane {
            return;
        }
        self.trail.push(std::mem::replace(&mut self.pane, pane));
        if self.trail.len() > TRAIL {
            self.trail.remove(0);
        }
    }

    fn save_drafts(&mut self, now_ms: u64, all: bool) -> Vec<Effect> {
        let due = self.drafts.take_due(now_ms, all);
        due.into_iter()
            .map(|(to, text)| Effect::Call(Asked::SaveDraft, Command::DraftSet { of: Conversation::Person(to), text }))
            .collect()
    }

    /// The open conversation is being looked at, down to its end.
    fn is_reading(&self) -> bool {
        self.pane == Pane::Chat && self.active && self.at_end
    }

    /// Tells the node what was read, if there is something and it is being looked at.
    fn read(&mut self) -> Vec<Effect> {
        if !self.is_reading() {
            return Vec::new();
        }
        let Some(contact) = self.open.as_deref().and_then(|open| self.contacts.get_mut(open)) else {
            return Vec::new();
        };
        let Some(last) = contact.last.as_ref().filter(|_| contact.unread > 0) else { return Vec::new() };
        contact.unread = 0;
        let of = Conversation::Person(contact.y7_id.clone());
        let command = Command::MessageRead { of, up_to: last.message_id.clone() };
        vec![Effect::Call(Asked::Read(contact.y7_id.clone()), command)]
    }

    fn open(&mut self, y7_id: &str, now_ms: u64) -> Vec<Effect> {
        let unread = self.contacts.get(y7_id).is_some_and(|contact| contact.unread > 0);
        self.open_at(y7_id, if unread { Place::Unread } else { Place::End }, now_ms)
    }

    fn open_at(&mut self, y7_id: &str, place: Place, now_ms: u64) -> Vec<Effect> {
        if !self.contacts.contains_key(y7_id) {
            return Vec::new();
        }
        self.trail.clear();
        self.pane = Pane::Chat;
        self.awaited = None;
        self.finding = false;
        if self.open.as_deref() == Some(y7_id) {
            let jump = if let Place::Message(key) = place { self.jump(key) } else { Vec::new() };
            return [vec![Effect::Caret], jump, self.read()].concat();
        }
        let mut effects = self.save_drafts(now_ms, true);
        self.open = Some(y7_id.to_owned());
        self.at_end = place == Place::End;
        self.below = 0;
        self.within = None;
        self.composer_trouble.clear();
        self.safety = Safety::default();
        effects.push(Effect::Chat(Chat::Open { y7_id: y7_id.to_owned(), place }));
        effects.extend(self.open_outgoing().into_iter().map(|out| Effect::Chat(Chat::Outgoing(out))));
        effects.extend(self.show_draft(y7_id));
        effects.push(Effect::Caret);
        effects
    }

    fn show_draft(&self, y7_id: &str) -> Vec<Effect> {
        let typed = self.drafts.typed(y7_id);
        let mut effects = vec![Effect::Fill(Field::Draft, typed.unwrap_or_default().to_owned())];
        if typed.is_none() {
            let of = Conversation::Person(y7_id.to_owned());
            effects.push(Effect::Call(Asked::Draft(y7_id.to_owned()), Command::DraftGet { of }));
        }
        effects
    }

    /// Opens whoever was just asked or accepted, once the node tells of them.
    fn open_awaited(&mut self, now_ms: u64) -> Vec<Effect> {
        let there = |contact: &&ContactView| matches!(contact.state, ContactState::Accepted | ContactState::PendingOut);
        match self.awaited.as_deref().and_then(|awaited| self.contacts.get(awaited)).filter(there) {
            Some(contact) => {
                let y7_id = contact.y7_id.clone();
                self.open(&y7_id, now_ms)
            }
            None => Vec::new(),
        }
    }

    fn close_chat(&mut self, now_ms: u64) -> Vec<Effect> {
        let mut effects = self.save_drafts(now_ms, true);
        self.within = None;
        if self.open.take().is_some() {
            effects.push(Effect::Chat(Chat::Close));
        }
        effects
    }
}

/// Parses a link to an identity, or says in words what is wrong with it.
pub type ReadUri<'a> = dyn Fn(&str) -> Result<String, String> + 'a;

#[cfg(test)]
mod tests;
