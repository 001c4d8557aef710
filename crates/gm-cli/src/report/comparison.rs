//! Runs side by side on one page: the table, their learning curves over each other, and their intervals.

use gm_sweep::{Comparison, Evaluation, Figure, Group};
use maud::{Markup, html};

use super::interval::{Mark, picture};
use super::page::{Section, frame};
use super::{curves, figure};
use crate::comparison::{footnotes, reasons, sheet, title};
use crate::error::Result;
use crate::picture::{Chart, Curve};

/// Runs whose curves have names and colours of their own.
const NAMED: usize = 5;
/// The greatest length of a name in a legend.
const LEGEND: usize = 24;

/// The page of a comparison. The same runs give the same bytes.
///
/// # Errors
///
/// [`crate::error::Error::Picture`] when a chart cannot be laid out.
pub(crate) fn page(comparison: &Comparison) -> Result<String> {
    let count = |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    let runs = comparison.groups.iter().map(|group| group.rows.len()).sum();
    let lead = format!("{}, which differ in {}", count(runs, "run"), count(comparison.settings.len(), "setting"));
    let mut sections: Vec<Section> = Vec::new();
    for (i, group) in comparison.groups.iter().enumerate() {
        sections.push((format!("runs-{}", i + 1), title(group), section(comparison, group)?));
    }
    if let Some(intervals) = intervals(comparison) {
        sections.push(("measured".into(), "Measured".into(), intervals));
    }
    let said = reasons(comparison);
    let notes: Vec<String> = comparison.notes.iter().chain(&said).map(|note| note.replace('`', "")).collect();
    let notes: Vec<&String> = notes.iter().collect();
    Ok(frame(("Training runs side by side", &lead, &html! {}), &notes, &sections, "The same runs give the same page."))
}

/// The table of a group, and its learning curves.
fn section(comparison: &Comparison, group: &Group) -> Result<Markup> {
    let rows = sheet(comparison, group);
    let (heading, body) = rows.split_first().map_or((&[][..], &[][..]), |(first, rest)| (&first[..], rest));
    let charts = charts(group).iter().map(|chart| figure::chart(chart, about(group))).collect::<Result<Vec<_>>>()?;
    Ok(html! {
        div.wide tabindex="0" { table {
            tr { @for cell in heading { th { (cell) } } }
            @for row in body { tr { @for cell in row { td { (cell) } } } }
        } }
        @for note in footnotes(comparison) { p.lead { (note) } }
        div.figures { @for chart in &charts { (chart) } }
    })
}

fn about(group: &Group) -> &'static str {
    match group.figure {
        Some(Figure::ErrorRate) => "Validation rows; lower is better.",
        Some(Figure::Reconstruction | Figure::CrossEntropy) => "Validation rows, nats per example; lower is better.",
        _ => "Validation rows, nats per example; higher is better.",
    }
}

/// The curves of the best runs with their names, and of all runs without.
fn charts(group: &Group) -> Vec<Chart> {
    let Some(figure) = group.figure else { return vec![] };
    let curve = |name: String, at: usize| {
        let points = group.rows[at].record.course(figure).into_iter().map(|mark| (mark.epoch as f64, mark.value));
        Curve { name, points: points.collect() }
    };
    let chart = |words: &str, curves: Vec<Curve>| {
        let up = if figure == Figure::ErrorRate { "share of rows" } else { curves::NATS };
        let (title, across, up) = (format!("{figure}, {words}"), "epoch".into(), up.into());
        Chart { title, across, up, curves, dots: false }
    };
    let name = |at: usize| group.rows[at].record.name.chars().take(LEGEND).collect();
    let named = (0..group.rows.len().min(NAMED)).map(|at| curve(name(at), at)).collect();
    let mut found = vec![chart("the best runs", named)];
    if group.rows.len() > NAMED {
        found.push(chart("all runs", (0..group.rows.len()).map(|at| curve(String::new(), at)).collect()));
    }
    found.retain(|chart| chart.curves.iter().any(|curve| !curve.points.is_empty()));
    found
}

/// The intervals of all runs, a picture for each set of rows; `None` if nothing was measured.
fn intervals(comparison: &Comparison) -> Option<Markup> {
    let columns: Vec<&Evaluation> = comparison.evaluations();
    let columns = columns.into_iter().filter(|column| column.figure == "mean_log_prob");
    let pictures: Vec<Markup> = columns.map(|column| intervals_of(comparison, column)).collect();
    (!pictures.is_empty()).then(|| {
        html! {
            p {
                "Mean log p of an example, in nats; higher is better. A bar spans the values that the measurement allows, \
                 a dot is its best single number. A bar that fades to the right is open: no method gives a bound from \
                 above there."
            }
            @for picture in &pictures { div.narrow { (picture) } }
        }
    })
}

fn intervals_of(comparison: &Comparison, column: &Evaluation) -> Markup {
    let rows = comparison.groups.iter().flat_map(|group| &group.rows);
    let mark = |run: &str, found: &Evaluation| {
        let (value, low) = found.value.zip(found.low)?;
        Some(Mark { name: format!("{run} ({})", found.side), value, low, high: found.high })
    };
    let marks: Vec<Mark> = rows
        .flat_map(|row| row.record.evaluations.iter().map(move |found| (&row.record.name, found)))
        .filter(|(_, found)| found.is_like(column))
        .filter_map(|(name, found)| mark(name, found))
        .collect();
    figure::figure(&column.data.to_string(), &column.file, &picture(&marks))
}
