//! Writes the chapter `results.md` from the rows and their records.

use std::fmt::Write as _;

use serde_json::Value;

use super::row::{Figure, Row};
use super::state::State;

const HEAD: &str = "# Results

`cargo xtask reproduce --data-dir DIR` writes this chapter from its measurements, which it keeps in `docs/results`. No
figure here is typed by hand; a test compares the chapter with the records. Likelihoods are natural logarithms, in nats
per example of the full test set; higher is better. *Ours* is the best single number, *from* and *to* are the ends that
hold for it ([how to read an interval](interval.md)). The upper end of a bound is open: no method gives an upper bound for
these rows. Rows in per cent give the share of errors on the full test set, with its 95 % interval; lower is better. A row
that falls short of the published figure stays in the table and says so.

| model, data | published | ours | from | to | compared with the published figure |
|---|---|---|---|---|---|
";

/// The text of the chapter.
pub(crate) fn render(rows: &[Row], states: &[Option<State>]) -> String {
    let mut text = HEAD.to_owned();
    let known = || rows.iter().zip(states);
    for (row, state) in known() {
        let _ = writeln!(text, "{}", line(row, state.as_ref()));
    }
    text += "\n## How\n";
    for (row, state) in known() {
        text += &details(row, state.as_ref());
    }
    text
}

/// The table of the README, which has only the rows that were measured.
pub(crate) fn summary(rows: &[Row], states: &[Option<State>]) -> String {
    let mut text =
        "| model, recipe | data | ours | from | to | published | training |\n|---|---|---|---|---|---|---|\n"
            .to_owned();
    for (row, state) in rows.iter().zip(states) {
        let Some((state, evaluation)) = state.as_ref().and_then(|state| Some((state, state.evaluation.as_ref()?)))
        else {
            continue;
        };
        let [value, low, high] = Ours::new(evaluation, row.figure).cells(row.figure.unit());
        let _ = writeln!(
            text,
            "| {} (`{}`) | {} | {value} | {low} | {high} | {}{} ({}) | {} |",
            row.model,
            row.recipe,
            row.data,
            row.published,
            row.figure.unit(),
            row.source.1,
            duration(state.train_seconds)
        );
    }
    text
}

fn duration(seconds: f64) -> String {
    if seconds < 100.0 { format!("{seconds:.0} s") } else { format!("{:.0} minutes", seconds / 60.0) }
}

fn line(row: &Row, state: Option<&State>) -> String {
    let unit = row.figure.unit();
    let model = format!("{}: {}", row.model, row.data);
    let published = format!("{}{unit} ([{}](references.md#{}))", row.published, row.source.1, row.source.0);
    let Some(evaluation) = state.and_then(|state| state.evaluation.as_ref()) else {
        return format!("| {model} | {published} | | | | not measured by this command yet |");
    };
    let ours = Ours::new(evaluation, row.figure);
    let quick = state.is_some_and(|state| state.quick);
    let verdict = match quick {
        true => "a tiny model of other data, not comparable".into(),
        false => ours.verdict(row.published, row.figure),
    };
    let [value, low, high] = ours.cells(unit);
    format!("| {model} | {published} | {value} | {low} | {high} | {verdict} |")
}

/// Our figure beside a published one, with its two sides.
struct Ours {
    value: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
}

impl Ours {
    fn new(evaluation: &Value, figure: Figure) -> Self {
        let likelihood = &evaluation["mean_log_prob"];
        // The upper end of a bound on log p of the rows is open. Records of before 2026-11-30 give it a number.
        let bound = likelihood["side"] == "lower" || evaluation["importance_weighted"].is_object();
        let high = likelihood["high"].as_f64().filter(|_| !bound || likelihood["side"] == "exact");
        match figure {
            Figure::MeanLogProb => Self { value: likelihood["value"].as_f64(), low: likelihood["low"].as_f64(), high },
            Figure::Elbo => {
                let elbo = evaluation["elbo"].as_f64();
                Self { value: elbo, low: elbo.map(|elbo| elbo - log_z_above(evaluation)), high }
            }
            Figure::ErrorRate => {
                let per_cent = |field: &str| evaluation["error_rate"][field].as_f64().map(|share| 100.0 * share);
                Self { value: per_cent("value"), low: per_cent("low"), high: per_cent("high") }
            }
        }
    }

    /// The value, the lower end and the upper end as the tables show them.
    fn cells(&self, unit: &str) -> [String; 3] {
        let cell = |x: Option<f64>| x.map_or("\u{2013}".into(), |x| format!("{x:.2}{unit}"));
        let [value, low, high] = [self.value, self.low, self.high].map(cell);
        [value, low, if self.low.is_some() && self.high.is_none() { "open".into() } else { high }]
    }

