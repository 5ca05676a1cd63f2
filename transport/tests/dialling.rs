//! Dialling and listening: answers, faults, and one session whoever dials whom how often.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::time::Duration;

use common::*;
use y7ke_transport::{
    Address, CloseReason, Command, DialFault, Event, FailedAttempt, ListenFault, Ticket, Transport, start,
};

async fn failure(node: &mut Node) -> Vec<FailedAttempt> {
    node.until(|event| match event {
        Event::DialFailed { attempts, .. } => Some(attempts.clone()),
        _ => None,
    })
    .await
}

async fn dialled(node: &mut Node) -> Ticket {
    node.until(|event| match event {
        Event::Dialled { ticket, .. } => Some(*ticket),
        _ => None,
    })
    .await
}

fn why(attempts: &[FailedAttempt]) -> Vec<DialFault> {
    attempts.iter().map(|attempt| attempt.why.clone()).collect()
}

/// Two nodes on TCP and QUIC dial each other at the same time.
async fn both_dial(round: u8) {
    // Either may have the lower key.
    let (mut a, mut b) = (Node::new(round, &[TCP4, QUIC4]).await, Node::new(255 - round, &[TCP4, QUIC4]).await);
    let pick = |addresses: &[Address], which: u8| -> Vec<Address> {
        let wanted = |address: &&Address| match which % 3 {
            0 => true,
            1 => address.transport() == Some(Transport::Tcp),
            _ => address.transport() == Some(Transport::Quic),
        };
        addresses.iter().filter(wanted).cloned().collect()
    };
    let (to_b, to_a) = (pick(&b.listening, round), pick(&a.listening, round / 3));
    loop {
        tokio::join!(a.dial_at(1, Some(b.key), to_b.clone()), b.dial_at(1, Some(a.key), to_a.clone()));
        // Two SYNs that cross make one TCP connection without a listener; then both dials fail.
        let (at_a, at_b) = tokio::join!(answer(&mut a), answer(&mut b));
        if at_a || at_b {
            break;
        }
    }
    // Both hear each other over the session that both have at the end.
    for turn in 0..20_u8 {
        exchange(&mut a, &mut b, &[round, turn]).await;
    }
    let (key_a, key_b) = (a.key, b.key);
    let (at_a, at_b) = (a.session_with(&key_b).await, b.session_with(&key_a).await);
    assert_eq!(at_a.path.transport, at_b.path.transport);
    assert_ne!(at_a.dialer, at_b.dialer, "they hold different connections");
    a.shut_down().await;
    b.shut_down().await;
}

