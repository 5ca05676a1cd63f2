//! Whose fault it is, and why a session ends.
//!
//! ```text
//! Fault    the peer's: it costs the peer its session (or, for Refused, a token of its identity's budget)
//! Misuse   the owner's: our own node handed in what the surface forbids; the session goes on
//! Close    the end, with the reason that people and logs are shown
//! ```
//!
//! Invariant: no input of a peer ends anything but this peer's own session, and nothing panics.

use thiserror::Error;
use y7ke_crypto::DecodeError;
use y7ke_crypto::ids::LogId;

use crate::{Lane, ReadId, Ticket};

/// What the peer did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// Bytes that are no frame.
    #[error("{0}")]
    Malformed(#[from] DecodeError),
    /// A frame beyond the cap that this side announced.
    #[error("a frame of {len} bytes on {lane:?}, where {cap} are allowed")]
    Oversize {
        /// Where.
        lane: Lane,
        /// What came, in bytes.
        len: usize,
        /// What is allowed, in bytes.
        cap: usize,
    },
    /// More than the credit that this side gave.
    #[error("more on {0:?} than was allowed")]
    CreditOverrun(Lane),
    /// Credit for what was never sent, or less than before.
    #[error("credit for {0:?} that cannot be")]
    CreditLie(Lane),
    /// The certificate chain does not verify.
    #[error("the certificate chain does not verify")]
    BadChain,
    /// The certificate names another libp2p key than the connection's.
    #[error("the certificate is bound to another connection key")]
    WrongNet,
    /// The signature over the session is not the device's, or our own hello came back.
    #[error("the session proof does not verify")]
    BadProof,
    /// A frame that does not belong into this state.
    #[error("{0} out of turn")]
    OutOfTurn(&'static str),
    /// Events that no honest replica takes. Not fatal by itself: the owner counts it per identity
    /// across reconnects (S6, [`crate::limits::RefusalMeter`]).
    #[error("{count} events refused")]
    Refused {
        /// How many of one batch.
        count: u32,
    },
}

impl Fault {
    /// Whether the session ends with it.
    pub fn is_fatal(&self) -> bool {
        !matches!(self, Self::Refused { .. })
    }
}

/// What our own node did wrong. A bug of ours, never the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Misuse {
    /// Settled twice, or never asked for.
    #[error("ticket {0:?} is not outstanding")]
    UnknownTicket(Ticket),
    /// Other than one outcome for each item of the ticket.
    #[error("ticket {0:?} has another number of items")]
    OutcomeCount(Ticket),
    /// An event that fits no frame; it was left out.
    #[error("an item of read {0:?} is longer than any frame")]
    ItemTooLong(ReadId),
    /// More logs than a session carries; the grant was not taken.
    #[error("log {0} is one too many for a session")]
    TooManyLogs(LogId),
    /// Grant, note or signature before or after its time; it was not taken.
    #[error("{0} out of turn")]
    OutOfTurn(&'static str),
}

/// Why the session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Close {
    /// The peer's fault; it was reported by [`crate::Output::PeerFault`] just before.
    #[error("the peer broke the protocol")]
    Fault,
    /// The peer speaks no version that this side does.
    #[error("the peer speaks version {theirs}")]
    Version {
        /// Its version.
        theirs: u16,
    },
    /// The peer did not prove itself in time.
    #[error("no proof in time")]
    Timeout,
    /// The peer said goodbye.
    #[error("the peer closed: {0}")]
    Bye(Bye),
}

/// What a side says before it closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Bye {
    /// The versions do not meet.
    #[error("another version")]
    Version,
    /// The other side broke the protocol.
    #[error("protocol broken")]
    Fault,
    /// No proof in time.
    #[error("no proof in time")]
    Timeout,
}

impl Bye {
    /// Its byte on the wire.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Version => 1,
            Self::Fault => 2,
            Self::Timeout => 3,
        }
    }

    /// Its meaning; none for a byte that this version does not know.
    pub(crate) fn of(code: u8) -> Option<Self> {
        [Self::Version, Self::Fault, Self::Timeout].into_iter().find(|bye| bye.code() == code)
    }
}
