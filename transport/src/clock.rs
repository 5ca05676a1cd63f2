//! Milliseconds since the transport started: what the pure parts take as `now_ms`.

use tokio::time::Instant;

/// A clock that started at 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// Reading the clock is the shell's right; the decisions take the number.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
