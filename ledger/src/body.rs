//! What an event says: one enum, one codec.
//!
//! ```text
//! body   kind u8 · fields of that kind in fixed order, nothing behind them
//!
//! open          1 opening   2 join   3 rekey   4 prekey   5 profile   6 revoke   7 cut   8 fork notice
//! conversation  32 text     33 read
//! account       64 request out   65 request in   66 request state   67 contact name   68 block
//!               69 unblock       70 contact log  71 setting        72 verify        73 unverify
//!               74 draft         75 read up to
//!
//! draft         74 · log 32 · len u32 (≤ 65,536) · UTF-8       empty: it is gone
//! read up to    75 · log 32 · marks (`read.rs`)
//! ```
//!
//! Invariants
//! * The kind fixes the class (E2): a known kind in the other class does not decode.
//! * An unknown kind decodes to [`Body::Unknown`]: stored, no effect (E4).
//! * Decoding is exact: what decodes encodes to the same bytes again.
//! * `Debug` names the kind and never a word of what a person wrote.

mod account;
#[doc(hidden)]
pub mod fuzz;
mod read;
mod redact;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod text;

use std::fmt;

use y7ke_crypto::bundle::SignedPrekey;
use y7ke_crypto::cert::CertChain;
use y7ke_crypto::codec::{DecodeError, Reader, Writer};
use y7ke_crypto::epoch::Rekey;
use y7ke_crypto::event::Class;
use y7ke_crypto::ids::{DeviceId, EventId, LogId, RequestId, RootId};
use y7ke_crypto::request::Opening;
use y7ke_crypto::text::Name;

pub use account::{MAX_HINTS, MAX_REQUEST_BUNDLE_BYTES, MAX_REQUEST_CORE_BYTES};
pub use account::{RequestAnswer, RequestIn, RequestOut};
pub use read::{MAX_MARKS, ReadMark, ReadMarks};
pub use text::*;

/// What an event says.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// First event of a conversation: the accepted request and both certificate chains (C2).
    Opening(Box<Opening>),
    /// First event of a device in a log: its certificates up to the root (V1).
    Join {
        /// Device certificate and its issuers.
        chain: CertChain,
    },
    /// A new epoch (K1).
    Rekey(Rekey),
    /// A new prekey of the author (K4).
    Prekey(Box<SignedPrekey>),
    /// The public name of the identity; empty takes it away.
    Profile {
        /// At most 64 characters, one line.
        name: Name,
    },
    /// A device of this identity is out (V3).
    Revoke {
        /// The device.
        device: DeviceId,
    },
    /// In a shared log: the causal past of this event is what stays of a revoked device (V3).
    Cut {
        /// The device.
        device: DeviceId,
    },
    /// This author has seen a device write two events with one number (F4).
    ForkNotice {
        /// The forked device.
        device: DeviceId,
        /// The number that was used twice.
        seq: u64,
    },
    /// A message.
    Text {
        /// At most 65,536 bytes.
        text: String,
        /// The message it answers.
        reply_to: Option<EventId>,
    },
    /// The author's account has read these events of others.
    Read {
        /// Greatest number read, per author device.
        marks: ReadMarks,
    },
    /// I ask somebody to be a contact.
    RequestOut(RequestOut),
    /// Somebody asks me.
    RequestIn(RequestIn),
    /// A request was answered or ended.
    RequestState {
        /// The request.
        req_id: RequestId,
        /// Its new state.
        state: RequestAnswer,
    },
    /// My own name for a person; empty takes it away.
    ContactName {
        /// The person.
        root: RootId,
        /// At most 64 characters, one line.
        name: Name,
    },
    /// I want nothing from this person (C4).
    Block {
        /// The person.
        root: RootId,
    },
    /// The block is undone.
    Unblock {
        /// The person.
        root: RootId,
    },
    /// A conversation with this person exists.
    ContactLog {
        /// The person.
        root: RootId,
        /// The conversation.
        log: LogId,
        /// The request that it came from.
        req_id: RequestId,
    },
    /// I compared safety numbers with this person (B8).
    Verify {
        /// The person.
        root: RootId,
    },
    /// I am not sure of this person any more.
    Unverify {
        /// The person.
        root: RootId,
    },
    /// A setting that my devices share.
    Setting {
        /// At most 64 bytes.
        key: String,
        /// At most 4,096 bytes.
        value: String,
    },
    /// What I typed in a conversation and did not send.
    Draft {
        /// The conversation.
        log: LogId,
        /// At most 65,536 bytes; empty takes it away.
        text: String,
    },
    /// I have read these events of a conversation, whether or not others are told.
    ReadUpTo {
        /// The conversation.
        log: LogId,
        /// Greatest number read, per author device.
        marks: ReadMarks,
    },
    /// Not known to this version: stored, no effect (E4).
    Unknown(u8),
}

