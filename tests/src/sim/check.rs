//! What may never be, and what must be in the end.
//!
//! ```text
//! at each step     no panic · each call answered once (RPC) · no watched bytes on the wire or on a disk (I3)
//!                  "delivered" only when the other side's *durable* image has it, opened (S3, C2)
//!                  nothing told twice in one life · no disk error that nobody made
//! in the end       after healing: equal heads (S2, F3) · equal digests (S7) · equal order (E5)
//!                  answered messages on both sides exactly once, refused ones nowhere (E7)
//!                  drafts as they were typed (C1) · everything delivered · requests agree (C2, C3) · logs verify (E3) · nobody honest
//!                  forked (F1, E7) · each (epoch, device, chain) and each nonce used once (K2)
//! and once more    after every machine was killed and switched on again
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use y7ke_crypto::event::Class;
use y7ke_crypto::ids::{EventId, LogId};
use y7ke_ledger::StorageError;
use y7ke_ledger::admit::LogSpec;
use y7ke_ledger::store::{Content, View};
use y7ke_node::api::{
    Answer, Command, ContactState, ContactView, Conversation, Direction, MessageView, Notice, RequestState,
    RequestView, Status,
};

use super::disk::SimDisk;
use super::net::{SECOND, Weather};
use super::people::{Deed, Fate};
use super::world::{Act, MachineId, World};

/// How long honest nodes may take to agree once everything works: the longest pause between dials is
/// five minutes, and what a peer refused for being busy is tried again within the hour.
const PATIENCE: u64 = 90 * 60 * SECOND;

/// Violations of one run that are kept; after the first few nothing new is learnt.
const KEPT: usize = 8;

/// What is watched while a world runs.
pub struct Checks {
    canary: String,
    violations: Vec<String>,
    /// Events known to be durable and opened, by machine.
    durable: BTreeMap<MachineId, BTreeSet<EventId>>,
    /// Messages and requests told as received, by machine, in its current life.
    told: BTreeSet<(MachineId, String)>,
    /// Disk failures seen by the disk when the machine last reported one.
    excused: BTreeMap<MachineId, u64>,
    /// How many drafts that are not empty were found as they were typed.
    pub proven_drafts: u64,
    /// How many "delivered" were checked against a disk.
    pub proven_delivered: u64,
}

/// A person's view of a conversation.
type Lines = Vec<(String, String)>;

impl Checks {
    /// Nothing seen yet.
    pub fn new(seed: u64) -> Self {
        Self {
            canary: format!("canary-{:016x}", seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            violations: Vec::new(),
            durable: BTreeMap::new(),
            told: BTreeSet::new(),
            excused: BTreeMap::new(),
            proven_drafts: 0,
            proven_delivered: 0,
        }
    }

    /// Bytes that stand in every text, greeting, nickname and draft, and nowhere in the clear.
    pub fn canary(&self) -> &str {
        &self.canary
    }

    /// A rule was broken.
    pub fn violated(&mut self, what: String) {
        if self.violations.len() < KEPT {
            self.violations.push(what);
        }
    }

    /// Whether going on makes no sense.
    pub fn is_lost(&self) -> bool {
        !self.violations.is_empty()
    }

    /// What was broken.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    pub(super) fn forget_life(&mut self, machine: MachineId) {
        self.told.retain(|(other, _)| *other != machine);
    }

    /// A machine says that its disk failed: somebody must have made it fail.
    pub(super) fn disk_error(&mut self, machine: MachineId, disk: &SimDisk, why: &str) {
        let hits = disk.hits();
        let before = self.excused.insert(machine, hits).unwrap_or(0);
        if hits == before && !disk.is_dark() {
            self.violated(format!("machine {machine} reports a disk error that never happened: {why}"));
        }
    }
}

/// At each step.
impl World {
    pub(super) fn check_notice(&mut self, id: MachineId, notice: &Notice) {
        match notice {
            Notice::MessageStatus { message } if message.mine && message.status >= Status::Delivered => {
                self.check_delivered(id, message);
            }
            Notice::MessageReceived { message } => self.check_told(id, &message.message_id),
            Notice::RequestReceived { request } => self.check_told(id, &request.request_id),
            _ => {}
        }
    }

