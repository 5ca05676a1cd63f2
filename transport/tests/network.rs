//! What needs more than loopback: run by hand, in a network namespace of its own.
//!
//! ```text
//! unshare -rn sh -c 'ip link set lo up; ip link add d0 type veth peer name d1; ip link set d1 up; ip link set d0 up;
//!   ip addr add 10.9.9.1/24 dev d0; ip route add default dev d0; cargo test … --test network -- --ignored'
//! ```
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::process::Command as Process;

use common::*;
use y7ke_transport::{Command, Event};

const ANY4: &str = "/ip4/0.0.0.0/tcp/0";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a multicast interface"]
async fn devices_on_one_network_find_each_other() {
    let mut a = Node::with(1, &[ANY4], |config| config.mdns = true).await;
    let b = Node::with(2, &[ANY4], |_| {}).await;
    // Switched on late: what was listened on before is announced as well.
    b.command(Command::SetMdns(true)).await;
    let wanted = b.key;
    let found = a
        .until(|event| match event {
            Event::Discovered { peer, addresses } if *peer == wanted => Some(addresses.clone()),
            _ => None,
        })
        .await;
    a.dial_at(1, Some(wanted), found).await;
    assert_eq!(a.session_with(&wanted).await.peer, wanted);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a multicast interface"]
async fn a_device_that_is_switched_off_answers_nobody() {
    let on = |config: &mut y7ke_transport::Config| config.mdns = true;
    let (mut a, b) = (Node::with(1, &[ANY4], on).await, Node::with(2, &[ANY4], on).await);
    let (key_a, key_b) = (a.key, b.key);
    let found = |event: &Event, who| matches!(event, Event::Discovered { peer, .. } if *peer == who);
    a.until(|event| found(event, key_b).then_some(())).await;
    b.command(Command::SetMdns(false)).await;
    // Commands are taken in order, so discovery is off when this one is answered.
    b.dial_at(1, Some(key_a), Vec::new()).await;
    let mut b = b;
    b.until(|event| matches!(event, Event::DialFailed { .. }).then_some(())).await;
    let mut c = Node::with(3, &[ANY4], on).await;
    let mut seen = Vec::new();
    let window = std::time::Duration::from_secs(3);
    tokio::time::timeout(window, async {
        loop {
            seen.push(c.next().await);
        }
    })
    .await
    .unwrap_or(());
    assert!(seen.iter().any(|event| found(event, key_a)));
    assert!(!seen.iter().any(|event| found(event, key_b)));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "changes the addresses of interface d0"]
async fn a_new_address_of_this_machine_is_told() {
    let mut a = Node::new(1, &[ANY4]).await;
    // Addresses that come in the first half second belong to the start; this one must not.
    tokio::time::timeout(std::time::Duration::from_secs(2), async { while a.last().await.is_some() {} })
        .await
        .unwrap_or(());
    let before = a.listening.len();
    assert!(Process::new("ip").args(["addr", "add", "10.9.8.7/24", "dev", "d0"]).status().unwrap().success());
    a.until(|event| matches!(event, Event::NetworkChanged).then_some(())).await;
    assert!(a.listening.len() > before);
    assert!(Process::new("ip").args(["addr", "del", "10.9.8.7/24", "dev", "d0"]).status().unwrap().success());
    a.until(|event| matches!(event, Event::NetworkChanged).then_some(())).await;
}
