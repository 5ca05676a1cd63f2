//! One connection ends for another: who is reached meanwhile, and when that ends.

use super::*;

/// Between the two they are reached as before: else a window that looks in that moment shows them as gone.
#[test]
fn one_connection_follows_another_and_nobody_is_seen_to_leave() {
    let mut world = World::friends();
    let before = (world.presence(0), world.presence(1));
    assert!(matches!(before.0, (Presence::Online, Some(_))));
    world.machines.iter_mut().for_each(|machine| machine.notices.clear());
    world.replace_all();
    assert_eq!((world.presence(0), world.presence(1)), before);
    world.connect(1, 0, Ticket(1_000_000));
    world.settle();
    let left = |notice: &Notice| matches!(notice, Notice::Presence { presence, .. } if *presence != Presence::Online);
    assert!(world.machines.iter().all(|machine| !machine.notices.iter().any(left)));
    assert!(matches!(world.presence(0), (Presence::Online, Some(path)) if path.via == "inbound"), "the new one");
}

#[test]
fn a_connection_that_nothing_follows_is_gone_after_two_seconds() {
    let mut world = World::friends();
    world.online = false;
    world.replace_all();
    world.pass(1_999);
    assert!(matches!(world.presence(0), (Presence::Online, _)));
    world.machines[0].notices.clear();
    world.pass(2);
    assert!(!matches!(world.presence(0), (Presence::Online, _)));
    let left = |notice: &Notice| matches!(notice, Notice::Presence { presence, .. } if *presence != Presence::Online);
    assert!(world.machines[0].notices.iter().any(left), "and that is told");
}

/// Nobody dials whoever asks me, so nobody would notice that no connection follows.
#[test]
fn somebody_who_asks_is_told_to_have_left_with_the_connection() {
    let mut world = World::new(2);
    world.request(0, 1);
    world.pass(1_000);
    assert_eq!(world.presence(1).0, Presence::Online);
    world.machines[1].notices.clear();
    world.replace_all();
    assert_eq!(world.presence(1).0, Presence::Offline);
    let left = |notice: &Notice| matches!(notice, Notice::Presence { presence: Presence::Offline, .. });
    assert!(world.machines[1].notices.iter().any(left));
}
