//! Tables of byte strings: a redb snapshot below, the writes of an open batch above it.
//!
//! ```text
//!   View   ─▶ Snapshot                    one ReadTransaction, every table opened once
//!   Batch  ─▶ Overlay over Snapshot       writes wait in memory, in key order …
//!   commit ─▶ WriteTransaction            … and reach redb in one go: sorted, each key once
//! ```
//!
//! Invariants
//! * Until [`flush`] nothing of a batch is in redb: dropping the overlay leaves no trace.
//! * A read through an overlay sees the batch's own writes first, then the last commit.
//! * Keys are compared as bytes: numbers in keys are big-endian.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::{Bound, ControlFlow};

use redb::{ReadOnlyTable, ReadTransaction, TableDefinition, WriteTransaction};

use super::StorageError;

type Bytes = &'static [u8];
type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

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
}

impl Tbl {
    /// All tables, in the order of their declaration: `ALL[t as usize] == t`.
    pub(crate) const ALL: [Self; 23] = [
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
        }
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

/// Every table, read through the writes of the batch (none, for a view).
pub(crate) struct Tables {
    base: Vec<ReadOnlyTable<Bytes, Bytes>>,
    writes: Vec<Writes>,
}

impl Tables {
    /// The last commit, with nothing written on top.
    pub(crate) fn snapshot(transaction: &ReadTransaction) -> Result<Self, StorageError> {
        let open = |table: &Tbl| transaction.open_table(table.definition());
        let base = Tbl::ALL.iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self { base, writes: Tbl::ALL.iter().map(|_| Writes::new()).collect() })
    }

    pub(crate) fn get(&self, table: Tbl, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        if let Some(written) = self.writes[table as usize].get(key) {
            return Ok(written.clone());
        }
        Ok(self.base[table as usize].get(key)?.map(|value| value.value().to_vec()))
    }

    pub(crate) fn contains(&self, table: Tbl, key: &[u8]) -> Result<bool, StorageError> {
        match self.writes[table as usize].get(key) {
            Some(written) => Ok(written.is_some()),
            None => Ok(self.base[table as usize].get(key)?.is_some()),
        }
    }

    pub(crate) fn put(&mut self, table: Tbl, key: Vec<u8>, value: Vec<u8>) {
        self.writes[table as usize].insert(key, Some(value));
    }

    pub(crate) fn delete(&mut self, table: Tbl, key: Vec<u8>) {
        self.writes[table as usize].insert(key, None);
    }

    /// How many writes wait.
    pub(crate) fn waiting(&self) -> usize {
        self.writes.iter().map(Writes::len).sum()
    }

    /// Visits the rows of `range` in order: a merge of the snapshot and the writes above it.
    pub(crate) fn walk(&self, table: Tbl, range: Range<'_>, visit: &mut Visit<'_>) -> Result<(), StorageError> {
        if range.is_empty() {
            return Ok(());
        }
        let base = self.base[table as usize].range::<&[u8]>(range.bounds())?;
        let above = self.writes[table as usize].range::<[u8], _>(range.bounds());
        if range.backward {
            merge(base.rev(), above.rev(), |left, right| left > right, visit)
        } else {
            merge(base, above, |left, right| left < right, visit)
        }
    }

    /// Writes everything that waits into `transaction`, table by table in key order.
    pub(crate) fn flush(self, transaction: &WriteTransaction) -> Result<(), StorageError> {
        for (table, writes) in Tbl::ALL.iter().zip(self.writes) {
            if !writes.is_empty() {
                flush_table(*table, writes, transaction)?;
            }
        }
        Ok(())
    }
}

/// Creates every table, so that a snapshot of a new file can open them.
pub(crate) fn create_all(transaction: &WriteTransaction) -> Result<(), StorageError> {
    for table in Tbl::ALL {
        transaction.open_table(table.definition())?;
    }
    Ok(())
}

fn flush_table(table: Tbl, writes: Writes, transaction: &WriteTransaction) -> Result<(), StorageError> {
    let mut open = transaction.open_table(table.definition())?;
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

/// Walks two ordered sources as one; where both have a key, the upper one counts.
fn merge<'w>(
    base: impl Iterator<Item = Found>,
    above: impl Iterator<Item = (&'w Vec<u8>, &'w Option<Vec<u8>>)>,
    before: impl Fn(&[u8], &[u8]) -> bool,
    visit: &mut Visit<'_>,
) -> Result<(), StorageError> {
    let (mut base, mut above) = (base.peekable(), above.peekable());
    loop {
        let flow = match pick(&mut base, &mut above, &before) {
            Pick::End => return Ok(()),
            Pick::Base(found) => {
                let (key, value) = found?;
                visit(key.value(), value.value())?
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
    Base(Found),
    Above(&'w [u8], Option<&'w [u8]>),
    End,
}

fn pick<'w>(
    base: &mut Peekable<impl Iterator<Item = Found>>,
    above: &mut Peekable<impl Iterator<Item = (&'w Vec<u8>, &'w Option<Vec<u8>>)>>,
    before: &impl Fn(&[u8], &[u8]) -> bool,
) -> Pick<'w> {
    let lower_first = match (base.peek(), above.peek()) {
        (None, _) => false,
        (Some(_), None) | (Some(Err(_)), _) => true,
        (Some(Ok((key, _))), Some((written, _))) => {
            if key.value() == written.as_slice() {
                base.next();
                false
            } else {
                before(key.value(), written)
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
