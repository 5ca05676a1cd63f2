//! The real program in a real window: time to its first picture, and memory once it has nothing to do.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::screen::now;

/// What the program logs once people and messages stand in a frame that was presented.
const PAINTED: &str = "the first picture is on the screen";

/// A program that used no processor time for this long has nothing to do.
const IDLE: Duration = Duration::from_secs(2);

/// Processor time within [`IDLE`], in clock ticks, that counts as none: heartbeats of the network.
const QUIET_TICKS: u64 = 2;

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
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let line = lines.by_ref().map_while(Result::ok).find(|line| line.contains(PAINTED));
        let painted = began.elapsed();
        assert!(line.is_some(), "the program ended before it painted");
        std::thread::spawn(move || lines.for_each(drop));
        Self { display, child, painted }
    }

    /// Opens the first conversation by a key; `false` where xdotool cannot press it.
    pub(crate) fn open_first(&self) -> bool {
        let pid = self.child.id().to_string();
        let search = ["search", "--sync", "--onlyvisible", "--pid", &pid];
        let focus = [&search[..], &["windowfocus"]].concat();
        self.xdotool(&focus) && self.xdotool(&["key", "alt+Down"])
    }

    fn xdotool(&self, arguments: &[&str]) -> bool {
        let status = Command::new("xdotool").args(arguments).env("DISPLAY", &self.display.name).status();
        status.is_ok_and(|status| status.success())
    }

    /// Resident memory in KiB once the program is idle.
    pub(crate) fn idle_kib(&self) -> u64 {
        let mut ticks = self.ticks();
        loop {
            wait(IDLE);
            let after = self.ticks();
            if after - ticks <= QUIET_TICKS {
                return self.resident_kib();
            }
            ticks = after;
        }
    }

    fn resident_kib(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a resident size");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Processor time so far: fields 14 and 15.
    fn ticks(&self) -> u64 {
        let stat = self.proc("stat");
        let fields = stat.rsplit(')').next().expect("a name in brackets").split_whitespace();
        fields.skip(11).take(2).map(|field| field.parse::<u64>().expect("a number")).sum()
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

#[allow(clippy::disallowed_methods, reason = "what is measured is that nothing happens for a while")]
fn wait(time: Duration) {
    std::thread::sleep(time);
}
