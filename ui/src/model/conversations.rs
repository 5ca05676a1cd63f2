//! The list of conversations, newest activity first.

use y7ke_node::api::{ContactState, ContactView, MessageView, Presence as Reach};

use super::desk::Desk;
use super::drafts::Drafts;
use super::time::Zone;
use super::timeline::tick;
use super::{add, person, search, text};
use crate::ui::{ConversationRow, FoundKind, FoundRow, HitRow, Presence, Tick};

/// Those that have a place in the list: people I talk to, asked, or blocked after talking.
pub fn listed<'a>(contacts: impl Iterator<Item = &'a ContactView>, filter: &str) -> Vec<&'a ContactView> {
    let mut listed: Vec<_> = contacts.filter(|contact| has_place(contact) && matches(contact, filter)).collect();
    // Names settle ties, so that two starts show one order.
    listed.sort_by_cached_key(|contact| {
        (std::cmp::Reverse(activity(contact)), person::name(contact), contact.y7_id.clone())
    });
    listed
}

fn has_place(contact: &ContactView) -> bool {
    match contact.state {
        ContactState::Accepted | ContactState::PendingOut => true,
        ContactState::Blocked => contact.log.is_some(),
        ContactState::PendingIn | ContactState::Rejected => false,
    }
}

fn matches(contact: &ContactView, filter: &str) -> bool {
    let typed = filter.trim();
    typed.is_empty()
        || search::folded(&person::name(contact)).contains(&search::folded(typed))
        || contact.y7_id.starts_with(&add::cleaned(typed))
}

fn activity(contact: &ContactView) -> u64 {
    contact.last.as_ref().map_or(0, |last| last.sent_at)
}

/// One row of the list. The draft of the `open` conversation stands in its composer and nowhere else.
pub fn row(contact: &ContactView, drafts: &Drafts, open: Option<&str>, zone: Zone, now_ms: u64) -> ConversationRow {
    let name = person::name(contact);
    let elsewhere = open != Some(contact.y7_id.as_str());
    let draft = drafts.typed(&contact.y7_id).filter(|draft| elsewhere && !text::is_blank(draft));
    let (last, aside) = last_line(contact, draft);
    let time = contact.last.as_ref().map(|last| zone.brief(last.sent_at, now_ms)).unwrap_or_default();
    ConversationRow {
        id: contact.y7_id.as_str().into(),
        face: person::face(&contact.name, &contact.y7_id),
        presence: presence(contact.presence),
        label: label(&name, contact, &last, &time).into(),
        name: name.into(),
        last: last.into(),
        time: time.into(),
        unread: i32::try_from(contact.unread).unwrap_or(i32::MAX),
        tick: if draft.is_some() { Tick::None } else { last_tick(contact.last.as_ref()) },
        aside,
        draft: draft.is_some(),
        verified: contact.verified,
    }
}

/// What was found for the words in the list's field: people, then messages, then what is to be said about it.
pub fn found(desk: &Desk, zone: Zone, now_ms: u64) -> Vec<FoundRow> {
    let people = desk.listed();
    let person_row = |contact: &&ContactView| FoundRow {
        kind: FoundKind::Person,
        person: row(contact, &desk.drafts, desk.open.as_deref(), zone, now_ms),
        ..FoundRow::default()
    };
    let message_row = |message| FoundRow {
        kind: FoundKind::Message,
        hit: hit_row(message, desk, zone, now_ms),
        ..FoundRow::default()
    };
    let mut choices: Vec<FoundRow> = people.iter().map(person_row).collect();
    choices.extend(desk.search.found.iter().map(message_row));
    choices.get_mut(desk.chosen).into_iter().for_each(|row| row.chosen = true);
    let messages = choices.split_off(people.len());
    let mut rows = headed("People", choices);
    rows.extend(headed("Messages", messages));
    rows.extend(about_found(desk, rows.is_empty()).map(|words| said(FoundKind::Words, &words)));
    rows
}

