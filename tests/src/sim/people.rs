//! Who uses the machines: what they do, and what they were answered.
//!
//! ```text
//! Deed ─▶ Command ─▶ machine ─▶ answer ─▶ perhaps another command (accept what `request.list` shows)
//!
//! Said   a message: asked ─▶ answered(id) | refused | lost (its machine crashed before it answered)
//!        answered   must be on both sides exactly once, for ever
//!        lost       may be on both sides, once, or on none
//! Typed  a draft: what may stand there = what was answered last, and whatever was lost since; sending empties it
//! ```

use std::collections::{BTreeMap, BTreeSet};

use y7ke_node::api::{
    Answer, ApiError, Command, Conversation, Direction, ErrorKind, MessageView, Notice, RequestState, RequestView,
};
use y7ke_node::core::CallId;

use super::dice::Dice;
use super::net;
use super::world::{MachineId, World};

/// What a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Asks the person at another machine to be a contact.
    Request(MachineId),
    /// Accepts every request that waits.
    AcceptAll,
    /// Rejects one request that waits.
    RejectOne,
    /// Takes back one request of their own.
    CancelOne,
    /// Blocks the person at another machine.
    Block(MachineId),
    /// Unblocks them.
    Unblock(MachineId),
    /// Writes to them.
    Say(MachineId),
    /// Reads everything from them.
    Read(MachineId),
    /// Gives them a nickname.
    Rename(MachineId),
    /// Leaves a draft for them.
    Draft(MachineId),
    /// Changes their own profile name.
    Profile,
    /// Looks at everything.
    List,
}

/// Where a message stands, as far as its author was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// No answer yet.
    Asked,
    /// Durable, with this id.
    Answered(String),
    /// Not sent, for this reason.
    Refused(ErrorKind),
    /// The author's machine ended before it answered, or its disk failed while it wrote.
    Lost,
}

/// A message that somebody wanted to send.
#[derive(Clone, Debug)]
pub struct Said {
    /// From whose machine.
    pub from: MachineId,
    /// To whose.
    pub to: MachineId,
    /// Its text, like no other.
    pub text: String,
    /// What the author was told.
    pub fate: Fate,
}

/// What follows from an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Purpose {
    /// Somebody waits for it in [`World::ask`].
    Asked,
    /// Nothing.
    Done,
    /// A message's fate.
    Said(usize),
    /// Accept what is shown.
    AcceptAll,
    /// Reject one of what is shown.
    RejectOne,
    /// Cancel one of what is shown.
    CancelOne,
    /// Read up to the newest of what is shown.
    Read(MachineId),
    /// A draft for somebody.
    Typed(MachineId, String),
}

/// All of them.
pub struct People {
    /// Every message that anybody wanted to send.
    pub said: Vec<Said>,
    /// What may stand in a composer, by machine and by whom it is for: one text, or several after a crash.
    pub typed: BTreeMap<(MachineId, MachineId), BTreeSet<String>>,
    /// Everything that was told unasked, newest last, by machine.
    pub notices: BTreeMap<MachineId, Vec<Notice>>,
    /// Refusals by kind, to see that a run did something.
    pub refused: BTreeMap<String, u64>,
    /// Calls that were answered.
    pub answers: u64,
    open: BTreeMap<(MachineId, CallId), Purpose>,
    taken: BTreeMap<(MachineId, CallId), Result<Answer, ApiError>>,
    hidden: BTreeSet<MachineId>,
    next_call: CallId,
    dice: Dice,
}

impl People {
    /// Nobody yet.
    pub fn new(seed: u64) -> Self {
        Self {
            said: Vec::new(),
            typed: BTreeMap::new(),
            notices: BTreeMap::new(),
            refused: BTreeMap::new(),
            answers: 0,
            open: BTreeMap::new(),
            taken: BTreeMap::new(),
            hidden: BTreeSet::new(),
            next_call: 0,
            dice: Dice::new(seed, "people"),
        }
    }

    /// Whether a machine announces itself on the local network.
    pub fn announces(&self, machine: MachineId) -> bool {
        !self.hidden.contains(&machine)
    }

    /// A machine that does not announce itself from its next start on.
    pub fn hide(&mut self, machine: MachineId) {
        self.hidden.insert(machine);
    }

    /// A call whose answer somebody waits for.
    pub(super) fn open(&mut self, machine: MachineId) -> CallId {
        self.open_for(machine, Purpose::Asked)
    }

