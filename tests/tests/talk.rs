//! Talking, over real processes (shown: 2 and 4; rows C2, C3, C4).
#![allow(clippy::unwrap_used, reason = "a failed expectation ends a test")]

mod common;

use common::{Person, befriend, contact, ids, in_step, list, messages, state_of, text};
use serde_json::json;
use y7ke_tests::process::Node;
use y7ke_tests::proxy::Proxy;

/// C4, S7: interleaved in both directions, the order is one, and stays so after a restart.
#[test]
fn a_thousand_messages_each_way_have_one_order_on_both_sides() {
    const EACH: usize = 1000;
    let (ada, bob) = (Person::new(), Person::new());
    let (mut a, mut b) = (ada.start(), bob.start());
    let (a_id, b_id) = befriend(&mut a, &mut b);
    let mut calls = Vec::new();
    for n in 0..EACH {
        let from_a = a.ask("message.send", json!({"y7_id": b_id, "text": format!("a {n}")}));
        let from_b = b.ask("message.send", json!({"y7_id": a_id, "text": format!("b {n}")}));
        calls.push((from_a, from_b));
    }
    for (from_a, from_b) in calls {
        a.answer(from_a).unwrap();
        b.answer(from_b).unwrap();
    }
    in_step(&mut a, &a_id, &mut b, &b_id);
    all_delivered(&mut a, &b_id, EACH);
    all_delivered(&mut b, &a_id, EACH);
    let before = both(&mut a, &a_id, &mut b, &b_id, 2 * EACH);

    assert!(a.end().success() && b.end().success());
    let (mut a, mut b) = (ada.start(), bob.start());
    assert_eq!(both(&mut a, &a_id, &mut b, &b_id, 2 * EACH), before);
    all_delivered(&mut a, &b_id, EACH);
    all_delivered(&mut b, &a_id, EACH);
}

/// C3, S2: what was written while the other was away is all there when they return, once each and in order.
#[test]
fn five_thousand_messages_wait_for_somebody_who_is_away() {
    const WAITING: usize = 5000;
    let (ada, bob) = (Person::new(), Person::new());
    let (mut a, mut b) = (ada.start(), bob.start());
    let (a_id, b_id) = befriend(&mut a, &mut b);
    assert!(b.end().success());
    let calls: Vec<_> =
        (0..WAITING).map(|n| a.ask("message.send", json!({"y7_id": b_id, "text": n.to_string()}))).collect();
    let sent: Vec<String> = calls.into_iter().map(|call| text(&a.answer(call).unwrap()["message_id"])).collect();
    assert_eq!(messages(&mut a, &b_id).last().unwrap()["status"], "queued");

    let mut b = bob.start();
    in_step(&mut a, &a_id, &mut b, &b_id);
    assert_eq!(ids(&messages(&mut b, &a_id)), sent);
    all_delivered(&mut a, &b_id, WAITING);
}

/// S2: what two nodes exchange to find that they are in step does not grow with the length of the log.
#[test]
fn reconnecting_costs_the_same_after_twenty_and_after_a_thousand_messages() {
    let (ada, bob) = (Person::new(), Person::new());
    let proxy = Proxy::start(bob.port).unwrap();
    let (mut a, mut b) = (ada.start(), bob.start());
    let link = common::uri(&mut b).replace(&format!("tcp%2F{}", bob.port), &format!("tcp%2F{}", proxy.port));
    let (a_id, b_id) = common::befriend_by(&link, &mut a, &mut b);
    let mut costs = Vec::new();
    for count in [20, 1000] {
        let calls: Vec<_> =
            (0..count).map(|n| a.ask("message.send", json!({"y7_id": b_id, "text": n.to_string()}))).collect();
        calls.into_iter().for_each(|call| drop(a.answer(call).unwrap()));
        in_step(&mut a, &a_id, &mut b, &b_id);
        assert!(a.end().success());
        let before = proxy.seen().len();
        a = ada.start();
        contact(&mut a, "b online", &b_id, |contact| contact["presence"] == "online");
        let sent = a.get("message.send", json!({"y7_id": b_id, "text": "after"}))["message_id"].clone();
        a.event("delivery", |event| {
            event["message"]["message_id"] == sent && event["message"]["status"] == "delivered"
        });
        costs.push(proxy.seen().len() - before);
    }
    assert!(costs[1] < costs[0] + 4096, "{costs:?} bytes");
}

