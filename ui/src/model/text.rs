//! Text of peers made safe and fit to be shown.
//!
//! * Always plain: nothing a peer writes is ever read as markup.
//! * Bidi controls are taken out: they would let a name or a sentence read backwards into ours.
//!   Right-to-left scripts need none of them.
//! * Control characters go, but for line breaks and tabs in messages.

/// Characters of one message that are laid out at once: a 64 KiB message is copied, not scrolled.
const SHOWN_CHARS: usize = 8_000;

/// Lines of one message that are laid out at once; a list's heights are 32-bit floats.
const SHOWN_LINES: usize = 200;

/// Characters of a name (PROTOCOL caps it at 64 on the wire).
const NAME_CHARS: usize = 64;

/// Characters of a one-line preview: more never fits the list.
const PREVIEW_CHARS: usize = 120;

/// A message's text without what could fool the eye.
pub fn plain(text: &str) -> String {
    text.chars().filter_map(kept).collect()
}

fn kept(c: char) -> Option<char> {
    match c {
        '\u{2028}' | '\u{2029}' | '\u{85}' => Some('\n'),
        '\n' | '\t' => Some(c),
        c if c.is_control() || is_bidi_control(c) => None,
        c => Some(c),
    }
}

const fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{200E}' | '\u{200F}' | '\u{061C}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// What is laid out of a message; beyond that a sentence says how to get at the rest.
pub fn shown(text: &str) -> String {
    let text = plain(text);
    let end = shown_end(&text);
    if end == text.len() {
        return text;
    }
    let left = text[end..].chars().count();
    format!("{}\n… {left} more characters. Copy the message to read all of it.", text[..end].trim_end())
}

fn shown_end(text: &str) -> usize {
    let by_chars = text.char_indices().nth(SHOWN_CHARS).map_or(text.len(), |(at, _)| at);
    let by_lines = text.match_indices('\n').nth(SHOWN_LINES).map_or(text.len(), |(at, _)| at);
    by_chars.min(by_lines)
}

/// A name in one line.
pub fn name(text: &str) -> String {
    one_line(text, NAME_CHARS)
}

/// The beginning of a message in one line.
pub fn preview(text: &str) -> String {
    one_line(text, PREVIEW_CHARS)
}

/// A whole message in one line.
pub fn line(text: &str) -> String {
    plain(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn one_line(text: &str, most: usize) -> String {
    let words = plain(text);
    let mut line = String::new();
    for word in words.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > most * 4 {
            break;
        }
    }
    line.chars().take(most).collect()
}

/// Whether a message has anything to say.
pub fn is_blank(text: &str) -> bool {
    plain(text).trim().is_empty()
}

/// Words that can stand alone: with a capital letter.
pub fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    first + letters.as_str()
}

/// Whether text reads from right to left: its first letter that has a direction says so.
pub fn is_right_to_left(text: &str) -> bool {
    text.chars().find(|c| c.is_alphabetic()).is_some_and(is_of_right_to_left_script)
}

/// Hebrew, Arabic and their neighbours, with their presentation forms.
const fn is_of_right_to_left_script(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFF}' | '\u{10800}'..='\u{10FFF}' | '\u{1E800}'..='\u{1EFFF}')
}

/// Up to two letters for an avatar: of the first two words, or of the id.
pub fn initials(name: &str, y7_id: &str) -> String {
    let letters: String = name.split_whitespace().filter_map(first_letter).take(2).collect();
    if !letters.is_empty() {
        return letters;
    }
    y7_id.trim_start_matches("y7:").chars().take(2).collect::<String>().to_uppercase()
}

fn first_letter(word: &str) -> Option<String> {
    word.chars().find(|c| c.is_alphanumeric()).map(|c| c.to_uppercase().collect())
}

/// The hue of an id, in degrees; the same on every device.
pub fn hue(y7_id: &str) -> f32 {
    // FNV-1a: spread evenly, and of no weight for security.
    let hash = y7_id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    // 24 hues: neighbours stay tellable apart.
    ((hash >> 32) % 24) as f32 * 15.0
}

