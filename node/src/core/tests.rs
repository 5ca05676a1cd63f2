//! Two engines and a wire that carries what they say: the whole path without a socket or a clock.

mod better;
mod drafts;
mod hostile;
mod modes;
mod rules;
mod succession;
mod telling;

use std::collections::{BTreeMap, VecDeque};

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use y7ke_crypto::bundle::Prekey;
use y7ke_crypto::sign::Verified;
use y7ke_crypto::vault::VaultFile;
use y7ke_ledger::store::{Storage, SubKeys};
use y7ke_transport::{CloseReason, DialFault, FailedAttempt, IpVersion, Path, PathKind, Transport};

use super::*;
use crate::api::{ContactState, Conversation, MessageView, Presence, RequestState, Status, VaultKind};

/// A node on the wire.
struct Machine {
    engine: Engine<ChaCha20Rng>,
    inbox: VecDeque<Input>,
    answers: BTreeMap<CallId, Result<Answer, ApiError>>,
    notices: Vec<Notice>,
}

/// Everybody, and the time they share.
struct World {
    machines: Vec<Machine>,
    /// session → (machine, session) at the other end.
    wires: BTreeMap<(usize, SessionId), (usize, SessionId)>,
    next_session: u64,
    next_call: CallId,
    now_ms: u64,
    online: bool,
    /// Whether dials over QUIC lead anywhere.
    udp: bool,
    /// Dials of an address without a name: who beside a session tried which.
    unnamed: Vec<(usize, Address)>,
    /// Sessions that somebody told the transport to close.
    closed: Vec<(usize, SessionId)>,
}

fn address(machine: usize) -> Address {
    format!("/ip4/10.0.0.{}/tcp/4101", machine + 1).parse().expect("a valid address")
}

fn config() -> CoreConfig {
    CoreConfig { version: "test".into(), vault: VaultKind::File, mode: None }
}

impl World {
    fn new(count: usize) -> Self {
        let machines = (0..count).map(|n| Machine::new(n as u64)).collect();
        let mut world = Self {
            machines,
            wires: BTreeMap::new(),
            next_session: 0,
            next_call: 0,
            now_ms: 1_000,
            online: true,
            udp: true,
            unnamed: Vec::new(),
            closed: Vec::new(),
        };
        for n in 0..count {
            world.push(n, Input::Start);
            world.push(n, Input::Net(NetEvent::Listening { addresses: vec![address(n)] }));
        }
        world.settle();
        world
    }

    fn now(&self) -> Now {
        Now { wall_ms: 1_790_000_000_000 + self.now_ms, mono_ms: self.now_ms }
    }

    fn push(&mut self, n: usize, input: Input) {
        self.machines[n].inbox.push_back(input);
    }

    /// Runs until nobody has anything to do at this time.
    fn settle(&mut self) {
        while let Some(n) = (0..self.machines.len()).find(|n| !self.machines[*n].inbox.is_empty()) {
            let inputs = self.machines[n].inbox.drain(..).collect();
            let now = self.now();
            let (outputs, error) = self.machines[n].engine.round(inputs, now);
            assert!(error.is_none(), "{error:?}");
            outputs.into_iter().for_each(|output| self.carry(n, output));
        }
    }

    /// Lets time pass in steps of the next timer.
    fn pass(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        loop {
            self.settle();
            let next = self.machines.iter().filter_map(|m| m.engine.poll_timeout()).map(|(at, _)| at).min();
            let Some(next) = next.filter(|at| *at <= end) else { break };
            self.now_ms = next.max(self.now_ms + 1);
            (0..self.machines.len()).for_each(|n| self.push(n, Input::Timeout));
        }
        self.now_ms = end;
    }

    fn carry(&mut self, n: usize, output: Output) {
        match output {
            Output::Answer { call, result } => {
                assert!(self.machines[n].answers.insert(call, result).is_none(), "call {call} answered twice");
            }
            Output::Notice(notice) => self.machines[n].notices.push(notice),
            Output::Net(command) => self.carry_net(n, command),
        }
    }

