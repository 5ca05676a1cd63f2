//! How deep it gets: frames and commands into a session: greeting, proven, and with logs granted and named.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_sync::fuzz::session(data));
