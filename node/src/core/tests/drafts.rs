//! Drafts and what was read, as events of the account log: how many, when, and what a crash leaves (C1, C6, D2).

use y7ke_crypto::ids::LogId;
use y7ke_ledger::store::View;
use y7ke_ledger::{fold, views};

use super::*;
use crate::core::drafts::REST_MS;

impl World {
    fn set_draft(&mut self, to: usize, text: &str) {
        let of = self.with(to);
        self.call(0, Command::DraftSet { of, text: text.into() }).expect("kept");
    }

    fn draft(&mut self, to: usize) -> String {
        let of = self.with(to);
        match self.call(0, Command::DraftGet { of }) {
            Ok(Answer::Draft { text }) => text,
            other => panic!("{other:?}"),
        }
    }

    fn view(&self, n: usize) -> View {
        self.machines[n].engine.ledger().view().expect("a view")
    }

    /// Events in the account log of machine 0, and what its drafts are there.
    fn events(&self) -> u64 {
        let me = &self.machines[0].engine.core.me;
        self.view(0).log(&me.account).expect("a log").expect("my account").stored
    }

    fn rested(&self, log: &LogId) -> Option<String> {
        views::draft(&self.view(0), &self.machines[0].engine.core.me.root, log).expect("a draft")
    }

    fn drafted_in(&mut self, to: usize) -> LogId {
        let y7_id = self.id(to);
        let contact = self.contacts(0).into_iter().find(|contact| contact.y7_id == y7_id).expect("a contact");
        contact.log.expect("a conversation").parse().expect("a log id")
    }

    fn all_digests(&mut self) -> Answer {
        self.call(0, Command::LogDigest { log: None }).expect("a digest")
    }
}

/// Typing costs one event per pause, and nothing of it is lost meanwhile.
#[test]
fn d2_a_draft_is_written_once_it_rests() {
    let mut world = World::friends();
    world.pass(1_000);
    let (log, before, digest) = (world.drafted_in(1), world.events(), world.all_digests());
    for typed in ["h", "ho", "how ", "how are"] {
        world.set_draft(1, typed);
        assert_eq!(world.draft(1), typed);
        world.pass(REST_MS - 1);
    }
    assert_eq!((world.events(), world.rested(&log)), (before, None));
    world.pass(1);
    assert_eq!(world.rested(&log).as_deref(), Some("how are"));
    let one = world.events();
    assert!(one > before);
    assert!(world.view(0).drafts().expect("drafts").is_empty(), "it stands in one place");
    assert_eq!(world.draft(1), "how are");

    // The same words again are no change; other ones are, and the event before opens no more.
    world.set_draft(1, "how are");
    world.pass(REST_MS);
    assert_eq!(world.events(), one);
    world.set_draft(1, "how are you");
    world.pass(REST_MS);
    assert_eq!((world.events(), world.draft(1).as_str()), (one + 1, "how are you"));
    assert_eq!(world.all_digests(), digest, "drafts are outside the digest");
}

#[test]
fn c1_sending_takes_the_draft_away_everywhere() {
    let mut world = World::friends();
    let log = world.drafted_in(1);
    world.set_draft(1, "see you");
    world.send(0, 1, "see you").expect("sent");
    assert_eq!((world.draft(1).as_str(), world.rested(&log)), ("", None));
    let before = world.events();
    world.pass(REST_MS);
    assert_eq!(world.events(), before, "what never rested is never written");

    world.set_draft(1, "and then");
    world.pass(REST_MS);
    world.set_draft(1, "and then what");
    world.send(0, 1, "and then what").expect("sent");
    assert_eq!((world.draft(1).as_str(), world.rested(&log)), ("", None));
    world.pass(REST_MS);
    assert_eq!(world.draft(1), "");

    // Emptied by hand.
    world.set_draft(1, "no");
    world.pass(REST_MS);
    world.set_draft(1, "");
    assert_eq!(world.draft(1), "");
    world.pass(REST_MS);
    assert_eq!((world.draft(1).as_str(), world.rested(&log)), ("", None));
}

/// The end of the node, a lock, a restart after a crash: what was answered is there and rests.
#[test]
fn c1_what_was_typed_rests_at_the_end_and_after_a_crash() {
    for last in [Input::Ending, Input::Start] {
        let mut world = World::friends();
        let log = world.drafted_in(1);
        world.set_draft(1, "half a sen");
        assert_eq!(world.rested(&log), None);
        world.push(0, last);
        world.settle();
        assert_eq!(world.rested(&log).as_deref(), Some("half a sen"));
        assert_eq!(world.draft(1), "half a sen");
    }
}

/// Whoever types in one conversation has left the other.
#[test]
fn c1_typing_elsewhere_lets_a_draft_rest() {
    let mut world = World::new(3);
    for to in [1, 2] {
        let request_id = world.request(0, to);
        world.pass(5_000);
        world.call(to, Command::RequestAccept { request_id }).expect("accepted");
        world.pass(5_000);
    }
    let (first, second) = (world.drafted_in(1), world.drafted_in(2));
    world.set_draft(1, "to one");
    world.set_draft(2, "to the other");
    assert_eq!((world.rested(&first).as_deref(), world.rested(&second)), (Some("to one"), None));
}

