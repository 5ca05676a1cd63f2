//! The node's core: commands, network events and timers in; sends, dials, answers and notices out.
//!
//! ```text
//!   Command ─┐                                ┌─▶ Output::Net      (dial, send a frame, close …)
//!   NetEvent ├─▶ Core::handle ─▶ Batch ─commit┼─▶ Output::Answer   (to the caller of a command)
//!   timer   ─┘        ▲                       └─▶ Output::Notice   (to whoever listens)
//!                     └ the one write transaction of the round
//! ```
//!
//! The core decides; it owns no socket, no clock, no randomness and no file. A *round*
//! ([`Engine::round`]) runs a handful of inputs against one ledger batch, commits it, and
//! only then releases the outputs. What follows from that, by construction:
//!
//! * nothing is acknowledged, sent or answered before it is durable (PROTOCOL E7, S3);
//! * whatever waits while a commit runs becomes the next transaction (group commit);
//! * a disk error throws the whole round away, in memory as well: the core is rebuilt from
//!   the disk, and nobody was told anything that is not there.
//!
//! The shell (`shell.rs`) drives an engine with real sockets; the simulator in `tests/`
//! drives the same engine with virtual time and a disk that loses writes.

mod acks;
mod ahead;
mod better;
mod closed;
mod commands;
mod dialing;
mod drafts;
pub(crate) mod fuzz;
mod identity;
pub(crate) mod keeping;
mod links;
mod messages;
mod news;
mod people;
mod reaching;
mod requests;
pub(crate) mod search;
mod serving;
pub(crate) mod show;
mod taking_back;
mod telling;
#[cfg(test)]
mod tests;
mod writing;

use std::collections::{BTreeMap, BTreeSet};

use rand_core::CryptoRng;
use y7ke_crypto::ids::{LogId, RequestId, RootId};
use y7ke_ledger::store::{Batch, Ledger, StorageError, View};
use y7ke_ledger::views;
use y7ke_sync::limits::RefusalMeter;
use y7ke_transport::{Address, Command as NetCommand, Event as NetEvent, SessionId, Ticket};

use crate::api::{Answer, ApiError, Command, ErrorKind, Mode, Notice, RequestProblem};
pub use ahead::Ahead;
use better::Udp;
pub use closed::Closed;
use dialing::Dialing;
use identity::Me;
use links::Link;
use reaching::{Found, Purpose};
use requests::RequestMeter;
use telling::ToTell;
use writing::Prekeys;

/// Names a command's caller until its answer is released.
pub type CallId = u64;

/// The time of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Wall clock, milliseconds since 1970: for what people see and for expiry.
    pub wall_ms: u64,
    /// Monotonic clock of this process, milliseconds: for timers.
    pub mono_ms: u64,
}

/// What comes in.
#[derive(Debug)]
pub enum Input {
    /// The first input after a start: publish what is due, dial whom we know.
    Start,
    /// A command of a person or a program.
    Command {
        /// Whom to answer.
        call: CallId,
        /// What to do.
        command: Command,
    },
    /// From the transport.
    Net(NetEvent),
    /// From the transport, its events checked already.
    Checked {
        /// What came.
        event: NetEvent,
        /// What is to be said of the events in it.
        ahead: Ahead,
    },
    /// The time that [`Core::poll_timeout`] named has come.
    Timeout,
    /// The last input before an end or a lock: what waits to be written is written.
    Ending,
}

/// What goes out once the round is durable.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "made once, moved once: a box would cost more than it saves")]
pub enum Output {
    /// To the transport.
    Net(NetCommand),
    /// The answer to a command; each call is answered exactly once.
    Answer {
        /// Whose.
        call: CallId,
        /// With what.
        result: Result<Answer, ApiError>,
    },
    /// To every listener.
    Notice(Notice),
}

/// What a core is told once, at its start.
#[derive(Clone, Debug)]
pub struct CoreConfig {
    /// Version of the program, for `node.info`.
    pub version: String,
    /// How the vault is locked, for `node.info`.
    pub vault: crate::api::VaultKind,
    /// Overrides the saved dial mode for this run.
    pub mode: Option<crate::api::Mode>,
}

/// A core with its ledger: what the shell and the simulator drive.
///
/// The identity's secrets are made at the first [`Engine::open`] of a ledger, in one
/// transaction, and read from it ever after.
pub struct Engine<R> {
    ledger: Ledger,
    core: Core,
    config: CoreConfig,
    rng: R,
}