fn headed(head: &str, rows: Vec<FoundRow>) -> Vec<FoundRow> {
    let head = (!rows.is_empty()).then(|| said(FoundKind::Head, head));
    head.into_iter().chain(rows).collect()
}

fn said(kind: FoundKind, words: &str) -> FoundRow {
    FoundRow { kind, words: words.into(), ..FoundRow::default() }
}

fn about_found(desk: &Desk, nothing: bool) -> Option<String> {
    if !desk.search.trouble.is_empty() {
        return Some(desk.search.trouble.clone());
    }
    match (nothing, desk.search.is_waiting(), desk.search.more) {
        (true, true, _) => Some("Looking".into()),
        (true, false, _) => {
            Some(format!("Nobody and nothing found for “{}”. Fewer letters find more.", desk.filter.trim()))
        }
        (false, _, true) => Some("Shown are the newest messages. More words find fewer.".into()),
        _ => None,
    }
}

fn hit_row(message: &MessageView, desk: &Desk, zone: Zone, now_ms: u64) -> HitRow {
    let with = desk.contacts.values().find(|contact| contact.log.as_deref() == Some(&message.log));
    let with = with.or_else(|| desk.contacts.get(&message.author));
    let name = with.map(person::name).unwrap_or_default();
    let found = search::snippet(&message.text, desk.search.words());
    let from = if message.mine { "You: " } else { "" };
    let time = zone.brief(message.sent_at, now_ms);
    let label = format!("{name}, {time}. {from}{}{}{}", found.before, found.hit, found.after);
    let right_to_left = text::is_right_to_left(&message.text);
    let (left, right) = if right_to_left { (found.after, found.before) } else { (found.before, found.after) };
    HitRow {
        id: message.message_id.as_str().into(),
        face: with.map(|contact| person::face(&contact.name, &contact.y7_id)).unwrap_or_default(),
        label: label.into(),
        name: name.into(),
        time: time.into(),
        from: from.into(),
        left: left.into(),
        hit: found.hit.into(),
        right: right.into(),
        right_to_left,
    }
}

fn last_line(contact: &ContactView, draft: Option<&str>) -> (String, bool) {
    match (contact.state, draft, &contact.last) {
        (ContactState::Blocked, ..) => ("Blocked".into(), true),
        (ContactState::PendingOut, ..) => ("Waiting for an answer".into(), true),
        (_, Some(draft), _) => (text::preview(draft), false),
        (_, None, Some(last)) if last.unopened => ("Cannot be opened yet".into(), true),
        (_, None, Some(last)) if last.deleted => ("Deleted".into(), true),
        (_, None, Some(last)) => (text::preview(&last.text), false),
        (_, None, None) => ("Say hello".into(), true),
    }
}

fn last_tick(last: Option<&MessageView>) -> Tick {
    last.filter(|last| last.mine).map_or(Tick::None, |last| tick(last.status))
}

fn label(name: &str, contact: &ContactView, last: &str, time: &str) -> String {
    let mut label = name.to_owned();
    if contact.verified {
        label.push_str(", verified");
    }
    match contact.presence {
        Reach::Online => label.push_str(", online"),
        Reach::Connecting => label.push_str(", connecting"),
        Reach::Offline => {}
    }
    if contact.unread > 0 {
        label.push_str(&format!(", {} unread", contact.unread));
    }
    label.push_str(&format!(". {last}"));
    if !time.is_empty() {
        label.push_str(&format!(", {time}"));
    }
    label
}

/// Presence as the window has it.
pub const fn presence(presence: Reach) -> Presence {
    match presence {
        Reach::Online => Presence::Online,
        Reach::Connecting => Presence::Connecting,
        Reach::Offline => Presence::Offline,
    }
}

/// Who stands `by` places from `from` in the list; from nobody, the first or the last.
pub fn neighbour<'a>(listed: &[&'a ContactView], from: Option<&str>, by: i32) -> Option<&'a ContactView> {
    let at = from.and_then(|from| listed.iter().position(|contact| contact.y7_id == from));
    let to = match at {
        Some(at) => at.saturating_add_signed(by as isize).min(listed.len().saturating_sub(1)),
        None if by < 0 => listed.len().saturating_sub(1),
        None => 0,
    };
    listed.get(to).copied()
}

