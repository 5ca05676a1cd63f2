//! Real processes under test: `y7 rpc` started, asked, killed and started again.
//!
//! ```text
//! test ── call ──▶ stdin  ┌────────┐ stdout ──▶ reader thread ──▶ channel ──▶ answers, events
//!                         │ y7 rpc │ stderr ──▶ a file, searched by tests
//! ```
//!
//! Nothing here sleeps: every wait is for a line of output or the end of a process, by a deadline.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Everything on one machine takes milliseconds; this is for a machine that is busy with eight other things.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// How often a condition is looked at again while no event comes.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// How a node is started.
#[derive(Clone, Debug)]
pub struct Launch {
    program: PathBuf,
    folder: PathBuf,
    listen: Vec<String>,
    mdns: bool,
    more: Vec<String>,
    variables: Vec<(String, String)>,
    log: String,
    /// The network namespace that it runs in.
    host: Option<String>,
    /// Files may not grow beyond this: a disk that is full.
    disk_kib: Option<u64>,
}

impl Launch {
    /// A node of `folder` on a free loopback port.
    pub fn new(program: impl Into<PathBuf>, folder: impl Into<PathBuf>) -> Self {
        let listen = vec!["/ip4/127.0.0.1/tcp/0".into()];
        let log = std::env::var("Y7KE_LOG").unwrap_or_else(|_unset| "info".into());
        let (program, folder) = (program.into(), folder.into());
        let (more, variables) = (Vec::new(), Vec::new());
        Self { program, folder, listen, mdns: false, more, variables, log, host: None, disk_kib: None }
    }

    /// Listens at exactly this port of loopback.
    pub fn port(mut self, port: u16) -> Self {
        self.listen = vec![format!("/ip4/127.0.0.1/tcp/{port}")];
        self
    }

    /// Listens at exactly this address.
    pub fn listen(mut self, address: String) -> Self {
        self.listen = vec![address];
        self
    }

    /// As people start it, on a host of its own: the default listeners and mDNS, in this network namespace.
    pub fn on_host(mut self, namespace: &str) -> Self {
        self.host = Some(namespace.into());
        self.listen.clear();
        self.mdns = true;
        self
    }

    /// One more option.
    pub fn with(mut self, option: &str) -> Self {
        self.more.push(option.into());
        self
    }

    /// One more variable of its environment.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Logs at this level, whatever the environment says.
    pub fn log(mut self, level: &str) -> Self {
        self.log = level.into();
        self
    }

    /// On a disk where no file may grow beyond so many blocks of 1,024 bytes; writing more fails.
    pub fn on_a_disk_of(mut self, kib: u64) -> Self {
        self.disk_kib = Some(kib);
        self
    }

    /// The command line, ready to be spawned.
    pub fn command(&self) -> Command {
        let mut command = self.base();
        command.arg("rpc").arg("--data-dir").arg(&self.folder);
        if !self.mdns {
            command.arg("--no-mdns");
        }
        for address in &self.listen {
            command.arg("--listen").arg(address);
        }
        command.args(&self.more).env_remove("Y7KE_DATA_DIR").envs(self.variables.iter().cloned());
        command
    }

    /// A signal that is ignored stays ignored over `exec`, so the write fails instead of killing.
    fn base(&self) -> Command {
        if let Some(namespace) = &self.host {
            // It becomes the program, so the process that is killed is the right one.
            let mut command = Command::new("ip");
            command.args(["netns", "exec", namespace]).arg(&self.program);
            return command;
        }
        let Some(kib) = self.disk_kib else { return Command::new(&self.program) };
        let mut shell = Command::new("bash");
        shell.arg("-c").arg(format!("trap '' XFSZ; ulimit -S -f {kib}; exec \"$0\" \"$@\"")).arg(&self.program);
        shell
    }

    /// Starts it. Its stderr goes to `<folder>.stderr`, appended over restarts.
    pub fn start(&self) -> Node {
        Node::spawn(self).unwrap_or_else(|fault| die(&format!("{} does not start: {fault}", self.program.display())))
    }

    /// Where its stderr goes.
    pub fn stderr(&self) -> PathBuf {
        self.folder.with_extension("stderr")
    }

