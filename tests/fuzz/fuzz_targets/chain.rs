//! How deep it gets: decoder; every link issued and signed anew: caps, times and reuse of keys, against a second
//! copy of the rules.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_crypto::fuzz::chain(data));
