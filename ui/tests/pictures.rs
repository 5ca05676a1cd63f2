//! Every pane in five states, at three sizes, in both schemes, compared with the pictures in `fixtures/pictures`.
//!
//! ```text
//! pane ─┬─ empty          nobody, or nothing said yet
//!       ├─ normal         an everyday profile
//!       ├─ long-names     names and words that do not fit
//!       ├─ right-to-left  Hebrew and Arabic, mixed with Latin
//!       └─ error          the disk refuses, and says so
//! ```
//!
//! How alike they must be says `common/golden.rs`. `Y7KE_BLESS=1 cargo test -p y7ke --test pictures` writes them
//! anew; whoever does that looks at them. `Y7KE_PICTURES=folder` writes what is seen in full colour, to be looked at.

mod common;

use std::rc::Rc;

use common::fake::{self, ADA, Fake, GRACE, MINUTE, NOW};
use common::golden::{self, Shot, changed};
use common::rig::Rig;
use slint::ComponentHandle;
use slint::platform::Key;
use y7ke::model::codes::Wanted;
use y7ke::model::desk::{Act, Glimpse, Source};
use y7ke::sight::Frame;
use y7ke::ui::{Look, Pane};
use y7ke_node::api::{ContactState, Direction, Notice};

const SIZES: [(f32, f32); 3] = [(720.0, 480.0), (1024.0, 640.0), (1600.0, 1000.0)];

/// What a pane is shown with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Empty,
    Normal,
    Long,
    RightToLeft,
    Error,
}

impl State {
    const ALL: [Self; 5] = [Self::Empty, Self::Normal, Self::Long, Self::RightToLeft, Self::Error];

    const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Normal => "normal",
            Self::Long => "long-names",
            Self::RightToLeft => "right-to-left",
            Self::Error => "error",
        }
    }

    fn node(self) -> Rc<Fake> {
        match self {
            Self::Empty => fake::empty(),
            Self::Normal => fake::asked(),
            Self::Long => fake::long(),
            Self::RightToLeft => fake::right_to_left(),
            Self::Error => fake::everyday(),
        }
    }
}

/// A pane: its name, what its node lacks or has besides, and how one gets there.
struct Subject {
    name: &'static str,
    fresh: bool,
    node: fn(State, &Fake),
    arrange: fn(State, &Rig),
}

const SUBJECTS: [Subject; 14] = [
    Subject { name: "welcome", fresh: true, node: nobody_knows_me, arrange: welcome },
    Subject { name: "home", fresh: false, node: cut_off, arrange: home },
    Subject { name: "chat", fresh: false, node: somebody, arrange: chat },
    Subject { name: "person", fresh: false, node: somebody, arrange: person },
    Subject { name: "add", fresh: false, node: as_it_is, arrange: add },
    Subject { name: "requests", fresh: false, node: asked, arrange: requests },
    Subject { name: "settings", fresh: false, node: as_it_is, arrange: settings },
    Subject { name: "about", fresh: false, node: as_it_is, arrange: about },
    Subject { name: "question", fresh: false, node: somebody, arrange: question },
    Subject { name: "reading", fresh: false, node: somebody, arrange: reading },
    Subject { name: "search", fresh: false, node: somebody, arrange: search },
    Subject { name: "within", fresh: false, node: somebody, arrange: within },
    Subject { name: "keys", fresh: false, node: as_it_is, arrange: keys },
    Subject { name: "locked", fresh: false, node: locked_by_words, arrange: locked },
];

/// What is seen only in passing: its name, its size, and how one gets there.
struct Passing {
    name: &'static str,
    size: (f32, f32),
    node: fn(&Fake),
    arrange: fn(&Rig),
}

