//! What the transport is started with: who we are, where we listen, what we bear, how long we wait.
//!
//! Every number that a stranger can make grow stands here with its unit and its reason.

use std::fmt;
use std::time::Duration;

use y7ke_crypto::ids::NetKey;
use zeroize::Zeroizing;

use crate::Address;
use crate::peer;

/// What the transport is started with.
#[derive(Clone)]
pub struct Config {
    /// Seed of this device's Ed25519 network key. A key of its own: it signs nothing but connections.
    pub seed: Zeroizing<[u8; 32]>,
    /// Where to listen, port 0 for any. Empty: dial only.
    pub listen: Vec<Address>,
    /// Announce this device on the local network, and look for others there. Tells the LAN our peer id.
    pub mdns: bool,
    /// What strangers and contacts may take of us.
    pub limits: Limits,
    /// How long we wait for what.
    pub timing: Timing,
}

impl Config {
    /// Listens on `listen` with the usual limits; mDNS is off.
    pub fn new(seed: Zeroizing<[u8; 32]>, listen: Vec<Address>) -> Self {
        Self { seed, listen, mdns: false, limits: Limits::default(), timing: Timing::default() }
    }

    /// The public key that belongs to the seed: our name on the network.
    pub fn net_key(&self) -> NetKey {
        peer::net_key_of_seed(&self.seed)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("seed", &"…").field("mdns", &self.mdns).finish_non_exhaustive()
    }
}

/// Bounds on everything that others can make grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Established connections that others opened: a desktop has tens of contacts, not hundreds.
    pub inbound: u32,
    /// Connections with one peer: two addresses dialled from both sides, before they settle to one.
    pub per_peer: u32,
    /// Inbound connections that have not finished their handshake.
    pub pending_inbound: u32,
    /// Outbound connections that have not finished their handshake.
    pub pending_outbound: u32,
    /// New inbound connections from one IPv4 address or IPv6 /64 within a minute, from peers that did
    /// not prove to be contacts. Loopback is exempt.
    pub per_ip_per_minute: u32,
    /// New connections are refused while the process has more physical memory than this, bytes.
    pub memory: usize,
    /// Largest frame from a peer that is not trusted, bytes: a request is at most 24 KiB.
    pub stranger_frame: u32,
    /// Largest frame from a contact, bytes: a sync batch is at most 1 MiB. Also the largest we send.
    pub contact_frame: u32,
    /// Bytes that wait to be written to one lane of one session; beyond, the peer is `TooSlow`.
    pub lane_queue_bytes: u32,
    /// Frames that wait to be written to one lane of one session; beyond, the peer is `TooSlow`.
    pub lane_queue_frames: usize,
    /// Events that wait for the node. Frames beyond stay in the peer's send window.
    pub events: usize,
    /// Commands that wait for the transport.
    pub commands: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            inbound: 128,
            per_peer: 4,
            pending_inbound: 64,
            pending_outbound: 64,
            per_ip_per_minute: 8,
            memory: 512 << 20,
            stranger_frame: 64 << 10,
            contact_frame: 1 << 20,
            lane_queue_bytes: 8 << 20,
            lane_queue_frames: 4_096,
            events: 64,
            commands: 256,
        }
    }
}

/// How long we wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Between two heartbeats on a session's handshake lane.
    pub heartbeat: Duration,
    /// Silence after which a session counts as dead: two heartbeats and some. By themselves TCP and QUIC
    /// may stay silent after an outage for as long again as it lasted.
    pub dead_after: Duration,
    /// For one dial or one inbound handshake, name resolution included.
    pub connect: Duration,
    /// For all three lanes of a session to come up, from the first.
    pub lanes: Duration,
    /// A connection without a session is closed after this.
    pub idle: Duration,
    /// For what is queued to be written when we close a session or shut down.
    pub flush: Duration,
    /// A frame that only a contact may send waits this long for `Trust` before it is a fault: both
    /// sides come to trust each other at slightly different times.
    pub trust_grace: Duration,
    /// After this, both sides know which connection carries their session; a worse one that the peer then still
    /// proposes means that the peer lost the better one, and lanes that did not come in that time are not waited
    /// for. Too short costs a session in a slow race; too long, whoever moves soon after a connection was made
    /// waits.
    pub settle: Duration,
    /// Dials wait for the listeners to come up, but no longer than this.
    pub listen: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(3),
            dead_after: Duration::from_secs(7),
            connect: Duration::from_secs(10),
            lanes: Duration::from_secs(10),
            idle: Duration::from_secs(15),
            flush: Duration::from_secs(2),
            trust_grace: Duration::from_secs(3),
            settle: Duration::from_secs(2),
            listen: Duration::from_millis(500),
        }
    }
}
