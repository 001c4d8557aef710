//! Learning curves: everything that training measured, with its unit.

use maud::{Markup, html};
use serde_json::Value;

use super::figure;
use crate::error::Result;
use crate::picture::{Chart, Curve};

/// Measured quantities that share a chart.
struct Group {
    title: &'static str,
    unit: &'static str,
    about: &'static str,
    /// Fields of `metrics.jsonl`, and what the legend calls them.
    fields: &'static [(&'static str, &'static str)],
}

const NATS: &str = "nats per example";

const GROUPS: &[Group] = &[
    Group {
        title: "Log-likelihood",
        unit: NATS,
        about: "Exact: every state is enumerated. A gap that opens between the lines is overfitting.",
        fields: &[("train_log_likelihood", "training rows"), ("log_likelihood", "validation rows")],
    },
    Group {
        title: "Log-likelihood, estimated",
        unit: NATS,
        about: "With ln Z as training sees it in passing: too high in expectation, and uncertain by the standard error of ln Z. \
                A gap that opens between the lines is overfitting.",
        fields: &[("train_estimated_log_likelihood", "training rows"), ("estimated_log_likelihood", "validation rows")],
    },
    Group {
        title: "Bounds on the log-likelihood",
        unit: NATS,
        about: "From below: the truth is as high or higher. More draws give a tighter bound.",
        fields: &[
            ("train_importance_weighted", "training rows, 20 draws"),
            ("importance_weighted", "validation rows, 20 draws"),
            ("train_elbo", "training rows, ELBO"),
            ("elbo", "validation rows, ELBO"),
            ("next_elbo", "with the next layer"),
            ("batch_bound", "last batch"),
        ],
    },
    Group {
        title: "Pseudo-log-likelihood",
        unit: NATS,
        about: "How well each unit is told from all others, validation rows. Comparable along a run, not between models.",
        fields: &[("pseudo_log_likelihood", "")],
    },
    Group {
        title: "Reconstruction error",
        unit: NATS,
        about: "Cross-entropy of validation rows and their reconstructions. It may rise while the likelihood still grows.",
        fields: &[("reconstruction", "")],
    },
    Group {
        title: "Free energy gap",
        unit: NATS,
        about: "Validation rows minus training rows: near 0 at the start, it grows with overfitting.",
        fields: &[("free_energy_gap", "")],
    },
    Group {
        title: "Partition function",
        unit: "ln Z",
        about: "As chains along training or a short annealing find it; in a deep belief network of the machine on top.",
        fields: &[("log_partition", "")],
    },
    Group {
        title: "Standard error of ln Z",
        unit: "nats",
        about: "Of what is known of it in passing.",
        fields: &[("log_partition_error", "")],
    },
    Group {
        title: "Classification",
        unit: "share of rows",
        about: "Rows whose class is not the most probable one.",
        fields: &[("train_error_rate", "training rows"), ("error_rate", "validation rows")],
    },
    Group {
        title: "Cross-entropy of the labels",
        unit: NATS,
        about: "Mean of -ln p of the right class.",
        fields: &[("train_cross_entropy", "training rows"), ("cross_entropy", "validation rows")],
    },
    Group {
        title: "What the hidden units leave open",
        unit: "of the variance of the data",
        about: "Of validation rows given one draw of the hidden units, and the mean variance of the units. 1 where nothing is explained.",
        fields: &[("squared_error", "squared error"), ("variance", "variance")],
    },
    Group {
        title: "Effective sample size of the weights",
        unit: "draws of 20",
        about: "How many of the draws behind the bound count, on average over validation rows.",
        fields: &[("ess", "")],
    },
    Group {
        title: "Movement of the chains",
        unit: "share of visible units",
        about: "Units that change in a sweep of the persistent chains. Close to 0 the chains stand still.",
        fields: &[("chain_flips", "")],
    },
    Group {
        title: "Swaps between temperatures",
        unit: "share of swaps offered",
        about: "Made between neighbouring temperatures in the last updates of an epoch.",
        fields: &[("swap_acceptance", "mean"), ("lowest_swap_acceptance", "the fewest")],
    },
    Group {
        title: "Passes of mean field",
        unit: "passes an update",
        about: "Until the posterior means stopped moving, in the last update of an epoch.",
        fields: &[("mean_field_iterations", "")],
    },
    Group {
        title: "Size of the weights",
        unit: "root mean square",
        about: "Of the weights next to the data, or of those of the machine on top of a deep belief network.",
        fields: &[("weight_rms", "")],
    },
    Group {
        title: "Learning rate",
        unit: "learning rate",
        about: "Of the last update of each epoch.",
        fields: &[("learning_rate", "")],
    },
    Group {
        title: "Time spent in training",
        unit: "seconds",
        about: "Over all sessions of the run.",
        fields: &[("seconds", "")],
    },
];

/// What a line counts by, rather than measures.
const COUNTERS: [&str; 3] = ["epoch", "step", "layers"];

