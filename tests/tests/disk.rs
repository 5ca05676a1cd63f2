//! A disk that is full: said in words, nothing lost, and on it goes (E7; "disk errors stop acknowledging").
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failed expectation ends a test")]

mod common;

use std::process::Command;

use common::{Person, befriend, ids, in_step, messages, text};
use serde_json::json;
use y7ke_tests::process::Node;

/// How far a file of the full disk may grow, in blocks of 1,024 bytes: above a fresh ledger's size.
const FULL_AT_KIB: u64 = 3000;

/// Enough to fill that: each message takes about a kilobyte.
const MOST: usize = 20_000;

#[test]
fn a_full_disk_is_answered_in_words_and_loses_nothing() {
    let (ada, bob) = (Person::new(), Person::new());
    let (mut a, mut b) = (ada.start(), bob.start());
    let (a_id, b_id) = befriend(&mut a, &mut b);
    assert!(a.end().success());
    let mut a = ada.launch().on_a_disk_of(FULL_AT_KIB).start();

    let mut answered = Vec::new();
    let fault = fill(&mut a, &b_id, &mut answered);
    assert_eq!(fault.code, 9, "{fault}");
    assert!(fault.message.contains("disk"), "{fault}");
    a.event("the failure told", |event| event["kind"] == "storage" && event["error"] != "");

    grow(&a);
    a.event("the recovery told", |event| event["kind"] == "storage" && event["error"] == "");
    a.event("everything to be asked anew", |event| event["kind"] == "resync");
    let after = a.until("a message that is taken again", |a| {
        a.call("message.send", json!({"y7_id": b_id, "text": "after"})).ok()
    });
    answered.push(text(&after["message_id"]));
    in_step(&mut a, &a_id, &mut b, &b_id);
    let all = ids(&messages(&mut a, &b_id));
    assert_eq!(all, ids(&messages(&mut b, &a_id)));
    assert!(answered.iter().all(|id| all.contains(id)), "an answered message is lost");
}

/// Sends until one is refused.
fn fill(a: &mut Node, to: &str, answered: &mut Vec<String>) -> y7ke_tests::process::RpcError {
    for _ in 0..MOST / 100 {
        let words = "full ".repeat(100);
        let calls: Vec<_> = (0..100).map(|_| a.ask("message.send", json!({"y7_id": to, "text": words}))).collect();
        let answers: Vec<_> = calls.into_iter().map(|call| a.answer(call)).collect();
        let taken = answers.iter().filter_map(|answer| answer.as_ref().ok());
        answered.extend(taken.map(|answer| text(&answer["message_id"])));
        if let Some(fault) = answers.into_iter().find_map(Result::err) {
            return fault;
        }
    }
    unreachable!("{MOST} messages fit on the disk of {FULL_AT_KIB} KiB")
}

/// Lifts the limit of the running process.
fn grow(node: &Node) {
    let done = Command::new("prlimit").arg(format!("--pid={}", node.pid())).arg("--fsize=unlimited").status();
    assert!(done.unwrap().success());
}
