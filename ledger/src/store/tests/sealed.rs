//! Two and three devices that write to each other: epochs, boxes, chains, what is opened when.

use y7ke_crypto::event::{Payload, WireEvent};
use y7ke_crypto::ids::EventId;

use super::*;
use crate::admit::LogSpec;
use crate::body::Body;
use crate::keys::{EPOCH_EVENTS, RekeyReason};
use crate::tests::{conversation, opening};

fn text(words: &str) -> Body {
    Body::Text { text: words.into(), reply_to: None }
}

/// Two devices in a conversation that the second one has opened.
struct Pair {
    a: Peer,
    b: Peer,
    log: LogId,
}

fn pair() -> Pair {
    let (mut a, mut b) = (Peer::new(1, 1), Peer::new(2, 2));
    let spec = conversation(&a.member, &b.member);
    let log = spec.id();
    for peer in [&a, &b] {
        peer.write(|batch| batch.ensure_log(spec).unwrap());
    }
    b.append(log, &opening(&a.member, &b.member)).unwrap();
    a.fetch(&b, log);
    a.append(log, &a.member.join()).unwrap();
    b.fetch(&a, log);
    Pair { a, b, log }
}

fn ensure(peer: &mut Peer, log: LogId, members: &[&Member]) -> EpochOutcome {
    let prekeys: Vec<_> = members.iter().map(|member| member.signed_prekey()).collect();
    let prekeys: Vec<_> = prekeys.iter().collect();
    peer.now += 10;
    let (now, key) = (peer.now, &peer.member.key);
    let mut batch = peer.ledger.begin(&mut rng(now)).unwrap();
    let outcome = batch.ensure_epoch(log, &prekeys, now, &mut peer.rng, key).unwrap();
    batch.commit().unwrap();
    outcome
}

fn reads(peer: &Peer, id: &EventId) -> Content {
    peer.ledger.view().unwrap().content(id).unwrap().unwrap()
}

fn ack(by: &Peer, to: &Peer, log: LogId) {
    let said = by.write(|batch| batch.acknowledge(log, &by.member.key).unwrap());
    if let Some(said) = said {
        let said = said.verify().unwrap();
        to.write(|batch| batch.put_ack(&said).unwrap());
    }
}

/// K1, K2: a rekey's box opens, every later event opens, in both directions.
#[test]
fn k2_two_devices_read_each_other() {
    let Pair { mut a, mut b, log } = pair();
    assert!(matches!(a.append(log, &text("too early")), Err(AppendError::NoEpoch)));
    assert!(matches!(
        a.append(LogSpec::Account { root: a.member.root }.id(), &text("?")),
        Err(AppendError::UnknownLog)
    ));
    let stranger = a.write(|batch| {
        let log = batch.ensure_log(LogSpec::Identity { root: Member::new(3, 5).root }).unwrap();
        batch.append(log, &crate::tests::filler(1), NOW, &mut rng(1), &a.member.key)
    });
    assert!(matches!(stranger, Err(AppendError::NotJoined)));
    let long = "x".repeat(crate::body::MAX_TEXT_BYTES + 1);
    assert!(matches!(a.append(log, &text(&long)), Err(AppendError::Body(_))));
    let members = [Member::new(1, 1), Member::new(2, 2)];
    let members: Vec<_> = members.iter().collect();
    assert!(matches!(ensure(&mut a, log, &members), EpochOutcome::Renewed { reason: RekeyReason::MembersChanged, .. }));
    let hello = a.append(log, &text("hello")).unwrap();
    b.fetch(&a, log);
    assert_eq!(reads(&b, &hello.id), Content::Body(text("hello")));
    assert!(matches!(ensure(&mut b, log, &members), EpochOutcome::Kept(_)));
    let answers: Vec<_> = (0..5).map(|n| b.append(log, &text(&format!("answer {n}"))).unwrap()).collect();
    a.fetch(&b, log);
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(reads(&a, &answer.id), Content::Body(text(&format!("answer {n}"))));
    }
    assert_eq!(a.ledger.view().unwrap().heads(&log).unwrap(), b.ledger.view().unwrap().heads(&log).unwrap());
    let rows = |peer: &Peer| crate::fold::digest(&peer.ledger.view().unwrap(), &log).unwrap();
    assert_eq!(rows(&a), rows(&b));
    assert!(a.ledger.view().unwrap().unopened(&log).unwrap().is_empty());
}

