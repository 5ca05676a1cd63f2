//! How deep it gets: a code of any kind in a picture: what is read, and what it is good for.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke::fuzz::codes(data));
