//! The identity log: devices, newest prekeys, public name.

use y7ke_crypto::codec::Wire;

use super::{Change, EventMeta, key, register};
use crate::body::Body;
use crate::rows::{RowsMut, Table};

pub(super) fn apply<R: RowsMut>(rows: &mut R, meta: &EventMeta, body: &Body) -> Result<Option<Change>, R::Error> {
    let own = key::named(&meta.log, meta.device.as_bytes());
    match body {
        Body::Join { chain } => {
            let new = register::set(rows, Table::Devices, &own, meta, &chain.to_bytes())?;
            Ok(new.then_some(Change::Device(meta.device)))
        }
        // A prekey counts only when its own device publishes it: others must not choose what is sealed to it.
        Body::Prekey(prekey) if prekey.claim.device == meta.device => {
            let new = register::set(rows, Table::Prekeys, &own, meta, &prekey.to_bytes())?;
            Ok(new.then_some(Change::Prekey(meta.device)))
        }
        Body::Profile { name } => {
            let new = register::set(rows, Table::Profiles, meta.log.as_bytes(), meta, name.as_str().as_bytes())?;
            Ok(new.then_some(Change::Profile))
        }
        Body::Revoke { device } => {
            let new = register::set(rows, Table::Revoked, &key::named(&meta.log, device.as_bytes()), meta, &[])?;
            Ok(new.then_some(Change::Revoked(*device)))
        }
        _ => Ok(None),
    }
}
