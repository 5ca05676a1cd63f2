//! How deep it gets: JSON, the checks of each field, the fold of whatever bodies are in it, at every point.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_ledger::fuzz::capsule(data));
