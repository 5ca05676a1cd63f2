//! Pictures that stay: what the window looks like, compared with what it looked like when somebody last looked.
//!
//! ```text
//! window ─ snapshot ─▶ Shot (32 levels a channel) ─┬─ compare ─▶ nothing, or places that changed
//! fixtures/pictures/pane/state-look-size.png ──────┘     on a change: target/tmp/pictures/….png and ….diff.png
//! ```
//!
//! **The tolerance.** A pixel counts as changed if it differs in a channel by more than [`STEP`] and by more than
//! [`SHARE`] of what that channel spans around it. So the smoothing of an edge may differ by a third of the edge's
//! height; a lost hairline, a missing icon, another digit, or something moved by a pixel differs by all of it. A picture
//! fails with more than [`SPECKS`] changed pixels.
//!
//! `Y7KE_BLESS=1` writes the pictures anew, for somebody to look at before they are committed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use slint::Window;

/// Colours are kept in this many levels a channel: what the eye does not tell apart need not be stored.
const LEVELS: u16 = 32;

/// A channel may differ by this much: two levels, and less than the palest line does from its ground.
pub const STEP: u8 = 17;

/// A pixel may differ by this part of what is spanned around it: a weight of smoothing, not a stroke.
pub const SHARE: (u16, u16) = (1, 3);

/// Pixels that may differ in a whole picture: the least digit has more.
pub const SPECKS: usize = 4;

/// Colours of a palette: the commonest, then those that are farthest from what there is.
const PALETTE: usize = 256;
const COMMONEST: usize = 144;

type Rgb = [u8; 3];

/// A picture.
#[derive(Clone, PartialEq, Eq)]
pub struct Shot {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<Rgb>,
}

impl Shot {
    /// What the window shows.
    pub fn of(window: &Window) -> Self {
        let shot = window.take_snapshot().expect("the software renderer takes pictures");
        let (width, height) = (shot.width() as usize, shot.height() as usize);
        let levels: [u8; 256] = std::array::from_fn(|value| level(value as u8));
        let mut pixels: Vec<Rgb> = Vec::with_capacity(width * height);
        let mut above: &[u8] = &[];
        for row in shot.as_bytes().chunks_exact(4 * width) {
            // Most rows repeat the one above, and tests are not optimised.
            if row == above {
                pixels.extend_from_within(pixels.len() - width..);
                continue;
            }
            for rgba in row.as_chunks::<4>().0 {
                pixels.push([levels[rgba[0] as usize], levels[rgba[1] as usize], levels[rgba[2] as usize]]);
            }
            above = row;
        }
        Self { width, height, pixels }
    }

    fn row(&self, y: usize) -> &[u8] {
        self.pixels[y * self.width..][..self.width].as_flattened()
    }

    pub fn at(&self, x: usize, y: usize) -> Rgb {
        self.pixels[y * self.width + x]
    }

    pub fn set(&mut self, x: usize, y: usize, to: Rgb) {
        self.pixels[y * self.width + x] = to;
    }

    /// The part of the picture that begins at (`x`, `y`).
    pub fn part(&self, (x, y): (usize, usize), (width, height): (usize, usize)) -> Self {
        let rows = (y..y + height).flat_map(|y| (x..x + width).map(move |x| (x, y)));
        Self { width, height, pixels: rows.map(|(x, y)| self.at(x, y)).collect() }
    }

    /// Puts `part` at (`x`, `y`).
    pub fn paste(&mut self, part: &Self, (x, y): (usize, usize)) {
        for row in 0..part.height {
            (0..part.width).for_each(|column| self.set(x + column, y + row, part.at(column, row)));
        }
    }

    /// The lowest and the highest of each channel around (`x`, `y`).
    fn around(&self, x: usize, y: usize) -> (Rgb, Rgb) {
        let (mut low, mut high) = ([u8::MAX; 3], [0; 3]);
        for y in y.saturating_sub(1)..=(y + 1).min(self.height - 1) {
            for x in x.saturating_sub(1)..=(x + 1).min(self.width - 1) {
                for (channel, value) in self.at(x, y).into_iter().enumerate() {
                    low[channel] = low[channel].min(value);
                    high[channel] = high[channel].max(value);
                }
            }
        }
        (low, high)
    }

