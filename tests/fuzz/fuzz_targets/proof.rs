//! How deep it gets: the proof in a greeting: decoder.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_crypto::fuzz::proof(data));