const PASSING: [Passing; 10] = [
    Passing { name: "reply", size: SIZES[1], node: everyday, arrange: reply },
    Passing { name: "menu", size: SIZES[1], node: everyday, arrange: menu },
    Passing { name: "link", size: SIZES[1], node: everyday, arrange: link },
    Passing { name: "rail", size: (780.0, 560.0), node: everyday, arrange: talk },
    Passing { name: "largest", size: SIZES[2], node: largest, arrange: talk },
    Passing { name: "passphrase", size: SIZES[1], node: protected, arrange: passphrase },
    Passing { name: "waiting", size: SIZES[0], node: pending, arrange: talk },
    Passing { name: "lapsed", size: SIZES[0], node: compared, arrange: lapsed },
    Passing { name: "compared", size: SIZES[0], node: compared, arrange: details },
    Passing { name: "refused", size: SIZES[0], node: everyday, arrange: refused },
];

const DISK_FULL: &str = "The disk is full: nothing new is kept until there is room.";

fn act(rig: &Rig, act: Act) {
    rig.app.did(act);
    rig.settle();
}

/// From now on the disk refuses, and the banner says so.
fn breaks(rig: &Rig) {
    rig.fake.broken.replace(Some("the disk is full; free some space and try again".into()));
    rig.fake.tell(Notice::Storage { error: DISK_FULL.into() });
    rig.settle();
}

fn as_it_is(_: State, _: &Fake) {}

fn nobody_knows_me(_: State, fake: &Fake) {
    fake.settings.borrow_mut().iter_mut().for_each(|settings| settings.name.clear());
}

/// In trouble, there is no network either.
fn cut_off(state: State, fake: &Fake) {
    if state == State::Error {
        fake.info.borrow_mut().iter_mut().for_each(|info| info.listen.clear());
    }
}

/// Even the empty profile has one person, with whom nothing was said.
fn somebody(state: State, fake: &Fake) {
    if state == State::Empty {
        fake.person(ADA, "Ada Lovelace");
    }
}

fn welcome(state: State, rig: &Rig) {
    match state {
        State::Empty => {}
        State::Normal => rig.write("Marek"),
        State::Long => rig.write("Maximiliane-Wilhelmine von und zu Hohenstein-Schillingsfürst"),
        State::RightToLeft => rig.write("עדה לאבלייס"),
        State::Error => breaks(rig),
    }
}

fn home(state: State, rig: &Rig) {
    if state == State::Error {
        breaks(rig);
    }
}

fn chat(state: State, rig: &Rig) {
    act(rig, Act::Open(ADA.into()));
    if state == State::Error {
        breaks(rig);
        rig.write("This one does not make it to the disk");
        rig.key(Key::Return);
        rig.write("and more words that I typed since, so many that the composer grows by a line or two as they come, and then some");
    }
}

fn person(state: State, rig: &Rig) {
    if state == State::Normal {
        rig.fake.alter(ADA, |contact| contact.verified = true).tell_contact(ADA);
    }
    act(rig, Act::Open(ADA.into()));
    if state == State::Error {
        breaks(rig);
    }
    act(rig, Act::Show(Pane::Person));
}

fn add(state: State, rig: &Rig) {
    act(rig, Act::Show(Pane::Add));
    match state {
        State::Empty => {}
        State::Normal => {
            rig.write(fake::NEW);
            (0..3).for_each(|_| rig.key(Key::Tab));
            rig.write("It is me, Marek from the reading group.");
        }
        State::Long => rig.write(&format!("{}{}", fake::NEW, "?via=".repeat(60))),
        State::RightToLeft => rig.write("שלום"),
        State::Error => {
            rig.write(fake::NEW);
            breaks(rig);
            rig.key(Key::Return);
        }
    }
}

