//! Three engines on a wire without sockets: one that is attacked, one that attacks, one that is a friend.
//!
//! ```text
//! inbox ─▶ round ─┬─▶ checked, if the machine is honest
//!                 ├─▶ Send ─▶ the other's inbox        the liar's: bent, held back, kept to be said again
//!                 ├─▶ Dial ─▶ a wire, or DialFailed
//!                 └─▶ Close ─▶ both ends hear Closed
//! ```
//!
//! It keeps to what the transport promises: one session per pair of machines, `Opened` first and
//! `Closed` last, one answer per dial, no empty frame.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use y7ke_crypto::codec::{Reader, Wire};
use y7ke_crypto::hello::{Hello, Transcript};
use y7ke_crypto::ids::{LogId, LogTag, NetKey, RequestId};
use y7ke_crypto::vault::VaultFile;
use y7ke_ledger::fold;
use y7ke_ledger::fuzz::{Disk, Image};
use y7ke_ledger::store::{Ledger, StorageError, SubKeys, View};
use y7ke_ledger::tools;
use y7ke_transport::{
    Address, CloseReason, Command as NetCommand, DialFault, Event as NetEvent, FailedAttempt, IpVersion, Lane, Path,
    PathKind, SessionId, Ticket, Transport,
};

use super::scenes::Scene;
use crate::api::{Answer, ApiError, Command, Conversation, ErrorKind, MessageView, Notice, VaultKind};
use crate::core::{CallId, CoreConfig, Engine, Input, Now, Output, Round};

pub(super) const VICTIM: usize = 0;
pub(super) const LIAR: usize = 1;
pub(super) const FRIEND: usize = 2;

/// Rounds until everybody is silent: honest play of these small histories takes a few dozen.
const ROUNDS_MAX: usize = 3_000;
/// Outputs for one input: a page of events, its notices, and a word to each session.
const OUTPUTS_PER_INPUT: usize = 400;
/// Bytes sent for one input: what a contact's frame may ask for.
const BYTES_PER_INPUT: usize = 4 << 20;
/// Frames of the liar that are kept to be said again.
const HEARD_MAX: usize = 64;
/// Strangers at the door at a time.
const GHOSTS_MAX: usize = 4;
/// What people are promised is remembered up to here.
const PROMISES_MAX: usize = 256;
const DAY_MS: u64 = 86_400_000;
const START_WALL_MS: u64 = 1_790_000_000_000;

type Rng = ChaCha20Rng;

/// Id and text of each message, and the digest of the heads of the logs that they stand in.
type Talk = (Vec<(String, String)>, BTreeMap<LogId, [u8; 32]>);

/// A session as one of its ends sees it.
#[derive(Default)]
struct End {
    told_to_close: bool,
    trusted: bool,
    /// Its end is on the way to the node, which may say something into it until it hears of it.
    gone: bool,
}

/// A node with its disk.
pub(super) struct Machine {
    engine: Option<Engine<Rng>>,
    pub(super) disk: Disk,
    /// It was told to fail, and has not been opened anew since.
    pub(super) disk_may_fail: bool,
    inbox: VecDeque<Input>,
    ends: BTreeMap<SessionId, End>,
    calls: BTreeSet<CallId>,
    tickets: BTreeSet<Ticket>,
    requests: Vec<String>,
    messages: Vec<String>,
    promised: Vec<String>,
    confirmed: Vec<RequestId>,
    last: Option<Result<Answer, ApiError>>,
}

/// What is done to the liar's next frame.
struct Bend {
    how: u8,
    at: u16,
    byte: u8,
}

/// Everybody, and the time they share.
pub(super) struct World {
    pub(super) machines: [Machine; 3],
    ids: [String; 3],
    pub(super) online: [bool; 3],
    pub(super) rng: Rng,
    pub(super) liar: super::liar::Kept,
    wires: BTreeMap<(usize, SessionId), (usize, SessionId)>,
    ghosts: BTreeMap<u8, SessionId>,
    hellos: BTreeMap<bool, Hello>,
    liar_dialled: bool,
    next: u64,
    now_ms: u64,
    skew_ms: u64,
    bend: Option<Bend>,
    held: Option<Vec<(SessionId, Lane, Vec<u8>)>>,
    heard: Vec<(Lane, Vec<u8>)>,
}

