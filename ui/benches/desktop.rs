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
use y7ke::model::timeline::SHOWN;
use y7ke::ui::{self, MessageRow, Pane};

use self::profile::{Person, befriend};
use self::program::{Display, Program};
use self::screen::{Screen, now};

const MESSAGES: usize = 100_000;
/// As many as fill a screen.
const FEW: usize = 20;
const PAIRS: usize = 9;
/// Runs of [`FRAMES`] or [`KEYS`] each.
const RUNS: usize = 5;
const FRAMES: usize = 300;
const STEP: f32 = 40.0;
const KEYS: usize = 12;

fn main() {
    let messages = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(MESSAGES);
    let folder = tempfile::tempdir().expect("a folder");
    let (full, empty) = (folder.path().join("full"), folder.path().join("empty"));
    let began = now();
    let ids = fill(&full, folder.path(), messages);
    fill(&empty, &folder.path().join("more"), 0);
    // A longer one is shown in stretches of so many.
    let rows = messages.min(SHOWN);
    println!("a profile with {messages} messages was made in {:.1} s\n", began.elapsed().as_secs_f64());
    println!("| work | ours | rival | ratio | bar |\n|---|---|---|---|---|");
    match Display::start() {
        Some(display) => in_a_window(&display, (&full, rows), (&empty, 0)),
        None => println!("the real window is left out: Xvfb is not installed"),
    }
    in_memory(&full, &ids, rows);
}

/// Ids of three people: with one all was said, with one a little, with one nothing.
fn fill(folder: &Path, others: &Path, messages: usize) -> [String; 3] {
    let mut me = Person::start(folder);
    let mut befriend = |name: &str, count: usize| befriend(&mut me, &others.join(name), name, count);
    let (nothing, few) = (befriend("Nothing", 0), befriend("Few", FEW.min(messages)));
    // Last, so that it is the first of the list.
    let many = if messages > 0 { befriend("Many", messages) } else { String::new() };
    me.node.shutdown();
    [many, few, nothing]
}

fn row(work: &str, ours: &str, rival: &str, ratio: f64, bar: &str) {
    println!("| {work} | {ours} | {rival} | {ratio:.2} | {bar} |");
}