fn asked(state: State, fake: &Fake) {
    let who = "y7:6rEjEc5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM8";
    match state {
        State::Empty | State::Normal => {}
        State::Long => {
            let name = "Wolfeschlegelsteinhausenbergerdorffwelchevoralternwarengewissenh";
            fake.request(
                "in1",
                Direction::In,
                who,
                name,
                &"A greeting as long as greetings can be, and then. ".repeat(5),
            );
        }
        State::RightToLeft => {
            fake.request("in1", Direction::In, who, "سوفيا كوفاليفسكايا", "مرحبا، التقينا في المؤتمر الأسبوع الماضي.");
            fake.request("in2", Direction::In, fake::NEW, "דוד הילברט", "שלום, אני מקבוצת הקריאה.");
        }
        State::Error => {
            let request = fake.request("out1", Direction::Out, who, "", "It is me, from the reading group.");
            let request =
                y7ke_node::api::RequestView { problem: Some(y7ke_node::api::RequestProblem::Clocks), ..request };
            fake.requests.borrow_mut().insert("out1".into(), request);
            fake.person(who, "").alter(who, |contact| contact.state = ContactState::PendingOut);
            fake.request("in1", Direction::In, fake::NEW, "Sofia Kovalevskaya", "Hello Marek");
        }
    }
}

fn requests(state: State, rig: &Rig) {
    act(rig, Act::Show(Pane::Requests));
    if state == State::Error {
        breaks(rig);
        act(rig, Act::Accept("in1".into()));
    }
}

fn settings(state: State, rig: &Rig) {
    act(rig, Act::Show(Pane::Settings));
    if state == State::Error {
        breaks(rig);
        act(rig, Act::SetScale(100));
    }
}

fn about(state: State, rig: &Rig) {
    act(rig, Act::Show(Pane::About));
    if state == State::Error {
        breaks(rig);
    }
}

fn question(state: State, rig: &Rig) {
    chat(state, rig);
    act(rig, Act::Block(ADA.into()));
}

/// What the camera sees: a frame that gets lighter to the right, where the mirror has its left.
fn reading(state: State, rig: &Rig) {
    if state == State::Normal {
        act(rig, Act::Show(Pane::Add));
        return act(rig, Act::ReadCode(Wanted::Id));
    }
    act(rig, Act::Open(ADA.into()));
    if state == State::Error {
        breaks(rig);
    }
    act(rig, Act::Show(Pane::Person));
    act(rig, Act::ReadCode(Wanted::Number));
    match state {
        State::Empty | State::Normal => {}
        State::Long => act(rig, Act::ReadFrom(Source::Clipboard)),
        State::RightToLeft => {
            act(rig, Act::ReadFrom(Source::Camera));
            let rgb = (0..64 * 48).flat_map(|at| [(at % 64 * 4) as u8, 120, 160]).collect();
            rig.eyes.frame.replace(Some(Frame { width: 64, height: 48, rgb }));
            rig.settle();
        }
        State::Error => {
            act(rig, Act::ReadFrom(Source::Camera));
            rig.eyes.see(Glimpse::Texts(vec![[fake::MINE, fake::THEIRS].concat()]));
            rig.settle();
        }
    }
}

/// What is looked for: somebody and something said.
const fn sought(state: State) -> &'static str {
    match state {
        State::Empty => "zzz",
        State::Normal | State::Error => "the",
        State::Long => "a",
        State::RightToLeft => "של",
    }
}

fn search(state: State, rig: &Rig) {
    if state == State::Error {
        breaks(rig);
    }
    rig.chord(Key::Control, "k");
    rig.write(sought(state));
    rig.pass(300);
    rig.settle();
}

fn within(state: State, rig: &Rig) {
    act(rig, Act::Open(ADA.into()));
    if state == State::Error {
        breaks(rig);
    }
    rig.chord(Key::Control, "f");
    rig.write(sought(state));
    rig.pass(300);
    rig.settle();
    rig.key(Key::Return);
}

fn keys(state: State, rig: &Rig) {
    act(rig, Act::Show(Pane::Keys));
    if state == State::Error {
        breaks(rig);
    }
}

fn locked_by_words(_: State, fake: &Fake) {
    fake.protect("right", true);
}

