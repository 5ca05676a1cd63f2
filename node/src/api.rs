//! What the node can be asked and what it tells: `y7 rpc` in Rust types.
//!
//! The desktop, the console and `y7 rpc` all use these enums and nothing else; the
//! JSON of `y7 rpc` is their serde form (`rpc.rs` maps method names to variants).
//!
//! ```text
//! caller ── Command ──▶ node          one typed Answer, or one ApiError that says what to do
//! caller ◀── Notice ─── node          never dropped silently: a slow reader gets Notice::Resync
//! ```
//!
//! Ids are lower-case hex, identities are `y7:` + base58, times are milliseconds since 1970.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A thing the node is asked to do or to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `node.info`
    NodeInfo,
    /// `node.dial`: connect by hand to one address.
    NodeDial { multiaddr: String },
    /// `contact.request`: needs nobody online.
    ContactRequest { uri: String, greeting: String },
    /// `contact.list`
    ContactList,
    /// `contact.rename`: a nickname of my own; empty takes it away.
    ContactRename { y7_id: String, name: String },
    /// `contact.block`
    ContactBlock { y7_id: String },
    /// `contact.unblock`
    ContactUnblock { y7_id: String },
    /// `contact.verify`: safety numbers were compared; `digits`, if given, must be ours.
    ContactVerify { y7_id: String, digits: Option<String>, verified: bool },
    /// `contact.safety_number`
    ContactSafetyNumber { y7_id: String },
    /// `request.list`
    RequestList,
    /// `request.accept`
    RequestAccept { request_id: String },
    /// `request.reject`: silent, and undone by accepting later.
    RequestReject { request_id: String },
    /// `request.cancel`
    RequestCancel { request_id: String },
    /// `message.send`: answered after the durable commit.
    MessageSend { to: Conversation, text: String, reply_to: Option<String> },
    /// `message.list`: oldest first; without `before` the newest page.
    MessageList { of: Conversation, before: Option<String>, limit: usize },
    /// `message.search`: messages that contain every word of `query`, newest first.
    MessageSearch { query: String, y7_id: Option<String>, limit: usize },
    /// `message.read`
    MessageRead { of: Conversation, up_to: String },
    /// `log.list`
    LogList,
    /// `log.verify`: one log, or all.
    LogVerify { log: Option<String> },
    /// `log.digest`: one log, or all.
    LogDigest { log: Option<String> },
    /// `settings.get`
    SettingsGet,
    /// `settings.set`: only the fields that are given.
    SettingsSet(SettingsPatch),
    /// `draft.set`: kept until sent or emptied, for all my devices.
    DraftSet { of: Conversation, text: String },
    /// `draft.get`
    DraftGet { of: Conversation },
    /// `vault.get`: answered while locked as well.
    VaultGet,
    /// `vault.set`: another secret around the same key; `current` is the present passphrase, where there is one.
    VaultSet { to: VaultKind, passphrase: Option<Passphrase>, current: Option<Passphrase> },
    /// `vault.lock`: sessions end, the ledger closes, keys are wiped; the folder stays in use.
    VaultLock,
    /// `vault.unlock`
    VaultUnlock { passphrase: Option<Passphrase> },
}

/// What somebody typed to open the vault: wiped from memory, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// Shows it, to be stretched into a key at once.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// A conversation is named by the other person or by its log.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Conversation {
    /// By identity, `y7:…`.
    Person(String),
    /// By log id, hex.
    Log(String),
}

