//! How deep it gets: decoder; two clocks merged and compared in both directions.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_crypto::fuzz::clock(data));
