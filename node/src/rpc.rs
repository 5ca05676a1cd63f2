//! `y7 rpc`: JSON-RPC 2.0, one object a line, over stdin and stdout.
//!
//! ```text
//! stdin ─▶ reader (main thread) ─▶ core ─▶ answers ─▶ writer thread ─┐
//!             │ bad lines ────────────────────▲                      ├─▶ stdout, line by line
//!             └ waits while 1,024 answers are unwritten              │
//!                               notices ─▶ notice thread ────────────┘
//! ```
//!
//! * Answers come in the order of completion, each with its id. A call without an id is run and not answered.
//! * A line that is wrong is answered with an error and never ends the process; end of stdin does.
//! * The core never waits for stdout: answers are bounded by the gate, a slow reader of notices gets `resync`.
//! * stdout carries nothing but protocol lines; logs go to stderr.

mod call;
mod gate;
mod lines;
mod methods;

use std::io::{BufReader, Read, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use serde::Serialize;

use self::call::{Call, Fault, Id};
use self::gate::Gate;
use self::lines::{Line, Lines};
use crate::api::{Answer, ApiError, Notice};
use crate::shell::{Handle, NoticeReader};

/// Answers that may wait to be written; the reader of stdin pauses at this many.
const UNWRITTEN: usize = 1024;

/// Serves one client until its end of input, then ends the node cleanly.
///
/// The notice reader is the one that [`crate::shell::Node::start`] gave, so nothing is missed in between.
pub fn serve<I: Read, O: Write + Send + 'static>(node: &Handle, notices: NoticeReader, input: I, output: O) {
    let output = Arc::new(Output::new(output));
    let (answers, written) = channel();
    let gate = Arc::new(Gate::new(UNWRITTEN));
    let writer = spawn_writer(written, Arc::clone(&gate), Arc::clone(&output));
    let announcer = spawn_announcer(notices, Arc::clone(&output));
    let client = Client { node, answers, gate, output };
    client.read(input);
    drop(client);
    node.shutdown();
    join(writer);
    join(announcer);
}

/// What one connected client is served with.
struct Client<'a, O> {
    node: &'a Handle,
    answers: Sender<String>,
    gate: Arc<Gate>,
    output: Arc<Output<O>>,
}

impl<O: Write + Send + 'static> Client<'_, O> {
    fn read(&self, input: impl Read) {
        for line in Lines::new(BufReader::new(input)) {
            if self.output.is_broken() {
                return tracing::warn!("stdout is closed: nobody reads answers any more");
            }
            match line {
                Line::Text(bytes) => self.run(&bytes),
                Line::TooLong => self.refuse(Id::Null, &Fault::too_long()),
                Line::Broken(fault) => return tracing::error!(%fault, "stdin cannot be read"),
            }
        }
    }

    fn run(&self, line: &[u8]) {
        match call::parse(line) {
            Ok(None) => {}
            Ok(Some(Call { id, command })) => self.ask(id, command),
            Err((id, fault)) => self.refuse(id, &fault),
        }
    }

    fn ask(&self, id: Option<Id>, command: crate::api::Command) {
        self.gate.enter();
        let answers = self.answers.clone();
        let gate = Arc::clone(&self.gate);
        self.node.submit(command, move |result| match id {
            Some(id) => queue(&answers, answer_line(&id, &result)),
            None => gate.leave(),
        });
    }

    fn refuse(&self, id: Id, fault: &Fault) {
        self.gate.enter();
        queue(&self.answers, error_line(&id, fault));
    }
}

/// The writer outlives every sender, so a failure here means that it panicked; its join reports that.
fn queue(answers: &Sender<String>, line: String) {
    if answers.send(line).is_err() {
        tracing::error!("the writer of answers is gone");
    }
}

fn spawn_writer<O: Write + Send + 'static>(
    lines: Receiver<String>,
    gate: Arc<Gate>,
    output: Arc<Output<O>>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in lines {
            output.line(&line);
            gate.leave();
        }
    })
}

fn spawn_announcer<O: Write + Send + 'static>(mut notices: NoticeReader, output: Arc<Output<O>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        while let Some(notice) = notices.recv_blocking() {
            output.line(&notice_line(&notice));
        }
    })
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!("a thread that writes to stdout panicked");
    }
}

/// stdout, shared by the two writers; once it fails, nothing more is written.
struct Output<O> {
    stream: Mutex<Option<O>>,
}

