//! The desk, without a window: inputs in, effects out.

use y7ke_node::api::{
    Answer, ApiError, Command, ContactState, ContactView, Direction, ErrorKind, MessageView, Mode, NodeInfo, Notice,
    RequestState, RequestView, Settings, SettingsPatch, Status, VaultKind, VaultView,
};

mod reading;

use super::*;
use crate::model::add::Verdict;
use crate::model::person::tests::contact;

const ADA: &str = "y7:4uQeVj5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM1";
const BOB: &str = "y7:7gRaCe5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM2";

fn read(text: &str) -> Result<String, String> {
    Ok(text.split('?').next().unwrap_or(text).to_owned())
}

fn did(desk: &mut Desk, act: Act) -> Vec<Effect> {
    desk.handle(Input::Did(act), &read, 1_000)
}

fn told(desk: &mut Desk, notice: Notice) -> Vec<Effect> {
    desk.handle(Input::Told(notice), &read, 1_000)
}

fn answer(desk: &mut Desk, asked: Asked, answer: Result<Answer, ApiError>) -> Vec<Effect> {
    desk.handle(Input::Answered(asked, answer), &read, 1_000)
}

fn settings() -> Settings {
    Settings {
        mode: Mode::Lan,
        name: "Me".into(),
        receipts: true,
        typing: true,
        notifications: true,
        notification_text: true,
        theme: "system".into(),
        scale: 100,
        close_to_tray: false,
        window: None,
    }
}

fn info() -> NodeInfo {
    NodeInfo {
        version: "0".into(),
        y7_id: "y7:me".into(),
        uri: "y7:me?via=x".into(),
        device_id: "aa".repeat(32),
        peer_id: "12D3".into(),
        listen: Vec::new(),
        mode: Mode::Lan,
        vault: VaultKind::File,
        name: "Me".into(),
    }
}

fn desk(contacts: Vec<ContactView>) -> Desk {
    let mut desk = Desk::new(false);
    assert_eq!(desk.handle(Input::Began, &read, 0).len(), 5);
    answer(&mut desk, Asked::Info, Ok(Answer::NodeInfo(info())));
    answer(&mut desk, Asked::Settings, Ok(Answer::Settings(settings())));
    answer(&mut desk, Asked::Contacts, Ok(Answer::Contacts(contacts)));
    assert!(!desk.ready());
    answer(&mut desk, Asked::Requests, Ok(Answer::Requests(Vec::new())));
    assert!(desk.ready());
    desk
}

fn ada() -> ContactView {
    contact(ADA, "Ada")
}

fn bob() -> ContactView {
    ContactView { log: Some("bb".repeat(32)), ..contact(BOB, "Bob") }
}

fn message(from: &ContactView, mine: bool, n: u64) -> MessageView {
    MessageView {
        message_id: format!("{n:064x}"),
        log: from.log.clone().unwrap_or_default(),
        author: if mine { "y7:me".into() } else { from.y7_id.clone() },
        device_id: "02".repeat(32),
        mine,
        text: format!("message {n}"),
        sent_at: n,
        hlc: n,
        reply_to: None,
        edited_at: None,
        deleted: false,
        reactions: Vec::new(),
        status: Status::Delivered,
        delivered_to: Vec::new(),
        unopened: false,
        disputed: false,
    }
}

fn calls(effects: &[Effect]) -> Vec<&Command> {
    effects
        .iter()
        .filter_map(|effect| if let Effect::Call(_, command) = effect { Some(command) } else { None })
        .collect()
}

fn refusal() -> ApiError {
    ApiError::new(ErrorKind::Storage, "the disk is full")
}

#[test]
fn a1_the_first_screen_goes_with_or_without_a_name() {
    let mut fresh = Desk::new(true);
    assert!(fresh.welcome);
    assert!(did(&mut fresh, Act::Start("  ".into())).is_empty());
    assert!(!fresh.welcome);
    let mut fresh = Desk::new(true);
    let effects = did(&mut fresh, Act::Start(" Ada\u{202E} ".into()));
    let named = SettingsPatch { name: Some("Ada".into()), ..SettingsPatch::default() };
    assert_eq!(calls(&effects), [&Command::SettingsSet(named)]);
}