/// K2: after the box was opened neither secret nor box is kept, and old chain keys are gone.
#[test]
fn k2_boxes_and_used_chain_keys_are_erased() {
    let Pair { mut a, b, log } = pair();
    let members = [Member::new(1, 1), Member::new(2, 2)];
    let members: Vec<_> = members.iter().collect();
    let EpochOutcome::Renewed { event, .. } = ensure(&mut a, log, &members) else { panic!("a new epoch") };
    a.append(log, &text("one")).unwrap();
    let boxes = |peer: &Peer| peer.ledger.view().unwrap().item(&event.id).unwrap().unwrap().boxes;
    assert_eq!(boxes(&a).len(), 1, "only the other device's");
    assert_eq!(boxes(&a)[0].device, b.member.id());
    b.fetch(&a, log);
    assert!(boxes(&b).is_empty());
    ack(&b, &a, log);
    assert!(boxes(&a).is_empty(), "K1: dropped once its addressee acknowledged");
    let view = b.ledger.view().unwrap();
    let number = view.log_number(&log).unwrap().unwrap();
    let epoch = view.epoch_number(number, &y7ke_crypto::ids::EpochId::of(&event.id)).unwrap().unwrap();
    let author = view.device_number(&a.member.id()).unwrap().unwrap();
    assert_eq!(view.stored_chain(epoch, author).unwrap().unwrap().index(), 1, "stepped past the key that was used");
}

/// E4, S3: an event whose box has not come is admitted, listed as unopened, and opened when it comes.
#[test]
fn a_box_may_come_after_the_events() {
    let Pair { mut a, b, log } = pair();
    let members = [Member::new(1, 1), Member::new(2, 2)];
    let EpochOutcome::Renewed { event, .. } = ensure(&mut a, log, &members.iter().collect::<Vec<_>>()) else {
        panic!("a new epoch")
    };
    let said: Vec<_> = (0..3).map(|n| a.append(log, &text(&format!("{n}"))).unwrap()).collect();
    let theirs = a.ledger.view().unwrap();
    let wants = b.ledger.view().unwrap().clock(&log).unwrap().lacks(&theirs.clock(&log).unwrap());
    let items = theirs.events_between(&log, &wants, 99, usize::MAX).unwrap().items;
    b.write(|batch| {
        for item in &items {
            let outcome = batch.admit(Event::from_wire(item.wire.clone()), vec![], a.member.id()).unwrap();
            assert!(matches!(outcome, Admission::Admitted(_)));
        }
    });
    assert_eq!(reads(&b, &said[0].id), Content::Sealed);
    let unopened = b.ledger.view().unwrap().unopened(&log).unwrap();
    assert_eq!(
        unopened.iter().map(|run| (run.from, run.to, run.reason)).collect::<Vec<_>>(),
        [(event.seq, event.seq, Reason::Box), (event.seq + 1, event.seq + 3, Reason::Key),]
    );
    ack(&b, &a, log);
    assert!(a.ledger.view().unwrap().delivered_to(&said[0]).unwrap().is_empty(), "arrived, cannot be opened yet");
    assert_eq!(a.ledger.view().unwrap().item(&event.id).unwrap().unwrap().boxes.len(), 1);
    let boxes = a.ledger.view().unwrap().item(&event.id).unwrap().unwrap();
    let outcome = b.write(|batch| {
        let outcome = batch.admit(Event::from_wire(boxes.wire), boxes.boxes, a.member.id()).unwrap();
        assert_eq!(batch.drain_news().len(), 3, "three messages appear");
        outcome
    });
    assert_eq!(outcome, Admission::Known { filled: true });
    assert_eq!(reads(&b, &said[2].id), Content::Body(text("2")));
    assert!(b.ledger.view().unwrap().unopened(&log).unwrap().is_empty());
    ack(&b, &a, log);
    assert_eq!(a.ledger.view().unwrap().delivered_to(&said[0]).unwrap(), [b.member.id()]);
}

