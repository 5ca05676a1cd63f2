//! Codes in a picture, by `rqrr`.
//!
//! A photograph of a screen is full of its lattice, and a code may be a small part of a large picture: it is looked at
//! small first, where lattices blur, and then closer. A code that is light on dark is read as well.

use std::panic::catch_unwind;

use rqrr::PreparedImage;

use super::Grey;

/// Codes read from one picture at most.
const CODES: usize = 8;

/// The longer sides at which a picture is looked at, in this order; one that is smaller is not made larger.
const SIDES: [usize; 3] = [640, 1_280, 2_560];

/// The texts of the codes in `picture`, each once; none if there is no code that can be read.
pub fn read(picture: &Grey) -> Vec<String> {
    let mut before = None;
    for side in SIDES {
        let seen = shrunk(picture, side);
        if before.replace(seen.width) == Some(seen.width) {
            break;
        }
        for turned in [0, u8::MAX] {
            // Where corners lie oddly `rqrr` 0.11 may panic: then there is no code in this view of the picture.
            let texts = catch_unwind(|| look(&seen, turned)).unwrap_or_default();
            if !texts.is_empty() {
                return texts;
            }
        }
    }
    Vec::new()
}

/// The codes of a picture as it is; with `turned` of 255, dark for light.
fn look(picture: &Grey, turned: u8) -> Vec<String> {
    let pixel = |x: usize, y: usize| picture.pixels[y * picture.width + x] ^ turned;
    let mut prepared = PreparedImage::prepare_from_greyscale(picture.width, picture.height, pixel);
    let grids = prepared.detect_grids();
    let mut texts: Vec<String> = Vec::new();
    for text in grids.iter().take(CODES).filter_map(|grid| grid.decode().ok()).map(|(_, text)| text) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}

/// The picture with its longer side at most `side`, each pixel the mean of those that it stands for.
fn shrunk(picture: &Grey, side: usize) -> Grey {
    let by = picture.width.max(picture.height).div_ceil(side).max(1);
    let (width, height) = (picture.width / by, picture.height / by);
    let mean = |at: usize| {
        let (left, top) = (at % width * by, at / width * by);
        let row = |y: usize| picture.pixels[y * picture.width + left..][..by].iter();
        let sum: usize = (top..top + by).flat_map(row).map(|grey| usize::from(*grey)).sum();
        u8::try_from(sum / (by * by)).unwrap_or(u8::MAX)
    };
    Grey { width, height, pixels: (0..width * height).map(mean).collect() }
}

#[cfg(test)]
pub(super) mod tests {
    use qrcode::{EcLevel, QrCode};

    use super::*;

    pub(in super::super) const NUMBER: &str = "012345678901234567890123456789901234567801234567892345678901";

    /// A code of `scale` pixels a module, at a place of a grey picture.
    pub(in super::super) fn drawn(
        text: &str,
        scale: usize,
        (left, top): (usize, usize),
        (width, height): (usize, usize),
    ) -> Grey {
        let code = QrCode::with_error_correction_level(text, EcLevel::L).expect("it fits");
        let (modules, dark) = (code.width(), code.to_colors());
        let mut picture = Grey { width, height, pixels: vec![200; width * height] };
        for at in 0..(modules + 8).pow(2) * scale * scale {
            let side = (modules + 8) * scale;
            let (x, y) = (at % side, at / side);
            let module = |n: usize| (n / scale).checked_sub(4).filter(|n| *n < modules);
            let is_dark =
                matches!((module(x), module(y)), (Some(x), Some(y)) if dark[y * modules + x] == qrcode::Color::Dark);
            picture.pixels[(top + y) * width + left + x] = if is_dark { 10 } else { 245 };
        }
        picture
    }

    fn upside_down(mut picture: Grey) -> Grey {
        picture.pixels.reverse();
        picture
    }

    #[test]
    fn b8_a_code_is_read_whatever_its_size_and_place() {
        for (scale, corner, size) in [
            (3, (10, 20), (160, 160)),
            (8, (300, 40), (640, 480)),
            (3, (1_500, 900), (1_920, 1_080)),
            (20, (900, 1_200), (3_000, 4_000)),
            // A screenshot of a large screen with a small code on it.
            (4, (3_000, 150), (3_840, 2_160)),
        ] {
            assert_eq!(read(&drawn(NUMBER, scale, corner, size)), [NUMBER], "{scale} in {size:?}");
        }
        assert_eq!(read(&upside_down(drawn(NUMBER, 5, (30, 40), (400, 300)))), [NUMBER]);
    }

    #[test]
    fn b8_light_on_dark_is_read_as_well() {
        let mut picture = drawn(NUMBER, 6, (30, 40), (400, 300));
        picture.pixels.iter_mut().for_each(|pixel| *pixel = 255 - *pixel);
        assert_eq!(read(&picture), [NUMBER]);
    }

    #[test]
    fn b8_both_codes_of_one_picture_are_read() {
        let mut picture = drawn(NUMBER, 5, (20, 20), (640, 300));
        let other = drawn("y7:4uQeVj5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM1", 5, (340, 30), (640, 300));
        for (pixel, other) in picture.pixels.iter_mut().zip(&other.pixels) {
            if *other != 200 {
                *pixel = *other;
            }
        }
        let mut texts = read(&picture);
        texts.sort();
        assert_eq!(texts, [NUMBER, "y7:4uQeVj5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM1"]);
    }

    #[test]
    fn where_there_is_none_there_is_none() {
        for (width, height) in [(0, 0), (1, 1), (1, 500), (640, 480)] {
            assert!(read(&Grey { width, height, pixels: vec![90; width * height] }).is_empty());
        }
        let mut torn = drawn(NUMBER, 6, (0, 0), (400, 300));
        torn.pixels[..400 * 110].fill(255);
        assert!(read(&torn).is_empty());
    }
}
