//! Parts of the book that tests write, so that tables in the book quote the program exactly.

use std::fs;
use std::path::Path;

/// The environment variable that `cargo xtask book` sets. With it the parts are written instead of compared.
const WRITE: &str = "DGM_WRITE_BOOK";

/// Compares a part of a chapter, between the lines `<!-- NAME -->` and `<!-- end of NAME -->`, with the expected text,
/// or writes it.
///
/// # Errors
///
/// A text that says what is wrong with the chapter.
pub fn check_part(chapter: &str, name: &str, expected: &str) -> Result<(), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src").join(chapter);
    let text = fs::read_to_string(&path).map_err(|error| format!("{chapter}: {error}"))?;
    let whole = replaced(&text, name, expected).ok_or_else(|| format!("{chapter} has no part {name}"))?;
    if std::env::var_os(WRITE).is_some() {
        return fs::write(&path, whole).map_err(|error| format!("{chapter}: {error}"));
    }
    let different = whole.lines().zip(text.lines()).position(|(a, b)| a != b);
    match whole == text {
        true => Ok(()),
        false => Err(format!("{chapter} differs from line {different:?} (from 0); `cargo xtask book` writes it again")),
    }
}

fn replaced(text: &str, name: &str, part: &str) -> Option<String> {
    let (before, rest) = text.split_once(&format!("<!-- {name} -->\n"))?;
    let (_, after) = rest.split_once(&format!("<!-- end of {name} -->\n"))?;
    Some(format!("{before}<!-- {name} -->\n{part}<!-- end of {name} -->\n{after}"))
}

/// A table in Markdown. Line ends in cells become spaces, and the character `|` is escaped.
#[must_use]
pub fn markdown_table(head: &[&str], rows: &[Vec<String>]) -> String {
    let cell = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(head.iter().map(|&name| name.to_owned()).collect());
    text.push_str(&line(head.iter().map(|_| "---".to_owned()).collect()).replace(' ', ""));
    rows.iter().for_each(|row| text.push_str(&line(row.iter().map(|text| cell(text)).collect())));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_a_part_is_replaced_and_the_rest_stays() {
        let text = "a\n<!-- x -->\nold\n<!-- end of x -->\nb\n";
        assert_eq!(replaced(text, "x", "new\n").unwrap(), "a\n<!-- x -->\nnew\n<!-- end of x -->\nb\n");
        assert_eq!(replaced(text, "y", ""), None);
        let table = markdown_table(&["a", "b"], &[vec!["1\n2".into(), "x | y".into()]]);
        assert_eq!(table, "| a | b |\n|---|---|\n| 1 2 | x \\| y |\n");
    }

    #[test]
    fn rejects_a_part_that_is_not_what_it_should_be() {
        let error = check_part("absent.md", "x", "").unwrap_err();
        assert!(error.starts_with("absent.md: "), "{error}");
        assert_eq!(check_part("SUMMARY.md", "x", "").unwrap_err(), "SUMMARY.md has no part x");
    }
}
