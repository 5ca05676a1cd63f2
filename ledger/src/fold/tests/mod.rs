//! The folds against permutations, repetitions and a naive twin.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use y7ke_crypto::codec::Wire;

use super::*;
use crate::body::tests::samples;
use crate::body::{ReadMark, RequestAnswer, RequestIn, RequestOut};
use crate::rows::{MemRows, Rows};

type Event = (EventMeta, Body);

/// Any of `n` first things.
fn any(rng: &mut ChaCha20Rng, n: u8) -> u8 {
    1 + (rng.next_u32() % u32::from(n)) as u8
}

fn log(kind: LogKind) -> LogId {
    LogId::from([kind as u8; 32])
}

/// Devices 1 and 2 are person 1's, 3 and 4 person 2's. Few hybrid times, so that many collide.
fn event(rng: &mut ChaCha20Rng, kind: LogKind, n: u16) -> Event {
    let device = any(rng, 4);
    let mut id = [0; 32];
    rng.fill_bytes(&mut id);
    let meta = EventMeta {
        log: log(kind),
        kind,
        id: EventId::from(id),
        device: samples::device(device),
        root: samples::root(1 + (device - 1) / 2),
        seq: u64::from(n / 4) + 1,
        hlc: 1_000 + u64::from(rng.next_u32() % 12),
    };
    (meta, body(rng, kind, device))
}

fn body(rng: &mut ChaCha20Rng, kind: LogKind, device: u8) -> Body {
    match kind {
        LogKind::Identity => identity_body(rng, device),
        LogKind::Account => account_body(rng),
        LogKind::Conversation => talk_body(rng, device),
    }
}

fn words(rng: &mut ChaCha20Rng) -> String {
    format!("words {}", any(rng, 5))
}

fn identity_body(rng: &mut ChaCha20Rng, device: u8) -> Body {
    let other = samples::device(any(rng, 4));
    match any(rng, 6) {
        1 => Body::Join { chain: samples::chain(any(rng, 2), device) },
        2 => Body::Prekey(Box::new(samples::prekey(device, u64::from(any(rng, 9))))),
        3 => Body::Revoke { device: other },
        4 => Body::ForkNotice { device: other, seq: u64::from(any(rng, 3)) },
        5 => Body::Unknown(any(rng, 250)),
        _ => Body::Profile { name: samples::name(&words(rng)) },
    }
}

fn account_body(rng: &mut ChaCha20Rng) -> Body {
    let (root, req_id) = (samples::root(any(rng, 3)), samples::req_id(any(rng, 4)));
    match any(rng, 11) {
        1 => Body::RequestOut(RequestOut {
            greeting: samples::greeting(&words(rng)),
            ..samples::request_out(any(rng, 4), 2)
        }),
        2 => Body::RequestIn(RequestIn { req_id, from_root: root, core: vec![any(rng, 9)], ..in_template() }),
        3 => Body::RequestState { req_id, state: RequestAnswer::from_number(any(rng, 5)).unwrap() },
        4 => Body::ContactName { root, name: samples::name(&words(rng)) },
        5 => Body::Block { root },
        6 => Body::Unblock { root },
        7 => Body::ContactLog { root, log: LogId::from([any(rng, 9); 32]), req_id },
        8 => Body::Setting { key: format!("key {}", any(rng, 3)), value: words(rng) },
        9 => Body::Verify { root },
        10 => Body::Unverify { root },
        _ => Body::Text { text: words(rng), reply_to: None },
    }
}

/// What is nobody's but mine, and outside the digest: drafts, and how far I read.
fn mine_alone(n: u16) -> Body {
    let mut rng = ChaCha20Rng::seed_from_u64(u64::from(n));
    let log = LogId::from([any(&mut rng, 3); 32]);
    match any(&mut rng, 4) {
        1 => Body::Draft { log, text: String::new() },
        2 => Body::Draft { log, text: words(&mut rng) },
        _ => {
            let mark =
                |rng: &mut ChaCha20Rng| ReadMark { device: samples::device(any(rng, 4)), seq: u64::from(any(rng, 9)) };
            Body::ReadUpTo { log, marks: [mark(&mut rng), mark(&mut rng)].into_iter().collect() }
        }
    }
}

fn in_template() -> RequestIn {
    RequestIn {
        req_id: samples::req_id(1),
        from_root: samples::root(1),
        created: 1,
        expires: 2,
        name: samples::name("N"),
        greeting: samples::greeting(""),
        bundle: vec![1],
        core: vec![2],
    }
}

