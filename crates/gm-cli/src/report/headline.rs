//! The first lines of a report: how likely unseen rows are, how sure that is, and what it is worth.

use maud::{Markup, html};

use super::{Evaluation, Folder};
use crate::training::{data_options, quoted};

/// The likelihood of the test rows, or how to measure it.
pub(super) fn headline(folder: &Folder) -> Markup {
    let tests = folder.evaluations.iter().map(|(_, evaluation)| evaluation);
    let chosen = tests.clone().find(|evaluation| evaluation.data.split == "test").or(tests.clone().next());
    match chosen {
        Some(evaluation) => measured(evaluation),
        None => unmeasured(folder),
    }
}

fn measured(evaluation: &Evaluation) -> Markup {
    let (p, data) = (&evaluation.mean_log_prob, &evaluation.data);
    let Some(value) = p.value else { return html! {} };
    let (low, high) = (p.low.unwrap_or(f64::NEG_INFINITY), p.high.filter(|_| p.side != "lower"));
    let digits = decimals(high.unwrap_or(value) - low);
    let number = |x: f64| format!("{x:.digits$}");
    html! {
        div.headline {
            p.figure { b { (number(value)) } " nats" @if high.is_none() { " or more" } }
            p {
                "Mean log p of the " (data.rows) " rows of the " (data.split) " split of " (data.source) ". "
                @match (p.side.as_str(), high) {
                    ("exact", _) => { "It is exact." }
                    (_, Some(high)) => { "By measurement it lies between " (number(low)) " and " (number(high)) " (" (p.method) ")." }
                    _ => { "By measurement it is " (number(low)) " or more (" (p.method) "); the upper end is open." }
                }
            }
            @if let Some(error) = evaluation.rows_std_error {
                p { "Other rows would give another mean: its standard error over these rows is " (format!("{error:.2}")) " nats. \
                     This is apart from the error of measurement." }
            }
            @if let Some(independent) = evaluation.independent_units {
                p { "Independent units with the training means reach " (format!("{independent:.2}")) " nats, so the model is "
                    (compared(value, independent)) "." }
            }
        }
    }
}

/// What a model gains over independent units.
fn compared(value: f64, independent: f64) -> String {
    let gain = value - independent;
    let (size, word) = (gain.abs(), if gain >= 0.0 { "better" } else { "worse, and has learnt nothing of use" });
    format!("{size:.2} nats {word}")
}

/// The decimals that show an interval of this width, and no more than six.
pub(super) fn decimals(width: f64) -> usize {
    if width > 0.0 && width.is_finite() { (1.0 - width.log10()).ceil().clamp(2.0, 6.0) as usize } else { 2 }
}

fn unmeasured(folder: &Folder) -> Markup {
    let command =
        format!("dgm report {} {}", quoted(&folder.path.display().to_string()), data_options(&folder.config.data));
    html! {
        div.headline {
            p { "The likelihood of the test rows is not measured yet. This command measures it and writes it here:" }
            pre tabindex="0" { (command) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_decimals_show_the_width_of_an_interval() {
        let expected = [(0.5, 2), (0.06, 3), (0.000_56, 5), (1e-9, 6), (20.0, 2), (0.0, 2), (f64::INFINITY, 2)];
        expected.into_iter().for_each(|(width, digits)| assert_eq!(decimals(width), digits, "{width}"));
    }

    #[test]
    fn table_a_model_below_independent_units_is_told() {
        assert_eq!(compared(-20.0, -25.5), "5.50 nats better");
        assert_eq!(compared(-26.0, -25.5), "0.50 nats worse, and has learnt nothing of use");
    }
}
