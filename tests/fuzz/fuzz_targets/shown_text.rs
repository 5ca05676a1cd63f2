//! How deep it gets: text and times of peers on their way into the window.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke::fuzz::shown_text(data));
