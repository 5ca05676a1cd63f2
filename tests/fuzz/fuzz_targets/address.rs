//! How deep it gets: multiaddresses as text, and in bytes as libp2p hands them over.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| y7ke_transport::fuzz::address(data));
