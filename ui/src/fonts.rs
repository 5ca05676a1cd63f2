//! Fonts that are always there.
//!
//! * The system's own face comes first wherever there is one.
//! * Behind it stands a bundled one, so that text is readable on a machine without fonts.
//! * Ids and digits are always in the bundled monospace, so that they line up everywhere.
//! * Emoji are the bundled monochrome ones: the software renderer draws colour bitmaps blank.

use std::sync::Arc;

use epaint_default_fonts::{HACK_REGULAR, NOTO_EMOJI_REGULAR, UBUNTU_LIGHT};
use slint::fontique_010::{fontique, shared_collection};

use fontique::{Blob, Collection, FallbackKey, FamilyId, GenericFamily, Script};

/// Registers the bundled fonts behind the system's. Call once the platform is set.
pub fn register() {
    let mut collection = shared_collection();
    let text = add(&mut collection, UBUNTU_LIGHT);
    let mono = add(&mut collection, HACK_REGULAR);
    let emoji = add(&mut collection, NOTO_EMOJI_REGULAR);
    let behind: Vec<FamilyId> = [text, mono.clone(), emoji.clone()].concat();
    for generic in [GenericFamily::SansSerif, GenericFamily::SystemUi, GenericFamily::UiSansSerif] {
        collection.append_generic_families(generic, behind.iter().copied());
    }
    collection.append_generic_families(GenericFamily::Monospace, mono.iter().copied());
    collection.set_generic_families(GenericFamily::Emoji, emoji.iter().copied());
    for script in [b"Latn", b"Cyrl", b"Grek", b"Zyyy"] {
        collection.append_fallbacks(FallbackKey::new(Script::from_bytes(*script), None), behind.iter().copied());
    }
}

fn add(collection: &mut Collection, font: &'static [u8]) -> Vec<FamilyId> {
    let blob = Blob::new(Arc::new(font));
    collection.register_fonts(blob, None).into_iter().map(|(family, _)| family).collect()
}
