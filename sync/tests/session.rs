//! What a session promises, one promise at a time.

#![allow(clippy::unwrap_used, clippy::panic)] // a test stops where it is surprised
#![allow(clippy::needless_range_loop)] // both sides of a session, by number

mod support;

use std::collections::BTreeMap;

use support::peer::{Device, Duo, frames};
use support::store::{Store, log};
use support::world::author;
use y7ke_crypto::clock::{Clock, Tip};
use y7ke_crypto::ids::{EventId, LogId, RequestId, RootId};
use y7ke_crypto::sign::RootKey;
use y7ke_sync::{
    Bye, Close, Fault, Heads, Input, Item, Lane, Note, Outcome, Output, Parcel, RefusalReason, Session, Stage,
};

/// Stores behind both sides of a duo.
type Stores = [BTreeMap<LogId, Store>; 2];

fn stores(logs: &[LogId]) -> Stores {
    [(); 2].map(|()| logs.iter().map(|id| (*id, Store::new(*id, 2_000))).collect())
}

fn store(stores: &mut Stores, side: usize, id: LogId) -> &mut Store {
    stores[side].get_mut(&id).unwrap()
}

fn write(stores: &mut Stores, side: usize, id: LogId, count: usize) {
    for _ in 0..count {
        store(stores, side, id).append(author(side), &Default::default(), 20);
    }
}

fn grant(duo: &mut Duo, stores: &Stores, side: usize, id: LogId, stage: Stage) {
    duo.give(side, Input::Grant { log: id, stage, heads: stores[side][&id].heads() });
}

/// Delivers, reads and admits until nothing moves; what is not the ledger's stays in `said`.
fn serve(duo: &mut Duo, stores: &mut Stores) {
    loop {
        duo.run();
        let before = duo.wire.len();
        for side in 0..2 {
            for output in std::mem::take(&mut duo.said[side]) {
                match answer(&mut stores[side], &output) {
                    Some(input) => duo.give(side, input),
                    None => duo.said[side].push(output),
                }
            }
        }
        if duo.wire.len() == before {
            return;
        }
    }
}

fn answer(stores: &mut BTreeMap<LogId, Store>, output: &Output) -> Option<Input> {
    match output {
        Output::Read { read, log, proofs, wants, after, max_events, max_bytes } => {
            let (items, more) = stores[log].read(wants, *after, *max_events, *max_bytes);
            let proofs = proofs.iter().map(|device| (*device, vec![1; 9])).collect();
            Some(Input::Events { read: *read, proofs, items, more })
        }
        Output::Admit { ticket, log, items } => {
            let store = stores.get_mut(log)?;
            let outcomes = items.iter().map(|parcel| store.admit(parcel).0).collect();
            Some(Input::Settled { ticket: *ticket, outcomes, heads: Some(store.heads()) })
        }
        _ => None,
    }
}

fn said<T>(duo: &Duo, side: usize, kind: impl Fn(&Output) -> Option<T>) -> Vec<T> {
    duo.said[side].iter().filter_map(kind).collect()
}

fn sent(duo: &Duo, side: usize, lane: Lane, kind: u8) -> Vec<&[u8]> {
    let frames = duo.wire.iter().filter(|(from, on, bytes)| *from == side && *on == lane && bytes[0] == kind);
    frames.map(|(_, _, bytes)| bytes.as_slice()).collect()
}

// ── who is there ─────────────────────────────────────────────────────────────────────────────────

/// S1: both prove the device key behind the certificates, and the owner learns who it is.
#[test]
fn s1_both_sides_are_proven() {
    let duo = Duo::proven();
    for side in 0..2 {
        let peer = duo.sessions[side].peer().expect("proven");
        assert_eq!(peer.device, duo.devices[1 - side].key.id());
        let told = said(&duo, side, |it| matches!(it, Output::Proven(_)).then_some(()));
        assert_eq!(told.len(), 1);
    }
}

fn open(n: u8, peer: u8, dialer: bool) -> (Device, Session, Vec<Output>) {
    let (me, other) = (Device::new(n), Device::new(peer));
    let (session, out) = Session::new(me.config(&other, dialer, [n; 32]), 0);
    (me, session, out)
}

