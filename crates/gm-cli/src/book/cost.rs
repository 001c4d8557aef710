//! The table and the picture of the chapter `cluster.md`: the time of an update over the size of its messages, measured
//! by `cargo xtask mpi --bench`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::story::{chart, check, curve};
use super::{place, writing};
use crate::picture::{Canvas, Curve, PAPER};

/// A line of `cost.csv`.
#[derive(Deserialize)]
struct Cost {
    hidden: usize,
    parameters: usize,
    ranks: usize,
    measured_ms: f64,
    predicted_ms: f64,
}

fn costs() -> Vec<Cost> {
    let mut file = csv::Reader::from_path(place("cost.csv")).expect("measured times");
    file.deserialize().collect::<Result<_, _>>().expect("lines of numbers")
}

/// The measured and the predicted times of some processes, and the measured ones of one process, over megabytes.
fn curves(costs: &[Cost], ranks: usize) -> Vec<Curve> {
    let of = |ranks: usize, time: fn(&Cost) -> f64| {
        let lines = costs.iter().filter(move |cost| cost.ranks == ranks);
        lines.map(move |cost| (4e-6 * cost.parameters as f64, time(cost)))
    };
    vec![
        curve("1 process", of(1, |cost| cost.measured_ms)),
        curve(&format!("{ranks} processes, measured"), of(ranks, |cost| cost.measured_ms)),
        curve(&format!("{ranks} processes, predicted"), of(ranks, |cost| cost.predicted_ms)),
    ]
}

#[test]
fn golden_picture_of_the_cost_of_processes() {
    let costs = costs();
    let axes = ("megabytes of parameters", "milliseconds an update");
    let left = chart("Two processes on two cores", axes, curves(&costs, 2));
    let right = chart("Eight processes on two cores", axes, curves(&costs, 8));
    let mut both = Canvas::new(left.width() + right.width(), left.height(), PAPER);
    both.paste(&left, 0, 0);
    both.paste(&right, left.width(), 0);
    check("cost.png", &both.into_image());
}

#[test]
fn golden_table_of_the_cost_of_processes() {
    const BEGIN: &str = "| hidden units | parameters | 1 process |";
    let mut rows = BTreeMap::<usize, String>::new();
    for cost in costs() {
        let start = || format!("| {} | {} |", thousands(cost.hidden), thousands(cost.parameters));
        let row = rows.entry(cost.hidden).or_insert_with(start);
        *row += &match cost.ranks {
            1 => format!(" {:.1} |", cost.measured_ms),
            _ => format!(" {:.1}, predicted {:.1} |", cost.measured_ms, cost.predicted_ms),
        };
    }
    let path = place("cluster.md");
    let text = std::fs::read_to_string(&path).expect("the chapter");
    let at = text.find(BEGIN).expect("the table");
    let header: usize = text[at..].split_inclusive('\n').take(2).map(str::len).sum();
    let body: usize =
        text[at + header..].split_inclusive('\n').take_while(|line| line.starts_with('|')).map(str::len).sum();
    let (before, after) = (&text[..at + header], &text[at + header + body..]);
    let table: String = rows.values().map(|row| format!("{row}\n")).collect();
    let wanted = format!("{before}{table}{after}");
    if writing() {
        std::fs::write(&path, &wanted).expect("a folder of the book");
    }
    assert!(writing() || text == wanted, "{}: another table; `cargo xtask book` writes it", path.display());
}

/// A count with a comma before each three digits.
fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let pieces: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|part| std::str::from_utf8(part).ok()).collect();
    pieces.join(",")
}
