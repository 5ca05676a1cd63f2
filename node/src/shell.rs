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
//! * Signatures of a contact's events are checked on other threads, ahead of this one (`ears.rs`).
//! * A commit blocks this thread only, never a worker of tokio.
//! * While the transport is slow to take what we send, we go on taking what it has for us: no deadlock.
//! * A disk error is answered in words; the round did not happen; the shell waits and goes on.
//! * A panic of the core ends the process with a code, never in a hang.

mod actor;
mod clock;
mod ears;
mod handle;
mod keeper;
mod listening;
mod locking;
mod notices;
mod views;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use self::actor::{Actor, Calls, FIRST_PAUSE, Network, NodeEngine};
use self::clock::Clock;
pub(crate) use self::clock::randomness;
pub use self::handle::Handle;
use self::handle::{Ended, INBOX, Inbound, Inner, SEARCHES};
use self::keeper::Keeper;
use self::notices::Hub;
pub use self::notices::NoticeReader;
pub use self::views::{MessageKey, Places, Views};
use crate::api::Command;
use crate::core::{CoreConfig, Engine};
use crate::home::{Given, Home};
pub use crate::home::{PassphraseFault, StartError};
use crate::options::Config;

/// Exit code after a panic, as Rust's own.
const PANICKED: i32 = 101;

/// How long tasks of the transport may linger at the end.
const LINGER: Duration = Duration::from_secs(2);

/// Threads for the sockets; the core has its own.
const WORKERS: usize = 2;

/// A node that can be started.
#[derive(Clone, Copy, Debug)]
pub struct Node;

impl Node {
    /// Starts the node of `config.data_dir`, making one where there is none.
    ///
    /// Returns once the folder is open and the addresses are bound; the reader has every notice from the first on.
    /// Never from within tokio.
    pub fn start(mut config: Config) -> Result<(Handle, NoticeReader), StartError> {
        if config.bootstrap.as_ref().is_some_and(|given| !given.is_empty()) {
            tracing::warn!(
                "--bootstrap has no effect yet: people are reached on this network and at addresses that are known"
            );
        }
        let clock = Clock::start();
        let given = Given::of(config.passphrase.as_ref(), config.passphrase_file.as_deref());
        let mut home = Home::open(&config.data_dir, given, &mut randomness()?)?;
        // It opened what it was for; from here on it would only lie in memory.
        config.passphrase = None;
        let engine = open_engine(&config, &home, clock)?;
        home.settle()?;
        let runtime = runtime()?;
        let (network, heard) = listening::start(&runtime, &config, engine.net_seed())?;
        let keeper = Keeper::start(home.vault())?;
        spawn(Parts { config, home, keeper, runtime, engine, clock, network, heard })
    }
}

/// Everything that the thread takes over.
struct Parts {
    config: Config,
    home: Home,
    keeper: Keeper,
    runtime: Runtime,
    engine: NodeEngine,
    clock: Clock,
    network: Network,
    heard: Vec<y7ke_transport::Event>,
}

fn open_engine(config: &Config, home: &Home, clock: Clock) -> Result<NodeEngine, StartError> {
    let ledger = home.open_ledger()?;
    let core = CoreConfig { version: env!("CARGO_PKG_VERSION").into(), vault: home.vault_kind(), mode: config.mode };
    Engine::open(ledger, core, randomness()?, clock.now()).map_err(|fault| home.ledger_fault(&fault))
}

fn runtime() -> Result<Runtime, StartError> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    Ok(builder.worker_threads(WORKERS).thread_name("y7ke-net").enable_all().build()?)
}

fn spawn(parts: Parts) -> Result<(Handle, NoticeReader), StartError> {
    let (commands, inbox) = mpsc::channel(INBOX);
    let hub = Arc::new(Hub::default());
    let ended = Arc::new(Ended::default());
    let views = Views::new(parts.engine.ledger().clone(), parts.engine.root(), parts.clock);
    let notices = hub.subscribe();
    let searches = searcher(views.clone())?;
    let (hub_of, views_of) = (Arc::clone(&hub), views.clone());
    let inner = Inner { inbox: commands, searches, hub: hub_of, views: views_of, ended: Arc::clone(&ended) };
    let thread = thread::Builder::new().name("y7ke-core".into());
    // The thread tells its end through `ended`; nobody joins it.
    let _detached = thread.spawn(move || {
        let Parts { config, home, keeper, runtime, engine, clock, network, heard } = parts;
        let closing = Arc::clone(&hub);
        let (calls, vault_calls, lockers, pause) = (Calls::default(), Calls::default(), Vec::new(), FIRST_PAUSE);
        let actor =
            Actor { config, home, keeper, clock, hub, views, inbox, network, calls, vault_calls, lockers, pause };
        or_exit(|| actor.run(engine, &runtime, heard));
        runtime.shutdown_timeout(LINGER);
        closing.close();
        ended.set();
    })?;
    Ok((Handle { inner: Arc::new(inner) }, notices))
}

/// Answers searches one after the other, from snapshots. Ends with the last handle.
fn searcher(views: Views) -> Result<mpsc::Sender<Inbound>, StartError> {
    let (searches, mut inbox) = mpsc::channel(SEARCHES);
    let thread = thread::Builder::new().name("y7ke-search".into());
    let _detached = thread.spawn(move || {
        while let Some(Inbound::Call(Command::MessageSearch { query, y7_id, limit }, reply)) = inbox.blocking_recv() {
            reply(views.search(&query, y7_id, limit));
        }
    })?;
    Ok(searches)
}

/// The thread's edge: a panic in there is our bug, and a node without its core would hang every caller.
fn or_exit(run: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(run)).is_err() {
        tracing::error!("the core panicked (the lines above say where); what was answered is safe on disk");
        std::process::exit(PANICKED);
    }
}
