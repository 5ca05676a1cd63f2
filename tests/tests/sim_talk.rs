//! Two and three people talk while the network, the machines and the clocks misbehave.
//!
//! Rules: E5 E7 F1 K2 S1 S2 S3 S7, I3 (nothing in the clear), I9 (no panic).

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
    Scenario { file: FILE, name: "two_people_talk_on_a_quiet_day", seeds: 5 }
        .play(|world| two_talk(world, storm(60, 0, Breaks::NOTHING)));
}
