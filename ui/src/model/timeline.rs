//! The rows of one conversation, made on demand.
//!
//! ```text
//! keys  ◀─ fill ─ k0 k1 … kn  messages' places, (hlc, device) ascending; the newest, at most SHOWN
//! cache      ▒▒▒    ▒▒       messages read in pages of PAGE, KEPT of them, least used go first
//! rows  r0 r1 r2 … rn o1 o2  one row a message, then what is on its way to the disk
//! ```
//!
//! * Opening reads the places of FIRST messages, whatever the log's length; the older ones come in stretches
//!   afterwards ([`Timeline::fill`]), above what is seen.
//! * A row carries what stands above it (day, "new"), so that rows and messages have one index.
//! * Whatever changes tells exactly which rows ([`Change`]); the list is never reset.
//! * More than SHOWN messages are a window of that many: the newest, or those around one that was jumped to.
//! * A row depends on its two neighbours (grouping, ticks), so they change with it.

use std::collections::{BTreeMap, BTreeSet};

use slint::{ModelRc, VecModel};
use y7ke_node::api::{ApiError, Conversation, MessageView, Status};

use super::drafts::{Outgoing, Reply};
use super::index::Index;
use super::links::{self, Link};
use super::text;
use super::time::Zone;
use crate::port::{self, Key, Source};
use crate::ui::{LinkRow, MessageRow, Tick};

/// Rows of one list at most: its positions are 32-bit floats, exact to about 100,000 rows.
pub const SHOWN: usize = 100_000;

/// Places read when a conversation is opened: more than any screen has rows.
const FIRST: usize = 128;

/// Places read at a time afterwards: a stretch takes about a millisecond.
const STRETCH: usize = 1_024;

/// Messages read at a time: a screen of them.
const PAGE: usize = 16;

/// Messages kept opened: some sixty screens.
const KEPT: usize = 2_048;

/// Devices that are named one by one.
const NAMED: usize = 4;

/// Quoted messages that are remembered; each is read by its id when its answer is drawn.
const QUOTED: usize = 256;

/// Messages of one author within this group together.
const GROUP_MS: u64 = 5 * 60_000;

/// What happened to the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A row came in here.
    Added(usize),
    /// So many rows came in above all others.
    Earlier(usize),
    /// This row looks different.
    Changed(usize),
    /// The row here is gone.
    Removed(usize),
}

/// What rows are drawn with besides their messages.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The person's clock.
    pub zone: Zone,
    /// Now, ms since 1970.
    pub now_ms: u64,
    /// What the other person is called.
    pub name: &'a str,
}

/// One open conversation.
#[derive(Debug)]
pub struct Timeline {
    of: Conversation,
    keys: Index,
    /// Messages older than the first row are on the disk.
    older: bool,
    newer: bool,
    cache: Cache,
    quotes: BTreeMap<[u8; 32], Option<Quoted>>,
    /// The message that was jumped to.
    mark: Option<Key>,
    /// Given to a session, by notices: snapshots do not know it.
    sent: BTreeSet<Key>,
    outgoing: Vec<Outgoing>,
    /// The "new" line stands above this one.
    fresh: Option<Key>,
    trouble: Option<String>,
}

impl Timeline {
    /// Opens `of` with the end of its index; texts are read later.
    pub fn open(of: Conversation, source: &(impl Source + ?Sized)) -> Self {
        Self::open_around(of, source, None)
    }

    /// Opens `of` so that `around` is among its rows.
    pub fn open_around(of: Conversation, source: &(impl Source + ?Sized), around: Option<Key>) -> Self {
        let mut timeline = Self {
            of,
            keys: Index::default(),
            older: false,
            newer: false,
            cache: Cache::default(),
            quotes: BTreeMap::new(),
            mark: None,
            sent: BTreeSet::new(),
            outgoing: Vec::new(),
            fresh: None,
            trouble: None,
        };
        timeline.read_older(FIRST, source);
        around.iter().for_each(|key| timeline.go_back_to(key, source));
        timeline
    }

    /// Gives the newest rows up for those around `key`, if it is further back than one list has rows.
    fn go_back_to(&mut self, key: &Key, source: &(impl Source + ?Sized)) {
        self.read_back_to(key, source);
        while self.older && self.trouble.is_none() && self.keys.first().is_some_and(|first| first >= *key) {
            self.keys.truncate(SHOWN / 2);
            self.newer = true;
            if self.read_older(STRETCH, source) == 0 {
                break;
            }
        }
    }

    /// Takes in the places of `limit` messages before the first row, as far as there is room; how many came.
    fn read_older(&mut self, limit: usize, source: &(impl Source + ?Sized)) -> usize {
        let limit = limit.min(SHOWN.saturating_sub(self.keys.len()));
        match source.index(&self.of, self.keys.first().as_ref(), limit) {
            Ok(stretch) => {
                self.older = stretch.more;
                self.trouble = None;
                let came = stretch.keys.len();
                self.keys.prepend(stretch.keys);
                came
            }
            Err(fault) => {
                self.trouble = Some(fault.message);
                0
            }
        }
    }

    /// Whether rows are still to come in above the first one.
    pub fn fills(&self) -> bool {
        self.older && self.keys.len() < SHOWN && self.trouble.is_none()
    }

    /// Takes in the next stretch of older messages.
    pub fn fill(&mut self, source: &(impl Source + ?Sized)) -> Vec<Change> {
        let came = if self.fills() { self.read_older(STRETCH, source) } else { 0 };
        earlier(came)
    }

