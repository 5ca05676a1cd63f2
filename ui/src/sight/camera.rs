//! The camera.

use std::path::Path;
use std::time::Duration;

use super::Frame;

/// Why there is no picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// None is there.
    #[error("There is no camera.")]
    NoCamera,
}

/// A camera that is open.
pub(super) struct Camera;

impl Camera {
    /// The first camera that can be used, or the one at `named`.
    pub(super) fn open(_named: Option<&Path>) -> Result<Self, Fault> {
        Err(Fault::NoCamera)
    }

    /// The next picture.
    pub(super) fn frame(&mut self, _wait: Duration) -> Result<Option<Frame>, Fault> {
        Err(Fault::NoCamera)
    }
}
