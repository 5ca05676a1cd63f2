//! One session: the handshake, then the logs.

use y7ke_crypto::ids::{LogId, NetKey};

use crate::fault::{Close, Fault, Misuse};
use crate::greeting::{Greeting, farewell};
use crate::live::Live;
use crate::{CertChain, Input, Output, Proven};

/// What a session is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our device's certificates, bound to `net`.
    pub chain: CertChain,
    /// Our libp2p key on this connection.
    pub net: NetKey,
    /// The peer's, as the transport authenticated it.
    pub peer: NetKey,
    /// Whether we dialled.
    pub dialer: bool,
    /// Random, fresh for this session.
    pub nonce: [u8; 32],
}

/// Why a session stops in the middle of an input.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The peer's fault.
    Fault(Fault),
    /// No fault.
    Close(Close),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// The protocol with one connected device.
#[derive(Debug)]
pub struct Session {
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Greeting(Box<Greeting>),
    Live(Box<Live>),
    Closed,
}

impl Session {
    /// A session and its first outputs (our hello).
    pub fn new(config: Config, now_ms: u64) -> (Self, Vec<Output>) {
        let mut out = Vec::new();
        let greeting = Greeting::new(config, now_ms, &mut out);
        (Self { phase: Phase::Greeting(Box::new(greeting)) }, out)
    }

    /// Takes one input and returns what follows from it, in order.
    pub fn handle(&mut self, input: Input, now_ms: u64) -> Vec<Output> {
        let mut out = Vec::new();
        let step = match &mut self.phase {
            Phase::Greeting(greeting) => greet(greeting, input, now_ms, &mut out),
            Phase::Live(live) => live.handle(input, now_ms, &mut out),
            Phase::Closed => return out,
        };
        match step {
            Ok(()) => self.proceed(&mut out),
            Err(stop) => self.end(stop, &mut out),
        }
        out
    }

    /// When the next [`Input::Timeout`] is wanted, in ms, and why.
    pub fn poll_timeout(&self) -> Option<(u64, &'static str)> {
        match &self.phase {
            Phase::Greeting(greeting) => Some((greeting.deadline_ms(), "the peer has not proven itself")),
            Phase::Live(live) => live.poll_timeout(),
            Phase::Closed => None,
        }
    }

    /// Who the peer is, once proven.
    pub fn peer(&self) -> Option<&Proven> {
        self.live().map(Live::peer)
    }

    /// Whether, as far as this session knows, both sides hold the same of this log (K4 asks).
    pub fn is_level(&self, log: &LogId) -> bool {
        self.live().is_some_and(|live| live.is_level(log))
    }

    /// Whether the session has ended.
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    fn live(&self) -> Option<&Live> {
        match &self.phase {
            Phase::Live(live) => Some(live),
            Phase::Greeting(_) | Phase::Closed => None,
        }
    }

    fn proceed(&mut self, out: &mut Vec<Output>) {
        let Phase::Greeting(greeting) = &self.phase else { return };
        if let Some((peer, tag_key)) = greeting.finished() {
            self.phase = Phase::Live(Box::new(Live::new(peer, tag_key, out)));
        }
    }

    fn end(&mut self, stop: Stop, out: &mut Vec<Output>) {
        let close = match stop {
            Stop::Fault(fault) => {
                out.push(Output::PeerFault(fault));
                Close::Fault
            }
            Stop::Close(close) => close,
        };
        farewell(&close, out);
        out.push(Output::Close(close));
        self.phase = Phase::Closed;
    }
}

fn greet(greeting: &mut Greeting, input: Input, now_ms: u64, out: &mut Vec<Output>) -> Result<(), Stop> {
    if now_ms >= greeting.deadline_ms() {
        return Err(Stop::Close(Close::Timeout));
    }
    match input {
        Input::Frame { lane, bytes } => greeting.on_frame(lane, &bytes, out)?,
        Input::Signed(proof) if greeting.on_signed(proof, out) => {}
        Input::Timeout => {}
        Input::Note(note) => out.push(Output::NoteReturned(note)),
        Input::Signed(_) => out.push(Output::Misuse(Misuse::OutOfTurn("a signature"))),
        _ => out.push(Output::Misuse(Misuse::OutOfTurn("a command before the proof"))),
    }
    Ok(())
}
