//! A measurement, not a test: a round trip on a session that is kept open.
//! `cargo test -p y7ke-transport --test roundtrip -- --ignored --nocapture`
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod common;

use std::time::Instant;

use common::*;
use y7ke_transport::Lane;

const ROUNDS: usize = 5_000;

async fn measure(name: &str, listen: &str) {
    let (mut a, mut b) = pair(&[listen]).await;
    let key_a = a.key;
    let echo = tokio::spawn(async move {
        for _ in 0..ROUNDS {
            let (_, lane, bytes) = b.frame().await;
            b.send(&key_a, lane, bytes).await;
        }
        b
    });
    let peer = *a.open.keys().next().unwrap();
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        a.send(&peer, Lane::Msg, vec![7; 256]).await;
        a.frame().await;
        times.push(begun.elapsed());
    }
    times.sort();
    println!("{name}: round trip p50 {:?} p99 {:?}", times[ROUNDS / 2], times[ROUNDS * 99 / 100]);
    drop(echo.await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn round_trip() {
    measure("TCP", TCP4).await;
    measure("QUIC", QUIC4).await;
}
