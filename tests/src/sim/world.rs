//! The world: machines, their clocks, one network, one queue of what happens, one seed.
//!
//! ```text
//!            ┌──────────────── queue: (time, tie by seed) ───────────────┐
//!            ▼                                                           │
//! input ─▶ inbox ─▶ round ── commit takes a while ──▶ release ─▶ net, people, next round
//!                     │                          ▲
//!                     └── crash here: committed, but nobody was told
//! ```
//!
//! * A machine is busy while its disk commits; what comes meanwhile becomes its next round, as in the
//!   shell (`node/src/shell/actor.rs`), whose pauses after disk errors are kept as well.
//! * Wall clocks are wrong by up to a month and jump; monotonic clocks start at each boot.
//! * A panic of a core is caught and is a violation. So is a core that wants to be woken for ever.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};

use y7ke_crypto::ids::RootId;
use y7ke_ledger::StorageError;
use y7ke_node::api::{Answer, ApiError, Command, ErrorKind, Notice};
use y7ke_node::core::{CallId, Input, Now, Output};
use y7ke_transport::Event;

use super::brain::{Boot, Brain, Maker, Safe, Shut};
use super::check::Checks;
use super::dice::Dice;
use super::disk::{Fault, SimDisk};
use super::net::{HostId, MILLI, Micros, Net, SECOND, Weather};
use super::people::People;
use super::trace::Trace;

/// The wall clock when the world begins: September 2026.
const EPOCH_MS: u64 = 1_789_000_000_000;
/// First pause after a disk error, as in the shell.
const FIRST_PAUSE: Micros = 100 * MILLI;
/// Longest pause after disk errors, as in the shell.
const LONGEST_PAUSE: Micros = 5 * SECOND;
/// Inputs of one round, as in the shell.
const ROUND: usize = 256;
/// Rounds of one machine within one second before it counts as spinning; a commit takes 6 ms.
const SPINNING: u64 = 2_000;

/// Names a machine; its host on the network has the same number.
pub type MachineId = HostId;

/// One machine.
pub struct Machine {
    /// Its disk, which outlives it.
    pub disk: SimDisk,
    /// What is on: none while it is off.
    pub brain: Option<Box<dyn Brain>>,
    /// What is on and waits for its disk.
    shut: Option<Box<dyn Shut>>,
    /// Whose it is, once it has been on.
    pub root: Option<RootId>,
    /// Whether checkers hold it to its promises.
    pub is_honest: bool,
    /// The key of its vault.
    pub safe: Safe,
    maker: Maker,
    /// How wrong its wall clock is, ms.
    skew_ms: i64,
    life: u64,
    booted: Micros,
    inbox: VecDeque<Input>,
    busy: Option<Vec<Output>>,
    pause: Micros,
    wake: Option<Micros>,
    rounds: (Micros, u64),
}

/// What is going to happen.
enum Entry {
    Wake { machine: MachineId, life: u64 },
    Release { machine: MachineId, life: u64 },
    Reopen { machine: MachineId, life: u64 },
    Act(Act),
}

/// What a test, or fate, does to the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// The power of a machine goes: unsynced writes meet their fate.
    Crash(MachineId),
    /// The process of a machine is killed: the disk keeps everything.
    Kill(MachineId),
    /// A machine that is off is switched on.
    Boot(MachineId),
    /// The power goes after so many more disk operations, whatever they are.
    PowerCut(MachineId, u64),
    /// A disk operation is going to fail.
    Disk(MachineId, Fault),
    /// The disk works again.
    DiskHeals(MachineId),
    /// The wall clock is set, ms from the truth.
    Clock(MachineId, i64),
    /// Nothing passes between the two.
    Part(MachineId, MachineId),
    /// Nothing passes from the first to the second.
    Deafen(MachineId, MachineId),
    /// Everything passes again.
    Heal,
    /// The session of the two is cut.
    Cut(MachineId, MachineId),
    /// A machine gets another address.
    Move(MachineId),
    /// The network changes its manners.
    Weather(Box<Weather>),
    /// Somebody does something.
    Person(MachineId, super::people::Deed),
}

/// All of it.
pub struct World {
    /// The seed that it all hangs on.
    pub seed: u64,
    /// Virtual time.
    pub now: Micros,
    /// The network.
    pub net: Net,
    /// The machines.
    pub machines: Vec<Machine>,
    /// Who uses them, and what they were told.
    pub people: People,
    /// What may never be.
    pub checks: Checks,
    /// What happened.
    pub trace: Trace,
    queue: BTreeMap<(Micros, u64, u64), Entry>,
    serial: u64,
    dice: Dice,
    latency: Dice,
    /// Crash a machine instead of its k-th release; counted down.
    crash_at_release: Option<(MachineId, u64)>,
}

