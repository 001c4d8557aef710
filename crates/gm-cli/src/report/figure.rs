//! Pictures as parts of a page.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gm_core::VisibleKind;
use gm_eval::histogram;
use image::RgbImage;
use maud::{Markup, PreEscaped, html};
use serde_json::json;

use crate::error::Result;
use crate::files::png;
use crate::picture::{Chart, Curve};

/// Width and height of charts. They are as wide as the screen of a phone, so that their numbers can be read there.
const CHART: (u32, u32) = (400, 270);

/// A figure below its title and a sentence or two.
pub(super) fn figure(title: &str, text: &str, picture: &Markup) -> Markup {
    html! { figure { figcaption { b { (title) } (text) } (picture) } }
}

fn image(title: &str, picture: &RgbImage) -> Result<Markup> {
    let source = format!("data:image/png;base64,{}", STANDARD.encode(png(picture)?));
    let (width, height) = picture.dimensions();
    Ok(html! { img src=(source) width=(width) height=(height) alt=(title); })
}

/// A figure made of pixels, with what its colours stand for.
///
/// # Errors
///
/// [`crate::error::Error::Picture`] when it cannot be encoded.
pub(super) fn pixels(title: &str, text: &str, picture: &RgbImage, scale: &Scale) -> Result<Markup> {
    let (class, low, high) = match scale {
        Scale::Weights(range) => ("scale weights", format!("{:.3}", -range), format!("{range:.3}")),
        Scale::Levels(low, high) => ("scale levels", (*low).to_owned(), (*high).to_owned()),
    };
    let below = html! { (image(title, picture)?) div class=(class) { (low) span {} (high) } };
    Ok(figure(title, text, &below))
}

/// What the colours of a picture stand for.
pub(super) enum Scale {
    /// From blue over white to red, from minus to plus this number.
    Weights(f32),
    /// From black to white.
    Levels(&'static str, &'static str),
}

/// Grey levels of visible units. Real numbers go from the least to the greatest.
pub(super) fn levels_of(kind: VisibleKind) -> Scale {
    match kind {
        VisibleKind::Gaussian => Scale::Levels("least", "greatest"),
        VisibleKind::Softmax { .. } => Scale::Levels("first category", "last"),
        _ => Scale::Levels("0", "1"),
    }
}

/// A figure that is a chart. Its values can be read by pointer and arrow keys, and stand below it at the right end.
///
/// # Errors
///
/// [`crate::error::Error::Picture`] when it cannot be laid out.
pub(super) fn chart(chart: &Chart, text: &str) -> Result<Markup> {
    named(chart, text, &[])
}

/// [`chart`] with a name for each point, for charts of dots.
///
/// # Errors
///
/// Those of [`chart`].
pub(super) fn named(chart: &Chart, text: &str, names: &[String]) -> Result<Markup> {
    let drawn = chart.svg(CHART.0, CHART.1)?;
    // The page has an opening tag of its own, without a fixed size and with a name for readers who do not see the
    // picture.
    let inner = drawn.text.split_once('>').map_or("", |(_, inner)| inner).trim_end().trim_end_matches("</svg>");
    let size = format!("0 0 {} {}", CHART.0, CHART.1);
    let points = |curve: &Curve| curve.points.iter().map(|&(x, y)| json!([x, y])).collect::<Vec<_>>();
    let curves: Vec<_> =
        chart.curves.iter().map(|curve| json!({"name": curve.name, "points": points(curve)})).collect();
    let values = json!({"plot": drawn.plot, "across": drawn.across, "up": drawn.up, "x": chart.across, "y": chart.up,
        "curves": curves, "names": names});
    let label = format!("{}. Left and right arrow keys move the cursor.", chart.title);
    let picture = html! {
        svg viewBox=(size) role="img" tabindex="0" aria-label=(label) data-chart=(values) { (PreEscaped(inner)) }
        ul.values { (last_values(chart)) }
    };
    Ok(figure(&chart.title, text, &picture))
}