/// An id to read aloud: its letters in groups of four.
pub fn groups(id: &str) -> String {
    let (prefix, rest) = id.strip_prefix("y7:").map_or(("", id), |rest| ("y7: ", rest));
    let mut out = prefix.to_owned();
    for (at, c) in rest.chars().enumerate() {
        if at > 0 && at % 4 == 0 {
            out.push(' ');
        }
        out.push(c);
    }
    out
}

/// An id to recognise: its beginning and its end.
pub fn short_id(y7_id: &str) -> String {
    let rest: Vec<char> = y7_id.trim_start_matches("y7:").chars().collect();
    if rest.len() <= 12 {
        return y7_id.to_owned();
    }
    let text = |part: &[char]| part.iter().collect::<String>();
    format!("y7:{} {} … {}", text(&rest[..4]), text(&rest[4..8]), text(&rest[rest.len() - 4..]))
}

/// A device to recognise: the beginning of its id.
pub fn short_device(id: &str) -> String {
    groups(&id.chars().take(8).collect::<String>())
}

/// A safety number in twelve groups of five, four groups a line.
pub fn safety_groups(digits: &str) -> String {
    let digits: Vec<char> = digits.chars().collect();
    let groups: Vec<String> = digits.chunks(5).map(|group| group.iter().collect()).collect();
    groups.chunks(4).map(|line| line.join("  ")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bidi_controls_and_nul_do_not_reach_the_screen() {
        assert_eq!(plain("a\u{202E}b\u{0}c\u{2066}d\u{200F}e\u{7}"), "abcde");
        assert_eq!(plain("one\ntwo\tthree"), "one\ntwo\tthree");
        assert_eq!(plain("a\u{2028}b"), "a\nb");
    }

    #[test]
    fn right_to_left_and_joined_emoji_stay_whole() {
        let text = "שלום 👩‍👩‍👧 مرحبا";
        assert_eq!(plain(text), text);
    }

    #[test]
    fn g6_the_first_letter_says_the_direction() {
        for text in ["שלום", "  12:30 שלום Ada", "مرحبا", "🙂 ܫܠܡܐ"] {
            assert!(is_right_to_left(text), "{text}");
        }
        for text in ["", "123", "See you — להתראות", "Привет", "🙂"] {
            assert!(!is_right_to_left(text), "{text}");
        }
    }

    #[test]
    fn markup_is_only_text() {
        assert_eq!(shown("**bold** <b>x</b> [a](http://b)"), "**bold** <b>x</b> [a](http://b)");
    }

    #[test]
    fn a_huge_message_is_cut_with_a_sentence() {
        let text = shown(&"x".repeat(60_000));
        assert!(text.ends_with("… 52000 more characters. Copy the message to read all of it."), "{}", &text[7_990..]);
        assert!(shown(&"\n".repeat(5_000)).lines().count() < 10);
    }

    #[test]
    fn names_are_one_short_line() {
        assert_eq!(name("  Ada \n Lovelace\t"), "Ada Lovelace");
        assert_eq!(name(&"x".repeat(500)).len(), 64);
    }

    #[test]
    fn initials_come_from_the_name_or_else_the_id() {
        assert_eq!(initials("Ada Lovelace King", "y7:abc"), "AL");
        assert_eq!(initials("émile", "y7:abc"), "É");
        assert_eq!(initials("🙂", "y7:9kLm"), "9K");
        assert_eq!(initials("", "y7:9kLm"), "9K");
    }

    #[test]
    fn ids_are_grouped_by_four() {
        assert_eq!(groups("y7:abcdefghij"), "y7: abcd efgh ij");
        assert_eq!(groups("00112233"), "0011 2233");
        assert_eq!(short_id("y7:abcdefghijklmnop"), "y7:abcd efgh … mnop");
        assert_eq!(short_device(&"3f9a1c77".repeat(8)), "3f9a 1c77");
        let lines = safety_groups(&"12345".repeat(12));
        assert_eq!(lines.lines().count(), 3);
        assert_eq!(lines.lines().next(), Some("12345  12345  12345  12345"));
    }

    #[test]
    fn the_same_id_has_the_same_hue() {
        assert_eq!(hue("y7:a").to_bits(), hue("y7:a").to_bits());
        assert!((0..200).all(|n| (0.0..360.0).contains(&hue(&format!("y7:{n}")))));
    }
}