#[test]
fn opening_shows_the_draft_and_reads_it_once() {
    let mut desk = desk(vec![ada(), bob()]);
    let effects = did(&mut desk, Act::Open(ADA.into()));
    let of = Conversation::Person(ADA.into());
    assert_eq!(calls(&effects), [&Command::DraftGet { of: of.clone() }]);
    let effects = answer(&mut desk, Asked::Draft(ADA.into()), Ok(Answer::Draft { text: "kept".into() }));
    assert_eq!(effects, [Effect::Fill(Field::Draft, "kept".into())]);
    did(&mut desk, Act::Open(BOB.into()));
    let effects = did(&mut desk, Act::Open(ADA.into()));
    assert!(effects.contains(&Effect::Fill(Field::Draft, "kept".into())));
    assert!(!calls(&effects).contains(&&Command::DraftGet { of }));
}

/// A draft of another device of mine shows here, unless something newer is typed.
#[test]
fn a_draft_of_another_device_is_followed_until_something_is_typed() {
    let mut desk = desk(vec![ada()]);
    did(&mut desk, Act::Open(ADA.into()));
    let came = |text: &str| Notice::Draft { y7_id: ADA.into(), log: "00".into(), text: text.into() };
    let effects = told(&mut desk, came("from the phone"));
    assert!(effects.contains(&Effect::Fill(Field::Draft, "from the phone".into())));
    did(&mut desk, Act::Draft("typed here".into()));
    assert!(told(&mut desk, came("too late")).is_empty());
    assert_eq!(desk.drafts.typed(ADA), Some("typed here"));
}

#[test]
fn no_conversation_yet_is_no_trouble_with_a_draft() {
    let mut desk = desk(vec![ada()]);
    did(&mut desk, Act::Open(ADA.into()));
    let none = ApiError::new(ErrorKind::NotFound, "There is no conversation with this person yet.");
    assert!(answer(&mut desk, Asked::Draft(ADA.into()), Err(none.clone())).is_empty());
    assert_eq!(desk.composer_trouble, "");
    answer(&mut desk, Asked::SaveDraft, Err(none));
    assert!(desk.composer_trouble.starts_with("This draft is not saved yet"));
}

#[test]
fn c1_switching_saves_what_is_typed_at_once() {
    let mut desk = desk(vec![ada(), bob()]);
    did(&mut desk, Act::Open(ADA.into()));
    did(&mut desk, Act::Draft("half a thou".into()));
    let effects = did(&mut desk, Act::Open(BOB.into()));
    let saved = Command::DraftSet { of: Conversation::Person(ADA.into()), text: "half a thou".into() };
    assert!(calls(&effects).contains(&&saved));
    assert!(effects.contains(&Effect::Fill(Field::Draft, String::new())));
}

#[test]
fn c1_a_pause_in_typing_saves_too() {
    let mut desk = desk(vec![ada()]);
    did(&mut desk, Act::Open(ADA.into()));
    did(&mut desk, Act::Draft("hm".into()));
    assert_eq!(desk.due(), Some(1_400));
    assert!(calls(&desk.handle(Input::Tick, &read, 1_300)).is_empty());
    assert_eq!(calls(&desk.handle(Input::Tick, &read, 1_400)).len(), 1);
}

#[test]
fn sending_empties_the_composer_and_a_refusal_keeps_the_words() {
    let mut desk = desk(vec![ada()]);
    did(&mut desk, Act::Open(ADA.into()));
    did(&mut desk, Act::Draft("hello \n".into()));
    let effects = did(&mut desk, Act::Send);
    assert!(effects.contains(&Effect::Fill(Field::Draft, String::new())));
    let to = Conversation::Person(ADA.into());
    assert_eq!(calls(&effects), [&Command::MessageSend { to, text: "hello".into(), reply_to: None }]);
    let effects = answer(&mut desk, Asked::Send(1), Err(refusal()));
    let Some(Effect::Chat(Chat::Outgoing(out))) = effects.first() else { panic!("the bubble is told: {effects:?}") };
    assert_eq!((out.text.as_str(), out.failed.as_deref()), ("hello", Some("the disk is full")));
    assert_eq!(calls(&did(&mut desk, Act::Retry(1))).len(), 1);
    answer(&mut desk, Asked::Send(1), Err(refusal()));
    let effects = did(&mut desk, Act::TakeBack(1));
    assert!(effects.contains(&Effect::Fill(Field::Draft, "hello".into())));
}

#[test]
fn blank_is_not_sent_and_too_long_says_so_and_stays() {
    let mut desk = desk(vec![ada()]);
    did(&mut desk, Act::Open(ADA.into()));
    did(&mut desk, Act::Draft(" \n\u{200F} ".into()));
    assert!(did(&mut desk, Act::Send).is_empty());
    did(&mut desk, Act::Draft("x".repeat(65_537)));
    assert!(did(&mut desk, Act::Send).is_empty());
    assert!(desk.composer_trouble.contains("1 bytes too long"));
    assert_eq!(desk.drafts.typed(ADA).map(str::len), Some(65_537));
}

