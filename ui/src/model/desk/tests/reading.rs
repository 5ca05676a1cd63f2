//! Reading a code: what was asked for counts, the camera rests however it ends.

use std::path::PathBuf;

use super::*;
use crate::model::verify;

fn read_id(text: &str) -> Result<String, String> {
    if text.starts_with("y7:") { read(text) } else { Err("this is not a y7 id".into()) }
}

fn seen(desk: &mut Desk, look: u64, glimpse: Glimpse) -> Vec<Effect> {
    desk.handle(Input::Seen(look, glimpse), &read_id, 1_000)
}

fn at(source: Source, number: u64) -> Effect {
    Effect::Look(Look::At(source, number))
}

fn said(desk: &Desk) -> &str {
    desk.reading.as_ref().map_or("", |reading| &reading.words)
}

#[test]
fn b8_their_code_goes_into_the_field_and_is_judged_there() {
    let mut desk = comparing();
    did(&mut desk, Act::ReadCode(Wanted::Number));
    assert_eq!(did(&mut desk, Act::ReadFrom(Source::Clipboard)), [at(Source::Clipboard, 1)]);
    let effects = seen(&mut desk, 1, Glimpse::Texts(vec![HALVES.concat()]));
    assert_eq!(effects, [Effect::Fill(Field::Compare, HALVES.concat())]);
    assert_eq!((desk.comparison(), desk.reading.is_some()), (verify::Verdict::Same, false));
    let verified = |effect: &Effect| matches!(effect, Effect::Call(Asked::Verify, _));
    assert!(did(&mut desk, Act::Verify).iter().any(verified), "the person says so");
}

#[test]
fn b8_my_own_code_and_no_code_leave_the_reading_open() {
    let mut desk = comparing();
    let mine = HALVES.iter().rev().copied().collect::<Vec<_>>().concat();
    assert_eq!(did(&mut desk, Act::PastePicture(Wanted::Number)), [at(Source::Clipboard, 1)]);
    assert!(seen(&mut desk, 1, Glimpse::Texts(vec![mine])).is_empty());
    assert!(said(&desk).contains("your own"));
    did(&mut desk, Act::ReadFrom(Source::Choice));
    assert_eq!(said(&desk), "");
    seen(&mut desk, 2, Glimpse::Texts(Vec::new()));
    assert!(said(&desk).contains("No code"));
    did(&mut desk, Act::ReadFrom(Source::Choice));
    seen(&mut desk, 3, Glimpse::Left);
    assert_eq!((said(&desk), desk.reading.as_ref().map(|reading| &reading.at)), ("", Some(&None)));
    assert_eq!(desk.compare, "");
}

#[test]
fn b8_what_an_earlier_look_saw_does_not_count() {
    let mut desk = comparing();
    did(&mut desk, Act::ReadCode(Wanted::Number));
    did(&mut desk, Act::ReadFrom(Source::Clipboard));
    did(&mut desk, Act::ReadFrom(Source::Choice));
    assert!(seen(&mut desk, 1, Glimpse::Texts(vec![HALVES.concat()])).is_empty());
    assert!(desk.reading.is_some());
    did(&mut desk, Act::LeaveReading);
    assert!(seen(&mut desk, 2, Glimpse::Texts(vec![HALVES.concat()])).is_empty());
    did(&mut desk, Act::ReadCode(Wanted::Number));
    for glimpse in [Glimpse::Texts(vec![HALVES.concat()]), Glimpse::Failed("It failed.".into())] {
        assert!(seen(&mut desk, 2, glimpse).is_empty(), "nothing was asked yet");
    }
    assert_eq!((desk.compare.as_str(), said(&desk)), ("", ""));
    did(&mut desk, Act::ReadFrom(Source::Camera));
    seen(&mut desk, 3, Glimpse::Failed("The camera was disconnected.".into()));
    assert!(seen(&mut desk, 3, Glimpse::Texts(vec![HALVES.concat()])).is_empty(), "it is over");
    assert_eq!(said(&desk), "The camera was disconnected.");
}

#[test]
fn where_there_is_nothing_to_paste_no_dialog_stays() {
    let mut desk = comparing();
    did(&mut desk, Act::PastePicture(Wanted::Number));
    seen(&mut desk, 1, Glimpse::Failed("There is nothing.".into()));
    assert_eq!(desk.reading, None);
    assert!(desk.toasts.shown().iter().any(|toast| toast.bad && toast.text == "There is nothing."));
}

