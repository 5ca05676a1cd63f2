//! What the benches share: paired runs, clocks, folders, and one table row per work.
//!
//! ```text
//! for each pair:  ours ─▶ rival        one process, one after the other, so that both meet the same machine
//!                  │       │
//!                  ▼       ▼
//!        Figures { ours, rival }  ─▶ median of each, median of the quotients of the pairs
//!                                 ─▶ | work | ours | rival | ratio | bar | met |
//! ```
//!
//! A machine that is shared makes single figures worth little; the quotient of two runs next to each
//! other is what a bar is held against. Where a bar speaks of CPU, so do the clocks ([`thread_cpu`]).

pub mod people;
pub mod rival;
pub mod sqlite;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::time::{ClockId, clock_gettime};
use tempfile::TempDir;

/// Pairs of runs unless `Y7KE_BENCH_PAIRS` says otherwise.
pub const PAIRS: usize = 5;

/// Where the files of a run lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A memory file system: what the code costs.
    Memory,
    /// A real disk: what syncs cost as well.
    Disk,
}

impl Place {
    /// Both, in the order of the table.
    pub const ALL: [Self; 2] = [Self::Memory, Self::Disk];

    /// As it stands in a row.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
        }
    }

    /// A new folder there, gone when dropped. The disk's is `Y7KE_BENCH_DISK`, else the build folder.
    pub fn folder(self) -> anyhow::Result<TempDir> {
        let parent = match self {
            Self::Memory => PathBuf::from("/dev/shm"),
            Self::Disk => std::env::var_os("Y7KE_BENCH_DISK").map_or_else(build_folder, PathBuf::from),
        };
        let made = tempfile::Builder::new().prefix("y7ke-bench-").tempdir_in(&parent);
        made.with_context(|| format!("no folder in {}", parent.display()))
    }
}

fn build_folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target"))
}

/// The figures of paired runs: seconds, bytes or a rate, whatever the row says.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    ours: Vec<f64>,
    rival: Vec<f64>,
}

impl Figures {
    /// Runs ours and the rival in turn, as often as [`pairs`] says.
    pub fn paired(
        mut ours: impl FnMut() -> anyhow::Result<f64>,
        mut rival: impl FnMut() -> anyhow::Result<f64>,
    ) -> anyhow::Result<Self> {
        let mut figures = Self::default();
        for _ in 0..pairs() {
            figures.add(ours()?, rival()?);
        }
        Ok(figures)
    }

    /// One more pair.
    pub fn add(&mut self, ours: f64, rival: f64) {
        self.ours.push(ours);
        self.rival.push(rival);
    }

    /// Median of ours.
    pub fn ours(&self) -> f64 {
        median(&self.ours)
    }

    /// Median of the rival's.
    pub fn rival(&self) -> f64 {
        median(&self.rival)
    }

    /// Median of ours divided by the rival's, pair by pair.
    pub fn ratio(&self) -> f64 {
        let quotients: Vec<f64> = self.ours.iter().zip(&self.rival).map(|(ours, rival)| ours / rival).collect();
        median(&quotients)
    }
}

/// What the ratio is held against.
#[derive(Clone, Copy, Debug)]
pub enum Bar {
    /// Ours is at most so many times the rival's.
    AtMost(f64),
    /// Ours is at least so many times the rival's.
    AtLeast(f64),
    /// Ours is at most so much, whatever the rival's.
    Within(f64),
    /// Told for comparison only.
    None,
}

impl Bar {
    fn text(self) -> String {
        match self {
            Self::AtMost(most) => format!("≤ {most}"),
            Self::AtLeast(least) => format!("≥ {least}"),
            Self::Within(most) => format!("ours ≤ {most}"),
            Self::None => "–".into(),
        }
    }

    fn is_met(self, ours: f64, ratio: f64) -> &'static str {
        let met = match self {
            Self::AtMost(most) => ratio <= most,
            Self::AtLeast(least) => ratio >= least,
            Self::Within(most) => ours <= most,
            Self::None => return "–",
        };
        if met { "yes" } else { "no" }
    }
}

/// The unit of a row's figures.
#[derive(Clone, Copy, Debug)]
pub enum Unit {
    /// Seconds, shown as s, ms or µs.
    Time,
    /// Bytes.
    Bytes,
    /// So many a second.
    Rate,
}

impl Unit {
    /// A figure with its unit, three digits of it.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Time if value >= 1.0 => format!("{value:.2} s"),
            Self::Time if value >= 0.001 => format!("{:.2} ms", value * 1e3),
            Self::Time => format!("{:.1} µs", value * 1e6),
            Self::Bytes => format!("{value:.0} B"),
            Self::Rate => format!("{value:.0} /s"),
        }
    }
}

/// Prints the head of the table.
pub fn head() {
    say("| work | ours | rival | ours ÷ rival | bar | met |");
    say("|---|---|---|---|---|---|");
}

/// Prints one row.
pub fn row(work: &str, unit: Unit, figures: &Figures, bar: Bar) {
    let (ours, rival, ratio) = (unit.show(figures.ours()), unit.show(figures.rival()), figures.ratio());
    say(&format!(
        "| {work} | {ours} | {rival} | {ratio:.3} | {} | {} |",
        bar.text(),
        bar.is_met(figures.ours(), ratio)
    ));
}

/// Prints a line: a bench has no other output.
#[expect(clippy::print_stdout, reason = "the table is what a bench is run for")]
pub fn say(line: &str) {
    println!("{line}");
}

/// How many pairs this run makes.
pub fn pairs() -> usize {
    number("Y7KE_BENCH_PAIRS", PAIRS)
}

/// A number from the environment, for longer or shorter runs.
pub fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// The middle one; of an even number, the mean of the two in the middle. Of none, nothing that can be met.
pub fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
    }
}

/// The least value that so many hundredths of all are not above.
pub fn percentile(values: &[f64], hundredths: usize) -> f64 {
    let sorted = sorted(values);
    let at = (sorted.len() * hundredths).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// Wall time that `work` takes, in seconds.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
pub fn wall<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let begin = Instant::now();
    let made = work();
    (made, begin.elapsed().as_secs_f64())
}

/// This moment.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
pub fn clock() -> Instant {
    Instant::now()
}

/// CPU time that `work` takes of this thread, in seconds: what others do on the machine does not count.
pub fn cpu<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let begin = thread_cpu();
    let made = work();
    (made, (thread_cpu() - begin).as_secs_f64())
}

/// CPU time of this thread so far.
pub fn thread_cpu() -> Duration {
    read(ClockId::ThreadCPUTime)
}

/// CPU time of the whole process so far.
pub fn process_cpu() -> Duration {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    let (seconds, nanos) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_percentiles_are_of_the_sorted_values() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!((percentile(&hundred, 50), percentile(&hundred, 99)), (50.0, 99.0));
        assert!(median(&[]).is_nan() && Bar::AtMost(1.0).is_met(0.0, median(&[])) == "no");
    }

    #[test]
    fn a_ratio_is_of_pairs_not_of_medians() {
        let mut figures = Figures::default();
        [(1.0, 2.0), (10.0, 10.0), (30.0, 10.0)].into_iter().for_each(|(ours, rival)| figures.add(ours, rival));
        assert_eq!((figures.ours(), figures.rival(), figures.ratio()), (10.0, 10.0, 1.0));
    }
}
