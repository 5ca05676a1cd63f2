//! What readers of notices hear of a round, and that nothing remembered is older than the rows that it was read from.

use super::*;
use crate::api::ContactView;
use crate::core::writing::unwritten;

impl World {
    /// What machine `n` told since the last time.
    fn told(&mut self, n: usize) -> Vec<Notice> {
        std::mem::take(&mut self.machines[n].notices)
    }
}

fn messages<'n>(told: &'n [Notice], pick: impl Fn(&'n Notice) -> Option<&'n MessageView>) -> Vec<&'n MessageView> {
    told.iter().filter_map(pick).collect()
}

fn contacts(told: &[Notice]) -> Vec<&ContactView> {
    told.iter()
        .filter_map(|told| if let Notice::ContactChanged { contact } = told { Some(contact) } else { None })
        .collect()
}

/// A round that writes a message, sends it and changes its person tells each of it once, in this order.
#[test]
fn a_message_is_told_once_for_each_thing_that_happened_to_it() {
    let mut world = World::friends();
    world.pass(1_000);
    drop((world.told(0), world.told(1)));
    world.send(0, 1, "hello").expect("sent");
    world.pass(1_000);
    let (mine, theirs) = (world.told(0), world.told(1));
    let written = messages(&mine, |n| if let Notice::MessageChanged { message } = n { Some(message) } else { None });
    assert_eq!(written.iter().map(|m| m.text.as_str()).collect::<Vec<_>>(), ["hello"]);
    let reached = messages(&mine, |n| if let Notice::MessageStatus { message } = n { Some(message) } else { None });
    assert_eq!(reached.iter().map(|m| m.status).collect::<Vec<_>>(), [Status::Sent, Status::Delivered]);
    let came = messages(&theirs, |n| if let Notice::MessageReceived { message } = n { Some(message) } else { None });
    assert_eq!(came.iter().map(|m| m.text.as_str()).collect::<Vec<_>>(), ["hello"]);
    for told in [&mine, &theirs] {
        let contacts = contacts(told);
        assert_eq!(contacts.len(), 1, "{told:?}");
        assert_eq!(contacts[0].last.as_ref().map(|m| m.text.as_str()), Some("hello"));
    }
    assert_eq!(contacts(&theirs)[0].last.as_ref(), Some(came[0]), "the newest message is the one that was told");
}

/// A round that the disk refused leaves nothing to tell, then or later.
#[test]
fn e7_what_was_not_committed_is_not_told() {
    let mut world = World::friends();
    world.pass(1_000);
    let (now, to) = (world.now(), world.with(1));
    let send = |call, text: &str| {
        let command = Command::MessageSend { to: to.clone(), text: text.into(), reply_to: None };
        Input::Command { call, command }
    };
    let of_messages = |outputs: Vec<Output>| {
        let text = |output| match output {
            Output::Notice(Notice::MessageChanged { message } | Notice::MessageStatus { message }) => {
                Some(message.text)
            }
            _ => None,
        };
        outputs.into_iter().filter_map(text).collect::<Vec<_>>()
    };
    let engine = &mut world.machines[0].engine;
    let refused = engine.in_one_transaction(now, |round| {
        disk_only(round.take(send(1, "never")))?;
        disk_only(round.finish())?;
        assert!(!round.core.to_tell.is_empty(), "there would be something to tell");
        Err(StorageError::Busy)
    });
    drop(engine.start_over(&BTreeSet::from([1]), &refused.expect_err("refused")));
    assert!(engine.tell(now).is_empty());
    let (outputs, failure) = engine.act(vec![send(2, "now")], now);
    assert!(failure.is_none() && of_messages(outputs).is_empty(), "before the commit nothing is told");
    assert_eq!(of_messages(engine.tell(now)), ["now"]);
    assert!(engine.tell(now).is_empty(), "and once");
}

/// K3, K4: whom keys are boxed to follows the identity log at once, within a round and over one that was dropped.
#[test]
fn k3_prekeys_are_those_of_the_rows_and_never_of_another_time() {
    let mut world = World::friends();
    let now = world.now();
    let engine = &mut world.machines[0].engine;
    fn renew(round: &mut Round<'_, ChaCha20Rng>) -> Vec<Verified<Prekey>> {
        let (me, at) = (round.core.me.root, round.now.wall_ms + 8 * 24 * 60 * 60 * 1_000);
        let identity = round.core.me.identity;
        let published = round.book.publish_prekey_if_due(identity, at, round.rng, &round.core.me.device);
        assert!(published.map_err(unwritten).expect("written").is_some(), "a week is over");
        round.prekeys_of(&me).expect("read")
    }
    let (mut old, mut dropped) = (Vec::new(), Vec::new());
    let refused = engine.in_one_transaction(now, |round| {
        let me = round.core.me.root;
        old = round.prekeys_of(&me).expect("read");
        dropped = renew(round);
        Err(StorageError::Busy)
    });
    assert!(refused.is_err() && old.len() == 1 && dropped.len() == 1 && old != dropped);
    let tried_again = engine.in_one_transaction(now, |round| {
        let me = round.core.me.root;
        assert_eq!(round.prekeys_of(&me).expect("read"), old);
        let new = renew(round);
        assert!(new != old && new != dropped, "as many events as before, and another one");
        Ok(())
    });
    assert!(tried_again.is_ok());
}
