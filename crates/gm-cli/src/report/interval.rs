//! The likelihood interval as a picture: the range of the true value, and the measurements on either side.

use maud::{Markup, html};

use super::figure;
use super::headline::decimals;
use super::{Evaluation, Folder};
use crate::output::threads_of;

/// One line of the picture, in nats.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mark {
    pub(super) name: String,
    pub(super) value: f64,
    /// The ends of the bar. The upper end of a lower bound is open.
    pub(super) low: f64,
    pub(super) high: Option<f64>,
}

impl Mark {
    /// The value and the bound that it gives. A bound has an error of its own, so that only its lower end holds.
    fn words(&self) -> String {
        let (value, low) = (self.value, self.low);
        let digits = decimals(self.high.unwrap_or(value) - low);
        match self.high {
            Some(high) if low < high => format!("{value:.digits$}, from {low:.digits$} to {high:.digits$}"),
            Some(_) => format!("{value:.digits$}"),
            None if low < value => format!("{value:.digits$}, {low:.digits$} or more"),
            None => format!("{value:.digits$} or more"),
        }
    }
}

/// All evaluations of a run.
pub(super) fn section(folder: &Folder) -> Markup {
    if folder.evaluations.is_empty() {
        return html! { p { "Not measured yet. The learning curves show the estimates of training." } };
    }
    html! {
        p {
            "Mean log p of an example, in nats; higher is better. A bar spans the values that the measurement allows, \
             a dot is its best single number. A bar that fades to the right is open: no method gives a bound from \
             above there. The gap of a bound shows how far it lies from the truth on rows that the model itself drew."
        }
        @for (name, evaluation) in &folder.evaluations { (one(name, evaluation)) }
    }
}

fn one(name: &str, evaluation: &Evaluation) -> Markup {
    let data = &evaluation.data;
    let about = format!("{} split of {}, {} rows, binarise {}", data.split, data.source, data.rows, data.binarise);
    let marks = marks(evaluation);
    html! {
        div.narrow { (figure::figure("Mean log p of an example", &about, &picture(&marks))) }
        @for warning in &evaluation.warnings { p.note { (warning) } }
        (table(evaluation, &marks))
        p.lead {
            (name) ": " (format!("{:.1}", evaluation.seconds)) " s on " (threads_of(evaluation.threads)) ", seed " (evaluation.seed)
        }
    }
}

/// The measurements of log p, the interval first.
fn marks(evaluation: &Evaluation) -> Vec<Mark> {
    let p = &evaluation.mean_log_prob;
    // A bound on p(v) Z is a bound on p(v) only if Z is right.
    let estimated = evaluation.log_partition.as_ref().is_some_and(|z| z.method != "exact");
    let given = if estimated { ", at the estimated ln Z" } else { "" };
    let mut marks = Vec::new();
    let mut add = |name: String, value: Option<f64>, low: Option<f64>, high: Option<f64>| {
        if let (Some(value), Some(low)) = (value, low) {
            marks.push(Mark { name, value, low, high });
        }
    };
    let name = match p.side.as_str() {
        "exact" => "exact".to_owned(),
        "lower" => format!("at least ({})", p.method),
        _ => format!("interval ({})", p.method),
    };
    add(name, p.value, p.low, p.high.filter(|_| p.side != "lower"));
    if let Some(lower) = &evaluation.lower_bound {
        let low = lower.value.zip(lower.std_error).map(|(value, error)| value - 3.0 * error);
        add(format!("bound for the annealed model, {} runs of RAISE", lower.walks), lower.value, low, None);
    }
    if let Some(bound) = evaluation.importance_weighted.as_ref().filter(|_| p.method != "importance-weighted") {
        let low = bound.value.zip(bound.std_error).map(|(value, error)| value - 3.0 * error);
        add(format!("bound from {} draws{given}", bound.samples), bound.value, low, None);
    }
    add(format!("evidence lower bound{given}"), evaluation.elbo, evaluation.elbo, None);
    marks
}

/// No wider than the screen of a phone, so that texts can be read there.
const WIDTH: f64 = 340.0;
const MARGIN: f64 = 14.0;
const ROW: f64 = 64.0;