    fn carry_net(&mut self, n: usize, command: NetCommand) {
        match command {
            NetCommand::Dial { ticket, addresses, peer: None } if addresses[0].transport() == Some(Transport::Quic) => {
                self.tried_beside(n, ticket, addresses[0].clone());
            }
            NetCommand::Dial { ticket, addresses, peer } => {
                let target =
                    (0..self.machines.len()).find(|m| addresses.iter().any(|a| a.without_peer() == address(*m)));
                match target.filter(|_| self.online) {
                    Some(target) => self.connect(n, target, ticket),
                    None => {
                        let attempts = vec![FailedAttempt { address: None, why: DialFault::Refused }];
                        self.push(n, Input::Net(NetEvent::DialFailed { ticket, peer, attempts }));
                    }
                }
            }
            NetCommand::Send { session, lane, frame } => {
                if let Some((m, other)) = self.wires.get(&(n, session)).copied() {
                    let event = NetEvent::Frame { session: other, lane, bytes: frame };
                    self.push(m, if m % 2 == 0 { Input::checked(event) } else { Input::Net(event) });
                }
            }
            NetCommand::Close { session, why } => {
                self.closed.push((n, session));
                self.cut(n, session, why);
            }
            _ => {}
        }
    }

    /// What becomes of the session is the transport's.
    fn tried_beside(&mut self, n: usize, ticket: Ticket, address: Address) {
        self.unnamed.push((n, address.clone()));
        let event = if self.udp {
            let peer = self.machines[1 - n].engine.core.me.net;
            NetEvent::Dialled { ticket, peer }
        } else {
            let attempts = vec![FailedAttempt { address: Some(address), why: DialFault::Timeout }];
            NetEvent::DialFailed { ticket, peer: None, attempts }
        };
        self.push(n, Input::Net(event));
    }

    fn connect(&mut self, n: usize, m: usize, ticket: Ticket) {
        let (mine, theirs) = (SessionId(self.next_session), SessionId(self.next_session + 1));
        self.next_session += 2;
        self.wires.insert((n, mine), (m, theirs));
        self.wires.insert((m, theirs), (n, mine));
        let net = |machine: &Machine| machine.engine.core.me.net;
        let (my_net, their_net) = (net(&self.machines[n]), net(&self.machines[m]));
        self.push(n, Input::Net(NetEvent::Dialled { ticket, peer: their_net }));
        self.push(n, Input::Net(NetEvent::Opened { session: mine, peer: their_net, path: path(m), dialer: true }));
        self.push(m, Input::Net(NetEvent::Opened { session: theirs, peer: my_net, path: path(n), dialer: false }));
    }

    fn cut(&mut self, n: usize, session: SessionId, why: &'static str) {
        let Some((m, other)) = self.wires.remove(&(n, session)) else { return };
        self.wires.remove(&(m, other));
        self.push(n, Input::Net(NetEvent::Closed { session, reason: CloseReason::Asked { why } }));
        self.push(m, Input::Net(NetEvent::Closed { session: other, reason: CloseReason::PeerClosed }));
    }

    /// The transport closes every session for another that it is about to open.
    fn replace_all(&mut self) {
        for (n, session) in std::mem::take(&mut self.wires).into_keys() {
            self.push(n, Input::Net(NetEvent::Closed { session, reason: CloseReason::Replaced }));
        }
        self.settle();
    }

    fn cut_all(&mut self) {
        let all: Vec<_> = self.wires.keys().copied().collect();
        all.into_iter().for_each(|(n, session)| self.cut(n, session, "test"));
        self.settle();
    }

    fn call(&mut self, n: usize, command: Command) -> Result<Answer, ApiError> {
        self.next_call += 1;
        let call = self.next_call;
        self.push(n, Input::Command { call, command });
        self.settle();
        self.machines[n].answers.remove(&call).expect("each command is answered")
    }

