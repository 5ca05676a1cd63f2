//! Devices that hold valid keys and have no manners.
//!
//! ```text
//! forged at rest   the liar's own log is opened while it is off, an event is made with its real keys and
//!                  taken in by its own admission; its (honest) node then spreads it
//!                    Garbage   a valid signature over a ciphertext that opens for nobody
//!                    Bomb      a clock as far ahead as admission allows (E5)
//!                    BadBoxes  a rekey whose boxes and commitment are noise (K1)
//! rewound          the liar's disk is put back to an older copy: it writes other events under numbers
//!                  that it used before (F1)
//! bent in flight   an honest node behind a wrapper that touches every frame it sends
//!                    Mutates · Withholds · Replays · Floods · Overruns · Oversizes
//! smuggled         events that its own store would refuse, put between its frames (`smuggler.rs`)
//! ```

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use y7ke_crypto::epoch::{BOX_LEN, KeyBox, Member, Rekey};
use y7ke_crypto::event::{Class, Dep, Header, Payload};
use y7ke_crypto::ids::{DeviceId, LogId, NetKey, PrekeyId, RootId};
use y7ke_crypto::sign::DeviceKey;
use y7ke_ledger::admit::LogSpec;
use y7ke_ledger::body::Body;
use y7ke_ledger::id::Event;
use y7ke_ledger::store::{Admission, EventInfo, Ledger, StorageError, View};
use y7ke_node::core::{Engine, Input, Now, Output};
use y7ke_transport::{Command, Lane, SessionId};

use super::brain::{Brain, Maker, Shut, engine};
use super::dice::Dice;
use super::disk::SimDisk;
use super::world::{MachineId, World};

/// An event that only a liar makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgery {
    /// A ciphertext that opens for nobody (E4).
    Garbage,
    /// The greatest clock that admission takes (E5).
    Bomb,
    /// A rekey that gives nobody a key (K1).
    BadBoxes,
}

/// What a liar does to the frames that it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vice {
    /// Flips, cuts or lengthens them.
    Mutates,
    /// Never sends what it owes on the bulk lane.
    Withholds,
    /// Says old things again, requests included.
    Replays,
    /// Sends noise on every lane.
    Floods,
    /// Sends far more on the bulk lane than it has credit for.
    Overruns,
    /// Sends frames of a megabyte of noise.
    Oversizes,
}

impl Vice {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Mutates, Self::Withholds, Self::Replays, Self::Floods, Self::Overruns, Self::Oversizes];
}

impl World {
    /// From now on checkers hold this machine to nothing.
    pub fn suspect(&mut self, id: MachineId) {
        self.machines[id].is_honest = false;
    }

    /// Puts another disk into a machine that is off: a restored snapshot.
    pub fn swap_disk(&mut self, id: MachineId, disk: SimDisk) {
        self.machines[id].disk = disk;
    }

    /// Makes a liar's machine, which is off, hold a forged event in its conversation with `other`;
    /// says what its own admission made of it.
    pub fn forge(&mut self, liar: MachineId, other: MachineId, forgery: Forgery) -> Result<Admission, String> {
        let machine = &self.machines[liar];
        let with = self.machines[other].root.ok_or("the other was never on")?;
        let ledger = machine.safe.open(&machine.disk).map_err(|fault| fault.to_string())?;
        let mut dice = Dice::new(self.seed, "forger");
        let mut rng = dice.rng();
        let view = ledger.view().map_err(|fault| fault.to_string())?;
        let pen = Pen::of(&view, &with)?;
        let (event, boxes) = pen.write(forgery, &mut rng)?;
        drop(view);
        let mut batch = ledger.begin(&mut rng).map_err(|fault| fault.to_string())?;
        let sender = pen.key.id();
        let admission = batch.admit(event, boxes, sender).map_err(|fault| fault.to_string())?;
        batch.commit().map_err(|fault| fault.to_string())?;
        Ok(admission)
    }
}

/// What is needed to write the next event of a device by hand.
pub(super) struct Pen {
    pub(super) key: DeviceKey,
    pub(super) log: LogId,
    pub(super) deps: Vec<Dep>,
    /// The greatest clock among the dependencies.
    pub(super) newest: u64,
    generation: u64,
    pub(super) tip: EventInfo,
    members: Vec<DeviceId>,
}

type Made = (y7ke_crypto::sign::Signed<Event>, Vec<KeyBox>);

