//! How deep it gets: text forms of four kinds of ids.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_crypto::fuzz::id_text(data));