impl World {
    /// An empty world with a fair network.
    pub fn new(seed: u64) -> Self {
        let mut net = Net::new(Dice::new(seed, "net"), Weather::fair());
        let checks = Checks::new(seed);
        net.watch(checks.canary().as_bytes());
        Self {
            seed,
            now: 0,
            net,
            machines: Vec::new(),
            people: People::new(seed),
            checks,
            trace: Trace::default(),
            queue: BTreeMap::new(),
            serial: 0,
            dice: Dice::new(seed, "world"),
            latency: Dice::new(seed, "commit"),
            crash_at_release: None,
        }
    }

    /// A new machine with an empty disk, switched on.
    pub fn machine(&mut self, maker: Maker) -> MachineId {
        let safe = Safe::new(&mut self.dice);
        self.machine_of(SimDisk::new(), safe, maker)
    }

    /// A machine with this disk and vault, switched on.
    pub fn machine_of(&mut self, disk: SimDisk, safe: Safe, maker: Maker) -> MachineId {
        let id = self.net.host();
        disk.watch(self.checks.canary().as_bytes());
        self.machines.push(Machine {
            disk,
            brain: None,
            shut: None,
            root: None,
            is_honest: true,
            safe,
            maker,
            skew_ms: 0,
            life: 0,
            booted: 0,
            inbox: VecDeque::new(),
            busy: None,
            pause: 0,
            wake: None,
            rounds: (0, 0),
        });
        self.boot(id);
        id
    }

    /// What runs on a machine from its next start on.
    pub fn remake(&mut self, id: MachineId, maker: Maker) {
        self.machines[id].maker = maker;
    }

    /// Puts something into the queue.
    pub fn plan(&mut self, delay: Micros, act: Act) {
        self.at(delay, Entry::Act(act));
    }

    /// The machine's power goes instead of its `k`-th release from now (0 = the next): everything is
    /// committed, nothing was said.
    pub fn crash_instead_of_release(&mut self, machine: MachineId, k: u64) {
        self.crash_at_release = Some((machine, k));
    }

    /// Whether [`Self::crash_instead_of_release`] has not happened yet.
    pub fn awaits_crash(&self) -> bool {
        self.crash_at_release.is_some()
    }

    /// Runs until `until`.
    pub fn run(&mut self, until: Micros) {
        while self.next_at().is_some_and(|at| at <= until) && !self.checks.is_lost() {
            self.step();
        }
        self.now = self.now.max(until);
    }

    /// Runs for so long.
    pub fn run_for(&mut self, span: Micros) {
        self.run(self.now + span);
    }

    /// Runs until `done`, but no longer than `patience`; whether it came to that.
    pub fn run_until(&mut self, patience: Micros, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now + patience;
        while !done(self) {
            let step = self.now + 100 * MILLI;
            if step > end || self.checks.is_lost() {
                return false;
            }
            self.run(step);
        }
        true
    }

    /// Asks a machine and waits for the answer.
    pub fn ask(&mut self, machine: MachineId, command: Command) -> Result<Answer, ApiError> {
        let call = self.call(machine, command);
        let answered = self.run_until(60 * SECOND, |world| !world.people.is_open(machine, call));
        if !answered && !self.checks.is_lost() {
            self.checks.violated(format!("a call of machine {machine} was not answered within a minute"));
        }
        self.people
            .take_answer(machine, call)
            .unwrap_or_else(|| Err(ApiError::new(ErrorKind::Locked, "nobody answers")))
    }

    /// Gives a command to a machine; its answer is for [`People`].
    pub fn call(&mut self, machine: MachineId, command: Command) -> CallId {
        let call = self.people.open(machine);
        self.hand(machine, call, command);
        call
    }

    /// Hands a command to whatever runs on a machine.
    pub(super) fn hand(&mut self, machine: MachineId, call: CallId, command: Command) {
        match &self.machines[machine] {
            Machine { brain: Some(_), .. } => self.put(machine, Input::Command { call, command }),
            Machine { shut: Some(_), .. } => self.answered(machine, call, Err(disk_failed())),
            _ => self.people.lose(machine),
        }
    }

    /// The wall clock of a machine, ms.
    pub fn wall_ms(&self, machine: MachineId) -> u64 {
        (EPOCH_MS + self.now / MILLI).saturating_add_signed(self.machines[machine].skew_ms)
    }

