//! The log on disk: redb, one writer, any number of snapshots.
//!
//! ```text
//! Ledger ── begin(rng) ──▶ Batch ── commit ──▶ durable          all that a round writes, at once
//!        └─ view()     ──▶ View                                 a snapshot of the last commit
//!                          Batch: Deref<Target = View>          … which, in a batch, sees its own writes
//!
//! mod      Ledger, Storage, errors          batch      numbers, states, commit
//! raw      tables of bytes, in layers       admitting  the door: admit, release, live set, forks
//! writes   rows of a layer, in order        
//! journal  commits that redb has not seen   memo       what a batch need not look up twice
//! blocks   many rows in one value of redb
//! schema   keys and values                  opening    boxes, chains, event keys, bodies
//! view     what can be read                 writing    append, epochs, prekeys, notices
//! walks    wants merged, logs backwards     keeping    secrets, acks, addresses, drafts, settings …
//! rows     projections' rows                   index      ids: the last few commits apart
//! ```
//!
//! Invariants
//! * Dropping a batch leaves nothing behind, in the file or in memory.
//! * A commit is synced before it returns: as one record of the journal, or, with all that the journal holds, as one
//!   two-phase transaction of redb. After a crash every committed event is there.
//! * A disk error never half-applies: the batch is lost as a whole, and the caller starts again.
//! * What opens something (keys, secrets) or is somebody's words is sealed under a subkey of the
//!   vault, bound to its table and key.

mod admitting;
mod batch;
pub(crate) mod blocks;
mod index;
pub(crate) mod journal;
mod keeping;
mod lockbox;
mod memo;
mod opening;
pub(crate) mod raw;
mod rows;
pub(crate) mod schema;
#[cfg(test)]
mod tests;
mod upgrade;
mod view;
mod walks;
mod writes;
mod writing;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand_core::CryptoRng;
use redb::backends::FileBackend;
use redb::{Builder, Database, Durability, ReadableDatabase, StorageBackend, WriteTransaction};
use thiserror::Error;
use y7ke_crypto::codec::DecodeError;
use y7ke_crypto::vault::{Dek, SubKey};

use crate::orphans::Pool;
use crate::rows::BrokenRow;
use journal::Journal;
use raw::{Base, Layer, Tables, Tbl};
use schema::{FORMAT, NO_JOURNAL, ROWS_ALONE, ROWS_EACH, meta};

pub use admitting::{Admission, Admitted, ProofOutcome};
pub use batch::{Batch, News};
pub use keeping::{AddressRow, MAX_ADDRESSES, Outbound};
pub use view::{Content, EventInfo, EventRef, Item, Items, LogInfo, Reason, Stats, Unopened, View};
pub use writing::{AppendError, Appended, EpochOutcome};

/// Memory that redb may use for pages, in bytes: the working set of a busy conversation many times over.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// Name of the database in its folder.
pub const FILE_NAME: &str = "ledger.redb";

/// Name of the journal beside it: what was committed and is not in the database yet. One is nothing without the other.
pub const JOURNAL_NAME: &str = "ledger.journal";

/// Where the log lives.
#[derive(Debug)]
pub enum Storage {
    /// Two files; they and their folder are created for this user alone (0600, 0700).
    Folder(PathBuf),
    /// Anything that bytes can live on: memory, or a disk that fails on purpose.
    Backends {
        /// In place of the database.
        pages: Box<dyn StorageBackend>,
        /// In place of the journal.
        journal: Box<dyn StorageBackend>,
    },
}

impl Storage {
    /// The log of a data folder.
    pub fn folder(folder: &Path) -> Self {
        Self::Folder(folder.to_path_buf())
    }

    /// In memory, gone when the ledger is dropped.
    pub fn memory() -> Self {
        let memory = || Box::new(redb::backends::InMemoryBackend::new());
        Self::Backends { pages: memory(), journal: memory() }
    }
}

