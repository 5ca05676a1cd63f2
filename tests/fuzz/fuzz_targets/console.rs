//! How deep it gets: typed lines; text of peers on its way to a terminal.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_node::fuzz::console(data));
