//! How deep it gets: decoder; both chains and the request signed anew: who may open which conversation.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_crypto::fuzz::opening(data));
