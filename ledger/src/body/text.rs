//! Words: UTF-8 behind a length in bytes. Names and greetings are `y7ke_crypto::text`'s.
//!
//! ```text
//! words    len u32 · UTF-8          reply   0  |  1 · event id 32
//! ```

use y7ke_crypto::codec::{DecodeError, Reader, Writer};
use y7ke_crypto::ids::EventId;

/// Longest message in bytes: the largest padding bucket less its frame (E6).
pub const MAX_TEXT_BYTES: usize = 65_536;
/// Longest address hint in bytes: a relayed multiaddr with DNS names stays below.
pub const MAX_HINT_BYTES: usize = 512;
/// Longest name of a setting in bytes: ours are short identifiers.
pub const MAX_SETTING_KEY_BYTES: usize = 64;
/// Longest value of a setting in bytes: a list of bootstraps fits.
pub const MAX_SETTING_VALUE_BYTES: usize = 4_096;

pub(super) fn message(from: &mut Reader<'_>) -> Result<String, DecodeError> {
    from.text(MAX_TEXT_BYTES).map(str::to_owned)
}

pub(super) fn hint(from: &mut Reader<'_>) -> Result<String, DecodeError> {
    from.text(MAX_HINT_BYTES).map(str::to_owned)
}

pub(super) fn key(from: &mut Reader<'_>) -> Result<String, DecodeError> {
    from.text(MAX_SETTING_KEY_BYTES).map(str::to_owned)
}

pub(super) fn value(from: &mut Reader<'_>) -> Result<String, DecodeError> {
    from.text(MAX_SETTING_VALUE_BYTES).map(str::to_owned)
}

pub(crate) fn write_reply<'w>(to: &'w mut Writer, reply_to: Option<&EventId>) -> &'w mut Writer {
    match reply_to {
        None => to.u8(0),
        Some(id) => to.u8(1).put(id),
    }
}

pub(crate) fn reply(from: &mut Reader<'_>) -> Result<Option<EventId>, DecodeError> {
    match from.u8()? {
        0 => Ok(None),
        1 => from.get().map(Some),
        _ => Err(from.bad()),
    }
}
