//! Killed at any moment: what was answered is on both sides exactly once (shown: 3; E7, S3).
#![allow(clippy::unwrap_used, reason = "a failed expectation ends a test")]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::{Person, befriend, ids, in_step, messages, text};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};
use y7ke_tests::process::{Node, Pending};

/// Rounds unless `Y7KE_KILL_ROUNDS` says otherwise.
const ROUNDS: u32 = 50;

/// Messages that each side writes in a round without waiting.
const BURST: u32 = 24;

/// A round's longest run after the answers that it waited for, in microseconds.
const LONGEST_RUN_US: u64 = 600_000;

/// One side over all its lives.
struct Side {
    person: Person,
    /// `None` only between a kill and the next start.
    node: Option<Node>,
    /// Whom it writes to.
    with: String,
    letter: char,
    written: u32,
    /// Message ids that were answered, in any life.
    answered: BTreeSet<String>,
    /// Asked in this life and not answered yet.
    open: Vec<Pending>,
}

impl Side {
    fn new(person: Person, node: Node, with: &str, letter: char) -> Self {
        let (answered, open) = (BTreeSet::new(), Vec::new());
        Self { person, node: Some(node), with: with.into(), letter, written: 0, answered, open }
    }

    fn node(&mut self) -> &mut Node {
        self.node.as_mut().expect("alive between rounds")
    }

    fn write(&mut self) {
        for _ in 0..BURST {
            self.written += 1;
            let params = json!({"y7_id": self.with, "text": format!("{} {}", self.letter, self.written)});
            let call = self.node().ask("message.send", params);
            self.open.push(call);
        }
    }

    /// Waits until `count` sends of this life are answered: the kill then meets work, not a start.
    fn wait_for(&mut self, count: u32) {
        let open = self.open.clone();
        let calls = open.iter().take(usize::try_from(count).unwrap_or(0));
        for call in calls {
            self.node().until("an answer", |node| node.has_answered(*call).then_some(()));
        }
    }

    fn note(&mut self, answer: &Value) {
        assert!(self.answered.insert(text(&answer["result"]["message_id"])), "two sends got one id: {answer}");
    }

    /// SIGKILL; whatever it had answered before counts.
    fn kill(&mut self) {
        let dead = self.node.take().expect("alive between rounds");
        let (_events, answers) = dead.kill();
        for call in std::mem::take(&mut self.open) {
            if let Some(answer) = answers.get(&Node::number(call)) {
                self.note(answer);
            }
        }
        self.node = Some(self.person.start());
    }

    fn finish(&mut self) {
        for call in std::mem::take(&mut self.open) {
            let answer = self.node().answer(call).expect("message.send is not refused");
            self.note(&json!({"result": answer}));
        }
    }
}

#[test]
fn what_was_answered_survives_kills_at_random_moments_on_both_sides_exactly_once() {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let (mut a, mut b) = acquainted();
    for round in 0..rounds() {
        a.write();
        b.write();
        a.wait_for(rng.next_u32() % BURST);
        b.wait_for(rng.next_u32() % BURST);
        run_for(a.node(), Duration::from_micros(rng.next_u64() % LONGEST_RUN_US));
        match rng.next_u32() % 3 {
            0 => a.kill(),
            1 => b.kill(),
            _ => {
                a.kill();
                b.kill();
            }
        }
        eprintln_round(round, &a, &b);
    }
    a.finish();
    b.finish();
    let (a_id, b_id) = (b.with.clone(), a.with.clone());
    in_step(a.node(), &a_id, b.node(), &b_id);
    assert_exactly_once(&mut a, &mut b);
}

fn acquainted() -> (Side, Side) {
    let (ada, bob) = (Person::new(), Person::new());
    let (mut a, mut b) = (ada.start(), bob.start());
    let (a_id, b_id) = befriend(&mut a, &mut b);
    (Side::new(ada, a, &b_id, 'a'), Side::new(bob, b, &a_id, 'b'))
}

/// Reads what `node` writes until the time is over: the kill then meets whatever is going on.
fn run_for(node: &mut Node, time: Duration) {
    let deadline = y7ke_tests::process::Deadline::after(time);
    while !deadline.left().is_zero() {
        node.pump(deadline.left());
    }
}

fn assert_exactly_once(a: &mut Side, b: &mut Side) {
    let (with_a, with_b) = (a.with.clone(), b.with.clone());
    let of_a = messages(a.node(), &with_a);
    let of_b = messages(b.node(), &with_b);
    assert_eq!(ids(&of_a), ids(&of_b));
    let texts: BTreeSet<String> = of_a.iter().map(|message| text(&message["text"])).collect();
    let all: BTreeSet<String> = ids(&of_a).into_iter().collect();
    assert_eq!((texts.len(), all.len()), (of_a.len(), of_a.len()), "something is there twice");
    let answered: BTreeSet<String> = a.answered.union(&b.answered).cloned().collect();
    assert!(answered.is_subset(&all), "lost: {:?}", answered.difference(&all).collect::<Vec<_>>());
    assert!(!answered.is_empty());
}

fn rounds() -> u32 {
    std::env::var("Y7KE_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS)
}

#[allow(clippy::print_stderr, reason = "progress of a long test")]
fn eprintln_round(round: u32, a: &Side, b: &Side) {
    eprintln!(
        "round {round}: {} of {} and {} of {} answered",
        a.answered.len(),
        a.written,
        b.answered.len(),
        b.written
    );
}
