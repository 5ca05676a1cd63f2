//! Read models over folded rows: people, requests, pages, unread, reach.

use std::collections::BTreeMap;

use y7ke_crypto::ack::Ack;
use y7ke_crypto::clock::{Clock, Tip, Want};
use y7ke_crypto::ids::RequestId;

use super::*;
use crate::body::tests::samples::{self, CREATED, EXPIRES};
use crate::body::{RequestAnswer, RequestIn, RequestOut};
use crate::fold::status::Status;
use crate::fold::{self, EventMeta, LogKind};
use crate::rows::{MemRows, Order, RowsMut, Span, Table, Visit};

/// Rows and the bodies beside them: a store as small as can be.
#[derive(Default)]
struct World {
    rows: MemRows,
    bodies: BTreeMap<EventId, (EventAt, Body)>,
    next: u64,
}

impl Rows for World {
    type Error = BrokenRow;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, BrokenRow> {
        self.rows.get(table, key)
    }

    fn walk(&self, table: Table, span: &Span, order: Order, visit: &mut Visit<'_>) -> Result<(), BrokenRow> {
        self.rows.walk(table, span, order, visit)
    }
}

impl Events for World {
    fn locate(&self, id: &EventId) -> Result<Option<EventAt>, BrokenRow> {
        Ok(self.bodies.get(id).map(|(at, _)| *at))
    }

    fn body(&self, at: &EventAt) -> Result<Opened, BrokenRow> {
        Ok(self.bodies.get(&at.id).map_or(Opened::Closed, |(_, body)| Opened::Body(body.clone())))
    }
}

const ME: u8 = 1;
const THEM: u8 = 2;

fn account() -> LogId {
    LogId::account(&samples::root(ME))
}

fn talk(n: u8) -> LogId {
    LogId::conversation(&samples::root(ME), &samples::root(THEM), &samples::req_id(n))
}

impl World {
    fn meta(&mut self, log: LogId, kind: LogKind, person: u8) -> EventMeta {
        self.next += 1;
        let mut id = [person; 32];
        id[..8].copy_from_slice(&self.next.to_le_bytes());
        EventMeta {
            log,
            kind,
            id: EventId::from(id),
            device: samples::device(person),
            root: samples::root(person),
            seq: self.next,
            hlc: CREATED + self.next,
        }
    }

    fn put(&mut self, meta: EventMeta, body: Body) -> MessageKey {
        fold::apply(&mut self.rows, &meta, &body).unwrap();
        let at = EventAt { log: meta.log, device: meta.device, seq: meta.seq, id: meta.id };
        self.bodies.insert(meta.id, (at, body));
        MessageKey { hlc: meta.hlc, device: meta.device, id: meta.id, seq: meta.seq }
    }

    fn note(&mut self, body: Body) {
        let meta = self.meta(account(), LogKind::Account, ME);
        self.put(meta, body);
    }

    fn say(&mut self, log: LogId, person: u8, text: &str) -> MessageKey {
        let meta = self.meta(log, LogKind::Conversation, person);
        self.put(meta, Body::Text { text: text.to_owned(), reply_to: None })
    }

    fn join(&mut self, log: LogId) {
        for person in [ME, THEM] {
            let meta = self.meta(log, LogKind::Conversation, person);
            self.put(meta, Body::Join { chain: samples::chain(person, person) });
        }
    }

    fn asked(&mut self, n: u8, created: u64) {
        let request = RequestIn { created, ..samples::request_in(n, THEM) };
        self.note(Body::RequestIn(request));
    }

    fn ask(&mut self, n: u8) {
        self.note(Body::RequestOut(samples::request_out(n, THEM)));
    }

    fn answer(&mut self, n: u8, state: RequestAnswer) {
        self.note(Body::RequestState { req_id: samples::req_id(n), state });
    }

    fn opened(&mut self, n: u8) {
        let (root, req_id) = (samples::root(THEM), samples::req_id(n));
        self.note(Body::ContactLog { root, log: talk(n), req_id });
    }