#[test]
fn a_message_is_read_only_while_it_is_looked_at() {
    let mut desk = desk(vec![ada(), bob()]);
    did(&mut desk, Act::Open(ADA.into()));
    let receive = |desk: &mut Desk, n| told(desk, Notice::MessageReceived { message: message(&ada(), false, n) });
    assert!(matches!(calls(&receive(&mut desk, 1))[..], [Command::MessageRead { .. }]));
    did(&mut desk, Act::Active(false));
    assert!(calls(&receive(&mut desk, 2)).is_empty());
    assert_eq!(desk.unread(), 1);
    assert_eq!(calls(&did(&mut desk, Act::Active(true))).len(), 1);
    did(&mut desk, Act::AtEnd(false));
    assert!(calls(&receive(&mut desk, 3)).is_empty());
    assert_eq!((desk.below, desk.unread()), (1, 1));
    let effects = did(&mut desk, Act::ToEnd);
    assert!(effects.contains(&Effect::Chat(Chat::ToEnd)));
    assert_eq!((desk.below, desk.unread()), (0, 0));
    did(&mut desk, Act::Show(Pane::Settings));
    assert!(calls(&receive(&mut desk, 4)).is_empty());
    assert_eq!(calls(&did(&mut desk, Act::Back)).len(), 1);
}

#[test]
fn what_comes_unseen_gets_the_new_line() {
    let mut desk = desk(vec![ada()]);
    did(&mut desk, Act::Open(ADA.into()));
    let fresh = |effects: &[Effect]| {
        effects.iter().any(|effect| matches!(effect, Effect::Chat(Chat::Upsert { fresh: true, .. })))
    };
    assert!(!fresh(&told(&mut desk, Notice::MessageReceived { message: message(&ada(), false, 1) })));
    did(&mut desk, Act::AtEnd(false));
    assert!(fresh(&told(&mut desk, Notice::MessageReceived { message: message(&ada(), false, 2) })));
}

#[test]
fn an_older_message_does_not_become_the_last_line() {
    let mut desk = desk(vec![ada()]);
    told(&mut desk, Notice::MessageReceived { message: message(&ada(), false, 5) });
    told(&mut desk, Notice::MessageReceived { message: message(&ada(), false, 3) });
    assert_eq!(desk.contacts[ADA].last.as_ref().map(|last| last.text.as_str()), Some("message 5"));
    assert_eq!(desk.unread(), 2);
}

#[test]
fn b1_a_request_is_sent_once_and_opens_the_person_when_known() {
    let mut desk = desk(Vec::new());
    did(&mut desk, Act::Show(Pane::Add));
    did(&mut desk, Act::Uri(crate::model::text::groups(ADA)));
    did(&mut desk, Act::Greeting(" hi ".into()));
    let effects = did(&mut desk, Act::Request);
    assert_eq!(calls(&effects), [&Command::ContactRequest { uri: ADA.into(), greeting: "hi".into() }]);
    assert!(did(&mut desk, Act::Request).is_empty());
    answer(&mut desk, Asked::Request(ADA.into()), Ok(Answer::Requested { request_id: "r".into() }));
    assert_eq!((desk.pane, desk.add.uri.as_str()), (Pane::Add, ""));
    let asked = ContactView { state: ContactState::PendingOut, ..ada() };
    told(&mut desk, Notice::ContactChanged { contact: asked });
    assert_eq!((desk.pane, desk.open.as_deref()), (Pane::Chat, Some(ADA)));
}

#[test]
fn a_refused_request_keeps_the_form_and_says_why() {
    let mut desk = desk(Vec::new());
    did(&mut desk, Act::Uri(ADA.into()));
    did(&mut desk, Act::Request);
    answer(&mut desk, Asked::Request(ADA.into()), Err(refusal()));
    assert_eq!((desk.add.refused.as_str(), desk.add.uri.as_str(), desk.add.busy), ("The disk is full", ADA, false));
    assert!(matches!(desk.add.verdict, Verdict::Ready(_)));
}

