//! The keyring of the system, as far as a vault needs it: keys of 32 bytes by name.
//!
//! Each use asks for it anew: it may come and go while the node runs. Whatever asks may wait for the person, who has
//! to unlock the keyring first, so nobody asks from the core's thread.

use std::sync::Arc;

use keyring_core::{CredentialStore, Entry, Error};
use zeroize::Zeroizing;

/// Whose the entries are, as the system's keyring lists them.
const SERVICE: &str = "y7ke";

/// Where the keyring is found.
#[derive(Clone)]
pub(crate) enum Keyring {
    /// What the system offers to the person who is logged in.
    OfSystem,
    /// This one: the tests' own.
    #[cfg(test)]
    Of(Arc<CredentialStore>),
}

/// Why the keyring did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyringFault {
    /// There is none, or it does not let us in.
    #[error("this computer offers no keyring here ({0})")]
    Absent(String),
    /// It has no such entry, or what it has is not ours.
    #[error("the keyring does not hold the key of this vault")]
    Unknown,
    /// It is there and failed.
    #[error("the keyring did not do it ({0})")]
    Failed(String),
}

impl Keyring {
    /// Whether it can be used now.
    pub(crate) fn is_there(&self) -> bool {
        self.store().is_ok()
    }

    /// Keeps a key under a name.
    pub(crate) fn keep(&self, name: &str, key: &[u8; 32]) -> Result<(), KeyringFault> {
        self.entry(name)?.set_secret(key).map_err(fault)?;
        // A keyring that answers well and forgets would lock the person out.
        let kept = self.find(name)?;
        if *kept == *key { Ok(()) } else { Err(KeyringFault::Failed("it gave back another key".into())) }
    }

    /// The key under a name.
    pub(crate) fn find(&self, name: &str) -> Result<Zeroizing<[u8; 32]>, KeyringFault> {
        let secret = Zeroizing::new(self.entry(name)?.get_secret().map_err(fault)?);
        secret.as_slice().try_into().map(Zeroizing::new).ok().ok_or(KeyringFault::Unknown)
    }

    /// Forgets the key under a name; one that is not there is forgotten.
    pub(crate) fn forget(&self, name: &str) -> Result<(), KeyringFault> {
        match self.entry(name)?.delete_credential() {
            Ok(()) | Err(Error::NoEntry) => Ok(()),
            Err(why) => Err(fault(why)),
        }
    }

    fn entry(&self, name: &str) -> Result<Entry, KeyringFault> {
        Entry::new_in_store(&self.store()?, SERVICE, name).map_err(fault)
    }

    fn store(&self) -> Result<Arc<CredentialStore>, KeyringFault> {
        match self {
            Self::OfSystem => of_system(),
            #[cfg(test)]
            Self::Of(store) => Ok(Arc::clone(store)),
        }
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyring(…)")
    }
}

#[cfg(target_os = "linux")]
fn of_system() -> Result<Arc<CredentialStore>, KeyringFault> {
    match zbus_secret_service_keyring_store::Store::new() {
        Ok(store) => Ok(store),
        Err(why) => Err(KeyringFault::Absent(words(&why))),
    }
}

#[cfg(not(target_os = "linux"))]
fn of_system() -> Result<Arc<CredentialStore>, KeyringFault> {
    Err(KeyringFault::Absent("only the Secret Service of Linux is built in".into()))
}

fn fault(why: Error) -> KeyringFault {
    match why {
        Error::NoEntry | Error::BadDataFormat(..) | Error::BadEncoding(_) => KeyringFault::Unknown,
        Error::NoStorageAccess(_) => KeyringFault::Absent(words(&why)),
        why => KeyringFault::Failed(words(&why)),
    }
}

/// What went wrong and never what was kept: an error that carries bytes of a secret is told by its kind alone.
fn words(why: &Error) -> String {
    match why {
        Error::PlatformFailure(why) | Error::NoStorageAccess(why) => why.to_string(),
        Error::NoEntry => "there is no such entry".into(),
        Error::Ambiguous(_) => "there are several such entries".into(),
        _ => "it answered what this program does not understand".into(),
    }
}