    fn state(&self) -> Option<ContactState> {
        self.them(CREATED + 1).map(|row| row.state)
    }

    /// The one person, as alone so in the list of all.
    fn them(&self, now_ms: u64) -> Option<ContactRow> {
        let them = contact(self, &account(), &samples::root(THEM), now_ms).unwrap();
        let all = contacts(self, &account(), now_ms).unwrap();
        assert_eq!(all.into_iter().find(|row| row.root == samples::root(THEM)), them);
        them
    }

    fn phase(&self, direction: Direction, n: u8, now_ms: u64) -> Option<RequestPhase> {
        let row = request(self, &account(), direction, &samples::req_id(n), now_ms).unwrap();
        row.map(|row| row.phase)
    }

    fn auto(&self) -> Option<RequestId> {
        auto_accept(self, &account(), &samples::root(THEM), CREATED + 1).unwrap()
    }
}

fn texts(page: &Page) -> Vec<&str> {
    page.messages.iter().map(|row| row.text.as_str()).collect()
}

#[test]
fn a_request_of_mine_goes_from_pending_to_accepted() {
    let mut world = World::default();
    assert_eq!(world.state(), None);
    world.ask(5);
    assert_eq!(world.state(), Some(ContactState::PendingOut));
    assert_eq!(world.phase(Direction::Out, 5, EXPIRES - 1), Some(RequestPhase::Pending));
    assert_eq!(world.phase(Direction::Out, 5, EXPIRES), Some(RequestPhase::Expired));
    world.opened(5);
    assert_eq!(world.state(), Some(ContactState::Accepted));
    assert_eq!(world.phase(Direction::Out, 5, EXPIRES), Some(RequestPhase::Accepted), "a conversation does not expire");
}

/// C4: reject is undone by accepting later; block is listed and undone.
#[test]
fn c4_reject_and_block_can_be_undone() {
    let mut world = World::default();
    world.asked(5, CREATED);
    assert_eq!(world.state(), Some(ContactState::PendingIn));
    world.answer(5, RequestAnswer::Rejected);
    assert_eq!(world.state(), Some(ContactState::Rejected));
    world.answer(5, RequestAnswer::Accepted);
    world.opened(5);
    assert_eq!(world.state(), Some(ContactState::Accepted));
    world.note(Body::Block { root: samples::root(THEM) });
    assert_eq!(world.state(), Some(ContactState::Blocked));
    world.note(Body::Unblock { root: samples::root(THEM) });
    assert_eq!(world.state(), Some(ContactState::Accepted));
}

#[test]
fn two_devices_that_answer_differently_do_not_close_an_open_conversation() {
    let mut world = World::default();
    world.asked(5, CREATED);
    world.opened(5);
    world.answer(5, RequestAnswer::Rejected);
    assert_eq!(world.state(), Some(ContactState::Accepted));
    assert_eq!(world.phase(Direction::In, 5, CREATED), Some(RequestPhase::Accepted));
}

/// C1: one pending request per person, the newest.
#[test]
fn c1_the_newest_request_of_a_person_supersedes_older_ones() {
    let mut world = World::default();
    world.asked(5, CREATED);
    world.asked(4, CREATED + 10);
    assert_eq!(world.phase(Direction::In, 5, CREATED), Some(RequestPhase::Superseded));
    assert_eq!(world.phase(Direction::In, 4, CREATED), Some(RequestPhase::Pending));
    world.answer(4, RequestAnswer::Rejected);
    assert_eq!(world.state(), Some(ContactState::Rejected), "the older one does not rise again");
}

/// C3: of two requests that crossed, the lesser id wins and is accepted by itself.
#[test]
fn c3_the_lesser_of_crossed_requests_wins() {
    let mut world = World::default();
    world.ask(5);
    assert_eq!(world.auto(), None);
    world.asked(4, CREATED);
    assert_eq!(world.state(), Some(ContactState::PendingIn));
    assert_eq!(world.auto(), Some(samples::req_id(4)));
    let mut world = World::default();
    world.ask(5);
    world.asked(6, CREATED);
    assert_eq!(world.state(), Some(ContactState::PendingOut), "they accept mine");
    assert_eq!(world.auto(), None);
    world.note(Body::Block { root: samples::root(THEM) });
    assert_eq!(world.state(), Some(ContactState::Blocked));
}

