//! The vault of a data folder: opened by what there is, and moved from one secret to another.
//!
//! ```text
//! open      file: by what lies in it · passphrase: asked for · keyring: by what the system keeps
//! change    the present secret ─▶ the key ─▶ one new slot around the same key ─▶ the file replaced
//! replace   1 vault.new written, synced   2 renamed over vault   3 folder synced   4 the old bytes overwritten, synced
//!           before 3 is through the old or the new secret opens, after it the new one alone; never neither
//! ```
//!
//! * One slot stands in a vault at a time: the old secret opens nothing once the new one is in force.
//! * A key in the keyring has a name of its own: the new one is kept before the file names it, the old one is
//!   forgotten after the file no longer does.
//! * Overwriting reaches the old bytes as far as the file system writes in place (docs/THREAT_MODEL.md). Who kept
//!   a copy of the old file *and* its secret opens what is written later as well: the key is the same.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rand_core::CryptoRng;
use y7ke_crypto::codec::Wire;
use y7ke_crypto::vault::{Cost, Dek, Protection, VaultFault, VaultFile};
use zeroize::Zeroizing;

use crate::api::{ApiError, ErrorKind, Passphrase, VaultKind};
use crate::keyring::{Keyring, KeyringFault};

/// The vault's file.
pub(crate) const VAULT: &str = "vault";

/// The vault that is to take its place.
pub(crate) const VAULT_NEW: &str = "vault.new";

/// A passphrase in bytes at most: more is a wrong file.
pub(crate) const MAX_PASSPHRASE: usize = 4096;

/// Where a vault lies.
#[derive(Clone, Debug)]
pub(crate) struct Vault {
    folder: PathBuf,
    keyring: Keyring,
}

/// Why a vault does not open.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenFault {
    /// It has a passphrase and none was given.
    #[error("the vault is locked by a passphrase")]
    NoPassphrase,
    /// The passphrase is another one.
    #[error("the passphrase does not open this vault")]
    WrongPassphrase,
    /// The keyring does not give the key.
    #[error(transparent)]
    Keyring(#[from] KeyringFault),
    /// The file cannot be read.
    #[error("the vault file cannot be read ({0})")]
    Unreadable(#[source] io::Error),
    /// What was read is no vault, or was changed.
    #[error("{0}")]
    Damaged(String),
}

/// What is asked of a vault: the secret that it is moved to.
pub(crate) enum Target {
    /// None: the key lies in the file.
    File,
    /// This passphrase.
    Passphrase(Passphrase),
    /// A random key that the system's keyring holds.
    Keyring,
}

/// A step of the replacement, for what stands in its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Write,
    SyncNew,
    Rename,
    SyncFolder,
    Overwrite,
    SyncOld,
}

impl Vault {
    pub(crate) fn of(folder: &Path) -> Self {
        Self { folder: folder.into(), keyring: Keyring::OfSystem }
    }

    pub(crate) fn has_keyring(&self) -> bool {
        self.keyring.is_there()
    }

    /// The file and its key.
    pub(crate) fn open(&self, passphrase: Option<&Passphrase>) -> Result<(VaultFile, Dek), OpenFault> {
        let vault = self.read()?;
        let opened = match (vault.protection(), passphrase) {
            (Protection::None, _) => vault.open_file(),
            (Protection::Passphrase, Some(passphrase)) => vault.open_passphrase(passphrase.expose()),
            (Protection::Passphrase, None) => return Err(OpenFault::NoPassphrase),
            (Protection::Keyring, _) => self.open_by_keyring(&vault)?,
        };
        let dek = opened.map_err(|fault| match fault {
            VaultFault::WrongPassphrase => OpenFault::WrongPassphrase,
            VaultFault::NotInKeyring => OpenFault::Keyring(KeyringFault::Unknown),
            fault => OpenFault::Damaged(fault.to_string()),
        })?;
        Ok((vault, dek))
    }

    fn open_by_keyring(&self, vault: &VaultFile) -> Result<Result<Dek, VaultFault>, OpenFault> {
        let entry = *vault.entries().first().ok_or(KeyringFault::Unknown)?;
        let key = self.keyring.find(&entry.name())?;
        Ok(vault.open_keyring(&entry, &key))
    }

    fn read(&self) -> Result<VaultFile, OpenFault> {
        let bytes = Zeroizing::new(std::fs::read(self.folder.join(VAULT)).map_err(OpenFault::Unreadable)?);
        VaultFile::from_bytes(&bytes).map_err(|_fault| OpenFault::Damaged("the vault file is not one".into()))
    }