#[test]
fn b3_accepting_opens_the_conversation() {
    let mut desk = desk(Vec::new());
    let request = RequestView {
        request_id: "r".into(),
        direction: Direction::In,
        y7_id: ADA.into(),
        name: "Ada".into(),
        greeting: "hi".into(),
        created: 0,
        expires: 9,
        state: RequestState::Pending,
        problem: None,
        arrived: false,
    };
    told(&mut desk, Notice::RequestReceived { request });
    assert_eq!(desk.toasts.shown()[0].text, "Ada asks to talk to you");
    did(&mut desk, Act::Show(Pane::Requests));
    assert_eq!(calls(&did(&mut desk, Act::Accept("r".into()))).len(), 1);
    told(&mut desk, Notice::ContactChanged { contact: ada() });
    assert_eq!(desk.open, None);
    answer(&mut desk, Asked::Accept(ADA.into()), Ok(Answer::Done {}));
    assert_eq!(desk.open.as_deref(), Some(ADA));
}

#[test]
fn blocking_asks_once_and_cancel_does_nothing() {
    let mut desk = desk(vec![ada()]);
    assert!(did(&mut desk, Act::Block(ADA.into())).is_empty());
    assert!(did(&mut desk, Act::Answer(false)).is_empty());
    assert!(did(&mut desk, Act::Answer(true)).is_empty());
    did(&mut desk, Act::Block(ADA.into()));
    assert!(did(&mut desk, Act::Back).is_empty() && desk.question.is_none());
    did(&mut desk, Act::Block(ADA.into()));
    assert_eq!(calls(&did(&mut desk, Act::Answer(true))), [&Command::ContactBlock { y7_id: ADA.into() }]);
}

#[test]
fn g3_escape_goes_back_one_step_at_a_time() {
    let mut desk = desk(vec![ada()]);
    did(&mut desk, Act::Open(ADA.into()));
    did(&mut desk, Act::Show(Pane::Settings));
    did(&mut desk, Act::Show(Pane::About));
    did(&mut desk, Act::Filter("a".into()));
    assert_eq!(did(&mut desk, Act::Back), [Effect::Fill(Field::Filter, String::new())]);
    let mut panes = Vec::new();
    for _ in 0..4 {
        did(&mut desk, Act::Back);
        panes.push(desk.pane);
    }
    assert_eq!(panes, [Pane::Settings, Pane::Chat, Pane::Home, Pane::Home]);
    assert_eq!(desk.open, None);
}

#[test]
fn a_resync_asks_for_everything_and_hides_nothing() {
    let mut desk = desk(vec![ada()]);
    let effects = told(&mut desk, Notice::Resync);
    assert_eq!(calls(&effects).len(), 5);
    assert!(desk.ready() && effects.contains(&Effect::Chat(Chat::Resync)));
}

#[test]
fn trouble_with_the_disk_stays_until_it_is_mended() {
    let mut desk = desk(vec![ada()]);
    told(&mut desk, Notice::Storage { error: "the disk is full".into() });
    assert_eq!(desk.trouble, "The disk is full");
    told(&mut desk, Notice::Storage { error: String::new() });
    assert_eq!(desk.trouble, "");
}

#[test]
fn settings_show_at_once_and_a_refusal_reads_them_back() {
    let mut desk = desk(Vec::new());
    did(&mut desk, Act::SetScale(400));
    did(&mut desk, Act::SetLook(2));
    did(&mut desk, Act::SetMode(1));
    let settings = desk.settings.clone().unwrap_or_else(settings);
    assert_eq!((settings.scale, settings.theme.as_str(), settings.mode), (150, "dark", Mode::Y7net));
    let effects = answer(&mut desk, Asked::SetSettings, Err(refusal()));
    assert_eq!(calls(&effects), [&Command::SettingsGet]);
    assert!(desk.toasts.shown()[0].bad);
}

fn answered_settings(desk: &mut Desk, change: impl FnOnce(&mut Settings)) {
    let mut changed = settings();
    change(&mut changed);
    told(desk, Notice::SettingsChanged { settings: changed });
}

fn notes<'a>(effects: &'a [Effect]) -> Vec<(&'a About, &'a str)> {
    let note = |effect: &'a Effect| match effect {
        Effect::Notify(note) => Some((&note.about, note.words.as_str())),
        _ => None,
    };
    effects.iter().filter_map(note).collect()
}