/// What a [`Command`] is answered with.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// `node.info`
    NodeInfo(NodeInfo),
    /// `node.dial`
    Dialled { peer_id: String },
    /// `contact.request`
    Requested { request_id: String },
    /// `contact.list`
    Contacts(Vec<ContactView>),
    /// `contact.safety_number`: 60 digits, the same for both; and what my code shows of them, with my half first.
    SafetyNumber { digits: String, code: String },
    /// `request.list`
    Requests(Vec<RequestView>),
    /// `message.send`
    Sent { message_id: String },
    /// `message.list`
    Messages { messages: Vec<MessageView>, more: bool },
    /// `log.list`
    Logs(Vec<LogView>),
    /// `log.verify`
    Verified { events: u64, bad: Vec<BadEvent> },
    /// `log.digest`
    Digest { projection: String },
    /// `settings.get`
    Settings(Settings),
    /// `draft.get`
    Draft { text: String },
    /// `vault.*`: how it stands now.
    Vault(VaultView),
    /// Done, nothing to tell: `{}`.
    Done {},
}

/// What the node tells without being asked: `{"method":"event","params":{"kind":…}}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind")]
#[expect(clippy::large_enum_variant, reason = "nearly all notices are the large one: a message")]
pub enum Notice {
    /// A message of somebody else came and is durable here.
    #[serde(rename = "message.received")]
    MessageReceived { message: MessageView },
    /// A message's content changed, or one of mine was written here.
    #[serde(rename = "message.changed")]
    MessageChanged { message: MessageView },
    /// A message of mine was sent, delivered or read.
    #[serde(rename = "message.status")]
    MessageStatus { message: MessageView },
    /// Somebody asks to be a contact.
    #[serde(rename = "request.received")]
    RequestReceived { request: RequestView },
    /// A request changed its state.
    #[serde(rename = "request.changed")]
    RequestChanged { request: RequestView },
    /// A contact is new, was renamed, blocked, accepted.
    #[serde(rename = "contact.changed")]
    ContactChanged { contact: ContactView },
    /// A contact came online or went offline.
    #[serde(rename = "presence")]
    Presence { y7_id: String, presence: Presence },
    /// A contact is reached by another path.
    #[serde(rename = "path")]
    Path { y7_id: String, path: Option<PathView> },
    /// Another device of mine wrote, changed or took away a draft.
    #[serde(rename = "draft.changed")]
    Draft { y7_id: String, log: String, text: String },
    /// Settings changed.
    #[serde(rename = "settings.changed")]
    SettingsChanged { settings: Settings },
    /// The addresses that this node listens on.
    #[serde(rename = "listening")]
    Listening { listen: Vec<String> },
    /// The disk failed (or works again, `error` empty): nothing is acknowledged meanwhile.
    #[serde(rename = "storage")]
    Storage { error: String },
    /// The vault was locked, unlocked or given another secret.
    #[serde(rename = "vault.changed")]
    Vault { vault: VaultView },
    /// The reader was too slow: ask again for what matters.
    #[serde(rename = "resync")]
    Resync,
}

/// This node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeInfo {
    /// Version of the program.
    pub version: String,
    /// My identity.
    pub y7_id: String,
    /// My identity with address hints, for copying.
    pub uri: String,
    /// This device.
    pub device_id: String,
    /// This device's libp2p peer id.
    pub peer_id: String,
    /// Listen addresses, each ending in `/p2p/<peer_id>`.
    pub listen: Vec<String>,
    /// `lan` or `y7net`.
    pub mode: Mode,
    /// How the vault is locked.
    pub vault: VaultKind,
    /// My profile name, empty if none.
    pub name: String,
}

/// Where this node looks for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// This network only: no bootstrap is ever contacted.
    #[default]
    Lan,
    /// Over the internet as well.
    Y7net,
}

/// How the vault's key is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VaultKind {
    /// A plain file, readable by whoever can read the folder: shown as unprotected.
    File,
    /// A passphrase.
    Passphrase,
    /// The system's keyring.
    Keyring,
}

