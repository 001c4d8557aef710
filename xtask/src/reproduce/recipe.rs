//! Makes recipes tiny, so that a whole reproduction takes seconds.

use toml::{Table, Value};

use crate::Result;

/// Settings that a tiny run replaces where the recipe has them.
const TINY: [(&str, i64); 6] = [
    ("epochs", 2),
    ("head_epochs", 1),
    ("pretrain_epochs", 1),
    ("backfit_epochs", 1),
    ("chains", 20),
    ("batch_size", 100),
];
/// Units of a hidden layer.
const UNITS: i64 = 8;

/// The same recipe for a tiny model on the built-in digits.
pub(crate) fn shrink(text: &str) -> Result<String> {
    let mut recipe: Table = toml::from_str(text)?;
    let part = |recipe: &mut Table, name: &str| -> Result<Table> {
        match recipe.remove(name) {
            Some(Value::Table(table)) => Ok(table),
            _ => Err(format!("the recipe has no [{name}]").into()),
        }
    };
    let (mut data, mut model) = (part(&mut recipe, "data")?, part(&mut recipe, "model")?);
    data.insert("spec".into(), "digits".into());
    // A classifier takes grey levels without binarisation.
    if model.get("kind").and_then(Value::as_str) != Some("classifier") {
        data.entry("binarise").or_insert_with(|| "dynamic".into());
    }
    for (name, value) in TINY {
        model.get_mut(name).into_iter().for_each(|setting| replace(setting, value));
    }
    let starts = model.contains_key("start");
    match model.get_mut("hidden") {
        Some(hidden) => replace(hidden, UNITS),
        // The start model sets the units.
        None if starts => {}
        None => return Err("the recipe has no hidden units".into()),
    }
    recipe.insert("data".into(), data.into());
    recipe.insert("model".into(), model.into());
    recipe.remove("monitor");
    Ok(toml::to_string(&recipe)?)
}

/// Replaces a number, or each number of a list.
fn replace(setting: &mut Value, number: i64) {
    match setting {
        Value::Array(all) => all.iter_mut().for_each(|one| *one = number.into()),
        one => *one = number.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_only_what_takes_time_is_replaced() {
        let text = "seed = 3\n[data]\nspec = 'mnist'\n[model]\nkind = 'dbm'\nhidden = [500, 1000]\nepochs = [9, 5]\nsleep = 0.5\n[monitor]\nevery = 5\n";
        let tiny: Table = toml::from_str(&shrink(text).unwrap()).unwrap();
        let expected = "seed = 3\n[data]\nspec = 'digits'\nbinarise = 'dynamic'\n[model]\nkind = 'dbm'\nhidden = [8, 8]\nepochs = [2, 2]\nsleep = 0.5\n";
        assert_eq!(tiny, toml::from_str(expected).unwrap());
        let text =
            "[data]\nspec = 'mnist'\n[model]\nkind = 'classifier'\nstart = 'model.gm'\nepochs = 9\nhead_epochs = 3\n";
        let tiny: Table = toml::from_str(&shrink(text).unwrap()).unwrap();
        let expected =
            "[data]\nspec = 'digits'\n[model]\nkind = 'classifier'\nstart = 'model.gm'\nepochs = 2\nhead_epochs = 1\n";
        assert_eq!(tiny, toml::from_str(expected).unwrap());
        assert!(shrink("[data]\nspec = 'x'\n").unwrap_err().to_string().contains("no [model]"));
        assert!(shrink("[data]\n[model]\nkind = 'rbm'\n").unwrap_err().to_string().contains("no hidden units"));
    }
}
