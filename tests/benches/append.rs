//! Append: messages that are answered once they are durable, by one writer and by sixteen at once.
//!
//! ```text
//! ours    n callers ─ message.send ─▶ the node's one thread ─▶ group commit (seal, sign, fold, sync) ─▶ n answers
//! rival   n threads ─ INSERT ───────▶ SQLite, WAL, FULL, secure_delete                    ─▶ synced, each
//! ```
//!
//! The other person is away, so that nothing but writing is measured. SQLite with sixteen writers runs
//! both with a connection each and with one behind a lock; the faster one is the rival of that pair.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use y7ke_tests::bench::people::{Side, acquainted};
use y7ke_tests::bench::sqlite::Store;
use y7ke_tests::bench::{Bar, Figures, Place, Unit, head, number, row, wall};

/// Messages of one writer in a run.
const EACH: usize = 200;
/// What is written: a sentence or two.
const BYTES: usize = 200;

fn main() -> anyhow::Result<()> {
    head();
    for place in Place::ALL {
        for (writers, bar) in [(1, Bar::AtMost(1.5)), (16, Bar::AtMost(0.25))] {
            let figures = compare(place, writers)?;
            row(&format!("append, {writers} writers, {}: time per message", place.name()), Unit::Time, &figures, bar);
        }
    }
    Ok(())
}

fn compare(place: Place, writers: usize) -> anyhow::Result<Figures> {
    let folder = place.folder()?;
    let (a, b) = acquainted(folder.path(), "/ip4/127.0.0.1/tcp/0")?;
    b.handle.shutdown();
    let rival = Rival::open(folder.path(), writers)?;
    let each = number("Y7KE_BENCH_APPENDS", EACH);
    let figures = Figures::paired(|| ours(&a, &b.y7_id, writers, each), || rival.run(each))?;
    a.handle.shutdown();
    Ok(figures)
}

fn ours(node: &Side, to: &str, writers: usize, each: usize) -> anyhow::Result<f64> {
    per_message(writers, each, |_writer| node.send(to, "x".repeat(BYTES)).map(|_| ()))
}

/// The rival's store, used by every writer.
struct Rival {
    own: Vec<Mutex<Store>>,
    shared: Mutex<Store>,
    next: AtomicU64,
    text: String,
}

impl Rival {
    fn open(folder: &Path, writers: usize) -> anyhow::Result<Self> {
        let own = (0..writers).map(|_| Ok(Mutex::new(Store::open(folder)?))).collect::<anyhow::Result<_>>()?;
        let shared = Mutex::new(Store::open(folder)?);
        Ok(Self { own, shared, next: AtomicU64::new(1), text: "x".repeat(BYTES) })
    }

    /// The faster of the two ways to share a file.
    fn run(&self, each: usize) -> anyhow::Result<f64> {
        let writers = self.own.len();
        let apart = per_message(writers, each, |writer| self.insert(&self.own[writer]))?;
        let shared = per_message(writers, each, |_writer| self.insert(&self.shared))?;
        Ok(apart.min(shared))
    }

    fn insert(&self, store: &Mutex<Store>) -> anyhow::Result<()> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let store = store.lock().ok().context("a writer panicked")?;
        Ok(store.insert(id, &[7; 32], &self.text)?)
    }
}

/// Wall time for each message when `writers` threads write `each` of them.
fn per_message(writers: usize, each: usize, write: impl Fn(usize) -> anyhow::Result<()> + Sync) -> anyhow::Result<f64> {
    let work = |writer| (0..each).try_for_each(|_| write(writer));
    let work = &work;
    let (done, took) = wall(|| {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..writers).map(|writer| scope.spawn(move || work(writer))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().ok().context("a writer panicked")?)
        })
    });
    done?;
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    Ok(took / (writers * each) as f64)
}
