//! Words of a person: UTF-8 behind a length in bytes, capped in the unit that the person sees.
//!
//! ```text
//! words    len u32 · UTF-8          reply   0  |  1 · event id 32
//! ```

use y7ke_crypto::codec::{DecodeError, Reader, Wire, Writer};
use y7ke_crypto::ids::EventId;

/// Longest message in bytes: the largest padding bucket less its frame (E6).
pub const MAX_TEXT_BYTES: usize = 65_536;
/// Longest name in characters: one line of the sidebar.
pub const MAX_NAME_CHARS: usize = 64;
/// Longest greeting in characters: strangers speak briefly (C1).
pub const MAX_GREETING_CHARS: usize = 280;
/// Longest address hint in bytes: a relayed multiaddr with DNS names stays below.
pub const MAX_HINT_BYTES: usize = 512;
/// Longest name of a setting in bytes: ours are short identifiers.
pub const MAX_SETTING_KEY_BYTES: usize = 64;
/// Longest value of a setting in bytes: a list of bootstraps fits.
pub const MAX_SETTING_VALUE_BYTES: usize = 4_096;
/// A character takes at most four bytes of UTF-8.
const MAX_CHAR_BYTES: usize = 4;

pub(super) fn write(out: &mut Writer, words: &str) {
    out.var(words.as_bytes());
}

pub(super) fn read_message(input: &mut Reader<'_>) -> Result<String, DecodeError> {
    read_bytes(input, MAX_TEXT_BYTES, "text")
}

pub(super) fn read_name(input: &mut Reader<'_>) -> Result<String, DecodeError> {
    read_chars(input, MAX_NAME_CHARS, "name")
}

pub(super) fn read_greeting(input: &mut Reader<'_>) -> Result<String, DecodeError> {
    read_chars(input, MAX_GREETING_CHARS, "greeting")
}

pub(super) fn read_hint(input: &mut Reader<'_>) -> Result<String, DecodeError> {
    read_bytes(input, MAX_HINT_BYTES, "address hint")
}

pub(super) fn read_key(input: &mut Reader<'_>) -> Result<String, DecodeError> {
    read_bytes(input, MAX_SETTING_KEY_BYTES, "setting key")
}

pub(super) fn read_value(input: &mut Reader<'_>) -> Result<String, DecodeError> {
    read_bytes(input, MAX_SETTING_VALUE_BYTES, "setting value")
}

pub(super) fn write_reply(out: &mut Writer, reply_to: Option<&EventId>) {
    match reply_to {
        None => out.u8(0),
        Some(id) => {
            out.u8(1);
            id.write(out);
        }
    }
}

pub(super) fn read_reply(input: &mut Reader<'_>) -> Result<Option<EventId>, DecodeError> {
    match input.u8("reply")? {
        0 => Ok(None),
        1 => EventId::read(input).map(Some),
        _ => Err(DecodeError::bad_value("reply")),
    }
}

fn read_bytes(input: &mut Reader<'_>, cap: usize, what: &'static str) -> Result<String, DecodeError> {
    let bytes = input.var(cap, what)?;
    std::str::from_utf8(bytes).map(str::to_owned).or(Err(DecodeError::bad_value(what)))
}

fn read_chars(input: &mut Reader<'_>, cap: usize, what: &'static str) -> Result<String, DecodeError> {
    let words = read_bytes(input, cap * MAX_CHAR_BYTES, what)?;
    if words.chars().count() > cap {
        return Err(DecodeError::too_long(what, cap));
    }
    Ok(words)
}
