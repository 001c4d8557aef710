//! Learning curves: all quantities that training measured, with their units.

use maud::{Markup, html};
use serde_json::Value;

use super::figure;
use crate::error::Result;
use crate::picture::{Chart, Curve};

/// A group of measured quantities that share a chart.
struct Group {
    title: &'static str,
    unit: &'static str,
    about: &'static str,
    /// Fields of `metrics.jsonl`, and their names in the legend.
    fields: &'static [(&'static str, &'static str)],
}

pub(super) const NATS: &str = "nats per example";

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
        about: "With the estimate of ln Z that training makes. The log-likelihood is too high in expectation, and \
                uncertain by the standard error of ln Z. A gap that opens between the lines is overfitting.",
        fields: &[("train_estimated_log_likelihood", "training rows"), ("estimated_log_likelihood", "validation rows")],
    },
    Group {
        title: "Bounds on the log-likelihood",
        unit: NATS,
        about: "The bounds are lower bounds: the true value is as high or higher. More draws give a tighter bound.",
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
        about: "The mean log-probability of each unit given all others, on validation rows. Values of one run can be \
                compared, values of different models cannot.",
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
        about: "The free energy of validation rows minus that of training rows. It is near 0 at the start and grows \
                with overfitting.",
        fields: &[("free_energy_gap", "")],
    },
    Group {
        title: "Partition function",
        unit: "ln Z",
        about: "The estimate of the chains of training, or of a short annealing. In a deep belief network it is ln Z \
                of the RBM on top.",
        fields: &[("log_partition", "")],
    },
    Group {
        title: "Standard error of ln Z",
        unit: "nats",
        about: "The standard error of the estimate that training makes.",
        fields: &[("log_partition_error", "")],
    },
    Group {
        title: "Classification",
        unit: "share of rows",
        about: "The share of rows whose class is not the most probable one.",
        fields: &[("train_error_rate", "training rows"), ("error_rate", "validation rows")],
    },
    Group {
        title: "Cross-entropy of the labels",
        unit: NATS,
        about: "Mean of -ln p of the right class.",
        fields: &[("train_cross_entropy", "training rows"), ("cross_entropy", "validation rows")],
    },
    Group {
        title: "Error of prediction from the hidden units",
        unit: "share of the variance of the data",
        about: "The squared error of validation rows given one draw of the hidden units, and the mean variance of the \
                units. It is 1 if the hidden units predict nothing.",
        fields: &[("squared_error", "squared error"), ("variance", "variance")],
    },
    Group {
        title: "Effective sample size of the weights",
        unit: "draws of 20",
        about: "The number of independent draws that the weighted draws of the bound are worth, on average over \
                validation rows.",
        fields: &[("ess", "")],
    },
    Group {
        title: "Active units",
        unit: "units",
        about: "Hidden units whose posterior means vary between validation rows by more than draws alone explain. The \
                other units say nothing about a row.",
        fields: &[
            ("active_units_1", "layer 1"),
            ("active_units_2", "layer 2"),
            ("active_units_3", "layer 3"),
            ("active_units_4", "layer 4"),
            ("active_units_5", "layer 5"),
            ("active_units_6", "layer 6"),
            ("active_units_7", "layer 7"),
            ("active_units_8", "layer 8"),
        ],
    },
    Group {
        title: "Movement of the chains",
        unit: "share of visible units",
        about: "The share of units that change in a sweep of the persistent chains. Close to 0 the chains stand still.",
        fields: &[("chain_flips", "")],
    },
    Group {
        title: "Swaps between temperatures",
        unit: "share of swaps offered",
        about: "The share of swaps between neighbouring temperatures that were accepted in the last updates of an \
                epoch.",
        fields: &[("swap_acceptance", "mean"), ("lowest_swap_acceptance", "least")],
    },
    Group {
        title: "Passes of mean field",
        unit: "passes an update",
        about: "The passes until the posterior means converged, in the last update of an epoch.",
        fields: &[("mean_field_iterations", "")],
    },
    Group {
        title: "Size of the weights",
        unit: "root mean square",
        about: "The root mean square of the weights next to the data, or of the weights of the RBM on top of a deep \
                belief network.",
        fields: &[("weight_rms", "")],
    },
    Group {
        title: "Learning rate",
        unit: "learning rate",
        about: "The learning rate of the last update of each epoch.",
        fields: &[("learning_rate", "")],
    },
    Group {
        title: "Time spent in training",
        unit: "seconds",
        about: "The time of all sessions of the run together.",
        fields: &[("seconds", "")],
    },
];

/// The charts that say how good a model is, and whether it overfits. The others say how training went.
const FIRST: [&str; 9] = [
    "Log-likelihood",
    "Log-likelihood, estimated",
    "Bounds on the log-likelihood",
    "Pseudo-log-likelihood",
    "Free energy gap",
    "Classification",
    "Cross-entropy of the labels",
    "Error of prediction from the hidden units",
    "Active units",
];

/// Fields that count and do not measure.
const COUNTERS: [&str; 3] = ["epoch", "step", "layers"];

/// Charts of all measured quantities, and a table of the last figures.
///
/// # Errors
///
/// [`crate::error::Error::Picture`] when a chart cannot be laid out.
pub(super) fn section(history: &[Value]) -> Result<Markup> {
    let Some(last) = history.last() else {
        return Ok(html! { p { "Nothing was measured during training." } });
    };
    let (first, others): (Vec<_>, Vec<_>) =
        charts(history).into_iter().partition(|(chart, _)| FIRST.contains(&chart.title.as_str()));
    let drawn = |charts: Vec<(Chart, &str)>| {
        charts.into_iter().map(|(chart, about)| figure::chart(&chart, about)).collect::<Result<Vec<_>>>()
    };
    let (first, others) = (drawn(first)?, drawn(others)?);
    Ok(html! {
        p { "Every evaluation uses the same random subsets of training and validation rows." }
        div.figures { @for chart in &first { (chart) } }
        @if !others.is_empty() {
            details { summary { "How training went: " (others.len()) " more charts" }
                div.figures { @for chart in &others { (chart) } } }
        }
        h3 { "The last figures" }
        div.wide tabindex="0" { table {
            tr { th { "field of metrics.jsonl" } th.number { "value" } th { "unit" } }
            @for (name, value) in in_order(last) {
                tr { td { code { (name) } } td.number { (number(value)) } td { (unit(name)) } }
            }
        } }
    })
}

/// The charts with a sentence each. Known groups come first, then a chart for each quantity that belongs to no group.
fn charts(history: &[Value]) -> Vec<(Chart, &'static str)> {
    let known = |name: &str| GROUPS.iter().any(|group| group.fields.iter().any(|(field, _)| *field == name));
    let mut others: Vec<&str> = history.iter().flat_map(fields).map(|(name, _)| name).collect();
    others.retain(|name| !known(name) && !COUNTERS.contains(name));
    others.sort_unstable();
    others.dedup();
    let chart = |title: &str, unit: &str, curves: Vec<Curve>| {
        let (title, across, up) = (title.into(), "epoch".into(), unit.into());
        Chart { title, across, up, curves, dots: false }
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

/// The fields in the order of the charts, after the fields that count.
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
        assert!(FIRST.iter().all(|title| GROUPS.iter().any(|group| group.title == *title)));
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