/// The vault, as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct VaultView {
    /// How its key is kept.
    pub kind: VaultKind,
    /// Its key is not in memory: `vault.unlock` opens it.
    pub locked: bool,
    /// A keyring of the system can be used here.
    pub keyring: bool,
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContactView {
    /// Identity.
    pub y7_id: String,
    /// Nickname, else profile name, else empty.
    pub name: String,
    /// Where the acquaintance stands.
    pub state: ContactState,
    /// Verified by safety number.
    pub verified: bool,
    /// The conversation's log, once there is one.
    pub log: Option<String>,
    /// Reachable now?
    pub presence: Presence,
    /// How, if online.
    pub path: Option<PathView>,
    /// Messages not read here.
    pub unread: u64,
    /// Newest message.
    pub last: Option<MessageView>,
}

/// Where an acquaintance stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactState {
    /// I asked.
    PendingOut,
    /// They asked.
    PendingIn,
    /// We talk.
    Accepted,
    /// I said no.
    Rejected,
    /// I blocked them.
    Blocked,
}

/// Whether a contact can be reached now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// A proven session stands.
    Online,
    /// Being dialled.
    Connecting,
    /// Neither.
    #[default]
    Offline,
}

/// How a contact is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PathView {
    /// `direct` or `relay`.
    pub kind: String,
    /// `quic` or `tcp`.
    pub transport: String,
    /// `ipv4` or `ipv6`.
    pub ip: String,
    /// What made it: `mdns`, `hint`, `saved`, `inbound`.
    pub via: String,
    /// `DIRECT · QUIC · IPv6`.
    pub label: String,
}

/// A contact request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestView {
    /// Its id, hex.
    pub request_id: String,
    /// Theirs or mine.
    pub direction: Direction,
    /// The other person.
    pub y7_id: String,
    /// The name they gave, empty if none.
    pub name: String,
    /// Greeting, may be empty.
    pub greeting: String,
    /// Made at, ms since 1970.
    pub created: u64,
    /// Void after, ms since 1970.
    pub expires: u64,
    /// Where it stands.
    pub state: RequestState,
    /// Why the other side does not take it, if it said so since this program was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<RequestProblem>,
    /// One of mine that waits and is durably with the other side, as far as it said so since this program was started.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub arrived: bool,
}

/// Why a request of mine that reached the other side is not taken there. It is handed over again from time to time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RequestProblem {
    /// Made in their future, or over for them: one of the two clocks is wrong (C1).
    Clocks,
    /// They have too many requests waiting.
    Busy,
}

/// Whose request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Theirs.
    In,
    /// Mine.
    Out,
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RequestState {
    /// Waiting for an answer.
    Pending,
    /// Accepted.
    Accepted,
    /// Rejected here.
    Rejected,
    /// Taken back by its sender.
    Cancelled,
    /// Too old.
    Expired,
}

/// A message as the person sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MessageView {
    /// Event id, hex.
    pub message_id: String,
    /// Log, hex.
    pub log: String,
    /// Author's identity.
    pub author: String,
    /// Author's device, hex.
    pub device_id: String,
    /// Written by one of my devices.
    pub mine: bool,
    /// Text; empty while it cannot be opened here.
    pub text: String,
    /// Wall time of writing, clamped, ms since 1970.
    pub sent_at: u64,
    /// Hybrid time; display order is (hlc, device).
    pub hlc: u64,
    /// The message it answers.
    pub reply_to: Option<String>,
    /// Always null until editing lands.
    pub edited_at: Option<u64>,
    /// Deleted for everyone.
    pub deleted: bool,
    /// Always empty until reactions land.
    pub reactions: Vec<Reaction>,
    /// How far it came; for messages of others `read` or `delivered`.
    pub status: Status,
    /// Devices that have it durably.
    pub delivered_to: Vec<String>,
    /// Arrived, but its key is not here yet.
    pub unopened: bool,
    /// Two versions exist: its author's device forked.
    pub disputed: bool,
}

/// A reaction to a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reaction {
    /// The emoji.
    pub emoji: String,
    /// Who, `y7:…`.
    pub by: Vec<String>,
}

/// How far a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Durable here.
    Queued,
    /// Written to a session.
    Sent,
    /// Durable at a device of every other member, and openable there.
    Delivered,
    /// Read by every other member.
    Read,
}

