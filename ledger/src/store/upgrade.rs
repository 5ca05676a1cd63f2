//! Files of the formats before, brought up to date in one transaction when they are opened.
//!
//! ```text
//! 1  every row by itself                                     ─▶ rows in blocks
//! 2  no journal                                              ─▶ gets an empty one
//! 3  rows `order`, a row of `arrival` and of `fresh` each    ─▶ none · runs · all in `ids`
//!    its journal is in redb first: it may hold such rows as well
//! 4  today
//! ```
//!
//! Event keys need nothing: each by itself is a run of one.

use redb::{ReadableTable, Table, WriteTransaction};

use super::StorageError;
use super::blocks::{self, Cursor};
use super::raw::Tbl;
use super::schema::{Arrivals, Place, meta};
use super::writes::Writes;

type Bytes = &'static [u8];

/// Puts the rows of a file of format 1, where each stood by itself, into blocks.
pub(super) fn pack_all(transaction: &WriteTransaction) -> Result<(), StorageError> {
    for table in Tbl::ALL.into_iter().filter(|table| table.is_packed()) {
        let mut open = transaction.open_table(table.definition())?;
        let mut rows = Writes::default();
        for found in open.iter()? {
            let (key, value) = found?;
            rows.set(key.value(), Some(value.value()));
        }
        replace(&mut open, &rows, table)?;
    }
    Ok(())
}

/// Makes format 4 of what format 3 has in redb.
pub(super) fn join_rows(transaction: &WriteTransaction) -> Result<(), StorageError> {
    replace(&mut transaction.open_table(Tbl::Order.definition())?, &Writes::default(), Tbl::Order)?;
    join_arrivals(&mut transaction.open_table(Tbl::Arrival.definition())?)?;
    let mut ids = Writes::default();
    let mut fresh = transaction.open_table(Tbl::Fresh.definition())?;
    each(&fresh, |key, place| {
        let id = key.get(4..).ok_or(StorageError::Damaged { what: "fresh id" })?;
        ids.set(id, Some(place));
        Ok(())
    })?;
    replace(&mut fresh, &Writes::default(), Tbl::Fresh)?;
    blocks::flush(&mut transaction.open_table(Tbl::Ids.definition())?, &ids, Tbl::Ids.block())?;
    transaction.open_table(Tbl::Meta.definition())?.remove(meta::FRESH)?;
    Ok(())
}

fn join_arrivals(table: &mut Table<'_, Bytes, Bytes>) -> Result<(), StorageError> {
    let mut runs: Vec<Arrivals> = Vec::new();
    each(table, |key, value| {
        let (first, place) = (super::schema::long_at(key, 0)?, Place::from_key(value)?);
        match runs.last_mut() {
            Some(run) if run.is_followed_by(first, &place) => run.count += 1,
            _ => runs.push(Arrivals { first, place, count: 1 }),
        }
        Ok(())
    })?;
    let mut rows = Writes::default();
    runs.iter().for_each(|run| rows.set(&run.key(), Some(&run.value())));
    replace(table, &rows, Tbl::Arrival)
}

/// Every row of a table that is kept in blocks.
fn each(
    table: &Table<'_, Bytes, Bytes>,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    for found in table.iter()? {
        let (_, block) = found?;
        let mut cursor = Cursor::default();
        while let Some(value) = cursor.next(block.value())? {
            visit(cursor.key(), &block.value()[value])?;
        }
    }
    Ok(())
}

fn replace(open: &mut Table<'_, Bytes, Bytes>, rows: &Writes, table: Tbl) -> Result<(), StorageError> {
    open.retain(|_, _| false)?;
    blocks::flush(open, rows, table.block())
}

/// Makes files of the formats before, for the tests that open them.
#[cfg(test)]
pub(super) mod back {
    use y7ke_crypto::ids::EventId;

    use super::*;
    use crate::store::raw;
    use crate::store::schema::{self, Record, decode};

    /// Rows of format 3 that format 4 has not: for the file, or for a record of its journal.
    pub(in crate::store) fn rows_each(transaction: &WriteTransaction) -> Result<[(Tbl, Writes); 3], StorageError> {
        let (mut order, mut arrival, mut fresh) = (Writes::default(), Writes::default(), Writes::default());
        each(&transaction.open_table(Tbl::Events.definition())?, |key, value| {
            let (place, record): (_, Record) = (Place::from_key(key)?, decode(value)?);
            let (hlc, device) = (record.header.hlc.to_be_bytes(), record.header.device.into_bytes());
            let order_key = [&key[..4], &hlc, &device, &place.seq.to_be_bytes(), &place.variant.to_be_bytes()].concat();
            order.set(&order_key, Some(&place.device.to_be_bytes()));
            arrival.set(&record.arrival.to_be_bytes(), Some(key));
            Ok(())
        })?;
        each(&transaction.open_table(Tbl::Fresh.definition())?, |run, entries| {
            for (id, place) in entries.chunks(EventId::LEN + Place::LEN).map(|entry| entry.split_at(EventId::LEN)) {
                fresh.set(&[run, id].concat(), Some(place));
            }
            Ok(())
        })?;
        Ok([(Tbl::Order, order), (Tbl::Arrival, arrival), (Tbl::Fresh, fresh)])
    }

    /// Makes a file of format 3 of this one; what only that format has is returned, and is not in it.
    pub(in crate::store) fn to_format_3(transaction: &WriteTransaction) -> Result<[(Tbl, Writes); 3], StorageError> {
        let rows = rows_each(transaction)?;
        for (table, _) in &rows {
            replace(&mut transaction.open_table(table.definition())?, &Writes::default(), *table)?;
        }
        raw::write_meta(transaction, meta::FORMAT, &schema::ROWS_EACH.to_le_bytes())?;
        Ok(rows)
    }

    /// Writes those rows into the file.
    pub(in crate::store) fn put(transaction: &WriteTransaction, rows: &[(Tbl, Writes); 3]) -> Result<(), StorageError> {
        for (table, rows) in rows {
            replace(&mut transaction.open_table(table.definition())?, rows, *table)?;
        }
        Ok(())
    }

    /// Makes a file of format 1 of one of format 3.
    pub(in crate::store) fn to_format_1(transaction: &WriteTransaction) -> Result<(), StorageError> {
        let mut fresh = Vec::new();
        for table in [Tbl::Fresh].into_iter().chain(Tbl::ALL).filter(|table| table.is_packed()) {
            let mut open = transaction.open_table(table.definition())?;
            let mut rows = Vec::new();
            each(&open, |key, value| {
                rows.push((key.to_vec(), value.to_vec()));
                Ok(())
            })?;
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
        transaction.open_table(Tbl::Meta.definition())?.remove(meta::FRESH)?;
        raw::write_meta(transaction, meta::FORMAT, &schema::ROWS_ALONE.to_le_bytes())
    }
}
