//! A person in words: what to call them, how they are reached.

use y7ke_node::api::{ContactView, Mode, PathView, Presence, RequestView};

use super::text;
use crate::ui::Face;

/// What a contact is called: nickname or profile name, else the beginning of the id.
pub fn name(contact: &ContactView) -> String {
    name_or_id(&contact.name, &contact.y7_id)
}

/// What a requester is called.
pub fn requester(request: &RequestView) -> String {
    name_or_id(&request.name, &request.y7_id)
}

/// `name`, else the beginning of the id.
pub fn name_or_id(name: &str, y7_id: &str) -> String {
    let name = text::name(name);
    if name.is_empty() { text::short_id(y7_id) } else { name }
}

/// The avatar.
pub fn face(name: &str, y7_id: &str) -> Face {
    Face { initials: text::initials(&text::name(name), y7_id).into(), hue: text::hue(y7_id) }
}

/// The line under a name: the path if there is one, else where things stand.
pub fn path_label(contact: &ContactView) -> String {
    match (contact.presence, &contact.path) {
        (Presence::Online, Some(path)) => path.label.clone(),
        (Presence::Online, None) => "Online".into(),
        (Presence::Connecting, _) => "Connecting".into(),
        (Presence::Offline, _) => "Offline".into(),
    }
}

/// The same in plain words, for the tooltip.
pub fn path_words(contact: &ContactView) -> String {
    let name = name(contact);
    match (contact.presence, &contact.path) {
        (Presence::Online, Some(path)) => online_words(&name, path),
        (Presence::Online, None) => format!("{name} is online."),
        (Presence::Connecting, _) => format!("Trying to reach {name}."),
        (Presence::Offline, _) => {
            format!("{name} cannot be reached now. What you write is kept and goes out as soon as {name} is online.")
        }
    }
}

fn online_words(name: &str, path: &PathView) -> String {
    let kind = match path.kind.as_str() {
        "relay" => format!("Connected to {name} by way of a relay, which carries but cannot read"),
        _ => format!("Connected straight to {name}"),
    };
    let transport = path.transport.to_uppercase();
    let ip = match path.ip.as_str() {
        "ipv6" => "IPv6",
        _ => "IPv4",
    };
    format!("{kind}, over {transport} and {ip}{}.", via_words(&path.via))
}

fn via_words(via: &str) -> &'static str {
    match via {
        "mdns" => "; found on this network",
        "hint" => "; found by the address in their link",
        "saved" => "; found where they were last time",
        "inbound" => "; they found you",
        _ => "",
    }
}

/// My way to the network, in a word and in plain words; `listen` is empty where there is none.
pub fn my_net(mode: Mode, listen: &[String]) -> (&'static str, &'static str) {
    match mode {
        _ if listen.is_empty() => (
            "No network",
            "There is no network. Everything that is here can be read and found; what you write and whom you add goes out by itself once there is one.",
        ),
        Mode::Lan => (
            "This network only",
            "People are looked for on this network only. Nothing outside it is contacted, and nobody outside it can write to you.",
        ),
        Mode::Y7net => ("Internet", "People are looked for on this network and over the internet."),
    }
}

/// A mark as verified that went away by itself.
pub fn lapse_words(name: &str) -> String {
    format!(
        "You had compared safety numbers with {name}, and that no longer holds. Compare them again before you trust what comes from here."
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use y7ke_node::api::ContactState;

    use super::*;

    pub(crate) fn contact(y7_id: &str, name: &str) -> ContactView {
        ContactView {
            y7_id: y7_id.into(),
            name: name.into(),
            state: ContactState::Accepted,
            verified: false,
            log: Some("aa".repeat(32)),
            presence: Presence::Offline,
            path: None,
            unread: 0,
            last: None,
        }
    }

    fn path(kind: &str, via: &str) -> PathView {
        PathView {
            kind: kind.into(),
            transport: "quic".into(),
            ip: "ipv6".into(),
            via: via.into(),
            label: "DIRECT · QUIC · IPv6".into(),
        }
    }

    #[test]
    fn a_path_is_told_in_plain_words() {
        let mut ada = contact("y7:abcdefghijklmnop", "Ada");
        assert_eq!(path_label(&ada), "Offline");
        assert!(path_words(&ada).starts_with("Ada cannot be reached now."));
        ada.presence = Presence::Online;
        ada.path = Some(path("direct", "mdns"));
        assert_eq!(path_label(&ada), "DIRECT · QUIC · IPv6");
        assert_eq!(path_words(&ada), "Connected straight to Ada, over QUIC and IPv6; found on this network.");
        ada.path = Some(path("relay", ""));
        assert!(path_words(&ada).contains("by way of a relay"));
    }

    #[test]
    fn without_a_network_it_says_what_works_anyway() {
        assert_eq!(my_net(Mode::Lan, &["/ip4/127.0.0.1/tcp/1".into()]).0, "This network only");
        let (word, words) = my_net(Mode::Y7net, &[]);
        assert_eq!(word, "No network");
        assert!(words.contains("goes out by itself"));
    }

    #[test]
    fn nobody_is_nameless() {
        assert_eq!(name(&contact("y7:abcdefghijklmnop", "")), "y7:abcd efgh … mnop");
        assert_eq!(name(&contact("y7:abcdefghijklmnop", "\u{202E}eve")), "eve");
    }
}