fn faults(out: &[Output]) -> Vec<Fault> {
    out.iter().filter_map(|it| if let Output::PeerFault(fault) = it { Some(*fault) } else { None }).collect()
}

fn give_all(session: &mut Session, frames: Vec<(Lane, Vec<u8>)>) -> Vec<Output> {
    frames.into_iter().flat_map(|(lane, bytes)| session.handle(Input::Frame { lane, bytes }, 0)).collect()
}

/// S1: a certificate that names another connection key than this connection's proves nothing.
#[test]
fn s1_a_chain_of_another_connection_is_refused() {
    let (_, _, stolen) = open(3, 1, false);
    let (_, mut session, _) = open(1, 2, true);
    assert_eq!(faults(&give_all(&mut session, frames(&stolen))), [Fault::WrongNet]);
    assert!(session.is_closed());
}

/// S1: whoever has the certificates but not the key is shown out.
#[test]
fn s1_a_proof_by_another_key_is_refused() {
    let ((_, mut a, from_a), (_, mut b, from_b)) = (open(1, 2, true), open(2, 1, false));
    give_all(&mut a, frames(&from_b));
    let asked = give_all(&mut b, frames(&from_a));
    let thief = Device::new(9);
    let forged = thief.sign(&mut b, asked, 0);
    assert_eq!(faults(&give_all(&mut a, frames(&forged))), [Fault::BadProof]);
}

/// S1: our own words, sent back, prove nothing.
#[test]
fn s1_a_reflection_is_refused() {
    let (me, other) = (Device::new(1), Device::new(2));
    let mut config = me.config(&other, true, [5; 32]);
    config.peer = me.net;
    let (mut session, out) = Session::new(config, 0);
    assert_eq!(faults(&give_all(&mut session, frames(&out))), [Fault::BadProof]);
}

/// An unknown version ends the session cleanly on both sides, with the reason.
#[test]
fn another_version_is_told_goodbye() {
    let ((_, mut a, from_a), (_, mut b, _)) = (open(1, 2, true), open(2, 1, false));
    let (lane, mut hello) = frames(&from_a).remove(0);
    hello[1] = 9;
    let out = b.handle(Input::Frame { lane, bytes: hello }, 0);
    assert!(faults(&out).is_empty());
    assert!(matches!(out.last(), Some(Output::Close(Close::Version { theirs: 9 }))));
    let out = give_all(&mut a, frames(&out));
    assert!(matches!(out.last(), Some(Output::Close(Close::Bye(Bye::Version)))));
}

/// Ten seconds, then the line is cut.
#[test]
fn a_silent_peer_is_given_ten_seconds() {
    let (_, mut session, _) = open(1, 2, true);
    let (at_ms, _) = session.poll_timeout().expect("a deadline");
    assert_eq!(at_ms, 10_000);
    assert!(session.handle(Input::Timeout, at_ms - 1).is_empty());
    let out = session.handle(Input::Timeout, at_ms);
    assert!(matches!(out.last(), Some(Output::Close(Close::Timeout))));
    assert!(session.handle(Input::Timeout, at_ms + 1).is_empty() && session.poll_timeout().is_none());
}

// ── what is said about a log ─────────────────────────────────────────────────────────────────────

fn deep(devices: u8, seq: u64, salt: u8) -> Heads {
    let tip = |n: u8| Tip { seq: seq + u64::from(n), id: EventId::from([n ^ salt; 32]) };
    let clock: Clock = (0..devices).map(|n| (author(n as usize), tip(n))).collect();
    Heads { clock, digest: [salt; 32], newest: seq, ..Heads::default() }
}

fn exchange_bytes(devices: u8, seq: u64) -> usize {
    let mut duo = Duo::synced();
    let before = duo.wire.len();
    duo.give(0, Input::Grant { log: log(9), stage: Stage::Shared, heads: deep(devices, seq, 1) });
    duo.give(1, Input::Grant { log: log(9), stage: Stage::Shared, heads: deep(devices, seq + 3, 2) });
    duo.run();
    assert!(!said(&duo, 1, |it| matches!(it, Output::Read { .. }).then_some(())).is_empty());
    duo.wire[before..].iter().map(|(_, _, bytes)| bytes.len()).sum()
}