/// A log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogView {
    /// Log id, hex.
    pub log: String,
    /// `identity`, `account` or `conversation`.
    pub kind: String,
    /// Live events held.
    pub events: u64,
    /// Heads, ascending hex: Automerge change hashes.
    pub heads: Vec<String>,
    /// Newest event per device.
    pub clock: Vec<ClockView>,
}

/// A clock entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClockView {
    /// Device, hex.
    pub device_id: String,
    /// Its newest sequence number held.
    pub seq: u64,
}

/// An event that does not verify.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BadEvent {
    /// Event id, hex.
    pub message_id: String,
    /// Why.
    pub why: String,
}

/// Settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Where to look for people.
    pub mode: Mode,
    /// My profile name, shown to contacts.
    pub name: String,
    /// Send read receipts.
    pub receipts: bool,
    /// Show typing.
    pub typing: bool,
    /// Show system notifications.
    pub notifications: bool,
    /// With the words of the message in them.
    pub notification_text: bool,
    /// `system`, `light` or `dark`.
    pub theme: String,
    /// Scale of the window in per cent, 80–150.
    pub scale: u16,
    /// Closing the window leaves the program in the tray, where there is one. This device's own.
    pub close_to_tray: bool,
    /// Where the window was last on this device.
    pub window: Option<WindowPlace>,
}

/// Where a window is and how large: place in pixels of the desktop, size in logical ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowPlace {
    /// Left and top edge; `None` where the system does not tell (Wayland).
    pub at: Option<(i32, i32)>,
    /// While not maximised.
    pub width: u32,
    /// While not maximised.
    pub height: u32,
    /// Fills the screen.
    pub maximised: bool,
}

/// The settings to change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingsPatch {
    /// See [`Settings::mode`].
    pub mode: Option<Mode>,
    /// See [`Settings::name`].
    pub name: Option<String>,
    /// See [`Settings::receipts`].
    pub receipts: Option<bool>,
    /// See [`Settings::typing`].
    pub typing: Option<bool>,
    /// See [`Settings::notifications`].
    pub notifications: Option<bool>,
    /// See [`Settings::notification_text`].
    pub notification_text: Option<bool>,
    /// See [`Settings::theme`].
    pub theme: Option<String>,
    /// See [`Settings::scale`].
    pub scale: Option<u16>,
    /// See [`Settings::close_to_tray`].
    pub close_to_tray: Option<bool>,
    /// See [`Settings::window`].
    pub window: Option<WindowPlace>,
}

/// Why a command was refused; `message` says in words what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// Kind, with the code of the JSON-RPC contract.
    pub kind: ErrorKind,
    /// In words, for a person.
    pub message: String,
    /// The parameter at fault, for [`ErrorKind::Params`].
    pub field: Option<&'static str>,
}

impl ApiError {
    /// An error of `kind`, in words.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), field: None }
    }

    /// A wrong parameter.
    pub fn param(field: &'static str, message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Params, message: message.into(), field: Some(field) }
    }
}

/// Kinds of errors with their codes in `y7 rpc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// −32602
    Params,
    /// 1: no such contact, request, message or log.
    NotFound,
    /// 2: the identity or id does not parse.
    InvalidId,
    /// 3: that is me.
    Own,
    /// 4
    TooLarge,
    /// 5
    Blocked,
    /// 6
    Locked,
    /// 7
    Exists,
    /// 8
    Expired,
    /// 9
    Storage,
    /// 10
    Network,
}

impl ErrorKind {
    /// The JSON-RPC error code.
    pub const fn code(self) -> i32 {
        match self {
            Self::Params => -32602,
            Self::NotFound => 1,
            Self::InvalidId => 2,
            Self::Own => 3,
            Self::TooLarge => 4,
            Self::Blocked => 5,
            Self::Locked => 6,
            Self::Exists => 7,
            Self::Expired => 8,
            Self::Storage => 9,
            Self::Network => 10,
        }
    }
}
