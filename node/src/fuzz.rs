//! Bodies of fuzz targets: everything of the node that reads bytes of others, and its core.
//!
//! Each takes any bytes and panics where a claim does not hold. `tests/fuzz` wraps them for the fuzzer;
//! `tests/tests/corpora.rs` replays what it kept.

use std::borrow::Cow;

use crate::uri::Uri;

/// A body.
pub type Target = fn(&[u8]);

/// Every body by name.
pub const ALL: &[(&str, Target)] = &[
    ("console", console),
    ("core", core),
    ("options", options),
    ("passphrase_file", passphrase_file),
    ("query", query),
    ("rpc", rpc),
    ("uri", uri),
    ("window_place", window_place),
];

/// Sequences of inputs into the node's core, beside a peer who holds valid keys and has no manners.
pub fn core(data: &[u8]) {
    crate::core::fuzz::core(data);
}

/// A link: what parses prints to what parses to the same, within the caps. (Bytes that were pasted unescaped are
/// escaped in print, so the longest of such links print to what is too long.)
pub fn uri(data: &[u8]) {
    let Ok(link) = text_of(data).parse::<Uri>() else { return };
    assert!(link.hints.len() <= crate::uri::MAX_HINTS);
    let printed = link.to_string();
    assert!(printed.len() > crate::uri::MAX_BYTES || printed.parse() == Ok(link), "{printed}");
}

/// Lines of `y7 rpc`, raw or as a method with any parameters: each is one call or one line of an answer.
pub fn rpc(data: &[u8]) {
    crate::rpc::fuzz(data);
}

/// Lines typed into the console, and text of others on its way to the terminal.
pub fn console(data: &[u8]) {
    crate::console::fuzz(&text_of(data));
}

/// A search: a text that has every word is found by them.
pub fn query(data: &[u8]) {
    crate::core::search::fuzz(&text_of(data));
}

/// The command line `y7` with its options.
pub fn options(data: &[u8]) {
    crate::cli::fuzz(&text_of(data));
}

/// The file whose first line is a passphrase.
pub fn passphrase_file(data: &[u8]) {
    crate::home::fuzz(data);
}

/// Where the window was, as this device keeps it.
pub fn window_place(data: &[u8]) {
    crate::core::keeping::fuzz(&text_of(data));
}

fn text_of(data: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(data)
}