#[test]
fn g5_a_message_is_said_outside_and_taken_back_once_it_is_read() {
    let mut desk = desk(vec![ada(), bob()]);
    did(&mut desk, Act::Active(false));
    let effects = told(&mut desk, Notice::MessageReceived { message: message(&ada(), false, 1) });
    let about = About::Person(ADA.into());
    assert_eq!(notes(&effects).len(), 1);
    assert_eq!(notes(&effects)[0].0, &about);
    let effects = did(&mut desk, Act::Follow(about.clone()));
    assert_eq!(effects.first(), Some(&Effect::Raise));
    assert_eq!((desk.pane, desk.open.as_deref()), (Pane::Chat, Some(ADA)));
    did(&mut desk, Act::AtEnd(true));
    assert!(did(&mut desk, Act::Active(true)).contains(&Effect::Withdraw(about)));
    let effects = told(&mut desk, Notice::MessageReceived { message: message(&bob(), false, 2) });
    assert!(notes(&effects).is_empty(), "the window is in use");
}

#[test]
fn g5_blocking_and_switching_off_take_back_what_was_said() {
    for undo in ["block", "off"] {
        let mut desk = desk(vec![ada()]);
        did(&mut desk, Act::Active(false));
        told(&mut desk, Notice::MessageReceived { message: message(&ada(), false, 1) });
        let effects = match undo {
            "block" => {
                let contact = ContactView { state: ContactState::Blocked, unread: 1, ..ada() };
                told(&mut desk, Notice::ContactChanged { contact })
            }
            _ => did(&mut desk, Act::SetNotifications(false)),
        };
        assert!(effects.contains(&Effect::Withdraw(About::Person(ADA.into()))), "{undo}: {effects:?}");
        assert!(notes(&told(&mut desk, Notice::MessageReceived { message: message(&ada(), false, 2) })).is_empty());
    }
}

#[test]
fn closing_ends_the_program_unless_there_is_a_tray_to_stay_in() {
    let mut desk = desk(vec![ada()]);
    assert_eq!(did(&mut desk, Act::Close), [Effect::Quit]);
    desk.handle(Input::Found(Fact::Tray(true)), &read, 0);
    assert_eq!(did(&mut desk, Act::Close), [Effect::Quit]);
    assert_eq!(desk.tray_words(), None);
    answered_settings(&mut desk, |settings| settings.close_to_tray = true);
    assert_eq!(desk.tray_words().as_deref(), Some("y7ke"));
    assert_eq!(did(&mut desk, Act::Close), [Effect::Hide]);
    assert_eq!(did(&mut desk, Act::Raise), [Effect::Raise]);
    did(&mut desk, Act::Close);
    let lost = desk.handle(Input::Found(Fact::Tray(false)), &read, 0);
    assert_eq!(lost, [Effect::Raise], "a hidden window is not lost with its tray");
    assert_eq!(did(&mut desk, Act::Close), [Effect::Quit]);
}

#[test]
fn g7_a_place_is_written_once_the_window_lies_still() {
    let mut desk = desk(Vec::new());
    let at = |x: i32| Seen { at: Some((x, 0)), size: (900, 700), maximised: false, shown: true };
    did(&mut desk, Act::Placed(at(1)));
    did(&mut desk, Act::Placed(at(2)));
    assert_eq!(desk.due(), Some(2_000));
    assert!(desk.handle(Input::Tick, &read, 1_999).iter().all(|effect| !matches!(effect, Effect::Call(..))));
    let place = y7ke_node::api::WindowPlace { at: Some((2, 0)), width: 900, height: 700, maximised: false };
    let patch = SettingsPatch { window: Some(place), ..SettingsPatch::default() };
    let kept = Effect::Call(Asked::SetSettings, Command::SettingsSet(patch));
    assert!(desk.handle(Input::Tick, &read, 2_000).contains(&kept));
    assert_eq!(did(&mut desk, Act::Leave), [], "it is written already");
    did(&mut desk, Act::Placed(at(3)));
    assert_eq!(did(&mut desk, Act::Leave).len(), 1);
}

fn vault(kind: VaultKind, locked: bool) -> VaultView {
    VaultView { kind, locked, keyring: false }
}

