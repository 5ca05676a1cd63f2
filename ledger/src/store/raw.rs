//! Tables of byte strings in three layers; a read asks the topmost first.
//!
//! ```text
//!   writes   of the open batch: in memory, in key order           dropped without a trace, or
//!   above    of commits that stand in the journal alone ◀── commit: one record, one sync
//!   base     redb as of the last checkpoint             ◀── checkpoint: all that is above, each key once
//! ```
//!
//! Invariants
//! * `above` over `base` is the last commit, whether a checkpoint came in between or not: a checkpoint writes
//!   what is above as it is.
//! * A view keeps the `base` and the `above` that it was made of; they never change under it.
//! * Keys are compared as bytes: numbers in keys are big-endian.
//! * Tables that grow with the log are kept in blocks ([`super::blocks`]); nobody above sees it.

use std::cell::RefCell;
use std::collections::{BTreeMap, btree_map};
use std::iter::Peekable;
use std::ops::{Bound, ControlFlow};
use std::rc::Rc;
use std::sync::Arc;

use redb::{ReadOnlyTable, ReadTransaction, TableDefinition, WriteTransaction};

use super::StorageError;
use super::blocks::{self, Cursor};

type Bytes = &'static [u8];
/// Rows of one table that are set, or taken away.
pub(super) type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A key and what it is set to; `None`: it is taken away.
type Write<'w> = (&'w Vec<u8>, &'w Option<Vec<u8>>);

/// A table of the database; `schema.rs` says what its keys and values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tbl {
    Meta,
    Names,
    Logs,
    Events,
    Bodies,
    Ids,
    Arrival,
    Order,
    Epochs,
    Boxes,
    Chains,
    Keys,
    Prekeys,
    Unopened,
    Forks,
    Acks,
    Secrets,
    Addresses,
    Outbox,
    Seen,
    Drafts,
    Settings,
    Rows,
    Fresh,
}

impl Tbl {
    /// All tables, in the order of their declaration: `ALL[t as usize] == t`.
    pub(crate) const ALL: [Self; 24] = [
        Self::Meta,
        Self::Names,
        Self::Logs,
        Self::Events,
        Self::Bodies,
        Self::Ids,
        Self::Arrival,
        Self::Order,
        Self::Epochs,
        Self::Boxes,
        Self::Chains,
        Self::Keys,
        Self::Prekeys,
        Self::Unopened,
        Self::Forks,
        Self::Acks,
        Self::Secrets,
        Self::Addresses,
        Self::Outbox,
        Self::Seen,
        Self::Drafts,
        Self::Settings,
        Self::Rows,
        Self::Fresh,
    ];

    /// The name in the file, and in the context that sealed values are bound to.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Names => "names",
            Self::Logs => "logs",
            Self::Events => "events",
            Self::Bodies => "bodies",
            Self::Ids => "ids",
            Self::Arrival => "arrival",
            Self::Order => "order",
            Self::Epochs => "epochs",
            Self::Boxes => "boxes",
            Self::Chains => "chains",
            Self::Keys => "keys",
            Self::Prekeys => "prekeys",
            Self::Unopened => "unopened",
            Self::Forks => "forks",
            Self::Acks => "acks",
            Self::Secrets => "secrets",
            Self::Addresses => "addresses",
            Self::Outbox => "outbox",
            Self::Seen => "seen",
            Self::Drafts => "drafts",
            Self::Settings => "settings",
            Self::Rows => "rows",
            Self::Fresh => "fresh",
        }
    }

    /// Whether its rows are kept in blocks: the tables that get rows with every event.
    pub(crate) const fn is_packed(self) -> bool {
        use Tbl::{Arrival, Bodies, Events, Fresh, Ids, Keys, Order, Rows};
        matches!(self, Events | Bodies | Ids | Fresh | Arrival | Order | Keys | Rows)
    }

    const fn definition(self) -> TableDefinition<'static, Bytes, Bytes> {
        TableDefinition::new(self.name())
    }
}

/// Which keys of a table, and in which order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range<'a> {
    pub(crate) from: &'a [u8],
    /// First key outside; `None` is the end of the table.
    pub(crate) to: Option<&'a [u8]>,
    pub(crate) backward: bool,
}

