//! How deep it gets: decoder; signed anew, and sealed to: any public key goes through X-Wing.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_crypto::fuzz::prekey(data));
