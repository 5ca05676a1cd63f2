//! Long offline: one writes while the other is away; both write while parted. And moving to another address.
//!
//! Rules: S2 (clocks cost the same whatever the history), S3, S5, K3 (rekey after 100 events).

use y7ke_tests::sim::net::{MILLI, SECOND};
use y7ke_tests::sim::people::Deed;
use y7ke_tests::sim::run::{Scenario, befriend, people};
use y7ke_tests::sim::world::{Act, World};

const FILE: &str = "sim_away";

fn writes(world: &mut World, from: usize, to: usize, count: u64) {
    for nth in 0..count {
        world.plan(nth * 3 * MILLI, Act::Person(from, Deed::Say(to)));
    }
}

/// One is away, the other writes hundreds; with rekeys among them.
#[test]
fn whoever_was_away_gets_everything() {
    Scenario { file: FILE, name: "whoever_was_away_gets_everything", seeds: 3 }.play(|world| {
        let who = people(world, 2);
        befriend(world, who[0], who[1]);
        world.act(Act::Kill(who[1]));
        writes(world, who[0], who[1], 300);
        world.run_for(1_200 * SECOND);
        world.act(Act::Boot(who[1]));
        world.judge();
    });
}

/// Both write while nothing passes between them: two branches join in one order.
#[test]
fn two_branches_join_in_one_order() {
    Scenario { file: FILE, name: "two_branches_join_in_one_order", seeds: 3 }.play(|world| {
        let who = people(world, 2);
        befriend(world, who[0], who[1]);
        world.act(Act::Part(who[0], who[1]));
        for _ in 0..3 {
            writes(world, who[0], who[1], 30);
            writes(world, who[1], who[0], 30);
            world.run_for(600 * SECOND);
        }
        world.act(Act::Heal);
        world.run_for(60 * SECOND);
        writes(world, who[0], who[1], 10);
        writes(world, who[1], who[0], 10);
        world.run_for(10 * SECOND);
        world.judge();
    });
}

/// One moves, then the other, then both at once, writing all the while: 5 s later they talk again.
#[test]
fn whoever_moves_to_another_address_is_reached_there() {
    Scenario { file: FILE, name: "whoever_moves_to_another_address_is_reached_there", seeds: 10 }.play(|world| {
        let who = people(world, 2);
        befriend(world, who[0], who[1]);
        world.run_for(60 * SECOND);
        for movers in [&who[..1], &who[1..2], &who[..2]] {
            movers.iter().for_each(|mover| world.act(Act::Move(*mover)));
            writes(world, who[0], who[1], 20);
            writes(world, who[1], who[0], 20);
            world.run_for(5 * SECOND);
            if !world.net.is_connected(who[0], who[1]) {
                world.checks.violated(format!("5 s after {movers:?} moved they are not connected"));
            }
            world.run_for(30 * SECOND);
        }
        world.judge();
    });
}

/// S2: what is said on the control lane at a reconnect does not grow with the length of the log.
#[test]
fn s2_the_clock_exchange_costs_the_same_after_any_history() {
    Scenario { file: FILE, name: "s2_the_clock_exchange_costs_the_same_after_any_history", seeds: 2 }.play(|world| {
        let who = people(world, 2);
        befriend(world, who[0], who[1]);
        writes(world, who[0], who[1], 10);
        world.run_for(60 * SECOND);
        let short = reconnect_bytes(world);
        writes(world, who[0], who[1], 290);
        world.run_for(60 * SECOND);
        let long = reconnect_bytes(world);
        if long > short + 64 {
            world.checks.violated(format!(
                "a reconnect took {short} bytes of control after 10 messages and {long} after 300 (S2)"
            ));
        }
        world.judge();
    });
}

/// The usual one of five: how greetings cross decides whether a clock is said once more, whatever the history.
fn reconnect_bytes(world: &mut World) -> u64 {
    let mut bytes: Vec<_> = (0..5).map(|_| bytes_of_one_reconnect(world)).collect();
    bytes.sort_unstable();
    bytes[bytes.len() / 2]
}

fn bytes_of_one_reconnect(world: &mut World) -> u64 {
    let before = world.net.counts.sync_bytes;
    world.act(Act::Cut(0, 1));
    world.run_for(60 * SECOND);
    world.net.counts.sync_bytes - before
}
