//! Many small pictures side by side: samples, filters, completions.

use gm_core::Matrix;
use image::{Rgb, RgbImage};
use nalgebra::DVectorView;

/// Height and width of a small picture.
pub(crate) type Shape = (usize, usize);

/// The colour around small pictures.
pub(crate) const PAPER: [u8; 3] = [255; 3];
/// The colour of lines between small pictures, and of places without a unit.
const GRID: [u8; 3] = [208, 210, 214];

/// The shape in which units are drawn. It is the shape of the data if that is known, else a square if the units fill
/// one, else nearly a square with empty places.
pub(crate) fn shape_of(units: usize, known: Option<Shape>) -> Shape {
    if let Some((height, width)) = known.filter(|(height, width)| height * width == units) {
        return (height, width);
    }
    let width = (units as f64).sqrt().ceil() as usize;
    (units.div_ceil(width.max(1)), width)
}

/// The factor by which small pictures are enlarged for the eye.
pub(crate) fn scale_for((height, width): Shape) -> usize {
    (48 / height.max(width).max(1)).clamp(2, 12)
}

/// The number of columns of a grid that is somewhat wider than high.
pub(crate) fn columns_for(tiles: usize) -> usize {
    ((tiles as f64 * 1.6).sqrt().ceil() as usize).clamp(1, 40)
}

/// Probabilities as grey levels, where 0 is black and 1 is white.
pub(crate) fn grey(value: f32) -> [u8; 3] {
    [(value.clamp(0.0, 1.0) * 255.0).round() as u8; 3]
}

/// Weights as colours: blue below zero, white at zero, red above. The range is symmetric.
pub(crate) fn diverging(value: f32, range: f32) -> [u8; 3] {
    let share = if range > 0.0 { (value / range).clamp(-1.0, 1.0) } else { 0.0 };
    let stops: [[f32; 3]; 3] = if share < 0.0 {
        [[247.0; 3], [103.0, 169.0, 207.0], [5.0, 48.0, 97.0]]
    } else {
        [[247.0; 3], [239.0, 138.0, 98.0], [103.0, 0.0, 31.0]]
    };
    let place = share.abs() * 2.0;
    let (from, to, mix) = if place < 1.0 { (stops[0], stops[1], place) } else { (stops[1], stops[2], place - 1.0) };
    std::array::from_fn(|i| (from[i] + (to[i] - from[i]) * mix).round() as u8)
}

/// Small pictures in rows and columns.
///
/// # Shapes
///
/// Each tile holds a colour for every unit, row by row of `shape`.
pub(crate) fn grid(tiles: &[Vec<[u8; 3]>], shape: Shape, columns: usize, scale: usize) -> RgbImage {
    let (height, width) = (shape.0 * scale, shape.1 * scale);
    let gap = if scale > 4 { 3 } else { 2 };
    let columns = columns.min(tiles.len()).max(1);
    let rows = tiles.len().div_ceil(columns);
    let whole = |count: usize, size: usize| (count * (size + gap) + gap) as u32;
    let mut picture = RgbImage::from_pixel(whole(columns, width), whole(rows, height), Rgb(GRID));
    for (i, tile) in tiles.iter().enumerate() {
        let (left, top) = (gap + i % columns * (width + gap), gap + i / columns * (height + gap));
        for y in 0..height {
            for x in 0..width {
                if let Some(&colour) = tile.get(y / scale * shape.1 + x / scale) {
                    picture.put_pixel((left + x) as u32, (top + y) as u32, Rgb(colour));
                }
            }
        }
    }
    picture
}

/// Samples as small grey pictures in `columns` columns. `None` takes a number that looks well.
///
/// # Shapes
///
/// `values` is [units, samples].
pub(crate) fn samples(values: &Matrix, shape: Shape, columns: Option<usize>) -> RgbImage {
    let tiles: Vec<Vec<[u8; 3]>> =
        values.column_iter().map(|sample| sample.iter().map(|&x| grey(x)).collect()).collect();
    grid(&tiles, shape, columns.unwrap_or(columns_for(tiles.len())), scale_for(shape))
}