/// D2: a hollow event keeps its place; its body may come later, and only the right one.
#[test]
fn d2_a_missing_body_is_filled() {
    let Pair { mut a, b, log } = pair();
    let members = [Member::new(1, 1), Member::new(2, 2)];
    ensure(&mut a, log, &members.iter().collect::<Vec<_>>());
    let (first, second) = (a.append(log, &text("lost")).unwrap(), a.append(log, &text("kept")).unwrap());
    let item = a.ledger.view().unwrap().item(&first.id).unwrap().unwrap();
    let hollow = Event::from_wire(item.wire.clone()).claim.hollow();
    let rekey = a.ledger.view().unwrap().events_at(&log, &a.member.id(), 2).unwrap()[0].id;
    let with_boxes = a.ledger.view().unwrap().item(&rekey).unwrap().unwrap();
    b.write(|batch| {
        batch.admit(Event::from_wire(with_boxes.wire), with_boxes.boxes, a.member.id()).unwrap();
        let wire = WireEvent { payload: hollow.payload().clone(), ..item.wire.clone() };
        assert!(matches!(batch.admit(Event::from_wire(wire), vec![], a.member.id()), Ok(Admission::Admitted(_))));
    });
    b.fetch(&a, log);
    assert_eq!(reads(&b, &first.id), Content::Missing);
    assert_eq!(reads(&b, &second.id), Content::Body(text("kept")), "the chain went on");
    assert_eq!(b.ledger.view().unwrap().unopened(&log).unwrap()[0].reason, Reason::Body);
    assert!(matches!(b.ledger.view().unwrap().item(&first.id).unwrap().unwrap().wire.payload, Payload::Hollow(_)));
    let filled = b.write(|batch| batch.admit(Event::from_wire(item.wire), vec![], a.member.id()).unwrap());
    assert_eq!(filled, Admission::Known { filled: true });
    assert_eq!(reads(&b, &first.id), Content::Body(text("lost")));
}

/// K3: renewed when the members changed, after 100 events, after a day of use; else kept.
#[test]
fn k3_epochs_are_renewed_when_due() {
    let Pair { mut a, mut b, log } = pair();
    let all = [Member::new(1, 1), Member::new(2, 2), Member::new(2, 4)];
    let two: Vec<_> = all[..2].iter().collect();
    let three: Vec<_> = all.iter().collect();
    let reason = |outcome| match outcome {
        EpochOutcome::Renewed { reason, .. } => Some(reason),
        EpochOutcome::Kept(_) => None,
    };
    assert_eq!(reason(ensure(&mut a, log, &two)), Some(RekeyReason::MembersChanged));
    assert_eq!(reason(ensure(&mut a, log, &two)), None);
    a.append(log, &text("x")).unwrap();
    a.now += crate::keys::EPOCH_USE_MS;
    assert_eq!(reason(ensure(&mut a, log, &two)), Some(RekeyReason::Age));
    b.fetch(&a, log);
    assert_eq!(reason(ensure(&mut b, log, &two)), None, "the other's epoch fits");
    for n in 0..EPOCH_EVENTS {
        b.append(log, &text(&n.to_string())).unwrap();
    }
    a.fetch(&b, log);
    assert_eq!(reason(ensure(&mut a, log, &two)), Some(RekeyReason::Events));
    assert_eq!(reason(ensure(&mut a, log, &three)), Some(RekeyReason::MembersChanged));
}

/// K3, K1: concurrent rekeys are legal; both sides go on in the greater one.
#[test]
fn k3_concurrent_rekeys_meet_in_the_greatest() {
    let Pair { mut a, mut b, log } = pair();
    let members = [Member::new(1, 1), Member::new(2, 2)];
    let members: Vec<_> = members.iter().collect();
    ensure(&mut a, log, &members);
    ensure(&mut b, log, &members);
    let (from_a, from_b) = (a.append(log, &text("a")).unwrap(), b.append(log, &text("b")).unwrap());
    a.fetch(&b, log);
    b.fetch(&a, log);
    assert_eq!(reads(&a, &from_b.id), Content::Body(text("b")));
    assert_eq!(reads(&b, &from_a.id), Content::Body(text("a")));
    let (EpochOutcome::Kept(x), EpochOutcome::Kept(y)) = (ensure(&mut a, log, &members), ensure(&mut b, log, &members))
    else {
        panic!("both fit")
    };
    assert_eq!(x, y);
    let last = a.append(log, &text("on")).unwrap();
    b.fetch(&a, log);
    assert_eq!(reads(&b, &last.id), Content::Body(text("on")));
}

