//! The node: commands in, events out, one owner of the state.

pub mod api;