/// C4: nothing is accepted by itself from somebody blocked.
#[test]
fn c4_a_block_stops_the_automatic_acceptance() {
    let mut world = World::default();
    world.ask(5);
    world.asked(4, CREATED);
    world.note(Body::Block { root: samples::root(THEM) });
    assert_eq!(world.auto(), None);
}

/// C3: both logs opened: the thread is their union, the least request id is written to.
#[test]
fn c3_two_logs_with_one_person_are_one_thread() {
    let mut world = World::default();
    world.opened(9);
    world.opened(4);
    let row = contact(&world, &account(), &samples::root(THEM), 0).unwrap().unwrap();
    assert_eq!(row.log(), Some(talk(4)));
    assert_eq!(row.all_logs(), [talk(4), talk(9)]);
    world.join(talk(4));
    world.join(talk(9));
    for (n, text) in [(9, "a"), (4, "b"), (9, "c"), (4, "d")] {
        world.say(talk(n), THEM, text);
    }
    let all = page(&world, &row.all_logs(), None, 10).unwrap();
    assert_eq!(texts(&all), ["a", "b", "c", "d"]);
    assert!(!all.more);
    let keys = message_keys(&world, &row.all_logs()).unwrap();
    assert!(keys.is_sorted() && keys.len() == 4);
    let talk = conversation(&world, &row.all_logs(), &samples::root(ME)).unwrap();
    assert_eq!((talk.unread.count, talk.unread.first), (4, Some(keys[0])));
    assert_eq!(talk.last, Some((row.logs[0].1, keys[3])));
}

#[test]
fn names_come_from_the_nickname_the_profile_or_the_request() {
    let mut world = World::default();
    world.asked(5, CREATED);
    let name = |world: &World| world.them(0).unwrap().name().to_owned();
    assert_eq!(name(&world), "Ünsal");
    let meta = world.meta(LogId::identity(&samples::root(THEM)), LogKind::Identity, THEM);
    world.put(meta, Body::Profile { name: samples::name("Ü.") });
    assert_eq!(name(&world), "Ü.");
    world.note(Body::ContactName { root: samples::root(THEM), name: samples::name("Uncle") });
    assert_eq!(name(&world), "Uncle");
    world.note(Body::ContactName { root: samples::root(THEM), name: samples::name("") });
    assert_eq!(name(&world), "Ü.");
}

#[test]
fn a_stored_request_comes_back_as_it_came() {
    let mut world = World::default();
    let request = samples::request(5, THEM, ME);
    world.note(Body::RequestIn(RequestIn::of(&request)));
    assert_eq!(stored_request(&world, &account(), &samples::req_id(5)).unwrap(), Some(request));
    assert_eq!(stored_request(&world, &account(), &samples::req_id(6)).unwrap(), None);
    let out = RequestOut { hints: vec!["/ip4/192.0.2.7/tcp/1".to_owned()], ..samples::request_out(7, THEM) };
    world.note(Body::RequestOut(out.clone()));
    let row = super::request(&world, &account(), Direction::Out, &samples::req_id(7), 0).unwrap().unwrap();
    assert_eq!((row.hints, row.greeting.as_str()), (out.hints, out.greeting.as_str()));
}

