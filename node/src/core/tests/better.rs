//! One dial over QUIC beside a session over TCP, by one of the two, and none where UDP did not pass lately.

use super::*;

const HALF_AN_HOUR: u64 = 30 * 60 * 1_000;

fn quic(machine: usize) -> Address {
    format!("/ip4/10.0.0.{}/udp/4101/quic-v1", machine + 1).parse().expect("a valid address")
}

/// Two who talk over TCP, and who of them would try QUIC.
fn friends_with_quic() -> (World, usize) {
    let mut world = World::friends();
    let net = |n: usize| world.machines[n].engine.core.me.net;
    let favoured = usize::from(net(1) < net(0));
    for n in 0..2 {
        world.push(n, Input::Net(NetEvent::Listening { addresses: vec![address(n), quic(n)] }));
    }
    world.settle();
    (world, favoured)
}

/// They meet again over TCP.
fn meet(world: &mut World) {
    world.cut_all();
    world.pass(60_000);
}

#[test]
fn the_device_whose_connections_are_preferred_tries_quic_once_in_a_session() {
    let (mut world, favoured) = friends_with_quic();
    meet(&mut world);
    assert_eq!(world.unnamed, [(favoured, quic(1 - favoured))], "once, though a minute passed");
    meet(&mut world);
    assert_eq!(world.unnamed.len(), 2, "and once in the next");
}

#[test]
fn an_address_that_is_heard_of_later_is_tried_then() {
    let mut world = World::friends();
    world.pass(60_000);
    assert_eq!(world.unnamed, [], "nobody listens over QUIC");
    let net = |n: usize| world.machines[n].engine.core.me.net;
    let nets = [net(0), net(1)];
    let elsewhere: Address = "/ip4/10.9.9.9/udp/4101/quic-v1".parse().expect("a valid address");
    for n in 0..2 {
        let addresses = vec![elsewhere.clone(), quic(1 - n), address(1 - n)];
        world.push(n, Input::Net(NetEvent::Discovered { peer: nets[1 - n], addresses }));
    }
    world.pass(60_000);
    let favoured = usize::from(nets[1] < nets[0]);
    assert_eq!(world.unnamed, [(favoured, quic(1 - favoured))], "where the session leads, and nowhere else");
}

#[test]
fn where_udp_does_not_pass_it_is_left_alone_for_half_an_hour_or_until_the_network_changes() {
    let (mut world, favoured) = friends_with_quic();
    world.udp = false;
    meet(&mut world);
    assert_eq!(world.unnamed.len(), 1);
    meet(&mut world);
    assert_eq!(world.unnamed.len(), 1, "not again");
    world.push(favoured, Input::Net(NetEvent::NetworkChanged));
    meet(&mut world);
    assert_eq!(world.unnamed.len(), 2, "another network");
    world.pass(HALF_AN_HOUR - 2 * 60_000);
    assert_eq!(world.unnamed.len(), 2, "not yet");
    meet(&mut world);
    world.pass(60_000);
    assert!(world.unnamed.len() > 2, "after a while");
}

#[test]
fn a_session_over_quic_that_fell_silent_is_not_followed_by_another_soon() {
    let (mut world, favoured) = friends_with_quic();
    let session = world.session(favoured, 1 - favoured);
    let over_quic = Path { transport: Transport::Quic, remote: quic(1 - favoured), ..path(1 - favoured) };
    world.push(favoured, Input::Net(NetEvent::PathChanged { session, path: over_quic }));
    world.push(favoured, Input::Net(NetEvent::Closed { session, reason: CloseReason::Silent }));
    meet(&mut world);
    assert_eq!(world.unnamed, []);
    world.pass(HALF_AN_HOUR);
    assert_eq!(world.unnamed.len(), 1, "the session that has rested for so long");
}