#[test]
fn a4_locking_forgets_everybody_and_unlocking_asks_anew() {
    let mut desk = desk(vec![ada()]);
    told(&mut desk, Notice::Vault { vault: vault(VaultKind::Passphrase, false) });
    did(&mut desk, Act::Active(false));
    told(&mut desk, Notice::MessageReceived { message: message(&ada(), false, 1) });
    did(&mut desk, Act::Open(ADA.into()));
    did(&mut desk, Act::Draft("half a thought".into()));
    let locking = did(&mut desk, Act::Lock);
    let saved = |effect: &Effect| matches!(effect, Effect::Call(Asked::SaveDraft, Command::DraftSet { text, .. }) if text == "half a thought");
    assert!(locking.iter().any(saved), "{locking:?}");
    assert_eq!(locking.last(), Some(&Effect::Call(Asked::Vault, Command::VaultLock)));
    let effects = answer(&mut desk, Asked::Vault, Ok(Answer::Vault(vault(VaultKind::Passphrase, true))));
    assert!(desk.locked() && !desk.ready());
    assert!(effects.contains(&Effect::Chat(Chat::Close)) && effects.contains(&Effect::Wipe));
    assert!(effects.contains(&Effect::Withdraw(About::Person(ADA.into()))));
    let left = format!("{desk:?}");
    for word in ["Ada", ADA, "half a thought", "\"Me\"", "y7:me"] {
        assert!(!left.contains(word), "{word} is left in {left}");
    }
    // What was on its way comes too late, and nothing can be opened.
    told(&mut desk, Notice::ContactChanged { contact: ada() });
    answer(&mut desk, Asked::Contacts, Ok(Answer::Contacts(vec![ada()])));
    did(&mut desk, Act::Open(ADA.into()));
    assert!(desk.contacts.is_empty() && desk.open.is_none());
    assert_eq!(did(&mut desk, Act::Follow(About::Person(ADA.into()))), [Effect::Raise]);

    assert_eq!(did(&mut desk, Act::Unlock(Typed::default())), []);
    assert_eq!(did(&mut desk, Act::Unlock(Typed::new("wrong"))).len(), 2, "wiped and sent");
    assert!(desk.safe.busy);
    assert_eq!(did(&mut desk, Act::Unlock(Typed::new("twice"))), [], "one try at a time");
    answer(&mut desk, Asked::Unlock, Err(ApiError::new(ErrorKind::Params, "Wrong.")));
    assert_eq!((desk.safe.busy, desk.safe.problem.as_str()), (false, "Wrong."));
    did(&mut desk, Act::Unlock(Typed::new("right")));
    let effects = answer(&mut desk, Asked::Unlock, Ok(Answer::Vault(vault(VaultKind::Passphrase, false))));
    assert!(effects.contains(&Effect::Call(Asked::Contacts, Command::ContactList)));
    assert!(!desk.locked());
}

#[test]
fn a4_a_plain_file_has_nothing_to_lock_with() {
    let mut desk = desk(vec![ada()]);
    told(&mut desk, Notice::Vault { vault: vault(VaultKind::File, false) });
    did(&mut desk, Act::Lock);
    assert_eq!(desk.pane, Pane::Settings);
    assert!(desk.toasts.shown()[0].text.contains("Set a passphrase first"));
}

#[test]
fn a4_a_change_of_the_vault_goes_out_once_it_can() {
    let mut desk = desk(Vec::new());
    told(&mut desk, Notice::Vault { vault: vault(VaultKind::Passphrase, false) });
    did(&mut desk, Act::ChangeVault(VaultKind::Passphrase));
    let typed = |current: &str, new: &str, again: &str| Words {
        current: Typed::new(current),
        new: Typed::new(new),
        again: Typed::new(again),
    };
    for early in [typed("", "new", "new"), typed("old", "new", "other"), typed("old", "", "")] {
        assert_eq!(did(&mut desk, Act::ApplyVault(early)), []);
    }
    let out = did(&mut desk, Act::ApplyVault(typed("old", "new", "new")));
    assert!(matches!(
        &out[..],
        [Effect::Call(
            Asked::SetVault,
            Command::VaultSet { to: VaultKind::Passphrase, passphrase: Some(_), current: Some(_) }
        )]
    ));
    answer(&mut desk, Asked::SetVault, Err(ApiError::param("current", "Not this one.")));
    assert_eq!(desk.safe.refused, "Not this one.");
    assert!(desk.safe.change.is_some(), "what was typed is still there to be mended");
    did(&mut desk, Act::ApplyVault(typed("old", "new", "new")));
    answer(&mut desk, Asked::SetVault, Ok(Answer::Vault(vault(VaultKind::Passphrase, false))));
    assert!(desk.safe.change.is_none());
    assert!(desk.toasts.shown()[0].text.starts_with("The passphrase is set."));
}