impl<O: Write> Output<O> {
    fn new(stream: O) -> Self {
        Self { stream: Mutex::new(Some(stream)) }
    }

    fn line(&self, text: &str) {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = stream.as_mut() else { return };
        let mut bytes = Vec::with_capacity(text.len() + 1);
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(b'\n');
        if let Err(fault) = open.write_all(&bytes).and_then(|()| open.flush()) {
            tracing::warn!(%fault, "stdout cannot be written");
            *stream = None;
        }
    }

    fn is_broken(&self) -> bool {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

#[derive(Serialize)]
struct Response<'a> {
    jsonrpc: &'static str,
    id: &'a Id,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Answer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Fault>,
}

#[derive(Serialize)]
struct Announcement<'a> {
    jsonrpc: &'static str,
    method: &'static str,
    params: &'a Notice,
}

fn answer_line(id: &Id, result: &Result<Answer, ApiError>) -> String {
    match result {
        Ok(answer) => text(&Response { jsonrpc: "2.0", id, result: Some(answer), error: None }),
        Err(fault) => error_line(id, &Fault::from(fault)),
    }
}

fn error_line(id: &Id, fault: &Fault) -> String {
    text(&Response { jsonrpc: "2.0", id, result: None, error: Some(fault) })
}

fn notice_line(notice: &Notice) -> String {
    text(&Announcement { jsonrpc: "2.0", method: "event", params: notice })
}

/// Our types have string keys and no failing `Serialize`, so the fallback is unreachable; it is still a valid answer.
fn text(line: &impl Serialize) -> String {
    serde_json::to_string(line).unwrap_or_else(|fault| {
        tracing::error!(%fault, "a line could not be written as JSON");
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"internal error"}}"#.into()
    })
}

/// The body of the fuzz target: see `crate::fuzz`.
///
/// ```text
/// u8 how   even: the rest is a stream of lines     odd: how / 2 names a method, the rest is its parameters
/// ```
pub(crate) fn fuzz(data: &[u8]) {
    let Some((how, rest)) = data.split_first() else { return };
    if how % 2 == 0 {
        let capacity = 1 + usize::from(how / 2);
        Lines::new(BufReader::with_capacity(capacity, rest)).for_each(|line| match line {
            Line::Text(line) => parsed(&line),
            Line::TooLong => answered(&error_line(&Id::Null, &Fault::too_long())),
            Line::Broken(fault) => unreachable!("a slice does not fail: {fault}"),
        });
    } else {
        let method = methods::name(usize::from(how / 2));
        let line = [br#"{"jsonrpc":"2.0","id":1,"method":""#, method.as_bytes(), br#"","params":"#, rest, b"}"];
        parsed(&line.concat());
    }
}

fn parsed(line: &[u8]) {
    match call::parse(line) {
        Ok(None) => {}
        Ok(Some(Call { id, .. })) => answered(&answer_line(&id.unwrap_or(Id::Null), &Ok(Answer::Done {}))),
        Err((id, fault)) => answered(&error_line(&id, &fault)),
    }
}

/// An answer is one line of JSON, and names the version.
fn answered(line: &str) {
    assert!(!line.contains('\n'), "an answer of two lines");
    let value: serde_json::Value = serde_json::from_str(line).expect("an answer is JSON");
    assert_eq!(value["jsonrpc"], "2.0");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ErrorKind;

    #[test]
    fn an_answer_echoes_its_id() {
        let done = Ok(Answer::Done {});
        assert_eq!(answer_line(&Id::Text("a".into()), &done), r#"{"jsonrpc":"2.0","id":"a","result":{}}"#);
        assert_eq!(answer_line(&Id::Null, &done), r#"{"jsonrpc":"2.0","id":null,"result":{}}"#);
    }

    #[test]
    fn an_error_carries_code_words_and_field() {
        let own = Err(ApiError::new(ErrorKind::Own, "that is your own id"));
        assert_eq!(
            answer_line(&Id::Number(7.into()), &own),
            r#"{"jsonrpc":"2.0","id":7,"error":{"code":3,"message":"that is your own id"}}"#
        );
        let param = Err(ApiError::param("uri", "missing"));
        assert_eq!(
            answer_line(&Id::Null, &param),
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32602,"message":"missing","data":{"field":"uri"}}}"#
        );
    }

    #[test]
    fn a_notice_is_an_event() {
        assert_eq!(notice_line(&Notice::Resync), r#"{"jsonrpc":"2.0","method":"event","params":{"kind":"resync"}}"#);
    }
}