    /// Writes a PNG with a palette.
    pub fn write(&self, path: &Path) {
        let (palette, indices) = self.palette();
        std::fs::create_dir_all(path.parent().expect("a picture lies in a folder")).expect("a folder for pictures");
        let file = BufWriter::new(File::create(path).expect("a file for a picture"));
        let mut encoder = png::Encoder::new(file, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_deflate_compression(png::DeflateCompression::Level(6));
        encoder.set_filter(png::Filter::NoFilter);
        encoder.set_palette(palette.concat());
        let mut writer = encoder.write_header().expect("a header");
        writer.write_image_data(&indices).expect("the pixels");
        writer.finish().expect("the end of a picture");
    }

    /// Colours that stand for all, and which of them is nearest to each pixel's.
    fn palette(&self) -> (Vec<Rgb>, Vec<u8>) {
        let mut counts = BTreeMap::<Rgb, usize>::new();
        for run in self.pixels.chunk_by(|a, b| a == b) {
            *counts.entry(run[0]).or_default() += run.len();
        }
        let mut commonest: Vec<_> = counts.iter().map(|(color, count)| (*count, *color)).collect();
        commonest.sort_unstable_by(|a, b| b.cmp(a));
        let palette = chosen(&commonest.into_iter().map(|(_, color)| color).collect::<Vec<_>>());
        let nearest = |color: &Rgb| {
            let place = (0..palette.len()).min_by_key(|at| distance(palette[*at], *color));
            place.and_then(|at| u8::try_from(at).ok()).unwrap_or_default()
        };
        let places: BTreeMap<Rgb, u8> = counts.keys().map(|color| (*color, nearest(color))).collect();
        let runs = self.pixels.chunk_by(|a, b| a == b);
        (palette, runs.flat_map(|run| std::iter::repeat_n(places[&run[0]], run.len())).collect())
    }

    /// Reads what [`Shot::write`] wrote; `None` if there is no such file.
    pub fn read(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        let mut decoder = png::Decoder::new(BufReader::new(file));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().expect("a picture");
        let mut bytes = vec![0; reader.output_buffer_size().expect("a picture that fits into memory")];
        let info = reader.next_frame(&mut bytes).expect("a whole picture");
        assert_eq!(info.color_type, png::ColorType::Rgb, "{} has a palette", path.display());
        let (pixels, rest) = bytes[..info.buffer_size()].as_chunks::<3>();
        assert!(rest.is_empty(), "{} is whole", path.display());
        Some(Self { width: info.width as usize, height: info.height as usize, pixels: pixels.to_vec() })
    }
}

/// The nearest of the levels.
fn level(value: u8) -> u8 {
    let steps = LEVELS - 1;
    let step = (u16::from(value) * steps + 127) / 255;
    u8::try_from(step * 255 / steps).unwrap_or(u8::MAX)
}

/// A palette for these colours, the commonest first: none is far from all of it.
fn chosen(colors: &[Rgb]) -> Vec<Rgb> {
    let mut palette: Vec<Rgb> = colors.iter().take(COMMONEST).copied().collect();
    let nearest = |color: &Rgb| palette.iter().map(|known| distance(*known, *color)).min().unwrap_or_default();
    let mut left: Vec<(u32, Rgb)> = colors.iter().skip(COMMONEST).map(|color| (nearest(color), *color)).collect();
    while palette.len() < PALETTE
        && let Some((_, farthest)) = left.iter().copied().filter(|(far, _)| *far > 0).max()
    {
        palette.push(farthest);
        left.iter_mut().for_each(|(far, color)| *far = (*far).min(distance(farthest, *color)));
    }
    palette
}

fn distance(a: Rgb, b: Rgb) -> u32 {
    a.into_iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
}

/// The pixels that changed, by the tolerance above. Pictures of different size differ everywhere.
pub fn changed(old: &Shot, new: &Shot) -> Vec<(usize, usize)> {
    if (old.width, old.height) != (new.width, new.height) {
        return (0..new.height).flat_map(|y| (0..new.width).map(move |x| (x, y))).collect();
    }
    let rows = (0..old.height).filter(|y| old.row(*y) != new.row(*y));
    let places = rows.flat_map(|y| (0..old.width).map(move |x| (x, y)));
    let unlike = places.filter(|(x, y)| apart(old.at(*x, *y), new.at(*x, *y)));
    unlike.filter(|(x, y)| !is_smoothing(old, new, *x, *y)).collect()
}

fn apart(a: Rgb, b: Rgb) -> bool {
    a != b && a.into_iter().zip(b).any(|(a, b)| a.abs_diff(b) > STEP)
}

/// Whether the difference is a small part of an edge that is there in both.
fn is_smoothing(old: &Shot, new: &Shot, x: usize, y: usize) -> bool {
    let ((old_low, old_high), (new_low, new_high)) = (old.around(x, y), new.around(x, y));
    let (a, b) = (old.at(x, y), new.at(x, y));
    (0..3).all(|channel| {
        let spans = old_high[channel].max(new_high[channel]) - old_low[channel].min(new_low[channel]);
        let differs = a[channel].abs_diff(b[channel]);
        differs <= STEP || u16::from(differs) * SHARE.1 <= u16::from(spans) * SHARE.0
    })
}

/// Where the pictures lie.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/pictures")
}

/// Whether the pictures are to be written anew.
pub fn blesses() -> bool {
    std::env::var_os("Y7KE_BLESS").is_some_and(|value| value == "1")
}

/// Compares with the picture of this name, or writes it; in words what is wrong.
pub fn check(name: &str, new: &Shot) -> Result<(), String> {
    let path = folder().join(format!("{name}.png"));
    if blesses() {
        new.write(&path);
        return Ok(());
    }
    let Some(old) = Shot::read(&path) else {
        let actual = keep(name, new, &[]);
        return Err(format!("{name}: there is no such picture yet; this is it: {actual}"));
    };
    let places = changed(&old, new);
    if places.len() <= SPECKS {
        return Ok(());
    }
    let actual = keep(name, new, &places);
    let (left, top) = (places.iter().map(|at| at.0).min(), places.iter().map(|at| at.1).min());
    let (right, bottom) = (places.iter().map(|at| at.0).max(), places.iter().map(|at| at.1).max());
    let ends = [left, top, right, bottom].map(Option::unwrap_or_default);
    Err(format!("{name}: {} pixels changed, between {ends:?} (left, top, right, bottom); now: {actual}", places.len()))
}

/// Keeps the new picture, and one that shows in red what changed; where.
fn keep(name: &str, new: &Shot, places: &[(usize, usize)]) -> String {
    let path = |kind: &str| Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("pictures/{name}{kind}.png"));
    new.write(&path(""));
    if places.is_empty() {
        return path("").display().to_string();
    }
    let pale = new.pixels.iter().map(|pixel| pixel.map(|value| 170 + value / 3));
    let mut shown = Shot { pixels: pale.collect(), ..*new };
    places.iter().for_each(|(x, y)| shown.set(*x, *y, [220, 0, 0]));
    shown.write(&path(".diff"));
    format!("{} (and .diff.png beside it)", path("").display())
}
