//! The data folder: made private, locked, its vault opened.
//!
//! ```text
//! DIR (0700)
//! ├── lock         held by the running process; a second start is refused
//! ├── setting-up   there from the first file until the first commit is durable
//! ├── vault        the data key in its slot
//! └── ledger       everything else, sealed under subkeys of the data key
//! ```
//!
//! * Every file is created 0600, never tightened afterwards.
//! * `setting-up` at a start means that nobody was ever told of what lies here: it is made anew.
//!   Without it, a vault without its ledger (or the reverse) is damage, never a fresh start.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

const LOCK: &str = "lock";

/// Why a node does not start; each has its exit code and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process has the folder.
    #[error("{} is in use by another y7ke; end that one first, or choose another folder with --data-dir", .0.display())]
    InUse(PathBuf),
    /// The vault does not open.
    #[error("{0}")]
    Passphrase(PassphraseFault),
    /// The folder cannot be written.
    #[error("{} cannot be written ({why}); make it writable, or choose another folder with --data-dir", .folder.display())]
    NotWritable {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// What lies in the folder is not whole.
    #[error("{} is damaged: {what}; put the folder back from a copy, or choose another one with --data-dir", .folder.display())]
    Damaged {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// An address that was asked for is taken.
    #[error("cannot listen on {address} ({why}); end what uses it, or give another --listen")]
    AddressInUse {
        /// The address.
        address: String,
        /// What the system said.
        why: String,
    },
    /// The system refused something that every start needs.
    #[error("the system refused to start the node: {0}")]
    System(#[from] io::Error),
}

/// What is wrong with the passphrase.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseFault {
    /// The vault has one and none was given.
    #[error("this vault is locked by a passphrase; give it with --passphrase-file FILE")]
    Missing,
    /// It does not open the vault.
    #[error("the passphrase does not open this vault; check the file given with --passphrase-file")]
    Wrong,
    /// The file has an empty first line.
    #[error("the first line of the passphrase file {} is empty", .0.display())]
    Empty(PathBuf),
    /// The file cannot be read.
    #[error("the passphrase file {} cannot be read ({why})", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        why: io::Error,
    },
}

impl StartError {
    /// The process's exit code.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::System(_) => 1,
            Self::InUse(_) => 3,
            Self::Passphrase(_) => 4,
            Self::NotWritable { .. } => 5,
            Self::Damaged { .. } => 6,
            Self::AddressInUse { .. } => 7,
        }
    }
}

/// Makes the folder if it is not there, for its owner alone.
fn make_folder(folder: &Path) -> Result<(), StartError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|why| not_writable(folder, why))
}

/// Options that create a file for its owner alone.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Takes the folder's lock; it lasts as long as the file is open, a crash frees it.
fn lock(folder: &Path) -> Result<File, StartError> {
    let file = private().open(folder.join(LOCK)).map_err(|why| not_writable(folder, why))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::InUse(folder.into())),
        Err(TryLockError::Error(why)) => Err(not_writable(folder, why)),
    }
}

fn not_writable(folder: &Path, why: io::Error) -> StartError {
    StartError::NotWritable { folder: folder.into(), why }
}

/// No core dumps (they would hold every key), and no file of ours readable by others even where a library creates it.
pub fn harden() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit, umask};
        umask(rustix::fs::Mode::from_raw_mode(0o077));
        if let Err(fault) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
            tracing::warn!(%fault, "core dumps cannot be switched off");
        }
    }
    #[cfg(target_os = "linux")]
    if let Err(fault) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable) {
        tracing::warn!(%fault, "the process stays dumpable");
    }
}