    /// Its data folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// A running `y7 rpc`. Killed when dropped.
pub struct Node {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    answers: BTreeMap<u64, Value>,
    /// All events so far, in order.
    pub events: Vec<Value>,
    next: u64,
    name: String,
}

/// A pipelined call whose answer may be taken later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pending(u64);

/// An error answer.
#[derive(Clone, Debug, PartialEq)]
pub struct RpcError {
    /// Its code.
    pub code: i64,
    /// Its words.
    pub message: String,
    /// `data.field`, if it names one.
    pub field: Option<String>,
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.message)
    }
}

impl Node {
    fn spawn(launch: &Launch) -> std::io::Result<Self> {
        let stderr = OpenOptions::new().create(true).append(true).open(launch.stderr())?;
        let mut child = launch
            .command()
            .env("Y7KE_LOG", &launch.log)
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()?;
        let stdout = child.stdout.take().ok_or(std::io::ErrorKind::BrokenPipe)?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).all(|line| sender.send(line).is_ok())
        });
        let stdin = child.stdin.take();
        let name = launch.stderr().display().to_string();
        Ok(Self { child, stdin, lines, answers: BTreeMap::new(), events: Vec::new(), next: 0, name })
    }

    /// Writes one line as it is. `false`: the process does not read any more.
    pub fn write(&mut self, line: &[u8]) -> bool {
        let Some(stdin) = &mut self.stdin else { return false };
        let mut bytes = line.to_vec();
        bytes.push(b'\n');
        stdin.write_all(&bytes).and_then(|()| stdin.flush()).is_ok()
    }

    /// Asks without waiting for the answer.
    pub fn ask(&mut self, method: &str, params: Value) -> Pending {
        self.next += 1;
        let call = json!({"jsonrpc": "2.0", "id": self.next, "method": method, "params": params});
        self.write(call.to_string().as_bytes());
        Pending(self.next)
    }

    /// The answer if it came already.
    pub fn answered(&mut self, call: Pending) -> Option<Result<Value, RpcError>> {
        self.answers.remove(&call.0).map(into_result)
    }

    /// Did the answer come already?
    pub fn has_answered(&self, call: Pending) -> bool {
        self.answers.contains_key(&call.0)
    }

    /// Waits for the answer of a pipelined call.
    pub fn answer(&mut self, call: Pending) -> Result<Value, RpcError> {
        let deadline = Deadline::new();
        loop {
            if let Some(result) = self.answered(call) {
                return result;
            }
            self.pump(deadline.left().min(PATIENCE));
            deadline.check(|| format!("the answer to call {} of {}", call.0, self.name));
        }
    }

    /// Asks and waits for the answer.
    pub fn call(&mut self, method: &str, params: Value) -> Result<Value, RpcError> {
        let call = self.ask(method, params);
        self.answer(call)
    }

    /// [`Node::call`] whose refusal fails the test.
    pub fn get(&mut self, method: &str, params: Value) -> Value {
        self.call(method, params).unwrap_or_else(|fault| die(&format!("{method} of {}: {fault}", self.name)))
    }

    /// Reads one line if one comes within `patience`; `false` if none did.
    pub fn pump(&mut self, patience: Duration) -> bool {
        match self.lines.recv_timeout(patience) {
            Ok(line) => {
                self.file(&line);
                true
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => die(&format!("{} ended while it was waited for", self.name)),
        }
    }

    /// Takes every line that is there, also those of a process that has ended.
    pub fn drain(&mut self) {
        while let Ok(line) = self.lines.try_recv() {
            self.file(&line);
        }
    }

    fn file(&mut self, line: &str) {
        let value: Value =
            serde_json::from_str(line).unwrap_or_else(|fault| die(&format!("stdout: {line:?}: {fault}")));
        match value["method"].as_str() {
            Some(_) => self.events.push(value["params"].clone()),
            // Answers to lines without a usable id are filed under 0.
            None => drop(self.answers.insert(value["id"].as_u64().unwrap_or(0), value)),
        }
    }

    /// The answer to a line that had no usable id.
    pub fn answer_to_bad_line(&mut self) -> RpcError {
        match self.answer(Pending(0)) {
            Err(fault) => fault,
            Ok(value) => die(&format!("a bad line was answered with {value}")),
        }
    }

    /// Waits until `look` finds something; it is asked again after every burst of output.
    pub fn until<T>(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Option<T>) -> T {
        let deadline = Deadline::new();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            if self.pump(LOOK_AGAIN) {
                self.drain();
            }
            deadline.check(|| format!("{what} ({})", self.name));
        }
    }

    /// Waits for an event, those that came before included.
    pub fn event(&mut self, what: &str, mut fits: impl FnMut(&Value) -> bool) -> Value {
        self.until(what, |node| node.events.iter().find(|event| fits(event)).cloned())
    }

    /// SIGKILL, and what it had written before.
    pub fn kill(mut self) -> (Vec<Value>, BTreeMap<u64, Value>) {
        end_by_force(&mut self.child);
        // The pipe ends with the process, so the reader thread ends and the channel with it.
        while let Ok(line) = self.lines.recv() {
            // The last line may be cut.
            if serde_json::from_str::<Value>(&line).is_ok() {
                self.file(&line);
            }
        }
        (std::mem::take(&mut self.events), std::mem::take(&mut self.answers))
    }

    /// End of input, and the clean end that follows.
    pub fn end(mut self) -> ExitStatus {
        self.stdin = None;
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.file(&line);
        }
        wait(&mut self.child)
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The number under which a call's answer is filed by [`Node::kill`].
    pub fn number(call: Pending) -> u64 {
        call.0
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        end_by_force(&mut self.child);
    }
}

