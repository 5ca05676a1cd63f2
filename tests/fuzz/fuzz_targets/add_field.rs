//! How deep it gets: clipboard text in the field for an id, held against the parser of links.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke::fuzz::add_field(data));
