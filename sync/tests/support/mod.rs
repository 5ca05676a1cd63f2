//! A small world for sessions: stores in memory, links whose frames can be delayed, reordered between
//! lanes and cut, and everything random from one seed. No clock, no thread, no socket.

#![allow(dead_code, unreachable_pub)] // each test binary uses its part

pub mod dice;
pub mod peer;
pub mod store;
pub mod world;