    fn clock(&self, machine: MachineId) -> Now {
        let mono_ms = (self.now - self.machines[machine].booted) / MILLI;
        Now { wall_ms: self.wall_ms(machine), mono_ms }
    }

    fn at(&mut self, delay: Micros, entry: Entry) {
        self.serial += 1;
        let tie = self.dice.any();
        self.queue.insert((self.now + delay, tie, self.serial), entry);
    }

    fn next_at(&self) -> Option<Micros> {
        let own = self.queue.first_key_value().map(|((at, ..), _)| *at);
        [own, self.net.next_at()].into_iter().flatten().min()
    }

    fn step(&mut self) {
        let own = self.queue.first_key_value().map(|((at, ..), _)| *at);
        let Some(at) = self.next_at() else { return };
        self.now = self.now.max(at);
        if own == Some(at) {
            if let Some((_, entry)) = self.queue.pop_first() {
                self.happen(entry);
            }
        } else if let Some((host, event)) = self.net.step() {
            self.put(host, heard(event));
        }
    }

    fn happen(&mut self, entry: Entry) {
        match entry {
            Entry::Wake { machine, life } if self.machines[machine].life == life => {
                self.machines[machine].wake = None;
                self.turn(machine);
            }
            Entry::Release { machine, life } if self.machines[machine].life == life => self.release(machine),
            Entry::Reopen { machine, life } if self.machines[machine].life == life => self.reopen(machine),
            Entry::Wake { .. } | Entry::Release { .. } | Entry::Reopen { .. } => {}
            Entry::Act(act) => self.act(act),
        }
    }
}

/// Fate.
impl World {
    /// Lets something happen now.
    pub fn act(&mut self, act: Act) {
        self.trace.note(format_args!("{:>12} {act:?}", self.now));
        match act {
            Act::Crash(machine) => self.crash(machine),
            Act::Kill(machine) => self.kill(machine),
            Act::Boot(machine) => self.boot(machine),
            Act::PowerCut(machine, ops) => self.machines[machine].disk.cut_power_after(ops),
            Act::Disk(machine, fault) => self.machines[machine].disk.fail(fault),
            Act::DiskHeals(machine) => self.machines[machine].disk.heal(),
            Act::Clock(machine, skew_ms) => self.machines[machine].skew_ms = skew_ms,
            Act::Part(a, b) => self.net.part(a, b, self.now),
            Act::Deafen(a, b) => self.net.block(a, b, self.now),
            Act::Heal => self.net.heal(self.now),
            Act::Cut(a, b) => self.net.cut(a, b, self.now),
            Act::Move(machine) => self.net.move_away(machine, self.now),
            Act::Weather(weather) => self.net.weather = *weather,
            Act::Person(machine, deed) => self.perform(machine, deed),
        }
    }

    fn crash(&mut self, id: MachineId) {
        if self.is_on(id) {
            self.power_off(id);
        }
        let loss = self.machines[id].disk.crash(&mut self.dice);
        self.trace.note(format_args!("{:>12} machine {id} lost {loss:?}", self.now));
    }

    fn kill(&mut self, id: MachineId) {
        if self.is_on(id) {
            self.power_off(id);
        }
    }

    fn power_off(&mut self, id: MachineId) {
        let machine = &mut self.machines[id];
        machine.life += 1;
        machine.disk.unplug();
        machine.brain = None;
        machine.shut = None;
        machine.inbox.clear();
        machine.busy = None;
        machine.pause = 0;
        machine.wake = None;
        self.net.down(id, self.now);
        self.people.lose(id);
        self.checks.forget_life(id);
    }

    fn boot(&mut self, id: MachineId) {
        if self.is_on(id) {
            return;
        }
        self.machines[id].booted = self.now;
        let (disk, safe) = (self.machines[id].disk.clone(), self.machines[id].safe.clone());
        let boot = Boot { disk, safe, rng: self.dice.rng(), now: self.clock(id) };
        let maker = self.machines[id].maker.clone();
        match catch_unwind(AssertUnwindSafe(|| maker(boot))) {
            Ok(Ok(brain)) => self.on(id, brain),
            Ok(Err(fault)) => self.fails_to_start(id, &fault),
            Err(panic) => self.checks.violated(format!("machine {id} panicked at its start: {}", words(&panic))),
        }
    }

