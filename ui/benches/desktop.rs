//! How fast the desktop is with 100,000 messages in one conversation, and what it holds.
//!
//! ```text
//! cargo bench -p y7ke --bench desktop              all
//! cargo bench -p y7ke --bench desktop -- 20000     with another number of messages
//! ```
//!
//! | work | against |
//! |---|---|
//! | first paint | the same program with an empty profile |
//! | opening the conversation | an empty one; one of 20 messages, which fills a screen as well |
//! | a frame while scrolling | the same rows in a `VecModel` |
//! | key to glyph | one frame at 60 a second |
//! | memory, idle | an empty profile |
//!
//! Pairs run in turns, A B A B, in one process; shown are medians. Without Xvfb the real window is left out, in words.

#![allow(clippy::panic, clippy::print_stdout, reason = "a bench stops where it is surprised, and prints")]

#[path = "desktop/profile.rs"]
mod profile;
#[path = "desktop/program.rs"]
mod program;
#[path = "desktop/screen.rs"]
mod screen;

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use slint::{Global, Model, ModelRc, VecModel};
use y7ke::model::desk::Act;
use y7ke::ui::{self, MessageRow, Pane};

use self::profile::{Person, befriend};
use self::program::{Display, Program};
use self::screen::{Screen, now};

const MESSAGES: usize = 100_000;
/// As many as fill a screen.
const FEW: usize = 20;
const PAIRS: usize = 9;
const FRAMES: usize = 300;
const STEP: f32 = 40.0;
const CALM: Duration = Duration::from_millis(120);

fn main() {
    let messages = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(MESSAGES);
    let folder = tempfile::tempdir().expect("a folder");
    let (full, empty) = (folder.path().join("full"), folder.path().join("empty"));
    let began = now();
    let ids = fill(&full, folder.path(), messages);
    fill(&empty, &folder.path().join("more"), 0);
    println!("a profile with {messages} messages was made in {:.1} s\n", began.elapsed().as_secs_f64());
    println!("| work | ours | rival | ratio | bar |\n|---|---|---|---|---|");
    match Display::start() {
        Some(display) => in_a_window(&display, &full, &empty),
        None => println!("the real window is left out: Xvfb is not installed"),
    }
    in_memory(&full, &ids, messages);
}

/// Ids of three people: with one all was said, with one a little, with one nothing.
fn fill(folder: &Path, others: &Path, messages: usize) -> [String; 3] {
    let mut me = Person::start(folder);
    let mut befriend = |name: &str, count: usize| befriend(&mut me, &others.join(name), name, count);
    let many = if messages > 0 { befriend("Many", messages) } else { String::new() };
    let ids = [many, befriend("Few", FEW.min(messages)), befriend("Nothing", 0)];
    me.node.shutdown();
    ids
}

