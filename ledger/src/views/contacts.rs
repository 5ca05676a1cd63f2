//! People and requests, from the account log.
//!
//! ```text
//!               block ─────────────────────────────▶ Blocked        (unblock: whatever stands below)
//!   a conversation exists ─────────────────────────▶ Accepted
//!   theirs pending ── and mine with a lesser id? ──▶ PendingOut     they accept mine by themselves (C3)
//!                  └─ otherwise ───────────────────▶ PendingIn
//!   mine pending ──────────────────────────────────▶ PendingOut
//!   theirs rejected ───────────────────────────────▶ Rejected       accepted later: Accepted (C4)
//! ```
//!
//! A request without an answer is pending while it is the newest of its direction and person and not
//! expired. Whether it was accepted is told by the conversation: two devices that answer differently at
//! the same time cannot make an open conversation vanish.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use y7ke_crypto::bundle::Bundle;
use y7ke_crypto::codec::{Reader, Wire};
use y7ke_crypto::ids::{LogId, RequestId, RootId};
use y7ke_crypto::request::Request;
use y7ke_crypto::sign::Signed;
use y7ke_crypto::text::{Greeting, Name};

use super::{people, sound};
use crate::body::{MAX_REQUEST_BUNDLE_BYTES, MAX_REQUEST_CORE_BYTES, RequestAnswer};
use crate::fold::account::{Direction, RequestFacts};
use crate::fold::{key, register};
use crate::rows::{Order, Rows, Span, Table};

/// Length of a log id in keys.
const LOG: usize = 32;

/// Where an acquaintance stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContactState {
    /// I asked.
    PendingOut,
    /// They asked.
    PendingIn,
    /// We talk.
    Accepted,
    /// I said no.
    Rejected,
    /// I blocked them.
    Blocked,
}

/// What a person is to me.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Identity.
    pub root: RootId,
    /// Where the acquaintance stands.
    pub state: ContactState,
    /// Conversations with them, ascending by request id: the first is written to (C3).
    pub logs: Vec<(RequestId, LogId)>,
}

impl Standing {
    /// The conversation that is written to.
    pub fn log(&self) -> Option<LogId> {
        self.logs.first().map(|(_, log)| *log)
    }

    /// All conversations with them.
    pub fn all_logs(&self) -> Vec<LogId> {
        self.logs.iter().map(|(_, log)| *log).collect()
    }
}

/// A person: what they are to me, and their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactRow {
    /// What they are to me.
    pub standing: Standing,
    /// My own name for them, empty if none.
    pub nickname: String,
    /// Whether I compared safety numbers with them.
    pub verified: bool,
    /// Their public name, else the one in their request, else empty.
    pub profile_name: String,
}

impl ContactRow {
    /// Nickname, else profile name, else empty.
    pub fn name(&self) -> &str {
        if self.nickname.is_empty() { &self.profile_name } else { &self.nickname }
    }
}

/// Whoever asks what somebody is to me asks it of a [`ContactRow`] as well.
impl std::ops::Deref for ContactRow {
    type Target = Standing;

    fn deref(&self) -> &Standing {
        &self.standing
    }
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestPhase {
    /// Waiting for an answer.
    Pending,
    /// A conversation was opened.
    Accepted,
    /// Rejected here.
    Rejected,
    /// Taken back by its sender.
    Cancelled,
    /// Too old.
    Expired,
    /// A newer one stands instead; not shown.
    Superseded,
}

/// A contact request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRow {
    /// Its id.
    pub req_id: RequestId,
    /// Theirs or mine.
    pub direction: Direction,
    /// The other person.
    pub root: RootId,
    /// The name they gave; empty for mine.
    pub name: String,
    /// Greeting, may be empty.
    pub greeting: String,
    /// Made at, ms since 1970.
    pub created: u64,
    /// Void after, ms since 1970.
    pub expires: u64,
    /// Addresses to try; of mine only.
    pub hints: Vec<String>,
    /// Where it stands.
    pub phase: RequestPhase,
}

/// All requests of `account`, superseded ones included, oldest first.
pub fn requests<R: Rows>(rows: &R, account: &LogId, now_ms: u64) -> Result<Vec<RequestRow>, R::Error> {
    let book = Book::read(rows, account)?;
    Ok(book.requests(now_ms))
}

/// One request.
pub fn request<R: Rows>(
    rows: &R,
    account: &LogId,
    direction: Direction,
    req_id: &RequestId,
    now_ms: u64,
) -> Result<Option<RequestRow>, R::Error> {
    let all = requests(rows, account, now_ms)?;
    Ok(all.into_iter().find(|row| row.direction == direction && row.req_id == *req_id))
}

