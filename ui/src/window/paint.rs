//! What the desk knows, put into the window's properties. Setting what is set already costs nothing.

use slint::{ComponentHandle, Global, VecModel};
use y7ke_node::api::{ContactState, ContactView, Mode, VaultKind};

use super::lists::bring;
use super::qr;
use crate::model::codes::Wanted;
use crate::model::desk::{Desk, Question as Asked, Reading, Source};
use crate::model::time::Zone;
use crate::model::verify::Verdict;
use crate::model::{conversations, links, person, requests, text, vault};
use crate::ui::{
    self, ChatState, ConversationRow, FoundRow, Look, MainWindow, Question, RequestRow, Theme, ToastRow, VaultLock,
};

/// The lists of the window, kept up to date row by row.
#[derive(Default)]
pub(super) struct Lists {
    /// Conversations.
    pub(super) conversations: std::rc::Rc<VecModel<ConversationRow>>,
    /// What was found.
    pub(super) found: std::rc::Rc<VecModel<FoundRow>>,
    /// Requests.
    pub(super) requests: std::rc::Rc<VecModel<RequestRow>>,
    /// Toasts.
    pub(super) toasts: std::rc::Rc<VecModel<ToastRow>>,
}

/// Puts everything but the messages into the window.
pub(super) fn paint(window: &MainWindow, lists: &Lists, desk: &Desk, zone: Zone, now_ms: u64) {
    let to = ui::Desk::get(window);
    to.set_ready(desk.ready());
    paint_vault(window, desk);
    if desk.locked() {
        paint_nobody(&to);
    }
    to.set_welcome(desk.welcome && desk.ready());
    to.set_trouble(desk.trouble.as_str().into());
    to.set_pane(desk.pane);
    to.set_alone(desk.alone());
    to.set_unread(i32::try_from(desk.unread()).unwrap_or(i32::MAX));
    paint_me(&to, desk);
    paint_list(&to, lists, desk, zone, now_ms);
    paint_requests(&to, lists, desk, zone, now_ms);
    paint_chat(&to, desk);
    paint_adding(&to, desk);
    paint_over(&to, lists, desk);
    paint_settings(window, &to, desk);
}

fn paint_me(to: &ui::Desk<'_>, desk: &Desk) {
    let (Some(me), Some(settings)) = (&desk.me, &desk.settings) else { return };
    let name = text::name(&settings.name);
    to.set_me_face(person::face(&name, &me.y7_id));
    to.set_me_name(if name.is_empty() { "You".into() } else { name.into() });
    to.set_me_short(text::short_id(&me.y7_id).into());
    let (net, net_words) = person::my_net(settings.mode, &me.listen);
    to.set_me_net(net.into());
    to.set_me_net_words(net_words.into());
    to.set_device(text::groups(&me.device_id).into());
    let groups = text::groups(&me.y7_id);
    if to.get_me_id() != groups.as_str() || to.get_qr_for() != me.uri.as_str() {
        to.set_me_id(groups.into());
        to.set_qr_for(me.uri.as_str().into());
        // A link with many addresses may be too long for a code; the bare id never is.
        if let Some((image, modules)) = qr::draw(&me.uri).or_else(|| qr::draw(&me.y7_id)) {
            to.set_qr(image);
            to.set_qr_modules(modules);
        }
    }
}

fn paint_vault(window: &MainWindow, desk: &Desk) {
    let (to, safe) = (ui::Vault::get(window), &desk.safe);
    to.set_locked(desk.locked());
    to.set_busy(safe.busy);
    to.set_problem(safe.problem.as_str().into());
    to.set_changing(safe.change.is_some());
    to.set_needs_current(safe.change.is_some_and(|change| change.needs_current));
    to.set_needs_new(safe.change.is_some_and(vault::Change::needs_new));
    to.set_ready(safe.ready);
    to.set_words(safe.words.as_str().into());
    to.set_refused(safe.refused.as_str().into());
    let Some(view) = safe.view else { return };
    to.set_keyring(view.keyring);
    to.set_kind(match view.kind {
        VaultKind::File => VaultLock::File,
        VaultKind::Passphrase => VaultLock::Passphrase,
        VaultKind::Keyring => VaultLock::Keyring,
    });
    to.set_state_words(vault::state_words(view.kind).into());
}