impl<R: CryptoRng> Engine<R> {
    /// Opens the node that lives in `ledger`, or makes a new one there.
    pub fn open(ledger: Ledger, config: CoreConfig, mut rng: R, now: Now) -> Result<Self, StorageError> {
        let me = identity::load_or_create(&ledger, &mut rng, now)?;
        let core = Core::load(me, &ledger, &config)?;
        Ok(Self { ledger, core, config, rng })
    }

    /// Seed of this device's libp2p key: the transport starts with it.
    pub fn net_seed(&self) -> zeroize::Zeroizing<[u8; 32]> {
        self.core.me.net_seed.clone()
    }

    /// [`Engine::act`], then [`Engine::tell`].
    pub fn round(&mut self, inputs: Vec<Input>, now: Now) -> (Vec<Output>, Option<StorageError>) {
        let (mut outputs, failure) = self.act(inputs, now);
        outputs.extend(self.tell(now));
        (outputs, failure)
    }

    /// Runs `inputs` in one transaction and returns what may leave now that it is durable.
    ///
    /// On a disk error nobody was told of the round: the core stands as the disk has it (a commit
    /// whose last sync failed may be there after all, which shows once the file is opened again), every
    /// command of the round is answered with `storage`, sessions are closed, and the error is
    /// returned for the shell to wait before it goes on.
    pub fn act(&mut self, inputs: Vec<Input>, now: Now) -> (Vec<Output>, Option<StorageError>) {
        // A dial that is answered in this round is no longer among the dials when the disk fails.
        let dials = self.core.dials.values().filter_map(Purpose::call);
        let calls: BTreeSet<CallId> = inputs.iter().filter_map(Input::call).chain(dials).collect();
        let mode = self.core.mode;
        match self.try_round(inputs, now) {
            Ok(outputs) => (outputs, None),
            Err(error) => {
                self.core.mode = mode;
                (self.start_over(&calls, &error), Some(error))
            }
        }
    }

    /// What readers of notices are to hear of messages and people since the last time: as the disk has it by now.
    pub fn tell(&mut self, now: Now) -> Vec<Output> {
        if self.core.to_tell.is_empty() {
            return Vec::new();
        }
        self.in_one_transaction(now, |round| disk_only(round.tell_all())).unwrap_or_else(|error| {
            tracing::warn!(%error, "what happened could not be read, and so not be told");
            vec![Output::Notice(Notice::Resync)]
        })
    }

    fn try_round(&mut self, inputs: Vec<Input>, now: Now) -> Result<Vec<Output>, StorageError> {
        self.in_one_transaction(now, |round| {
            inputs.into_iter().try_for_each(|input| disk_only(round.take(input)))?;
            disk_only(round.finish())
        })
    }

