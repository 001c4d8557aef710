//! Rules on any text: white space, unfinished work, paths and hosts of one computer.

use super::{Source, Violation};

/// Texts that no file may contain, each with the reason. The needles are split so that this file does not contain them.
const FORBIDDEN: &[(&str, &str)] = &[
    (concat!("/wo", "rk/"), "a path of one computer"),
    (concat!("/ro", "ot/"), "a path of one computer"),
    (concat!("/ho", "me/"), "a path of one computer"),
    (concat!("/Use", "rs/"), "a path of one computer"),
    (concat!("index.crates", ".io"), "the host of a registry"),
    (concat!("static.crates", ".io"), "the host of a registry"),
    (concat!("pypi", ".org"), "the host of a registry"),
    (concat!("proxy.gol", "ang.org"), "the host of a registry"),
    (concat!("replace", "-with"), "a registry of one computer"),
    (concat!("[regis", "tries"), "a registry of one computer"),
    (concat!("TO", "DO"), "unfinished work"),
    (concat!("FIX", "ME"), "unfinished work"),
    (concat!("to", "do!("), "unfinished work"),
    (concat!("unimple", "mented!("), "unfinished work"),
];

/// The only registry that the lock file may name.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Checks a file line by line.
pub(crate) fn check(file: &Source) -> Vec<Violation> {
    let lines = file.text.lines().enumerate().map(|(i, line)| (i + 1, line));
    if file.is("lock") {
        return lines.filter_map(|(number, line)| locked(file, number, line)).collect();
    }
    let mut found: Vec<Violation> =
        lines.flat_map(|(number, line)| forbidden(file, number, line).chain(white_space(file, number, line))).collect();
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        found.push(file.violation(file.text.lines().count(), "white-space", "no line end at the end of the file"));
    }
    found
}

fn forbidden<'a>(file: &'a Source, number: usize, line: &'a str) -> impl Iterator<Item = Violation> + 'a {
    let hits = FORBIDDEN.iter().filter(move |(needle, _)| line.contains(needle));
    hits.map(move |(needle, why)| file.violation(number, "forbidden", format!("`{needle}` is {why}")))
}

fn white_space(file: &Source, number: usize, line: &str) -> Option<Violation> {
    let text = match line {
        _ if line.contains('\t') => "a tab",
        _ if line.ends_with(char::is_whitespace) => "white space at the end of the line",
        _ => return None,
    };
    Some(file.violation(number, "white-space", text))
}

fn locked(file: &Source, number: usize, line: &str) -> Option<Violation> {
    let source = line.strip_prefix("source = ")?.trim_matches('"');
    (source != REGISTRY).then(|| file.violation(number, "forbidden", format!("`{source}` is not the public registry")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::testing::{source, texts};

    #[test]
    fn rejects_each_forbidden_string() {
        for (needle, why) in FORBIDDEN {
            let found = texts(&check(&source("a.md", &format!("fine\nnot {needle} fine\n"))));
            assert_eq!(found, [format!("a.md:2: forbidden: `{needle}` is {why}")]);
        }
        assert!(check(&source("a.md", "network/path, todo, roots\n")).is_empty());
    }

    #[test]
    fn rejects_tabs_and_trailing_white_space() {
        let found = texts(&check(&source("a.rs", "a\tb\nc \nd\r\ne")));
        assert_eq!(
            found,
            [
                "a.rs:1: white-space: a tab",
                "a.rs:2: white-space: white space at the end of the line",
                "a.rs:4: white-space: no line end at the end of the file",
            ]
        );
    }

    #[test]
    fn rejects_lock_files_of_another_registry() {
        let text = format!("source = \"{REGISTRY}\"\nsource = \"registry+https://mirror.example\"\n");
        let found = texts(&check(&source("Cargo.lock", &text)));
        assert_eq!(found, ["Cargo.lock:2: forbidden: `registry+https://mirror.example` is not the public registry"]);
    }
}
