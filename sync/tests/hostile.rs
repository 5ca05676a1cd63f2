//! A peer that means harm: mutated and invented frames in every state never panic, end in a fault of
//! the peer, and end nothing but its own session.

#![allow(clippy::unwrap_used, clippy::panic)] // a test stops where it is surprised

mod support;

use support::dice::Dice;
use support::peer::Duo;
use support::store::{Store, log};
use support::world::author;
use y7ke_crypto::ids::LogTag;
use y7ke_sync::limits::STRANGER_FRAME;
use y7ke_sync::{Close, Fault, Input, Lane, Output, Parcel, Session, Stage, fuzz};

/// Every frame of an honest conversation with events both ways.
fn honest_frames() -> Vec<(Lane, Vec<u8>)> {
    let mut duo = Duo::synced();
    for side in 0..2 {
        let mut store = Store::new(log(9), 10);
        for _ in 0..3 {
            store.append(author(side), &Default::default(), 10);
        }
        let heads = store.heads();
        duo.give(side, Input::Grant { log: log(9), stage: Stage::Shared, heads });
        duo.give(side, Input::Ack { log: log(9), device: author(7), bytes: vec![1, 2, 3] });
        duo.run();
    }
    for side in 0..2 {
        for output in std::mem::take(&mut duo.said[side]) {
            if let Output::Read { read, .. } = output {
                let mut store = Store::new(log(9), 10);
                store.append(author(side), &Default::default(), 10);
                let items = store.events.values().map(support::store::item).collect();
                let proofs = vec![(author(3), vec![9; 40])];
                duo.give(side, Input::Events { read, proofs, items, more: false });
            }
        }
    }
    duo.run();
    duo.wire.into_iter().map(|(_, lane, bytes)| (lane, bytes)).collect()
}

fn mutate(dice: &mut Dice, frame: &mut Vec<u8>) {
    match dice.below(5) {
        0 => frame.truncate(dice.below(frame.len() + 1)),
        1 => frame.push(dice.roll() as u8),
        _ => {
            let at = dice.below(frame.len());
            if let Some(byte) = frame.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
        }
    }
}

#[test]
fn mutated_frames_in_every_state_never_panic() {
    let frames = honest_frames();
    assert!(frames.len() > 20, "the conversation says enough");
    let mut closed = 0;
    for seed in 0..1_500 {
        let mut dice = Dice::new(seed);
        let mut session = fuzz::session_in(seed as u8 % 3);
        for step in 0..30 {
            let (lane, mut frame) = dice.pick(&frames).cloned().unwrap();
            if dice.once_in(2) {
                mutate(&mut dice, &mut frame);
            }
            let lane = if dice.once_in(10) { Lane::Msg } else { lane };
            fuzz::check(&mut session, Input::Frame { lane, bytes: frame }, step);
        }
        closed += usize::from(session.is_closed());
    }
    assert!(closed > 1_400, "nearly every such peer is shown out: {closed}");
}

#[test]
fn invented_scripts_in_every_state_never_panic() {
    for seed in 0..4_000 {
        let mut dice = Dice::new(seed);
        let script: Vec<u8> = (0..20 + dice.below(300)).map(|_| dice.roll() as u8).collect();
        fuzz::session(&script);
        fuzz::frame(&script[..dice.below(script.len())]);
    }
}

#[test]
fn one_encoding_for_every_frame() {
    let frames = honest_frames();
    let mut dice = Dice::new(3);
    for (_, frame) in &frames {
        fuzz::frame(frame);
        for _ in 0..50 {
            let mut frame = frame.clone();
            mutate(&mut dice, &mut frame);
            fuzz::frame(&frame);
        }
    }
}

fn fault_of(session: &mut Session, lane: Lane, bytes: Vec<u8>) -> Fault {
    let out = session.handle(Input::Frame { lane, bytes }, 1);
    assert!(session.is_closed());
    assert!(matches!(out.last(), Some(Output::Close(Close::Fault))));
    let fault = out.iter().find_map(|output| match output {
        Output::PeerFault(fault) => Some(*fault),
        _ => None,
    });
    fault.expect("a close for a fault says the fault")
}

#[test]
fn every_kind_of_fault_is_named() {
    type Verdict = fn(&Fault) -> bool;
    let cases: Vec<(u8, Lane, Vec<u8>, Verdict)> = vec![
        (0, Lane::Handshake, vec![], |it| matches!(it, Fault::Malformed(_))),
        (0, Lane::Sync, vec![5], |it| matches!(it, Fault::OutOfTurn(_))),
        (0, Lane::Handshake, vec![0; STRANGER_FRAME + 1], |it| matches!(it, Fault::Oversize { .. })),
        (1, Lane::Sync, vec![0; STRANGER_FRAME + 1], |it| matches!(it, Fault::Oversize { .. })),
        (1, Lane::Msg, vec![9], |it| matches!(it, Fault::Malformed(_))),
        (2, Lane::Handshake, [vec![2], vec![0; 64]].concat(), |it| matches!(it, Fault::OutOfTurn(_))),
        (2, Lane::Sync, credit(2, 999), |it| matches!(it, Fault::CreditLie(Lane::Msg))),
    ];
    for (state, lane, bytes, is_it) in cases {
        let fault = fault_of(&mut fuzz::session_in(state), lane, bytes);
        assert!(is_it(&fault), "{fault:?}");
    }
}

fn credit(lane: u8, items: u64) -> Vec<u8> {
    let mut frame = vec![7, lane];
    frame.extend(65_536u32.to_le_bytes());
    [0, items, 0, 0].iter().for_each(|n: &u64| frame.extend(n.to_le_bytes()));
    frame
}

/// What nobody settles because the log is unknown here costs no credit for good.
#[test]
fn s1_items_of_unknown_logs_are_ignored_and_never_wedge() {
    let mut session = fuzz::session_in(1);
    let frame = items(&[3; 16], 1, 60_000);
    for _ in 0..50 {
        fuzz::check(&mut session, Input::Frame { lane: Lane::Msg, bytes: frame.clone() }, 0);
    }
    assert!(!session.is_closed());
}

/// S5: credit is a wall. Items that the ledger has not settled fill it, then the session ends.
#[test]
fn s5_more_than_the_credit_ends_the_session() {
    for (count, len) in [(1, 300_000), (512, 10)] {
        let mut duo = Duo::synced();
        duo.give(0, Input::Grant { log: log(9), stage: Stage::Shared, heads: Default::default() });
        let (_, _, offer) = duo.wire.last().cloned().unwrap();
        let frame = items(&offer[5..21], count, len / count);
        let mut taken = 0;
        while !duo.sessions[0].is_closed() {
            duo.give(0, Input::Frame { lane: Lane::Msg, bytes: frame.clone() });
            taken += 1;
            assert!(taken < 100, "the wall never came");
        }
        let overrun = |output: &Output| matches!(output, Output::PeerFault(Fault::CreditOverrun(Lane::Msg)));
        assert!(duo.said[0].iter().any(overrun));
        let admitted = duo.said[0].iter().filter(|output| matches!(output, Output::Admit { .. })).count();
        assert_eq!(admitted, taken - 1);
        assert!(admitted * count <= 1_024 && admitted * frame.len() <= 4 << 20);
    }
}

/// An items frame: `count` parcels of `len` bytes without boxes.
fn items(tag: &[u8], count: usize, len: usize) -> Vec<u8> {
    let tag = LogTag::from(*tag.first_chunk::<{ LogTag::LEN }>().unwrap());
    fuzz::items_frame(tag, vec![Parcel { bytes: vec![0; len.min(70_000)], boxes: vec![] }; count])
}
