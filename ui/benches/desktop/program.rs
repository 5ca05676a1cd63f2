//! The real program in a real window: time to its first picture, and memory once it has nothing to do.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use super::screen::now;

/// What the program logs once people and messages stand in a frame that was presented.
const PAINTED: &str = "the first picture is on the screen";

/// What it logs once every place of the conversation that was opened is in its list: nothing is left to do.
const WHOLE: &str = "the open conversation is whole";

/// A display of our own; `None` where Xvfb is not installed.
pub(crate) struct Display {
    server: Child,
    name: String,
}

impl Display {
    pub(crate) fn start() -> Option<Self> {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut number = String::new();
        BufReader::new(server.stdout.as_mut().expect("piped")).read_line(&mut number).expect("Xvfb says its number");
        Some(Self { server, name: format!(":{}", number.trim()) })
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.server.kill().expect("our own child");
        self.server.wait().expect("our own child");
    }
}

/// A running `y7ke` whose first picture is on the screen.
pub(crate) struct Program<'a> {
    display: &'a Display,
    child: Child,
    log: RefCell<Lines<BufReader<ChildStderr>>>,
    /// From the start of the process.
    pub(crate) painted: Duration,
}

impl<'a> Program<'a> {
    pub(crate) fn start(display: &'a Display, folder: &Path) -> Self {
        let began = now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_y7ke"))
            .arg("--data-dir")
            .arg(folder)
            .args(["--no-mdns", "--mode", "lan", "--listen", "/ip4/127.0.0.1/tcp/0"])
            .env("DISPLAY", &display.name)
            .env("Y7KE_LOG", "y7ke=debug")
            .env_remove("WAYLAND_DISPLAY")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the desktop is built");
        let log = RefCell::new(BufReader::new(child.stderr.take().expect("piped")).lines());
        let mut program = Self { display, child, log, painted: Duration::ZERO };
        program.await_line(PAINTED);
        program.painted = began.elapsed();
        program
    }

    /// Reads what the program logs up to a line with these words.
    fn await_line(&self, words: &str) -> String {
        let mut last = String::new();
        for line in self.log.borrow_mut().by_ref().map_while(Result::ok) {
            if line.contains(words) {
                return line;
            }
            last = line;
        }
        panic!("the program ended before it said: {words}; the last that it said: {last}")
    }

    /// Opens the first conversation by a key and waits until all its messages have a row; `false` where xdotool cannot
    /// press it.
    pub(crate) fn open_first(&self, messages: usize) -> bool {
        let pid = self.child.id().to_string();
        let Some(window) = self.xdotool(&["search", "--sync", "--onlyvisible", "--pid", &pid]) else { return false };
        let focused = self.xdotool(&["windowfocus", "--sync", window.trim()]).is_some();
        let pressed = focused && self.xdotool(&["key", "alt+Down"]).is_some();
        if pressed {
            let line = self.await_line(WHOLE);
            assert!(line.ends_with(&format!("rows={messages}")), "the conversation with {messages} messages: {line}");
        }
        pressed
    }

    /// What it prints; `None` where it is not there or fails.
    fn xdotool(&self, arguments: &[&str]) -> Option<String> {
        let output = Command::new("xdotool").args(arguments).env("DISPLAY", &self.display.name).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Resident memory.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a resident size");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("the program runs")
    }
}

impl Drop for Program<'_> {
    fn drop(&mut self) {
        self.child.kill().expect("our own child");
        self.child.wait().expect("our own child");
    }
}