    fn in_one_transaction(
        &mut self,
        now: Now,
        act: impl FnOnce(&mut Round<'_, R>) -> Result<(), StorageError>,
    ) -> Result<Vec<Output>, StorageError> {
        let mut book = self.ledger.begin(&mut self.rng)?;
        let mut round = Round {
            core: &mut self.core,
            config: &self.config,
            book: &mut book,
            rng: &mut self.rng,
            now,
            out: Vec::new(),
            touched: BTreeMap::new(),
            ahead: None,
        };
        act(&mut round)?;
        let outputs = round.out;
        if book.waiting_writes() > 0 {
            book.commit()?;
        }
        Ok(outputs)
    }

    /// Forgets everything that is not on the disk: sessions, dials, what was about to be said.
    fn start_over(&mut self, calls: &BTreeSet<CallId>, error: &StorageError) -> Vec<Output> {
        let message = format!(
            "The disk could not be written ({error}). Free some space or check the disk, and look whether this was saved before you try again."
        );
        let storage = || ApiError::new(ErrorKind::Storage, message.clone());
        let mut outputs: Vec<Output> =
            calls.iter().map(|call| Output::Answer { call: *call, result: Err(storage()) }).collect();
        let close = |id: &SessionId| Output::Net(NetCommand::Close { session: *id, why: "the disk failed" });
        outputs.extend(self.core.links.keys().map(close));
        outputs.push(Output::Notice(Notice::Storage { error: message.clone() }));
        self.core.forget_the_unwritten();
        outputs
    }

    /// When the next [`Input::Timeout`] is wanted (monotonic ms), and why.
    pub fn poll_timeout(&self) -> Option<(u64, &'static str)> {
        self.core.poll_timeout()
    }

    /// The ledger, for snapshots.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The vault was given another secret: what `node.info` says from now on.
    pub const fn vault_is(&mut self, kind: crate::api::VaultKind) {
        self.config.vault = kind;
    }

    /// The identity of this node.
    pub fn root(&self) -> RootId {
        self.core.me.root
    }
}

/// The state of a running node: who I am, and what lives only as long as this process does.
pub(crate) struct Core {
    me: Me,
    mode: Mode,
    links: BTreeMap<SessionId, Link>,
    dialing: Dialing,
    dials: BTreeMap<Ticket, Purpose>,
    next_ticket: u64,
    found: Found,
    udp: Udp,
    listen: Vec<Address>,
    refusals: RefusalMeter,
    requests: RequestMeter,
    /// What the other side said of requests of mine since the start: why one is not taken, or nothing more than that it is there.
    heard: BTreeMap<RequestId, Option<RequestProblem>>,
    /// (log, seq) of messages of this device that were given to a session (S3: memory only).
    sent: BTreeSet<(LogId, u64)>,
    /// Up to which of my messages each reader was told to have read.
    told_read: BTreeMap<(LogId, RootId), u64>,
    /// Unread messages as they were counted last.
    counts: views::Counts,
    /// Prekeys as they were read and checked last: writing asks for them with each message.
    prekeys: BTreeMap<RootId, Prekeys>,
    /// When drafts that were typed here rest, monotonic ms.
    drafts: BTreeMap<LogId, u64>,
    /// What rounds did that nobody was told of yet.
    to_tell: ToTell,
    /// When prekeys and expiries are looked at next, monotonic ms.
    chores_ms: u64,
}

/// How often prekeys and expired requests are looked at, ms.
const CHORES_MS: u64 = 60_000;

impl Core {
    fn load(me: Me, ledger: &Ledger, config: &CoreConfig) -> Result<Self, StorageError> {
        let mode = match config.mode {
            Some(mode) => mode,
            None => keeping::saved_mode(&ledger.view()?)?,
        };
        Ok(Self {
            me,
            mode,
            links: BTreeMap::new(),
            dialing: Dialing::default(),
            dials: BTreeMap::new(),
            next_ticket: 0,
            found: Found::default(),
            udp: Udp::default(),
            listen: Vec::new(),
            refusals: RefusalMeter::new(),
            requests: RequestMeter::default(),
            heard: BTreeMap::new(),
            sent: BTreeSet::new(),
            told_read: BTreeMap::new(),
            counts: views::Counts::default(),
            prekeys: BTreeMap::new(),
            drafts: BTreeMap::new(),
            to_tell: ToTell::default(),
            chores_ms: 0,
        })
    }

    /// Links end, and whom they led to is dialled afresh; everything else of the core is on the disk
    /// or counts what strangers did.
    fn forget_the_unwritten(&mut self) {
        self.links.clear();
        self.dials.clear();
        self.sent.clear();
        self.told_read.clear();
        self.counts.clear();
        self.drafts.clear();
        self.to_tell = ToTell::default();
        self.dialing = Dialing::default();
        self.chores_ms = 0;
    }

    /// These messages have arrived: that they were once sent need not be remembered.
    fn forget_sent(&mut self, log: &LogId, from: u64, to: u64) {
        let arrived = self.sent.range((*log, from)..).take_while(|(of, seq)| of == log && *seq <= to);
        let arrived: Vec<_> = arrived.copied().collect();
        arrived.iter().for_each(|message| {
            self.sent.remove(message);
        });
    }

    fn poll_timeout(&self) -> Option<(u64, &'static str)> {
        let dial = self.dialing.poll_timeout().map(|at| (at, "dial somebody"));
        let chores = Some((self.chores_ms, "prekeys and expiries"));
        let draft = self.drafts.values().min().map(|at| (*at, "a draft rests"));
        [self.links_wake_ms(), dial, chores, draft].into_iter().flatten().min()
    }

