//! Which rows of a long list are made, and where they stand.
//!
//! ```text
//!  0 ─ from ┌──────────────┐        rows that left: kept, and dropped many at a time
//!           │              │
//!     0 ════╪══════════════╪══▲     the view, `room` high; `shift` is where the first made row begins
//!           │ made         │  │
//!           │              │  │
//!  room ════╪══════════════╪══▼
//!           │              │
//!     end ─ └──────────────┘ ─ count
//! ```
//!
//! * One thing holds still whatever comes, goes or changes its height: the end, or an edge of one row ([`Hold`]).
//! * A row has no height before the window has made and measured it. [`Stage::step`] says what to make or to drop next,
//!   until everything that is seen is made.
//! * Rows that are not made are taken to be as high as those that are: only the scroll bar tells.
//! * Slint 1.17 draws the whole window again in a frame in which an element goes; therefore many rows go at a time.

use std::collections::VecDeque;
use std::ops::Range;

/// Rows that have left the view on one side before they are dropped: a full drawing each twenty rows.
const SPARE: usize = 24;

/// Rows of them that stay: who turns round finds them.
const STAY: usize = 4;

/// A row so close to those that are made is reached by making the ones between.
const CLOSE: usize = 8;

/// Nearer to the end than this is at the end, in logical pixels.
const NEAR: f32 = 2.0;

/// Leaps of more views than this do not make the rows between.
const LEAP: f32 = 1.5;

/// The height of a row before any was measured.
pub const TYPICAL: f32 = 48.0;

/// What holds still.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Hold {
    /// The last row ends where the view ends.
    End,
    /// The upper edge of a row.
    Top { row: usize, at: f32 },
    /// The lower edge of a row.
    Foot { row: usize, at: f32 },
}

/// What happens to the rows that are made; `at` counts among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many rows come in.
    Make {
        /// The first of them.
        at: usize,
        /// How many.
        rows: usize,
    },
    /// So many rows go.
    Drop {
        /// The first of them.
        at: usize,
        /// How many.
        rows: usize,
    },
    /// All of them are others.
    Anew,
}

/// Where in the view a row is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot {
    /// At its upper edge.
    Top,
    /// A third down, unless the whole row is seen already.
    Inside,
    /// Where it takes the shortest way.
    Near,
}

/// The rows of one list that are made.
#[derive(Clone, Debug)]
pub struct Stage {
    count: usize,
    from: usize,
    /// Of the rows that are made, from `from` on.
    heights: VecDeque<Option<f32>>,
    room: f32,
    /// Between a row that is shown and the edge of the view.
    pad: f32,
    typical: f32,
    hold: Hold,
}

impl Stage {
    /// A list of `count` rows that stands at its end, in a view like that of `before`.
    pub fn new(count: usize, before: &Self) -> Self {
        let mut stage = Self { count, from: count, heights: VecDeque::new(), hold: Hold::End, ..before.clone() };
        stage.anew();
        stage
    }

    /// Rows that are made.
    pub fn made(&self) -> Range<usize> {
        self.from..self.from + self.heights.len()
    }

    /// Whether what is seen has its place: nothing is still to be measured.
    pub fn is_settled(&self) -> bool {
        self.heights.iter().all(Option::is_some)
    }

    /// The list holds to its end.
    pub fn is_at_end(&self) -> bool {
        self.hold == Hold::End
    }

    /// Where the first row that is made begins, from the upper edge of the view.
    pub fn shift(&self) -> f32 {
        match self.hold {
            Hold::End => self.room - self.high(self.made()),
            Hold::Top { row, at } => at - self.high(self.from..row),
            Hold::Foot { row, at } => at - self.high(self.from..row + 1),
        }
    }

    /// For the scroll bar: where the view begins, below zero, and how high all rows are. Of those not made, an estimate.
    pub fn bar(&self) -> (f32, f32) {
        let (before, after) = (self.estimate(self.from), self.estimate(self.count - self.made().end));
        (self.shift() - before, before + self.high(self.made()) + after)
    }

    /// The last row that is wholly seen.
    pub fn last_seen(&self) -> Option<usize> {
        let mut foot = self.shift();
        let whole = self.heights.iter().take_while(|height| {
            foot += height.unwrap_or_default();
            foot <= self.room + NEAR
        });
        self.made().end.min(self.from + whole.count()).checked_sub(1)
    }

    /// The view is so high, and rows that are shown keep `pad` from its edges.
    pub fn resize(&mut self, room: f32, pad: f32) {
        (self.room, self.pad) = (room, pad);
    }

