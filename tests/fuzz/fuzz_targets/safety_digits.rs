//! How deep it gets: a safety number that is typed or pasted, against ours.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke::fuzz::safety_digits(data));