/// C2: queued while away, then delivered with the device named, then read.
#[test]
fn a_message_is_queued_then_delivered_then_read() {
    let (ada, bob) = (Person::new(), Person::new());
    let (mut a, mut b) = (ada.start(), bob.start());
    let (a_id, b_id) = befriend(&mut a, &mut b);
    let device = common::info(&mut b)["device_id"].clone();
    assert!(b.end().success());
    let sent = a.get("message.send", json!({"y7_id": b_id, "text": "when you are back"}));
    let id = sent["message_id"].clone();
    assert_eq!(messages(&mut a, &b_id)[0]["status"], "queued");

    let mut b = bob.start();
    let received = b.event("the message", |event| event["kind"] == "message.received");
    assert_eq!(received["message"]["text"], "when you are back");
    assert_eq!(received["message"]["mine"], false);
    let delivered = a.event("delivered", |event| event["message"]["status"] == "delivered");
    assert_eq!((&delivered["message"]["message_id"], &delivered["message"]["delivered_to"]), (&id, &json!([device])));
    b.get("message.read", json!({"y7_id": a_id, "up_to": id}));
    a.event("read", |event| event["message"]["message_id"] == id && event["message"]["status"] == "read");
}

/// C1: replies name what they answer; what is too long or to nobody is refused with its code.
#[test]
fn replies_and_refusals() {
    let (ada, bob) = (Person::new(), Person::new());
    let (mut a, mut b) = (ada.start(), bob.start());
    let (a_id, b_id) = befriend(&mut a, &mut b);
    let first = a.get("message.send", json!({"y7_id": b_id, "text": "question?"}))["message_id"].clone();
    b.event("the question", |event| event["message"]["message_id"] == first);
    let reply = b.get("message.send", json!({"y7_id": a_id, "text": "answer", "reply_to": first}));
    let seen = a.event("the answer", |event| event["message"]["message_id"] == reply["message_id"]);
    assert_eq!(seen["message"]["reply_to"], first);

    let longest = "ü".repeat(32_768);
    let sent = a.get("message.send", json!({"y7_id": b_id, "text": longest}));
    let seen = b.event("the longest text", |event| event["message"]["message_id"] == sent["message_id"]);
    assert_eq!(seen["message"]["text"], longest);
    let code = |a: &mut Node, params| a.call("message.send", params).unwrap_err().code;
    assert_eq!(code(&mut a, json!({"y7_id": b_id, "text": format!("{longest}.")})), 4);
    assert_eq!(code(&mut a, json!({"log": "00".repeat(32), "text": "x"})), 1);
    assert_eq!(code(&mut a, json!({"log": "zz", "text": "x"})), 2);
    assert_eq!(code(&mut a, json!({"y7_id": a_id, "text": "x"})), 3);
}

/// Both sides are online for each other, with the path named.
#[test]
fn presence_and_path_are_told() {
    let (ada, bob) = (Person::new(), Person::new());
    let (mut a, mut b) = (ada.start(), bob.start());
    let (_a_id, b_id) = befriend(&mut a, &mut b);
    let online = contact(&mut a, "b online", &b_id, |contact| contact["presence"] == "online");
    assert_eq!(online["path"]["transport"], "tcp");
    assert_eq!(online["path"]["kind"], "direct");
    assert!(b.end().success());
    contact(&mut a, "b offline", &b_id, |contact| contact["presence"] != "online");
    a.event("a notice of it", |event| event["kind"] == "presence" && event["presence"] == "offline");
}

