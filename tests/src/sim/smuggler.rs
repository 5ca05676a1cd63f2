//! Events that no honest store holds, slipped into real sessions.
//!
//! ```text
//! liar's node ── frames ──▶ wrapper ──┬─ contraband ──▶ peer      before the frame and after it
//!   (honest,                          ├─ the frame
//!    its own store stays clean)       └─ contraband
//!
//! hello out, hello in ─▶ both nonces ─▶ the session's name of any log (S1) ─▶ an items frame by hand
//! ```
//!
//! What goes *before* a frame may depend on an event that the frame brings: then it is held as an orphan
//! and judged when that one has arrived. So both ways into a log are tried (E3).

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use rand_chacha::ChaCha20Rng;
use rand_core::Rng;

use y7ke_crypto::cert::CertChain;
use y7ke_crypto::codec::{Reader, Wire};
use y7ke_crypto::event::{Header, Payload};
use y7ke_crypto::hello::{Hello, Transcript};
use y7ke_crypto::ids::{BundleHash, EventId, LogId, NetKey, RequestId, RootId};
use y7ke_crypto::request::{Opening, RequestCore};
use y7ke_crypto::sign::{DeviceKey, Signed};
use y7ke_ledger::StorageError;
use y7ke_ledger::admit::LogSpec;
use y7ke_ledger::body::Body;
use y7ke_ledger::id::Event;
use y7ke_ledger::store::{Admission, Ledger, View};
use y7ke_ledger::views::{self, Direction};
use y7ke_node::core::{Engine, Input, Now, Output};
use y7ke_sync::Parcel;
use y7ke_sync::fuzz::items_frame;
use y7ke_transport::{Command, Event as NetEvent, Lane, SessionId};

use super::brain::{Brain, Maker, Shut, engine};
use super::dice::Dice;
use super::liar::Pen;
use super::world::{MachineId, World};

/// Handfuls of contraband per session: credit ends sessions that take more.
const PER_SESSION: u32 = 12;
/// The first byte of the first note (`docs/WIRE.md`).
const FIRST_NOTE: u8 = 16;
/// A kind of open body that does not exist: stored, no effect (E4).
const NO_KIND: [u8; 9] = *b"\xfenothing!";

/// What is smuggled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contraband {
    /// A clock not later than a dependency's, or zero (E5).
    LateClock,
    /// A clock beyond what one step may leap, up to the end of numbers (E5).
    FarClock,
    /// A clock within the rules, on top of an event whose clock is not: held, and never released.
    OnBadClock,
    /// A clock within the rules: no contraband. It shows that the rest arrives.
    GoodClock,
    /// The opening of a conversation that the liar asked for, as if the liar were who was asked.
    OwnOpening,
    /// The same with the certificates of who was asked, as the session showed them.
    StolenChain,
    /// The same in the name of their device, signed by the liar's.
    StolenName,
}

/// Everything that was slipped into sessions.
#[derive(Clone, Default)]
pub struct Slipped(Rc<RefCell<BTreeMap<EventId, Signed<Event>>>>);

impl Slipped {
    /// How many different events.
    pub fn count(&self) -> usize {
        self.0.borrow().len()
    }

    fn note(&self, events: &[Signed<Event>]) {
        self.0.borrow_mut().extend(events.iter().map(|event| (event.claim.id(), event.clone())));
    }
}

/// What a smuggler and its test share.
#[derive(Clone, Default)]
pub struct Ring {
    /// Lets it begin.
    pub on: Rc<Cell<bool>>,
    /// What it slipped into sessions.
    pub slipped: Slipped,
}

/// A session as its frames show it.
#[derive(Default)]
struct Line {
    dialer: bool,
    mine: Option<Hello>,
    theirs: Option<Hello>,
    done: u32,
}

struct Smuggler {
    inner: Engine<ChaCha20Rng>,
    wares: Vec<Contraband>,
    ring: Ring,
    dice: Dice,
    lines: BTreeMap<SessionId, Line>,
}

/// A node that smuggles, once its ring is switched on.
pub fn smuggler(wares: &[Contraband]) -> (Maker, Ring) {
    let (wares, ring) = (wares.to_vec(), Ring::default());
    let shared = ring.clone();
    let maker: Maker = Rc::new(move |mut boot| {
        let dice = Dice::new(boot.rng.next_u64(), "smuggler");
        let (wares, ring) = (wares.clone(), shared.clone());
        Ok(Box::new(Smuggler { inner: engine(boot)?, wares, ring, dice, lines: BTreeMap::new() }))
    });
    (maker, ring)
}

impl Brain for Smuggler {
    fn net(&self) -> NetKey {
        Brain::net(&self.inner)
    }

    fn root(&self) -> RootId {
        Brain::root(&self.inner)
    }

