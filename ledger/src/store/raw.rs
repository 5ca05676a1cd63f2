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
use std::cmp::Ordering;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use redb::{ReadOnlyTable, ReadTransaction, TableDefinition, WriteTransaction};

use super::StorageError;
use super::blocks::{self, Cursor};
use super::writes::{Turn, Write, Writes, layered};

type Bytes = &'static [u8];

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
    /// Empty since format 4; records of the journal name tables by their number, so it keeps its place.
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

    /// Most bytes of a block of it.
    pub(super) const fn block(self) -> usize {
        match self {
            Self::Events | Self::Bodies => blocks::LONG,
            _ => blocks::PAGE,
        }
    }

    pub(super) const fn definition(self) -> TableDefinition<'static, Bytes, Bytes> {
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

    pub(super) fn bounds(&self) -> (Bound<&'a [u8]>, Bound<&'a [u8]>) {
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
        Self { tables: Tbl::ALL.iter().map(|_| Writes::default()).collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tables.iter().all(Writes::is_empty)
    }

    fn find(&self, table: Tbl, key: &[u8]) -> Option<Option<&[u8]>> {
        self.tables[table as usize].find(key)
    }

    fn range<'w>(&'w self, table: Tbl, range: Range<'w>) -> impl Iterator<Item = Write<'w>> {
        self.tables[table as usize].range(range)
    }

    pub(super) fn set(&mut self, table: Tbl, key: &[u8], value: Option<&[u8]>) {
        self.tables[table as usize].set(key, value);
    }

    /// Every write, table by table in key order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Tbl, &[u8], Option<&[u8]>)> {
        let tables = Tbl::ALL.iter().zip(&self.tables);
        tables.flat_map(|(table, writes)| writes.iter().map(|(key, value)| (*table, key, value)))
    }

    /// Puts another layer on this one: where both have a key, the upper one counts.
    pub(super) fn lay(&mut self, upper: Self) {
        self.tables.iter_mut().zip(upper.tables).for_each(|(table, writes)| table.lay(writes));
    }

    /// Writes everything into `transaction`.
    pub(super) fn flush(&self, transaction: &WriteTransaction) -> Result<(), StorageError> {
        for (table, writes) in Tbl::ALL.iter().zip(&self.tables) {
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
        self.see(table, key, |value| value.map(<[u8]>::to_vec))
    }

    pub(crate) fn contains(&self, table: Tbl, key: &[u8]) -> Result<bool, StorageError> {
        self.see(table, key, |value| value.is_some())
    }

    /// Shows what stands under this key, where it stands.
    pub(crate) fn see<T>(
        &self,
        table: Tbl,
        key: &[u8],
        show: impl FnOnce(Option<&[u8]>) -> T,
    ) -> Result<T, StorageError> {
        match self.writes.find(table, key).or_else(|| self.above.find(table, key)) {
            Some(written) => Ok(show(written)),
            None => self.look(table, key, show),
        }
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

    pub(crate) fn put(&mut self, table: Tbl, key: &[u8], value: &[u8]) {
        self.writes.set(table, key, Some(value));
    }

    pub(crate) fn delete(&mut self, table: Tbl, key: &[u8]) {
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
            let above = layered(top, middle, Ordering::reverse);
            match table.is_packed() {
                true => {
                    let blocks = self.spans[table as usize].blocks(base, range)?;
                    merge(Backward::over(blocks, range)?, above, Ordering::reverse, visit)
                }
                false => {
                    merge(Plain::over(base.range::<&[u8]>(range.bounds())?.rev())?, above, Ordering::reverse, visit)
                }
            }
        } else {
            let above = layered(top, middle, std::convert::identity);
            match table.is_packed() {
                true => {
                    let blocks = self.spans[table as usize].blocks(base, range)?;
                    merge(Forward::over(blocks, range)?, above, std::convert::identity, visit)
                }
                false => {
                    merge(Plain::over(base.range::<&[u8]>(range.bounds())?)?, above, std::convert::identity, visit)
                }
            }
        }
    }
}

/// Creates every table, so that a snapshot of a new file can open them.
pub(crate) fn create_all(transaction: &WriteTransaction) -> Result<(), StorageError> {
    for table in Tbl::ALL {
        transaction.open_table(table.definition())?;
    }
    Ok(())
}