/// C1, C6: what was typed and what was read is there after a kill, after an end, and after a lock.
#[test]
fn what_was_typed_and_read_survives_whatever_happens() {
    let (ada, bob) = (Person::new(), Person::new());
    let (mut a, mut b) = (ada.start(), bob.start());
    let (a_id, b_id) = befriend(&mut a, &mut b);
    a.get("settings.set", json!({"receipts": false}));
    b.get("message.send", json!({"y7_id": a_id, "text": "read me"}));
    a.event("the message", |event| event["kind"] == "message.received");
    let all = messages(&mut a, &b_id);
    a.get("message.read", json!({"y7_id": b_id, "up_to": all[0]["message_id"]}));
    a.get("draft.set", json!({"y7_id": b_id, "text": "half a sen"}));
    let check = |a: &mut Node| {
        assert_eq!(a.get("draft.get", json!({"y7_id": b_id}))["text"], "half a sen");
        assert_eq!(a.get("contact.list", json!({}))[0]["unread"], 0);
    };
    check(&mut a);
    a.kill();
    let mut a = ada.start();
    check(&mut a);
    a.get("vault.set", json!({"kind": "passphrase", "passphrase": "one"}));
    a.get("draft.set", json!({"y7_id": b_id, "text": "half a sen"}));
    a.get("vault.lock", json!({}));
    a.get("vault.unlock", json!({"passphrase": "one"}));
    check(&mut a);
    a.get("vault.set", json!({"kind": "file", "current": "one"}));
    assert!(a.end().success());
    let mut a = ada.start();
    check(&mut a);
    // The conversation is the same on both sides: neither is anybody else's matter.
    in_step(&mut a, &a_id, &mut b, &b_id);
    a.get("message.send", json!({"y7_id": b_id, "text": "half a sentence"}));
    assert_eq!(a.get("draft.get", json!({"y7_id": b_id}))["text"], "");
    assert!(a.end().success());
    assert_eq!(ada.start().get("draft.get", json!({"y7_id": b_id}))["text"], "");
}

fn all_delivered(node: &mut Node, with: &str, mine: usize) {
    node.until("everything of mine delivered", |node| {
        let all = messages(node, with);
        let delivered = |message: &&serde_json::Value| message["mine"] == true && message["status"] == "delivered";
        (all.iter().filter(delivered).count() == mine).then_some(())
    });
}

/// Ids in order, heads and digest, after checking that both sides have the same.
fn both(a: &mut Node, a_id: &str, b: &mut Node, b_id: &str, count: usize) -> (Vec<String>, String) {
    let (of_a, of_b) = (messages(a, b_id), messages(b, a_id));
    assert_eq!(of_a.len(), count);
    assert_eq!(ids(&of_a), ids(&of_b));
    let texts = |all: &[serde_json::Value]| all.iter().map(|message| text(&message["text"])).collect::<Vec<_>>();
    assert_eq!(texts(&of_a), texts(&of_b));
    let (state_a, state_b) = (state_of(a, b_id), state_of(b, a_id));
    assert_eq!(state_a, state_b);
    assert!(!list(&state_a.0).is_empty());
    (ids(&of_a), format!("{state_a:?}"))
}

/// C6: own and foreign words, in any case and order, newest first; a page says whether there is more.
#[test]
fn messages_are_found_by_their_words() {
    let (ada, bob) = (Person::new(), Person::new());
    let (mut a, mut b) = (ada.start(), bob.start());
    let (a_id, b_id) = befriend(&mut a, &mut b);
    for n in 0..120 {
        a.get("message.send", json!({"y7_id": b_id, "text": format!("line {n}")}));
    }
    a.get("message.send", json!({"y7_id": b_id, "text": "Die ÄPFEL sind reif"}));
    b.get("message.send", json!({"y7_id": a_id, "text": "reife Äpfel?"}));
    in_step(&mut a, &a_id, &mut b, &b_id);
    let found = |node: &mut Node, params| {
        let page = node.get("message.search", params);
        (list(&page["messages"]).iter().map(|m| text(&m["text"])).collect::<Vec<_>>(), page["more"] == true)
    };
    let (mut texts, more) = found(&mut b, json!({"query": "reif äpfel"}));
    texts.sort();
    assert_eq!((texts, more), (vec!["Die ÄPFEL sind reif".to_owned(), "reife Äpfel?".to_owned()], false));
    let (texts, more) = found(&mut a, json!({"query": "LINE", "y7_id": b_id, "limit": 3}));
    assert_eq!((texts, more), (vec!["line 119".to_owned(), "line 118".to_owned(), "line 117".to_owned()], true));
    assert_eq!(found(&mut a, json!({"query": "line 7 nowhere"})).0, Vec::<String>::new());
    assert_eq!(a.call("message.search", json!({"query": " "})).unwrap_err().code, -32602);
    let stranger = a.call("message.search", json!({"query": "line", "y7_id": a_id})).unwrap_err();
    assert_eq!(stranger.code, 1, "{stranger}");
    b.get("contact.block", json!({"y7_id": a_id}));
    assert!(found(&mut b, json!({"query": "line"})).0.is_empty(), "the blocked are left out");
    assert_eq!(found(&mut b, json!({"query": "line", "y7_id": a_id, "limit": 500})).0.len(), 120);
}
