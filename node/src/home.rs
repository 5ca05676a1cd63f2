//! The data folder: made private, locked, its vault opened.
//!
//! ```text
//! DIR (0700)
//! ├── lock         held by the running process; a second start is refused
//! ├── setting-up   there from the first file until the first commit is durable
//! ├── vault        the data key in its slot (`vault.rs`)
//! ├── vault.new    while the slot is being changed
//! ├── window       socket of an open desktop: a second start asks it to come forward (Unix)
//! ├── ledger.redb  everything else, sealed under subkeys of the data key …
//! └── ledger.journal … and what was written last
//! ```
//!
//! * Every file is created 0600, never tightened afterwards.
//! * `setting-up` at a start means that nobody was ever told of what lies here: it is made anew.
//!   Without it, a vault without its ledger (or the reverse) is damage, never a fresh start.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rand_core::CryptoRng;
use y7ke_crypto::codec::Wire;
use y7ke_crypto::vault::{Cost, Dek, VaultFile};
use y7ke_ledger::store::{FILE_NAME as LEDGER, JOURNAL_NAME as JOURNAL, Ledger, Storage, StorageError, SubKeys};
use zeroize::Zeroizing;

use crate::api::{Passphrase, VaultKind};
use crate::vault::{self, MAX_PASSPHRASE, OpenFault, VAULT, VAULT_NEW, Vault, private, sync_folder};

const LOCK: &str = "lock";
const SETTING_UP: &str = "setting-up";

/// Where the passphrase of a vault comes from.
#[derive(Clone, Copy, Debug)]
pub enum Given<'a> {
    /// None was given.
    Nothing,
    /// Somebody typed it.
    Words(&'a Passphrase),
    /// The first line of a file.
    File(&'a Path),
}

impl<'a> Given<'a> {
    /// What was typed, else the file.
    pub fn of(words: Option<&'a Passphrase>, file: Option<&'a Path>) -> Self {
        words.map(Self::Words).or(file.map(Self::File)).unwrap_or(Self::Nothing)
    }

    fn passphrase(self) -> Result<Option<Passphrase>, StartError> {
        match self {
            Self::Nothing => Ok(None),
            Self::Words(words) => Ok(Some(words.clone())),
            Self::File(file) => read_passphrase(file).map(Some),
        }
    }
}

/// A data folder that is ours while this value lives.
pub struct Home {
    folder: PathBuf,
    /// None while locked.
    dek: Option<Dek>,
    kind: VaultKind,
    fresh: bool,
    /// Held, not read: closing it frees the folder.
    _lock: File,
}

impl std::fmt::Debug for Home {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Home({}, …)", self.folder.display())
    }
}

impl Home {
    /// Opens `folder`, making it if it is not there: locked, its vault open.
    pub fn open(folder: &Path, given: Given<'_>, rng: &mut impl CryptoRng) -> Result<Self, StartError> {
        make_folder(folder)?;
        let lock = lock(folder)?;
        clear_unfinished(folder)?;
        let fresh = is_fresh(folder)?;
        Vault::of(folder).clear_unfinished().map_err(|why| not_writable(folder, why))?;
        let vault = if fresh { make_vault(folder, given, rng)? } else { open_vault(folder, given)? };
        Ok(Self { folder: folder.into(), kind: vault::kind(&vault.0), dek: Some(vault.1), fresh, _lock: lock })
    }

    /// Opens the vault of a folder that must be there, and writes nothing. With `shared`, it may be in use.
    pub fn open_existing(folder: &Path, given: Given<'_>, shared: bool) -> Result<Self, StartError> {
        let file = File::open(folder.join(LOCK)).map_err(|why| not_readable(folder, why))?;
        let lock = if shared { file } else { take(file, folder)? };
        let (vault, dek) = open_vault(folder, given)?;
        Ok(Self { folder: folder.into(), kind: vault::kind(&vault), dek: Some(dek), fresh: false, _lock: lock })
    }

    /// The ledger of this folder.
    pub fn open_ledger(&self) -> Result<Ledger, StartError> {
        let storage = Storage::folder(&self.folder);
        Ledger::open(storage, self.sub_keys()?).map_err(|fault| self.ledger_fault(&fault))
    }

    /// The keys of this folder's ledger; while it is locked there are none.
    pub fn sub_keys(&self) -> Result<SubKeys, StartError> {
        let dek = self.dek.as_ref().ok_or(StartError::Passphrase(PassphraseFault::Missing))?;
        Ok(SubKeys::new(dek))
    }

    /// The first commit is durable: from now on this folder is somebody's identity.
    pub fn settle(&mut self) -> Result<(), StartError> {
        if std::mem::take(&mut self.fresh) {
            let failed = |why| not_writable(&self.folder, why);
            std::fs::remove_file(self.folder.join(SETTING_UP)).map_err(failed)?;
            sync_folder(&self.folder).map_err(failed)?;
        }
        Ok(())
    }

