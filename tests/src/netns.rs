//! Hosts on a network of their own: Linux network namespaces around one switch. Needs root and `ip`.
//!
//! ```text
//! namespace …-sw                      namespace …-h1
//! ┌──────────────────────┐            ┌─────────────────────┐
//! │ br0 ── p1 ═══════════╪══ cable ═══╪═ eth0   lo          │
//! │     ── p2 ═══ …      │            │ 10.77.0.1, fd77::1  │
//! └──────────────────────┘            └─────────────────────┘
//! mute    the switch forwards nothing to or from the port; the host sees nothing of it
//! unplug  the cable is out: the host loses the carrier, and keeps its addresses
//! ```
//!
//! Nothing is made in the machine's own namespace. Names carry the number of this process, so that runs beside each
//! other do not collide; what a killed run has left behind is swept away by the next one.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Begins the name of every namespace of ours: `y7t<process>-<network>-<host>`.
const PREFIX: &str = "y7t";

/// Where the kernel is told how to treat IPv6, in each namespace for itself.
const KERNEL_V6: &str = "/proc/sys/net/ipv6/conf";

/// Why there can be no hosts here, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable(String);

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A switch, and the hosts that are plugged into it. Gone when dropped.
#[derive(Debug)]
pub struct Network {
    switch: Namespace,
    name: String,
    hosts: u8,
}

/// A machine with one network card. Gone when dropped; processes in it are to be ended before.
#[derive(Debug)]
pub struct Host {
    namespace: Namespace,
    switch: String,
    port: String,
    /// Its number on the network, from 1.
    pub number: u8,
}

/// A namespace that is deleted when it is dropped, also by a panic.
#[derive(Debug)]
struct Namespace(String);

impl Network {
    /// An empty network, or why there cannot be one.
    pub fn new() -> Result<Self, Unavailable> {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        sweep();
        if !Path::new(KERNEL_V6).exists() {
            return Err(Unavailable("this kernel has no IPv6".into()));
        }
        let name = format!("{PREFIX}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let switch = Namespace::new(format!("{name}-sw"))?;
        // Without a router nobody asks who wants which multicast, so nothing may be withheld.
        let bridge = ["link", "add", "br0", "type", "bridge", "mcast_snooping", "0", "forward_delay", "0"];
        switch.ip(&bridge).map_err(Unavailable)?;
        switch.ip(&["link", "set", "br0", "up"]).map_err(Unavailable)?;
        Ok(Self { switch, name, hosts: 0 })
    }

    /// One more host, without an address.
    pub fn host(&mut self) -> Host {
        self.hosts += 1;
        let number = self.hosts;
        let namespace = Namespace::new(format!("{}-h{number}", self.name)).unwrap_or_else(|fault| die(&fault.0));
        let (switch, port) = (self.switch.0.clone(), format!("p{number}"));
        let host = Host { namespace, switch, port, number };
        host.plug_in();
        host
    }
}

impl Host {
    /// The name of its namespace, for [`Launch::on_host`](crate::process::Launch::on_host).
    pub fn name(&self) -> &str {
        &self.namespace.0
    }

    /// Its usual IPv4 address.
    pub fn v4(&self) -> String {
        format!("10.77.0.{}", self.number)
    }

    /// Its usual IPv6 address.
    pub fn v6(&self) -> String {
        format!("fd77::{}", self.number)
    }

    /// With its usual address of both kinds.
    pub fn dual(self) -> Self {
        self.gain(&format!("{}/24", self.v4()));
        self.gain(&format!("{}/64", self.v6()));
        self
    }

    /// Without IPv6, also without the address that each card gives itself.
    pub fn without_v6(self) -> Self {
        self.configure_v6("all/disable_ipv6", "1");
        self
    }

    /// Gets an address such as `10.77.0.9/24`, usable at once.
    pub fn gain(&self, address: &str) {
        let now: &[&str] = if address.contains(':') { &["nodad"] } else { &[] };
        self.set(&[&["addr", "add", address, "dev", "eth0"], now].concat());
    }

