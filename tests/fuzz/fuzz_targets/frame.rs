//! How deep it gets: decoders of the frames of the three lanes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_sync::fuzz::frame(data));
