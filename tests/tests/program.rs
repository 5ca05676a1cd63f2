//! The program as a program: start-up failures, exit codes, bad lines, restarts (RPC.md; rows A1, A3).
#![allow(clippy::unwrap_used, reason = "a failed expectation ends a test")]

mod common;

use std::process::{Command, Output, Stdio};

use common::{Person, info, text};
use serde_json::json;
use y7ke_tests::process::{Launch, write_file};

/// A3: a second start on the same folder is refused with one line and exit 3.
#[test]
fn a_second_start_on_a_folder_is_refused() {
    let ada = Person::new();
    let mut a = ada.start();
    info(&mut a);
    let second = run(&Launch::new(common::program(), ada.root().join("data")));
    assert_eq!(second.status.code(), Some(3));
    assert_eq!(one_line(&second).lines().count(), 1);
    assert!(one_line(&second).contains("in use"), "{}", one_line(&second));
    assert!(second.stdout.is_empty());
    info(&mut a);
    assert!(a.end().success());
    assert!(ada.start().end().success());
}

/// A lock is freed by a kill; the identity is the same after it.
#[test]
fn a_killed_node_starts_again_as_the_same() {
    let ada = Person::new();
    let mut a = ada.start();
    let before = info(&mut a);
    a.kill();
    let mut a = ada.start();
    for field in ["y7_id", "device_id", "peer_id", "uri"] {
        assert_eq!(info(&mut a)[field], before[field]);
    }
}

/// Killed at the very first moments, a folder is still good.
#[test]
fn a_start_that_is_killed_at_any_moment_leaves_a_folder_that_starts() {
    for step in 0..12 {
        let ada = Person::new();
        let mut a = ada.start();
        a.pump(std::time::Duration::from_millis(step * 8));
        a.kill();
        let mut a = ada.start();
        let first = info(&mut a);
        a.kill();
        assert_eq!(info(&mut ada.start())["y7_id"], first["y7_id"]);
    }
}

#[test]
fn every_start_up_failure_has_its_code_and_says_what_to_do() {
    let ada = Person::new();
    let data = ada.root().join("data");
    let start = |options: &[&str]| run(&options.iter().fold(Launch::new(common::program(), &data), |l, o| l.with(o)));

    assert_eq!(start(&["--mode", "moon"]).status.code(), Some(2));
    assert_eq!(start(&["--nonsense"]).status.code(), Some(2));
    assert_eq!(start(&["--listen", "localhost:4000"]).status.code(), Some(2));
    assert_eq!(start(&["--bootstrap", "none", "--bootstrap", "/dns/a"]).status.code(), Some(2));

    let plain_file = ada.root().join("file");
    write_file(&plain_file, b"x");
    let below = run(&Launch::new(common::program(), plain_file.join("data")));
    assert_eq!(below.status.code(), Some(5), "{}", one_line(&below));

    let bound = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let taken = format!("/ip4/127.0.0.1/tcp/{}", bound.local_addr().unwrap().port());
    let taken = start(&["--listen", &taken]);
    assert_eq!(taken.status.code(), Some(7), "{}", one_line(&taken));

    write_file(&data.join("vault"), b"not a vault");
    let damaged = start(&[]);
    assert_eq!(damaged.status.code(), Some(6), "{}", one_line(&damaged));
    std::fs::remove_file(data.join("vault")).unwrap();
    assert_eq!(start(&[]).status.code(), Some(6), "a ledger without its vault is never begun anew");
    for failure in [&below, &taken, &damaged] {
        assert_eq!(one_line(failure).lines().count(), 1, "{}", one_line(failure));
    }
}

/// A4: a fresh folder with a passphrase opens with it and with nothing else.
#[test]
fn a_passphrase_is_asked_for_and_checked() {
    let ada = Person::new();
    let (right, wrong) = (ada.root().join("right"), ada.root().join("wrong"));
    write_file(&right, b"correct horse\nsecond line\n");
    write_file(&wrong, b"battery staple\n");
    let with = |file: &std::path::Path| ada.launch().with("--passphrase-file").with(&file.display().to_string());
    let mut a = with(&right).start();
    let first = info(&mut a);
    assert_eq!(first["vault"], "passphrase");
    assert!(a.end().success());

    assert_eq!(run(&ada.launch()).status.code(), Some(4));
    assert_eq!(run(&with(&wrong)).status.code(), Some(4));
    assert_eq!(run(&with(&ada.root().join("absent"))).status.code(), Some(4));
    write_file(&right, b"correct horse");
    assert_eq!(info(&mut with(&right).start())["y7_id"], first["y7_id"]);
}