/// A request of somebody else as it came, for accepting it. It was checked before it was stored.
pub fn stored_request<R: Rows>(rows: &R, account: &LogId, req_id: &RequestId) -> Result<Option<Request>, R::Error> {
    let Some(bytes) = register::get(rows, Table::RequestBytes, &key::named(account, req_id.as_bytes()))? else {
        return Ok(None);
    };
    let name = key::join(&[account.as_bytes(), &[Direction::In as u8], req_id.as_bytes()]);
    let facts = sound(Table::Requests, register::get(rows, Table::Requests, &name)?)?;
    let facts = sound(Table::Requests, RequestFacts::from_bytes(&facts).ok())?;
    Ok(Some(sound(Table::RequestBytes, rebuild(&bytes, facts))?))
}

fn rebuild(bytes: &[u8], facts: RequestFacts) -> Option<Request> {
    let mut from = Reader::new("request bytes", bytes);
    let bundle = from.var(MAX_REQUEST_BUNDLE_BYTES).ok()?;
    let core = from.var(MAX_REQUEST_CORE_BYTES).ok()?;
    Some(Request {
        core: Signed::from_bytes(core).ok()?,
        from_bundle: Bundle::from_bytes(bundle).ok()?,
        name: Name::new(facts.name).ok()?,
        greeting: Greeting::new(facts.greeting).ok()?,
    })
}

/// All people that `account` knows, ascending by identity.
pub fn contacts<R: Rows>(rows: &R, account: &LogId, now_ms: u64) -> Result<Vec<ContactRow>, R::Error> {
    let book = Book::read(rows, account)?;
    let states = book.people(now_ms).into_iter();
    let logs = |root: &RootId| book.logs.get(root).cloned().unwrap_or_default();
    let asked = |root: &RootId| Ok(name_in_request(&book.requests, root));
    states.map(|(root, state)| row(rows, account, Standing { root, state, logs: logs(&root) }, asked)).collect()
}

/// One person.
pub fn contact<R: Rows>(rows: &R, account: &LogId, root: &RootId, now_ms: u64) -> Result<Option<ContactRow>, R::Error> {
    let theirs = Span::prefix(&key::join(&[account.as_bytes(), &[Direction::In as u8]]));
    let asked = |root: &RootId| Ok(name_in_request(&entries(rows, &theirs, Table::Requests, request_entry)?, root));
    let standing = standing(rows, account, root, now_ms)?;
    standing.map(|standing| row(rows, account, standing, asked)).transpose()
}

/// What one person is to me: much less to read than all that is known of them.
pub fn standing<R: Rows>(rows: &R, account: &LogId, root: &RootId, now_ms: u64) -> Result<Option<Standing>, R::Error> {
    let blocked = register::get(rows, Table::Blocks, &key::named(account, root.as_bytes()))?;
    let blocked = blocked.as_ref().is_some_and(|content| content.first() == Some(&1));
    let logs = logs_with(rows, account, root)?;
    // Whoever is blocked or talks with me is that, whatever was asked: requests need not be read.
    let state = match (blocked, logs.is_empty()) {
        (true, _) => Some(ContactState::Blocked),
        (false, false) => Some(ContactState::Accepted),
        (false, true) => Book::read(rows, account)?.people(now_ms).remove(root),
    };
    Ok(state.map(|state| Standing { root: *root, state, logs }))
}

/// The conversations with a person, ascending by request id.
fn logs_with<R: Rows>(rows: &R, account: &LogId, root: &RootId) -> Result<Vec<(RequestId, LogId)>, R::Error> {
    let of_person = Span::prefix(&key::named(account, root.as_bytes()));
    let found = entries(rows, &of_person, Table::ContactLogs, log_entry)?;
    Ok(found.into_iter().map(|(_, log)| log).collect())
}

/// The name that a person gave in the newest request.
fn name_in_request(requests: &[(Direction, RequestId, RequestFacts)], root: &RootId) -> String {
    let theirs = requests.iter().filter(|(direction, _, facts)| *direction == Direction::In && facts.root == *root);
    theirs
        .max_by_key(|(_, req_id, facts)| (facts.created, *req_id))
        .map_or_else(String::new, |(_, _, facts)| facts.name.clone())
}

/// What is known of a person; `asked` is the name in their newest request, for want of a better one.
fn row<R: Rows>(
    rows: &R,
    account: &LogId,
    standing: Standing,
    asked: impl FnOnce(&RootId) -> Result<String, R::Error>,
) -> Result<ContactRow, R::Error> {
    let root = standing.root;
    let at = key::named(account, root.as_bytes());
    let nickname = register::get(rows, Table::ContactNames, &at)?;
    let verified = register::get(rows, Table::Verified, &at)?;
    let mut profile_name = people::profile_name(rows, &root)?;
    if profile_name.is_empty() {
        profile_name = asked(&root)?;
    }
    Ok(ContactRow {
        standing,
        nickname: words(Table::ContactNames, nickname.unwrap_or_default())?,
        verified: verified.as_deref() == Some(&[1]),
        profile_name,
    })
}

