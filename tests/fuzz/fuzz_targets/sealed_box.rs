//! How deep it gets: HPKE: any bytes opened; any bytes sealed and opened.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_crypto::fuzz::sealed_box(data));