    /// Takes in whatever is needed for `key` to have a row with a stretch above it.
    pub fn reach(&mut self, key: &Key, source: &(impl Source + ?Sized)) -> Vec<Change> {
        earlier(self.read_back_to(key, source))
    }

    fn read_back_to(&mut self, key: &Key, source: &(impl Source + ?Sized)) -> usize {
        let mut all = 0;
        while self.fills() && self.keys.first().is_none_or(|first| first >= *key) {
            match self.read_older(STRETCH, source) {
                0 => break,
                came => all += came,
            }
        }
        all
    }

    /// Rows there are.
    pub fn len(&self) -> usize {
        self.keys.len() + self.outgoing.len()
    }

    /// No rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// There are messages older than the first row.
    pub fn older(&self) -> bool {
        self.older
    }

    /// There are messages newer than the last row.
    pub fn newer(&self) -> bool {
        self.newer
    }

    /// The conversation.
    pub fn of(&self) -> &Conversation {
        &self.of
    }

    /// Marks the message at `key`, or none; its row and what changes.
    pub fn set_mark(&mut self, key: Option<Key>) -> (Option<usize>, Vec<Change>) {
        let before = self.mark.take().and_then(|key| self.keys.find(&key).ok());
        self.mark = key.filter(|key| self.keys.has(key));
        let row = self.mark.and_then(|key| self.keys.find(&key).ok());
        (row, before.into_iter().chain(row).map(Change::Changed).collect())
    }

    /// Why the index could not be read.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Puts the "new" line above `key`; its row.
    pub fn set_fresh(&mut self, key: Option<Key>) -> Option<usize> {
        self.fresh = key.filter(|key| self.keys.has(key));
        self.fresh.and_then(|key| self.keys.find(&key).ok())
    }

    /// Takes the "new" line away.
    pub fn clear_fresh(&mut self) -> Vec<Change> {
        let Some(key) = self.fresh.take() else { return Vec::new() };
        self.keys.find(&key).map(|at| self.around(at)).unwrap_or_default()
    }

    /// Whether there is a "new" line.
    pub fn has_fresh(&self) -> bool {
        self.fresh.is_some()
    }

    /// A message came, or changed. `Some` ticket: one of `outgoing` became durable as this one.
    pub fn upsert(&mut self, message: &MessageView) -> Vec<Change> {
        let Some(key) = Key::of(message) else { return Vec::new() };
        if message.status == Status::Sent {
            self.sent.insert(key);
        }
        self.cache.put(key, message.clone());
        self.quotes.remove(&key.id);
        match self.keys.find(&key) {
            Ok(at) => self.around(at),
            Err(at) if at == 0 && self.older || at == self.keys.len() && self.newer => Vec::new(),
            Err(at) => self.insert(at, key, message),
        }
    }

    fn insert(&mut self, at: usize, key: Key, message: &MessageView) -> Vec<Change> {
        let mut changes = self.settle_by_text(message);
        self.keys.insert(at, key);
        changes.push(Change::Added(at));
        changes.extend(self.around(at).into_iter().filter(|change| *change != Change::Changed(at)));
        if self.keys.len() > SHOWN {
            self.keys.drop_first();
            self.older = true;
            changes.push(Change::Removed(0));
        }
        changes
    }

    /// A message of mine may be told before its send is answered: its bubble is not to stand there twice.
    fn settle_by_text(&mut self, message: &MessageView) -> Vec<Change> {
        let waiting = |out: &Outgoing| out.failed.is_none() && out.text == message.text;
        match self.outgoing.iter().position(waiting).filter(|_| message.mine) {
            Some(at) => self.remove_outgoing(at),
            None => Vec::new(),
        }
    }

    fn remove_outgoing(&mut self, at: usize) -> Vec<Change> {
        self.outgoing.remove(at);
        let row = self.keys.len() + at;
        let before = row.checked_sub(1).map(Change::Changed);
        std::iter::once(Change::Removed(row)).chain(before).collect()
    }

    /// A message is on its way to the disk, or was refused by it.
    pub fn put_outgoing(&mut self, out: &Outgoing) -> Vec<Change> {
        match self.outgoing.iter_mut().find(|known| known.ticket == out.ticket) {
            Some(known) => {
                known.clone_from(out);
                (self.keys.len()..self.len()).map(Change::Changed).collect()
            }
            None => {
                self.outgoing.push(out.clone());
                let row = self.len() - 1;
                let before = row.checked_sub(1).map(Change::Changed);
                std::iter::once(Change::Added(row)).chain(before).collect()
            }
        }
    }

    /// It is durable, or was taken back.
    pub fn drop_outgoing(&mut self, ticket: u64) -> Vec<Change> {
        match self.outgoing.iter().position(|out| out.ticket == ticket) {
            Some(at) => self.remove_outgoing(at),
            None => Vec::new(),
        }
    }

    /// Reads the index again after notices were missed: exact changes for what came and went.
    pub fn resync(&mut self, source: &(impl Source + ?Sized)) -> Vec<Change> {
        let before = std::mem::take(&mut self.keys);
        self.cache = Cache::default();
        self.quotes.clear();
        let newer = std::mem::take(&mut self.newer);
        self.read_older(FIRST, source);
        if self.trouble.is_some() {
            self.keys = before;
            self.newer = newer;
            return (0..self.len()).map(Change::Changed).collect();
        }
        let back = before.first().map_or(0, |first| self.read_back_to(&first, source));
        tracing::debug!(rows = self.keys.len(), back, "the index was read again");
        let mut changes = differences(&before, &self.keys);
        changes.extend((0..self.len()).map(Change::Changed));
        changes
    }

