//! The report of an evaluation as text.

use gm_eval::{EvalReport, ImportanceReport, PartitionReport, ReverseReport};

use crate::output::{Listing, threads_of};

/// A report for people.
pub(super) fn summary(report: &EvalReport) -> String {
    let (p, units) = (&report.mean_log_prob, report.layers[0]);
    let mut listing = Listing::default();
    let data = &report.data;
    listing.add("model", format!("{} {:?}", report.model, report.layers));
    report.visible.iter().for_each(|kind| listing.add("visible units", kind));
    listing
        .add("data", format!("{}, {} split, {} rows, binarise {}", data.source, data.split, data.rows, data.binarise));
    listing.add(
        "mean log p",
        match p.side {
            "exact" => format!("{:.4} nats, exact", p.value),
            "lower" => format!("{:.4} nats, {:.4} or more (lower; the upper end is open)", p.value, p.low),
            side => format!("{:.4} nats, {:.4} to {:.4} ({side})", p.value, p.low, p.high),
        },
    );
    if report.visible.is_none() {
        let bits = -p.value / units as f64 / std::f64::consts::LN_2;
        listing.add("", format!("{bits:.4} bits per dimension"));
    }
    add_yardsticks(&mut listing, report);
    if let Some(lower) = &report.lower_bound {
        let (value, error, walks) = (lower.value, lower.std_error, lower.walks);
        listing.add("raise", format!("{value:.4} +- {error:.4} nats, {walks} runs of reverse AIS from the data"));
        listing.add("", "a lower bound for the annealed model");
    }
    if let Some(bound) = &report.importance_weighted {
        add_bound(&mut listing, bound);
    }
    if let Some(found) = &report.annealed_posterior {
        let (value, error) = (found.value, found.std_error);
        listing.add("annealed bound", format!("{value:.4} +- {error:.4} nats, annealing to the posterior (lower)"));
        let (runs, temperatures, rows, ess) = (found.runs, found.temperatures, found.rows, found.ess);
        listing.add(
            "",
            format!("{runs} runs of {temperatures} temperatures on {rows} rows, effective sample size {ess:.1}"),
        );
    }
    if let Some(gap) = &report.gap {
        let (mean, most) = (gap.mean, gap.percentile_95);
        listing.add("gap of the bound", format!("{mean:.4} nats, at most {most:.4} for 95 % of the rows"));
        listing.add("", format!("{} rows drawn from the model ({})", gap.rows, gap.states));
    }
    if let Some(elbo) = report.elbo {
        listing.add("elbo", format!("{elbo:.4} nats"));
    }
    if let Some(z) = &report.log_partition {
        add_partition(&mut listing, z);
    }
    if let Some(reverse) = &report.reverse_log_partition {
        add_reverse(&mut listing, reverse);
    }
    if let Some(pseudo) = &report.log_pseudo_likelihood {
        listing.add("pseudo log p", format!("{:.4} +- {:.4} nats ({})", pseudo.value, pseudo.std_error, pseudo.method));
    }
    if let Some(gap) = report.free_energy_gap {
        listing.add("free energy gap", format!("{gap:.4} nats above training rows"));
    }
    listing.add("time", format!("{:.1} s, {}, seed {}", report.seconds, threads_of(report.threads), report.seed));
    listing.text()
}

/// The figures that put the likelihood in its place.
fn add_yardsticks(listing: &mut Listing, report: &EvalReport) {
    if let Some(error) = report.rows_std_error {
        let rows = report.data.rows;
        listing.add("over rows", format!("+- {error:.4} nats, the standard error of the mean over {rows} rows"));
    }
    if let Some(value) = report.independent_units {
        listing.add("independent units", format!("{value:.4} nats, each unit with its moments of the training rows"));
    }
}

fn add_bound(listing: &mut Listing, bound: &ImportanceReport) {
    let (value, error, samples) = (bound.value, bound.std_error, bound.samples);
    listing.add("bound", format!("{value:.4} +- {error:.4} nats, importance-weighted, {samples} draws a row (lower)"));
    if let Some(spread) = bound.spread {
        listing.add("", format!("standard deviation {spread:.4} over {} repeats", bound.repeats));
    }
    listing.add("", format!("effective sample size {:.1}, below {:.2} for 5 % of the rows", bound.ess, bound.low_ess));
}

fn add_reverse(listing: &mut Listing, z: &ReverseReport) {
    listing.add("from above", format!("{:.4}, {:.4} to {:.4} ({})", z.value, z.low, z.high, z.method));
    let samples = format!("{} samples after {} sweeps of parallel tempering", z.runs, z.sweeps);
    let (mean, lowest) = (100.0 * z.swap_acceptance, 100.0 * z.lowest_swap_acceptance);
    listing.add(
        "",
        format!("{samples}, {mean:.0} % of swaps accepted, at least {lowest:.0} %; effective sample size {:.1}", z.ess),
    );
}

pub(super) fn add_partition(listing: &mut Listing, z: &PartitionReport) {
    listing.add(
        "log Z",
        match z.method {
            "exact" => format!("{:.4}, exact", z.value),
            method => format!("{:.4}, {:.4} to {:.4} ({method})", z.value, z.low, z.high),
        },
    );
    if let (Some(runs), Some(temperatures), Some(ess)) = (z.runs, z.temperatures, z.ess) {
        listing.add("", format!("{runs} runs of {temperatures} temperatures, effective sample size {ess:.1}"));
    }
}
