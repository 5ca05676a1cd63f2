//! One session.

use y7ke_crypto::ids::{LogId, NetKey};

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

/// The protocol with one connected device.
pub struct Session {}

impl Session {
    /// A session and its first outputs (our hello).
    pub fn new(_config: Config, _now_ms: u64) -> (Self, Vec<Output>) {
        todo!()
    }

    /// Takes one input and returns what follows from it, in order.
    pub fn handle(&mut self, _input: Input, _now_ms: u64) -> Vec<Output> {
        todo!()
    }

    /// When the next [`Input::Timeout`] is wanted, in ms, and why.
    pub fn poll_timeout(&self) -> Option<(u64, &'static str)> {
        todo!()
    }

    /// Who the peer is, once proven.
    pub fn peer(&self) -> Option<&Proven> {
        todo!()
    }

    /// Whether, as far as this session knows, both sides hold the same of this log (K4 asks).
    pub fn is_level(&self, _log: &LogId) -> bool {
        todo!()
    }

    /// Whether the session has ended.
    pub fn is_closed(&self) -> bool {
        todo!()
    }
}