/// Number of a kind of body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "each is the body of the same name")]
pub enum Kind {
    Opening = 1,
    Join = 2,
    Rekey = 3,
    Prekey = 4,
    Profile = 5,
    Revoke = 6,
    Cut = 7,
    ForkNotice = 8,
    Text = 32,
    Read = 33,
    RequestOut = 64,
    RequestIn = 65,
    RequestState = 66,
    ContactName = 67,
    Block = 68,
    Unblock = 69,
    ContactLog = 70,
    Setting = 71,
    Verify = 72,
    Unverify = 73,
    Draft = 74,
    ReadUpTo = 75,
}

impl Kind {
    /// All kinds, ascending.
    pub const ALL: [Self; 22] = [
        Self::Opening,
        Self::Join,
        Self::Rekey,
        Self::Prekey,
        Self::Profile,
        Self::Revoke,
        Self::Cut,
        Self::ForkNotice,
        Self::Text,
        Self::Read,
        Self::RequestOut,
        Self::RequestIn,
        Self::RequestState,
        Self::ContactName,
        Self::Block,
        Self::Unblock,
        Self::ContactLog,
        Self::Setting,
        Self::Verify,
        Self::Unverify,
        Self::Draft,
        Self::ReadUpTo,
    ];

    /// The kind with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The number on the wire.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The class that events of this kind have (E2).
    pub const fn class(self) -> Class {
        if self.number() < Self::Text.number() { Class::Open } else { Class::Sealed }
    }

    /// Its name, as the log tools print it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Join => "join",
            Self::Rekey => "rekey",
            Self::Prekey => "prekey",
            Self::Profile => "profile",
            Self::Revoke => "revoke",
            Self::Cut => "cut",
            Self::ForkNotice => "fork_notice",
            Self::Text => "text",
            Self::Read => "read",
            Self::RequestOut => "request_out",
            Self::RequestIn => "request_in",
            Self::RequestState => "request_state",
            Self::ContactName => "contact_name",
            Self::Block => "block",
            Self::Unblock => "unblock",
            Self::ContactLog => "contact_log",
            Self::Setting => "setting",
            Self::Verify => "verify",
            Self::Unverify => "unverify",
            Self::Draft => "draft",
            Self::ReadUpTo => "read_up_to",
        }
    }
}

/// Why bytes are no body. The author's fault; the event stays and has no effect (E4).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// A field is short, too long or of a forbidden value.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The kind belongs into the other class.
    #[error("a body of kind {} stands in an event of the wrong class", .0.name())]
    WrongClass(Kind),
}