/// The marks, one below the other, over a common scale.
pub(super) fn picture(marks: &[Mark]) -> Markup {
    let scale = Scale::of(marks);
    let height = marks.len() as f64 * ROW + 38.0;
    let bottom = height - 30.0;
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label="likelihood interval" font-size="13" fill="var(--ink)" {
            @for tick in scale.ticks() {
                @let x = coordinate(scale.x(tick));
                line x1=(x) y1="6" x2=(x) y2=(bottom) stroke="var(--line)" {}
                text x=(x) y=(bottom + 17.0) text-anchor="middle" { (scale.label(tick)) }
            }
            @for (i, mark) in marks.iter().enumerate() { (row(mark, &scale, i)) }
        }
    }
}

/// A mark below its name.
fn row(mark: &Mark, scale: &Scale, i: usize) -> Markup {
    let (top, colour) = (i as f64 * ROW, format!("var(--curve-{})", i % 5));
    let (value, low) = (scale.x(mark.value), scale.x(mark.low));
    let high = mark.high.map_or(WIDTH - MARGIN, |high| scale.x(high));
    let middle = top + 51.0;
    // The range above a lower bound is open, so it is drawn faintly.
    let opacity = if mark.high.is_some() { "0.45" } else { "0.16" };
    html! {
        text x=(MARGIN) y=(top + 17.0) { (mark.name) }
        text x=(MARGIN) y=(top + 35.0) font-weight="600" { (mark.words()) }
        rect x=(coordinate(low)) y=(middle - 5.0) width=(coordinate((high - low).max(2.0))) height="10" rx="3" fill=(colour) opacity=(opacity) {}
        @if mark.high.is_none() && mark.value > mark.low {
            rect x=(coordinate(low)) y=(middle - 5.0) width=(coordinate((value - low).max(2.0))) height="10" rx="3" fill=(colour) opacity="0.45" {}
        }
        circle cx=(coordinate(value)) cy=(middle) r="5.5" fill=(colour) {}
    }
}

fn coordinate(x: f64) -> String {
    format!("{x:.1}")
}

/// The scale of nats across the picture.
struct Scale {
    low: f64,
    high: f64,
    step: f64,
}

impl Scale {
    fn of(marks: &[Mark]) -> Self {
        let ends = marks.iter().flat_map(|mark| [mark.low, mark.value, mark.high.unwrap_or(mark.value)]);
        let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        let (low, high) = if low <= high { (low, high) } else { (0.0, 0.0) };
        let room = ((high - low) * 0.12).max(0.05);
        let (low, high) = (low - room, high + room);
        // The step is 1, 2 or 5 times a power of ten and gives two to six ticks.
        let rough = (high - low) / 5.0;
        let power = 10.0_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|digit| digit * power).find(|step| *step >= rough);
        Self { low, high, step: step.unwrap_or(power) }
    }

    fn x(&self, nats: f64) -> f64 {
        MARGIN + (nats - self.low) / (self.high - self.low) * (WIDTH - 2.0 * MARGIN)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        let (first, last) = ((self.low / self.step).ceil() as i64, (self.high / self.step).floor() as i64);
        let step = self.step;
        (first..=last).map(move |i| i as f64 * step)
    }

    fn label(&self, tick: f64) -> String {
        let decimals = (-self.step.log10().floor()).max(0.0) as usize;
        format!("{tick:.decimals$}")
    }
}

