//! Devices and public names, from identity logs.

use y7ke_crypto::bundle::SignedPrekey;
use y7ke_crypto::cert::CertChain;
use y7ke_crypto::codec::Wire;
use y7ke_crypto::ids::{DeviceId, LogId, RootId};

use super::{contacts, sound};
use crate::fold::{key, register};
use crate::rows::{Order, Rows, Span, Table};

/// A device of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRow {
    /// The device.
    pub device: DeviceId,
    /// Its certificates up to the root.
    pub chain: CertChain,
    /// Its newest prekey, signed by the device; verify before sealing to it.
    pub prekey: Option<SignedPrekey>,
    /// Out (V3).
    pub revoked: bool,
}

/// The devices of a person, revoked ones included, ascending.
pub fn devices<R: Rows>(rows: &R, root: &RootId) -> Result<Vec<DeviceRow>, R::Error> {
    let log = LogId::identity(root);
    let joined = rows.scan(Table::Devices, &Span::prefix(log.as_bytes()), Order::Forward, usize::MAX)?;
    joined.iter().map(|(key, value)| device_row(rows, key, value)).collect()
}

fn device_row<R: Rows>(rows: &R, at: &[u8], value: &[u8]) -> Result<DeviceRow, R::Error> {
    let chain = CertChain::from_bytes(register::content(Table::Devices, value)?).ok();
    let prekey = match register::get(rows, Table::Prekeys, at)? {
        Some(bytes) => Some(sound(Table::Prekeys, SignedPrekey::from_bytes(&bytes).ok())?),
        None => None,
    };
    Ok(DeviceRow {
        device: sound(Table::Devices, key::id_at(at, 32))?.into(),
        chain: sound(Table::Devices, chain)?,
        prekey,
        revoked: rows.get(Table::Revoked, at)?.is_some(),
    })
}

/// A person's public name, empty if none.
pub fn profile_name<R: Rows>(rows: &R, root: &RootId) -> Result<String, R::Error> {
    let name = register::get(rows, Table::Profiles, LogId::identity(root).as_bytes())?;
    contacts::words(Table::Profiles, name.unwrap_or_default())
}

/// Whose device this is: a member of `log`, else a device of one of `people`.
pub fn person_of<R: Rows>(
    rows: &R,
    log: &LogId,
    people: &[RootId],
    device: &DeviceId,
) -> Result<Option<RootId>, R::Error> {
    if let Some(root) = register::get(rows, Table::Members, &key::named(log, device.as_bytes()))? {
        return Ok(Some(sound(Table::Members, key::id_at(&root, 0))?.into()));
    }
    for root in people {
        let at = key::named(&LogId::identity(root), device.as_bytes());
        if rows.get(Table::Devices, &at)?.is_some() {
            return Ok(Some(*root));
        }
    }
    Ok(None)
}