    /// Moves the vault to another secret. Takes the time that stretching a passphrase takes, or a person to unlock
    /// the keyring.
    pub(crate) fn change(
        &self,
        to: &Target,
        current: Option<&Passphrase>,
        rng: &mut impl CryptoRng,
    ) -> Result<VaultKind, ApiError> {
        let (old, dek) = self.open(current).map_err(|fault| not_current(&fault))?;
        let new = self.rewrap(&old, &dek, to, rng)?;
        self.replace(&Zeroizing::new(new.to_bytes()), &mut |_step| Ok(())).map_err(|why| unwritten(&why))?;
        for entry in old.entries() {
            if let Err(why) = self.keyring.forget(&entry.name()) {
                tracing::warn!(%why, "the keyring still holds a key that opens nothing any more");
            }
        }
        Ok(kind(&new))
    }

    fn rewrap(&self, old: &VaultFile, dek: &Dek, to: &Target, rng: &mut impl CryptoRng) -> Result<VaultFile, ApiError> {
        let unmade = |fault: VaultFault| storage(format!("The vault was left as it was: {fault}."));
        match to {
            Target::File => old.rewrapped_in_file(rng, dek).map_err(unmade),
            Target::Passphrase(words) => {
                old.rewrapped_by_passphrase(rng, dek, words.expose(), Cost::STANDARD).map_err(unmade)
            }
            Target::Keyring => {
                let (new, entry, key) = old.rewrapped_by_keyring(rng, dek).map_err(unmade)?;
                self.keyring.keep(&entry.name(), &key).map_err(|fault| no_keyring(&fault))?;
                Ok(new)
            }
        }
    }

    /// Puts `bytes` in the place of the file. `before` is asked ahead of each step; what it refuses ends it there.
    fn replace(&self, bytes: &[u8], before: &mut dyn FnMut(Step) -> io::Result<()>) -> io::Result<()> {
        let (path, beside) = (self.folder.join(VAULT), self.folder.join(VAULT_NEW));
        let mut old = OpenOptions::new().write(true).open(&path)?;
        before(Step::Write)?;
        let mut new = private().truncate(true).open(&beside)?;
        new.write_all(bytes)?;
        before(Step::SyncNew)?;
        new.sync_all()?;
        before(Step::Rename)?;
        std::fs::rename(&beside, &path)?;
        before(Step::SyncFolder)?;
        sync_folder(&self.folder)?;
        // From here on the new secret is in force; what fails now is the erasure alone.
        if let Err(why) = before(Step::Overwrite).and_then(|()| overwrite(&mut old, before)) {
            tracing::warn!(%why, "the old vault file could not be overwritten");
        }
        Ok(())
    }

    /// What a change that was cut short left beside the vault: it may hold a key in the clear.
    pub(crate) fn clear_unfinished(&self) -> io::Result<()> {
        let beside = self.folder.join(VAULT_NEW);
        if !beside.try_exists()? {
            return Ok(());
        }
        overwrite(&mut OpenOptions::new().write(true).open(&beside)?, &mut |_step| Ok(()))?;
        std::fs::remove_file(&beside)?;
        sync_folder(&self.folder)
    }
}

/// How a vault is locked.
pub(crate) fn kind(vault: &VaultFile) -> VaultKind {
    match vault.protection() {
        Protection::None => VaultKind::File,
        Protection::Passphrase => VaultKind::Passphrase,
        Protection::Keyring => VaultKind::Keyring,
    }
}

fn overwrite(file: &mut File, before: &mut dyn FnMut(Step) -> io::Result<()>) -> io::Result<()> {
    let len = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&vec![0; len.min(VaultFile::CAP)])?;
    before(Step::SyncOld)?;
    file.sync_all()
}

/// Options that create a file for its owner alone.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Names of files are durable only once their folder is.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    drop(folder);
    Ok(())
}

/// A new passphrase, if it can be one.
pub(crate) fn sound(passphrase: Passphrase) -> Result<Passphrase, ApiError> {
    match passphrase.expose().len() {
        0 => Err(ApiError::param("passphrase", "The passphrase is empty.")),
        1..=MAX_PASSPHRASE if passphrase.expose().contains(['\n', '\r']) => {
            // A passphrase file ends with its first line: what spans lines could never be given again.
            Err(ApiError::param("passphrase", "The passphrase must be one line."))
        }
        1..=MAX_PASSPHRASE => Ok(passphrase),
        _ => Err(ApiError::param("passphrase", format!("The passphrase can have {MAX_PASSPHRASE} bytes."))),
    }
}

