//! Arbitrary sequences of inputs into a node's core, beside a peer that holds valid keys and has no manners.
//!
//! ```text
//!          commands · timers · disk faults · crashes · network events        the script
//!                                  │
//!   liar (1) ── frames, bent ──▶ victim (0) ◀── frames, as they are ── friend (2)
//!     │  its own node goes on        └── what it says and keeps is checked at every round
//!     └ forged events, requests, clocks, proofs, acknowledgements: signed, sealed, named as the session names logs
//!
//! script   u8 scene ( % 4: 0 strangers · 1 the liar asks · 2 the victim asks · 3 they talk; 64 ends without the
//!          slow checks; 128 begins without a session ) · steps…
//! step     u8 op · what it takes                         missing bytes are zeros; the end of the bytes is the end
//! ```
//!
//! Checked at every round of an honest node ([`world`]): no panic and nothing logged as a fault of our own; each
//! call answered once; nothing is sent into a session that is closed or was told to close; frames within
//! their caps; output bounded by input; a timer that fired is not due again; what is said is durable; nothing
//! but "the disk failed" is said of a round that failed. At the end: what was promised is on the disk as a
//! crash would leave it, the store verifies, its projections rebuild to the same bytes, and victim and friend
//! agree on what they said to each other, whatever the liar did.

#![allow(clippy::panic, reason = "a panic is how a fuzz body says what it found")]

mod liar;
mod scenes;
mod world;

use y7ke_transport::{Address, Event as NetEvent, Lane, SessionId};

use super::Input;
use crate::api::{Command, Conversation, Mode, SettingsPatch};
use world::{FRIEND, LIAR, VICTIM, World};

/// Steps of one script: more find nothing that fewer do not.
const STEPS: usize = 64;

/// Runs a script; see the head of the file.
pub(crate) fn core(data: &[u8]) {
    let mut script = Script(data);
    let scene = script.byte();
    world::alarmed(|| {
        let mut world = scenes::load(scene);
        for _ in 0..STEPS {
            let Some(op) = script.next() else { break };
            step(&mut world, op, &mut script);
            world.settle();
        }
        world.finish(scene & 64 == 0);
    });
}

/// Bytes that decide; where they end, zeros decide.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn byte(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end.max(1)
    }

    /// Up to 255 bytes behind their length.
    fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte()).min(self.0.len());
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }
}

fn step(world: &mut World, op: u8, script: &mut Script<'_>) {
    match op % 24 {
        0 => raw_frame(world, script),
        1 => noise_of_a_stranger(world, script),
        2 | 3 => world.bend_next(script.byte(), script.word(), script.byte()),
        4 => world.hold(script.byte().is_multiple_of(2)),
        5 => world.say_again(usize::from(script.byte())),
        6 => connect(world, script),
        7 => world.disconnect(script.byte()),
        8 => world.pass(1 + u64::from(script.word())),
        9 => world.jump(u64::from(script.byte()), script.byte()),
        10 => network(world, script),
        11 => world.machines[VICTIM].disk.fail(u64::from(script.byte() % 16)),
        12 => world.crash(),
        13..=15 => command(world, VICTIM, script),
        16 | 17 => command(world, LIAR, script),
        18 => {
            world.wake(FRIEND);
            command(world, FRIEND, script);
        }
        _ => liar::lie(world, script),
    }
}

fn raw_frame(world: &mut World, script: &mut Script<'_>) {
    let lane = Lane::ALL[script.below(3)];
    let bytes = script.bytes().to_vec();
    world.slip(lane, bytes);
}

/// Nobody who has proved nothing changes a byte on the disk.
fn noise_of_a_stranger(world: &mut World, script: &mut Script<'_>) {
    let number = script.byte();
    let lane = Lane::ALL[script.below(3)];
    let bytes = script.bytes().to_vec();
    world.settle();
    let (faulty, before) = (world.machines[VICTIM].disk_may_fail, world.machines[VICTIM].disk.changes());
    let session = world.ghost(number);
    world.push(VICTIM, Input::Net(NetEvent::Frame { session, lane, bytes: nonempty(bytes) }));
    world.round(VICTIM);
    let after = world.machines[VICTIM].disk.changes();
    assert!(faulty || before == after, "a stranger who has proved nothing wrote to the disk");
}

fn nonempty(bytes: Vec<u8>) -> Vec<u8> {
    if bytes.is_empty() { vec![0] } else { bytes }
}

fn connect(world: &mut World, script: &mut Script<'_>) {
    match script.byte() % 4 {
        0 => world.connect(LIAR, VICTIM),
        1 => world.connect(VICTIM, LIAR),
        2 => {
            world.wake(FRIEND);
            world.connect(FRIEND, VICTIM);
        }
        _ => world.replace(LIAR, VICTIM),
    }
}

