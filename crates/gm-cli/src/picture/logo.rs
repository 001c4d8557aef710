//! Sequence logos of weights: stacks of letters, each as high as its weight.

use gm_core::ModelData;
use gm_core::layer::Gauge;
use gm_eval::{gauge_model, strongest_units};
use maud::{Markup, PreEscaped, html};

/// Width of a column of the alignment.
const COLUMN: f64 = 13.0;
/// Height of a logo without the numbers of columns.
const HEIGHT: f64 = 120.0;
/// Space for the axis on the left.
const LEFT: f64 = 34.0;
/// Space for a title above and the numbers of columns below.
const EDGE: f64 = 18.0;
/// Letters below this share of the highest stack are left out.
const LEAST: f64 = 0.02;
/// The height of a capital letter, in sizes of its font.
const CAPITAL: f64 = 0.72;

/// The weights of a hidden unit, in the zero-sum gauge.
pub(crate) struct Logo {
    /// The hidden unit, counted from 0.
    pub(crate) hidden: usize,
    letters: Vec<char>,
    /// The weights of all letters of each column.
    columns: Vec<Vec<f32>>,
}

/// Logos of the `most` strongest units of the first hidden layer of a model of sequences; `None` for other models.
pub(crate) fn logos(data: &ModelData, most: usize) -> Option<Vec<Logo>> {
    let letters: Vec<char> = data.alphabet()?.chars().collect();
    let weights = gauge_model(data.clone(), Gauge::ZeroSum).ok()?.stack.weights(0).clone();
    let whole = !letters.is_empty() && weights.nrows().is_multiple_of(letters.len());
    let of_unit = |hidden: usize| Logo {
        hidden,
        letters: letters.clone(),
        columns: weights.column(hidden).as_slice().chunks(letters.len()).map(<[f32]>::to_vec).collect(),
    };
    whole.then(|| strongest_units(&weights, most).into_iter().map(of_unit).collect())
}

/// All logos below each other, as a file.
pub(crate) fn file(logos: &[Logo]) -> String {
    let (width, height) = logos.first().map_or((0.0, 0.0), |logo| (logo.width(), Logo::height()));
    let size = format!("0 0 {width} {}", height * logos.len() as f64);
    let picture = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(size) width=(width) height=(height * logos.len() as f64) {
            rect width="100%" height="100%" fill="#fff" {}
            g fill="#22262c" stroke="none" {
                @for (at, logo) in logos.iter().enumerate() {
                    g transform=(format!("translate(0 {})", height * at as f64)) { (logo.drawn()) }
                }
            }
        }
    };
    format!("{}\n", picture.into_string())
}

impl Logo {
    /// The logo as a picture of a page.
    pub(crate) fn picture(&self) -> Markup {
        let size = format!("0 0 {} {}", self.width(), Self::height());
        let name = format!("Sequence logo of the weights of hidden unit {}", self.hidden);
        // Columns keep their width on a narrow screen, where the picture is moved sideways.
        let least = format!("min-width: {}px", self.width());
        html! { svg viewBox=(size) style=(least) role="img" aria-label=(name) fill="currentColor" { (self.drawn()) } }
    }

    fn width(&self) -> f64 {
        LEFT + COLUMN * self.columns.len() as f64 + 4.0
    }

    fn height() -> f64 {
        HEIGHT + 2.0 * EDGE
    }

    /// The sum of the weights above 0 and of those below 0 in a column.
    fn stack(column: &[f32]) -> (f64, f64) {
        let sum = |keep: fn(&f32) -> bool| column.iter().copied().filter(keep).map(f64::from).sum::<f64>();
        (sum(|w| *w > 0.0), sum(|w| *w < 0.0))
    }

