//! The view model: what the window shows and what a press does, without a window.
//!
//! * Decisions are functions of (state, input, now); [`desk::Desk::handle`] returns [`desk::Effect`]s.
//! * Text of peers is plain text and goes through [`text`] before it is shown.
//! * Nothing here does IO, reads a clock or holds a lock.

pub mod add;
pub mod codes;
pub mod conversations;
pub mod desk;
pub mod drafts;
mod index;
pub mod links;
pub mod notify;
pub mod person;
pub mod place;
pub mod requests;
pub mod search;
pub mod stage;
pub mod text;
pub mod time;
pub mod timeline;
pub mod toasts;
pub mod vault;
pub mod verify;
