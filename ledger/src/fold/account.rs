//! The account log: requests, conversations, names, blocks, settings, drafts, what was read. Contact states are joined when read.
//!
//! ```text
//! Requests       direction u8 · req_id → root 32 · created u64 · expires u64 · name · greeting · hints
//! RequestBytes   req_id → bundle · core          RequestStates  req_id → answer u8
//! ContactLogs    root · req_id → log 32          Blocks         root → 0 | 1
//! ContactNames   root → UTF-8                    Settings       key → UTF-8
//! Verified       root → 0 | 1                    Drafts         conversation → 0 | 1
//! AccountReads   conversation · device → seq u64 BE, the greatest stays              (all others are registers)
//! ```

use y7ke_crypto::codec::{DecodeError, Reader, Wire, Writer};
use y7ke_crypto::ids::{EventId, LogId, RequestId, RootId};

use super::{Change, EventMeta, conversation, key, register};
use crate::body::{Body, MAX_HINTS, ReadMarks, RequestIn, RequestOut};
use crate::rows::{Rows, RowsMut, Table};

/// Whose request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Direction {
    /// Somebody else's.
    In = 0,
    /// Mine.
    Out = 1,
}

/// What a request says, as a row.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RequestFacts {
    pub(crate) root: RootId,
    pub(crate) created: u64,
    pub(crate) expires: u64,
    pub(crate) name: String,
    pub(crate) greeting: String,
    pub(crate) hints: Vec<String>,
}

pub(super) fn apply<R: RowsMut>(rows: &mut R, meta: &EventMeta, body: &Body) -> Result<Option<Change>, R::Error> {
    let mut set =
        |table, name: &[u8], content: &[u8]| register::set(rows, table, &key::named(&meta.log, name), meta, content);
    Ok(match body {
        Body::RequestOut(request) => request_out(rows, meta, request)?,
        Body::RequestIn(request) => request_in(rows, meta, request)?,
        Body::RequestState { req_id, state } => {
            set(Table::RequestStates, req_id.as_bytes(), &state.to_bytes())?.then_some(Change::Request(*req_id))
        }
        Body::ContactLog { root, log, req_id } => {
            let name = key::join(&[root.as_bytes(), req_id.as_bytes()]);
            set(Table::ContactLogs, &name, log.as_bytes())?.then_some(Change::Contact(*root))
        }
        Body::ContactName { root, name } => {
            set(Table::ContactNames, root.as_bytes(), name.as_str().as_bytes())?.then_some(Change::Contact(*root))
        }
        Body::Block { root } => set(Table::Blocks, root.as_bytes(), &[1])?.then_some(Change::Contact(*root)),
        Body::Unblock { root } => set(Table::Blocks, root.as_bytes(), &[0])?.then_some(Change::Contact(*root)),
        Body::Verify { root } => set(Table::Verified, root.as_bytes(), &[1])?.then_some(Change::Contact(*root)),
        Body::Unverify { root } => set(Table::Verified, root.as_bytes(), &[0])?.then_some(Change::Contact(*root)),
        Body::Setting { key, value } => {
            set(Table::Settings, key.as_bytes(), value.as_bytes())?.then(|| Change::Setting(key.clone()))
        }
        // The words stay in the event that the stamp names, under its key alone.
        Body::Draft { log, text } => {
            set(Table::Drafts, log.as_bytes(), &[u8::from(!text.is_empty())])?.then_some(Change::Draft(*log))
        }
        Body::ReadUpTo { log, marks } => read_up_to(rows, meta, log, marks)?.then_some(Change::ReadUpTo(*log)),
        _ => None,
    })
}

fn read_up_to<R: RowsMut>(rows: &mut R, meta: &EventMeta, log: &LogId, marks: &ReadMarks) -> Result<bool, R::Error> {
    let mut moved = false;
    for mark in marks.iter() {
        let key = key::join(&[meta.log.as_bytes(), log.as_bytes(), mark.device.as_bytes()]);
        moved |= conversation::raise(rows, Table::AccountReads, &key, mark.seq)?;
    }
    Ok(moved)
}

/// The event that holds the draft of a conversation, and whether it is one: the last that was written wins.
pub(crate) fn draft_event<R: Rows>(
    rows: &R,
    account: &LogId,
    log: &LogId,
) -> Result<Option<(EventId, bool)>, R::Error> {
    let Some(value) = rows.get(Table::Drafts, &key::named(account, log.as_bytes()))? else { return Ok(None) };
    let id = register::event(Table::Drafts, &value)?;
    Ok(Some((id, register::content(Table::Drafts, &value)? == [1])))
}

fn request_out<R: RowsMut>(rows: &mut R, meta: &EventMeta, request: &RequestOut) -> Result<Option<Change>, R::Error> {
    let facts = RequestFacts {
        root: request.to_root,
        created: request.created,
        expires: request.expires,
        name: String::new(),
        greeting: request.greeting.as_str().to_owned(),
        hints: request.hints.clone(),
    };
    put_facts(rows, meta, Direction::Out, &request.req_id, &facts)
}

fn request_in<R: RowsMut>(rows: &mut R, meta: &EventMeta, request: &RequestIn) -> Result<Option<Change>, R::Error> {
    let facts = RequestFacts {
        root: request.from_root,
        created: request.created,
        expires: request.expires,
        name: request.name.as_str().to_owned(),
        greeting: request.greeting.as_str().to_owned(),
        hints: Vec::new(),
    };
    let mut bytes = Writer::new();
    bytes.var(&request.bundle).var(&request.core);
    let key = key::named(&meta.log, request.req_id.as_bytes());
    register::set(rows, Table::RequestBytes, &key, meta, &bytes.into_bytes())?;
    put_facts(rows, meta, Direction::In, &request.req_id, &facts)
}

fn put_facts<R: RowsMut>(
    rows: &mut R,
    meta: &EventMeta,
    direction: Direction,
    req_id: &RequestId,
    facts: &RequestFacts,
) -> Result<Option<Change>, R::Error> {
    let key = key::join(&[meta.log.as_bytes(), &[direction as u8], req_id.as_bytes()]);
    let new = register::set(rows, Table::Requests, &key, meta, &facts.to_bytes())?;
    Ok(new.then_some(Change::Request(*req_id)))
}

impl Wire for RequestFacts {
    const WHAT: &'static str = "request row";
    const CAP: usize = 16 * 1024;

    fn write(&self, to: &mut Writer) {
        to.put(&self.root).u64(self.created).u64(self.expires);
        to.var(self.name.as_bytes()).var(self.greeting.as_bytes()).count(self.hints.len());
        for hint in &self.hints {
            to.var(hint.as_bytes());
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            root: from.get()?,
            created: from.u64()?,
            expires: from.u64()?,
            name: from.text(Self::CAP)?.to_owned(),
            greeting: from.text(Self::CAP)?.to_owned(),
            hints: (0..from.count(MAX_HINTS)?)
                .map(|_| from.text(Self::CAP).map(str::to_owned))
                .collect::<Result<_, _>>()?,
        })
    }
}
