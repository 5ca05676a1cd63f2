//! How deep it gets: decoders of the values of the tables.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_ledger::fuzz::stored_values(data));