    /// How the vault is locked.
    pub const fn vault_kind(&self) -> VaultKind {
        self.kind
    }

    /// Whether its key is not in memory.
    pub const fn is_locked(&self) -> bool {
        self.dek.is_none()
    }

    /// Where the vault lies.
    pub(crate) fn vault(&self) -> Vault {
        Vault::of(&self.folder)
    }

    /// Its secret is another one now.
    pub(crate) const fn vault_is(&mut self, kind: VaultKind) {
        self.kind = kind;
    }

    /// Wipes the key; the folder stays ours.
    pub(crate) fn lock_up(&mut self) {
        self.dek = None;
    }

    /// Takes the key again.
    pub(crate) fn unlock(&mut self, dek: Dek) {
        self.dek = Some(dek);
    }

    /// A ledger that does not open, as a reason not to start.
    pub fn ledger_fault(&self, fault: &StorageError) -> StartError {
        match fault {
            StorageError::InUse => StartError::InUse(self.folder.clone()),
            StorageError::File { fault, .. } => {
                not_writable(&self.folder, io::Error::new(fault.kind(), fault.to_string()))
            }
            fault => StartError::Damaged { folder: self.folder.clone(), what: fault.to_string() },
        }
    }
}

/// Why a node does not start; each has its exit code and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process has the folder.
    #[error("{} is in use by another y7ke; end that one first, or choose another folder with --data-dir", .0.display())]
    InUse(PathBuf),
    /// The vault does not open.
    #[error("{0}")]
    Passphrase(PassphraseFault),
    /// The keyring does not give the vault's key.
    #[error("{0}; log in to the desktop that has it and unlock the keyring there, then start again")]
    Keyring(String),
    /// The folder cannot be written.
    #[error("{} cannot be written ({why}); make it writable, or choose another folder with --data-dir", .folder.display())]
    NotWritable {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// The folder cannot be read.
    #[error("{} cannot be read ({why}); check who owns it", .folder.display())]
    NotReadable {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// There is no data folder where one is to be read.
    #[error("{} is not the folder of a y7ke identity; name one with --data-dir", .0.display())]
    Absent(PathBuf),
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
    #[error("the passphrase does not open this vault; check it, or the file given with --passphrase-file")]
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
            Self::Absent(_) => 2,
            Self::InUse(_) => 3,
            Self::Passphrase(_) | Self::Keyring(_) => 4,
            Self::NotWritable { .. } | Self::NotReadable { .. } => 5,
            Self::Damaged { .. } => 6,
            Self::AddressInUse { .. } => 7,
        }
    }
}

/// A vault and its key, opened by what there is.
fn open_vault(folder: &Path, given: Given<'_>) -> Result<(VaultFile, Dek), StartError> {
    let vault = Vault::of(folder);
    let opened = match vault.open(None) {
        Err(OpenFault::NoPassphrase) => match given.passphrase()? {
            Some(passphrase) => vault.open(Some(&passphrase)),
            None => Err(OpenFault::NoPassphrase),
        },
        opened => opened,
    };
    opened.map_err(|fault| match fault {
        OpenFault::NoPassphrase => StartError::Passphrase(PassphraseFault::Missing),
        OpenFault::WrongPassphrase => StartError::Passphrase(PassphraseFault::Wrong),
        OpenFault::Keyring(why) => StartError::Keyring(why.to_string()),
        OpenFault::Unreadable(why) => not_readable(folder, why),
        OpenFault::Damaged(what) => StartError::Damaged { folder: folder.into(), what },
    })
}

/// A fresh vault, durable before this returns.
fn make_vault(folder: &Path, given: Given<'_>, rng: &mut impl CryptoRng) -> Result<(VaultFile, Dek), StartError> {
    let (vault, dek) = match given.passphrase()? {
        None => VaultFile::with_file_slot(rng),
        Some(passphrase) => VaultFile::with_passphrase(rng, passphrase.expose(), Cost::STANDARD)
            .map_err(|fault| StartError::System(io::Error::other(fault)))?,
    };
    let bytes = Zeroizing::new(vault.to_bytes());
    let written = [(SETTING_UP, &[][..]), (VAULT, &bytes)].iter().try_for_each(|(name, bytes)| {
        let mut file = private().truncate(true).open(folder.join(name))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        sync_folder(folder)
    });
    written.map_err(|why| not_writable(folder, why))?;
    Ok((vault, dek))
}

fn read_passphrase(file: &Path) -> Result<Passphrase, StartError> {
    let unreadable = |why| StartError::Passphrase(PassphraseFault::Unreadable { file: file.into(), why });
    let opened = File::open(file).map_err(unreadable)?;
    first_line(opened).map_err(unreadable)?.ok_or_else(|| StartError::Passphrase(PassphraseFault::Empty(file.into())))
}

