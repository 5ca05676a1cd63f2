//! Ingest of 100,000 foreign events, against the cryptography that nobody gets around.
//!
//! ```text
//! ours    frame of ≤ 512 events or 1 MiB ─▶ caps · layout · id · signatures ─▶ admit · open · fold ─▶ durable commit   × 196
//! rival   the same signatures, 512 at a time ─▶ ed25519-zebra's batch verification (the same curve crate)
//!         one X-Wing box per 100 events ─▶ open                                   nothing parsed, hashed or stored
//! ```
//!
//! The log is a conversation that one device of the other person wrote, with a new epoch every 100 events (K3);
//! every frame is a commit of its own. On one core the figure is the CPU time of the one thread, pinned to one CPU;
//! on two cores frames are checked on another thread ahead of their owner, and the figures are both the wall clock and
//! the CPU time of the threads: two cores are done when the owner is, and not before half of all work is.

mod ingest {
    pub(crate) mod rival;
    pub(crate) mod script;
}

use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};

use anyhow::{Context, ensure};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use y7ke_ledger::intake::{self, Verdict};
use y7ke_ledger::store::{Admission, Ledger, Storage};
use y7ke_tests::bench::{Bar, Figures, Place, Unit, cpu, head, number, pairs, row, say, wall};

use ingest::rival::Rival;
use ingest::script::{Parcel, Script};

/// Events that are ingested, rekeys among them.
const EVENTS: usize = 100_000;
/// Threads that check frames ahead of the owner: with it two, as the node has on two cores.
const CHECKERS: usize = 1;
/// Frames that each of them is ahead at most.
const AHEAD: usize = 4;

fn main() -> anyhow::Result<()> {
    let script = Script::write(number("Y7KE_BENCH_EVENTS", EVENTS))?;
    let rival = Rival::of(&script)?;
    let all_cpus = sched_getaffinity(None)?;
    head();
    pin(&all_cpus)?;
    one_core(&script, &rival)?;
    sched_setaffinity(None, &all_cpus)?;
    two_cores(&script, &all_cpus)
}

/// ≥ 60 % of the rival's speed: at most 1 ÷ 0.6 of its time.
fn one_core(script: &Script, rival: &Rival) -> anyhow::Result<()> {
    for (place, bar) in [(Place::Memory, Bar::AtMost(1.667)), (Place::Disk, Bar::None)] {
        let mut figures = Figures::default();
        let rounds = if place == Place::Memory { pairs() } else { 1 };
        for _ in 0..rounds {
            let folder = place.folder()?;
            let (ours, took) = wall(|| cpu(|| ingest_all(script, folder.path())));
            let (ran, theirs) = cpu(|| rival.run());
            (ours.0?, ran?);
            let ours = if place == Place::Memory { ours.1 } else { took };
            figures.add(each(script, ours), each(script, theirs));
        }
        let clock = if place == Place::Memory { "CPU" } else { "wall" };
        row(&format!("ingest, one core, {}: {clock} per event", place.name()), Unit::Time, &figures, bar);
    }
    Ok(())
}

fn two_cores(script: &Script, all_cpus: &CpuSet) -> anyhow::Result<()> {
    let (mut by_wall, mut by_cpu) = (Figures::default(), Figures::default());
    for _ in 0..pairs() {
        let folder = Place::Memory.folder()?;
        pin(all_cpus)?;
        let (alone, alone_wall) = wall(|| cpu(|| ingest_all(script, folder.path())));
        sched_setaffinity(None, all_cpus)?;
        let folder = Place::Memory.folder()?;
        let (together, together_wall) = wall(|| ingest_ahead(script, folder.path()));
        let (owner, checkers) = together?;
        alone.0?;
        by_wall.add(each(script, alone_wall), each(script, together_wall));
        by_cpu.add(each(script, alone.1), each(script, owner.max((owner + checkers) / 2.0)));
        say(&format!(
            "owner {:.1} µs, checkers {:.1} µs per event",
            each(script, owner) * 1e6,
            each(script, checkers) * 1e6
        ));
    }
    row("ingest, one core ÷ two cores, memory: wall per event", Unit::Time, &by_wall, Bar::AtLeast(1.7));
    row("the same by CPU: all ÷ max(owner, half of all)", Unit::Time, &by_cpu, Bar::AtLeast(1.7));
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a hundred thousand")]
fn each(script: &Script, seconds: f64) -> f64 {
    seconds / script.count() as f64
}

/// Everything into a new log, a commit per frame, on this thread.
fn ingest_all(script: &Script, folder: &Path) -> anyhow::Result<()> {
    let ledger = script.reader(Storage::folder(folder))?;
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let mut taken = 0;
    for frame in script.frames() {
        taken += take(script, &ledger, frame, check(frame), &mut rng)?;
    }
    script.check(&ledger, taken)
}

fn check(frame: &[Parcel]) -> Vec<Verdict> {
    intake::check(frame.iter().map(|parcel| parcel.bytes.as_slice()))
}

fn take(
    script: &Script,
    ledger: &Ledger,
    frame: &[Parcel],
    verdicts: Vec<Verdict>,
    rng: &mut ChaCha20Rng,
) -> anyhow::Result<usize> {
    let mut batch = ledger.begin(rng)?;
    let mut taken = 0;
    for (parcel, verdict) in frame.iter().zip(verdicts) {
        let Verdict::Verified(event) = verdict else { anyhow::bail!("every event is good") };
        let admission = batch.take(*event, parcel.boxes.clone(), script.sender())?;
        taken += usize::from(matches!(admission, Admission::Admitted(_)));
    }
    batch.commit()?;
    Ok(taken)
}

/// The same with frames that are checked on other threads; CPU seconds of the owner and of the checkers.
fn ingest_ahead(script: &Script, folder: &Path) -> anyhow::Result<(f64, f64)> {
    let ledger = script.reader(Storage::folder(folder))?;
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    std::thread::scope(|scope| {
        let (mut verdicts, mut checkers) = (Vec::new(), Vec::new());
        for first in 0..CHECKERS {
            let (tell, told) = sync_channel(AHEAD);
            verdicts.push(told);
            checkers.push(scope.spawn(move || {
                let mine = script.frames().iter().skip(first).step_by(CHECKERS);
                cpu(|| mine.map(|frame| tell.send(check(frame))).collect::<Result<(), _>>())
            }));
        }
        let (taken, owner) = cpu(|| own(script, &ledger, &verdicts, &mut rng));
        drop(verdicts);
        let mut spent = 0.0;
        for checker in checkers {
            let (told, took) = checker.join().ok().context("a checker panicked")?;
            told.context("the owner has left")?;
            spent += took;
        }
        script.check(&ledger, taken?)?;
        Ok((owner, spent))
    })
}

fn own(
    script: &Script,
    ledger: &Ledger,
    verdicts: &[Receiver<Vec<Verdict>>],
    rng: &mut ChaCha20Rng,
) -> anyhow::Result<usize> {
    let mut taken = 0;
    for (frame, verdicts) in script.frames().iter().zip(verdicts.iter().cycle()) {
        taken += take(script, ledger, frame, verdicts.recv()?, rng)?;
    }
    Ok(taken)
}

/// Keeps this thread on one of the CPUs that it may use.
fn pin(allowed: &CpuSet) -> anyhow::Result<()> {
    let first = (0..CpuSet::MAX_CPU).find(|cpu| allowed.is_set(*cpu)).context("no CPU at all")?;
    let mut one = CpuSet::new();
    one.set(first);
    ensure!(one.count() == 1);
    Ok(sched_setaffinity(None, &one)?)
}
