//! The watch over chains: how many sweeps are made and watched, and what the figures are made of.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::ops::ControlFlow;

use gm_core::{Matrix, StepInfo, autocorrelation_time, effective_sample_size, split_r_hat, unwatched};
use gm_eval::{Diagnostics, ModelChains};

/// Three chains that count their sweeps. Their quantities and flips are functions of the number of sweeps made.
#[derive(Debug, Default)]
struct Counting {
    made: usize,
    settled: Option<usize>,
    greatest: usize,
    compared: bool,
    swaps: Option<Vec<f64>>,
}

fn quantity(chain: usize, made: usize) -> f64 {
    ((made * (17 + 6 * chain) + made * made % 11) % 13) as f64
}

/// The share of units that change in the sweeps after `made` sweeps.
fn flips(made: usize) -> f64 {
    (made % 7) as f64 / 10.0
}

impl ModelChains for Counting {
    fn advance(&mut self, sweeps: usize) -> StepInfo {
        let flips = flips(self.made);
        self.made += sweeps;
        self.greatest = self.greatest.max(sweeps);
        StepInfo { sweeps, flips }
    }

    fn states(&self) -> Matrix {
        Matrix::zeros(1, 3)
    }

    fn means(&self) -> Matrix {
        Matrix::zeros(1, 3)
    }

    fn method(&self) -> &'static str {
        "counting"
    }

    fn quantity(&self) -> &'static str {
        "number of sweeps"
    }

    fn quantities(&self) -> Vec<f64> {
        (0..3).map(|chain| quantity(chain, self.made)).collect()
    }

    fn alike(&self) -> bool {
        self.compared
    }

    fn settle(&mut self) {
        self.settled = Some(self.made);
    }

    fn swaps(&self) -> Option<Vec<f64>> {
        self.swaps.clone()
    }
}

fn watched(sweeps: usize) -> (Counting, Option<Diagnostics>) {
    let mut chains = Counting { compared: true, ..Counting::default() };
    let found = chains.advance_watched(sweeps, &mut unwatched).unwrap();
    (chains, found)
}

#[test]
fn table_the_second_half_is_watched_at_even_intervals() {
    // (sweeps, sweeps before the watch, sweeps from one observation to the next, observations)
    for (sweeps, first, interval, observations) in [
        (16, 8, 1, 8),
        (17, 9, 1, 8),
        (800, 400, 1, 400),
        (802, 401, 2, 200),
        (1_700, 850, 3, 283),
        (20_000, 10_000, 25, 400),
    ] {
        let (chains, found) = watched(sweeps);
        let found = found.unwrap();
        assert_eq!((chains.made, chains.settled), (sweeps, Some(first)), "{sweeps} sweeps");
        assert_eq!((found.interval, found.sweeps, found.chains), (interval, interval * observations, 3));
        let trace = |chain| (1..=observations).map(|o| quantity(chain, first + o * interval)).collect::<Vec<_>>();
        let traces: Vec<Vec<f64>> = (0..3).map(trace).collect();
        assert_eq!(found.traces, traces, "{sweeps} sweeps");
        assert_eq!(found.ess, effective_sample_size(&traces).unwrap());
        assert_eq!(found.split_r_hat, split_r_hat(&traces).unwrap());
        let times: f64 = traces.iter().map(|trace| autocorrelation_time(trace)).sum();
        assert!((found.autocorrelation_time - times / 3.0 * interval as f64).abs() < 1e-9);
        assert_eq!((found.quantity, found.compared), ("number of sweeps", true));
    }
}

#[test]
fn table_few_sweeps_are_made_but_not_judged() {
    for sweeps in [0, 1, 15] {
        let (chains, found) = watched(sweeps);
        assert_eq!((chains.made, found), (sweeps, None));
    }
}

#[test]
fn table_flips_are_the_mean_over_the_watched_sweeps() {
    for (sweeps, interval) in [(16, 1), (1_700, 3), (20_000, 25)] {
        let (chains, found) = watched(sweeps);
        let found = found.unwrap();
        // At most twenty sweeps are made at a time, and their share counts once for each of them.
        assert!(chains.greatest <= 20, "{}", chains.greatest);
        let first = sweeps - sweeps / 2;
        let of_sweep = |sweep: usize| {
            let within = sweep % interval;
            flips(first + sweep - within + within / 20 * 20)
        };
        let expected = (0..found.sweeps).map(of_sweep).sum::<f64>() / found.sweeps as f64;
        assert!((found.flips - expected).abs() < 1e-9, "{sweeps} sweeps: {} against {expected}", found.flips);
    }
}

#[test]
fn table_progress_of_a_watch_counts_the_sweeps_made() {
    let mut chains = Counting { compared: true, ..Counting::default() };
    let (mut seen, sweeps) = (vec![], 1_700);
    chains
        .advance_watched(sweeps, &mut |progress| {
            assert_eq!(progress.total, sweeps);
            seen.push(progress.done);
            ControlFlow::Continue(())
        })
        .unwrap();
    // Twenty at a time at first, then three from one observation to the next, and one that is left over.
    let expected: Vec<usize> = (0..850).step_by(20).chain((850..1_699).step_by(3)).chain([1_699]).collect();
    assert_eq!(seen, expected);
    let stopped = chains.advance_watched(sweeps, &mut |_| ControlFlow::Break(())).unwrap_err();
    assert!(stopped.is_interruption());
}

#[test]
fn table_chains_with_other_values_given_are_judged_one_by_one() {
    let mut chains = Counting { swaps: Some(vec![0.2, 0.6, 0.7]), ..Counting::default() };
    let found = chains.advance_watched(400, &mut unwatched).unwrap().unwrap();
    let alone = |trace: &Vec<f64>| std::slice::from_ref(trace).to_vec();
    let ess: f64 = found.traces.iter().map(|trace| effective_sample_size(&alone(trace)).unwrap()).sum();
    let r_hat: f64 = found.traces.iter().map(|trace| split_r_hat(&alone(trace)).unwrap()).sum();
    assert!(!found.compared && (found.ess - ess).abs() < 1e-9 && (found.split_r_hat - r_hat / 3.0).abs() < 1e-12);
    assert!((found.swap_acceptance.unwrap() - 0.5).abs() < 1e-12);
    assert_eq!(found.lowest_swap_acceptance, Some(0.2));
}

#[test]
fn golden_diagnostics_as_text() {
    let mut chains = Counting { swaps: Some(vec![0.25, 0.75]), ..Counting::default() };
    let mut found = chains.advance_watched(400, &mut unwatched).unwrap().unwrap();
    (found.autocorrelation_time, found.ess, found.split_r_hat, found.flips) = (3.4, 123.0, 1.0625, 0.125);
    let text = "3 chains watched for 200 sweeps: autocorrelation time 3 sweeps, 123 independent draws, split R-hat 1.062, \
                12.5 % of units change per sweep; each chain by itself, since each has other values given; \
                50 % of swaps between temperatures made, 25 % at least";
    assert_eq!(found.to_string(), text);
    assert!(!found.mixed());
    (found.split_r_hat, found.compared, found.swap_acceptance) = (1.05, true, None);
    assert!(found.mixed() && found.to_string().ends_with("change per sweep"));
}
