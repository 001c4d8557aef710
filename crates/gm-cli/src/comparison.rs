//! Runs side by side as rows of cells, for the terminal, files and pages.

use std::fmt::Write as _;

use gm_sweep::{Comparison, Evaluation, Figure, Group, Mark, Row, RunState};
use toml::Value;

use crate::error::{Error, Result};
use crate::output::table;

/// The text of a comparison: a table for each group, and what a reader should know.
pub(crate) fn text(comparison: &Comparison) -> String {
    let mut text = String::new();
    for group in &comparison.groups {
        if comparison.groups.len() > 1 {
            let _ = writeln!(text, "{}", title(group));
        }
        let _ = writeln!(text, "{}", table(&sheet(comparison, group)));
    }
    let lines = reasons(comparison).into_iter().chain(footnotes(comparison)).chain(comparison.notes.clone());
    text.extend(lines.map(|line| line + "\n"));
    text
}

/// The data and the model of a group, as a title.
pub(crate) fn title(group: &Group) -> String {
    format!("{} on {}", group.model, group.data)
}

/// The cells of a group; the first row is the heading.
pub(crate) fn sheet(comparison: &Comparison, group: &Group) -> Vec<Vec<String>> {
    let keys = keys_of(comparison, group);
    let evaluations = comparison.evaluations();
    let figure = group.figure.map_or("figure".into(), |figure| figure.to_string());
    let heading = ["run", "state"].into_iter().map(String::from).chain(keys.iter().map(|key| last_words(key, &keys)));
    let heading = heading.chain([figure, "epoch".into(), "last".into(), "epochs".into(), "seconds".into()]);
    let heading = heading.chain(numbered(evaluations.len()));
    let row = |row: &Row| {
        let setting = |key: &&String| row.settings.get(*key).map_or("-".into(), value_text);
        let best = number(group.figure, row.best);
        let epoch = row.best.map_or("-".into(), |best| best.epoch.to_string());
        let seconds = format!("{:.1}", row.record.seconds());
        let found = |column: &&Evaluation| row.record.evaluations.iter().find(|own| own.is_like(column));
        let start = [row.record.name.clone(), row.record.state.to_string()].into_iter().chain(keys.iter().map(setting));
        let figures = [best, epoch, number(group.figure, row.last), row.record.epochs().to_string(), seconds];
        let measured = evaluations.iter().map(|column| found(column).map_or("-".into(), interval));
        start.chain(figures).chain(measured).collect()
    };
    std::iter::once(heading.collect()).chain(group.rows.iter().map(row)).collect()
}

/// Headings of the columns of evaluations, which footnotes explain.
fn numbered(count: usize) -> impl Iterator<Item = String> {
    (1..=count).map(|i| format!("measured [{i}]"))
}

/// What the columns of evaluations hold.
pub(crate) fn footnotes(comparison: &Comparison) -> Vec<String> {
    let note = |(i, evaluation): (usize, &Evaluation)| {
        let (figure, unit) = match evaluation.figure {
            "error_rate" => ("share of errors", ""),
            _ => ("mean log p", ", in nats"),
        };
        format!("[{}] {figure} of {}{unit} ({})", i + 1, evaluation.data, evaluation.file)
    };
    comparison.evaluations().into_iter().enumerate().map(note).collect()
}

/// Why runs were stopped or have failed.
pub(crate) fn reasons(comparison: &Comparison) -> Vec<String> {
    let rows = comparison.groups.iter().flat_map(|group| &group.rows);
    let failed = rows.filter(|row| row.record.state == RunState::Failed);
    failed.filter_map(|row| Some(format!("{} failed: {}", row.record.name, row.record.reason.as_deref()?))).collect()
}

/// The settings in which the runs of a group differ; its title says what they have in common against others.
fn keys_of<'a>(comparison: &'a Comparison, group: &Group) -> Vec<&'a String> {
    let differs = |key: &&String| {
        let mut values = group.rows.iter().map(|row| row.settings.get(*key));
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    comparison.settings.iter().filter(differs).collect()
}

