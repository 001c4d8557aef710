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
    /// Whether points stand alone, around the line on which both coordinates are equal.
    pub(crate) dots: bool,
}

/// A chart as an SVG element, with the place of its plot.
#[derive(Clone, Debug)]
pub(crate) struct Svg {
    pub(crate) text: String,
    /// Left, right, top and bottom of the plot, in the units of the element.
    pub(crate) plot: [i32; 4],
    /// The numbers at these ends of both axes.
    pub(crate) across: [f64; 2],
    pub(crate) up: [f64; 2],
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
    /// Whether the names of curves are drawn.
    legend: bool,
}

/// The layout of a chart in a file of its own.
const PICTURE: Layout =
    Layout { caption: Some(22), text: 17, margin: 18, below: 46, left: 74, numbers: (9, 8), legend: true };
/// The layout of a chart on a page that shows the title and the names.
const INLINE: Layout =
    Layout { caption: None, text: 16, margin: 6, below: 42, left: 66, numbers: (5, 6), legend: false };

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

    /// The chart as an SVG element without title and legend, in the colours that [`colour_rules`] replaces.
    ///
    /// # Errors
    ///
    /// [`Error::Picture`] when the chart cannot be laid out.
    pub(crate) fn svg(&self, width: u32, height: u32) -> Result<Svg> {
        let mut text = String::new();
        let plot = self.draw_on(SVGBackend::with_string(&mut text, (width, height)), &INLINE).map_err(failed)?;
        let (across, up) = self.ranges();
        Ok(Svg { text, plot, across: [across.start, across.end], up: [up.start, up.end] })
    }

    /// Draws all parts; the answer is the place of the plot.
    fn draw_on<B: DrawingBackend>(&self, backend: B, layout: &Layout) -> std::result::Result<[i32; 4], Failure>
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
        if self.dots {
            let (across, up) = self.ranges();
            let (low, high) = (across.start.max(up.start), across.end.min(up.end));
            chart.draw_series(LineSeries::new([(low, low), (high, high)], INK.mix(0.4)))?;
        }
        for (curve, colour) in self.curves.iter().zip(COLOURS.iter().cycle()) {
            let points: Vec<(f64, f64)> = curve.points.iter().copied().filter(|(_, y)| y.is_finite()).collect();
            // A line of one point would be invisible.
            if self.dots || points.len() == 1 {
                chart.draw_series(points.iter().map(|&point| Circle::new(point, 3, colour.filled())))?;
                if self.dots {
                    continue;
                }
            }
            let drawn = chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
            if !curve.name.is_empty() {
                let sample = |(x, y)| PathElement::new([(x, y), (x + 22, y)], colour.stroke_width(2));
                drawn.label(curve.name.as_str()).legend(sample);
            }
        }
        if layout.legend && self.curves.iter().any(|curve| !curve.name.is_empty()) {
            chart
                .configure_series_labels()
                .position(self.free_corner())
                .margin(layout.margin)
                .legend_area_size(30)
                .background_style(WHITE.mix(0.85))
                .border_style(INK.mix(0.3))
                .label_font(text(layout.text))
                .draw()?;
        }
        let (across, up) = chart.plotting_area().get_pixel_range();
        drop(chart);
        area.present()?;
        Ok([across.start, across.end, up.start, up.end])
    }

    /// The corner in which a legend hides the least of the curves.
    fn free_corner(&self) -> SeriesLabelPosition {
        use SeriesLabelPosition::{LowerLeft, LowerRight, UpperLeft, UpperRight};
        let (across, up) = self.ranges();
        let named = self.curves.iter().filter(|curve| !curve.name.is_empty()).count() as f64;
        let (wide, high) = (0.5, 0.1 + 0.09 * named);
        let share = |x: f64, range: &std::ops::Range<f64>| (x - range.start) / (range.end - range.start);
        let places = self.curves.iter().flat_map(|curve| {
            let points = curve.points.iter().filter(|(_, y)| y.is_finite());
            points
                .map(|&(x, y)| (share(x, &across), share(y, &up)))
                .collect::<Vec<_>>()
                .windows(2)
                .flat_map(between)
                .collect::<Vec<_>>()
        });
        let places: Vec<(f64, f64)> = places.collect();
        let hidden = |right: bool, upper: bool| {
            let inside = |&&(x, y): &&(f64, f64)| {
                (if right { x > 1.0 - wide } else { x < wide }) && if upper { y > 1.0 - high } else { y < high }
            };
            places.iter().filter(inside).count()
        };
        let corners =
            [(UpperRight, true, true), (LowerRight, true, false), (UpperLeft, false, true), (LowerLeft, false, false)];
        let best = corners.into_iter().min_by_key(|&(_, right, upper)| hidden(right, upper));
        best.map_or(UpperRight, |(corner, ..)| corner)
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

/// Places on the line from one point to the next, close to each other.
fn between(ends: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let [(x0, y0), (x1, y1)] = [ends[0], ends[1]];
    let steps = ((x1 - x0).hypot(y1 - y0) * 100.0).ceil().clamp(1.0, 200.0);
    (0..=steps as usize).map(|i| i as f64 / steps).map(|t| (x0 + t * (x1 - x0), y0 + t * (y1 - y0))).collect()
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
            Chart { title, across, up, curves, dots: false }.ranges().1
        };
        assert!((range(0.006).end - 0.0066).abs() < 1e-12 && (range(-20.0).start + 22.0).abs() < 1e-12);
        assert_eq!(range(0.0), -0.5..0.5);
    }

    #[test]
    fn table_charts_of_few_or_bad_values_are_drawn() {
        for points in [vec![], vec![(1.0, 2.0)], vec![(0.0, f64::NAN), (1.0, 3.0), (2.0, 3.0)]] {
            let curves = vec![Curve { name: "train".into(), points }];
            let (title, across, up) = ("Learning".into(), "epoch".into(), "nats".into());
            let chart = Chart { title, across, up, curves, dots: false };
            assert_eq!(chart.draw(400, 300).unwrap().dimensions(), (400, 300));
            assert!(chart.svg(400, 300).unwrap().text.trim_end().ends_with("</svg>"));
        }
    }

    #[test]
    fn table_an_inline_chart_has_no_colour_that_a_page_cannot_replace() {
        let curve = |i: usize| Curve { name: format!("<{i}>"), points: vec![(0.0, 0.0), (1.0, i as f64)] };
        let (title, across, up) = ("Learning".into(), "epoch".into(), "nats & bits".into());
        let chart = Chart { title, across, up, curves: (0..6).map(curve).collect(), dots: false };
        let (text, rules) = (chart.svg(400, 300).unwrap().text, colour_rules());
        for part in ["stroke=\"#", "fill=\"#"] {
            for (at, _) in text.match_indices(part) {
                let attribute = &text[at..at + part.len() + 7];
                assert!(rules.contains(&format!("svg [{attribute}]")), "{attribute}");
            }
        }
        assert!(text.contains("nats &amp; bits"));
    }

    #[test]
    fn table_a_legend_stands_where_no_curve_is() {
        let corner = |points: &[(f64, f64)]| {
            let curves = vec![Curve { name: "a".into(), points: points.to_vec() }];
            let (title, across, up) = (String::new(), String::new(), String::new());
            format!("{:?}", Chart { title, across, up, curves, dots: false }.free_corner())
        };
        assert_eq!(corner(&[(0.0, 0.0), (1.0, 1.0)]), "LowerRight");
        assert_eq!(corner(&[(0.0, 1.0), (1.0, 0.0)]), "UpperRight");
        // Down, along the bottom, and up again at the right end.
        assert_eq!(corner(&[(0.0, 0.0), (0.9, 0.0), (0.95, 1.0), (1.0, 1.0)]), "UpperLeft");
    }

    #[test]
    fn table_the_place_of_the_plot_is_that_of_its_numbers() {
        let curves = vec![Curve { name: String::new(), points: vec![(1.0, -3.0), (3.0, -2.0)] }];
        let (title, across, up) = (String::new(), "data".into(), "model".into());
        let svg = Chart { title, across, up, curves, dots: true }.svg(400, 300).unwrap();
        let [left, right, top, bottom] = svg.plot;
        assert!(0 < left && left < right && right < 400 && 0 <= top && top < bottom && bottom < 300, "{:?}", svg.plot);
        assert_eq!((svg.across, svg.text.matches("<circle").count()), ([1.0, 3.0], 2));
        // A point at the least place across stands at the left end of the plot.
        assert!(svg.text.contains(&format!("<circle cx=\"{left}\"")), "{}", svg.text);
    }
}