    fn around(&self, at: usize) -> Vec<Change> {
        let end = (at + 2).min(self.len());
        (at.saturating_sub(1)..end).map(Change::Changed).collect()
    }

    /// The message behind a row, with its text as it was written.
    pub fn message(&mut self, index: usize, source: &(impl Source + ?Sized)) -> Option<MessageView> {
        let key = self.keys.get(index)?;
        self.load(index, source).ok()?;
        self.cache.get(&key)?.clone()
    }

    /// The text behind a row's id, as it was written.
    pub fn text_of(&mut self, id: &str, source: &(impl Source + ?Sized)) -> Option<String> {
        if let Some(out) = self.outgoing.iter().find(|out| ticket_id(out.ticket) == id) {
            return Some(out.text.clone());
        }
        let mut wanted = [0; 32];
        hex::decode_to_slice(id, &mut wanted).ok()?;
        let at = self.keys.of_id(&wanted)?;
        self.message(at, source).map(|message| text::plain(&message.text))
    }

    /// The row at `index`.
    pub fn row(&mut self, index: usize, source: &(impl Source + ?Sized), with: Setting<'_>) -> Option<MessageRow> {
        if index >= self.len() {
            return None;
        }
        let before = index.checked_sub(1).and_then(|before| self.facts(before, source));
        let after = self.facts(index + 1, source);
        let Some(this) = self.facts(index, source) else { return Some(self.unreadable(index)) };
        let mut row = draw(&this, before.as_ref(), after.as_ref(), with);
        if index == 0 && self.older && self.keys.len() >= SHOWN {
            row.day = format!("Older messages are kept. Shown are the newest {SHOWN}.").into();
        }
        Some(row)
    }

    fn facts(&mut self, index: usize, source: &(impl Source + ?Sized)) -> Option<Facts> {
        if let Some(out) = index.checked_sub(self.keys.len()) {
            return self.outgoing.get(out).map(Facts::of_outgoing);
        }
        let key = self.keys.get(index)?;
        let message = self.message(index, source)?;
        let sent = self.sent.contains(&key);
        let quote = message.reply_to.as_ref().map(|id| self.quote(id, &message.log, source));
        let mut facts = Facts::of_message(&message, sent, self.fresh == Some(key));
        facts.marked = self.mark == Some(key);
        facts.quote = quote;
        Some(facts)
    }

    /// The message that a reply names, if it is of this conversation: an id proves nothing.
    fn quote(&mut self, id: &str, log: &str, source: &(impl Source + ?Sized)) -> Quote {
        let found = port::bytes(id).and_then(|id| self.quoted(id, source));
        match found.filter(|found| found.log == log || self.keys.has(&found.key)) {
            Some(found) => Quote { id: id.to_owned(), who: Some(found.mine), words: found.words },
            None => Quote { id: String::new(), who: None, words: "A message that is not on this device".into() },
        }
    }

    fn quoted(&mut self, id: [u8; 32], source: &(impl Source + ?Sized)) -> Option<Quoted> {
        if let Some(known) = self.quotes.get(&id) {
            return known.clone();
        }
        let found = source.find(&id).ok()?.as_ref().and_then(Quoted::of);
        if self.quotes.len() >= QUOTED {
            self.quotes.clear();
        }
        self.quotes.insert(id, found.clone());
        found
    }

    /// Where the message stands that a reply names.
    pub fn key_of(&mut self, id: &str, source: &(impl Source + ?Sized)) -> Option<Key> {
        self.quoted(port::bytes(id)?, source).map(|found| found.key)
    }

    /// What an answer to the message behind a row says of it.
    pub fn to_answer(&mut self, id: &str, name: &str, source: &(impl Source + ?Sized)) -> Option<Reply> {
        let found = self.quoted(port::bytes(id)?, source)?;
        Some(Reply { id: id.to_owned(), who: who(found.mine, name), words: found.words })
    }

    fn unreadable(&self, index: usize) -> MessageRow {
        let words = self.trouble.clone().unwrap_or_else(|| "This message is gone from this device.".into());
        MessageRow {
            id: self.keys.get(index).as_ref().map(Key::message_id).unwrap_or_default().into(),
            text: words.clone().into(),
            label: words.into(),
            aside: true,
            first: true,
            last: true,
            ..MessageRow::default()
        }
    }

    /// Reads a page that begins with `index` unless its message is open already. Where the one below it is, rows are
    /// asked for upwards, and it is the last of the page.
    fn load(&mut self, index: usize, source: &(impl Source + ?Sized)) -> Result<(), ApiError> {
        if self.keys.get(index).is_some_and(|key| self.cache.touch(&key)) {
            return Ok(());
        }
        let upwards = self.keys.get(index + 1).is_some_and(|key| self.cache.has(&key));
        let from = if upwards { (index + 1).saturating_sub(PAGE) } else { index };
        let to = (from + PAGE).min(self.keys.len()).max(index + 1);
        let wanted: Vec<Key> = self.keys.between(from, to).filter(|key| !self.cache.has(key)).collect();
        let read = source.messages(&wanted).inspect_err(|fault| self.trouble = Some(fault.message.clone()))?;
        self.trouble = None;
        wanted.iter().for_each(|key| self.cache.put_gone(*key));
        for message in read {
            if let Some(key) = Key::of(&message) {
                self.cache.put(key, message);
            }
        }
        Ok(())
    }
}

