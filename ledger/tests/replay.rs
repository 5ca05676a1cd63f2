//! F1, F2: a log as it stood, folded anew; two ledgers held against each other; a log without its words.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects by failing")]

mod person;

use y7ke_crypto::ids::{EventId, LogId};
use y7ke_crypto::text::Name;
use y7ke_ledger::body::Body;
use y7ke_ledger::store::Storage;
use y7ke_ledger::tools::{self, Capsule, Point, ReplayError, State, Steps, Words};

use person::{Person, acquainted, talk};

fn at(of: &Person, log: &LogId, point: &Point) -> State {
    tools::replay(&of.view(), log, point, Words::Shown, Steps::Hidden).unwrap()
}

fn says(state: &State) -> Vec<String> {
    state.messages.iter().map(|message| message.says.trim_matches(['“', '”']).to_owned()).collect()
}

fn logs(of: &Person) -> Vec<LogId> {
    of.view().logs().unwrap().into_iter().map(|info| info.log).collect()
}

#[test]
fn f1_a_replay_of_everything_is_what_the_projection_is() {
    let (mut ada, mut bo, talked) = acquainted(Storage::memory());
    talk(&mut ada, &mut bo, talked, 12);
    for one in [&ada, &bo] {
        for log in logs(one) {
            let state = at(one, &log, &Point::Newest);
            assert_eq!(state.projection, hex::encode(one.digest(&log)), "{}", state.kind);
            assert_eq!((state.events, state.closed), (state.of, 0));
        }
        let state = at(one, &talked, &Point::Newest);
        assert_eq!(says(&state), one.texts(talked));
        let heads: Vec<_> = one.view().heads(&talked).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(state.heads, heads);
    }
}

/// Each moment is written down as it was, and found again when much has happened since.
#[test]
fn f1_any_past_state_is_found_again_by_its_heads() {
    let (mut ada, mut bo, log) = acquainted(Storage::memory());
    let mut moments = Vec::new();
    for _ in 0..6 {
        talk(&mut ada, &mut bo, log, 3);
        ada.say(log, bo.root, "apart");
        moments.push((ada.view().heads(&log).unwrap(), ada.digest(&log), ada.texts(log)));
    }
    talk(&mut ada, &mut bo, log, 1);
    for (heads, digest, texts) in moments {
        for one in [&ada, &bo] {
            let state = at(one, &log, &Point::Heads(heads.clone()));
            assert_eq!((&state.projection, says(&state)), (&hex::encode(digest), texts.clone()));
        }
    }
}

#[test]
fn f1_a_number_and_a_time_are_heads_as_well() {
    let (mut ada, mut bo, log) = acquainted(Storage::memory());
    talk(&mut ada, &mut bo, log, 7);
    let shown = tools::show(&ada.view(), &log, Words::Shown).unwrap();
    for count in 0..=shown.len() {
        let first = at(&ada, &log, &Point::First(count as u64));
        assert_eq!(first.events, count as u64);
        let heads = first.heads.iter().map(|head| head.parse::<EventId>().unwrap()).collect();
        assert_eq!(at(&ada, &log, &Point::Heads(heads)), first);
        let next = shown.get(count).map_or(u64::MAX, |event| event.hlc);
        if count > 0 && shown[count - 1].hlc < next {
            assert_eq!(at(&ada, &log, &Point::Time(next - 1)), first);
        }
    }
}

#[test]
fn f1_each_step_says_what_it_changed() {
    let (mut ada, mut bo, log) = acquainted(Storage::memory());
    talk(&mut ada, &mut bo, log, 2);
    let state = tools::replay(&ada.view(), &log, &Point::Newest, Words::Hidden, Steps::Shown).unwrap();
    assert_eq!(state.steps.len() as u64, state.events);
    let changed = |what: &str| state.steps.iter().filter(|step| step.changed.as_deref() == Some(what)).count();
    assert_eq!(changed("a message"), state.messages.len());
    assert_eq!(changed("the conversation is open"), 1);
    assert!(state.messages.iter().all(|message| message.says.ends_with("bytes")), "words are hidden");
}