    fn drawn(&self) -> Markup {
        let stacks = self.columns.iter().map(|column| Self::stack(column));
        let (top, bottom) = stacks.fold((0.0_f64, 0.0_f64), |(top, bottom), (a, b)| (top.max(a), bottom.min(b)));
        let range = if top > bottom { top - bottom } else { 1.0 };
        let scale = HEIGHT / range;
        let zero = EDGE + top * scale;
        let mut glyphs = String::new();
        for (at, column) in self.columns.iter().enumerate() {
            let x = LEFT + COLUMN * at as f64;
            for (letter, from, height) in self.stacked(column, scale) {
                if height >= LEAST * HEIGHT {
                    glyphs.push_str(&glyph(letter, (x, zero - from), height));
                }
            }
        }
        let marks = (1..=self.columns.len()).filter(|column| *column == 1 || column % 5 == 0);
        let below = EDGE + HEIGHT + 12.0;
        html! {
            text x=(LEFT) y="12" font-size="11" font-family="sans-serif" { "hidden unit " (self.hidden) }
            @for (value, y) in [(top, EDGE), (bottom, EDGE + HEIGHT)] {
                text x=(LEFT - 4.0) y=(y + 4.0) font-size="11" font-family="sans-serif" text-anchor="end" { (format!("{value:.1}")) }
            }
            line x1=(LEFT) x2=(self.width()) y1=(zero) y2=(zero) stroke="#8a929e" stroke-width="0.6" {}
            @for column in marks {
                text x=(LEFT + COLUMN * (column as f64 - 0.5)) y=(below) font-size="11" font-family="sans-serif" text-anchor="middle" {
                    (column)
                }
            }
            g font-family="Arial, Helvetica, sans-serif" font-weight="bold" font-size="20" text-anchor="middle" {
                (PreEscaped(glyphs))
            }
        }
    }

    /// The letters of a column with the distance of their feet from the axis, above 0 for those that stand on it, and their
    /// heights. The largest weights are furthest from the axis.
    fn stacked(&self, column: &[f32], scale: f64) -> Vec<(char, f64, f64)> {
        let mut order: Vec<(char, f64)> =
            self.letters.iter().copied().zip(column.iter().map(|w| f64::from(*w) * scale)).collect();
        order.sort_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
        let (mut up, mut down) = (0.0, 0.0);
        let place = |(letter, height): (char, f64)| {
            if height > 0.0 {
                up += height;
                (letter, up - height, height)
            } else {
                down += height;
                (letter, down, -height)
            }
        };
        order.into_iter().map(place).collect()
    }
}

/// A letter that stands at a place and fills the width of a column and a height.
fn glyph(letter: char, (x, y): (f64, f64), height: f64) -> String {
    let colour = colour(letter).map_or(String::new(), |colour| format!(" fill=\"{colour}\""));
    let (stretched, middle) = (height / (20.0 * CAPITAL), x + COLUMN / 2.0);
    let wide = if matches!(letter, 'W' | 'M') { 0.66 } else { 0.86 };
    format!("<text transform=\"translate({middle:.2} {y:.2}) scale({wide} {stretched:.3})\"{colour}>{letter}</text>")
}

/// The colour of a letter by the chemistry of its residue; hydrophobic ones have that of the text.
fn colour(letter: char) -> Option<&'static str> {
    match letter {
        'G' | 'S' | 'T' | 'Y' | 'C' => Some("#2b8a52"),
        'N' | 'Q' => Some("#8054a0"),
        'K' | 'R' | 'H' => Some("#1f69aa"),
        'D' | 'E' => Some("#c23b3b"),
        '-' => Some("#8a929e"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use gm_core::{Matrix, ModelKind, Stack, Vector, VisibleKind};

    use super::*;

    fn family() -> ModelData {
        let weights = Matrix::from_row_slice(6, 2, &[0.0, 1.0, 2.0, 1.0, -2.0, 1.0, 3.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
        let stack = Stack::new(vec![weights], vec![Vector::zeros(6), Vector::zeros(2)]).unwrap();
        let data = ModelData::from_stack(ModelKind::Rbm, stack).unwrap();
        ModelData { visible: VisibleKind::Softmax { categories: 3 }, ..data }
    }

    #[test]
    fn table_logos_have_letters_as_high_as_their_weights_from_the_axis_out() {
        assert!(logos(&family(), 5).is_none(), "a model without letters");
        let found = logos(&family().with_alphabet(Some("-AC")), 5).unwrap();
        assert_eq!(found.iter().map(|logo| logo.hidden).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(found[0].columns, [[0.0, 2.0, -2.0], [2.0, -1.0, -1.0]]);
        let up: Vec<_> = found[0].stacked(&[1.0, 2.0, -3.0], 10.0);
        assert_eq!(up, [('-', 0.0, 10.0), ('A', 10.0, 20.0), ('C', -30.0, 30.0)]);
        let drawn = found[0].drawn().into_string();
        assert_eq!(drawn.matches("<text transform").count(), 5);
        assert!(drawn.contains(">2.0</text>") && drawn.contains(">-2.0</text>"));
        // Weights that are equal in every group say nothing.
        assert_eq!(found[1].drawn().into_string().matches("<text transform").count(), 0);
        assert!(file(&found).starts_with("<svg xmlns="));
    }
}
