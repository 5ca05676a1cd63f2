//! `y7 log rebuild`: what people see, folded anew from the logs, in the folder itself.

use std::path::Path;

use y7ke_crypto::ids::LogId;
use y7ke_ledger::fold;
use y7ke_ledger::store::{StorageError, View};

use super::LogFault;
use crate::home::{Given, Home, StartError};

/// A log that was folded anew.
pub(super) struct Rebuilt {
    /// Its id, hex.
    pub(super) log: String,
    /// `identity`, `account` or `conversation`.
    pub(super) kind: &'static str,
    /// Live events.
    pub(super) events: u64,
    /// Digest of its projection now.
    pub(super) projection: [u8; 32],
    /// What was there before said something else, or could not be read.
    pub(super) mended: bool,
}

/// A commit for each log: whoever stops it halfway loses nothing, and begins again.
pub(super) fn rebuild(folder: &Path, passphrase: Option<&Path>) -> Result<Vec<Rebuilt>, LogFault> {
    let home = Home::open_existing(folder, Given::of(None, passphrase), false)?;
    let ledger = home.open_ledger()?;
    let mut rng = crate::shell::randomness().map_err(StartError::System)?;
    let mut rebuilt = Vec::new();
    for info in ledger.view()?.logs()? {
        let before = readable(&ledger.view()?, &info.log)?;
        let mut batch = ledger.begin(&mut rng)?;
        batch.rebuild_projections(&info.log)?;
        batch.commit()?;
        let view = ledger.view()?;
        let projection = fold::digest(&view, &info.log)?;
        let mended = before != Some(fold::fingerprint(&view, &info.log)?);
        let (log, kind) = (info.log.to_string(), info.spec.kind().name());
        rebuilt.push(Rebuilt { log, kind, events: info.live, projection, mended });
    }
    Ok(rebuilt)
}

/// A hash of what is there; rows that do not read are what a rebuild is for.
fn readable(view: &View, log: &LogId) -> Result<Option<[u8; 32]>, StorageError> {
    match fold::fingerprint(view, log) {
        Ok(rows) => Ok(Some(rows)),
        Err(StorageError::Row(_) | StorageError::Sealed { .. }) => Ok(None),
        Err(fault) => Err(fault),
    }
}
