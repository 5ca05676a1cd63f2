//! The rows that projections are kept in: a tiny ordered key-value surface.
//!
//! ```text
//!            fold ──put/delete──▶ RowsMut            redb tables (one write transaction)
//!            views ───get/walk──▶ Rows               redb snapshot · MemRows (tests, replay)
//!
//! key    log id 32 · fields in fixed width, big-endian numbers   byte order = reading order
//! value  fields by the codec, little-endian
//! ```
//!
//! Invariants
//! * Every key begins with the id of its log: a log's projection can be cleared and rebuilt alone.
//! * A fold of one log reads and writes rows of that log only.
//! * [`Table::place`] says what a rebuild clears and what a digest covers; [`Table::holds_text`] says
//!   whose values a store on disk must seal.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

/// A kind of rows. The number is part of the digest and of the stored format: never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// account: `direction · req_id` → what a request says.
    Requests = 1,
    /// account: `req_id` → signed core and sender's bundle, for accepting later.
    RequestBytes = 2,
    /// account: `req_id` → state register.
    RequestStates = 3,
    /// account: `root · req_id` → log of a conversation with that person.
    ContactLogs = 4,
    /// account: `root` → block register.
    Blocks = 5,
    /// account: `key` → setting register.
    Settings = 6,
    /// account: `root` → nickname register. Outside the digest.
    ContactNames = 7,
    /// account: `root` → register: safety numbers were compared.
    Verified = 8,
    /// account: `conversation` → register: 1 a draft stands in the event of the stamp, 0 there is none. Outside the
    /// digest.
    Drafts = 9,
    /// account: `conversation · device` → greatest seq read by me. Outside the digest.
    AccountReads = 10,
    /// conversation: `hlc · device · id` → who asked and who opened.
    Openings = 16,
    /// conversation: `device` → its root (register).
    Members = 17,
    /// conversation: `hlc · device · id` → a message, without its text.
    Messages = 18,
    /// conversation: `reader root · device` → greatest seq read.
    Reads = 19,
    /// any: `device · seq` → somebody told of a fork.
    Disputes = 20,
    /// conversation: `device · seq · id` → hlc of the message. Derived.
    Authored = 25,
    /// conversation: `hlc · device · id` → arrived, cannot be opened here yet.
    Unopened = 26,
    /// identity: `device` → certificate chain.
    Devices = 32,
    /// identity: `device` → newest prekey.
    Prekeys = 33,
    /// identity: no field → profile name register.
    Profiles = 34,
    /// identity: `device` → revoked. conversation: `device` → cut.
    Revoked = 35,
    /// conversation: `device` → greatest seq read on this device, where it could not be written in the account log.
    LocalReads = 48,
}

/// What a table's rows are to the log that they belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Folded from the log, covered by its digest: equal on every device (S7).
    Digest,
    /// Folded from the log, outside the digest: an index, or what is nobody's but mine (RPC.md).
    Derived,
    /// This device's own overlay: survives a rebuild, outside the digest.
    Local,
}

impl Table {
    /// All tables, in the order of the digest.
    pub const ALL: [Self; 22] = [
        Self::Requests,
        Self::RequestBytes,
        Self::RequestStates,
        Self::ContactLogs,
        Self::Blocks,
        Self::Settings,
        Self::ContactNames,
        Self::Verified,
        Self::Drafts,
        Self::AccountReads,
        Self::Openings,
        Self::Members,
        Self::Messages,
        Self::Reads,
        Self::Disputes,
        Self::Authored,
        Self::Unopened,
        Self::Devices,
        Self::Prekeys,
        Self::Profiles,
        Self::Revoked,
        Self::LocalReads,
    ];

    /// The stored number.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Whether values hold words of a person: a store on disk seals them.
    pub const fn holds_text(self) -> bool {
        matches!(self, Self::Requests | Self::Settings | Self::ContactNames | Self::Profiles)
    }

    /// What the rows are to their log.
    pub const fn place(self) -> Place {
        match self {
            Self::LocalReads => Place::Local,
            Self::ContactNames | Self::Drafts | Self::AccountReads | Self::Authored | Self::Unopened => Place::Derived,
            _ => Place::Digest,
        }
    }
}

/// A half-open range of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// First key inside.
    pub from: Vec<u8>,
    /// First key outside; `None` is the end of the table.
    pub to: Option<Vec<u8>>,
}

impl Span {
    /// All keys that begin with `prefix`.
    pub fn prefix(prefix: &[u8]) -> Self {
        Self { from: prefix.to_vec(), to: after(prefix) }
    }

    /// Keys that begin with `prefix`, from `from` on (`from` begins with `prefix`).
    pub fn starting(prefix: &[u8], from: Vec<u8>) -> Self {
        Self { from, to: after(prefix) }
    }

    /// Keys that begin with `prefix`, before `to`.
    pub fn before(prefix: &[u8], to: Vec<u8>) -> Self {
        Self { from: prefix.to_vec(), to: Some(to) }
    }

