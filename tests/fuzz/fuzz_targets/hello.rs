//! How deep it gets: decoder; the chain signed anew, the session proved and checked in both roles.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_crypto::fuzz::hello(data));
