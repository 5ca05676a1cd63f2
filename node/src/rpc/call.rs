//! One line of input, parsed once: a call with its id, or a fault in JSON-RPC's own codes.
//!
//! ```text
//! not JSON, too long            -32700
//! not a call; a batch           -32600
//! no such method                -32601
//! wrong parameters              -32602, data.field
//! the node's own errors         1 … 10
//! ```

use serde::Serialize;
use serde_json::{Map, Number, Value};

use super::lines::LINE_CAP;
use super::methods;
use crate::api::{ApiError, Command};

/// A call's id, echoed as it came.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Id {
    Text(String),
    Number(Number),
    Null,
}

/// A call; without an id nobody wants the answer.
#[derive(Debug, PartialEq)]
pub(super) struct Call {
    pub(super) id: Option<Id>,
    pub(super) command: Command,
}

/// An error as JSON-RPC writes it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Fault {
    code: i32,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Data {
    field: String,
}

impl Fault {
    fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    pub(super) fn too_long() -> Self {
        Self::new(-32700, format!("the line is longer than {LINE_CAP} bytes and was skipped"))
    }

    fn request(message: &str) -> Self {
        Self::new(-32600, message)
    }

    pub(super) fn param(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { data: Some(Data { field: field.into() }), ..Self::new(-32602, message) }
    }
}

impl From<&ApiError> for Fault {
    fn from(error: &ApiError) -> Self {
        let data = error.field.map(|field| Data { field: field.into() });
        Self { code: error.kind.code(), message: error.message.clone(), data }
    }
}

/// `Ok(None)`: an empty line, or a notification that is wrong (nobody could be answered).
pub(super) fn parse(line: &[u8]) -> Result<Option<Call>, (Id, Fault)> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let value = serde_json::from_slice(line)
        .map_err(|fault| (Id::Null, Fault::new(-32700, format!("the line is not JSON: {fault}"))))?;
    let mut call = envelope(value).map_err(|fault| (Id::Null, fault))?;
    let id = id(call.remove("id")).map_err(|fault| (Id::Null, fault))?;
    match (command(call), id) {
        (Ok(command), id) => Ok(Some(Call { id, command })),
        (Err(fault), Some(id)) => Err((id, fault)),
        // An invalid request is answered even without an id; a notification that only names a wrong method is not.
        (Err(fault), None) if fault.code == -32600 => Err((Id::Null, fault)),
        (Err(fault), None) => {
            tracing::warn!(code = fault.code, "a notification was refused: {}", fault.message);
            Ok(None)
        }
    }
}

fn envelope(value: Value) -> Result<Map<String, Value>, Fault> {
    match value {
        Value::Object(call) => Ok(call),
        Value::Array(_) => Err(Fault::request("batches are not taken: write one call a line, they may be pipelined")),
        _ => Err(Fault::request("a call is a JSON object")),
    }
}

fn id(value: Option<Value>) -> Result<Option<Id>, Fault> {
    match value {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(Id::Null)),
        Some(Value::String(text)) => Ok(Some(Id::Text(text))),
        Some(Value::Number(number)) => Ok(Some(Id::Number(number))),
        Some(_) => Err(Fault::request("id is a string, a number or null")),
    }
}

fn command(mut call: Map<String, Value>) -> Result<Command, Fault> {
    if call.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(Fault::request("jsonrpc must be \"2.0\""));
    }
    let Some(Value::String(method)) = call.remove("method") else {
        return Err(Fault::request("method must be a string"));
    };
    let parser = methods::find(&method).ok_or_else(|| {
        Fault::new(-32601, format!("there is no method {method:?} (not in this version, or misspelt)"))
    })?;
    let params = match call.remove("params") {
        None => Map::new(),
        Some(Value::Object(params)) => params,
        Some(_) => return Err(Fault::param("params", "parameters are given by name, as an object")),
    };
    methods::parse(parser, params)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(line: &str) -> i32 {
        parse(line.as_bytes()).map_or_else(|(_, fault)| fault.code, |_| 0)
    }

    #[test]
    fn ids_are_echoed_as_they_came() {
        let id = |line: &str| parse(line.as_bytes()).ok().flatten().and_then(|call| call.id);
        assert_eq!(id(r#"{"jsonrpc":"2.0","id":"x","method":"node.info"}"#), Some(Id::Text("x".into())));
        assert_eq!(id(r#"{"jsonrpc":"2.0","id":null,"method":"node.info"}"#), Some(Id::Null));
        assert_eq!(id(r#"{"jsonrpc":"2.0","id":12,"method":"node.info"}"#), Some(Id::Number(12.into())));
        assert_eq!(id(r#"{"jsonrpc":"2.0","method":"node.info"}"#), None);
    }

    #[test]
    fn every_bad_line_has_its_code() {
        assert_eq!(code("{"), -32700);
        assert_eq!(code("\u{1}"), -32700);
        assert_eq!(code("[]"), -32600);
        assert_eq!(code(r#"[{"jsonrpc":"2.0","id":1,"method":"node.info"}]"#), -32600);
        assert_eq!(code("7"), -32600);
        assert_eq!(code(r#"{"id":1,"method":"node.info"}"#), -32600);
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":[],"method":"node.info"}"#), -32600);
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"method":5}"#), -32600);
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"method":"node.fly"}"#), -32601);
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"method":"node.info","params":[1]}"#), -32602);
        assert_eq!(code(""), 0);
        assert_eq!(code("  \r"), 0);
    }

    #[test]
    fn a_wrong_notification_is_not_answered() {
        assert_eq!(parse(br#"{"jsonrpc":"2.0","method":"node.fly"}"#), Ok(None));
        assert!(parse(br#"{"method":"node.info"}"#).is_err());
    }
}
