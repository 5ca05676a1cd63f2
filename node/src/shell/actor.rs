//! The thread that owns the core and the ledger.
//!
//! ```text
//! wait ──▶ gather (≤ 256 inputs, never waiting) ──▶ Engine::round ──▶ release ──▶ wait
//!   ▲                                                    │ disk error: the round did not happen
//!   └── open the file again ◀── pause, 0.1 s to 5 s ◀────┘ commands are refused meanwhile, in words
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use y7ke_transport::{Command as NetCommand, Event as NetEvent};

use super::clock::Clock;
use super::ears::Ears;
use super::handle::{Inbound, Reply};
use super::keeper::{Done, Keeper};
use super::locking::sort;
use super::notices::Hub;
use super::views::Views;
use crate::api::{Answer, ApiError, ErrorKind, Notice};
use crate::core::{CallId, Closed, Engine, Input, Output};
use crate::home::Home;
use crate::options::Config;

/// Inputs of one round at most: a commit of this many appends stays well below a tenth of a second.
const ROUND: usize = 256;

/// Sends that wait for the transport before commands wait as well; what the sessions send is bounded by credit.
const UNSENT: usize = 4096;

/// First pause after a disk error.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Longest pause after disk errors: a person who freed space waits no longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long the transport may take to say goodbye to its peers.
const GOODBYE: Duration = Duration::from_secs(2);

/// The node's engine, as the shell drives it.
pub(super) type NodeEngine = Engine<ChaCha20Rng>;

pub(super) struct Actor {
    pub(super) config: Config,
    pub(super) home: Home,
    pub(super) keeper: Keeper,
    pub(super) clock: Clock,
    pub(super) hub: Arc<Hub>,
    pub(super) views: Views,
    pub(super) inbox: mpsc::Receiver<Inbound>,
    pub(super) network: Network,
    pub(super) calls: Calls,
    /// Calls that the vault answers: they outlive a lock.
    pub(super) vault_calls: Calls,
    /// Who asked for the lock that is under way.
    pub(super) lockers: Vec<CallId>,
    /// Since the last round that the disk took.
    pub(super) pause: Duration,
}

/// The transport's two ends, and what it has not taken yet.
pub(super) struct Network {
    pub(super) commands: mpsc::Sender<NetCommand>,
    pub(super) ears: Ears,
    unsent: VecDeque<NetCommand>,
}

/// Who waits for which answer.
#[derive(Default)]
pub(super) struct Calls {
    next: CallId,
    open: BTreeMap<CallId, Reply>,
}

/// What ended a wait.
enum Woken {
    Inbound(Option<Inbound>),
    Net(Option<Input>),
    Vault(Option<Done>),
    Timer,
    Sent,
}

/// Whether to go on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Goes,
    /// The vault is to be locked.
    Locks,
    /// The disk failed: the file has to be opened again.
    Reopens,
    Ends,
}

impl Network {
    pub(super) fn new(commands: mpsc::Sender<NetCommand>, ears: Ears) -> Self {
        Self { commands, ears, unsent: VecDeque::new() }
    }

    /// What stands in its place while there is none.
    pub(super) fn ended() -> Self {
        Self::new(mpsc::channel(1).0, Ears::deaf())
    }

    fn push(&mut self, command: NetCommand) {
        self.ears.overhear(&command);
        self.unsent.push_back(command);
        self.flush();
    }

    /// Hands over what the transport takes without waiting.
    fn flush(&mut self) {
        while let Some(command) = self.unsent.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(command)) = self.commands.try_send(command) {
                return self.unsent.push_front(command);
            }
        }
    }
}

impl Calls {
    pub(super) fn open(&mut self, reply: Reply) -> CallId {
        self.next += 1;
        self.open.insert(self.next, reply);
        self.next
    }

    pub(super) fn answer(&mut self, call: CallId, result: Result<Answer, ApiError>) {
        match self.open.remove(&call) {
            Some(reply) => reply(result),
            None => tracing::error!(call, "an answer without a call"),
        }
    }

    pub(super) fn refuse_all(&mut self, why: &ApiError) {
        std::mem::take(&mut self.open).into_values().for_each(|reply| reply(Err(why.clone())));
    }
}