fn flush_table(table: Tbl, writes: &Writes, transaction: &WriteTransaction) -> Result<(), StorageError> {
    let mut open = transaction.open_table(table.definition())?;
    if table.is_packed() {
        return blocks::flush(&mut open, writes, table.block());
    }
    for (key, value) in writes.iter() {
        match value {
            Some(value) => open.insert(key, value)?,
            None => open.remove(key)?,
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
const SPANS: usize = 28;

/// A block, and how far no other one begins.
struct Span {
    from: Vec<u8>,
    last: Vec<u8>,
    to: Option<Vec<u8>>,
    /// A walk keeps it while others look on.
    block: Option<Arc<Guard>>,
}

impl Spans {
    fn look<T>(
        &self,
        base: &ReadOnlyTable<Bytes, Bytes>,
        key: &[u8],
        show: impl FnOnce(Option<&[u8]>) -> T,
    ) -> Result<T, StorageError> {
        let mut spans = self.0.borrow_mut();
        let span = around(&mut spans, base, key)?;
        match &span.block {
            Some(block) if key <= span.last.as_slice() => {
                let block = block.value();
                Ok(show(blocks::find(block, key)?.map(|value| &block[value])))
            }
            _ => Ok(show(None)),
        }
    }

    /// The blocks that a range touches: from the one that its first row may be in. Most walks end in that one.
    fn blocks(&self, base: &ReadOnlyTable<Bytes, Bytes>, range: Range<'_>) -> Result<Blocks, StorageError> {
        let mut spans = self.0.borrow_mut();
        let span = around(&mut spans, base, range.from)?;
        if span.holds(&range) {
            return Ok(Blocks::One(span.block.clone()));
        }
        Ok(Blocks::Many(Box::new(base.range::<&[u8]>(Range { from: &span.from, ..range }.bounds())?)))
    }
}

/// The span that this key is in.
fn around<'s>(
    spans: &'s mut Vec<Span>,
    base: &ReadOnlyTable<Bytes, Bytes>,
    key: &[u8],
) -> Result<&'s Span, StorageError> {
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
    Ok(&spans[at])
}

/// Blocks of a walk.
enum Blocks {
    One(Option<Arc<Guard>>),
    Many(Box<redb::Range<'static, Bytes, Bytes>>),
}

impl Blocks {
    fn next(&mut self) -> Result<Option<Arc<Guard>>, StorageError> {
        Ok(match self {
            Self::One(block) => block.take(),
            Self::Many(blocks) => blocks.next().transpose()?.map(|(_, block)| Arc::new(block)),
        })
    }

    fn next_back(&mut self) -> Result<Option<Arc<Guard>>, StorageError> {
        Ok(match self {
            Self::One(block) => block.take(),
            Self::Many(blocks) => blocks.next_back().transpose()?.map(|(_, block)| Arc::new(block)),
        })
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
                Ok(Self { from: from.value().to_vec(), last, to, block: Some(Arc::new(block)) })
            }
        }
    }

    fn covers(&self, key: &[u8]) -> bool {
        self.from.as_slice() <= key && self.to.as_ref().is_none_or(|to| key < to.as_slice())
    }

    /// Whether a range that begins here ends here as well.
    fn holds(&self, range: &Range<'_>) -> bool {
        self.to.as_ref().is_none_or(|end| range.to.is_some_and(|to| to <= end.as_slice()))
    }
}

/// Rows of redb in the order of a walk. It stands at one of them, or behind the last.
trait Source {
    /// None behind the last row.
    fn key(&self) -> Option<&[u8]>;

    fn value(&self) -> &[u8];

    fn advance(&mut self) -> Result<(), StorageError>;
}

/// Rows that stand by themselves.
struct Plain<I> {
    rows: I,
    at: Option<(Guard, Guard)>,
}

impl<I: Iterator<Item = Found>> Plain<I> {
    fn over(mut rows: I) -> Result<Self, StorageError> {
        let at = rows.next().transpose()?;
        Ok(Self { rows, at })
    }
}

