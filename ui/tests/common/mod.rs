//! What the tests of the window share: a node made of nothing, and a rig that presses and looks.

#![allow(unreachable_pub, dead_code, reason = "each test binary uses its part")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test stops where it is surprised")]

pub mod fake;
pub mod golden;
pub mod rig;
