//! Names of columns, from a table through a run, its model file and the commands that use it.

use crate::common::Workshop;
use serde_json::Value;

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// Baskets in which milk goes with bread, and tea with lemon; the first column numbers them.
fn baskets(order: [usize; 4]) -> String {
    let line = |row: usize| {
        let (breakfast, afternoon) = (row % 2, row / 2 % 2);
        let values = [breakfast, breakfast, afternoon, afternoon];
        format!("{row},{}\n", order.map(|column| values[column].to_string()).join(","))
    };
    let names = order.map(|column| ["milk", "bread", "tea", "lemon"][column]).join(",");
    format!("id,{names}\n{}", (0..24).map(line).collect::<String>())
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().map(|list| list.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
}

#[test]
fn law_names_travel_from_a_table_to_what_hidden_units_stand_for() {
    let workshop = Workshop::new();
    workshop.write("baskets.csv", baskets([0, 1, 2, 3]));
    workshop.says(&words(
        "train rbm --data baskets.csv --hidden 2 --algorithm exact --learning-rate 1 --epochs 400 --out run",
    ));
    let document = workshop.json(&words("inspect run"));
    assert_eq!(texts(&document["columns"]), ["milk", "bread", "tea", "lemon"]);
    let mut pairs: Vec<Vec<&str>> = vec![];
    for unit in document["named_weights"].as_array().expect("a list of units") {
        let weights = unit["weights"].as_array().expect("a list of weights");
        let named = |place: usize| weights[place][0].as_str().expect("a name");
        let size = |place: usize| weights[place][1].as_f64().expect("a weight");
        assert!(weights.len() == 4 && size(0).abs() >= size(1).abs() && size(0) * size(1) > 0.0, "{unit}");
        let mut pair = vec![named(0), named(1)];
        pair.sort_unstable();
        pairs.push(pair);
    }
    pairs.sort_unstable();
    assert_eq!(pairs, [["bread", "milk"], ["lemon", "tea"]]);
    let said = workshop.says(&words("inspect run"));
    assert!(said.contains("hidden unit  largest weights") && !said.contains("[\"milk\""), "{said}");
    let report = workshop.text("run/report.html");
    assert!(report.contains("What hidden units stand for") && report.contains("lemon"), "the report names no column");
    // Other formats keep the names.
    workshop.says(&words("convert run/model.gm model.safetensors"));
    assert_eq!(texts(&workshop.json(&words("inspect model.safetensors"))["columns"])[3], "lemon");
}

#[test]
fn law_completed_tables_have_the_names_and_are_read_back() {
    let workshop = Workshop::new();
    workshop.write("baskets.csv", baskets([0, 1, 2, 3]));
    workshop.write("answers.csv", format!("colour,size\n{}", "0,1\n2,2\n1,0\n2,1\n".repeat(6)));
    workshop.says(&words("train rbm --data baskets.csv --hidden 2 --epochs 2 --no-report --out run"));
    workshop.says(&words("complete run --data baskets.csv --mask right --out whole.csv"));
    assert!(workshop.text("whole.csv").starts_with("milk,bread,tea,lemon\n"));
    workshop.says(&words("sample run -n 12 --steps 5 --out drawn.csv"));
    assert!(workshop.text("drawn.csv").starts_with("milk,bread,tea,lemon\n"));
    workshop.says(&words("eval run --data drawn.csv"));
    workshop.says(&words("eval run --data whole.csv --binarise threshold --split all"));
    workshop
        .says(&words("train rbm --data answers.csv --visible softmax --hidden 2 --epochs 2 --no-report --out choices"));
    workshop.says(&words("complete choices --data answers.csv --mask right --out choices.csv"));
    assert!(workshop.text("choices.csv").starts_with("colour=0,colour=1,colour=2,size=0,size=1,size=2\n"));
    workshop.says(&words("sample choices -n 2 --steps 5 --out drawn-choices.csv"));
    assert!(workshop.text("drawn-choices.csv").starts_with("colour,size\n"));
    // Without a header there are no names.
    let plain: String =
        baskets([0, 1, 2, 3]).lines().skip(1).map(|line| format!("{}\n", &line[line.len() - 7..])).collect();
    workshop.write("plain.csv", plain);
    workshop.says(&words("train rbm --data plain.csv --hidden 2 --epochs 2 --no-report --out other"));
    assert_eq!(workshop.json(&words("inspect other"))["columns"], Value::Null);
    workshop.says(&words("eval other --data baskets.csv"));
}

#[test]
fn rejects_columns_in_another_order_than_the_model_knows() {
    let workshop = Workshop::new();
    workshop.write("baskets.csv", baskets([0, 1, 2, 3]));
    workshop.write("turned.csv", baskets([0, 2, 1, 3]));
    workshop.says(&words("train rbm --data baskets.csv --hidden 2 --epochs 2 --no-report --out run"));
    for command in [
        "eval run --data turned.csv",
        "eval run --data turned.csv --split all",
        "infer run --data turned.csv --out h.npy",
        "complete run --data turned.csv --mask right --out whole.csv",
        "inspect run --data turned.csv",
    ] {
        let refused = workshop.refuses(&words(command));
        let says = "column 2 of the data turned.csv is `tea`, and the model run was trained with `bread` there";
        assert!(refused.starts_with(says), "{command}: {refused}");
    }
}