fn not_current(fault: &OpenFault) -> ApiError {
    match fault {
        OpenFault::NoPassphrase => {
            ApiError::param("current", "The vault has a passphrase. Give it to change how the vault is locked.")
        }
        OpenFault::WrongPassphrase => {
            ApiError::param("current", "This is not the present passphrase. Nothing was changed; try again.")
        }
        fault => storage(format!("The vault does not open: {fault}. Nothing was changed.")),
    }
}

/// Why an unlocking did not unlock.
pub(crate) fn not_opened(fault: &OpenFault) -> ApiError {
    match fault {
        OpenFault::NoPassphrase => ApiError::param("passphrase", "Give the passphrase to unlock the vault."),
        OpenFault::WrongPassphrase => {
            ApiError::param("passphrase", "The passphrase does not open this vault. Try again.")
        }
        OpenFault::Keyring(why) => {
            storage(format!("The vault stays locked: {why}. Unlock the keyring of this computer, then try again."))
        }
        fault => storage(format!("The vault does not open: {fault}.")),
    }
}

fn no_keyring(fault: &KeyringFault) -> ApiError {
    storage(format!("The vault was left as it was: {fault}. Log in to a desktop with a keyring, or use a passphrase."))
}

/// A rename whose folder could not be synced may or may not be on the disk.
fn unwritten(why: &io::Error) -> ApiError {
    storage(format!(
        "The vault could not be written ({why}). Free some space or check the disk, keep both secrets, and look at vault.get before you try again."
    ))
}