    /// Listen addresses with this device's peer id, as people copy them.
    fn listen_texts(&self) -> Vec<String> {
        self.listen.iter().map(|address| address.with_peer(&self.me.net).to_string()).collect()
    }
}

/// What happened to a log in this round.
#[derive(Clone, Copy, Debug, Default)]
struct Touch {
    /// Something of another device was taken in, or became readable: an acknowledgement is due.
    acknowledge: bool,
}

/// One round: the core, the transaction, the time, and what will be said.
pub(crate) struct Round<'a, R> {
    core: &'a mut Core,
    config: &'a CoreConfig,
    book: &'a mut Batch,
    rng: &'a mut R,
    now: Now,
    out: Vec<Output>,
    touched: BTreeMap<LogId, Touch>,
    /// Of the frame that is being handled.
    ahead: Option<Ahead>,
}

/// A step of a round. The disk ends the round; what a caller is to be told ends the step.
type Step<T = ()> = Result<T, Refused>;

/// Why a step was not taken.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The caller's matter.
    Caller(ApiError),
    /// The disk's.
    Disk(StorageError),
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self::Caller(error)
    }
}

impl From<StorageError> for Refused {
    fn from(error: StorageError) -> Self {
        Self::Disk(error)
    }
}

/// Of what fails outside a command, only the disk's fault ends the round; the rest is a bug to be seen.
fn disk_only(step: Step) -> Result<(), StorageError> {
    match step {
        Err(Refused::Disk(error)) => Err(error),
        Err(Refused::Caller(why)) => {
            tracing::error!(%why, "something that nobody asked for was refused");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

impl Input {
    fn call(&self) -> Option<CallId> {
        match self {
            Self::Command { call, .. } => Some(*call),
            Self::Start | Self::Net(_) | Self::Checked { .. } | Self::Timeout | Self::Ending => None,
        }
    }
}

impl<R: CryptoRng> Round<'_, R> {
    fn take(&mut self, input: Input) -> Step {
        match input {
            Input::Start => {
                self.rest_all()?;
                self.carry_reads_over()?;
                self.start()
            }
            Input::Ending => self.rest_all(),
            Input::Command { call, command } => self.on_command(call, command),
            Input::Net(event) => self.on_net(event),
            Input::Checked { event, ahead } => {
                self.ahead = Some(ahead);
                let done = self.on_net(event);
                self.ahead = None;
                done
            }
            Input::Timeout => self.on_timeout(),
        }
    }

    fn start(&mut self) -> Step {
        self.chores()?;
        for contact in self.contacts()? {
            self.wish_by(&contact.root, Some(&contact))?;
        }
        self.wish_to_tell()
    }

    fn on_timeout(&mut self) -> Step {
        self.links_timeout()?;
        self.rest_due()?;
        if self.core.chores_ms <= self.now.mono_ms {
            self.start()?;
        }
        Ok(())
    }

    fn chores(&mut self) -> Step {
        self.core.chores_ms = self.now.mono_ms + CHORES_MS;
        // A device that may not write any more (F2) still reads, and dials whom it knows.
        disk_only(self.renew_prekey())?;
        Ok(disk_only(self.expire_requests())?)
    }

    /// What follows from everything the round's inputs did, once for all of them.
    fn finish(&mut self) -> Step {
        self.spread()?;
        self.dial_due()
    }

    /// Tells sessions how logs grew, and acknowledges what came, until nothing moves any more.
    fn spread(&mut self) -> Step {
        self.take_news()?;
        while let Some((log, touch)) = self.touched.pop_first() {
            if touch.acknowledge {
                self.acknowledge(&log)?;
            }
            let heads = self.heads(&log)?;
            self.feed_holders(&log, &y7ke_sync::Input::Grown { log, heads })?;
            self.take_news()?;
        }
        Ok(())
    }

    fn view(&self) -> &View {
        self.book
    }

    fn net(&mut self, command: NetCommand) {
        self.out.push(Output::Net(command));
    }

    fn tell(&mut self, notice: Notice) {
        self.out.push(Output::Notice(notice));
    }

    fn answer(&mut self, call: CallId, result: Result<Answer, ApiError>) {
        self.out.push(Output::Answer { call, result });
    }

    fn note(&mut self, id: SessionId, note: y7ke_sync::Note) -> Step {
        self.feed(id, y7ke_sync::Input::Note(note))
    }

    /// Something that cannot be: said loudly, and nothing is made worse.
    fn bug(&self, what: &'static str, why: &dyn std::error::Error) -> Step {
        tracing::error!(%why, "{what}");
        Ok(())
    }
}
