//! Bodies of the account log: what my devices know about requests.
//!
//! ```text
//! request out   req_id 32 · to_root 32 · created u64 · expires u64 · greeting · count u8 (≤ 8) · hint…
//! request in    req_id 32 · from_root 32 · created u64 · expires u64 · name · greeting · bundle · core
//! state         u8: 1 accepted  2 rejected  3 cancelled  4 expired  5 superseded
//! ```
//!
//! Words are UTF-8 behind a u32 length in bytes; `bundle` and `core` are bytes behind the same.

use y7ke_crypto::codec::{DecodeError, Reader, Wire, Writer};
use y7ke_crypto::ids::{RequestId, RootId};

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
    /// At most 280 characters.
    pub greeting: String,
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
    /// The name that they gave; at most 64 characters.
    pub name: String,
    /// At most 280 characters.
    pub greeting: String,
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

impl Wire for RequestOut {
    fn write(&self, out: &mut Writer) {
        self.req_id.write(out);
        self.to_root.write(out);
        out.u64(self.created);
        out.u64(self.expires);
        text::write(out, &self.greeting);
        out.u8(u8::try_from(self.hints.len()).unwrap_or(u8::MAX));
        self.hints.iter().for_each(|hint| text::write(out, hint));
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            req_id: RequestId::read(input)?,
            to_root: RootId::read(input)?,
            created: input.u64("created")?,
            expires: input.u64("expires")?,
            greeting: text::read_greeting(input)?,
            hints: read_hints(input)?,
        })
    }
}

fn read_hints(input: &mut Reader<'_>) -> Result<Vec<String>, DecodeError> {
    let count = usize::from(input.u8("address hints")?);
    if count > MAX_HINTS {
        return Err(DecodeError::too_long("address hints", MAX_HINTS));
    }
    (0..count).map(|_| text::read_hint(input)).collect()
}

impl Wire for RequestIn {
    fn write(&self, out: &mut Writer) {
        self.req_id.write(out);
        self.from_root.write(out);
        out.u64(self.created);
        out.u64(self.expires);
        text::write(out, &self.name);
        text::write(out, &self.greeting);
        out.var(&self.bundle);
        out.var(&self.core);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            req_id: RequestId::read(input)?,
            from_root: RootId::read(input)?,
            created: input.u64("created")?,
            expires: input.u64("expires")?,
            name: text::read_name(input)?,
            greeting: text::read_greeting(input)?,
            bundle: input.var(MAX_REQUEST_BUNDLE_BYTES, "request bundle")?.to_vec(),
            core: input.var(MAX_REQUEST_CORE_BYTES, "request core")?.to_vec(),
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
    fn write(&self, out: &mut Writer) {
        out.u8(*self as u8);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::from_number(input.u8("request state")?).ok_or_else(|| DecodeError::bad_value("request state"))
    }
}