    /// Machine `n` does something that its own code never would, in a round of its own.
    fn forge<T>(&mut self, n: usize, act: impl FnOnce(&mut Round<'_, ChaCha20Rng>) -> T) -> T {
        let (now, mut result) = (self.now(), None);
        let engine = &mut self.machines[n].engine;
        let outputs = engine.in_one_transaction(now, |round| {
            result = Some(act(round));
            disk_only(round.finish())
        });
        let told = engine.tell(now);
        outputs.expect("a disk that works").into_iter().chain(told).for_each(|output| self.carry(n, output));
        result.expect("it acted")
    }

    /// The session of machine `n` with machine `m`.
    fn session(&self, n: usize, m: usize) -> SessionId {
        let links = &self.machines[n].engine.core.links;
        let other = self.machines[m].engine.root();
        let (id, _) = links.iter().find(|(_, link)| link.root() == Some(other)).expect("they are connected");
        *id
    }

    fn id(&self, n: usize) -> String {
        self.machines[n].engine.root().to_string()
    }

    fn uri(&mut self, n: usize) -> String {
        match self.call(n, Command::NodeInfo) {
            Ok(Answer::NodeInfo(info)) => info.uri,
            other => panic!("{other:?}"),
        }
    }

    fn request(&mut self, from: usize, to: usize) -> String {
        let uri = self.uri(to);
        match self.call(from, Command::ContactRequest { uri, greeting: "hello there".into() }) {
            Ok(Answer::Requested { request_id }) => request_id,
            other => panic!("{other:?}"),
        }
    }

    fn requests(&mut self, n: usize) -> Vec<crate::api::RequestView> {
        match self.call(n, Command::RequestList) {
            Ok(Answer::Requests(requests)) => requests,
            other => panic!("{other:?}"),
        }
    }

    fn contacts(&mut self, n: usize) -> Vec<crate::api::ContactView> {
        match self.call(n, Command::ContactList) {
            Ok(Answer::Contacts(contacts)) => contacts,
            other => panic!("{other:?}"),
        }
    }

    /// How machine `n` reaches its only contact.
    fn presence(&mut self, n: usize) -> (Presence, Option<crate::api::PathView>) {
        let contact = self.contacts(n).remove(0);
        (contact.presence, contact.path)
    }

    fn with(&self, n: usize) -> Conversation {
        Conversation::Person(self.id(n))
    }

    fn send(&mut self, from: usize, to: usize, text: &str) -> Result<Answer, ApiError> {
        let to = self.with(to);
        self.call(from, Command::MessageSend { to, text: text.into(), reply_to: None })
    }

    fn messages(&mut self, n: usize, other: usize) -> Vec<MessageView> {
        let of = self.with(other);
        match self.call(n, Command::MessageList { of, before: None, limit: 500 }) {
            Ok(Answer::Messages { messages, .. }) => messages,
            other => panic!("{other:?}"),
        }
    }

    fn digest(&mut self, n: usize, other: usize) -> Answer {
        let log = self.contacts(n).into_iter().find(|c| c.y7_id == self.id(other)).and_then(|c| c.log);
        self.call(n, Command::LogDigest { log }).expect("a digest")
    }

    /// Two people who talk.
    fn friends() -> Self {
        let mut world = Self::new(2);
        let request_id = world.request(0, 1);
        world.pass(5_000);
        world.call(1, Command::RequestAccept { request_id }).expect("accepted");
        world.pass(1_000);
        world
    }
}

fn path(machine: usize) -> Path {
    Path { kind: PathKind::Direct, transport: Transport::Tcp, ip: IpVersion::V4, remote: address(machine) }
}

impl Machine {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let (_, dek) = VaultFile::with_file_slot(&mut rng);
        let ledger = Ledger::open(Storage::memory(), SubKeys::new(&dek)).expect("a ledger in memory");
        let now = Now { wall_ms: 1_790_000_000_000, mono_ms: 0 };
        let engine = Engine::open(ledger, config(), rng, now).expect("a new identity");
        Self { engine, inbox: VecDeque::new(), answers: BTreeMap::new(), notices: Vec::new() }
    }
}

fn texts(messages: &[MessageView]) -> Vec<&str> {
    messages.iter().map(|message| message.text.as_str()).collect()
}

