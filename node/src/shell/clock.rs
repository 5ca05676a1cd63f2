//! The two clocks and the randomness: the only place where they enter the node.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

use crate::core::Now;

/// Reads wall and monotonic time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    started: Instant,
}

impl Clock {
    #[allow(clippy::disallowed_methods, reason = "the shell is where time enters")]
    pub(super) fn start() -> Self {
        Self { started: Instant::now() }
    }

    #[allow(clippy::disallowed_methods, reason = "the shell is where time enters")]
    pub(super) fn now(&self) -> Now {
        // A clock before 1970 is shown as 1970; order never hangs on the wall clock (PROTOCOL E5).
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { wall_ms: millis(wall), mono_ms: millis(self.started.elapsed()) }
    }

    /// The instant of a monotonic time that the core named.
    pub(super) fn instant(&self, mono_ms: u64) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.started + Duration::from_millis(mono_ms))
    }
}

/// Saturates after half a billion years.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The core's randomness: ChaCha20, seeded once by the system.
pub(crate) fn randomness() -> std::io::Result<ChaCha20Rng> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut())?;
    Ok(ChaCha20Rng::from_seed(*seed))
}