/// S2: two clocks say what each side lacks, whatever the history is.
#[test]
fn s2_a_clock_exchange_costs_the_same_for_10_and_100_000_events() {
    assert_eq!(exchange_bytes(4, 10), exchange_bytes(4, 100_000));
    let (four, eight) = (exchange_bytes(4, 10), exchange_bytes(8, 10));
    assert_eq!(eight - four, 2 * 4 * 73, "a device costs 73 bytes each way");
}

/// S2: equal digests, and nothing more is said.
#[test]
fn s2_equal_digests_exchange_nothing_more() {
    let mut duo = Duo::synced();
    for side in 0..2 {
        duo.give(side, Input::Grant { log: log(9), stage: Stage::Shared, heads: deep(4, 10, 1) });
    }
    duo.run();
    assert!((0..2).all(|side| duo.sessions[side].is_level(&log(9))));
    assert!((0..2).all(|side| sent(&duo, side, Lane::Sync, 2).is_empty()), "no clocks");
    assert!((0..2).all(|side| said(&duo, side, |it| matches!(it, Output::Read { .. }).then_some(())).is_empty()));
}

/// S1: unknown tags are ignored, and a grant that comes late still works, from either side.
#[test]
fn s1_a_late_grant_starts_the_exchange() {
    for late in 0..2 {
        let (mut duo, mut all) = (Duo::synced(), stores(&[log(9)]));
        write(&mut all, 0, log(9), 3);
        write(&mut all, 1, log(9), 2);
        grant(&mut duo, &all, 1 - late, log(9), Stage::Shared);
        serve(&mut duo, &mut all);
        assert!(duo.said.iter().flatten().all(|it| !matches!(it, Output::PeerFault(_))));
        grant(&mut duo, &all, late, log(9), Stage::Shared);
        serve(&mut duo, &mut all);
        assert_eq!(all[0][&log(9)].digest(), all[1][&log(9)].digest());
        assert!(duo.sessions[0].is_level(&log(9)) && duo.sessions[1].is_level(&log(9)));
    }
}

/// S1: nothing of a shared log leaves before the identity logs are on both sides.
#[test]
fn s1_shared_logs_wait_for_identity_logs() {
    let (mut duo, mut all) = (Duo::proven(), stores(&[log(1), log(9)]));
    write(&mut all, 0, log(1), 5);
    write(&mut all, 1, log(9), 5);
    for side in 0..2 {
        grant(&mut duo, &all, side, log(9), Stage::Shared);
        grant(&mut duo, &all, side, log(1), Stage::Identity);
    }
    duo.give(0, Input::IdentityGranted);
    serve(&mut duo, &mut all);
    assert_eq!(all[1][&log(1)].events.len(), 5);
    assert!(all[0][&log(9)].events.is_empty(), "one side has not granted all of its identity logs");
    duo.give(1, Input::IdentityGranted);
    serve(&mut duo, &mut all);
    assert_eq!(all[0][&log(9)].events.len(), 5);
    assert!((0..2).all(|side| said(&duo, side, |it| matches!(it, Output::IdentitySynced).then_some(())).len() == 1));
}

/// S1: an identity log that only one side knows of holds nothing up.
#[test]
fn s1_a_one_sided_identity_log_holds_nothing_up() {
    let mut duo = Duo::proven();
    duo.give(0, Input::Grant { log: log(1), stage: Stage::Identity, heads: deep(2, 5, 1) });
    (0..2).for_each(|side| duo.give(side, Input::IdentityGranted));
    duo.run();
    assert_eq!(said(&duo, 0, |it| matches!(it, Output::IdentitySynced).then_some(())).len(), 1);
}

/// S4: of the logs that wait for a free slot the newest goes first, whatever was granted first.
#[test]
fn s4_the_newest_log_goes_first() {
    let mut duo = Duo::synced();
    let newest = [5, 99, 50, 7, 30, 80, 60, 10];
    for (n, newest) in (10..).zip(newest) {
        let heads = Heads { newest, ..deep(1, 5, 1) };
        duo.give(0, Input::Grant { log: log(n), stage: Stage::Shared, heads });
        duo.give(1, Input::Grant { log: log(n), stage: Stage::Shared, heads: Heads::default() });
    }
    duo.run();
    let mut order = Vec::new();
    while let Some(output) = duo.said[0].pop() {
        let Output::Read { read, log, .. } = output else { continue };
        order.push(newest[usize::from(log.as_bytes()[0]) - 10]);
        duo.give(0, Input::Events { read, proofs: vec![], items: vec![], more: false });
    }
    assert_eq!(order.len(), 8);
    assert!(order[1..5].is_sorted_by(|a, b| a >= b), "{order:?}");
}