impl Pen {
    /// The key of the device whose store this is.
    pub(super) fn key(view: &View) -> Result<DeviceKey, String> {
        let seed = view.secret("device seed").map_err(|fault| fault.to_string())?.ok_or("no device")?;
        Ok(DeviceKey::from_seed(seed.as_slice().try_into().map_err(|_length| "a short seed")?))
    }

    pub(super) fn of(view: &View, with: &RootId) -> Result<Self, String> {
        let text = |fault: StorageError| fault.to_string();
        let key = Self::key(view)?;
        let log = conversation(view, with)?;
        let heads = view.heads(&log).map_err(text)?;
        let mut ends: BTreeMap<DeviceId, EventInfo> = BTreeMap::new();
        for head in heads {
            let info = view.event(&head).map_err(text)?.ok_or("a head that is not there")?;
            ends.insert(info.header.device, info);
        }
        let tip = tip(view, &log, &key.id())?;
        ends.entry(key.id()).or_insert_with(|| tip.clone());
        let newest = ends.values().map(|info| info.header.hlc).max().unwrap_or(0);
        let generation = ends.values().map(|info| info.generation).max().unwrap_or(0);
        let deps =
            ends.values().map(|info| Dep { device: info.header.device, seq: info.header.seq, id: info.id }).collect();
        let members = view.members(&log).map_err(text)?.into_iter().map(|(device, _)| device).collect();
        Ok(Self { key, log, deps, newest, generation, tip, members })
    }

    fn write(&self, forgery: Forgery, rng: &mut ChaCha20Rng) -> Result<Made, String> {
        let seq = self.tip.header.seq + 1;
        let clock = if forgery == Forgery::Bomb { self.newest + (1 << 37) } else { self.newest + 1 };
        let mut header = Header::open(self.log, self.key.id(), seq, clock, self.deps.clone());
        let (body, boxes) = if forgery == Forgery::BadBoxes {
            let (rekey, boxes) = self.bad_boxes(rng);
            (Body::Rekey(rekey).to_bytes(), boxes)
        } else {
            (self.noise(&mut header, rng)?, Vec::new())
        };
        let event = Event::new(header, Payload::Full(body));
        let signed = self.key.sign(event).map_err(|fault| format!("{fault:?}"))?;
        Ok((signed.into_signed(), boxes))
    }

    /// The next index of the chain that the last event used, and noise for a ciphertext.
    fn noise(&self, header: &mut Header, rng: &mut ChaCha20Rng) -> Result<Vec<u8>, String> {
        if self.tip.header.class != Class::Sealed {
            return Err("the liar has to have said something first".into());
        }
        header.class = Class::Sealed;
        header.epoch = self.tip.header.epoch;
        header.chain = self.tip.header.chain + 1;
        rng.fill_bytes(&mut header.nonce);
        rng.fill_bytes(&mut header.key_commit);
        let mut noise = vec![0; 256 + 16];
        rng.fill_bytes(&mut noise);
        Ok(noise)
    }

    fn bad_boxes(&self, rng: &mut ChaCha20Rng) -> (Rekey, Vec<KeyBox>) {
        let mut commitment = [0; 32];
        rng.fill_bytes(&mut commitment);
        let mut devices = self.members.clone();
        devices.sort_unstable();
        let boxes: Vec<KeyBox> = devices
            .iter()
            .map(|device| {
                let mut sealed = Box::new([0; BOX_LEN]);
                rng.fill_bytes(sealed.as_mut_slice());
                KeyBox { device: *device, sealed }
            })
            .collect();
        let prekey = PrekeyId::from([7; 16]);
        let member = |sealed: &KeyBox| Member { device: sealed.device, prekey, box_hash: sealed.hash() };
        let members = boxes.iter().map(member).collect();
        (Rekey { generation: self.generation + 1, commitment, members }, boxes)
    }
}

fn conversation(view: &View, with: &RootId) -> Result<LogId, String> {
    let logs = view.logs().map_err(|fault| fault.to_string())?;
    let is_theirs = |spec: &LogSpec| match spec {
        LogSpec::Conversation { lesser, greater, .. } => lesser == with || greater == with,
        _ => false,
    };
    logs.iter().find(|info| info.live > 0 && is_theirs(&info.spec)).map(|info| info.log).ok_or("no conversation".into())
}

