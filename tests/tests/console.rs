//! `y7 console` as a person uses it, through a pipe.
#![allow(clippy::unwrap_used, reason = "a failed expectation ends a test")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use common::{Person, text, uri, y7_id};
use serde_json::json;
use y7ke_tests::process::Deadline;

/// A console with its output line by line.
struct Console {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Console {
    fn start(person: &Person) -> Self {
        let mut child = Command::new(common::program())
            .args(["console", "--no-mdns", "--listen"])
            .arg(format!("/ip4/127.0.0.1/tcp/{}", person.port))
            .arg("--data-dir")
            .arg(person.root().join("data"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || output.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok()));
        Self { child, lines, seen: Vec::new() }
    }

    fn types(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits for a line that holds `words`, those that came before included.
    fn shows(&mut self, words: &str) -> String {
        let deadline = Deadline::new();
        loop {
            if let Some(line) = self.seen.iter().find(|line| line.contains(words)) {
                return line.clone();
            }
            self.seen.extend(self.lines.recv_timeout(deadline.left()).ok());
            deadline.check(|| format!("{words:?} among {:?}", self.seen));
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // It may have ended by `quit` already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_person_at_a_terminal_adds_chats_and_is_told() {
    let (ada, bob) = (Person::new(), Person::new());
    let mut b = bob.start();
    let link = uri(&mut b);
    let mut a = Console::start(&ada);
    a.shows("Your link: y7:");
    a.types(&format!("add {link} Hello, it is Ada"));
    a.shows("The request is kept");

    let request = b.event("the request", |event| event["kind"] == "request.received");
    assert_eq!(request["request"]["greeting"], "Hello, it is Ada");
    let a_id = text(&request["request"]["y7_id"]);
    b.get("request.accept", json!({"request_id": request["request"]["request_id"]}));
    common::accepted(&mut b, &a_id);

    a.shows("is online");
    a.shows("accepted");
    a.types("chat 1");
    a.shows("Chat with");
    a.types("typed at a terminal");
    b.event("the typed line", |event| event["message"]["text"] == "typed at a terminal");

    let sent = b.get("message.send", json!({"y7_id": a_id, "text": "an\u{1b}[2Janswer"}));
    let line = a.shows("answer");
    assert!(line.starts_with('[') && line.contains("UTC]"), "{line}");
    assert!(!line.contains('\u{1b}'), "a message drove the terminal: {line:?}");
    // The chat is open, so what comes is read.
    let id = &sent["message_id"];
    b.event("read", |event| event["message"]["message_id"] == *id && event["message"]["status"] == "read");

    a.types("/back");
    a.shows("Left the chat");
    a.types("chats");
    a.shows(&format!("…{}", &y7_id(&mut b)[y7_id(&mut b).len() - 4..]));
    a.types("quit");
    assert!(a.child.wait().unwrap().success());
}
