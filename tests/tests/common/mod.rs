//! What the system tests share: people with folders, and how two of them become acquainted.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(unreachable_pub, clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends a test")]

use serde_json::{Value, json};
use tempfile::TempDir;
use y7ke_tests::process::{Launch, Node, free_port};

/// A person under test: a folder that outlives its processes, and a port that stays the same.
pub struct Person {
    folder: TempDir,
    pub port: u16,
}

impl Person {
    pub fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), port: free_port() }
    }

    pub fn launch(&self) -> Launch {
        Launch::new(program(), self.folder.path().join("data")).port(self.port)
    }

    pub fn start(&self) -> Node {
        self.launch().start()
    }

    pub fn root(&self) -> &std::path::Path {
        self.folder.path()
    }
}

pub fn program() -> &'static str {
    env!("CARGO_BIN_EXE_y7-sut")
}

pub fn info(node: &mut Node) -> Value {
    node.get("node.info", json!({}))
}

pub fn y7_id(node: &mut Node) -> String {
    text(&info(node)["y7_id"])
}

pub fn uri(node: &mut Node) -> String {
    text(&info(node)["uri"])
}

/// `a` asks, `b` accepts; both ids once both are acquainted.
pub fn befriend(a: &mut Node, b: &mut Node) -> (String, String) {
    let link = uri(b);
    befriend_by(&link, a, b)
}

/// The same by a link that the test has made.
pub fn befriend_by(link: &str, a: &mut Node, b: &mut Node) -> (String, String) {
    a.get("contact.request", json!({"uri": link, "greeting": "hello"}));
    let request = b.event("a request", |event| event["kind"] == "request.received");
    b.get("request.accept", json!({"request_id": request["request"]["request_id"]}));
    let (a_id, b_id) = (y7_id(a), y7_id(b));
    accepted(a, &b_id);
    accepted(b, &a_id);
    (a_id, b_id)
}

/// Waits until `y7_id` is an accepted contact, and returns it.
pub fn accepted(node: &mut Node, y7_id: &str) -> Value {
    contact(node, "an accepted contact", y7_id, |contact| contact["state"] == "accepted")
}

pub fn contact(node: &mut Node, what: &str, y7_id: &str, fits: impl Fn(&Value) -> bool) -> Value {
    node.until(what, |node| {
        let contacts = node.get("contact.list", json!({}));
        list(&contacts).iter().find(|contact| contact["y7_id"] == y7_id && fits(contact)).cloned()
    })
}

/// All messages of a conversation in display order, over as many pages as it takes.
pub fn messages(node: &mut Node, with: &str) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let mut params = json!({"y7_id": with, "limit": 500});
        if let Some(oldest) = all.first() {
            params["before"] = oldest["message_id"].clone();
        }
        let page = node.get("message.list", params);
        let mut older = list(&page["messages"]).to_vec();
        older.append(&mut all);
        all = older;
        if page["more"] != true {
            return all;
        }
    }
}

pub fn ids(messages: &[Value]) -> Vec<String> {
    messages.iter().map(|message| text(&message["message_id"])).collect()
}

/// The conversation's entry of `log.list`.
pub fn log_of(node: &mut Node, with: &str) -> Value {
    let log = accepted(node, with)["log"].clone();
    let logs = node.get("log.list", json!({}));
    list(&logs).iter().find(|entry| entry["log"] == log).cloned().unwrap()
}

/// Heads and digest of the conversation: equal on both sides once they are in step.
pub fn state_of(node: &mut Node, with: &str) -> (Value, Value) {
    let log = log_of(node, with);
    let digest = node.get("log.digest", json!({"log": log["log"]}));
    (log["heads"].clone(), digest["projection"].clone())
}

/// Waits until both sides have the same heads.
pub fn in_step(a: &mut Node, a_id: &str, b: &mut Node, b_id: &str) {
    a.until("equal heads on both sides", |a| {
        b.drain();
        (log_of(a, b_id)["heads"] == log_of(b, a_id)["heads"]).then_some(())
    });
}

pub fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}