async fn answer(node: &mut Node) -> bool {
    node.until(|event| match event {
        Event::Dialled { .. } => Some(true),
        Event::DialFailed { .. } => Some(false),
        _ => None,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_dial_at_once_and_end_on_one_session_over_one_connection() {
    for round in 1..=30 {
        both_dial(round).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quic_carries_the_session_where_both_are_there() {
    let (mut a, mut b) = (Node::new(1, &[TCP4, QUIC4]).await, Node::new(2, &[TCP4, QUIC4]).await);
    a.dial(1, &b).await;
    let (key_a, key_b) = (a.key, b.key);
    for (node, peer) in [(&mut a, key_b), (&mut b, key_a)] {
        while node.session_with(&peer).await.path.transport != Transport::Quic {
            assert_eq!(node.closed().await, CloseReason::Replaced);
        }
    }
    exchange(&mut a, &mut b, b"over quic").await;
    a.shut_down().await;
    b.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_better_path_replaces_a_session_and_both_sides_are_told() {
    let (mut a, mut b) = (Node::new(1, &[TCP4, QUIC4]).await, Node::new(2, &[TCP4, QUIC4]).await);
    let over = |node: &Node, transport| -> Vec<Address> {
        node.listening.iter().filter(|address| address.transport() == Some(transport)).cloned().collect()
    };
    a.dial_at(1, Some(b.key), over(&b, Transport::Tcp)).await;
    exchange(&mut a, &mut b, b"over tcp").await;
    // A dial of an address alone goes out although the peer is connected: the node asks for it.
    a.dial_at(2, None, over(&b, Transport::Quic)).await;
    let (at_a, at_b) = tokio::join!(a.closed(), b.closed());
    assert_eq!((at_a, at_b), (CloseReason::Replaced, CloseReason::Replaced));
    exchange(&mut a, &mut b, b"over quic").await;
    assert_eq!(a.open[&b.key].path.transport, Transport::Quic);
}

#[tokio::test(flavor = "multi_thread")]
async fn dials_of_one_peer_share_a_connection_and_each_is_answered() {
    let (mut a, mut b) = (Node::new(1, &[QUIC4]).await, Node::new(2, &[QUIC4]).await);
    for ticket in 0..5 {
        a.dial(ticket, &b).await;
    }
    let mut answered = Vec::new();
    while answered.len() < 5 {
        answered.push(dialled(&mut a).await);
    }
    assert_eq!(answered, (0..5).map(Ticket).collect::<Vec<_>>());
    exchange(&mut a, &mut b, b"once").await;
    a.dial(9, &b).await;
    assert_eq!(dialled(&mut a).await, Ticket(9));
    assert_eq!((a.opened, b.opened), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_without_a_name_leads_to_whoever_answers() {
    let (mut a, b) = (Node::new(1, &[TCP4]).await, Node::new(2, &[TCP4]).await);
    a.dial_at(1, None, b.listening.clone()).await;
    assert_eq!(a.session_with(&b.key).await.peer, b.key);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dial_that_is_given_before_the_listeners_are_up_goes_out_from_their_port() {
    let b = Node::new(2, &[TCP4]).await;
    let (commands, mut events, _task) = start(config(1, &[TCP4])).unwrap();
    let dial = Command::Dial { ticket: Ticket(1), peer: Some(b.key), addresses: b.listening.clone() };
    commands.send(dial).await.unwrap();
    let mut b = b;
    let key = config(1, &[]).net_key();
    let remote = b.session_with(&key).await.path.remote;
    let Some(Event::Listening { addresses }) = events.recv().await else { panic!("not listening first") };
    assert_eq!(addresses, [remote]);
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_dials_have_names() {
    let mut a = Node::with(1, &[TCP4, QUIC4], |config| config.timing.connect = Duration::from_millis(1_500)).await;
    let b = Node::new(2, &[TCP4, QUIC4]).await;
    let (key_a, key_b) = (a.key, b.key);
    let nobody = config(77, &[]).net_key();

    a.dial_at(1, Some(nobody), b.listening.clone()).await;
    let wrong = failure(&mut a).await;
    assert!(why(&wrong).contains(&DialFault::WrongPeer { got: Some(key_b) }), "{wrong:?}");

    let free = { std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port() };
    let refused: Address = format!("/ip4/127.0.0.1/tcp/{free}").parse().unwrap();
    a.dial_at(2, None, vec![refused.clone()]).await;
    let refusal = failure(&mut a).await;
    assert_eq!(refusal, [FailedAttempt { address: Some(refused), why: DialFault::Refused }]);

    // Accepts by the kernel's hand, and says nothing.
    let mute_socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mute = format!("/ip4/127.0.0.1/tcp/{}", mute_socket.local_addr().unwrap().port()).parse().unwrap();
    a.dial_at(3, None, vec![mute]).await;
    assert_eq!(why(&failure(&mut a).await), [DialFault::Timeout]);

    let hole = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    a.dial_at(
        4,
        None,
        vec![format!("/ip4/127.0.0.1/udp/{}/quic-v1", hole.local_addr().unwrap().port()).parse().unwrap()],
    )
    .await;
    assert_eq!(why(&failure(&mut a).await), [DialFault::Timeout]);

    for (ticket, own) in [(5, None), (6, Some(key_a))] {
        a.dial_at(ticket, own, a.listening.clone()).await;
        let faults = why(&failure(&mut a).await);
        assert!(!faults.is_empty() && faults.iter().all(|fault| *fault == DialFault::Own), "{faults:?}");
    }

    a.dial_at(7, Some(key_b), Vec::new()).await;
    assert_eq!(failure(&mut a).await, [FailedAttempt { address: None, why: DialFault::NoAddress }]);

    a.dial_at(8, None, vec!["/dns4/nobody.invalid/tcp/1".parse().unwrap()]).await;
    let unknown = why(&failure(&mut a).await);
    assert!(matches!(unknown[..], [DialFault::Unreachable | DialFault::Timeout | DialFault::Other(_)]), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_on_one_address_does_not_keep_us_from_the_peer_on_another() {
    let (mut a, mut b) = (Node::new(1, &[TCP4, QUIC4]).await, Node::new(2, &[TCP4]).await);
    let stranger = Node::new(3, &[TCP4]).await;
    let addresses = [stranger.listening.clone(), b.listening.clone()].concat();
    a.dial_at(1, Some(b.key), addresses).await;
    assert_eq!(dialled(&mut a).await, Ticket(1));
    exchange(&mut a, &mut b, b"found").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_told_apart_and_the_others_are_listened_on() {
    let first = Node::new(1, &[TCP4, QUIC4]).await;
    let taken: Vec<String> = first.listening.iter().map(Address::to_string).collect();
    let foreign = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let foreign = (format!("/ip4/127.0.0.1/tcp/{}", foreign.local_addr().unwrap().port()), foreign);
    for used in [taken[0].as_str(), taken[1].as_str(), foreign.0.as_str()] {
        let (_commands, mut events, _task) = start(config(2, &[used, TCP4])).unwrap();
        let (mut failed, mut up) = (None, None);
        while failed.is_none() || up.is_none() {
            match tokio::time::timeout(LIMIT, events.recv()).await.unwrap().unwrap() {
                Event::ListenFailed { address, why } => failed = Some((address.to_string(), why)),
                Event::Listening { addresses } => up = Some(addresses),
                _ => {}
            }
        }
        assert_eq!(failed, Some((used.to_owned(), ListenFault::AddressInUse)));
        assert_eq!(up.map(|addresses| addresses.len()), Some(1));
    }
    let (_commands, mut events, _task) = start(config(3, &["/ip4/192.0.2.1/tcp/0"])).unwrap();
    let event = events.recv().await;
    assert!(matches!(event, Some(Event::ListenFailed { why: ListenFault::AddressNotAvailable, .. })), "{event:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn discovery_can_be_switched_at_any_time() {
    let (mut a, mut b) = pair(&[TCP4]).await;
    for on in [true, true, false, true, false, false] {
        a.command(Command::SetMdns(on)).await;
    }
    exchange(&mut a, &mut b, b"undisturbed").await;
    a.shut_down().await;
    b.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_transport_ends_when_the_node_is_gone() {
    let (a, mut b) = pair(&[TCP4]).await;
    drop(a.commands);
    drop(a.events);
    tokio::time::timeout(LIMIT, a.task).await.unwrap().unwrap();
    b.closed().await;
}
