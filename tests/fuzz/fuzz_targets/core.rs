//! How deep it gets: a node core beside a peer with valid keys: sealed, signed and named forgeries, bent frames,
//! timers, commands, disk faults, crashes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_node::fuzz::core(data));