/// A draft that another device wrote is told, unless something newer is typed here.
#[test]
fn d2_a_draft_of_another_device_is_told() {
    let mut world = World::friends();
    let log = world.drafted_in(1);
    world.set_draft(1, "from the phone");
    world.pass(REST_MS);
    world.machines[0].notices.clear();
    world.forge(0, |round| round.draft_came(&log)).expect("told");
    let told = |world: &World| {
        let drafts = world.machines[0].notices.iter().filter(|notice| matches!(notice, Notice::Draft { .. }));
        drafts.cloned().collect::<Vec<_>>()
    };
    let y7_id = world.id(1);
    assert_eq!(told(&world), [Notice::Draft { y7_id, log: log.to_string(), text: "from the phone".into() }]);
    world.set_draft(1, "typed here");
    world.forge(0, |round| round.draft_came(&log)).expect("not told");
    assert_eq!(told(&world).len(), 1);
}

/// What is longer than a message can be stays on this device, and is not lost.
#[test]
fn c1_a_draft_that_is_too_long_stays_here() {
    let mut world = World::friends();
    let log = world.drafted_in(1);
    let long = "x".repeat(65_537);
    world.set_draft(1, &long);
    world.pass(REST_MS);
    assert_eq!((world.rested(&log), world.draft(1) == long), (None, true));
    world.set_draft(1, &long[1..]);
    world.pass(REST_MS);
    assert_eq!(world.rested(&log).map(|text| text.len()), Some(65_536));
}

/// C6: with receipts it is the other side's to see and my devices' as well; without, my devices' alone. Unread is
/// the fold of both, and outside the digest.
#[test]
fn c6_what_i_read_is_an_event_whether_or_not_others_are_told() {
    for receipts in [true, false] {
        let mut world = World::friends();
        let patch = crate::api::SettingsPatch { receipts: Some(receipts), ..Default::default() };
        world.call(0, Command::SettingsSet(patch)).expect("set");
        world.send(1, 0, "one").expect("sent");
        world.pass(1_000);
        assert_eq!(world.contacts(0)[0].unread, 1);
        let me = world.machines[0].engine.core.me.account;
        let account =
            |world: &mut World| world.call(0, Command::LogDigest { log: Some(me.to_string()) }).expect("a digest");
        let (before, events) = (account(&mut world), world.events());
        let up_to = world.messages(0, 1)[0].message_id.clone();
        let of = world.with(1);
        world.machines[0].notices.clear();
        world.call(0, Command::MessageRead { of, up_to }).expect("read");
        let told = world.machines[0]
            .notices
            .iter()
            .any(|notice| matches!(notice, Notice::ContactChanged { contact } if contact.unread == 0));
        assert!(told, "contact.changed carries unread");
        assert_eq!(world.events() > events, !receipts, "one event, in one of the two logs");
        world.pass(1_000);
        let seen = world.messages(1, 0)[0].status;
        assert_eq!(seen, if receipts { Status::Read } else { Status::Delivered });
        assert_eq!(account(&mut world), before);
        assert_eq!(world.digest(0, 1), world.digest(1, 0));

        // A rebuild from the logs alone says the same.
        let all: Vec<_> = world.view(0).logs().expect("logs").iter().map(|info| info.log).collect();
        world.forge(0, |round| all.iter().try_for_each(|log| round.book.rebuild_projections(log))).expect("rebuilt");
        assert_eq!(world.contacts(0)[0].unread, 0);
    }
}

/// A folder of an earlier version: what it had noted for itself becomes an event, once.
#[test]
fn c6_reads_that_lie_on_the_device_are_carried_over_once() {
    let mut world = World::friends();
    world.send(1, 0, "one").expect("sent");
    world.pass(1_000);
    let log = world.drafted_in(1);
    let theirs = world.machines[1].engine.core.me.device.id();
    let seq = world.view(0).clock(&log).expect("a clock").seq(&theirs);
    world.forge(0, |round| fold::mark_read_here(round.book, &log, &theirs, seq)).expect("noted");
    assert_eq!(world.contacts(0)[0].unread, 0);
    let before = world.events();
    for _ in 0..2 {
        world.push(0, Input::Start);
        world.settle();
        assert!(world.events() > before);
        assert!(views::reads_here(&world.view(0), &log).expect("notes").is_empty());
        assert_eq!(world.contacts(0)[0].unread, 0);
    }
}

/// Settings follow the person; how large a window is does not.
#[test]
fn settings_follow_and_the_scale_stays() {
    let mut world = World::new(1);
    let before = world.events();
    let patch = crate::api::SettingsPatch { scale: Some(120), ..Default::default() };
    world.call(0, Command::SettingsSet(patch)).expect("set");
    assert_eq!(world.events(), before);
    match world.call(0, Command::SettingsGet) {
        Ok(Answer::Settings(settings)) => assert_eq!(settings.scale, 120),
        other => panic!("{other:?}"),
    }
    let patch = crate::api::SettingsPatch { theme: Some("dark".into()), typing: Some(false), ..Default::default() };
    world.call(0, Command::SettingsSet(patch)).expect("set");
    assert!(world.events() >= before + 2);
}