fn storage(message: String) -> ApiError {
    ApiError::new(ErrorKind::Storage, message)
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    /// Cheap: the tests are about files, not about work.
    const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
    const STEPS: [Step; 6] =
        [Step::Write, Step::SyncNew, Step::Rename, Step::SyncFolder, Step::Overwrite, Step::SyncOld];

    /// A folder of this test's own, removed at the end, with a vault behind `passphrase` or in a plain file.
    struct Place {
        folder: PathBuf,
        vault: Vault,
        dek: [u8; 32],
        rng: ChaCha20Rng,
    }

    impl Place {
        fn new(name: &str, passphrase: Option<&str>) -> Self {
            let folder = std::env::temp_dir().join(format!("y7ke-vault-{name}-{}", std::process::id()));
            drop(std::fs::remove_dir_all(&folder));
            std::fs::create_dir_all(&folder).unwrap();
            let mut rng = ChaCha20Rng::seed_from_u64(5);
            let (file, dek) = match passphrase {
                Some(words) => VaultFile::with_passphrase(&mut rng, words, CHEAP).unwrap(),
                None => VaultFile::with_file_slot(&mut rng),
            };
            std::fs::write(folder.join(VAULT), file.to_bytes()).unwrap();
            let keyring = Keyring::Of(keyring_core::mock::Store::new().unwrap());
            Self { vault: Vault { folder: folder.clone(), keyring }, folder, dek: *dek.expose(), rng }
        }

        fn opens_by(&self, passphrase: Option<&str>) -> bool {
            let words = passphrase.map(Passphrase::new);
            match self.vault.open(words.as_ref()) {
                Ok((_, dek)) => {
                    assert_eq!(dek.expose(), &self.dek, "it is the same key for ever");
                    true
                }
                Err(_) => false,
            }
        }

        fn change(&mut self, to: Target, current: Option<&str>) -> Result<VaultKind, ApiError> {
            self.vault.change(&to, current.map(Passphrase::new).as_ref(), &mut self.rng)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            drop(std::fs::remove_dir_all(&self.folder));
        }
    }

    fn words(text: &str) -> Target {
        Target::Passphrase(Passphrase::new(text))
    }

    /// A4: a crash before any step leaves the old or the new secret in force, and the next start tidies up.
    #[test]
    fn a_change_that_is_cut_at_any_step_leaves_a_vault_that_opens() {
        for cut in STEPS {
            let mut place = Place::new("cut", Some("old"));
            let (file, dek) = place.vault.open(Some(&Passphrase::new("old"))).unwrap();
            let new = file.rewrapped_by_passphrase(&mut place.rng, &dek, "new", CHEAP).unwrap();
            let mut before = |step| if step == cut { Err(io::Error::other("cut")) } else { Ok(()) };
            let replaced = place.vault.replace(&new.to_bytes(), &mut before);
            if cut == Step::SyncNew {
                // What was not synced may be torn.
                OpenOptions::new().write(true).open(place.folder.join(VAULT_NEW)).unwrap().set_len(40).unwrap();
            }
            place.vault.clear_unfinished().unwrap();
            assert!(!place.folder.join(VAULT_NEW).exists(), "{cut:?}");
            let in_force = matches!(cut, Step::SyncFolder | Step::Overwrite | Step::SyncOld);
            assert_eq!((place.opens_by(Some("old")), place.opens_by(Some("new"))), (!in_force, in_force), "{cut:?}");
            assert_eq!(replaced.is_ok(), matches!(cut, Step::Overwrite | Step::SyncOld), "{cut:?}");
        }
    }

    /// Nothing is renamed before it is synced, and nothing overwritten before the folder is.
    #[test]
    fn the_steps_come_in_the_order_that_a_power_cut_needs() {
        let mut place = Place::new("order", None);
        let (file, dek) = place.vault.open(None).unwrap();
        let new = file.rewrapped_in_file(&mut place.rng, &dek).unwrap();
        let mut seen = Vec::new();
        let mut before = |step| {
            seen.push(step);
            Ok(())
        };
        place.vault.replace(&new.to_bytes(), &mut before).unwrap();
        assert_eq!(seen, STEPS);
    }

    /// Who holds the old file open finds zeros there afterwards.
    #[test]
    fn the_old_bytes_are_overwritten_in_place() {
        let mut place = Place::new("wiped", None);
        let mut old = File::open(place.folder.join(VAULT)).unwrap();
        assert_eq!(place.change(words("one"), None), Ok(VaultKind::Passphrase));
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut old, &mut bytes).unwrap();
        assert!(!bytes.is_empty() && bytes.iter().all(|byte| *byte == 0));
    }

    /// A4: from each secret to each other one; the old one opens nothing any more.
    #[test]
    fn a_vault_moves_between_all_its_secrets() {
        let mut place = Place::new("moves", None);
        assert!(place.opens_by(None));
        assert_eq!(place.change(words("one"), None), Ok(VaultKind::Passphrase));
        assert_eq!((place.opens_by(None), place.opens_by(Some("one"))), (false, true));

        assert_eq!(place.change(words("two"), None).unwrap_err().field, Some("current"));
        assert_eq!(place.change(words("two"), Some("0ne")).unwrap_err().field, Some("current"));
        assert!(place.opens_by(Some("one")), "a refused change changes nothing");
        assert_eq!(place.change(words("two"), Some("one")), Ok(VaultKind::Passphrase));
        assert_eq!((place.opens_by(Some("one")), place.opens_by(Some("two"))), (false, true));

        assert_eq!(place.change(Target::Keyring, Some("two")), Ok(VaultKind::Keyring));
        assert_eq!((place.opens_by(None), place.opens_by(Some("two"))), (true, true), "the keyring needs no words");
        let first = place.vault.read().unwrap().entries();
        assert_eq!(place.change(Target::Keyring, None), Ok(VaultKind::Keyring));
        let second = place.vault.read().unwrap().entries();
        assert!(matches!(place.vault.keyring.find(&first[0].name()), Err(KeyringFault::Unknown)));
        assert!(place.vault.keyring.find(&second[0].name()).is_ok());

        assert_eq!(place.change(Target::File, None), Ok(VaultKind::File));
        assert!(place.opens_by(None));
        assert!(matches!(place.vault.keyring.find(&second[0].name()), Err(KeyringFault::Unknown)));
    }

    /// A keyring that lost the key, or was put back, is told in words and changes nothing.
    #[test]
    fn a_keyring_without_the_key_opens_nothing() {
        let mut place = Place::new("lost", None);
        place.change(Target::Keyring, None).unwrap();
        let entry = place.vault.read().unwrap().entries()[0];
        place.vault.keyring.forget(&entry.name()).unwrap();
        assert!(matches!(place.vault.open(None), Err(OpenFault::Keyring(KeyringFault::Unknown))));
        assert!(place.change(Target::File, None).unwrap_err().message.contains("keyring"));
        place.vault.keyring.keep(&entry.name(), &[1; 32]).unwrap();
        assert!(place.vault.open(None).is_err());
    }

    #[test]
    fn a_new_passphrase_is_one_line_that_is_not_empty() {
        let refused = |text: String| sound(Passphrase::new(text)).is_err();
        assert!(refused(String::new()) && refused("a\nb".into()) && refused("x".repeat(MAX_PASSPHRASE + 1)));
        assert!(!refused("x".repeat(MAX_PASSPHRASE)) && !refused(" two words ".into()));
    }
}
