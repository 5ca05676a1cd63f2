//! Bodies of fuzz targets: text from the clipboard and from peers, on its way into the window.
//!
//! Each takes any bytes and panics where a claim does not hold. Replayed by `ui/tests/corpora.rs`.

use y7ke_node::uri::Uri;

use crate::model::add::{self, Verdict};
use crate::model::time::{self, Zone};
use crate::model::{links, text, verify};

/// A body.
pub type Target = fn(&[u8]);

/// Every body by name.
pub const ALL: &[(&str, Target)] =
    &[("add_field", add_field), ("links", links), ("safety_digits", safety_digits), ("shown_text", shown_text)];

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