fn talk_body(rng: &mut ChaCha20Rng, device: u8) -> Body {
    let mark = |rng: &mut ChaCha20Rng| ReadMark { device: samples::device(any(rng, 4)), seq: u64::from(any(rng, 9)) };
    match any(rng, 10) {
        1 => Body::Join { chain: samples::chain(1 + (device - 1) / 2, device) },
        2 => Body::Read { marks: [mark(rng), mark(rng)].into_iter().collect() },
        3 => Body::Rekey(samples::rekey(u64::from(any(rng, 9)))),
        4 => Body::Cut { device: samples::device(any(rng, 4)) },
        5 => Body::ForkNotice { device: samples::device(any(rng, 4)), seq: 1 },
        6 => Body::Setting { key: "of another log".to_owned(), value: words(rng) },
        7 => Body::Text { text: words(rng), reply_to: Some(samples::event_id(any(rng, 3))) },
        _ => Body::Text { text: words(rng), reply_to: None },
    }
}

fn events(seed: u64, kind: LogKind, count: u16) -> Vec<Event> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut events: Vec<_> = (0..count).map(|n| event(&mut rng, kind, n)).collect();
    if kind == LogKind::Account {
        let mine = |n| (event(&mut rng, kind, n).0, n);
        let mine: Vec<_> = (count..count + count / 2).map(mine).collect();
        events.extend(mine.into_iter().map(|(meta, n)| (meta, mine_alone(n))));
    }
    if kind == LogKind::Conversation {
        let opening = Body::Opening(Box::new(samples::opening(5, 1, 2)));
        let (meta, _) = events[0];
        events.push((
            EventMeta { id: samples::event_id(0xee), device: samples::device(3), root: samples::root(2), ..meta },
            opening,
        ));
    }
    events
}

fn shuffled(rng: &mut ChaCha20Rng, events: &[Event]) -> Vec<Event> {
    let mut all = events.to_vec();
    for _ in 0..all.len() / 3 {
        all.push(all[rng.next_u32() as usize % events.len()].clone());
    }
    for at in (1..all.len()).rev() {
        all.swap(at, rng.next_u32() as usize % (at + 1));
    }
    all
}

fn fold(events: &[Event]) -> MemRows {
    let mut rows = MemRows::new();
    for (meta, body) in events {
        apply(&mut rows, meta, body).unwrap();
    }
    rows
}

const KINDS: [LogKind; 3] = [LogKind::Identity, LogKind::Account, LogKind::Conversation];

/// S7: any permutation of the same events, with repetitions, gives the same bytes.
#[test]
fn s7_every_permutation_folds_to_the_same_bytes() {
    for kind in KINDS {
        for seed in 0..20 {
            let events = events(seed, kind, 60);
            let straight = fold(&events);
            let mut rng = ChaCha20Rng::seed_from_u64(seed + 1_000);
            for _ in 0..5 {
                let other = fold(&shuffled(&mut rng, &events));
                assert!(other == straight, "{kind:?}, seed {seed}");
                assert_eq!(digest(&other, &log(kind)), digest(&straight, &log(kind)));
            }
        }
    }
}

/// What was closed for a while and opened later leaves no trace: S7 holds again.
#[test]
fn s7_opening_late_folds_to_the_same_bytes() {
    for seed in 0..40 {
        let events = events(seed, LogKind::Conversation, 60);
        let mut rng = ChaCha20Rng::seed_from_u64(seed + 2_000);
        let (mut rows, mut late) = (MemRows::new(), Vec::new());
        for (meta, body) in shuffled(&mut rng, &events) {
            if rng.next_u32() % 3 == 0 {
                unopened(&mut rows, &meta).unwrap();
                late.push((meta, body));
            } else {
                apply(&mut rows, &meta, &body).unwrap();
            }
        }
        for (meta, body) in &late {
            apply(&mut rows, meta, body).unwrap();
        }
        assert!(rows == fold(&events), "seed {seed}");
    }
}

/// D3: clearing and folding again is the same; the device's own overlay stays and is in no digest.
#[test]
fn a_rebuild_gives_the_same_bytes_and_keeps_the_overlay() {
    for kind in KINDS {
        let events = events(7, kind, 80);
        let mut rows = fold(&events);
        let before = digest(&rows, &log(kind));
        mark_read_here(&mut rows, &log(kind), &samples::device(3), 9).unwrap();
        assert_eq!(digest(&rows, &log(kind)), before);
        let kept = rows.clone();
        clear(&mut rows, &log(kind)).unwrap();
        assert_eq!(rows.len(Table::LocalReads), 1);
        assert!(Table::ALL.iter().filter(|table| table.place() != Place::Local).all(|table| rows.len(*table) == 0));
        events.iter().for_each(|(meta, body)| drop(apply(&mut rows, meta, body).unwrap()));
        assert!(rows == kept);
    }
}