    /// The row at `at` among those made is so high.
    pub fn measure(&mut self, at: usize, height: f32) {
        if let Some(known) = self.heights.get_mut(at) {
            *known = Some(height);
        }
    }

    /// Moves the rows by `by`: down if it is more than zero.
    pub fn scroll(&mut self, by: f32) {
        let (mut row, mut top) = (self.from, self.shift());
        for height in self.heights.iter().map(|height| height.unwrap_or_default()) {
            if top + height > 0.0 {
                break;
            }
            (row, top) = (row + 1, top + height);
        }
        if self.made().contains(&row) {
            self.hold = Hold::Top { row, at: top + by };
        }
    }

    /// The scroll bar was taken to `value`, as of [`Self::bar`].
    pub fn scroll_to(&mut self, value: f32) {
        let (now, whole) = self.bar();
        if value >= 0.0 {
            self.hold = Hold::Top { row: 0, at: 0.0 };
        } else if value <= self.room - whole {
            self.hold = Hold::End;
        } else if (value - now).abs() <= LEAP * self.room {
            self.scroll(value - now);
        } else {
            let row = rows_in(-value, self.typical).min(self.count.saturating_sub(1));
            self.hold = Hold::Top { row, at: value + self.estimate(row) };
        }
    }

    /// The end, and whatever comes there.
    pub fn show_end(&mut self) {
        self.hold = Hold::End;
    }

    /// Brings a row into the view.
    pub fn show(&mut self, row: usize, spot: Spot) {
        if row >= self.count {
            return;
        }
        let seen = self.edges(row);
        let whole = seen.is_some_and(|(top, foot)| top >= self.pad && foot <= self.room - self.pad);
        let above =
            seen.map_or(row < self.from, |(top, foot)| top < self.pad || foot - top > self.room - 2.0 * self.pad);
        match spot {
            Spot::Top => self.hold = Hold::Top { row, at: 2.0 * self.pad },
            Spot::Inside | Spot::Near if whole => {}
            Spot::Inside => self.hold = Hold::Top { row, at: self.room / 3.0 },
            Spot::Near if above => self.hold = Hold::Top { row, at: self.pad },
            Spot::Near => self.hold = Hold::Foot { row, at: self.room - self.pad },
        }
    }

    /// A row came in at `row`; what it means to those that are made.
    pub fn added(&mut self, row: usize) -> Option<Step> {
        let made = self.made();
        let follows = row == made.end && row == self.count && self.hold == Hold::End;
        self.count += 1;
        self.hold.make_room(row, 1);
        if made.is_empty() || row > made.end {
            None
        } else if row <= made.start {
            self.from += 1;
            None
        } else if row < made.end || follows {
            let at = row - self.from;
            self.heights.insert(at, None);
            Some(Step::Make { at, rows: 1 })
        } else {
            None
        }
    }

    /// So many rows came in above all others.
    pub fn came_earlier(&mut self, rows: usize) {
        self.count += rows;
        self.from += rows;
        self.hold.make_room(0, rows);
    }

    /// The row at `row` is gone; what it means to those that are made.
    pub fn removed(&mut self, row: usize) -> Option<Step> {
        let made = self.made();
        self.count = self.count.saturating_sub(1);
        self.hold.close_up(row, self.count);
        if row < made.start {
            self.from -= 1;
        }
        made.contains(&row).then(|| {
            let at = row - made.start;
            self.heights.remove(at);
            Step::Drop { at, rows: 1 }
        })
    }

    /// What is to be made or dropped next; `None` if nothing is, or before all that is made was measured.
    pub fn step(&mut self) -> Option<Step> {
        if self.count == 0 || !self.is_settled() {
            return None;
        }
        if let Some(step) = self.reach() {
            return Some(step);
        }
        self.learn();
        self.come_to_rest();
        self.cover().or_else(|| {
            self.keep_still();
            self.spare(SPARE, STAY)
        })
    }

    /// Nobody looks any more: all that is not seen is dropped.
    pub fn rest(&mut self) -> Vec<Step> {
        if !self.is_settled() {
            return Vec::new();
        }
        self.keep_still();
        std::iter::from_fn(|| self.spare(0, 0)).collect()
    }

    /// What makes the row that holds still.
    fn reach(&mut self) -> Option<Step> {
        let (row, made) = (self.hold.row().unwrap_or(self.count - 1), self.made());
        if made.contains(&row) {
            None
        } else if !made.is_empty() && row >= made.end && row - made.end < CLOSE {
            Some(self.make_below(row + 1 - made.end))
        } else if row < made.start && made.start - row <= CLOSE && !made.is_empty() {
            Some(self.make_above(made.start - row))
        } else {
            Some(self.anew())
        }
    }