pub(super) fn address(machine: usize) -> Address {
    format!("/ip4/10.0.0.{}/tcp/4101", machine + 1).parse().expect("a valid address")
}

fn path(machine: usize) -> Path {
    Path { kind: PathKind::Direct, transport: Transport::Tcp, ip: IpVersion::V4, remote: address(machine) }
}

fn config() -> CoreConfig {
    CoreConfig { version: "fuzz".into(), vault: VaultKind::File, mode: None }
}

/// Each machine's vault key, the same in every world.
fn keys(n: usize) -> SubKeys {
    let (_, dek) = VaultFile::with_file_slot(&mut Rng::seed_from_u64(n as u64));
    SubKeys::new(&dek)
}

fn open_ledger(disk: &Disk, n: usize) -> Result<Ledger, StorageError> {
    Ledger::open(disk.storage(), keys(n))
}

impl Machine {
    fn of(image: Image, requests: Vec<String>, messages: Vec<String>) -> Self {
        Self {
            engine: None,
            disk: Disk::of(image),
            disk_may_fail: false,
            inbox: VecDeque::new(),
            ends: BTreeMap::new(),
            calls: BTreeSet::new(),
            tickets: BTreeSet::new(),
            requests,
            messages,
            promised: Vec::new(),
            confirmed: Vec::new(),
            last: None,
        }
    }

    fn open(&mut self, n: usize, seed: u64, now: Now) {
        let ledger = open_ledger(&self.disk, n).expect("a disk that works");
        self.engine = Some(Engine::open(ledger, config(), Rng::seed_from_u64(seed), now).expect("a disk that works"));
    }

    pub(super) fn engine(&self) -> &Engine<Rng> {
        self.engine.as_ref().expect("it is awake")
    }

    pub(super) fn engine_mut(&mut self) -> &mut Engine<Rng> {
        self.engine.as_mut().expect("it is awake")
    }

    pub(super) fn view(&self) -> View {
        self.engine().ledger().view().expect("memory does not fail")
    }
}

// Beginning and end.
impl World {
    /// Three new people, awake.
    pub(super) fn new() -> Self {
        let mut world = Self::with([0, 1, 2].map(|_| Machine::of(Image::default(), Vec::new(), Vec::new())), 1_000);
        (0..3).for_each(|n| world.wake(n));
        world.ids = [0, 1, 2].map(|n| world.machines[n].engine().root().to_string());
        world
    }

    /// A copy of a scene: victim and liar are awake.
    pub(super) fn of(scene: &Scene) -> Self {
        let Scene { images, now_ms, ids, requests, messages } = scene.clone();
        let [a, b, c] = images;
        let [ra, rb, rc] = requests;
        let [ma, mb, mc] = messages;
        let mut world = Self::with([Machine::of(a, ra, ma), Machine::of(b, rb, mb), Machine::of(c, rc, mc)], now_ms);
        world.ids = ids;
        [VICTIM, LIAR].into_iter().for_each(|n| world.wake(n));
        world.settle();
        world
    }

    fn with(machines: [Machine; 3], now_ms: u64) -> Self {
        Self {
            machines,
            ids: [const { String::new() }; 3],
            online: [true; 3],
            rng: Rng::seed_from_u64(now_ms),
            liar: super::liar::Kept::default(),
            wires: BTreeMap::new(),
            ghosts: BTreeMap::new(),
            hellos: BTreeMap::new(),
            liar_dialled: false,
            next: now_ms << 16,
            now_ms,
            skew_ms: 0,
            bend: None,
            held: None,
            heard: Vec::new(),
        }
    }

    pub(super) fn into_scene(mut self) -> Scene {
        let all: Vec<_> = self.wires.keys().copied().collect();
        all.into_iter().for_each(|(n, session)| self.cut(n, session, CloseReason::Lost));
        self.settle();
        let now_ms = self.now_ms + 60_000;
        let mut machines = self.machines;
        machines.iter_mut().for_each(|machine| drop(machine.engine.take()));
        let images = machines.each_ref().map(|machine| machine.disk.durable());
        let (requests, messages) = (
            machines.each_mut().map(|machine| std::mem::take(&mut machine.requests)),
            machines.each_mut().map(|machine| std::mem::take(&mut machine.messages)),
        );
        Scene { images, now_ms, ids: self.ids, requests, messages }
    }