    /// What arrived is told once in a life.
    fn check_told(&mut self, id: MachineId, what: &str) {
        if !self.checks.told.insert((id, what.to_owned())) {
            self.checks.violated(format!("machine {id} tells of {what} twice"));
        }
    }

    /// S3: what is shown as delivered stands on the other side's disk, even if its power goes now.
    fn check_delivered(&mut self, id: MachineId, message: &MessageView) {
        let Ok(event) = message.message_id.parse::<EventId>() else { return };
        for there in self.readers_of(id, message) {
            self.checks.proven_delivered += 1;
            if !self.is_durable(there, &event) {
                self.checks.violated(format!(
                    "machine {id} shows {event} as delivered, and machine {there} could still lose it or cannot open it (S3)"
                ));
            }
        }
    }

    /// The honest machines whose devices a message claims to be delivered to.
    fn readers_of(&self, id: MachineId, message: &MessageView) -> Vec<MachineId> {
        let Some(view) = self.view(id) else { return Vec::new() };
        let Ok(log) = message.log.parse::<LogId>() else { return Vec::new() };
        let roots: Vec<_> = view.members(&log).unwrap_or_default().into_iter().map(|(_, root)| root).collect();
        let is_reader = |there: &MachineId| {
            let machine = &self.machines[*there];
            *there != id && machine.is_honest && machine.root.is_some_and(|root| roots.contains(&root))
        };
        (0..self.machines.len()).filter(is_reader).collect()
    }

    fn is_durable(&mut self, there: MachineId, event: &EventId) -> bool {
        let known = self.checks.durable.entry(there).or_default();
        if known.contains(event) {
            return true;
        }
        let machine = &self.machines[there];
        let opened =
            machine.safe.open(&SimDisk::of(machine.disk.durable())).and_then(|ledger| openable(&ledger.view()?, known));
        match opened {
            Ok(events) => known.extend(events),
            Err(fault) => {
                self.checks.violated(format!("machine {there} could not be started after a power cut now: {fault}"))
            }
        }
        self.checks.durable.get(&there).is_some_and(|known| known.contains(event))
    }

    /// Whether both have accepted, and know it.
    pub fn are_friends(&mut self, a: MachineId, b: MachineId) -> bool {
        [(a, b), (b, a)].into_iter().all(|(one, other)| self.is_accepted(one, other))
    }

    /// Whether one shows the other as an accepted contact.
    pub fn is_accepted(&mut self, one: MachineId, other: MachineId) -> bool {
        self.acquaintance(one, other).is_some_and(|contact| contact.state == ContactState::Accepted)
    }

    /// A snapshot of a machine's log.
    pub fn view(&self, id: MachineId) -> Option<View> {
        self.machines[id].brain.as_ref()?.ledger()?.view().ok()
    }
}