/// The figures as a table, with the work behind them.
fn table(evaluation: &Evaluation, marks: &[Mark]) -> Markup {
    let number = |x: Option<f64>| x.map_or("not finite".into(), |x| format!("{x:.3}"));
    let row = |name: &str, value: Option<f64>, low: String, high: String| {
        html! { tr { td { (name) } td.number { (number(value)) } td.number { (low) } td.number { (high) } } }
    };
    let spread = |value: Option<f64>, error: Option<f64>, side: f64| {
        value.zip(error).map_or(String::new(), |(value, error)| format!("{:.3}", value + 3.0 * side * error))
    };
    html! {
        div.wide tabindex="0" { table {
            tr { th { "nats" } th.number { "value" } th.number { "from" } th.number { "to" } }
            @for mark in marks {
                (row(&mark.name, Some(mark.value), number(Some(mark.low)), mark.high.map_or("open".into(), |x| number(Some(x)))))
            }
            @if let Some(z) = &evaluation.log_partition { (row("ln Z", z.value, number(z.low), number(z.high))) }
            @if let Some(z) = &evaluation.reverse_log_partition {
                (row(&format!("ln Z from above, {} runs of reverse AIS", z.runs), z.value, number(z.low), number(z.high)))
            }
            @if let Some(gap) = &evaluation.gap {
                @let name = format!("gap of the bound, {} rows of the model ({}); 95 % below", gap.rows, gap.states);
                (row(&name, gap.mean, String::new(), number(gap.percentile_95)))
            }
            @if let Some(pseudo) = &evaluation.log_pseudo_likelihood {
                @let ends = [-1.0, 1.0].map(|side| spread(pseudo.value, pseudo.std_error, side));
                (row("pseudo-log-likelihood", pseudo.value, ends[0].clone(), ends[1].clone()))
            }
            @if let Some(gap) = evaluation.free_energy_gap {
                (row("free energy above that of training rows", Some(gap), String::new(), String::new()))
            }
        } }
        p.lead { (behind(evaluation)) }
    }
}

/// The work behind the figures.
fn behind(evaluation: &Evaluation) -> String {
    let mut parts = Vec::new();
    if let Some(z) = evaluation.log_partition.as_ref() {
        match (z.runs, z.temperatures, z.ess) {
            (Some(runs), Some(temperatures), Some(ess)) => parts.push(format!(
                "ln Z from {runs} annealing runs of {temperatures} temperatures, effective sample size {ess:.1}"
            )),
            _ => parts.push(format!("ln Z: {}", z.method)),
        }
    }
    if let Some(Some(ess)) = evaluation.importance_weighted.as_ref().map(|bound| bound.ess) {
        parts.push(format!("effective sample size of the importance weights {ess:.1}"));
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn evaluation(mean_log_prob: serde_json::Value) -> Evaluation {
        serde_json::from_value(json!({
            "model": "rbm", "layers": [4, 2], "data": {"source": "a<b", "split": "test", "rows": 3, "binarise": "none"},
            "mean_log_prob": mean_log_prob, "seconds": 1.0, "threads": 2, "seed": 0, "elbo": -3.0,
            "lower_bound": {"value": -2.5, "std_error": 0.1, "walks": 100},
        }))
        .unwrap()
    }

    #[test]
    fn table_marks_carry_their_side() {
        let both = evaluation(
            json!({"value": -2.0, "low": -2.8, "high": -1.9, "side": "estimate", "method": "ais and raise"}),
        );
        let found: Vec<_> = marks(&both).into_iter().map(|mark| (mark.value, mark.high)).collect();
        assert_eq!(found, [(-2.0, Some(-1.9)), (-2.5, None), (-3.0, None)]);
        let text = one("eval.json", &both).into_string();
        assert!(
            text.contains("a&lt;b")
                && text.contains("-2.50, -2.80 or more")
                && text.contains("-2.00, from -2.80 to -1.90")
        );
        let bound = evaluation(
            json!({"value": -2.0, "low": -2.1, "high": -1.9, "side": "lower", "method": "importance-weighted"}),
        );
        assert_eq!(marks(&bound)[0].high, None);
    }

    #[test]
    fn table_numbers_that_are_not_finite_are_left_out_of_the_picture() {
        let broken = evaluation(json!({"value": null, "low": null, "high": null, "side": "estimate", "method": "ais"}));
        let text = one("eval.json", &broken).into_string();
        assert!(marks(&broken).len() == 2 && !text.contains("NaN") && !text.contains("inf"), "{text}");
    }

    #[test]
    fn table_scales_have_round_ticks_within() {
        for (low, high) in [(-86.4, -85.2), (-142.5, -142.5), (-1000.0, 0.0), (-0.011, -0.01)] {
            let mark = Mark { name: String::new(), value: low, low, high: Some(high) };
            let scale = Scale::of(&[mark]);
            let ticks: Vec<f64> = scale.ticks().collect();
            assert!((2..=7).contains(&ticks.len()), "{low} to {high}: {ticks:?}");
            assert!(ticks.iter().all(|&tick| (0.0..=WIDTH).contains(&scale.x(tick))));
        }
        assert_eq!(Scale { low: 0.0, high: 1.0, step: 0.2 }.label(0.4), "0.4");
    }
}
