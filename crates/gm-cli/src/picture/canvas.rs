//! A picture to draw on, with pixels, smooth strokes and lettering. The crate plotters draws on it as well.

use std::convert::Infallible;

use image::{Rgb, RgbImage};
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontTransform,
};

use super::strokes::{Point, lettering};

/// The height of capitals as a share of the size of their font.
const CAPITAL: f32 = 0.66;

/// The side of a picture on which the crate plotters draws.
#[derive(Debug)]
pub(crate) struct Plotter<'a>(pub(crate) &'a mut Canvas);

/// A picture of 8-bit colours.
#[derive(Clone, Debug)]
pub(crate) struct Canvas {
    pixels: RgbImage,
}

impl Canvas {
    /// A picture of one colour.
    pub(crate) fn new(width: u32, height: u32, colour: [u8; 3]) -> Self {
        Self { pixels: RgbImage::from_pixel(width, height, Rgb(colour)) }
    }

    pub(crate) fn width(&self) -> u32 {
        self.pixels.width()
    }

    pub(crate) fn height(&self) -> u32 {
        self.pixels.height()
    }

    pub(crate) fn into_image(self) -> RgbImage {
        self.pixels
    }

    /// Copies a picture to a place. The part outside the canvas is cut off.
    pub(crate) fn paste(&mut self, picture: &RgbImage, x: u32, y: u32) {
        image::imageops::replace(&mut self.pixels, picture, x.into(), y.into());
    }

    /// Writes a text with the top left corner of its capitals at a place.
    pub(crate) fn write(&mut self, text: &str, at: Point, height: f32, colour: [u8; 3]) {
        let (lines, _) = lettering(text, height);
        let moved: Vec<Vec<Point>> =
            lines.into_iter().map(|line| line.into_iter().map(|(x, y)| (x + at.0, y + at.1)).collect()).collect();
        self.strokes(&moved, pen(height), colour, 1.0);
    }

    /// Draws polylines with a round pen and smooth edges. Ink does not add up at crossings.
    fn strokes(&mut self, lines: &[Vec<Point>], pen: f32, colour: [u8; 3], opacity: f32) {
        let points = || lines.iter().flatten();
        if points().next().is_none() {
            return;
        }
        let reach = pen / 2.0 + 1.0;
        let low = points().fold((f32::MAX, f32::MAX), |low, p| (low.0.min(p.0), low.1.min(p.1)));
        let high = points().fold((f32::MIN, f32::MIN), |high, p| (high.0.max(p.0), high.1.max(p.1)));
        let columns = clip(low.0 - reach, high.0 + reach, self.width());
        let rows = clip(low.1 - reach, high.1 + reach, self.height());
        let mut ink = vec![0.0_f32; columns.len() * rows.len()];
        for line in lines {
            for i in 0..line.len().max(2) - 1 {
                let (from, to) = (line[i], line[(i + 1).min(line.len() - 1)]);
                ink_segment(&mut ink, &columns, &rows, (from, to, pen));
            }
        }
        for (i, &ink) in ink.iter().enumerate().filter(|(_, ink)| **ink > 0.0) {
            let (x, y) = (columns.start + (i % columns.len()) as u32, rows.start + (i / columns.len()) as u32);
            self.blend(x, y, colour, ink * opacity);
        }
    }

    fn blend(&mut self, x: u32, y: u32, colour: [u8; 3], opacity: f32) {
        let Rgb(old) = self.pixels.get_pixel_mut(x, y);
        for (old, new) in old.iter_mut().zip(colour) {
            *old = (f32::from(*old) * (1.0 - opacity) + f32::from(new) * opacity).round() as u8;
        }
    }
}

/// The width of the pen for capitals of a height.
fn pen(height: f32) -> f32 {
    (height * 0.125).max(1.1)
}

fn clip(low: f32, high: f32, size: u32) -> std::ops::Range<u32> {
    let start = (low.floor().max(0.0) as u32).min(size);
    start..(high.ceil().max(0.0) as u32).saturating_add(1).min(size).max(start)
}

