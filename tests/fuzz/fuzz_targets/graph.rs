//! How deep it gets: graphs of signed events with arbitrary headers and forks, in two replicas: admission,
//! orphans, live set.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_ledger::fuzz::graph(data));