/// This disk's fault, or a bug of ours; never a peer's.
#[derive(Debug, Error)]
pub enum StorageError {
    /// The disk said no. The ledger must be opened again before it is used further.
    #[error("the disk failed: {0}")]
    Disk(#[source] redb::Error),
    /// The file or its folder cannot be made or opened.
    #[error("{}: {fault}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        fault: std::io::Error,
    },
    /// Another process has the file open.
    #[error("another process is using this folder")]
    InUse,
    /// Something in the file is not what this store wrote.
    #[error("the log is damaged: {what}")]
    Damaged {
        /// What could not be read.
        what: &'static str,
    },
    /// A row of a projection is not what a fold wrote: [`Batch::rebuild_projections`] mends it.
    #[error(transparent)]
    Row(BrokenRow),
    /// A sealed value does not open: the vault's key is another one, or the file was tampered with.
    #[error("a sealed value in `{table}` does not open with this vault")]
    Sealed {
        /// In which table.
        table: &'static str,
    },
    /// Written by another version.
    #[error("the log has format {found}, this program reads format {FORMAT}")]
    Format {
        /// Found in the file.
        found: u32,
    },
    /// A second batch was begun while one is open: a bug of ours.
    #[error("another batch is open")]
    Busy,
    /// A log or device that the caller names is not in the store: a bug of ours.
    #[error("not in the store: {what}")]
    Absent {
        /// What.
        what: &'static str,
    },
}

macro_rules! disk_errors {
    ($($fault:ty),*) => {$(
        impl From<$fault> for StorageError {
            fn from(fault: $fault) -> Self {
                Self::Disk(fault.into())
            }
        }
    )*};
}

disk_errors!(redb::StorageError, redb::TableError, redb::CommitError, redb::SetDurabilityError);

impl From<redb::TransactionError> for StorageError {
    fn from(fault: redb::TransactionError) -> Self {
        match fault {
            redb::TransactionError::WouldBlock => Self::Busy,
            other => Self::Disk(other.into()),
        }
    }
}

impl From<redb::DatabaseError> for StorageError {
    fn from(fault: redb::DatabaseError) -> Self {
        match fault {
            redb::DatabaseError::DatabaseAlreadyOpen => Self::InUse,
            other => Self::Disk(other.into()),
        }
    }
}

impl From<BrokenRow> for StorageError {
    fn from(fault: BrokenRow) -> Self {
        Self::Row(fault)
    }
}

impl From<DecodeError> for StorageError {
    fn from(fault: DecodeError) -> Self {
        Self::Damaged { what: fault.what }
    }
}

/// The keys that values are sealed under, one use each.
pub struct SubKeys {
    keys: SubKey,
    secrets: SubKey,
    words: SubKey,
    journal: SubKey,
}

impl SubKeys {
    /// Derives them from the vault's key.
    pub fn new(dek: &Dek) -> Self {
        Self {
            keys: dek.subkey("ledger/keys"),
            secrets: dek.subkey("ledger/secrets"),
            words: dek.subkey("ledger/words"),
            journal: dek.subkey("ledger/journal"),
        }
    }

    /// The key for values of this table.
    fn of(&self, table: Tbl) -> &SubKey {
        match table {
            Tbl::Chains | Tbl::Keys | Tbl::Prekeys => &self.keys,
            Tbl::Secrets => &self.secrets,
            _ => &self.words,
        }
    }
}

impl std::fmt::Debug for SubKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SubKeys(…)")
    }
}

/// The log of one profile. Clones share it.
#[derive(Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    database: Database,
    keys: Arc<SubKeys>,
    /// What views are made of; locked for as long as it takes to clone two pointers.
    shown: Mutex<Shown>,
    journal: Mutex<Journal>,
    /// Orphans between batches; an open batch has taken them.
    pool: Mutex<Option<Pool>>,
}

/// The last commit.
struct Shown {
    base: Arc<Base>,
    above: Arc<Layer>,
}

impl Shown {
    fn checkpoint(database: &Database, above: Layer) -> Result<Self, StorageError> {
        Ok(Self { base: Arc::new(Base::of(&database.begin_read()?)?), above: Arc::new(above) })
    }
}

impl Inner {
    /// Makes what a batch wrote durable.
    fn commit(&self, rows: Layer, rng: &mut impl CryptoRng) -> Result<(), StorageError> {
        let mut journal = lock(&self.journal);
        if rows.is_empty() {
            return Ok(());
        }
        if !journal.takes(&rows) {
            return self.checkpoint(&mut journal, rows);
        }
        journal.append(&rows, &self.keys.journal, rng)?;
        Arc::make_mut(&mut lock(&self.shown).above).lay(rows);
        Ok(())
    }