    pub(super) fn wake(&mut self, n: usize) {
        if self.machines[n].engine.is_none() {
            let (seed, now) = (self.fresh(), self.now());
            self.machines[n].open(n, seed, now);
            self.push(n, Input::Start);
            self.push(n, Input::Net(NetEvent::Listening { addresses: vec![address(n)] }));
        }
    }

    /// What must hold in the end, whatever the liar did.
    pub(super) fn finish(&mut self, thoroughly: bool) {
        self.machines[VICTIM].disk.heal();
        self.hold(false);
        self.settle();
        if self.machines[FRIEND].engine.is_some() {
            self.agree();
        }
        if !thoroughly {
            return self.kept_promises();
        }
        self.crash();
        let view = self.machines[VICTIM].view();
        let report = tools::verify(&view, None, &mut self.rng).expect("memory does not fail");
        assert!(report.bad.is_empty(), "the victim's store does not verify: {:?}", report.bad);
        drop(view);
        self.rebuilds();
    }

    /// Victim and friend meet undisturbed, and hold the same of what they said to each other.
    fn agree(&mut self) {
        self.skew_ms = 0;
        for (n, other) in [(VICTIM, FRIEND), (FRIEND, VICTIM)] {
            let y7_id = self.y7_id(other);
            self.command(n, Command::ContactUnblock { y7_id });
        }
        self.online = [true, false, true];
        let gone: Vec<_> = self.wires.keys().filter(|(n, _)| *n == LIAR).copied().collect();
        gone.into_iter().for_each(|(n, session)| self.cut(n, session, CloseReason::Lost));
        self.connect(FRIEND, VICTIM);
        self.pass(20_000);
        let ids = [VICTIM, FRIEND].map(|n| self.y7_id(n));
        let talks = [(VICTIM, 1), (FRIEND, 0)].map(|(n, other)| self.talk(n, &ids[other]));
        assert_eq!(talks[0], talks[1], "victim and friend differ");
    }

    /// Everything said with `y7_id`.
    fn talk(&mut self, n: usize, y7_id: &str) -> Talk {
        let of = Conversation::Person(y7_id.to_owned());
        let answer = self.ask(n, Command::MessageList { of, before: None, limit: 500 });
        let Ok(Answer::Messages { messages, .. }) = answer else { panic!("no messages: {answer:?}") };
        let shown = |message: &MessageView| (message.message_id.clone(), message.text.clone());
        let view = self.machines[n].view();
        let logs: BTreeSet<LogId> = messages.iter().filter_map(|message| message.log.parse().ok()).collect();
        let digests = logs.iter().map(|log| (*log, view.heads_digest(log).expect("memory does not fail")));
        (messages.iter().map(shown).collect(), digests.collect())
    }

    /// Projections rebuilt from the log are the same bytes.
    fn rebuilds(&mut self) {
        let engine = self.machines[VICTIM].engine.as_mut().expect("it is awake");
        let mut batch = engine.ledger.begin(&mut self.rng).expect("memory does not fail");
        let logs: Vec<LogId> = batch.logs().expect("memory does not fail").iter().map(|info| info.log).collect();
        for log in logs {
            let before = fold::digest(&*batch, &log).expect("memory does not fail");
            batch.rebuild_projections(&log).expect("memory does not fail");
            assert_eq!(fold::digest(&*batch, &log).expect("memory does not fail"), before, "a projection is no fold");
        }
    }

    /// The power goes: the victim begins again with what was synced, and has kept what it promised.
    pub(super) fn crash(&mut self) {
        let image = self.machines[VICTIM].disk.durable();
        drop(self.machines[VICTIM].engine.take());
        self.forget_sessions(CloseReason::Lost);
        let machine = &mut self.machines[VICTIM];
        machine.disk = Disk::of(image);
        machine.disk_may_fail = false;
        self.wake(VICTIM);
        self.kept_promises();
        self.settle();
    }

