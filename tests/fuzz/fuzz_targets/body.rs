//! How deep it gets: decoder of every kind of body, in both classes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_ledger::fuzz::body(data));