/// C3: their pending request that crossed mine and has the lesser id, to be accepted by itself.
pub fn auto_accept<R: Rows>(
    rows: &R,
    account: &LogId,
    root: &RootId,
    now_ms: u64,
) -> Result<Option<RequestId>, R::Error> {
    let book = Book::read(rows, account)?;
    if book.blocked.contains(root) {
        return Ok(None);
    }
    let requests = book.requests(now_ms);
    let (theirs, mine) = pending(requests.iter().filter(|row| row.root == *root));
    Ok(theirs.zip(mine).filter(|(theirs, mine)| theirs < mine).map(|(theirs, _)| theirs))
}

/// A setting that my devices share.
pub fn setting<R: Rows>(rows: &R, account: &LogId, name: &str) -> Result<Option<String>, R::Error> {
    let value = register::get(rows, Table::Settings, &key::named(account, name.as_bytes()))?;
    value.map(|value| words(Table::Settings, value)).transpose()
}

/// All settings that my devices share.
pub fn settings<R: Rows>(rows: &R, account: &LogId) -> Result<BTreeMap<String, String>, R::Error> {
    const TABLE: Table = Table::Settings;
    let all = rows.scan(TABLE, &Span::prefix(account.as_bytes()), Order::Forward, usize::MAX)?;
    let pair = |(key, value): (Vec<u8>, Vec<u8>)| {
        let name = words(TABLE, key.get(LOG..).unwrap_or_default().to_vec())?;
        Ok((name, words(TABLE, register::content(TABLE, &value)?.to_vec())?))
    };
    all.into_iter().map(pair).collect()
}

pub(super) fn words<E: From<crate::rows::BrokenRow>>(table: Table, bytes: Vec<u8>) -> Result<String, E> {
    Ok(sound(table, String::from_utf8(bytes).ok())?)
}

/// Everything about people in an account log, read once.
struct Book {
    requests: Vec<(Direction, RequestId, RequestFacts)>,
    answers: BTreeMap<RequestId, RequestAnswer>,
    logs: BTreeMap<RootId, Vec<(RequestId, LogId)>>,
    blocked: BTreeSet<RootId>,
}

impl Book {
    fn read<R: Rows>(rows: &R, account: &LogId) -> Result<Self, R::Error> {
        Ok(Self {
            requests: table(rows, account, Table::Requests, request_entry)?,
            answers: table(rows, account, Table::RequestStates, answer_entry)?.into_iter().collect(),
            logs: group(table(rows, account, Table::ContactLogs, log_entry)?),
            blocked: table(rows, account, Table::Blocks, block_entry)?.into_iter().flatten().collect(),
        })
    }

    fn requests(&self, now_ms: u64) -> Vec<RequestRow> {
        let newest = self.newest();
        let phase = |direction: &Direction, req_id: &RequestId, facts: &RequestFacts| {
            let newest = newest.get(&(*direction, facts.root)).is_some_and(|(_, id)| id == req_id);
            self.phase(req_id, facts, newest, now_ms)
        };
        let row = |(direction, req_id, facts): &(Direction, RequestId, RequestFacts)| RequestRow {
            req_id: *req_id,
            direction: *direction,
            root: facts.root,
            name: facts.name.clone(),
            greeting: facts.greeting.clone(),
            created: facts.created,
            expires: facts.expires,
            hints: facts.hints.clone(),
            phase: phase(direction, req_id, facts),
        };
        let mut all: Vec<_> = self.requests.iter().map(row).collect();
        all.sort_by_key(|row| (row.created, row.req_id, row.direction));
        all
    }

    /// The newest request of each direction and person.
    fn newest(&self) -> BTreeMap<(Direction, RootId), (u64, RequestId)> {
        let mut newest = BTreeMap::new();
        for (direction, req_id, facts) in &self.requests {
            let held = newest.entry((*direction, facts.root)).or_insert((facts.created, *req_id));
            *held = (facts.created, *req_id).max(*held);
        }
        newest
    }

    fn phase(&self, req_id: &RequestId, facts: &RequestFacts, newest: bool, now_ms: u64) -> RequestPhase {
        let opened = self.logs.get(&facts.root).is_some_and(|logs| logs.iter().any(|(id, _)| id == req_id));
        match self.answers.get(req_id) {
            _ if opened => RequestPhase::Accepted,
            Some(RequestAnswer::Accepted) => RequestPhase::Accepted,
            Some(RequestAnswer::Rejected) => RequestPhase::Rejected,
            Some(RequestAnswer::Cancelled) => RequestPhase::Cancelled,
            Some(RequestAnswer::Expired) => RequestPhase::Expired,
            Some(RequestAnswer::Superseded) => RequestPhase::Superseded,
            None if !newest => RequestPhase::Superseded,
            None if facts.expires <= now_ms => RequestPhase::Expired,
            None => RequestPhase::Pending,
        }
    }

