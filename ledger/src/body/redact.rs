//! A body without its words: whoever looks for a fault sees structure, sizes and times.

use y7ke_crypto::text::{Greeting, Name};

use super::{Body, RequestIn, RequestOut};

/// Stands for each byte that somebody wrote.
const FILLER: &str = "x";

impl Body {
    /// The same with every word replaced by as many bytes. Ids, keys, signatures, numbers and times stay; so does the
    /// hash of name and greeting in a request.
    ///
    /// Every kind is named, so that a new one has to say what its words are.
    pub fn redacted(self) -> Self {
        match self {
            Self::Text { text, reply_to } => Self::Text { text: filled(&text), reply_to },
            Self::Draft { log, text } => Self::Draft { log, text: filled(&text) },
            Self::Setting { key, value } => Self::Setting { key, value: filled(&value) },
            Self::Profile { name } => Self::Profile { name: named(&name) },
            Self::ContactName { root, name } => Self::ContactName { root, name: named(&name) },
            Self::RequestOut(request) => {
                let hints = request.hints.iter().map(|hint| filled(hint)).collect();
                Self::RequestOut(RequestOut { greeting: greeted(&request.greeting), hints, ..request })
            }
            Self::RequestIn(request) => {
                let (name, greeting) = (named(&request.name), greeted(&request.greeting));
                Self::RequestIn(RequestIn { name, greeting, ..request })
            }
            Self::Opening(_)
            | Self::Join { .. }
            | Self::Rekey(_)
            | Self::Prekey(_)
            | Self::Revoke { .. }
            | Self::Cut { .. }
            | Self::ForkNotice { .. }
            | Self::Read { .. }
            | Self::RequestState { .. }
            | Self::Block { .. }
            | Self::Unblock { .. }
            | Self::ContactLog { .. }
            | Self::Verify { .. }
            | Self::Unverify { .. }
            | Self::ReadUpTo { .. }
            | Self::Unknown(_) => self,
        }
    }
}

fn filled(text: &str) -> String {
    FILLER.repeat(text.len())
}

/// As many bytes, as far as the cap on characters lets: letters of several bytes become several.
fn named(name: &Name) -> Name {
    shortened(name.as_str(), |text| Name::new(text).ok())
}

fn greeted(greeting: &Greeting) -> Greeting {
    shortened(greeting.as_str(), |text| Greeting::new(text).ok())
}

/// The longest filler that the rules of this text allow.
fn shortened<T: Default>(text: &str, allowed: impl Fn(String) -> Option<T>) -> T {
    let lengths = [text.len(), text.chars().count()];
    lengths.into_iter().find_map(|length| allowed(FILLER.repeat(length))).unwrap_or_default()
}
