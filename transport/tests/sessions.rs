//! Sessions between real endpoints: lanes, order, bounds, ends.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::time::Duration;

use common::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use y7ke_transport::{Address, CloseReason, Command, Event, IpVersion, Lane, PathKind, Transport, Trust};

const FRAMES: u32 = 10_000;
/// Fewer than a lane's queue holds.
const BATCH: u32 = 1_000;

fn lane_of(number: u32) -> Lane {
    Lane::ALL[number as usize % 3]
}

fn frame(number: u32) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.resize(4 + number as usize % 300, 0xab);
    bytes
}

async fn send_batch(from: &Node, to: &Node, first: u32) {
    for number in first..first + BATCH {
        from.send(&to.key, lane_of(number), frame(number)).await;
    }
}

/// Takes a batch; each lane must come in order, without a gap.
async fn take_batch(node: &mut Node, next: &mut [u32; 3]) {
    for _ in 0..BATCH {
        let (_, lane, bytes) = node.frame().await;
        let expected = &mut next[Lane::ALL.iter().position(|one| *one == lane).unwrap()];
        assert_eq!(bytes, frame(*expected), "out of order on {lane:?}");
        *expected += 3;
    }
}

async fn frames_both_ways(listen: &str) {
    let (mut a, mut b) = pair(&[listen]).await;
    let (mut at_a, mut at_b) = ([0, 1, 2], [0, 1, 2]);
    for first in (0..FRAMES).step_by(BATCH as usize) {
        tokio::join!(send_batch(&a, &b, first), send_batch(&b, &a, first));
        tokio::join!(take_batch(&mut a, &mut at_a), take_batch(&mut b, &mut at_b));
    }
    a.shut_down().await;
    assert_eq!(b.closed().await, CloseReason::PeerClosed);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_frames_each_way_in_order_over_tcp() {
    frames_both_ways(TCP4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_frames_each_way_in_order_over_quic() {
    frames_both_ways(QUIC4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_path_tells_transport_and_internet() {
    let cases = [
        (TCP4, Transport::Tcp, IpVersion::V4),
        (TCP6, Transport::Tcp, IpVersion::V6),
        (QUIC4, Transport::Quic, IpVersion::V4),
        (QUIC6, Transport::Quic, IpVersion::V6),
    ];
    for (listen, transport, ip) in cases {
        let (mut a, mut b) = pair(&[listen]).await;
        exchange(&mut a, &mut b, b"hello").await;
        for (here, there) in [(&a, &b), (&b, &a)] {
            let path = &here.open[&there.key].path;
            assert_eq!((path.kind, path.transport, path.ip), (PathKind::Direct, transport, ip));
            // Dials go out from the listening port, so the peer's end can be dialled later.
            assert_eq!(path.remote, there.listening[0]);
        }
        a.shut_down().await;
        b.shut_down().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_writes_what_is_queued_and_says_goodbye() {
    for listen in [TCP4, QUIC4] {
        let (a, mut b) = pair(&[listen]).await;
        for number in 0..BATCH {
            a.send(&b.key, Lane::Msg, frame(number)).await;
        }
        a.shut_down().await;
        for number in 0..BATCH {
            assert_eq!(b.frame().await.2, frame(number));
        }
        assert_eq!(b.closed().await, CloseReason::PeerClosed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn close_ends_one_session_and_the_next_dial_opens_another() {
    let (mut a, mut b) = pair(&[TCP4, QUIC4]).await;
    a.send(&b.key, Lane::Handshake, b"last words".to_vec()).await;
    let session = a.open[&b.key].session;
    a.command(Command::Close { session, why: "test" }).await;
    assert_eq!(a.closed().await, CloseReason::Asked { why: "test" });
    assert_eq!(b.frame().await.2, b"last words");
    assert_eq!(b.closed().await, CloseReason::PeerClosed);
    // To a session that is gone: nothing happens.
    a.command(Command::Send { session, lane: Lane::Sync, frame: vec![1] }).await;
    b.dial(2, &a).await;
    exchange(&mut a, &mut b, b"again").await;
    let peer = b.key;
    a.command(Command::Disconnect { peer }).await;
    // It may be moving to QUIC.
    while a.closed().await == CloseReason::Replaced {}
    assert_eq!(a.closed.last().map(|(_, reason)| reason.clone()), Some(CloseReason::Disconnected));
    a.shut_down().await;
    b.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_is_missed() {
    for listen in [TCP4, QUIC4] {
        let (a, mut b) = pair(&[listen]).await;
        a.task.abort();
        assert_eq!(b.closed().await, CloseReason::Lost);
        b.shut_down().await;
    }
}

/// Forwards between two sockets until it is told to fall silent; then it swallows.
async fn forward(from: TcpStream, to: Address, silent: watch::Receiver<bool>) {
    let (ip, port) = (to.ip().unwrap(), to.port().unwrap());
    let onward = TcpStream::connect((ip, port)).await.unwrap();
    let ((mut from_in, mut from_out), (mut onward_in, mut onward_out)) = (from.into_split(), onward.into_split());
    let mut quiet = silent.clone();
    tokio::select! {
        _ = copy(&mut from_in, &mut onward_out) => {}
        _ = copy(&mut onward_in, &mut from_out) => {}
        _ = quiet.wait_for(|silent| *silent) => {}
    }
    // Held open, and nothing passes any more.
    let _held = (from_in, from_out, onward_in, onward_out);
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_falls_silent_is_missed_on_both_sides_without_a_word_from_the_network() {
    let mut a = Node::with(1, &[TCP4], |config| quick(&mut config.timing)).await;
    let mut b = Node::with(2, &[TCP4], |config| quick(&mut config.timing)).await;
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = proxy.local_addr().unwrap().port();
    let (silence, silent) = watch::channel(false);
    let behind = b.listening[0].clone();
    let forwarding = tokio::spawn(async move {
        let (socket, _) = proxy.accept().await.unwrap();
        forward(socket, behind, silent).await;
    });
    a.dial_at(1, Some(b.key), vec![format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()]).await;
    exchange(&mut a, &mut b, b"loud").await;
    silence.send(true).unwrap();
    let (here, there) = tokio::join!(a.closed(), b.closed());
    assert_eq!((here, there), (CloseReason::Silent, CloseReason::Silent));
    forwarding.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_session_lives_on_heartbeats() {
    let mut a = Node::with(1, &[TCP4], |config| quick(&mut config.timing)).await;
    let mut b = Node::with(2, &[TCP4], |config| quick(&mut config.timing)).await;
    connect(&mut a, &mut b).await;
    // Longer than the silence that kills; any event but none is a failure.
    let quiet = tokio::time::timeout(Duration::from_secs(4), async {
        tokio::select! { e = a.next() => e, e = b.next() => e }
    });
    if let Ok(event) = quiet.await {
        assert!(matches!(event, Event::Dialled { .. }), "{event:?}");
    }
    exchange(&mut a, &mut b, b"still here").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_over_its_cap_loses_its_own_session_only() {
    let grace = Duration::from_millis(200);
    let mut bound = Node::with(1, &[TCP4], |config| config.timing.trust_grace = grace).await;
    let mut quiet = Node::new(2, &[TCP4]).await;
    let mut loud = Node::with(3, &[TCP4], |config| config.limits.contact_frame = 4 << 20).await;
    connect(&mut quiet, &mut bound).await;
    for (length, cap) in [(65_537, 65_536), (1_048_577, 65_536)] {
        connect(&mut loud, &mut bound).await;
        loud.send(&bound.key, Lane::Handshake, vec![7; 65_536]).await;
        assert_eq!(bound.frame().await.2.len(), 65_536);
        loud.send(&bound.key, Lane::Msg, vec![7; length]).await;
        let fault = CloseReason::FrameTooLong { lane: Lane::Msg, length: length as u32, cap };
        assert_eq!(bound.closed().await, fault);
        loud.closed().await;
    }
    exchange(&mut quiet, &mut bound, b"undisturbed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_raises_the_cap_even_for_a_frame_that_came_before_it() {
    let mut a = Node::with(1, &[QUIC4], |config| config.timing.trust_grace = LIMIT).await;
    let mut b = Node::new(2, &[QUIC4]).await;
    connect(&mut b, &mut a).await;
    b.send(&a.key, Lane::Msg, vec![1; 1 << 20]).await;
    // The other lanes go on meanwhile.
    b.send(&a.key, Lane::Sync, b"overtakes".to_vec()).await;
    assert_eq!(a.frame().await.2, b"overtakes");
    let session = a.open[&b.key].session;
    a.command(Command::Trust { session, level: Trust::Contact }).await;
    assert_eq!(a.frame().await.2.len(), 1 << 20);
    b.send(&a.key, Lane::Msg, vec![2; 1 << 20]).await;
    assert_eq!(a.frame().await.2.len(), 1 << 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_must_not_be_sent_is_our_own_fault() {
    let (mut a, b) = pair(&[TCP4]).await;
    a.send(&b.key, Lane::Sync, Vec::new()).await;
    assert_eq!(a.closed().await, CloseReason::BadSend { lane: Lane::Sync, length: 0 });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_does_not_read_is_cut_off_within_bounds_and_others_do_not_feel_it() {
    const FRAME: usize = 64 << 10;
    for listen in [TCP4, QUIC4] {
        let mut a = Node::new(1, &[listen]).await;
        let mut slow = Node::with(2, &[listen], |config| config.limits.events = 4).await;
        let mut other = Node::new(3, &[listen]).await;
        connect(&mut a, &mut slow).await;
        connect(&mut a, &mut other).await;
        let mut sent = 0;
        // From here on, nobody takes the events of `slow`.
        let reason = loop {
            a.send(&slow.key, Lane::Msg, vec![5; FRAME]).await;
            sent += FRAME;
            if sent % (32 * FRAME) == 0 {
                exchange(&mut a, &mut other, &sent.to_le_bytes()).await;
            }
            if let Some((_, reason)) = a.closed.last() {
                break reason.clone();
            }
            assert!(sent < 64 << 20, "64 MiB went to a peer that does not read");
        };
        assert_eq!(reason, CloseReason::TooSlow { lane: Lane::Msg });
        exchange(&mut a, &mut other, b"as if nothing had been").await;
        // What arrived is read late, but in order and whole, and then the loss is told.
        while slow.last().await.is_some_and(|event| !matches!(event, Event::Closed { .. })) {}
        assert!(slow.frames.iter().all(|(_, _, bytes)| bytes.len() == FRAME));
        assert!(slow.frames.len() * FRAME <= sent);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_the_listening_port_harms_nobody() {
    let (mut a, mut b) = pair(&[TCP4]).await;
    let (ip, port) = (a.listening[0].ip().unwrap(), a.listening[0].port().unwrap());
    let mut noise = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..20 {
        let mut socket = TcpStream::connect((ip, port)).await.unwrap();
        let garbage: Vec<u8> = (0..round * 97 + 1)
            .map(|_| {
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                noise as u8
            })
            .collect();
        // The node may hang up at any byte, and must not do more than that.
        if socket.write_all(&garbage).await.is_ok() && socket.shutdown().await.is_ok() {
            let mut rest = Vec::new();
            tokio::time::timeout(LIMIT, socket.read_to_end(&mut rest)).await.unwrap().unwrap_or_default();
        }
    }
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let quic = Node::new(9, &[QUIC4]).await;
    for length in 0..1_200 {
        udp.send_to(&vec![length as u8 | 0xc0; length], ("127.0.0.1", quic.listening[0].port().unwrap())).unwrap();
    }
    exchange(&mut a, &mut b, b"unharmed").await;
    quic.shut_down().await;
}