/// So many rows came above all others. What was first has a neighbour now: the day above it may go.
fn earlier(came: usize) -> Vec<Change> {
    if came == 0 { Vec::new() } else { vec![Change::Earlier(came), Change::Changed(came)] }
}

/// A row's id while its message has none.
pub fn ticket_id(ticket: u64) -> String {
    format!("outgoing-{ticket}")
}

/// The send behind a row's id.
pub fn ticket_of(id: &str) -> Option<u64> {
    id.strip_prefix("outgoing-")?.parse().ok()
}

/// Removals from the end, then additions from the start: each index is right when its turn comes.
fn differences(before: &Index, after: &Index) -> Vec<Change> {
    let gone = before.iter().enumerate().rev().filter(|(_, key)| !after.has(key));
    let come = after.iter().enumerate().filter(|(_, key)| !before.has(key));
    gone.map(|(at, _)| Change::Removed(at)).chain(come.map(|(at, _)| Change::Added(at))).collect()
}

fn who(mine: bool, name: &str) -> String {
    if mine { "You".into() } else { name.to_owned() }
}

/// What is remembered of a message that others answer.
#[derive(Clone, Debug)]
struct Quoted {
    key: Key,
    log: String,
    mine: bool,
    words: String,
}

impl Quoted {
    fn of(message: &MessageView) -> Option<Self> {
        let words = text::preview(&words(message).0);
        Some(Self { key: Key::of(message)?, log: message.log.clone(), mine: message.mine, words })
    }
}

/// What stands above an answer. `who`: whether it is mine; unknown if it is not here.
struct Quote {
    id: String,
    who: Option<bool>,
    words: String,
}

impl Quote {
    fn of_reply(reply: &Reply) -> Self {
        Self { id: reply.id.clone(), who: Some(reply.who == who(true, "")), words: reply.words.clone() }
    }
}

/// What a row needs to know of a message.
struct Facts {
    id: String,
    text: String,
    mine: bool,
    author: String,
    at_ms: u64,
    tick: Tick,
    /// The devices that have it, to recognise.
    holders: Vec<String>,
    aside: bool,
    fresh: bool,
    marked: bool,
    quote: Option<Quote>,
    trouble: String,
}

impl Facts {
    fn of_message(message: &MessageView, sent: bool, fresh: bool) -> Self {
        let (text, aside) = words(message);
        let status = if sent { message.status.max(Status::Sent) } else { message.status };
        Self {
            id: message.message_id.clone(),
            text,
            mine: message.mine,
            author: message.author.clone(),
            at_ms: message.sent_at,
            tick: if message.mine { tick(status) } else { Tick::None },
            holders: message.delivered_to.iter().map(|id| text::short_device(id)).collect(),
            aside,
            fresh,
            marked: false,
            quote: None,
            trouble: String::new(),
        }
    }

    fn of_outgoing(out: &Outgoing) -> Self {
        Self {
            id: ticket_id(out.ticket),
            text: text::shown(&out.text),
            mine: true,
            author: String::new(),
            at_ms: out.at_ms,
            tick: if out.failed.is_some() { Tick::Failed } else { Tick::Queued },
            holders: Vec::new(),
            aside: false,
            fresh: false,
            marked: false,
            quote: out.reply.as_ref().map(Quote::of_reply),
            trouble: out.failed.as_ref().map(|why| format!("Not sent: {why}")).unwrap_or_default(),
        }
    }
}

fn words(message: &MessageView) -> (String, bool) {
    match message {
        MessageView { deleted: true, .. } => ("This message was deleted.".into(), true),
        MessageView { unopened: true, .. } => ("This message cannot be opened yet: its key has not come.".into(), true),
        MessageView { disputed: true, text, .. } => {
            (format!("{}\n(Two versions of this message exist.)", text::shown(text)), false)
        }
        MessageView { text, .. } => (text::shown(text), false),
    }
}

/// The tick of a message of mine.
pub fn tick(status: Status) -> Tick {
    match status {
        Status::Queued => Tick::Queued,
        Status::Sent => Tick::Sent,
        Status::Delivered => Tick::Delivered,
        Status::Read => Tick::Read,
    }
}

fn tick_words(facts: &Facts, name: &str) -> String {
    match facts.tick {
        Tick::Queued => format!("Waiting for {name} to come online"),
        Tick::Sent => format!("Sent, not yet on a device of {name}"),
        Tick::Delivered => who_has_it(&facts.holders, name),
        Tick::Read if facts.holders.is_empty() => format!("Read by {name}"),
        Tick::Read => format!("Read by {name}. {}", who_has_it(&facts.holders, name)),
        Tick::Failed => "Not sent".into(),
        Tick::None => String::new(),
    }
}

/// Which devices have a message that is delivered. One is theirs; of several, some may be my own.
fn who_has_it(holders: &[String], name: &str) -> String {
    match holders {
        [] => format!("On {name}'s device"),
        [one] => format!("On {name}'s device {one}"),
        all if all.len() <= NAMED => format!("On {} devices: {}", all.len(), all.join(", ")),
        all => format!("On {} devices: {} and others", all.len(), all[..NAMED].join(", ")),
    }
}

