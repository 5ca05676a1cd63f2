//! Every callback of the window, each to one act.

use std::rc::Rc;

use slint::{ComponentHandle, Global, SharedString};
use y7ke_node::api::VaultKind;

use super::App;
use crate::model::codes::Wanted;
use crate::model::desk::{Act, Field, Source, Words};
use crate::model::stage::Spot;
use crate::model::timeline::ticket_of;
use crate::model::vault::Typed;
use crate::ui::{self, Do, Pane, VaultLock};

/// A callback with one word, to an act.
fn word(app: &Rc<App>, act: impl Fn(String) -> Act + 'static) -> impl FnMut(SharedString) + 'static {
    let press = presser(app);
    move |word| press(act(word.into()))
}

/// A callback with nothing, to an act.
fn bare(app: &Rc<App>, act: Act) -> impl FnMut() + 'static {
    let press = presser(app);
    move || press(act.clone())
}

/// A callback with a plain value, to an act.
fn value<T: 'static>(app: &Rc<App>, act: impl Fn(T) -> Act + 'static) -> impl FnMut(T) + 'static {
    let press = presser(app);
    move |value| press(act(value))
}

fn presser(app: &Rc<App>) -> impl Fn(Act) + 'static {
    let app = Rc::downgrade(app);
    move |act| {
        if let Some(app) = app.upgrade() {
            app.did(act);
        }
    }
}

/// Connects all of them.
pub(super) fn connect(app: &Rc<App>) {
    let to = Do::get(app.window());
    connect_moving(app, &to);
    connect_people(app, &to);
    connect_writing(app, &to);
    connect_settings(app, &to);
    connect_vault(app);
    connect_clipboard(app, &to);
    connect_reading(app, &to);
    connect_messages(app, &to);
    connect_list(app, &to);
    connect_closing(app, &to);
}

fn connect_moving(app: &Rc<App>, to: &Do<'_>) {
    to.on_start(word(app, Act::Start));
    to.on_show(value(app, |pane: Pane| Act::Show(pane)));
    to.on_back(bare(app, Act::Back));
    to.on_open(word(app, Act::Open));
    to.on_step(value(app, Act::Step));
    to.on_find(bare(app, Act::Find));
    to.on_filter_edited(word(app, Act::Filter));
    to.on_filter_accepted(bare(app, Act::FilterAccepted));
    to.on_choose(value(app, Act::Choose));
    to.on_open_hit(word(app, Act::OpenHit));
    to.on_find_here(bare(app, Act::FindHere));
    to.on_find_here_words(word(app, Act::FindHereWords));
    to.on_find_here_step(value(app, Act::FindHereStep));
    to.on_leave_here(bare(app, Act::LeaveHere));
    to.on_copy_id(bare(app, Act::CopyId));
    to.on_answer(value(app, Act::Answer));
    to.on_toast_pressed(value(app, Act::Dismiss));
}

fn connect_people(app: &Rc<App>, to: &Do<'_>) {
    to.on_uri_edited(word(app, Act::Uri));
    to.on_greeting_edited(word(app, Act::Greeting));
    to.on_request(bare(app, Act::Request));
    to.on_open_known(bare(app, Act::OpenKnown));
    to.on_accept(word(app, Act::Accept));
    to.on_reject(word(app, Act::Reject));
    to.on_cancel(word(app, Act::Cancel));
    to.on_block(word(app, Act::Block));
    to.on_unblock(word(app, Act::Unblock));
    to.on_rename(word(app, Act::Rename));
    to.on_compare_edited(word(app, Act::Compare));
    to.on_verify(bare(app, Act::Verify));
    to.on_unverify(bare(app, Act::Unverify));
    to.on_put_away_lapse(bare(app, Act::PutAwayLapse));
}

fn connect_writing(app: &Rc<App>, to: &Do<'_>) {
    to.on_draft_edited(word(app, Act::Draft));
    to.on_send(bare(app, Act::Send));
    to.on_drop_reply(bare(app, Act::DropReply));
    to.on_link(word(app, Act::Link));
    to.on_to_end(bare(app, Act::ToEnd));
    to.on_retry(word(app, |id| Act::Retry(ticket_of(&id).unwrap_or_default())));
    to.on_discard(word(app, |id| Act::TakeBack(ticket_of(&id).unwrap_or_default())));
}

fn connect_settings(app: &Rc<App>, to: &Do<'_>) {
    to.on_set_name(word(app, Act::SetName));
    to.on_set_look(value(app, Act::SetLook));
    to.on_set_scale(value(app, Act::SetScale));
    to.on_set_receipts(value(app, Act::SetReceipts));
    to.on_set_mode(value(app, Act::SetMode));
    to.on_set_notifications(value(app, Act::SetNotifications));
    to.on_set_notification_text(value(app, Act::SetNotificationText));
    to.on_set_close_to_tray(value(app, Act::SetCloseToTray));
}

fn connect_vault(app: &Rc<App>) {
    let to = ui::Vault::get(app.window());
    to.on_lock(bare(app, Act::Lock));
    to.on_unlock(word(app, |words| Act::Unlock(Typed::new(words))));
    to.on_change(value(app, |to: VaultLock| Act::ChangeVault(kind(to))));
    to.on_leave(bare(app, Act::LeaveVault));
    let press = presser(app);
    to.on_typed(move |current, fresh, again| press(Act::VaultTyped(words(&current, &fresh, &again))));
    let press = presser(app);
    to.on_apply(move |current, fresh, again| press(Act::ApplyVault(words(&current, &fresh, &again))));
}

