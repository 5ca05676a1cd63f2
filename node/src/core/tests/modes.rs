//! E4: the dial mode changes while everything runs.

use super::*;
use crate::api::{Mode, SettingsPatch};

const FAR: &str = "/ip4/198.51.100.7/tcp/4101";

fn choose(world: &mut World, n: usize, mode: Mode) {
    let patch = SettingsPatch { mode: Some(mode), ..SettingsPatch::default() };
    world.call(n, Command::SettingsSet(patch)).expect("set");
}

/// The sessions of both turn out to lead across the internet.
fn far_apart() -> World {
    let mut world = World::friends();
    world.online = false;
    lead_far(&mut world);
    world
}

fn lead_far(world: &mut World) {
    let far = Path { remote: FAR.parse().expect("a valid address"), ..path(0) };
    for (n, session) in world.wires.keys().copied().collect::<Vec<_>>() {
        world.push(n, Input::Net(NetEvent::PathChanged { session, path: far.clone() }));
    }
    world.settle();
}

#[test]
fn e4_only_this_network_ends_what_leads_elsewhere_and_calls_nobody_there() {
    let mut world = far_apart();
    assert_eq!(world.presence(0).0, Presence::Online);
    choose(&mut world, 0, Mode::Lan);
    assert!(world.wires.is_empty());
    assert_ne!(world.presence(0).0, Presence::Online);
    let refused = world.call(0, Command::NodeDial { multiaddr: FAR.into() }).expect_err("not on this network");
    assert!(refused.message.contains("settings"), "{refused:?}");
}

#[test]
fn e4_only_this_network_leaves_what_is_near() {
    let mut world = World::friends();
    choose(&mut world, 0, Mode::Lan);
    assert_eq!(world.presence(0).0, Presence::Online);
    lead_far(&mut world);
    assert!(world.wires.is_empty(), "a path that moves off this network ends as well");
}

#[test]
fn e4_only_this_network_turns_away_who_calls_from_elsewhere() {
    let mut world = far_apart();
    choose(&mut world, 0, Mode::Lan);
    let (peer, far) = (world.machines[1].engine.core.me.net, FAR.parse().expect("a valid address"));
    let (before, session) = (world.machines[0].engine.core.links.len(), SessionId(77_777));
    let opened = NetEvent::Opened { session, peer, path: Path { remote: far, ..path(1) }, dialer: false };
    world.push(0, Input::Net(opened));
    world.settle();
    assert_eq!(world.machines[0].engine.core.links.len(), before);
    assert_eq!(world.closed.last(), Some(&(0, session)));
}

#[test]
fn e4_the_internet_again_calls_at_once_who_was_out_of_reach() {
    let mut world = far_apart();
    choose(&mut world, 0, Mode::Lan);
    // The pauses have grown to minutes.
    world.pass(3_600_000);
    world.online = true;
    choose(&mut world, 0, Mode::Y7net);
    world.pass(1);
    assert_eq!(world.presence(0).0, Presence::Online);
}