#[test]
fn a_request_is_handed_over_and_accepted() {
    let mut world = World::new(2);
    let request_id = world.request(0, 1);
    world.pass(5_000);
    assert!(world.requests(0)[0].arrived);
    let told = |notice: &Notice| matches!(notice, Notice::RequestChanged { request } if request.arrived);
    assert!(world.machines[0].notices.iter().any(told), "the window need not ask");
    let theirs = world.requests(1);
    assert!(!theirs[0].arrived, "only of what one asked oneself");
    assert_eq!(theirs.len(), 1);
    assert_eq!((theirs[0].request_id.as_str(), theirs[0].greeting.as_str()), (request_id.as_str(), "hello there"));
    assert_eq!(world.contacts(1)[0].state, ContactState::PendingIn);
    world.call(1, Command::RequestAccept { request_id }).expect("accepted");
    world.pass(1_000);
    for n in 0..2 {
        assert_eq!(world.contacts(n)[0].state, ContactState::Accepted, "machine {n}");
        assert_eq!(world.requests(n)[0].state, RequestState::Accepted);
        assert!(!world.requests(n)[0].arrived, "it waits no more");
    }
    assert_eq!(world.contacts(0)[0].log, world.contacts(1)[0].log);
}

#[test]
fn somebody_who_becomes_more_to_me_over_an_open_session_is_told_to_be_reachable() {
    let mut world = World::new(2);
    let told_online = |world: &mut World, n: usize| {
        let other = world.id(1 - n);
        let notices = std::mem::take(&mut world.machines[n].notices);
        let online = |notice: &Notice| matches!(notice, Notice::Presence { y7_id, presence: Presence::Online } if *y7_id == other);
        let found = |notice: &Notice| matches!(notice, Notice::Path { y7_id, path: Some(_) } if *y7_id == other);
        notices.iter().any(online) && notices.iter().any(found)
    };
    let request_id = world.request(0, 1);
    world.pass(5_000);
    assert!(told_online(&mut world, 0), "I know whom I asked");
    assert!(told_online(&mut world, 1), "a stranger asks, and is listed from then on");
    let sessions = world.next_session;
    world.call(1, Command::RequestAccept { request_id }).expect("accepted");
    world.pass(1_000);
    assert!(told_online(&mut world, 0) && told_online(&mut world, 1), "we talk");
    assert_eq!(world.next_session, sessions, "all of it over one session");
}

#[test]
fn c1_a_request_waits_until_the_other_side_can_be_reached() {
    let mut world = World::new(2);
    world.online = false;
    world.request(0, 1);
    world.pass(60_000);
    assert!(world.requests(1).is_empty() && !world.requests(0)[0].arrived);
    world.online = true;
    world.pass(5_000);
    assert!(world.requests(1).len() == 1 && world.requests(0)[0].arrived);
}

#[test]
fn messages_go_both_ways_in_one_order_and_are_delivered() {
    let mut world = World::friends();
    for n in 0..20 {
        world.send(n % 2, (n + 1) % 2, &format!("message {n}")).expect("sent");
    }
    world.pass(1_000);
    let (mine, theirs) = (world.messages(0, 1), world.messages(1, 0));
    assert_eq!(mine.len(), 20);
    assert_eq!(texts(&mine), texts(&theirs));
    assert!(mine.iter().filter(|m| m.mine).all(|m| m.status == Status::Delivered), "{mine:?}");
    assert!(theirs.iter().filter(|m| m.mine).all(|m| m.status == Status::Delivered));
    assert_eq!(world.digest(0, 1), world.digest(1, 0));
}

#[test]
fn s2_what_was_written_while_apart_is_there_afterwards() {
    let mut world = World::friends();
    world.online = false;
    world.cut_all();
    for n in 0..300 {
        world.send(n % 2, (n + 1) % 2, &format!("apart {n}")).expect("sent");
    }
    assert!(world.messages(0, 1).iter().all(|m| m.status != Status::Delivered || !m.mine));
    world.online = true;
    world.pass(10_000);
    let (mine, theirs) = (world.messages(0, 1), world.messages(1, 0));
    assert_eq!(mine.len(), 300);
    assert_eq!(texts(&mine), texts(&theirs));
    assert!(mine.iter().filter(|m| m.mine).all(|m| m.status == Status::Delivered));
    assert_eq!(world.digest(0, 1), world.digest(1, 0));
}

#[test]
fn c3_crossed_requests_end_in_one_conversation() {
    let mut world = World::new(2);
    world.online = false;
    world.request(0, 1);
    world.request(1, 0);
    world.online = true;
    world.pass(20_000);
    let logs: Vec<_> = (0..2).map(|n| world.contacts(n)[0].log.clone()).collect();
    assert_eq!(world.contacts(0)[0].state, ContactState::Accepted);
    assert_eq!(world.contacts(1)[0].state, ContactState::Accepted);
    assert_eq!(logs[0], logs[1]);
    world.send(0, 1, "one thread").expect("sent");
    world.pass(1_000);
    assert_eq!(texts(&world.messages(1, 0)), ["one thread"]);
}

