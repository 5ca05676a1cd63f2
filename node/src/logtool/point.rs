//! A point in time, as it is typed: `--at HEADS|TIME|N`.
//!
//! ```text
//! 64 hex digits[,64 hex digits…]                    heads
//! 2026-11-26T09:30:00Z · 1790000000000 (ms)         a time; of 13 digits and more
//! 57                                                so many events
//! ```

use chrono::DateTime;
use y7ke_crypto::ids::EventId;
use y7ke_ledger::tools::Point;

/// From here on a number is a time: of September 2001, before any event was written, in milliseconds.
const TIMES: u64 = 1_000_000_000_000;

/// Heads at most: more than any log has devices.
const MOST_HEADS: usize = 1_024;

const SHAPES: &str = "give heads (ids with commas between), a time (2026-11-26T09:30:00Z, or milliseconds since 1970), or a number of events";

pub(super) fn parse(text: &str) -> Result<Point, String> {
    // An id may be all digits.
    if let (false, Ok(number)) = (text.len() == 2 * EventId::LEN, text.parse::<u64>()) {
        return Ok(if number >= TIMES { Point::Time(number) } else { Point::First(number) });
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        let ms = u64::try_from(time.timestamp_millis());
        return ms.map(Point::Time).map_err(|_before| "this is before 1970: nothing was written then".to_owned());
    }
    let heads: Vec<&str> = text.split(',').take(MOST_HEADS + 1).collect();
    if heads.len() > MOST_HEADS {
        return Err(format!("these are more than {MOST_HEADS} heads"));
    }
    let heads = heads.iter().map(|head| head.parse::<EventId>()).collect::<Result<Vec<_>, _>>();
    heads.map(Point::Heads).map_err(|_no_id| SHAPES.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f1_a_point_is_heads_a_time_or_a_number() {
        let (one, other) = ("1f".repeat(32), "2e".repeat(32));
        let heads = Point::Heads(vec![EventId::from([0x1f; 32]), EventId::from([0x2e; 32])]);
        assert_eq!(parse(&format!("{one},{other}")), Ok(heads));
        assert_eq!(parse(&"0".repeat(64)), Ok(Point::Heads(vec![EventId::from([0; 32])])));
        assert_eq!(parse("57"), Ok(Point::First(57)));
        assert_eq!(parse("1790000000123"), Ok(Point::Time(1_790_000_000_123)));
        assert_eq!(parse("2026-09-21T15:13:20.5+01:00"), Ok(Point::Time(1_790_000_000_500)));
        let many = vec![one.as_str(); 1_025].join(",");
        for wrong in ["", "-1", "yesterday", "1969-01-01T00:00:00Z", "1f1f", &format!("{one},"), &many] {
            assert!(parse(wrong).is_err(), "{wrong:.80}");
        }
    }
}