/// F1, K2: both variants of a forked sealed event open: they share chain index and key.
#[test]
fn f1_both_variants_open() {
    let Pair { mut a, b, log } = pair();
    let members = [Member::new(1, 1), Member::new(2, 2)];
    ensure(&mut a, log, &members.iter().collect::<Vec<_>>());
    b.fetch(&a, log);
    let copy = twin_of(&a, log);
    let one = a.append(log, &text("here")).unwrap();
    b.fetch(&a, log);
    let (other, wire) = copy;
    let outcome = b.write(|batch| batch.admit(Event::from_wire(wire), vec![], a.member.id()).unwrap());
    assert!(matches!(outcome, Admission::Forked(_)));
    let notices = b.write(|batch| batch.write_fork_notices(log, NOW + 9_999, &mut rng(3), &b.member.key).unwrap());
    assert_eq!(notices.len(), 1);
    let view = b.ledger.view().unwrap();
    assert!(view.event(&one.id).unwrap().unwrap().live, "what was held stays");
    assert!(view.event(&other).unwrap().is_none(), "nobody needs the other one yet");
    assert_eq!(reads(&b, &one.id), Content::Body(text("here")));
    let third = Member::new(2, 4);
    let deps = vec![y7ke_crypto::event::Dep { device: a.member.id(), seq: one.seq, id: other }];
    let needs_it = third.open_event(log, 1, NOW + 99_999, deps, &third.join());
    let news = b.write(|batch| {
        assert!(matches!(admit(batch, &needs_it), Admission::Admitted(_)));
        batch.drain_news()
    });
    assert_eq!(reads(&b, &other), Content::Body(text("elsewhere")), "the same key opens it");
    assert!(news.iter().any(|news| matches!(news, News::Live(event) if event.id == other)));
    assert_eq!(b.ledger.view().unwrap().clock(&log).unwrap().tips(&a.member.id()).len(), 2);
}

/// What the same device would have written from a copy of its folder; not kept there.
fn twin_of(peer: &Peer, log: LogId) -> (EventId, WireEvent) {
    let mut batch = peer.ledger.begin(&mut rng(77)).unwrap();
    let event = batch.append(log, &text("elsewhere"), peer.now + 3, &mut rng(78), &peer.member.key).unwrap();
    (event.id, batch.item(&event.id).unwrap().unwrap().wire)
}

/// F5: a device that has forked writes no more.
#[test]
fn f5_a_forked_device_stops() {
    let Pair { mut a, log, .. } = pair();
    let members = [Member::new(1, 1), Member::new(2, 2)];
    ensure(&mut a, log, &members.iter().collect::<Vec<_>>());
    let (_, wire) = twin_of(&a, log);
    a.append(log, &text("here")).unwrap();
    a.write(|batch| batch.admit(Event::from_wire(wire), vec![], sender()).unwrap());
    assert!(matches!(a.append(log, &text("more")), Err(AppendError::Frozen)));
}

/// F5: own events that only others hold are adopted, chain included, and writing goes on from there.
#[test]
fn f5_own_events_are_adopted_from_others() {
    let Pair { mut a, b, log } = pair();
    let members = [Member::new(1, 1), Member::new(2, 2)];
    ensure(&mut a, log, &members.iter().collect::<Vec<_>>());
    b.fetch(&a, log);
    let (lost, wire) = twin_of(&a, log);
    b.write(|batch| batch.admit(Event::from_wire(wire), vec![], a.member.id()).unwrap());
    a.fetch(&b, log);
    assert_eq!(reads(&a, &lost), Content::Body(text("elsewhere")));
    let next = a.append(log, &text("on")).unwrap();
    b.fetch(&a, log);
    assert_eq!(reads(&b, &next.id), Content::Body(text("on")));
    assert!(!b.ledger.view().unwrap().is_frozen(&log, &a.member.id()).unwrap());
}

