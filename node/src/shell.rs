//! The shell: one thread that owns the core and the ledger, and what stands around it.
//!
//! ```text
//! callers ── Inbound ──▶ ┌──────────── thread y7ke-core ────────────┐
//!   ≤ 1,024, awaited     │ wait → gather a round → Engine::round    │ ── NetCommand ──▶ transport
//! transport ── Event ──▶ │        (decide, commit) → release        │ ── Answer ─────▶ caller
//!   bounded, awaited     └──────────────────────────────────────────┘ ── Notice ─────▶ every reader
//! ```
//!
//! * Clock and randomness enter the core here and nowhere else.
//! * A commit blocks this thread only, never a worker of tokio.
//! * While the transport is slow to take what we send, we go on taking what it has for us: no deadlock.
//! * A disk error is answered in words; the round did not happen; the shell waits and goes on.
//! * A panic of the core ends the process with a code, never in a hang.

mod handle;
mod notices;
mod views;

pub use self::handle::Handle;
pub use self::notices::NoticeReader;
pub use self::views::Views;
pub use crate::home::StartError;
use crate::options::Config;

/// A node that can be started.
#[derive(Clone, Copy, Debug)]
pub struct Node;

impl Node {
    /// Starts the node of `config.data_dir`, making one where there is none.
    ///
    /// Returns once the folder is open and the addresses are bound; the reader has every notice from the first on.
    /// Never from within tokio.
    pub fn start(config: Config) -> Result<(Handle, NoticeReader), StartError> {
        todo!("{config:?}")
    }
}
