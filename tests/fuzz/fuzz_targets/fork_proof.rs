//! How deep it gets: decoder and signatures of a proof. Sound proofs with odd events come through `graph`, `folds`
//! and `core`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_ledger::fuzz::fork_proof(data));
