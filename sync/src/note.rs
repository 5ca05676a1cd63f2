//! Notes: what two proven devices may say to each other before they are contacts.
//!
//! ```text
//! note            kind u8 · body                      handshake lane, ≤ 64 KiB
//!   16 want-bundle        root 32
//!   17 bundle             var ≤ 36 KiB                an encoded Bundle of crypto; the owner verifies it
//!   18 request            var ≤ 24 KiB                an encoded SealedRequest of crypto
//!   19 request-received   req_id 32
//!   20 request-refused    req_id 32 · reason u8
//!   21 addresses          n u32 ≤ 8 · n × text ≤ 512 B
//!   22 taken-back         req_id 32
//!   23 taken-back-noted   req_id 32
//! ```
//!
//! The session carries notes and looks into none: rate limits (requests per hour) are the owner's.

use y7ke_crypto::bundle::Bundle;
use y7ke_crypto::codec::{DecodeError, Reader, Wire, Writer};
use y7ke_crypto::ids::{RequestId, RootId};
use y7ke_crypto::request::SealedRequest;

use crate::limits::STRANGER_FRAME;

/// An encoded bundle, in bytes: 16 devices with an X-Wing prekey (1.2 KiB) and a chain of four links each.
pub const BUNDLE_CAP: usize = Bundle::CAP;

/// An encoded sealed request, in bytes (C1).
pub const REQUEST_CAP: usize = SealedRequest::CAP;

/// Addresses in a note: four transports of an inside and an outside, as in an identity link.
pub const ADDRESSES: usize = 8;

/// An address in a note, in bytes: a name of 253 with its ports and a peer id.
pub const ADDRESS_CAP: usize = 512;

/// Both fit a stranger's frame.
const _: () = assert!(BUNDLE_CAP + 5 <= STRANGER_FRAME && REQUEST_CAP + 5 <= STRANGER_FRAME);

/// One note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// "Give me the bundle of this person": asked of one of the person's devices.
    WantBundle(RootId),
    /// The answer.
    Bundle(Vec<u8>),
    /// A sealed contact request.
    Request(Vec<u8>),
    /// It is stored durably; it need not be sent to this device again.
    RequestReceived(RequestId),
    /// It will never be taken.
    RequestRefused {
        /// Which.
        req_id: RequestId,
        /// Why.
        reason: RefusalReason,
    },
    /// Where this device listens now, to be dialled again: for contacts. At most [`ADDRESSES`] texts
    /// of at most [`ADDRESS_CAP`] bytes; what they mean is the owner's.
    Addresses(Vec<String>),
    /// I do not ask this any more.
    TakenBack(RequestId),
    /// That is stored durably, and the request was not accepted and cannot be any more.
    TakenBackNoted(RequestId),
}

/// Why a request is not taken. Says nothing about what a person decided: a rejection is silent (C4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// It does not open, parse or verify.
    Malformed,
    /// Too late, or from the future.
    Expired,
    /// Sealed to a bundle that is no longer the newest: ask for it again.
    StaleBundle,
    /// Meant for somebody else.
    WrongAddressee,
    /// Too many; try later.
    Busy,
}

impl RefusalReason {
    const ALL: [Self; 5] = [Self::Malformed, Self::Expired, Self::StaleBundle, Self::WrongAddressee, Self::Busy];

    fn code(self) -> u8 {
        match self {
            Self::Malformed => 0,
            Self::Expired => 1,
            Self::StaleBundle => 2,
            Self::WrongAddressee => 3,
            Self::Busy => 4,
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let code = from.u8()?;
        Self::ALL.into_iter().find(|reason| reason.code() == code).ok_or(from.bad())
    }
}

/// Kinds on the wire; below 16 are the session's own handshake frames.
const WANT_BUNDLE: u8 = 16;
const BUNDLE: u8 = 17;
const REQUEST: u8 = 18;
const REQUEST_RECEIVED: u8 = 19;
const REQUEST_REFUSED: u8 = 20;
const ADDRESSES_KIND: u8 = 21;
const TAKEN_BACK: u8 = 22;
const TAKEN_BACK_NOTED: u8 = 23;

impl Note {
    /// Whether its bytes are within their cap.
    pub fn fits(&self) -> bool {
        match self {
            Self::Bundle(bytes) => bytes.len() <= BUNDLE_CAP,
            Self::Request(bytes) => bytes.len() <= REQUEST_CAP,
            Self::Addresses(texts) => texts.len() <= ADDRESSES && texts.iter().all(|text| text.len() <= ADDRESS_CAP),
            Self::WantBundle(_)
            | Self::RequestReceived(_)
            | Self::RequestRefused { .. }
            | Self::TakenBack(_)
            | Self::TakenBackNoted(_) => true,
        }
    }
}

impl Wire for Note {
    const WHAT: &'static str = "note";
    const CAP: usize = 1 + 4 + BUNDLE_CAP;

    fn write(&self, to: &mut Writer) {
        match self {
            Self::WantBundle(root) => to.u8(WANT_BUNDLE).put(root),
            Self::Bundle(bytes) => to.u8(BUNDLE).var(bytes),
            Self::Request(bytes) => to.u8(REQUEST).var(bytes),
            Self::RequestReceived(req_id) => to.u8(REQUEST_RECEIVED).put(req_id),
            Self::RequestRefused { req_id, reason } => to.u8(REQUEST_REFUSED).put(req_id).u8(reason.code()),
            Self::TakenBack(req_id) => to.u8(TAKEN_BACK).put(req_id),
            Self::TakenBackNoted(req_id) => to.u8(TAKEN_BACK_NOTED).put(req_id),
            Self::Addresses(texts) => {
                to.u8(ADDRESSES_KIND).count(texts.len());
                texts.iter().fold(to, |to, text| to.var(text.as_bytes()))
            }
        };
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let kind = from.u8()?;
        Self::read_kind(kind, from)
    }
}

impl Note {
    /// The note behind its kind.
    pub(crate) fn read_kind(kind: u8, from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match kind {
            WANT_BUNDLE => Self::WantBundle(from.get()?),
            BUNDLE => Self::Bundle(from.var(BUNDLE_CAP)?.to_vec()),
            REQUEST => Self::Request(from.var(REQUEST_CAP)?.to_vec()),
            REQUEST_RECEIVED => Self::RequestReceived(from.get()?),
            REQUEST_REFUSED => Self::RequestRefused { req_id: from.get()?, reason: RefusalReason::read(from)? },
            ADDRESSES_KIND => Self::Addresses(read_addresses(from)?),
            TAKEN_BACK => Self::TakenBack(from.get()?),
            TAKEN_BACK_NOTED => Self::TakenBackNoted(from.get()?),
            _ => return Err(from.bad()),
        })
    }
}

fn read_addresses(from: &mut Reader<'_>) -> Result<Vec<String>, DecodeError> {
    let count = from.count(ADDRESSES)?;
    (0..count).map(|_| Ok(from.text(ADDRESS_CAP)?.to_owned())).collect()
}
