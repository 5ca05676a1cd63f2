//! Whatever the order of arrival: the same heads, clock, digest and rows as the naive twin.

use super::*;
use crate::fold;
use crate::fork::ForkProof;
use crate::tests::{Story, Twin, below, filler, shuffle, sorted};

/// What replicas of equal sets must agree on.
#[derive(Debug, PartialEq)]
struct Summary {
    heads: Vec<y7ke_crypto::ids::EventId>,
    clock: y7ke_crypto::clock::Clock,
    digest: [u8; 32],
    live: u64,
    rows: [u8; 32],
}

fn summary(view: &View, log: &LogId) -> Summary {
    Summary {
        heads: view.heads(log).unwrap(),
        clock: view.clock(log).unwrap(),
        digest: view.heads_digest(log).unwrap(),
        live: view.log(log).unwrap().unwrap().live,
        rows: fold::digest(view, log).unwrap(),
    }
}

/// Gives a fresh ledger every event of a story, in this order, in batches of random size.
fn replay(story: &Story, order: &[usize], rng: &mut rand_chacha::ChaCha20Rng) -> Ledger {
    let ledger = in_memory();
    let mut batch = ledger.begin(rng).unwrap();
    batch.ensure_log(story.spec).unwrap();
    for at in order {
        let outcome = admit(&mut batch, &story.events[*at]);
        assert!(!matches!(outcome, Admission::Refused(_)), "{outcome:?}");
        if below(rng, 7) == 0 {
            batch.commit().unwrap();
            batch = ledger.begin(rng).unwrap();
        }
    }
    batch.commit().unwrap();
    ledger
}

fn check_against_twin(view: &View, story: &Story, twin: &Twin) {
    let log = story.spec.id();
    assert_eq!(view.heads(&log).unwrap(), twin.heads());
    let tips = view.state_of(&log).unwrap().unwrap().frontier.tips;
    assert_eq!(tips, twin.tips());
    let mut live = std::collections::BTreeSet::new();
    view.visit_live(&log, 0, &mut |event| {
        live.insert(event.id);
        Ok(std::ops::ControlFlow::Continue(()))
    })
    .unwrap();
    assert_eq!(live, twin.live());
    assert_eq!(view.log(&log).unwrap().unwrap().live, live.len() as u64);
    assert_eq!(view.log(&log).unwrap().unwrap().frozen, twin.forked().into_iter().collect::<Vec<_>>());
}

fn converges(seed: u64, forkers: usize) {
    let story = Story::new(seed, 40, forkers);
    let twin = Twin::of(&story.spec, &story.events);
    let distinct: std::collections::BTreeSet<_> = story.events.iter().map(|event| event.id()).collect();
    assert_eq!(twin.entries.len(), distinct.len());
    let mut rng = rng(seed);
    let mut first = None;
    for round in 0..3 {
        let mut order: Vec<usize> = (0..story.events.len()).chain([3, 7]).collect();
        if round > 0 {
            shuffle(&mut rng, &mut order);
        }
        let ledger = replay(&story, &order, &mut rng);
        let view = ledger.view().unwrap();
        check_against_twin(&view, &story, &twin);
        let found = summary(&view, &story.spec.id());
        assert_eq!(first.get_or_insert(summary(&view, &story.spec.id())), &found, "seed {seed}, round {round}");
    }
}

/// E3: honest devices, any order of arrival.
#[test]
fn e3_order_of_arrival_does_not_matter() {
    (0..12).for_each(|seed| converges(seed, 0));
}

/// F3: one or two devices fork, again and again; the others still agree, and with the twin.
#[test]
fn f3_forks_never_split_replicas() {
    (100..130).for_each(|seed| converges(seed, 1));
    (200..220).for_each(|seed| converges(seed, 2));
}

/// D3, F3: folding the log afresh gives the rows that were kept up to date.
#[test]
fn rebuilt_projections_are_identical() {
    for seed in 300..306 {
        let story = Story::new(seed, 40, 1);
        let mut rng = rng(seed);
        let mut order: Vec<usize> = (0..story.events.len()).collect();
        shuffle(&mut rng, &mut order);
        let ledger = replay(&story, &order, &mut rng);
        let log = story.spec.id();
        let kept = fold::digest(&ledger.view().unwrap(), &log).unwrap();
        let mut batch = ledger.begin(&mut rng).unwrap();
        batch.rebuild_projections(&log).unwrap();
        assert_eq!(fold::digest(&*batch, &log).unwrap(), kept);
    }
}

/// A log of three devices, one of which (`members[0]`) will fork.
struct Forked {
    story: Story,
    /// The fork: number 2 of the first device, twice.
    pair: [Verified<Event>; 2],
}

