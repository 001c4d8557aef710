//! Learning curves.

use image::RgbImage;
use plotters::prelude::*;

use super::canvas::{Canvas, Plotter};
use crate::error::{Error, Result};

/// One line of a chart.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Curve {
    /// The name in the legend.
    pub(crate) name: String,
    /// The points, as places on the horizontal axis and values, from left to right.
    pub(crate) points: Vec<(f64, f64)>,
}

/// A chart with a legend and one unit of measure on its vertical axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chart {
    /// The title above the chart.
    pub(crate) title: String,
    /// The description of the horizontal axis.
    pub(crate) across: String,
    /// The description of the vertical axis.
    pub(crate) up: String,
    /// The lines.
    pub(crate) curves: Vec<Curve>,
    /// Whether the lines end high, so that the legend must stand below.
    pub(crate) rising: bool,
}

const COLOURS: [RGBColor; 5] = [
    RGBColor(31, 105, 170),
    RGBColor(203, 82, 38),
    RGBColor(43, 138, 82),
    RGBColor(128, 84, 160),
    RGBColor(110, 110, 110),
];
const INK: RGBColor = RGBColor(50, 54, 60);

type Failure = Box<dyn std::error::Error>;

fn failed(error: Failure) -> Error {
    Error::Picture { detail: error.to_string() }
}

/// Style rules that give the elements of [`Chart::svg`] the colours of a page, which are its variables `--curve-N`,
/// `--ink` and `--paper`.
pub(crate) fn colour_rules() -> String {
    let rule = |colour: &RGBColor, name: &str| {
        let RGBColor(r, g, b) = colour;
        let hex = format!("#{r:02X}{g:02X}{b:02X}");
        ["stroke", "fill"].map(|part| format!("svg [{part}=\"{hex}\"] {{ {part}: var(--{name}); }}\n")).concat()
    };
    let curves = COLOURS.iter().enumerate().map(|(i, colour)| rule(colour, &format!("curve-{i}")));
    curves.chain([rule(&INK, "ink"), rule(&WHITE, "paper")]).collect()
}

/// Sizes of a chart's parts, in pixels.
struct Layout {
    /// The size of the title, if it is drawn.
    caption: Option<i32>,
    /// The size of numbers and legend.
    text: i32,
    margin: i32,
    /// Room for the numbers below and on the left.
    below: i32,
    left: i32,
    /// The greatest number of labels along each axis.
    numbers: (usize, usize),
}

/// The layout of a chart in a file of its own.
const PICTURE: Layout = Layout { caption: Some(22), text: 17, margin: 18, below: 46, left: 74, numbers: (9, 8) };
/// The layout of a chart on a page that shows the title.
const INLINE: Layout = Layout { caption: None, text: 14, margin: 6, below: 38, left: 60, numbers: (5, 6) };

impl Chart {
    /// Draws the chart; values that are not finite are left out.
    ///
    /// # Errors
    ///
    /// [`Error::Picture`] when the chart cannot be laid out.
    pub(crate) fn draw(&self, width: u32, height: u32) -> Result<RgbImage> {
        let mut canvas = Canvas::new(width, height, [255; 3]);
        self.draw_on(Plotter(&mut canvas), &PICTURE).map_err(failed)?;
        Ok(canvas.into_image())
    }

    /// The chart as an SVG element without its title, in the colours that [`colour_rules`] replaces.
    ///
    /// # Errors
    ///
    /// [`Error::Picture`] when the chart cannot be laid out.
    pub(crate) fn svg(&self, width: u32, height: u32) -> Result<String> {
        let mut text = String::new();
        self.draw_on(SVGBackend::with_string(&mut text, (width, height)), &INLINE).map_err(failed)?;
        Ok(text)
    }

    fn draw_on<B: DrawingBackend>(&self, backend: B, layout: &Layout) -> std::result::Result<(), Failure>
    where
        B::ErrorType: 'static,
    {
        let area = backend.into_drawing_area();
        let (across, up) = self.ranges();
        let apart = |range: &std::ops::Range<f64>, numbers: usize| (range.end - range.start) / numbers as f64;
        let apart = (apart(&across, layout.numbers.0), apart(&up, layout.numbers.1));
        let mut builder = ChartBuilder::on(&area);
        builder.margin(layout.margin).margin_right(layout.margin + 10);
        builder.x_label_area_size(layout.below).y_label_area_size(layout.left);
        if let Some(size) = layout.caption {
            builder.caption(&self.title, ("sans-serif", size).into_font().color(&INK));
        }
        let mut chart = builder.build_cartesian_2d(across, up)?;
        let text = |size: i32| ("sans-serif", size).into_font().color(&INK);
        chart
            .configure_mesh()
            .axis_style(INK.mix(0.6))
            .bold_line_style(INK.mix(0.15))
            .light_line_style(TRANSPARENT)
            .x_labels(layout.numbers.0)
            .y_labels(layout.numbers.1)
            .x_desc(self.across.as_str())
            .y_desc(self.up.as_str())
            .axis_desc_style(text(layout.text + 1))
            .label_style(text(layout.text))
            .x_label_formatter(&|x| short(*x, apart.0))
            .y_label_formatter(&|y| short(*y, apart.1))
            .draw()?;
        for (curve, colour) in self.curves.iter().zip(COLOURS.iter().cycle()) {
            let points: Vec<(f64, f64)> = curve.points.iter().copied().filter(|(_, y)| y.is_finite()).collect();
            if let [point] = points[..] {
                // A line of one point would be invisible.
                chart.draw_series([Circle::new(point, 3, colour.filled())])?;
            }
            let drawn = chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
            if !curve.name.is_empty() {
                let sample = |(x, y)| PathElement::new([(x, y), (x + 22, y)], colour.stroke_width(2));
                drawn.label(curve.name.as_str()).legend(sample);
            }
        }
        if self.curves.iter().any(|curve| !curve.name.is_empty()) {
            chart
                .configure_series_labels()
                .position(if self.rising { SeriesLabelPosition::LowerRight } else { SeriesLabelPosition::UpperRight })
                .margin(layout.margin)
                .legend_area_size(30)
                .background_style(WHITE.mix(0.85))
                .border_style(INK.mix(0.3))
                .label_font(text(layout.text))
                .draw()?;
        }
        drop(chart);
        area.present()?;
        Ok(())
    }

