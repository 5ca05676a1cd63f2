//! One log, event by event, oldest first.
//!
//! ```text
//! 1790000000123  5f3a91c2 #7   text         “Hello”                 ← 1c9e02aa
//! hybrid time    device  seq   what         in words                  dependencies
//! ```

use std::fmt;

use serde::Serialize;
use y7ke_crypto::event::{Class, Header};
use y7ke_crypto::ids::LogId;

use super::each;
use crate::body::Body;
use crate::store::{Content, EventInfo, StorageError, View};

/// Hex digits of an id that a person compares.
const SHORT: usize = 8;

/// Whether what people wrote is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// As they wrote it.
    Shown,
    /// Its length alone.
    Hidden,
}

/// An event, as a line ([`fmt::Display`]) or as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownEvent {
    /// Its id, hex.
    pub message_id: String,
    /// Its author's device, hex.
    pub device_id: String,
    /// Whose device it is, `y7:…`; empty if not known.
    pub author: String,
    /// Its number among the device's events.
    pub seq: u64,
    /// Hybrid time.
    pub hlc: u64,
    /// Sealed, with a key of this epoch (hex) and chain index.
    pub sealed: Option<(String, u32)>,
    /// Kind of its body; `unknown`, `sealed` or `missing` if it cannot be told.
    pub kind: &'static str,
    /// What it says, in words.
    pub says: String,
    /// Ids of the events that its author had seen, hex.
    pub deps: Vec<String>,
    /// Whether it counts (F3).
    pub live: bool,
    /// Its place in the order of arrival here.
    pub arrival: u64,
}

/// Every stored event of `log`, each after everything it depends on.
pub fn show(view: &View, log: &LogId, words: Words) -> Result<Vec<ShownEvent>, StorageError> {
    let mut shown = Vec::new();
    each(view, log, &mut |event| {
        shown.push(one(view, &event, words)?);
        Ok(())
    })?;
    Ok(shown)
}

pub(super) fn one(view: &View, event: &EventInfo, words: Words) -> Result<ShownEvent, StorageError> {
    let Header { log, device, seq, hlc, epoch, chain, class, deps, .. } = &event.header;
    let author = view.member_root(log, device)?;
    let (kind, says) = describe(view.content(&event.id)?, words);
    Ok(ShownEvent {
        message_id: event.id.to_string(),
        device_id: device.to_string(),
        author: author.map_or_else(String::new, |root| root.to_string()),
        seq: *seq,
        hlc: *hlc,
        sealed: (*class == Class::Sealed).then(|| (epoch.to_string(), *chain)),
        kind,
        says,
        deps: deps.iter().map(|dep| dep.id.to_string()).collect(),
        live: event.live,
        arrival: event.arrival,
    })
}

pub(super) fn describe(content: Option<Content>, words: Words) -> (&'static str, String) {
    match content {
        Some(Content::Body(body)) => (body.kind().map_or("unknown", |kind| kind.name()), says(&body, words)),
        Some(Content::NoEffect) => ("unknown", String::new()),
        Some(Content::Sealed) => ("sealed", String::new()),
        Some(Content::Missing) | None => ("missing", String::new()),
    }
}

/// What a body says. Ids in full: this is for finding things.
fn says(body: &Body, words: Words) -> String {
    let quoted = |text: &str| quoted(text, words);
    match body {
        Body::Opening(opening) => {
            let core = &opening.core.claim;
            format!("{} accepted request {} of {}", core.to_root, core.req_id, core.from_root)
        }
        Body::Join { chain } => format!("{} by {} certificates", chain.root(), chain.links().len()),
        Body::Rekey(rekey) => format!("generation {}, {} devices", rekey.generation, rekey.members.len()),
        Body::Prekey(prekey) => format!("{} of {}", prekey.claim.id(), prekey.claim.created),
        Body::Profile { name } => quoted(name.as_str()),
        Body::Revoke { device } | Body::Cut { device } => device.to_string(),
        Body::ForkNotice { device, seq } => format!("{device} has two events {seq}"),
        Body::Text { text, reply_to: None } => quoted(text),
        Body::Text { text, reply_to: Some(id) } => format!("{} to {id}", quoted(text)),
        Body::Read { marks } => {
            let marks = marks.iter().map(|mark| format!("{} up to {}", mark.device, mark.seq));
            marks.collect::<Vec<_>>().join(", ")
        }
        Body::RequestOut(request) => {
            format!("{} to {}: {}", request.req_id, request.to_root, quoted(request.greeting.as_str()))
        }
        Body::RequestIn(request) => {
            format!("{} from {}: {}", request.req_id, request.from_root, quoted(request.greeting.as_str()))
        }
        Body::RequestState { req_id, state } => format!("{req_id} {state:?}").to_lowercase(),
        Body::ContactName { root, name } => format!("{root} is {}", quoted(name.as_str())),
        Body::Block { root } | Body::Unblock { root } | Body::Verify { root } | Body::Unverify { root } => {
            root.to_string()
        }
        Body::ContactLog { root, log, req_id } => format!("{log} with {root} by request {req_id}"),
        Body::Draft { log, text } => format!("in {log}: {}", quoted(text)),
        Body::ReadUpTo { log, marks } => {
            let marks = marks.iter().map(|mark| format!("{} up to {}", mark.device, mark.seq));
            format!("in {log}: {}", marks.collect::<Vec<_>>().join(", "))
        }
        Body::Setting { key, value } => format!("{key} = {}", quoted(value)),
        Body::Unknown(number) => format!("kind {number}"),
    }
}

/// What somebody wrote, or how long it is.
pub(super) fn quoted(text: &str, words: Words) -> String {
    match words {
        Words::Shown => format!("“{text}”"),
        Words::Hidden => format!("{} bytes", text.len()),
    }
}

impl fmt::Display for ShownEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |id: &str| id.chars().take(SHORT).collect::<String>();
        let deps: Vec<_> = self.deps.iter().map(|dep| short(dep)).collect();
        write!(
            f,
            "{:>14}  {}  {} #{:<5} {:<13} ",
            self.hlc,
            short(&self.message_id),
            short(&self.device_id),
            self.seq,
            self.kind
        )?;
        write!(f, "{}", self.says.escape_debug())?;
        if !self.live {
            write!(f, "  (not live)")?;
        }
        if deps.is_empty() { Ok(()) } else { write!(f, "  ← {}", deps.join(" ")) }
    }
}