/// Takes every word about anybody out of the window; what is a list was emptied with the desk's.
fn paint_nobody(to: &ui::Desk<'_>) {
    to.set_me_face(ui::Face::default());
    to.set_chat_face(ui::Face::default());
    to.set_qr(slint::Image::default());
    to.set_qr_modules(0);
    to.set_chat_safety_qr(slint::Image::default());
    to.set_chat_safety_modules(0);
    let words: [fn(&ui::Desk<'_>, slint::SharedString); 22] = [
        |to, none| to.set_me_name(none),
        |to, none| to.set_me_short(none),
        |to, none| to.set_me_id(none),
        |to, none| to.set_qr_for(none),
        |to, none| to.set_device(none),
        |to, none| to.set_chat_name(none),
        |to, none| to.set_chat_path(none),
        |to, none| to.set_chat_path_words(none),
        |to, none| to.set_chat_id_groups(none),
        |to, none| to.set_chat_safety(none),
        |to, none| to.set_chat_request(none),
        |to, none| to.set_chat_state_title(none),
        |to, none| to.set_composer_hint(none),
        |to, none| to.set_incoming_words(none),
        |to, none| to.set_name_field(none),
        |to, none| to.set_reply_who(none),
        |to, none| to.set_reply_words(none),
        |to, none| to.set_within_field(none),
        |to, none| to.set_compare(none),
        |to, none| to.set_compare_words(none),
        |to, none| to.set_chat_lapse(none),
        |to, none| to.set_chat_safety_drawn(none),
    ];
    words.iter().for_each(|set| set(to, "".into()));
}

fn paint_list(to: &ui::Desk<'_>, lists: &Lists, desk: &Desk, zone: Zone, now_ms: u64) {
    let row = |contact| conversations::row(contact, &desk.drafts, desk.open.as_deref(), zone, now_ms);
    let rows = desk.listed().into_iter().map(row).collect();
    bring(&lists.conversations, rows, |row: &ConversationRow| row.id.clone());
    to.set_finding(desk.finding);
    let found = if desk.filter.is_empty() { Vec::new() } else { conversations::found(desk, zone, now_ms) };
    bring(&lists.found, found, |row: &FoundRow| {
        (row.kind, row.words.clone(), row.person.id.clone(), row.hit.id.clone())
    });
    to.set_open_id(desk.open.as_deref().unwrap_or_default().into());
}

fn paint_requests(to: &ui::Desk<'_>, lists: &Lists, desk: &Desk, zone: Zone, now_ms: u64) {
    let rows = requests::rows(desk.requests.values(), desk.contacts.values(), zone, now_ms);
    bring(&lists.requests, rows, |row: &RequestRow| (row.id.clone(), row.kind));
    to.set_incoming(i32::try_from(requests::incoming(desk.requests.values())).unwrap_or(i32::MAX));
    to.set_incoming_words(requests::incoming_words(desk.requests.values()).into());
}

fn paint_chat(to: &ui::Desk<'_>, desk: &Desk) {
    to.set_below(i32::try_from(desk.below).unwrap_or(i32::MAX));
    to.set_composer_trouble(desk.composer_trouble.as_str().into());
    let Some(contact) = desk.person() else { return };
    let name = person::name(contact);
    let waits = contact.state == ContactState::PendingOut;
    to.set_chat_face(person::face(&contact.name, &contact.y7_id));
    to.set_chat_presence(conversations::presence(contact.presence));
    to.set_chat_verified(contact.verified);
    to.set_chat_path(if waits { "Not a contact yet".into() } else { person::path_label(contact).into() });
    to.set_chat_path_words(if waits { "".into() } else { person::path_words(contact).into() });
    to.set_chat_id_groups(text::groups(&contact.y7_id).into());
    paint_writing(to, desk);
    paint_comparing(to, desk, &name);
    to.set_composer_hint(format!("Message {name}").into());
    let arrived = desk.open_request().is_some_and(|request| request.arrived);
    let (state, title, words) = standing(contact, &name, arrived);
    to.set_chat_state(state);
    to.set_chat_state_title(title.into());
    to.set_chat_state_words(words.into());
    to.set_chat_request(desk.open_request().map(|request| request.request_id.as_str()).unwrap_or_default().into());
    to.set_chat_name(name.into());
}

fn paint_writing(to: &ui::Desk<'_>, desk: &Desk) {
    let open = desk.open.as_deref().unwrap_or_default();
    let reply = desk.drafts.reply(open);
    to.set_replying(reply.is_some());
    to.set_reply_who(reply.map(|reply| reply.who.as_str()).unwrap_or_default().into());
    to.set_reply_words(reply.map(|reply| reply.words.as_str()).unwrap_or_default().into());
    to.set_draft_right_to_left(text::is_right_to_left(desk.drafts.typed(open).unwrap_or_default()));
    to.set_within(desk.within.is_some());
    to.set_within_field(desk.within.as_ref().map(|within| within.query.words()).unwrap_or_default().into());
    to.set_within_words(desk.within_words().into());
    to.set_within_found(desk.within.as_ref().is_some_and(|within| !within.query.found.is_empty()));
}

fn paint_comparing(to: &ui::Desk<'_>, desk: &Desk, name: &str) {
    let verdict = desk.comparison();
    to.set_compare_words(verdict.words(name).into());
    to.set_compare_bad(verdict.is_bad());
    to.set_compare_good(verdict == Verdict::Same);
    to.set_chat_lapse(if desk.has_lapsed() { person::lapse_words(name).into() } else { "".into() });
    to.set_chat_safety(text::safety_groups(&desk.safety.digits).into());
    if to.get_chat_safety_drawn() != desk.safety.code.as_str() {
        to.set_chat_safety_drawn(desk.safety.code.as_str().into());
        if let Some((image, modules)) = qr::draw(&desk.safety.code) {
            to.set_chat_safety_qr(image);
            to.set_chat_safety_modules(modules);
        }
    }
}

/// Whether there is somebody to write to, and if not, why.
fn standing(contact: &ContactView, name: &str, arrived: bool) -> (ChatState, String, &'static str) {
    match contact.state {
        ContactState::PendingOut => {
            let words = match arrived {
                true => "Your request has arrived. You can write as soon as it is accepted.",
                false => "Your request is kept and goes out as soon as they can be reached.",
            };
            (ChatState::Waiting, format!("Waiting for {name} to answer"), words)
        }
        ContactState::Blocked => {
            (ChatState::Blocked, format!("You blocked {name}"), "Nothing they send reaches you. They are not told.")
        }
        _ => (ChatState::Open, String::new(), ""),
    }
}

fn paint_adding(to: &ui::Desk<'_>, desk: &Desk) {
    let form = &desk.add;
    let problem = if form.refused.is_empty() { form.verdict.problem() } else { form.refused.clone() };
    to.set_add_problem(problem.into());
    to.set_add_found(form.verdict.hint().into());
    to.set_add_ready(form.ready().is_some());
    to.set_add_busy(form.busy);
    to.set_add_known(matches!(form.verdict, crate::model::add::Verdict::Known(..)));
    to.set_greeting_left(i32::try_from(form.left()).unwrap_or(i32::MIN));
}

fn paint_over(to: &ui::Desk<'_>, lists: &Lists, desk: &Desk) {
    let rows = desk.toasts.shown().iter();
    let rows = rows.map(|toast| ToastRow { id: toast.id, text: toast.text.as_str().into(), bad: toast.bad }).collect();
    bring(&lists.toasts, rows, |row: &ToastRow| row.id);
    paint_reading(to, desk);
    to.set_question(desk.question.as_ref().map(|question| ask(question, desk)).unwrap_or_default());
}

fn paint_reading(to: &ui::Desk<'_>, desk: &Desk) {
    let reading = desk.reading.as_ref();
    let camera = reading.is_some_and(Reading::is_camera);
    to.set_reading(reading.is_some());
    to.set_reading_number(reading.is_some_and(|reading| reading.wanted == Wanted::Number));
    to.set_reading_busy(reading.is_some_and(|reading| reading.at.is_some()));
    to.set_reading_choosing(reading.is_some_and(|reading| reading.at == Some(Source::Choice)));
    to.set_reading_camera(camera);
    to.set_reading_words(reading.map(|reading| reading.words.as_str()).unwrap_or_default().into());
    if !camera {
        to.set_reading_seen(false);
        to.set_reading_frame(slint::Image::default());
    }
}

fn ask(question: &Asked, desk: &Desk) -> Question {
    match question {
        Asked::Block(y7_id) => ask_to_block(y7_id, desk),
        Asked::Link(address) => ask_to_open(address),
    }
}

fn ask_to_open(address: &str) -> Question {
    let link = links::read(address);
    let foreign = link.as_ref().is_some_and(links::Link::has_foreign_letters);
    let host = link.map(|link| link.host).unwrap_or_default();
    let mut words =
        format!("Your browser asks {host} for this address, and {host} learns where you are on the internet.");
    if foreign {
        words.push_str(" Its name has letters beyond a to z, which can look like those of another; it is written here as the network knows it.");
    }
    Question {
        open: true,
        title: format!("Open a page of {host}?").into(),
        words: words.into(),
        exact: address.into(),
        action: "Open".into(),
        harm: false,
    }
}

fn ask_to_block(y7_id: &str, desk: &Desk) -> Question {
    let by_request = || desk.requests.values().find(|request| request.y7_id == y7_id).map(person::requester);
    let name = desk.contacts.get(y7_id).map(person::name).or_else(by_request).unwrap_or_default();
    Question {
        open: true,
        title: format!("Block {name}?").into(),
        words: format!(
            "Nothing from {name} reaches any of your devices until you unblock. {name} is not told. What was written stays here."
        )
        .into(),
        exact: "".into(),
        action: "Block".into(),
        harm: true,
    }
}

fn paint_settings(window: &MainWindow, to: &ui::Desk<'_>, desk: &Desk) {
    let Some(settings) = &desk.settings else { return };
    let (choice, look) = match settings.theme.as_str() {
        "light" => (1, Look::Light),
        "dark" => (2, Look::Dark),
        _ => (0, Look::System),
    };
    let theme = window.global::<Theme<'_>>();
    theme.set_look(look);
    theme.set_scale(f32::from(settings.scale.clamp(80, 150)) / 100.0);
    to.set_look_choice(choice);
    to.set_scale(i32::from(settings.scale));
    to.set_receipts(settings.receipts);
    to.set_mode_choice(if settings.mode == Mode::Lan { 0 } else { 1 });
    to.set_notifications(settings.notifications);
    to.set_notification_text(settings.notification_text);
    to.set_notes_trouble(desk.around.notes_trouble.as_str().into());
    to.set_close_to_tray(settings.close_to_tray);
    to.set_no_tray(desk.around.tray == Some(false));
    if let Some(me) = &desk.me {
        to.set_version(me.version.as_str().into());
    }
}