impl<I: Iterator<Item = Found>> Source for Plain<I> {
    fn key(&self) -> Option<&[u8]> {
        self.at.as_ref().map(|(key, _)| key.value())
    }

    fn value(&self) -> &[u8] {
        self.at.as_ref().map_or(&[], |(_, value)| value.value())
    }

    fn advance(&mut self) -> Result<(), StorageError> {
        self.at = self.rows.next().transpose()?;
        Ok(())
    }
}

/// Rows out of their blocks, ascending: read where they stand.
struct Forward<'r> {
    blocks: Blocks,
    range: Range<'r>,
    block: Option<Arc<Guard>>,
    cursor: Cursor,
    value: std::ops::Range<usize>,
}

impl<'r> Forward<'r> {
    fn over(blocks: Blocks, range: Range<'r>) -> Result<Self, StorageError> {
        let mut rows = Self { blocks, range, block: None, cursor: Cursor::default(), value: 0..0 };
        rows.next_block()?;
        rows.advance()?;
        Ok(rows)
    }

    fn next_block(&mut self) -> Result<(), StorageError> {
        self.block = self.blocks.next()?;
        self.cursor = Cursor::default();
        Ok(())
    }
}

impl Source for Forward<'_> {
    fn key(&self) -> Option<&[u8]> {
        self.block.as_ref().map(|_| self.cursor.key())
    }

    fn value(&self) -> &[u8] {
        self.block.as_ref().map_or(&[], |block| &block.value()[self.value.clone()])
    }

    fn advance(&mut self) -> Result<(), StorageError> {
        while let Some(block) = &self.block {
            match self.cursor.next(block.value())? {
                None => self.next_block()?,
                Some(_) if self.cursor.key() < self.range.from => {}
                Some(_) if !self.range.holds(self.cursor.key()) => self.block = None,
                Some(value) => {
                    self.value = value;
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// Rows out of their blocks, descending: a block can be read from its first row on only.
struct Backward<'r> {
    blocks: Blocks,
    range: Range<'r>,
    block: Option<Arc<Guard>>,
    /// Ascending; the walk stands at the last.
    rows: Vec<(Vec<u8>, std::ops::Range<usize>)>,
}

impl<'r> Backward<'r> {
    fn over(blocks: Blocks, range: Range<'r>) -> Result<Self, StorageError> {
        let mut rows = Self { blocks, range, block: None, rows: Vec::new() };
        rows.fill()?;
        Ok(rows)
    }

    /// Reads blocks until there is a row of the range.
    fn fill(&mut self) -> Result<(), StorageError> {
        while self.rows.is_empty() {
            let Some(block) = self.blocks.next_back()? else { return Ok(()) };
            let mut cursor = Cursor::default();
            while let Some(value) = cursor.next(block.value())? {
                if self.range.holds(cursor.key()) {
                    self.rows.push((cursor.key().to_vec(), value));
                }
            }
            self.block = Some(block);
        }
        Ok(())
    }
}

impl Source for Backward<'_> {
    fn key(&self) -> Option<&[u8]> {
        self.rows.last().map(|(key, _)| key.as_slice())
    }

    fn value(&self) -> &[u8] {
        let at = self.block.as_ref().zip(self.rows.last());
        at.map_or(&[], |(block, (_, value))| &block.value()[value.clone()])
    }

    fn advance(&mut self) -> Result<(), StorageError> {
        self.rows.pop();
        self.fill()
    }
}

/// Walks redb and what lies above it as one; where both have a key, the upper one counts.
fn merge<'w>(
    mut base: impl Source,
    above: impl Iterator<Item = Write<'w>>,
    turn: Turn,
    visit: &mut Visit<'_>,
) -> Result<(), StorageError> {
    let mut above = above.peekable();
    loop {
        let order = match (base.key(), above.peek()) {
            (None, None) => return Ok(()),
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(key), Some((written, _))) => turn(key.cmp(written)),
        };
        let flow = match order {
            Ordering::Less => visit(base.key().unwrap_or_default(), base.value())?,
            _ => match above.next() {
                Some((key, Some(value))) => visit(key, value)?,
                _ => ControlFlow::Continue(()),
            },
        };
        if flow.is_break() {
            return Ok(());
        }
        if order.is_le() {
            base.advance()?;
        }
    }
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
