//! The screens, driven as a person drives them: clicks through hit-testing, keys through the window.

mod common;

use common::fake::{self, ADA, Fake, GRACE, ME, MINUTE, NOW};
use common::golden::{Shot, changed};
use common::rig::Rig;
use slint::platform::Key;
use slint::{ComponentHandle, Global, Model};
use y7ke::model::codes::Wanted;
use y7ke::model::desk::{Act, Fact, Glimpse, Input, Source};
use y7ke::model::notify::About;
use y7ke::sight::Frame;
use y7ke::ui::{self, Pane, Theme};
use y7ke_node::api::{Command, Conversation, Notice, Status, VaultKind};

fn rig() -> Rig {
    Rig::new(fake::everyday(), 1024.0, 640.0)
}

fn pane(rig: &Rig) -> Pane {
    ui::Desk::get(rig.window()).get_pane()
}

/// A conversation of `count` messages, a minute apart, the newest now.
fn chatty(count: u64) -> std::rc::Rc<Fake> {
    let fake = Fake::new();
    fake.person(ADA, "Ada Lovelace").person(GRACE, "Grace Hopper");
    for n in 0..count {
        let text = format!("message {n} {}", "and some more words ".repeat((n % 7) as usize));
        fake.said(ADA, n % 3 == 0, text.trim(), NOW - (count - n) * MINUTE);
    }
    fake
}

fn open(rig: &Rig, name: &str) {
    rig.click(name);
    assert_eq!(pane(rig), Pane::Chat);
}

#[test]
fn c1_enter_sends_and_shift_enter_breaks_the_line() {
    let rig = rig();
    open(&rig, "Ada Lovelace");
    rig.write("one");
    rig.chord(Key::Shift, Key::Return);
    rig.write("two");
    assert_eq!(rig.value("Message Ada Lovelace"), "one\ntwo");
    rig.key(Key::Return);
    assert_eq!(rig.value("Message Ada Lovelace"), "");
    let sent = |command: &Command| matches!(command, Command::MessageSend { to: Conversation::Person(to), text, .. } if to == ADA && text == "one\ntwo");
    assert_eq!(rig.fake.called(sent), 1);
    assert!(rig.sees("You, 14:05: one\ntwo. Waiting for Ada Lovelace to come online"));
    assert!(
        rig.bubbles()
            .last()
            .is_some_and(|last| last.accessible_label().is_some_and(|label| label.contains("one\ntwo")))
    );
}

#[test]
fn the_send_button_sends_by_click() {
    let rig = rig();
    open(&rig, "Ada Lovelace");
    rig.write("by hand");
    rig.click("Send");
    assert_eq!(rig.fake.called(|command| matches!(command, Command::MessageSend { text, .. } if text == "by hand")), 1);
    rig.write("and the caret is back");
    assert_eq!(rig.value("Message Ada Lovelace"), "and the caret is back");
}

#[test]
fn c1_the_composer_grows_to_five_lines() {
    let rig = rig();
    open(&rig, "Ada Lovelace");
    let height = |rig: &Rig| rig.get("Message Ada Lovelace").size().height;
    let one = height(&rig);
    for _ in 0..3 {
        rig.write("x");
        rig.chord(Key::Shift, Key::Return);
    }
    let four = height(&rig);
    assert!(four > 2.5 * one, "{one} {four}");
    for _ in 0..10 {
        rig.chord(Key::Shift, Key::Return);
    }
    let many = height(&rig);
    assert!(many <= 5.6 * one && many > four, "{one} {four} {many}");
}

#[test]
fn b1_an_id_is_judged_while_it_is_typed() {
    let rig = rig();
    rig.chord(Key::Control, "n");
    assert_eq!(pane(&rig), Pane::Add);
    rig.write("y7:4uQ");
    assert!(rig.sees("3 of about 44"));
    rig.write("0");
    assert!(rig.sees("“0” cannot be part of an id"));
    let enabled = |rig: &Rig| rig.get("Send request").accessible_enabled();
    assert_eq!(enabled(&rig), Some(false));
    rig.chord(Key::Control, "a");
    rig.write(ME);
    assert!(rig.sees("This is your own id"));
    rig.chord(Key::Control, "a");
    rig.write(ADA);
    assert!(rig.sees("Ada Lovelace is in your contacts already"));
    rig.click("Open conversation");
    assert_eq!(pane(&rig), Pane::Chat);
}

/// From the field for the id: on to the greeting, and out with it.
fn greet_and_ask(rig: &Rig) {
    (0..3).for_each(|_| rig.key(Key::Tab));
    rig.write("it is me");
    rig.click("Send request");
    let asked = |command: &Command| matches!(command, Command::ContactRequest { uri, greeting } if uri == fake::NEW && greeting == "it is me");
    assert_eq!(rig.fake.called(asked), 1);
}

#[test]
fn b1_a_request_with_a_greeting_goes_out_and_its_person_is_shown() {
    let rig = rig();
    rig.click("Add contact");
    rig.write(fake::NEW);
    greet_and_ask(&rig);
    assert_eq!(pane(&rig), Pane::Chat);
    assert!(rig.sees("Waiting for"));
    rig.click("Cancel request");
    assert_eq!(rig.fake.called(|command| matches!(command, Command::RequestCancel { .. })), 1);
}

#[test]
fn b3_a_request_is_accepted_by_click_and_opens() {
    let rig = Rig::new(fake::asked(), 1024.0, 640.0);
    rig.click("2 people ask to talk");
    assert!(rig.sees("Sofia Kovalevskaya"));
    rig.click("Accept Sofia Kovalevskaya");
    assert_eq!(
        rig.fake.called(|command| matches!(command, Command::RequestAccept { request_id } if request_id == "in1")),
        1
    );
    assert_eq!(ui::Desk::get(rig.window()).get_open_id(), fake::NEW);
    assert!(rig.sees("Message Sofia Kovalevskaya"));
}

#[test]
fn blocking_asks_once_with_cancel_focused() {
    let rig = Rig::new(fake::asked(), 1024.0, 640.0);
    rig.click("Requests");
    rig.click("Block Sofia Kovalevskaya");
    assert!(rig.sees("Block Sofia Kovalevskaya?"));
    rig.key(Key::Return);
    assert!(!rig.sees("Block Sofia Kovalevskaya?"));
    assert_eq!(rig.fake.called(|command| matches!(command, Command::ContactBlock { .. })), 0);
    rig.click("Block Sofia Kovalevskaya");
    rig.key(Key::Tab);
    rig.key(Key::Return);
    assert_eq!(rig.fake.called(|command| matches!(command, Command::ContactBlock { .. })), 1);
}

