//! How deep it gets: decoder; a box that is none of it is refused.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_crypto::fuzz::rekey(data));
