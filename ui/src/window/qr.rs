//! A QR code as a picture of one pixel a module.

use qrcode::{Color, EcLevel, QrCode};
use slint::{Image, Rgba8Pixel, SharedPixelBuffer};

/// Light modules around the code that readers need.
const QUIET: usize = 4;

const DARK: Rgba8Pixel = Rgba8Pixel { r: 0, g: 0, b: 0, a: 255 };
const LIGHT: Rgba8Pixel = Rgba8Pixel { r: 255, g: 255, b: 255, a: 255 };

/// The picture and its side in modules; `None` for text that no code holds.
pub(super) fn draw(text: &str) -> Option<(Image, i32)> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let width = code.width();
    let side = width + 2 * QUIET;
    let mut pixels = SharedPixelBuffer::<Rgba8Pixel>::new(u32::try_from(side).ok()?, u32::try_from(side).ok()?);
    let modules = code.to_colors();
    for (at, pixel) in pixels.make_mut_slice().iter_mut().enumerate() {
        let inside = |n: usize| n.checked_sub(QUIET).filter(|n| *n < width);
        let dark = match (inside(at % side), inside(at / side)) {
            (Some(x), Some(y)) => modules[y * width + x] == Color::Dark,
            _ => false,
        };
        *pixel = if dark { DARK } else { LIGHT };
    }
    Some((Image::from_rgba8(pixels), i32::try_from(side).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a2_a_link_becomes_a_square_with_a_quiet_border() {
        let (image, side) = draw("y7:4uQeVj5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM1").expect("a link fits");
        assert_eq!((image.size().width as i32, image.size().height as i32), (side, side));
        assert!((29..60).contains(&side));
    }

    #[test]
    fn what_does_not_fit_is_no_picture() {
        assert!(draw(&"x".repeat(5_000)).is_none());
    }
}
