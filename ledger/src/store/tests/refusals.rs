//! Every refusal has an event that earns it; nothing refused leaves a trace.

use y7ke_crypto::epoch::make_rekey;
use y7ke_crypto::event::{Class, Dep, EventKey, Header, Payload, seal};
use y7ke_crypto::ids::{EpochId, EventId};

use super::*;
use crate::admit::{LogSpec, MAX_CHAIN, MAX_HLC_STEP, MAX_OPENING_HLC, Refusal};
use crate::body::Body;
use crate::tests::{conversation, filler, opening, request_id, sorted};

/// A conversation of two devices that both stand in it, and a ledger that holds it.
struct Scene {
    ledger: Ledger,
    spec: LogSpec,
    asker: Member,
    asked: Member,
    opening: Verified<Event>,
    join: Verified<Event>,
}

impl Scene {
    fn new() -> Self {
        let (asker, asked) = (Member::new(1, 1), Member::new(2, 2));
        let spec = conversation(&asker, &asked);
        let first = asked.open_event(spec.id(), 1, NOW, vec![], &opening(&asker, &asked));
        let join = asker.open_event(spec.id(), 1, NOW + 1, vec![first.as_dep()], &asker.join());
        let ledger = in_memory();
        let mut batch = ledger.begin(&mut rng(1)).unwrap();
        batch.ensure_log(spec).unwrap();
        assert!(matches!(admit(&mut batch, &first), Admission::Admitted(_)));
        assert!(matches!(admit(&mut batch, &join), Admission::Admitted(_)));
        batch.commit().unwrap();
        Self { ledger, spec, asker, asked, opening: first, join }
    }

    fn outcome(&self, event: &Verified<Event>) -> Admission {
        let mut batch = self.ledger.begin(&mut rng(1)).unwrap();
        let outcome = admit(&mut batch, event);
        batch.commit().unwrap();
        outcome
    }

    fn refused(&self, event: &Verified<Event>) -> Refusal {
        match self.outcome(event) {
            Admission::Refused(refusal) => {
                assert!(self.ledger.view().unwrap().event(&event.id()).unwrap().is_none());
                refusal
            }
            other => panic!("taken: {other:?}"),
        }
    }

    fn take(&self, event: &Verified<Event>) {
        let outcome = self.outcome(event);
        assert!(matches!(outcome, Admission::Admitted(_)), "{outcome:?}");
    }

    fn heads(&self) -> Vec<Dep> {
        vec![self.opening.as_dep(), self.join.as_dep()]
    }

    /// The asker's next open event on top of its join.
    fn next(&self, body: &Body) -> Verified<Event> {
        self.asker.open_event(self.spec.id(), 2, NOW + 2, self.heads(), body)
    }

    fn rekey(&self, generation: u64, members: &[&Member]) -> Body {
        let prekeys: Vec<_> = members.iter().map(|member| member.signed_prekey()).collect();
        let prekeys: Vec<_> = prekeys.iter().collect();
        let made = make_rekey(&mut rng(3), &self.spec.id(), generation, &self.asker.id(), &prekeys);
        Body::Rekey(made.unwrap().rekey)
    }

    /// A sealed event of the asker; nobody can open it.
    fn sealed(&self, seq: u64, deps: Vec<Dep>, epoch: &EventId, chain: u32) -> Verified<Event> {
        let mut header = Header::open(self.spec.id(), self.asker.id(), seq, NOW + 1_000 + seq, sorted(deps));
        (header.class, header.epoch, header.chain) = (Class::Sealed, EpochId::of(epoch), chain);
        header.nonce = [7; 24];
        let ct = seal(&EventKey::from_bytes(&[9; 32]), &mut header, b"?").unwrap();
        self.asker.sign(header, ct)
    }
}

