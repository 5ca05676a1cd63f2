//! The rules between people, in every order of asking, accepting, taking back and running out; and what
//! becomes of a round that fails.

use y7ke_crypto::ids::{LogId, RequestId};
use y7ke_ledger::body::Body;
use y7ke_ledger::rows::{RowsMut, Table};

use y7ke_sync::{Note, RefusalReason};

use super::*;
use crate::api::RequestProblem;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

impl World {
    /// Time passes, and nobody is awake meanwhile.
    fn doze(&mut self, ms: u64) {
        self.settle();
        self.now_ms += ms;
    }

    fn offline(&mut self) {
        self.online = false;
        self.cut_all();
    }

    fn accounts(&self, n: usize) -> u64 {
        let engine = &self.machines[n].engine;
        let view = engine.ledger().view().expect("a view");
        view.log(&engine.core.me.account).expect("a log").expect("my account").live
    }

    fn pending(&mut self, n: usize) -> usize {
        self.requests(n).iter().filter(|request| request.state == RequestState::Pending).count()
    }

    fn is_contact(&mut self, n: usize, m: usize) -> bool {
        let y7_id = self.id(m);
        self.contacts(n).iter().any(|contact| contact.y7_id == y7_id && contact.state == ContactState::Accepted)
    }

    fn talk(&mut self, words: &str) {
        for n in 0..2 {
            self.send(n, 1 - n, &format!("{words} from {n}")).expect("sent");
        }
        self.pass(30_000);
        for n in 0..2 {
            let messages = self.messages(n, 1 - n);
            let heard = |from: usize| messages.iter().any(|m| m.text == format!("{words} from {from}"));
            assert!(heard(0) && heard(1), "machine {n} has {:?}", texts(&messages));
        }
    }
}

#[test]
fn c1_a_request_that_ran_out_is_closed_by_one_event() {
    let mut world = World::new(2);
    world.online = false;
    world.request(0, 1);
    world.doze(14 * DAY_MS);
    world.pass(120_000);
    let closed = world.accounts(0);
    world.pass(3_600_000);
    assert_eq!(world.accounts(0), closed);
    assert_eq!(world.requests(0)[0].state, RequestState::Expired);
}

/// Accepted on the first day, and the requester was away until the request had run out.
#[test]
fn c2_an_acceptance_in_time_counts_even_if_it_is_seen_too_late() {
    let mut world = World::new(2);
    let request_id = world.request(0, 1);
    world.pass(5_000);
    world.offline();
    world.call(1, Command::RequestAccept { request_id }).expect("accepted");
    world.doze(20 * DAY_MS);
    world.pass(120_000);
    assert_eq!(world.requests(0)[0].state, RequestState::Expired);
    world.online = true;
    world.pass(400_000);
    assert!(world.is_contact(0, 1));
    world.talk("late");
}

/// Both did it without knowing of the other: nothing that the accepter wrote is lost.
#[test]
fn c2_an_acceptance_that_crossed_taking_back_counts() {
    let mut world = World::new(2);
    let request_id = world.request(0, 1);
    world.pass(5_000);
    world.offline();
    world.call(0, Command::RequestCancel { request_id: request_id.clone() }).expect("cancelled");
    world.call(1, Command::RequestAccept { request_id }).expect("accepted");
    world.send(1, 0, "gladly").expect("sent");
    world.online = true;
    world.pass(60_000);
    assert!(world.is_contact(0, 1) && world.is_contact(1, 0));
    assert_eq!(texts(&world.messages(0, 1)), ["gladly"]);
    assert_eq!(world.messages(1, 0)[0].status, crate::api::Status::Delivered);
    world.talk("crossed");
}

/// Taken back while the other side was away: they are called, told, and can accept no more.
#[test]
fn c2_what_they_know_to_be_taken_back_opens_nothing() {
    let mut world = World::new(2);
    let request_id = world.request(0, 1);
    world.pass(5_000);
    world.offline();
    world.call(0, Command::RequestCancel { request_id: request_id.clone() }).expect("cancelled");
    world.pass(60_000);
    world.online = true;
    world.pass(400_000);
    assert_eq!(world.requests(1)[0].state, RequestState::Cancelled);
    let refused = world.call(1, Command::RequestAccept { request_id: request_id.clone() }).expect_err("it is gone");
    assert_eq!(refused.kind, ErrorKind::NotFound);
    // An opening that comes although the log is served no more.
    let log = log_of(&world, &request_id);
    world.forge(0, |round| round.conversation_opened(&log, 0)).expect("nothing happens");
    assert!(!world.is_contact(0, 1) && !world.is_contact(1, 0));
    assert_eq!(world.requests(0)[0].state, RequestState::Cancelled);
    world.cut_all();
    let sessions = world.next_session;
    world.pass(3_600_000);
    assert_eq!(world.next_session, sessions, "who was told is called no more");
}