fn end_by_force(child: &mut Child) {
    // It may have ended already; either way it has to be reaped.
    if child.kill().and_then(|()| child.wait()).is_err() {
        drop(child.try_wait());
    }
}

/// stdout has ended, so the process is about to.
fn wait(child: &mut Child) -> ExitStatus {
    child.wait().unwrap_or_else(|fault| die(&format!("cannot wait for a process: {fault}")))
}

fn into_result(answer: Value) -> Result<Value, RpcError> {
    let error = &answer["error"];
    if error.is_null() {
        return Ok(answer["result"].clone());
    }
    Err(RpcError {
        code: error["code"].as_i64().unwrap_or(0),
        message: error["message"].as_str().unwrap_or_default().into(),
        field: error["data"]["field"].as_str().map(Into::into),
    })
}

/// Until when something may take; a missed one ends the test with what was waited for.
pub struct Deadline {
    at: Instant,
}

impl Default for Deadline {
    fn default() -> Self {
        Self::new()
    }
}

#[allow(clippy::disallowed_methods, reason = "tests over real processes wait in real time")]
impl Deadline {
    /// [`PATIENCE`] from now.
    pub fn new() -> Self {
        Self::after(PATIENCE)
    }

    /// `patience` from now.
    pub fn after(patience: Duration) -> Self {
        Self { at: Instant::now() + patience }
    }

    /// What is left.
    pub fn left(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// Fails the test once it is over.
    pub fn check(&self, what: impl FnOnce() -> String) {
        if self.left().is_zero() {
            die(&format!("waited in vain for {}", what()));
        }
    }
}

/// A stopwatch, for promises in seconds.
#[allow(clippy::disallowed_methods, reason = "tests over real processes measure real time")]
pub fn stopwatch() -> impl Fn() -> Duration {
    let started = Instant::now();
    move || started.elapsed()
}

/// Every file under `folder`, with its bytes.
pub fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).unwrap_or_else(|fault| die(&format!("{}: {fault}", path.display())));
                found.push((path, bytes));
            }
        }
    }
    found
}

/// A loopback port that was free a moment ago.
pub fn free_port() -> u16 {
    let bound = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    bound.unwrap_or_else(|fault| die(&format!("no free port: {fault}"))).port()
}

/// Makes a file with these bytes.
pub fn write_file(path: &Path, bytes: &[u8]) {
    let written = File::create(path).and_then(|mut file| file.write_all(bytes));
    written.unwrap_or_else(|fault| die(&format!("{}: {fault}", path.display())));
}

#[allow(clippy::panic, reason = "a failed expectation ends a test")]
fn die(words: &str) -> ! {
    panic!("{words}")
}
