//! `cargo xtask tidy`: the rules of the repository as code, each violation as `file:line: rule: text`.

mod crates;
mod docs;
mod examples;
mod house;
mod limits;
mod links;
mod sheet;
mod source;
mod text;
mod tree;

use std::fmt;

use crate::Result;
use crate::process::root;
use tree::Tree;

/// A file of the repository: its path from the root, with slashes, and its text.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    fn is(&self, extension: &str) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, found)| found == extension)
    }

    fn violation(&self, line: usize, rule: &'static str, text: impl Into<String>) -> Violation {
        Violation { path: self.path.clone(), line, rule, text: text.into() }
    }
}

/// A breach of a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    path: String,
    line: usize,
    rule: &'static str,
    text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.text)
    }
}

/// Checks the workspace and prints what breaks a rule.
pub(crate) fn run() -> Result<()> {
    let tree = Tree::read(&root())?;
    let mut found = violations(&tree)?;
    found.sort();
    for violation in &found {
        println!("{violation}");
    }
    match found.len() {
        0 => {
            println!("tidy: {} files and {} crates keep the rules", tree.files.len(), tree.members.len());
            Ok(())
        }
        n => Err(format!("tidy: {n} violations").into()),
    }
}

fn violations(tree: &Tree) -> Result<Vec<Violation>> {
    let mut found: Vec<Violation> = tree.files.iter().flat_map(text::check).collect();
    found.extend(tree.files.iter().flat_map(source::check));
    found.extend(tree.files.iter().flat_map(examples::check));
    found.extend(source::planted(tree));
    found.extend(house::check(tree));
    found.extend(crates::check(tree)?);
    found.extend(docs::check(tree)?);
    found.extend(links::check(tree));
    found.extend(sheet::check(tree)?);
    found.extend(limits::check(tree)?);
    Ok(found)
}

/// Helpers of the rules' tests.
#[cfg(test)]
mod testing {
    use super::{Source, Violation};

    pub(crate) fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.into() }
    }

    pub(crate) fn texts(found: &[Violation]) -> Vec<String> {
        found.iter().map(ToString::to_string).collect()
    }
}