    fn kept_promises(&self) {
        let machine = &self.machines[VICTIM];
        let view = machine.view();
        for id in &machine.promised {
            let id = id.parse().expect("an event id");
            let found = view.event(&id).expect("memory does not fail");
            assert!(found.is_some(), "a message that was answered as written is not there");
        }
        let remembered = if self.skew_ms < 13 * DAY_MS { machine.confirmed.as_slice() } else { &[] };
        for id in remembered {
            assert!(view.has_seen(id).expect("memory does not fail"), "a request that was confirmed is not there");
        }
        let me = machine.engine().core.me.device.id();
        for holder in [LIAR, FRIEND].into_iter().filter(|n| self.machines[*n].engine.is_some()) {
            let theirs = self.machines[holder].view();
            for info in view.logs().expect("memory does not fail") {
                let Some(ack) = theirs.ack(&info.log, &me).expect("memory does not fail") else { continue };
                let held = view.clock(&info.log).expect("memory does not fail");
                assert!(held.includes(&ack.claim.clock) || !info.frozen.is_empty(), "acknowledged and not there");
            }
        }
    }

    fn forget_sessions(&mut self, reason: CloseReason) {
        let mine: Vec<_> = self.wires.keys().filter(|(n, _)| *n == VICTIM).copied().collect();
        for end in mine {
            if let Some((m, other)) = self.wires.remove(&end) {
                self.wires.remove(&(m, other));
                self.lose(m, other, reason.clone());
            }
        }
        let machine = &mut self.machines[VICTIM];
        machine.ends.clear();
        machine.inbox.clear();
        machine.calls.clear();
        machine.tickets.clear();
        self.ghosts.clear();
    }
}

// Names.
impl World {
    fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) fn now(&self) -> Now {
        Now { wall_ms: START_WALL_MS + self.now_ms, mono_ms: self.now_ms }
    }

    fn now_of(&self, n: usize) -> Now {
        let mut now = self.now();
        now.wall_ms += if n == VICTIM { self.skew_ms } else { 0 };
        now
    }

    pub(super) fn y7_id(&self, n: usize) -> String {
        self.ids[n].clone()
    }

    pub(super) fn net(&self, n: usize) -> NetKey {
        match self.machines.get(n).and_then(|machine| machine.engine.as_ref()) {
            Some(engine) => engine.core.me.net,
            None => NetKey::from([9; 32]),
        }
    }

    pub(super) fn uri(&self, n: usize) -> String {
        let me = &self.machines[n].engine().core.me;
        crate::uri::Uri::of(me.root, &me.net, &[address(n)]).to_string()
    }

    pub(super) fn request_id(&self, n: usize, pick: u8) -> String {
        named(&self.machines[n].requests, pick)
    }

    pub(super) fn message_id(&self, n: usize, pick: u8) -> String {
        named(&self.machines[n].messages, pick)
    }

    /// As the open session of liar and victim names a log (S1).
    pub(super) fn tag(&self, log: &LogId) -> Option<LogTag> {
        let (mine, theirs) = (self.hellos.get(&true)?, self.hellos.get(&false)?);
        let (dialer, listener) = if self.liar_dialled { (mine, theirs) } else { (theirs, mine) };
        let net = NetKey::from([0; 32]);
        let transcript = Transcript {
            dialer_nonce: dialer.nonce,
            listener_nonce: listener.nonce,
            dialer_net: net,
            listener_net: net,
        };
        Some(transcript.tag_key().tag(log))
    }
}

/// The newest for 255, else by number; nonsense where there is none.
fn named(ids: &[String], pick: u8) -> String {
    let at = if pick == u8::MAX { ids.len().wrapping_sub(1) } else { usize::from(pick) % ids.len().max(1) };
    ids.get(at).cloned().unwrap_or_else(|| "00".repeat(32))
}

// What happens.
impl World {
    pub(super) fn push(&mut self, n: usize, input: Input) {
        if self.machines[n].engine.is_some() {
            self.machines[n].inbox.push_back(input);
        }
    }

    pub(super) fn command(&mut self, n: usize, command: Command) {
        let call = self.fresh();
        self.machines[n].calls.insert(call);
        self.push(n, Input::Command { call, command });
        self.settle();
    }

    /// A command, and what it is answered.
    fn ask(&mut self, n: usize, command: Command) -> Result<Answer, ApiError> {
        self.machines[n].last = None;
        self.command(n, command);
        self.machines[n].last.take().expect("a command is answered in its round")
    }