    fn round(&mut self, inputs: Vec<Input>, now: Now) -> (Vec<Output>, Option<StorageError>) {
        inputs.iter().for_each(|input| self.overhear(input));
        let (outputs, fault) = self.inner.round(inputs, now);
        (outputs.into_iter().flat_map(|output| self.pass(output)).collect(), fault)
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

impl Smuggler {
    fn overhear(&mut self, input: &Input) {
        match input {
            Input::Net(NetEvent::Opened { session, dialer, .. }) => {
                self.lines.insert(*session, Line { dialer: *dialer, ..Line::default() });
            }
            Input::Net(NetEvent::Frame { session, lane: Lane::Handshake, bytes }) => {
                let line = self.lines.entry(*session).or_default();
                line.theirs = line.theirs.take().or_else(|| hello(bytes));
            }
            Input::Net(NetEvent::Closed { session, .. }) => drop(self.lines.remove(session)),
            _ => {}
        }
    }

    fn pass(&mut self, output: Output) -> Vec<Output> {
        let Output::Net(Command::Send { session, lane, frame }) = output else { return vec![output] };
        let line = self.lines.entry(session).or_default();
        if lane == Lane::Handshake {
            line.mine = line.mine.take().or_else(|| hello(&frame));
        }
        let is_greeting = lane == Lane::Handshake && frame.first().is_none_or(|kind| *kind < FIRST_NOTE);
        let frames = if is_greeting || !self.ring.on.get() {
            vec![(lane, frame)]
        } else {
            let (before, after) = (self.smuggle(session), self.smuggle(session));
            before.into_iter().chain([(lane, frame)]).chain(after).collect()
        };
        frames.into_iter().map(|(lane, frame)| Output::Net(Command::Send { session, lane, frame })).collect()
    }

    /// One frame of contraband, if there is anything to be said to this peer.
    fn smuggle(&mut self, session: SessionId) -> Option<(Lane, Vec<u8>)> {
        let line = self.lines.get_mut(&session).filter(|line| line.done < PER_SESSION)?;
        let (mine, theirs) = line.mine.as_ref().zip(line.theirs.as_ref())?;
        let ware = *self.dice.pick(&self.wares)?;
        let view = Brain::ledger(&self.inner)?.view().ok()?;
        let events = ware.write(&view, &mine.chain, &theirs.chain, &mut self.dice)?;
        let log = events.first()?.claim.header().log;
        let tag = transcript(line.dialer, mine, theirs).tag_key().tag(&log);
        line.done += 1;
        self.ring.slipped.note(&events);
        let parcel = |event| Parcel { bytes: Event::to_wire(event).to_bytes(), boxes: Vec::new() };
        Some((Lane::Msg, items_frame(tag, events.iter().map(parcel).collect())))
    }
}

/// A hello frame: kind 1, version.
fn hello(frame: &[u8]) -> Option<Hello> {
    let mut reader = Reader::new("hello", frame);
    (reader.u8() == Ok(1)).then_some(())?;
    reader.u16().ok()?;
    reader.get().ok()
}

/// Of the transcript the nonces alone name logs.
fn transcript(is_dialer: bool, mine: &Hello, theirs: &Hello) -> Transcript {
    let (dialer, listener) = if is_dialer { (mine, theirs) } else { (theirs, mine) };
    let net = NetKey::from([0; 32]);
    Transcript { dialer_nonce: dialer.nonce, listener_nonce: listener.nonce, dialer_net: net, listener_net: net }
}

impl Contraband {
    fn write(self, view: &View, mine: &CertChain, theirs: &CertChain, dice: &mut Dice) -> Option<Vec<Signed<Event>>> {
        match self {
            Self::LateClock | Self::FarClock | Self::OnBadClock | Self::GoodClock => {
                self.clocks(&Pen::of(view, &theirs.root()).ok()?, dice)
            }
            Self::OwnOpening | Self::StolenChain | Self::StolenName => {
                let key = Pen::key(view).ok()?;
                self.opening(asked(view, &mine.root(), &theirs.root())?, &key, mine, theirs).map(|event| vec![event])
            }
        }
    }

    fn clocks(self, pen: &Pen, dice: &mut Dice) -> Option<Vec<Signed<Event>>> {
        let newest = pen.newest;
        let late = [0, newest.saturating_sub(1), newest];
        let far = [newest + (1 << 37) + 1, u64::MAX - 1, u64::MAX];
        let first = match self {
            Self::FarClock => *dice.pick(&far)?,
            Self::GoodClock => newest + 1,
            _ => *dice.pick(&late)?,
        };
        let first = pen.open_event(pen.tip.header.seq + 1, first, pen.deps.clone(), dice)?;
        if self != Self::OnBadClock {
            return Some(vec![first]);
        }
        let second = pen.open_event(first.claim.header().seq + 1, newest + 2, vec![first.claim.as_dep()], dice)?;
        Some(vec![first, second])
    }

    fn opening(
        self,
        core: RequestCore,
        key: &DeviceKey,
        mine: &CertChain,
        theirs: &CertChain,
    ) -> Option<Signed<Event>> {
        let opener = if self == Self::OwnOpening { mine } else { theirs };
        let (log, hlc) = (core.log(), core.created);
        let core = key.sign(core).ok()?.into_signed();
        let opening = Opening { core, requester: mine.clone(), opener: opener.clone() };
        let body = Body::Opening(Box::new(opening)).to_bytes();
        let by = |device| Event::new(Header::open(log, device, 1, hlc, Vec::new()), Payload::Full(body.clone()));
        let own = key.sign(by(key.id())).ok()?.into_signed();
        if self != Self::StolenName {
            return Some(own);
        }
        Some(Signed { claim: by(theirs.device()), sig: own.sig })
    }
}

impl Pen {
    /// An open event of no kind, different each time.
    fn open_event(
        &self,
        seq: u64,
        hlc: u64,
        deps: Vec<y7ke_crypto::event::Dep>,
        dice: &mut Dice,
    ) -> Option<Signed<Event>> {
        let body = [&NO_KIND[..], &dice.any().to_le_bytes()].concat();
        let event = Event::new(Header::open(self.log, self.key.id(), seq, hlc, deps), Payload::Full(body));
        Some(self.key.sign(event).ok()?.into_signed())
    }
}

/// What the liar asked of `them`, written once more.
fn asked(view: &View, me: &RootId, them: &RootId) -> Option<RequestCore> {
    let all = views::requests(view, &LogId::account(me), 0).ok()?;
    let mine = all.into_iter().find(|row| row.direction == Direction::Out && row.root == *them)?;
    Some(RequestCore {
        req_id: mine.req_id,
        created: mine.created,
        expires: mine.expires,
        from_root: *me,
        to_root: *them,
        from_device: Pen::key(view).ok()?.id(),
        to_bundle: BundleHash::from([1; 32]),
        from_bundle: BundleHash::from([2; 32]),
        details: [3; 32],
    })
}

impl World {
    /// E3, E5: nothing of what was slipped into sessions stands in anybody's log.
    pub fn nothing_was_smuggled(&mut self, slipped: &Slipped) {
        if slipped.count() == 0 {
            self.checks.violated("nothing was smuggled: a test of nothing".into());
        }
        for id in 0..self.machines.len() {
            let Some(view) = self.view(id) else { continue };
            for event in slipped.0.borrow().keys() {
                if !matches!(view.event(event), Ok(None)) {
                    self.checks.violated(format!("machine {id} took smuggled event {event} (E3, E5)"));
                }
            }
        }
    }

    /// B5: this machine holds no conversation with `stranger`, whatever the stranger says.
    pub fn is_no_contact(&mut self, id: MachineId, stranger: MachineId) {
        let Some(root) = self.machines[stranger].root else { return };
        let is_contact = self.is_accepted(id, stranger);
        let logs = self.view(id).and_then(|view| view.logs().ok()).unwrap_or_default();
        let is_theirs = |spec: &LogSpec| spec.is_conversation() && spec.roots().contains(&root);
        if is_contact || logs.iter().any(|info| info.stored > 0 && is_theirs(&info.spec)) {
            self.checks.violated(format!("machine {id} counts {stranger} as a contact, and never accepted them (B5)"));
        }
    }

    /// B5: even a store that waits for this very log refuses what was slipped to it.
    pub fn no_door_takes(&mut self, id: MachineId, stranger: MachineId, slipped: &Slipped) {
        let disk = self.machines[id].disk.copy();
        let tried = self.machines[id].safe.open(&disk).and_then(|ledger| self.knock(&ledger, id, stranger, slipped));
        match tried {
            Ok(0) => self.checks.violated(format!("nothing was slipped to machine {id}: a test of nothing")),
            Ok(_) => {}
            Err(fault) => self.checks.violated(format!("a copy of machine {id} does not open: {fault}")),
        }
    }

    fn knock(
        &mut self,
        ledger: &Ledger,
        id: MachineId,
        stranger: MachineId,
        slipped: &Slipped,
    ) -> Result<u32, StorageError> {
        let (mut tried, mut dice) = (0, Dice::new(self.seed, "knock"));
        let roots = [id, stranger].map(|id| self.machines[id].root);
        let mut batch = ledger.begin(&mut dice.rng())?;
        for event in slipped.0.borrow().values() {
            let Some(spec) = spec_of(event, roots) else { continue };
            batch.ensure_log(spec)?;
            let outcome = batch.admit(event.clone(), Vec::new(), event.claim.header().device)?;
            tried += 1;
            if !matches!(outcome, Admission::Refused(_)) {
                self.checks.violated(format!("an opening by who asked was taken: {outcome:?} (B5, C2)"));
            }
        }
        Ok(tried)
    }
}

/// The conversation of these two that an opening is for.
fn spec_of(event: &Signed<Event>, roots: [Option<RootId>; 2]) -> Option<LogSpec> {
    let Payload::Full(bytes) = event.claim.payload() else { return None };
    let Ok(Body::Opening(opening)) = Body::decode(y7ke_crypto::event::Class::Open, bytes) else { return None };
    let core = opening.core.claim;
    let is_theirs = [core.from_root, core.to_root].iter().all(|root| roots.contains(&Some(*root)));
    is_theirs.then(|| conversation(core.from_root, core.to_root, core.req_id))
}

fn conversation(a: RootId, b: RootId, request: RequestId) -> LogSpec {
    let (lesser, greater) = if a <= b { (a, b) } else { (b, a) };
    LogSpec::Conversation { lesser, greater, request }
}
