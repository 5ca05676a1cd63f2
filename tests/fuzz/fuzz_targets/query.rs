//! How deep it gets: a search, and the text it is held against.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_node::fuzz::query(data));