impl<'a> Range<'a> {
    /// The whole table, ascending.
    pub(crate) const ALL: Range<'static> = Range { from: &[], to: None, backward: false };

    pub(crate) fn new(from: &'a [u8], to: Option<&'a [u8]>) -> Self {
        Self { from, to, backward: false }
    }

    pub(crate) fn reversed(self) -> Self {
        Self { backward: true, ..self }
    }

    fn is_empty(&self) -> bool {
        self.to.is_some_and(|to| to <= self.from)
    }

    fn holds(&self, key: &[u8]) -> bool {
        self.from <= key && self.to.is_none_or(|to| key < to)
    }

    fn bounds(&self) -> (Bound<&'a [u8]>, Bound<&'a [u8]>) {
        (Bound::Included(self.from), self.to.map_or(Bound::Unbounded, Bound::Excluded))
    }
}

/// The first key after all keys that begin with `prefix`; `None` if that is the end of the table.
pub(crate) fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// Receives key and value; `Break` ends the walk.
pub(crate) type Visit<'v> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, StorageError> + 'v;

/// Redb as of a checkpoint, every table opened once. Keep it briefly: pages that it sees are not reused meanwhile.
pub(super) struct Base(Vec<ReadOnlyTable<Bytes, Bytes>>);

impl Base {
    pub(super) fn of(transaction: &ReadTransaction) -> Result<Self, StorageError> {
        let open = |table: &Tbl| transaction.open_table(table.definition());
        Ok(Self(Tbl::ALL.iter().map(open).collect::<Result<_, _>>()?))
    }
}

/// Rows of all tables that are to be set, or taken away.
#[derive(Clone)]
pub(super) struct Layer {
    tables: Vec<Writes>,
}

impl Layer {
    pub(super) fn empty() -> Self {
        Self { tables: Tbl::ALL.iter().map(|_| Writes::new()).collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tables.iter().all(Writes::is_empty)
    }

    fn find(&self, table: Tbl, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        self.tables[table as usize].get(key)
    }

    fn range(&self, table: Tbl, range: Range<'_>) -> btree_map::Range<'_, Vec<u8>, Option<Vec<u8>>> {
        self.tables[table as usize].range::<[u8], _>(range.bounds())
    }

    pub(super) fn set(&mut self, table: Tbl, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.tables[table as usize].insert(key, value);
    }

    /// Every write, table by table in key order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Tbl, &Vec<u8>, &Option<Vec<u8>>)> {
        let tables = Tbl::ALL.iter().zip(&self.tables);
        tables.flat_map(|(table, writes)| writes.iter().map(|(key, value)| (*table, key, value)))
    }

    /// Puts another layer on this one: where both have a key, the upper one counts.
    pub(super) fn lay(&mut self, upper: Self) {
        for (table, writes) in self.tables.iter_mut().zip(upper.tables) {
            if table.is_empty() {
                *table = writes;
            } else {
                table.extend(writes);
            }
        }
    }

    /// Writes everything into `transaction`.
    pub(super) fn flush(self, transaction: &WriteTransaction) -> Result<(), StorageError> {
        for (table, writes) in Tbl::ALL.iter().zip(self.tables) {
            if !writes.is_empty() {
                flush_table(*table, writes, transaction)?;
            }
        }
        Ok(())
    }
}

/// Every table, read through what lies above redb and the writes of the batch (none, for a view).
pub(crate) struct Tables {
    base: Arc<Base>,
    above: Arc<Layer>,
    spans: Vec<Spans>,
    writes: Layer,
}

impl Tables {
    /// The last commit, with nothing written on top.
    pub(super) fn over(base: Arc<Base>, above: Arc<Layer>) -> Self {
        let spans = Tbl::ALL.iter().map(|_| Spans::default()).collect();
        Self { base, above, spans, writes: Layer::empty() }
    }

    /// What was written on top.
    pub(super) fn into_writes(self) -> Layer {
        self.writes
    }

    pub(crate) fn get(&self, table: Tbl, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        match self.written(table, key) {
            Some(written) => Ok(written.clone()),
            None => self.look(table, key, |value| value.map(<[u8]>::to_vec)),
        }
    }

