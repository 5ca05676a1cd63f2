//! A private copy of a ledger's files, as of one commit.
//!
//! redb writes its header (page 0) at every checkpoint and never touches a page that the last one refers to.
//! So a copy during which the header did not change is the database as of that checkpoint. Between two checkpoints
//! the journal only grows: of what is written meanwhile the copy has the first records, and those are commits.

use std::fs::{DirBuilder, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use y7ke_ledger::store::{FILE_NAME, JOURNAL_NAME, Ledger, Storage, View};

use super::LogFault;
use crate::home::{Given, Home, StartError};

/// Bytes of the header.
const HEADER: u64 = 4096;

/// A node that commits without a pause lets one of so many copies through.
const TRIES: usize = 200;

/// An opened copy, removed at the end.
pub(super) struct Copy {
    ledger: Ledger,
    _place: Place,
}

/// A folder of ours, removed with this value.
struct Place(PathBuf);

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(fault) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%fault, "the copy in {} is left behind; it is as sealed as the original", self.0.display());
        }
    }
}

impl Copy {
    /// Copies the ledger of `folder`; one that is in use only if `snapshot`.
    pub(super) fn of(folder: &Path, passphrase: Option<&Path>, snapshot: bool) -> Result<Self, LogFault> {
        let home = Home::open_existing(folder, Given::of(None, passphrase), snapshot)?;
        let place = Place::new()?;
        copy_of_one_commit(folder, &place.0).map_err(|why| StartError::NotReadable { folder: folder.into(), why })?;
        let ledger = Ledger::open(Storage::folder(&place.0), home.sub_keys()?);
        let ledger = ledger.map_err(|fault| home.ledger_fault(&fault))?;
        Ok(Self { ledger, _place: place })
    }

    pub(super) fn view(&self) -> Result<View, LogFault> {
        Ok(self.ledger.view()?)
    }
}

impl Place {
    fn new() -> Result<Self, StartError> {
        let mut name = [0; 8];
        getrandom::fill(&mut name).map_err(io::Error::other)?;
        let folder = std::env::temp_dir().join(format!("y7-log-{}", hex::encode(name)));
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&folder)?;
        Ok(Self(folder))
    }
}

fn copy_of_one_commit(from: &Path, to: &Path) -> io::Result<()> {
    for _ in 0..TRIES {
        let before = header(from)?;
        std::fs::copy(from.join(FILE_NAME), to.join(FILE_NAME))?;
        // A folder of an earlier version has none.
        if from.join(JOURNAL_NAME).try_exists()? {
            std::fs::copy(from.join(JOURNAL_NAME), to.join(JOURNAL_NAME))?;
        }
        if header(from)? == before && header(to)? == before {
            return Ok(());
        }
    }
    Err(io::Error::new(io::ErrorKind::ResourceBusy, "it is being written without a pause; try again"))
}

fn header(folder: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(folder.join(FILE_NAME))?.take(HEADER).read_to_end(&mut bytes)?;
    Ok(bytes)
}
