//! How deep it gets: lines of `y7 rpc`, and the parameters of every method; what is answered is one line of JSON.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_node::fuzz::rpc(data));
