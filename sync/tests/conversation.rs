//! One whole session, frame by frame, as `fixtures/sync/conversation.json` has it: what another
//! implementation must say and understand. `Y7KE_WRITE_VECTORS=1` writes it anew.

#![allow(clippy::unwrap_used, clippy::panic)] // a test stops where it is surprised
#![allow(clippy::needless_range_loop)] // both sides of a session, by number

mod support;

use serde_json::{Value, json};
use support::peer::Duo;
use support::store::{Store, item, log};
use support::world::author;
use y7ke_crypto::ids::{LogId, RequestId};
use y7ke_sync::{Input, Item, Note, Outcome, Output, Stage};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A store of two events by one device.
fn store(side: usize, id: LogId) -> Store {
    let mut store = Store::new(id, 10);
    for _ in 0..2 {
        store.append(author(side), &Default::default(), 4);
    }
    store
}

/// Answers reads out of `stores` and settles whatever is to be admitted.
fn serve(duo: &mut Duo, stores: &[Vec<Store>; 2]) {
    loop {
        duo.run();
        let before = duo.wire.len();
        for side in 0..2 {
            for output in std::mem::take(&mut duo.said[side]) {
                answer(&stores[side], output).into_iter().for_each(|input| duo.give(side, input));
            }
        }
        if duo.wire.len() == before {
            return;
        }
    }
}

fn answer(stores: &[Store], output: Output) -> Option<Input> {
    match output {
        Output::Read { read, log, proofs, wants, after, max_events, max_bytes } => {
            let store = stores.iter().find(|store| store.log == log)?;
            let (mut items, more): (Vec<Item>, bool) = store.read(&wants, after, max_events, max_bytes);
            // In the shared log an event brings a box along; in the identity logs none does.
            items.iter_mut().take(1).filter(|_| log != self::log(1)).for_each(|item| {
                item.parcel.boxes.push((author(5), vec![0xb0; 8]));
            });
            let proofs = proofs.into_iter().map(|device| (device, vec![0xf0; 8])).collect();
            Some(Input::Events { read, proofs, items, more })
        }
        Output::Admit { ticket, log, items } => {
            let store = stores.iter().find(|store| store.log == log)?;
            let mut store = store.clone();
            let outcomes: Vec<Outcome> = items.iter().map(|parcel| store.admit(parcel).0).collect();
            Some(Input::Settled { ticket, outcomes, heads: Some(store.heads()) })
        }
        _ => None,
    }
}

fn converse() -> Duo {
    let mut duo = Duo::proven();
    let stores = [0, 1].map(|side| vec![store(side, log(1)), store(side, log(9))]);
    duo.give(0, Input::Note(Note::RequestReceived(RequestId::from([6; 32]))));
    for side in 0..2 {
        duo.give(side, Input::Grant { log: log(1), stage: Stage::Identity, heads: stores[side][0].heads() });
        duo.give(side, Input::IdentityGranted);
    }
    serve(&mut duo, &stores);
    for side in 0..2 {
        let mut heads = stores[side][1].heads();
        heads.frozen.extend((side == 0).then(|| author(5)));
        duo.give(side, Input::Grant { log: log(9), stage: Stage::Shared, heads });
        duo.give(side, Input::Ack { log: log(9), device: author(side), bytes: vec![side as u8; 3] });
    }
    serve(&mut duo, &stores);
    duo.give(1, Input::Withdraw { log: log(9) });
    duo.run();
    duo
}

fn recorded(duo: &Duo) -> Value {
    let who = ["dialler", "listener"];
    let frame = |(from, lane, bytes): &(usize, y7ke_sync::Lane, Vec<u8>)| json!({ "from": who[*from], "lane": format!("{lane:?}").to_lowercase(), "frame": hex(bytes) });
    let events: Vec<String> = store(0, log(1)).events.values().map(|event| hex(&item(event).parcel.bytes)).collect();
    json!({ "frames": duo.wire.iter().map(frame).collect::<Vec<_>>(), "opaque_events_of_the_dialler": events })
}

#[test]
fn a_whole_session_is_as_stored() {
    let text = serde_json::to_string_pretty(&recorded(&converse())).unwrap() + "\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/sync/conversation.json");
    if std::env::var_os("Y7KE_WRITE_VECTORS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), text);
}

/// The stored session shows every kind of frame that an honest one has, but farewell and late credit.
#[test]
fn the_stored_session_shows_every_kind_of_frame() {
    let duo = converse();
    let kinds: std::collections::BTreeSet<(usize, u8)> =
        duo.wire.iter().map(|(_, lane, bytes)| (*lane as usize, bytes[0])).collect();
    for kind in [
        (0, 1),
        (0, 2),
        (0, 3),
        (0, 19),
        (1, 1),
        (1, 2),
        (1, 3),
        (1, 4),
        (1, 5),
        (1, 6),
        (1, 7),
        (2, 1),
        (2, 2),
        (2, 3),
        (2, 4),
    ] {
        assert!(kinds.contains(&kind), "{kind:?}");
    }
}
