//! From the bytes of a camera's buffer to red, green and blue.
//!
//! ```text
//! YUYV   Y U Y V   Y U Y V …            two pixels share a colour; UYVY: U Y V Y
//! NV12   Y Y Y Y …  then  U V U V …     four pixels share a colour
//! RGB3   R G B …    BGR3  B G R …    GREY  Y …
//! MJPG   a JPEG, mostly without its Huffman tables
//! ```
//!
//! Rows may be longer than their pixels. Colours are BT.601 in limited range (black 16, white 235), the default of
//! V4L2 for what cameras give. Nothing is read that was not measured: a buffer that is too short is no picture.

use std::io::Cursor;

use image::{ImageFormat, ImageReader, Limits};

use crate::sight::Frame;

/// Pixels of one side at most.
const MOST_SIDE: u32 = 4_096;

/// Bytes that the decoder of a JPEG may take: one of the largest, and as much beside it.
const MOST_MEMORY: u64 = 128 << 20;

/// The markers around a JPEG; what is within never looks like the second.
const BEGIN: [u8; 2] = [0xFF, 0xD8];
const END: [u8; 2] = [0xFF, 0xD9];

/// A segment that says “motion JPEG”, upon which the decoder has the usual Huffman tables until others come.
const MOTION: [u8; 9] = *b"\xFF\xE0\x00\x07AVI1\0";

/// How a buffer is to be read; those that are wanted most come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Yuyv,
    Uyvy,
    Nv12,
    Jpeg,
    Rgb,
    Bgr,
    Grey,
}

impl Kind {
    /// The one with this name in V4L2.
    pub(super) const fn of(name: [u8; 4]) -> Option<Self> {
        match &name {
            b"YUYV" => Some(Self::Yuyv),
            b"UYVY" => Some(Self::Uyvy),
            b"NV12" => Some(Self::Nv12),
            b"MJPG" | b"JPEG" => Some(Self::Jpeg),
            b"RGB3" => Some(Self::Rgb),
            b"BGR3" => Some(Self::Bgr),
            b"GREY" => Some(Self::Grey),
            _ => None,
        }
    }

    /// Bytes of so many pixels in a row.
    const fn row(self, pixels: usize) -> usize {
        match self {
            Self::Yuyv | Self::Uyvy => pixels.div_ceil(2) * 4,
            Self::Nv12 => pixels.div_ceil(2) * 2,
            Self::Rgb | Self::Bgr => pixels * 3,
            Self::Grey => pixels,
            Self::Jpeg => 0,
        }
    }

    /// Rows of bytes of so many rows of pixels.
    const fn rows(self, pixels: usize) -> usize {
        match self {
            Self::Nv12 => pixels + pixels.div_ceil(2),
            _ => pixels,
        }
    }
}

/// Where the pixels of a buffer are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    kind: Kind,
    width: usize,
    height: usize,
    /// Bytes from the start of a row to that of the next.
    line: usize,
}

impl Layout {
    /// What a driver said, if it can be so. A row that is said to be too short to be one is taken for packed.
    pub(super) fn new(kind: Kind, width: u32, height: u32, line: u32) -> Option<Self> {
        let sides = 1..=MOST_SIDE;
        if !sides.contains(&width) || !sides.contains(&height) {
            return None;
        }
        let (width, height) = (width as usize, height as usize);
        Some(Self { kind, width, height, line: kind.row(width).max(line as usize) })
    }

    /// The picture in a buffer; `None` if it is not whole.
    pub(super) fn frame(&self, bytes: &[u8]) -> Option<Frame> {
        if self.kind == Kind::Jpeg {
            return jpeg(bytes);
        }
        let rows = self.kind.rows(self.height);
        let whole = self.line.checked_mul(rows - 1)?.checked_add(self.kind.row(self.width))?;
        let bytes = bytes.get(..whole)?;
        let mut rgb = Vec::with_capacity(self.width * self.height * 3);
        (0..self.height).for_each(|y| self.row(bytes, y, &mut rgb));
        Some(Frame { width: self.width as u32, height: self.height as u32, rgb })
    }

