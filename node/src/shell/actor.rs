//! The thread that owns the core and the ledger.
//!
//! ```text
//! wait ──▶ gather (≤ 256 inputs, never waiting) ──▶ Engine::round ──▶ release ──▶ wait
//!   ▲                                                    │ disk error
//!   └──────────────── pause 0.1 s doubling to 5 s ◀──────┘
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use tokio::sync::mpsc;
use y7ke_transport::{Command as NetCommand, Event as NetEvent};

use super::clock::Clock;
use super::handle::{Inbound, Reply};
use super::notices::Hub;
use crate::api::{Answer, ApiError, ErrorKind};
use crate::core::{CallId, Engine, Input, Output};

/// Inputs of one round at most: a commit of this many appends stays well below a tenth of a second.
const ROUND: usize = 256;

/// Sends that wait for the transport before commands wait as well; what the sessions send is bounded by credit.
const UNSENT: usize = 4096;

/// First pause after a disk error.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Longest pause after disk errors: a person who freed space waits no longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long the transport may take to say goodbye to its peers.
const GOODBYE: Duration = Duration::from_secs(2);

pub(super) struct Actor {
    pub(super) engine: Engine<ChaCha20Rng>,
    pub(super) clock: Clock,
    pub(super) hub: Arc<Hub>,
    pub(super) inbox: mpsc::Receiver<Inbound>,
    pub(super) network: Network,
    calls: Calls,
    pause: Option<Duration>,
}

/// The transport's two ends, and what it has not taken yet.
pub(super) struct Network {
    pub(super) commands: mpsc::Sender<NetCommand>,
    pub(super) events: mpsc::Receiver<NetEvent>,
    unsent: VecDeque<NetCommand>,
}

/// Who waits for which answer.
#[derive(Default)]
struct Calls {
    next: CallId,
    open: BTreeMap<CallId, Reply>,
}

/// What ended a wait.
enum Woken {
    Inbound(Option<Inbound>),
    Net(Option<NetEvent>),
    Timer,
    Sent,
}

/// Whether to go on after a round.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Goes,
    Ends,
}

impl Network {
    pub(super) fn new(commands: mpsc::Sender<NetCommand>, events: mpsc::Receiver<NetEvent>) -> Self {
        Self { commands, events, unsent: VecDeque::new() }
    }

    fn push(&mut self, command: NetCommand) {
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
    fn open(&mut self, reply: Reply) -> CallId {
        self.next += 1;
        self.open.insert(self.next, reply);
        self.next
    }

    fn answer(&mut self, call: CallId, result: Result<Answer, ApiError>) {
        match self.open.remove(&call) {
            Some(reply) => reply(result),
            None => tracing::error!(call, "an answer without a call"),
        }
    }

    fn refuse_all(&mut self) {
        let ended = || ApiError::new(ErrorKind::Locked, "the node ended before this was done; start it again");
        std::mem::take(&mut self.open).into_values().for_each(|reply| reply(Err(ended())));
    }
}

impl Actor {
    pub(super) fn new(
        engine: Engine<ChaCha20Rng>,
        clock: Clock,
        hub: Arc<Hub>,
        inbox: mpsc::Receiver<Inbound>,
        network: Network,
    ) -> Self {
        Self { engine, clock, hub, inbox, network, calls: Calls::default(), pause: None }
    }

    /// Runs until told to end. `heard` is what the transport said while the node was being started.
    pub(super) fn run(mut self, runtime: &tokio::runtime::Handle, heard: Vec<NetEvent>) {
        let mut inputs = vec![Input::Start];
        inputs.extend(heard.into_iter().map(Input::Net));
        self.round(inputs);
        while self.turn(runtime) == Next::Goes {}
        self.calls.refuse_all();
        runtime.block_on(self.say_goodbye());
    }

