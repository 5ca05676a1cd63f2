//! Planted faults: a simulator that cannot fail shows nothing. Each test breaks one promise on
//! purpose and expects the checkers to say so.

use std::rc::Rc;

use rand_chacha::ChaCha20Rng;
use y7ke_crypto::ids::{NetKey, RootId};
use y7ke_ledger::StorageError;
use y7ke_ledger::store::Ledger;
use y7ke_node::api::{Answer, Status};
use y7ke_node::core::{Engine, Input, Now, Output};
use y7ke_tests::sim::brain::{Brain, Maker, Shut, engine, honest};
use y7ke_tests::sim::disk::Part;
use y7ke_tests::sim::net::{MILLI, SECOND};
use y7ke_tests::sim::people::{Deed, Said};
use y7ke_tests::sim::run::{befriend, people};
use y7ke_tests::sim::smuggler::{Contraband, smuggler};
use y7ke_tests::sim::world::{Act, World};

/// What a bent core does to the outputs of a round.
type Bend = fn(&mut Vec<Output>, &mut u64);

/// An engine behind a wrapper that breaks one promise.
struct Bent {
    inner: Engine<ChaCha20Rng>,
    bend: Bend,
    memory: u64,
}

impl Brain for Bent {
    fn net(&self) -> NetKey {
        Brain::net(&self.inner)
    }

    fn root(&self) -> RootId {
        Brain::root(&self.inner)
    }

    fn round(&mut self, inputs: Vec<Input>, now: Now) -> (Vec<Output>, Option<StorageError>) {
        let (mut outputs, fault) = self.inner.round(inputs, now);
        (self.bend)(&mut outputs, &mut self.memory);
        (outputs, fault)
    }

    fn poll_timeout(&self) -> Option<(u64, &'static str)> {
        self.inner.poll_timeout()
    }

    fn ledger(&self) -> Option<Ledger> {
        Brain::ledger(&self.inner)
    }

    fn close(self: Box<Self>) -> Box<dyn Shut> {
        Box::new(self.inner.close())
    }
}

fn bent(bend: Bend) -> Maker {
    Rc::new(move |boot| Ok(Box::new(Bent { inner: engine(boot)?, bend, memory: 0 })))
}

/// Two people, the first with this core, talk for a while; what the checkers say in the end.
fn talk_with(maker: Maker, seed: u64, then: impl Fn(&mut World)) -> Vec<String> {
    let mut world = World::new(seed);
    world.machine(maker);
    world.machine(honest());
    befriend(&mut world, 0, 1);
    for nth in 0..6 {
        world.plan(nth * 700 * MILLI, Act::Person(0, Deed::Say(1)));
        world.plan(nth * 900 * MILLI, Act::Person(1, Deed::Say(0)));
    }
    then(&mut world);
    world.run_for(10 * SECOND);
    world.judge();
    world.checks.violations().to_vec()
}

fn caught(violations: &[String], rule: &str) {
    assert!(violations.iter().any(|what| what.contains(rule)), "expected {rule:?} among {violations:#?}");
}

/// The counter-test: with nothing bent, nothing is found.
#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    assert_eq!(talk_with(bent(|_, _| {}), 1, |_| {}), Vec::<String>::new());
}

/// A disk that only says that it synced: an answered message is gone after a power cut.
#[test]
fn a_disk_that_lies_about_syncs_is_found() {
    let found: Vec<String> = (0..3)
        .flat_map(|seed| {
            talk_with(honest(), seed, |world| {
                world.machines[1].disk.lie();
                world.plan(8 * SECOND, Act::Crash(1));
                world.plan(9 * SECOND, Act::Boot(1));
            })
        })
        .collect();
    assert!(
        found.iter().any(|what| what.contains("S3") || what.contains("E7") || what.contains("disk error that never")),
        "{found:#?}"
    );
}

/// "Sent" is answered, and nothing was written: an acknowledgement before the commit.
#[test]
fn an_answer_without_a_message_is_found() {
    let lie: Bend = |outputs, count| {
        for output in outputs {
            if let Output::Answer { result: Ok(Answer::Sent { message_id }), .. } = output {
                *count += 1;
                *message_id = format!("{count:064x}");
            }
        }
    };
    caught(&talk_with(bent(lie), 2, |_| {}), "E7");
}

/// "Delivered" is shown as soon as a message is written.
#[test]
fn delivered_too_early_is_found() {
    let lie: Bend = |outputs, _| {
        for output in outputs {
            if let Output::Notice(y7ke_node::api::Notice::MessageStatus { message }) = output
                && message.status == Status::Sent
            {
                message.status = Status::Delivered;
            }
        }
    };
    caught(&talk_with(bent(lie), 3, |_| {}), "S3");
}