fn locked(state: State, rig: &Rig) {
    match state {
        State::Empty => {}
        State::Normal => rig.write("right"),
        State::Long => rig.write(&"as long as a sentence ".repeat(6)),
        State::RightToLeft => rig.write("סוד"),
        State::Error => {
            rig.write("wrong");
            rig.key(Key::Return);
        }
    }
}

fn everyday(_: &Fake) {}

fn talk(rig: &Rig) {
    act(rig, Act::Open(ADA.into()));
}

fn reply(rig: &Rig) {
    menu(rig);
    rig.key(Key::DownArrow);
    rig.key(Key::Return);
    rig.write("I will bring two");
}

fn menu(rig: &Rig) {
    talk(rig);
    rig.click_right_message("I bring the printouts");
}

fn link(rig: &Rig) {
    talk(rig);
    act(rig, Act::Link("https://example.org/notes/g?page=4&of=the%20whole#indices".into()));
}

fn largest(fake: &Fake) {
    fake.settings.borrow_mut().iter_mut().for_each(|settings| settings.scale = 150);
}

fn protected(fake: &Fake) {
    fake.protect("right", false);
}

/// The passphrase is being changed: the settings' last part.
fn passphrase(rig: &Rig) {
    act(rig, Act::Show(Pane::Settings));
    act(rig, Act::ChangeVault(y7ke_node::api::VaultKind::Passphrase));
    (0..4).for_each(|_| rig.key(Key::PageDown));
}

const LONG_NAME: &str = "Maximiliane-Wilhelmine von und zu Hohenstein-Schillingsfürst";

fn pending(fake: &Fake) {
    fake.alter(ADA, |contact| {
        contact.name = LONG_NAME.into();
        contact.state = ContactState::PendingOut;
    });
    fake.request("out1", Direction::Out, ADA, LONG_NAME, "It is me, from the reading group.");
}

fn compared(fake: &Fake) {
    fake.alter(ADA, |contact| {
        contact.name = LONG_NAME.into();
        contact.verified = true;
    });
}

/// The mark of somebody who was compared goes by itself.
fn lapsed(rig: &Rig) {
    talk(rig);
    rig.fake.alter(ADA, |contact| contact.verified = false).tell_contact(ADA);
    rig.settle();
}

/// The lower part of the details, with what became of the mark.
fn details(rig: &Rig) {
    lapsed(rig);
    act(rig, Act::Show(Pane::Person));
    rig.key(Key::PageDown);
}

/// The disk takes neither a message nor the next one, which is too long as well.
fn refused(rig: &Rig) {
    talk(rig);
    let why =
        "the disk is full; free some space, or move the folder of this profile to a disk with more room, and try again";
    rig.fake.broken.replace(Some(why.into()));
    rig.write("This one does not make it to the disk");
    rig.key(Key::Return);
    act(rig, Act::Draft("far too long ".repeat(6_000)));
    act(rig, Act::Send);
}

/// A window with this pane in this state.
fn rig(subject: &Subject, state: State, look: &str, (width, height): (f32, f32)) -> Rig {
    let fake = state.node();
    (subject.node)(state, &fake);
    fake.settings.borrow_mut().iter_mut().for_each(|settings| settings.theme = look.into());
    let rig = Rig::start(fake, width, height, subject.fresh);
    // A locked profile does not say which it likes: there it is the system's.
    rig.window().set_look(if look == "dark" { Look::Dark } else { Look::Light });
    (subject.arrange)(state, &rig);
    rig
}

fn name(subject: &str, state: State, look: &str, (width, height): (f32, f32)) -> String {
    format!("{subject}/{}-{look}-{width}x{height}", state.name())
}

/// One pane in all its pictures.
fn compare(subject: &str) {
    let subject = SUBJECTS.iter().find(|known| known.name == subject).expect("a pane of the table");
    let mut wrong = Vec::new();
    for state in State::ALL {
        for look in ["light", "dark"] {
            for size in SIZES {
                let rig = rig(subject, state, look, size);
                wrong.extend(seen(&rig, &name(subject.name, state, look, size)));
            }
        }
    }
    none_is(&wrong);
}