/// S5: a word without an answer is said again, later each time.
#[test]
fn an_unanswered_word_is_said_again_after_30_s() {
    let (mut duo, mut all) = (Duo::synced(), stores(&[log(9)]));
    write(&mut all, 0, log(9), 2);
    (0..2).for_each(|side| grant(&mut duo, &all, side, log(9), Stage::Shared));
    // Each hears the other's offer; the clocks that follow are lost.
    let offers: Vec<_> = (0..2).map(|side| sent(&duo, side, Lane::Sync, 1).last().unwrap().to_vec()).collect();
    duo.lose();
    for (side, bytes) in offers.into_iter().enumerate() {
        duo.give(1 - side, Input::Frame { lane: Lane::Sync, bytes });
    }
    duo.lose();
    let (at_ms, _) = duo.sessions[0].poll_timeout().expect("a timer runs");
    assert_eq!(at_ms, 30_000);
    duo.now_ms = at_ms;
    duo.give(0, Input::Timeout);
    serve(&mut duo, &mut all);
    assert_eq!(all[1][&log(9)].events.len(), 2);
    assert!(duo.sessions[0].poll_timeout().is_none());
}

// ── events ───────────────────────────────────────────────────────────────────────────────────────

/// S5: what is committed while both are level is pushed at once, and only that.
#[test]
fn s5_live_events_are_pushed_at_once() {
    let (mut duo, mut all) = (Duo::synced(), stores(&[log(9)]));
    write(&mut all, 0, log(9), 3);
    (0..2).for_each(|side| grant(&mut duo, &all, side, log(9), Stage::Shared));
    serve(&mut duo, &mut all);
    let clocks = sent(&duo, 0, Lane::Sync, 2).len();
    write(&mut all, 1, log(9), 1);
    duo.give(1, Input::Grown { log: log(9), heads: all[1][&log(9)].heads() });
    serve(&mut duo, &mut all);
    assert_eq!(all[0][&log(9)].events.len(), 4);
    assert_eq!(sent(&duo, 1, Lane::Msg, 4).len(), 1);
    assert_eq!(sent(&duo, 0, Lane::Sync, 2).len(), clocks, "no clock is needed for it");
}

/// S5: thousands of events pass a window of 1,024, once each, in causal order.
#[test]
fn s5_a_long_history_passes_the_window() {
    let (mut duo, all) = (Duo::synced(), stores(&[log(9)]));
    let ids: Vec<Item> = (1..=3_000).map(chain_item).collect();
    let heads =
        Heads { clock: [(author(0), tip_of(&ids[2_999]))].into_iter().collect(), digest: [1; 32], ..Heads::default() };
    duo.give(0, Input::Grant { log: log(9), stage: Stage::Shared, heads });
    grant(&mut duo, &all, 1, log(9), Stage::Shared);
    let (mut got, mut most) = (Vec::new(), 0);
    loop {
        duo.run();
        let (from, to) = (std::mem::take(&mut duo.said[0]), std::mem::take(&mut duo.said[1]));
        let waiting = to.iter().map(|it| if let Output::Admit { items, .. } = it { items.len() } else { 0 });
        most = most.max(waiting.sum());
        let inputs: Vec<(usize, Input)> = from.iter().filter_map(|it| Some((0, pages(&ids, it)?))).collect();
        let settled = to.iter().filter_map(|it| Some((1, settle(&ids, &mut got, it)?)));
        let inputs: Vec<(usize, Input)> = inputs.into_iter().chain(settled).collect();
        if inputs.is_empty() {
            break;
        }
        inputs.into_iter().for_each(|(side, input)| duo.give(side, input));
    }
    assert_eq!(got, (1..=3_000).collect::<Vec<u64>>());
    assert!(most <= 1_024, "{most}");
}

