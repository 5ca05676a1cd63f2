//! How deep it gets: the window's place as this device keeps it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_node::fuzz::window_place(data));
