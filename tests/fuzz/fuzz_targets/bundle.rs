//! How deep it gets: decoder; every chain and prekey signed anew by fixed keys: the rules behind the signatures,
//! against a second copy of them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_crypto::fuzz::bundle(data));
