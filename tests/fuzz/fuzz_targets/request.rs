//! How deep it gets: decoder; bundle and request signed anew: every rule of C1 against a second copy, up to
//! accepting.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_crypto::fuzz::request(data));