    /// Loses an address.
    pub fn lose(&self, address: &str) {
        self.set(&["addr", "del", address, "dev", "eth0"]);
    }

    /// The switch forwards nothing to or from its port, or does again; the host cannot tell.
    pub fn mute(&self, on: bool) {
        if on { self.set_port(&["nomaster"]) } else { self.set_port(&["master", "br0"]) }
    }

    /// The cable is pulled, or put back.
    pub fn unplug(&self, out: bool) {
        self.set_port(&[if out { "down" } else { "up" }]);
    }

    /// Drops all UDP but discovery, in both directions: a network where QUIC does not pass.
    pub fn block_udp(&self) {
        let chain = |hook| format!("chain {hook} {{ type filter hook {hook} priority 0; udp dport != 5353 drop; }}");
        self.exec("nft", &[&format!("table inet y7t {{\n{}\n{}\n}}", chain("input"), chain("output"))]);
    }

    /// Lets UDP pass again.
    pub fn allow_udp(&self) {
        self.exec("nft", &["delete table inet y7t"]);
    }

    fn plug_in(&self) {
        let Self { switch, port, .. } = self;
        let cable = ["-n", switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", self.name()];
        must(run("ip", &cable));
        self.set_port(&["master", "br0"]);
        // Nobody else can have the address, so it need not be tried for a second first.
        self.configure_v6("all/accept_dad", "0");
        self.configure_v6("eth0/accept_dad", "0");
        self.set(&["link", "set", "lo", "up"]);
        self.set(&["link", "set", "eth0", "up"]);
        self.unplug(false);
    }

    fn configure_v6(&self, what: &str, value: &str) {
        self.exec("sh", &["-c", &format!("echo {value} > {KERNEL_V6}/{what}")]);
    }

    fn set(&self, args: &[&str]) {
        must(self.namespace.ip(args));
    }

    fn set_port(&self, args: &[&str]) {
        must(run("ip", &[&["-n", &self.switch, "link", "set", &self.port], args].concat()));
    }

    fn exec(&self, program: &str, args: &[&str]) {
        must(run("ip", &[&["netns", "exec", self.name(), program], args].concat()));
    }
}

impl Namespace {
    fn new(name: String) -> Result<Self, Unavailable> {
        run("ip", &["netns", "add", &name]).map_err(Unavailable)?;
        Ok(Self(name))
    }

    fn ip(&self, args: &[&str]) -> Result<(), String> {
        run("ip", &[&["-n", &self.0], args].concat())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(fault) = run("ip", &["netns", "del", &self.0]) {
            eprintln!("a network namespace stays behind: {fault}");
        }
    }
}

/// Can this machine filter packets inside a namespace?
pub fn can_filter() -> Result<(), Unavailable> {
    run("nft", &["--version"]).map_err(Unavailable)
}

/// Deletes the namespaces of processes that are no more.
fn sweep() {
    let names = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| is_orphan(name)).for_each(|name| drop(Namespace(name)));
}

fn is_orphan(name: &str) -> bool {
    let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
    let process = process.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
    process.is_some_and(|process| !Path::new("/proc").join(process).exists())
}

fn run(program: &str, args: &[&str]) -> Result<(), String> {
    let said = Command::new(program).args(args).stdin(Stdio::null()).output();
    let said = said.map_err(|fault| format!("{program}: {fault}"))?;
    if said.status.success() {
        return Ok(());
    }
    Err(format!("{program} {}: {}", args.join(" "), String::from_utf8_lossy(&said.stderr).trim()))
}

fn must(done: Result<(), String>) {
    done.unwrap_or_else(|fault| die(&fault));
}

#[allow(clippy::panic, reason = "a failed expectation ends a test")]
fn die(words: &str) -> ! {
    panic!("{words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_namespaces_of_dead_processes_are_orphans() {
        assert!(is_orphan("y7t4294967295-1-sw"));
        assert!(!is_orphan(&format!("y7t{}-1-sw", std::process::id())));
        assert!(!is_orphan("somebody-else") && !is_orphan("y7tower"));
    }
}