impl Body {
    /// The body's bytes, before sealing and padding.
    ///
    /// Fields over their cap are the caller's bug and make bytes that nobody decodes; [`Body::check`] tells.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut to = Writer::new();
        to.u8(self.number());
        self.write_fields(&mut to);
        to.into_bytes()
    }

    /// Decodes the body of an event of `class`.
    pub fn decode(class: Class, bytes: &[u8]) -> Result<Self, BodyFault> {
        let mut from = Reader::new("body", bytes);
        let number = from.u8()?;
        let Some(kind) = Kind::from_number(number) else { return Ok(Self::Unknown(number)) };
        if kind.class() != class {
            return Err(BodyFault::WrongClass(kind));
        }
        let body = Self::read_fields(kind, &mut from)?;
        from.finish()?;
        Ok(body)
    }

    /// Whether this body decodes again: every field is within its cap. For what a person typed.
    pub fn check(&self) -> Result<(), BodyFault> {
        let class = self.class().unwrap_or(Class::Sealed);
        Self::decode(class, &self.to_bytes()).map(drop)
    }

    /// The kind, unless unknown.
    pub const fn kind(&self) -> Option<Kind> {
        Some(match self {
            Self::Opening(_) => Kind::Opening,
            Self::Join { .. } => Kind::Join,
            Self::Rekey(_) => Kind::Rekey,
            Self::Prekey(_) => Kind::Prekey,
            Self::Profile { .. } => Kind::Profile,
            Self::Revoke { .. } => Kind::Revoke,
            Self::Cut { .. } => Kind::Cut,
            Self::ForkNotice { .. } => Kind::ForkNotice,
            Self::Text { .. } => Kind::Text,
            Self::Read { .. } => Kind::Read,
            Self::RequestOut(_) => Kind::RequestOut,
            Self::RequestIn(_) => Kind::RequestIn,
            Self::RequestState { .. } => Kind::RequestState,
            Self::ContactName { .. } => Kind::ContactName,
            Self::Block { .. } => Kind::Block,
            Self::Unblock { .. } => Kind::Unblock,
            Self::ContactLog { .. } => Kind::ContactLog,
            Self::Setting { .. } => Kind::Setting,
            Self::Verify { .. } => Kind::Verify,
            Self::Unverify { .. } => Kind::Unverify,
            Self::Draft { .. } => Kind::Draft,
            Self::ReadUpTo { .. } => Kind::ReadUpTo,
            Self::Unknown(_) => return None,
        })
    }

    /// The class that its event must have (E2), unless the kind is unknown.
    pub fn class(&self) -> Option<Class> {
        self.kind().map(Kind::class)
    }

    fn number(&self) -> u8 {
        match self {
            Self::Unknown(number) => *number,
            known => known.kind().map_or(0, Kind::number),
        }
    }

    fn write_fields(&self, to: &mut Writer) {
        match self {
            Self::Opening(opening) => to.put(opening.as_ref()),
            Self::Join { chain } => to.put(chain),
            Self::Rekey(rekey) => to.put(rekey),
            Self::Prekey(prekey) => to.put(prekey.as_ref()),
            Self::Profile { name } => to.put(name),
            Self::Revoke { device } | Self::Cut { device } => to.put(device),
            Self::ForkNotice { device, seq } => to.put(device).u64(*seq),
            Self::Text { text, reply_to } => text::write_reply(to.var(text.as_bytes()), reply_to.as_ref()),
            Self::Read { marks } => to.put(marks),
            Self::RequestOut(request) => to.put(request),
            Self::RequestIn(request) => to.put(request),
            Self::RequestState { req_id, state } => to.put(req_id).put(state),
            Self::ContactName { root, name } => to.put(root).put(name),
            Self::Block { root } | Self::Unblock { root } | Self::Verify { root } | Self::Unverify { root } => {
                to.put(root)
            }
            Self::ContactLog { root, log, req_id } => to.put(root).put(log).put(req_id),
            Self::Setting { key, value } => to.var(key.as_bytes()).var(value.as_bytes()),
            Self::Draft { log, text } => to.put(log).var(text.as_bytes()),
            Self::ReadUpTo { log, marks } => to.put(log).put(marks),
            Self::Unknown(_) => to,
        };
    }

    fn read_fields(kind: Kind, from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match kind {
            Kind::Opening => Self::Opening(Box::new(from.get()?)),
            Kind::Join => Self::Join { chain: from.get()? },
            Kind::Rekey => Self::Rekey(from.get()?),
            Kind::Prekey => Self::Prekey(Box::new(from.get()?)),
            Kind::Profile => Self::Profile { name: from.get()? },
            Kind::Revoke => Self::Revoke { device: from.get()? },
            Kind::Cut => Self::Cut { device: from.get()? },
            Kind::ForkNotice => Self::ForkNotice { device: from.get()?, seq: from.u64()? },
            Kind::Text => Self::Text { text: text::message(from)?, reply_to: text::reply(from)? },
            Kind::Read => Self::Read { marks: from.get()? },
            Kind::RequestOut => Self::RequestOut(from.get()?),
            Kind::RequestIn => Self::RequestIn(from.get()?),
            Kind::RequestState => Self::RequestState { req_id: from.get()?, state: from.get()? },
            Kind::ContactName => Self::ContactName { root: from.get()?, name: from.get()? },
            Kind::Block => Self::Block { root: from.get()? },
            Kind::Unblock => Self::Unblock { root: from.get()? },
            Kind::ContactLog => Self::ContactLog { root: from.get()?, log: from.get()?, req_id: from.get()? },
            Kind::Setting => Self::Setting { key: text::key(from)?, value: text::value(from)? },
            Kind::Verify => Self::Verify { root: from.get()? },
            Kind::Unverify => Self::Unverify { root: from.get()? },
            Kind::Draft => Self::Draft { log: from.get()?, text: text::message(from)? },
            Kind::ReadUpTo => Self::ReadUpTo { log: from.get()?, marks: from.get()? },
        })
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            Some(kind) => write!(f, "Body({}, …)", kind.name()),
            None => write!(f, "Body(unknown {})", self.number()),
        }
    }
}
