//! Sessions under every kind of weather: random schedules from seeds, checked at each frame.

#![allow(clippy::unwrap_used, clippy::panic)] // a test stops where it is surprised

mod support;

use support::world::{Chances, World};

const CALM: Chances = Chances { cuts: false, withdrawals: false, forks: false, drops: false, steps: 250, filler: 300 };

fn play(seeds: std::ops::Range<u64>, nodes: usize, pairs: &[(usize, usize)], chances: Chances) {
    for seed in seeds {
        let run = std::panic::catch_unwind(|| World::new(seed, nodes, pairs.to_vec(), chances).play());
        if let Err(why) = run {
            eprintln!("seed {seed} of {chances:?} on {pairs:?}");
            std::panic::resume_unwind(why);
        }
    }
}

/// S1–S3, S5: delayed and reordered between lanes, live appends on both sides, late grants.
#[test]
fn s2_two_nodes_converge_in_any_order() {
    play(0..120, 2, &[(0, 1)], CALM);
}

/// S5: sessions cut and opened again at any step.
#[test]
fn s5_cut_sessions_lose_and_double_nothing() {
    play(1_000..1_100, 2, &[(0, 1)], Chances { cuts: true, steps: 400, ..CALM });
}

/// S1: grants withdrawn and given again at any step.
#[test]
fn s1_withdrawn_and_regranted_logs_converge() {
    play(2_000..2_100, 2, &[(0, 1)], Chances { withdrawals: true, steps: 400, ..CALM });
}

/// S8: any holder delivers, along a chain and around a ring.
#[test]
fn s8_any_holder_delivers() {
    play(3_000..3_040, 3, &[(0, 1), (1, 2)], Chances { cuts: true, steps: 500, ..CALM });
    play(3_100..3_140, 3, &[(0, 1), (1, 2), (2, 0)], Chances { cuts: true, steps: 500, ..CALM });
}

/// F1–F4: a device that writes on two nodes never parts the honest ones.
#[test]
fn f3_forks_converge() {
    let forks = Chances { forks: true, steps: 400, ..CALM };
    play(4_000..4_080, 2, &[(0, 1)], forks);
    play(4_100..4_140, 3, &[(0, 1), (1, 2)], Chances { cuts: true, ..forks });
    play(4_200..4_220, 3, &[(0, 1), (1, 2), (2, 0)], Chances { cuts: true, withdrawals: true, ..forks });
}

/// S5: what a full pool drops is asked for again.
#[test]
fn s5_dropped_events_come_again() {
    let drops = Chances { drops: true, steps: 400, ..CALM };
    play(5_000..5_060, 2, &[(0, 1)], drops);
    play(5_100..5_130, 3, &[(0, 1), (1, 2)], Chances { cuts: true, forks: true, withdrawals: true, ..drops });
}

/// S5: events of up to 68 KiB, more than a window of them.
#[test]
fn s5_large_events_never_overrun_the_credit() {
    play(6_000..6_010, 2, &[(0, 1)], Chances { filler: 68 * 1_024, steps: 1_500, ..CALM });
}