#[cfg(test)]
mod tests {
    use y7ke_node::api::Status;

    use super::*;
    use crate::model::person::tests::contact;

    fn said(text: &str, at_ms: u64, mine: bool) -> MessageView {
        MessageView {
            message_id: "aa".repeat(32),
            log: "bb".repeat(32),
            author: "y7:x".into(),
            device_id: "cc".repeat(32),
            mine,
            text: text.into(),
            sent_at: at_ms,
            hlc: at_ms,
            reply_to: None,
            edited_at: None,
            deleted: false,
            reactions: Vec::new(),
            status: Status::Sent,
            delivered_to: Vec::new(),
            unopened: false,
            disputed: false,
        }
    }

    fn people() -> Vec<ContactView> {
        let mut ada = contact("y7:ada", "Ada");
        ada.last = Some(said("old", 1, true));
        let mut bob = contact("y7:bob", "Bob");
        bob.last = Some(said("new\nline", 2, false));
        bob.unread = 3;
        bob.presence = Reach::Online;
        let mut gone = contact("y7:gone", "Gone");
        gone.state = ContactState::Rejected;
        vec![ada, bob, contact("y7:cyd", "Cyd"), gone]
    }

    #[test]
    fn the_newest_activity_is_first_and_the_rejected_have_no_place() {
        let people = people();
        let order: Vec<_> = listed(people.iter(), "").iter().map(|contact| contact.name.clone()).collect();
        assert_eq!(order, ["Bob", "Ada", "Cyd"]);
        assert_eq!(listed(people.iter(), " AD ").len(), 1);
    }

    #[test]
    fn people_are_found_by_name_in_any_case_and_by_id_to_the_letter() {
        let people = [contact("y7:4uQeVj", "Νίκος")];
        let found = |filter: &str| listed(people.iter(), filter).len();
        assert_eq!(["ΝΊΚΟΣ", "νίκοσ", "y7:4uQe", "y7: 4uQe Vj"].map(found), [1; 4]);
        assert_eq!(["y7:4uqe", "4uQe"].map(found), [0; 2]);
    }

    #[test]
    fn a_row_says_what_matters_in_one_line() {
        let people = people();
        let row = row(&people[1], &Drafts::default(), None, Zone::Fixed(0), 2);
        assert_eq!((row.last.as_str(), row.unread, row.tick), ("new line", 3, Tick::None));
        assert_eq!(row.label, "Bob, online, 3 unread. new line, 00:00");
    }

    #[test]
    fn a_draft_stands_before_the_last_message() {
        let people = people();
        let mut drafts = Drafts::default();
        drafts.edit("y7:ada", "half a thought".into(), 0);
        let away = row(&people[0], &drafts, None, Zone::Fixed(0), 2);
        assert_eq!((away.last.as_str(), away.draft, away.tick), ("half a thought", true, Tick::None));
        let here = row(&people[0], &drafts, Some("y7:ada"), Zone::Fixed(0), 2);
        assert_eq!((here.last.as_str(), here.draft), ("old", false));
    }

    #[test]
    fn g3_stepping_stays_within_the_list() {
        let people = people();
        let listed = listed(people.iter(), "");
        let step = |from, by| neighbour(&listed, from, by).map(|contact| contact.name.as_str());
        assert_eq!(step(None, 1), Some("Bob"));
        assert_eq!(step(None, -1), Some("Cyd"));
        assert_eq!(step(Some("y7:bob"), 1), Some("Ada"));
        assert_eq!(step(Some("y7:bob"), -1), Some("Bob"));
        assert_eq!(step(Some("y7:cyd"), 1), Some("Cyd"));
        assert_eq!(neighbour(&[], None, 1), None);
    }
}
