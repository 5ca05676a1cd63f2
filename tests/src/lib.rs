//! Tests of the whole: real processes with their pipes and sockets, and the simulator.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(all(unix, feature = "rivals"))]
pub mod bench;
pub mod netns;
pub mod process;
pub mod proxy;
pub mod sim;
