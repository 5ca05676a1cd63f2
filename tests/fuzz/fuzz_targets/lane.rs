//! How deep it gets: the bytes of a stream, however they are cut.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_transport::fuzz::lane(data));