fn chain_item(seq: u64) -> Item {
    let mut id = [7; 32];
    id[..8].copy_from_slice(&seq.to_le_bytes());
    let parcel = Parcel { bytes: seq.to_le_bytes().to_vec(), boxes: vec![(author(1), vec![3; 1_200])] };
    Item { device: author(0), seq, hlc: seq, id: EventId::from(id), parcel }
}

fn tip_of(item: &Item) -> Tip {
    Tip { seq: item.seq, id: item.id }
}

fn pages(ids: &[Item], output: &Output) -> Option<Input> {
    let Output::Read { read, wants, max_events, .. } = output else { return None };
    let from = wants[0].from as usize - 1;
    let items: Vec<Item> = ids[from..].iter().take(*max_events).cloned().collect();
    let more = from + items.len() < ids.len();
    Some(Input::Events { read: *read, proofs: vec![], items, more })
}

fn settle(ids: &[Item], got: &mut Vec<u64>, output: &Output) -> Option<Input> {
    let Output::Admit { ticket, items, .. } = output else { return None };
    let seqs: Vec<u64> = items.iter().map(|it| u64::from_le_bytes(it.bytes[..8].try_into().unwrap())).collect();
    assert!(items.iter().all(|it| it.boxes.len() == 1), "boxes travel with their event");
    got.extend(&seqs);
    let name = |seq: &u64| y7ke_sync::Name { device: author(0), seq: *seq, id: ids[*seq as usize - 1].id };
    let outcomes = seqs.iter().map(|seq| Outcome::Stored(name(seq))).collect();
    let last = &ids[*seqs.last().unwrap() as usize - 1];
    let clock = [(author(0), tip_of(last))].into_iter().collect();
    Some(Input::Settled {
        ticket: *ticket,
        outcomes,
        heads: Some(Heads { clock, digest: [2; 32], ..Heads::default() }),
    })
}

/// A ledger that says "more" and stands still is not asked for ever.
#[test]
fn a_ledger_that_stands_still_ends_the_transfer() {
    for items in [vec![], vec![chain_item(3)]] {
        let mut duo = Duo::synced();
        duo.give(0, Input::Grant { log: log(9), stage: Stage::Shared, heads: deep(1, 5, 1) });
        duo.give(1, Input::Grant { log: log(9), stage: Stage::Shared, heads: Heads::default() });
        duo.run();
        let mut reads = 0;
        while let Some(output) = duo.said[0].pop() {
            let Output::Read { read, .. } = output else { continue };
            reads += 1;
            assert!(reads < 5, "asked for ever");
            duo.give(0, Input::Events { read, proofs: vec![], items: items.clone(), more: true });
        }
    }
}