    fn on(&mut self, id: MachineId, brain: Box<dyn Brain>) {
        self.trace.note(format_args!(
            "{:>12} machine {id} is on, {} disk operations",
            self.now,
            self.machines[id].disk.ops()
        ));
        self.net.up(id, brain.net(), self.people.announces(id), self.now);
        self.machines[id].root = Some(brain.root());
        self.machines[id].brain = Some(brain);
        self.put(id, Input::Start);
    }

    /// A disk that failed while it was being opened: the person tries again.
    fn fails_to_start(&mut self, id: MachineId, fault: &StorageError) {
        self.trace.note(format_args!("{:>12} machine {id} does not start: {fault}", self.now));
        self.checks.disk_error(id, &self.machines[id].disk, &fault.to_string());
        if self.machines[id].disk.is_dark() {
            self.crash(id);
        }
        self.plan(SECOND, Act::Boot(id));
    }
}

/// Rounds.
impl World {
    /// Something comes in at a machine.
    pub fn put(&mut self, id: MachineId, input: Input) {
        if self.is_on(id) {
            self.machines[id].inbox.push_back(input);
            self.turn(id);
        }
    }

    /// Whether something runs there, even if it waits for its disk.
    pub fn is_on(&self, id: MachineId) -> bool {
        self.machines[id].brain.is_some() || self.machines[id].shut.is_some()
    }

    /// Runs a round if there is something to run it for, and no commit under way.
    fn turn(&mut self, id: MachineId) {
        let now = self.clock(id);
        let machine = &mut self.machines[id];
        let Some(brain) = &machine.brain else { return };
        if machine.busy.is_some() {
            return;
        }
        let mut inputs: Vec<Input> = machine.inbox.drain(..machine.inbox.len().min(ROUND)).collect();
        if brain.poll_timeout().is_some_and(|(due_ms, _why)| due_ms <= now.mono_ms) {
            inputs.push(Input::Timeout);
        }
        if inputs.is_empty() {
            return self.wake_later(id);
        }
        self.round(id, inputs, now);
    }

    fn round(&mut self, id: MachineId, inputs: Vec<Input>, now: Now) {
        self.note_round(id, &inputs);
        if self.is_spinning(id) {
            return self.checks.violated(format!("machine {id} is woken without end"));
        }
        let Some(mut brain) = self.machines[id].brain.take() else { return };
        let result = catch_unwind(AssertUnwindSafe(|| brain.round(inputs, now)));
        self.machines[id].brain = Some(brain);
        match result {
            Ok((outputs, fault)) => self.committed(id, outputs, fault),
            Err(panic) => self.checks.violated(format!("machine {id} panicked: {}", words(&panic))),
        }
    }

    fn committed(&mut self, id: MachineId, outputs: Vec<Output>, fault: Option<StorageError>) {
        self.note_outputs(id, &outputs);
        if self.machines[id].disk.is_dark() {
            // The power went during the round: whatever the core wanted to say, nobody is there to say it.
            self.crash(id);
            return self.plan(2 * SECOND, Act::Boot(id));
        }
        if let Some(fault) = fault {
            return self.disk_failed(id, outputs, &fault);
        }
        let machine = &mut self.machines[id];
        machine.pause = 0;
        machine.busy = Some(outputs);
        let (life, delay) = (machine.life, self.latency.within(100..12 * MILLI));
        self.at(delay, Entry::Release { machine: id, life });
    }

    /// As the shell does it: what the core says about it is said, and the file is opened again.
    fn disk_failed(&mut self, id: MachineId, outputs: Vec<Output>, fault: &StorageError) {
        self.trace.note(format_args!("{:>12} machine {id} has a disk error: {fault}", self.now));
        self.checks.disk_error(id, &self.machines[id].disk, &fault.to_string());
        let machine = &mut self.machines[id];
        machine.shut = machine.brain.take().map(Brain::close);
        machine.pause = FIRST_PAUSE;
        let life = machine.life;
        self.at(FIRST_PAUSE, Entry::Reopen { machine: id, life });
        outputs.into_iter().for_each(|output| self.say(id, output));
    }

    fn reopen(&mut self, id: MachineId) {
        let opened = self.machines[id].safe.open(&self.machines[id].disk);
        let machine = &mut self.machines[id];
        match opened {
            Ok(ledger) => {
                machine.brain = machine.shut.take().map(|shut| shut.open(ledger));
                machine.inbox.push_front(Input::Start);
                self.turn(id);
            }
            Err(fault) => {
                machine.pause = (machine.pause * 2).min(LONGEST_PAUSE);
                let (life, pause) = (machine.life, machine.pause);
                self.trace.note(format_args!("{:>12} machine {id} does not open its log yet: {fault}", self.now));
                self.checks.disk_error(id, &self.machines[id].disk, &fault.to_string());
                self.at(pause, Entry::Reopen { machine: id, life });
            }
        }
        if self.machines[id].disk.is_dark() {
            self.crash(id);
            self.plan(2 * SECOND, Act::Boot(id));
        }
    }

