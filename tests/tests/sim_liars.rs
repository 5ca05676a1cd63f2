//! Liars cost honest members nothing: everybody else converges, and no honest event is lost.
//!
//! ```text
//!        Ann ──── Ben       honest, and held to every promise
//!           ╲    ╱
//!            Liar           a contact of both, with valid keys
//! ```
//!
//! Issue, shown 7. Rules: F1–F4 (forks), E3 E4 (garbage), E5 (clock bombs, bad clocks),
//! B5 (self-acceptance), K1 (boxes), S5 S6 (credit, refusals).

#![allow(clippy::unwrap_used, reason = "a failed expectation ends a test")]

use std::ops::ControlFlow;

use y7ke_crypto::ids::{EventId, LogId};
use y7ke_ledger::admit::LogSpec;
use y7ke_ledger::id::Event;
use y7ke_ledger::store::{Admission, EventInfo, Ledger, View};
use y7ke_node::api::{Answer, Command};
use y7ke_tests::sim::brain::{Maker, honest};
use y7ke_tests::sim::dice::Dice;
use y7ke_tests::sim::disk::SimDisk;
use y7ke_tests::sim::liar::{Forgery, Vice, liar};
use y7ke_tests::sim::net::{MILLI, SECOND};
use y7ke_tests::sim::people::{Deed, Fate};
use y7ke_tests::sim::replica::Replica;
use y7ke_tests::sim::run::{Scenario, befriend};
use y7ke_tests::sim::smuggler::{Contraband, smuggler};
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
                    Ok(Admission::Admitted(_)) => {}
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

/// Events with clocks that the rules forbid, validly signed, between the frames of real sessions.
fn smuggles(wares: &[Contraband], name: &'static str) {
    Scenario { file: FILE, name, seeds: 4 }.play(|world| {
        let (maker, ring) = smuggler(wares);
        trio(world, maker);
        ring.on.set(true);
        for _ in 0..3 {
            everybody_talks(world, 2);
            world.act(Act::Cut(LIAR, ANN));
            world.act(Act::Cut(LIAR, BEN));
        }
        nothing_was_lost(world);
        world.nothing_was_smuggled(&ring.slipped);
    });
}

#[test]
fn e5_a_clock_that_is_not_later_is_taken_by_nobody() {
    smuggles(&[Contraband::LateClock], "e5_a_clock_that_is_not_later_is_taken_by_nobody");
}

#[test]
fn e5_a_clock_that_leaps_too_far_is_taken_by_nobody() {
    smuggles(&[Contraband::FarClock], "e5_a_clock_that_leaps_too_far_is_taken_by_nobody");
}

/// What stands on a refused event waits for ever; it is never taken (E3, S5).
#[test]
fn e5_what_stands_on_a_bad_clock_is_taken_by_nobody() {
    let wares = [Contraband::OnBadClock, Contraband::LateClock, Contraband::FarClock];
    smuggles(&wares, "e5_what_stands_on_a_bad_clock_is_taken_by_nobody");
}