    fn row(&self, bytes: &[u8], y: usize, rgb: &mut Vec<u8>) {
        let line = |y: usize| &bytes[y * self.line..][..self.kind.row(self.width)];
        let row = line(y);
        let pixels = 0..self.width;
        match self.kind {
            Kind::Yuyv => rgb.extend(pixels.flat_map(|x| colour(row[2 * x], row[x / 2 * 4 + 1], row[x / 2 * 4 + 3]))),
            Kind::Uyvy => rgb.extend(pixels.flat_map(|x| colour(row[2 * x + 1], row[x / 2 * 4], row[x / 2 * 4 + 2]))),
            Kind::Nv12 => {
                let shared = line(self.height + y / 2);
                rgb.extend(pixels.flat_map(|x| colour(row[x], shared[x / 2 * 2], shared[x / 2 * 2 + 1])));
            }
            Kind::Rgb => rgb.extend(row),
            Kind::Bgr => rgb.extend(row.chunks_exact(3).flat_map(|pixel| [pixel[2], pixel[1], pixel[0]])),
            Kind::Grey => rgb.extend(row.iter().flat_map(|grey| [*grey; 3])),
            Kind::Jpeg => {}
        }
    }
}

/// BT.601, limited range, in 256ths.
fn colour(y: u8, u: u8, v: u8) -> [u8; 3] {
    let (y, u, v) = (298 * (i32::from(y) - 16), i32::from(u) - 128, i32::from(v) - 128);
    let parts = [y + 409 * v, y - 100 * u - 208 * v, y + 516 * u];
    parts.map(|part| ((part + 128) >> 8).clamp(0, 255) as u8)
}

/// A decoder would paint what is missing of one that was cut off, so it has to have its end; zeros may follow.
fn jpeg(bytes: &[u8]) -> Option<Frame> {
    let rest = bytes.strip_prefix(&BEGIN)?;
    rest.windows(END.len()).rposition(|bytes| bytes == END)?;
    let bytes = [BEGIN.as_slice(), &MOTION, rest].concat();
    let mut reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Jpeg);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST_SIDE);
    limits.max_image_height = Some(MOST_SIDE);
    limits.max_alloc = Some(MOST_MEMORY);
    reader.limits(limits);
    let picture = reader.decode().ok()?.into_rgb8();
    Some(Frame { width: picture.width(), height: picture.height(), rgb: picture.into_raw() })
}

#[cfg(test)]
mod tests {
    use image::ExtendedColorType;
    use image::codecs::jpeg::JpegEncoder;

    use super::*;

    const BLACK: [u8; 3] = [0; 3];
    const WHITE: [u8; 3] = [255; 3];

    fn layout(kind: Kind, width: u32, height: u32, line: u32) -> Layout {
        Layout::new(kind, width, height, line).unwrap()
    }

    fn pixels(kind: Kind, (width, height): (u32, u32), line: u32, bytes: &[u8]) -> Vec<[u8; 3]> {
        let frame = layout(kind, width, height, line).frame(bytes).unwrap();
        assert_eq!((frame.width, frame.height), (width, height));
        let (pixels, rest) = frame.rgb.as_chunks();
        assert!(rest.is_empty() && pixels.len() as u32 == width * height);
        pixels.to_vec()
    }

    /// A JPEG of one grey, and the same as motion JPEG: without its Huffman tables.
    fn grey_jpegs(width: u16, height: u16) -> [Vec<u8>; 2] {
        let (mut whole, grey) = (Vec::new(), vec![90; usize::from(width) * usize::from(height)]);
        JpegEncoder::new(&mut whole).encode(&grey, width.into(), height.into(), ExtendedColorType::L8).unwrap();
        let motion = without_tables(&whole);
        [whole, motion]
    }

    fn without_tables(jpeg: &[u8]) -> Vec<u8> {
        let (mut kept, mut rest) = (jpeg[..2].to_vec(), &jpeg[2..]);
        while rest[1] != 0xDA {
            let (segment, after) = rest.split_at(2 + usize::from(u16::from_be_bytes([rest[2], rest[3]])));
            kept.extend(if segment[1] == 0xC4 { &[] } else { segment });
            rest = after;
        }
        kept.extend(rest);
        kept
    }

    #[test]
    fn colours_are_those_of_bt_601() {
        let known = [
            ([16, 128, 128], BLACK),
            ([235, 128, 128], WHITE),
            ([126, 128, 128], [128; 3]),
            ([81, 90, 240], [255, 0, 0]),
            ([145, 54, 34], [0, 255, 1]),
            ([41, 240, 110], [0, 0, 255]),
            ([0, 128, 128], BLACK),
            ([255, 128, 128], WHITE),
        ];
        for ([y, u, v], rgb) in known {
            assert_eq!(colour(y, u, v), rgb, "{y} {u} {v}");
        }
    }

