//! How deep it gets: a block of rows of any bytes; a table of such blocks under any writes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_ledger::fuzz::blocks(data));
