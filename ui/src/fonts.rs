//! Fonts that are always there.
//!
//! * The system's own face comes first wherever there is one.
//! * Behind it stand bundled ones (`fonts/`), so that Latin, Greek, Cyrillic, Hebrew and Arabic text is readable on
//!   a machine without fonts. Other scripts need a font of the system.
//! * Ids and digits are always in the bundled monospace, so that they line up everywhere.
//! * Emoji are the bundled monochrome ones: the software renderer draws colour bitmaps blank.
//! * fontique 0.10 panics where fontconfig is installed and knows no font at all. There the bundled ones are
//!   written to a private folder, and the program starts itself again with fontconfig looking into it ([`lend`]).

use std::panic::{catch_unwind, set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use epaint_default_fonts::{HACK_REGULAR, NOTO_EMOJI_REGULAR};
use slint::fontique_010::{fontique, shared_collection};

use fontique::{Blob, Collection, FallbackKey, FamilyId, GenericFamily, Script};

/// The faces of one family.
type Faces = &'static [&'static [u8]];

const TEXT: Faces = &[include_bytes!("../fonts/NotoSans-Regular.ttf"), include_bytes!("../fonts/NotoSans-Bold.ttf")];

const HEBREW: Faces =
    &[include_bytes!("../fonts/NotoSansHebrew-Regular.ttf"), include_bytes!("../fonts/NotoSansHebrew-Bold.ttf")];

const ARABIC: Faces =
    &[include_bytes!("../fonts/NotoSansArabic-Regular.ttf"), include_bytes!("../fonts/NotoSansArabic-Bold.ttf")];

const MONO: Faces = &[HACK_REGULAR];

const EMOJI: Faces = &[NOTO_EMOJI_REGULAR];

/// Says where fonts were lent, to the program that was started again.
const LENT: &str = "Y7KE_LENT_FONTS";

/// Folders that have fonts on a machine that has any.
const USUAL: [&str; 2] = ["/usr/share/fonts", "/usr/local/share/fonts"];

/// Whether text can be drawn with what is installed; false where asking for fonts would panic.
pub fn some_installed() -> bool {
    let usual = USUAL.iter().any(|folder| std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()));
    if usual && std::env::var_os("FONTCONFIG_FILE").is_none() {
        return true;
    }
    let loud = take_hook();
    set_hook(Box::new(|_| {}));
    let options = fontique::CollectionOptions { shared: false, system_fonts: true };
    let asked = catch_unwind(|| drop(Collection::new(options)));
    set_hook(loud);
    asked.is_ok()
}

/// Starts this program again with the bundled fonts where fontconfig finds them. Returns only if that failed, or
/// was done already.
#[cfg(unix)]
pub fn lend() -> std::io::Result<()> {
    use std::os::unix::process::CommandExt;
    if std::env::var_os(LENT).is_some() {
        return Err(std::io::Error::other("the lent fonts are not found"));
    }
    let folder = private_folder()?;
    let faces = [TEXT, HEBREW, ARABIC, MONO, EMOJI].concat();
    let mut named = faces.iter().enumerate().map(|(at, face)| (folder.join(format!("{at}.ttf")), face));
    named.try_for_each(|(path, face)| std::fs::write(path, face))?;
    std::fs::write(folder.join("fonts.conf"), fontconfig_file(&folder))?;
    let mut again = std::process::Command::new(std::env::current_exe()?);
    again.args(std::env::args_os().skip(1)).env("FONTCONFIG_FILE", folder.join("fonts.conf")).env(LENT, &folder);
    Err(again.exec())
}

#[cfg(unix)]
fn private_folder() -> std::io::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let folder = std::env::temp_dir().join(format!("y7ke-fonts-{}", std::process::id()));
    // Fails if it is there: what somebody else made is not ours to write into.
    std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
    Ok(folder)
}

fn fontconfig_file(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE fontconfig SYSTEM \"fonts.dtd\">\n<fontconfig><dir>{folder}</dir><cachedir>{folder}</cachedir></fontconfig>\n"
    )
}

/// Takes lent fonts away again, at the end.
pub fn return_lent() {
    if let Some(folder) = std::env::var_os(LENT).map(PathBuf::from)
        && let Err(why) = std::fs::remove_dir_all(&folder)
    {
        tracing::debug!("the lent fonts in {} stay: {why}", folder.display());
    }
}

/// Registers the bundled fonts behind the system's. Call once the platform is set.
pub fn register() {
    let mut fonts = shared_collection();
    let [text, hebrew, arabic, mono, emoji] =
        [TEXT, HEBREW, ARABIC, MONO, EMOJI].map(|family| add_all(&mut fonts, family));
    let behind = [text, hebrew.clone(), arabic.clone(), mono.clone(), emoji.clone()].concat();
    for generic in [GenericFamily::SansSerif, GenericFamily::SystemUi, GenericFamily::UiSansSerif] {
        put_behind(&mut fonts, generic, &behind);
    }
    put_behind(&mut fonts, GenericFamily::Monospace, &mono);
    fonts.set_generic_families(GenericFamily::Emoji, emoji.into_iter());
    for script in [b"Latn", b"Cyrl", b"Grek", b"Zyyy"] {
        fall_back(&mut fonts, *script, &behind);
    }
    fall_back(&mut fonts, *b"Hebr", &hebrew);
    fall_back(&mut fonts, *b"Arab", &arabic);
}

/// Where nothing else has a script's letters: the system's first, then ours.
fn fall_back(fonts: &mut Collection, script: [u8; 4], ours: &[FamilyId]) {
    let key = FallbackKey::new(Script::from_bytes(script), None);
    let system: Vec<FamilyId> = fonts.fallback_families(key).collect();
    fonts.set_fallbacks(key, system.into_iter().chain(ours.iter().copied()));
}

/// What is set is asked before the system: the system's own are set first, then ours.
fn put_behind(fonts: &mut Collection, generic: GenericFamily, ours: &[FamilyId]) {
    let system: Vec<FamilyId> = fonts.generic_families(generic).collect();
    fonts.set_generic_families(generic, system.into_iter().chain(ours.iter().copied()));
}

/// The families that the faces belong to, each once.
fn add_all(fonts: &mut Collection, faces: Faces) -> Vec<FamilyId> {
    let mut families: Vec<FamilyId> = faces.iter().flat_map(|face| add(fonts, face)).collect();
    families.dedup();
    families
}

fn add(fonts: &mut Collection, font: &'static [u8]) -> Vec<FamilyId> {
    let blob = Blob::new(Arc::new(font));
    fonts.register_fonts(blob, None).into_iter().map(|(family, _)| family).collect()
}
