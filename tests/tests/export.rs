//! The log tools beside a node (shown: 5; F1).
#![allow(clippy::unwrap_used, reason = "a failed expectation ends a test")]

mod common;

use std::path::Path;
use std::process::{Command, Output};

use automerge::AutoCommit;
use common::{Person, befriend, in_step, list, log_of, text};
use serde_json::{Value, json};

/// E1: the exported file is a document of the Automerge crate, with the heads that the node lists.
#[test]
fn the_exported_document_loads_in_automerge_with_equal_heads() {
    let (ada, bob) = (Person::new(), Person::new());
    let (mut a, mut b) = (ada.start(), bob.start());
    let (a_id, b_id) = befriend(&mut a, &mut b);
    for n in 0..40 {
        let (from_a, from_b) =
            (json!({"y7_id": b_id, "text": format!("a {n}")}), json!({"y7_id": a_id, "text": format!("b {n}")}));
        let (one, other) = (a.ask("message.send", from_a), b.ask("message.send", from_b));
        a.answer(one).unwrap();
        b.answer(other).unwrap();
    }
    in_step(&mut a, &a_id, &mut b, &b_id);
    let entry = log_of(&mut a, &b_id);
    let logs = a.get("log.list", json!({}));
    assert!(a.end().success());

    let out = ada.root().join("talk.automerge");
    let done = export(&ada, &text(&entry["log"]), "automerge", &out);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let mut document = AutoCommit::load(&std::fs::read(&out).unwrap()).unwrap();
    let mut heads: Vec<String> = document.get_heads().iter().map(ToString::to_string).collect();
    heads.sort();
    assert_eq!(json!(heads), entry["heads"]);
    assert_eq!(document.get_changes(&[]).len() as u64, entry["events"].as_u64().unwrap());

    let listed = logtool(&ada, &["list", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(sorted(&listed), sorted(&logs));
}

/// F1: list, show, verify and the JSON export, read-only, in words.
#[test]
fn a_log_is_listed_shown_verified_and_exported_as_json() {
    let (ada, bob) = (Person::new(), Person::new());
    let (mut a, mut b) = (ada.start(), bob.start());
    let (_a_id, b_id) = befriend(&mut a, &mut b);
    a.get("message.send", json!({"y7_id": b_id, "text": "one"}));
    let entry = log_of(&mut a, &b_id);
    let verified = a.get("log.verify", json!({}));
    assert_eq!(verified["bad"], json!([]));

    let log = text(&entry["log"]);
    let busy = logtool(&ada, &["list"]);
    assert_eq!(busy.status.code(), Some(3), "a folder in use is not read without --snapshot");
    assert!(logtool(&ada, &["list", "--snapshot"]).status.success());

    assert!(a.end().success());
    let before = y7ke_tests::process::files(&ada.root().join("data"));
    let shown = stdout(&logtool(&ada, &["show", &log]));
    assert!(shown.contains("one") || shown.contains("text"), "{shown}");
    let shown: Value = serde_json::from_str(&stdout(&logtool(&ada, &["show", &log, "--json"]))).unwrap();
    assert_eq!(list(&shown).len() as u64, entry["events"].as_u64().unwrap());
    let words = stdout(&logtool(&ada, &["verify"]));
    assert!(words.contains(&format!("{} events", verified["events"])), "{words}");
    let out = ada.root().join("talk.json");
    assert!(export(&ada, &log, "json", &out).status.success());
    serde_json::from_slice::<Value>(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(y7ke_tests::process::files(&ada.root().join("data")), before, "the tools read only");

    assert_ne!(logtool(&ada, &["show", &"0".repeat(64)]).status.code(), Some(0));
    assert_eq!(logtool(&ada, &["show", "zz"]).status.code(), Some(2));
}

fn export(person: &Person, log: &str, format: &str, out: &Path) -> Output {
    logtool(person, &["export", log, "--format", format, "--out", &out.display().to_string()])
}

fn logtool(person: &Person, words: &[&str]) -> Output {
    let data = person.root().join("data");
    Command::new(common::program()).arg("log").args(words).arg("--data-dir").arg(data).output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn sorted(logs: &Value) -> Vec<String> {
    let mut all: Vec<String> = list(logs).iter().map(ToString::to_string).collect();
    all.sort();
    all
}