/// A fold of one log neither reads nor writes rows of another.
#[test]
fn logs_do_not_touch_each_other() {
    let together: Vec<Event> = KINDS.iter().flat_map(|kind| events(3, *kind, 50)).collect();
    let rows = fold(&together);
    for kind in KINDS {
        let alone = fold(&events(3, kind, 50));
        assert_eq!(digest(&rows, &log(kind)), digest(&alone, &log(kind)));
    }
    let mut rest = rows;
    KINDS.iter().for_each(|kind| clear(&mut rest, &log(*kind)).unwrap());
    assert!(rest.is_empty());
}

/// E4: what a log of its kind has no use for changes nothing.
#[test]
fn e4_bodies_of_another_kind_of_log_have_no_effect() {
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    let (meta, _) = event(&mut rng, LogKind::Account, 1);
    let strange = [
        (LogKind::Account, Body::Text { text: "lost".to_owned(), reply_to: None }),
        (LogKind::Account, Body::Profile { name: samples::name("nobody") }),
        (LogKind::Identity, Body::Text { text: "lost".to_owned(), reply_to: None }),
        (LogKind::Identity, Body::Block { root: samples::root(1) }),
        (LogKind::Conversation, Body::RequestOut(samples::request_out(1, 2))),
        (LogKind::Conversation, Body::Profile { name: samples::name("nobody") }),
        (LogKind::Conversation, Body::Unknown(200)),
    ];
    let mut rows = MemRows::new();
    for (kind, body) in strange {
        assert_eq!(apply(&mut rows, &EventMeta { kind, ..meta }, &body), Ok(None));
    }
    assert!(rows.is_empty());
}

/// A device publishes its own prekey; one that it publishes for another counts for nobody (K4).
#[test]
fn k4_a_prekey_counts_only_from_its_own_device() {
    let mut rng = ChaCha20Rng::seed_from_u64(10);
    let (meta, _) = event(&mut rng, LogKind::Identity, 1);
    let meta = EventMeta { device: samples::device(1), ..meta };
    let mut rows = MemRows::new();
    assert_eq!(apply(&mut rows, &meta, &Body::Prekey(Box::new(samples::prekey(2, 5)))), Ok(None));
    let own = Body::Prekey(Box::new(samples::prekey(1, 5)));
    assert_eq!(apply(&mut rows, &meta, &own), Ok(Some(Change::Prekey(samples::device(1)))));
}

/// The naive twin: sort everything by (hlc, device, id), let the later one win, keep what is asked for.
#[derive(Default)]
struct Twin {
    settings: BTreeMap<String, String>,
    blocked: BTreeMap<RootId, bool>,
    verified: BTreeMap<RootId, bool>,
    states: BTreeMap<RequestId, RequestAnswer>,
    names: BTreeMap<RootId, String>,
    drafts: BTreeMap<LogId, String>,
    read: BTreeMap<(LogId, DeviceId), u64>,
}

impl Twin {
    fn of(events: &[Event]) -> Self {
        let mut sorted = events.to_vec();
        sorted.sort_by_key(|(meta, _)| (meta.hlc, meta.device, meta.id));
        let mut twin = Self::default();
        sorted.into_iter().for_each(|(_, body)| twin.take(body));
        twin
    }

    fn take(&mut self, body: Body) {
        match body {
            Body::Setting { key, value } => drop(self.settings.insert(key, value)),
            Body::Block { root } => drop(self.blocked.insert(root, true)),
            Body::Unblock { root } => drop(self.blocked.insert(root, false)),
            Body::Verify { root } => drop(self.verified.insert(root, true)),
            Body::Unverify { root } => drop(self.verified.insert(root, false)),
            Body::RequestState { req_id, state } => drop(self.states.insert(req_id, state)),
            Body::ContactName { root, name } => drop(self.names.insert(root, name.as_str().to_owned())),
            Body::Draft { log, text } => drop(self.drafts.insert(log, text)),
            Body::ReadUpTo { log, marks } => marks.iter().for_each(|mark| {
                let held = self.read.entry((log, mark.device)).or_default();
                *held = mark.seq.max(*held);
            }),
            _ => {}
        }
    }
}

