//! Rules on the documentation: the list of crates, the table of contents and the cited references.

use std::collections::BTreeSet;

use super::tree::Tree;
use super::{Source, Violation};
use crate::Result;

const ARCHITECTURE: &str = "docs/src/architecture.md";
const SUMMARY: &str = "docs/src/SUMMARY.md";
const REFERENCES: &str = "docs/src/references.md";
const BIBLIOGRAPHY: &str = "docs/src/references.bib";

/// All rules on the documentation.
pub(crate) fn check(tree: &Tree) -> Result<Vec<Violation>> {
    let members: BTreeSet<&str> = tree.members.iter().map(|member| member.name.as_str()).collect();
    let mut found = crate_list(tree.file(ARCHITECTURE)?, &members);
    let chapters = tree.files.iter().filter_map(|file| chapter(&file.path)).collect();
    found.extend(contents(tree.file(SUMMARY)?, &chapters));
    let keys = keys(&tree.file(BIBLIOGRAPHY)?.text);
    found.extend(reference_list(tree.file(REFERENCES)?, &keys));
    found.extend(tree.files.iter().filter(|file| file.is("rs")).flat_map(|file| sources(file, &keys)));
    found.extend(tree.files.iter().filter(|file| file.is("md")).flat_map(|file| links(file, &keys)));
    Ok(found)
}

/// The list under "## Crates" names every crate of the workspace and no other.
fn crate_list(file: &Source, members: &BTreeSet<&str>) -> Vec<Violation> {
    let listed: Vec<(usize, &str)> = section(&file.text, "## Crates")
        .filter_map(|(number, line)| Some((number, line.strip_prefix("- `")?.split('`').next()?)))
        .collect();
    let unknown = listed.iter().filter(|(_, name)| !members.contains(name));
    let mut found: Vec<Violation> = unknown
        .map(|(number, name)| file.violation(*number, "crate-list", format!("`{name}` is not in the workspace")))
        .collect();
    for member in members.iter().filter(|member| !listed.iter().any(|(_, name)| name == *member)) {
        let line = 1 + file.text.lines().position(|line| line == "## Crates").unwrap_or(0);
        found.push(file.violation(line, "crate-list", format!("`{member}` is missing from the list")));
    }
    found
}

/// The lines of a section, with their numbers, up to the next heading of its level.
fn section<'a>(text: &'a str, heading: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let lines = text.lines().enumerate().map(|(i, line)| (i + 1, line));
    lines.skip_while(move |(_, line)| *line != heading).skip(1).take_while(|(_, line)| !line.starts_with("## "))
}

fn chapter(path: &str) -> Option<&str> {
    let name = path.strip_prefix("docs/src/")?;
    (name.ends_with(".md") && name != "SUMMARY.md").then_some(name)
}

/// The table of contents names every chapter and no other.
fn contents(file: &Source, chapters: &BTreeSet<&str>) -> Vec<Violation> {
    let linked: Vec<(usize, &str)> = targets(&file.text).map(|(n, to)| (n, to.trim_start_matches("./"))).collect();
    let unknown = linked.iter().filter(|(_, to)| !chapters.contains(to));
    let mut found: Vec<Violation> =
        unknown.map(|(n, to)| file.violation(*n, "contents", format!("{to} does not exist"))).collect();
    for name in chapters.iter().filter(|name| !linked.iter().any(|(_, to)| to == *name)) {
        found.push(file.violation(1, "contents", format!("{name} is missing")));
    }
    found
}

/// Line and target of every Markdown link.
fn targets(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate();
    lines.flat_map(|(i, line)| line.split("](").skip(1).filter_map(move |rest| Some((i + 1, rest.split_once(')')?.0))))
}

/// The keys of the bibliography.
fn keys(bibliography: &str) -> BTreeSet<&str> {
    let entries = bibliography.lines().filter(|line| line.starts_with('@'));
    entries.filter_map(|line| Some(line.split_once('{')?.1.trim_end_matches(',').trim())).collect()
}

/// The page of references has one heading for each entry of the bibliography and no other.
fn reference_list(file: &Source, keys: &BTreeSet<&str>) -> Vec<Violation> {
    let headings: Vec<(usize, &str)> =
        file.text.lines().enumerate().filter_map(|(i, line)| Some((i + 1, line.strip_prefix("## ")?))).collect();
    let unknown = headings.iter().filter(|(_, key)| !keys.contains(key));
    let mut found: Vec<Violation> =
        unknown.map(|(n, key)| file.violation(*n, "references", absent(key, keys))).collect();
    for key in keys.iter().filter(|key| !headings.iter().any(|(_, heading)| heading == *key)) {
        found.push(file.violation(1, "references", format!("`{key}` is missing")));
    }
    found
}

/// A link to `references.md#key` needs an entry.
fn links(file: &Source, keys: &BTreeSet<&str>) -> Vec<Violation> {
    let cited = targets(&file.text).filter_map(|(n, to)| Some((n, to.split_once("references.md#")?.1)));
    let unknown = cited.filter(|(_, key)| !keys.contains(key));
    unknown.map(|(n, key)| file.violation(n, "references", absent(key, keys))).collect()
}