/// E2: more than sixteen heads are bridged by own previous and the fifteen oldest.
#[test]
fn e2_many_heads_are_trimmed() {
    let mut a = Peer::new(1, 1);
    let spec = LogSpec::Identity { root: a.member.root };
    let log = spec.id();
    a.write(|batch| batch.ensure_log(spec).unwrap());
    a.append(log, &a.member.join()).unwrap();
    let others: Vec<_> = (10..40).map(|n| Member::new(1, n)).collect();
    a.write(|batch| {
        for (n, other) in others.iter().enumerate() {
            admit(batch, &other.open_event(log, 1, NOW + 100 + n as u64, vec![], &other.join()));
        }
    });
    assert_eq!(a.ledger.view().unwrap().heads(&log).unwrap().len(), 31);
    let written = a.append(log, &Body::Profile { name: y7ke_crypto::text::Name::new("me").unwrap() }).unwrap();
    let header = a.ledger.view().unwrap().event(&written.id).unwrap().unwrap().header;
    assert_eq!(header.deps.len(), 16);
    assert!(header.previous().is_some());
    assert_eq!(a.ledger.view().unwrap().heads(&log).unwrap().len(), 16);
}

/// At rest: neither words nor keys stand in the file in the clear.
#[test]
fn no_canary_in_the_file() {
    let disk = super::crash::SimDisk::new(1);
    let mut a = Peer::new(1, 1);
    a.ledger = Ledger::open(disk.storage(), sub_keys()).unwrap();
    a.write(|batch| batch.keep_prekey(&Member::new(1, 1).prekey, NOW).unwrap());
    let spec = LogSpec::Account { root: a.member.root };
    let log = spec.id();
    a.write(|batch| batch.ensure_log(spec).unwrap());
    a.append(log, &a.member.join()).unwrap();
    ensure(&mut a, log, &[&Member::new(1, 1)]);
    let name = y7ke_crypto::text::Name::new("CANARY-NAME").unwrap();
    a.append(log, &Body::ContactName { root: a.member.root, name }).unwrap();
    a.append(log, &text("CANARY-TEXT")).unwrap();
    a.append(log, &Body::Setting { key: "mode".into(), value: "CANARY-VALUE".into() }).unwrap();
    let secret = [0x5a; 32];
    a.write(|batch| {
        batch.put_secret("root", &secret);
        batch.put_draft(&log, "CANARY-DRAFT");
        batch.put_setting("s", "CANARY-SETTING");
        batch.put_outbound(&Outbound { kind: 1, id: crate::tests::request_id(1), bytes: b"CANARY-OUT".to_vec() });
    });
    assert_eq!(a.ledger.view().unwrap().draft(&log).unwrap().as_deref(), Some("CANARY-DRAFT"));
    let look = || disk.image().concat();
    let holds = |image: &[u8], needle: &[u8]| image.windows(needle.len()).any(|window| window == needle);
    let in_the_journal = look();
    a.ledger = in_memory();
    for image in [in_the_journal, look()] {
        assert!(!holds(&image, b"CANARY") && !holds(&image, &secret) && !holds(&image, a.member.prekey.expose()));
    }
    assert!(holds(&look(), a.member.id().as_bytes()), "the search itself finds what is there");
}