#[test]
fn c1_a_draft_stays_with_its_conversation() {
    let rig = rig();
    open(&rig, "Ada Lovelace");
    rig.write("half a thought");
    rig.click("Emmy Noether");
    assert_eq!(rig.value("Message Emmy Noether"), "");
    assert_eq!(rig.fake.drafts.borrow().get(ADA).map(String::as_str), Some("half a thought"));
    assert!(rig.sees("Ada Lovelace, online. half a thought"));
    rig.click("Ada Lovelace, online");
    assert_eq!(rig.value("Message Ada Lovelace"), "half a thought");
}

#[test]
fn c1_a_draft_of_an_earlier_run_is_there() {
    let fake = fake::everyday();
    fake.drafts.borrow_mut().insert(ADA.into(), "from last week".into());
    let rig = Rig::new(fake, 1024.0, 640.0);
    open(&rig, "Ada Lovelace");
    assert_eq!(rig.value("Message Ada Lovelace"), "from last week");
}

#[test]
fn nothing_typed_is_lost_when_the_disk_refuses() {
    let rig = rig();
    open(&rig, "Ada Lovelace");
    rig.fake.broken.replace(Some("the disk is full".into()));
    rig.write("precious");
    rig.key(Key::Return);
    assert!(rig.sees("Not sent: the disk is full"));
    rig.fake.broken.replace(None);
    rig.click("Try again");
    assert!(!rig.sees("Not sent"));
    assert_eq!(
        rig.fake.called(|command| matches!(command, Command::MessageSend { text, .. } if text == "precious")),
        2
    );
    rig.fake.broken.replace(Some("the disk is full".into()));
    rig.write("again");
    rig.key(Key::Return);
    rig.click("Take back");
    assert_eq!(rig.value("Message Ada Lovelace"), "again");
}

#[test]
fn sending_shows_at_once_even_when_the_answer_is_slow() {
    let rig = rig();
    open(&rig, "Ada Lovelace");
    rig.fake.slow.set(true);
    rig.write("quick");
    rig.key(Key::Return);
    let shown = |rig: &Rig| {
        rig.bubbles()
            .iter()
            .filter(|bubble| bubble.accessible_label().is_some_and(|label| label.contains("quick")))
            .count()
    };
    assert_eq!(shown(&rig), 1);
    rig.fake.release();
    rig.settle();
    assert_eq!(shown(&rig), 1);
}

/// The list of messages.
fn messages(rig: &Rig) -> i_slint_backend_testing::ElementHandle {
    use i_slint_backend_testing::{AccessibleRole, ElementQuery};
    let main = ElementQuery::from_root(rig.window()).match_descendants().match_accessible_role(AccessibleRole::Main);
    main.find_first().expect("a conversation is open")
}

fn bottom_of_list(rig: &Rig) -> f32 {
    messages(rig).absolute_position().y + messages(rig).size().height
}

fn bottom(bubble: &i_slint_backend_testing::ElementHandle) -> f32 {
    bubble.absolute_position().y + bubble.size().height
}

#[test]
fn c5_a_long_chat_opens_at_its_newest_message() {
    let rig = Rig::new(chatty(3_000), 1024.0, 640.0);
    open(&rig, "Ada Lovelace");
    let last = rig.bubbles().pop().expect("there are messages");
    assert!(last.accessible_label().is_some_and(|label| label.contains("message 2999")));
    assert!(
        (0.0..12.0).contains(&(bottom_of_list(&rig) - bottom(&last))),
        "{} {}",
        bottom_of_list(&rig),
        bottom(&last)
    );
    assert!(!rig.sees("Jump to newest"));
    assert!(rig.bubbles().len() < 40, "only what is seen is made");
}

#[test]
fn c5_opening_reads_what_is_seen_and_little_more() {
    let rig = Rig::new(chatty(3_000), 1024.0, 640.0);
    // From the first pane, and from another conversation whose list stood elsewhere.
    for _ in 0..2 {
        let before = rig.fake.read.get();
        open(&rig, "Ada Lovelace");
        let (read, seen) = (rig.fake.read.get() - before, rig.bubbles().len());
        assert!((5..30).contains(&seen), "{seen}");
        assert!(read <= 48, "for {seen} messages on the screen {read} were read");
        open(&rig, "Grace Hopper");
    }
}

#[test]
fn c5_the_first_frame_of_a_long_chat_is_the_one_that_stays() {
    let rig = Rig::new(chatty(3_000), 1024.0, 640.0);
    // Between the header and the composer, without the scroll bar: it learns the length as the index comes in.
    let rows = |rig: &Rig| Shot::of(rig.window().window()).part((300, 70), (700, 480));
    for name in [ADA, GRACE, ADA] {
        rig.app.did(Act::Open(name.into()));
        let first = rows(&rig);
        rig.settle();
        assert!(changed(&first, &rows(&rig)).is_empty(), "nothing moves once {name} is open");
    }
}

#[test]
fn c5_a_chat_opens_at_its_first_unread_message() {
    let fake = chatty(500);
    let texts: Vec<String> = (0..120).map(|n| format!("unread {n}")).collect();
    fake.unread(ADA, &texts.iter().map(String::as_str).collect::<Vec<_>>());
    // Newer than all that was said.
    let rig = Rig::new(fake, 1024.0, 640.0);
    open(&rig, "Ada Lovelace");
    let first = rig.labelled(": unread 0").expect("the first unread message is on the screen");
    let top = rig.get("Messages").absolute_position().y;
    assert!((0.0..140.0).contains(&(first.absolute_position().y - top)), "{} {top}", first.absolute_position().y);
    assert!(rig.sees("New"));
    assert_eq!(rig.fake.called(|command| matches!(command, Command::MessageRead { .. })), 0);
    rig.click("Jump to newest");
    assert_eq!(rig.fake.called(|command| matches!(command, Command::MessageRead { .. })), 1);
}

#[test]
fn scrolled_up_nothing_jumps_and_a_button_counts_what_comes() {
    let rig = Rig::new(chatty(300), 1024.0, 640.0);
    open(&rig, "Ada Lovelace");
    rig.get("Messages").scroll(0.0, 900.0);
    rig.settle();
    let labels = |rig: &Rig| -> Vec<(String, i32)> {
        rig.bubbles()
            .iter()
            .map(|bubble| {
                (bubble.accessible_label().unwrap_or_default().into(), bubble.absolute_position().y.round() as i32)
            })
            .collect()
    };
    let before = labels(&rig);
    rig.fake.receive(ADA, "and another");
    rig.fake.receive(ADA, "and one more");
    rig.settle();
    assert_eq!(labels(&rig), before);
    assert!(rig.sees("2 new messages, jump to newest"));
    rig.click("2 new messages, jump to newest");
    let last = rig.bubbles().pop().expect("there are messages");
    assert!(last.accessible_label().is_some_and(|label| label.contains("and one more")));
    assert!((0.0..12.0).contains(&(bottom_of_list(&rig) - bottom(&last))));
    assert!(!rig.sees("jump to newest"));
}