#[test]
fn c6_words_in_the_list_find_people_at_once_and_messages_after_a_pause() {
    let mut desk = desk(vec![ada(), bob()]);
    did(&mut desk, Act::Filter("bo".into()));
    assert_eq!(desk.listed().len(), 1);
    assert!(calls(&desk.handle(Input::Tick, &read, 1_001)).is_empty());
    let due = desk.due().expect("the words are to be asked for");
    let effects = desk.handle(Input::Tick, &read, due);
    assert_eq!(calls(&effects), [&Command::MessageSearch { query: "bo".into(), y7_id: None, limit: 50 }]);
    let Some(Effect::Call(asked, _)) = effects.first() else { panic!("one question: {effects:?}") };
    let hit = message(&ada(), false, 7);
    answer(&mut desk, asked.clone(), Ok(Answer::Messages { messages: vec![hit.clone()], more: false }));
    did(&mut desk, Act::Choose(1));
    did(&mut desk, Act::Choose(9));
    let effects = did(&mut desk, Act::FilterAccepted);
    let key = Key::of(&hit).expect("an id");
    let open = Chat::Open { y7_id: ADA.into(), place: Place::Message(key) };
    assert!(effects.contains(&Effect::Chat(open)), "{effects:?}");
    assert_eq!((desk.open.as_deref(), desk.filter.as_str()), (Some(ADA), "bo"));
    assert_eq!(did(&mut desk, Act::Back), [Effect::Fill(Field::Filter, String::new())]);
    assert_eq!(desk.listed().len(), 2);
}

#[test]
fn c6_a_hit_in_the_open_conversation_is_jumped_to() {
    let mut desk = desk(vec![ada()]);
    did(&mut desk, Act::Open(ADA.into()));
    did(&mut desk, Act::Filter("x".into()));
    let hit = message(&ada(), true, 3);
    desk.search.found = vec![hit.clone()];
    let effects = did(&mut desk, Act::OpenHit(hit.message_id.clone()));
    assert!(effects.contains(&Effect::Chat(Chat::Jump(Key::of(&hit).expect("an id")))));
    assert!(did(&mut desk, Act::OpenHit("ff".repeat(32))).is_empty());
}

#[test]
fn c6_finding_within_walks_around_its_hits_and_escape_leaves() {
    let mut desk = desk(vec![ada()]);
    did(&mut desk, Act::FindHere);
    assert!(desk.within.is_none());
    did(&mut desk, Act::Open(ADA.into()));
    did(&mut desk, Act::FindHere);
    did(&mut desk, Act::FindHereWords("moth".into()));
    let asked = did(&mut desk, Act::FindHereStep(1));
    let command = Command::MessageSearch { query: "moth".into(), y7_id: Some(ADA.into()), limit: 500 };
    assert_eq!(calls(&asked), [&command]);
    assert_eq!(desk.within_words(), "Looking");
    let hits: Vec<_> = [9, 5, 2].map(|n| message(&ada(), false, n)).into();
    let jump = |n: usize| [Effect::Chat(Chat::Jump(Key::of(&hits[n]).expect("an id")))];
    let found = Ok(Answer::Messages { messages: hits.clone(), more: false });
    assert_eq!(answer(&mut desk, Asked::FoundWithin(ADA.into(), 1), found), jump(0));
    assert_eq!(desk.within_words(), "1 of 3");
    assert_eq!(did(&mut desk, Act::FindHereStep(1)), jump(1));
    assert_eq!(did(&mut desk, Act::FindHereStep(-1)), jump(0));
    assert_eq!(did(&mut desk, Act::FindHereStep(-1)), jump(2));
    assert_eq!(desk.within_words(), "3 of 3");
    assert_eq!(did(&mut desk, Act::Back), [Effect::Chat(Chat::Unmark), Effect::Caret]);
    assert_eq!((desk.within.is_none(), desk.pane), (true, Pane::Chat));
}

#[test]
fn an_answer_for_another_conversation_marks_nothing() {
    let mut desk = desk(vec![ada(), bob()]);
    did(&mut desk, Act::Open(ADA.into()));
    did(&mut desk, Act::FindHere);
    did(&mut desk, Act::FindHereWords("x".into()));
    did(&mut desk, Act::Open(BOB.into()));
    let found = Answer::Messages { messages: vec![message(&ada(), false, 1)], more: false };
    assert!(answer(&mut desk, Asked::FoundWithin(ADA.into(), 1), Ok(found)).is_empty());
    assert!(desk.within.is_none());
}

#[test]
fn c7_a_reply_goes_with_the_message_and_escape_drops_it() {
    let mut desk = desk(vec![ada(), bob()]);
    did(&mut desk, Act::Open(ADA.into()));
    let reply = Reply { id: "aa".repeat(32), who: "Ada".into(), words: "well?".into() };
    did(&mut desk, Act::Reply(reply.clone()));
    assert_eq!(did(&mut desk, Act::Back), [Effect::Caret]);
    assert_eq!((desk.drafts.reply(ADA), desk.pane), (None, Pane::Chat));
    did(&mut desk, Act::Reply(reply.clone()));
    did(&mut desk, Act::Open(BOB.into()));
    did(&mut desk, Act::Open(ADA.into()));
    did(&mut desk, Act::Draft("yes".into()));
    let effects = did(&mut desk, Act::Send);
    let sent =
        |command: &&Command| matches!(command, Command::MessageSend { reply_to: Some(id), .. } if *id == reply.id);
    assert_eq!(calls(&effects).iter().filter(|command| sent(command)).count(), 1);
    assert_eq!(desk.drafts.reply(ADA), None);
}