fn first_line(from: impl Read) -> io::Result<Option<Passphrase>> {
    let mut text = Zeroizing::new(String::new());
    from.take(MAX_PASSPHRASE as u64).read_to_string(&mut text)?;
    Ok(text.lines().next().filter(|line| !line.is_empty()).map(Passphrase::new))
}

/// The body of the fuzz target: see `crate::fuzz`.
pub(crate) fn fuzz(data: &[u8]) {
    let Ok(Some(passphrase)) = first_line(data) else { return };
    let words = passphrase.expose();
    assert!((1..=MAX_PASSPHRASE).contains(&words.len()) && !words.contains('\n'), "a line has one line");
    assert!(data.starts_with(words.as_bytes()), "a passphrase is what stands in the file");
}

/// A start that did not get to its first commit told nobody anything: its remains go.
fn clear_unfinished(folder: &Path) -> Result<(), StartError> {
    if !exists(folder, SETTING_UP)? {
        return Ok(());
    }
    for name in [LEDGER, JOURNAL, VAULT_NEW, VAULT, SETTING_UP] {
        match std::fs::remove_file(folder.join(name)) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(not_writable(folder, why)),
            _ => {}
        }
    }
    sync_folder(folder).map_err(|why| not_writable(folder, why))
}

/// Neither vault nor ledger: fresh. One without the other: something is lost, and beginning anew would hide it.
fn is_fresh(folder: &Path) -> Result<bool, StartError> {
    let lost = |what: &str| StartError::Damaged { folder: folder.into(), what: format!("its file {what} is missing") };
    match (exists(folder, VAULT)?, exists(folder, LEDGER)?) {
        (false, false) => Ok(true),
        (true, true) => Ok(false),
        (false, true) => Err(lost(VAULT)),
        (true, false) => Err(lost(LEDGER)),
    }
}

fn exists(folder: &Path, name: &str) -> Result<bool, StartError> {
    folder.join(name).try_exists().map_err(|why| not_writable(folder, why))
}

/// Makes the folder if it is not there, for its owner alone.
fn make_folder(folder: &Path) -> Result<(), StartError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|why| not_writable(folder, why))
}

/// Takes the folder's lock; it lasts as long as the file is open, a crash frees it.
fn lock(folder: &Path) -> Result<File, StartError> {
    let file = private().open(folder.join(LOCK)).map_err(|why| not_writable(folder, why))?;
    take(file, folder)
}

fn take(file: File, folder: &Path) -> Result<File, StartError> {
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::InUse(folder.into())),
        Err(TryLockError::Error(why)) => Err(not_writable(folder, why)),
    }
}

fn not_writable(folder: &Path, why: io::Error) -> StartError {
    StartError::NotWritable { folder: folder.into(), why }
}

fn not_readable(folder: &Path, why: io::Error) -> StartError {
    match why.kind() {
        io::ErrorKind::NotFound => StartError::Absent(folder.into()),
        _ => StartError::NotReadable { folder: folder.into(), why },
    }
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

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    /// A folder of this test's own under the system's temporary one, removed at the end.
    struct Temporary(PathBuf);

    impl Temporary {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("y7ke-home-{name}-{}", std::process::id()));
            drop(std::fs::remove_dir_all(&folder));
            Self(folder)
        }

        fn open(&self) -> Result<Home, StartError> {
            Home::open(&self.0, Given::Nothing, &mut ChaCha20Rng::seed_from_u64(1))
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn a_folder_has_one_owner() {
        let folder = Temporary::new("owner");
        let first = folder.open().expect("a fresh folder");
        assert_eq!(folder.open().err().map(|fault| fault.exit_code()), Some(3));
        drop(first);
        assert!(folder.open().is_ok());
    }

    #[test]
    fn until_it_is_settled_a_folder_is_made_anew() {
        let folder = Temporary::new("settled");
        drop(folder.open().expect("a fresh folder"));
        assert!(folder.0.join(SETTING_UP).exists());
        let mut second = folder.open().expect("a start that was cut short");
        drop(second.open_ledger().expect("a ledger"));
        second.settle().expect("a writable folder");
        let vault = std::fs::read(folder.0.join(VAULT)).expect("a vault");
        drop(second);
        drop(folder.open().expect("the same again"));
        assert_eq!(std::fs::read(folder.0.join(VAULT)).expect("a vault"), vault);
    }

    #[test]
    fn a_lost_file_is_damage_and_never_a_fresh_start() {
        let folder = Temporary::new("lost");
        let mut home = folder.open().expect("a fresh folder");
        drop(home.open_ledger().expect("a ledger"));
        home.settle().expect("a writable folder");
        drop(home);
        std::fs::remove_file(folder.0.join(LEDGER)).expect("a ledger");
        assert_eq!(folder.open().err().map(|fault| fault.exit_code()), Some(6));
    }
}
