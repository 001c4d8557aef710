//! Rules on Rust source: the opening sentence, unsafe code, bincode's place, statistical tests and their planted bugs.

use super::tree::{Member, Tree};
use super::{Source, Violation};

/// The only folder where unsafe code may be.
const KERNELS: &str = "crates/gm-core/src/kernels/";

/// The only file that may name bincode.
const ENVELOPE: &str = "crates/gm-core/src/files/envelope.rs";

/// The kinds of statistical tests.
const KINDS: &[&str] = &["cond", "joint", "mean"];

/// The rules that need only one file.
pub(crate) fn check(file: &Source) -> Vec<Violation> {
    if !file.is("rs") {
        return vec![];
    }
    let code = code_only(&file.text);
    let mut found: Vec<Violation> = opening(file).into_iter().collect();
    if !file.path.starts_with(KERNELS) {
        found.extend(
            lines_with_word(&code, "unsafe")
                .map(|line| file.violation(line, "unsafe", format!("unsafe code belongs in {KERNELS}"))),
        );
    }
    if file.path != ENVELOPE {
        let uses = |line: &str| line.contains("bincode::") || line.contains("use bincode");
        let lines = code.lines().enumerate().filter(|(_, line)| uses(line));
        found.extend(lines.map(|(i, _)| file.violation(i + 1, "bincode", format!("bincode belongs in {ENVELOPE}"))));
    }
    found
}

/// The file's first paragraph must be a `//!` comment that ends as a sentence does.
fn opening(file: &Source) -> Option<Violation> {
    let paragraph =
        file.text.lines().map_while(|line| line.strip_prefix("//! ").filter(|text| !text.trim().is_empty()));
    let last = paragraph.last();
    let ends = |text: &str| text.ends_with('.') || text.ends_with(':');
    let text = match last {
        None => "the file does not begin with a `//!` sentence",
        Some(last) if !ends(last.trim_end()) => "the opening `//!` paragraph does not end as a sentence",
        Some(_) => return None,
    };
    Some(file.violation(1, "opening", text))
}

/// Each kind of statistical test in a crate needs a planted bug of that kind in the same crate.
pub(crate) fn planted(tree: &Tree) -> Vec<Violation> {
    tree.members.iter().flat_map(|member| planted_in(tree, member)).collect()
}

fn planted_in(tree: &Tree, member: &Member) -> Vec<Violation> {
    let tests: Vec<(&Source, usize, String)> = tree
        .files_of(member)
        .filter(|file| file.is("rs"))
        .flat_map(|file| test_names(&file.text).into_iter().map(move |(line, name)| (file, line, name)))
        .collect();
    let has = |prefix: &str| tests.iter().any(|(_, _, name)| name.starts_with(prefix));
    let mut found = vec![];
    for (file, line, name) in &tests {
        let Some(rest) = name.strip_prefix("stat_") else { continue };
        match KINDS.iter().find(|kind| rest.starts_with(&format!("{kind}_"))) {
            None => {
                let text = format!("`{name}` must be named stat_cond_, stat_joint_ or stat_mean_");
                found.push(file.violation(*line, "planted", text));
            }
            Some(kind) if !has(&format!("planted_{kind}_")) => {
                let text = format!("`{name}` has no planted_{kind}_ test in {}", member.name);
                found.push(file.violation(*line, "planted", text));
            }
            Some(_) => {}
        }
    }
    found
}

/// Line and name of every function that carries `#[test]`.
fn test_names(text: &str) -> Vec<(usize, String)> {
    let code = code_only(text);
    let mut found = vec![];
    let mut marked = false;
    for (number, line) in code.lines().enumerate() {
        marked |= line.contains("#[test]");
        if let (true, Some((_, rest))) = (marked, line.split_once("fn ")) {
            found.push((number + 1, rest.chars().take_while(|&c| is_word(c)).collect()));
            marked = false;
        }
    }
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Lines of code in which a word stands alone.
pub(crate) fn lines_with_word<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let holds = move |line: &str| line.split(|c| !is_word(c)).any(|found| found == word);
    code.lines().enumerate().filter(move |(_, line)| holds(line)).map(|(number, _)| number + 1)
}

/// The text with comments, strings and character literals replaced by spaces; lines stay where they are.
pub(crate) fn code_only(text: &str) -> String {
    let mut code = text.as_bytes().to_vec();
    let mut at = 0;
    while at < code.len() {
        let end = comment_end(text, at).or_else(|| string_end(text, at)).or_else(|| character_end(text, at));
        for byte in &mut code[at..end.unwrap_or(at)] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.unwrap_or(at + 1);
    }
    String::from_utf8_lossy(&code).into_owned()
}