/// Raises the ink of each pixel near a segment to the share of the pixel that the pen covers.
fn ink_segment(
    ink: &mut [f32],
    columns: &std::ops::Range<u32>,
    rows: &std::ops::Range<u32>,
    (from, to, pen): (Point, Point, f32),
) {
    let reach = pen / 2.0 + 1.0;
    let near_columns = clip(from.0.min(to.0) - reach, from.0.max(to.0) + reach, columns.end);
    let near_rows = clip(from.1.min(to.1) - reach, from.1.max(to.1) + reach, rows.end);
    for y in near_rows.start.max(rows.start)..near_rows.end {
        for x in near_columns.start.max(columns.start)..near_columns.end {
            let covered = (pen / 2.0 + 0.5 - distance((x as f32, y as f32), from, to)).clamp(0.0, 1.0);
            let at = (y - rows.start) as usize * columns.len() + (x - columns.start) as usize;
            ink[at] = ink[at].max(covered);
        }
    }
}

/// The distance of a point from a segment.
fn distance(p: Point, from: Point, to: Point) -> f32 {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx * dx + dy * dy;
    let share = if length > 0.0 { ((p.0 - from.0) * dx + (p.1 - from.1) * dy) / length } else { 0.0 };
    let share = share.clamp(0.0, 1.0);
    (p.0 - from.0 - share * dx).hypot(p.1 - from.1 - share * dy)
}

fn rgb(colour: BackendColor) -> [u8; 3] {
    colour.rgb.into()
}

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

impl DrawingBackend for Plotter<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        self.0.pixels.dimensions()
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, color: BackendColor) -> Drawn {
        if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y))
            && x < self.0.width()
            && y < self.0.height()
        {
            self.0.blend(x, y, rgb(color), color.alpha as f32);
        }
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        let line: Vec<Point> = path.into_iter().map(|(x, y)| (x as f32, y as f32)).collect();
        let color = style.color();
        self.0.strokes(&[line], style.stroke_width() as f32, rgb(color), color.alpha as f32);
        Ok(())
    }

    fn draw_text<T: BackendTextStyle>(&mut self, text: &str, style: &T, pos: BackendCoord) -> Drawn {
        let height = style.size() as f32 * CAPITAL;
        let (lines, width) = lettering(text, height);
        let left = match style.anchor().h_pos {
            HPos::Left => 0.0,
            HPos::Center => -width / 2.0,
            HPos::Right => -width,
        };
        let top = match style.anchor().v_pos {
            VPos::Top => 0.0,
            VPos::Center => -height / 2.0,
            VPos::Bottom => -height,
        };
        let place = |(x, y): Point| {
            let (x, y) = turned(&style.transform(), (x + left, y + top));
            (x + pos.0 as f32, y + pos.1 as f32)
        };
        let lines: Vec<Vec<Point>> = lines.into_iter().map(|line| line.into_iter().map(place).collect()).collect();
        self.0.strokes(&lines, pen(height), rgb(style.color()), style.color().alpha as f32);
        Ok(())
    }

    fn estimate_text_size<T: BackendTextStyle>(
        &self,
        text: &str,
        style: &T,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        let height = style.size() as f32 * CAPITAL;
        Ok((lettering(text, height).1.ceil() as u32, height.ceil() as u32))
    }
}

fn turned(transform: &FontTransform, (x, y): Point) -> Point {
    match transform {
        FontTransform::None => (x, y),
        FontTransform::Rotate90 => (-y, x),
        FontTransform::Rotate180 => (-x, -y),
        FontTransform::Rotate270 => (y, -x),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_a_stroke_covers_its_pixels_once() {
        let mut canvas = Canvas::new(9, 3, [255; 3]);
        let line = vec![(1.0, 1.0), (7.0, 1.0), (1.0, 1.0)];
        canvas.strokes(&[line], 1.0, [0; 3], 0.5);
        assert_eq!(canvas.pixels.get_pixel(4, 1).0, [128; 3]);
        assert_eq!(canvas.pixels.get_pixel(4, 0).0, [255; 3]);
    }

    #[test]
    fn table_drawing_outside_the_picture_is_cut_off() {
        let mut canvas = Canvas::new(4, 4, [0; 3]);
        canvas.write("wide text", (-20.0, -5.0), 30.0, [255; 3]);
        canvas.strokes(&[vec![(-9.0, -9.0), (90.0, 90.0)]], 2.0, [255; 3], 1.0);
        assert_eq!(canvas.pixels.get_pixel(2, 2).0, [255; 3]);
    }
}
