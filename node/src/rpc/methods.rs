//! Method names and parameters of `y7 rpc`, mapped to the node's commands.

use serde_json::{Map, Value};

use super::call::Fault;
use crate::api::{Command, Conversation, Passphrase, SettingsPatch};

/// Messages in one page at most.
const MAX_PAGE: u64 = 500;

/// Messages in one page unless told otherwise.
const PAGE: u64 = 100;

/// What a vault can be locked by.
const KINDS: &str = "file, passphrase or keyring";

/// Reads a method's parameters.
pub(super) type Parser = fn(&mut Params) -> Result<Command, Fault>;

/// Every method of this version, ascending.
const METHODS: &[(&str, Parser)] = &[
    ("contact.block", |p| Ok(Command::ContactBlock { y7_id: p.text("y7_id")? })),
    ("contact.list", |_| Ok(Command::ContactList)),
    ("contact.rename", |p| Ok(Command::ContactRename { y7_id: p.text("y7_id")?, name: p.text("name")? })),
    ("contact.request", |p| {
        Ok(Command::ContactRequest { uri: p.text("uri")?, greeting: p.text_or_empty("greeting")? })
    }),
    ("contact.safety_number", |p| Ok(Command::ContactSafetyNumber { y7_id: p.text("y7_id")? })),
    ("contact.unblock", |p| Ok(Command::ContactUnblock { y7_id: p.text("y7_id")? })),
    ("contact.verify", |p| {
        let digits = p.maybe_text("digits")?;
        let verified = p.typed("verified", "true or false")?.unwrap_or(true);
        Ok(Command::ContactVerify { y7_id: p.text("y7_id")?, digits, verified })
    }),
    ("draft.get", |p| Ok(Command::DraftGet { of: p.conversation()? })),
    ("draft.set", |p| Ok(Command::DraftSet { of: p.conversation()?, text: p.text("text")? })),
    ("log.digest", |p| Ok(Command::LogDigest { log: p.maybe_text("log")? })),
    ("log.list", |_| Ok(Command::LogList)),
    ("log.verify", |p| Ok(Command::LogVerify { log: p.maybe_text("log")? })),
    ("message.list", message_list),
    ("message.read", |p| Ok(Command::MessageRead { of: p.conversation()?, up_to: p.text("up_to")? })),
    ("message.search", |p| {
        let limit = p.page("limit")?;
        Ok(Command::MessageSearch { query: p.text("query")?, y7_id: p.maybe_text("y7_id")?, limit })
    }),
    ("message.send", message_send),
    ("node.dial", |p| Ok(Command::NodeDial { multiaddr: p.text("multiaddr")? })),
    ("node.info", |_| Ok(Command::NodeInfo)),
    ("request.accept", |p| Ok(Command::RequestAccept { request_id: p.text("request_id")? })),
    ("request.cancel", |p| Ok(Command::RequestCancel { request_id: p.text("request_id")? })),
    ("request.list", |_| Ok(Command::RequestList)),
    ("request.reject", |p| Ok(Command::RequestReject { request_id: p.text("request_id")? })),
    ("settings.get", |_| Ok(Command::SettingsGet)),
    ("settings.set", settings_set),
    ("vault.get", |_| Ok(Command::VaultGet)),
    ("vault.lock", |_| Ok(Command::VaultLock)),
    ("vault.set", |p| {
        let to = p.typed("kind", KINDS)?.ok_or_else(|| Fault::param("kind", format!("kind must be {KINDS}")))?;
        Ok(Command::VaultSet { to, passphrase: p.passphrase("passphrase")?, current: p.passphrase("current")? })
    }),
    ("vault.unlock", |p| Ok(Command::VaultUnlock { passphrase: p.passphrase("passphrase")? })),
];

pub(super) fn find(method: &str) -> Option<Parser> {
    METHODS.iter().find(|(name, _)| *name == method).map(|(_, parser)| *parser)
}

/// The name of a method by its number, for the fuzz body.
pub(super) fn name(number: usize) -> &'static str {
    METHODS[number % METHODS.len()].0
}

/// Runs `parser` and refuses what it did not ask for: a misspelt option is never silently without effect.
pub(super) fn parse(parser: Parser, params: Map<String, Value>) -> Result<Command, Fault> {
    let mut params = Params(params);
    let command = parser(&mut params)?;
    match params.0.into_iter().next() {
        None => Ok(command),
        Some((field, _)) => {
            let words = format!("this method takes no {field:?}");
            Err(Fault::param(field, words))
        }
    }
}

fn message_send(params: &mut Params) -> Result<Command, Fault> {
    let to = params.conversation()?;
    Ok(Command::MessageSend { to, text: params.text("text")?, reply_to: params.maybe_text("reply_to")? })
}

fn message_list(params: &mut Params) -> Result<Command, Fault> {
    let of = params.conversation()?;
    let before = params.maybe_text("before")?;
    let limit = params.page("limit")?;
    Ok(Command::MessageList { of, before, limit })
}

