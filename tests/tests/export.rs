//! The log tools beside a node (shown: 5; F1).
#![allow(clippy::unwrap_used, reason = "a failed expectation ends a test")]

mod common;

use std::path::Path;
use std::process::{Command, Output};

use automerge::AutoCommit;
use common::{Person, befriend, in_step, list, log_of, text};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde_json::{Value, json};
use y7ke_crypto::ids::LogId;
use y7ke_ledger::rows::{Order, Rows, RowsMut, Span, Table};
use y7ke_node::home::{Given, Home};

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

/// F1: the replay of a stopped node ends where the running node stood, and finds where it stood before.
#[test]
fn a_log_is_replayed_to_any_point() {
    let (ada, bob) = (Person::new(), Person::new());
    let (mut a, mut b) = (ada.start(), bob.start());
    let (a_id, b_id) = befriend(&mut a, &mut b);
    let mut moments = Vec::new();
    for text in ["one", "two", "three"] {
        a.get("message.send", json!({"y7_id": b_id, "text": text}));
        in_step(&mut a, &a_id, &mut b, &b_id);
        let entry = log_of(&mut a, &b_id);
        let digest = a.get("log.digest", json!({"log": entry["log"]}))["projection"].clone();
        moments.push((entry, digest));
    }
    assert!(a.end().success() && b.end().success());

    for (entry, digest) in &moments {
        let heads: Vec<String> = list(&entry["heads"]).iter().map(text).collect();
        for at in [heads.join(","), entry["events"].to_string()] {
            for person in [&ada, &bob] {
                let state = logtool(person, &["replay", &text(&entry["log"]), "--json", "--at", &at]);
                let state: Value = serde_json::from_str(&stdout(&state)).unwrap();
                assert_eq!((&state["projection"], &state["heads"]), (digest, &entry["heads"]), "{at}");
            }
        }
    }
    let log = text(&moments[0].0["log"]);
    let words = stdout(&logtool(&ada, &["replay", &log, "--step"]));
    assert!(words.contains("⇒ a message") && words.contains("“three”"), "{words}");
    let long_ago = stdout(&logtool(&ada, &["replay", &log, "--at", "2001-09-09T01:46:40Z"]));
    assert!(long_ago.contains("  0 of "), "{long_ago}");
    let refused = logtool(&ada, &["replay", &log, "--at", "yesterday"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("give heads"));
    assert_eq!(logtool(&ada, &["replay", &log, "--at", &"0".repeat(64)]).status.code(), Some(1));
}

/// F2: a capsule has no word in it, and replays where there is no folder.
#[test]
fn a_capsule_replays_elsewhere() {
    let (ada, bob) = (Person::new(), Person::new());
    let (mut a, mut b) = (ada.start(), bob.start());
    let (a_id, b_id) = befriend(&mut a, &mut b);
    a.get("message.send", json!({"y7_id": b_id, "text": "nobody else is to read this"}));
    in_step(&mut a, &a_id, &mut b, &b_id);
    let entry = log_of(&mut a, &b_id);
    let digest = a.get("log.digest", json!({"log": entry["log"]}))["projection"].clone();
    assert!(a.end().success());
    let file = ada.root().join("talk.capsule");
    let out = file.display().to_string();
    stdout(&logtool(&ada, &["capsule", &text(&entry["log"]), "--out", &out]));
    let capsule = std::fs::read_to_string(&file).unwrap();
    assert!(!capsule.contains("nobody else") && !capsule.contains(&hex_of("nobody else")));

    let replay = |words: &[&str]| {
        Command::new(common::program()).args(["log", "replay-capsule", &out]).args(words).output().unwrap()
    };
    let state: Value = serde_json::from_str(&stdout(&replay(&["--json"]))).unwrap();
    assert_eq!((&state["projection"], &state["heads"]), (&digest, &entry["heads"]));
    assert!(stdout(&replay(&["--step", "--at", "3"])).contains("3 of "));
    std::fs::write(&file, capsule.replacen(digest.as_str().unwrap(), &"0".repeat(64), 1)).unwrap();
    let unfaithful = replay(&[]);
    assert_eq!(unfaithful.status.code(), Some(6));
    assert!(String::from_utf8_lossy(&unfaithful.stderr).contains("another projection"));
    std::fs::write(&file, &capsule[..capsule.len() / 2]).unwrap();
    assert_eq!(replay(&[]).status.code(), Some(6), "half a file");
    std::fs::remove_file(&file).unwrap();
    assert_eq!(replay(&[]).status.code(), Some(5));
}

/// F1: what only one of two folders has is told, and the exit code says whether there is anything.
#[test]
fn two_folders_are_held_against_each_other() {
    let (ada, bob) = (Person::new(), Person::new());
    let (mut a, mut b) = (ada.start(), bob.start());
    let (a_id, b_id) = befriend(&mut a, &mut b);
    a.get("message.send", json!({"y7_id": b_id, "text": "both have this"}));
    in_step(&mut a, &a_id, &mut b, &b_id);
    assert!(b.end().success());
    a.get("message.send", json!({"y7_id": b_id, "text": "this waits"}));
    let log = text(&log_of(&mut a, &b_id)["log"]);
    let folders = [&ada, &bob].map(|person| person.root().join("data").display().to_string());
    let diff = |words: &[&str]| {
        let done = Command::new(common::program()).args(["log", "diff"]).args(words).output().unwrap();
        (done.status.code(), String::from_utf8(done.stdout).unwrap())
    };
    assert_eq!(diff(&[&folders[0], &folders[1]]).0, Some(3), "one is in use");
    let (code, words) = diff(&[&folders[0], &folders[1], "--snapshot"]);
    assert_eq!(code, Some(1));
    assert!(words.contains(&log) && words.contains("only in the first: device "), "{words}");
    assert!(a.end().success());
    let (_, json) = diff(&[&folders[0], &folders[1], "--json"]);
    let logs: Value = serde_json::from_str(&json).unwrap();
    let talk = list(&logs).iter().find(|diff| diff["log"] == *log).unwrap();
    assert_eq!((list(&talk["only"][0]).len(), list(&talk["only"][1]).len()), (1, 0));
    let (code, words) = diff(&[&folders[0], &folders[0]]);
    assert_eq!(code, Some(0));
    assert!(words.contains("all equal"), "{words}");
}

/// F1: rows that somebody took away behind the program's back come back from the log.
#[test]
fn a_rebuild_mends_what_the_logs_can_mend() {
    let (ada, bob) = (Person::new(), Person::new());
    let (mut a, mut b) = (ada.start(), bob.start());
    let (_, b_id) = befriend(&mut a, &mut b);
    a.get("message.send", json!({"y7_id": b_id, "text": "still here"}));
    let log = log_of(&mut a, &b_id)["log"].clone();
    a.get("contact.rename", json!({"y7_id": b_id, "name": "Bobby"}));
    let digest = a.get("log.digest", json!({}));
    let account =
        list(&a.get("log.list", json!({}))).iter().find(|log| log["kind"] == "account").unwrap()["log"].clone();
    assert_eq!(logtool(&ada, &["rebuild"]).status.code(), Some(3), "a folder in use is not written");
    assert!(a.end().success());
    assert_eq!(logtool(&ada, &["rebuild", "--snapshot"]).status.code(), Some(2), "it writes, so no snapshot will do");
    let words = stdout(&logtool(&ada, &["rebuild"]));
    assert!(words.contains("as it was") && !words.contains("MENDED"), "{words}");

    for (table, log) in [(Table::Messages, &log), (Table::ContactNames, &account)] {
        lose(&ada.root().join("data"), table, &text(log));
        let words = stdout(&logtool(&ada, &["rebuild"]));
        assert_eq!(words.matches("MENDED").count(), 1, "{table:?}: {words}");
    }
    let mut a = ada.start();
    assert_eq!(a.get("log.digest", json!({})), digest);
    assert_eq!(common::messages(&mut a, &b_id).len(), 1);
    assert_eq!(list(&a.get("contact.list", json!({})))[0]["name"], "Bobby");
}

fn hex_of(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// Takes a log's rows away, as a bug or a bad disk would.
fn lose(folder: &Path, table: Table, log: &str) {
    let ledger = Home::open_existing(folder, Given::Nothing, false).unwrap().open_ledger().unwrap();
    let mut batch = ledger.begin(&mut ChaCha20Rng::seed_from_u64(1)).unwrap();
    let log: LogId = log.parse().unwrap();
    for (key, _) in batch.scan(table, &Span::prefix(log.as_bytes()), Order::Forward, usize::MAX).unwrap() {
        RowsMut::delete(&mut batch, table, &key).unwrap();
    }
    batch.commit().unwrap();
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
