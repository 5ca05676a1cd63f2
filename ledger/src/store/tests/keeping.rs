//! What is kept besides the log.

use super::*;
use crate::admit::LogSpec;
use crate::keys::{PREKEY_GREATEST_AGE_MS, PREKEY_LEAST_AGE_MS};
use crate::rows::{Order, Rows, RowsMut, Span, Table};
use crate::tests::request_id;

const DAY: u64 = 86_400_000;

/// K4: published at first, after use and a day, after a week; the newest is never destroyed; an older
/// one goes after 30 days of running.
#[test]
fn k4_prekeys_come_and_go() {
    let mut a = Peer::new(1, 1);
    a.ledger = in_memory();
    let spec = LogSpec::Identity { root: a.member.root };
    a.write(|batch| batch.ensure_log(spec).unwrap());
    a.append(spec.id(), &a.member.join()).unwrap();
    let publish = |now: u64| {
        a.write(|batch| batch.publish_prekey_if_due(spec.id(), now, &mut rng(now), &a.member.key).unwrap().is_some())
    };
    assert!(publish(NOW));
    let (first, _) = a.ledger.view().unwrap().newest_prekey().unwrap().unwrap();
    assert!(!publish(NOW + PREKEY_LEAST_AGE_MS), "neither used nor a week old");
    a.write(|batch| batch.note_prekey_used(&first).unwrap());
    assert!(!publish(NOW + PREKEY_LEAST_AGE_MS - 1));
    assert!(publish(NOW + PREKEY_LEAST_AGE_MS));
    assert!(publish(NOW + PREKEY_LEAST_AGE_MS + PREKEY_GREATEST_AGE_MS));
    assert_eq!(a.ledger.view().unwrap().prekeys().unwrap().len(), 3);
    let run = |day: u64| a.write(|batch| batch.note_running(NOW + day * DAY).unwrap());
    let gone: Vec<usize> = (0..40).map(run).collect();
    assert_eq!(gone.iter().sum::<usize>(), 2);
    assert_eq!(gone[29], 2, "on the thirtieth day of running");
    assert_eq!(run(5_000), 0, "the newest never goes");
    assert!(a.ledger.view().unwrap().prekey_secret(&first).unwrap().is_none());
}

#[test]
fn secrets_drafts_settings_and_outbox_come_back() {
    let a = Peer::new(1, 1);
    let log = LogSpec::Account { root: a.member.root }.id();
    let out = Outbound { kind: 3, id: request_id(7), bytes: b"request".to_vec() };
    a.write(|batch| {
        batch.put_secret("device", b"seed");
        batch.put_draft(&log, "half a sen");
        batch.put_setting("theme", "dark");
        batch.put_outbound(&out);
    });
    let view = a.ledger.view().unwrap();
    assert_eq!(view.secret("device").unwrap().unwrap().as_slice(), b"seed");
    assert_eq!(view.draft(&log).unwrap().as_deref(), Some("half a sen"));
    assert_eq!(view.setting("theme").unwrap().as_deref(), Some("dark"));
    assert_eq!(view.outbound().unwrap(), [out]);
    a.write(|batch| {
        batch.delete_secret("device");
        batch.forget_draft(&log);
        batch.delete_outbound(3, &request_id(7));
    });
    let view = a.ledger.view().unwrap();
    assert!(view.secret("device").unwrap().is_none() && view.draft(&log).unwrap().is_none());
    assert!(view.outbound().unwrap().is_empty());
}

/// C1: a request id is remembered until its time is over.
#[test]
fn c1_seen_requests_expire() {
    let a = Peer::new(1, 1);
    a.write(|batch| batch.note_seen(&request_id(1), NOW));
    a.write(|batch| batch.prune_seen(NOW).unwrap());
    assert!(a.ledger.view().unwrap().has_seen(&request_id(1)).unwrap());
    a.write(|batch| batch.prune_seen(NOW + 1).unwrap());
    assert!(!a.ledger.view().unwrap().has_seen(&request_id(1)).unwrap());
}