/// Each field by itself, so that the one at fault can be named.
fn settings_set(params: &mut Params) -> Result<Command, Fault> {
    Ok(Command::SettingsSet(SettingsPatch {
        mode: params.typed("mode", "lan or y7net")?,
        name: params.typed("name", "a text")?,
        receipts: params.typed("receipts", "true or false")?,
        typing: params.typed("typing", "true or false")?,
        notifications: params.typed("notifications", "true or false")?,
        notification_text: params.typed("notification_text", "true or false")?,
        theme: params.typed("theme", "system, light or dark")?,
        scale: params.typed("scale", "a number of per cent, 80 to 150")?,
        close_to_tray: params.typed("close_to_tray", "true or false")?,
        window: params.typed("window", "{at: [x, y] or null, width, height, maximised}")?,
    }))
}

/// Parameters that are taken out one by one; what is left over was not asked for.
pub(super) struct Params(Map<String, Value>);

impl Params {
    fn take(&mut self, field: &str) -> Option<Value> {
        self.0.remove(field).filter(|value| !value.is_null())
    }

    fn maybe_text(&mut self, field: &'static str) -> Result<Option<String>, Fault> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Fault::param(field, format!("{field} must be a string"))),
        }
    }

    fn passphrase(&mut self, field: &'static str) -> Result<Option<Passphrase>, Fault> {
        Ok(self.maybe_text(field)?.map(Passphrase::new))
    }

    fn text(&mut self, field: &'static str) -> Result<String, Fault> {
        self.maybe_text(field)?.ok_or_else(|| Fault::param(field, format!("{field} is missing")))
    }

    fn text_or_empty(&mut self, field: &'static str) -> Result<String, Fault> {
        Ok(self.maybe_text(field)?.unwrap_or_default())
    }

    /// `y7_id` or `log`, exactly one.
    fn conversation(&mut self) -> Result<Conversation, Fault> {
        match (self.maybe_text("y7_id")?, self.maybe_text("log")?) {
            (Some(person), None) => Ok(Conversation::Person(person)),
            (None, Some(log)) => Ok(Conversation::Log(log)),
            (None, None) => Err(Fault::param("y7_id", "y7_id or log must say which conversation")),
            (Some(_), Some(_)) => Err(Fault::param("log", "give y7_id or log, not both")),
        }
    }

    fn page(&mut self, field: &'static str) -> Result<usize, Fault> {
        let limit = match self.take(field) {
            None => Some(PAGE),
            Some(value) => value.as_u64().filter(|limit| (1..=MAX_PAGE).contains(limit)),
        };
        limit
            .and_then(|limit| usize::try_from(limit).ok())
            .ok_or_else(|| Fault::param(field, format!("{field} is a number from 1 to {MAX_PAGE}")))
    }

    fn typed<T: serde::de::DeserializeOwned>(&mut self, field: &'static str, right: &str) -> Result<Option<T>, Fault> {
        let Some(value) = self.take(field) else { return Ok(None) };
        let parsed = serde_json::from_value(value);
        parsed.map(Some).map_err(|fault| Fault::param(field, format!("{field} must be {right} ({fault})")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(method: &str, params: Value) -> Result<Command, Fault> {
        let Value::Object(params) = params else { unreachable!("tests give objects") };
        parse(find(method).expect("a known method"), params)
    }

    /// Runs `method` and returns the field that is at fault.
    fn field_at_fault(method: &str, params: Value) -> Option<String> {
        let fault = serde_json::to_value(run(method, params).err()?).ok()?;
        Some(fault["data"]["field"].as_str()?.to_owned())
    }

    #[test]
    fn the_table_is_sorted_and_without_doubles() {
        assert!(METHODS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn the_field_at_fault_is_named() {
        let at_fault = |method, params, field: &str| assert_eq!(field_at_fault(method, params).as_deref(), Some(field));
        at_fault("contact.request", json!({}), "uri");
        at_fault("contact.request", json!({"uri": 7}), "uri");
        at_fault("message.send", json!({"text": "x"}), "y7_id");
        at_fault("message.send", json!({"text": "x", "y7_id": "a", "log": "b"}), "log");
        at_fault("message.send", json!({"y7_id": "a"}), "text");
        at_fault("message.list", json!({"log": "a", "limit": 501}), "limit");
        at_fault("message.list", json!({"log": "a", "limit": 0}), "limit");
        at_fault("settings.set", json!({"receipts": "yes"}), "receipts");
        at_fault("settings.set", json!({"mode": "moon"}), "mode");
        at_fault("vault.set", json!({}), "kind");
        at_fault("vault.set", json!({"kind": "moon"}), "kind");
        at_fault("vault.unlock", json!({"passphrase": 7}), "passphrase");
        at_fault("node.info", json!({"verbose": true}), "verbose");
    }

    #[test]
    fn null_is_the_same_as_absent() {
        let sent = run("message.send", json!({"log": "ab", "y7_id": null, "text": "x", "reply_to": null}));
        let to = Conversation::Log("ab".into());
        assert_eq!(sent, Ok(Command::MessageSend { to, text: "x".into(), reply_to: None }));
    }

    #[test]
    fn a_page_is_bounded() {
        let of = Conversation::Person("y7:a".into());
        let page = |limit| Ok(Command::MessageList { of: of.clone(), before: None, limit });
        assert_eq!(run("message.list", json!({"y7_id": "y7:a"})), page(100));
        assert_eq!(run("message.list", json!({"y7_id": "y7:a", "limit": 500})), page(500));
    }
}
