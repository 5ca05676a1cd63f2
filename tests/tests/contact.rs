//! Becoming acquainted, over real processes (shown: 1; rows B1, B2, B4, B5, B6).
#![allow(clippy::unwrap_used, reason = "a failed expectation ends a test")]

mod common;

use std::time::Duration;

use common::{Person, accepted, befriend, contact, info, list, text, uri, y7_id};
use serde_json::json;
use y7ke_tests::process::{Node, stopwatch};

/// C1, B2: the request is kept while nobody is there, and is there within 5 s of the other's start.
#[test]
fn a_request_to_somebody_who_is_not_running_arrives_within_five_seconds_of_their_start() {
    let (ada, bob) = (Person::new(), Person::new());
    let mut b = bob.start();
    let link = uri(&mut b);
    assert!(b.end().success());

    let mut a = ada.start();
    let request = a.get("contact.request", json!({"uri": link, "greeting": "It is me, Ada"}));
    assert_eq!(a.get("request.list", json!({}))[0]["state"], "pending");

    let since = stopwatch();
    let mut b = bob.start();
    let received = b.event("the request", |event| event["kind"] == "request.received");
    assert!(since() <= Duration::from_secs(5), "it took {:?}", since());
    assert_eq!(received["request"]["greeting"], "It is me, Ada");
    assert_eq!(received["request"]["request_id"], request["request_id"]);
    assert_eq!(received["request"]["direction"], "in");

    b.get("request.accept", json!({"request_id": request["request_id"]}));
    let (a_id, b_id) = (y7_id(&mut a), y7_id(&mut b));
    let (of_a, of_b) = (accepted(&mut a, &b_id), accepted(&mut b, &a_id));
    assert_eq!(of_a["log"], of_b["log"]);
    assert_eq!(a.get("request.list", json!({}))[0]["state"], "accepted");
    assert_eq!(b.get("request.list", json!({}))[0]["state"], "accepted");
}

/// C3, B4: both ask each other; there is one conversation, and it works in both directions.
#[test]
fn two_crossed_requests_end_in_one_conversation() {
    let (ada, bob) = (Person::new(), Person::new());
    let (mut a, mut b) = (ada.start(), bob.start());
    let (a_link, b_link) = (uri(&mut a), uri(&mut b));
    let first = a.ask("contact.request", json!({"uri": b_link}));
    let second = b.ask("contact.request", json!({"uri": a_link}));
    let answers = (a.answer(first), b.answer(second));
    // Whoever was faster may have reached the other before it asked; then asking is answered with "exists".
    assert!(answers.0.is_ok() || answers.1.is_ok(), "{answers:?}");
    let (a_id, b_id) = (y7_id(&mut a), y7_id(&mut b));
    for (node, answer) in [(&mut a, &answers.0), (&mut b, &answers.1)] {
        if answer.is_err() {
            let request = node.event("the crossing request", |event| event["kind"] == "request.received");
            node.get("request.accept", json!({"request_id": request["request"]["request_id"]}));
        }
    }
    let (of_a, of_b) = (accepted(&mut a, &b_id), accepted(&mut b, &a_id));
    assert_eq!(of_a["log"], of_b["log"]);

    let sent = a.get("message.send", json!({"y7_id": b_id, "text": "from a"}));
    b.event("a's message", |event| event["message"]["message_id"] == sent["message_id"]);
    let sent = b.get("message.send", json!({"y7_id": a_id, "text": "from b"}));
    a.event("b's message", |event| event["message"]["message_id"] == sent["message_id"]);
    let conversations =
        |logs: serde_json::Value| list(&logs).iter().filter(|log| log["kind"] == "conversation").count();
    assert_eq!(conversations(a.get("log.list", json!({}))), conversations(b.get("log.list", json!({}))));
}

/// B1: myself, nonsense and a changed letter are refused, each with its code.
#[test]
fn self_and_malformed_links_are_refused_in_words() {
    let ada = Person::new();
    let mut a = ada.start();
    let own = uri(&mut a);
    let refused =
        |a: &mut y7ke_tests::process::Node, link: &str| a.call("contact.request", json!({"uri": link})).unwrap_err();
    assert_eq!(refused(&mut a, &own).code, 3);
    for link in ["", "y7:", "hello", "y7:0OIl", &format!("{}1", y7_id_of(&own)), "y7:11111111111111111111111111111111"]
    {
        let fault = refused(&mut a, link);
        assert_eq!(fault.code, 2, "{link}: {fault}");
        assert!(!fault.message.is_empty());
    }
    assert_eq!(a.get("contact.list", json!({})), json!([]));
}

/// C1: what arrives again (after every restart of either side) is one request; after an answer it is none.
#[test]
fn a_request_that_arrives_again_is_the_same_request() {
    let (ada, bob) = (Person::new(), Person::new());
    let (mut a, mut b) = (ada.start(), bob.start());
    let link = uri(&mut b);
    let request = a.get("contact.request", json!({"uri": link, "greeting": "once"}));
    b.event("the request", |event| event["kind"] == "request.received");
    let b_id = y7_id(&mut b);
    let a_id = y7_id(&mut a);

    assert!(a.end().success());
    let mut a = ada.start();
    contact(&mut a, "b online", &b_id, |contact| contact["presence"] == "online");
    assert_eq!(list(&b.get("request.list", json!({}))).len(), 1);

    b.get("request.reject", json!({"request_id": request["request_id"]}));
    assert!(a.end().success());
    let mut a = ada.start();
    contact(&mut a, "b online", &b_id, |contact| contact["presence"] == "online");
    // C4: silent for the one who asked, undoable for the one who rejected.
    assert_eq!(a.get("request.list", json!({}))[0]["state"], "pending");
    assert_eq!(b.get("request.list", json!({}))[0]["state"], "rejected");
    b.get("request.accept", json!({"request_id": request["request_id"]}));
    accepted(&mut a, &b_id);
    accepted(&mut b, &a_id);
}