impl Actor {
    /// Runs until told to end. `heard` is what the transport said while the node was being started.
    pub(super) fn run(mut self, mut engine: NodeEngine, runtime: &Runtime, heard: Vec<NetEvent>) {
        let mut next = self.begin(&mut engine, heard);
        loop {
            next = match next {
                Next::Goes => self.turn(&mut engine, runtime),
                Next::Reopens => match self.reopen(engine.close(), runtime) {
                    Some(opened) => {
                        engine = opened;
                        self.begin(&mut engine, Vec::new())
                    }
                    None => break,
                },
                Next::Locks => {
                    self.lock(engine, runtime);
                    match self.stay_locked(runtime) {
                        Some((opened, heard)) => {
                            engine = opened;
                            self.begin(&mut engine, heard)
                        }
                        None => break,
                    }
                }
                Next::Ends => break,
            };
        }
        self.views.close();
        let ended = ApiError::new(ErrorKind::Locked, "The node ended before this was done. Start it again.");
        self.calls.refuse_all(&ended);
        self.vault_calls.refuse_all(&ended);
        runtime.block_on(self.say_goodbye());
    }

    fn begin(&mut self, engine: &mut NodeEngine, heard: Vec<NetEvent>) -> Next {
        let inputs = std::iter::once(Input::Start).chain(heard.into_iter().map(Input::Net)).collect();
        self.round(engine, inputs, Next::Goes)
    }

    fn turn(&mut self, engine: &mut NodeEngine, runtime: &Runtime) -> Next {
        let until = engine.poll_timeout().map(|(mono_ms, _why)| self.clock.instant(mono_ms));
        let (mut inputs, next) = match runtime.block_on(self.wait(until)) {
            Woken::Vault(done) => {
                done.into_iter().for_each(|done| self.vault_done(done, engine));
                (Vec::new(), Next::Goes)
            }
            woken => self.gather(woken),
        };
        if self.is_due(engine) {
            inputs.push(Input::Timeout);
        }
        if matches!(next, Next::Ends | Next::Locks) {
            inputs.push(Input::Ending);
        }
        if inputs.is_empty() { next } else { self.round(engine, inputs, next) }
    }

    /// Opens the file again as soon as the disk lets us; `None` if we are told to end before.
    fn reopen(&mut self, closed: Closed<ChaCha20Rng>, runtime: &Runtime) -> Option<NodeEngine> {
        self.views.close();
        loop {
            let pause = self.pause;
            self.pause = (pause * 2).min(LONGEST_PAUSE);
            if runtime.block_on(self.refuse_for(pause)) == Next::Ends {
                return None;
            }
            match self.home.open_ledger() {
                Ok(ledger) => {
                    self.views.open(ledger.clone());
                    self.hub.publish(Notice::Storage { error: String::new() });
                    // What was answered with the failure may be on the disk after all.
                    self.hub.publish(Notice::Resync);
                    return Some(closed.open(ledger));
                }
                Err(fault) => tracing::warn!(%fault, "the ledger does not open again yet"),
            }
        }
    }

    /// Answers commands with the disk's failure until `pause` is over.
    async fn refuse_for(&mut self, pause: Duration) -> Next {
        let refuse = async {
            loop {
                match self.inbox.recv().await {
                    Some(Inbound::Call(_, reply)) => reply(Err(disk_failed())),
                    Some(Inbound::Shutdown) | None => return Next::Ends,
                }
            }
        };
        tokio::time::timeout(pause, refuse).await.unwrap_or(Next::Goes)
    }

    async fn wait(&mut self, until: Option<tokio::time::Instant>) -> Woken {
        let network = &mut self.network;
        tokio::select! {
            inbound = self.inbox.recv(), if network.unsent.len() < UNSENT => Woken::Inbound(inbound),
            input = network.ears.next() => Woken::Net(input),
            done = self.keeper.done.recv() => Woken::Vault(done),
            room = network.commands.reserve(), if !network.unsent.is_empty() => {
                if let (Ok(room), Some(command)) = (room, network.unsent.pop_front()) {
                    room.send(command);
                }
                Woken::Sent
            }
            () = at(until) => Woken::Timer,
        }
    }

    /// What woke us and whatever else waits already: together they become one transaction.
    fn gather(&mut self, woken: Woken) -> (Vec<Input>, Next) {
        let mut inputs = Vec::new();
        let mut next = match woken {
            Woken::Inbound(inbound) => self.take_inbound(inbound, &mut inputs),
            Woken::Net(input) => take_input(input, &mut inputs),
            Woken::Timer | Woken::Vault(_) => Next::Goes,
            Woken::Sent => {
                self.network.flush();
                Next::Goes
            }
        };
        while next == Next::Goes && inputs.len() < ROUND && self.gather_one(&mut inputs, &mut next) {}
        (inputs, next)
    }

