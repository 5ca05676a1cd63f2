//! The vault of a running program: changed, locked, unlocked, killed in between (A4).
#![allow(clippy::unwrap_used, reason = "a failed expectation ends a test")]

mod common;

use std::process::Stdio;

use common::{Person, befriend, info, text};
use serde_json::{Value, json};
use y7ke_tests::process::{Launch, Node, write_file};

fn with_passphrase(person: &Person, words: &str) -> Launch {
    let file = person.root().join("passphrase");
    write_file(&file, words.as_bytes());
    person.launch().with("--passphrase-file").with(&file.display().to_string())
}

fn starts(launch: &Launch) -> Option<i32> {
    launch.command().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().code()
}

fn vault(node: &mut Node) -> Value {
    node.get("vault.get", json!({}))
}

/// From a plain file to a passphrase, to another one, and back; each only with the one before.
#[test]
fn the_secret_of_a_vault_is_changed_and_asked_for() {
    let ada = Person::new();
    let mut a = ada.start();
    let me = info(&mut a);
    let first = vault(&mut a);
    assert_eq!((&first["kind"], &first["locked"]), (&json!("file"), &json!(false)));

    let refused = |a: &mut Node, params: Value| a.call("vault.set", params).unwrap_err();
    assert_eq!(refused(&mut a, json!({"kind": "passphrase"})).field.as_deref(), Some("passphrase"));
    assert_eq!(refused(&mut a, json!({"kind": "passphrase", "passphrase": ""})).field.as_deref(), Some("passphrase"));
    assert_eq!(refused(&mut a, json!({"kind": "file", "passphrase": "x"})).field.as_deref(), Some("passphrase"));
    a.get("vault.set", json!({"kind": "passphrase", "passphrase": "one"}));
    a.event("the change", |event| event["kind"] == "vault.changed" && event["vault"]["kind"] == "passphrase");
    assert_eq!(info(&mut a)["vault"], "passphrase");
    assert_eq!(refused(&mut a, json!({"kind": "file"})).field.as_deref(), Some("current"));
    assert_eq!(refused(&mut a, json!({"kind": "file", "current": "two"})).field.as_deref(), Some("current"));
    assert!(a.end().success());

    assert_eq!(starts(&ada.launch()), Some(4));
    assert_eq!(starts(&with_passphrase(&ada, "two")), Some(4));
    let mut a = with_passphrase(&ada, "one").start();
    assert_eq!(info(&mut a)["y7_id"], me["y7_id"]);
    a.get("vault.set", json!({"kind": "passphrase", "passphrase": "two", "current": "one"}));
    a.kill();
    assert_eq!(starts(&with_passphrase(&ada, "one")), Some(4));
    let mut a = with_passphrase(&ada, "two").start();
    a.get("vault.set", json!({"kind": "file", "current": "two"}));
    assert!(a.end().success());
    assert_eq!(info(&mut ada.start())["y7_id"], me["y7_id"]);
}

/// Locked, a node tells nobody anything and talks to nobody; unlocked, it goes on as the same.
#[test]
fn a_locked_node_answers_nothing_and_goes_on_when_unlocked() {
    let (ada, bob) = (Person::new(), Person::new());
    let (mut a, mut b) = (ada.start(), bob.start());
    let (ada_id, bob_id) = befriend(&mut a, &mut b);
    assert!(a.call("vault.lock", json!({})).unwrap_err().message.contains("plain file"));
    a.get("vault.set", json!({"kind": "passphrase", "passphrase": "open sesame"}));
    let seen = a.get("vault.lock", json!({}));
    assert_eq!((&seen["kind"], &seen["locked"]), (&json!("passphrase"), &json!(true)));
    a.event("the lock", |event| event["kind"] == "vault.changed" && event["vault"]["locked"] == true);
    assert_eq!(vault(&mut a)["locked"], true);
    b.until("the session to end", |b| {
        let all = b.get("contact.list", json!({}));
        (all[0]["presence"] != "online").then_some(())
    });
    for (method, params) in [
        ("node.info", json!({})),
        ("contact.list", json!({})),
        ("message.search", json!({"query": "x"})),
        ("message.send", json!({"y7_id": bob_id, "text": "x"})),
        ("vault.lock", json!({})),
        ("vault.set", json!({"kind": "file", "current": "open sesame"})),
    ] {
        let fault = a.call(method, params).unwrap_err();
        assert_eq!(fault.code, 6, "{method}: {fault}");
    }
    b.get("message.send", json!({"y7_id": ada_id, "text": "while you were away"}));
    // The folder stays in use.
    assert_eq!(starts(&with_passphrase(&ada, "open sesame")), Some(3));

    assert_eq!(a.call("vault.unlock", json!({})).unwrap_err().field.as_deref(), Some("passphrase"));
    assert_eq!(
        a.call("vault.unlock", json!({"passphrase": "wrong"})).unwrap_err().field.as_deref(),
        Some("passphrase")
    );
    assert_eq!(vault(&mut a)["locked"], true);
    let seen = a.get("vault.unlock", json!({"passphrase": "open sesame"}));
    assert_eq!(seen["locked"], false);
    a.event("the unlock", |event| event["kind"] == "vault.changed" && event["vault"]["locked"] == false);
    a.event("everything anew", |event| event["kind"] == "resync");
    assert_eq!(text(&info(&mut a)["y7_id"]), ada_id);
    let came = a.event("what was written meanwhile", |event| event["kind"] == "message.received");
    assert_eq!(came["message"]["text"], "while you were away");
    a.get("message.send", json!({"y7_id": bob_id, "text": "back again"}));
    b.event("the answer", |event| event["kind"] == "message.received" && event["message"]["text"] == "back again");
    // A second unlocking changes nothing.
    assert_eq!(a.get("vault.unlock", json!({}))["locked"], false);
    assert!(a.end().success());
}

