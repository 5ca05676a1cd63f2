//! How deep it gets: decoder; the acknowledgement signed anew by a fixed device: signature, ranges against the
//! clock.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_crypto::fuzz::ack(data));