    /// The range as bounds over byte strings.
    pub fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        let to = self.to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        (Bound::Included(&self.from), to)
    }

    /// Whether no key can be inside: some stores refuse such a range.
    pub fn is_empty(&self) -> bool {
        self.to.as_ref().is_some_and(|to| *to <= self.from)
    }
}

/// The first key that is greater than every key beginning with `prefix`.
fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// The order in which rows are visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Ascending keys.
    Forward,
    /// Descending keys.
    Backward,
}

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Receives rows one by one; `Break` stops the walk.
pub type Visit<'v> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'v;

/// A row that does not decode: this disk's fault or our bug. A rebuild of the log mends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a row of the projection {0:?} does not decode; rebuild the log")]
pub struct BrokenRow(pub Table);

/// Rows that can be read. Values are plain bytes: a store that seals them opens them first.
pub trait Rows {
    /// Why the store failed: this disk's fault, never a peer's.
    type Error: From<BrokenRow>;

    /// The value at `key`.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Visits the rows of `span` in `order` until the visitor breaks.
    fn walk(&self, table: Table, span: &Span, order: Order, visit: &mut Visit<'_>) -> Result<(), Self::Error>;

    /// At most `limit` rows of `span`, copied.
    fn scan(&self, table: Table, span: &Span, order: Order, limit: usize) -> Result<Vec<Row>, Self::Error> {
        let mut found = Vec::new();
        if limit == 0 {
            return Ok(found);
        }
        self.walk(table, span, order, &mut |key, value| {
            found.push((key.to_vec(), value.to_vec()));
            if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(found)
    }
}

/// Rows that can be written as well: one open write transaction.
pub trait RowsMut: Rows {
    /// Sets the value at `key`.
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), Self::Error>;

    /// Takes `key` away; nothing happens if it is absent.
    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), Self::Error>;
}

/// Rows in memory: the naive twin in tests, and the ground of a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemRows {
    tables: BTreeMap<Table, BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl MemRows {
    /// No rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many rows a table holds.
    pub fn len(&self, table: Table) -> usize {
        self.tables.get(&table).map_or(0, BTreeMap::len)
    }

    /// Whether there is no row at all.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }
}

impl Rows for MemRows {
    type Error = BrokenRow;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, BrokenRow> {
        Ok(self.tables.get(&table).and_then(|rows| rows.get(key)).cloned())
    }

    fn walk(&self, table: Table, span: &Span, order: Order, visit: &mut Visit<'_>) -> Result<(), BrokenRow> {
        let Some(rows) = self.tables.get(&table).filter(|_| !span.is_empty()) else { return Ok(()) };
        let mut range = rows.range::<[u8], _>(span.bounds());
        loop {
            let next = match order {
                Order::Forward => range.next(),
                Order::Backward => range.next_back(),
            };
            let Some((key, value)) = next else { return Ok(()) };
            if visit(key, value).is_break() {
                return Ok(());
            }
        }
    }
}

impl RowsMut for MemRows {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), BrokenRow> {
        self.tables.entry(table).or_default().insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), BrokenRow> {
        let Some(rows) = self.tables.get_mut(&table) else { return Ok(()) };
        rows.remove(key);
        if rows.is_empty() {
            self.tables.remove(&table);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> MemRows {
        let mut rows = MemRows::new();
        for key in [&b"a"[..], b"ab", b"ac", b"b", &[0xff], &[0xff, 0xff]] {
            rows.put(Table::Messages, key, key).expect("memory");
        }
        rows
    }

    fn keys(rows: &MemRows, span: &Span, order: Order, limit: usize) -> Vec<Vec<u8>> {
        let found = rows.scan(Table::Messages, span, order, limit).expect("memory");
        found.into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn a_prefix_ends_where_the_next_one_begins() {
        let rows = filled();
        assert_eq!(
            keys(&rows, &Span::prefix(b"a"), Order::Forward, 9),
            [b"a".to_vec(), b"ab".to_vec(), b"ac".to_vec()]
        );
        assert_eq!(keys(&rows, &Span::prefix(b"a"), Order::Backward, 2), [b"ac".to_vec(), b"ab".to_vec()]);
        assert_eq!(keys(&rows, &Span::prefix(&[0xff]), Order::Forward, 9).len(), 2);
        assert_eq!(keys(&rows, &Span::prefix(&[]), Order::Forward, 9).len(), 6);
        assert!(keys(&rows, &Span::prefix(b"a"), Order::Forward, 0).is_empty());
    }

    #[test]
    fn an_inverted_span_is_empty_and_does_not_panic() {
        let rows = filled();
        let span = Span { from: b"b".to_vec(), to: Some(b"a".to_vec()) };
        assert!(keys(&rows, &span, Order::Forward, 9).is_empty());
    }

    #[test]
    fn table_numbers_are_distinct_and_ascending() {
        assert!(Table::ALL.windows(2).all(|pair| pair[0].number() < pair[1].number()));
    }
}
