//! From the bytes of a picture to its shades of grey, within limits.

use std::io::Cursor;

use image::{DynamicImage, ImageError, ImageFormat, ImageReader, Limits, LumaA, RgbaImage};

use super::{Frame, Grey};

/// Bytes of a picture at most.
pub const MOST_BYTES: usize = 32 << 20;

/// Pixels of one side at most.
const MOST_SIDE: u32 = 16_384;

/// Pixels at most: more than any camera of a telephone gives.
const MOST_PIXELS: u64 = 64 << 20;

/// Bytes that a decoder may take.
const MOST_MEMORY: u64 = 512 << 20;

/// Why there is nothing to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unseen {
    /// The bytes are no picture of a kind that is read here.
    #[error("That is no picture that can be read here: it has to be a PNG or a JPEG.")]
    NoPicture,
    /// More bytes or pixels than are looked at.
    #[error("That picture is too large. Cut out the code, and try again.")]
    TooLarge,
}

/// Decodes a PNG, a JPEG or a PGM.
pub fn open(bytes: &[u8]) -> Result<Grey, Unseen> {
    if bytes.len() > MOST_BYTES {
        return Err(Unseen::TooLarge);
    }
    let (width, height) = reader(bytes)?.into_dimensions().map_err(|why| refused(&why))?;
    measured(width, height)?;
    Ok(on_paper(reader(bytes)?.decode().map_err(|why| refused(&why))?))
}

/// A picture that is open already: red, green, blue and cover of each pixel.
pub fn of_pixels(width: usize, height: usize, rgba: Vec<u8>) -> Result<Grey, Unseen> {
    let side = |pixels: usize| u32::try_from(pixels).map_err(|_huge| Unseen::TooLarge);
    let (width, height) = (side(width)?, side(height)?);
    measured(width, height)?;
    Ok(on_paper(RgbaImage::from_raw(width, height, rgba).ok_or(Unseen::NoPicture)?.into()))
}

fn measured(width: u32, height: u32) -> Result<(), Unseen> {
    if width == 0 || height == 0 {
        return Err(Unseen::NoPicture);
    }
    if width.max(height) > MOST_SIDE || u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(Unseen::TooLarge);
    }
    Ok(())
}

const fn refused(why: &ImageError) -> Unseen {
    match why {
        ImageError::Limits(_) => Unseen::TooLarge,
        _ => Unseen::NoPicture,
    }
}

/// What shines through is white.
fn on_paper(picture: DynamicImage) -> Grey {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    if !picture.color().has_alpha() {
        return Grey { width, height, pixels: picture.into_luma8().into_raw() };
    }
    let seen = |pixel: &LumaA<u8>| {
        let [grey, cover] = pixel.0.map(u16::from);
        u8::try_from((grey * cover + 255 * (255 - cover)) / 255).unwrap_or(u8::MAX)
    };
    Grey { width, height, pixels: picture.into_luma_alpha8().pixels().map(seen).collect() }
}

fn reader(bytes: &[u8]) -> Result<ImageReader<Cursor<&[u8]>>, Unseen> {
    let format = image::guess_format(bytes).map_err(|_unknown| Unseen::NoPicture)?;
    if !matches!(format, ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::Pnm) {
        return Err(Unseen::NoPicture);
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST_SIDE);
    limits.max_image_height = Some(MOST_SIDE);
    limits.max_alloc = Some(MOST_MEMORY);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    Ok(reader)
}

impl Frame {
    /// The picture as a PGM file, in shades of grey.
    pub fn to_pgm(&self) -> Vec<u8> {
        let mut file = format!("P5\n{} {}\n255\n", self.width, self.height).into_bytes();
        file.extend(self.rgb.as_chunks::<3>().0.iter().map(Self::brightness));
        file
    }

    /// How bright a pixel of red, green and blue is, by the weights of ITU-R BT.601 in 256ths.
    pub fn brightness(rgb: &[u8; 3]) -> u8 {
        let [red, green, blue] = rgb.map(u32::from);
        u8::try_from((77 * red + 150 * green + 29 * blue) >> 8).unwrap_or(u8::MAX)
    }
}

#[cfg(test)]
mod tests {
    use image::codecs::jpeg::JpegEncoder;
    use image::codecs::png::PngEncoder;
    use image::{ExtendedColorType, ImageEncoder};

    use super::super::code;
    use super::super::code::tests::{NUMBER, drawn};
    use super::*;

    fn png(bytes: &[u8], (width, height): (u32, u32), colour: ExtendedColorType) -> Vec<u8> {
        let mut file = Vec::new();
        PngEncoder::new(&mut file).write_image(bytes, width, height, colour).expect("it is a picture");
        file
    }

    #[test]
    fn b8_a_code_is_read_from_png_jpeg_and_pgm() {
        let grey = drawn(NUMBER, 4, (50, 30), (400, 300));
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, 60)
            .write_image(&grey.pixels, 400, 300, ExtendedColorType::L8)
            .expect("it is a picture");
        let rgb = grey.pixels.iter().flat_map(|grey| [*grey; 3]).collect();
        let frame = Frame { width: 400, height: 300, rgb };
        for file in [png(&grey.pixels, (400, 300), ExtendedColorType::L8), jpeg, frame.to_pgm()] {
            assert_eq!(code::read(&open(&file).expect("it opens")), [NUMBER]);
        }
        assert_eq!(open(&frame.to_pgm()), Ok(grey), "grey stays as it is");
    }

    #[test]
    fn b8_a_code_on_nothing_is_a_code_on_white() {
        let grey = drawn(NUMBER, 4, (50, 30), (400, 300));
        let rgba: Vec<u8> = grey.pixels.iter().flat_map(|grey| [0, 0, 0, 255 - *grey]).collect();
        let file = png(&rgba, (400, 300), ExtendedColorType::Rgba8);
        let from_file = open(&file).expect("it opens");
        assert_eq!(code::read(&from_file), [NUMBER]);
        assert_eq!(of_pixels(400, 300, rgba), Ok(from_file));
    }

    #[test]
    fn what_is_no_picture_is_told_from_what_is_too_large() {
        let good = png(&[0; 64], (8, 8), ExtendedColorType::L8);
        for bytes in [&b""[..], b"GIF89a..", b"hello", &good[..20], &good[..good.len() / 2], b"P5\n0 5\n255\n"] {
            assert_eq!(open(bytes), Err(Unseen::NoPicture), "{bytes:?}");
        }
        for size in ["20000 1", "1 20000", "16000 16000", "4294967295 4294967295"] {
            assert_eq!(open(format!("P5\n{size}\n255\n").as_bytes()), Err(Unseen::TooLarge), "{size}");
        }
        for (size, why) in
            [((0, 5), Unseen::NoPicture), ((3, 5), Unseen::NoPicture), ((16_000, 16_000), Unseen::TooLarge)]
        {
            assert_eq!(of_pixels(size.0, size.1, vec![0; 8]), Err(why), "{size:?}");
        }
        assert_eq!(open(&vec![0; MOST_BYTES + 1]), Err(Unseen::TooLarge));
    }
}