fn forked() -> Forked {
    let members = vec![Member::new(1, 1), Member::new(2, 2), Member::new(1, 3)];
    let spec = crate::tests::conversation(&members[0], &members[1]);
    let log = spec.id();
    let opening = members[1].open_event(log, 1, NOW, vec![], &crate::tests::opening(&members[0], &members[1]));
    let join = members[0].open_event(log, 1, NOW + 1, vec![opening.as_dep()], &members[0].join());
    let pair = [5, 6].map(|n| members[0].open_event(log, 2, NOW + n, vec![join.as_dep()], &filler(n)));
    Forked { story: Story { spec, members, events: vec![opening, join] }, pair }
}

fn take(ledger: &Ledger, events: &[&Verified<Event>]) -> Vec<Admission> {
    let mut batch = ledger.begin(&mut rng(5)).unwrap();
    let outcomes = events.iter().map(|event| admit(&mut batch, event)).collect();
    batch.commit().unwrap();
    outcomes
}

fn with_log(story: &Story) -> Ledger {
    let ledger = in_memory();
    let mut batch = ledger.begin(&mut rng(5)).unwrap();
    batch.ensure_log(story.spec).unwrap();
    batch.commit().unwrap();
    take(&ledger, &story.events.iter().collect::<Vec<_>>());
    ledger
}

/// F1: a second event with one number is a proof that stands by itself and is kept for ever.
#[test]
fn f1_a_fork_is_proved_and_kept() {
    let Forked { story, pair } = forked();
    let ledger = with_log(&story);
    let outcomes = take(&ledger, &[&pair[0], &pair[1]]);
    let Admission::Forked(proof) = &outcomes[1] else { panic!("{outcomes:?}") };
    assert_eq!(ForkProof::from_bytes(&proof.to_bytes()).as_ref(), Ok(&**proof));
    let view = ledger.view().unwrap();
    assert_eq!(view.fork_proofs(&story.spec.id()).unwrap(), [(**proof).clone()]);
    assert!(view.is_frozen(&story.spec.id(), &story.members[0].id()).unwrap());
    assert_eq!(view.log(&story.spec.id()).unwrap().unwrap().live, 1, "the join is nobody's ancestor yet");
}

/// F2: events of a frozen device wait until an event of another device needs them, however they come.
#[test]
fn f2_frozen_events_wait_until_wanted() {
    let Forked { story, pair } = forked();
    let ledger = with_log(&story);
    take(&ledger, &[&pair[0], &pair[1]]);
    let log = story.spec.id();
    let third = story.members[0].open_event(log, 3, NOW + 20, vec![pair[1].as_dep()], &filler(1));
    assert_eq!(take(&ledger, &[&third]), [Admission::Waiting]);
    assert!(ledger.view().unwrap().event(&third.id()).unwrap().is_none());
    let deps = vec![story.events[0].as_dep(), third.as_dep()];
    let answer = story.members[1].open_event(log, 2, NOW + 30, sorted(deps), &filler(2));
    assert!(matches!(take(&ledger, &[&answer])[..], [Admission::Admitted(_)]));
    let view = ledger.view().unwrap();
    assert!(view.event(&third.id()).unwrap().unwrap().live);
    assert!(view.event(&pair[1].id()).unwrap().unwrap().live);
    assert!(!view.event(&pair[0].id()).unwrap().unwrap().live);
    assert_eq!(view.events_at(&log, &story.members[0].id(), 2).unwrap().len(), 2);
}

/// F1: a proof may come before any event of its device; it counts from the first one on.
#[test]
fn f1_a_proof_may_come_before_the_events() {
    let Forked { story, pair } = forked();
    let proof = ForkProof::of(&pair[0], &pair[1]).unwrap();
    let ledger = in_memory();
    let mut batch = ledger.begin(&mut rng(5)).unwrap();
    assert_eq!(batch.admit_proof(proof.clone()).unwrap(), ProofOutcome::UnknownLog);
    batch.ensure_log(story.spec).unwrap();
    assert_eq!(batch.admit_proof(proof.clone()).unwrap(), ProofOutcome::Waiting);
    story.events.iter().for_each(|event| drop(admit(&mut batch, event)));
    assert!(batch.is_frozen(&story.spec.id(), &story.members[0].id()).unwrap());
    assert_eq!(batch.admit_proof(proof).unwrap(), ProofOutcome::Known);
    assert_eq!(admit(&mut batch, &pair[0]), Admission::Waiting);
}

