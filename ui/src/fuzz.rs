//! Bodies of fuzz targets: text from the clipboard and from peers, on its way into the window.
//!
//! Each takes any bytes and panics where a claim does not hold. Replayed by `ui/tests/corpora.rs`.

use y7ke_node::uri::Uri;

use crate::model::add::{self, Verdict};
use crate::model::codes::{self, Meaning, Wanted};
use crate::model::time::{self, Zone};
use crate::model::{links, text, verify};
use crate::sight::{self, Frame, Grey};

/// A body.
pub type Target = fn(&[u8]);

/// Every body by name.
pub const ALL: &[(&str, Target)] = &[
    ("add_field", add_field),
    ("codes", codes),
    ("links", links),
    ("picture", picture),
    ("safety_digits", safety_digits),
    ("shown_text", shown_text),
];

/// What is typed or pasted where an id belongs: every good link is taken, nothing else is.
pub fn add_field(data: &[u8]) {
    let typed = String::from_utf8_lossy(data);
    let read = |text: &str| match text.parse::<Uri>() {
        Ok(link) => Ok(link.root.to_string()),
        Err(why) => Err(why.to_string()),
    };
    let link = add::cleaned(&typed).parse::<Uri>();
    match add::judge(&typed, "y7:nobody", std::iter::empty(), read) {
        Verdict::Ready(y7_id) => assert_eq!(link.map(|link| link.root.to_string()), Ok(y7_id)),
        other => assert!(link.is_err(), "a good link is judged {other:?}"),
    }
}

/// The bytes of a picture: what opens has as many pixels as it says, and what is read in a small one is read again
/// from a PGM of it.
pub fn picture(data: &[u8]) {
    let Ok(grey) = sight::picture::open(data) else { return };
    assert!(grey.width > 0 && grey.height > 0 && grey.pixels.len() == grey.width * grey.height);
    if grey.pixels.len() > SMALL {
        return;
    }
    let_panics_be_caught();
    let rgb = grey.pixels.iter().flat_map(|grey| [*grey; 3]).collect();
    let (width, height) = (grey.width as u32, grey.height as u32);
    let again = sight::picture::open(&Frame { width, height, rgb }.to_pgm());
    assert_eq!(again.as_ref(), Ok(&grey));
    assert_eq!(again.map(|again| sight::code::read(&again)), Ok(sight::code::read(&grey)));
}

/// Pixels of a picture in which a code is looked for while fuzzing.
const SMALL: usize = 1 << 14;

/// The fuzzer ends the process at a panic that would be caught; one that is not caught is found all the same.
fn let_panics_be_caught() {
    drop(std::panic::take_hook());
}

/// A code of any kind and with any damage, as a picture of its modules: a text that is read in it is one that can be
/// judged, and mine is never taken.
pub fn codes(data: &[u8]) {
    let [side, scale, bits @ ..] = data else { return };
    let (side, scale) = (usize::from(*side) % 61, usize::from(*scale) % 2 + 1);
    let whole = (side + 4) * scale;
    let module = |n: usize| (n / scale).checked_sub(2).filter(|n| *n < side);
    let dark = |at: usize| bits.get(at / 8).is_some_and(|bits| bits >> (at % 8) & 1 == 1);
    let pixel = |at: usize| match (module(at % whole), module(at / whole)) {
        (Some(x), Some(y)) if dark(y * side + x) => 0,
        _ => 255,
    };
    let_panics_be_caught();
    let texts =
        sight::code::read(&Grey { width: whole, height: whole, pixels: (0..whole * whole).map(pixel).collect() });
    assert!(texts.len() <= 8 && texts.iter().all(|text| text.len() <= 8_896));
    let read = |text: &str| text.parse::<Uri>().map(|link| link.root.to_string()).map_err(|why| why.to_string());
    let mine = texts.first().map_or("", String::as_str);
    for wanted in [Wanted::Number, Wanted::Id] {
        let id = read(&add::cleaned(mine)).unwrap_or_default();
        let meaning = codes::choose(wanted, &texts, codes::Mine { y7_id: &id, code: mine }, &read);
        assert!(texts.is_empty() == (meaning == Meaning::Nothing));
        assert_ne!(meaning, Meaning::Text(mine.to_owned()));
    }
}

/// Links in a peer's words: what is shown is what would be opened, and reads as itself.
pub fn links(data: &[u8]) {
    for link in links::find(&String::from_utf8_lossy(data)) {
        let scheme = if link.host.starts_with("http://") { "" } else { "https://" };
        let path = if link.rest.is_empty() { "/" } else { &link.rest };
        assert_eq!(link.address, format!("{scheme}{}{path}", link.host));
        assert!(link.address.is_ascii() && !link.address.contains(char::is_whitespace));
        let again = links::read(&link.address);
        assert!(link.address.len() > 2_048 || again == Some(link), "read again: {again:?}");
    }
}

/// A safety number as it is typed or pasted, against the digits of its first line: those and no others are the same.
pub fn safety_digits(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (first, typed) = text.split_once('\n').unwrap_or((&text, &text));
    let mut ours = verify::digits(first).unwrap_or_default();
    ours.extend(std::iter::repeat_n('7', 60_usize.saturating_sub(ours.len())));
    ours.truncate(60);
    let verdict = verify::judge(&ours, typed);
    let is_same = verify::digits(typed).is_ok_and(|typed| typed == ours || typed == verify::turned(&ours));
    assert_eq!(verdict == verify::Verdict::Same, is_same);
    assert_eq!(verdict == verify::Verdict::Empty, verdict.words("Ada").is_empty());
    assert!(!(is_same && verdict.is_bad()));
}

/// A peer's words, wherever the window shows them: nothing that fools the eye, and no more than fits.
pub fn shown_text(data: &[u8]) {
    let words = String::from_utf8_lossy(data);
    let plain = text::plain(&words);
    assert!(plain.chars().all(|c| matches!(c, '\n' | '\t') || !c.is_control()));
    assert_eq!(text::plain(&plain), plain, "what is plain stays as it is");
    let shown = text::shown(&words);
    assert!(shown.chars().count() <= 8_100 && shown.lines().count() <= 202);
    for (line, most) in [(text::name(&words), 64), (text::preview(&words), 120)] {
        assert!(line.chars().count() <= most && !line.contains('\n'));
    }
    assert!(text::is_blank(&words) || !text::preview(&words).is_empty());
    assert!(!text::initials(&words, "y7:ab").is_empty() && (0.0..360.0).contains(&text::hue(&words)));
    let ungrouped: String = text::groups(&plain).split_whitespace().collect();
    assert_eq!(ungrouped, plain.split_whitespace().collect::<String>(), "groups add spaces alone");
    assert!(text::short_id(&words).len() <= words.len() + 16);
    times(data);
}

/// Times are whatever a peer says they are.
fn times(data: &[u8]) {
    let Some((ms, rest)) = data.split_first_chunk::<8>() else { return };
    let now_ms = rest.first_chunk::<8>().map_or(0, |now| u64::from_le_bytes(*now));
    let ms = u64::from_le_bytes(*ms);
    let zone = Zone::Fixed(i32::from(rest.first().copied().unwrap_or(0)) * 300 - 38_250);
    let told = [zone.brief(ms, now_ms), zone.separator(ms, now_ms), zone.full(ms), time::until(ms, now_ms)];
    assert!(told.iter().all(|words| !words.is_empty() && words.len() < 64));
}
