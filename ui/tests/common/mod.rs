//! What the tests of the window share: a node made of nothing, and a rig that presses and looks.

#![allow(unreachable_pub, dead_code, reason = "each test binary uses its part")]

pub mod fake;
pub mod rig;
