//! Devices with keys and certificates, and two sessions that have greeted each other.

use y7ke_crypto::cert::{Caps, CertChain, Subject};
use y7ke_crypto::ids::NetKey;
use y7ke_crypto::sign::{DeviceKey, NetSecret, RootKey};
use y7ke_sync::{Config, Input, Lane, Output, Session};

/// One device.
pub struct Device {
    pub key: DeviceKey,
    pub net: NetKey,
    pub chain: CertChain,
}

impl Device {
    pub fn new(n: u8) -> Self {
        let (root, key) = (RootKey::from_seed(&[n; 32]), DeviceKey::from_seed(&[n ^ 0x40; 32]));
        let net = NetSecret::from_bytes(&[n ^ 0x80; 32]).id();
        let subject = Subject { device: key.id(), net, caps: Caps::ADMIN, not_before: 1, cert_seq: 1 };
        Self { net, chain: CertChain::rooted(&root, subject), key }
    }

    pub fn config(&self, peer: &Device, dialer: bool, nonce: [u8; 32]) -> Config {
        Config { chain: self.chain.clone(), net: self.net, peer: peer.net, dialer, nonce }
    }

    /// Does what only the key's owner can; the rest is returned.
    pub fn sign(&self, session: &mut Session, outputs: Vec<Output>, now_ms: u64) -> Vec<Output> {
        let mut rest = Vec::new();
        for output in outputs {
            match output {
                Output::Sign(proof) => {
                    let signed = proof.sign(&self.key).expect("the session names our own device");
                    rest.extend(session.handle(Input::Signed(signed), now_ms));
                }
                other => rest.push(other),
            }
        }
        rest
    }
}

/// The frames among outputs.
pub fn frames(outputs: &[Output]) -> Vec<(Lane, Vec<u8>)> {
    let sends = outputs.iter().filter_map(|output| match output {
        Output::Send { lane, bytes } => Some((*lane, bytes.clone())),
        _ => None,
    });
    sends.collect()
}

/// Two sessions, and what each has put out beside frames.
pub struct Duo {
    pub devices: [Device; 2],
    pub sessions: [Session; 2],
    pub said: [Vec<Output>; 2],
    /// Every frame, with who sent it.
    pub wire: Vec<(usize, Lane, Vec<u8>)>,
    queue: std::collections::VecDeque<(usize, Lane, Vec<u8>)>,
    pub now_ms: u64,
}

impl Duo {
    /// Both have said hello; nothing has been delivered.
    pub fn new() -> Self {
        let devices = [Device::new(1), Device::new(2)];
        let (a, from_a) = Session::new(devices[0].config(&devices[1], true, [7; 32]), 0);
        let (b, from_b) = Session::new(devices[1].config(&devices[0], false, [8; 32]), 0);
        let mut duo = Self {
            devices,
            sessions: [a, b],
            said: [vec![], vec![]],
            wire: vec![],
            queue: Default::default(),
            now_ms: 0,
        };
        duo.take(0, from_a);
        duo.take(1, from_b);
        duo
    }

    /// Both are proven, and trust each other.
    pub fn proven() -> Self {
        let mut duo = Self::new();
        duo.run();
        duo.give(0, Input::Trust);
        duo.give(1, Input::Trust);
        duo.run();
        duo
    }

    /// Both have synced their identity logs, of which there are none.
    pub fn synced() -> Self {
        let mut duo = Self::proven();
        duo.give(0, Input::IdentityGranted);
        duo.give(1, Input::IdentityGranted);
        duo.run();
        duo
    }

    /// Gives an input to one side; frames wait.
    pub fn give(&mut self, side: usize, input: Input) {
        let out = self.sessions[side].handle(input, self.now_ms);
        self.take(side, out);
    }

    /// Delivers frames until none is left.
    pub fn run(&mut self) {
        while let Some((from, lane, bytes)) = self.queue.pop_front() {
            self.give(1 - from, Input::Frame { lane, bytes });
        }
    }

    /// Frames that wait, thrown away.
    pub fn lose(&mut self) {
        self.queue.clear();
    }

    fn take(&mut self, side: usize, outputs: Vec<Output>) {
        let outputs = self.devices[side].sign(&mut self.sessions[side], outputs, self.now_ms);
        for output in outputs {
            if let Output::Send { lane, bytes } = output {
                self.wire.push((side, lane, bytes.clone()));
                self.queue.push_back((side, lane, bytes));
            } else {
                self.said[side].push(output);
            }
        }
    }
}
