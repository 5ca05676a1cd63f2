//! The projections' rows in the ledger's file.
//!
//! ```text
//! rows   table u8 · key (begins with the log's id)  ─▶  value
//!        a table that holds words: the value is sealed, bound to the whole key
//! ```

use y7ke_crypto::event::Dep;
use y7ke_crypto::ids::EventId;

use super::StorageError;
use super::batch::Batch;
use super::raw::{Range, Tbl};
use super::view::{Content, View};
use crate::rows::{Order, Rows, RowsMut, Span, Table, Visit};
use crate::views::{EventAt, Events, Opened};

fn row_key(table: Table, key: &[u8]) -> Vec<u8> {
    [&[table.number()], key].concat()
}

impl View {
    fn row_value(&self, table: Table, key: &[u8], stored: &[u8]) -> Result<Vec<u8>, StorageError> {
        if table.holds_text() { Ok(self.unseal(Tbl::Rows, key, stored)?.to_vec()) } else { Ok(stored.to_vec()) }
    }
}

impl Rows for View {
    type Error = StorageError;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let key = row_key(table, key);
        self.tables.get(Tbl::Rows, &key)?.map(|stored| self.row_value(table, &key, &stored)).transpose()
    }

    fn walk(&self, table: Table, span: &Span, order: Order, visit: &mut Visit<'_>) -> Result<(), StorageError> {
        let from = row_key(table, &span.from);
        let to = span.to.as_ref().map_or(vec![table.number() + 1], |to| row_key(table, to));
        let forward = Range::new(&from, Some(&to));
        let range = if order == Order::Backward { forward.reversed() } else { forward };
        self.tables.walk(Tbl::Rows, range, &mut |key, stored| {
            let own_key = key.get(1..).ok_or(StorageError::Damaged { what: "row" })?;
            if table.holds_text() {
                return Ok(visit(own_key, &self.unseal(Tbl::Rows, key, stored)?));
            }
            Ok(visit(own_key, stored))
        })
    }
}

impl Rows for Batch {
    type Error = StorageError;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Rows::get(&self.view, table, key)
    }

    fn walk(&self, table: Table, span: &Span, order: Order, visit: &mut Visit<'_>) -> Result<(), StorageError> {
        Rows::walk(&self.view, table, span, order, visit)
    }
}

impl RowsMut for Batch {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StorageError> {
        let key = row_key(table, key);
        if table.holds_text() {
            self.put_sealed(Tbl::Rows, key, value);
        } else {
            self.put(Tbl::Rows, key, value);
        }
        Ok(())
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), StorageError> {
        let key = row_key(table, key);
        if self.view.tables.contains(Tbl::Rows, &key)? {
            self.delete(Tbl::Rows, key);
        }
        Ok(())
    }
}

impl Events for View {
    fn locate(&self, id: &EventId) -> Result<Option<EventAt>, StorageError> {
        let found = self.event(id)?.map(|event| event.names());
        Ok(found.map(|event| EventAt { log: event.log, device: event.device, seq: event.seq, id: *id }))
    }

    fn body(&self, at: &EventAt) -> Result<Opened, StorageError> {
        let Some(log) = self.log_number(&at.log)? else { return Ok(Opened::Closed) };
        let dep = Dep { device: at.device, seq: at.seq, id: at.id };
        let Some((place, record)) = self.find(log, &dep)? else { return Ok(Opened::Closed) };
        Ok(match self.content_of(&place, &record)? {
            Content::Body(body) => Opened::Body(body),
            Content::NoEffect => Opened::Nothing,
            Content::Sealed | Content::Missing => Opened::Closed,
        })
    }
}

impl Events for Batch {
    fn locate(&self, id: &EventId) -> Result<Option<EventAt>, StorageError> {
        self.view.locate(id)
    }

    fn body(&self, at: &EventAt) -> Result<Opened, StorageError> {
        self.view.body(at)
    }
}
