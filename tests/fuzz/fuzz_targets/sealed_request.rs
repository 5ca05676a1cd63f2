//! How deep it gets: decoder; any bytes in a seal that opens: padding and the request inside.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_crypto::fuzz::sealed_request(data));
