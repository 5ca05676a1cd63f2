//! The handshake: who is on the other end.
//!
//! ```text
//!  us                                       peer
//!   │ hello{version, nonce, chain} ─────────▶ │      both at once
//!   │ ◀───────── hello{version, nonce, chain} │      chain verifies, and names the connection's NetKey
//!   │ proof{sig over both nonces, both NetKeys, role} ─▶ │
//!   │ ◀──────────────────────────────── proof │      the device key is there, now
//!   │ open{caps, windows} ──────────────────▶ │      only now anything else may be sent
//! ```
//!
//! Ten seconds for all of it. A hello of another version ends the session cleanly, with the reason said.

use y7ke_crypto::cert::Proven;
use y7ke_crypto::codec::Wire;
use y7ke_crypto::hello::{Hello, HelloFault, Proof, Role, TagKey, Transcript};

use crate::fault::{Bye, Close, Fault};
use crate::limits::{HANDSHAKE_MS, STRANGER_FRAME};
use crate::session::{Config, Stop};
use crate::wire::Hand;
use crate::{Lane, Output, SessionProof};

/// What the peer claimed in its hello.
#[derive(Debug)]
struct Claimed {
    who: Proven,
    transcript: Transcript,
    /// Our proof has been sent.
    signed: bool,
    /// The peer's proof has been verified.
    proved: bool,
}

/// See the head of the file.
#[derive(Debug)]
pub(crate) struct Greeting {
    config: Config,
    deadline_ms: u64,
    claimed: Option<Claimed>,
}

impl Greeting {
    /// Says hello.
    pub(crate) fn new(config: Config, now_ms: u64, out: &mut Vec<Output>) -> Self {
        let hello = Hello { nonce: config.nonce, chain: config.chain.clone() };
        say(Hand::Hello(hello), out);
        Self { config, deadline_ms: now_ms.saturating_add(HANDSHAKE_MS), claimed: None }
    }

    /// When it fails.
    pub(crate) fn deadline_ms(&self) -> u64 {
        self.deadline_ms
    }

    /// A frame of a peer that is not proven.
    pub(crate) fn on_frame(&mut self, lane: Lane, bytes: &[u8], out: &mut Vec<Output>) -> Result<(), Stop> {
        if bytes.len() > STRANGER_FRAME {
            return Err(Fault::Oversize { lane, len: bytes.len(), cap: STRANGER_FRAME }.into());
        }
        if lane != Lane::Handshake {
            return Err(Fault::OutOfTurn("a frame before the proof").into());
        }
        match Hand::from_bytes(bytes).map_err(Fault::Malformed)? {
            Hand::Hello(hello) => Ok(self.on_hello(&hello, out)?),
            Hand::OtherHello { version, .. } => Err(Stop::Close(Close::Version { theirs: version })),
            Hand::Proof(proof) => Ok(self.on_proof(&proof)?),
            Hand::Bye(bye) => Err(Stop::Close(Close::Bye(bye))),
            Hand::Open(_) | Hand::Credit(_) | Hand::Note(_) => Err(Fault::OutOfTurn("a frame before the proof").into()),
        }
    }

    /// Our own signature; whether it was waited for.
    pub(crate) fn on_signed(&mut self, proof: Proof, out: &mut Vec<Output>) -> bool {
        let Some(claimed) = self.claimed.as_mut().filter(|claimed| !claimed.signed) else { return false };
        claimed.signed = true;
        say(Hand::Proof(proof), out);
        true
    }

    /// The proven peer and the names of logs, once both sides have signed.
    pub(crate) fn finished(&self) -> Option<(Proven, TagKey)> {
        let claimed = self.claimed.as_ref().filter(|claimed| claimed.signed && claimed.proved)?;
        Some((claimed.who, claimed.transcript.tag_key()))
    }

    fn on_hello(&mut self, hello: &Hello, out: &mut Vec<Output>) -> Result<(), Fault> {
        if self.claimed.is_some() {
            return Err(Fault::OutOfTurn("a second hello"));
        }
        if hello.nonce == self.config.nonce {
            return Err(Fault::BadProof);
        }
        let who = hello.verify(&self.config.peer).map_err(fault)?;
        let transcript = self.transcript(hello.nonce);
        self.claimed = Some(Claimed { who, transcript, signed: false, proved: false });
        out.push(Output::Sign(SessionProof { role: self.role(), transcript }));
        Ok(())
    }

    fn on_proof(&mut self, proof: &Proof) -> Result<(), Fault> {
        let role = self.role().other();
        let Some(claimed) = self.claimed.as_mut().filter(|claimed| !claimed.proved) else {
            return Err(Fault::OutOfTurn("a proof"));
        };
        claimed.transcript.check(role, &claimed.who, proof).map_err(fault)?;
        claimed.proved = true;
        Ok(())
    }

    fn role(&self) -> Role {
        if self.config.dialer { Role::Dialer } else { Role::Listener }
    }

    fn transcript(&self, theirs: [u8; 32]) -> Transcript {
        let Config { net, peer, nonce, dialer, .. } = &self.config;
        let (own, other) = ((*nonce, *net), (theirs, *peer));
        let ((dialer_nonce, dialer_net), (listener_nonce, listener_net)) =
            if *dialer { (own, other) } else { (other, own) };
        Transcript { dialer_nonce, listener_nonce, dialer_net, listener_net }
    }
}

/// What a side says last.
pub(crate) fn farewell(close: &Close, out: &mut Vec<Output>) {
    let bye = match close {
        Close::Fault => Bye::Fault,
        Close::Version { .. } => Bye::Version,
        Close::Timeout => Bye::Timeout,
        Close::Bye(_) => return,
    };
    say(Hand::Bye(bye), out);
}

fn say(frame: Hand, out: &mut Vec<Output>) {
    out.push(Output::Send { lane: Lane::Handshake, bytes: frame.to_bytes() });
}

fn fault(fault: HelloFault) -> Fault {
    match fault {
        HelloFault::Chain(_) => Fault::BadChain,
        HelloFault::OtherNet => Fault::WrongNet,
        HelloFault::BadSignature(_) => Fault::BadProof,
    }
}
