//! Requests as they are shown: what waits for me first, then what waits for others, then what can be undone.

use y7ke_node::api::{ContactState, ContactView, Direction, RequestProblem, RequestState, RequestView};

use super::time::{Zone, until};
use super::{person, text};
use crate::ui::{RequestKind, RequestRow};

/// The rows of the pane.
pub fn rows<'a>(
    requests: impl Iterator<Item = &'a RequestView> + Clone,
    contacts: impl Iterator<Item = &'a ContactView> + Clone,
    zone: Zone,
    now_ms: u64,
) -> Vec<RequestRow> {
    let of = |kind| {
        let mut some: Vec<_> = requests.clone().filter(|request| kind_of(request) == Some(kind)).collect();
        some.sort_by_key(|request| (std::cmp::Reverse(request.created), &request.request_id));
        some.into_iter().map(move |request| row(request, kind, zone, now_ms))
    };
    let mut rows: Vec<RequestRow> = of(RequestKind::Incoming).chain(of(RequestKind::Outgoing)).collect();
    // Who was blocked or accepted since is not listed as rejected too.
    rows.extend(of(RequestKind::Rejected).filter(|row| is_rejected(contacts.clone(), &row.y7_id)));
    rows.extend(contacts.filter(|contact| contact.state == ContactState::Blocked).map(blocked));
    rows
}

fn kind_of(request: &RequestView) -> Option<RequestKind> {
    match (request.direction, request.state) {
        (Direction::In, RequestState::Pending) => Some(RequestKind::Incoming),
        (Direction::Out, RequestState::Pending) => Some(RequestKind::Outgoing),
        (Direction::In, RequestState::Rejected) => Some(RequestKind::Rejected),
        _ => None,
    }
}

fn is_rejected<'a>(mut contacts: impl Iterator<Item = &'a ContactView>, y7_id: &str) -> bool {
    contacts.find(|contact| contact.y7_id == y7_id).is_none_or(|contact| contact.state == ContactState::Rejected)
}

fn row(request: &RequestView, kind: RequestKind, zone: Zone, now_ms: u64) -> RequestRow {
    RequestRow {
        id: request.request_id.as_str().into(),
        y7_id: request.y7_id.as_str().into(),
        short_id: text::short_id(&request.y7_id).into(),
        name: person::requester(request).into(),
        face: person::face(&request.name, &request.y7_id),
        greeting: text::shown(&request.greeting).trim().into(),
        greeting_right_to_left: text::is_right_to_left(&request.greeting),
        time: zone.brief(request.created, now_ms).into(),
        state: state_words(request, kind, now_ms).into(),
        kind,
    }
}

fn state_words(request: &RequestView, kind: RequestKind, now_ms: u64) -> String {
    match kind {
        RequestKind::Outgoing => match request.problem {
            Some(RequestProblem::Clocks) => {
                "Not taken: your clock or theirs is off by more than ten minutes. Set date and time, then cancel this and ask again.".into()
            }
            Some(RequestProblem::Busy) => "They have too many requests waiting. It is tried again by itself.".into(),
            None if request.arrived => format!("They have it, and {} left to answer.", until(request.expires, now_ms)),
            None => format!("Goes out as soon as they can be reached, for {} more.", until(request.expires, now_ms)),
        },
        RequestKind::Rejected => "You said no. They were not told.".into(),
        RequestKind::Incoming | RequestKind::Blocked => String::new(),
    }
}

fn blocked(contact: &ContactView) -> RequestRow {
    RequestRow {
        id: contact.y7_id.as_str().into(),
        y7_id: contact.y7_id.as_str().into(),
        short_id: text::short_id(&contact.y7_id).into(),
        name: person::name(contact).into(),
        face: person::face(&contact.name, &contact.y7_id),
        state: "Nothing they send reaches you. They are not told.".into(),
        kind: RequestKind::Blocked,
        ..RequestRow::default()
    }
}

/// How many wait for me.
pub fn incoming<'a>(requests: impl Iterator<Item = &'a RequestView>) -> usize {
    requests.filter(|request| kind_of(request) == Some(RequestKind::Incoming)).count()
}

/// The card above the list.
pub fn incoming_words<'a>(requests: impl Iterator<Item = &'a RequestView>) -> String {
    let waiting: Vec<_> = requests.filter(|request| kind_of(request) == Some(RequestKind::Incoming)).collect();
    match waiting.as_slice() {
        [] => String::new(),
        [one] => format!("{} asks to talk", person::requester(one)),
        many => format!("{} people ask to talk", many.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::person::tests::contact;

    fn request(id: &str, direction: Direction, state: RequestState) -> RequestView {
        RequestView {
            request_id: id.into(),
            direction,
            y7_id: format!("y7:{id}"),
            name: id.into(),
            greeting: String::new(),
            created: 1,
            expires: 14 * 86_400_000,
            state,
            problem: None,
            arrived: false,
        }
    }

    #[test]
    fn b3_what_waits_for_me_is_first() {
        let requests = [
            request("out", Direction::Out, RequestState::Pending),
            request("in", Direction::In, RequestState::Pending),
            request("done", Direction::In, RequestState::Accepted),
        ];
        let rows = rows(requests.iter(), [].iter(), Zone::Fixed(0), 0);
        assert_eq!(rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["in", "out"]);
        assert_eq!(rows[1].state, "Goes out as soon as they can be reached, for 14 days more.");
        let arrived = RequestView { arrived: true, ..request("out", Direction::Out, RequestState::Pending) };
        let rows = self::rows([&arrived].into_iter(), [].iter(), Zone::Fixed(0), 0);
        assert_eq!(rows[0].state, "They have it, and 14 days left to answer.");
        assert_eq!(incoming_words(requests.iter()), "in asks to talk");
    }

    #[test]
    fn b6_rejected_and_blocked_are_listed_once_and_can_be_undone() {
        let requests = [
            request("no", Direction::In, RequestState::Rejected),
            request("pest", Direction::In, RequestState::Rejected),
        ];
        let mut pest = contact("y7:pest", "pest");
        pest.state = ContactState::Blocked;
        let rows = rows(requests.iter(), [pest].iter(), Zone::Fixed(0), 0);
        let kinds: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.kind)).collect();
        assert_eq!(kinds, [("no", RequestKind::Rejected), ("pest", RequestKind::Blocked)]);
    }
}