    /// A frame that the liar's node never said, over its session with the victim.
    pub(super) fn slip(&mut self, lane: Lane, bytes: Vec<u8>) {
        let Some((session, _)) = self.liars_session() else { return };
        self.push(VICTIM, Input::Net(NetEvent::Frame { session, lane, bytes: super::nonempty(bytes) }));
        self.settle();
    }

    /// The victim's and the liar's end of their session.
    fn liars_session(&self) -> Option<(SessionId, SessionId)> {
        let found = self.wires.iter().find(|((n, _), (m, _))| (*n, *m) == (VICTIM, LIAR));
        found.map(|((_, session), (_, other))| (*session, *other))
    }

    pub(super) fn ghost(&mut self, number: u8) -> SessionId {
        let number = number % GHOSTS_MAX as u8;
        if let Some(session) = self.ghosts.get(&number).filter(|id| self.machines[VICTIM].ends.contains_key(id)) {
            return *session;
        }
        let session = SessionId(self.fresh());
        self.ghosts.insert(number, session);
        self.machines[VICTIM].ends.insert(session, End::default());
        let (peer, dialer) = (NetKey::from([200 + number; 32]), number.is_multiple_of(2));
        self.push(VICTIM, Input::Net(NetEvent::Opened { session, peer, path: path(9), dialer }));
        self.settle();
        session
    }

    pub(super) fn path_changed(&self, machine: usize) -> Option<NetEvent> {
        let session = *self.machines[VICTIM].ends.keys().next_back()?;
        Some(NetEvent::PathChanged { session, path: path(machine) })
    }

    pub(super) fn connect(&mut self, n: usize, m: usize) {
        let awake = [n, m].iter().all(|machine| self.machines[*machine].engine.is_some());
        if awake && !self.wires.iter().any(|((a, _), (b, _))| (*a, *b) == (n, m)) {
            self.wire(n, m);
        }
    }

    fn wire(&mut self, n: usize, m: usize) {
        let (mine, theirs) = (SessionId(self.fresh()), SessionId(self.fresh()));
        self.wires.insert((n, mine), (m, theirs));
        self.wires.insert((m, theirs), (n, mine));
        self.machines[n].ends.insert(mine, End::default());
        self.machines[m].ends.insert(theirs, End::default());
        if [n, m].contains(&LIAR) {
            self.hellos.clear();
            self.liar_dialled = n == LIAR;
        }
        let (my_net, their_net) = (self.net(n), self.net(m));
        self.push(n, Input::Net(NetEvent::Opened { session: mine, peer: their_net, path: path(m), dialer: true }));
        self.push(m, Input::Net(NetEvent::Opened { session: theirs, peer: my_net, path: path(n), dialer: false }));
    }

    pub(super) fn disconnect(&mut self, why: u8) {
        let reason = match why % 4 {
            0 => CloseReason::PeerClosed,
            1 => CloseReason::Lost,
            2 => CloseReason::Silent,
            _ => CloseReason::TooSlow { lane: Lane::Msg },
        };
        if let Some((session, _)) = self.liars_session() {
            self.cut(VICTIM, session, reason);
        }
    }

    /// A better connection takes the session over.
    pub(super) fn replace(&mut self, n: usize, m: usize) {
        if let Some((session, _)) = self.liars_session() {
            self.cut(VICTIM, session, CloseReason::Replaced);
            self.connect(n, m);
        }
    }

    fn cut(&mut self, n: usize, session: SessionId, reason: CloseReason) {
        self.lose(n, session, reason);
        if let Some((m, other)) = self.wires.remove(&(n, session)) {
            self.wires.remove(&(m, other));
            self.lose(m, other, CloseReason::PeerClosed);
        }
    }

    fn lose(&mut self, n: usize, session: SessionId, reason: CloseReason) {
        if let Some(end) = self.machines[n].ends.get_mut(&session).filter(|end| !end.gone) {
            end.gone = true;
            self.push(n, Input::Net(NetEvent::Closed { session, reason }));
        }
    }

    /// The liar's next frame is bent.
    pub(super) fn bend_next(&mut self, how: u8, at: u16, byte: u8) {
        self.bend = Some(Bend { how, at, byte });
    }

    /// The liar's frames wait, or go on their way.
    pub(super) fn hold(&mut self, on: bool) {
        if on {
            self.held.get_or_insert_default();
        } else if let Some(held) = self.held.take() {
            held.into_iter().for_each(|(session, lane, bytes)| self.deliver(LIAR, session, lane, bytes));
        }
    }

