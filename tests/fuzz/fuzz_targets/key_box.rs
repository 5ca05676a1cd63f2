//! How deep it gets: decoder; any secret in a box that opens: down to the commitment of the epoch.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_crypto::fuzz::key_box(data));
