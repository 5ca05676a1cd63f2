//! Times in words: near ones short, far ones with their date.

use chrono::{DateTime, Datelike, FixedOffset, Local, NaiveDate, NaiveDateTime, Utc};

/// Where the person's clock hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// As the system says, with its summer times.
    System,
    /// Seconds east of UTC, for tests.
    Fixed(i32),
}

impl Zone {
    /// The wall clock at `ms` since 1970.
    pub fn at(self, ms: u64) -> NaiveDateTime {
        let utc = i64::try_from(ms).ok().and_then(DateTime::<Utc>::from_timestamp_millis).unwrap_or_default();
        match self {
            Self::System => utc.with_timezone(&Local).naive_local(),
            Self::Fixed(east) => {
                FixedOffset::east_opt(east).map_or(utc.naive_utc(), |zone| utc.with_timezone(&zone).naive_local())
            }
        }
    }

    /// The day of `ms`.
    pub fn day(self, ms: u64) -> NaiveDate {
        self.at(ms).date()
    }

    /// `14:05`
    pub fn clock(self, ms: u64) -> String {
        self.at(ms).format("%H:%M").to_string()
    }

    /// For a list: `14:05`, `Yesterday`, `Mon`, `12 Mar`, `12 Mar 2024`.
    pub fn brief(self, ms: u64, now_ms: u64) -> String {
        let (day, today) = (self.day(ms), self.day(now_ms));
        match today.signed_duration_since(day).num_days() {
            ..=0 => self.clock(ms),
            1 => "Yesterday".into(),
            2..=6 => day.format("%a").to_string(),
            _ if day.year() == today.year() => day.format("%-d %b").to_string(),
            _ => day.format("%-d %b %Y").to_string(),
        }
    }

    /// For a separator: `Today`, `Yesterday`, `Monday, 16 November`, with the year if it is another.
    pub fn separator(self, ms: u64, now_ms: u64) -> String {
        let (day, today) = (self.day(ms), self.day(now_ms));
        match today.signed_duration_since(day).num_days() {
            0 => "Today".into(),
            1 => "Yesterday".into(),
            _ if day.year() == today.year() => day.format("%A, %-d %B").to_string(),
            _ => day.format("%-d %B %Y").to_string(),
        }
    }

    /// In full: `Monday, 16 November 2026, 14:05:09`.
    pub fn full(self, ms: u64) -> String {
        self.at(ms).format("%A, %-d %B %Y, %H:%M:%S").to_string()
    }
}

/// How long from now until `ms`, roughly: `5 days`, `3 hours`, `a moment`.
pub fn until(ms: u64, now_ms: u64) -> String {
    let minutes = ms.saturating_sub(now_ms) / 60_000;
    match (minutes / 1440, minutes / 60, minutes) {
        (0, 0, 0) => "a moment".into(),
        (0, 0, 1) => "a minute".into(),
        (0, 0, minutes) => format!("{minutes} minutes"),
        (0, 1, _) => "an hour".into(),
        (0, hours, _) => format!("{hours} hours"),
        (1, ..) => "a day".into(),
        (days, ..) => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UTC: Zone = Zone::Fixed(0);
    const DAY: u64 = 86_400_000;
    /// Monday, 16 November 2026, 14:05:09 UTC.
    const NOW: u64 = 1_794_837_909_000;

    #[test]
    fn near_times_are_short_and_far_ones_have_their_date() {
        assert_eq!(UTC.brief(NOW, NOW), "14:05");
        assert_eq!(UTC.brief(NOW - DAY, NOW), "Yesterday");
        assert_eq!(UTC.brief(NOW - 3 * DAY, NOW), "Fri");
        assert_eq!(UTC.brief(NOW - 30 * DAY, NOW), "17 Oct");
        assert_eq!(UTC.brief(NOW - 400 * DAY, NOW), "12 Oct 2025");
    }

    #[test]
    fn a_clock_that_runs_ahead_is_today() {
        assert_eq!(UTC.brief(NOW + 2 * DAY, NOW), "14:05");
    }

    #[test]
    fn separators_name_days() {
        assert_eq!(UTC.separator(NOW, NOW), "Today");
        assert_eq!(UTC.separator(NOW - DAY, NOW), "Yesterday");
        assert_eq!(UTC.separator(NOW - 2 * DAY, NOW), "Saturday, 14 November");
        assert_eq!(UTC.separator(NOW - 400 * DAY, NOW), "12 October 2025");
        assert_eq!(UTC.full(NOW), "Monday, 16 November 2026, 14:05:09");
    }

    #[test]
    fn the_zone_moves_midnight() {
        let late = NOW + 9 * 3_600_000 + 3_000_000;
        assert_eq!(UTC.day(late), UTC.day(NOW));
        assert_ne!(Zone::Fixed(7200).day(late), Zone::Fixed(7200).day(NOW));
    }

    #[test]
    fn spans_are_rough() {
        assert_eq!(until(NOW + 14 * DAY, NOW), "14 days");
        assert_eq!(until(NOW + 3_600_000, NOW), "an hour");
        assert_eq!(until(NOW, NOW + 5), "a moment");
    }
}
