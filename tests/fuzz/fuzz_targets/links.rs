//! How deep it gets: links in a peer's words, as they are shown and as they would be opened.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke::fuzz::links(data));