/// The legend: the last value of each curve.
fn last_values(chart: &Chart) -> Markup {
    let end = |curve: &Curve| curve.points.iter().rev().copied().find(|(_, y)| y.is_finite());
    let told: Vec<(usize, &Curve, (f64, f64))> =
        chart.curves.iter().enumerate().filter_map(|(i, curve)| Some((i, curve, end(curve)?))).collect();
    html! {
        @if chart.dots {
            li { (chart.curves.iter().map(|curve| curve.points.len()).sum::<usize>()) " points; the line is where both agree" }
        } @else {
            @for (i, curve, (x, y)) in told.iter().filter(|_| told.len() <= NAMED) {
                li { span.swatch style=(format!("background: var(--curve-{})", i % 5)) {} " " (curve.name) " " b { (short(*y)) }
                    @if told.len() == 1 { " (" (chart.across) ": " (short(*x)) ")" } }
            }
        }
    }
}

/// The greatest number of curves that are listed.
const NAMED: usize = 8;

/// A number in five digits.
fn short(x: f64) -> String {
    let digits = if x == 0.0 { 0 } else { (4 - x.abs().log10().floor() as i64).clamp(0, 9) as usize };
    match x {
        _ if x != 0.0 && !(1e-4..1e7).contains(&x.abs()) => format!("{x:.3e}"),
        _ => {
            let text = format!("{x:.digits$}");
            if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
        }
    }
}

/// A chart of values against their number, from 1.
pub(super) fn ranked(title: &str, (across, up): (&str, &str), lines: &[(String, Vec<f64>)]) -> Chart {
    let points = |values: &[f64]| values.iter().enumerate().map(|(i, &y)| ((i + 1) as f64, y)).collect();
    let curves = lines.iter().map(|(name, values)| Curve { name: name.clone(), points: points(values) }).collect();
    Chart { title: title.into(), across: across.into(), up: up.into(), curves, dots: false }
}

/// The outline of a histogram, in which each bin is a step as high as its share of the values.
pub(super) fn outline(values: &[f32], (low, high): (f32, f32), bins: usize) -> Vec<(f64, f64)> {
    let shares = histogram(values, (low, high), bins);
    let width = f64::from(high - low) / bins as f64;
    let end = |i: usize| f64::from(low) + (i + 1) as f64 * width;
    shares.iter().enumerate().flat_map(|(i, &(start, share))| [(start, share), (end(i), share)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_an_outline_holds_every_value_once() {
        let outline = outline(&[0.0, 0.1, 0.6, 1.0], (0.0, 1.0), 2);
        assert_eq!(outline, [(0.0, 0.5), (0.5, 0.5), (0.5, 0.5), (1.0, 0.5)]);
        assert_eq!(super::outline(&[3.0; 4], (3.0, 3.0), 2)[0].1, 1.0);
    }

    #[test]
    fn table_a_chart_is_one_element_with_a_name() {
        let chart = ranked("a < b", ("unit", "share"), &[("x".into(), vec![1.0, 0.5])]);
        let text = super::chart(&chart, "words").unwrap().into_string();
        assert_eq!((text.matches("<svg").count(), text.matches("</svg>").count()), (1, 1));
        assert!(text.contains("aria-label=\"a &lt; b. Left") && !text.contains("http"), "{text}");
        assert!(
            text.contains("&quot;points&quot;:[[1.0,1.0],[2.0,0.5]]") && text.contains("<b>0.5</b> (unit: 2)"),
            "{text}"
        );
    }

    #[test]
    fn table_numbers_have_five_digits() {
        let expected =
            [(0.0, "0"), (-26.943_24, "-26.943"), (240.0, "240"), (0.012_345_67, "0.012346"), (1.5e-7, "1.500e-7")];
        expected.into_iter().for_each(|(x, text)| assert_eq!(short(x), text));
    }
}
