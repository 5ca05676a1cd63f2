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
    let mut fonts = shared_collection();
    let text = add(&mut fonts, UBUNTU_LIGHT);
    let mono = add(&mut fonts, HACK_REGULAR);
    let emoji = add(&mut fonts, NOTO_EMOJI_REGULAR);
    let behind = [text, mono.clone(), emoji.clone()].concat();
    for generic in [GenericFamily::SansSerif, GenericFamily::SystemUi, GenericFamily::UiSansSerif] {
        put_behind(&mut fonts, generic, &behind);
    }
    put_behind(&mut fonts, GenericFamily::Monospace, &mono);
    fonts.set_generic_families(GenericFamily::Emoji, emoji.into_iter());
    for script in [b"Latn", b"Cyrl", b"Grek", b"Zyyy"] {
        let key = FallbackKey::new(Script::from_bytes(*script), None);
        let system: Vec<FamilyId> = fonts.fallback_families(key).collect();
        fonts.set_fallbacks(key, system.into_iter().chain(behind.iter().copied()));
    }
}

/// What is set is asked before the system: the system's own are set first, then ours.
fn put_behind(fonts: &mut Collection, generic: GenericFamily, ours: &[FamilyId]) {
    let system: Vec<FamilyId> = fonts.generic_families(generic).collect();
    fonts.set_generic_families(generic, system.into_iter().chain(ours.iter().copied()));
}

fn add(fonts: &mut Collection, font: &'static [u8]) -> Vec<FamilyId> {
    let blob = Blob::new(Arc::new(font));
    fonts.register_fonts(blob, None).into_iter().map(|(family, _)| family).collect()
}
