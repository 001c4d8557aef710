//! The rule on examples: the documentation of a public item shows how to use it.

use super::{Source, Violation};

/// The crates that programs depend on.
const LIBRARIES: &[&str] = &[
    "gm-ascent",
    "gm-core",
    "gm-data",
    "gm-dbm",
    "gm-dbn",
    "gm-eval",
    "gm-net",
    "gm-rbm",
    "gm-sbn",
    "gm-sweep",
    "gm-serve",
    "gm-train",
    "gm",
];

/// Starts of lines that declare a type, a trait or a free function for others.
const DECLARATIONS: &[&str] = &["pub fn ", "pub const fn ", "pub struct ", "pub enum ", "pub trait ", "pub type "];

/// Every type, trait and free function of a library has an example in its documentation. Methods may rely on the
/// example of their type.
pub(crate) fn check(file: &Source) -> Vec<Violation> {
    let within = |name: &&str| file.path.starts_with(&format!("crates/{name}/src/"));
    if !file.is("rs") || !LIBRARIES.iter().any(within) {
        return vec![];
    }
    let (mut found, mut shown) = (vec![], false);
    let lines = file.text.lines().enumerate().take_while(|(_, line)| !line.starts_with("#[cfg(test)]"));
    for (i, line) in lines {
        match line {
            _ if line.starts_with("///") => shown |= line.contains("```"),
            // Attributes stand between a comment and what it describes.
            _ if line.starts_with('#') || line.starts_with(')') => {}
            _ => {
                if !shown && let Some(start) = DECLARATIONS.iter().find(|start| line.starts_with(**start)) {
                    let rest = &line[start.len()..];
                    let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
                    found.push(file.violation(i + 1, "examples", format!("`{name}` has no example")));
                }
                shown = false;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::testing::{source, texts};
    use super::*;

    #[test]
    fn rejects_public_items_of_libraries_without_an_example() {
        let text = "//! Words.\n/// One.\n///\n/// ```\n/// f();\n/// ```\n#[must_use]\npub fn f() {}\n\n/// Two.\n#[derive(Debug)]\n\
                    pub struct S<T>(T);\n\nimpl<T> S<T> {\n    /// Three.\n    pub fn g() {}\n}\n\nfn h() {}\n\
                    #[cfg(test)]\nmod tests {}\npub fn i() {}\n";
        let expected = ["crates/gm-rbm/src/a.rs:12: examples: `S` has no example"];
        assert_eq!(texts(&check(&source("crates/gm-rbm/src/a.rs", text))), expected);
        assert!(check(&source("crates/gm-cli/src/a.rs", text)).is_empty());
        assert!(check(&source("crates/gm-rbm/tests/a.rs", text)).is_empty());
    }
}