/// A request to the wrong person, taken back in time: they never hear of me.
#[test]
fn c2_what_nobody_has_seen_is_taken_back_without_a_word() {
    let mut world = World::new(2);
    world.online = false;
    let request_id = world.request(0, 1);
    world.pass(5_000);
    world.call(0, Command::RequestCancel { request_id }).expect("cancelled");
    world.online = true;
    world.pass(3_600_000);
    assert_eq!(world.next_session, 0);
    assert!(world.requests(1).is_empty());
}

fn log_of(world: &World, request_id: &str) -> LogId {
    let req_id: RequestId = request_id.parse().expect("an id");
    LogId::conversation(&world.machines[0].engine.root(), &world.machines[1].engine.root(), &req_id)
}

/// They accepted what had been taken back; asked anew, they come along, and write where they are heard.
#[test]
fn c3_asking_anew_after_taking_back_ends_in_one_conversation() {
    let mut world = World::new(2);
    let mut stale = Vec::new();
    for _ in 0..4 {
        world.online = true;
        let request_id = world.request(0, 1);
        world.pass(400_000);
        if world.is_contact(0, 1) {
            break;
        }
        world.offline();
        world.call(0, Command::RequestCancel { request_id: request_id.clone() }).expect("cancelled");
        world.call(1, Command::RequestAccept { request_id: request_id.clone() }).expect("accepted");
        stale.push(request_id);
    }
    assert!(world.is_contact(0, 1) && world.is_contact(1, 0));
    let last = world.contacts(0)[0].log.clone().expect("a conversation");
    assert_eq!(world.contacts(1)[0].log, Some(last.clone()), "both write in the same log");
    assert_eq!(stale.len(), 1);
    world.talk("anew");
}

#[test]
fn c3_the_request_that_lost_waits_for_nobody() {
    let mut world = World::new(2);
    world.online = false;
    world.request(0, 1);
    world.request(1, 0);
    world.online = true;
    world.pass(20_000);
    assert_eq!((world.pending(0), world.pending(1)), (0, 0));
    world.talk("crossed");
}

#[test]
fn c2_what_the_accepter_writes_at_once_is_there_when_it_is_seen() {
    let mut world = World::new(2);
    let request_id = world.request(0, 1);
    world.pass(5_000);
    world.offline();
    world.call(1, Command::RequestAccept { request_id }).expect("accepted");
    world.send(1, 0, "in the dark").expect("sent");
    world.online = true;
    world.pass(20_000);
    assert_eq!(texts(&world.messages(0, 1)), ["in the dark"]);
}

#[test]
fn c4_the_rejected_cannot_tell() {
    let mut world = World::new(2);
    let request_id = world.request(0, 1);
    world.pass(5_000);
    world.call(1, Command::RequestReject { request_id }).expect("rejected");
    world.cut_all();
    world.pass(10_000);
    let sessions = world.next_session;
    world.pass(300_000);
    assert_eq!(world.next_session, sessions, "a session with somebody who rejected us is like one who has not looked");
    assert_eq!(world.wires.len(), 2);
}

#[test]
fn c4_asking_whom_i_rejected_is_accepting() {
    let mut world = World::new(2);
    let request_id = world.request(0, 1);
    world.pass(5_000);
    world.call(1, Command::RequestReject { request_id }).expect("rejected");
    world.request(1, 0);
    world.pass(5_000);
    assert!(world.is_contact(0, 1) && world.is_contact(1, 0));
}

#[test]
fn c1_what_was_rejected_and_ran_out_cannot_be_accepted() {
    let mut world = World::new(2);
    let request_id = world.request(0, 1);
    world.pass(5_000);
    world.call(1, Command::RequestReject { request_id: request_id.clone() }).expect("rejected");
    world.offline();
    world.doze(15 * DAY_MS);
    let refused = world.call(1, Command::RequestAccept { request_id }).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Expired);
}

#[test]
fn whom_i_want_nothing_from_any_more_is_shown_out() {
    let mut world = World::new(2);
    let request_id = world.request(0, 1);
    world.pass(5_000);
    world.call(0, Command::RequestCancel { request_id }).expect("cancelled");
    world.pass(31_000);
    assert!(world.wires.is_empty());
}

#[test]
fn k4_prekeys_age_only_while_this_device_syncs() {
    let mut world = World::new(1);
    for _ in 0..45 {
        world.doze(DAY_MS);
        world.push(0, Input::Timeout);
        world.settle();
    }
    let kept = world.machines[0].engine.ledger().view().expect("a view").prekeys().expect("prekeys");
    assert_eq!(kept.len(), 7, "the first, and one each week");
}