const fn kind(lock: VaultLock) -> VaultKind {
    match lock {
        VaultLock::File => VaultKind::File,
        VaultLock::Passphrase => VaultKind::Passphrase,
        VaultLock::Keyring => VaultKind::Keyring,
    }
}

fn words(current: &str, fresh: &str, again: &str) -> Words {
    Words { current: Typed::new(current), new: Typed::new(fresh), again: Typed::new(again) }
}

fn connect_clipboard(app: &Rc<App>, to: &Do<'_>) {
    let press = presser(app);
    to.on_copy(move |text, said| press(Act::Copy(text.into(), said.into())));
    let (press, weak) = (presser(app), Rc::downgrade(app));
    to.on_copy_message(move |id| {
        let text = weak.upgrade().and_then(|app| app.text_of(&id));
        text.into_iter().for_each(|text| press(Act::Copy(text, "Message copied".into())));
    });
    to.on_paste_uri(paste(app, Wanted::Id, Field::Uri, Act::Uri));
    to.on_paste_compare(paste(app, Wanted::Number, Field::Compare, Act::Compare));
}

fn connect_reading(app: &Rc<App>, to: &Do<'_>) {
    to.on_read_code(value(app, |number| Act::ReadCode(if number { Wanted::Number } else { Wanted::Id })));
    to.on_read_from(value(app, |from| Act::ReadFrom(source(from))));
    to.on_leave_reading(bare(app, Act::LeaveReading));
}

const fn source(from: ui::Source) -> Source {
    match from {
        ui::Source::Clipboard => Source::Clipboard,
        ui::Source::Choice => Source::Choice,
        ui::Source::Camera => Source::Camera,
    }
}

/// What the clipboard holds goes into a field, and from there to an act; where it is no text, a picture's code is read.
fn paste(app: &Rc<App>, wanted: Wanted, field: Field, act: fn(String) -> Act) -> impl FnMut() + 'static {
    let (press, weak) = (presser(app), Rc::downgrade(app));
    move || {
        let Some(app) = weak.upgrade() else { return };
        match app.world.clipboard.take() {
            Ok(text) if !text.trim().is_empty() => {
                app.fill(field, text.trim().to_owned());
                press(act(text.trim().to_owned()));
            }
            other => {
                tracing::debug!(?other, "there is no text to paste");
                press(Act::PastePicture(wanted));
            }
        }
    }
}

/// Acts on a message that is shown, of which the window knows the id alone.
fn connect_messages(app: &Rc<App>, to: &Do<'_>) {
    let (press, weak) = (presser(app), Rc::downgrade(app));
    to.on_reply(move |id| {
        let reply = weak.upgrade().and_then(|app| app.to_answer(&id));
        reply.into_iter().for_each(|reply| press(Act::Reply(reply)));
    });
    let (press, weak) = (presser(app), Rc::downgrade(app));
    to.on_jump(move |id| {
        let key = weak.upgrade().and_then(|app| app.key_of(&id));
        press(key.map_or(Act::NotThere, Act::Jump));
    });
}

/// What the list of messages says of its rows and asks for.
fn connect_list(app: &Rc<App>, to: &Do<'_>) {
    let listener = heard(app, |app, (room, pad)| app.list_made(room, pad));
    to.on_list_made(move |room, pad| listener((room, pad)));
    let listener = heard(app, |app, (room, pad)| app.turn(|stage| stage.resize(room, pad)));
    to.on_list_resized(move |room, pad| listener((room, pad)));
    let listener = heard(app, |app, (at, id, height): (i32, SharedString, f32)| app.measured(at, &id, height));
    to.on_row_measured(move |at, id, height| listener((at, id, height)));
    let listener = heard(app, |app, ()| app.settle());
    to.on_list_settle(move || listener(()));
    to.on_list_scroll(heard(app, |app, by| app.turn(|stage| stage.scroll(by))));
    to.on_list_scroll_to(heard(app, |app, value| app.turn(|stage| stage.scroll_to(value))));
    to.on_list_show(heard(app, |app, row: i32| {
        app.turn(|stage| stage.show(usize::try_from(row).unwrap_or(usize::MAX), Spot::Near));
    }));
}

/// A callback with something that is no act: it moves the list and decides nothing.
fn heard<T: 'static, F: Fn(&Rc<App>, T) + 'static>(app: &Rc<App>, heard: F) -> impl Fn(T) + use<T, F> {
    let app = Rc::downgrade(app);
    move |what| {
        if let Some(app) = app.upgrade() {
            heard(&app, what);
        }
    }
}

fn connect_closing(app: &Rc<App>, to: &Do<'_>) {
    to.on_close(bare(app, Act::Close));
    to.on_quit(bare(app, Act::Quit));
    let press = presser(app);
    app.window().window().on_close_requested(move || {
        press(Act::Close);
        // The desk decided whether it is hidden; the toolkit is to do nothing by itself.
        slint::CloseRequestResponse::KeepWindowShown
    });
}