/// What the transport may say beside sessions and frames.
fn network(world: &mut World, script: &mut Script<'_>) {
    let addresses = |script: &mut Script<'_>| -> Vec<Address> {
        (0..script.below(4)).filter_map(|_| address(world, script)).collect()
    };
    let event = match script.byte() % 6 {
        0 => NetEvent::NetworkChanged,
        1 => NetEvent::Listening { addresses: addresses(script) },
        2 => NetEvent::Discovered { peer: world.net(script.below(4)), addresses: addresses(script) },
        3 => {
            NetEvent::Frame { session: SessionId(u64::MAX), lane: Lane::Msg, bytes: nonempty(script.bytes().to_vec()) }
        }
        4 => NetEvent::Closed { session: SessionId(u64::MAX), reason: y7ke_transport::CloseReason::Lost },
        _ => match world.path_changed(script.below(3)) {
            Some(event) => event,
            None => NetEvent::NetworkChanged,
        },
    };
    world.push(VICTIM, Input::Net(event));
}

fn address(world: &World, script: &mut Script<'_>) -> Option<Address> {
    match script.byte() % 4 {
        0 => Some(world::address(LIAR)),
        1 => Some(world::address(FRIEND).with_peer(&world.net(script.below(4)))),
        2 => "/ip6/fe80::1/udp/4101/quic-v1".parse().ok(),
        _ => script.text().parse().ok(),
    }
}

/// A command of whoever sits at machine `n`: real ids where ids are asked for, now and then nonsense.
fn command(world: &mut World, n: usize, script: &mut Script<'_>) {
    let command = match script.byte() % 24 {
        0 => Command::NodeInfo,
        1 => Command::NodeDial { multiaddr: address(world, script).map(|to| to.to_string()).unwrap_or_default() },
        2 => Command::ContactRequest { uri: person(world, script), greeting: script.text() },
        3 => Command::ContactList,
        4 => Command::ContactRename { y7_id: person(world, script), name: script.text() },
        5 => Command::ContactBlock { y7_id: person(world, script) },
        6 => Command::ContactUnblock { y7_id: person(world, script) },
        7 => {
            let (y7_id, how) = (person(world, script), script.byte());
            let digits = (how & 4 != 0).then(|| script.text());
            Command::ContactVerify { y7_id, digits, verified: how.is_multiple_of(2) }
        }
        8 => Command::ContactSafetyNumber { y7_id: person(world, script) },
        9 => Command::RequestList,
        10 => Command::RequestAccept { request_id: world.request_id(n, script.byte()) },
        11 => Command::RequestReject { request_id: world.request_id(n, script.byte()) },
        12 => Command::RequestCancel { request_id: world.request_id(n, script.byte()) },
        13..=15 => {
            let to = conversation(world, script);
            let reply_to = (script.byte().is_multiple_of(4)).then(|| world.message_id(n, script.byte()));
            Command::MessageSend { to, text: script.text(), reply_to }
        }
        16 => {
            let of = conversation(world, script);
            let before = (script.byte().is_multiple_of(2)).then(|| world.message_id(n, script.byte()));
            Command::MessageList { of, before, limit: usize::from(script.byte()) }
        }
        17 => Command::MessageSearch { query: script.text(), y7_id: None, limit: usize::from(script.byte()) },
        18 => Command::MessageRead { of: conversation(world, script), up_to: world.message_id(n, script.byte()) },
        19 => Command::LogVerify { log: None },
        20 => Command::LogDigest { log: None },
        21 => Command::SettingsSet(settings(script)),
        22 => Command::DraftSet { of: conversation(world, script), text: script.text() },
        _ => Command::LogList,
    };
    world.command(n, command);
}

fn settings(script: &mut Script<'_>) -> SettingsPatch {
    let flags = script.byte();
    SettingsPatch {
        mode: Some(if flags & 1 == 0 { Mode::Lan } else { Mode::Y7net }),
        name: (flags & 2 == 0).then(|| script.text()),
        receipts: Some(flags & 4 == 0),
        scale: Some(script.word()),
        ..SettingsPatch::default()
    }
}

fn person(world: &World, script: &mut Script<'_>) -> String {
    match script.byte() % 5 {
        0 => world.y7_id(FRIEND),
        1 => world.y7_id(VICTIM),
        2 => script.text(),
        _ => world.y7_id(LIAR),
    }
}

fn conversation(world: &World, script: &mut Script<'_>) -> Conversation {
    match script.byte() % 5 {
        0 => Conversation::Person(world.y7_id(FRIEND)),
        1 => Conversation::Log(script.text()),
        2 => Conversation::Person(world.y7_id(VICTIM)),
        _ => Conversation::Person(world.y7_id(LIAR)),
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::{Rng, SeedableRng};

    #[test]
    fn every_scene_lives_through_noise() {
        for seed in 0..40 {
            let mut script = vec![0; 600];
            ChaCha20Rng::seed_from_u64(seed).fill_bytes(&mut script);
            script[0] = seed.to_le_bytes()[0];
            super::core(&script);
        }
    }
}
