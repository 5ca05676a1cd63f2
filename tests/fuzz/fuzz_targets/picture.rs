//! How deep it gets: the bytes of a picture from the clipboard or a file: limits, and the codes in it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke::fuzz::picture(data));