/// Theirs and mine.
const HALVES: [&str; 2] = ["012345678901234567890123456789", "901234567801234567892345678901"];

fn number() -> Answer {
    let [theirs, mine] = HALVES;
    Answer::SafetyNumber { digits: HALVES.concat(), code: [mine, theirs].concat() }
}

fn comparing() -> Desk {
    let mut desk = desk(vec![ada()]);
    did(&mut desk, Act::Open(ADA.into()));
    did(&mut desk, Act::Show(Pane::Person));
    answer(&mut desk, Asked::Safety(ADA.into()), Ok(number()));
    desk
}

#[test]
fn b8_digits_that_are_the_same_are_given_to_the_node() {
    let mut desk = comparing();
    did(&mut desk, Act::Compare(HALVES.join(" ")));
    let digits = Some(HALVES.concat());
    let command = Command::ContactVerify { y7_id: ADA.into(), digits, verified: true };
    assert_eq!(calls(&did(&mut desk, Act::Verify)), [&command]);
    let effects = answer(&mut desk, Asked::Verify, Ok(Answer::Done {}));
    assert_eq!(effects, [Effect::Fill(Field::Compare, String::new())]);
    assert_eq!(desk.compare, "");
}

#[test]
fn b8_digits_that_differ_or_are_too_few_mark_nobody() {
    let mut desk = comparing();
    for typed in ["01234", "99999", "x", &"0123456789".repeat(7)] {
        did(&mut desk, Act::Compare(typed.into()));
        assert!(did(&mut desk, Act::Verify).is_empty(), "{typed}");
    }
}

#[test]
fn b8_by_eye_no_digits_are_given_and_the_mark_is_taken_back_without_a_warning() {
    let mut desk = comparing();
    let by_eye = Command::ContactVerify { y7_id: ADA.into(), digits: None, verified: true };
    assert_eq!(calls(&did(&mut desk, Act::Verify)), [&by_eye]);
    told(&mut desk, Notice::ContactChanged { contact: ContactView { verified: true, ..ada() } });
    assert_eq!(calls(&did(&mut desk, Act::Unverify)).len(), 1);
    told(&mut desk, Notice::ContactChanged { contact: ada() });
    assert!(!desk.has_lapsed());
}

#[test]
fn b8_a_mark_that_goes_by_itself_is_a_warning_until_it_is_put_away() {
    let verified = ContactView { verified: true, ..ada() };
    let mut desk = desk(vec![verified.clone()]);
    did(&mut desk, Act::Open(ADA.into()));
    told(&mut desk, Notice::ContactChanged { contact: ada() });
    assert!(desk.has_lapsed());
    told(&mut desk, Notice::ContactChanged { contact: verified });
    assert!(!desk.has_lapsed());
    answer(&mut desk, Asked::Contacts, Ok(Answer::Contacts(vec![ada()])));
    assert!(desk.has_lapsed());
    did(&mut desk, Act::PutAwayLapse);
    assert!(!desk.has_lapsed());
}

#[test]
fn g6_a_link_opens_only_after_a_yes() {
    let mut desk = desk(vec![ada()]);
    did(&mut desk, Act::Link("javascript:alert(1)".into()));
    assert_eq!(desk.question, None);
    did(&mut desk, Act::Link("https://example.org/a".into()));
    assert!(did(&mut desk, Act::Answer(false)).is_empty());
    did(&mut desk, Act::Link("https://example.org/a".into()));
    assert_eq!(did(&mut desk, Act::Answer(true)), [Effect::OpenLink("https://example.org/a".into())]);
    assert!(did(&mut desk, Act::Answer(true)).is_empty());
}

#[test]
fn g3_the_lists_field_is_left_by_one_step() {
    let mut desk = desk(vec![ada()]);
    did(&mut desk, Act::Open(ADA.into()));
    did(&mut desk, Act::Find);
    assert!(desk.finding);
    did(&mut desk, Act::Back);
    assert_eq!((desk.finding, desk.pane), (false, Pane::Chat));
}