/// A bad line never ends the process; each has its code; later lines are answered.
#[test]
fn bad_lines_are_answered_and_survived() {
    let ada = Person::new();
    let mut a = ada.start();
    let long = vec![b'x'; (1 << 20) + 1];
    let lines: [(&[u8], i64); 8] = [
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (&long, -32700),
        (b"[]", -32600),
        (b"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"node.info\"}]", -32600),
        (b"\"text\"", -32600),
        (b"{\"jsonrpc\":\"1.0\",\"id\":null,\"method\":\"node.info\"}", -32600),
        (b"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"node.fly\"}", -32601),
    ];
    for (line, code) in lines {
        assert!(a.write(line));
        let fault = a.answer_to_bad_line();
        assert_eq!(fault.code, code, "{fault}");
    }
    let refused = |a: &mut y7ke_tests::process::Node, method: &str, params| a.call(method, params).unwrap_err();
    assert_eq!(refused(&mut a, "node.fly", json!({})).code, -32601);
    assert_eq!(refused(&mut a, "vault.change", json!({})).code, -32601);
    let fault = refused(&mut a, "message.send", json!({"y7_id": 7, "text": "x"}));
    assert_eq!((fault.code, fault.field.as_deref()), (-32602, Some("y7_id")));
    let fault = refused(&mut a, "message.list", json!({"log": "00", "limit": 501}));
    assert_eq!((fault.code, fault.field.as_deref()), (-32602, Some("limit")));
    // A notification is run and not answered: the next answer is the next call's.
    a.write(b"{\"jsonrpc\":\"2.0\",\"method\":\"settings.set\",\"params\":{\"receipts\":false}}");
    assert_eq!(a.get("settings.get", json!({}))["receipts"], false);
    assert!(a.end().success());
}

/// Settings are kept over a restart, and a change is told.
#[test]
fn settings_are_kept() {
    let ada = Person::new();
    let mut a = ada.start();
    a.get("settings.set", json!({"mode": "lan", "name": "Ada", "scale": 120}));
    a.event("the change", |event| event["kind"] == "settings.changed" && event["settings"]["scale"] == 120);
    assert_eq!(a.call("settings.set", json!({"scale": 500})).unwrap_err().field.as_deref(), Some("scale"));
    let place = json!({"at": [-1200, 40], "width": 900, "height": 700, "maximised": false});
    a.get("settings.set", json!({"window": place, "close_to_tray": true, "notification_text": false}));
    let endless = json!({"window": {"at": null, "width": 4_000_000, "height": 700, "maximised": false}});
    assert_eq!(a.call("settings.set", endless).unwrap_err().field.as_deref(), Some("window"));
    assert!(a.end().success());
    let mut a = ada.start();
    let settings = a.get("settings.get", json!({}));
    assert_eq!((&settings["mode"], &settings["name"]), (&json!("lan"), &json!("Ada")));
    assert_eq!((&settings["window"], &settings["close_to_tray"]), (&place, &json!(true)));
    assert_eq!(settings["notification_text"], false);
    assert!(a.end().success());
    assert_eq!(info(&mut ada.launch().with("--mode").with("y7net").start())["mode"], "y7net");
    assert_eq!(info(&mut ada.start())["mode"], "lan", "an option is for one run");
}

/// A link names the device at each of its addresses; loopback only when alone.
#[test]
fn the_link_carries_where_to_find_me() {
    let ada = Person::new();
    let mut a = ada.start();
    let me = info(&mut a);
    let address = format!("/ip4/127.0.0.1/tcp/{}/p2p/{}", ada.port, text(&me["peer_id"]));
    assert_eq!(me["listen"], json!([address]));
    let via = address.replace('/', "%2F");
    assert_eq!(text(&me["uri"]), format!("{}?via={via}", text(&me["y7_id"])));
}

/// Nothing in the folder is readable by others.
#[cfg(unix)]
#[test]
fn the_folder_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let ada = Person::new();
    info(&mut ada.start());
    let data = ada.root().join("data");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    for (path, _) in y7ke_tests::process::files(&data) {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

/// The console works through a pipe, in words.
#[test]
fn the_console_works_without_a_terminal() {
    let ada = Person::new();
    let mut console = Command::new(common::program())
        .args(["console", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0", "--data-dir"])
        .arg(ada.root().join("data"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = "help\nchats\nrequests\nadd nonsense\ndance\nstatus\nquit\n";
    std::io::Write::write_all(console.stdin.as_mut().unwrap(), lines.as_bytes()).unwrap();
    let output = console.wait_with_output().unwrap();
    let words = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{words}");
    for expected in
        ["Your link: y7:", "Nobody yet", "No requests", "not a y7 id", "do not know that word", "Listening on /ip4"]
    {
        assert!(words.contains(expected), "{expected:?} is not in {words}");
    }
}

/// Runs to its end with an empty input.
fn run(launch: &Launch) -> Output {
    launch.command().stdin(Stdio::null()).output().unwrap()
}

fn one_line(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim_end().to_owned()
}