/// S5: what was dropped is asked for by a fresh clock, later each time while nothing sticks.
#[test]
fn s5_a_drop_forces_a_clock_and_backs_off() {
    let (mut duo, mut all) = (Duo::synced(), stores(&[log(9)]));
    write(&mut all, 0, log(9), 2);
    (0..2).for_each(|side| grant(&mut duo, &all, side, log(9), Stage::Shared));
    let mut delays = Vec::new();
    for _ in 0..8 {
        let before = duo.now_ms;
        drop_all(&mut duo, &mut all);
        if let Some((at_ms, _)) = duo.sessions[1].poll_timeout() {
            delays.push(at_ms - before);
            duo.now_ms = at_ms;
            duo.give(1, Input::Timeout);
        }
    }
    assert_eq!(delays, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
    serve(&mut duo, &mut all);
    assert_eq!(all[1][&log(9)].events.len(), 2, "and in the end it sticks");
}

fn drop_all(duo: &mut Duo, all: &mut Stores) {
    loop {
        duo.run();
        let before = duo.wire.len();
        for output in std::mem::take(&mut duo.said[0]) {
            answer(&mut all[0], &output).into_iter().for_each(|input| duo.give(0, input));
        }
        for output in std::mem::take(&mut duo.said[1]) {
            if let Output::Admit { ticket, items, .. } = output {
                let outcomes = vec![Outcome::Dropped; items.len()];
                duo.give(1, Input::Settled { ticket, outcomes, heads: None });
            }
        }
        if duo.wire.len() == before {
            return;
        }
    }
}

/// S5: a clock that was said before events arrived does not make them go twice.
#[test]
fn s5_what_is_under_way_is_not_sent_again() {
    let (mut duo, mut all) = (Duo::synced(), stores(&[log(9)]));
    write(&mut all, 0, log(9), 1);
    (0..2).for_each(|side| grant(&mut duo, &all, side, log(9), Stage::Shared));
    let mut pushed = |duo: &mut Duo| {
        duo.run();
        for output in std::mem::take(&mut duo.said[0]) {
            answer(&mut all[0], &output).into_iter().for_each(|input| duo.give(0, input));
        }
        write(&mut all, 0, log(9), 1);
        let heads = all[0][&log(9)].heads();
        duo.give(0, Input::Grown { log: log(9), heads });
    };
    pushed(&mut duo);
    pushed(&mut duo);
    pushed(&mut duo);
    duo.run();
    let items =
        |duo: &Duo| sent(duo, 0, Lane::Msg, 4).iter().map(|it| support::world::parcels(it).len()).sum::<usize>();
    assert_eq!(items(&duo), 3);
    // The first is dropped: the clock that follows knows nothing of the other two, which are not settled.
    let tickets = said(&duo, 1, |it| if let Output::Admit { ticket, .. } = it { Some(*ticket) } else { None });
    duo.give(1, Input::Settled { ticket: tickets[0], outcomes: vec![Outcome::Dropped], heads: None });
    duo.run();
    for output in std::mem::take(&mut duo.said[0]) {
        answer(&mut all[0], &output).into_iter().for_each(|input| duo.give(0, input));
    }
    duo.run();
    assert_eq!(items(&duo), 5, "the fourth, and of the others the dropped one alone");
}

/// F1: the fork proof is ahead of the events on the same lane.
#[test]
fn f1_fork_proofs_go_before_events() {
    let (mut duo, mut all) = (Duo::synced(), stores(&[log(9)]));
    write(&mut all, 0, log(9), 2);
    store(&mut all, 0, log(9)).freeze(author(5));
    (0..2).for_each(|side| grant(&mut duo, &all, side, log(9), Stage::Shared));
    serve(&mut duo, &mut all);
    let lane: Vec<u8> = duo.wire.iter().filter(|it| it.0 == 0 && it.1 == Lane::Msg).map(|it| it.2[0]).collect();
    assert_eq!(lane, [3, 2, 4], "flushed, then the fork, then the items");
    let proofs =
        said(&duo, 1, |it| if let Output::Proof { log, device, .. } = it { Some((*log, *device)) } else { None });
    assert_eq!(proofs, [(log(9), author(5))]);
}

/// S6: what is refused is counted, and does not end the session by itself.
#[test]
fn s6_refusals_are_reported() {
    let (mut duo, mut all) = (Duo::synced(), stores(&[log(9)]));
    write(&mut all, 0, log(9), 3);
    (0..2).for_each(|side| grant(&mut duo, &all, side, log(9), Stage::Shared));
    duo.run();
    for output in std::mem::take(&mut duo.said[0]) {
        answer(&mut all[0], &output).into_iter().for_each(|input| duo.give(0, input));
    }
    duo.run();
    let tickets =
        said(
            &duo,
            1,
            |it| if let Output::Admit { ticket, items, .. } = it { Some((*ticket, items.len())) } else { None },
        );
    for (ticket, count) in tickets {
        duo.give(1, Input::Settled { ticket, outcomes: vec![Outcome::Refused; count], heads: None });
    }
    assert_eq!(faults(&duo.said[1]), [Fault::Refused { count: 3 }]);
    assert!(!duo.sessions[1].is_closed());
}

/// Strangers get and give frames of 64 KiB; a longer event waits until both trust.
#[test]
fn long_events_wait_for_trust() {
    let (mut duo, mut all) = (Duo::new(), stores(&[log(1), log(9)]));
    duo.run();
    store(&mut all, 0, log(1)).append(author(0), &Default::default(), 69_000);
    for side in 0..2 {
        grant(&mut duo, &all, side, log(1), Stage::Identity);
    }
    serve(&mut duo, &mut all);
    assert!(all[1][&log(1)].events.is_empty());
    duo.give(1, Input::Trust);
    serve(&mut duo, &mut all);
    assert_eq!(all[1][&log(1)].events.len(), 1);
}

// ── acknowledgements and notes ───────────────────────────────────────────────────────────────────

fn acks(duo: &Duo, side: usize) -> Vec<Vec<u8>> {
    said(duo, side, |it| if let Output::Ack { bytes, .. } = it { Some(bytes.clone()) } else { None })
}

/// S3: acknowledgements pass although the heads are equal, and whenever the other side grants.
#[test]
fn s3_acknowledgements_pass_between_equals() {
    let mut duo = Duo::synced();
    let heads = deep(2, 5, 1);
    duo.give(0, Input::Grant { log: log(9), stage: Stage::Shared, heads: heads.clone() });
    for (device, byte) in [(1, 1), (2, 2), (1, 3)] {
        duo.give(0, Input::Ack { log: log(9), device: author(device), bytes: vec![byte] });
    }
    duo.run();
    assert!(acks(&duo, 1).is_empty());
    duo.give(1, Input::Grant { log: log(9), stage: Stage::Shared, heads });
    duo.run();
    assert_eq!(acks(&duo, 1), [vec![3], vec![2]], "the newest of each device");
    duo.give(0, Input::Ack { log: log(9), device: author(2), bytes: vec![4] });
    let peer = duo.devices[1].key.id();
    duo.give(0, Input::Ack { log: log(9), device: peer, bytes: vec![5] });
    duo.run();
    assert_eq!(acks(&duo, 1).len(), 3, "and none of its own");
}

/// S3: an acknowledgement that came while the log was withdrawn is said again when it is granted again.
#[test]
fn s3_acknowledgements_are_said_again_after_a_new_grant() {
    let (mut duo, heads) = (Duo::synced(), deep(2, 5, 1));
    for side in 0..2 {
        duo.give(side, Input::Grant { log: log(9), stage: Stage::Shared, heads: heads.clone() });
    }
    duo.run();
    duo.give(0, Input::Ack { log: log(9), device: author(1), bytes: vec![1] });
    duo.give(1, Input::Withdraw { log: log(9) });
    duo.run();
    assert!(acks(&duo, 1).is_empty(), "ignored");
    duo.give(1, Input::Grant { log: log(9), stage: Stage::Shared, heads });
    duo.run();
    assert_eq!(acks(&duo, 1), [vec![1]]);
}

fn notes() -> Vec<Note> {
    let (req_id, root) = (RequestId::from([6; 32]), RootKey::from_seed(&[4; 32]).id());
    vec![
        Note::WantBundle(root),
        Note::Bundle(vec![1; 30_000]),
        Note::Request(vec![2; 20_000]),
        Note::RequestReceived(req_id),
        Note::RequestRefused { req_id, reason: RefusalReason::StaleBundle },
        Note::Addresses(vec!["/ip4/192.168.1.7/tcp/4101".to_owned(), String::new()]),
        Note::TakenBack(req_id),
        Note::TakenBackNoted(req_id),
    ]
}

/// C1: proven strangers may send notes, however many, within their credit.
#[test]
fn c1_notes_pass_between_strangers() {
    let mut duo = Duo::new();
    duo.run();
    let all: Vec<Note> = (0..20).flat_map(|_| notes()).collect();
    for note in &all {
        duo.give(0, Input::Note(note.clone()));
        duo.run();
    }
    let got = said(&duo, 1, |it| if let Output::Note(note) = it { Some(note.clone()) } else { None });
    assert_eq!(got, all);
}

/// A note that cannot be taken comes back instead of being lost.
#[test]
fn a_note_too_many_or_too_long_comes_back() {
    let returned = |duo: &Duo| said(duo, 0, |it| matches!(it, Output::NoteReturned(_)).then_some(())).len();
    let mut duo = Duo::new();
    duo.give(0, Input::Note(Note::WantBundle(RootId::from([9; 32]))));
    assert_eq!(returned(&duo), 1, "before the proof");
    duo.run();
    duo.give(0, Input::Note(Note::Request(vec![0; 25_000])));
    assert_eq!(returned(&duo), 2, "too long");
    (0..60).for_each(|_| duo.give(0, Input::Note(Note::Request(vec![0; 20_000]))));
    assert!(returned(&duo) > 2, "too many");
    duo.run();
    let got = said(&duo, 1, |it| matches!(it, Output::Note(_)).then_some(())).len();
    assert_eq!(got + returned(&duo), 62);
}
