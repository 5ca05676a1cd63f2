//! A typed line, parsed once.

/// What a person means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    Nothing,
    Help,
    Quit,
    Id,
    Add {
        uri: String,
        greeting: String,
    },
    Requests,
    Accept(usize),
    Reject(usize),
    Chats,
    Chat(Pick),
    Back,
    Status,
    /// A message to whom the chat is open with.
    Say(String),
    /// Not understood; these words say what would be.
    Unclear(String),
}

/// Somebody of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pick {
    Number(usize),
    Name(String),
}

/// Inside a chat a line is a message unless it begins with `/`; `//` begins a message with one `/`.
pub(super) fn parse(line: &str, in_chat: bool) -> Typed {
    let line = line.trim_end_matches(['\r', '\n']);
    match (in_chat, line.strip_prefix('/')) {
        (true, None) if line.trim().is_empty() => Typed::Nothing,
        (true, None) => Typed::Say(line.into()),
        (true, Some(rest)) if rest.starts_with('/') => Typed::Say(rest.into()),
        (_, Some(order)) => parse_order(order),
        (false, None) => parse_order(line),
    }
}

fn parse_order(order: &str) -> Typed {
    let order = order.trim();
    let (word, rest) = order.split_once(char::is_whitespace).unwrap_or((order, ""));
    let rest = rest.trim();
    match word {
        "" => Typed::Nothing,
        "help" | "?" => Typed::Help,
        "quit" | "exit" => Typed::Quit,
        "id" => Typed::Id,
        "add" => add(rest),
        "requests" => Typed::Requests,
        "accept" => number(rest).map_or_else(|| which("accept"), Typed::Accept),
        "reject" => number(rest).map_or_else(|| which("reject"), Typed::Reject),
        "chats" => Typed::Chats,
        "chat" if rest.is_empty() => Typed::Unclear("Chat with whom? For example: chat 1, or chat Ada".into()),
        "chat" => Typed::Chat(number(rest).map_or_else(|| Pick::Name(rest.into()), Pick::Number)),
        "back" => Typed::Back,
        "status" => Typed::Status,
        _ => Typed::Unclear("I do not know that word. Type help to see what you can do.".into()),
    }
}

fn add(rest: &str) -> Typed {
    let (uri, greeting) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    match uri {
        "" => Typed::Unclear("Add whom? For example: add y7:… Hello, it is me".into()),
        uri => Typed::Add { uri: uri.into(), greeting: greeting.trim().into() },
    }
}

fn number(text: &str) -> Option<usize> {
    text.parse().ok()
}

fn which(order: &str) -> Typed {
    Typed::Unclear(format!("Which one? For example: {order} 1 (type requests to see the numbers)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_a_chat_lines_are_orders() {
        assert_eq!(parse("  help ", false), Typed::Help);
        assert_eq!(parse("/quit", false), Typed::Quit);
        assert_eq!(parse("accept 2", false), Typed::Accept(2));
        assert_eq!(parse("chat 3", false), Typed::Chat(Pick::Number(3)));
        assert_eq!(parse("chat Ada Lovelace", false), Typed::Chat(Pick::Name("Ada Lovelace".into())));
        let added = Typed::Add { uri: "y7:abc".into(), greeting: "it is me".into() };
        assert_eq!(parse("add y7:abc  it is me", false), added);
        assert!(matches!(parse("accept all", false), Typed::Unclear(_)));
        assert!(matches!(parse("dance", false), Typed::Unclear(_)));
    }

    #[test]
    fn inside_a_chat_lines_are_sent_unless_they_begin_with_a_slash() {
        assert_eq!(parse("help", true), Typed::Say("help".into()));
        assert_eq!(parse("/back", true), Typed::Back);
        assert_eq!(parse("//etc is a folder", true), Typed::Say("/etc is a folder".into()));
        assert_eq!(parse("   ", true), Typed::Nothing);
    }
}