    pub(crate) fn contains(&self, table: Tbl, key: &[u8]) -> Result<bool, StorageError> {
        match self.written(table, key) {
            Some(written) => Ok(written.is_some()),
            None => self.look(table, key, |value| value.is_some()),
        }
    }

    fn written(&self, table: Tbl, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        self.writes.find(table, key).or_else(|| self.above.find(table, key))
    }

    /// Shows what redb has under this key.
    fn look<T>(&self, table: Tbl, key: &[u8], show: impl FnOnce(Option<&[u8]>) -> T) -> Result<T, StorageError> {
        let base = &self.base.0[table as usize];
        if table.is_packed() {
            return self.spans[table as usize].look(base, key, show);
        }
        let found = base.get(key)?;
        Ok(show(found.as_ref().map(|value| value.value())))
    }

    pub(crate) fn put(&mut self, table: Tbl, key: Vec<u8>, value: Vec<u8>) {
        self.writes.set(table, key, Some(value));
    }

    pub(crate) fn delete(&mut self, table: Tbl, key: Vec<u8>) {
        self.writes.set(table, key, None);
    }

    /// How many writes wait.
    pub(crate) fn waiting(&self) -> usize {
        self.writes.tables.iter().map(Writes::len).sum()
    }

    /// Visits the rows of `range` in order: redb and what lies above it, merged.
    pub(crate) fn walk(&self, table: Tbl, range: Range<'_>, visit: &mut Visit<'_>) -> Result<(), StorageError> {
        if range.is_empty() {
            return Ok(());
        }
        let base = &self.base.0[table as usize];
        let (top, middle) = (self.writes.range(table, range), self.above.range(table, range));
        if range.backward {
            let before = |left: &[u8], right: &[u8]| left > right;
            let above = layered(top.rev(), middle.rev(), before);
            match table.is_packed() {
                true => merge(unpacked(base, range)?, above, before, visit),
                false => merge(plain(base.range::<&[u8]>(range.bounds())?.rev()), above, before, visit),
            }
        } else {
            let before = |left: &[u8], right: &[u8]| left < right;
            let above = layered(top, middle, before);
            match table.is_packed() {
                true => merge(unpacked(base, range)?, above, before, visit),
                false => merge(plain(base.range::<&[u8]>(range.bounds())?), above, before, visit),
            }
        }
    }
}

/// Walks two ordered layers as one; where both have a key, the upper one counts.
fn layered<'w>(
    upper: impl Iterator<Item = Write<'w>>,
    lower: impl Iterator<Item = Write<'w>>,
    before: impl Fn(&[u8], &[u8]) -> bool,
) -> impl Iterator<Item = Write<'w>> {
    let (mut upper, mut lower) = (upper.peekable(), lower.peekable());
    std::iter::from_fn(move || match (upper.peek(), lower.peek()) {
        (Some((above, _)), Some((below, _))) if above == below => {
            lower.next();
            upper.next()
        }
        (Some((above, _)), Some((below, _))) if before(below, above) => lower.next(),
        (Some(_), _) => upper.next(),
        (None, _) => lower.next(),
    })
}

/// Creates every table, so that a snapshot of a new file can open them.
pub(crate) fn create_all(transaction: &WriteTransaction) -> Result<(), StorageError> {
    for table in Tbl::ALL {
        transaction.open_table(table.definition())?;
    }
    Ok(())
}

/// Puts the rows of a file of format 1, where each stood by itself, into blocks.
pub(crate) fn pack_all(transaction: &WriteTransaction) -> Result<(), StorageError> {
    use redb::ReadableTable;
    for table in Tbl::ALL.into_iter().filter(|table| table.is_packed()) {
        let mut open = transaction.open_table(table.definition())?;
        let mut rows = Writes::new();
        for found in open.iter()? {
            let (key, value) = found?;
            rows.insert(key.value().to_vec(), Some(value.value().to_vec()));
        }
        open.retain(|_, _| false)?;
        blocks::flush(&mut open, rows)?;
    }
    Ok(())
}