/// B5, C2: whoever asks cannot answer in the other's place: no contact, no log, at no door.
#[test]
fn b5_a_self_acceptor_becomes_nobodys_contact() {
    Scenario { file: FILE, name: "b5_a_self_acceptor_becomes_nobodys_contact", seeds: 6 }.play(|world| {
        let (maker, ring) = smuggler(&[Contraband::OwnOpening, Contraband::StolenChain, Contraband::StolenName]);
        world.machine(honest());
        world.machine(honest());
        world.machine(maker);
        befriend(world, ANN, BEN);
        world.suspect(LIAR);
        ring.on.set(true);
        for victim in [ANN, BEN] {
            world.act(Act::Person(LIAR, Deed::Request(victim)));
        }
        for nth in 0..6 {
            world.plan(nth * SECOND, Act::Person(ANN, Deed::Say(BEN)));
            world.plan(nth * SECOND + 40 * MILLI, Act::Person(BEN, Deed::Say(ANN)));
            world.plan(nth * SECOND + 500 * MILLI, Act::Cut(LIAR, (nth % 2) as MachineId));
        }
        world.run_for(120 * SECOND);
        nothing_was_lost(world);
        world.nothing_was_smuggled(&ring.slipped);
        for victim in [ANN, BEN] {
            world.is_no_contact(victim, LIAR);
            world.no_door_takes(victim, LIAR, &ring.slipped);
        }
    });
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

/// F3: three replicas of one log hear of a fork in any order, in pieces and with gaps, one of them
/// the other branch first: all end with the same live set, and every event of the honest is in it.
#[test]
fn f3_three_replicas_of_a_forked_log_end_the_same() {
    Scenario { file: FILE, name: "f3_three_replicas_of_a_forked_log_end_the_same", seeds: 10 }.play(|world| {
        let (honest, forked) = two_branches(world);
        let mut dice = Dice::new(world.seed, "gossip");
        let replicas: Vec<Ledger> =
            [&honest.view, &forked.view].iter().map(|view| replica(world, view, &honest.log, &mut dice)).collect();
        let third = empty(world, &honest.view, &honest.log, &mut dice);
        let replicas = [replicas, vec![third]].concat();
        (0..60).for_each(|_| gossip(&replicas, &honest.log, &mut dice));
        all_hold_the_same(world, &replicas, &honest);
    });
}

/// F1, F3: the forker shows one branch to one replica and another to the next; then these meet, and a third
/// comes, all through real sessions of which some are cut: each learns of the fork, and all end the same.
#[test]
fn f3_a_fork_shown_in_halves_is_known_to_all_who_meet() {
    Scenario { file: FILE, name: "f3_a_fork_shown_in_halves_is_known_to_all_who_meet", seeds: 20 }.play(|world| {
        let (honest, forked) = two_branches(world);
        let mut dice = Dice::new(world.seed, "sessions");
        let shown: Vec<Replica> = [&honest.view, &forked.view]
            .iter()
            .map(|view| Replica::new(replica(world, view, &honest.log, &mut dice), &mut dice))
            .collect();
        let replicas: Vec<Replica> =
            (0..3).map(|_| Replica::new(empty(world, &honest.view, &honest.log, &mut dice), &mut dice)).collect();
        let mut meet = |world: &mut World, a: &Replica, b: &Replica, cut| {
            if let Err(fault) = a.meet(b, &honest.log, &mut dice, cut) {
                world.checks.violated(format!("sessions about a forked log: {fault} (F1, S2)"));
            }
        };
        (0..2).for_each(|nth| meet(world, &shown[nth], &replicas[nth], None));
        if replicas.iter().any(|it| knows_of_a_fork(&it.ledger, &honest.log))
            || holds_the_same(&replicas[0], &replicas[1], &honest.log)
        {
            world.checks.violated("the branches met too early: a test of nothing".into());
        }
        let mut order = Dice::new(world.seed, "who meets whom");
        for _ in 0..6 {
            let cut = order.within(1..40);
            let Some((a, b)) = order.pick(&replicas).zip(order.pick(&replicas)).filter(|(a, b)| !std::ptr::eq(*a, *b))
            else {
                continue;
            };
            meet(world, a, b, Some(cut));
        }
        // Without a cut, once round and back: then everybody has heard of everything.
        for (a, b) in [(0, 1), (1, 2), (2, 0), (0, 1)] {
            meet(world, &replicas[a], &replicas[b], None);
        }
        let ledgers: Vec<Ledger> = replicas.iter().map(|it| it.ledger.clone()).collect();
        all_hold_the_same(world, &ledgers, &honest);
    });
}

fn knows_of_a_fork(ledger: &Ledger, log: &LogId) -> bool {
    !ledger.view().unwrap().fork_proofs(log).unwrap().is_empty()
}

fn holds_the_same(a: &Replica, b: &Replica, log: &LogId) -> bool {
    let [a, b] = [a, b].map(|it| live(&it.ledger.view().unwrap(), log));
    a == b
}

/// Equal heads and live sets, with every event of the honest in them, and the proof.
fn all_hold_the_same(world: &mut World, replicas: &[Ledger], honest: &Branch) {
    let ends: Vec<(Vec<EventId>, Vec<EventId>)> = replicas
        .iter()
        .map(|replica| {
            (replica.view().unwrap().heads(&honest.log).unwrap(), live(&replica.view().unwrap(), &honest.log))
        })
        .collect();
    if ends.iter().any(|end| *end != ends[0]) {
        world.checks.violated(format!("three replicas of a forked log differ: {ends:?} (F3)"));
    }
    let lost: Vec<EventId> = honest.own.iter().filter(|id| !ends[0].1.contains(id)).copied().collect();
    if !lost.is_empty() || honest.own.len() < 4 {
        world.checks.violated(format!("honest events are not live: {lost:?} of {} (F3)", honest.own.len()));
    }
    if !replicas.iter().all(|replica| knows_of_a_fork(replica, &honest.log)) {
        world.checks.violated("a replica does not know of the fork (F1)".into());
    }
}

/// One side's store of the forked log.
struct Branch {
    view: View,
    log: LogId,
    /// Events of the side's own device.
    own: Vec<EventId>,
}

/// Ann holds the first branch and has answered to it; the liar, rewound, has written another.
fn two_branches(world: &mut World) -> (Branch, Branch) {
    let (ann, forker) = (world.machine(honest()), world.machine(honest()));
    befriend(world, ann, forker);
    let old = world.machines[forker].disk.copy();
    let talk = |world: &mut World, from, to| {
        world.act(Act::Person(from, Deed::Say(to)));
        world.run_for(SECOND);
    };
    (0..2).for_each(|_| talk(world, forker, ann));
    (0..3).for_each(|_| talk(world, ann, forker));
    world.act(Act::Part(ann, forker));
    world.act(Act::Kill(forker));
    world.swap_disk(forker, old);
    world.act(Act::Boot(forker));
    (0..3).for_each(|_| talk(world, forker, ann));
    (branch(world, ann), branch(world, forker))
}

fn branch(world: &World, id: MachineId) -> Branch {
    let view = world.view(id).unwrap();
    let is_talk =
        |info: &&y7ke_ledger::store::LogInfo| matches!(info.spec, LogSpec::Conversation { .. }) && info.live > 0;
    let log = view.logs().unwrap().iter().find(is_talk).unwrap().log;
    let root = world.machines[id].root;
    let is_own = |event: &EventId| {
        let device = view.event(event).unwrap().unwrap().header.device;
        view.member_root(&log, &device).unwrap() == root
    };
    let own = live(&view, &log).into_iter().filter(is_own).collect();
    Branch { view, log, own }
}

fn visit(view: &View, log: &LogId, mut see: impl FnMut(EventInfo)) {
    let visited = view.visit_stored(log, 0, &mut |event| {
        see(event);
        Ok(ControlFlow::Continue(()))
    });
    visited.unwrap();
}

fn live(view: &View, log: &LogId) -> Vec<EventId> {
    let mut ids = Vec::new();
    visit(view, log, |event| ids.extend(event.live.then_some(event.id)));
    ids.sort_unstable();
    ids
}

fn empty(world: &World, like: &View, log: &LogId, dice: &mut Dice) -> Ledger {
    let ledger = world.machines[0].safe.open(&SimDisk::new()).unwrap();
    let mut batch = ledger.begin(&mut dice.rng()).unwrap();
    batch.ensure_log(like.log(log).unwrap().unwrap().spec).unwrap();
    batch.commit().unwrap();
    ledger
}

fn replica(world: &World, of: &View, log: &LogId, dice: &mut Dice) -> Ledger {
    let ledger = empty(world, of, log, dice);
    give(of, &ledger, log, dice, |_| true);
    ledger
}

/// Some of what one holds goes to another, shuffled, the proofs first.
fn gossip(replicas: &[Ledger], log: &LogId, dice: &mut Dice) {
    let Some((from, to)) = dice.pick(replicas).cloned().zip(dice.pick(replicas).cloned()) else { return };
    let share = dice.within(200..1_000);
    let mut lot = dice.fork("lot");
    give(&from.view().unwrap(), &to, log, dice, |_| lot.permille(share));
}

fn give(from: &View, to: &Ledger, log: &LogId, dice: &mut Dice, mut keep: impl FnMut(&EventId) -> bool) {
    let (mut ids, sender) = (Vec::new(), y7ke_crypto::ids::DeviceId::from([9; 32]));
    visit(from, log, |event| ids.push((dice.any(), event.id)));
    ids.retain(|(_, id)| keep(id));
    ids.sort_unstable();
    let mut batch = to.begin(&mut dice.rng()).unwrap();
    for proof in from.fork_proofs(log).unwrap() {
        batch.admit_proof(proof).unwrap();
    }
    for (_, id) in ids {
        let item = from.item(&id).unwrap().unwrap();
        let admission = batch.admit(Event::from_wire(item.wire), item.boxes, sender).unwrap();
        assert!(!matches!(admission, Admission::Refused(_)), "{admission:?}");
    }
    batch.commit().unwrap();
}
