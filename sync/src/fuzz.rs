//! Bodies for fuzz targets: arbitrary frames and commands into a session in every state.
//!
//! ```text
//! script   u8 state (0 greeting, 1 proven, 2 synced with granted logs) · steps…
//! step     u8 op · u8 len · len bytes        op % 16 in 0–5: a frame (lane = op % 3), else a command made of the bytes
//!          op ≥ 128: behind the frame's first byte stands the name that this session gives log (op / 16) % 4
//! ```
//!
//! Deep: the peer is proven and logs are granted, so frames reach the windows, the clocks and the
//! exchange of each log; bytes alone would never guess the name of one.
//!
//! What is checked beside "no panic": a fatal fault closes, nothing follows a close, and what decodes
//! encodes to the same bytes.

use y7ke_crypto::cert::{Caps, CertChain, Subject};
use y7ke_crypto::clock::{Clock, Tip};
use y7ke_crypto::codec::Wire;
use y7ke_crypto::fuzz::decoded;
use y7ke_crypto::hello::Transcript;
use y7ke_crypto::ids::{DeviceId, EventId, LogId, LogTag};
use y7ke_crypto::sign::{DeviceKey, NetSecret, RootKey};

use crate::wire::{Cargo, Hand, Word};
use crate::{Close, Config, Heads, Input, Item, Lane, Name, Outcome, Output, Parcel, ReadId, Session, Stage, Ticket};

/// One device of a fixed seed.
struct Device {
    key: DeviceKey,
    chain: CertChain,
    net: NetSecret,
}

impl Device {
    fn new(n: u8) -> Self {
        let (key, net) = (DeviceKey::from_seed(&[n; 32]), NetSecret::from_bytes(&[n ^ 0x80; 32]));
        let subject = Subject { device: key.id(), net: net.id(), caps: Caps::ADMIN, not_before: 0, cert_seq: 0 };
        Self { chain: CertChain::rooted(&RootKey::from_seed(&[n ^ 0x40; 32]), subject), key, net }
    }

    fn session(&self, peer: &Self, dialer: bool) -> (Session, Vec<Output>) {
        let (net, peer) = (self.net.id(), peer.net.id());
        let nonce = [u8::from(dialer); 32];
        Session::new(Config { chain: self.chain.clone(), net, peer, dialer, nonce }, 0)
    }
}

/// A body.
pub type Target = fn(&[u8]);

/// Every body by name.
pub const ALL: &[(&str, Target)] = &[("session", session), ("frame", frame)];

/// The frame that carries these items of the log of `tag`, for whoever speaks the protocol without a session.
pub fn items_frame(tag: LogTag, parcels: Vec<Parcel>) -> Vec<u8> {
    Cargo::Items { tag, parcels }.to_bytes()
}

/// What [`items_frame`] made a frame of; `None`: this frame carries no items.
pub fn items_of(frame: &[u8]) -> Option<Vec<Parcel>> {
    match Cargo::from_bytes(frame) {
        Ok(Cargo::Items { parcels, .. }) => Some(parcels),
        _ => None,
    }
}

/// A session in the state that `state` names, its peer played honestly up to there.
pub fn session_in(state: u8) -> Session {
    let (us, them) = (Device::new(1), Device::new(2));
    let (mut ours, out) = us.session(&them, true);
    if state == 0 {
        return ours;
    }
    let (mut theirs, other) = them.session(&us, false);
    converse(&us, &them, &mut ours, &mut theirs, out, other);
    if state == 2 {
        for input in [Input::Trust, Input::IdentityGranted] {
            let (a, b) = (ours.handle(input.clone(), 0), theirs.handle(input, 0));
            converse(&us, &them, &mut ours, &mut theirs, a, b);
        }
        let stages = [(1, Stage::Identity), (2, Stage::Shared)];
        for (n, stage) in stages {
            let grant = Input::Grant { log: LogId::from([n; 32]), stage, heads: heads(u64::from(n)) };
            let (a, b) = (ours.handle(grant.clone(), 0), theirs.handle(grant, 0));
            converse(&us, &them, &mut ours, &mut theirs, a, b);
        }
    }
    ours
}

/// Frames and commands into a session; see the head of the file.
pub fn session(data: &[u8]) {
    let Some((state, mut rest)) = data.split_first() else { return };
    let mut session = session_in(state % 3);
    let mut now_ms = 0;
    while let [op, len, tail @ ..] = rest {
        let (bytes, next) = tail.split_at(usize::from(*len).min(tail.len()));
        rest = next;
        now_ms += u64::from(*len);
        check(&mut session, input(*op, bytes), now_ms);
    }
}

/// One input, and what must hold after it.
pub fn check(session: &mut Session, input: Input, now_ms: u64) {
    let was_closed = session.is_closed();
    let out = session.handle(input, now_ms);
    assert!(!was_closed || out.is_empty(), "nothing follows a close");
    let fatal = out.iter().any(|output| matches!(output, Output::PeerFault(fault) if fault.is_fatal()));
    let broken = out.iter().any(|output| matches!(output, Output::Close(Close::Fault)));
    assert_eq!(fatal, broken, "a fatal fault closes, and only a fault does so as one");
    let closed = matches!(out.last(), Some(Output::Close(_)));
    assert_eq!(session.is_closed(), was_closed || closed, "a close is the last word");
    assert!(session.poll_timeout().is_none_or(|(at_ms, _)| at_ms > now_ms), "a timer in the past would spin");
}

