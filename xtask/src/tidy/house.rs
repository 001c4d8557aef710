//! Rules on the order of the house: levels of gm-train, learners that open no file, options told once, files of a size to read.

use std::collections::BTreeMap;

use super::source::{code_only, lines_with_word};
use super::tree::Tree;
use super::{Source, Violation};

/// The folders and files of gm-train from the ground up. Code may use what stands on a lower level, and its own folder.
const LEVELS: &[&[&str]] = &[
    &["error"],
    &["settings"],
    &["learner"],
    &["start"],
    &["rbm", "sbn", "course"],
    &["dbm", "dbn", "classifier", "harmonium"],
    &["fit"],
    &["config"],
    &["run"],
    &["lib"],
];

const TRAIN: &str = "crates/gm-train/src/";

/// Folders of gm-train whose code works on what it is given.
const WITHOUT_FILES: &[&str] = &["settings", "learner", "rbm", "sbn", "dbm", "dbn", "classifier", "harmonium"];

/// Words by which code opens a file.
const FILE_ACCESS: &[&str] = &[
    "fs",
    "File",
    "OpenOptions",
    "read_to_string",
    "load",
    "load_rows",
    "load_model",
    "save_model",
    "write_atomically",
    "NewFile",
    "AppendFile",
];

/// The most lines of a file of Rust, its tests aside.
const LINES: usize = 600;

/// All rules on the order of the house.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let rust = || tree.files.iter().filter(|file| file.is("rs"));
    let mut found: Vec<Violation> = rust().flat_map(upward).collect();
    found.extend(rust().flat_map(learner_files));
    found.extend(rust().flat_map(size));
    let program: Vec<&Source> = rust().filter(|file| file.path.starts_with("crates/gm-cli/src/")).collect();
    found.extend(options(&program));
    found
}

/// The code of a file with its comments, strings and unit tests left out.
fn code(file: &Source) -> String {
    let code = code_only(&file.text);
    code.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default().to_owned()
}

/// The folder or file of gm-train that a path below its sources belongs to.
fn place(path: &str) -> Option<&str> {
    let below = path.strip_prefix(TRAIN)?;
    Some(below.split('/').next().unwrap_or(below).trim_end_matches(".rs"))
}

fn level(place: &str) -> Option<usize> {
    LEVELS.iter().position(|level| level.contains(&place))
}

/// Code of gm-train uses only what stands below it.
fn upward(file: &Source) -> Vec<Violation> {
    let Some(here) = place(&file.path) else { return vec![] };
    let Some(own) = level(here) else {
        return vec![file.violation(1, "upward", format!("`{here}` has no level in gm-train"))];
    };
    let mut found = vec![];
    for (number, line) in code(file).lines().enumerate() {
        let mut refuse = |text: String| found.push(file.violation(number + 1, "upward", text));
        if line.contains("super::super") {
            refuse("`super::super` hides which folder is used: begin the path with `crate::`".into());
        }
        for rest in line.split("crate::").skip(1) {
            let word: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            match level(&word) {
                _ if word == here => {}
                Some(used) if used < own => {}
                Some(_) => refuse(format!("`{here}` must not use `{word}`, which does not stand below it")),
                None if word.starts_with(char::is_uppercase) && own == LEVELS.len() - 1 => {}
                None => refuse(format!("`crate::{word}` names no folder or file of gm-train")),
            }
        }
    }
    found
}

/// Settings and learners open no file.
fn learner_files(file: &Source) -> Vec<Violation> {
    if !place(&file.path).is_some_and(|place| WITHOUT_FILES.contains(&place)) {
        return vec![];
    }
    let code = code(file);
    let words = FILE_ACCESS.iter().flat_map(|word| lines_with_word(&code, word).map(move |line| (line, word)));
    let text = |word| format!("`{word}` opens a file: a learner is given what it needs");
    words.map(|(line, word)| file.violation(line, "learner-files", text(word))).collect()
}

/// A file of Rust is short enough to be read at once; its unit tests and those of a crate do not count.
fn size(file: &Source) -> Option<Violation> {
    let lines = file.text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
    let tests = file.path.contains("/tests/") || file.path.ends_with("/tests.rs");
    (lines > LINES && !tests)
        .then(|| file.violation(LINES + 1, "size", format!("{lines} lines without tests, at most {LINES} are allowed")))
}

