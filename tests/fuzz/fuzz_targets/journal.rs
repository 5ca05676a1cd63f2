//! How deep it gets: a journal of any bytes; records sealed under the key with any rows, numbers, cuts and flips:
//! reading, and going on behind them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_ledger::fuzz::journal(data));
