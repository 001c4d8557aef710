//! Pictures as parts of a page.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gm_eval::histogram;
use image::RgbImage;
use maud::{Markup, PreEscaped, html};

use crate::error::Result;
use crate::files::png;
use crate::picture::{Chart, Curve};

/// Width and height of charts. They are as wide as the screen of a phone, so that their numbers can be read there.
const CHART: (u32, u32) = (400, 270);

/// A figure below its title and a sentence or two.
pub(super) fn figure(title: &str, text: &str, picture: &Markup) -> Markup {
    html! { figure { figcaption { b { (title) } (text) } (picture) } }
}

/// A figure made of pixels.
///
/// # Errors
///
/// [`crate::error::Error::Picture`] when it cannot be encoded.
pub(super) fn pixels(title: &str, text: &str, picture: &RgbImage) -> Result<Markup> {
    let source = format!("data:image/png;base64,{}", STANDARD.encode(png(picture)?));
    let (width, height) = picture.dimensions();
    Ok(figure(title, text, &html! { img src=(source) width=(width) height=(height) alt=(title); }))
}

/// A figure that is a chart.
///
/// # Errors
///
/// [`crate::error::Error::Picture`] when it cannot be laid out.
pub(super) fn chart(chart: &Chart, text: &str) -> Result<Markup> {
    let drawn = chart.svg(CHART.0, CHART.1)?;
    // The page has an opening tag of its own, without a fixed size and with a name for readers who do not see the
    // picture.
    let inner = drawn.split_once('>').map_or("", |(_, inner)| inner).trim_end().trim_end_matches("</svg>");
    let size = format!("0 0 {} {}", CHART.0, CHART.1);
    let picture = html! { svg viewBox=(size) role="img" aria-label=(chart.title) { (PreEscaped(inner)) } };
    Ok(figure(&chart.title, text, &picture))
}

/// A chart of values against their number, from 1.
pub(super) fn ranked(title: &str, (across, up): (&str, &str), lines: &[(String, Vec<f64>)]) -> Chart {
    let points = |values: &[f64]| values.iter().enumerate().map(|(i, &y)| ((i + 1) as f64, y)).collect();
    let curves = lines.iter().map(|(name, values)| Curve { name: name.clone(), points: points(values) }).collect();
    Chart { title: title.into(), across: across.into(), up: up.into(), curves, rising: false }
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
        assert!(text.contains("aria-label=\"a &lt; b\"") && !text.contains("http"), "{text}");
    }
}
