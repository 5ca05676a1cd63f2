//! What this device keeps for itself, outside every log: prekeys, seen requests, addresses, settings.

use std::collections::BTreeSet;

use rand_core::CryptoRng;
use y7ke_crypto::boxes::PrekeySecret;
use y7ke_crypto::bundle::{Bundle, DeviceBundle};
use y7ke_crypto::ids::{BundleHash, LogId, NetKey, PrekeyId, RequestId};
use y7ke_ledger::body::ReadMarks;
use y7ke_ledger::store::{StorageError, View};
use y7ke_ledger::{fold, views};
use y7ke_transport::Address;

use super::writing::unwritten;
use super::{Round, Step};
use crate::api::{ApiError, ErrorKind, Mode, WindowPlace};

/// Bundles of mine that a request may still be sealed to.
const BUNDLES_MAX: usize = 16;
/// Local settings of this device.
const MODE: &str = "mode";
const BUNDLES: &str = "bundles";
const CLOSE_TO_TRAY: &str = "device.close-to-tray";
const WINDOW: &str = "device.window";

/// The dial mode that was chosen on this device.
pub(super) fn saved_mode(view: &View) -> Result<Mode, StorageError> {
    Ok(match view.setting(MODE)?.as_deref() {
        Some("lan") => Mode::Lan,
        _ => Mode::Y7net,
    })
}

impl<R: CryptoRng> Round<'_, R> {
    /// What a request to me is sealed to.
    pub(super) fn my_bundle(&self) -> Step<Bundle> {
        let devices = views::devices(self.view(), &self.core.me.root)?;
        let usable = devices.into_iter().filter(|row| !row.revoked);
        let entry = |row: views::DeviceRow| Some(DeviceBundle { chain: row.chain, prekey: row.prekey? });
        Bundle::new(self.core.me.root, usable.filter_map(entry).collect()).map_err(|fault| {
            tracing::debug!(%fault, "no bundle can be made of my devices");
            ApiError::new(ErrorKind::Storage, "This device was removed from your account. Use another device of yours.")
                .into()
        })
    }

    /// The bundles that a request may still name: today's, and those before it.
    pub(super) fn my_bundle_hashes(&self) -> Step<BTreeSet<BundleHash>> {
        let kept = self.view().setting(BUNDLES)?.unwrap_or_default();
        let mut hashes: BTreeSet<_> = kept.split(' ').filter_map(|hash| hash.parse().ok()).collect();
        hashes.insert(self.my_bundle()?.hash());
        Ok(hashes)
    }

    /// A new prekey when it is time, and what time does to old things (K4, C1).
    pub(super) fn renew_prekey(&mut self) -> Step {
        let (identity, now_ms) = (self.core.me.identity, self.now.wall_ms);
        let old = self.my_bundle()?.hash();
        let published = self.book.publish_prekey_if_due(identity, now_ms, self.rng, &self.core.me.device);
        if published.map_err(unwritten)?.is_some() {
            self.keep_bundle_hash(&old)?;
        }
        // Days count towards the end of old prekeys only while this device syncs as well (K4).
        if self.core.links.values().any(|link| link.trusted) {
            self.book.note_running(now_ms)?;
        }
        self.book.prune_seen(now_ms)?;
        Ok(())
    }

    fn keep_bundle_hash(&mut self, hash: &BundleHash) -> Step {
        let kept = self.view().setting(BUNDLES)?.unwrap_or_default();
        let hash = hash.to_string();
        let newest_first =
            std::iter::once(hash.as_str()).chain(kept.split(' ').filter(|old| !old.is_empty() && *old != hash));
        let hashes: Vec<&str> = newest_first.take(BUNDLES_MAX).collect();
        self.book.put_setting(BUNDLES, &hashes.join(" "));
        Ok(())
    }

    pub(super) fn prekey_secret(&self, id: &PrekeyId) -> Step<Option<PrekeySecret>> {
        Ok(self.view().prekey_secret(id)?)
    }

    /// It opened something that is kept (K4).
    pub(super) fn prekey_used(&mut self, id: &PrekeyId) -> Step {
        Ok(self.book.note_prekey_used(id)?)
    }

    pub(super) fn is_seen(&self, req_id: &RequestId) -> Step<bool> {
        Ok(self.view().has_seen(req_id)?)
    }

    pub(super) fn see(&mut self, req_id: &RequestId, until_ms: u64) -> Step {
        self.book.note_seen(req_id, until_ms);
        Ok(())
    }

    pub(super) fn saved_addresses(&self, net: &NetKey) -> Step<Vec<Address>> {
        let rows = self.view().addresses(net)?;
        Ok(rows.iter().filter_map(|row| row.address.parse().ok()).collect())
    }

    /// Forgets what was only heard of and never worked, but for `still`.
    pub(super) fn forget_hearsay(&mut self, net: &NetKey, still: &[String]) -> Step {
        for row in self.view().addresses(net)? {
            if row.last_ms == 0 && !still.contains(&row.address) {
                self.book.delete_address(net, &row.address);
            }
        }
        Ok(())
    }

    pub(super) fn save_address(&mut self, net: &NetKey, address: &Address) -> Step {
        Ok(self.book.put_address(net, &address.without_peer().to_string(), self.now.wall_ms)?)
    }

    pub(super) fn put_local_reads(&mut self, log: &LogId, marks: &ReadMarks) -> Step {
        for mark in marks.iter() {
            fold::mark_read_here(self.book, log, &mark.device, mark.seq)?;
        }
        Ok(())
    }

    /// Goes by another dial mode from now on, and from the next start (E4).
    pub(super) fn set_mode(&mut self, mode: Mode) -> Step {
        self.book.put_setting(MODE, if mode == Mode::Lan { "lan" } else { "y7net" });
        if self.core.mode == mode {
            return Ok(());
        }
        self.core.mode = mode;
        self.live_by_mode()
    }
    pub(super) fn closes_to_tray(&self) -> Step<bool> {
        Ok(self.view().setting(CLOSE_TO_TRAY)?.as_deref() == Some("on"))
    }

    /// What was kept by a version that wrote it otherwise is as good as nothing.
    pub(super) fn window_place(&self) -> Step<Option<WindowPlace>> {
        Ok(self.view().setting(WINDOW)?.and_then(|words| read_place(&words)))
    }

    /// What belongs to this screen and this desktop goes into no log: my other devices have their own.
    pub(super) fn keep_for_this_device(&mut self, close_to_tray: Option<bool>, window: Option<WindowPlace>) {
        if let Some(on) = close_to_tray {
            self.book.put_setting(CLOSE_TO_TRAY, if on { "on" } else { "off" });
        }
        if let Some(place) = window {
            self.book.put_setting(WINDOW, &place_words(&place));
        }
    }
}

