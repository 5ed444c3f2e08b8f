//! A field on a grid as a PNG file: what the examples draw.

use flate2::{Compression, Crc, write::ZlibEncoder};
use std::io::Write;
use std::path::Path;

/// Writes `field`, `width` values a row from the bottom up, in colours: blue below zero, white at zero, red above.
/// `limit` is the value of the full colours; cells for which `wall` is true are grey. A cell of a small grid takes
/// several pixels, so that the picture is 600 pixels wide or more.
pub(crate) fn write(
    path: &Path,
    width: usize,
    field: &[f64],
    limit: f64,
    wall: impl Fn(usize) -> bool,
) -> std::io::Result<()> {
    let height = field.len() / width;
    let zoom = 600usize.div_ceil(width);
    let mut pixels = Vec::with_capacity(zoom * height * (3 * zoom * width + 1));
    for y in (0..height).rev() {
        let start = pixels.len();
        pixels.push(0); // no filter
        for x in 0..width {
            let i = y * width + x;
            let cell = if wall(i) { [96; 3] } else { colour(field[i] / limit) };
            pixels.extend(std::iter::repeat_n(cell, zoom).flatten());
        }
        let line = pixels[start..].to_vec();
        pixels.extend(std::iter::repeat_n(line, zoom - 1).flatten());
    }
    let (width, height) = (zoom * width, zoom * height);
    let mut packed = ZlibEncoder::new(vec![], Compression::default());
    packed.write_all(&pixels)?;

    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = vec![];
    header.extend((width as u32).to_be_bytes());
    header.extend((height as u32).to_be_bytes());
    header.extend([8, 2, 0, 0, 0]); // 8 bits, RGB
    chunk(&mut png, *b"IHDR", &header);
    chunk(&mut png, *b"IDAT", &packed.finish()?);
    chunk(&mut png, *b"IEND", &[]);
    std::fs::write(path, png)
}

fn colour(v: f64) -> [u8; 3] {
    let v = v.clamp(-1.0, 1.0);
    let fade = |amount: f64| (255.0 * (1.0 - amount)) as u8;
    if v < 0.0 { [fade(-v), fade(-0.7 * v), 255] } else { [255, fade(0.8 * v), fade(v)] }
}

fn chunk(png: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    let mut crc = Crc::new();
    crc.update(&kind);
    crc.update(data);
    png.extend((data.len() as u32).to_be_bytes());
    png.extend(kind);
    png.extend(data);
    png.extend(crc.sum().to_be_bytes());
}