#[test]
fn b8_a_reading_ends_when_its_field_goes() {
    let mut desk = comparing();
    did(&mut desk, Act::ReadCode(Wanted::Number));
    told(&mut desk, Notice::ContactChanged { contact: ContactView { verified: true, ..ada() } });
    assert_eq!(desk.reading, None, "another device of mine has compared it");
    let mut desk = comparing();
    did(&mut desk, Act::Block(ADA.into()));
    assert!(desk.question.is_some());
    assert!(did(&mut desk, Act::Dropped("code.png".into())).is_empty(), "one question at a time");
    let mut fresh = Desk::new(true);
    assert!(did(&mut fresh, Act::Dropped("code.png".into())).is_empty(), "there is no field yet");
}

#[test]
fn b8_the_camera_looks_until_it_has_the_code_and_rests_however_it_ends() {
    let rest = Effect::Look(Look::Rest);
    let ends: [fn(&mut Desk) -> Vec<Effect>; 7] = [
        |desk| {
            let settings = Settings { close_to_tray: true, ..settings() };
            answer(desk, Asked::Settings, Ok(Answer::Settings(settings)));
            desk.handle(Input::Found(Fact::Tray(true)), &read_id, 1_000);
            did(desk, Act::Close)
        },
        |desk| seen(desk, 1, Glimpse::Texts(vec![HALVES.concat()])),
        |desk| seen(desk, 1, Glimpse::Failed("The camera is gone.".into())),
        |desk| did(desk, Act::Back),
        |desk| did(desk, Act::Show(Pane::Settings)),
        |desk| did(desk, Act::Open(ADA.into())),
        |desk| answer(desk, Asked::Vault, Ok(Answer::Vault(vault(VaultKind::Passphrase, true)))),
    ];
    for (number, end) in ends.iter().enumerate() {
        let mut desk = comparing();
        did(&mut desk, Act::ReadCode(Wanted::Number));
        assert_eq!(did(&mut desk, Act::ReadFrom(Source::Camera)), [at(Source::Camera, 1)]);
        assert!(seen(&mut desk, 1, Glimpse::Texts(vec!["https://example.org".into()])).is_empty(), "it looks on");
        assert!(said(&desk).contains("no safety number"));
        let effects = end(&mut desk);
        assert_eq!(effects.iter().filter(|effect| **effect == rest).count(), 1, "end {number}: {effects:?}");
        assert!(!did(&mut desk, Act::Back).contains(&rest), "it rests once");
    }
}

#[test]
fn b8_the_camera_rests_while_a_picture_is_chosen() {
    let mut desk = comparing();
    did(&mut desk, Act::ReadCode(Wanted::Number));
    did(&mut desk, Act::ReadFrom(Source::Camera));
    let effects = did(&mut desk, Act::ReadFrom(Source::Choice));
    assert_eq!(effects, [Effect::Look(Look::Rest), at(Source::Choice, 2)]);
    assert_eq!(did(&mut desk, Act::ReadFrom(Source::Camera)), [at(Source::Camera, 3)]);
}

#[test]
fn a2_the_code_of_an_id_goes_into_the_field_to_add_somebody() {
    let mut desk = desk(vec![ada()]);
    did(&mut desk, Act::Show(Pane::Add));
    let picture = PathBuf::from("code.png");
    assert_eq!(did(&mut desk, Act::Dropped(picture.clone())), [at(Source::File(picture), 1)]);
    let effects = seen(&mut desk, 1, Glimpse::Texts(vec![format!("{BOB}?via=x")]));
    assert_eq!(effects, [Effect::Fill(Field::Uri, format!("{BOB}?via=x"))]);
    assert_eq!(desk.add.verdict, Verdict::Ready(BOB.into()));
}

#[test]
fn a_file_that_is_dropped_elsewhere_is_left_alone() {
    let mut desk = desk(vec![ada()]);
    for pane in [Pane::Home, Pane::Settings, Pane::Requests] {
        did(&mut desk, Act::Show(pane));
        assert!(did(&mut desk, Act::Dropped("code.png".into())).is_empty(), "{pane:?}");
    }
    did(&mut desk, Act::Open(ADA.into()));
    assert!(did(&mut desk, Act::Dropped("code.png".into())).is_empty());
    assert_eq!(desk.reading, None);
}