    /// Brings everything into redb: what the journal holds, and these rows on top.
    fn checkpoint(&self, journal: &mut Journal, rows: Layer) -> Result<(), StorageError> {
        let done = self.write_down(journal.last(), rows);
        match &done {
            Ok(()) => journal.restart(),
            Err(_) => journal.break_off(),
        }
        done
    }

    fn write_down(&self, last: u64, rows: Layer) -> Result<(), StorageError> {
        let mut all = Layer::clone(&Arc::clone(&lock(&self.shown).above));
        all.lay(rows);
        all.set(Tbl::Meta, meta::JOURNAL, Some(&last.to_be_bytes()));
        let transaction = begin_write(&self.database)?;
        all.flush(&transaction)?;
        transaction.commit()?;
        *lock(&self.shown) = Shown::checkpoint(&self.database, Layer::empty())?;
        Ok(())
    }
}

/// A clean end leaves everything in redb. What this cannot write stands in the journal: the next opening reads it.
impl Drop for Inner {
    fn drop(&mut self) {
        let mut journal = lock(&self.journal);
        if !journal.is_broken() && !lock(&self.shown).above.is_empty() {
            drop(self.checkpoint(&mut journal, Layer::empty()));
        }
    }
}

fn lock<T>(place: &Mutex<T>) -> MutexGuard<'_, T> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    /// Opens the log, or makes a new one.
    pub fn open(storage: Storage, keys: SubKeys) -> Result<Self, StorageError> {
        let Files { database, journal, folder } = Files::of(storage)?;
        let Prepared { applied, is_old } = prepare(&database, journal.as_ref(), folder.as_deref())?;
        let (mut journal, mut above) = Journal::open(journal, applied, &keys.journal)?;
        if is_old {
            join(&database, &mut journal, std::mem::replace(&mut above, Layer::empty()))?;
        }
        let shown = Shown::checkpoint(&database, above)?;
        let inner = Inner {
            database,
            keys: Arc::new(keys),
            shown: Mutex::new(shown),
            journal: Mutex::new(journal),
            pool: Mutex::new(Some(Pool::new())),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Begins the one batch; [`StorageError::Busy`] while another one is open.
    ///
    /// `rng` seeds the nonces of what this batch seals at rest.
    pub fn begin(&self, rng: &mut impl CryptoRng) -> Result<Batch, StorageError> {
        let lease = PoolLease::take(&self.inner).ok_or(StorageError::Busy)?;
        if lock(&self.inner.journal).is_broken() {
            return Err(StorageError::Disk(redb::Error::PreviousIo));
        }
        Ok(Batch::new(self.view()?, lease, rng))
    }

    /// A snapshot of the last commit. Keep it briefly: pages that it sees are not reused meanwhile.
    pub fn view(&self) -> Result<View, StorageError> {
        let shown = lock(&self.inner.shown);
        let tables = Tables::over(Arc::clone(&shown.base), Arc::clone(&shown.above));
        Ok(View::new(tables, Arc::clone(&self.inner.keys)))
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ledger(…)")
    }
}

/// The pool of orphans, borrowed by a batch; goes back undone unless the batch was committed.
pub(crate) struct PoolLease {
    pub(crate) pool: Pool,
    home: Arc<Inner>,
}

impl PoolLease {
    /// None while another batch has it.
    fn take(home: &Arc<Inner>) -> Option<Self> {
        Some(Self { pool: lock(&home.pool).take()?, home: Arc::clone(home) })
    }

    /// Makes what the batch wrote durable, and what it did to the orphans final.
    fn commit(mut self, rows: Layer, rng: &mut impl CryptoRng) -> Result<(), StorageError> {
        self.home.commit(rows, rng)?;
        self.pool.settle();
        Ok(())
    }
}

impl Drop for PoolLease {
    fn drop(&mut self) {
        self.pool.undo();
        *lock(&self.home.pool) = Some(std::mem::take(&mut self.pool));
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

fn begin_write(database: &Database) -> Result<WriteTransaction, StorageError> {
    let mut transaction = database.try_begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_two_phase_commit(true);
    transaction.set_quick_repair(true);
    Ok(transaction)
}

/// What was found in redb.
struct Prepared {
    /// The number of the last record of the journal that is in it.
    applied: u64,
    /// Whether its rows are those of [`ROWS_EACH`]: they are brought up to date with those of its journal.
    is_old: bool,
}

/// Makes the tables of a new file, brings one that had no journal up to date, or checks the format.
fn prepare(database: &Database, journal: &dyn StorageBackend, folder: Option<&Path>) -> Result<Prepared, StorageError> {
    let transaction = begin_write(database)?;
    raw::create_all(&transaction)?;
    let found = raw::read_meta(&transaction, meta::FORMAT)?;
    match found.as_deref().map(<[u8; 4]>::try_from).map(|bytes| bytes.map(u32::from_le_bytes)) {
        None => {}
        Some(Ok(NO_JOURNAL)) => upgrade::join_rows(&transaction)?,
        Some(Ok(ROWS_ALONE)) => {
            upgrade::pack_all(&transaction)?;
            upgrade::join_rows(&transaction)?;
        }
        Some(Ok(found @ (FORMAT | ROWS_EACH))) => {
            return Ok(Prepared { applied: number_of_last(&transaction)?, is_old: found == ROWS_EACH });
        }
        Some(Ok(found)) => return Err(StorageError::Format { found }),
        Some(Err(_)) => return Err(StorageError::Damaged { what: "format" }),
    }
    Journal::create(journal).map_err(redb::Error::Io).map_err(StorageError::Disk)?;
    // From the commit on a missing journal is a loss: its name has to be durable before.
    folder.map_or(Ok(()), sync_folder)?;
    raw::write_meta(&transaction, meta::JOURNAL, &0_u64.to_be_bytes())?;
    raw::write_meta(&transaction, meta::FORMAT, &FORMAT.to_le_bytes())?;
    transaction.commit()?;
    Ok(Prepared { applied: 0, is_old: false })
}

/// Brings a file of [`ROWS_EACH`] up to date, with what its journal held.
fn join(database: &Database, journal: &mut Journal, mut above: Layer) -> Result<(), StorageError> {
    let transaction = begin_write(database)?;
    above.set(Tbl::Meta, meta::JOURNAL, Some(&journal.last().to_be_bytes()));
    above.flush(&transaction)?;
    upgrade::join_rows(&transaction)?;
    raw::write_meta(&transaction, meta::FORMAT, &FORMAT.to_le_bytes())?;
    transaction.commit()?;
    journal.restart();
    Ok(())
}

fn number_of_last(transaction: &WriteTransaction) -> Result<u64, StorageError> {
    let found = raw::read_meta(transaction, meta::JOURNAL)?.ok_or(StorageError::Damaged { what: "journal" })?;
    schema::long_at(&found, 0)
}

/// What a storage consists of. The database is opened first: it holds the lock.
struct Files {
    database: Database,
    journal: Box<dyn StorageBackend>,
    folder: Option<PathBuf>,
}

impl Files {
    fn of(storage: Storage) -> Result<Self, StorageError> {
        match storage {
            Storage::Backends { pages, journal } => {
                Ok(Self { database: builder().create_with_backend(Boxed(pages))?, journal, folder: None })
            }
            Storage::Folder(folder) => {
                create_folder(&folder).map_err(|fault| StorageError::File { path: folder.clone(), fault })?;
                let database = builder().create_with_backend(open_file(&folder.join(FILE_NAME))?)?;
                let journal = Box::new(open_file(&folder.join(JOURNAL_NAME))?);
                Ok(Self { database, journal, folder: Some(folder) })
            }
        }
    }
}

fn open_file(path: &Path) -> Result<FileBackend, StorageError> {
    let file = private_file(path).map_err(|fault| StorageError::File { path: path.to_path_buf(), fault })?;
    Ok(FileBackend::new(file)?)
}

/// Makes names in a folder durable, where the system can.
fn sync_folder(folder: &Path) -> Result<(), StorageError> {
    #[cfg(unix)]
    std::fs::File::open(folder)
        .and_then(|open| open.sync_all())
        .map_err(|fault| StorageError::File { path: folder.to_path_buf(), fault })?;
    Ok(())
}

fn create_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn private_file(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A backend behind a pointer, so that [`Storage`] is one type.
#[derive(Debug)]
struct Boxed(Box<dyn StorageBackend>);

impl StorageBackend for Boxed {
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> std::io::Result<()> {
        self.0.close()
    }
}