/// B5: my own outgoing request cannot be accepted by myself.
#[test]
fn nobody_accepts_his_own_request() {
    let (ada, bob) = (Person::new(), Person::new());
    let mut b = bob.start();
    let link = uri(&mut b);
    assert!(b.end().success());
    let mut a = ada.start();
    let request = a.get("contact.request", json!({"uri": link}));
    assert!(a.call("request.accept", json!({"request_id": request["request_id"]})).is_err());
    assert_eq!(a.get("contact.list", json!({}))[0]["state"], "pending_out");
}

/// B6: a block is listed, enforced and undoable.
#[test]
fn a_block_is_enforced_and_can_be_undone() {
    let (ada, bob) = (Person::new(), Person::new());
    let (mut a, mut b) = (ada.start(), bob.start());
    let (a_id, b_id) = befriend(&mut a, &mut b);
    b.get("contact.block", json!({"y7_id": a_id}));
    assert_eq!(b.get("contact.list", json!({}))[0]["state"], "blocked");
    assert_eq!(b.call("message.send", json!({"y7_id": a_id, "text": "x"})).unwrap_err().code, 5);
    contact(&mut a, "b out of sight", &b_id, |contact| contact["presence"] != "online");
    let sent = a.get("message.send", json!({"y7_id": b_id, "text": "do you read me"}));
    b.get("contact.unblock", json!({"y7_id": a_id}));
    b.event("the message after the block", |event| event["message"]["message_id"] == sent["message_id"]);
}

/// B7, B8: nicknames are mine; the safety number is the same on both sides, 60 digits.
#[test]
fn names_and_safety_numbers() {
    let (ada, bob) = (Person::new(), Person::new());
    let (mut a, mut b) = (ada.start(), bob.start());
    let (a_id, b_id) = befriend(&mut a, &mut b);
    a.get("contact.rename", json!({"y7_id": b_id, "name": "Bobby"}));
    assert_eq!(a.get("contact.list", json!({}))[0]["name"], "Bobby");
    let of_a = text(&a.get("contact.safety_number", json!({"y7_id": b_id}))["digits"]);
    let of_b = text(&b.get("contact.safety_number", json!({"y7_id": a_id}))["digits"]);
    assert_eq!(of_a, of_b);
    assert!(of_a.len() == 60 && of_a.bytes().all(|digit| digit.is_ascii_digit()), "{of_a}");
    assert_eq!(info(&mut a)["vault"], "file");
    let code = text(&a.get("contact.safety_number", json!({"y7_id": b_id}))["code"]);
    let theirs = text(&b.get("contact.safety_number", json!({"y7_id": a_id}))["code"]);
    assert_ne!(code, theirs, "nobody takes their own code for the other's");
    assert_eq!(code, format!("{}{}", &theirs[30..], &theirs[..30]));
    a.get("contact.verify", json!({"y7_id": b_id, "digits": theirs}));
    assert_eq!(a.get("contact.list", json!({}))[0]["verified"], true);
}

/// B8: the mark is mine alone, survives a restart, and is not given for digits that differ.
#[test]
fn comparing_safety_numbers_marks_a_contact_as_verified() {
    let (ada, bob) = (Person::new(), Person::new());
    let (mut a, mut b) = (ada.start(), bob.start());
    let (a_id, b_id) = befriend(&mut a, &mut b);
    let verified = |node: &mut Node| node.get("contact.list", json!({}))[0]["verified"] == true;
    let digits = text(&b.get("contact.safety_number", json!({"y7_id": a_id}))["digits"]);
    let wrong = "0".repeat(60);
    let fault = a.call("contact.verify", json!({"y7_id": b_id, "digits": wrong})).unwrap_err();
    assert_eq!(fault.code, -32602, "{fault}");
    assert!(!verified(&mut a));
    let grouped = format!("{} {}", &digits[..30], &digits[30..]);
    a.get("contact.verify", json!({"y7_id": b_id, "digits": grouped}));
    assert!(verified(&mut a) && !verified(&mut b));
    assert!(a.end().success());
    let mut a = ada.start();
    assert!(verified(&mut a));
    a.get("contact.verify", json!({"y7_id": b_id, "verified": false}));
    assert!(!verified(&mut a));
}

fn y7_id_of(link: &str) -> &str {
    link.split('?').next().unwrap_or(link)
}

/// E1: a link may carry a name instead of a number; this computer's own name resolution is asked.
#[test]
fn a_link_with_a_name_for_its_address_leads_there() {
    let (ada, bob) = (Person::new(), Person::new());
    let (mut a, mut b) = (ada.start(), bob.start());
    let link = common::uri(&mut b).replace("%2Fip4%2F127.0.0.1%2F", "%2Fdns4%2Flocalhost%2F");
    assert!(link.contains("localhost"), "{link}");
    let (_, b_id) = common::befriend_by(&link, &mut a, &mut b);
    a.get("message.send", json!({"y7_id": b_id, "text": "by name"}));
    b.event("the message", |event| event["message"]["text"] == "by name");
}
