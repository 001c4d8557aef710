//! Rules on what a document refers to: links, pictures, included files and formulas.

use std::collections::BTreeMap;
use std::path::Path;

use super::tree::Tree;
use super::{Source, Violation};
use crate::book;
use crate::process::root;

/// The texts of all files by their paths.
type Texts<'a> = BTreeMap<&'a str, &'a str>;

/// Checks every Markdown file of the repository.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let texts: Texts = tree.files.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect();
    let documents = || tree.files.iter().filter(|file| file.is("md"));
    let mut found: Vec<Violation> = documents().flat_map(|file| links(file, &texts, &root())).collect();
    found.extend(documents().flat_map(|file| inclusions(file, &texts)));
    found.extend(documents().flat_map(formulas));
    found
}

/// The files and folders that a document links to exist, and so do the headings. The rule `references` has headings of
/// the page of references.
fn links(file: &Source, texts: &Texts, root: &Path) -> Vec<Violation> {
    let absent = |(line, target): (usize, String)| {
        let (path, anchor) = target.split_once('#').map_or((&*target, None), |(path, anchor)| (path, Some(anchor)));
        let path = if path.is_empty() { Some(file.path.clone()) } else { joined(&file.path, path) };
        let Some(path) = path else {
            return Some(file.violation(line, "links", format!("{target} leaves the repository")));
        };
        let anchor = anchor.filter(|_| path.ends_with(".md") && !path.ends_with("references.md"));
        let why = match (texts.get(path.as_str()), anchor) {
            (Some(text), Some(anchor)) if !book::anchors(text).iter().any(|name| name == anchor) => {
                format!("{path} has no heading for #{anchor}")
            }
            (None, _) if !root.join(&path).exists() => format!("{path} does not exist"),
            _ => return None,
        };
        Some(file.violation(line, "links", why))
    };
    book::links(&file.text).into_iter().filter_map(absent).collect()
}

/// The path of a link from the root; nothing where it leaves the repository.
fn joined(document: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()?),
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The files that a chapter includes exist, and so do the parts between `ANCHOR: part` and `ANCHOR_END: part`.
fn inclusions(file: &Source, texts: &Texts) -> Vec<Violation> {
    let lines = file.text.lines().enumerate();
    let included = lines.filter_map(|(i, line)| Some((i + 1, line.strip_prefix("{{#include ")?.strip_suffix("}}")?)));
    let marked = |text: &str, part: &str| {
        ["ANCHOR", "ANCHOR_END"].iter().all(|mark| text.contains(&format!("// {mark}: {part}\n")))
    };
    let absent = |(line, place): (usize, &str)| {
        let (target, part) = place.split_once(':').map_or((place, None), |(path, part)| (path, Some(part)));
        let path = joined(&file.path, target).unwrap_or_default();
        match (texts.get(path.as_str()), part) {
            (None, _) => Some(file.violation(line, "links", format!("{path} does not exist"))),
            (Some(text), Some(part)) if !marked(text, part) => {
                Some(file.violation(line, "links", format!("{path} has no part {part}")))
            }
            _ => None,
        }
    };
    included.filter_map(absent).collect()
}

/// Every formula of a document can be displayed.
fn formulas(file: &Source) -> Vec<Violation> {
    let faults = book::blocks(&file.text).into_iter().filter_map(|(line, latex)| {
        let error = book::mathml(&latex).err()?.to_string();
        Some(file.violation(line, "formulas", error.lines().next().unwrap_or_default()))
    });
    faults.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::testing::{source, texts};

    #[test]
    fn rejects_links_that_lead_nowhere() {
        let text = "# A\n[a](rbm.md#x) [b](http://b.md) [here](#a) [up](../../Cargo.toml) [keys](references.md#any2000)\n\
                    [c](absent.md) [d](rbm.md#y)\n[e](#b) [f](../../../../z.md)\n![g](images/absent.png)\n\
                    `[h](absent.md)` [i](../../Cargo.toml#any)\n";
        let known =
            BTreeMap::from([("docs/src/a.md", text), ("docs/src/rbm.md", "## X\n"), ("docs/src/references.md", "")]);
        let expected = [
            "docs/src/a.md:3: links: docs/src/absent.md does not exist",
            "docs/src/a.md:3: links: docs/src/rbm.md has no heading for #y",
            "docs/src/a.md:4: links: docs/src/a.md has no heading for #b",
            "docs/src/a.md:4: links: ../../../../z.md leaves the repository",
            "docs/src/a.md:5: links: docs/src/images/absent.png does not exist",
        ];
        assert_eq!(texts(&links(&source("docs/src/a.md", text), &known, &root())), expected);
    }

    #[test]
    fn rejects_inclusions_of_absent_files_and_parts() {
        let text = "{{#include ../../crates/a.rs:part}}\n{{#include ../../crates/a.rs:other}}\n\
                    {{#include ../../crates/b.rs}}\n";
        let code = "// ANCHOR: part\nfn f() {}\n// ANCHOR_END: part\n";
        let expected = [
            "docs/src/a.md:2: links: crates/a.rs has no part other",
            "docs/src/a.md:3: links: crates/b.rs does not exist",
        ];
        let found = inclusions(&source("docs/src/a.md", text), &BTreeMap::from([("crates/a.rs", code)]));
        assert_eq!(texts(&found), expected);
    }

    #[test]
    fn rejects_formulas_that_cannot_be_displayed() {
        let found = formulas(&source("a.md", "```math\n\\sigma(x)\n```\n\n```math\n\\sigmoid(x)\n```\n"));
        let expected = "a.md:5: formulas: the formula \\sigmoid(x): parsing error: unknown primitive command found";
        assert_eq!(texts(&found), [expected]);
    }
}
