//! How deep it gets: the file whose first line is a passphrase.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_node::fuzz::passphrase_file(data));
