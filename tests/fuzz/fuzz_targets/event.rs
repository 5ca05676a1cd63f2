//! How deep it gets: decoder; any body sealed and opened under its header; any plaintext unpadded.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_crypto::fuzz::wire_event(data));
