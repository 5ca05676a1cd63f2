//! Milliseconds since the transport started: what the pure parts take as `now_ms`.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// A clock that started at 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

/// A timer, and the time that it is set to.
pub(crate) type Timer = (u64, Pin<Box<Sleep>>);

impl Clock {
    /// Reading the clock is the shell's right; the decisions take the number.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Ready from `at_ms` on; `timer` is set anew when that changes.
    pub(crate) fn poll_until(&self, at_ms: u64, timer: &mut Option<Timer>, cx: &mut Context<'_>) -> Poll<()> {
        if timer.as_ref().is_none_or(|(set_ms, _)| *set_ms != at_ms) {
            *timer = Some((at_ms, Box::pin(sleep_until(self.0 + Duration::from_millis(at_ms)))));
        }
        let Some((_, sleep)) = timer else { return Poll::Pending };
        sleep.as_mut().poll(cx)
    }
}