/// What is wrong with what the window shows.
fn seen(rig: &Rig, name: &str) -> Option<String> {
    rig.picture(&name.replace('/', "-"));
    golden::check(name, &Shot::of(rig.window().window())).err()
}

fn none_is(wrong: &[String]) {
    assert!(wrong.is_empty(), "{}\nY7KE_BLESS=1 writes them anew, if they are as they should be", wrong.join("\n"));
}

#[test]
fn welcome_looks_as_it_did() {
    compare("welcome");
}

#[test]
fn home_looks_as_it_did() {
    compare("home");
}

#[test]
fn reading_looks_as_it_did() {
    compare("reading");
}

#[test]
fn chat_looks_as_it_did() {
    compare("chat");
}

#[test]
fn person_looks_as_it_did() {
    compare("person");
}

#[test]
fn add_looks_as_it_did() {
    compare("add");
}

#[test]
fn requests_look_as_they_did() {
    compare("requests");
}

#[test]
fn settings_look_as_they_did() {
    compare("settings");
}

#[test]
fn about_looks_as_it_did() {
    compare("about");
}

#[test]
fn question_looks_as_it_did() {
    compare("question");
}

#[test]
fn search_looks_as_it_did() {
    compare("search");
}

#[test]
fn finding_within_looks_as_it_did() {
    compare("within");
}

#[test]
fn keys_look_as_they_did() {
    compare("keys");
}

#[test]
fn the_lock_looks_as_it_did() {
    compare("locked");
}

#[test]
fn what_is_seen_in_passing_looks_as_it_did() {
    let mut wrong = Vec::new();
    for passing in &PASSING {
        for look in ["light", "dark"] {
            let fake = fake::asked();
            (passing.node)(&fake);
            fake.settings.borrow_mut().iter_mut().for_each(|settings| settings.theme = look.into());
            let rig = Rig::new(fake, passing.size.0, passing.size.1);
            (passing.arrange)(&rig);
            wrong.extend(seen(&rig, &passing_name(passing, look)));
        }
    }
    none_is(&wrong);
}

fn passing_name(passing: &Passing, look: &str) -> String {
    let (width, height) = passing.size;
    format!("passing/{}-{look}-{width}x{height}", passing.name)
}

fn pictures_there(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("an entry").path());
    let mut found: Vec<String> = entries
        .flat_map(|path| if path.is_dir() { pictures_there(&path) } else { vec![path.display().to_string()] })
        .collect();
    found.sort();
    found
}

#[test]
fn every_picture_that_is_kept_is_compared() {
    let sizes = |look: &'static str| SIZES.map(move |size| (look, size));
    let looks = || sizes("light").into_iter().chain(sizes("dark"));
    let of = |subject: &Subject| {
        let name = subject.name;
        let all = State::ALL.into_iter().flat_map(move |state| looks().map(move |(look, size)| (state, look, size)));
        all.map(move |(state, look, size)| self::name(name, state, look, size)).collect::<Vec<_>>()
    };
    let path = |name: String| golden::folder().join(format!("{name}.png")).display().to_string();
    let passing = PASSING.iter().flat_map(|passing| ["light", "dark"].map(|look| passing_name(passing, look)));
    let mut wanted: Vec<String> = SUBJECTS.iter().flat_map(of).chain(passing).map(path).collect();
    wanted.sort();
    if !golden::blesses() {
        assert_eq!(pictures_there(&golden::folder()), wanted);
    }
}

/// The conversation at the middle size, light.
fn conversation(change: impl Fn(&Fake)) -> Shot {
    let fake = fake::everyday();
    change(&fake);
    let rig = Rig::new(fake, 1024.0, 640.0);
    act(&rig, Act::Open(ADA.into()));
    Shot::of(rig.window().window())
}

fn is_seen(what: &str, old: &Shot, new: &Shot) {
    let pixels = changed(old, new).len();
    assert!(pixels > golden::SPECKS, "{what}: only {pixels} pixels count as changed");
}