/// D2: two devices of one person type in one conversation: the last writer wins on both, whatever came first, and the
/// other draft opens nowhere any more. What was read is the greatest of both.
#[test]
fn d2_of_two_drafts_the_last_one_stands_and_the_other_loses_its_key() {
    let (mut a, mut b) = (Peer::new(1, 1), Peer::new(1, 2));
    let (root, spec) = (a.member.root, LogSpec::Account { root: a.member.root });
    let (log, of) = (spec.id(), LogId::from([7; 32]));
    for peer in [&a, &b] {
        peer.write(|batch| batch.ensure_log(spec).unwrap());
    }
    a.append(log, &a.member.join()).unwrap();
    b.fetch(&a, log);
    b.append(log, &b.member.join()).unwrap();
    a.fetch(&b, log);
    let members = [Member::new(1, 1), Member::new(1, 2)];
    let members: Vec<_> = members.iter().collect();
    ensure(&mut a, log, &members);
    b.fetch(&a, log);
    ensure(&mut b, log, &members);

    let draft = |text: &str| Body::Draft { log: of, text: text.into() };
    let mark = |seq| {
        let marks = [crate::body::ReadMark { device: Member::new(2, 3).id(), seq }].into_iter().collect();
        Body::ReadUpTo { log: of, marks }
    };
    let first = a.append(log, &draft("on the desk")).unwrap();
    b.now = a.now + 100;
    let second = b.append(log, &draft("on the road")).unwrap();
    a.append(log, &mark(9)).unwrap();
    b.append(log, &mark(4)).unwrap();
    // The winner comes after the loser on one side, before it on the other.
    a.fetch(&b, log);
    b.fetch(&a, log);

    for peer in [&a, &b] {
        assert_eq!(reads(peer, &first.id), Content::Sealed, "superseded");
        assert_eq!(reads(peer, &second.id), Content::Body(draft("on the road")));
        let view = peer.ledger.view().unwrap();
        assert_eq!(crate::views::draft(&view, &root, &of).unwrap().as_deref(), Some("on the road"));
        assert!(view.unopened(&log).unwrap().is_empty(), "what was destroyed is not asked for again");
    }
    let rows = |peer: &Peer| -> Vec<Vec<crate::rows::Row>> {
        use crate::rows::{Order, Rows, Span, Table};
        let view = peer.ledger.view().unwrap();
        let table = |table| view.scan(table, &Span::prefix(log.as_bytes()), Order::Forward, 99).unwrap();
        Table::ALL.into_iter().map(table).collect()
    };
    let before = rows(&a);
    assert_eq!(before, rows(&b));
    a.write(|batch| batch.rebuild_projections(&log).unwrap());
    assert_eq!(rows(&a), before, "rows are those of a fold afresh");

    a.append(log, &draft("")).unwrap();
    b.fetch(&a, log);
    for peer in [&a, &b] {
        assert_eq!(reads(peer, &second.id), Content::Sealed);
        assert_eq!(crate::views::draft(&peer.ledger.view().unwrap(), &root, &of).unwrap(), None);
    }
}

/// A key that goes leaves its neighbours: those of a batch are sealed together, and one of them opens nothing any more.
#[test]
fn a_key_is_destroyed_alone_out_of_a_run() {
    let Pair { mut a, b, log } = pair();
    let members = [Member::new(1, 1), Member::new(2, 2)];
    ensure(&mut a, log, &members.iter().collect::<Vec<_>>());
    let said: Vec<_> = (0..12).map(|n| a.append(log, &text(&n.to_string())).unwrap()).collect();
    b.fetch(&a, log);
    let keys = |peer: &Peer| peer.write(|batch| batch.raw_rows(raw::Tbl::Keys).unwrap());
    assert_eq!((keys(&a).len(), keys(&b).len()), (12, 1), "a row of each commit, and one for all of a batch");
    let mut gone = std::collections::BTreeSet::new();
    for at in [5, 0, 11, 6, 4] {
        let sealed = keys(&b);
        b.write(|batch| {
            assert!(matches!(batch.content(&said[at].id), Ok(Some(Content::Body(_)))), "its run was read before");
            batch.destroy_key_of(&said[at].id).unwrap();
            assert!(matches!(batch.content(&said[at].id), Ok(Some(Content::Sealed))));
        });
        gone.insert(at);
        let kept = keys(&b).iter().filter(|row| sealed.contains(row)).count();
        assert_eq!(kept, sealed.len() - 1, "the run that it was in was sealed afresh, no other");
        for (n, event) in said.iter().enumerate() {
            let expected = if gone.contains(&n) { Content::Sealed } else { Content::Body(text(&n.to_string())) };
            assert_eq!(reads(&b, &event.id), expected, "{n}");
        }
    }
    let left: usize = keys(&b).iter().map(|(_, sealed)| (sealed.len() - y7ke_crypto::vault::SEAL_OVERHEAD) / 32).sum();
    assert_eq!(left, 7);
    let again: Vec<_> = b.write(|batch| gone.iter().map(|at| batch.destroy_key_of(&said[*at].id)).collect());
    assert!(again.iter().all(Result::is_ok) && reads(&b, &said[3].id) == Content::Body(text("3")));
}