    fn turn(&mut self, runtime: &tokio::runtime::Handle) -> Next {
        if let Some(pause) = self.pause {
            runtime.block_on(pause_for(pause));
        }
        let woken = runtime.block_on(self.wait());
        let (inputs, next) = self.gather(woken);
        if !inputs.is_empty() {
            self.round(inputs);
        }
        next
    }

    async fn wait(&mut self) -> Woken {
        let until = self.engine.poll_timeout().map(|(mono_ms, _why)| self.clock.instant(mono_ms));
        let network = &mut self.network;
        tokio::select! {
            inbound = self.inbox.recv(), if network.unsent.len() < UNSENT => Woken::Inbound(inbound),
            event = network.events.recv() => Woken::Net(event),
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
            Woken::Net(event) => take_event(event, &mut inputs),
            Woken::Timer => Next::Goes,
            Woken::Sent => {
                self.network.flush();
                Next::Goes
            }
        };
        while next == Next::Goes && inputs.len() < ROUND && self.gather_one(&mut inputs, &mut next) {}
        if self.is_due() {
            inputs.push(Input::Timeout);
        }
        (inputs, next)
    }

    /// One of each kind in turn, so that neither starves the other; `false` once nothing waits.
    fn gather_one(&mut self, inputs: &mut Vec<Input>, next: &mut Next) -> bool {
        let event = self.network.events.try_recv().ok();
        let room = self.network.unsent.len() < UNSENT;
        let inbound = if room { self.inbox.try_recv().ok() } else { None };
        let some = event.is_some() || inbound.is_some();
        inputs.extend(event.map(Input::Net));
        if let Some(inbound) = inbound {
            *next = self.take_inbound(Some(inbound), inputs);
        }
        some
    }

    fn take_inbound(&mut self, inbound: Option<Inbound>, inputs: &mut Vec<Input>) -> Next {
        match inbound {
            Some(Inbound::Call(command, reply)) => {
                inputs.push(Input::Command { call: self.calls.open(reply), command });
                Next::Goes
            }
            // Nobody holds a handle any more, or somebody said so.
            Some(Inbound::Shutdown) | None => Next::Ends,
        }
    }

    fn is_due(&self) -> bool {
        let now = self.clock.now().mono_ms;
        self.engine.poll_timeout().is_some_and(|(due_ms, _why)| due_ms <= now)
    }

    fn round(&mut self, inputs: Vec<Input>) {
        let now = self.clock.now();
        let (outputs, failure) = self.engine.round(inputs, now);
        outputs.into_iter().for_each(|output| self.release(output));
        self.pause = failure.map(|fault| {
            tracing::error!(%fault, "the disk failed; nothing of this round happened");
            self.pause.map_or(FIRST_PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE))
        });
    }

    fn release(&mut self, output: Output) {
        match output {
            Output::Net(command) => self.network.push(command),
            Output::Answer { call, result } => self.calls.answer(call, result),
            Output::Notice(notice) => self.hub.publish(&notice),
        }
    }

    /// What was released is handed over, then the transport ends; peers that hang do not hold us up.
    async fn say_goodbye(&mut self) {
        let network = &mut self.network;
        let goodbye = async {
            network.unsent.push_back(NetCommand::Shutdown);
            while let Some(command) = network.unsent.pop_front() {
                if !hand_over(network, command).await {
                    return;
                }
            }
            while network.events.recv().await.is_some() {}
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
            event = network.events.recv() => if event.is_none() { return false },
        }
    }
    true
}

#[allow(clippy::panic, reason = "without its transport the node would hang; the thread's edge reports and exits")]
fn take_event(event: Option<NetEvent>, inputs: &mut Vec<Input>) -> Next {
    match event {
        Some(event) => inputs.push(Input::Net(event)),
        None => panic!("the transport ended by itself"),
    }
    Next::Goes
}

#[allow(clippy::disallowed_methods, reason = "the shell's timer")]
async fn pause_for(pause: Duration) {
    tokio::time::sleep(pause).await;
}

async fn at(until: Option<tokio::time::Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}