#[test]
fn the_same_window_twice_is_the_same_picture() {
    assert!(conversation(|_| {}) == conversation(|_| {}));
}

#[test]
fn what_is_drawn_differently_is_seen() {
    let old = conversation(|_| {});
    let online = conversation(|fake| {
        fake.alter(ADA, |contact| contact.presence = y7ke_node::api::Presence::Offline);
    });
    is_seen("a presence dot is gone", &old, &online);
    let verified = conversation(|fake| {
        fake.alter(ADA, |contact| contact.verified = true);
    });
    is_seen("a mark came", &old, &verified);
    let unread = conversation(|fake| {
        fake.alter(GRACE, |contact| contact.unread = 3);
    });
    is_seen("another digit on a badge", &old, &unread);
    let renamed = conversation(|fake| {
        fake.alter(GRACE, |contact| contact.name = "Grace Hoppor".into());
    });
    is_seen("another letter in a name", &old, &renamed);
    let delivered = conversation(|fake| {
        let message = fake.said(ADA, true, "I bring the printouts", NOW - 11 * MINUTE);
        fake.status(ADA, &message, y7ke_node::api::Status::Sent);
    });
    is_seen("a line came", &old, &delivered);
}

/// The divider below the header is the palest thing that there is.
#[test]
fn a_lost_hairline_is_seen_in_both_schemes() {
    for look in ["light", "dark"] {
        let rig = rig(&SUBJECTS[2], State::Normal, look, SIZES[1]);
        let old = Shot::of(rig.window().window());
        let is_one = |y: usize| (400..900).all(|x| old.at(x, y) == old.at(400, y));
        let is_line = |y: &usize| is_one(*y) && is_one(*y - 1) && old.at(400, *y) != old.at(400, *y - 1);
        let line = (40..old.height).find(is_line).expect("a line below the header");
        let mut new = old.clone();
        (400..900).for_each(|x| new.set(x, line, old.at(x, line - 1)));
        is_seen(&format!("{look}: the line below the header is gone"), &old, &new);
        (400..900).for_each(|x| new.set(x, line - 1, old.at(x, line)));
        is_seen(&format!("{look}: the line stands a pixel higher"), &old, &new);
    }
}

#[test]
fn a_control_moved_by_a_pixel_or_gone_is_seen() {
    let old = conversation(|_| {});
    // The find field with its icon, in the list at the left.
    let (place, size) = ((8, 62), (272, 44));
    let field = old.part(place, size);
    for (dx, dy) in [(0, 1), (1, 0)] {
        let mut new = old.clone();
        new.paste(&field, (place.0 + dx, place.1 + dy));
        is_seen(&format!("the find field moved by {dx}, {dy}"), &old, &new);
    }
    let mut new = old.clone();
    let ground = old.at(4, 300);
    let icon = Shot { width: 18, height: 18, pixels: vec![ground; 18 * 18] };
    new.paste(&icon, (255, 610));
    is_seen("the icon of the settings is gone", &old, &new);
}

#[test]
fn edges_that_are_smoothed_otherwise_are_not_seen() {
    let old = conversation(|_| {});
    let mut new = old.clone();
    let is_edge = |x: usize, y: usize| old.at(x, y) != old.at(x - 1, y) && old.at(x, y) != old.at(x + 1, y);
    for y in 1..old.height - 1 {
        for x in (1..old.width - 1).filter(|x| is_edge(*x, y)) {
            let (a, b) = (old.at(x, y), old.at(x - 1, y));
            let mixed: Vec<u8> =
                a.into_iter().zip(b).map(|(a, b)| ((3 * u16::from(a) + u16::from(b)) / 4) as u8).collect();
            new.set(x, y, [mixed[0], mixed[1], mixed[2]]);
        }
    }
    assert!(old != new);
    assert!(changed(&old, &new).len() <= golden::SPECKS, "{} pixels", changed(&old, &new).len());
}