#[test]
fn registers_agree_with_the_naive_twin() {
    for seed in 0..60 {
        let events = events(seed, LogKind::Account, 80);
        let (rows, twin) = (fold(&events), Twin::of(&events));
        let account = log(LogKind::Account);
        let get = |table, name: &[u8]| register::get(&rows, table, &key::named(&account, name)).unwrap();
        assert_eq!(crate::views::settings(&rows, &account).unwrap(), twin.settings);
        for (root, blocked) in &twin.blocked {
            assert_eq!(get(Table::Blocks, root.as_bytes()), Some(vec![u8::from(*blocked)]));
        }
        for (root, verified) in &twin.verified {
            assert_eq!(get(Table::Verified, root.as_bytes()), Some(vec![u8::from(*verified)]));
        }
        for (req_id, state) in &twin.states {
            assert_eq!(get(Table::RequestStates, req_id.as_bytes()), Some(state.to_bytes()));
        }
        for (root, name) in &twin.names {
            assert_eq!(get(Table::ContactNames, root.as_bytes()), Some(name.clone().into_bytes()));
        }
        assert_eq!(rows.len(Table::RequestStates), twin.states.len());
        for (of, text) in &twin.drafts {
            let (id, stands) = account::draft_event(&rows, &account, of).unwrap().unwrap();
            let winner = events.iter().find(|(meta, _)| meta.id == id).map(|(_, body)| body.clone());
            assert_eq!((winner, stands), (Some(Body::Draft { log: *of, text: text.clone() }), !text.is_empty()));
        }
        for ((of, device), seq) in &twin.read {
            let key = key::join(&[account.as_bytes(), of.as_bytes(), device.as_bytes()]);
            assert_eq!(rows.get(Table::AccountReads, &key).unwrap(), Some(seq.to_be_bytes().to_vec()));
        }
        assert_eq!((rows.len(Table::Drafts), rows.len(Table::AccountReads)), (twin.drafts.len(), twin.read.len()));
    }
}

/// RPC.md: drafts and how far I read are outside the digest, and no word of a draft is in a row.
#[test]
fn drafts_and_reads_of_mine_are_outside_the_digest() {
    let mut rng = ChaCha20Rng::seed_from_u64(12);
    let (meta, _) = event(&mut rng, LogKind::Account, 1);
    let mut rows = MemRows::new();
    let before = digest(&rows, &meta.log).unwrap();
    let of = LogId::from([7; 32]);
    let draft = Body::Draft { log: of, text: "canary".to_owned() };
    assert_eq!(apply(&mut rows, &meta, &draft), Ok(Some(Change::Draft(of))));
    let marks = [ReadMark { device: samples::device(3), seq: 4 }].into_iter().collect();
    assert_eq!(apply(&mut rows, &meta, &Body::ReadUpTo { log: of, marks }), Ok(Some(Change::ReadUpTo(of))));
    assert_eq!(digest(&rows, &meta.log), Ok(before));
    rows.walk(Table::Drafts, &Span::prefix(&[]), Order::Forward, &mut |_, value| {
        assert!(!value.windows(6).any(|window| window == b"canary"));
        ControlFlow::Continue(())
    })
    .unwrap();
}

/// The digest of a fixed conversation, pinned: it is compared between versions as well as between devices.
#[test]
fn the_digest_of_a_fixed_log_is_pinned() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/ledger/digests.tsv");
    let line = |kind: LogKind| {
        let digest = digest(&fold(&events(1, kind, 60)), &log(kind)).unwrap();
        format!("{}\t{}\n", kind.name(), hex::encode(digest))
    };
    let written: String = KINDS.into_iter().map(line).collect();
    if std::env::var_os("Y7KE_BLESS").is_some() {
        std::fs::write(&path, &written).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), written);
}

/// No word of a message is in any row.
#[test]
fn no_row_holds_a_word_of_a_message() {
    let mut rng = ChaCha20Rng::seed_from_u64(11);
    let (meta, _) = event(&mut rng, LogKind::Conversation, 1);
    let mut rows = MemRows::new();
    let body = Body::Text { text: "canary".to_owned(), reply_to: Some(samples::event_id(1)) };
    assert_eq!(apply(&mut rows, &meta, &body), Ok(Some(Change::Message(meta.id))));
    for table in Table::ALL {
        rows.walk(table, &Span::prefix(&[]), Order::Forward, &mut |key, value| {
            assert!(![key, value].iter().any(|bytes| bytes.windows(6).any(|window| window == b"canary")));
            ControlFlow::Continue(())
        })
        .unwrap();
    }
}