    /// Other rows than before: those that should fill the view.
    fn anew(&mut self) -> Step {
        let last = self.count.saturating_sub(1);
        let (row, above) = match self.hold {
            Hold::End => (last, self.room),
            Hold::Top { row, at } => (row, at),
            Hold::Foot { row, at } => (row, at),
        };
        let from = row.saturating_sub(self.fitting(above));
        let to = (row + 1 + self.fitting(self.room - above)).min(self.count);
        self.from = from;
        self.heights = std::iter::repeat_n(None, to - from).collect();
        Step::Anew
    }

    fn learn(&mut self) {
        if !self.heights.is_empty() {
            self.typical = (self.high(self.made()) / self.heights.len() as f32).max(1.0);
        }
    }

    /// No gap at either end of the list.
    fn come_to_rest(&mut self) {
        let (shift, made) = (self.shift(), self.made());
        if made.end == self.count && shift + self.high(made.clone()) <= self.room + NEAR {
            self.hold = Hold::End;
        } else if made.start == 0 && shift > 0.0 {
            self.hold = Hold::Top { row: 0, at: 0.0 };
        }
    }

    fn cover(&mut self) -> Option<Step> {
        let (shift, made) = (self.shift(), self.made());
        let below = self.room - shift - self.high(made.clone());
        if shift > 0.0 && made.start > 0 {
            Some(self.make_above(self.fitting(shift).clamp(1, made.start)))
        } else if below > 0.0 && made.end < self.count {
            Some(self.make_below(self.fitting(below).clamp(1, self.count - made.end)))
        } else {
            None
        }
    }

    /// Drops rows that are not seen, all but `stay` on a side where there are more than `most`.
    fn spare(&mut self, most: usize, stay: usize) -> Option<Step> {
        let (mut above, mut below, mut top) = (0, 0, self.shift());
        for height in self.heights.iter().map(|height| height.unwrap_or_default()) {
            above += usize::from(top + height <= 0.0);
            below += usize::from(top >= self.room);
            top += height;
        }
        if above > most {
            let rows = above - stay;
            self.heights.drain(..rows);
            self.from += rows;
            Some(Step::Drop { at: 0, rows })
        } else if below > most {
            let rows = below - stay;
            let at = self.heights.len() - rows;
            self.heights.truncate(at);
            Some(Step::Drop { at, rows })
        } else {
            None
        }
    }

    /// What holds still is among what is seen.
    fn keep_still(&mut self) {
        if self.hold != Hold::End {
            self.scroll(0.0);
        }
    }

    fn make_above(&mut self, rows: usize) -> Step {
        (0..rows).for_each(|_| self.heights.push_front(None));
        self.from -= rows;
        Step::Make { at: 0, rows }
    }

    fn make_below(&mut self, rows: usize) -> Step {
        let at = self.heights.len();
        self.heights.extend(std::iter::repeat_n(None, rows));
        Step::Make { at, rows }
    }

    /// Edges of a row that is made and measured.
    fn edges(&self, row: usize) -> Option<(f32, f32)> {
        let height = self.heights.get(row.checked_sub(self.from)?).copied().flatten()?;
        let top = self.shift() + self.high(self.from..row);
        Some((top, top + height))
    }

    /// How high the rows of a range are, as far as they are made.
    fn high(&self, rows: Range<usize>) -> f32 {
        let within = |row: usize| row.saturating_sub(self.from).min(self.heights.len());
        let heights = self.heights.range(within(rows.start)..within(rows.end).max(within(rows.start)));
        heights.map(|height| height.unwrap_or_default()).sum()
    }

    fn estimate(&self, rows: usize) -> f32 {
        rows as f32 * self.typical
    }

    fn fitting(&self, room: f32) -> usize {
        rows_in(room + self.typical - 1.0, self.typical)
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self { count: 0, from: 0, heights: VecDeque::new(), room: 480.0, pad: 8.0, typical: TYPICAL, hold: Hold::End }
    }
}

impl Hold {
    const fn row(&self) -> Option<usize> {
        match self {
            Self::End => None,
            Self::Top { row, .. } | Self::Foot { row, .. } => Some(*row),
        }
    }

    fn make_room(&mut self, at: usize, rows: usize) {
        if let Self::Top { row, .. } | Self::Foot { row, .. } = self {
            *row += if at <= *row { rows } else { 0 };
        }
    }

    /// The row at `gone` went; `count` are left. The one below it takes its place.
    fn close_up(&mut self, gone: usize, count: usize) {
        if let Self::Top { row, .. } | Self::Foot { row, .. } = self {
            *row -= usize::from(gone < *row);
            if *row >= count {
                *self = Self::End;
            }
        }
    }
}

