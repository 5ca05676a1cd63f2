//! Disks that fail once, for a while, or are full: acknowledging stops, nothing acknowledged is lost.
//!
//! Rules: E7, S3; issue "Bad input": disk errors stop acknowledging, say so, and lose nothing.

use y7ke_node::api::Notice;
use y7ke_tests::sim::net::SECOND;
use y7ke_tests::sim::people::Deed;
use y7ke_tests::sim::run::{Scenario, befriend, people};
use y7ke_tests::sim::storm::{Breaks, Storm, chat, fault, plan};
use y7ke_tests::sim::world::Act;

const FILE: &str = "sim_disk";

/// Two talk; now and then a disk fails.
#[test]
fn nothing_is_lost_to_failing_disks() {
    let breaks = Breaks { disks: true, ..Breaks::NOTHING };
    Scenario { file: FILE, name: "nothing_is_lost_to_failing_disks", seeds: 15 }.play(|world| {
        let who = people(world, 2);
        befriend(world, who[0], who[1]);
        let storm = Storm { span: 120 * SECOND, deeds: 60, blows: 50, breaks };
        plan(world, &who, storm, chat);
        world.run_for(storm.span);
        world.judge();
    });
}

/// And everything else breaks as well.
#[test]
fn nothing_is_lost_when_disks_fail_and_everything_else_too() {
    Scenario { file: FILE, name: "nothing_is_lost_when_disks_fail_and_everything_else_too", seeds: 20 }.play(|world| {
        let who = people(world, 3);
        befriend(world, who[0], who[1]);
        befriend(world, who[1], who[2]);
        let storm = Storm { span: 120 * SECOND, deeds: 60, blows: 40, breaks: Breaks::ALL };
        plan(world, &who, storm, chat);
        world.run_for(storm.span);
        world.judge();
    });
}

/// A disk that stays broken is told to the person, and the node goes on once it works again.
#[test]
fn a_disk_error_is_said_and_ends() {
    Scenario { file: FILE, name: "a_disk_error_is_said_and_ends", seeds: 6 }.play(|world| {
        let who = people(world, 2);
        befriend(world, who[0], who[1]);
        let mut dice = y7ke_tests::sim::dice::Dice::new(world.seed, "lasting");
        let fault = y7ke_tests::sim::disk::Fault { lasting: true, ..fault(&mut dice) };
        world.act(Act::Disk(who[0], fault));
        (0..30).for_each(|nth| world.plan(nth * SECOND, Act::Person(who[0], Deed::Say(who[1]))));
        world.run_for(30 * SECOND);
        let failed = world.machines[who[0]].disk.hits() > 0;
        let told = |error_is_empty: bool, world: &y7ke_tests::sim::world::World| {
            let notices = world.people.notices.get(&who[0]).map(Vec::as_slice).unwrap_or_default();
            notices
                .iter()
                .any(|notice| matches!(notice, Notice::Storage { error } if error.is_empty() == error_is_empty))
        };
        if failed && !told(false, world) {
            world.checks.violated("a disk failed for half a minute, and nobody was told".into());
        }
        world.act(Act::DiskHeals(who[0]));
        world.run_for(10 * SECOND);
        world.act(Act::Person(who[0], Deed::Say(who[1])));
        world.run_for(10 * SECOND);
        let last = world.people.said.last().map(|said| said.fate.clone());
        if !matches!(last, Some(y7ke_tests::sim::people::Fate::Answered(_))) {
            world.checks.violated(format!("the disk works again, and the node does not: {last:?}"));
        }
        world.judge();
    });
}
