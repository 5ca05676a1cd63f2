//! How deep it gets: the command line `y7` with everything behind it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_node::fuzz::options(data));
