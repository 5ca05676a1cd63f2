//! Liars cost honest members nothing: everybody else converges, and no honest event is lost.
//!
//! ```text
//!        Ann ──── Ben       honest, and held to every promise
//!           ╲    ╱
//!            Liar           a contact of both, with valid keys
//! ```
//!
//! Issue, shown 7. Rules: F1–F4 (forks), E3 E4 (garbage), E5 (clock bombs), K1 (boxes), S5 S6 (credit, refusals).

use y7ke_node::api::{Answer, Command};
use y7ke_tests::sim::brain::{Maker, honest};
use y7ke_tests::sim::liar::{Forgery, Vice, liar};
use y7ke_tests::sim::net::{MILLI, SECOND};
use y7ke_tests::sim::people::{Deed, Fate};
use y7ke_tests::sim::run::{Scenario, befriend};
use y7ke_tests::sim::world::{Act, MachineId, World};

const FILE: &str = "sim_liars";
const ANN: MachineId = 0;
const BEN: MachineId = 1;
const LIAR: MachineId = 2;

/// Three acquaintances, one of whom is going to lie.
fn trio(world: &mut World, maker: Maker) {
    world.machine(honest());
    world.machine(honest());
    world.machine(maker);
    [(ANN, BEN), (LIAR, ANN), (BEN, LIAR)].into_iter().for_each(|(a, b)| befriend(world, a, b));
    world.suspect(LIAR);
    everybody_talks(world, 3);
}

fn everybody_talks(world: &mut World, times: u64) {
    for nth in 0..times {
        for (pair, (a, b)) in [(ANN, BEN), (BEN, LIAR), (LIAR, ANN)].into_iter().enumerate() {
            let at = nth * SECOND + pair as u64 * 77 * MILLI;
            world.plan(at, Act::Person(a, Deed::Say(b)));
            world.plan(at + 30 * MILLI, Act::Person(b, Deed::Say(a)));
        }
    }
    world.run_for((times + 3) * SECOND);
}

/// Honest people agree, and neither lost a word of what they said to anybody, the liar included.
fn nothing_was_lost(world: &mut World) {
    world.judge();
    for honest in [ANN, BEN] {
        keeps_own_words(world, honest);
    }
}

/// What was answered stands in the own log once, whatever the other side did; and in the end it verifies.
fn keeps_own_words(world: &mut World, id: MachineId) {
    if world.checks.is_lost() {
        return;
    }
    let shown = world.messages(id, LIAR);
    let said: Vec<(String, Fate)> = world
        .people
        .said
        .iter()
        .filter(|said| said.from == id && said.to == LIAR)
        .map(|said| (said.text.clone(), said.fate.clone()))
        .collect();
    for (text, fate) in said {
        let times = shown.iter().filter(|message| message.text == text && message.mine).count();
        let is_right = match fate {
            Fate::Answered(_) => times == 1,
            Fate::Refused(_) => times == 0,
            Fate::Lost | Fate::Asked => times <= 1,
        };
        if !is_right {
            world.checks.violated(format!(
                "machine {id} holds {text:?} {times} times, though it was {fate:?} (issue, shown 7)"
            ));
        }
    }
    if !matches!(world.ask(id, Command::LogVerify { log: None }), Ok(Answer::Verified { bad, .. }) if bad.is_empty()) {
        world.checks.violated(format!("the logs of machine {id} do not verify (E3)"));
    }
}

fn bends_frames(vice: Vice, name: &'static str) {
    // An overrun is thousands of frames each time.
    let seeds = if vice == Vice::Overruns { 1 } else { 3 };
    Scenario { file: FILE, name, seeds }.play(|world| {
        let (maker, switch) = liar(vice);
        trio(world, maker);
        switch.set(true);
        for _ in 0..3 {
            everybody_talks(world, 2);
            world.act(Act::Cut(LIAR, ANN));
            world.act(Act::Cut(LIAR, BEN));
        }
        nothing_was_lost(world);
    });
}

#[test]
fn mutated_frames_cost_the_honest_nothing() {
    bends_frames(Vice::Mutates, "mutated_frames_cost_the_honest_nothing");
}

#[test]
fn a_withholder_costs_the_honest_nothing() {
    bends_frames(Vice::Withholds, "a_withholder_costs_the_honest_nothing");
}