#[test]
fn pages_go_back_from_the_newest_and_meet_without_gap() {
    let mut world = World::default();
    world.join(talk(5));
    let said: Vec<_> = (0..25).map(|n| world.say(talk(5), 1 + n % 2, &format!("{n}"))).collect();
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let part = page(&world, &[talk(5)], before.as_ref(), 10).unwrap();
        assert!(part.messages.is_sorted_by_key(|row| row.key));
        before = part.messages.first().map(|row| row.key);
        seen.splice(0..0, part.messages.iter().map(|row| row.key));
        let stretch = places(&world, &[talk(5)], part.messages.last().map(|row| row.key).as_ref(), 9).unwrap();
        assert_eq!(stretch.keys, part.messages.iter().rev().skip(1).rev().map(|row| row.key).collect::<Vec<_>>());
        assert_eq!(stretch.more, part.more);
        if !part.more {
            break;
        }
    }
    assert_eq!(seen, said);
    assert_eq!(message_keys(&world, &[talk(5)]).unwrap(), said);
    let nothing = page(&world, &[talk(5)], Some(&said[0]), 10).unwrap();
    assert!(nothing.messages.is_empty() && !nothing.more);
    assert!(page(&world, &[talk(5)], None, 0).unwrap().more);
}

#[test]
fn a_message_is_found_by_its_id_and_nothing_else_is() {
    let mut world = World::default();
    world.join(talk(5));
    let key = world.say(talk(5), THEM, "here");
    let row = message(&world, &key.id).unwrap().unwrap();
    assert_eq!((row.text.as_str(), row.author, row.log), ("here", samples::root(THEM), talk(5)));
    assert_eq!(row.sent_at(5), 5, "E5: wall time is shown clamped");
    assert!(message(&world, &samples::event_id(9)).unwrap().is_none());
    let join = *world.bodies.iter().find(|(_, (_, body))| matches!(body, Body::Join { .. })).unwrap().0;
    assert!(message(&world, &join).unwrap().is_none());
    assert!(!format!("{row:?}").contains("here"), "no text in a log line");
}