    /// Compares with the published figure, which counts as reached if our worse side is better.
    fn verdict(&self, published: f64, figure: Figure) -> String {
        let (worse, better, sign) = if figure.rises() { (self.low, "above", 1.0) } else { (self.high, "below", -1.0) };
        let (Some(value), Some(worse)) = (self.value, worse) else { return "not a number".into() };
        let by = format!("{:.2}{}", (value - published).abs(), figure.unit());
        match (sign * (value - published) >= 0.0, sign * (worse - published) >= 0.0) {
            (true, true) => format!("{better} it by {by}"),
            (true, false) => format!("{better} it, but our worse side is not"),
            _ => format!("**short by {by}**"),
        }
    }
}

/// How far the highest upper end of log Z lies above its value; 0 for models without log Z.
fn log_z_above(evaluation: &Value) -> f64 {
    let value = evaluation["log_partition"]["value"].as_f64();
    let ends = ["log_partition", "reverse_log_partition"].map(|name| evaluation[name]["high"].as_f64());
    let above = ends.into_iter().flatten().zip(value.into_iter().cycle()).map(|(high, value)| high - value);
    above.fold(0.0, f64::max)
}

fn details(row: &Row, state: Option<&State>) -> String {
    let mut text = format!("\n### {}, `{}`\n\n", row.model, row.recipe);
    let _ = writeln!(text, "- Data: {}.", row.data);
    let _ = writeln!(text, "- Published: {}{}, {}.", row.published, row.figure.unit(), row.how);
    let _ = writeln!(text, "- Training: {}", training(row));
    let options = if state.is_some_and(|state| state.quick) { &row.quick } else { &row.eval };
    let _ = writeln!(text, "- Measuring: `dgm eval RUN/model.gm {} --data-dir DATA`", options.join(" "));
    let Some((state, evaluation)) = state.and_then(|state| Some((state, state.evaluation.as_ref()?))) else {
        return text;
    };
    let _ = writeln!(text, "- Method: {}{}.", method(evaluation), behind(evaluation));
    let binarise = evaluation["data"]["binarise"].as_str().unwrap_or("unknown");
    let rows = &evaluation["data"]["rows"];
    let _ = writeln!(
        text,
        "- Test rows: {rows}, binarise `{binarise}`; seed {} in training{}.",
        state.seed,
        evaluation["seed"].as_u64().map_or(String::new(), |seed| format!(", {seed} in measuring"))
    );
    let seconds = evaluation["seconds"].as_f64().unwrap_or(f64::NAN);
    let _ = writeln!(text, "- Time: {:.1} s of training, {seconds:.1} s of measuring.", state.train_seconds);
    let _ = writeln!(text, "- {}; commit {}; {}.", state.machine, state.commit, state.date);
    for warning in evaluation["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let _ = writeln!(text, "- Warning: {warning}.");
    }
    text
}

/// The command that trains, and the run that it needs first.
fn training(row: &Row) -> String {
    let options = format!("--config recipes/{}.toml --data-dir DATA --out RUN", row.recipe);
    match (&row.start, row.finetune) {
        (Some(start), _) => {
            format!(
                "`dgm finetune START/model.gm {options}`, where START is the run of `recipes/{start}.toml`, whose time is not counted here"
            )
        }
        (None, true) => format!("`dgm finetune {options}`"),
        (None, false) => format!("`dgm train {options}`"),
    }
}

fn method(evaluation: &Value) -> &str {
    let of = |field: &str| evaluation[field]["method"].as_str();
    of("mean_log_prob").or(of("error_rate")).unwrap_or("unknown")
}