    fn open_for(&mut self, machine: MachineId, purpose: Purpose) -> CallId {
        self.next_call += 1;
        self.open.insert((machine, self.next_call), purpose);
        self.next_call
    }

    /// Whether a call has no answer yet.
    pub fn is_open(&self, machine: MachineId, call: CallId) -> bool {
        self.open.contains_key(&(machine, call))
    }

    /// Calls without an answer.
    pub fn open_calls(&self) -> Vec<(MachineId, CallId)> {
        self.open.keys().copied().collect()
    }

    /// The answer of a call, once.
    pub fn take_answer(&mut self, machine: MachineId, call: CallId) -> Option<Result<Answer, ApiError>> {
        self.taken.remove(&(machine, call))
    }

    /// A machine ended: nobody will answer its calls.
    pub(super) fn lose(&mut self, machine: MachineId) {
        let lost: Vec<_> = self.open.range((machine, 0)..=(machine, CallId::MAX)).map(|(key, _)| *key).collect();
        for key in lost {
            match self.open.remove(&key) {
                Some(Purpose::Said(nth)) => {
                    self.said[nth].fate = Fate::Lost;
                    self.perhaps_typed(machine, self.said[nth].to, String::new());
                }
                Some(Purpose::Typed(to, text)) => self.perhaps_typed(machine, to, text),
                _ => {}
            }
        }
    }

    /// It stands there now, and nothing else.
    fn is_typed(&mut self, who: MachineId, to: MachineId, text: String) {
        self.typed.insert((who, to), [text].into());
    }

    /// It may stand there, or what stood there before.
    fn perhaps_typed(&mut self, who: MachineId, to: MachineId, text: String) {
        self.typed.entry((who, to)).or_insert_with(|| [String::new()].into()).insert(text);
    }

    pub(super) fn notice(&mut self, machine: MachineId, notice: Notice) {
        self.notices.entry(machine).or_default().push(notice);
    }
}

impl World {
    /// The identity at a machine.
    pub fn y7_id(&self, machine: MachineId) -> String {
        self.machines[machine].root.map(|root| root.to_string()).unwrap_or_default()
    }

    /// The link that the person at a machine hands out.
    pub fn uri(&self, machine: MachineId) -> String {
        let hint = net::address(machine).to_string().replace('/', "%2F");
        format!("{}?via={hint}", self.y7_id(machine))
    }

    /// Somebody does something.
    pub fn perform(&mut self, who: MachineId, deed: Deed) {
        if !self.is_on(who) {
            return;
        }
        let (purpose, command) = self.plan_deed(who, deed);
        self.call_for(who, purpose, command);
    }

    fn plan_deed(&mut self, who: MachineId, deed: Deed) -> (Purpose, Command) {
        let id = |world: &Self, there| world.y7_id(there);
        match deed {
            Deed::Request(there) => (Purpose::Done, self.request(there)),
            Deed::AcceptAll => (Purpose::AcceptAll, Command::RequestList),
            Deed::RejectOne => (Purpose::RejectOne, Command::RequestList),
            Deed::CancelOne => (Purpose::CancelOne, Command::RequestList),
            Deed::Block(there) => (Purpose::Done, Command::ContactBlock { y7_id: id(self, there) }),
            Deed::Unblock(there) => (Purpose::Done, Command::ContactUnblock { y7_id: id(self, there) }),
            Deed::Say(there) => self.say_something(who, there),
            Deed::Read(there) => {
                let of = Conversation::Person(id(self, there));
                (Purpose::Read(there), Command::MessageList { of, before: None, limit: 20 })
            }
            Deed::Rename(there) => {
                let name = format!("{} nick {}", self.checks.canary(), self.people.dice.below(100));
                (Purpose::Done, Command::ContactRename { y7_id: id(self, there), name })
            }
            Deed::Draft(there) => {
                let text = format!("{} draft {}", self.checks.canary(), self.people.dice.below(100));
                let of = Conversation::Person(id(self, there));
                (Purpose::Typed(there, text.clone()), Command::DraftSet { of, text })
            }
            Deed::Profile => {
                let name = Some(format!("person {who} {}", self.people.dice.below(100)));
                let patch = y7ke_node::api::SettingsPatch { name, ..Default::default() };
                (Purpose::Done, Command::SettingsSet(patch))
            }
            Deed::List => (Purpose::Done, Command::ContactList),
        }
    }