/// Says that a key has no entry, and which entries of that name and year there are.
fn absent(key: &str, keys: &BTreeSet<&str>) -> String {
    let year = |key: &str| key.trim_end_matches(|c: char| c.is_ascii_lowercase()).to_owned();
    let near = keys.iter().find(|other| year(other) == year(key));
    let hint = near.map(|other| format!(", `{other}` is")).unwrap_or_default();
    format!("`{key}` is not in {BIBLIOGRAPHY}{hint}")
}

/// A `# Source` section of rustdoc cites at least one key, in backticks, and every key it cites has an entry.
fn sources(file: &Source, keys: &BTreeSet<&str>) -> Vec<Violation> {
    let mut found = vec![];
    for (start, text) in source_sections(&file.text) {
        let cited: Vec<&str> = text.split('`').skip(1).step_by(2).filter(|word| is_key(word)).collect();
        if cited.is_empty() {
            let text = "a `# Source` section without a key in backticks, such as `neal2001annealed`";
            found.push(file.violation(start, "references", text));
        }
        let unknown = cited.iter().filter(|key| !keys.contains(*key));
        found.extend(unknown.map(|key| file.violation(start, "references", absent(key, keys))));
    }
    found
}

/// First line and text of each `# Source` section.
fn source_sections(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = vec![];
    let mut inside = false;
    for (i, line) in text.lines().enumerate() {
        let line = line.trim_start();
        let doc = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")).map(str::trim);
        match doc {
            Some("# Source") => {
                found.push((i + 1, String::new()));
                inside = true;
            }
            Some(words) if inside && !words.starts_with('#') => {
                if let Some((_, body)) = found.last_mut() {
                    body.push_str(words);
                    body.push(' ');
                }
            }
            _ => inside = false,
        }
    }
    found
}

/// Whether a word has the form of a key: a family name in small letters, a year, a word of the title.
fn is_key(word: &str) -> bool {
    let year = word.trim_start_matches(|c: char| c.is_ascii_lowercase());
    let letters = year.trim_start_matches(|c: char| c.is_ascii_digit());
    word.len() > year.len() && year.len() - letters.len() == 4 && letters.chars().all(|c| c.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::testing::{source, texts};

    #[test]
    fn rejects_a_list_of_crates_that_is_not_the_workspace() {
        let text = "# A\n- `no`\n## Crates\n\n- `gm-core` (x): y.\n- `gm-old`: z.\n## Next\n- `gm-rbm`\n";
        let found = crate_list(&source(ARCHITECTURE, text), &BTreeSet::from(["gm-core", "gm-rbm"]));
        assert_eq!(
            texts(&found),
            [
                "docs/src/architecture.md:6: crate-list: `gm-old` is not in the workspace",
                "docs/src/architecture.md:3: crate-list: `gm-rbm` is missing from the list",
            ]
        );
    }

    #[test]
    fn rejects_contents_that_are_not_the_chapters() {
        let file = source(SUMMARY, "# Summary\n- [A](a.md)\n- [C](./c.md)\n");
        let found = contents(&file, &BTreeSet::from(["a.md", "b.md"]));
        assert_eq!(
            texts(&found),
            [
                "docs/src/SUMMARY.md:3: contents: c.md does not exist",
                "docs/src/SUMMARY.md:1: contents: b.md is missing"
            ]
        );
    }

    #[test]
    fn rejects_references_without_an_entry() {
        let keys = keys("@article{neal2001,\n  year = 2001\n}\n@book{murphy2012,\n}\n");
        assert_eq!(keys, BTreeSet::from(["neal2001", "murphy2012"]));
        let found = reference_list(&source(REFERENCES, "# R\n\n## neal2001\n\n## other2000\n"), &keys);
        assert_eq!(
            texts(&found),
            [
                "docs/src/references.md:5: references: `other2000` is not in docs/src/references.bib",
                "docs/src/references.md:1: references: `murphy2012` is missing",
            ]
        );
        let found =
            links(&source("README.md", "see [a](docs/src/references.md#neal2001), [b](references.md#b2000)\n"), &keys);
        assert_eq!(texts(&found), ["README.md:1: references: `b2000` is not in docs/src/references.bib"]);
    }

    #[test]
    fn rejects_sources_without_an_entry() {
        let keys = BTreeSet::from(["neal2001"]);
        let text = "/// F.\n///\n/// # Source\n///\n/// `neal2001`, `f32`, equation 3;\n/// `neal2001b`.\n\
                    ///\n/// # Examples\n/// `b1999`\nfn f() {}\n    /// # Source\n    /// By hand.\n";
        assert_eq!(
            texts(&sources(&source("a.rs", text), &keys)),
            [
                "a.rs:3: references: `neal2001b` is not in docs/src/references.bib, `neal2001` is",
                "a.rs:11: references: a `# Source` section without a key in backticks, such as `neal2001annealed`",
            ]
        );
    }
}
