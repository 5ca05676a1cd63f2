//! The vault in the keyring of a desktop (A4): the real Secret Service of GNOME, on a bus of its own where nothing
//! starts by itself.
//!
//! Skipped in words where `dbus-daemon` or `gnome-keyring-daemon` is missing.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failed expectation ends a test")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use common::{Person, info};
use serde_json::json;
use tempfile::TempDir;
use y7ke_tests::process::{Deadline, Launch, Node, write_file};

/// A session bus that knows no services but those that are started here.
const BARE: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:dir=HERE</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>"#;

/// A program that ends with the test.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        self.0.kill().expect("our own child");
        self.0.wait().expect("our own child");
    }
}

/// Somebody's desktop: a bus, and a home for the keyring.
struct Desktop {
    home: TempDir,
    bus: String,
    _daemon: Service,
}

impl Desktop {
    /// `None`, in words, where a program is missing.
    fn new() -> Option<Self> {
        let missing = ["dbus-daemon", "gnome-keyring-daemon"].into_iter().find(|program| !runs(program));
        if let Some(missing) = missing {
            eprintln!("skipped: {missing} is not installed or may not run, so there is no keyring to speak to");
            return None;
        }
        let home = TempDir::new().unwrap();
        for folder in ["share/keyrings", "run", "bus"] {
            std::fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        let config = home.path().join("bus.conf");
        write_file(&config, BARE.replace("HERE", &home.path().join("bus").display().to_string()).as_bytes());
        let mut daemon = Command::new("dbus-daemon")
            .arg("--config-file")
            .arg(&config)
            .args(["--nofork", "--nopidfile", "--print-address=1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut bus = String::new();
        BufReader::new(daemon.stdout.as_mut().unwrap()).read_line(&mut bus).unwrap();
        Some(Self { home, bus: bus.trim().into(), _daemon: Service(daemon) })
    }

    /// The person logs in: the keyring runs and is open.
    fn log_in(&self) -> Service {
        let at = |folder: &str| self.home.path().join(folder);
        let mut keyring = Command::new("gnome-keyring-daemon")
            .args(["--unlock", "--components=secrets", "--foreground"])
            .env("DBUS_SESSION_BUS_ADDRESS", &self.bus)
            .env("HOME", self.home.path())
            .env("XDG_DATA_HOME", at("share"))
            .env("XDG_RUNTIME_DIR", at("run"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        keyring.stdin.take().unwrap().write_all(b"of the login").unwrap();
        Service(keyring)
    }

    fn launch(&self, person: &Person) -> Launch {
        person.launch().variable("DBUS_SESSION_BUS_ADDRESS", &self.bus)
    }
}

/// The keyring wants a right of its own, without which it does not even start.
fn runs(program: &str) -> bool {
    let said = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    said.is_ok_and(|status| status.success())
}

/// Whether the node sees a keyring that it can use.
fn sees_keyring(node: &mut Node) -> bool {
    node.get("vault.get", json!({}))["keyring"] == true
}

/// Starts it and lets it end by itself: its exit code and its last words.
fn ends(launch: &Launch) -> (Option<i32>, String) {
    let output = launch.command().stdin(Stdio::null()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// A keyring takes a moment to be on the bus.
fn until_it_opens(launch: &Launch) {
    let deadline = Deadline::new();
    while ends(launch).0 != Some(0) {
        deadline.check(|| "the keyring to open the vault".into());
    }
}

#[test]
fn a4_a_vault_in_the_keyring_opens_while_the_person_is_logged_in() {
    let Some(desktop) = Desktop::new() else { return };
    let ada = Person::new();
    let launch = desktop.launch(&ada);

    let mut a = launch.start();
    let me = info(&mut a)["y7_id"].clone();
    assert!(!sees_keyring(&mut a), "nobody is logged in");
    let fault = a.call("vault.set", json!({"kind": "keyring"})).unwrap_err();
    assert!(fault.message.contains("keyring"), "{fault}");
    assert_eq!(info(&mut a)["vault"], "file", "what did not work changes nothing");

    let login = desktop.log_in();
    a.until("the keyring", |a| sees_keyring(a).then_some(()));
    a.get("vault.set", json!({"kind": "keyring"}));
    a.get("vault.lock", json!({}));
    assert_eq!(a.get("vault.unlock", json!({}))["locked"], false, "the keyring opens it, no words are needed");
    assert!(a.end().success());
    let mut a = launch.start();
    assert_eq!((&info(&mut a)["y7_id"], &info(&mut a)["vault"]), (&me, &json!("keyring")));
    assert!(a.end().success());

    // Logged out, the folder opens for nobody, and says what to do.
    drop(login);
    let (code, words) = ends(&launch);
    assert_eq!(code, Some(4), "{words}");
    assert!(words.contains("log in"), "{words}");

    // Logged in again, it opens, and can be made a plain file, which needs no keyring any longer.
    let login = desktop.log_in();
    until_it_opens(&launch);
    let mut a = launch.start();
    a.get("vault.set", json!({"kind": "file"}));
    assert!(a.end().success());
    drop(login);
    assert_eq!(info(&mut launch.start())["y7_id"], me);
}