/// Every live event of a store that opens, beyond those that are known to.
fn openable(view: &View, known: &BTreeSet<EventId>) -> Result<Vec<EventId>, StorageError> {
    let mut events = Vec::new();
    for info in view.logs()? {
        let mut ids = Vec::new();
        view.visit_live(&info.log, 0, &mut |event| {
            if !known.contains(&event.id) {
                ids.push(event.id);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        for id in ids {
            if matches!(view.content(&id)?, Some(Content::Body(_))) {
                events.push(id);
            }
        }
    }
    Ok(events)
}

/// In the end.
impl World {
    /// Lets everything work again and waits until honest machines agree.
    pub fn settle(&mut self) {
        self.mend();
        self.unblock_all();
        let end = self.now + PATIENCE;
        loop {
            let agreed = self.run_until(PATIENCE, |world| world.disagreement().is_none());
            let what = if agreed { self.astray() } else { self.disagreement() };
            // Acknowledgements of the last events are on their way, and statuses after them.
            self.run_for(30 * SECOND);
            if what.is_none() || self.checks.is_lost() {
                return;
            }
            if self.now > end {
                let what = what.unwrap_or_default();
                return self.checks.violated(format!("honest machines do not agree though everything works: {what}"));
            }
        }
    }

    /// A request that waits for an answer, and that the other side has never seen (C1).
    fn astray(&mut self) -> Option<String> {
        for (a, b) in self.pairs() {
            for (from, to) in [(a, b), (b, a)] {
                let there: BTreeSet<String> = self.requests(to).into_iter().map(|request| request.request_id).collect();
                let to_id = self.y7_id(to);
                let waits = |request: &RequestView| {
                    request.direction == Direction::Out
                        && request.y7_id == to_id
                        && request.state == RequestState::Pending
                };
                if self
                    .requests(from)
                    .into_iter()
                    .any(|request| waits(&request) && !there.contains(&request.request_id))
                {
                    return Some(format!("a request of machine {from} never reached machine {to} (C1)"));
                }
            }
        }
        None
    }

    fn mend(&mut self) {
        self.act(Act::Weather(Box::new(Weather::fair())));
        self.act(Act::Heal);
        for id in 0..self.machines.len() {
            self.machines[id].disk.heal();
            self.act(Act::Boot(id));
        }
        self.run_for(10 * SECOND);
        (0..self.machines.len()).for_each(|id| self.act(Act::Boot(id)));
    }

    /// A block is undone: then everything that was kept back comes.
    fn unblock_all(&mut self) {
        for id in self.honest() {
            for contact in self.contacts(id) {
                if contact.state == ContactState::Blocked
                    && let Some(there) = self.machine_called(&contact.y7_id)
                {
                    self.perform(id, Deed::Unblock(there));
                }
            }
        }
    }

    fn honest(&self) -> Vec<MachineId> {
        (0..self.machines.len()).filter(|id| self.machines[*id].is_honest).collect()
    }

    fn machine_called(&self, y7_id: &str) -> Option<MachineId> {
        (0..self.machines.len()).find(|id| self.y7_id(*id) == y7_id)
    }

    /// Pairs of different honest people.
    fn pairs(&self) -> Vec<(MachineId, MachineId)> {
        let all = self.honest();
        all.iter().flat_map(|a| all.iter().map(move |b| (*a, *b))).filter(|(a, b)| a < b).collect()
    }

    /// The first log that two who share it hold differently, if any.
    fn disagreement(&self) -> Option<String> {
        self.pairs().into_iter().find_map(|(a, b)| self.disagreement_of(a, b))
    }

    fn disagreement_of(&self, a: MachineId, b: MachineId) -> Option<String> {
        let (Some(left), Some(right)) = (self.view(a), self.view(b)) else { return Some(format!("{a} or {b} is off")) };
        let shared = |view: &View| -> BTreeSet<LogId> {
            let is_shared = |spec: &LogSpec| matches!(spec, LogSpec::Conversation { .. });
            view.logs()
                .unwrap_or_default()
                .into_iter()
                .filter(|log| is_shared(&log.spec) && log.live > 0)
                .map(|log| log.log)
                .collect()
        };
        let logs: BTreeSet<LogId> = shared(&left).union(&shared(&right)).copied().collect();
        let roots = [a, b].map(|id| self.machines[id].root);
        let is_theirs = |view: &View, log: &LogId| match view.log(log) {
            Ok(Some(info)) => match info.spec {
                LogSpec::Conversation { lesser, greater, .. } => {
                    roots.contains(&Some(lesser)) && roots.contains(&Some(greater))
                }
                _ => false,
            },
            _ => false,
        };
        let differs = |log: &&LogId| {
            (is_theirs(&left, log) || is_theirs(&right, log)) && left.heads(log).ok() != right.heads(log).ok()
        };
        logs.iter().find(differs).map(|log| {
            let (l, r) = (left.clock(log).unwrap_or_default(), right.clock(log).unwrap_or_default());
            format!("log {log} of machines {a} and {b}: {l:?} ≠ {r:?}")
        })
    }

    /// Everything that must hold once honest machines had time to agree.
    pub fn verify(&mut self) {
        for (a, b) in self.pairs() {
            if !self.checks.is_lost() {
                self.verify_pair(a, b);
            }
        }
        for id in self.honest() {
            if !self.checks.is_lost() {
                self.verify_log(id);
                self.verify_secrecy(id);
            }
        }
        if self.checks.is_lost() {
            return;
        }
        self.verify_uses();
        self.verify_calls();
        let faults: Vec<String> = self.net.faults().to_vec();
        faults.into_iter().for_each(|fault| self.checks.violated(fault));
    }

    /// The whole end of a run: settle, verify, everything off and on again, verify.
    pub fn judge(&mut self) {
        self.settle();
        self.verify();
        if self.checks.is_lost() {
            return;
        }
        for id in 0..self.machines.len() {
            self.act(Act::Kill(id));
            self.act(Act::Boot(id));
        }
        self.run_for(20 * SECOND);
        self.settle();
        self.verify();
    }

    fn verify_calls(&mut self) {
        let honest = self.honest();
        for (id, call) in self.people.open_calls() {
            if honest.contains(&id) && self.is_on(id) {
                self.checks.violated(format!("machine {id} never answered call {call}"));
            }
        }
    }

    fn verify_secrecy(&mut self, id: MachineId) {
        if self.machines[id].disk.leaks() {
            self.checks.violated(format!("machine {id} wrote watched bytes in the clear (I3)"));
        }
    }

    /// E3: every stored event verifies; F1: nobody honest forked.
    fn verify_log(&mut self, id: MachineId) {
        match self.ask(id, Command::LogVerify { log: None }) {
            Ok(Answer::Verified { bad, .. }) if bad.is_empty() => {}
            other => self.checks.violated(format!("machine {id}'s logs do not verify: {other:?} (E3)")),
        }
        let Some(view) = self.view(id) else { return };
        let honest: Vec<_> = self.honest().into_iter().filter_map(|other| self.machines[other].root).collect();
        for info in view.logs().unwrap_or_default() {
            let roots = info.frozen.iter().filter_map(|device| view.member_root(&info.log, device).ok().flatten());
            if roots.into_iter().any(|root| honest.contains(&root)) {
                self.checks.violated(format!("machine {id} has a fork proof against an honest device (F1, E7)"));
            }
        }
    }

    /// K2: no event key and no nonce is used for two events, anywhere.
    fn verify_uses(&mut self) {
        let (mut keys, mut nonces) = (BTreeMap::new(), BTreeMap::new());
        let mut twice = Vec::new();
        for id in self.honest() {
            let Some(view) = self.view(id) else { continue };
            for info in view.logs().unwrap_or_default() {
                let honest = self.honest_devices(&view, &info.log);
                let visited = view.visit_stored(&info.log, 0, &mut |event| {
                    let header = &event.header;
                    if header.class == Class::Sealed && honest.contains(&header.device) {
                        let key = (info.log, header.epoch, header.device, header.chain);
                        if *keys.entry(key).or_insert(event.id) != event.id {
                            twice.push(format!("key of chain index {} in {}", header.chain, info.log));
                        }
                        if *nonces.entry(header.nonce).or_insert(event.id) != event.id {
                            twice.push("nonce".to_owned());
                        }
                    }
                    Ok(ControlFlow::Continue(()))
                });
                if let Err(fault) = visited {
                    twice.push(format!("nothing, but log {} of machine {id} cannot be read: {fault}", info.log));
                }
            }
        }
        twice.into_iter().for_each(|what| self.checks.violated(format!("used for two events: {what} (K2, I6)")));
    }

    fn honest_devices(&self, view: &View, log: &LogId) -> BTreeSet<y7ke_crypto::ids::DeviceId> {
        let roots: Vec<_> = self.honest().into_iter().filter_map(|id| self.machines[id].root).collect();
        let members = view.members(log).unwrap_or_default();
        let own = members.into_iter().filter(|(_, root)| roots.contains(root)).map(|(device, _)| device);
        own.collect()
    }
}

/// Two people in the end.
impl World {
    fn verify_pair(&mut self, a: MachineId, b: MachineId) {
        self.verify_requests(a, b);
        let (left, right) = (self.acquaintance(a, b), self.acquaintance(b, a));
        let accepted =
            |contact: &Option<ContactView>| contact.as_ref().is_some_and(|c| c.state == ContactState::Accepted);
        if accepted(&left) != accepted(&right) {
            self.checks.violated(format!(
                "machines {a} and {b} disagree on being contacts: {:?} and {:?} (C2)",
                left.map(|c| c.state),
                right.map(|c| c.state)
            ));
        } else if accepted(&left) {
            let logs = [left, right].map(|contact| contact.and_then(|contact| contact.log));
            if logs[0] != logs[1] || logs[0].is_none() {
                self.checks.violated(format!("machines {a} and {b} write into different logs: {logs:?} (C3)"));
            }
            self.verify_talk(a, b);
            self.verify_draft(a, b);
            self.verify_draft(b, a);
        }
    }

    /// C1: what somebody typed and was told to be kept is there, whatever happened since.
    fn verify_draft(&mut self, who: MachineId, to: MachineId) {
        let Some(may) = self.people.typed.get(&(who, to)).cloned() else { return };
        let of = Conversation::Person(self.y7_id(to));
        match self.ask(who, Command::DraftGet { of }) {
            Ok(Answer::Draft { text }) if may.contains(&text) => {
                self.checks.proven_drafts += u64::from(!text.is_empty());
            }
            _ if self.checks.is_lost() => {}
            other => self.checks.violated(format!(
                "machine {who} has another draft for {to} than was typed: {other:?}, not one of {may:?} (C1)"
            )),
        }
    }

    fn acquaintance(&mut self, a: MachineId, b: MachineId) -> Option<ContactView> {
        let y7_id = self.y7_id(b);
        self.contacts(a).into_iter().find(|contact| contact.y7_id == y7_id)
    }

    fn contacts(&mut self, id: MachineId) -> Vec<ContactView> {
        match self.ask(id, Command::ContactList) {
            Ok(Answer::Contacts(contacts)) => contacts,
            _ if self.checks.is_lost() => Vec::new(),
            other => {
                self.checks.violated(format!("machine {id} does not list its contacts: {other:?}"));
                Vec::new()
            }
        }
    }

    fn requests(&mut self, id: MachineId) -> Vec<RequestView> {
        match self.ask(id, Command::RequestList) {
            Ok(Answer::Requests(requests)) => requests,
            _ if self.checks.is_lost() => Vec::new(),
            other => {
                self.checks.violated(format!("machine {id} does not list its requests: {other:?}"));
                Vec::new()
            }
        }
    }

    /// C3: two requests that cross never both wait, unless somebody said no to one of them.
    fn verify_requests(&mut self, a: MachineId, b: MachineId) {
        if self.waits_at_both_ends(a, b) && self.waits_at_both_ends(b, a) {
            self.checks.violated(format!("requests of machines {a} and {b} crossed and both wait (C3)"));
        }
    }

    fn waits_at_both_ends(&mut self, from: MachineId, to: MachineId) -> bool {
        let pending = |all: Vec<RequestView>, direction, with: &str| -> BTreeSet<String> {
            let is_it = |request: &RequestView| {
                request.direction == direction && request.y7_id == with && request.state == RequestState::Pending
            };
            all.into_iter().filter(is_it).map(|request| request.request_id).collect()
        };
        let (from_id, to_id) = (self.y7_id(from), self.y7_id(to));
        let out = pending(self.requests(from), Direction::Out, &to_id);
        let there = pending(self.requests(to), Direction::In, &from_id);
        !out.is_disjoint(&there)
    }

    fn verify_talk(&mut self, a: MachineId, b: MachineId) {
        let (left, right) = (self.messages(a, b), self.messages(b, a));
        let lines = [&left, &right].map(|side| side.iter().map(line).collect::<Lines>());
        if lines[0] != lines[1] {
            let at = lines[0].iter().zip(&lines[1]).position(|(l, r)| l != r);
            self.checks.violated(format!(
                "machines {a} and {b} show different conversations: {} and {} messages, first difference at {at:?} (E5)",
                lines[0].len(),
                lines[1].len()
            ));
        }
        self.verify_said(a, b, &lines[0]);
        self.verify_statuses(a, &left);
        self.verify_statuses(b, &right);
        self.verify_digests(a, b);
    }

    /// Everything that two people said to each other, oldest first, page by page.
    pub fn messages(&mut self, id: MachineId, with: MachineId) -> Vec<MessageView> {
        let of = Conversation::Person(self.y7_id(with));
        let (mut all, mut before) = (Vec::new(), None);
        loop {
            let command = Command::MessageList { of: of.clone(), before: before.take(), limit: 500 };
            match self.ask(id, command) {
                Ok(Answer::Messages { mut messages, more }) => {
                    before = messages.first().map(|first| first.message_id.clone());
                    messages.append(&mut all);
                    all = messages;
                    if !more || before.is_none() {
                        return all;
                    }
                }
                other => {
                    self.checks.violated(format!("machine {id} does not list its messages: {other:?}"));
                    return all;
                }
            }
        }
    }

    /// E7, S3: answered messages are there exactly once, lost ones at most once, refused ones never.
    fn verify_said(&mut self, a: MachineId, b: MachineId, lines: &Lines) {
        let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
        let ids: BTreeMap<&str, &str> = lines.iter().map(|(id, text)| (text.as_str(), id.as_str())).collect();
        lines.iter().for_each(|(_, text)| *seen.entry(text).or_default() += 1);
        let mut broken = Vec::new();
        for said in &self.people.said {
            if ![(a, b), (b, a)].contains(&(said.from, said.to)) {
                continue;
            }
            let times = seen.remove(said.text.as_str()).unwrap_or(0);
            let is_right = match &said.fate {
                Fate::Answered(id) => times == 1 && ids.get(said.text.as_str()) == Some(&id.as_str()),
                Fate::Lost | Fate::Asked => times <= 1,
                Fate::Refused(_) => times == 0,
            };
            if !is_right {
                broken.push(format!(
                    "{:?} is there {times} times, though it was {:?} (E7)",
                    clip(&said.text),
                    said.fate
                ));
            }
        }
        broken.extend(seen.keys().map(|text| format!("nobody ever wrote {:?}", clip(text))));
        broken.into_iter().for_each(|what| self.checks.violated(what));
    }

    fn verify_statuses(&mut self, id: MachineId, messages: &[MessageView]) {
        for message in messages {
            let late = message.mine && (message.status < Status::Delivered || message.delivered_to.is_empty());
            if late || message.unopened || message.disputed {
                self.checks.violated(format!("machine {id} shows {message:?} though everything arrived (S3)"));
                return;
            }
        }
    }

    /// S7: equal live heads, nothing missing or unopened: byte-equal projections.
    fn verify_digests(&mut self, a: MachineId, b: MachineId) {
        let Some(view) = self.view(a) else { return };
        let roots = [a, b].map(|id| self.machines[id].root);
        for info in view.logs().unwrap_or_default() {
            let LogSpec::Conversation { lesser, greater, .. } = info.spec else { continue };
            let is_theirs = roots.contains(&Some(lesser)) && roots.contains(&Some(greater));
            if !is_theirs || info.live == 0 {
                continue;
            }
            let log = Some(info.log.to_string());
            let digests = [a, b].map(|id| self.ask(id, Command::LogDigest { log: log.clone() }));
            if digests[0] != digests[1] || digests[0].is_err() {
                self.checks
                    .violated(format!("machines {a} and {b} fold log {} differently: {digests:?} (S7)", info.log));
            }
        }
    }
}

fn line(message: &MessageView) -> (String, String) {
    (message.message_id.clone(), message.text.clone())
}

fn clip(text: &str) -> String {
    text.chars().take(48).collect()
}