fn row(work: &str, ours: &str, rival: &str, ratio: f64, bar: &str) {
    println!("| {work} | {ours} | {rival} | {ratio:.2} | {bar} |");
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

fn ratio(ours: Duration, rival: Duration) -> f64 {
    ours.as_secs_f64() / rival.as_secs_f64()
}

fn in_a_window(display: &Display, full: &Path, empty: &Path) {
    let start = |folder| Program::start(display, folder).painted;
    let (ours, rival): (Vec<_>, Vec<_>) = (0..PAIRS).map(|_| (start(full), start(empty))).unzip();
    let (ours, rival) = (median(ours), median(rival));
    row("first paint, against an empty profile", &ms(ours), &ms(rival), ratio(ours, rival), "≤ 300 ms");

    let [ours, rival] = [full, empty].map(|folder| Program::start(display, folder).idle_kib());
    memory("memory, idle, the list shown", ours, rival);
    let opened = |folder| {
        let program = Program::start(display, folder);
        program.open_first().then(|| program.idle_kib())
    };
    match (opened(full), opened(empty)) {
        (Some(ours), Some(rival)) => memory("memory, idle, the conversation open", ours, rival),
        _ => println!("memory with an open conversation is left out: xdotool could not press a key"),
    }
}

fn memory(work: &str, ours: u64, rival: u64) {
    let mib = |kib: u64| format!("{:.1} MiB", kib as f64 / 1024.0);
    let more = ours.saturating_sub(rival);
    row(work, &mib(ours), &format!("{}, {} more", mib(rival), mib(more)), ours as f64 / rival as f64, "≤ 20 MB more");
}

fn in_memory(full: &Path, [many, few, nothing]: &[String; 3], messages: usize) {
    let me = Person::start(full);
    let screen = Screen::open(me.node.clone());
    screen.settle(CALM * 4);
    opening(&screen, "opening, against an empty conversation", many, nothing);
    opening(&screen, &format!("opening, against {FEW} messages"), many, few);
    opening(&screen, &format!("{FEW} messages against none"), few, nothing);
    key_to_glyph(&screen, many);
    scrolling(&screen, many, messages);
    me.node.shutdown();
}

fn open(screen: &Screen, y7_id: &str) -> Duration {
    let began = now();
    screen.app.did(Act::Open(y7_id.into()));
    assert!(screen.turn(), "opening draws");
    let time = began.elapsed();
    screen.settle(CALM);
    screen.app.did(Act::Show(Pane::Home));
    screen.settle(CALM);
    time
}

fn opening(screen: &Screen, work: &str, ours: &str, rival: &str) {
    // What is measured is every day, not the first time.
    for y7_id in [ours, rival] {
        open(screen, y7_id);
    }
    let (ours, rival): (Vec<_>, Vec<_>) = (0..PAIRS).map(|_| (open(screen, ours), open(screen, rival))).unzip();
    let (ours, rival) = (median(ours), median(rival));
    row(work, &ms(ours), &ms(rival), ratio(ours, rival), "≤ 1.2");
}

fn key_to_glyph(screen: &Screen, y7_id: &str) {
    screen.app.did(Act::Open(y7_id.into()));
    screen.settle(CALM * 20);
    let frame = Duration::from_micros(16_667);
    let time = |n: usize| {
        let before = screen.picture();
        let began = now();
        screen.key(["a", "b", "c"][n % 3]);
        let drawn = screen.turn();
        let time = began.elapsed();
        assert!(drawn && screen.picture() != before, "the glyph is in the next frame");
        time
    };
    let times: Vec<_> = (0..60).map(time).collect();
    let worst = times.iter().max().copied().unwrap_or_default();
    let typical = median(times);
    row("key to glyph, against a frame", &ms(typical), &ms(frame), ratio(typical, frame), "≤ 1 frame");
    row("key to glyph, worst of 60", &ms(worst), &ms(frame), ratio(worst, frame), "≤ 1 frame");
}

/// Scrolls up and down again in steps; the time of each frame.
fn frames(screen: &Screen) -> Vec<Duration> {
    let step = |n: usize| {
        let began = now();
        screen.wheel(if n < FRAMES / 2 { STEP } else { -STEP });
        screen.turn();
        began.elapsed()
    };
    let times = (0..FRAMES).map(step).collect();
    screen.settle(CALM);
    times
}

fn scrolling(screen: &Screen, y7_id: &str, messages: usize) {
    screen.app.did(Act::Open(y7_id.into()));
    screen.settle(CALM * 20);
    let desk = ui::Desk::get(screen.app.window());
    let paged = desk.get_messages();
    assert_eq!(paged.row_count(), messages, "the index has filled up");
    let rows: Rc<VecModel<MessageRow>> = Rc::new(VecModel::from((0..messages).map(plain).collect::<Vec<_>>()));
    let (mut ours, mut rival) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        desk.set_messages(paged.clone());
        screen.settle(CALM);
        ours.extend(frames(screen));
        desk.set_messages(ModelRc::from(rows.clone()));
        screen.settle(CALM);
        rival.extend(frames(screen));
    }
    ours.sort_unstable();
    let late = ours[ours.len() * 95 / 100];
    let (ours, rival) = (median(ours), median(rival));
    row("a frame while scrolling, against a VecModel", &ms(ours), &ms(rival), ratio(ours, rival), "≤ 2 ms");
    println!("| the same, 95th of 100 | {} | | | |", ms(late));
}

/// A row as the paged model makes them.
fn plain(n: usize) -> MessageRow {
    MessageRow {
        id: n.to_string().into(),
        text: profile::words(n).into(),
        mine: n.is_multiple_of(2),
        first: true,
        last: true,
        time: "12:00".into(),
        ..MessageRow::default()
    }
}
