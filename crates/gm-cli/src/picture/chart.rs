//! Learning curves.

use image::RgbImage;
use plotters::prelude::*;

use super::canvas::{Canvas, Plotter};
use crate::error::{Error, Result};

/// One line of a chart.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Curve {
    /// What the legend calls it.
    pub(crate) name: String,
    /// Places and values, from left to right.
    pub(crate) points: Vec<(f64, f64)>,
}

/// A chart with a legend, one unit of measure on its vertical axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chart {
    /// The line above.
    pub(crate) title: String,
    /// What the horizontal axis counts.
    pub(crate) across: String,
    /// What the vertical axis measures.
    pub(crate) up: String,
    /// The lines.
    pub(crate) curves: Vec<Curve>,
}

const COLOURS: [RGBColor; 5] = [
    RGBColor(31, 105, 170),
    RGBColor(203, 82, 38),
    RGBColor(43, 138, 82),
    RGBColor(128, 84, 160),
    RGBColor(110, 110, 110),
];
const INK: RGBColor = RGBColor(50, 54, 60);

impl Chart {
    /// Draws the chart; values that are not finite are left out.
    ///
    /// # Errors
    ///
    /// [`Error::Picture`] when the chart cannot be laid out.
    pub(crate) fn draw(&self, width: u32, height: u32) -> Result<RgbImage> {
        let mut canvas = Canvas::new(width, height, [255; 3]);
        self.draw_on(&mut canvas).map_err(|error| Error::Picture { detail: error.to_string() })?;
        Ok(canvas.into_image())
    }

    fn draw_on(&self, canvas: &mut Canvas) -> std::result::Result<(), Box<dyn std::error::Error>> {
        let area = Plotter(canvas).into_drawing_area();
        let (across, up) = self.ranges();
        let mut builder = ChartBuilder::on(&area);
        builder.margin(18).margin_right(28).x_label_area_size(46).y_label_area_size(74);
        builder.caption(&self.title, ("sans-serif", 22).into_font().color(&INK));
        let mut chart = builder.build_cartesian_2d(across, up)?;
        let text = |size: i32| ("sans-serif", size).into_font().color(&INK);
        chart
            .configure_mesh()
            .axis_style(INK.mix(0.6))
            .bold_line_style(INK.mix(0.15))
            .light_line_style(TRANSPARENT)
            .x_labels(9)
            .y_labels(8)
            .x_desc(self.across.as_str())
            .y_desc(self.up.as_str())
            .axis_desc_style(text(18))
            .label_style(text(17))
            .x_label_formatter(&|x| short(*x))
            .y_label_formatter(&|y| short(*y))
            .draw()?;
        for (curve, colour) in self.curves.iter().zip(COLOURS.iter().cycle()) {
            let points = curve.points.iter().copied().filter(|(_, y)| y.is_finite());
            chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
                .label(curve.name.as_str())
                .legend(|(x, y)| PathElement::new([(x, y), (x + 22, y)], colour.stroke_width(2)));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .margin(14)
            .legend_area_size(30)
            .background_style(WHITE.mix(0.85))
            .border_style(INK.mix(0.3))
            .label_font(text(17))
            .draw()?;
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
        let margin = if high > low { (high - low) * 0.06 } else { 0.5 };
        let up = if high >= low { low - margin..high + margin } else { 0.0..1.0 };
        (across, up)
    }
}

/// A number for an axis, without needless digits.
fn short(x: f64) -> String {
    let text = format!(
        "{:.*}",
        if x.abs() >= 100.0 {
            0
        } else if x.abs() >= 1.0 {
            1
        } else {
            3
        },
        x
    );
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
        assert_eq!(
            (short(-20.0), short(1500.0), short(0.25), short(0.0)),
            ("-20".into(), "1500".into(), "0.25".into(), "0".into())
        );
    }

    #[test]
    fn table_charts_of_few_or_bad_values_are_drawn() {
        for points in [vec![], vec![(1.0, 2.0)], vec![(0.0, f64::NAN), (1.0, 3.0), (2.0, 3.0)]] {
            let curves = vec![Curve { name: "train".into(), points }];
            let chart = Chart { title: "Learning".into(), across: "epoch".into(), up: "nats".into(), curves };
            assert_eq!(chart.draw(400, 300).unwrap().dimensions(), (400, 300));
        }
    }
}