    /// The ranges of both axes, with a margin above and below.
    fn ranges(&self) -> (std::ops::Range<f64>, std::ops::Range<f64>) {
        let points = || self.curves.iter().flat_map(|curve| &curve.points).filter(|(_, y)| y.is_finite());
        let range = |values: &mut dyn Iterator<Item = f64>| {
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)))
        };
        let (left, right) = range(&mut points().map(|point| point.0));
        let (low, high) = range(&mut points().map(|point| point.1));
        let across = if right > left { left..right } else { 0.0..1.0 };
        let margin = match high - low {
            spread if spread > 0.0 => spread * 0.06,
            // A flat line has numbers of its own size beside it.
            _ if high != 0.0 => high.abs() * 0.1,
            _ => 0.5,
        };
        let up = if high >= low { low - margin..high + margin } else { 0.0..1.0 };
        (across, up)
    }
}

/// A number for an axis on which neighbours are at least `apart` from each other. It has the decimals that tell
/// neighbours apart, and no others.
fn short(x: f64, apart: f64) -> String {
    let decimals = if apart > 0.0 { (-apart.log10().floor()).clamp(0.0, 15.0) as usize } else { 0 };
    // A number that is 0 except for rounding has no sign.
    let text = format!("{:.decimals$}", if x.abs() > 1e-6 * apart { x } else { 0.0 });
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_axis_numbers() {
        let axis = |numbers: [f64; 3], apart| numbers.map(|x| short(x, apart));
        assert_eq!(axis([-20.0, -15.0, 0.0], 5.0), ["-20", "-15", "0"]);
        assert_eq!(axis([1500.0, -1e-17, 500.0], 400.0), ["1500", "0", "500"]);
        assert_eq!(axis([0.25, 0.3, 0.35], 0.05), ["0.25", "0.3", "0.35"]);
        // The printed numbers of neighbours differ even if they are close.
        assert_eq!(axis([-18.036, -18.034, -18.032], 0.0015), ["-18.036", "-18.034", "-18.032"]);
    }

    #[test]
    fn table_a_flat_line_keeps_numbers_of_its_size() {
        let range = |y: f64| {
            let curves = vec![Curve { name: String::new(), points: vec![(0.0, y), (1.0, y)] }];
            let (title, across, up) = (String::new(), String::new(), String::new());
            Chart { title, across, up, curves, rising: true }.ranges().1
        };
        assert!((range(0.006).end - 0.0066).abs() < 1e-12 && (range(-20.0).start + 22.0).abs() < 1e-12);
        assert_eq!(range(0.0), -0.5..0.5);
    }

    #[test]
    fn table_charts_of_few_or_bad_values_are_drawn() {
        for points in [vec![], vec![(1.0, 2.0)], vec![(0.0, f64::NAN), (1.0, 3.0), (2.0, 3.0)]] {
            let curves = vec![Curve { name: "train".into(), points }];
            let (title, across, up) = ("Learning".into(), "epoch".into(), "nats".into());
            let chart = Chart { title, across, up, curves, rising: true };
            assert_eq!(chart.draw(400, 300).unwrap().dimensions(), (400, 300));
            assert!(chart.svg(400, 300).unwrap().trim_end().ends_with("</svg>"));
        }
    }

    #[test]
    fn table_an_inline_chart_has_no_colour_that_a_page_cannot_replace() {
        let curve = |i: usize| Curve { name: format!("<{i}>"), points: vec![(0.0, 0.0), (1.0, i as f64)] };
        let (title, across, up) = ("Learning".into(), "epoch".into(), "nats & bits".into());
        let chart = Chart { title, across, up, curves: (0..6).map(curve).collect(), rising: false };
        let (text, rules) = (chart.svg(400, 300).unwrap(), colour_rules());
        for part in ["stroke=\"#", "fill=\"#"] {
            for (at, _) in text.match_indices(part) {
                let attribute = &text[at..at + part.len() + 7];
                assert!(rules.contains(&format!("svg [{attribute}]")), "{attribute}");
            }
        }
        assert!(text.contains("&lt;5&gt;") && text.contains("nats &amp; bits"));
    }
}
