//! How deep it gets: the header of an event: decoder.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_crypto::fuzz::header(data));
