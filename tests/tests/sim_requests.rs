//! Requests: crossed, repeated, cancelled, rejected, blocked and accepted, while everything breaks.
//!
//! Rules: C1 C2 C3 C4, B4 (both add each other: one conversation).

use y7ke_tests::sim::net::SECOND;
use y7ke_tests::sim::people::Deed;
use y7ke_tests::sim::run::{Scenario, people};
use y7ke_tests::sim::storm::{Breaks, Storm, courtship, plan};
use y7ke_tests::sim::world::{Act, World};

const FILE: &str = "sim_requests";

/// C3: both ask at the same moment, at any distance of frames and commits: one conversation.
#[test]
fn c3_crossed_requests_end_in_one_conversation() {
    Scenario { file: FILE, name: "c3_crossed_requests_end_in_one_conversation", seeds: 15 }.play(|world| {
        let who = people(world, 2);
        world.run_for(world.seed % 7 * SECOND / 2);
        let apart = world.seed * 37 % 400 * 1_000;
        world.plan(0, Act::Person(who[0], Deed::Request(who[1])));
        world.plan(apart, Act::Person(who[1], Deed::Request(who[0])));
        world.run_for(60 * SECOND);
        if !world.are_friends(who[0], who[1]) {
            world.checks.violated("crossed requests did not make contacts within a minute (C3)".into());
        }
        talk_a_little(world);
        world.judge();
    });
}

fn talk_a_little(world: &mut World) {
    for nth in 0..4 {
        world.plan(nth * SECOND, Act::Person(0, Deed::Say(1)));
        world.plan(nth * SECOND, Act::Person(1, Deed::Say(0)));
    }
    world.run_for(10 * SECOND);
}

/// People who do not know what they want, on a network that does not either.
#[test]
fn request_storms_end_in_agreement() {
    Scenario { file: FILE, name: "request_storms_end_in_agreement", seeds: 25 }.play(|world| {
        let who = people(world, 3);
        // C1 refuses what was created more than ten minutes ahead: clocks are wrong by less here.
        world.act(Act::Clock(who[1], 240_000));
        world.act(Act::Clock(who[2], -240_000));
        let breaks = Breaks { clocks: false, ..Breaks::USUAL };
        let storm = Storm { span: 180 * SECOND, deeds: 70, blows: 20, breaks };
        plan(world, &who, storm, courtship);
        world.run_for(storm.span);
        world.judge();
    });
}

/// C1: asked while the other is away for hours; it arrives when they return.
#[test]
fn c1_a_request_waits_for_whoever_is_away() {
    Scenario { file: FILE, name: "c1_a_request_waits_for_whoever_is_away", seeds: 5 }.play(|world| {
        let who = people(world, 2);
        world.run_for(SECOND);
        world.act(Act::Kill(who[1]));
        world.act(Act::Person(who[0], Deed::Request(who[1])));
        world.run_for(world.seed % 5 * 600 * SECOND);
        world.act(Act::Crash(who[0]));
        world.act(Act::Boot(who[0]));
        world.act(Act::Boot(who[1]));
        world.run_for(20 * SECOND);
        world.act(Act::Person(who[1], Deed::AcceptAll));
        world.run_for(20 * SECOND);
        if !world.are_friends(who[0], who[1]) {
            world.checks.violated("a request to somebody away was not answered within 20 s of accepting (C1)".into());
        }
        talk_a_little(world);
        world.judge();
    });
}
