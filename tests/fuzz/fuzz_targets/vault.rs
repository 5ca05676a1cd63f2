//! How deep it gets: decoder of the vault file, its file slot; sealed values. No passphrase is stretched: that
//! takes a second.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_crypto::fuzz::vault(data));
