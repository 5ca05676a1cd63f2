//! What is said outside the window while nobody looks at it: whether, and in which words.
//!
//! * One notification for each conversation and one for all requests; a newer one takes the older one's place.
//! * Only for what waits: not for what is read, not for the blocked, not while the window is active.
//! * A name is always said, a message's words only if the person wants that.
//! * What waits no longer is taken away again.

use y7ke_node::api::{ContactState, ContactView, MessageView, RequestView, Settings, Status};

use super::{person, text};

/// What a notification is about; pressing it leads there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// The conversation with this person.
    Person(String),
    /// People who ask to talk.
    Requests,
}

/// A notification: plain text, one line each.
#[derive(Clone, PartialEq, Eq)]
pub struct Note {
    /// What it is about.
    pub about: About,
    /// Who.
    pub title: String,
    /// What, or only that.
    pub words: String,
}

impl std::fmt::Debug for Note {
    /// Words of people belong into no log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.about {
            About::Person(_) => f.write_str("Note(a conversation)"),
            About::Requests => f.write_str("Note(requests)"),
        }
    }
}

/// What to say about a message that came, if anything.
pub fn of_message(message: &MessageView, contact: &ContactView, settings: &Settings, active: bool) -> Option<Note> {
    let waits = !message.mine && !message.deleted && message.status != Status::Read;
    if active || !settings.notifications || !waits || contact.state != ContactState::Accepted {
        return None;
    }
    let name = person::name(contact);
    let many = contact.unread > 1;
    let words = if settings.notification_text && !text::is_blank(&message.text) {
        text::preview(&message.text)
    } else if many {
        format!("{} new messages", contact.unread)
    } else {
        "New message".into()
    };
    let title = if many && settings.notification_text { format!("{name} ({})", contact.unread) } else { name };
    Some(Note { about: About::Person(contact.y7_id.clone()), title, words })
}

/// What to say about a request that came; `waiting`: how many do, with this one.
pub fn of_request(request: &RequestView, waiting: usize, settings: &Settings, active: bool) -> Option<Note> {
    if active || !settings.notifications || waiting == 0 {
        return None;
    }
    let title = format!("{} asks to talk to you", person::requester(request));
    let words = match waiting {
        1 if settings.notification_text => text::preview(&request.greeting),
        1 => String::new(),
        many => format!("{many} people wait for your answer"),
    };
    Some(Note { about: About::Requests, title, words })
}

/// The words of the tray's icon: numbers, never names.
pub fn tray_words(unread: u64, incoming: usize, locked: bool) -> String {
    let part = |count: u64, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {many}")),
    };
    if locked {
        return "y7ke is locked".into();
    }
    let incoming = u64::try_from(incoming).unwrap_or(u64::MAX);
    let parts = [part(unread, "new message", "new messages"), part(incoming, "request", "requests")];
    let words: Vec<String> = parts.into_iter().flatten().collect();
    if words.is_empty() { "y7ke".into() } else { format!("y7ke: {}", words.join(", ")) }
}

#[cfg(test)]
mod tests {
    use y7ke_node::api::{Direction, Mode, RequestState};

    use super::super::person::tests::contact;
    use super::*;

    const ADA: &str = "y7:4uQeVj5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM1";

    fn settings() -> Settings {
        Settings {
            mode: Mode::Lan,
            name: String::new(),
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

    fn message(words: &str) -> MessageView {
        MessageView {
            message_id: "01".repeat(32),
            log: "aa".repeat(32),
            author: ADA.into(),
            device_id: "02".repeat(32),
            mine: false,
            text: words.into(),
            sent_at: 1,
            hlc: 1,
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

    fn ada(unread: u64) -> ContactView {
        ContactView { unread, ..contact(ADA, "Ada") }
    }

    fn said(note: Option<Note>) -> (String, String) {
        note.map(|note| (note.title, note.words)).unwrap_or_default()
    }

    #[test]
    fn g5_a_message_is_said_with_its_words_or_without() {
        let shown = settings();
        let hidden = Settings { notification_text: false, ..settings() };
        let of = |unread, settings| said(of_message(&message("hello\nthere"), &ada(unread), settings, false));
        assert_eq!(of(1, &shown), ("Ada".into(), "hello there".into()));
        assert_eq!(of(3, &shown), ("Ada (3)".into(), "hello there".into()));
        assert_eq!(of(1, &hidden), ("Ada".into(), "New message".into()));
        assert_eq!(of(3, &hidden), ("Ada".into(), "3 new messages".into()));
        assert_eq!(said(of_message(&message(""), &ada(1), &shown, false)).1, "New message");
    }

    #[test]
    fn g5_nothing_is_said_of_what_waits_for_nobody() {
        let on = settings();
        let none = |message: &MessageView, contact: &ContactView, settings: &Settings, active| {
            assert_eq!(of_message(message, contact, settings, active), None);
        };
        none(&message("x"), &ada(1), &on, true);
        none(&message("x"), &ada(1), &Settings { notifications: false, ..settings() }, false);
        none(&MessageView { mine: true, ..message("x") }, &ada(1), &on, false);
        none(&MessageView { status: Status::Read, ..message("x") }, &ada(1), &on, false);
        none(&MessageView { deleted: true, ..message("x") }, &ada(1), &on, false);
        for state in [ContactState::Blocked, ContactState::Rejected, ContactState::PendingIn] {
            none(&message("x"), &ContactView { state, ..ada(1) }, &on, false);
        }
    }

    #[test]
    fn b3_requests_are_said_together() {
        let request = RequestView {
            request_id: "r".into(),
            direction: Direction::In,
            y7_id: ADA.into(),
            name: "Ada".into(),
            greeting: "it is me".into(),
            created: 1,
            expires: 2,
            state: RequestState::Pending,
            problem: None,
            arrived: false,
        };
        let of = |waiting, settings: &Settings| said(of_request(&request, waiting, settings, false));
        assert_eq!(of(1, &settings()), ("Ada asks to talk to you".into(), "it is me".into()));
        assert_eq!(of(1, &Settings { notification_text: false, ..settings() }).1, "");
        assert_eq!(of(3, &settings()).1, "3 people wait for your answer");
        assert_eq!(of_request(&request, 1, &settings(), true), None);
        assert_eq!(of_request(&request, 0, &settings(), false), None);
    }

    #[test]
    fn the_tray_says_numbers_and_no_names() {
        assert_eq!(tray_words(0, 0, false), "y7ke");
        assert_eq!(tray_words(1, 0, false), "y7ke: 1 new message");
        assert_eq!(tray_words(12, 2, false), "y7ke: 12 new messages, 2 requests");
        assert_eq!(tray_words(12, 2, true), "y7ke is locked");
    }

    #[test]
    fn a_note_in_a_log_has_no_words() {
        let note = of_message(&message("secret"), &ada(1), &settings(), false);
        let logged = format!("{note:?}");
        assert!(!logged.contains("secret") && !logged.contains("Ada"), "{logged}");
    }
}