    #[test]
    fn each_format_has_its_bytes_where_they_are() {
        let red_and_darker = [[255, 0, 0], [179, 0, 0]];
        assert_eq!(pixels(Kind::Yuyv, (2, 1), 4, &[81, 90, 16, 240]), red_and_darker);
        assert_eq!(pixels(Kind::Uyvy, (2, 1), 4, &[90, 81, 240, 16]), red_and_darker);
        let halves = pixels(Kind::Nv12, (2, 2), 2, &[81, 81, 16, 16, 90, 240]);
        assert_eq!(halves, [[[255, 0, 0]; 2], [[179, 0, 0]; 2]].concat());
        assert_eq!(pixels(Kind::Rgb, (2, 1), 6, &[1, 2, 3, 4, 5, 6]), [[1, 2, 3], [4, 5, 6]]);
        assert_eq!(pixels(Kind::Bgr, (2, 1), 6, &[1, 2, 3, 4, 5, 6]), [[3, 2, 1], [6, 5, 4]]);
        assert_eq!(pixels(Kind::Grey, (2, 1), 2, &[7, 200]), [[7; 3], [200; 3]]);
    }

    #[test]
    fn rows_may_be_longer_than_their_pixels_and_of_odd_length() {
        assert_eq!(pixels(Kind::Grey, (1, 2), 3, &[1, 9, 9, 2]), [[1; 3], [2; 3]]);
        assert_eq!(pixels(Kind::Yuyv, (3, 1), 0, &[16, 128, 235, 128, 16, 128, 0, 128]), [BLACK, WHITE, BLACK]);
        let odd = [16, 235, 16, 0, 235, 16, 235, 0, 16, 235, 16, 0, 128, 128, 128, 128, 128, 128, 128, 128];
        let board = pixels(Kind::Nv12, (3, 3), 4, &odd);
        assert_eq!(board, [BLACK, WHITE, BLACK, WHITE, BLACK, WHITE, BLACK, WHITE, BLACK]);
    }

    #[test]
    fn what_is_too_short_is_no_picture() {
        for kind in [Kind::Yuyv, Kind::Uyvy, Kind::Nv12, Kind::Rgb, Kind::Bgr, Kind::Grey] {
            for line in [0, 64] {
                let layout = layout(kind, 5, 3, line);
                let whole = layout.line * (kind.rows(3) - 1) + kind.row(5);
                assert!(layout.frame(&vec![0; whole]).is_some(), "{kind:?} {line}");
                assert!(layout.frame(&vec![0; whole + 9]).is_some(), "{kind:?} {line}");
                assert!((0..whole).all(|short| layout.frame(&vec![0; short]).is_none()), "{kind:?} {line}");
            }
        }
        assert!(layout(Kind::Nv12, MOST_SIDE, MOST_SIDE, u32::MAX).frame(&[0; 64]).is_none());
    }

    #[test]
    fn sizes_have_limits() {
        for (width, height) in [(0, 1), (1, 0), (MOST_SIDE + 1, 1), (1, MOST_SIDE + 1), (u32::MAX, u32::MAX)] {
            assert_eq!(Layout::new(Kind::Yuyv, width, height, 0), None);
        }
        assert!(Layout::new(Kind::Yuyv, MOST_SIDE, MOST_SIDE, 0).is_some());
    }

    #[test]
    fn a_row_that_is_said_to_be_too_short_is_packed() {
        assert_eq!(pixels(Kind::Grey, (2, 2), 1, &[1, 2, 3, 4]), [[1; 3], [2; 3], [3; 3], [4; 3]]);
    }

    #[test]
    fn a_motion_jpeg_lacks_its_huffman_tables() {
        let jpegs = grey_jpegs(24, 16);
        assert!(jpegs[1].len() + 100 < jpegs[0].len());
        for jpeg in jpegs {
            let seen = pixels(Kind::Jpeg, (24, 16), 0, &[jpeg, vec![0; 30]].concat());
            assert!(seen.iter().flatten().all(|part| part.abs_diff(90) < 3));
        }
    }

    #[test]
    fn a_torn_jpeg_is_no_picture_and_no_crash() {
        let layout = layout(Kind::Jpeg, 24, 16, 0);
        for jpeg in grey_jpegs(24, 16) {
            assert!((0..jpeg.len()).all(|short| layout.frame(&jpeg[..short]).is_none()));
            for at in 0..jpeg.len() {
                let mut bent = jpeg.clone();
                bent[at] ^= 0xFF;
                if let Some(frame) = layout.frame(&bent) {
                    assert_eq!(frame.rgb.len(), frame.width as usize * frame.height as usize * 3);
                }
            }
        }
    }

    #[test]
    fn a_jpeg_is_as_large_as_it_says_within_limits() {
        let frame = layout(Kind::Jpeg, 640, 480, 0).frame(&grey_jpegs(24, 16)[0]).unwrap();
        assert_eq!((frame.width, frame.height), (24, 16));
        assert!(layout(Kind::Jpeg, 640, 480, 0).frame(&grey_jpegs(5_000, 8)[0]).is_none());
    }
}
