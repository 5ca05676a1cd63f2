//! Two and three people talk while the network, the machines and the clocks misbehave.
//!
//! Rules: E5 E7 F1 K2 S1 S2 S3 S7, I3 (nothing in the clear), I9 (no panic).

use y7ke_tests::sim::disk::Image;
use y7ke_tests::sim::net::SECOND;
use y7ke_tests::sim::run::{Scenario, befriend, people};
use y7ke_tests::sim::storm::{Breaks, Storm, chat, plan};
use y7ke_tests::sim::world::World;

const FILE: &str = "sim_talk";

fn storm(deeds: u64, blows: u64, breaks: Breaks) -> Storm {
    Storm { span: 120 * SECOND, deeds, blows, breaks }
}

fn two_talk(world: &mut World, storm: Storm) {
    let who = people(world, 2);
    befriend(world, who[0], who[1]);
    plan(world, &who, storm, chat);
    world.run_for(storm.span);
    world.judge();
}

/// The quiet case first: if this fails, read nothing else.
#[test]
fn two_people_talk_on_a_quiet_day() {
    Scenario { file: FILE, name: "two_people_talk_on_a_quiet_day", seeds: 3 }
        .play(|world| two_talk(world, storm(60, 0, Breaks::NOTHING)));
}

/// Cuts, partitions, silence, replaced sessions, late frames: nothing is lost, doubled or reordered.
#[test]
fn two_people_talk_over_a_bad_network() {
    let breaks = Breaks { network: true, ..Breaks::NOTHING };
    Scenario { file: FILE, name: "two_people_talk_over_a_bad_network", seeds: 25 }
        .play(|world| two_talk(world, storm(60, 25, breaks)));
}

/// And machines that lose their power in the middle of a commit, and clocks that jump.
#[test]
fn two_people_talk_while_everything_breaks() {
    Scenario { file: FILE, name: "two_people_talk_while_everything_breaks", seeds: 30 }
        .play(|world| two_talk(world, storm(60, 30, Breaks::USUAL)));
}

/// Three people, three conversations: what befalls one pair costs the others nothing.
#[test]
fn three_people_talk_while_everything_breaks() {
    Scenario { file: FILE, name: "three_people_talk_while_everything_breaks", seeds: 15 }.play(|world| {
        let who = people(world, 3);
        [(0, 1), (1, 2), (2, 0)].into_iter().for_each(|(a, b)| befriend(world, who[a], who[b]));
        let storm = storm(90, 30, Breaks::USUAL);
        plan(world, &who, storm, chat);
        world.run_for(storm.span);
        world.judge();
    });
}

/// The same seed does the same in the same order, down to the bytes on the wire and on the disk.
#[test]
fn the_same_seed_gives_the_same_trace() {
    let trace = |seed| {
        let mut world = World::new(seed);
        let who = people(&mut world, 2);
        befriend(&mut world, who[0], who[1]);
        let storm = storm(30, 20, Breaks::ALL);
        plan(&mut world, &who, storm, chat);
        world.run_for(storm.span);
        let images: Vec<Image> = who.iter().map(|id| world.machines[*id].disk.durable()).collect();
        (world.trace.hash(), world.trace.lines(), images)
    };
    let (first, again, other) = (trace(7), trace(7), trace(8));
    assert!(first.0 == again.0 && first.1 == again.1, "{} ≠ {}", first.0, again.0);
    assert!(first.2 == again.2, "the disks differ");
    assert_ne!(first.0, other.0);
}