#[test]
fn addresses_are_bounded_and_the_last_good_one_is_first() {
    let a = Peer::new(1, 1);
    let peer = y7ke_crypto::sign::NetSecret::from_bytes(&[7; 32]).id();
    a.write(|batch| {
        for n in 0..40 {
            batch.put_address(&peer, &format!("/ip4/192.0.2.{n}/tcp/1"), n).unwrap();
        }
        batch.put_address(&peer, "/ip4/192.0.2.30/tcp/1", 99).unwrap();
        batch.put_address(&peer, "/ip4/192.0.2.30/tcp/1", 0).unwrap();
    });
    let rows = a.ledger.view().unwrap().addresses(&peer).unwrap();
    assert_eq!(rows.len(), MAX_ADDRESSES);
    assert_eq!((rows[0].address.as_str(), rows[0].last_ms), ("/ip4/192.0.2.30/tcp/1", 99));
    a.write(|batch| batch.delete_address(&peer, "/ip4/192.0.2.30/tcp/1"));
    assert_eq!(a.ledger.view().unwrap().addresses(&peer).unwrap().len(), MAX_ADDRESSES - 1);
}

/// S3: only the newest acknowledgement of a device counts; nothing new is not said twice.
#[test]
fn s3_the_newest_acknowledgement_counts() {
    let mut a = Peer::new(1, 1);
    let b = Peer::new(2, 2);
    let spec = LogSpec::Identity { root: a.member.root };
    let log = spec.id();
    for peer in [&a, &b] {
        peer.write(|batch| batch.ensure_log(spec).unwrap());
    }
    let say = |peer: &Peer| peer.write(|batch| batch.acknowledge(log, &peer.member.key).unwrap());
    assert!(say(&b).is_none(), "nothing is held");
    let join = a.append(log, &a.member.join()).unwrap();
    b.fetch(&a, log);
    let old = say(&b).unwrap().verify().unwrap();
    assert!(say(&b).is_none());
    a.append(log, &crate::tests::filler(1)).unwrap();
    b.fetch(&a, log);
    let new = say(&b).unwrap().verify().unwrap();
    assert!(a.write(|batch| batch.put_ack(&new).unwrap()));
    assert!(!a.write(|batch| batch.put_ack(&old).unwrap()));
    let view = a.ledger.view().unwrap();
    assert_eq!(view.acks(&log).unwrap(), [new.into_signed()]);
    assert_eq!(view.delivered_to(&join).unwrap(), [b.member.id()]);
}

/// The rows of an open batch and of a snapshot are walked alike: own writes on top, both directions.
#[test]
fn rows_are_a_merge_of_batch_and_file() {
    let ledger = in_memory();
    let mut twin = crate::rows::MemRows::new();
    let mut rng = rng(4);
    for _ in 0..6 {
        let mut batch = ledger.begin(&mut rng).unwrap();
        for _ in 0..40 {
            let table = [Table::Messages, Table::Settings][crate::tests::below(&mut rng, 2)];
            let key = [u8::try_from(crate::tests::below(&mut rng, 30)).unwrap(), 255];
            if crate::tests::below(&mut rng, 3) == 0 {
                RowsMut::delete(&mut batch, table, &key).unwrap();
                twin.delete(table, &key).unwrap();
            } else {
                RowsMut::put(&mut batch, table, &key, b"v").unwrap();
                twin.put(table, &key, b"v").unwrap();
            }
            let span = Span { from: vec![5], to: Some(vec![25]) };
            for (table, order) in [(Table::Messages, Order::Forward), (Table::Settings, Order::Backward)] {
                let found = Rows::scan(&batch, table, &span, order, 9).unwrap();
                assert_eq!(found, twin.scan(table, &span, order, 9).unwrap());
            }
        }
        batch.commit().unwrap();
        let view = ledger.view().unwrap();
        for table in [Table::Messages, Table::Settings] {
            let all = Span::prefix(&[]);
            let found = Rows::scan(&view, table, &all, Order::Forward, 99).unwrap();
            assert_eq!(found, twin.scan(table, &all, Order::Forward, 99).unwrap());
        }
    }
}