/// Every frame decoder: what decodes encodes to the same bytes.
pub fn frame(data: &[u8]) {
    decoded::<Hand>(data);
    decoded::<Word>(data);
    decoded::<Cargo>(data);
}

fn input(op: u8, bytes: &[u8]) -> Input {
    let first = bytes.first().copied().unwrap_or(1);
    let (n, log) = (u64::from(first), LogId::from([first % 4; 32]));
    match op % 16 {
        lane @ 0..=5 => Input::Frame {
            lane: [Lane::Handshake, Lane::Sync, Lane::Msg][usize::from(lane % 3)],
            bytes: if op < 128 { bytes.to_vec() } else { named(bytes, op / 16 % 4) },
        },
        6 => Input::Grant { log, stage: Stage::Shared, heads: heads(n) },
        7 => Input::Grant { log, stage: Stage::Identity, heads: heads(n) },
        8 => Input::Withdraw { log },
        9 | 10 => Input::Grown { log, heads: heads(n) },
        11 => Input::Events { read: ReadId(n), proofs: vec![], items: items(bytes), more: first % 2 == 0 },
        12 => Input::Settled { ticket: Ticket(n), outcomes: vec![outcome(first)], heads: Some(heads(n)) },
        13 => Input::Ack { log, device: device(first), bytes: bytes.to_vec() },
        14 => Input::Trust,
        _ => Input::Timeout,
    }
}

/// The frame with the session's name of log `n` behind its kind. The nonces are those of [`Device::session`].
fn named(bytes: &[u8], n: u8) -> Vec<u8> {
    let net = NetSecret::from_bytes(&[1; 32]).id();
    let (dialer_nonce, listener_nonce) = ([1; 32], [0; 32]);
    let seen = Transcript { dialer_nonce, listener_nonce, dialer_net: net, listener_net: net };
    let tag = seen.tag_key().tag(&LogId::from([n; 32]));
    let (kind, rest) = bytes.split_at(bytes.len().min(1));
    [kind, tag.as_bytes(), rest].concat()
}

fn outcome(n: u8) -> Outcome {
    let name = Name { device: device(n), seq: u64::from(n), id: EventId::from([n; 32]) };
    match n % 5 {
        0 => Outcome::Stored(name),
        1 => Outcome::Known(name),
        2 => Outcome::Orphaned(name),
        3 => Outcome::Refused,
        _ => Outcome::Dropped,
    }
}

fn items(bytes: &[u8]) -> Vec<Item> {
    let item = |(at, byte): (usize, &u8)| Item {
        device: device(*byte),
        seq: at as u64 + 1,
        hlc: at as u64,
        id: EventId::from([*byte; 32]),
        parcel: Parcel { bytes: vec![*byte; usize::from(*byte)], boxes: vec![] },
    };
    bytes.iter().enumerate().map(item).collect()
}

/// Any 32 equal bytes from 2 on are a canonical encoding and not of small order.
fn device(n: u8) -> DeviceId {
    DeviceId::from([n % 8 + 2; 32])
}

fn heads(n: u64) -> Heads {
    let id = EventId::from([n.to_le_bytes()[0]; 32]);
    let clock: Clock = [(device(1), Tip { seq: n + 1, id })].into_iter().collect();
    let frozen = if n.is_multiple_of(7) { [device(1)].into() } else { Default::default() };
    Heads { clock, digest: [n.to_le_bytes()[0]; 32], frozen, newest: n }
}

fn converse(
    us: &Device,
    them: &Device,
    a: &mut Session,
    b: &mut Session,
    mut out_a: Vec<Output>,
    mut out_b: Vec<Output>,
) {
    while !(out_a.is_empty() && out_b.is_empty()) {
        let (next_b, next_a) = (pass(us, a, b, out_a), pass(them, b, a, out_b));
        (out_a, out_b) = (next_a.0, next_b.0);
        out_a.extend(next_b.1);
        out_b.extend(next_a.1);
    }
}

/// Hands one side's frames to the other: what that one and this one say to it.
fn pass(device: &Device, from: &mut Session, to: &mut Session, out: Vec<Output>) -> (Vec<Output>, Vec<Output>) {
    let (mut answers, mut own) = (Vec::new(), Vec::new());
    for output in out {
        match output {
            Output::Send { lane, bytes } => answers.extend(to.handle(Input::Frame { lane, bytes }, 0)),
            Output::Sign(proof) => {
                let signed = proof.sign(&device.key);
                own.extend(signed.map(|signed| from.handle(Input::Signed(signed), 0)).unwrap_or_default());
            }
            Output::Read { read, .. } => {
                own.extend(from.handle(Input::Events { read, proofs: vec![], items: vec![], more: false }, 0));
            }
            _ => {}
        }
    }
    (answers, own)
}