/// The size of weights at which their colours end. It leaves out the largest few weights of a thousand, since they would leave
/// the others pale.
pub(crate) fn weight_range(weights: &Matrix) -> f32 {
    let mut sizes: Vec<f32> = weights.iter().map(|w| w.abs()).collect();
    sizes.sort_by(f32::total_cmp);
    sizes.get(sizes.len().saturating_sub(1) * 997 / 1000).copied().unwrap_or(0.0)
}

/// The weights into each unit of a layer as small pictures, red above and blue below zero, in `columns` columns. `None`
/// takes a number that looks well.
///
/// # Shapes
///
/// `weights` is [pixels, units].
pub(crate) fn filters(weights: &Matrix, shape: Shape, columns: Option<usize>) -> RgbImage {
    let range = weight_range(weights);
    let tile = |unit: DVectorView<'_, f32>| unit.iter().map(|&w| diverging(w, range)).collect();
    let tiles: Vec<Vec<[u8; 3]>> = weights.column_iter().map(|unit| tile(unit.as_view())).collect();
    grid(&tiles, shape, columns.unwrap_or(columns_for(tiles.len())), scale_for(shape))
}

/// The greatest number of characters that pictures take on a line.
const LINE: usize = 100;

/// The first few samples as block characters, with two rows of pixels on a line.
pub(crate) fn blocks(values: &Matrix, (height, width): Shape) -> String {
    let shown = (LINE / (width + 2)).clamp(1, values.ncols().max(1));
    let on =
        |y: usize, x: usize, sample: usize| y < height && values.get((y * width + x, sample)).is_some_and(|&v| v > 0.5);
    let mut text = String::new();
    for y in (0..height).step_by(2) {
        for sample in 0..shown.min(values.ncols()) {
            let pixel = |x| match (on(y, x, sample), on(y + 1, x, sample)) {
                (true, true) => '\u{2588}',
                (true, false) => '\u{2580}',
                (false, true) => '\u{2584}',
                (false, false) => '\u{b7}',
            };
            text.extend((0..width).map(pixel));
            text += "  ";
        }
        text.truncate(text.trim_end().len());
        text += "\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_shapes() {
        assert_eq!(shape_of(64, None), (8, 8));
        assert_eq!(shape_of(64, Some((4, 16))), (4, 16));
        assert_eq!(shape_of(64, Some((4, 4))), (8, 8));
        assert_eq!(shape_of(19, None), (4, 5));
        assert_eq!(shape_of(1, None), (1, 1));
        assert_eq!((scale_for((8, 8)), scale_for((28, 28)), scale_for((100, 100))), (6, 2, 2));
    }

    #[test]
    fn table_colours_are_symmetric_about_white() {
        assert_eq!(diverging(0.0, 1.0), [247; 3]);
        assert_eq!(diverging(5.0, 1.0), [103, 0, 31]);
        assert_eq!(diverging(-5.0, 1.0), [5, 48, 97]);
        assert_eq!(diverging(1.0, 0.0), [247; 3]);
        assert_eq!((grey(0.0), grey(1.0), grey(7.0)), ([0; 3], [255; 3], [255; 3]));
    }

    #[test]
    fn table_blocks_show_two_rows_a_line() {
        let values = Matrix::from_column_slice(6, 1, &[1.0, 0.0, 1.0, 1.0, 0.0, 1.0]);
        assert_eq!(blocks(&values, (3, 2)), "\u{2588}\u{2584}\n\u{b7}\u{2580}\n");
    }

    #[test]
    fn table_grid_has_a_place_for_each_tile() {
        let tiles = vec![vec![[255; 3]; 4]; 5];
        let picture = grid(&tiles, (2, 2), 3, 2);
        assert_eq!(picture.dimensions(), (3 * 6 + 2, 2 * 6 + 2));
        assert_eq!(picture.get_pixel(2, 2).0, [255; 3]);
        assert_eq!(picture.get_pixel(15, 9).0, GRID);
    }
}