fn draw(this: &Facts, before: Option<&Facts>, after: Option<&Facts>, with: Setting<'_>) -> MessageRow {
    let first = !before.is_some_and(|before| together(before, this, with.zone));
    let last = !after.is_some_and(|after| together(this, after, with.zone));
    let new_day = before.is_none_or(|before| with.zone.day(before.at_ms) != with.zone.day(this.at_ms));
    let timed = last || after.is_some_and(|after| after.tick != this.tick) || !this.trouble.is_empty();
    let tick_words = tick_words(this, with.name);
    let links = links_of(this);
    MessageRow {
        id: this.id.as_str().into(),
        text: if is_bare(this, &links) { "".into() } else { this.text.as_str().into() },
        lines: this.text.contains('\n'),
        mine: this.mine,
        time: if timed { with.zone.clock(this.at_ms).into() } else { "".into() },
        full_time: with.zone.full(this.at_ms).into(),
        day: if new_day { with.zone.separator(this.at_ms, with.now_ms).into() } else { "".into() },
        fresh: this.fresh,
        first,
        last,
        tick: this.tick,
        marked: this.marked,
        right_to_left: text::is_right_to_left(&this.text),
        quote_id: this.quote.as_ref().map(|quote| quote.id.as_str()).unwrap_or_default().into(),
        quote_who: quote_who(this, with.name).into(),
        quote_words: this.quote.as_ref().map(|quote| quote.words.as_str()).unwrap_or_default().into(),
        links: link_rows(links),
        answerable: !this.aside && ticket_of(&this.id).is_none(),
        label: label(this, with, &tick_words).into(),
        tick_words: tick_words.into(),
        aside: this.aside,
        trouble: this.trouble.as_str().into(),
    }
}

fn quote_who(this: &Facts, name: &str) -> String {
    this.quote.as_ref().and_then(|quote| quote.who).map(|mine| who(mine, name)).unwrap_or_default()
}

fn links_of(this: &Facts) -> Vec<Link> {
    if this.aside || !this.text.contains("://") { Vec::new() } else { links::find(&this.text) }
}

/// A message that is nothing but a link shows it once.
fn is_bare(this: &Facts, links: &[Link]) -> bool {
    matches!(links, [one] if links::read(this.text.trim()).as_ref() == Some(one))
}

fn link_rows(links: Vec<Link>) -> ModelRc<LinkRow> {
    if links.is_empty() {
        return ModelRc::default();
    }
    let rows = links.into_iter().map(|link| LinkRow {
        address: link.address.into(),
        host: link.host.into(),
        rest: link.rest.into(),
    });
    ModelRc::new(VecModel::from_iter(rows))
}

fn label(this: &Facts, with: Setting<'_>, tick_words: &str) -> String {
    let who = who(this.mine, with.name);
    let quote = match &this.quote {
        Some(Quote { who: None, .. }) => " answered".to_owned(),
        Some(quote) => format!(" answered {} “{}”", quote_who(this, with.name), quote.words),
        None => String::new(),
    };
    let tail = if tick_words.is_empty() { String::new() } else { format!(". {tick_words}") };
    format!("{who}{quote}, {}: {}{tail}", with.zone.clock(this.at_ms), this.text)
}

/// Whether two neighbours stand in one group.
fn together(above: &Facts, below: &Facts, zone: Zone) -> bool {
    above.mine == below.mine
        && (above.mine || above.author == below.author)
        && above.at_ms.abs_diff(below.at_ms) <= GROUP_MS
        && zone.day(above.at_ms) == zone.day(below.at_ms)
        && !below.fresh
        && above.trouble.is_empty()
}

/// Opened messages, least used first out. `None`: read, and not there any more.
#[derive(Debug, Default)]
struct Cache {
    opened: BTreeMap<Key, (u64, Option<MessageView>)>,
    by_use: BTreeMap<u64, Key>,
    uses: u64,
}

impl Cache {
    fn has(&self, key: &Key) -> bool {
        self.opened.contains_key(key)
    }

    fn get(&self, key: &Key) -> Option<&Option<MessageView>> {
        self.opened.get(key).map(|(_, message)| message)
    }

    fn touch(&mut self, key: &Key) -> bool {
        let Some((used, _)) = self.opened.get_mut(key) else { return false };
        self.uses += 1;
        self.by_use.remove(used);
        self.by_use.insert(self.uses, *key);
        *used = self.uses;
        true
    }

    fn put(&mut self, key: Key, message: MessageView) {
        self.store(key, Some(message));
    }

    fn put_gone(&mut self, key: Key) {
        self.store(key, None);
    }