#[test]
fn reading_is_told_and_can_be_kept_to_oneself() {
    let mut world = World::friends();
    world.send(0, 1, "did you see this").expect("sent");
    world.pass(1_000);
    assert_eq!(world.contacts(1)[0].unread, 1);
    let up_to = world.messages(1, 0)[0].message_id.clone();
    let of = world.with(0);
    world.call(1, Command::MessageRead { of, up_to }).expect("read");
    world.pass(1_000);
    assert_eq!(world.contacts(1)[0].unread, 0);
    assert_eq!(world.messages(0, 1)[0].status, Status::Read);
}

#[test]
fn b6_a_rejection_is_silent_and_a_block_ends_sessions_and_both_can_be_undone() {
    let mut world = World::new(2);
    let request_id = world.request(0, 1);
    world.pass(5_000);
    world.call(1, Command::RequestReject { request_id: request_id.clone() }).expect("rejected");
    world.pass(5_000);
    assert_eq!(world.contacts(0)[0].state, ContactState::PendingOut, "nobody learns of a rejection");
    world.call(1, Command::RequestAccept { request_id }).expect("a rejection can be undone");
    world.pass(60_000);
    assert_eq!(world.contacts(0)[0].state, ContactState::Accepted);
    let y7_id = world.id(0);
    world.call(1, Command::ContactBlock { y7_id: y7_id.clone() }).expect("blocked");
    world.pass(1_000);
    assert!(world.wires.is_empty());
    world.send(0, 1, "are you there").expect("queued");
    world.pass(60_000);
    assert!(world.messages(1, 0).is_empty());
    world.call(1, Command::ContactUnblock { y7_id }).expect("unblocked");
    world.pass(60_000);
    assert_eq!(texts(&world.messages(1, 0)), ["are you there"]);
}

#[test]
fn wrong_ids_and_texts_are_refused_in_words() {
    let mut world = World::friends();
    let own = world.uri(0);
    let ask = |uri: &str| Command::ContactRequest { uri: uri.into(), greeting: String::new() };
    assert_eq!(world.call(0, ask(&own)).unwrap_err().kind, ErrorKind::Own);
    assert_eq!(world.call(0, ask("y7:nonsense")).unwrap_err().kind, ErrorKind::InvalidId);
    let friend = world.uri(1);
    assert_eq!(world.call(0, ask(&friend)).unwrap_err().kind, ErrorKind::Exists);
    assert_eq!(world.send(0, 1, &"x".repeat(65_537)).unwrap_err().kind, ErrorKind::TooLarge);
    assert!(world.send(0, 1, &"x".repeat(65_536)).is_ok());
    assert_eq!(world.send(0, 1, "").unwrap_err().kind, ErrorKind::Params);
    world.pass(1_000);
    assert_eq!(world.messages(1, 0)[0].text.len(), 65_536);
}

#[test]
fn names_travel_and_nicknames_stay() {
    let mut world = World::friends();
    let patch = crate::api::SettingsPatch { name: Some("Ada".into()), ..Default::default() };
    world.call(0, Command::SettingsSet(patch)).expect("set");
    world.pass(1_000);
    assert_eq!(world.contacts(1)[0].name, "Ada");
    let y7_id = world.id(0);
    world.call(1, Command::ContactRename { y7_id, name: "Countess".into() }).expect("renamed");
    assert_eq!(world.contacts(1)[0].name, "Countess");
    world.pass(1_000);
    assert_eq!(world.digest(0, 1), world.digest(1, 0));
}

/// Whoever was called learns where to call back.
#[test]
fn e10_either_side_can_call_the_other_again() {
    let world = World::friends();
    let net = world.machines[0].engine.core.me.net;
    let saved = world.machines[1].engine.ledger().view().expect("a view").addresses(&net).expect("addresses");
    assert_eq!(saved.iter().map(|row| row.address.as_str()).collect::<Vec<_>>(), [address(0).to_string()]);
}
