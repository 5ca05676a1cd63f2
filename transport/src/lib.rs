//! The transport of y7ke: libp2p behind plain data. It carries opaque frames between devices, and
//! cannot open one of them.
//!
//! ```text
//!            Command (bounded, awaited)                 one task, owns the libp2p swarm
//!   node ───────────────────────────────▶  swarm ──▶ behaviour ── arbiter: which connection
//!        ◀───────────────────────────────          └▶ handler, one per connection ── lanes
//!             Event (bounded, awaited)
//! ```
//!
//! **A session** is what two devices talk over: three long-lived framed streams ([`Lane`]s) of one
//! connection. There is one per pair of devices, whichever and however many connections there are.
//!
//! ```text
//! session   Opened ─▶ Frame* ─▶ Closed         in this order, each exactly once (Frame: any number)
//! replaced  … Closed{a, Replaced} ─▶ Opened{b} …   a better path took over; resume from the clocks
//! frame     u32 length, little-endian ‖ bytes     0 = heartbeat, 2³²−1 = goodbye, neither is reported
//! dial      Dial{ticket} ─▶ Dialled | DialFailed   exactly one answer per ticket
//! ```
//!
//! Invariants:
//! * No event is dropped. While the node does not take events, frames stay in the peers' send windows.
//! * Commands are always taken, so a node that awaits one never deadlocks with its own events.
//! * Both sides of a pair hold their session over the same connection (see `arbiter`).
//! * No type of libp2p appears in this surface; no address or peer id is logged above `debug`.
//!   libp2p's own crates log some at `info` and even at `warn`: see [`LOG_FILTER`].
//!
//! Seams, not built yet: Kademlia, the relay client and DCUtR become further behaviours of
//! `endpoint::Net`, and the relay's transport one more leg of `endpoint::sockets`. Sessions are ready
//! for them: relayed connections rank below direct ones and are closed once a direct one carries the
//! session, and who dialled is taken from the effective role, as hole punching needs.
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod address;
mod arbiter;
mod behaviour;
mod clock;
mod config;
mod dials;
mod endpoint;
mod fault;
mod framing;
pub mod fuzz;
mod handler;
mod lan;
mod lanes;
mod limits;
mod listen;
mod muxer;
mod path;
mod peer;
mod route;
mod session;
mod swarm;

use std::fmt;

use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use address::{Address, AddressError, MAX_ADDRESS};
pub use config::{Config, Limits, Timing};
pub use path::{IpVersion, Path, PathKind, Transport};
pub use y7ke_crypto::ids::NetKey;

/// Directives for a `tracing` filter that keep addresses and peer ids out of an ordinary log: these
/// crates of libp2p print them at any level.
pub const LOG_FILTER: &str = "libp2p_swarm=off,libp2p_mdns=off,libp2p_identify=off,libp2p_quic=off";

/// Where the node puts its commands. When the last one is dropped, the transport shuts down.
pub type CommandSender = mpsc::Sender<Command>;

/// Where the node takes the events. Dropping it ends every session.
pub type EventReceiver = mpsc::Receiver<Event>;

/// A session: one open conversation between this device and another. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {}", self.0)
    }
}

/// The caller's name for one `Dial`, given back in its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// One of the three streams of a session. Order is kept within a lane, not between lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// `/y7ke/handshake/1.0.0`: proofs, requests; open to strangers.
    Handshake,
    /// `/y7ke/sync/1.0.0`: control.
    Sync,
    /// `/y7ke/msg/1.0.0`: bulk.
    Msg,
}

impl Lane {
    /// All lanes, in the order in which they are opened.
    pub const ALL: [Self; 3] = [Self::Handshake, Self::Sync, Self::Msg];
}

/// How far a peer is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trust {
    /// Anybody: small frames, and each connection counts against its IP address.
    Stranger,
    /// Proved to be a contact or a device of ours: frames of 1 MiB, and its connections do not count.
    Contact,
}

/// What the node asks for.
#[derive(Debug)]
pub enum Command {
    /// Connect. Addresses may end in `/p2p/…`; with `peer` given, only that peer will do. Concurrent
    /// dials of one peer share their attempts. Waits until the listeners are up. With no address, or
    /// with a peer that is connected already, the answer comes at once.
    Dial {
        /// The caller's name for this dial.
        ticket: Ticket,
        /// Who is to be reached, if known.
        peer: Option<NetKey>,
        /// Where.
        addresses: Vec<Address>,
    },
    /// Send a frame; frames of one lane arrive in order. For a session that is gone, nothing
    /// happens: its `Closed` is on the way or was there. An empty frame is refused as a fault of ours.
    Send {
        /// Over which session.
        session: SessionId,
        /// On which lane.
        lane: Lane,
        /// The bytes, at most [`Limits::contact_frame`].
        frame: Vec<u8>,
    },
    /// End a session and every connection with its peer, after what is queued was written.
    Close {
        /// Which.
        session: SessionId,
        /// Why, for `Closed` and the log; the peer does not learn it.
        why: &'static str,
    },
    /// Say how far the peer of a session is trusted. Each session begins with a stranger, also one
    /// that replaces another.
    Trust {
        /// Which.
        session: SessionId,
        /// How far.
        level: Trust,
    },
    /// Announce ourselves on the local network and look for others there, or stop both.
    SetMdns(bool),
    /// End every connection with a peer, with or without a session.
    Disconnect {
        /// Which.
        peer: NetKey,
    },
    /// Write what is queued, close everything, end the task.
    Shutdown,
}