#[test]
fn at_the_end_the_list_follows_what_comes() {
    let rig = Rig::new(chatty(300), 1024.0, 640.0);
    open(&rig, "Ada Lovelace");
    for n in 0..20 {
        rig.fake.receive(ADA, &format!("line {n} {}", "with words ".repeat(n % 9)));
        rig.settle();
        let last = rig.bubbles().pop().expect("there are messages");
        assert!(last.accessible_label().is_some_and(|label| label.contains(&format!("line {n} "))));
        assert!((0.0..12.0).contains(&(bottom_of_list(&rig) - bottom(&last))), "after line {n}");
    }
    assert_eq!(rig.fake.called(|command| matches!(command, Command::MessageRead { .. })), 20);
}

#[test]
fn a_short_chat_stands_at_the_bottom() {
    let rig = Rig::new(chatty(2), 1024.0, 640.0);
    open(&rig, "Ada Lovelace");
    for n in 0..8 {
        let bubbles = rig.bubbles();
        assert_eq!(bubbles.len(), 2 + n);
        assert!((0.0..12.0).contains(&(bottom_of_list(&rig) - bottom(&bubbles[1 + n]))), "with {} messages", 2 + n);
        rig.fake.receive(ADA, &format!("more {n}"));
        rig.settle();
    }
}

#[test]
fn c2_a_tick_changes_in_its_place() {
    let rig = rig();
    open(&rig, "Ada Lovelace");
    rig.write("tick");
    rig.key(Key::Return);
    let message = rig.fake.messages.borrow()[ADA].values().last().cloned().expect("it was sent");
    for (status, words) in [
        (Status::Sent, "Sent, not yet"),
        (Status::Delivered, "On Ada Lovelace's device"),
        (Status::Read, "Read by Ada Lovelace. On Ada Lovelace's device 0202 0202"),
    ] {
        let message = rig.fake.status(ADA, &message, status);
        rig.fake.tell(Notice::MessageStatus { message });
        rig.settle();
        assert!(rig.sees(&format!("tick. {words}")), "{words}");
    }
}

#[test]
fn g3_keys_reach_every_pane() {
    let rig = rig();
    rig.chord(Key::Alt, Key::DownArrow);
    assert!(rig.sees("Message Ada Lovelace"));
    rig.chord(Key::Alt, Key::DownArrow);
    assert!(rig.sees("Message Grace Hopper"));
    rig.chord(Key::Alt, Key::UpArrow);
    assert!(rig.sees("Message Ada Lovelace"));
    rig.chord(Key::Control, ",");
    assert_eq!(pane(&rig), Pane::Settings);
    rig.key(Key::Escape);
    assert_eq!(pane(&rig), Pane::Chat);
    rig.write("typed at once");
    assert_eq!(rig.value("Message Ada Lovelace"), "typed at once");
    rig.key(Key::Escape);
    assert_eq!(pane(&rig), Pane::Home);
    rig.chord(Key::Control, "k");
    rig.write("hedy");
    rig.key(Key::Return);
    assert!(rig.sees("Message Hedy Lamarr"));
}

#[test]
fn g3_tab_reaches_a_button_and_enter_presses_it() {
    let rig = rig();
    open(&rig, "Ada Lovelace");
    rig.write("by keys alone");
    rig.key(Key::Tab);
    rig.key(Key::Return);
    assert_eq!(
        rig.fake.called(|command| matches!(command, Command::MessageSend { text, .. } if text == "by keys alone")),
        1
    );
}

#[test]
fn a1_the_first_screen_shows_the_id_and_takes_a_name() {
    let fake = fake::empty();
    fake.settings.borrow_mut().iter_mut().for_each(|settings| settings.name.clear());
    let rig = Rig::start(fake, 1024.0, 640.0, true);
    assert!(rig.sees("You are ready"));
    assert!(rig.sees("y7: 8fKq 3xYz"));
    rig.write("Marek");
    rig.key(Key::Return);
    assert!(!rig.sees("You are ready"));
    assert!(rig.sees("Start a conversation"));
    assert_eq!(rig.fake.settings.borrow().as_ref().map(|settings| settings.name.clone()).as_deref(), Some("Marek"));
}

#[test]
fn a2_my_link_is_copied_with_its_hints() {
    let rig = Rig::new(fake::empty(), 1024.0, 640.0);
    rig.click("Copy my id");
    assert!(rig.paper.0.borrow().starts_with(&format!("{ME}?via=")));
    assert!(rig.sees("Your id is copied"));
    rig.pass(4_100);
    rig.settle();
    assert!(!rig.sees("Your id is copied"));
}

#[test]
fn a_pasted_id_is_judged_too() {
    let rig = Rig::new(fake::empty(), 1024.0, 640.0);
    rig.paper.0.replace(format!(" {} \n", fake::NEW));
    rig.click("Paste");
    assert_eq!(rig.value("Their id"), fake::NEW);
    assert_eq!(rig.get("Send request").accessible_enabled(), Some(true));
}

#[test]
fn g7_the_list_gives_way_as_the_window_narrows() {
    let rig = rig();
    open(&rig, "Ada Lovelace");
    let width = |rig: &Rig| rig.find("Conversations").map(|list| list.size().width);
    assert_eq!(width(&rig), Some(288.0));
    rig.resize(819.0, 600.0);
    assert_eq!(width(&rig), Some(72.0));
    rig.resize(720.0, 480.0);
    assert_eq!(width(&rig), None);
    rig.click("Back");
    assert_eq!(width(&rig), Some(720.0));
    rig.click("Grace Hopper");
    assert_eq!((width(&rig), pane(&rig)), (None, Pane::Chat));
}

#[test]
fn text_of_peers_is_plain_and_cannot_reverse_ours() {
    let fake = fake::everyday();
    fake.said(ADA, false, "**not bold** \u{202E}evil\u{0}", NOW);
    let rig = Rig::new(fake, 1024.0, 640.0);
    open(&rig, "Ada Lovelace");
    assert!(rig.sees("Ada Lovelace, 14:05: **not bold** evil"));
}