/// F4: each device's notice keeps what it held; both variants are live everywhere in the end.
#[test]
fn f4_notices_keep_what_each_device_held() {
    let Forked { story, pair } = forked();
    let log = story.spec.id();
    let third = story.members[2].open_event(log, 1, NOW + 2, vec![story.events[1].as_dep()], &story.members[2].join());
    let replicas: Vec<Ledger> = (0..2).map(|_| with_log(&story)).collect();
    for (replica, at) in replicas.iter().zip([0, 1]) {
        take(replica, &[&third, &pair[at], &pair[1 - at]]);
    }
    let writers = [&story.members[1], &story.members[2]];
    let mut notices = Vec::new();
    for (replica, writer) in replicas.iter().zip(writers) {
        let mut batch = replica.begin(&mut rng(6)).unwrap();
        let written = batch.write_fork_notices(log, NOW + 99, &mut rng(7), &writer.key).unwrap();
        assert_eq!(batch.write_fork_notices(log, NOW + 99, &mut rng(7), &writer.key).unwrap(), []);
        batch.commit().unwrap();
        notices.push(replica.view().unwrap().item(&written[0].id).unwrap().unwrap());
    }
    for replica in &replicas {
        let events: Vec<_> = notices.iter().map(|item| Event::from_wire(item.wire.clone()).verify().unwrap()).collect();
        take(replica, &events.iter().collect::<Vec<_>>());
    }
    let views: Vec<View> = replicas.iter().map(|replica| replica.view().unwrap()).collect();
    assert_eq!(summary(&views[0], &log), summary(&views[1], &log));
    for variant in &pair {
        assert!(views[0].event(&variant.id()).unwrap().unwrap().live);
    }
    assert_eq!(views[0].clock(&log).unwrap().tips(&story.members[0].id()).len(), 2);
}

/// Arrival numbers have no gaps and are the order of admission.
#[test]
fn arrivals_are_numbered_as_they_came() {
    let story = Story::new(3, 30, 0);
    let ledger = replay(&story, &(0..30).collect::<Vec<_>>(), &mut rng(3));
    let view = ledger.view().unwrap();
    let all = view.arrivals(0, 99).unwrap();
    assert!(all.iter().enumerate().all(|(at, event)| event.arrival == at as u64 + 1));
    assert!(all.iter().zip(&story.events).all(|(event, told)| event.id == told.id()));
    assert_eq!(view.arrivals(11, 5).unwrap(), all[10..15]);
    assert_eq!(view.stats().unwrap(), Stats { logs: 1, events: 30, live: 30, unopened: 0 });
}

/// S2: events between two clocks come in causal order, also with variants of a frozen device.
#[test]
fn s2_what_is_read_for_a_peer_is_in_causal_order() {
    for seed in 400..412 {
        let story = Story::new(seed, 60, 1);
        let log = story.spec.id();
        let ledger = replay(&story, &(0..story.events.len()).collect::<Vec<_>>(), &mut rng(seed));
        let view = ledger.view().unwrap();
        let wants = y7ke_crypto::clock::Clock::new().lacks(&view.clock(&log).unwrap());
        let page = view.events_between(&log, &wants, 10_000, usize::MAX).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for item in &page.items {
            assert!(item.wire.header.deps.iter().all(|dep| seen.contains(&dep.id)), "seed {seed}");
            seen.insert(item.event.id);
        }
        assert_eq!(seen.len() as u64, view.log(&log).unwrap().unwrap().live);
        let part = view.events_between(&log, &wants, 5, usize::MAX).unwrap();
        assert!(part.more && part.items == page.items[..5]);
        let small = view.events_between(&log, &wants, 10_000, 1).unwrap();
        assert!(small.more && small.items.len() == 1);
    }
}

/// A batch that is dropped leaves nothing: not in the file, not among the orphans.
#[test]
fn a_dropped_batch_never_happened() {
    let story = Story::new(1, 20, 0);
    let ledger = in_memory();
    let log = story.spec.id();
    let mut batch = ledger.begin(&mut rng(1)).unwrap();
    batch.ensure_log(story.spec).unwrap();
    batch.commit().unwrap();
    let before = summary(&ledger.view().unwrap(), &log);
    let mut batch = ledger.begin(&mut rng(1)).unwrap();
    assert!(matches!(ledger.begin(&mut rng(2)), Err(StorageError::Busy)));
    assert!(matches!(admit(&mut batch, &story.events[9]), Admission::Orphan { .. }));
    story.events[..5].iter().for_each(|event| drop(admit(&mut batch, event)));
    assert_ne!(summary(&batch, &log), before);
    drop(batch);
    assert_eq!(summary(&ledger.view().unwrap(), &log), before);
    let mut batch = ledger.begin(&mut rng(1)).unwrap();
    assert_eq!(batch.lease.pool.size(&log), (0, 0));
    story.events.iter().for_each(|event| drop(admit(&mut batch, event)));
    assert_eq!(batch.log(&log).unwrap().unwrap().live, 20);
}

/// Everything that a window or a session holds can go to another thread.
#[test]
fn ledger_view_and_batch_are_send() {
    fn is_send<T: Send>() {}
    fn is_sync<T: Sync>() {}
    is_send::<Ledger>();
    is_sync::<Ledger>();
    is_send::<View>();
    is_send::<Batch>();
}
