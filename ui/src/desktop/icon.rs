//! The tray's icon, drawn by arithmetic: a bubble in the accent with two lines of writing in it.

/// The light scheme's accent; a tray may be of any colour.
const GROUND: [u8; 3] = [0x0E, 0x7C, 0x86];
const LINES: [u8; 3] = [0xFF, 0xFF, 0xFF];

/// In the sizes that trays ask for.
pub(super) fn sizes() -> Vec<ksni::Icon> {
    [22, 32, 48].into_iter().map(draw).collect()
}

fn draw(side: i32) -> ksni::Icon {
    let at = |n: i32| (f64::from(n) + 0.5) / f64::from(side);
    let pixels = (0..side).flat_map(|y| (0..side).map(move |x| (x, y)));
    let data = pixels.flat_map(|(x, y)| pixel(at(x), at(y), 1.0 / f64::from(side))).collect();
    ksni::Icon { width: side, height: side, data }
}

/// Alpha, red, green, blue at a point of the unit square; `soft` is one pixel.
fn pixel(x: f64, y: f64, soft: f64) -> [u8; 4] {
    let inside = |distance: f64| (0.5 - distance / soft).clamp(0.0, 1.0);
    let bubble = inside(rounded(x, y, (0.5, 0.45), (0.46, 0.37), 0.2)).max(inside(tail(x, y)));
    let lines = inside(rounded(x, y, (0.5, 0.35), (0.27, 0.05), 0.05)).max(inside(rounded(
        x,
        y,
        (0.42, 0.55),
        (0.19, 0.05),
        0.05,
    )));
    let mix = |ground: u8, line: u8| (f64::from(ground) * (1.0 - lines) + f64::from(line) * lines).round() as u8;
    let [r, g, b] = std::array::from_fn(|n| mix(GROUND[n], LINES[n]));
    [(bubble * 255.0).round() as u8, r, g, b]
}

/// Distance to a rectangle with round corners; negative inside.
fn rounded(x: f64, y: f64, middle: (f64, f64), half: (f64, f64), corner: f64) -> f64 {
    let (dx, dy) = ((x - middle.0).abs() - half.0 + corner, (y - middle.1).abs() - half.1 + corner);
    dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0) - corner
}

/// Distance to the little triangle below the bubble's left.
fn tail(x: f64, y: f64) -> f64 {
    let (left, slope) = (0.2 - x, (x - 0.2) + (y - 0.75) * 1.2 - 0.25);
    left.max(slope).max(0.7 - y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_icon_has_a_shape_and_writing() {
        for icon in sizes() {
            let pixels: Vec<&[u8]> = icon.data.chunks_exact(4).collect();
            assert_eq!(pixels.len(), (icon.width * icon.height) as usize);
            assert_eq!(pixels[0][0], 0, "the corner is clear");
            assert!(pixels.iter().any(|pixel| pixel[..] == [255, 0x0E, 0x7C, 0x86]));
            assert!(pixels.iter().any(|pixel| pixel[..] == [255, 255, 255, 255]));
        }
    }
}
