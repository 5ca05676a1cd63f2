//! The log on disk: redb, one writer, any number of snapshots.
//!
//! ```text
//! Ledger ── begin(rng) ──▶ Batch ── commit ──▶ durable          the one write transaction of a round
//!        └─ view()     ──▶ View                                 a snapshot of the last commit
//!                          Batch: Deref<Target = View>          … which, in a batch, sees its own writes
//!
//! mod      Ledger, Storage, errors          batch      numbers, states, commit
//! raw      tables of bytes, overlay         admitting  the door: admit, release, live set, forks
//! blocks   many rows in one value of redb      memo       what a batch need not look up twice
//! schema   keys and values                  opening    boxes, chains, event keys, bodies
//! view     what can be read                 writing    append, epochs, prekeys, notices
//! walks    wants merged, logs backwards     keeping    secrets, acks, addresses, drafts, settings …
//! rows     projections' rows                   index      ids: the last few commits apart
//! ```
//!
//! Invariants
//! * Dropping a batch leaves nothing behind, in the file or in memory.
//! * A commit is two-phase and synced before it returns; after a crash every committed event is there.
//! * A disk error never half-applies: the batch is lost as a whole, and the caller starts again.
//! * What opens something (keys, secrets) or is somebody's words is sealed under a subkey of the
//!   vault, bound to its table and key.

mod admitting;
mod batch;
mod blocks;
mod index;
mod keeping;
mod memo;
mod opening;
pub(crate) mod raw;
mod rows;
pub(crate) mod schema;
#[cfg(test)]
mod tests;
mod view;
mod walks;
mod writing;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rand_core::CryptoRng;
use redb::backends::FileBackend;
use redb::{Builder, Database, Durability, ReadableDatabase, StorageBackend, WriteTransaction};
use thiserror::Error;
use y7ke_crypto::codec::DecodeError;
use y7ke_crypto::vault::{Dek, SubKey};

use crate::orphans::Pool;
use crate::rows::BrokenRow;
use raw::Tables;
use schema::{FORMAT, ROWS_ALONE, meta};

pub use admitting::{Admission, Admitted, ProofOutcome};
pub use batch::{Batch, News};
pub use keeping::{AddressRow, MAX_ADDRESSES, Outbound};
pub use view::{Content, EventInfo, EventRef, Item, Items, LogInfo, Reason, Stats, Unopened, View};
pub use writing::{AppendError, Appended, EpochOutcome};

/// Memory that redb may use for pages, in bytes: the working set of a busy conversation many times over.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// Name of the database in its folder.
pub const FILE_NAME: &str = "ledger.redb";

/// Where the log lives.
#[derive(Debug)]
pub enum Storage {
    /// A file; it and its folder are created for this user alone (0600, 0700).
    File(PathBuf),
    /// Anything that redb can live on: memory, or a disk that fails on purpose.
    Backend(Box<dyn StorageBackend>),
}

impl Storage {
    /// The log of a data folder.
    pub fn folder(folder: &Path) -> Self {
        Self::File(folder.join(FILE_NAME))
    }

    /// In memory, gone when the ledger is dropped.
    pub fn memory() -> Self {
        Self::Backend(Box::new(redb::backends::InMemoryBackend::new()))
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
}

impl SubKeys {
    /// Derives them from the vault's key.
    pub fn new(dek: &Dek) -> Self {
        Self {
            keys: dek.subkey("ledger/keys"),
            secrets: dek.subkey("ledger/secrets"),
            words: dek.subkey("ledger/words"),
        }
    }

    /// The key for values of this table.
    fn of(&self, table: raw::Tbl) -> &SubKey {
        use raw::Tbl;
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
    /// Orphans between batches; an open batch has taken them.
    pool: Mutex<Pool>,
}

impl Ledger {
    /// Opens the log, or makes a new one.
    pub fn open(storage: Storage, keys: SubKeys) -> Result<Self, StorageError> {
        let database = match storage {
            Storage::File(path) => open_file(&path)?,
            Storage::Backend(backend) => builder().create_with_backend(Boxed(backend))?,
        };
        prepare(&database)?;
        Ok(Self { inner: Arc::new(Inner { database, keys: Arc::new(keys), pool: Mutex::new(Pool::new()) }) })
    }

    /// Begins the one write transaction; [`StorageError::Busy`] while another batch is open.
    ///
    /// `rng` seeds the nonces of what this batch seals at rest.
    pub fn begin(&self, rng: &mut impl CryptoRng) -> Result<Batch, StorageError> {
        let transaction = begin_write(&self.inner.database)?;
        let view = self.view()?;
        Ok(Batch::new(view, transaction, PoolLease::take(&self.inner), rng))
    }

    /// A snapshot of the last commit. Keep it briefly: pages that it sees are not reused meanwhile.
    pub fn view(&self) -> Result<View, StorageError> {
        let tables = Tables::snapshot(&self.inner.database.begin_read()?)?;
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
    fn take(home: &Arc<Inner>) -> Self {
        let mut place = home.pool.lock().unwrap_or_else(PoisonError::into_inner);
        Self { pool: std::mem::take(&mut place), home: Arc::clone(home) }
    }
}

impl Drop for PoolLease {
    fn drop(&mut self) {
        self.pool.undo();
        let mut place = self.home.pool.lock().unwrap_or_else(PoisonError::into_inner);
        *place = std::mem::take(&mut self.pool);
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

/// Makes the tables of a new file, or checks the format of an old one.
fn prepare(database: &Database) -> Result<(), StorageError> {
    let transaction = begin_write(database)?;
    raw::create_all(&transaction)?;
    let found = raw::read_meta(&transaction, meta::FORMAT)?;
    match found.as_deref().map(<[u8; 4]>::try_from) {
        None => {}
        Some(Ok(bytes)) if u32::from_le_bytes(bytes) == FORMAT => return Ok(transaction.abort()?),
        Some(Ok(bytes)) if u32::from_le_bytes(bytes) == ROWS_ALONE => raw::pack_all(&transaction)?,
        Some(Ok(bytes)) => return Err(StorageError::Format { found: u32::from_le_bytes(bytes) }),
        Some(Err(_)) => return Err(StorageError::Damaged { what: "format" }),
    }
    raw::write_meta(&transaction, meta::FORMAT, &FORMAT.to_le_bytes())?;
    Ok(transaction.commit()?)
}

fn open_file(path: &Path) -> Result<Database, StorageError> {
    let fail = |fault| StorageError::File { path: path.to_path_buf(), fault };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        create_folder(folder).map_err(fail)?;
    }
    let file = private_file(path).map_err(fail)?;
    Ok(builder().create_with_backend(FileBackend::new(file)?)?)
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