/// Makes a file of format 1 of this one.
#[cfg(test)]
pub(crate) fn unpack_all(transaction: &WriteTransaction) -> Result<(), StorageError> {
    use redb::ReadableTable;
    let mut fresh = Vec::new();
    for table in [Tbl::Fresh].into_iter().chain(Tbl::ALL).filter(|table| table.is_packed()) {
        let mut open = transaction.open_table(table.definition())?;
        let mut rows = Vec::new();
        for found in open.iter()? {
            let block = found?.1;
            let mut cursor = Cursor::default();
            while let Some(value) = cursor.next(block.value())? {
                rows.push((cursor.key().to_vec(), block.value()[value].to_vec()));
            }
        }
        open.retain(|_, _| false)?;
        match table {
            Tbl::Fresh => fresh.extend(rows.drain(..).map(|(key, value)| (key[4..].to_vec(), value))),
            Tbl::Ids => rows.append(&mut fresh),
            _ => {}
        }
        for (key, value) in &rows {
            open.insert(key.as_slice(), value.as_slice())?;
        }
    }
    transaction.open_table(Tbl::Meta.definition())?.remove(super::schema::meta::FRESH)?;
    write_meta(transaction, super::schema::meta::FORMAT, &super::schema::ROWS_ALONE.to_le_bytes())
}

fn flush_table(table: Tbl, writes: Writes, transaction: &WriteTransaction) -> Result<(), StorageError> {
    let mut open = transaction.open_table(table.definition())?;
    if table.is_packed() {
        return blocks::flush(&mut open, writes);
    }
    for (key, value) in writes {
        match value {
            Some(value) => open.insert(key.as_slice(), value.as_slice())?,
            None => open.remove(key.as_slice())?,
        };
    }
    Ok(())
}

type Guard = redb::AccessGuard<'static, Bytes>;
type Found = Result<(Guard, Guard), redb::StorageError>;

/// Blocks that were looked at last: who asks for a row asks for its neighbours next. Most often for the
/// one that does not exist yet, behind the last of them; that costs no look into redb then.
#[derive(Default)]
struct Spans(RefCell<Vec<Span>>);

/// Spans per table: `rows` holds several kinds of row, two people write in turn, and `fresh` has its runs.
const SPANS: usize = 20;

/// A block, and how far no other one begins.
struct Span {
    from: Vec<u8>,
    last: Vec<u8>,
    to: Option<Vec<u8>>,
    block: Option<Guard>,
}

impl Spans {
    fn look<T>(
        &self,
        base: &ReadOnlyTable<Bytes, Bytes>,
        key: &[u8],
        show: impl FnOnce(Option<&[u8]>) -> T,
    ) -> Result<T, StorageError> {
        let mut spans = self.0.borrow_mut();
        let at = match spans.iter().position(|span| span.covers(key)) {
            Some(at) => at,
            None => {
                if spans.len() == SPANS {
                    spans.remove(0);
                }
                spans.push(Span::around(base, key)?);
                spans.len() - 1
            }
        };
        let span = &spans[at];
        match &span.block {
            Some(block) if key <= span.last.as_slice() => {
                let block = block.value();
                Ok(show(blocks::find(block, key)?.map(|value| &block[value])))
            }
            _ => Ok(show(None)),
        }
    }
}

impl Span {
    fn around(base: &ReadOnlyTable<Bytes, Bytes>, key: &[u8]) -> Result<Self, StorageError> {
        let to = base.range::<&[u8]>((Bound::Excluded(key), Bound::Unbounded))?.next().transpose()?;
        let to = to.map(|(key, _)| key.value().to_vec());
        match base.range::<&[u8]>(..=key)?.next_back().transpose()? {
            None => Ok(Self { from: Vec::new(), last: Vec::new(), to, block: None }),
            Some((from, block)) => {
                let last = blocks::last_key(block.value())?;
                Ok(Self { from: from.value().to_vec(), last, to, block: Some(block) })
            }
        }
    }

    fn covers(&self, key: &[u8]) -> bool {
        self.from.as_slice() <= key && self.to.as_ref().is_none_or(|to| key < to.as_slice())
    }
}

/// A row of redb.
#[allow(clippy::large_enum_variant, reason = "it lives for one step of a walk: a box would cost more")]
enum Row {
    Plain(Guard, Guard),
    Packed(Vec<u8>, Rc<Guard>, std::ops::Range<usize>),
}

impl Row {
    fn key(&self) -> &[u8] {
        match self {
            Self::Plain(key, _) => key.value(),
            Self::Packed(key, ..) => key,
        }
    }