    /// Something that the liar once said, again.
    pub(super) fn say_again(&mut self, number: usize) {
        let count = self.heard.len();
        if let Some((lane, bytes)) = self.heard.get(number % count.max(1)).cloned() {
            self.slip(lane, bytes);
        }
    }

    /// A wall clock that jumps ahead, by up to 255 hours or as many minutes.
    pub(super) fn jump(&mut self, count: u64, unit: u8) {
        self.skew_ms += count * if unit.is_multiple_of(2) { 3_600_000 } else { 60_000 };
        self.push(VICTIM, Input::Timeout);
    }

    /// Lets time pass in steps of the next timer; a node that never rests is woken a hundred times.
    pub(super) fn pass(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        for _ in 0..100 {
            self.settle();
            let engines = self.machines.iter().filter_map(|machine| machine.engine.as_ref());
            let next = engines.filter_map(Engine::poll_timeout).map(|(at, _)| at).min();
            let Some(next) = next.filter(|at| *at <= end) else { break };
            self.now_ms = next.max(self.now_ms);
            (0..3).for_each(|n| self.push(n, Input::Timeout));
        }
        self.settle();
        self.now_ms = end;
    }

    /// Runs until nobody has anything to do at this time.
    pub(super) fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let Some(n) = (0..3).find(|n| !self.machines[*n].inbox.is_empty()) else { return };
            self.round(n);
        }
        panic!("they never fall silent");
    }

    pub(super) fn round(&mut self, n: usize) {
        let inputs: Vec<Input> = self.machines[n].inbox.drain(..).collect();
        let (timers, now) = (inputs.iter().any(|input| matches!(input, Input::Timeout)), self.now_of(n));
        let bytes_in: usize = inputs.iter().map(weight).sum();
        let count = inputs.len();
        let heard_closed: Vec<SessionId> = inputs.iter().filter_map(closed).collect();
        let Some(engine) = self.machines[n].engine.as_mut() else { return };
        ALARM.with_borrow_mut(Vec::clear);
        let (outputs, error) = engine.round(inputs, now);
        match error {
            Some(_) => self.failed(n, &outputs),
            None if n != LIAR => self.worked(n, &outputs, count, bytes_in, timers.then_some(now.mono_ms)),
            None => {}
        }
        ALARM.with_borrow(|heard| assert!(n == LIAR || heard.is_empty(), "a fault of our own: {heard:?}"));
        outputs.into_iter().for_each(|output| self.carry(n, output));
        // Only now: of what the round said, some was said before it heard that the session is over.
        self.machines[n].ends.retain(|session, _| !heard_closed.contains(session));
        if self.machines[n].disk_may_fail {
            self.reopen(n);
        }
    }

    /// A round that was made durable.
    fn worked(&self, n: usize, outputs: &[Output], count: usize, bytes_in: usize, timer_ms: Option<u64>) {
        let machine = &self.machines[n];
        assert!(machine.disk.is_synced(), "something was said that a crash would take back");
        assert!(outputs.len() <= OUTPUTS_PER_INPUT * count.max(1), "{} outputs for {count} inputs", outputs.len());
        let sent: usize = outputs
            .iter()
            .map(|output| if let Output::Net(NetCommand::Send { frame, .. }) = output { frame.len() } else { 0 })
            .sum();
        assert!(sent <= BYTES_PER_INPUT * count.max(1), "{sent} bytes for {count} inputs of {bytes_in} bytes");
        let core = &machine.engine().core;
        assert!(core.links.keys().all(|id| machine.ends.contains_key(id)), "a link without a session");
        if let Some(then_ms) = timer_ms {
            let next = machine.engine().poll_timeout();
            assert!(next.is_none_or(|(at, _)| at > then_ms), "a timer that fired is due again: {next:?} at {then_ms}");
        }
    }

    /// Of a round that failed nothing is said but that it did.
    fn failed(&mut self, n: usize, outputs: &[Output]) {
        self.machines[n].disk_may_fail = true;
        for output in outputs {
            let honest = match output {
                Output::Answer { result, .. } => matches!(result, Err(error) if error.kind == ErrorKind::Storage),
                Output::Net(command) => matches!(command, NetCommand::Close { .. }),
                Output::Notice(notice) => matches!(notice, Notice::Storage { .. }),
            };
            assert!(honest, "said of a round that failed: {output:?}");
        }
        ALARM.with_borrow_mut(Vec::clear);
    }

    /// The disk works again, and the node goes on with what it holds.
    fn reopen(&mut self, n: usize) {
        let closed = self.machines[n].engine.take().map(Engine::close);
        let machine = &mut self.machines[n];
        machine.disk.heal();
        machine.disk_may_fail = false;
        let ledger = open_ledger(&machine.disk, n).expect("a disk that works");
        machine.engine = closed.map(|closed| closed.open(ledger));
        self.push(n, Input::Start);
    }

    /// The liar does something that its own code never would, in a round of its own.
    pub(super) fn forge<T>(&mut self, act: impl FnOnce(&mut Round<'_, Rng>) -> T) -> T {
        let (now, mut result) = (self.now(), None);
        let engine = self.machines[LIAR].engine.as_mut().expect("it is awake");
        let outputs = engine.in_one_transaction(now, |round| {
            result = Some(act(round));
            Ok(())
        });
        outputs.expect("memory does not fail").into_iter().for_each(|output| self.carry(LIAR, output));
        result.expect("it acted")
    }
}