#[test]
fn a_message_is_named_in_its_own_conversation_only() {
    let mut world = World::new(3);
    for m in [1, 2] {
        let request_id = world.request(0, m);
        world.pass(5_000);
        world.call(m, Command::RequestAccept { request_id }).expect("accepted");
        world.pass(5_000);
    }
    world.send(1, 0, "to you alone").expect("sent");
    world.pass(1_000);
    let id = world.messages(0, 1)[0].message_id.clone();
    let of = world.with(2);
    let read = Command::MessageRead { of: of.clone(), up_to: id.clone() };
    assert_eq!(world.call(0, read).unwrap_err().kind, ErrorKind::NotFound);
    let list = Command::MessageList { of: of.clone(), before: Some(id.clone()), limit: 5 };
    assert_eq!(world.call(0, list).unwrap_err().kind, ErrorKind::NotFound);
    let reply = Command::MessageSend { to: of, text: "?".into(), reply_to: Some(id) };
    assert_eq!(world.call(0, reply).unwrap_err().kind, ErrorKind::NotFound);
}

/// V3, S1: a revoked device gets the word of it and nothing more.
#[test]
fn s1_a_revoked_device_is_served_its_revocation_and_nothing_else() {
    let mut world = World::friends();
    world.send(0, 1, "from me").expect("sent");
    world.pass(1_000);
    let log = world.contacts(0)[0].log.clone().expect("a conversation").parse().expect("an id");
    world
        .forge(0, |round| {
            let (identity, device) = (round.core.me.identity, round.core.me.device.id());
            round.append_open(&identity, Body::Revoke { device }).map(|_| ())
        })
        .expect("written");
    world.settle();
    let body = Body::Text { text: "from the thief".into(), reply_to: None };
    world.forge(0, |round| round.append_sealed(&log, body)).expect("written");
    world.pass(5_000);
    assert_eq!(texts(&world.messages(1, 0)), ["from me"]);
    world.cut_all();
    world.pass(60_000);
    assert_eq!(texts(&world.messages(1, 0)), ["from me"]);
}

/// A row that cannot be read fails the round of whoever looks at it.
fn damage(world: &mut World, n: usize) {
    world.forge(n, |round| {
        let account = round.core.me.account;
        round.book.put(Table::Requests, account.as_bytes(), b"no row").expect("written");
    });
}

#[test]
fn a_failed_round_answers_everybody_once_and_leaves_nothing_behind() {
    let mut world = World::new(1);
    let dial = |call| Input::Command { call, command: Command::NodeDial { multiaddr: "/ip4/10.9.9.9/tcp/1".into() } };
    let (now, mode) = (world.now(), world.machines[0].engine.core.mode);
    let engine = &mut world.machines[0].engine;
    let (outputs, _) = engine.round(vec![dial(1)], now);
    let ticket = outputs.iter().find_map(|output| match output {
        Output::Net(NetCommand::Dial { ticket, .. }) => Some(*ticket),
        _ => None,
    });
    let ticket = ticket.expect("a dial");
    damage(&mut world, 0);
    let patch = crate::api::SettingsPatch { mode: Some(Mode::Lan), ..Default::default() };
    let engine = &mut world.machines[0].engine;
    let answered = NetEvent::Dialled { ticket, peer: engine.core.me.net };
    let command = |call, command| Input::Command { call, command };
    let inputs =
        vec![Input::Net(answered), dial(2), command(3, Command::SettingsSet(patch)), command(4, Command::ContactList)];
    let (outputs, error) = engine.round(inputs, now);
    assert!(error.is_some());
    let mut calls: Vec<_> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Answer { call, result } => {
                assert_eq!(result.as_ref().unwrap_err().kind, ErrorKind::Storage);
                Some(*call)
            }
            _ => None,
        })
        .collect();
    calls.sort_unstable();
    assert_eq!(calls, [1, 2, 3, 4]);
    assert_eq!(engine.core.mode, mode);
}

/// A clock that is wrong delays a request for ever: whoever asked is told why.
#[test]
fn c1_a_request_that_is_not_taken_says_why_and_forgets_it_once_it_is() {
    let mut world = World::new(2);
    let request_id = world.request(0, 1);
    world.pass(5_000);
    let req_id: RequestId = request_id.parse().expect("an id");
    let id = world.session(0, 1);
    let refused = Note::RequestRefused { req_id, reason: RefusalReason::Expired };
    world.forge(0, |round| round.on_note(id, refused.clone())).expect("heard");
    assert_eq!(world.requests(0)[0].problem, Some(RequestProblem::Clocks));
    world.forge(0, |round| round.on_note(id, Note::RequestReceived(req_id))).expect("heard");
    assert_eq!(world.requests(0)[0].problem, None);
    world.forge(0, |round| round.on_note(id, refused)).expect("heard");
    world.call(0, Command::RequestCancel { request_id }).expect("cancelled");
    assert_eq!(world.requests(0)[0].problem, None, "of what waits no more nothing is said");
}