/// At a terminal the console asks for the passphrase, and again if it is wrong.
#[cfg(unix)]
#[test]
fn the_console_asks_for_the_passphrase_at_a_terminal() {
    use std::io::{Read, Write};
    if std::process::Command::new("script").arg("--version").output().is_err() {
        eprintln!("skipped: there is no `script` here to give the console a terminal");
        return;
    }
    let ada = Person::new();
    let mut a = with_passphrase(&ada, "right words").start();
    let me = info(&mut a);
    assert!(a.end().success());
    let line = format!("{} console --no-mdns --listen /ip4/127.0.0.1/tcp/0 --data-dir data", common::program());
    let mut console = std::process::Command::new("script")
        .args(["--quiet", "--return", "--echo", "never", "--command", &line, "/dev/null"])
        .current_dir(ada.root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut keys, mut screen) = (console.stdin.take().unwrap(), console.stdout.take().unwrap());
    let mut seen = Vec::new();
    let mut answer = |prompt: &str, keyed: &str| {
        let mut byte = [0];
        while !seen.ends_with(prompt.as_bytes()) {
            assert!(screen.read(&mut byte).unwrap() > 0, "{}", String::from_utf8_lossy(&seen));
            seen.push(byte[0]);
        }
        keys.write_all(keyed.as_bytes()).unwrap();
    };
    answer("Passphrase: ", "wrong words\n");
    answer("That is not it. Passphrase: ", "right words\n");
    answer(&text(&me["y7_id"]), "quit\n");
    drop(keys);
    screen.read_to_end(&mut seen).unwrap();
    let seen = String::from_utf8_lossy(&seen);
    assert!(console.wait().unwrap().success(), "{seen}");
    assert!(!seen.contains("wrong words") && !seen.contains("right words"), "it was shown: {seen}");
}

/// A pipe is not asked: whatever it says next was meant for something else.
#[test]
fn a_console_at_the_end_of_a_pipe_ends_without_the_passphrase() {
    let ada = Person::new();
    assert!(with_passphrase(&ada, "right words").start().end().success());
    let data = ada.root().join("data");
    let mut console = std::process::Command::new(common::program())
        .args(["console", "--no-mdns", "--data-dir", &data.display().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(console.wait().unwrap().code(), Some(4));
}

/// A node that ends while it is locked ends cleanly, and nothing was lost.
#[test]
fn a_locked_node_ends_cleanly() {
    let ada = Person::new();
    let mut a = ada.start();
    let me = info(&mut a);
    a.get("vault.set", json!({"kind": "passphrase", "passphrase": "one"}));
    a.get("vault.lock", json!({}));
    assert!(a.end().success());
    assert_eq!(info(&mut with_passphrase(&ada, "one").start())["y7_id"], me["y7_id"]);
}

/// Killed at any moment of a change, a folder opens with the old secret or the new one.
#[test]
fn a_change_that_is_killed_leaves_the_old_secret_or_the_new_one() {
    for step in 0..8 {
        let ada = Person::new();
        let mut a = ada.start();
        let me = info(&mut a);
        a.get("vault.set", json!({"kind": "passphrase", "passphrase": "old"}));
        assert!(a.write(br#"{"jsonrpc":"2.0","method":"vault.set","params":{"kind":"passphrase","passphrase":"new","current":"old"}}"#));
        a.pump(std::time::Duration::from_millis(step * 120));
        a.kill();
        let found: Vec<&str> =
            ["old", "new"].into_iter().filter(|words| starts(&with_passphrase(&ada, words)) == Some(0)).collect();
        assert_eq!(found.len(), 1, "after {step}: {found:?}");
        assert_eq!(info(&mut with_passphrase(&ada, found[0]).start())["y7_id"], me["y7_id"]);
    }
}
