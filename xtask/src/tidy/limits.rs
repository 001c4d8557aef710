//! The rule on limits: the table of limits in the book is that of the constants in the code.

use super::tree::Tree;
use super::{Source, Violation};
use crate::Result;

/// The page that holds the table.
const PAGE: &str = "docs/src/library.md";

/// The heading of the table on the page.
const HEADING: &str = "## Limits of enumeration";

/// A constant with its value, and where it stands.
#[derive(Debug)]
struct Limit<'a> {
    file: &'a Source,
    line: usize,
    name: String,
    value: &'a str,
}

/// Compares the constants of every `limits.rs` with the table.
pub(crate) fn check(tree: &Tree) -> Result<Vec<Violation>> {
    let constants: Vec<Limit<'_>> = tree.files.iter().flat_map(constants).collect();
    let rows = rows(tree.file(PAGE)?);
    let mut found = vec![];
    for Limit { file, line, name, value } in &constants {
        let text = match rows.iter().find(|row| row.name == *name) {
            None => format!("`{name}` is missing from the table in {PAGE}"),
            Some(row) if row.value != *value => format!("`{name}` is {value}, {PAGE} says {}", row.value),
            Some(_) => continue,
        };
        found.push(file.violation(*line, "limits", text));
    }
    let gone = rows.iter().filter(|row| !constants.iter().any(|constant| constant.name == row.name));
    found.extend(gone.map(|row| row.file.violation(row.line, "limits", format!("`{}` does not exist", row.name))));
    Ok(found)
}

/// The public constants of a file of limits, named `crate::NAME`.
fn constants(file: &Source) -> Vec<Limit<'_>> {
    let folder = file.path.strip_prefix("crates/").and_then(|path| path.strip_suffix("/src/limits.rs"));
    let Some(folder) = folder.map(|folder| folder.replace('-', "_")) else { return vec![] };
    let lines = file.text.lines().enumerate();
    lines
        .filter_map(|(i, line)| {
            let (name, rest) = line.strip_prefix("pub const ")?.split_once(": ")?;
            let (_, value) = rest.strip_suffix(';')?.split_once(" = ")?;
            Some(Limit { file, line: i + 1, name: format!("{folder}::{name}"), value })
        })
        .collect()
}

/// The rows of the table: name and value in its first two cells.
fn rows(page: &Source) -> Vec<Limit<'_>> {
    let lines = page.text.lines().enumerate().skip_while(|(_, line)| *line != HEADING).skip(1);
    let lines = lines.take_while(|(_, line)| !line.starts_with("## "));
    lines
        .filter_map(|(i, line)| {
            let name = line.strip_prefix("| `")?.split('`').next()?.to_owned();
            Some(Limit { file: page, line: i + 1, name, value: line.split(" | ").nth(1)? })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::testing::{source, texts};

    fn found(page: &str, limits: &str) -> Vec<String> {
        let files = vec![source(PAGE, page), source("crates/gm-sbn/src/limits.rs", limits)];
        texts(&check(&Tree { files, ..Tree::default() }).unwrap())
    }

    const TABLE: &str =
        "## Limits of enumeration\n\n| limit | value | of |\n|---|---|---|\n| `gm_sbn::TABLE` | 24 | a |\n";

    #[test]
    fn rejects_a_table_that_is_not_that_of_the_constants() {
        let limits = "/// Words.\npub const TABLE: usize = 24;\n";
        assert_eq!(found(TABLE, limits), Vec::<String>::new());
        let other = "crates/gm-sbn/src/limits.rs:2: limits: `gm_sbn::TABLE` is 20, docs/src/library.md says 24";
        assert_eq!(found(TABLE, &limits.replace("24", "20")), [other]);
        let new = format!("{limits}pub const TUPLES: usize = 26;\n");
        let text =
            "crates/gm-sbn/src/limits.rs:3: limits: `gm_sbn::TUPLES` is missing from the table in docs/src/library.md";
        assert_eq!(found(TABLE, &new), [text]);
        assert_eq!(found(TABLE, ""), ["docs/src/library.md:5: limits: `gm_sbn::TABLE` does not exist"]);
    }
}
