//! How deep it gets: hostile bodies, signed, sealed and admitted into the three kinds of log, in two replicas:
//! folds, views, export, rebuild.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_ledger::fuzz::folds(data));
