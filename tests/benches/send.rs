//! Send → delivered: from the command to the word that the other side has it durably.
//!
//! ```text
//! ours    message.send ─▶ commit ─▶ frame ─▶ verify, open, commit ─▶ signed acknowledgement ─▶ verify, commit ─▶ "delivered"
//! rival   INSERT ─▶ request_response::cbor ─▶ INSERT ─▶ response ─▶ UPDATE
//! ```
//!
//! Two real nodes in one process over loopback, one message at a time; both sides durable, and the
//! sender's knowledge of it as well. In a run the messages of ours and of the rival follow each other
//! in blocks; each block gives a median and a 99th percentile.

use std::sync::mpsc::channel;

use anyhow::Context;
use y7ke_node::api::{Notice, Status};
use y7ke_tests::bench::people::{Side, acquainted};
use y7ke_tests::bench::rival::Rival;
use y7ke_tests::bench::{Bar, Figures, Place, Unit, clock, head, median, number, pairs, percentile, row, say, wall};

/// Messages of a block: enough for a 99th percentile that is not the worst one.
const BLOCK: usize = 200;
/// What is written: a sentence or two.
const BYTES: usize = 200;
/// Not measured: caches, paths and the first epoch settle.
const WARM_UP: usize = 20;

const LISTEN: [(&str, &str); 2] = [("TCP", "/ip4/127.0.0.1/tcp/0"), ("QUIC", "/ip4/127.0.0.1/udp/0/quic-v1")];

fn main() -> anyhow::Result<()> {
    let mut steps = Vec::new();
    head();
    for place in Place::ALL {
        for (name, listen) in LISTEN {
            steps.push(compare(place, name, listen)?);
        }
    }
    say("");
    say("| step, median | share |");
    say("|---|---|");
    steps.iter().flatten().for_each(|line| say(line));
    Ok(())
}

/// The rows of one place and transport; the steps of ours, to be told at the end.
fn compare(place: Place, name: &str, listen: &str) -> anyhow::Result<Vec<String>> {
    let folder = place.folder()?;
    let (mut a, mut b) = acquainted(folder.path(), listen)?;
    let mut rival = Rival::start(folder.path(), listen)?;
    let block = number("Y7KE_BENCH_BLOCK", BLOCK);
    times(WARM_UP, || ours(&mut a, &b.y7_id))?;
    times(WARM_UP, || rival.send("x".repeat(BYTES)))?;
    let (mut middle, mut slowest) = (Figures::default(), Figures::default());
    for _ in 0..pairs() {
        let of_ours = times(block, || ours(&mut a, &b.y7_id))?;
        let of_rival = times(block, || rival.send("x".repeat(BYTES)))?;
        middle.add(median(&of_ours), median(&of_rival));
        slowest.add(percentile(&of_ours, 99), percentile(&of_rival, 99));
    }
    let bar = if place == Place::Memory { Bar::AtMost(1.0) } else { Bar::AtMost(1.5) };
    row(&format!("send → delivered, {name}, {}, p50", place.name()), Unit::Time, &middle, bar);
    row(&format!("send → delivered, {name}, {}, p99", place.name()), Unit::Time, &slowest, bar);
    let steps = steps(&mut a, &mut b, block, &format!("{name}, {}", place.name()))?;
    a.handle.shutdown();
    b.handle.shutdown();
    Ok(steps)
}

fn times(count: usize, mut send: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Vec<f64>> {
    let one = |_| {
        let (sent, took) = wall(&mut send);
        sent.map(|()| took)
    };
    (0..count).map(one).collect()
}

fn ours(from: &mut Side, to: &str) -> anyhow::Result<()> {
    let id = from.send(to, "x".repeat(BYTES))?;
    from.until("a delivery", |message| message.message_id == id && message.status == Status::Delivered)
}

/// Where the time goes, between what can be seen from outside: the answer, the other side's notice, "delivered".
fn steps(a: &mut Side, b: &mut Side, count: usize, what: &str) -> anyhow::Result<Vec<String>> {
    while b.notices.try_recv().is_some() {}
    let (told, came) = channel();
    let to = b.y7_id.clone();
    let mut parts: [Vec<f64>; 3] = Default::default();
    std::thread::scope(|scope| {
        let listener = scope.spawn(move || listen_for(b, count, &told));
        for _ in 0..count {
            let begin = clock();
            let id = a.send(&to, "x".repeat(BYTES))?;
            let answered = clock();
            a.until("a delivery", |message| message.message_id == id && message.status == Status::Delivered)?;
            let delivered = clock();
            let (heard, at) = came.recv()?;
            anyhow::ensure!(heard == id, "messages came in another order");
            let between = [at.saturating_duration_since(begin).as_secs_f64(), (delivered - begin).as_secs_f64()];
            let written = (answered - begin).as_secs_f64().min(between[0]);
            parts[0].push(written);
            parts[1].push(between[0] - written);
            parts[2].push((between[1] - between[0]).max(0.0));
        }
        listener.join().ok().context("the listener panicked")?
    })?;
    let medians = parts.map(|part| median(&part));
    let whole: f64 = medians.iter().sum();
    let names = [
        "write here: seal, sign, fold, commit, answer",
        "carry, verify, open, fold, commit there",
        "acknowledge: sign, carry, verify, commit, tell",
    ];
    let line = |(name, took): (&&str, &f64)| {
        format!("| {what}: {name}, {} | {:.0} % |", Unit::Time.show(*took), 100.0 * took / whole)
    };
    Ok(names.iter().zip(&medians).map(line).collect())
}

/// Notes when each message came in at the other side.
fn listen_for(
    side: &mut Side,
    count: usize,
    told: &std::sync::mpsc::Sender<(String, std::time::Instant)>,
) -> anyhow::Result<()> {
    for _ in 0..count {
        let id = side.wait("a message", |notice| match notice {
            Notice::MessageReceived { message } => Some(message.message_id),
            _ => None,
        })?;
        told.send((id, clock()))?;
    }
    Ok(())
}
