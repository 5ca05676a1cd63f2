//! Runs a scenario over many seeds, and says how to run the one that failed again.
//!
//! ```text
//! Y7_SIM_SEEDS=n   so many seeds per scenario, instead of what the scenario asks for
//! Y7_SIM_SEED=s    the first of them
//! Y7_SIM_TRACE=1   everything that happens, in words
//! ```
//!
//! Seeds that once found something stand in `fixtures/scenarios/seeds.txt` and are played first.

use super::brain::honest;
use super::net::SECOND;
use super::people::Deed;
use super::world::{Act, MachineId, World};

/// Seeds that once found something.
const KNOWN: &str = include_str!("../../../fixtures/scenarios/seeds.txt");

/// One kind of run.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// The test binary that it stands in.
    pub file: &'static str,
    /// The test function.
    pub name: &'static str,
    /// Seeds in CI.
    pub seeds: u64,
}

impl Scenario {
    /// Plays every seed. The first that breaks a rule ends it.
    ///
    /// # Panics
    /// With the seed, what it broke, the end of its trace, and the command that plays it again.
    pub fn play(&self, act: impl Fn(&mut World)) {
        for seed in self.seeds() {
            let mut world = World::new(seed);
            act(&mut world);
            self.report(&world);
        }
    }

    /// The seeds to be played: those that once found something, then the range; with `Y7_SIM_SEED` the range alone.
    pub fn seeds(&self) -> Vec<u64> {
        let known = if number("Y7_SIM_SEED").is_some() { Vec::new() } else { self.known() };
        let range = self.range().filter(|seed| !known.contains(seed)).collect::<Vec<_>>();
        known.iter().copied().chain(range).collect()
    }

    fn known(&self) -> Vec<u64> {
        let line = |line: &str| {
            let mut words = line.split_whitespace();
            (words.next() == Some(self.name)).then(|| words.next()?.parse().ok())?
        };
        KNOWN.lines().filter_map(line).collect()
    }

    /// The range of seeds that is asked for.
    pub fn range(&self) -> std::ops::Range<u64> {
        let first = number("Y7_SIM_SEED").unwrap_or(1);
        let count = number("Y7_SIM_SEEDS").unwrap_or(self.seeds);
        first..first.saturating_add(count)
    }

    #[allow(clippy::panic, clippy::print_stderr, reason = "this is how a test fails, and how a run says what it did")]
    fn report(&self, world: &World) {
        let said = world.people.said.len();
        let Scenario { file, name, .. } = self;
        let (seed, hash) = (world.seed, world.trace.hash());
        eprintln!(
            "{name} seed {seed}: trace {hash}, {} lines, {} s, {said} messages, {} answers, {} frames, {} cuts, {} disk errors, {} delivered",
            world.trace.lines(),
            world.now / SECOND,
            world.people.answers,
            world.net.counts.frames,
            world.net.counts.cuts,
            world.machines.iter().map(|machine| machine.disk.hits()).sum::<u64>(),
            world.checks.proven_delivered,
        );
        if world.checks.is_lost() {
            let broken = world.checks.violations().join("\n  ");
            panic!(
                "{}\nscenario {name}, seed {seed}, trace {hash}\n  {broken}\nagain: Y7_SIM_SEED={seed} Y7_SIM_SEEDS=1 Y7_SIM_TRACE=1 \
                 cargo test -p y7ke-tests --test {file} {name} -- --exact --nocapture",
                world.trace.tail()
            );
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// So many honest machines.
pub fn people(world: &mut World, count: usize) -> Vec<MachineId> {
    (0..count).map(|_| world.machine(honest())).collect()
}

/// One asks, the other accepts; both are acquainted afterwards.
pub fn befriend(world: &mut World, a: MachineId, b: MachineId) {
    world.act(Act::Person(a, Deed::Request(b)));
    for _ in 0..60 {
        world.run_for(SECOND);
        world.act(Act::Person(b, Deed::AcceptAll));
        if world.are_friends(a, b) {
            return;
        }
    }
    world.checks.violated(format!("machines {a} and {b} did not become contacts within a minute"));
}