/// Whole rows of `height` within `room`; none if there is no room.
fn rows_in(room: f32, height: f32) -> usize {
    (room / height).max(0.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Heights that differ, by a rule.
    fn height(row: usize) -> f32 {
        30.0 + 20.0 * ((row * 7) % 5) as f32
    }

    /// A list of rows that are measured as they are made, as the window does it.
    struct List {
        stage: Stage,
        /// Rows as the repeater has them.
        made: Vec<u64>,
        all: Vec<u64>,
        dropped: usize,
    }

    impl List {
        fn of(rows: usize) -> Self {
            let mut before = Stage::default();
            before.resize(500.0, 8.0);
            Self::like(rows, &before)
        }

        fn like(rows: usize, before: &Stage) -> Self {
            let all: Vec<u64> = (0..rows as u64).collect();
            let stage = Stage::new(rows, before);
            let made = all[stage.made()].to_vec();
            let mut list = Self { stage, made, all, dropped: 0 };
            list.settle();
            list
        }

        fn take(&mut self, step: Step) {
            match step {
                Step::Make { at, rows } => {
                    let from = self.stage.made().start + at;
                    self.made.splice(at..at, self.all[from..from + rows].iter().copied());
                }
                Step::Drop { at, rows } => {
                    self.made.drain(at..at + rows);
                    self.dropped += 1;
                }
                Step::Anew => self.made = self.all[self.stage.made()].to_vec(),
            }
        }

        fn settle(&mut self) {
            for turn in 0.. {
                assert!(turn < 10, "it comes to rest: {:?}", self.stage);
                self.made.iter().enumerate().for_each(|(at, row)| self.stage.measure(at, height(*row as usize)));
                let Some(step) = self.stage.step() else { break };
                self.take(step);
            }
            assert_eq!(self.made, self.all[self.stage.made()], "the repeater has what the stage says");
            self.assert_covered();
        }

        /// Tops of what is seen.
        fn seen(&self) -> Vec<(u64, f32)> {
            let mut top = self.stage.shift();
            let mut seen = Vec::new();
            for row in &self.made {
                if top + height(*row as usize) > 0.0 && top < 500.0 {
                    seen.push((*row, top));
                }
                top += height(*row as usize);
            }
            seen
        }

        fn assert_covered(&self) {
            let (seen, made) = (self.seen(), self.stage.made());
            let whole: f32 = self.all.iter().map(|row| height(*row as usize)).sum();
            let Some((first, last)) = seen.first().zip(seen.last()) else { return assert!(self.all.is_empty()) };
            let foot = last.1 + height(last.0 as usize);
            if whole >= 500.0 {
                assert!(first.1 <= 0.0 && foot >= 500.0, "no gap: {seen:?} of {made:?}");
            } else {
                assert!(
                    (foot - 500.0).abs() < 0.1 && seen.len() == self.all.len(),
                    "a short list stands at the bottom"
                );
            }
        }

        fn scroll(&mut self, by: f32) {
            self.stage.scroll(by);
            self.settle();
        }
    }

    #[test]
    fn a_long_list_begins_at_its_end_with_what_is_seen() {
        let list = List::of(100_000);
        let (row, top) = *list.seen().last().unwrap();
        assert_eq!((row, top + height(99_999)), (99_999, 500.0));
        assert!(list.stage.is_at_end() && list.made.len() < 14);
        assert_eq!(list.stage.last_seen(), Some(99_999));
        let next = List::like(80_000, &list.stage);
        assert!(next.made.len() <= next.seen().len() + 2, "it has learnt how high rows are");
    }

    #[test]
    fn short_lists_stand_at_the_bottom() {
        (0..12).for_each(|rows| assert!(List::of(rows).stage.is_at_end()));
    }

    #[test]
    fn every_row_moves_exactly_as_far_as_it_is_scrolled_and_few_are_ever_made() {
        let mut list = List::of(2_000);
        for n in 0..1_500 {
            let by = if n < 1_000 { 40.0 } else { -40.0 };
            let before = list.seen();
            list.scroll(by);
            let after = list.seen();
            for (row, top) in before {
                assert!(after.iter().all(|(other, now)| *other != row || (now - top - by).abs() < 0.01), "row {row}");
            }
            assert!(list.made.len() < 30 + 2 * SPARE);
        }
        // A row leaves in most of these frames, and some go in very few.
        assert!((10..100).contains(&list.dropped), "{}", list.dropped);
    }

    #[test]
    fn it_stops_at_both_ends() {
        let mut list = List::of(100);
        list.scroll(-300.0);
        assert!(list.stage.is_at_end());
        (0..40).for_each(|_| list.scroll(400.0));
        assert_eq!((list.seen()[0], list.stage.is_at_end()), ((0, 0.0), false));
        (0..40).for_each(|_| list.scroll(-400.0));
        assert!(list.stage.is_at_end());
    }

    #[test]
    fn the_bar_leads_anywhere() {
        let mut list = List::of(5_000);
        let (value, whole) = list.stage.bar();
        assert!((value - (500.0 - whole)).abs() < 1.0);
        for part in [0.5, 0.1, 0.9, 0.0, 1.0] {
            let whole = list.stage.bar().1;
            list.stage.scroll_to(part * (500.0 - whole));
            list.settle();
            let row = list.seen()[0].0 as f32 / 5_000.0;
            assert!((row - part).abs() < 0.02, "{row} for {part}");
        }
        assert!(list.stage.is_at_end());
        list.stage.scroll_to(0.0);
        list.settle();
        assert_eq!(list.seen()[0], (0, 0.0));
    }

    #[test]
    fn a_row_is_shown_where_it_is_wanted() {
        let mut list = List::of(1_000);
        let mut top_of = |row: usize, spot| {
            list.stage.show(row, spot);
            list.settle();
            list.seen().iter().find(|(seen, _)| *seen == row as u64).map(|seen| seen.1)
        };
        assert_eq!(top_of(400, Spot::Top), Some(16.0));
        assert_eq!(top_of(401, Spot::Inside), Some(16.0 + height(400)), "it was seen already");
        assert_eq!(top_of(700, Spot::Inside), Some(500.0 / 3.0));
        assert_eq!(top_of(690, Spot::Near), Some(8.0));
        assert_eq!(top_of(720, Spot::Near), Some(492.0 - height(720)));
        assert_eq!(top_of(0, Spot::Near), Some(0.0), "nothing stands above the first row");
        assert_eq!(top_of(999, Spot::Top), Some(500.0 - height(999)), "nothing stands below the last one");
        assert!(list.stage.is_at_end());
    }

    #[test]
    fn what_comes_and_goes_elsewhere_moves_nothing() {
        let mut list = List::of(300);
        list.scroll(900.0);
        let before = list.seen();
        for place in 0..4 {
            let made = list.stage.made();
            let row = [0, made.start, made.end, list.all.len()][place];
            list.all.insert(row, 1_000);
            assert_eq!(list.stage.added(row), None);
            list.settle();
            assert_eq!(list.seen(), before, "after one at {row}");
        }
        list.all.splice(0..0, 2_000..2_500);
        list.stage.came_earlier(500);
        list.settle();
        assert_eq!(list.seen(), before);
        list.all.remove(3);
        assert_eq!(list.stage.removed(3), None);
        list.settle();
        assert_eq!(list.seen(), before);
    }

    #[test]
    fn at_the_end_it_follows_what_comes_and_what_goes() {
        let mut list = List::of(3);
        for row in 3..60 {
            list.all.push(row as u64);
            let step = list.stage.added(row).unwrap();
            list.take(step);
            list.settle();
            assert!(list.stage.is_at_end() && list.seen().last().unwrap().0 == row as u64);
        }
        for row in (0..60).rev() {
            list.all.pop();
            let step = list.stage.removed(row);
            step.into_iter().for_each(|step| list.take(step));
            list.settle();
            assert!(list.stage.is_at_end());
        }
        assert!(list.made.is_empty());
        list.all.push(7);
        assert_eq!(list.stage.added(0), None);
        list.settle();
        assert_eq!(list.made, [7]);
    }

    #[test]
    fn a_row_that_grows_leaves_the_one_that_holds_in_its_place() {
        let mut list = List::of(300);
        list.scroll(700.0);
        let held = list.seen()[0];
        let at = list.made.iter().position(|row| *row == held.0).unwrap();
        let shift = list.stage.shift();
        list.stage.measure(at + 2, 400.0);
        assert_eq!(list.stage.shift(), shift);
        list.stage.measure(0, height(list.made[0] as usize) + 50.0);
        assert_eq!(list.stage.shift(), if at == 0 { shift } else { shift - 50.0 });
    }

    #[test]
    fn who_leaves_and_comes_back_finds_only_what_is_seen() {
        let mut list = List::of(300);
        (0..20).for_each(|_| list.scroll(40.0));
        let before = list.seen();
        let steps = list.stage.rest();
        steps.into_iter().for_each(|step| list.take(step));
        list.settle();
        assert_eq!((list.seen(), list.made.len()), (before.clone(), before.len()));
    }
}