    fn request(&self, there: MachineId) -> Command {
        Command::ContactRequest { uri: self.uri(there), greeting: format!("{} may I?", self.checks.canary()) }
    }

    fn say_something(&mut self, from: MachineId, to: MachineId) -> (Purpose, Command) {
        let nth = self.people.said.len();
        let filler = match self.people.dice.below(20) {
            0 => "long ".repeat(self.people.dice.within(10..3_000) as usize),
            _ => String::new(),
        };
        let text = format!("{} {from}>{to} #{nth} {filler}", self.checks.canary());
        self.people.said.push(Said { from, to, text: text.clone(), fate: Fate::Asked });
        let to = Conversation::Person(self.y7_id(to));
        (Purpose::Said(nth), Command::MessageSend { to, text, reply_to: None })
    }

    fn call_for(&mut self, who: MachineId, purpose: Purpose, command: Command) {
        let call = self.people.open_for(who, purpose);
        self.hand(who, call, command);
    }

    /// An answer comes.
    pub(super) fn answered(&mut self, who: MachineId, call: CallId, result: Result<Answer, ApiError>) {
        let Some(purpose) = self.people.open.remove(&(who, call)) else {
            return self.checks.violated(format!("machine {who} answers call {call} twice, or nobody asked"));
        };
        self.people.answers += 1;
        if let Err(error) = &result {
            *self.people.refused.entry(format!("{:?}", error.kind)).or_default() += 1;
        }
        match purpose {
            Purpose::Asked => drop(self.people.taken.insert((who, call), result)),
            Purpose::Said(nth) => {
                let (to, fate) = (self.people.said[nth].to, fate(result));
                match &fate {
                    Fate::Answered(_) => self.people.is_typed(who, to, String::new()),
                    Fate::Lost => self.people.perhaps_typed(who, to, String::new()),
                    _ => {}
                }
                self.people.said[nth].fate = fate;
            }
            Purpose::Typed(to, text) => match result {
                Ok(_) => self.people.is_typed(who, to, text),
                Err(error) if error.kind == ErrorKind::Storage => self.people.perhaps_typed(who, to, text),
                Err(_) => {}
            },
            purpose => {
                if let Ok(answer) = result {
                    self.follow(who, purpose, answer);
                }
            }
        }
    }

    fn follow(&mut self, who: MachineId, purpose: Purpose, answer: Answer) {
        match (purpose, answer) {
            (Purpose::AcceptAll, Answer::Requests(all)) => {
                for request_id in waiting(all, Direction::In) {
                    self.call_for(who, Purpose::Done, Command::RequestAccept { request_id });
                }
            }
            (Purpose::RejectOne, Answer::Requests(all)) => {
                let all = waiting(all, Direction::In);
                if let Some(request_id) = self.people.dice.pick(&all).cloned() {
                    self.call_for(who, Purpose::Done, Command::RequestReject { request_id });
                }
            }
            (Purpose::CancelOne, Answer::Requests(all)) => {
                let all = waiting(all, Direction::Out);
                if let Some(request_id) = self.people.dice.pick(&all).cloned() {
                    self.call_for(who, Purpose::Done, Command::RequestCancel { request_id });
                }
            }
            (Purpose::Read(there), Answer::Messages { messages, .. }) => self.read_newest(who, there, &messages),
            _ => {}
        }
    }

    fn read_newest(&mut self, who: MachineId, there: MachineId, messages: &[MessageView]) {
        let Some(newest) = messages.last() else { return };
        let of = Conversation::Person(self.y7_id(there));
        self.call_for(who, Purpose::Done, Command::MessageRead { of, up_to: newest.message_id.clone() });
    }
}

fn waiting(all: Vec<RequestView>, direction: Direction) -> Vec<String> {
    all.into_iter()
        .filter(|request| request.direction == direction && request.state == RequestState::Pending)
        .map(|request| request.request_id)
        .collect()
}

/// What an answer says about a message. After a disk error nobody knows: the commit may have been
/// done when its last sync failed.
fn fate(result: Result<Answer, ApiError>) -> Fate {
    match result {
        Ok(Answer::Sent { message_id }) => Fate::Answered(message_id),
        Ok(_) => Fate::Lost,
        Err(error) if error.kind == ErrorKind::Storage => Fate::Lost,
        Err(error) => Fate::Refused(error.kind),
    }
}