/// E3: known log, then signature.
#[test]
fn e3_unknown_log_and_bad_signature() {
    let scene = Scene::new();
    let other = LogSpec::Identity { root: scene.asker.root };
    let elsewhere = scene.asker.open_event(other.id(), 1, NOW, vec![], &scene.asker.join());
    assert_eq!(scene.refused(&elsewhere), Refusal::UnknownLog);
    let mut forged = scene.next(&filler(1)).into_signed();
    forged.sig[3] ^= 1;
    let mut batch = scene.ledger.begin(&mut rng(1)).unwrap();
    let outcome = batch.admit(forged.clone(), vec![], sender()).unwrap();
    assert_eq!(outcome, Admission::Refused(Refusal::Signature));
    let good = (scene.next(&filler(1)).into_signed(), vec![]);
    let both = batch.admit_all(vec![(forged, vec![]), good], sender()).unwrap();
    assert_eq!(both[0], Admission::Refused(Refusal::Signature));
    assert!(matches!(both[1], Admission::Admitted(_)));
}

/// D2: open events are never hollow; E2: the kind fixes the class.
#[test]
fn d2_e2_hollow_and_wrong_class() {
    let scene = Scene::new();
    let hollow = scene.next(&filler(1)).hollow();
    assert_eq!(scene.refused(&scene.asker.key.sign(hollow).unwrap()), Refusal::Hollow);
    let text = Body::Text { text: "in the open".into(), reply_to: None };
    assert_eq!(scene.refused(&scene.next(&text)), Refusal::Class);
}

/// A dependency is named with exactly its device and number.
#[test]
fn e3_a_dependency_that_lies_is_refused() {
    let scene = Scene::new();
    let mut lie = scene.opening.as_dep();
    lie.seq = 2;
    let event = scene.asker.open_event(scene.spec.id(), 2, NOW + 2, vec![lie, scene.join.as_dep()], &filler(1));
    assert_eq!(scene.refused(&event), Refusal::Dependency);
}

/// E3: number = previous + 1, and the previous event is a dependency.
#[test]
fn e3_numbers_follow() {
    let scene = Scene::new();
    for (seq, deps) in [(3, scene.heads()), (2, vec![scene.opening.as_dep()]), (9, vec![scene.join.as_dep()])] {
        let event = scene.asker.open_event(scene.spec.id(), seq, NOW + 2, deps, &filler(1));
        assert_eq!(scene.refused(&event), Refusal::Seq { found: seq });
    }
}

/// E5: later than every dependency, by at most 2³⁷ ms; openings up to 2⁴⁶; the arithmetic is checked.
#[test]
fn e5_clock_bounds_are_exact() {
    let scene = Scene::new();
    let at = |hlc| scene.asker.open_event(scene.spec.id(), 2, hlc, scene.heads(), &filler(hlc));
    let newest = NOW + 1;
    for hlc in [0, newest, newest + MAX_HLC_STEP + 1, u64::MAX] {
        assert!(matches!(scene.refused(&at(hlc)), Refusal::Hlc { found, .. } if found == hlc));
    }
    scene.take(&at(newest + MAX_HLC_STEP));
    let identity = LogSpec::Identity { root: scene.asker.root };
    let mut batch = scene.ledger.begin(&mut rng(1)).unwrap();
    batch.ensure_log(identity).unwrap();
    let opening = |hlc| scene.asker.open_event(identity.id(), 1, hlc, vec![], &scene.asker.join());
    assert!(matches!(admit(&mut batch, &opening(MAX_OPENING_HLC + 1)), Admission::Refused(Refusal::Hlc { .. })));
    assert!(matches!(admit(&mut batch, &opening(MAX_OPENING_HLC)), Admission::Admitted(_)));
}

/// V1, C2: who has not shown that it belongs here stays outside.
#[test]
fn v1_first_events_introduce_their_device() {
    let scene = Scene::new();
    let log = scene.spec.id();
    let on = |member: &Member, body: &Body| member.open_event(log, 1, NOW + 5, scene.heads(), body);
    let (stranger, second) = (Member::new(3, 5), Member::new(1, 3));
    assert_eq!(scene.refused(&on(&second, &filler(1))), Refusal::NotIntroduced);
    assert_eq!(scene.refused(&on(&stranger, &stranger.join())), Refusal::NotCertified);
    assert_eq!(scene.refused(&on(&second, &scene.asker.join())), Refusal::NotCertified);
    let alone = second.open_event(log, 1, NOW, vec![], &second.join());
    assert_eq!(scene.refused(&alone), Refusal::NotIntroduced);
    scene.take(&on(&second, &second.join()));
}

