//! How deep it gets: decoder of the vault file; its three kinds of slot, opened as they are and with bytes of a real
//! one changed (passphrases where they are cheap); sealed values.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_crypto::fuzz::vault(data));