/// One answer of a round is dropped.
#[test]
fn a_dropped_answer_is_found() {
    let lie: Bend = |outputs, count| {
        *count += 1;
        if *count > 30
            && let Some(at) = outputs
                .iter()
                .position(|output| matches!(output, Output::Answer { result: Ok(Answer::Sent { .. }), .. }))
        {
            outputs.remove(at);
        }
    };
    caught(&talk_with(bent(lie), 4, |_| {}), "never answered");
}

/// One answer is given twice.
#[test]
fn a_doubled_answer_is_found() {
    let lie: Bend = |outputs, _| {
        if let Some(Output::Answer { call, result }) =
            outputs.iter().find(|output| matches!(output, Output::Answer { .. }))
        {
            let again = Output::Answer { call: *call, result: result.clone() };
            outputs.push(again);
        }
    };
    let mut world = World::new(5);
    world.machine(bent(lie));
    world.act(Act::Person(0, Deed::List));
    world.run_for(SECOND);
    caught(world.checks.violations(), "twice");
}

/// Frames of the bulk lane are dropped: the transport's promise, and without it nothing arrives.
#[test]
fn dropped_frames_are_found() {
    let lie: Bend = |outputs, _| {
        outputs.retain(|output| {
            let is_bulk = |command: &y7ke_transport::Command| {
                matches!(command, y7ke_transport::Command::Send { lane: y7ke_transport::Lane::Msg, .. })
            };
            !matches!(output, Output::Net(command) if is_bulk(command))
        });
    };
    let mut world = World::new(6);
    world.machine(bent(lie));
    world.machine(honest());
    befriend(&mut world, 0, 1);
    caught(world.checks.violations(), "did not become contacts");
}

/// The checker's own input in another order, with a line too many, and with one missing.
#[test]
fn a_log_that_differs_from_what_was_said_is_found() {
    let with = |change: fn(&mut Vec<Said>)| {
        let mut world = World::new(7);
        people(&mut world, 2);
        befriend(&mut world, 0, 1);
        (0..4).for_each(|nth| world.plan(nth * SECOND, Act::Person(0, Deed::Say(1))));
        world.run_for(8 * SECOND);
        change(&mut world.people.said);
        world.judge();
        world.checks.violations().to_vec()
    };
    assert_eq!(with(|_| {}), Vec::<String>::new());
    caught(&with(|said| drop(said.pop())), "nobody ever wrote");
    caught(
        &with(|said| {
            let fate = said[0].fate.clone();
            said[0].fate = std::mem::replace(&mut said[1].fate, fate);
        }),
        "E7",
    );
    caught(
        &with(|said| {
            let ghost = Said { text: "never written".into(), ..said[0].clone() };
            said.push(ghost);
        }),
        "E7",
    );
}

/// An event within the rules goes the way of the smuggled ones, and is taken: that way leads in.
#[test]
fn a_smuggled_event_that_is_taken_is_found() {
    let (maker, ring) = smuggler(&[Contraband::GoodClock]);
    let mut world = World::new(9);
    world.machine(honest());
    world.machine(maker);
    befriend(&mut world, 0, 1);
    world.suspect(1);
    for nth in 0..3 {
        world.plan(nth * SECOND, Act::Person(1, Deed::Say(0)));
    }
    world.run_for(4 * SECOND);
    ring.on.set(true);
    world.plan(0, Act::Person(1, Deed::Say(0)));
    world.run_for(4 * SECOND);
    world.nothing_was_smuggled(&ring.slipped);
    caught(world.checks.violations(), "machine 0 took smuggled event");
}

/// One who was asked accepts after all: then the self-acceptor is a contact, and its opening comes second.
#[test]
fn a_self_acceptor_who_becomes_a_contact_is_found() {
    let (maker, ring) = smuggler(&[Contraband::OwnOpening]);
    let mut world = World::new(10);
    world.machine(honest());
    world.machine(maker);
    world.suspect(1);
    ring.on.set(true);
    befriend(&mut world, 1, 0);
    world.is_no_contact(0, 1);
    caught(world.checks.violations(), "B5");
}

/// A text on the wire or on a disk in the clear.
#[test]
fn words_in_the_clear_are_found() {
    let lie: Bend = |outputs, _| {
        let clear = outputs.iter().find_map(|output| match output {
            Output::Notice(y7ke_node::api::Notice::MessageChanged { message }) => Some(message.text.clone()),
            _ => None,
        });
        for output in outputs {
            if let (Some(text), Output::Net(y7ke_transport::Command::Send { frame, .. })) = (&clear, output) {
                frame.extend_from_slice(text.as_bytes());
            }
        }
    };
    caught(&talk_with(bent(lie), 8, |_| {}), "in the clear");
    let mut world = World::new(8);
    people(&mut world, 1);
    let canary = world.checks.canary().to_owned();
    redb::StorageBackend::write(&world.machines[0].disk.plug(Part::Pages), 1 << 22, canary.as_bytes())
        .unwrap_or_default();
    world.run_for(SECOND);
    world.verify();
    caught(world.checks.violations(), "in the clear");
}
