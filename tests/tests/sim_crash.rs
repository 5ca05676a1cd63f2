//! One script, and a crash at each of its steps: every disk operation, every release of outputs.
//!
//! ```text
//! script   A asks B, B accepts, both write, read, type without sending, write again; the last drafts rest
//! step k   the power of A (or B) goes at its k-th disk operation, or after its k-th commit and before
//!          anything of it was said; it comes back two seconds later
//! ```
//!
//! Rules: E7 (durable before sent), S3 (acknowledged after the commit), C2 (accept is one transaction).

use y7ke_tests::sim::net::{MILLI, SECOND};
use y7ke_tests::sim::people::Deed;
use y7ke_tests::sim::run::{Scenario, people};
use y7ke_tests::sim::world::{Act, MachineId, World};

const FILE: &str = "sim_crash";

/// How long the script takes if nothing happens.
const SCRIPT: u64 = 22 * SECOND;

/// The script; people insist until they are contacts.
fn script(world: &mut World) {
    for nth in 0..12 {
        world.plan((1 + nth) * SECOND, Act::Person(0, Deed::Request(1)));
        world.plan((1 + nth) * SECOND + 500 * MILLI, Act::Person(1, Deed::AcceptAll));
    }
    for nth in 0..6 {
        world.plan((4 + 2 * nth) * SECOND, Act::Person(0, Deed::Say(1)));
        world.plan((4 + 2 * nth) * SECOND, Act::Person(1, Deed::Say(0)));
        world.plan(
            (4 + 2 * nth) * SECOND + 700 * MILLI,
            Act::Person(nth as usize % 2, Deed::Draft(1 - nth as usize % 2)),
        );
        world.plan((5 + 2 * nth) * SECOND, Act::Person(0, Deed::Read(1)));
    }
    world.run_for(SCRIPT);
}

fn finish(world: &mut World) {
    world.plan(0, Act::Person(0, Deed::Request(1)));
    world.plan(15 * SECOND, Act::Person(1, Deed::AcceptAll));
    world.run_for(30 * SECOND);
    if !world.are_friends(0, 1) && !world.checks.is_lost() {
        world.checks.violated("a crash kept two people from becoming contacts (C2)".into());
    }
    world.judge();
}

/// How many disk operations the script takes at a machine.
fn operations(machine: MachineId) -> u64 {
    let mut world = World::new(1);
    people(&mut world, 2);
    let before = world.machines[machine].disk.ops();
    script(&mut world);
    world.machines[machine].disk.ops() - before
}

/// One crash per run; `seeds` of them spread over all steps (`Y7_SIM_SEEDS=100000` takes every one).
fn crash_at_operations(machine: MachineId, name: &'static str) {
    let (all, scenario) = (operations(machine), Scenario { file: FILE, name, seeds: 30 });
    let wanted = scenario.range();
    let stride = (all / (wanted.end - wanted.start).max(1)).max(1);
    let crash = |world: &mut World| {
        people(world, 2);
        let k = (world.seed * stride).wrapping_add(world.seed * 7 % stride) % all;
        world.act(Act::PowerCut(machine, k));
        script(world);
        finish(world);
    };
    Scenario { seeds: scenario.seeds.min(all), ..scenario }.play(crash);
}

#[test]
fn e7_the_asking_side_crashes_at_every_disk_operation() {
    crash_at_operations(0, "e7_the_asking_side_crashes_at_every_disk_operation");
}

#[test]
fn e7_the_accepting_side_crashes_at_every_disk_operation() {
    crash_at_operations(1, "e7_the_accepting_side_crashes_at_every_disk_operation");
}

/// Between the commit and the release: everything is durable, nobody was told.
#[test]
fn s3_either_side_crashes_between_commit_and_release() {
    let scenario = Scenario { file: FILE, name: "s3_either_side_crashes_between_commit_and_release", seeds: 30 };
    scenario.play(|world| {
        people(world, 2);
        let machine = usize::try_from(world.seed % 2).unwrap_or(0);
        world.crash_instead_of_release(machine, world.seed / 2 * 3 % 60);
        script(world);
        finish(world);
    });
}