/// `width height maximised [x y]`
fn place_words(place: &WindowPlace) -> String {
    let WindowPlace { at, width, height, maximised } = place;
    let at = at.map(|(x, y)| format!(" {x} {y}")).unwrap_or_default();
    format!("{width} {height} {}{at}", u8::from(*maximised))
}

fn read_place(words: &str) -> Option<WindowPlace> {
    let numbers: Vec<i32> = words.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
    let (size, at) = numbers.split_at_checked(3)?;
    Some(WindowPlace {
        at: if let [x, y] = at { Some((*x, *y)) } else { None },
        width: u32::try_from(size[0]).ok()?,
        height: u32::try_from(size[1]).ok()?,
        maximised: size[2] == 1,
    })
}

/// The body of the fuzz target: see `crate::fuzz`.
pub(crate) fn fuzz(words: &str) {
    let Some(place) = read_place(words) else { return };
    assert_eq!(read_place(&place_words(&place)), Some(place), "what is read is written as it was read");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        for at in [None, Some((-1920, 40))] {
            for maximised in [false, true] {
                let place = WindowPlace { at, width: 800, height: 600, maximised };
                assert_eq!(read_place(&place_words(&place)), Some(place));
            }
        }
        for other in ["", "800 600", "wide high 1", "-1 600 0", "800 600 0 x y"] {
            assert_eq!(read_place(other), None, "{other:?}");
        }
    }
}