/// What the node learns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// All current listen addresses, ascending, without `/p2p/`; at each change.
    Listening {
        /// The addresses.
        addresses: Vec<Address>,
    },
    /// A configured address cannot be listened on, or a listener died.
    ListenFailed {
        /// As it was configured.
        address: Address,
        /// Why.
        why: ListenFault,
    },
    /// The addresses of this machine changed after the start: dial again who is missing. Sessions whose own end
    /// is gone are `Closed` as `Homeless`, and attempts from before are not waited for by new dials.
    NetworkChanged,
    /// mDNS found a device on the local network.
    Discovered {
        /// Who, by its own account: a dial proves it.
        peer: NetKey,
        /// All that is known of where, the newest first, at most 16.
        addresses: Vec<Address>,
    },
    /// A dial reached its peer, or the peer is connected anyhow. A session opens, or is open.
    Dialled {
        /// The dial.
        ticket: Ticket,
        /// Who answered, proved by the connection's handshake.
        peer: NetKey,
    },
    /// No address of a dial led to its peer.
    DialFailed {
        /// The dial.
        ticket: Ticket,
        /// As given.
        peer: Option<NetKey>,
        /// What happened at each address; at least one.
        attempts: Vec<FailedAttempt>,
    },
    /// A session is open: all three lanes are up.
    Opened {
        /// Its name from now on.
        session: SessionId,
        /// The peer, proved by the connection's handshake.
        peer: NetKey,
        /// How it is reached.
        path: Path,
        /// Did we open the connection? The peer sees the opposite.
        dialer: bool,
    },
    /// The peer of an open session moved to another address within the same connection.
    PathChanged {
        /// Which session.
        session: SessionId,
        /// How it is reached now.
        path: Path,
    },
    /// A frame came.
    Frame {
        /// Over which session.
        session: SessionId,
        /// On which lane.
        lane: Lane,
        /// The bytes; never empty.
        bytes: Vec<u8>,
    },
    /// A session is over.
    Closed {
        /// Which.
        session: SessionId,
        /// Why.
        reason: CloseReason,
    },
}

/// Why a session is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// A better connection with the same device carries on: `Opened` follows.
    Replaced,
    /// The peer said goodbye.
    PeerClosed,
    /// The connection broke.
    Lost,
    /// This machine does not have the address any more that the connection went out from.
    Homeless,
    /// Nothing was heard for [`Timing::dead_after`].
    Silent,
    /// The peer does not read: too much waits on this lane. Its fault, or its network's.
    TooSlow {
        /// Which lane.
        lane: Lane,
    },
    /// The peer announced a frame beyond its cap. Its fault.
    FrameTooLong {
        /// On which lane.
        lane: Lane,
        /// Bytes announced.
        length: u32,
        /// Bytes allowed.
        cap: u32,
    },
    /// We were told to send a frame that is empty or beyond the cap. Our bug.
    BadSend {
        /// On which lane.
        lane: Lane,
        /// Bytes.
        length: usize,
    },
    /// `Close` was given, with this reason.
    Asked {
        /// The reason given.
        why: &'static str,
    },
    /// `Disconnect` was given for the peer.
    Disconnected,
    /// The transport shuts down.
    Shutdown,
}

/// Why an address cannot be listened on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ListenFault {
    /// Another program has it.
    #[error("the address is in use by another program")]
    AddressInUse,
    /// This machine has no such address.
    #[error("this machine has no such address")]
    AddressNotAvailable,
    /// The port needs more rights.
    #[error("listening there is not permitted")]
    NotPermitted,
    /// A name, a relay or another peer's id: not a place to listen.
    #[error("this is not an address to listen on")]
    Unsupported,
    /// Anything else, in the system's words.
    #[error("{0}")]
    Other(String),
}

/// What happened at one address of a dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedAttempt {
    /// Where; none if the dial had no address to try.
    pub address: Option<Address>,
    /// Why.
    pub why: DialFault,
}

/// Why a dial did not lead to its peer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DialFault {
    /// Nobody listens there.
    #[error("nobody listens there")]
    Refused,
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// Somebody else answered, or the address names somebody else.
    #[error("another device answered")]
    WrongPeer {
        /// Who, if it has a key like ours.
        got: Option<NetKey>,
    },
    /// The network does not lead there, or the name does not resolve.
    #[error("the network does not lead there")]
    Unreachable,
    /// It is this device.
    #[error("this is our own address")]
    Own,
    /// No address was given.
    #[error("no address is known")]
    NoAddress,
    /// A limit of ours: connections or memory.
    #[error("too many connections, or too little memory")]
    LimitReached,
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

/// Why the transport did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// `start` needs a tokio runtime around it.
    #[error("the transport was started outside a tokio runtime")]
    NoRuntime,
    /// The system or the key did not allow to set up the endpoint.
    #[error("the network endpoint cannot be set up: {0}")]
    Network(#[from] std::io::Error),
}

/// Starts the transport on the runtime that it is called in. The task ends after `Shutdown`, or when
/// every sender of commands is gone; the events end with it.
pub fn start(config: Config) -> Result<(CommandSender, EventReceiver, JoinHandle<()>), StartError> {
    // Not inside a runtime, and nothing else, is what this can fail of.
    let runtime = Handle::try_current().or(Err(StartError::NoRuntime))?;
    let keys = peer::keypair(&config.seed);
    let me = config.net_key();
    let (commands, command_queue) = mpsc::channel(config.limits.commands);
    let (event_queue, events) = mpsc::channel(config.limits.events);
    let sessions = behaviour::Sessions::new(me, config.limits, config.timing, event_queue.clone());
    let swarm = endpoint::build(&config, &keys, sessions)?;
    endpoint::warm(keys);
    let shell = swarm::Shell::new(swarm, command_queue, config.timing, me);
    let task = runtime.spawn(shell.run(config.listen, config.mdns, event_queue));
    Ok((commands, events, task))
}
