//! The camera of this computer.
//!
//! ```text
//! /dev/video0, 1, 2 … ── takes pictures? ── in a format that is read here? ── free? ──▶ Camera
//!                          │ no              │ no                             │ no
//!                          └─────────────────┴── the next one; after the last: ──▶ why, in words
//! Camera ── poll, at most `wait` ── take a buffer, give it back ── pixels ──▶ Frame
//!            │ nothing               │ torn, short
//!            └───────────────────────┴──▶ None; 5 s of that: Silent
//! ```
//!
//! * A driver may be wrong: sizes have limits, and each picture is measured before it is read (`pixels`).
//! * `linuxvideo`, which speaks to the driver, panics where one breaks the rules of V4L2 (`device` says where). Whoever
//!   runs a camera does so on a thread of its own and takes the end of that for a fault.
//! * A `Camera` that is dropped has ended its stream and closed its device.
//! * Linux. Elsewhere there is a value that says that it is not there yet.

use std::path::PathBuf;

#[cfg(target_os = "linux")]
mod device;
#[cfg(target_os = "linux")]
mod pixels;

#[cfg(target_os = "linux")]
pub use device::Camera;
#[cfg(not(target_os = "linux"))]
pub use elsewhere::Camera;

/// Why there is no picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing here takes pictures.
    #[error("No camera was found. Connect one, or use a picture of the code.")]
    NoCamera,
    /// What was named takes no pictures.
    #[error("There is no camera at {}. Check what Y7KE_CAMERA says.", .0.display())]
    NotThere(PathBuf),
    /// The device belongs to others.
    #[error(
        "You may not use the camera. Add your account to the group of its device, mostly “video”, and log in again."
    )]
    Denied,
    /// Somebody else has it.
    #[error("Another program is using the camera. Close that program, and try again.")]
    InUse,
    /// The bus that it hangs on carries no more.
    #[error("The camera has no room on its USB connection. Connect it elsewhere, or disconnect another device.")]
    Crowded,
    /// What it gives is not read here.
    #[error("The camera gives no picture that can be read here. Use another one, or a picture of the code.")]
    NoFormat,
    /// It was unplugged.
    #[error("The camera was disconnected. Connect it again, and try again.")]
    Gone,
    /// It gave nothing for 5 s.
    #[error("The camera gives no picture. Check whether it is covered or switched off, or connect it again.")]
    Silent,
    /// The system says something else.
    #[error("The camera does not work ({0}). Connect it again, or use a picture of the code.")]
    Failed(String),
    /// Not built for this system.
    #[error("The camera is not used on this system yet. Use a picture of the code.")]
    NotBuilt,
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::path::Path;
    use std::time::Duration;

    use super::Fault;
    use crate::sight::Frame;

    /// There is none.
    pub enum Camera {}

    impl Camera {
        /// Says so.
        pub fn open(_named: Option<&Path>) -> Result<Self, Fault> {
            Err(Fault::NotBuilt)
        }

        /// Nothing calls this.
        pub fn frame(&mut self, _wait: Duration) -> Result<Option<Frame>, Fault> {
            match *self {}
        }
    }
}