    fn store(&mut self, key: Key, message: Option<MessageView>) {
        self.uses += 1;
        if let Some((used, _)) = self.opened.insert(key, (self.uses, message)) {
            self.by_use.remove(&used);
        }
        self.by_use.insert(self.uses, key);
        while self.opened.len() > KEPT
            && let Some((_, least)) = self.by_use.pop_first()
        {
            self.opened.remove(&least);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::ops::Bound;

    use super::*;
    use crate::port::Stretch;

    const UTC: Setting<'static> = Setting { zone: Zone::Fixed(0), now_ms: START + 3_600_000, name: "Ada" };
    /// Monday, 16 November 2026, 12:00:00 UTC.
    const START: u64 = 1_794_830_400_000;

    struct Store {
        messages: BTreeMap<Key, MessageView>,
        pages: Cell<usize>,
    }

    impl Source for Store {
        fn index(&self, _: &Conversation, before: Option<&Key>, limit: usize) -> Result<Stretch, ApiError> {
            let end = before.map_or(Bound::Unbounded, Bound::Excluded);
            Ok(Stretch::end_of(self.messages.range((Bound::Unbounded, end)).map(|(key, _)| key), limit))
        }
        fn messages(&self, keys: &[Key]) -> Result<Vec<MessageView>, ApiError> {
            self.pages.set(self.pages.get() + 1);
            Ok(keys.iter().filter_map(|key| self.messages.get(key).cloned()).collect())
        }
        fn find(&self, id: &[u8; 32]) -> Result<Option<MessageView>, ApiError> {
            Ok(self.messages.values().find(|message| port::bytes(&message.message_id) == Some(*id)).cloned())
        }
        fn first_unread(&self, _: &Conversation) -> Result<Option<Key>, ApiError> {
            Ok(None)
        }
    }

    fn message(n: u64, mine: bool, at_ms: u64) -> MessageView {
        MessageView {
            message_id: hex::encode(&[(n % 251) as u8, (n / 251 % 251) as u8, (n / 63_001) as u8].repeat(11)[..32]),
            log: "aa".repeat(32),
            author: if mine { "y7:me" } else { "y7:ada" }.into(),
            device_id: (if mine { "01" } else { "02" }).repeat(32),
            mine,
            text: format!("message {n}"),
            sent_at: at_ms,
            hlc: n,
            reply_to: None,
            edited_at: None,
            deleted: false,
            reactions: Vec::new(),
            status: Status::Delivered,
            delivered_to: vec!["02".repeat(32)],
            unopened: false,
            disputed: false,
        }
    }

    fn store(messages: impl IntoIterator<Item = MessageView>) -> Store {
        let keyed = messages.into_iter().map(|message| (Key::of(&message).expect("ids of the test are ids"), message));
        Store { messages: keyed.collect(), pages: Cell::new(0) }
    }

    fn open(store: &Store) -> Timeline {
        Timeline::open(Conversation::Person("y7:ada".into()), store)
    }

    fn rows(timeline: &mut Timeline, store: &Store) -> Vec<MessageRow> {
        (0..timeline.len()).map(|at| timeline.row(at, store, UTC).expect("within the rows")).collect()
    }

    #[test]
    fn messages_of_one_author_within_five_minutes_group() {
        let store = store([
            message(1, true, START),
            message(2, true, START + 60_000),
            message(3, false, START + 61_000),
            message(4, false, START + 61_000 + GROUP_MS + 1),
        ]);
        let rows = rows(&mut open(&store), &store);
        let shape: Vec<_> = rows.iter().map(|row| (row.first, row.last, !row.time.is_empty())).collect();
        assert_eq!(shape, [(true, false, false), (false, true, true), (true, true, true), (true, true, true)]);
    }

    #[test]
    fn a_tick_that_differs_from_the_next_is_shown_within_the_group() {
        let mut queued = message(2, true, START + 1);
        queued.status = Status::Queued;
        let store = store([message(1, true, START), queued]);
        let rows = rows(&mut open(&store), &store);
        assert_eq!((rows[0].time.as_str(), rows[0].tick), ("12:00", Tick::Delivered));
        assert_eq!((rows[1].tick, rows[1].tick_words.as_str()), (Tick::Queued, "Waiting for Ada to come online"));
    }

    #[test]
    fn c2_the_tick_says_which_devices_have_it() {
        let held = |devices: usize, status| {
            let holders = (0..devices).map(|n| format!("{n:02x}").repeat(32)).collect();
            let store = store([MessageView { delivered_to: holders, status, ..message(1, true, START) }]);
            rows(&mut open(&store), &store)[0].tick_words.to_string()
        };
        assert_eq!(held(1, Status::Delivered), "On Ada's device 0000 0000");
        assert_eq!(held(2, Status::Delivered), "On 2 devices: 0000 0000, 0101 0101");
        assert_eq!(held(1, Status::Read), "Read by Ada. On Ada's device 0000 0000");
        assert!(held(9, Status::Read).ends_with("On 9 devices: 0000 0000, 0101 0101, 0202 0202, 0303 0303 and others"));
    }

    #[test]
    fn days_are_separated() {
        let store = store([message(1, true, START - 86_400_000), message(2, true, START), message(3, true, START + 1)]);
        let days: Vec<_> = rows(&mut open(&store), &store).iter().map(|row| row.day.to_string()).collect();
        assert_eq!(days, ["Yesterday", "Today", ""]);
    }

    #[test]
    fn c5_a_hundred_thousand_messages_open_with_two_pages_fill_upwards_and_stay_bounded() {
        let store = store((0..SHOWN as u64 + 500).map(|n| message(n, n % 3 == 0, START + n)));
        let mut timeline = open(&store);
        assert_eq!((timeline.len(), timeline.older(), timeline.fills()), (FIRST, true, true));
        let last = timeline.row(FIRST - 1, &store, UTC).expect("the newest");
        assert_eq!(last.text, "message 100499");
        assert!(store.pages.get() <= 2);
        assert_eq!(timeline.fill(&store), [Change::Earlier(STRETCH), Change::Changed(STRETCH)]);
        while timeline.fills() {
            assert!(!timeline.fill(&store).is_empty());
        }
        assert_eq!((timeline.len(), timeline.older(), timeline.fill(&store)), (SHOWN, true, Vec::new()));
        let first = timeline.row(0, &store, UTC).expect("the oldest shown");
        assert!(first.text == "message 500" && first.day.contains("Older messages are kept"));
        (0..SHOWN).step_by(40).for_each(|at| {
            timeline.row(at, &store, UTC);
        });
        assert!(timeline.cache.opened.len() <= KEPT);
        assert_eq!(timeline.cache.opened.len(), timeline.cache.by_use.len());
    }

    #[test]
    fn a_new_message_changes_exactly_its_neighbours() {
        let store = store([message(1, true, START), message(5, true, START + 5)]);
        let mut timeline = open(&store);
        assert_eq!(timeline.upsert(&message(9, false, START + 9)), [Change::Added(2), Change::Changed(1)]);
        assert_eq!(
            timeline.upsert(&message(3, false, START + 3)),
            [Change::Added(1), Change::Changed(0), Change::Changed(2)]
        );
        assert_eq!(
            timeline.upsert(&message(3, false, START + 3)),
            [Change::Changed(0), Change::Changed(1), Change::Changed(2)]
        );
        let texts: Vec<_> =
            (0..4).filter_map(|at| timeline.row(at, &store, UTC)).map(|row| row.text.to_string()).collect();
        assert_eq!(texts, ["message 1", "message 3", "message 5", "message 9"]);
    }

    #[test]
    fn c4_any_order_of_arrival_gives_the_order_of_the_index() {
        let whole = store((0..40).map(|n| message(n, n % 2 == 0, START + n)));
        let empty = store([]);
        let mut timeline = open(&empty);
        for n in [7, 3, 39, 0, 12, 1, 38].into_iter().chain(0..40).chain(0..40) {
            timeline.upsert(&message(n, n % 2 == 0, START + n));
        }
        assert!(timeline.keys.iter().eq(whole.messages.keys().copied()));
    }

    #[test]
    fn c5_a_message_far_up_gets_its_row_and_some_above_it() {
        let store = store((0..5_000).map(|n| message(n, n % 2 == 0, START + n)));
        let mut timeline = open(&store);
        let key = Key::of(&message(700, true, START)).expect("ids of the test are ids");
        assert_eq!(timeline.set_fresh(Some(key)), None);
        let changes = timeline.reach(&key, &store);
        assert_eq!(changes, [Change::Earlier(timeline.len() - FIRST), Change::Changed(timeline.len() - FIRST)]);
        let row = timeline.set_fresh(Some(key)).expect("it has a row now");
        assert!(row > 0 && timeline.row(row, &store, UTC).is_some_and(|row| row.text == "message 700"));
        assert_eq!(timeline.reach(&key, &store), Vec::new());
    }

    #[test]
    fn a_resync_keeps_the_rows_that_were_filled_in() {
        let store = store((0..3_000).map(|n| message(n, n % 2 == 0, START + n)));
        let mut timeline = open(&store);
        timeline.fill(&store);
        let before: Vec<Key> = timeline.keys.iter().collect();
        let changes = timeline.resync(&store);
        assert!(changes.iter().all(|change| !matches!(change, Change::Removed(_))));
        assert!(timeline.keys.iter().collect::<Vec<_>>().ends_with(&before));
    }

    fn outgoing(ticket: u64, text: &str) -> Outgoing {
        Outgoing { ticket, to: "y7:ada".into(), text: text.into(), reply: None, at_ms: START, failed: None }
    }

    #[test]
    fn sending_shows_at_once_and_never_twice() {
        let store = store([message(1, true, START)]);
        let mut timeline = open(&store);
        assert_eq!(timeline.put_outgoing(&outgoing(1, "message 2")), [Change::Added(1), Change::Changed(0)]);
        assert_eq!(timeline.row(1, &store, UTC).map(|row| row.tick), Some(Tick::Queued));
        let changes = timeline.upsert(&message(2, true, START + 2));
        assert_eq!(changes, [Change::Removed(1), Change::Changed(0), Change::Added(1), Change::Changed(0)]);
        assert_eq!((timeline.len(), timeline.drop_outgoing(1)), (2, Vec::new()));
    }

    #[test]
    fn c7_an_answer_quotes_what_it_answers_and_only_from_here() {
        let first = message(1, false, START);
        let reply =
            |n, to: &MessageView| MessageView { reply_to: Some(to.message_id.clone()), ..message(n, true, START) };
        let foreign = MessageView { log: "bb".repeat(32), text: "of somebody else".into(), ..message(9, false, START) };
        let mut store =
            store([first.clone(), reply(2, &first), reply(3, &message(7, false, START)), reply(4, &foreign)]);
        let mut timeline = open(&store);
        store.messages.insert(Key::of(&foreign).expect("an id"), foreign.clone());
        let rows = rows(&mut timeline, &store);
        assert_eq!((rows[1].quote_who.as_str(), rows[1].quote_words.as_str()), ("Ada", "message 1"));
        assert!(rows[1].label.starts_with("You answered Ada “message 1”, 12:00: message 2"), "{}", rows[1].label);
        for row in &rows[2..] {
            assert_eq!((row.quote_id.as_str(), row.quote_words.as_str()), ("", "A message that is not on this device"));
        }
        assert_eq!(timeline.key_of(&first.message_id, &store), Key::of(&first));
        let answer = timeline.to_answer(&first.message_id, "Ada", &store).expect("it is here");
        assert_eq!((answer.who.as_str(), answer.words.as_str()), ("Ada", "message 1"));
    }

    #[test]
    fn a_quote_follows_what_becomes_of_its_message() {
        let first = message(1, false, START);
        let store =
            store([first.clone(), MessageView { reply_to: Some(first.message_id.clone()), ..message(2, true, START) }]);
        let mut timeline = open(&store);
        assert_eq!(rows(&mut timeline, &store)[1].quote_words, "message 1");
        let mut gone = store.messages.clone();
        gone.iter_mut().next().expect("one").1.deleted = true;
        let gone = Store { messages: gone, pages: Cell::new(0) };
        timeline.upsert(&MessageView { deleted: true, ..first });
        assert_eq!(timeline.row(1, &gone, UTC).expect("two rows").quote_words, "This message was deleted.");
    }

    #[test]
    fn c6_one_message_is_marked_and_its_rows_are_told() {
        let store = store((0..4).map(|n| message(n, true, START + n)));
        let mut timeline = open(&store);
        let key = |n| Key::of(&message(n, true, START));
        assert_eq!(timeline.set_mark(key(2)), (Some(2), vec![Change::Changed(2)]));
        assert!(timeline.row(2, &store, UTC).expect("a row").marked);
        assert_eq!(timeline.set_mark(key(0)), (Some(0), vec![Change::Changed(2), Change::Changed(0)]));
        assert_eq!(timeline.set_mark(None), (None, vec![Change::Changed(0)]));
        assert_eq!(timeline.set_mark(key(77)), (None, Vec::new()));
    }

    #[test]
    fn c5_a_window_holds_what_is_jumped_to() {
        let store = store((0..SHOWN as u64 + 500).map(|n| message(n, true, START + n)));
        let key = Key::of(&message(3, true, START));
        let mut timeline = Timeline::open_around(Conversation::Person("y7:ada".into()), &store, key);
        assert!(timeline.newer() && timeline.len() <= SHOWN);
        let row = timeline.set_mark(key).0.expect("it has a row");
        assert_eq!(timeline.row(row, &store, UTC).map(|row| row.text), Some("message 3".into()));
        assert_eq!(timeline.upsert(&message(9_999_999, false, START)), Vec::new());
        while timeline.fills() {
            timeline.fill(&store);
        }
        assert!(!timeline.resync(&store).is_empty() && !timeline.newer());
    }

    #[test]
    fn g6_links_and_direction_are_told_by_row() {
        let text = |text: &str| MessageView { text: text.into(), ..message(1, false, START) };
        let row = |message| {
            let store = store([message]);
            open(&store).row(0, &store, UTC).expect("a row")
        };
        use slint::Model;
        let linked = row(text("see https://example.org/x"));
        assert_eq!(linked.links.row_data(0).map(|link| link.host), Some("example.org".into()));
        assert_eq!((row(text("example.org")).links.row_count(), linked.right_to_left), (0, false));
        assert!(row(text("שלום")).right_to_left);
        let bare = row(text(" https://example.org/x\n"));
        assert_eq!((bare.text.as_str(), bare.links.row_count()), ("", 1));
        assert!(bare.label.contains("https://example.org/x"));
    }

    #[test]
    fn a_refused_message_says_why_on_its_bubble() {
        let store = store([]);
        let mut timeline = open(&store);
        timeline.put_outgoing(&outgoing(1, "hi"));
        timeline.put_outgoing(&Outgoing { failed: Some("the disk is full".into()), ..outgoing(1, "hi") });
        let row = timeline.row(0, &store, UTC).expect("one row");
        assert_eq!(
            (row.trouble.as_str(), row.tick, ticket_of(&row.id)),
            ("Not sent: the disk is full", Tick::Failed, Some(1))
        );
    }

    #[test]
    fn the_new_line_begins_a_group_and_goes() {
        let store = store([message(1, false, START), message(2, false, START + 1)]);
        let mut timeline = open(&store);
        let key = Key::of(&message(2, false, START + 1));
        assert_eq!(timeline.set_fresh(key), Some(1));
        let row = timeline.row(1, &store, UTC).expect("two rows");
        assert!(row.fresh && row.first);
        assert_eq!(timeline.clear_fresh(), [Change::Changed(0), Change::Changed(1)]);
        assert!(!timeline.has_fresh());
    }

    #[test]
    fn a_resync_tells_exactly_what_came_and_went() {
        let first = store([message(1, true, START), message(2, true, START), message(4, true, START)]);
        let second =
            store([message(1, true, START), message(3, true, START), message(4, true, START), message(5, true, START)]);
        let mut timeline = open(&first);
        let changes = timeline.resync(&second);
        assert_eq!(changes[..3], [Change::Removed(1), Change::Added(1), Change::Added(3)]);
        assert_eq!(timeline.len(), 4);
    }

    #[test]
    fn given_to_a_session_survives_the_snapshot_that_does_not_know_it() {
        let mut queued = message(1, true, START);
        queued.status = Status::Queued;
        let store = store([queued.clone()]);
        let mut timeline = open(&store);
        timeline.upsert(&MessageView { status: Status::Sent, ..queued });
        timeline.cache = Cache::default();
        assert_eq!(timeline.row(0, &store, UTC).map(|row| row.tick), Some(Tick::Sent));
    }
}