#[test]
fn what_cannot_be_opened_yet_keeps_its_place() {
    let mut world = World::default();
    world.join(talk(5));
    world.say(talk(5), THEM, "a");
    let closed = world.meta(talk(5), LogKind::Conversation, THEM);
    fold::unopened(&mut world.rows, &closed).unwrap();
    world.say(talk(5), THEM, "c");
    let all = page(&world, &[talk(5)], None, 10).unwrap();
    assert_eq!(all.messages.iter().map(|row| row.unopened).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(texts(&all), ["a", "", "c"]);
    world.put(closed, Body::Text { text: "b".to_owned(), reply_to: None });
    assert_eq!(texts(&page(&world, &[talk(5)], None, 10).unwrap()), ["a", "b", "c"]);
    assert_eq!(world.rows.len(Table::Unopened), 0);
}

/// F4: two events with one number show as disputed.
#[test]
fn f4_both_variants_of_a_fork_show_as_disputed() {
    let mut world = World::default();
    world.join(talk(5));
    let key = world.say(talk(5), THEM, "one");
    let meta = world.meta(talk(5), LogKind::Conversation, THEM);
    let row = |world: &World, key: &MessageKey| super::row(world, &talk(5), key).unwrap();
    assert!(!row(&world, &key).disputed);
    let twin = world.put(EventMeta { seq: key.seq, ..meta }, Body::Text { text: "two".to_owned(), reply_to: None });
    assert!(row(&world, &key).disputed && row(&world, &twin).disputed);
    let told = world.say(talk(5), THEM, "three");
    let meta = world.meta(talk(5), LogKind::Conversation, ME);
    world.put(meta, Body::ForkNotice { device: told.device, seq: told.seq });
    assert!(row(&world, &told).disputed);
}

#[test]
fn unread_counts_others_after_the_marks_told_or_kept_here() {
    let mut world = World::default();
    world.join(talk(5));
    let me = samples::root(ME);
    let said: Vec<_> = (0..6).map(|n| world.say(talk(5), THEM, &n.to_string())).collect();
    let mine = world.say(talk(5), ME, "mine");
    let unread = |world: &World| conversation(world, &[talk(5)], &me).unwrap().unread;
    assert_eq!(unread(&world), Unread { count: 6, first: Some(said[0]) });
    let marks = marks_up_to(&world, &talk(5), &me, &said[2]).unwrap();
    assert_eq!(marks.iter().map(|mark| mark.seq).collect::<Vec<_>>(), [said[2].seq]);
    let meta = world.meta(talk(5), LogKind::Conversation, ME);
    world.put(meta, Body::Read { marks });
    assert_eq!(unread(&world), Unread { count: 3, first: Some(said[3]) });
    assert!(marks_up_to(&world, &talk(5), &me, &said[1]).unwrap().is_empty(), "marks never go back");
    fold::mark_read_here(&mut world.rows, &talk(5), &said[4].device, said[4].seq).unwrap();
    assert_eq!(unread(&world), Unread { count: 1, first: Some(said[5]) });
    let all = marks_up_to(&world, &talk(5), &me, &mine).unwrap();
    assert_eq!(all.iter().map(|mark| mark.seq).collect::<Vec<_>>(), [said[5].seq]);
}

/// Counting on gives what counting afresh gives, whatever came in between and in whatever order.
#[test]
fn unread_is_counted_on_behind_what_was_counted() {
    let mut world = World::default();
    world.join(talk(5));
    let (me, log) = (samples::root(ME), talk(5));
    let mut counts = Counts::default();
    let check = |world: &World, counts: &mut Counts| {
        let on = conversation_counted(world, &[log], &me, counts).unwrap();
        assert_eq!(on, conversation(world, &[log], &me).unwrap());
        on.unread.count
    };
    assert_eq!(check(&world, &mut counts), 0);
    let said: Vec<_> = (0..3).map(|n| world.say(log, THEM, &n.to_string())).collect();
    assert_eq!(check(&world, &mut counts), 3);
    let after = world.say(log, THEM, "after");
    assert_eq!(check(&world, &mut counts), 4);
    // A second event with a number that is counted already: nothing but being told of it brings it in.
    let meta = world.meta(log, LogKind::Conversation, THEM);
    let twin =
        world.put(EventMeta { seq: said[1].seq, ..meta }, Body::Text { text: "twin".to_owned(), reply_to: None });
    assert_eq!(conversation_counted(&world, &[log], &me, &mut counts).unwrap().unread.count, 4);
    counts.came(&log, &twin.device, twin.seq);
    assert_eq!(check(&world, &mut counts), 5);
    counts.came(&log, &after.device, after.seq + 1);
    assert_eq!(check(&world, &mut counts), 5);
    fold::mark_read_here(&mut world.rows, &log, &said[2].device, said[2].seq).unwrap();
    assert_eq!(check(&world, &mut counts), 1);
    counts.forget(&log);
    assert_eq!(check(&world, &mut counts), 1);
}

/// S3, seen from a page: queued, sent, delivered, read; and what others wrote.
#[test]
fn s3_reach_joins_members_acknowledgements_and_marks() {
    let mut world = World::default();
    world.join(talk(5));
    let mine: Vec<_> = (0..3).map(|_| world.say(talk(5), ME, "x")).collect();
    let theirs = world.say(talk(5), THEM, "y");
    let me = samples::root(ME);
    let status = |world: &World, ack: Option<&Ack>, key: &MessageKey, author: u8| {
        let mut reach = Reach::read(world, &talk(5), me).unwrap();
        ack.iter().for_each(|ack| reach.acked(world, (*ack).clone()).unwrap());
        reach.status(&samples::root(author), key, true)
    };
    assert_eq!(status(&world, None, &mine[0], ME), Status::Sent);
    let clock: Clock = [(samples::device(ME), Tip { seq: mine[2].seq, id: mine[2].id })].into_iter().collect();
    let unopened = vec![Want { device: samples::device(ME), from: mine[1].seq, to: mine[1].seq }];
    let ack = Ack { log: talk(5), device: samples::device(THEM), number: 1, clock, unopened };
    let reached: Vec<_> = mine.iter().map(|key| status(&world, Some(&ack), key, ME)).collect();
    assert_eq!(reached, [Status::Delivered, Status::Sent, Status::Delivered]);
    let stranger = Ack { device: samples::device(9), unopened: Vec::new(), ..ack.clone() };
    assert_eq!(status(&world, Some(&stranger), &mine[1], ME), Status::Sent, "a stranger's word counts for nobody");
    assert_eq!(status(&world, None, &theirs, THEM), Status::Delivered);
    fold::mark_read_here(&mut world.rows, &talk(5), &theirs.device, theirs.seq).unwrap();
    assert_eq!(status(&world, None, &theirs, THEM), Status::Read);
    let meta = world.meta(talk(5), LogKind::Conversation, THEM);
    let marks = [crate::body::ReadMark { device: samples::device(ME), seq: mine[0].seq }].into_iter().collect();
    world.put(meta, Body::Read { marks });
    assert_eq!(status(&world, Some(&ack), &mine[0], ME), Status::Read);
}

/// A device that only reads has written nothing in the log: the identity log says whose it is.
#[test]
fn a_silent_device_is_known_by_its_identity_log() {
    let mut world = World::default();
    world.join(talk(5));
    let identity = LogId::identity(&samples::root(THEM));
    let meta = EventMeta { device: samples::device(7), ..world.meta(identity, LogKind::Identity, THEM) };
    world.put(meta, Body::Join { chain: samples::chain(THEM, 7) });
    let people = [samples::root(ME), samples::root(THEM)];
    assert_eq!(person_of(&world, &talk(5), &people, &samples::device(7)).unwrap(), Some(samples::root(THEM)));
    assert_eq!(person_of(&world, &talk(5), &people, &samples::device(8)).unwrap(), None);
}

#[test]
fn devices_show_chain_prekey_and_revocation() {
    let mut world = World::default();
    let identity = LogId::identity(&samples::root(THEM));
    let bodies = [
        Body::Join { chain: samples::chain(THEM, THEM) },
        Body::Prekey(Box::new(samples::prekey(THEM, 1))),
        Body::Prekey(Box::new(samples::prekey(THEM, 2))),
    ];
    for body in bodies {
        let meta = world.meta(identity, LogKind::Identity, THEM);
        world.put(meta, body);
    }
    let rows = devices(&world, &samples::root(THEM)).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].prekey.as_ref().map(|prekey| prekey.claim.created), Some(2));
    assert!(!rows[0].revoked && rows[0].chain == samples::chain(THEM, THEM));
    let meta = world.meta(identity, LogKind::Identity, THEM);
    world.put(meta, Body::Revoke { device: samples::device(THEM) });
    assert!(devices(&world, &samples::root(THEM)).unwrap()[0].revoked);
}

