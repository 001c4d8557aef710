//! The rows of the table: the published figure, and how ours is measured.

use std::path::Path;

use serde::Deserialize;

use crate::Result;

/// One row of the table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    /// The recipe, which also names the run.
    pub(crate) recipe: String,
    pub(crate) model: String,
    pub(crate) data: String,
    /// Nats per test example, or per cent of errors.
    pub(crate) published: f64,
    /// How the published figure was measured.
    pub(crate) how: String,
    /// Key in the bibliography, and name of the source.
    pub(crate) source: (String, String),
    pub(crate) figure: Figure,
    /// Whether the model is a classifier, which `dgm finetune` trains.
    #[serde(default)]
    pub(crate) finetune: bool,
    /// The row whose model the classifier starts from; `None` for random weights.
    pub(crate) start: Option<String>,
    /// Arguments of `dgm eval` after the model.
    pub(crate) eval: Vec<String>,
    /// The arguments for tiny models on the built-in digits.
    pub(crate) quick: Vec<String>,
}

/// The figure that is compared with the published one.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Figure {
    /// The likelihood with its interval.
    MeanLogProb,
    /// The bound of one draw or of mean field.
    Elbo,
    /// The share of errors with its interval.
    ErrorRate,
}

impl Figure {
    /// Whether a greater figure is a better one.
    pub(crate) fn rises(self) -> bool {
        self != Self::ErrorRate
    }

    /// The unit that follows a figure.
    pub(crate) fn unit(self) -> &'static str {
        if self == Self::ErrorRate { " %" } else { "" }
    }
}

#[derive(Deserialize)]
struct Rows {
    row: Vec<Row>,
}

/// Reads the rows.
pub(crate) fn read(path: &Path) -> Result<Vec<Row>> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("reading {}: {error}", path.display()))?;
    let rows: Rows = toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(rows.row)
}

/// The rows of the given names, or all rows if no name is given.
pub(crate) fn choose<'a>(rows: &'a [Row], names: &[String]) -> Result<Vec<&'a Row>> {
    if let Some(unknown) = names.iter().find(|name| rows.iter().all(|row| row.recipe != **name)) {
        let known: Vec<&str> = rows.iter().map(|row| row.recipe.as_str()).collect();
        return Err(format!("there is no row `{unknown}`; known: {}", known.join(", ")).into());
    }
    Ok(rows.iter().filter(|row| names.is_empty() || names.contains(&row.recipe)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::root;

    #[test]
    fn law_every_row_has_a_recipe_and_a_source() {
        let rows = read(&root().join(super::super::ROWS)).unwrap();
        let bibliography = std::fs::read_to_string(root().join("docs/src/references.bib")).unwrap();
        for row in &rows {
            let recipe = std::fs::read_to_string(root().join(format!("recipes/{}.toml", row.recipe))).unwrap();
            assert_eq!(recipe.contains("kind = \"classifier\""), row.finetune, "{}", row.recipe);
            assert_eq!(recipe.contains("\nstart = "), row.start.is_some(), "{}", row.recipe);
            assert!(bibliography.contains(&format!("{{{},", row.source.0)), "{}", row.source.0);
            assert_eq!(row.published < 0.0, row.figure.rises(), "{}", row.recipe);
            assert!(row.start.iter().all(|start| rows.iter().any(|row| row.recipe == *start)), "{}", row.recipe);
            assert!(row.quick.iter().any(|word| word == "digits"), "{}", row.recipe);
        }
        let mut names: Vec<&str> = rows.iter().map(|row| row.recipe.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), rows.len());
    }

    #[test]
    fn rejects_unknown_rows_and_keys() {
        let rows = read(&root().join(super::super::ROWS)).unwrap();
        assert_eq!(choose(&rows, &[]).unwrap().len(), rows.len());
        assert_eq!(choose(&rows, &["rbm-784-16".into()]).unwrap().len(), 1);
        let error = choose(&rows, &["rbm-16".into()]).unwrap_err().to_string();
        assert!(error.starts_with("there is no row `rbm-16`; known: rbm-784-16, "), "{error}");
        assert!(toml::from_str::<Rows>("[[row]]\nrecipe = 'a'\nother = 1\n").is_err());
    }
}