    /// One of each kind in turn, so that neither starves the other; `false` once nothing waits.
    fn gather_one(&mut self, inputs: &mut Vec<Input>, next: &mut Next) -> bool {
        let heard = self.network.ears.try_next();
        let room = self.network.unsent.len() < UNSENT;
        let inbound = if room { self.inbox.try_recv().ok() } else { None };
        let some = heard.is_some() || inbound.is_some();
        inputs.extend(heard);
        if let Some(inbound) = inbound {
            *next = self.take_inbound(Some(inbound), inputs);
        }
        some
    }

    fn take_inbound(&mut self, inbound: Option<Inbound>, inputs: &mut Vec<Input>) -> Next {
        match inbound {
            Some(Inbound::Call(command, reply)) => match sort(command) {
                Ok(command) => self.take_vault(command, reply),
                Err(command) => {
                    inputs.push(Input::Command { call: self.calls.open(reply), command });
                    Next::Goes
                }
            },
            // Nobody holds a handle any more, or somebody said so.
            Some(Inbound::Shutdown) | None => Next::Ends,
        }
    }

    fn is_due(&self, engine: &NodeEngine) -> bool {
        let now = self.clock.now().mono_ms;
        engine.poll_timeout().is_some_and(|(due_ms, _why)| due_ms <= now)
    }

    /// One transaction; what follows is `next` unless the disk fails.
    fn round(&mut self, engine: &mut NodeEngine, inputs: Vec<Input>, next: Next) -> Next {
        let (count, now) = (inputs.len(), self.clock.now());
        let (outputs, failure) = engine.act(inputs, now);
        let took_ms = self.clock.now().mono_ms - now.mono_ms;
        tracing::trace!(inputs = count, outputs = outputs.len(), took_ms, "round");
        self.release(outputs);
        self.release(engine.tell(now));
        match failure {
            None => {
                self.pause = FIRST_PAUSE;
                next
            }
            Some(fault) => {
                tracing::error!(%fault, "the disk failed; nothing of this round happened");
                if next == Next::Goes { Next::Reopens } else { next }
            }
        }
    }

    /// Frames first: they have the longest way to go.
    fn release(&mut self, outputs: Vec<Output>) {
        let (mut answers, mut notices) = (Vec::new(), Vec::new());
        for output in outputs {
            match output {
                Output::Net(command) => self.network.push(command),
                Output::Answer { call, result } => answers.push((call, result)),
                Output::Notice(notice) => notices.push(notice),
            }
        }
        answers.into_iter().for_each(|(call, result)| self.calls.answer(call, result));
        self.hub.publish_all(&notices);
    }

    /// What was released is handed over, then the transport ends; peers that hang do not hold us up.
    pub(super) async fn say_goodbye(&mut self) {
        let network = &mut self.network;
        let goodbye = async {
            network.unsent.push_back(NetCommand::Shutdown);
            while let Some(command) = network.unsent.pop_front() {
                if !hand_over(network, command).await {
                    return;
                }
            }
            while network.ears.next().await.is_some() {}
        };
        if tokio::time::timeout(GOODBYE, goodbye).await.is_err() {
            tracing::debug!("the transport did not end in time; its sockets close with the process");
        }
    }
}

/// Sends while taking what comes, so that neither side waits for the other; `false` once the transport ended.
async fn hand_over(network: &mut Network, command: NetCommand) -> bool {
    let mut command = Some(command);
    while command.is_some() {
        tokio::select! {
            room = network.commands.reserve() => match (room, command.take()) {
                (Ok(room), Some(command)) => room.send(command),
                _ => return false,
            },
            input = network.ears.next() => if input.is_none() { return false },
        }
    }
    true
}

#[allow(clippy::panic, reason = "without its transport the node would hang; the thread's edge reports and exits")]
fn take_input(input: Option<Input>, inputs: &mut Vec<Input>) -> Next {
    match input {
        Some(input) => inputs.push(input),
        None => panic!("the transport ended by itself"),
    }
    Next::Goes
}

fn disk_failed() -> ApiError {
    ApiError::new(ErrorKind::Storage, "The disk failed and is being tried again. Free some space or check the disk.")
}

async fn at(until: Option<tokio::time::Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}