/// The text of an option stands in one place, so that commands that share the option share its definition.
fn options(files: &[&Source]) -> Vec<Violation> {
    let mut first: BTreeMap<String, (&str, usize)> = BTreeMap::new();
    let mut found = vec![];
    for file in files {
        for (line, text) in texts_of_options(&file.text) {
            let Some((path, other)) = first.get(&text) else {
                first.insert(text, (&file.path, line));
                continue;
            };
            let text = format!("the text of this option stands in {path}:{other} as well: share one definition");
            found.push(file.violation(line, "options", text));
        }
    }
    found
}

/// The documentation of each `#[arg(long ...)]`, with its line.
fn texts_of_options(text: &str) -> Vec<(usize, String)> {
    let (mut found, mut words, mut begin) = (vec![], Vec::new(), 0);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(comment) = line.strip_prefix("///") {
            if words.is_empty() {
                begin = number + 1;
            }
            words.extend(comment.split_whitespace());
        } else {
            if line.starts_with("#[arg(long") && !words.is_empty() {
                found.push((begin, words.join(" ")));
            }
            words.clear();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::testing::{source, texts};
    use super::*;

    #[test]
    fn rejects_imports_that_point_upwards() {
        let check = |path: &str, text: &str| texts(&upward(&source(&format!("{TRAIN}{path}"), text)));
        assert!(
            check("rbm/learner.rs", "use crate::settings::rate::Rate;\nuse crate::rbm::chains::Chains;\n").is_empty()
        );
        let expected = [
            "crates/gm-train/src/settings/visible.rs:2: upward: `settings` must not use `learner`, which does not stand below it",
        ];
        assert_eq!(check("settings/visible.rs", "//! Visible units.\nuse crate::learner::Learner;\n"), expected);
        assert_eq!(check("dbm/learner.rs", "use crate::dbn::learner::DbnLearner;\n").len(), 1);
        assert_eq!(check("course/trainer.rs", "fn f() { crate::rbm::learner::g(); }\n").len(), 1);
        assert_eq!(check("rbm/chains.rs", "use super::super::run::Run;\n").len(), 1);
        assert_eq!(check("rbm/chains.rs", "use crate::Run;\n").len(), 1);
        assert_eq!(check("gadgets.rs", "fn f() {}\n").len(), 1);
        assert!(check("learner/mod.rs", "/// See [`crate::run::Run`].\nfn f() {}\n").is_empty());
        assert!(texts(&upward(&source("crates/gm-eval/src/rows.rs", "use crate::run::Run;\n"))).is_empty());
    }

    #[test]
    fn rejects_files_that_a_learner_opens() {
        let text = "//! Words about load_model.\nuse gm_data::load_model;\nfn f() { std::fs::read(\"a\").ok(); }\n\
                    #[cfg(test)]\nmod tests { use std::fs; }\n";
        let check = |path: &str| texts(&learner_files(&source(&format!("{TRAIN}{path}"), text)));
        let expected = [
            "crates/gm-train/src/dbn/learner.rs:3: learner-files: `fs` opens a file: a learner is given what it needs",
            "crates/gm-train/src/dbn/learner.rs:2: learner-files: `load_model` opens a file: a learner is given what it needs",
        ];
        assert_eq!(check("dbn/learner.rs"), expected);
        assert!(check("run.rs").is_empty() && check("course/checkpoint.rs").is_empty());
    }

    #[test]
    fn rejects_an_option_that_is_told_twice() {
        let one = source("crates/gm-cli/src/a.rs", "/// How fast\n/// it goes\n#[arg(long)]\nrate: f64,\n");
        let other = source(
            "crates/gm-cli/src/b.rs",
            "struct B {\n    /// How fast it goes\n    #[arg(long)]\n    speed: f64,\n}\n",
        );
        let expected =
            ["crates/gm-cli/src/b.rs:2: options: the text of this option stands in crates/gm-cli/src/a.rs:1 as well: \
             share one definition"];
        assert_eq!(texts(&options(&[&one, &other])), expected);
        let field = source("crates/gm-cli/src/c.rs", "/// How fast it goes\nspeed: f64,\n");
        assert!(options(&[&one, &field]).is_empty());
    }

    #[test]
    fn rejects_files_that_are_too_long() {
        let long = format!("//! Words.\n{}", "fn f() {}\n".repeat(LINES));
        assert_eq!(size(&source("crates/gm-core/src/a.rs", &long)).map(|violation| violation.line), Some(LINES + 1));
        assert!(size(&source("crates/gm-core/tests/a.rs", &long)).is_none());
        let tests = format!("//! Words.\n#[cfg(test)]\nmod tests {{\n{}}}\n", "fn f() {}\n".repeat(LINES));
        assert!(size(&source("crates/gm-core/src/a.rs", &tests)).is_none());
    }
}
