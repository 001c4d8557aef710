//! Counts of the ends that hold.

use serde::{Deserialize, Serialize};

/// An interval beside the exact value, in nats.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The exact mean log p.
    pub truth: f64,
    /// The estimate.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end; infinite if it is open.
    pub high: f64,
    /// The mean gap of bidirectional Monte Carlo, where there is one.
    pub gap: Option<f64>,
    /// The warnings of the report.
    pub warnings: Vec<String>,
}

impl Outcome {
    /// By how much the exact value lies outside each closed end; 0 inside.
    fn misses(&self) -> impl Iterator<Item = f64> {
        // Exact values have errors of rounding, of single-precision inputs.
        let rounding = 1e-6 * (1.0 + self.truth.abs());
        let ends = [(self.low, self.low - self.truth), (self.high, self.truth - self.high)];
        let closed = ends.into_iter().filter(|(end, _)| !end.is_infinite());
        closed.map(move |(_, miss)| if miss <= rounding { 0.0 } else { miss })
    }

    /// The larger of the two misses. It is NaN if an end is no number.
    #[must_use]
    pub fn worst_miss(&self) -> f64 {
        self.misses().fold(0.0, |worst, miss| if miss > worst || miss.is_nan() { miss } else { worst })
    }
}

/// How the intervals of a family did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tally {
    name: String,
    models: usize,
    /// Ends that are closed.
    pub closed: usize,
    /// Closed ends that hold.
    pub held: usize,
    /// Closed ends that fail by more than 0.1 nats in a report without a warning.
    pub silent: usize,
    /// Reports with a warning.
    pub warned: usize,
    /// The largest distance of the exact value from an end that fails.
    pub worst: f64,
    /// The median distance of the lower end from the exact value.
    below: f64,
    /// The median gap of the models that have one.
    gap: Option<f64>,
}

/// The distance in nats above which a failing end must have warned.
const FAR: f64 = 0.1;

impl Tally {
    /// Counts the outcomes of a family.
    #[must_use]
    pub fn of(name: &str, outcomes: &[Outcome]) -> Self {
        let misses: Vec<f64> = outcomes.iter().flat_map(Outcome::misses).collect();
        let silent = outcomes.iter().filter(|outcome| outcome.warnings.is_empty()).flat_map(Outcome::misses);
        Self {
            name: name.into(),
            models: outcomes.len(),
            closed: misses.len(),
            held: misses.iter().filter(|&&miss| miss == 0.0).count(),
            silent: silent.filter(|miss| miss.is_nan() || *miss > FAR).count(),
            warned: outcomes.iter().filter(|outcome| !outcome.warnings.is_empty()).count(),
            worst: outcomes.iter().map(Outcome::worst_miss).fold(0.0, f64::max),
            below: median(outcomes.iter().map(|outcome| outcome.truth - outcome.low).collect()).unwrap_or(f64::NAN),
            gap: median(outcomes.iter().filter_map(|outcome| outcome.gap).collect()),
        }
    }

    /// Whether 99 % of the closed ends hold and every end that fails by more than 0.1 nats has warned.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.held * 100 >= self.closed * 99 && self.silent == 0
    }

    /// The row of the table.
    #[must_use]
    pub fn row(&self) -> String {
        let Self { name, models, closed, held, silent, warned, worst, below, gap } = self;
        let share = 100.0 * *held as f64 / (*closed).max(1) as f64;
        let gap = gap.map_or("\u{2013}".into(), |gap| format!("{gap:.3}"));
        format!(
            "| {name} | {models} | {closed} | {held} | {share:.1} % | {worst:.3} | {silent} | {warned} | {below:.3} | {gap} |"
        )
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// The rows of all families as a table in Markdown, with their sum.
#[must_use]
pub fn table(tallies: &[Tally]) -> String {
    let mut lines = vec![
        "| family | models | closed ends | hold | share | worst miss | silent | warned | truth above the lower end | gap |"
            .to_owned(),
        "|---|---|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    lines.extend(tallies.iter().map(Tally::row));
    let sum = |count: fn(&Tally) -> usize| tallies.iter().map(count).sum::<usize>();
    let (closed, held) = (sum(|t| t.closed), sum(|t| t.held));
    let worst = tallies.iter().map(|tally| tally.worst).fold(0.0, f64::max);
    lines.push(format!(
        "| all | {} | {closed} | {held} | {:.1} % | {worst:.3} | {} | {} | | |",
        sum(|t| t.models),
        100.0 * held as f64 / closed.max(1) as f64,
        sum(|t| t.silent),
        sum(|t| t.warned),
    ));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(truth: f64, low: f64, high: f64, warnings: usize) -> Outcome {
        Outcome { truth, value: truth, low, high, gap: None, warnings: vec!["doubt".into(); warnings] }
    }

    #[test]
    fn table_open_ends_do_not_count_and_silent_misses_do() {
        let outcomes = [
            outcome(-5.0, -6.0, f64::INFINITY, 0),
            outcome(-5.0, -4.5, -4.0, 0),
            outcome(-5.0, -4.5, -4.0, 1),
            outcome(-5.0, -6.0, -5.05, 0),
            outcome(-5.0, f64::NAN, -4.0, 0),
        ];
        let tally = Tally::of("x", &outcomes);
        assert_eq!((tally.closed, tally.held, tally.silent, tally.warned), (9, 5, 2, 1));
        assert!(!tally.holds() && Tally::of("x", &outcomes[..1]).holds());
    }
}
