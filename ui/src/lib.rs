//! The desktop of y7ke: a window that is an adapter over a view model.
//!
//! ```text
//!  Slint window ── Act ──▶ ┌────────┐ ── Command ──▶ Backend (the node, or a fake)
//!      ▲                   │  Desk  │ ◀─ Answer, Notice ──┘
//!      └── paint, rows ─── └────────┘   pure: (state, input, now) → effects
//! ```
//!
//! Read [`model`] first: everything the window shows is decided there, without a window and
//! without a clock. [`port`] is what it needs of a node, [`backend`] the real one. [`window`]
//! carries presses in and rows out, [`desktop`] what is said around it, [`sight`] reads codes.
//! `ui/*.slint` draws.

#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

#[forbid(unsafe_code)]
pub mod backend;
#[forbid(unsafe_code)]
pub mod desktop;
#[forbid(unsafe_code)]
pub mod fonts;
#[doc(hidden)]
#[forbid(unsafe_code)]
pub mod fuzz;
#[forbid(unsafe_code)]
pub mod locked;
#[forbid(unsafe_code)]
pub mod model;
#[forbid(unsafe_code)]
pub mod port;
#[forbid(unsafe_code)]
pub mod renderer;
#[forbid(unsafe_code)]
pub mod sight;
#[forbid(unsafe_code)]
pub mod single;
#[forbid(unsafe_code)]
pub mod start;
#[forbid(unsafe_code)]
pub mod window;

/// What the Slint compiler made of `ui/main.slint`.
pub mod ui {
    #![allow(
        missing_docs,
        unreachable_pub,
        clippy::all,
        clippy::let_underscore_must_use,
        clippy::map_err_ignore,
        clippy::panic,
        clippy::todo,
        clippy::unwrap_used,
        reason = "generated code"
    )]
    slint::include_modules!();
}
