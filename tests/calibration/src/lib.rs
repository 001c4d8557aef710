//! How often the intervals of likelihoods hold: small models of many families, whose likelihood is enumerated and also
//! estimated as that of a large model.
//!
//! [`FAMILIES`] draws or trains the models, [`measure`] compares an interval with the exact value, and [`Tally`] counts.

mod families;
mod random;
mod tally;

pub use families::{Case, FAMILIES, Family};
pub use tally::{Outcome, Tally, table};

use gm::Result;
use gm::prelude::{EvalSettings, Exact, evaluate, unwatched};

/// Estimates the likelihood of a case as that of a model too large to enumerate, and compares it with the exact value.
///
/// # Errors
///
/// The errors of [`evaluate`].
pub fn measure(case: &Case, settings: &EvalSettings) -> Result<Outcome> {
    let exactly = EvalSettings { exact: Exact::Yes, ..settings.clone() };
    let truth = evaluate(&case.model, &case.data, &exactly, &mut unwatched)?.mean_log_prob.value;
    let estimated = EvalSettings { exact: Exact::No, ..settings.clone() };
    let report = evaluate(&case.model, &case.data, &estimated, &mut unwatched)?;
    let p = &report.mean_log_prob;
    let gap = report.gap.as_ref().map(|gap| gap.mean);
    Ok(Outcome { truth, value: p.value, low: p.low, high: p.high, gap, warnings: report.warnings })
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use gm::eval::TemperingSettings;
    use gm::prelude::{AisSettings, Schedule};
    use rayon::prelude::*;

    /// The short form of the calibration: two models of every family, at a fraction of the usual temperatures and sweeps.
    static OUTCOMES: LazyLock<Vec<(&str, Vec<Outcome>)>> = LazyLock::new(|| {
        let ais = AisSettings { runs: 100, schedule: Schedule::Graded(1_001) };
        let tempering = TemperingSettings { temperatures: 8, sweeps: 200 };
        let settings = EvalSettings { ais, tempering, seed: 5, ..Default::default() };
        let of = |family: &Family| -> Vec<Outcome> {
            let found: Vec<_> = (0..2_u64).into_par_iter().map(|i| measure(&family.case(i, 11)?, &settings)).collect();
            found.into_iter().collect::<Result<_>>().expect("small models")
        };
        FAMILIES.iter().map(|family| (family.name, of(family))).collect()
    });

    /// Tallies of all families, with each interval changed by `change`.
    fn tallies(change: impl Fn(&Outcome) -> Outcome) -> Vec<Tally> {
        let of = |(name, found): &(&str, Vec<Outcome>)| Tally::of(name, &found.iter().map(&change).collect::<Vec<_>>());
        OUTCOMES.iter().map(of).collect()
    }

    /// Whether 98 % of the closed ends hold: of some sixty ends one may fail.
    fn enough(tallies: &[Tally]) -> bool {
        let (closed, held) = tallies.iter().fold((0, 0), |sum, tally| (sum.0 + tally.closed, sum.1 + tally.held));
        closed >= 2 * FAMILIES.len() && held * 100 >= closed * 98
    }

    #[test]
    fn stat_mean_closed_ends_hold_or_have_warned() {
        let tallies = tallies(Outcome::clone);
        assert!(enough(&tallies), "{}", table(&tallies));
        assert!(tallies.iter().all(|tally| tally.silent == 0), "{}", table(&tallies));
    }

    #[test]
    fn planted_mean_ends_at_a_tenth_of_their_distance_fail() {
        let nearer = |end: f64, value: f64| if end.is_finite() { value + 0.1 * (end - value) } else { end };
        let found = tallies(|o| Outcome { low: nearer(o.low, o.value), high: nearer(o.high, o.value), ..o.clone() });
        assert!(!enough(&found), "{}", table(&found));
    }
}