#[test]
fn trouble_with_the_disk_is_told_until_it_is_mended() {
    let rig = rig();
    rig.fake.tell(Notice::Storage { error: "The disk is full".into() });
    rig.settle();
    assert!(rig.find("The disk is full").is_some());
    rig.fake.tell(Notice::Storage { error: String::new() });
    rig.settle();
    assert!(rig.find("The disk is full").is_none());
}

#[test]
fn settings_change_the_look_at_once_and_are_kept() {
    let rig = rig();
    rig.chord(Key::Control, ",");
    rig.click("Dark");
    assert!(rig.window().global::<Theme<'_>>().get_dark());
    rig.click("Larger");
    rig.click("Read receipts");
    let kept = rig.fake.settings.borrow().clone().expect("settings are there");
    assert_eq!((kept.theme.as_str(), kept.scale, kept.receipts), ("dark", 110, false));
}

/// Every element of the window that acts or holds something says what it is.
fn nameless(rig: &Rig) -> Vec<String> {
    use i_slint_backend_testing::{AccessibleRole as Role, ElementQuery};
    let all = ElementQuery::from_root(rig.window()).match_descendants().find_all();
    let named = |role| !matches!(role, Role::None | Role::Text | Role::Groupbox | Role::Main);
    let bare = all.iter().filter(|element| {
        element.accessible_role().is_some_and(named) && element.accessible_label().is_none_or(|label| label.is_empty())
    });
    bare.map(|element| format!("{:?} at {:?}", element.accessible_role(), element.absolute_position())).collect()
}

#[test]
fn g4_everything_that_can_be_pressed_has_a_name() {
    for (width, height) in [(1024.0, 640.0), (780.0, 560.0), (720.0, 480.0)] {
        for open_pane in [Pane::Home, Pane::Add, Pane::Requests, Pane::Settings, Pane::About, Pane::Keys] {
            let rig = Rig::new(fake::asked(), width, height);
            rig.app.did(y7ke::model::desk::Act::Show(open_pane));
            rig.settle();
            assert_eq!(nameless(&rig), Vec::<String>::new(), "{open_pane:?} at {width}");
        }
    }
}

#[test]
fn g4_a_conversation_and_its_person_have_names_for_everything() {
    let rig = Rig::new(fake::everyday(), 1024.0, 1000.0);
    open(&rig, "Ada Lovelace");
    rig.chord(Key::Control, "f");
    rig.write("the");
    rig.pass(200);
    rig.settle();
    rig.app.did(y7ke::model::desk::Act::Reply(y7ke::model::drafts::Reply {
        id: "aa".repeat(32),
        who: "Ada".into(),
        words: "well?".into(),
    }));
    rig.settle();
    assert_eq!(nameless(&rig), Vec::<String>::new());
    rig.click("About Ada Lovelace");
    assert_eq!(pane(&rig), Pane::Person);
    assert_eq!(nameless(&rig), Vec::<String>::new());
    rig.click("Read their code");
    rig.click("Read it with the camera");
    assert_eq!(nameless(&rig), Vec::<String>::new());
}

fn pause(rig: &Rig) {
    rig.pass(250);
    rig.settle();
}

#[test]
fn c6_the_list_finds_people_and_messages_and_opens_them_in_place() {
    let fake = chatty(3_000);
    fake.said(GRACE, false, "a needle of Grace", NOW - 90 * MINUTE);
    let needle = fake.said(ADA, false, "here is the needle in the haystack", NOW - 2_000 * MINUTE);
    let rig = Rig::new(fake, 1024.0, 640.0);
    rig.chord(Key::Control, "k");
    rig.write("needle");
    pause(&rig);
    assert!(rig.sees("Grace Hopper, 12:35. a needle of Grace"), "{:?}", rig.labels());
    rig.click("here is the needle in the haystack");
    assert_eq!(pane(&rig), Pane::Chat);
    let shown = rig.bubbles();
    let hit = shown.iter().find(|bubble| bubble.accessible_label().is_some_and(|label| label.contains("the needle")));
    let hit = hit.expect("the message is on the screen");
    let (top, below) = (hit.absolute_position().y, bottom_of_list(&rig));
    assert!(top > 64.0 && bottom(hit) < below, "{top} of {below}");
    assert!(rig.sees("Jump to newest"));
    assert_eq!(rig.value("Find people and messages"), "needle");
    let marked = ui::Desk::get(rig.window()).get_messages();
    let marked: Vec<_> = slint::Model::iter(&marked).filter(|row| row.marked).map(|row| row.id.to_string()).collect();
    assert_eq!(marked, [needle.message_id]);
}

#[test]
fn c6_arrows_choose_and_enter_opens_what_is_chosen() {
    let rig = rig();
    rig.chord(Key::Control, "k");
    rig.write("re");
    pause(&rig);
    rig.key(Key::DownArrow);
    rig.key(Key::DownArrow);
    rig.key(Key::UpArrow);
    rig.key(Key::Return);
    assert_eq!(pane(&rig), Pane::Chat);
    rig.chord(Key::Control, "k");
    rig.chord(Key::Control, "a");
    rig.write("zzz");
    pause(&rig);
    assert!(rig.sees("Nobody and nothing found for “zzz”"));
    rig.key(Key::Escape);
    assert!(!rig.sees("Nobody and nothing found"));
    assert_eq!((pane(&rig), rig.value("Find people and messages").as_str()), (Pane::Chat, ""));
}

#[test]
fn g3_finding_works_where_the_list_has_no_room() {
    for width in [780.0, 720.0] {
        let rig = Rig::new(fake::everyday(), width, 480.0);
        open(&rig, "Ada Lovelace");
        assert!(rig.find("Find people and messages").is_none());
        rig.chord(Key::Control, "k");
        rig.write("hedy");
        rig.key(Key::Return);
        assert!(rig.sees("Message Hedy Lamarr"), "at {width}");
        rig.chord(Key::Control, "k");
        assert!(rig.find("Find people and messages").is_some());
        rig.key(Key::Escape);
        assert!(rig.find("Find people and messages").is_none(), "at {width}");
        assert_eq!(pane(&rig), Pane::Chat);
    }
}

#[test]
fn c6_ctrl_f_walks_through_the_hits_of_a_conversation() {
    let rig = Rig::new(chatty(3_000), 1024.0, 640.0);
    open(&rig, "Ada Lovelace");
    rig.chord(Key::Control, "f");
    rig.write("message 100");
    pause(&rig);
    let seen = |rig: &Rig, text: &str| {
        let bubbles = rig.bubbles();
        let hit = bubbles.iter().find(|bubble| {
            let label = bubble.accessible_label().unwrap_or_default();
            label.split_once(": ").is_some_and(|(_, words)| {
                words.split('.').next().is_some_and(|words| words == text || words.starts_with(&format!("{text} ")))
            })
        });
        hit.is_some_and(|hit| hit.absolute_position().y > 64.0 && bottom(hit) < bottom_of_list(rig))
    };
    assert!(rig.sees("1 of 13"), "{:?}", rig.labels());
    assert!(seen(&rig, "message 2100"), "{:?}", rig.labels());
    rig.key(Key::Return);
    assert!(rig.sees("2 of 13") && seen(&rig, "message 1100"), "{:?}", rig.labels());
    rig.chord(Key::Shift, Key::Return);
    assert!(rig.sees("1 of 13") && seen(&rig, "message 2100"));
    rig.click("Older");
    assert!(rig.sees("2 of 13"));
    rig.key(Key::Escape);
    assert!(!rig.sees("2 of 13"));
    assert_eq!(pane(&rig), Pane::Chat);
    rig.write("typed at once");
    assert_eq!(rig.value("Message Ada Lovelace"), "typed at once");
}

/// Takes an entry of the open menu with the keys.
fn choose(rig: &Rig, entry: &str, place: usize) {
    assert!(rig.sees(entry), "the menu is open");
    (0..place).for_each(|_| rig.key(Key::DownArrow));
    rig.key(Key::Return);
}

#[test]
fn c7_a_reply_from_the_menu_is_shown_sent_and_jumped_to() {
    let fake = chatty(400);
    let rig = Rig::new(fake, 1024.0, 640.0);
    open(&rig, "Ada Lovelace");
    rig.click_right_message(": message 399");
    choose(&rig, "Reply", 1);
    assert!(
        rig.sees("Reply to You: message 399") || rig.sees("Reply to Ada Lovelace: message 399"),
        "{:?}",
        rig.labels()
    );
    rig.write("an answer");
    rig.key(Key::Return);
    let answered = |command: &Command| matches!(command, Command::MessageSend { text, reply_to: Some(_), .. } if text == "an answer");
    assert_eq!(rig.fake.called(answered), 1);
    assert!(!rig.sees("Reply to Ada Lovelace: message 399"));
    for n in 0..40 {
        rig.fake.receive(ADA, &format!("much later {n}"));
    }
    rig.settle();
    let old = rig.fake.messages.borrow()[ADA].values().next().cloned().expect("the oldest");
    let last = rig.fake.said(ADA, false, "to the oldest", NOW + MINUTE);
    let message = rig.fake.answers(ADA, &last, &old);
    rig.fake.tell(Notice::MessageReceived { message });
    rig.settle();
    assert!(rig.sees("Ada Lovelace answered You “message 0”"), "{:?}", rig.labels());
    rig.click("Go to the message that is answered");
    assert!(
        rig.bubbles().iter().any(|bubble| bubble.accessible_label().is_some_and(|label| label.contains(": message 0"))),
        "{:?}",
        rig.labels()
    );
}

#[test]
fn g3_the_keyboard_walks_through_messages_and_replies() {
    let rig = Rig::new(chatty(300), 1024.0, 640.0);
    open(&rig, "Ada Lovelace");
    let current = |rig: &Rig| ui::Desk::get(rig.window()).get_current();
    rig.key(Key::Backtab);
    assert_eq!(current(&rig), 299);
    for _ in 0..30 {
        rig.key(Key::UpArrow);
    }
    assert_eq!(current(&rig), 269);
    let label = rig.fake.messages.borrow()[ADA].values().nth(269).map(|message| message.text.clone()).expect("a text");
    let on_screen = |rig: &Rig| {
        rig.bubbles().iter().any(|bubble| {
            bubble.accessible_label().is_some_and(|words| words.contains(&label)) && bubble.absolute_position().y > 60.0
        })
    };
    assert!(on_screen(&rig), "{:?}", rig.labels());
    rig.chord(Key::Shift, Key::F10);
    assert!(rig.sees("Copy text"), "{:?}", rig.labels());
    rig.key(Key::Escape);
    rig.key(Key::Return);
    assert!(rig.sees("Reply to"));
    rig.write("from the keys");
    rig.key(Key::Return);
    assert_eq!(rig.fake.called(|command| matches!(command, Command::MessageSend { reply_to: Some(_), .. })), 1);
}

#[test]
fn g3_page_keys_scroll_and_a_letter_goes_to_the_composer() {
    let rig = Rig::new(chatty(300), 1024.0, 640.0);
    open(&rig, "Ada Lovelace");
    rig.key(Key::PageUp);
    assert!(rig.sees("Jump to newest"));
    // Heights of rows that were not made are estimates: the end may be a little further than one page.
    rig.key(Key::PageDown);
    rig.key(Key::PageDown);
    assert!(!rig.sees("Jump to newest"));
    rig.write("ab");
    rig.key(Key::Backtab);
    rig.write("cd");
    assert_eq!(rig.value("Message Ada Lovelace"), "abcd");
}

#[test]
fn g6_a_link_shows_its_host_and_asks_before_it_opens() {
    let fake = Fake::new();
    fake.person(ADA, "Ada Lovelace");
    fake.said(ADA, false, "look at https://аррӏе.com/login now", NOW - MINUTE);
    let rig = Rig::new(fake, 1024.0, 640.0);
    open(&rig, "Ada Lovelace");
    rig.click("Open link to xn--80ak6aa92e.com");
    assert!(rig.sees("Open a page of xn--80ak6aa92e.com?"));
    assert_eq!(rig.opened(), None);
    rig.key(Key::Return);
    assert_eq!(rig.opened(), None);
    rig.click("Open link to xn--80ak6aa92e.com");
    rig.click("Open");
    assert_eq!(rig.opened().as_deref(), Some("https://xn--80ak6aa92e.com/login"));
}

#[test]
fn g6_text_of_a_message_is_selected_and_copied() {
    let fake = Fake::new();
    fake.person(ADA, "Ada Lovelace");
    fake.said(ADA, false, "choose these words", NOW - MINUTE);
    let rig = Rig::new(fake, 1024.0, 640.0);
    open(&rig, "Ada Lovelace");
    rig.drag_over_message("choose these words");
    rig.chord(Key::Control, "c");
    rig.click("Message Ada Lovelace");
    rig.chord(Key::Control, "v");
    assert_eq!(rig.value("Message Ada Lovelace"), "choose these words");
}

/// Whatever the wheel moves under the pointer stays plain text: elements that come and go cost a drawing of the whole window.
#[test]
fn c5_messages_that_pass_under_the_pointer_are_not_made_selectable() {
    use i_slint_backend_testing::ElementQuery;
    let rig = Rig::new(chatty(300), 1024.0, 640.0);
    open(&rig, "Ada Lovelace");
    let inputs =
        || ElementQuery::from_root(rig.window()).match_descendants().match_inherits("TextInput").find_all().len();
    let before = inputs();
    let over = |rig: &Rig| {
        let all = rig.bubbles();
        let seen = all.into_iter().find(|bubble| bubble.absolute_position().y > 200.0).expect("one in the view");
        (seen.absolute_position().x + 8.0, seen.absolute_position().y + seen.size().height / 2.0)
    };
    let (x, y) = over(&rig);
    let position = slint::LogicalPosition::new(x, y);
    for _ in 0..20 {
        let wheel = slint::platform::WindowEvent::PointerScrolled { position, delta_x: 0.0, delta_y: 7.0 };
        rig.window().window().dispatch_event(wheel);
        rig.settle();
        assert_eq!(inputs(), before);
    }
    let (x, y) = over(&rig);
    for by in [0.0, 1.0, 2.0] {
        let position = slint::LogicalPosition::new(x + by, y);
        rig.window().window().dispatch_event(slint::platform::WindowEvent::PointerMoved { position });
        rig.settle();
    }
    assert!(inputs() > before, "the pointer came to it");
}

#[test]
fn g6_the_menu_copies_the_text_as_it_was_written() {
    let rig = rig();
    open(&rig, "Ada Lovelace");
    rig.click_right_message("I bring the printouts");
    choose(&rig, "Copy text", 2);
    assert_eq!(*rig.paper.0.borrow(), "I bring the printouts");
}

#[test]
fn g6_an_entry_of_the_menu_is_taken_with_the_mouse() {
    let rig = Rig::new(chatty(40), 1024.0, 640.0);
    open(&rig, "Ada Lovelace");
    let corner = rig.click_right_message(": message 33");
    rig.click_in_menu(corner, "Copy text");
    assert!(rig.paper.0.borrow().starts_with("message 33 and"), "{}", rig.paper.0.borrow());
    assert!(!rig.sees("Copy text"), "the menu is closed");
}

#[test]
fn b8_pasted_digits_are_compared_and_mark_the_person_everywhere() {
    let rig = Rig::new(fake::everyday(), 1024.0, 1000.0);
    open(&rig, "Ada Lovelace");
    rig.click("About Ada Lovelace");
    rig.paper.0.replace("01234 56789 01234 99999".into());
    rig.click("Paste their number");
    assert!(rig.sees("Group 4 differs"));
    assert_eq!(rig.get("They match").accessible_enabled(), Some(false));
    rig.paper.0.replace(format!("{}\n{}", fake::THEIRS, fake::MINE));
    rig.click("Paste their number");
    assert!(rig.sees("All digits are the same."));
    rig.click("They match");
    let verified =
        |command: &Command| matches!(command, Command::ContactVerify { digits: Some(_), verified: true, .. });
    assert_eq!(rig.fake.called(verified), 1);
    assert!(rig.sees("Ada Lovelace is verified"));
    assert!(rig.sees("Ada Lovelace, verified, online"));
    rig.key(Key::Escape);
    assert!(rig.find("Verified").is_some());
    rig.click("About Ada Lovelace");
    rig.click("Take the mark back");
    assert!(rig.find("Verified").is_none());
    assert!(!rig.sees("no longer holds"));
}

fn about_ada(width: f32, height: f32) -> Rig {
    let rig = Rig::new(fake::everyday(), width, height);
    open(&rig, "Ada Lovelace");
    rig.click("About Ada Lovelace");
    rig
}

fn seen(rig: &Rig, texts: &[&str]) {
    rig.eyes.see(Glimpse::Texts(texts.iter().map(|text| (*text).to_owned()).collect()));
    rig.settle();
}

const DIALOG: &str = "They see it in your details";

#[test]
fn b8_the_code_on_their_screen_is_read_from_a_picture() {
    let rig = about_ada(1024.0, 1000.0);
    let (mine, theirs) = ([fake::MINE, fake::THEIRS].concat(), [fake::THEIRS, fake::MINE].concat());
    rig.click("Read their code");
    assert!(rig.sees(DIALOG));
    rig.click("Paste a picture of it");
    assert_eq!(rig.eyes.looked(), [Some(Source::Clipboard)]);
    assert!(rig.sees("Looking for a code"));
    seen(&rig, &[&mine]);
    assert!(rig.sees("This is your own code"));
    rig.chord(Key::Control, "v");
    assert_eq!(rig.eyes.looked(), [Some(Source::Clipboard)]);
    seen(&rig, &["https://example.org", &mine, &theirs]);
    assert!(!rig.sees(DIALOG));
    assert!(rig.sees("All digits are the same."));
    rig.click("They match");
    let verified =
        |command: &Command| matches!(command, Command::ContactVerify { digits: Some(_), verified: true, .. });
    assert_eq!(rig.fake.called(verified), 1);
    assert!(rig.sees("Ada Lovelace is verified"));
}

#[test]
fn b8_the_camera_is_open_while_the_person_looks_through_it() {
    let rig = about_ada(720.0, 480.0);
    // Its button is further down a page that is higher than the window.
    rig.app.did(Act::ReadCode(Wanted::Number));
    rig.settle();
    assert_eq!(rig.eyes.looked(), [], "nothing is opened unasked");
    // The keys are on the camera's button.
    rig.key(Key::Return);
    assert_eq!(rig.eyes.looked(), [Some(Source::Camera)]);
    assert!(rig.sees("The camera is starting"));
    rig.eyes.frame.replace(Some(Frame { width: 4, height: 3, rgb: vec![120; 36] }));
    rig.settle();
    assert!(rig.sees("What the camera sees"));
    let (picture, leave) = (rig.get("What the camera sees"), rig.get("Cancel"));
    assert!(picture.size().height > 60.0 && bottom(&leave) < 480.0, "{:?}", picture.size());
    seen(&rig, &["https://example.org"]);
    assert!(rig.sees("This code is no safety number"));
    rig.key(Key::Escape);
    assert_eq!(rig.eyes.looked(), [None], "it rests");
    assert!(!rig.sees(DIALOG) && pane(&rig) == Pane::Person);
    assert_eq!(ui::Desk::get(rig.window()).get_reading_frame().size().width, 0, "no picture of anybody is kept");
}

#[test]
fn b8_the_keys_stay_in_the_dialog_that_reads_a_code() {
    let rig = about_ada(1024.0, 1000.0);
    rig.click("Read their code");
    for expected in [Some(Source::Choice), Some(Source::Clipboard)] {
        rig.key(Key::Tab);
        rig.key(Key::Space);
        assert_eq!(rig.eyes.looked(), [expected]);
        rig.eyes.see(Glimpse::Failed("That picture cannot be opened.".into()));
        rig.settle();
        assert!(rig.sees("That picture cannot be opened."));
    }
    rig.key(Key::Tab);
    rig.key(Key::Tab);
    rig.key(Key::Return);
    assert_eq!(rig.eyes.looked(), [Some(Source::Camera)], "once around");
    rig.chord(Key::Shift, Key::Backtab);
    rig.key(Key::Return);
    assert!(!rig.sees(DIALOG), "Cancel is before the camera");
    assert_eq!(rig.eyes.looked(), [None]);
}

#[test]
fn a2_somebody_is_added_by_the_code_that_they_show() {
    let rig = rig();
    rig.chord(Key::Control, "n");
    rig.click("Read their code");
    rig.click("Choose a picture of it");
    assert_eq!(rig.eyes.looked(), [Some(Source::Choice)]);
    seen(&rig, &[ME]);
    assert!(rig.sees("This is your own code. Read theirs."));
    rig.click("Choose a picture of it");
    seen(&rig, &[fake::NEW]);
    assert_eq!(rig.value("Their id"), fake::NEW);
    rig.click("Their id");
    greet_and_ask(&rig);
}

#[test]
fn a2_a_picture_that_is_pasted_or_dropped_is_read() {
    let rig = rig();
    rig.chord(Key::Control, "n");
    rig.click("Paste");
    assert_eq!(rig.eyes.looked(), [Some(Source::Clipboard)], "there is no text to paste");
    seen(&rig, &[]);
    assert!(rig.sees("No code was found"));
    rig.click("Cancel");
    rig.app.noticed(Act::Dropped("code.png".into()));
    rig.settle();
    assert_eq!(rig.eyes.looked(), [Some(Source::File("code.png".into()))]);
    seen(&rig, &[fake::NEW]);
    assert_eq!(rig.value("Their id"), fake::NEW);
}

#[test]
fn b8_a_mark_that_lapses_is_told_in_the_conversation() {
    let fake = fake::everyday();
    fake.alter(ADA, |contact| contact.verified = true);
    let rig = Rig::new(fake, 1024.0, 640.0);
    open(&rig, "Ada Lovelace");
    rig.fake.alter(ADA, |contact| contact.verified = false).tell_contact(ADA);
    rig.settle();
    assert!(rig.sees("no longer holds"));
    rig.click("Compare again");
    assert_eq!(pane(&rig), Pane::Person);
    rig.key(Key::Escape);
    rig.click("Put away");
    assert!(!rig.sees("no longer holds"));
}

#[test]
fn g3_page_keys_scroll_a_pane_that_is_longer_than_the_window() {
    let rig = rig();
    open(&rig, "Ada Lovelace");
    rig.click("About Ada Lovelace");
    assert!(!rig.sees("They match"));
    rig.key(Key::PageDown);
    rig.key(Key::PageDown);
    assert!(rig.sees("They match"), "{:?}", rig.labels());
    rig.key(Key::PageUp);
    rig.key(Key::PageUp);
    assert!(rig.sees("Name, seen only by you"));
}

#[test]
fn g3_f1_lists_the_keys() {
    let rig = rig();
    rig.key(Key::F1);
    assert_eq!(pane(&rig), Pane::Keys);
    assert!(rig.sees("Ctrl+K: Find people and messages"));
    rig.key(Key::Escape);
    assert_eq!(pane(&rig), Pane::Home);
}

#[test]
fn without_a_network_the_window_says_what_works() {
    let fake = fake::empty();
    fake.info.borrow_mut().iter_mut().for_each(|info| info.listen.clear());
    let rig = Rig::new(fake, 1024.0, 640.0);
    assert!(
        rig.labels().iter().any(|label| label == "No network") || rig.sees("goes out by itself"),
        "{:?}",
        rig.labels()
    );
}

#[test]
fn e11_a_tooltip_tells_the_path_in_plain_words() {
    let rig = rig();
    open(&rig, "Ada Lovelace");
    let words = |rig: &Rig| ui::Tip::get(rig.window()).get_words().to_string();
    rig.hover("DIRECT · QUIC · IPv6");
    assert_eq!(words(&rig), "");
    rig.pass(400);
    rig.settle();
    assert_eq!(words(&rig), "Connected straight to Ada Lovelace, over QUIC and IPv6; found on this network.");
    rig.hover("Message Ada Lovelace");
    assert_eq!(words(&rig), "");
}

#[test]
fn a_clipboard_that_fails_is_told() {
    let rig = rig();
    rig.app.did(y7ke::model::desk::Act::ClipboardFailed("Not copied: no clipboard".into()));
    rig.settle();
    assert!(rig.sees("Not copied: no clipboard"));
}

/// A toast is as high as its words need, and no wider than the window.
#[test]
fn long_words_in_a_toast_wrap_and_are_whole() {
    let size = |width: f32, words: &str| {
        let rig = Rig::new(fake::everyday(), width, 640.0);
        rig.app.did(y7ke::model::desk::Act::ClipboardFailed(words.into()));
        rig.settle();
        rig.get(words).size()
    };
    let line = size(1024.0, "Copied");
    let long = size(1024.0, "Request kept. It goes out as soon as they can be reached, and not before.");
    assert!(line.width < 200.0 && long.width > 400.0 && long.width <= 420.0, "{line:?} {long:?}");
    assert!(long.height > line.height + 12.0, "two lines: {line:?} {long:?}");
    // Just as long as a toast is wide, and a little longer.
    for more in 0..12 {
        let size = size(1024.0, &format!("Request kept. It goes out as soon as they can be{}", "n".repeat(more)));
        assert!(size.width < 420.0 || size.height > line.height + 12.0, "{more}: {size:?}");
    }
    let narrow = size(360.0, "Request kept. It goes out as soon as they can be reached, and not before.");
    assert!(narrow.width < 360.0 && narrow.height > line.height + 12.0, "{narrow:?}");
}

/// Whoever begins has one form to fill in: the greeting comes as soon as there is somebody to greet.
#[test]
fn b1_the_first_request_has_a_greeting_too() {
    let rig = Rig::new(fake::empty(), 1024.0, 640.0);
    let greeting = "A word of greeting, so that they know you";
    assert!(!rig.sees(greeting));
    rig.click("Their id");
    rig.write(fake::NEW);
    assert!(rig.sees(greeting));
    greet_and_ask(&rig);
}

/// What the window's properties say about anybody, whether it is seen or not.
fn words_about_anybody(rig: &Rig) -> String {
    let desk = ui::Desk::get(rig.window());
    let words = [
        desk.get_me_name(),
        desk.get_me_id(),
        desk.get_me_short(),
        desk.get_qr_for(),
        desk.get_name_field(),
        desk.get_nickname_field(),
        desk.get_device(),
        desk.get_filter(),
        desk.get_draft(),
        desk.get_add_uri(),
        desk.get_add_greeting(),
        desk.get_open_id(),
        desk.get_chat_name(),
        desk.get_chat_path(),
        desk.get_chat_path_words(),
        desk.get_chat_id_groups(),
        desk.get_chat_safety(),
        desk.get_chat_state_title(),
        desk.get_composer_hint(),
        desk.get_incoming_words(),
    ];
    words.map(String::from).concat()
}

fn locked_by(words: &str) -> std::rc::Rc<Fake> {
    let fake = fake::everyday();
    fake.protect(words, false);
    fake
}

#[test]
fn a4_locking_leaves_nothing_of_anybody_in_the_window() {
    let rig = Rig::new(locked_by("right"), 1024.0, 640.0);
    open(&rig, "Ada Lovelace");
    rig.write("half a thought");
    rig.chord(Key::Control, "l");
    assert!(rig.sees("y7ke is locked"));
    assert_eq!(words_about_anybody(&rig), "");
    let desk = ui::Desk::get(rig.window());
    let rows = [desk.get_conversations().row_count(), desk.get_messages().row_count(), desk.get_requests().row_count()];
    assert_eq!((rows, desk.get_unread()), ([0, 0, 0], 0));
    let left: Vec<String> =
        rig.labels().into_iter().filter(|label| label.contains("Ada") || label.contains("Grace")).collect();
    assert!(left.is_empty(), "{left:?}");
    // Keys of the open window do nothing.
    rig.chord(Key::Control, "n");
    rig.chord(Key::Control, "k");
    assert!(rig.sees("y7ke is locked"));

    rig.click("Passphrase");
    rig.write("wrong");
    assert_eq!(rig.value("Passphrase"), "", "a screen reader says no passphrase aloud");
    rig.click("Show Passphrase");
    assert_eq!(rig.value("Passphrase"), "wrong");
    rig.click("Unlock");
    assert!(rig.sees("This passphrase is not the right one"));
    assert_eq!(rig.value("Passphrase"), "", "what was wrong is wiped");
    rig.click("Passphrase");
    rig.write("right");
    rig.key(Key::Return);
    assert!(!rig.sees("y7ke is locked"));
    open(&rig, "Ada Lovelace");
    assert_eq!(rig.value("Message Ada Lovelace"), "half a thought", "no word is lost by locking");
}

#[test]
fn a4_a_locked_profile_asks_for_its_passphrase_and_types_into_the_field_at_once() {
    let fake = fake::everyday();
    fake.protect("right", true);
    let rig = Rig::new(fake, 720.0, 480.0);
    assert!(rig.sees("y7ke is locked") && !rig.sees("Ada Lovelace"));
    rig.write("right");
    rig.key(Key::Return);
    assert!(rig.sees("Ada Lovelace"));
}

#[test]
fn a4_a_passphrase_is_set_in_the_settings_and_taken_away_by_whoever_knows_it() {
    let rig = Rig::new(fake::everyday(), 1024.0, 1800.0);
    rig.chord(Key::Control, ",");
    assert!(rig.sees("Not protected"));
    rig.click("Set a passphrase");
    rig.write("seven quiet otters");
    assert!(rig.sees("Easy to guess"));
    rig.key(Key::Tab);
    rig.key(Key::Tab);
    rig.write("seven quiet other");
    assert!(rig.sees("The two are not the same yet"));
    assert_eq!(rig.get("Set passphrase").accessible_enabled(), Some(false));
    rig.key(Key::Backspace);
    rig.key(Key::Backspace);
    rig.key(Key::Backspace);
    rig.write("ters");
    rig.click("Set passphrase");
    assert!(rig.sees("Locked by your passphrase"));
    assert_eq!(rig.fake.called(|command| matches!(command, Command::VaultSet { to: VaultKind::Passphrase, .. })), 1);

    rig.click("Remove passphrase");
    rig.write("a guess");
    rig.click("Go on");
    assert!(rig.sees("This passphrase is not the right one"));
    rig.click("Passphrase of now");
    rig.chord(Key::Control, "a");
    rig.write("seven quiet otters");
    rig.click("Go on");
    assert!(rig.sees("Not protected"));
}

#[test]
fn g5_notifications_are_said_while_the_window_rests_and_can_be_off() {
    let rig = Rig::new(fake::everyday(), 1024.0, 1800.0);
    rig.app.did(Act::Active(false));
    rig.fake.receive(ADA, "are you there?");
    rig.settle();
    assert_eq!(rig.outside.said(), [("Ada Lovelace".to_owned(), "are you there?".to_owned())]);
    rig.outside.happens(Input::Did(Act::Follow(About::Person(ADA.into()))));
    rig.app.did(Act::Active(true));
    rig.settle();
    assert_eq!((pane(&rig), rig.outside.said().len()), (Pane::Chat, 0));

    rig.chord(Key::Control, ",");
    rig.click("Show what was written");
    rig.app.did(Act::Active(false));
    rig.fake.receive(GRACE, "a secret");
    rig.settle();
    assert_eq!(rig.outside.said(), [("Grace Hopper".to_owned(), "3 new messages".to_owned())]);
    rig.click("Notifications");
    assert_eq!(rig.outside.said(), []);
    rig.outside.happens(Input::Found(Fact::Notes("No service for them here.".into())));
    rig.settle();
    assert!(rig.sees("No service for them here."));
}

#[test]
fn g5_the_tray_has_an_icon_only_if_it_is_wanted_and_no_names_on_it() {
    let rig = Rig::new(locked_by("right"), 1024.0, 1800.0);
    assert_eq!(*rig.outside.tray.borrow(), None);
    rig.chord(Key::Control, ",");
    rig.click("Stay in the tray");
    assert_eq!(rig.outside.tray.borrow().as_deref(), Some("y7ke: 2 new messages"));
    rig.outside.happens(Input::Found(Fact::Tray(true)));
    rig.settle();
    let window = rig.window().window();
    window.dispatch_event(slint::platform::WindowEvent::CloseRequested);
    assert!(!window.is_visible(), "closed to the tray");
    rig.outside.happens(Input::Found(Fact::Tray(false)));
    rig.settle();
    assert!(window.is_visible(), "and not lost with it");
    assert!(rig.sees("This desktop shows no tray"));
    rig.chord(Key::Control, "l");
    assert_eq!(rig.outside.tray.borrow().as_deref(), Some("y7ke is locked"));
}