fn closed(input: &Input) -> Option<SessionId> {
    if let Input::Net(NetEvent::Closed { session, .. }) = input { Some(*session) } else { None }
}

fn weight(input: &Input) -> usize {
    if let Input::Net(NetEvent::Frame { bytes, .. }) = input { bytes.len() } else { 0 }
}

// What a machine said.
impl World {
    fn carry(&mut self, n: usize, output: Output) {
        match output {
            Output::Answer { call, result } => {
                assert!(self.machines[n].calls.remove(&call), "call {call} is answered twice, or was never made");
                self.answered(n, result);
            }
            Output::Notice(notice) => self.noticed(n, notice),
            Output::Net(command) => self.carry_net(n, command),
        }
    }

    fn answered(&mut self, n: usize, result: Result<Answer, ApiError>) {
        let machine = &mut self.machines[n];
        machine.last = Some(result.clone());
        match result {
            Ok(Answer::Sent { message_id }) => {
                if machine.promised.len() < PROMISES_MAX {
                    machine.promised.push(message_id.clone());
                }
                remember(&mut machine.messages, message_id);
            }
            Ok(Answer::Requested { request_id }) => remember(&mut machine.requests, request_id),
            Ok(Answer::Verified { bad, .. }) if n != LIAR => assert!(bad.is_empty(), "the store is bad: {bad:?}"),
            _ => {}
        }
    }

    fn noticed(&mut self, n: usize, notice: Notice) {
        match notice {
            Notice::MessageReceived { message } => remember(&mut self.machines[n].messages, message.message_id),
            Notice::RequestReceived { request } => remember(&mut self.machines[n].requests, request.request_id),
            _ => {}
        }
    }

    fn carry_net(&mut self, n: usize, command: NetCommand) {
        match command {
            NetCommand::Dial { ticket, addresses, .. } => self.dial(n, ticket, &addresses),
            NetCommand::Send { session, lane, frame } => self.send(n, session, lane, frame),
            NetCommand::Close { session, why } => self.close(n, session, why),
            NetCommand::Trust { session, .. } => {
                let end = self.machines[n].ends.get_mut(&session).expect("trust for a session that is open");
                end.trusted = true;
            }
            _ => {}
        }
    }

    fn dial(&mut self, n: usize, ticket: Ticket, addresses: &[Address]) {
        assert!(self.machines[n].tickets.insert(ticket), "a ticket is used twice");
        let at = |m: &usize| addresses.iter().any(|a| a.without_peer() == address(*m));
        let target = (0..3).filter(|m| *m != n && self.online[*m] && self.machines[*m].engine.is_some()).find(at);
        match target {
            Some(m) => {
                self.connect(n, m);
                self.push(n, Input::Net(NetEvent::Dialled { ticket, peer: self.net(m) }));
            }
            None => {
                let attempts = vec![FailedAttempt { address: None, why: DialFault::Refused }];
                self.push(n, Input::Net(NetEvent::DialFailed { ticket, peer: None, attempts }));
            }
        }
    }