/// The number of runs and draws behind the figure.
fn behind(evaluation: &Value) -> String {
    let mut text = String::new();
    let z = &evaluation["log_partition"];
    if let (Some(runs), Some(temperatures), Some(ess)) =
        (z["runs"].as_u64(), z["temperatures"].as_u64(), z["ess"].as_f64())
    {
        let _ = write!(text, ", {runs} runs of {temperatures} temperatures, effective sample size {ess:.1}");
    }
    if let Some(walks) = evaluation["lower_bound"]["walks"].as_u64() {
        let _ = write!(text, ", {walks} RAISE runs from the data");
    }
    if let Some(samples) = evaluation["importance_weighted"]["samples"].as_u64() {
        let _ = write!(text, ", {samples} draws per row");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(figure: &str) -> Row {
        toml::from_str(&format!(
            "recipe = 'rbm'\nmodel = 'RBM'\ndata = 'rows'\npublished = -86.0\nhow = 'exact'\nsource = ['key', 'Name 2008']\n\
             figure = '{figure}'\neval = ['--data', 'digits']\nquick = []\n"
        ))
        .unwrap()
    }

    fn state(evaluation: Value) -> State {
        serde_json::from_value(json!({
            "schema": "gm-reproduce/1", "recipe": "rbm", "quick": false, "seed": 1, "train_seconds": 12.34,
            "commit": "abc", "machine": "a machine", "date": "2026-11-24", "evaluation": evaluation,
        }))
        .unwrap()
    }

    fn cells(figure: &str, evaluation: Value) -> Vec<String> {
        let line = line(&row(figure), Some(&state(evaluation)));
        line.split('|').skip(3).map(|cell| cell.trim().to_owned()).take(4).collect()
    }

    #[test]
    fn table_rows_say_whether_they_reach_the_published_figure() {
        let p = |value: f64, low: f64| json!({"mean_log_prob": {"value": value, "low": low, "high": value + 0.5, "side": "estimate", "method": "ais"}, "elbo": -87.25});
        assert_eq!(cells("mean_log_prob", p(-84.0, -85.0)), ["-84.00", "-85.00", "-83.50", "above it by 2.00"]);
        assert_eq!(cells("mean_log_prob", p(-85.5, -86.5))[3], "above it, but our worse side is not");
        assert_eq!(cells("mean_log_prob", p(-87.0, -88.0))[3], "**short by 1.00**");
        assert_eq!(cells("elbo", p(-84.0, -85.0)), ["-87.25", "-87.25", "-83.50", "**short by 1.25**"]);
        let bound =
            json!({"mean_log_prob": {"value": -80.0, "low": -80.1, "high": -79.9, "side": "lower", "method": "x"}});
        assert_eq!(cells("mean_log_prob", bound)[2], "open");
        // Records of before the ends of bounds were open, and the error of log Z below an evidence lower bound.
        let old = json!({
            "mean_log_prob": {"value": -80.0, "low": -80.1, "high": -79.9, "side": "estimate", "method": "x"},
            "importance_weighted": {"value": -80.0}, "elbo": -81.0, "log_partition": {"value": 7.0, "high": 7.25},
        });
        assert_eq!(cells("mean_log_prob", old.clone())[..3], ["-80.00", "-80.10", "open"]);
        assert_eq!(cells("elbo", old)[..3], ["-81.00", "-81.25", "open"]);
        let broken =
            json!({"mean_log_prob": {"value": null, "low": null, "high": null, "side": "estimate", "method": "ais"}});
        assert_eq!(cells("mean_log_prob", broken)[3], "not a number");
    }

    #[test]
    fn table_rows_of_errors_are_in_per_cent_and_better_when_lower() {
        let errors = |value: f64| json!({"error_rate": {"value": value, "low": value - 0.002, "high": value + 0.002, "method": "wilson"}});
        let cells = |value: f64| {
            let row = Row { published: 1.25, ..row("error_rate") };
            let line = line(&row, Some(&state(errors(value))));
            line.split('|').skip(2).map(|cell| cell.trim().to_owned()).take(5).collect::<Vec<_>>()
        };
        let published = "1.25 % ([Name 2008](references.md#key))";
        assert_eq!(cells(0.01), [published, "1.00 %", "0.80 %", "1.20 %", "below it by 0.25 %"]);
        assert_eq!(cells(0.012)[4], "below it, but our worse side is not");
        assert_eq!(cells(0.03)[4], "**short by 1.75 %**");
    }

    #[test]
    fn table_tiny_models_are_compared_with_nothing() {
        let p = json!({"mean_log_prob": {"value": -20.0, "low": -21.0, "high": -19.0, "side": "estimate", "method": "ais"}});
        let tiny = State { quick: true, ..state(p) };
        let text = render(&[row("mean_log_prob")], &[Some(tiny)]);
        assert!(text.contains("| -20.00 | -21.00 | -19.00 | a tiny model of other data, not comparable |"), "{text}");
    }

    #[test]
    fn table_the_summary_has_the_rows_that_were_measured() {
        let p = json!({"mean_log_prob": {"value": -84.0, "low": -85.0, "high": -83.0, "side": "estimate", "method": "ais"}});
        let rows = [row("mean_log_prob"), row("elbo")];
        let text = summary(&rows, &[Some(state(p)), None]);
        assert_eq!(
            text.lines().nth(2),
            Some("| RBM (`rbm`) | rows | -84.00 | -85.00 | -83.00 | -86 (Name 2008) | 12 s |")
        );
        assert_eq!((text.lines().count(), duration(150.0)), (3, "2 minutes".into()));
    }

    #[test]
    fn table_rows_without_figures_stay() {
        let text = render(&[row("elbo")], &[None]);
        assert!(
            text.contains(
                "| RBM: rows | -86 ([Name 2008](references.md#key)) | | | | not measured by this command yet |"
            ),
            "{text}"
        );
        let evaluation = json!({
            "data": {"rows": 7, "binarise": "none"}, "seconds": 3.0, "seed": 0, "warnings": ["few runs decide"],
            "mean_log_prob": {"value": -84.0, "low": -85.0, "high": -83.0, "side": "estimate", "method": "ais and raise"},
            "log_partition": {"runs": 10, "temperatures": 100, "ess": 9.5}, "lower_bound": {"walks": 10},
        });
        let text = render(&[row("mean_log_prob")], &[Some(state(evaluation))]);
        for words in [
            "Method: ais and raise, 10 runs of 100 temperatures, effective sample size 9.5, 10 RAISE runs from the data.",
            "12.3 s of training, 3.0 s of measuring",
            "Test rows: 7, binarise `none`; seed 1 in training, 0 in measuring.",
            "a machine; commit abc; 2026-11-24.",
            "Warning: few runs decide.",
        ] {
            assert!(text.contains(words), "no `{words}` in\n{text}");
        }
    }
}
