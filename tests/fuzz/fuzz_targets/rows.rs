//! How deep it gets: a store in which any row of any table, or any block of rows, was changed, cut, moved or taken
//! away: everything that reads and writes it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_ledger::fuzz::rows(data));
