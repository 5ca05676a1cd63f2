//! Bodies of the account log: what my devices know about requests.
//!
//! ```text
//! request out   req_id 32 · to_root 32 · created u64 · expires u64 · greeting · count u32 (≤ 8) · hint…
//! request in    req_id 32 · from_root 32 · created u64 · expires u64 · name · greeting · bundle · core
//! state         u8: 1 accepted  2 rejected  3 cancelled  4 expired  5 superseded
//! ```
//!
//! Words are UTF-8 behind a u32 length in bytes; `bundle` and `core` are bytes behind the same.

use y7ke_crypto::codec::{DecodeError, Reader, Wire, Writer};
use y7ke_crypto::ids::{RequestId, RootId};
use y7ke_crypto::request::Request;
use y7ke_crypto::text::{Greeting, Name};

use super::text;

/// Most address hints in a request: what an identity URI carries.
pub const MAX_HINTS: usize = 8;
/// Largest sender's bundle in bytes: a whole request is at most 24 KiB (C1).
pub const MAX_REQUEST_BUNDLE_BYTES: usize = 24 * 1024;
/// Largest signed request core in bytes: it is 304 in this version.
pub const MAX_REQUEST_CORE_BYTES: usize = 1024;

/// A request of mine.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestOut {
    /// Its id.
    pub req_id: RequestId,
    /// Whom I ask.
    pub to_root: RootId,
    /// Made at, ms since 1970.
    pub created: u64,
    /// Void after, ms since 1970.
    pub expires: u64,
    /// What I say.
    pub greeting: Greeting,
    /// Addresses to try, as the identity URI gave them; at most [`MAX_HINTS`].
    pub hints: Vec<String>,
}

/// A request of somebody else, verified when it came.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestIn {
    /// Its id.
    pub req_id: RequestId,
    /// Who asks.
    pub from_root: RootId,
    /// Made at, ms since 1970.
    pub created: u64,
    /// Void after, ms since 1970.
    pub expires: u64,
    /// The name that they gave.
    pub name: Name,
    /// What they say.
    pub greeting: Greeting,
    /// Their devices and prekeys at that time, as they came.
    pub bundle: Vec<u8>,
    /// The signed core, as it came: what an opening cites.
    pub core: Vec<u8>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RequestAnswer {
    /// A conversation was opened.
    Accepted = 1,
    /// I said no; can be accepted later (C4).
    Rejected = 2,
    /// I took mine back.
    Cancelled = 3,
    /// Its time is over.
    Expired = 4,
    /// A newer one of the same person, or the winner of two that crossed, stands instead.
    Superseded = 5,
}

impl RequestIn {
    /// What is kept of a request that was checked.
    pub fn of(request: &Request) -> Self {
        let core = &request.core.claim;
        Self {
            req_id: core.req_id,
            from_root: core.from_root,
            created: core.created,
            expires: core.expires,
            name: request.name.clone(),
            greeting: request.greeting.clone(),
            bundle: request.from_bundle.to_bytes(),
            core: request.core.to_bytes(),
        }
    }
}

impl Wire for RequestOut {
    const WHAT: &'static str = "own request";
    const CAP: usize = 8 * 1024;

    fn write(&self, to: &mut Writer) {
        to.put(&self.req_id).put(&self.to_root).u64(self.created).u64(self.expires);
        to.put(&self.greeting).count(self.hints.len());
        for hint in &self.hints {
            to.var(hint.as_bytes());
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            req_id: from.get()?,
            to_root: from.get()?,
            created: from.u64()?,
            expires: from.u64()?,
            greeting: from.get()?,
            hints: read_hints(from)?,
        })
    }
}

fn read_hints(from: &mut Reader<'_>) -> Result<Vec<String>, DecodeError> {
    let count = from.count(MAX_HINTS)?;
    (0..count).map(|_| text::hint(from)).collect()
}

impl Wire for RequestIn {
    const WHAT: &'static str = "request of another";
    const CAP: usize = MAX_REQUEST_BUNDLE_BYTES + MAX_REQUEST_CORE_BYTES + 4 * 1024;

    fn write(&self, to: &mut Writer) {
        to.put(&self.req_id).put(&self.from_root).u64(self.created).u64(self.expires);
        to.put(&self.name).put(&self.greeting).var(&self.bundle).var(&self.core);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            req_id: from.get()?,
            from_root: from.get()?,
            created: from.u64()?,
            expires: from.u64()?,
            name: from.get()?,
            greeting: from.get()?,
            bundle: from.var(MAX_REQUEST_BUNDLE_BYTES)?.to_vec(),
            core: from.var(MAX_REQUEST_CORE_BYTES)?.to_vec(),
        })
    }
}

impl RequestAnswer {
    /// The answer with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Accepted,
            2 => Self::Rejected,
            3 => Self::Cancelled,
            4 => Self::Expired,
            5 => Self::Superseded,
            _ => return None,
        })
    }
}

impl Wire for RequestAnswer {
    const WHAT: &'static str = "request state";
    const CAP: usize = 1;

    fn write(&self, to: &mut Writer) {
        to.u8(*self as u8);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let number = from.u8()?;
        Self::from_number(number).ok_or(from.bad())
    }
}
