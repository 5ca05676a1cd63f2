//! How deep it gets: `y7:` links with their hints.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_node::fuzz::uri(data));