#[test]
fn f1_what_is_no_point_of_a_log_is_said_so() {
    let (ada, _bo, log) = acquainted(Storage::memory());
    let nowhere = Point::Heads(vec![EventId::from([7; 32])]);
    let refused = tools::replay(&ada.view(), &log, &nowhere, Words::Hidden, Steps::Hidden).unwrap_err();
    assert!(matches!(refused, ReplayError::UnknownEvent(_)), "{refused}");
    let elsewhere = Point::Heads(ada.view().heads(&ada.account()).unwrap());
    let refused = tools::replay(&ada.view(), &log, &elsewhere, Words::Hidden, Steps::Hidden).unwrap_err();
    assert!(matches!(refused, ReplayError::UnknownEvent(_)), "another log's: {refused}");
    let unknown = tools::replay(&ada.view(), &LogId::from([9; 32]), &Point::Newest, Words::Hidden, Steps::Hidden);
    assert!(matches!(unknown, Err(ReplayError::UnknownLog(_))));
    assert_eq!(at(&ada, &log, &Point::First(0)).heads, Vec::<String>::new());
}

#[test]
fn f1_a_diff_names_the_events_that_only_one_has() {
    let (mut ada, mut bo, log) = acquainted(Storage::memory());
    talk(&mut ada, &mut bo, log, 3);
    let of = |ada: &Person, bo: &Person| {
        let logs = tools::diff([&ada.view(), &bo.view()]).unwrap();
        logs.into_iter().find(|diff| diff.log == log.to_string()).unwrap()
    };
    assert!(of(&ada, &bo).is_same());
    let first = ada.say(log, bo.root, "one").seq;
    ada.say(log, bo.root, "two");
    let differs = of(&ada, &bo);
    assert!(!differs.is_same());
    let runs: Vec<_> = differs.only[0].iter().map(|run| (run.device_id.clone(), run.from, run.to)).collect();
    assert_eq!(runs, [(ada.device().to_string(), first, first + 1)]);
    assert_eq!((differs.only[1].len(), differs.closed.concat().len()), (0, 0));
    bo.fetch(&ada, log);
    assert!(of(&ada, &bo).is_same());

    let logs = tools::diff([&ada.view(), &bo.view()]).unwrap();
    let mine = logs.iter().find(|diff| diff.log == ada.account().to_string()).unwrap();
    assert_eq!((mine.events[1], mine.is_same()), (None, false), "an account is one person's");
    assert!(tools::diff([&ada.view(), &ada.view()]).unwrap().iter().all(tools::LogDiff::is_same));
}

// ---- F2: capsules ----------------------------------------------------------------------------

/// Stands in everything that is written here and nowhere in a capsule.
const CANARY: &str = "canary";

/// Ada and Bo with words everywhere: names, greetings, nicknames, settings, drafts, messages.
fn wordy() -> (Person, Person, LogId) {
    let (mut ada, mut bo, log) = acquainted(Storage::memory());
    talk(&mut ada, &mut bo, log, 4);
    ada.say(log, bo.root, "a canary sings “ï”");
    bo.fetch(&ada, log);
    let name = Name::new("Canary").unwrap();
    let (root, key) = (bo.root, "theme".to_owned());
    for body in [
        Body::ContactName { root, name },
        Body::Setting { key, value: CANARY.into() },
        Body::Draft { log, text: CANARY.into() },
    ] {
        ada.note(&body);
    }
    (ada, bo, log)
}

fn packed(of: &Person, log: &LogId) -> Vec<u8> {
    serde_json::to_vec(&tools::capsule(&of.view(), log).unwrap()).unwrap()
}

#[test]
fn f2_a_capsule_replays_to_the_same_bytes_at_every_point() {
    let (ada, bo, talked) = wordy();
    for one in [&ada, &bo] {
        for log in logs(one) {
            let capsule = Capsule::from_json(&packed(one, &log)).unwrap();
            let newest = capsule.replay(&Point::Newest, Steps::Shown).unwrap();
            assert!(capsule.is_faithful(&newest));
            for count in 0..=newest.of {
                let (here, there) =
                    (at(one, &log, &Point::First(count)), capsule.replay(&Point::First(count), Steps::Hidden));
                let there = there.unwrap();
                assert_eq!((&here.heads, here.events, &here.rows), (&there.heads, there.events, &there.rows));
                if log == talked {
                    assert_eq!(here.projection, there.projection, "no word of a message is in a row");
                }
            }
        }
    }
}

