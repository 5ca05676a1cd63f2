//! The rival store: SQLite as a careful messenger would use it.
//!
//! ```text
//! journal_mode = WAL · synchronous = FULL · secure_delete = ON      every commit is synced; deleted text is overwritten
//! message(id INTEGER PRIMARY KEY, author, sent_at, status, body)    one transaction per change, no other index
//! ```
//!
//! Text is stored as it is: the rival neither encrypts, nor signs, nor can prove an order. It is the
//! floor of what "durable" costs.

use std::path::Path;

use rusqlite::{Connection, params};

/// A connection to the rival's file.
pub struct Store {
    connection: Connection,
}

impl Store {
    /// Opens the file, or makes it. Several connections to one file are how several writers share it.
    pub fn open(folder: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(folder.join("messages.sqlite"))?;
        connection.busy_timeout(std::time::Duration::from_secs(60))?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
             CREATE TABLE IF NOT EXISTS message (
                 id INTEGER PRIMARY KEY, author BLOB NOT NULL, sent_at INTEGER NOT NULL,
                 status INTEGER NOT NULL, body TEXT NOT NULL);",
        )?;
        Ok(Self { connection })
    }

    /// One row, durable when this returns.
    pub fn insert(&self, id: u64, author: &[u8; 32], body: &str) -> rusqlite::Result<()> {
        let mut insert = self.connection.prepare_cached("INSERT INTO message VALUES (?1, ?2, ?3, 0, ?4)")?;
        insert.execute(params![id.cast_signed(), author, 1_790_000_000_000_i64, body]).map(|_| ())
    }

    /// The row's new status, durable when this returns.
    pub fn set_status(&self, id: u64, status: i64) -> rusqlite::Result<()> {
        let mut update = self.connection.prepare_cached("UPDATE message SET status = ?2 WHERE id = ?1")?;
        update.execute(params![id.cast_signed(), status]).map(|_| ())
    }

    /// How many rows there are.
    pub fn count(&self) -> rusqlite::Result<i64> {
        self.connection.query_row("SELECT count(*) FROM message", [], |row| row.get(0))
    }
}