/// Charts of all that was measured, and the last figures as a table.
///
/// # Errors
///
/// [`crate::error::Error::Picture`] when a chart cannot be laid out.
pub(super) fn section(history: &[Value]) -> Result<Markup> {
    let Some(last) = history.last() else {
        return Ok(html! { p { "Nothing was measured during training." } });
    };
    let charts = charts(history).into_iter().map(|(chart, about)| figure::chart(&chart, about));
    let charts = charts.collect::<Result<Vec<_>>>()?;
    Ok(html! {
        p { "Training and validation rows are fixed random subsets, the same at every look." }
        div.figures { @for chart in &charts { (chart) } }
        h3 { "The last figures" }
        div.wide { table {
            tr { th { "field of metrics.jsonl" } th.number { "value" } th { "unit" } }
            @for (name, value) in in_order(last) {
                tr { td { code { (name) } } td.number { (number(value)) } td { (unit(name)) } }
            }
        } }
    })
}

/// The charts with a sentence each: known groups first, then a chart for each quantity that no group knows.
fn charts(history: &[Value]) -> Vec<(Chart, &'static str)> {
    let known = |name: &str| GROUPS.iter().any(|group| group.fields.iter().any(|(field, _)| *field == name));
    let mut others: Vec<&str> = history.iter().flat_map(fields).map(|(name, _)| name).collect();
    others.retain(|name| !known(name) && !COUNTERS.contains(name));
    others.sort_unstable();
    others.dedup();
    let chart = |title: &str, unit: &str, curves: Vec<Curve>| {
        let (title, across, up) = (title.into(), "epoch".into(), unit.into());
        Chart { title, across, up, curves, rising: unit == NATS }
    };
    let grouped = GROUPS.iter().map(|group| {
        let curves = group.fields.iter().map(|(field, name)| curve(history, field, name));
        let curves = curves.filter(|curve| !curve.points.is_empty()).collect();
        (chart(group.title, group.unit, curves), group.about)
    });
    let other = others.into_iter().map(|name| (chart(name, "", vec![curve(history, name, "")]), ""));
    grouped.chain(other).filter(|(chart, _)| !chart.curves.is_empty()).collect()
}

fn curve(history: &[Value], field: &str, name: &str) -> Curve {
    let point = |line: &Value| Some((line.get("epoch")?.as_f64()?, line.get(field)?.as_f64()?));
    Curve { name: name.into(), points: history.iter().filter_map(point).collect() }
}

fn fields(line: &Value) -> impl Iterator<Item = (&str, &Value)> {
    line.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

/// The fields as the charts are ordered, behind what counts.
fn in_order(line: &Value) -> Vec<(&str, &Value)> {
    let known: Vec<&str> =
        COUNTERS.into_iter().chain(GROUPS.iter().flat_map(|group| group.fields).map(|(field, _)| *field)).collect();
    let mut found: Vec<_> = fields(line).collect();
    found.sort_by_key(|(name, _)| known.iter().position(|field| field == name).unwrap_or(known.len()));
    found
}

/// The unit of a field.
fn unit(name: &str) -> &'static str {
    let group = GROUPS.iter().find(|group| group.fields.iter().any(|(field, _)| *field == name));
    match (group, name) {
        (Some(group), _) => group.unit,
        (None, "epoch") => "passes over the training rows",
        (None, "step") => "updates",
        (None, "layers") => "hidden layers so far",
        _ => "",
    }
}

fn number(value: &Value) -> String {
    match value.as_f64() {
        Some(whole) if whole.fract() == 0.0 && whole.abs() < 1e12 => format!("{whole}"),
        Some(x) if x.abs() >= 0.01 => format!("{x:.4}"),
        Some(x) => format!("{x:.3e}"),
        None => "not finite".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn table_every_measured_quantity_has_a_chart_and_a_number() {
        let line = |epoch: u64| {
            json!({"epoch": epoch, "step": 10 * epoch, "seconds": 0.5, "learning_rate": 0.1, "chain_flips": 0.2,
                "log_likelihood": -20.0, "train_log_likelihood": -19.5, "never_seen_before": 3.0, "elbo": null,
                "estimated_log_likelihood": -20.1, "log_partition_error": 0.3, "swap_acceptance": 0.4})
        };
        let history = [line(1), line(2)];
        let titles: Vec<String> = charts(&history).into_iter().map(|(chart, _)| chart.title).collect();
        let expected = [
            "Log-likelihood",
            "Log-likelihood, estimated",
            "Standard error of ln Z",
            "Movement of the chains",
            "Swaps between temperatures",
            "Learning rate",
            "Time spent in training",
            "never_seen_before",
        ];
        assert_eq!(titles, expected);
        let text = section(&history).unwrap().into_string();
        assert!(text.contains("not finite") && text.contains(">never_seen_before<") && text.contains("-19.5000"));
        assert!(section(&[]).unwrap().into_string().contains("Nothing was measured"));
    }
}
