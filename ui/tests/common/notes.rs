//! Notifications on a real session bus, with a notification server that the test plays. Skipped in words where
//! `dbus-daemon` is not installed.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use y7ke::desktop::{Desktop, System};
use y7ke::model::desk::{Act, Fact, Input};
use y7ke::model::notify::{About, Note};

use super::bus::{Bus, Heard, NoteServer};

fn ada() -> About {
    About::Person("y7:ada".into())
}

fn note(about: About, title: &str, words: &str) -> Note {
    Note { about, title: title.into(), words: words.into() }
}

/// A desktop on `address` and what it tells the window.
fn desktop(address: &str) -> (System, Receiver<Input>) {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let desktop = System::on_bus(address);
    desktop.attend(Arc::new(move |input| tell.lock().unwrap().send(input).unwrap()));
    (desktop, told)
}

fn next(told: &Receiver<Input>) -> Input {
    told.recv_timeout(Duration::from_secs(60)).unwrap()
}

fn shown(heard: Heard) -> (u32, u32, String, String) {
    match heard {
        Heard::Notify { id, replaces, title, words, actions } => {
            assert_eq!(actions.first().map(String::as_str), Some("default"));
            (id, replaces, title, words)
        }
        Heard::Close(id) => unreachable!("{id} is closed where one is shown"),
    }
}

#[test]
fn g5_one_for_each_conversation_and_pressing_it_leads_there() {
    let Some(bus) = Bus::start() else { return };
    let server = NoteServer::on(&bus, true);
    let (desktop, told) = desktop(&bus.address);
    desktop.notify(note(ada(), "Ada", "1 < 2 & <b>bold</b>"));
    assert_eq!(shown(server.hear()), (1, 0, "Ada".into(), "1 &lt; 2 &amp; &lt;b&gt;bold&lt;/b&gt;".into()));
    desktop.notify(note(About::Requests, "Bob asks to talk to you", ""));
    assert_eq!(shown(server.hear()).0, 2);
    desktop.notify(note(ada(), "Ada (2)", "again"));
    assert_eq!(shown(server.hear()), (1, 1, "Ada (2)".into(), "again".into()));

    server.press(1, "default");
    assert!(matches!(next(&told), Input::Did(Act::Follow(about)) if about == ada()));
    desktop.withdraw(ada());
    assert_eq!(server.hear(), Heard::Close(1));
    desktop.withdraw(ada());
    // What is left is taken back at the end; what was taken back already is not taken back twice.
    drop(desktop);
    assert_eq!(server.hear(), Heard::Close(2));
    assert!(server.hears_nothing_more());
}

#[test]
fn words_stay_as_they_are_where_no_markup_is_read() {
    let Some(bus) = Bus::start() else { return };
    let server = NoteServer::on(&bus, false);
    let (desktop, _told) = desktop(&bus.address);
    desktop.notify(note(ada(), "Ada", "1 < 2"));
    assert_eq!(shown(server.hear()).3, "1 < 2");
}

#[test]
fn a_bus_without_a_server_is_told_once_and_a_later_server_is_used() {
    let Some(bus) = Bus::start() else { return };
    let (desktop, told) = desktop(&bus.address);
    assert!(matches!(next(&told), Input::Found(Fact::Notes(_))));
    desktop.notify(note(ada(), "Ada", "lost"));
    desktop.notify(note(About::Requests, "Bob", "lost"));
    let server = NoteServer::on(&bus, true);
    // Whatever was tried before the server came, it is told of this one.
    let heard = std::iter::repeat_with(|| {
        desktop.notify(note(ada(), "Ada", "kept"));
        shown(server.hear())
    });
    assert!(heard.take(3).any(|(_, _, _, words)| words == "kept"));
    assert!(matches!(next(&told), Input::Found(Fact::Notes(words)) if words.is_empty()), "it was told once");
}

#[test]
fn no_bus_is_told_once_in_words() {
    let (desktop, told) = desktop("unix:path=/nowhere/at/all");
    assert!(matches!(next(&told), Input::Found(Fact::Notes(words)) if words.ends_with('.')));
    desktop.notify(note(ada(), "Ada", "nobody sees it"));
    desktop.withdraw(ada());
    drop(desktop);
    assert!(told.recv().is_err(), "nothing more is told");
}