fn tip(view: &View, log: &LogId, device: &DeviceId) -> Result<EventInfo, String> {
    let clock = view.clock(log).map_err(|fault| fault.to_string())?;
    let newest = clock.tips(device).last().copied().ok_or("the liar never wrote there")?;
    view.event(&newest.id).map_err(|fault| fault.to_string())?.ok_or("a tip that is not there".into())
}

/// An honest node whose frames are bent once `on` says so.
struct Liar {
    inner: Engine<ChaCha20Rng>,
    vice: Vice,
    on: Rc<Cell<bool>>,
    dice: Dice,
    kept: Vec<(Lane, Vec<u8>)>,
}

/// A liar, and the switch that lets it begin.
pub fn liar(vice: Vice) -> (Maker, Rc<Cell<bool>>) {
    let on = Rc::new(Cell::new(false));
    let switch = Rc::clone(&on);
    let maker: Maker = Rc::new(move |mut boot| {
        let dice = Dice::new(boot.rng.next_u64(), "liar");
        Ok(Box::new(Liar { inner: engine(boot)?, vice, on: Rc::clone(&on), dice, kept: Vec::new() }))
    });
    (maker, switch)
}

impl Brain for Liar {
    fn net(&self) -> NetKey {
        Brain::net(&self.inner)
    }

    fn root(&self) -> RootId {
        Brain::root(&self.inner)
    }

    fn round(&mut self, inputs: Vec<Input>, now: Now) -> (Vec<Output>, Option<StorageError>) {
        let (outputs, fault) = self.inner.round(inputs, now);
        let bent = outputs.into_iter().flat_map(|output| self.bend(output)).collect();
        (bent, fault)
    }

    fn poll_timeout(&self) -> Option<(u64, &'static str)> {
        self.inner.poll_timeout()
    }

    fn ledger(&self) -> Option<Ledger> {
        Brain::ledger(&self.inner)
    }

    fn close(self: Box<Self>) -> Box<dyn Shut> {
        Box::new(self.inner.close())
    }
}

impl Liar {
    fn bend(&mut self, output: Output) -> Vec<Output> {
        match output {
            Output::Net(Command::Send { session, lane, frame }) => {
                if self.kept.len() < 256 {
                    self.kept.push((lane, frame.clone()));
                }
                let frames = if self.on.get() { self.lie(lane, frame) } else { vec![(lane, frame)] };
                frames.into_iter().map(|(lane, frame)| send(session, lane, frame)).collect()
            }
            other => vec![other],
        }
    }

    fn lie(&mut self, lane: Lane, frame: Vec<u8>) -> Vec<(Lane, Vec<u8>)> {
        match self.vice {
            Vice::Mutates if self.dice.permille(200) => vec![(lane, self.mutate(frame))],
            Vice::Withholds if lane == Lane::Msg => Vec::new(),
            Vice::Replays => {
                let old = self.dice.pick(&self.kept).cloned();
                [(lane, frame)].into_iter().chain(old).collect()
            }
            Vice::Floods => {
                let noise: Vec<_> = (0..20).map(|_| (self.any_lane(), self.noise(600))).collect();
                [(lane, frame)].into_iter().chain(noise).collect()
            }
            Vice::Overruns if lane == Lane::Msg => (0..1_500).map(|_| (lane, frame.clone())).collect(),
            Vice::Oversizes if self.dice.permille(300) => vec![(self.any_lane(), self.noise(1 << 20)), (lane, frame)],
            _ => vec![(lane, frame)],
        }
    }

    fn mutate(&mut self, mut frame: Vec<u8>) -> Vec<u8> {
        let at = usize::try_from(self.dice.below(frame.len() as u64)).unwrap_or(0);
        match self.dice.below(4) {
            0 => frame.truncate(at.max(1)),
            1 => frame.push(self.dice.any() as u8),
            _ => frame[at] ^= 1 << self.dice.below(8),
        }
        frame
    }

    fn any_lane(&mut self) -> Lane {
        self.dice.pick(&Lane::ALL).copied().unwrap_or(Lane::Msg)
    }

    fn noise(&mut self, up_to: u64) -> Vec<u8> {
        let mut noise = vec![0; usize::try_from(self.dice.within(1..up_to)).unwrap_or(1)];
        self.dice.rng().fill_bytes(&mut noise);
        noise
    }
}

fn send(session: SessionId, lane: Lane, frame: Vec<u8>) -> Output {
    Output::Net(Command::Send { session, lane, frame })
}