/// Where a comment that begins here ends.
fn comment_end(text: &str, at: usize) -> Option<usize> {
    let rest = &text.as_bytes()[at..];
    if rest.starts_with(b"//") {
        return Some(at + rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with(b"/*") {
        return None;
    }
    let (mut depth, mut i) = (1, 2);
    while depth > 0 && i < rest.len() {
        match rest[i..] {
            [b'/', b'*', ..] => (depth, i) = (depth + 1, i + 2),
            [b'*', b'/', ..] => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
    }
    Some(at + i)
}

/// Where a plain or raw string that begins here ends.
fn string_end(text: &str, at: usize) -> Option<usize> {
    let rest = &text.as_bytes()[at..];
    if rest[0] == b'"' {
        let mut i = 1;
        while i < rest.len() && rest[i] != b'"' {
            i += if rest[i] == b'\\' { 2 } else { 1 };
        }
        return Some((at + i + 1).min(text.len()));
    }
    if rest[0] != b'r' || !begins_raw(text.as_bytes(), at) {
        return None;
    }
    let hashes = rest[1..].iter().take_while(|&&b| b == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return None;
    }
    let close = [&b"\""[..], &vec![b'#'; hashes]].concat();
    let body = 2 + hashes;
    let length = rest[body..].windows(close.len()).position(|window| window == close);
    Some(length.map_or(text.len(), |length| at + body + length + close.len()))
}

/// Whether an `r` is a prefix and not the end of a name; `br` and `cr` are prefixes too.
fn begins_raw(bytes: &[u8], at: usize) -> bool {
    let word = |i: usize| bytes.get(i).is_some_and(|&b| is_word(char::from(b)));
    match at {
        0 => true,
        1 => !word(0) || matches!(bytes[0], b'b' | b'c'),
        _ => !word(at - 1) || (matches!(bytes[at - 1], b'b' | b'c') && !word(at - 2)),
    }
}

/// Where a character literal that begins here ends; a lifetime is not a literal.
fn character_end(text: &str, at: usize) -> Option<usize> {
    let rest = text.get(at..)?.strip_prefix('\'')?;
    let first = rest.chars().next()?;
    if first == '\\' {
        let escaped = 1 + rest[1..].chars().next()?.len_utf8();
        return rest[escaped..].find('\'').map(|i| at + 1 + escaped + i + 1);
    }
    let after = first.len_utf8();
    rest[after..].starts_with('\'').then_some(at + 1 + after + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::testing::{source, texts};

    #[test]
    fn table_only_code_is_left() {
        let cases = [
            ("a // unsafe\nb", "a b"),
            ("a /* x /* y */ z\n*/ b", "a b"),
            (r#"f("a\"b", c)"#, "f( , c)"),
            ("f(r#\"a\"b\"#, c)", "f( , c)"),
            ("f(br\"a\\\", c)", "f(b , c)"),
            ("for\"x\"", "for"),
            ("r#type", "r#type"),
            ("'a' + '\\'' + '\u{e9}'", "+ +"),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
            ("\"open", ""),
        ];
        for (text, code) in cases {
            let left = code_only(text);
            assert_eq!(left.split_whitespace().collect::<Vec<_>>().join(" "), code, "{text}");
            assert_eq!((left.len(), left.lines().count()), (text.len(), text.lines().count()), "{text}");
        }
    }

    #[test]
    fn rejects_files_without_an_opening_sentence() {
        let check = |text: &str| texts(&opening(&source("a.rs", text)).into_iter().collect::<Vec<_>>());
        assert_eq!(check("use x;\n"), ["a.rs:1: opening: the file does not begin with a `//!` sentence"]);
        assert_eq!(check(""), ["a.rs:1: opening: the file does not begin with a `//!` sentence"]);
        assert_eq!(check("//! \nuse x;"), ["a.rs:1: opening: the file does not begin with a `//!` sentence"]);
        assert_eq!(check("//! Words\n"), ["a.rs:1: opening: the opening `//!` paragraph does not end as a sentence"]);
        assert!(check("//! Words\n//! end here.\n//!\n//! Not checked").is_empty());
    }

    #[test]
    fn rejects_unsafe_code_elsewhere() {
        let text = "//! S.\n// unsafe\nunsafe { f(\"unsafe\") }\n#[allow(unsafe_code)]\n";
        let found = check(&source("crates/gm-rbm/src/model.rs", text));
        assert_eq!(
            texts(&found),
            ["crates/gm-rbm/src/model.rs:3: unsafe: unsafe code belongs in crates/gm-core/src/kernels/"]
        );
        assert!(check(&source("crates/gm-core/src/kernels/avx.rs", text)).is_empty());
    }

    #[test]
    fn rejects_bincode_elsewhere() {
        let text = "//! S.\nuse bincode::config;\n";
        let found = check(&source("crates/gm-train/src/a.rs", text));
        assert_eq!(texts(&found).len(), 1);
        assert!(texts(&found)[0].starts_with("crates/gm-train/src/a.rs:2: bincode: "));
        assert!(check(&source(ENVELOPE, text)).is_empty());
    }

    fn crate_with(text: &str) -> Tree {
        let member = Member { name: "gm-rbm".into(), folder: "crates/gm-rbm".into(), dependencies: vec![] };
        let other = source("crates/gm-rbm2/src/a.rs", "#[test]\nfn planted_mean_x() {}");
        let files = vec![source("crates/gm-rbm/tests/a.rs", text), other];
        Tree { files, members: vec![member], ..Tree::default() }
    }

    #[test]
    fn rejects_statistical_tests_without_a_planted_bug() {
        let tree = crate_with(
            "#[test]\nfn stat_cond_v() {}\n#[test]\nfn planted_cond_v() {}\n\
             #[test]\n#[ignore]\nfn stat_mean_v() {}\nfn stat_joint_helper() {}\n",
        );
        assert_eq!(
            texts(&planted(&tree)),
            ["crates/gm-rbm/tests/a.rs:7: planted: `stat_mean_v` has no planted_mean_ test in gm-rbm"]
        );
    }

    #[test]
    fn rejects_statistical_tests_of_unknown_kind() {
        let found = texts(&planted(&crate_with("#[test]\nfn stat_other() {}\n")));
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("`stat_other` must be named stat_cond_"));
    }
}