    fn close(&mut self, n: usize, session: SessionId, why: &'static str) {
        let failing = self.machines[n].disk_may_fail;
        let end = self.machines[n].ends.get_mut(&session).expect("closes a session that is open");
        assert!(!std::mem::replace(&mut end.told_to_close, true) || failing, "a session is closed twice");
        self.cut(n, session, CloseReason::Asked { why });
    }

    fn send(&mut self, n: usize, session: SessionId, lane: Lane, frame: Vec<u8>) {
        let Some(end) = self.machines[n].ends.get(&session).filter(|end| !end.told_to_close) else {
            panic!("machine {n} sends into a session that is over");
        };
        let cap = if end.trusted { 1 << 20 } else { 64 << 10 };
        assert!(n == LIAR || (1..=cap).contains(&frame.len()), "a frame of {} bytes", frame.len());
        self.overhear(n, session, lane, &frame);
        if n == LIAR && self.wires.get(&(n, session)).is_some_and(|(m, _)| *m == VICTIM) {
            self.bent(session, lane, frame);
        } else {
            self.deliver(n, session, lane, frame);
        }
    }

    fn overhear(&mut self, n: usize, session: SessionId, lane: Lane, frame: &[u8]) {
        let Some((m, _)) = self.wires.get(&(n, session)) else { return };
        if lane != Lane::Handshake {
            return;
        }
        if [n, *m].contains(&LIAR)
            && let Some(hello) = hello(frame)
        {
            self.hellos.entry(n == LIAR).or_insert(hello);
        }
        // 19: "it is stored durably", and the request's id.
        if n == VICTIM
            && let Some((19, id)) = frame.split_first()
            && let Ok(id) = RequestId::from_bytes(id)
        {
            self.machines[n].confirmed.push(id);
        }
    }

    /// What becomes of a frame of the liar to the victim.
    fn bent(&mut self, session: SessionId, lane: Lane, frame: Vec<u8>) {
        if self.heard.len() < HEARD_MAX {
            self.heard.push((lane, frame.clone()));
        }
        let Some(Bend { how, at, byte }) = self.bend.take() else { return self.deliver(LIAR, session, lane, frame) };
        let mut bytes = frame;
        let at = usize::from(at) % bytes.len();
        let mut to = lane;
        match how % 8 {
            0..=2 => bytes[at] = byte,
            3 => bytes.truncate(at.max(1)),
            4 => bytes.insert(at, byte),
            5 => self.deliver(LIAR, session, lane, bytes.clone()),
            6 => return,
            _ => to = Lane::ALL[usize::from(byte) % 3],
        }
        self.deliver(LIAR, session, to, bytes);
    }

    fn deliver(&mut self, n: usize, session: SessionId, lane: Lane, bytes: Vec<u8>) {
        if n == LIAR
            && let Some(held) = &mut self.held
        {
            return held.push((session, lane, bytes));
        }
        if let Some((m, other)) = self.wires.get(&(n, session)).copied() {
            self.push(m, Input::Net(NetEvent::Frame { session: other, lane, bytes }));
        }
    }
}

fn remember(ids: &mut Vec<String>, id: String) {
    if !ids.contains(&id) {
        ids.push(id);
    }
}

/// A hello frame: kind 1, version.
fn hello(frame: &[u8]) -> Option<Hello> {
    let mut reader = Reader::new("hello", frame);
    (reader.u8() == Ok(1)).then_some(())?;
    reader.u16().ok()?;
    reader.get().ok()
}

thread_local! {
    /// What was logged as an error: a fault of ours, for a peer's faults are logged lower.
    static ALARM: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Runs `act` and keeps what is logged as an error.
pub(super) fn alarmed(act: impl FnOnce()) {
    ALARM.with_borrow_mut(Vec::clear);
    tracing::subscriber::with_default(Alarm, act);
}

struct Alarm;

impl tracing::Subscriber for Alarm {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::ERROR
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(tracing::level_filters::LevelFilter::ERROR)
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let mut words = Words(String::new());
        event.record(&mut words);
        ALARM.with_borrow_mut(|heard| heard.push(words.0));
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

struct Words(String);

impl tracing::field::Visit for Words {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!("{field}={value:?} "));
    }
}