/// B5: the one who asked cannot open the conversation; C2: an opening stands at the beginning.
#[test]
fn b5_c2_openings() {
    let scene = Scene::new();
    let log = scene.spec.id();
    let second = Member::new(2, 4);
    let own = scene.asker.open_event(log, 1, NOW, vec![], &opening(&scene.asker, &scene.asker));
    let mut batch = in_memory_with(scene.spec);
    assert_eq!(admit(&mut batch, &own), Admission::Refused(Refusal::NotCertified));
    let by_another = second.open_event(log, 1, NOW, vec![], &opening(&scene.asker, &scene.asked));
    assert_eq!(scene.refused(&by_another), Refusal::NotCertified);
    let late = second.open_event(log, 1, NOW + 9, scene.heads(), &opening(&scene.asker, &second));
    assert_eq!(scene.refused(&late), Refusal::LateOpening);
    let several = second.open_event(log, 1, NOW, vec![], &opening(&scene.asker, &second));
    scene.take(&several);
}

fn in_memory_with(spec: LogSpec) -> Batch {
    let mut batch = in_memory().begin(&mut rng(1)).unwrap();
    batch.ensure_log(spec).unwrap();
    batch
}

/// K1: the generation is 1 + the greatest in the causal past, exactly.
#[test]
fn k1_generations_are_exact() {
    let scene = Scene::new();
    let both = [&scene.asker, &scene.asked];
    for found in [2, u64::MAX] {
        let refusal = scene.refused(&scene.next(&scene.rekey(found, &both)));
        assert_eq!(refusal, Refusal::Generation { found, expected: 1 });
    }
    let first = scene.next(&scene.rekey(1, &both));
    scene.take(&first);
    let again = scene.asker.open_event(scene.spec.id(), 3, NOW + 3, vec![first.as_dep()], &scene.rekey(1, &both));
    assert_eq!(scene.refused(&again), Refusal::Generation { found: 1, expected: 2 });
}

/// K1: the epoch's rekey is an ancestor, lists the author, and is never an earlier one.
#[test]
fn k1_epochs() {
    let scene = Scene::new();
    let both = [&scene.asker, &scene.asked];
    let first = scene.next(&scene.rekey(1, &both));
    let elsewhere = scene.asked.open_event(scene.spec.id(), 2, NOW + 2, scene.heads(), &scene.rekey(1, &both));
    scene.take(&first);
    scene.take(&elsewhere);
    let on = |deps: Vec<Dep>, epoch: &Verified<Event>, seq, chain| scene.sealed(seq, deps, &epoch.id(), chain);
    assert_eq!(scene.refused(&on(vec![first.as_dep()], &elsewhere, 3, 0)), Refusal::EpochUnseen);
    assert_eq!(scene.refused(&on(vec![first.as_dep()], &scene.join, 3, 0)), Refusal::EpochUnseen);
    let without = scene.rekey(2, &[&scene.asked]);
    let third = scene.asker.open_event(scene.spec.id(), 3, NOW + 3, vec![first.as_dep()], &without);
    scene.take(&third);
    assert_eq!(scene.refused(&on(vec![third.as_dep()], &third, 4, 0)), Refusal::EpochNotMember);
    let second = scene.asker.open_event(scene.spec.id(), 4, NOW + 4, vec![third.as_dep()], &scene.rekey(3, &both));
    scene.take(&second);
    let sealed = on(vec![second.as_dep()], &second, 5, 0);
    scene.take(&sealed);
    assert_eq!(scene.refused(&on(vec![sealed.as_dep()], &first, 6, 0)), Refusal::EpochEarlier);
}