#[test]
fn f2_no_word_is_in_a_capsule() {
    let (ada, bo, log) = wordy();
    let mut said = 0;
    for one in [&ada, &bo] {
        for log in logs(one) {
            let capsule: serde_json::Value = serde_json::from_slice(&packed(one, &log)).unwrap();
            let bodies = capsule["events"].as_array().unwrap().iter();
            let bodies =
                bodies.filter_map(|event| event["content"]["body"].as_str()).map(|body| hex::decode(body).unwrap());
            let opened: Vec<String> = bodies.map(|body| String::from_utf8_lossy(&body).to_lowercase()).collect();
            for text in opened.iter().chain([&capsule.to_string().to_lowercase()]) {
                for word in [CANARY, "somebody", "sings", "ada 1", "hello"] {
                    assert!(!text.contains(word), "{word}");
                }
            }
            said += opened.iter().filter(|text| text.contains("xxx")).count();
        }
    }
    assert!(said > 20, "there were words");
    let shown = tools::show(&ada.view(), &log, Words::Hidden).unwrap();
    let there = Capsule::from_json(&packed(&ada, &log)).unwrap().replay(&Point::Newest, Steps::Shown).unwrap();
    let says = |event: &tools::ShownEvent| (event.says.clone(), event.kind, event.arrival);
    let there: Vec<_> = there.steps.iter().map(|step| says(&step.event)).collect();
    assert_eq!(shown.iter().map(says).collect::<Vec<_>>(), there, "sizes, kinds and arrivals stay");
}

#[test]
fn f2_a_capsule_that_was_changed_is_refused_or_told() {
    let (ada, _bo, log) = wordy();
    let good = serde_json::to_value(tools::capsule(&ada.view(), &log).unwrap()).unwrap();
    let refused = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut changed = good.clone();
        change(&mut changed);
        Capsule::from_json(&serde_json::to_vec(&changed).unwrap()).err().map(|fault| fault.to_string())
    };
    assert_eq!(refused(&|_| ()), None);
    for (pointer, value) in [
        ("/format", "y7ke-capsule/2".into()),
        ("/kind", "diary".into()),
        ("/log", "1f".into()),
        ("/events", 3.into()),
        ("/events/2/id", "zz".into()),
        ("/events/2/root", "y7:1".into()),
        ("/events/2/hlc", 1.into()),
        ("/events/2/deps", vec!["0".repeat(64)].into()),
        ("/events/2/deps", vec![good["events"][0]["id"].clone(); 17].into()),
        ("/events/2/content", "lost".into()),
        ("/events/0/content/body", "20".into()),
        ("/events/3/sealed", serde_json::json!(["zz", 1])),
        ("/events/0/content/body", "0".into()),
        ("/events/1", good["events"][0].clone()),
    ] {
        let fault = refused(&|capsule| *capsule.pointer_mut(pointer).unwrap() = value.clone());
        assert!(fault.is_some(), "{pointer}");
    }
    // What a stranger wrote into a capsule does not reach the terminal as it is.
    for key in ["/more", "/format"] {
        let escaped = refused(&|capsule| match key {
            "/format" => capsule["format"] = "\u{1b}]0;title\u{7}".into(),
            _ => capsule["\u{1b}]0;title\u{7}"] = 1.into(),
        });
        assert!(!escaped.unwrap().contains(['\u{1b}', '\u{7}']));
    }

    let mut shorter = good.clone();
    shorter["events"].as_array_mut().unwrap().pop();
    let shorter = Capsule::from_json(&serde_json::to_vec(&shorter).unwrap()).unwrap();
    assert!(!shorter.is_faithful(&shorter.replay(&Point::Newest, Steps::Hidden).unwrap()), "an event is gone");
}
