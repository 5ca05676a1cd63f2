//! How deep it gets: a run of events that is wanted: decoder.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_crypto::fuzz::want(data));