    fn release(&mut self, id: MachineId) {
        if self.crash_at_release.is_some_and(|(machine, k)| machine == id && k == 0) {
            self.crash_at_release = None;
            self.crash(id);
            return self.plan(2 * SECOND, Act::Boot(id));
        }
        if let Some((machine, k)) = &mut self.crash_at_release
            && *machine == id
        {
            *k -= 1;
        }
        let life = self.machines[id].life;
        for output in self.machines[id].busy.take().unwrap_or_default() {
            if self.machines[id].life == life {
                self.say(id, output);
            }
        }
        self.turn(id);
    }

    fn say(&mut self, id: MachineId, output: Output) {
        match output {
            Output::Net(command) => self.net.command(id, command, self.now),
            Output::Answer { call, result } => self.answered(id, call, result),
            Output::Notice(notice) => self.noticed(id, notice),
        }
    }

    fn noticed(&mut self, id: MachineId, notice: Notice) {
        if self.machines[id].is_honest {
            self.check_notice(id, &notice);
        }
        self.people.notice(id, notice);
    }

    fn wake_later(&mut self, id: MachineId) {
        let machine = &self.machines[id];
        let Some((due_ms, _why)) = machine.brain.as_ref().and_then(|brain| brain.poll_timeout()) else { return };
        let due = (machine.booted + due_ms.saturating_mul(MILLI)).max(self.now + 1);
        if machine.wake.is_some_and(|planned| planned <= due) {
            return;
        }
        let life = machine.life;
        self.machines[id].wake = Some(due);
        self.at(due - self.now, Entry::Wake { machine: id, life });
    }

    fn is_spinning(&mut self, id: MachineId) -> bool {
        let (now, machine) = (self.now / SECOND, &mut self.machines[id]);
        machine.rounds = if machine.rounds.0 == now { (now, machine.rounds.1 + 1) } else { (now, 1) };
        machine.rounds.1 > SPINNING
    }

    fn note_round(&mut self, id: MachineId, inputs: &[Input]) {
        for input in inputs {
            match input {
                Input::Net(Event::Frame { session, lane, bytes })
                | Input::Checked { event: Event::Frame { session, lane, bytes }, .. } => {
                    self.trace.bytes(bytes);
                    self.trace.note(format_args!(
                        "{:>12} {id} ◀ {lane:?} {} bytes of {session}",
                        self.now,
                        bytes.len()
                    ));
                }
                Input::Net(event) => self.trace.note(format_args!("{:>12} {id} ◀ {event:?}", self.now)),
                Input::Command { call, command } => {
                    let text: String = format!("{command:?}").chars().take(160).collect();
                    self.trace.note(format_args!("{:>12} {id} ◀ call {call} {text}", self.now));
                }
                other => self.trace.note(format_args!("{:>12} {id} ◀ {other:?}", self.now)),
            }
        }
    }

    fn note_outputs(&mut self, id: MachineId, outputs: &[Output]) {
        for output in outputs {
            match output {
                Output::Net(y7ke_transport::Command::Send { session, lane, frame }) => {
                    self.trace.note(format_args!(
                        "{:>12} {id} ▶ {lane:?} {} bytes to {session}",
                        self.now,
                        frame.len()
                    ));
                }
                Output::Net(command) => self.trace.note(format_args!("{:>12} {id} ▶ {command:?}", self.now)),
                Output::Answer { call, result } => {
                    let text: String = format!("{result:?}").chars().take(160).collect();
                    self.trace.note(format_args!("{:>12} {id} ▶ answer {call} {text}", self.now));
                }
                Output::Notice(notice) => {
                    let text: String = format!("{notice:?}").chars().take(160).collect();
                    self.trace.note(format_args!("{:>12} {id} ▶ {text}", self.now));
                }
            }
        }
    }
}

/// Half of all frames are checked ahead of their round: nobody can tell which.
fn heard(event: Event) -> Input {
    match &event {
        Event::Frame { bytes, .. } if bytes.len() % 2 == 0 => Input::checked(event),
        _ => Input::Net(event),
    }
}

fn disk_failed() -> ApiError {
    ApiError::new(ErrorKind::Storage, "the log is not open")
}

fn words(panic: &Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without words".to_owned())
}