#[test]
fn a_replayer_costs_the_honest_nothing() {
    bends_frames(Vice::Replays, "a_replayer_costs_the_honest_nothing");
}

#[test]
fn a_flooder_costs_the_honest_nothing() {
    bends_frames(Vice::Floods, "a_flooder_costs_the_honest_nothing");
}

#[test]
fn s5_a_credit_overrun_costs_the_honest_nothing() {
    bends_frames(Vice::Overruns, "s5_a_credit_overrun_costs_the_honest_nothing");
}

#[test]
fn oversized_frames_cost_the_honest_nothing() {
    bends_frames(Vice::Oversizes, "oversized_frames_cost_the_honest_nothing");
}

/// A forged event in each of the liar's conversations; it comes back on and spreads it.
fn forges(forgery: Forgery, name: &'static str) {
    Scenario { file: FILE, name, seeds: 3 }.play(|world| {
        trio(world, honest());
        for times in 0..2 {
            world.act(Act::Person(LIAR, Deed::Say(ANN)));
            world.act(Act::Person(LIAR, Deed::Say(BEN)));
            world.run_for(2 * SECOND);
            world.act(Act::Kill(LIAR));
            for victim in [ANN, BEN] {
                match world.forge(LIAR, victim, forgery) {
                    Ok(y7ke_ledger::store::Admission::Admitted(_)) => {}
                    other => world.checks.violated(format!("forgery {times} is no test of anything: {other:?}")),
                }
            }
            world.act(Act::Boot(LIAR));
            everybody_talks(world, 3);
        }
        nothing_was_lost(world);
        the_liar_is_still_heard(world);
    });
}

/// Garbage among good events does not stop the good ones (E4).
fn the_liar_is_still_heard(world: &mut World) {
    for victim in [ANN, BEN] {
        let heads = [LIAR, victim].map(|id| world.y7_id(id));
        let shown = world.messages(victim, LIAR).into_iter().filter(|message| !message.mine).count();
        let said = world.people.said.iter().filter(|said| said.from == LIAR && said.to == victim);
        let answered = said.filter(|said| matches!(said.fate, Fate::Answered(_))).count();
        if shown != answered && !world.checks.is_lost() {
            world
                .checks
                .violated(format!("machine {victim} shows {shown} of {answered} messages of a liar ({heads:?})"));
        }
    }
}

#[test]
fn e4_a_garbage_body_costs_nothing() {
    forges(Forgery::Garbage, "e4_a_garbage_body_costs_nothing");
}

#[test]
fn e5_a_clock_bomb_costs_nothing() {
    forges(Forgery::Bomb, "e5_a_clock_bomb_costs_nothing");
}

#[test]
fn k1_wrong_boxes_cost_nothing() {
    forges(Forgery::BadBoxes, "k1_wrong_boxes_cost_nothing");
}

/// F1: a restored copy writes other events under numbers that were used before: Ann saw the first ones.
#[test]
fn f1_a_forker_costs_the_honest_nothing() {
    Scenario { file: FILE, name: "f1_a_forker_costs_the_honest_nothing", seeds: 6 }.play(|world| {
        trio(world, honest());
        let old = world.machines[LIAR].disk.copy();
        world.act(Act::Part(LIAR, BEN));
        everybody_talks(world, 3);
        world.act(Act::Kill(LIAR));
        world.swap_disk(LIAR, old);
        world.act(Act::Part(LIAR, ANN));
        world.act(Act::Boot(LIAR));
        // Off the network it does not learn that it has been here before (F5).
        for nth in 0..4 {
            world.plan(nth * SECOND, Act::Person(LIAR, Deed::Say(ANN)));
            world.plan(nth * SECOND, Act::Person(LIAR, Deed::Say(BEN)));
        }
        world.run_for(6 * SECOND);
        world.act(Act::Heal);
        everybody_talks(world, 4);
        if !holds_a_fork_proof(world, ANN) {
            world.checks.violated("nobody noticed the fork: a test of nothing (F1)".into());
        }
        nothing_was_lost(world);
    });
}

fn holds_a_fork_proof(world: &World, id: MachineId) -> bool {
    let Some(view) = world.view(id) else { return false };
    let logs = view.logs().unwrap_or_default();
    logs.iter()
        .any(|info| !info.frozen.is_empty() && view.fork_proofs(&info.log).is_ok_and(|proofs| !proofs.is_empty()))
}
