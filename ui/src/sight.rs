//! Reading codes with this computer: from a picture that is pasted, chosen or dropped, or with its camera.
//!
//! ```text
//! clipboard ──────────────────────────────┐
//! file ── bytes ──────────────────────────┼─▶ child: y7ke --read-code ── texts ─▶ inbox ─▶ desk
//! camera ── Frame ─┬─ some each second ───┘
//!                  └─ every one ─▶ the window shows it
//! ```
//!
//! * Pictures are hostile. Whatever looks into one is a process of its own ([`child`]) that ends itself after a while:
//!   one that has it crash, hang or swell takes nothing along. The camera's own are opened here, for the window.
//! * What a code means is decided by the desk ([`crate::model::codes`]); here a picture becomes the texts of its codes.
//! * The camera is open while the person looks through it, and no longer.

pub mod camera;
pub mod child;
mod chooser;
pub mod code;
pub mod picture;
mod system;

use std::sync::Arc;

pub use self::system::System;
use crate::desktop::Sink;
use crate::model::desk::Look;

/// A picture in shades of grey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grey {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Row by row from the top, `width * height` of them; 0 is black.
    pub pixels: Vec<u8>,
}

/// A picture of the camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Red, green, blue of each pixel, row by row from the top, `width * height * 3` bytes.
    pub rgb: Vec<u8>,
}

/// What the window needs to look at codes.
pub trait Sight {
    /// From now on what is seen goes to `sink`; `wake` says that there is a new [`Self::frame`].
    fn attend(&self, sink: Sink, wake: Arc<dyn Fn() + Send + Sync>);
    /// Looks somewhere, or has the camera rest.
    fn look(&self, look: Look);
    /// A picture of the camera that was not taken yet.
    fn frame(&self) -> Option<Frame>;
}
