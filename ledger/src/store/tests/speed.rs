//! How fast it is: printed, asserted only against the absurd. Run with `--nocapture`.

use std::time::Instant;

use super::*;
use crate::admit::LogSpec;
use crate::body::Body;

/// Wall time is what is measured here.
#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn timed<T>(what: &str, count: usize, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let made = work();
    let each = began.elapsed().as_secs_f64() * 1e6 / count as f64;
    println!("{what}: {each:.1} µs each, {:.0}/s", 1e6 / each);
    assert!(each < 50_000.0, "{what}");
    made
}

#[test]
fn throughput() {
    const COUNT: usize = 2_000;
    let folder = tempfile::tempdir().unwrap();
    let mut a = Peer::new(1, 1);
    let b = Peer::new(1, 3);
    a.ledger = Ledger::open(Storage::folder(folder.path()), sub_keys()).unwrap();
    let spec = LogSpec::Account { root: a.member.root };
    let log = spec.id();
    for peer in [&a, &b] {
        peer.write(|batch| {
            batch.ensure_log(spec).unwrap();
            batch.keep_prekey(&peer.member.prekey, NOW).unwrap();
        });
    }
    a.append(log, &a.member.join()).unwrap();
    let prekeys = [a.member.signed_prekey(), b.member.signed_prekey()];
    let key = &a.member.key;
    let text = Body::Text { text: "x".repeat(100), reply_to: None };
    timed("append, one batch of 1,000, new epoch each 100", COUNT, || {
        for half in 0..2 {
            let mut batch = a.ledger.begin(&mut rng(1)).unwrap();
            for n in 0..COUNT / 2 {
                let now = NOW + 1_000 + (half * COUNT + n) as u64;
                batch.ensure_epoch(log, &prekeys.iter().collect::<Vec<_>>(), now, &mut a.rng, key).unwrap();
                batch.append(log, &text, now, &mut a.rng, key).unwrap();
            }
            batch.commit().unwrap();
        }
    });
    timed("append, a commit each", 50, || (0..50).for_each(|_| assert!(a.append(log, &text).is_ok())));
    let theirs = a.ledger.view().unwrap();
    let wants = y7ke_crypto::clock::Clock::new().lacks(&theirs.clock(&log).unwrap());
    let page = timed("read for a peer", COUNT, || theirs.events_between(&log, &wants, 9_999, usize::MAX).unwrap());
    let events: Vec<_> = page.items.into_iter().map(|item| (Event::from_wire(item.wire), item.boxes)).collect();
    timed("admit in batches of 512, signatures together", COUNT, || {
        for chunk in events.chunks(512) {
            b.write(|batch| batch.admit_all(chunk.to_vec(), a.member.id()).unwrap());
        }
    });
    timed("open a snapshot", 200, || (0..200).for_each(|_| drop(b.ledger.view().unwrap())));
    timed("fold afresh", COUNT, || b.write(|batch| batch.rebuild_projections(&log).unwrap()));
}