/// This disk's fault is told apart from nothing being there.
#[test]
fn a_broken_row_is_an_error_and_not_an_absence() {
    let mut world = World::default();
    world.join(talk(5));
    world.rows.put(Table::Messages, &[talk(5).as_bytes().as_slice(), &[1]].concat(), &[1]).unwrap();
    assert_eq!(message_keys(&world, &[talk(5)]), Err(BrokenRow(Table::Messages)));
    assert_eq!(page(&world, &[talk(5)], None, 5), Err(BrokenRow(Table::Messages)));
    world.rows.put(Table::Requests, account().as_bytes(), &[]).unwrap();
    assert_eq!(requests(&world, &account(), 0), Err(BrokenRow(Table::Requests)));
}

/// The index of 100,000 messages touches no body.
#[test]
fn the_index_of_a_long_log_is_complete() {
    let mut world = World::default();
    for _ in 0..100_000 {
        let meta = world.meta(talk(5), LogKind::Conversation, THEM);
        fold::apply(&mut world.rows, &meta, &Body::Text { text: String::new(), reply_to: None }).unwrap();
    }
    let keys = message_keys(&world, &[talk(5)]).unwrap();
    assert!(keys.len() == 100_000 && keys.is_sorted());
    assert_eq!(std::mem::size_of::<MessageKey>(), 80);
}
