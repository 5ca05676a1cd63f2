//! Where the window is: what to remember of it, and where to put it back.
//!
//! * Size and place are those of the window while it is not maximised: leaving the maximised state leads back to them.
//! * A place counts only while a good piece of the title bar is on a screen that is there now.

use y7ke_node::api::WindowPlace;

/// How long a window must lie still before its place is written.
pub const KEEP_AFTER_MS: u64 = 1_000;

/// The least size, in logical pixels (ACCEPTANCE G7).
pub const LEAST: (u32, u32) = (720, 480);

/// So much of the window's upper edge must be on one screen: enough to take hold of it with the pointer.
const HOLD: (i64, i64) = (120, 40);

/// A screen, in pixels of the desktop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Left and top edge.
    pub at: (i32, i32),
    /// Width and height.
    pub size: (u32, u32),
    /// Pixels of the desktop to one logical pixel, in per cent.
    pub scale: u32,
}

/// What is seen of a window when something about it changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Left and top edge, if the system tells.
    pub at: Option<(i32, i32)>,
    /// Logical size.
    pub size: (u32, u32),
    /// Fills the screen.
    pub maximised: bool,
    /// Is on the screen: neither minimised nor hidden.
    pub shown: bool,
}

/// What to remember after `seen`, where `known` was remembered before.
pub fn remember(known: Option<WindowPlace>, seen: Seen) -> Option<WindowPlace> {
    let (width, height) = (seen.size.0.max(1), seen.size.1.max(1));
    match known {
        _ if !seen.shown => known,
        Some(known) if seen.maximised => Some(WindowPlace { maximised: true, ..known }),
        None if seen.maximised => Some(WindowPlace { at: seen.at, width: LEAST.0, height: LEAST.1, maximised: true }),
        _ => Some(WindowPlace { at: seen.at, width, height, maximised: false }),
    }
}

/// Where a remembered window goes now: never smaller than is useful, never larger than the screen it is on, and
/// nowhere in particular where its place is on no screen.
pub fn restore(known: WindowPlace, screens: &[Screen]) -> WindowPlace {
    let home = known.at.and_then(|at| screens.iter().find(|screen| holds(screen, at, known.width)));
    let room = home.or(screens.first()).map_or((u32::MAX, u32::MAX), logical_size);
    WindowPlace {
        at: known.at.filter(|_| home.is_some()),
        width: known.width.min(room.0).max(LEAST.0),
        height: known.height.min(room.1).max(LEAST.1),
        maximised: known.maximised,
    }
}

fn logical_size(screen: &Screen) -> (u32, u32) {
    let logical = |pixels: u32| pixels.saturating_mul(100) / screen.scale.max(1);
    (logical(screen.size.0), logical(screen.size.1))
}

/// Enough of the upper edge of a window at `at` is on this screen.
fn holds(screen: &Screen, at: (i32, i32), width: u32) -> bool {
    let width = i64::from(width) * i64::from(screen.scale) / 100;
    overlap(at.0, width, screen.at.0, screen.size.0) >= HOLD.0.min(width)
        && overlap(at.1, HOLD.1, screen.at.1, screen.size.1) >= HOLD.1
}

fn overlap(at: i32, length: i64, other_at: i32, other_length: u32) -> i64 {
    let (at, other_at) = (i64::from(at), i64::from(other_at));
    (at + length).min(other_at + i64::from(other_length)) - at.max(other_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Screen = Screen { at: (0, 0), size: (1920, 1080), scale: 100 };
    const LEFT: Screen = Screen { at: (-1280, 0), size: (1280, 1024), scale: 100 };

    fn place(x: i32, y: i32, width: u32, height: u32) -> WindowPlace {
        WindowPlace { at: Some((x, y)), width, height, maximised: false }
    }

    fn seen(x: i32, y: i32, width: u32, height: u32) -> Seen {
        Seen { at: Some((x, y)), size: (width, height), maximised: false, shown: true }
    }

    #[test]
    fn g7_a_window_comes_back_where_it_was() {
        for known in [place(10, 20, 900, 700), place(-1280, 0, 800, 600), place(1700, 900, 720, 480)] {
            assert_eq!(restore(known, &[ONE, LEFT]), known);
        }
    }

    #[test]
    fn a_screen_that_is_gone_takes_only_the_place() {
        let known = place(-1200, 40, 900, 700);
        assert_eq!(restore(known, &[ONE]), WindowPlace { at: None, ..known });
        assert_eq!(restore(known, &[]), WindowPlace { at: None, ..known });
        for lost in [place(0, 1070, 900, 700), place(0, -200, 900, 700), place(1900, 0, 900, 700)] {
            assert_eq!(restore(lost, &[ONE]).at, None, "{lost:?}");
        }
    }

    #[test]
    fn a_window_fits_its_screen_and_is_never_too_small() {
        let small = Screen { size: (1366, 768), ..ONE };
        assert_eq!(restore(place(0, 0, 2560, 1400), &[small]), place(0, 0, 1366, 768));
        assert_eq!(restore(place(0, 0, 10, 10), &[ONE]), place(0, 0, 720, 480));
        let fine = Screen { size: (3840, 2160), scale: 200, ..ONE };
        assert_eq!(restore(place(0, 0, 2560, 1400), &[fine]), place(0, 0, 1920, 1080));
    }

    #[test]
    fn maximising_keeps_the_size_to_come_back_to() {
        let known = remember(None, seen(10, 20, 900, 700));
        let large = remember(known, Seen { maximised: true, ..seen(0, 0, 1920, 1040) });
        assert_eq!(large, Some(WindowPlace { maximised: true, ..place(10, 20, 900, 700) }));
        assert_eq!(remember(large, seen(10, 20, 900, 700)), known);
        let hidden = Seen { shown: false, ..seen(0, 0, 1, 1) };
        assert_eq!(remember(known, hidden), known);
    }
}
