//! Codes in a picture, by `rqrr`.
//!
//! A photograph of a screen is full of its lattice, and a code may be a small part of a large picture: it is looked at
//! small first, where lattices blur, and then closer. A code that is light on dark is read as well.

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
        let texts = look(&seen, 0);
        let texts = if texts.is_empty() { look(&seen, u8::MAX) } else { texts };
        if !texts.is_empty() {
            return texts;
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