    fn people(&self, now_ms: u64) -> BTreeMap<RootId, ContactState> {
        let mut by_root: BTreeMap<RootId, Vec<RequestRow>> = BTreeMap::new();
        for row in self.requests(now_ms) {
            by_root.entry(row.root).or_default().push(row);
        }
        for root in self.logs.keys().chain(&self.blocked) {
            by_root.entry(*root).or_default();
        }
        let state = |(root, requests): (RootId, Vec<RequestRow>)| Some((root, self.state(&root, &requests)?));
        by_root.into_iter().filter_map(state).collect()
    }

    fn state(&self, root: &RootId, requests: &[RequestRow]) -> Option<ContactState> {
        if self.blocked.contains(root) {
            return Some(ContactState::Blocked);
        }
        if self.logs.contains_key(root) {
            return Some(ContactState::Accepted);
        }
        match pending(requests.iter()) {
            (Some(theirs), Some(mine)) if mine < theirs => Some(ContactState::PendingOut),
            (Some(_), _) => Some(ContactState::PendingIn),
            (None, Some(_)) => Some(ContactState::PendingOut),
            (None, None) => rejected(requests),
        }
    }
}

/// The pending request of them and of me, among the requests of one person.
fn pending<'a>(requests: impl Iterator<Item = &'a RequestRow>) -> (Option<RequestId>, Option<RequestId>) {
    let (mut theirs, mut mine) = (None, None);
    for row in requests.filter(|row| row.phase == RequestPhase::Pending) {
        match row.direction {
            Direction::In => theirs = Some(row.req_id),
            Direction::Out => mine = Some(row.req_id),
        }
    }
    (theirs, mine)
}

/// Rejected counts while the last thing they sent is what I rejected.
fn rejected(requests: &[RequestRow]) -> Option<ContactState> {
    let theirs = requests.iter().filter(|row| row.direction == Direction::In);
    let newest = theirs.max_by_key(|row| (row.created, row.req_id))?;
    (newest.phase == RequestPhase::Rejected).then_some(ContactState::Rejected)
}

/// Reads the name of a row behind its log, and its register's content.
type Entry<T> = fn(&[u8], &[u8]) -> Option<T>;

fn table<R: Rows, T>(rows: &R, account: &LogId, table: Table, entry: Entry<T>) -> Result<Vec<T>, R::Error> {
    entries(rows, &Span::prefix(account.as_bytes()), table, entry)
}

fn entries<R: Rows, T>(rows: &R, span: &Span, table: Table, entry: Entry<T>) -> Result<Vec<T>, R::Error> {
    let mut found = Vec::new();
    let mut broken = false;
    rows.walk(table, span, Order::Forward, &mut |key, value| {
        let content = register::content(table, value).ok();
        match key.get(LOG..).zip(content).and_then(|(name, content)| entry(name, content)) {
            Some(item) => found.push(item),
            None => broken = true,
        }
        if broken { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(sound(table, (!broken).then_some(found))?)
}

fn request_entry(name: &[u8], content: &[u8]) -> Option<(Direction, RequestId, RequestFacts)> {
    let direction = match name.first()? {
        0 => Direction::In,
        1 => Direction::Out,
        _ => return None,
    };
    Some((direction, key::id_at(name, 1)?.into(), RequestFacts::from_bytes(content).ok()?))
}

fn answer_entry(name: &[u8], content: &[u8]) -> Option<(RequestId, RequestAnswer)> {
    Some((key::id_at(name, 0)?.into(), RequestAnswer::from_bytes(content).ok()?))
}

fn log_entry(name: &[u8], content: &[u8]) -> Option<(RootId, (RequestId, LogId))> {
    Some((key::id_at(name, 0)?.into(), (key::id_at(name, 32)?.into(), key::id_at(content, 0)?.into())))
}

/// `None` inside: unblocked.
fn block_entry(name: &[u8], content: &[u8]) -> Option<Option<RootId>> {
    let root = key::id_at(name, 0)?.into();
    Some((*content.first()? == 1).then_some(root))
}

/// Rows come in key order, so each person's logs stay ascending by request id.
fn group(entries: Vec<(RootId, (RequestId, LogId))>) -> BTreeMap<RootId, Vec<(RequestId, LogId)>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (root, entry) in entries {
        groups.entry(root).or_default().push(entry);
    }
    groups
}