/// K2: chain indices are contiguous from 0, across open events between them, and end at 1,024.
#[test]
fn k2_chain_indices() {
    let scene = Scene::new();
    let rekey = scene.next(&scene.rekey(1, &[&scene.asker, &scene.asked]));
    scene.take(&rekey);
    let on = |last: &Verified<Event>, seq, chain| scene.sealed(seq, vec![last.as_dep()], &rekey.id(), chain);
    assert_eq!(scene.refused(&on(&rekey, 3, 1)), Refusal::Chain { found: 1, expected: 0 });
    let mut last = on(&rekey, 3, 0);
    scene.take(&last);
    assert_eq!(scene.refused(&on(&last, 4, 0)), Refusal::Chain { found: 0, expected: 1 });
    let between = scene.asker.open_event(scene.spec.id(), 4, NOW + 1_500, vec![last.as_dep()], &filler(1));
    scene.take(&between);
    last = between;
    let mut batch = scene.ledger.begin(&mut rng(1)).unwrap();
    for chain in 1..MAX_CHAIN {
        let mut header = on(&last, u64::from(chain) + 4, chain).header().clone();
        header.hlc = NOW + 2_000 + u64::from(chain);
        last = scene.asker.sign(header, vec![0; 272]);
        assert!(matches!(admit(&mut batch, &last), Admission::Admitted(_)));
    }
    let mut header = on(&last, u64::from(MAX_CHAIN) + 4, MAX_CHAIN).header().clone();
    header.hlc = NOW + 9_000;
    let over = scene.asker.sign(header, vec![0; 272]);
    assert_eq!(admit(&mut batch, &over), Admission::Refused(Refusal::ChainEnded));
}

/// E4: unknown kinds, bodies that do not parse, unknown suites: stored, no effect.
#[test]
fn e4_what_is_not_understood_is_stored() {
    let scene = Scene::new();
    let mut last = scene.join.clone();
    for (seq, bytes, suite) in [(2, vec![], 1), (3, vec![31, 1, 2], 1), (4, vec![2, 9], 1), (5, vec![3; 40], 7)] {
        let mut header = Header::open(scene.spec.id(), scene.asker.id(), seq, NOW + seq, vec![last.as_dep()]);
        header.suite = suite;
        let event = scene.asker.sign(header, bytes);
        scene.take(&event);
        assert_eq!(scene.ledger.view().unwrap().content(&event.id()).unwrap(), Some(Content::NoEffect));
        last = event;
    }
}

/// The same event twice is known, and changes nothing.
#[test]
fn the_same_event_twice_is_known() {
    let scene = Scene::new();
    let event = scene.next(&filler(1));
    scene.take(&event);
    let digest = scene.ledger.view().unwrap().heads_digest(&scene.spec.id()).unwrap();
    assert_eq!(scene.outcome(&event), Admission::Known { filled: false });
    assert_eq!(scene.ledger.view().unwrap().heads_digest(&scene.spec.id()).unwrap(), digest);
}

/// What a log is follows from its id alone.
#[test]
fn c2_log_ids() {
    let (a, b) = (Member::new(1, 1), Member::new(2, 2));
    let there = LogSpec::conversation(a.root, b.root, request_id(1));
    assert_eq!(there, LogSpec::conversation(b.root, a.root, request_id(1)));
    assert_ne!(there.id(), LogSpec::conversation(a.root, b.root, request_id(2)).id());
    assert_ne!(LogSpec::Identity { root: a.root }.id(), LogSpec::Account { root: a.root }.id());
}

/// F1: a hollow event keeps its id.
#[test]
fn f1_hollow_events_keep_their_id() {
    let scene = Scene::new();
    let event = scene.next(&filler(1));
    let hollow = event.hollow();
    assert_eq!(hollow.id(), event.id());
    assert_eq!(hollow.payload(), &Payload::Hollow(event.payload().hash()));
}