    fn value(&self) -> &[u8] {
        match self {
            Self::Plain(_, value) => value.value(),
            Self::Packed(_, block, at) => &block.value()[at.clone()],
        }
    }
}

type Read = Result<Row, StorageError>;

fn plain(base: impl Iterator<Item = Found>) -> impl Iterator<Item = Read> {
    base.map(|found| Ok(found.map(|(key, value)| Row::Plain(key, value))?))
}

/// The rows of a range, out of their blocks.
fn unpacked<'r>(
    base: &'r ReadOnlyTable<Bytes, Bytes>,
    range: Range<'r>,
) -> Result<impl Iterator<Item = Read> + 'r, StorageError> {
    let first = base.range::<&[u8]>(..=range.from)?.next_back().transpose()?;
    let first = first.map_or(range.from.to_vec(), |(key, _)| key.value().to_vec());
    let mut blocks = base.range::<&[u8]>(Range { from: &first, ..range }.bounds())?;
    let next = move || if range.backward { blocks.next_back() } else { blocks.next() };
    Ok(std::iter::from_fn(next).flat_map(move |found| match rows_of(found, range) {
        Ok(rows) => rows.into_iter().map(Ok).collect(),
        Err(fault) => vec![Err(fault)],
    }))
}

/// The rows of a block that are in the range, in its order.
fn rows_of(found: Found, range: Range<'_>) -> Result<Vec<Row>, StorageError> {
    let block = Rc::new(found?.1);
    let (mut rows, mut cursor) = (Vec::new(), Cursor::default());
    while let Some(value) = cursor.next(block.value())? {
        if range.holds(cursor.key()) {
            rows.push(Row::Packed(cursor.key().to_vec(), Rc::clone(&block), value));
        }
    }
    if range.backward {
        rows.reverse();
    }
    Ok(rows)
}

/// Walks two ordered sources as one; where both have a key, the upper one counts.
fn merge<'w>(
    base: impl Iterator<Item = Read>,
    above: impl Iterator<Item = Write<'w>>,
    before: impl Fn(&[u8], &[u8]) -> bool,
    visit: &mut Visit<'_>,
) -> Result<(), StorageError> {
    let (mut base, mut above) = (base.peekable(), above.peekable());
    loop {
        let flow = match pick(&mut base, &mut above, &before) {
            Pick::End => return Ok(()),
            Pick::Base(found) => {
                let row = found?;
                visit(row.key(), row.value())?
            }
            Pick::Above(key, Some(value)) => visit(key, value)?,
            Pick::Above(_, None) => ControlFlow::Continue(()),
        };
        if flow.is_break() {
            return Ok(());
        }
    }
}

enum Pick<'w> {
    Base(Read),
    Above(&'w [u8], Option<&'w [u8]>),
    End,
}

fn pick<'w>(
    base: &mut Peekable<impl Iterator<Item = Read>>,
    above: &mut Peekable<impl Iterator<Item = Write<'w>>>,
    before: &impl Fn(&[u8], &[u8]) -> bool,
) -> Pick<'w> {
    let lower_first = match (base.peek(), above.peek()) {
        (None, _) => false,
        (Some(_), None) | (Some(Err(_)), _) => true,
        (Some(Ok(row)), Some((written, _))) => {
            if row.key() == written.as_slice() {
                base.next();
                false
            } else {
                before(row.key(), written)
            }
        }
    };
    if lower_first {
        return base.next().map_or(Pick::End, Pick::Base);
    }
    above.next().map_or(Pick::End, |(key, value)| Pick::Above(key, value.as_deref()))
}

/// A value of the `meta` table, read inside a write transaction.
pub(crate) fn read_meta(transaction: &WriteTransaction, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
    use redb::ReadableTable;
    let table = transaction.open_table(Tbl::Meta.definition())?;
    let found = table.get(key)?;
    Ok(found.map(|value| value.value().to_vec()))
}

/// Sets a value of the `meta` table.
pub(crate) fn write_meta(transaction: &WriteTransaction, key: &[u8], value: &[u8]) -> Result<(), StorageError> {
    transaction.open_table(Tbl::Meta.definition())?.insert(key, value)?;
    Ok(())
}