/// The last word of a key, or all of it if another key has the same last word.
fn last_words(key: &str, keys: &[&String]) -> String {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let unique = keys.iter().filter(|other| last(other) == last(key)).count() == 1;
    if unique { last(key) } else { key.to_owned() }
}

fn value_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The value of a figure, which is `about` so large if log Z was estimated.
pub(crate) fn number(figure: Option<Figure>, mark: Option<Mark>) -> String {
    match mark {
        None => "-".into(),
        Some(mark) if figure == Some(Figure::ErrorRate) => format!("{:.2} %", 100.0 * mark.value),
        Some(Mark { value, estimated, .. }) => format!("{}{value:.3}", if estimated { "about " } else { "" }),
    }
}

/// A measured figure with its interval and its side. An open end stays open.
fn interval(evaluation: &Evaluation) -> String {
    let (scale, unit) = if evaluation.figure == "error_rate" { (100.0, " %") } else { (1.0, "") };
    let text = |x: f64| format!("{:.3}{unit}", scale * x);
    let Some(value) = evaluation.value else { return "not finite".into() };
    match (evaluation.low, evaluation.high, evaluation.side.as_str()) {
        (_, _, "exact") => format!("{} (exact)", text(value)),
        (Some(low), Some(high), side) => format!("{}, {} to {} ({side})", text(value), text(low), text(high)),
        (Some(low), None, side) => format!("{}, {} or more ({side})", text(value), text(low)),
        (None, Some(high), side) => format!("{}, {} or less ({side})", text(value), text(high)),
        (None, None, side) => format!("{} ({side}, both ends open)", text(value)),
    }
}

/// All runs as a table of text, a line for each.
///
/// # Errors
///
/// [`Error::Content`] when the text cannot be written.
pub(crate) fn csv(comparison: &Comparison) -> Result<Vec<u8>> {
    let evaluations = comparison.evaluations();
    let mut writer = csv::Writer::from_writer(vec![]);
    let mut add = |row: Vec<String>| writer.write_record(row).map_err(Error::content("csv"));
    let fixed = ["data", "model", "run", "name", "state", "figure", "best", "best_epoch", "estimated"];
    let measured = |evaluation: &&Evaluation| {
        let Evaluation { file, figure, data, .. } = *evaluation;
        ["value", "low", "high", "side"].map(|part| format!("{figure} {part}: {data} ({file})"))
    };
    let heading = fixed.into_iter().chain(["last", "last_epoch", "epochs", "seconds"]).map(String::from);
    add(heading.chain(comparison.settings.iter().cloned()).chain(evaluations.iter().flat_map(measured)).collect())?;
    for (group, row) in comparison.groups.iter().flat_map(|group| group.rows.iter().map(move |row| (group, row))) {
        let record = &row.record;
        let mark =
            |mark: Option<Mark>| [mark.map(|mark| mark.value.to_string()), mark.map(|mark| mark.epoch.to_string())];
        let figure = group.figure.map(|figure| figure.to_string());
        let names = [&group.data, &group.model, &record.folder.display().to_string(), &record.name]
            .map(|name| Some(name.clone()));
        let best = [Some(record.state.to_string()), figure].into_iter().chain(mark(row.best));
        let last = [row.best.map(|best| best.estimated.to_string())].into_iter().chain(mark(row.last));
        let spent = [Some(record.epochs().to_string()), Some(record.seconds().to_string())];
        let settings = comparison.settings.iter().map(|key| row.settings.get(key).map(value_text));
        let measured = evaluations.iter().flat_map(|column| {
            let found = record.evaluations.iter().find(|own| own.is_like(column));
            let number = |x: Option<f64>| x.map(|x| x.to_string());
            let of = |of: fn(&Evaluation) -> Option<f64>| number(found.and_then(of));
            [of(|it| it.value), of(|it| it.low), of(|it| it.high), found.map(|it| it.side.clone())]
        });
        let cells = names.into_iter().chain(best).chain(last).chain(spent).chain(settings).chain(measured);
        add(cells.map(Option::unwrap_or_default).collect())?;
    }
    writer.into_inner().map_err(Error::content("csv"))
}
