//! Recipes made tiny, so that the way of a reproduction is walked in seconds.

use toml::{Table, Value};

use crate::Result;

/// Settings that a tiny run replaces where the recipe has them.
const TINY: [(&str, i64); 4] = [("epochs", 2), ("pretrain_epochs", 1), ("chains", 20), ("batch_size", 100)];
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
    data.entry("binarise").or_insert_with(|| "dynamic".into());
    for (name, value) in TINY {
        if model.contains_key(name) {
            model.insert(name.into(), value.into());
        }
    }
    match model.get_mut("hidden") {
        Some(Value::Array(layers)) => layers.iter_mut().for_each(|units| *units = UNITS.into()),
        Some(units) => *units = UNITS.into(),
        None => return Err("the recipe has no hidden units".into()),
    }
    recipe.insert("data".into(), data.into());
    recipe.insert("model".into(), model.into());
    recipe.remove("monitor");
    Ok(toml::to_string(&recipe)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_only_what_takes_time_is_replaced() {
        let text = "seed = 3\n[data]\nspec = 'mnist'\n[model]\nkind = 'dbm'\nhidden = [500, 1000]\nepochs = 9\nsleep = 0.5\n[monitor]\nevery = 5\n";
        let tiny: Table = toml::from_str(&shrink(text).unwrap()).unwrap();
        let expected = "seed = 3\n[data]\nspec = 'digits'\nbinarise = 'dynamic'\n[model]\nkind = 'dbm'\nhidden = [8, 8]\nepochs = 2\nsleep = 0.5\n";
        assert_eq!(tiny, toml::from_str(expected).unwrap());
        assert!(shrink("[data]\nspec = 'x'\n").unwrap_err().to_string().contains("no [model]"));
        assert!(shrink("[data]\n[model]\nkind = 'rbm'\n").unwrap_err().to_string().contains("no hidden units"));
    }
}
