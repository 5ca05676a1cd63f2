//! How deep it gets: an event from the wire at the door; then the same one signed by a device of the log, behind
//! its introduction.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_ledger::fuzz::wire_event(data));