fn median<T: Ord + Copy>(mut all: Vec<T>) -> T {
    all.sort_unstable();
    all[all.len() / 2]
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

fn ratio(ours: Duration, rival: Duration) -> f64 {
    ours.as_secs_f64() / rival.as_secs_f64()
}

fn in_a_window(display: &Display, full: (&Path, usize), empty: (&Path, usize)) {
    let start = |(folder, _)| Program::start(display, folder).painted;
    let (ours, rival): (Vec<_>, Vec<_>) = (0..PAIRS).map(|_| (start(full), start(empty))).unzip();
    let (ours, rival) = (median(ours), median(rival));
    row("first paint, against an empty profile", &ms(ours), &ms(rival), ratio(ours, rival), "≤ 300 ms");

    let listed = |(folder, _)| Program::start(display, folder).resident_kib();
    let (ours, rival) = (0..RUNS).map(|_| (listed(full), listed(empty))).unzip();
    memory("memory, the list shown", ours, rival);
    let opened = |(folder, messages)| {
        let program = Program::start(display, folder);
        program.open_first(messages).then(|| program.resident_kib())
    };
    let (ours, rival): (Vec<_>, Vec<_>) = (0..RUNS).filter_map(|_| opened(full).zip(opened(empty))).unzip();
    if ours.is_empty() {
        println!("memory with an open conversation is left out: xdotool could not press a key");
        return;
    }
    memory("memory, the conversation open", ours, rival);
}

fn memory(work: &str, ours: Vec<u64>, rival: Vec<u64>) {
    let (ours, rival) = (median(ours), median(rival));
    let mib = |kib: u64| format!("{:.1} MiB", kib as f64 / 1024.0);
    let more = ours.saturating_sub(rival);
    row(work, &mib(ours), &format!("{}, {} more", mib(rival), mib(more)), ours as f64 / rival as f64, "≤ 20 MB more");
}

fn in_memory(full: &Path, [many, few, nothing]: &[String; 3], messages: usize) {
    let me = Person::start(full);
    let screen = Screen::open(me.node.clone());
    screen.settle();
    opening(&screen, "opening, against an empty conversation", many, nothing);
    opening(&screen, &format!("opening, against {FEW} messages"), many, few);
    opening(&screen, &format!("{FEW} messages against none"), few, nothing);
    key_to_glyph(&screen, (many, messages), (nothing, 0));
    scrolling(&screen, many, messages);
    me.node.shutdown();
}

/// From the press to the first frame.
#[inline(never)]
fn press_open(screen: &Screen, y7_id: &str) -> Duration {
    let began = now();
    screen.app.did(Act::Open(y7_id.into()));
    assert!(screen.turn(), "opening draws");
    began.elapsed()
}

fn open(screen: &Screen, y7_id: &str) -> Duration {
    let time = press_open(screen, y7_id);
    screen.settle();
    screen.app.did(Act::Show(Pane::Home));
    screen.settle();
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

/// The conversation, open and all of it there.
fn stay(screen: &Screen, y7_id: &str, messages: usize) {
    screen.app.did(Act::Open(y7_id.into()));
    let desk = ui::Desk::get(screen.app.window());
    screen.until("the index has filled up", || desk.get_messages().row_count() == messages);
    screen.settle();
}

fn key_to_glyph(screen: &Screen, full: (&str, usize), empty: (&str, usize)) {
    let (mut ours, mut rival) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        ours.extend(keys(screen, full));
        rival.extend(keys(screen, empty));
    }
    let worst = ours.iter().max().copied().unwrap_or_default();
    let (ours, rival) = (median(ours), median(rival));
    row("key to glyph, against an empty conversation", &ms(ours), &ms(rival), ratio(ours, rival), "≤ 16.67 ms");
    println!("| the same, worst of {} | {} | | | ≤ 16.67 ms |", RUNS * KEYS, ms(worst));
}

/// Types a word into the composer and takes it out again; the time from each key to the frame that has its glyph.
fn keys(screen: &Screen, (y7_id, messages): (&str, usize)) -> Vec<Duration> {
    stay(screen, y7_id, messages);
    let desk = ui::Desk::get(screen.app.window());
    let press = |n: usize| {
        let before = (desk.get_draft(), screen.picture());
        let began = now();
        screen.key(["a", "b", "c"][n % 3]);
        let drawn = screen.turn();
        let time = began.elapsed();
        assert_eq!(desk.get_draft().len(), before.0.len() + 1, "the key went to the composer");
        assert!(drawn && screen.picture() != before.1, "the glyph is in the next frame");
        time
    };
    let times = (0..KEYS).map(press).collect();
    (0..KEYS).for_each(|_| screen.key("\u{8}"));
    assert!(desk.get_draft().is_empty(), "the word is taken out");
    screen.settle();
    times
}

/// Scrolls up and down again in steps; the time of each frame.
fn frames(screen: &Screen) -> Vec<Duration> {
    let step = |n: usize| {
        let began = now();
        screen.wheel(if n < FRAMES / 2 { STEP } else { -STEP });
        screen.turn().then(|| began.elapsed())
    };
    let times: Vec<Duration> = (0..FRAMES).filter_map(step).collect();
    assert!(times.len() > FRAMES * 9 / 10, "a step is a frame: {} of {FRAMES}", times.len());
    screen.settle();
    times
}

fn scrolling(screen: &Screen, y7_id: &str, messages: usize) {
    stay(screen, y7_id, messages);
    let desk = ui::Desk::get(screen.app.window());
    let paged = desk.get_messages();
    let rows: Rc<VecModel<MessageRow>> = Rc::new(paged.iter().collect());
    let (mut ours, mut rival) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        screen.app.list(paged.clone());
        screen.settle();
        ours.extend(frames(screen));
        screen.app.list(ModelRc::from(rows.clone()));
        screen.settle();
        rival.extend(frames(screen));
    }
    ours.sort_unstable();
    let late = ours[ours.len() * 95 / 100];
    let (ours, rival) = (median(ours), median(rival));
    row("a frame while scrolling, against a VecModel", &ms(ours), &ms(rival), ratio(ours, rival), "≤ 2 ms");
    println!("| the same, 95th of 100 | {} | | | |", ms(late));
}
