//! Rules on the crates: arrows between them, the packages below the smallest one, declared and used dependencies.

use std::collections::{BTreeMap, VecDeque};

use super::source::{code_only, lines_with_word};
use super::tree::{Dependency, Graph, Member, Tree};
use super::{Source, Violation};
use crate::Result;

/// The crates of the workspace on which a crate may depend; tests may also depend on gm-testkit.
const ARROWS: &[(&str, &[&str])] = &[
    ("gm-core", &[]),
    ("gm-testkit", &[]),
    ("gm-rbm", &["gm-core"]),
    ("gm-harmonium", &["gm-core"]),
    ("gm-sbn", &["gm-core"]),
    ("gm-dbm", &["gm-core", "gm-rbm"]),
    ("gm-dbn", &["gm-core", "gm-rbm", "gm-sbn"]),
    ("gm-net", &["gm-core", "gm-sbn", "gm-dbm", "gm-dbn"]),
    ("gm-data", &["gm-core"]),
    ("gm-ascent", &["gm-core"]),
    ("gm-eval", &["gm-core", "gm-rbm", "gm-harmonium", "gm-sbn", "gm-dbm", "gm-dbn", "gm-net", "gm-data"]),
    (
        "gm-train",
        &[
            "gm-core",
            "gm-ascent",
            "gm-rbm",
            "gm-harmonium",
            "gm-sbn",
            "gm-dbm",
            "gm-dbn",
            "gm-net",
            "gm-data",
            "gm-eval",
        ],
    ),
    ("gm-sweep", &["gm-core", "gm-data", "gm-eval", "gm-train"]),
    (
        "gm",
        &[
            "gm-core",
            "gm-ascent",
            "gm-rbm",
            "gm-harmonium",
            "gm-sbn",
            "gm-dbm",
            "gm-dbn",
            "gm-net",
            "gm-data",
            "gm-eval",
            "gm-train",
            "gm-sweep",
        ],
    ),
    ("gm-python", &["gm", "gm-cli"]),
    ("gm-calibration", &["gm"]),
    ("gm-program", &["gm"]),
    (
        "gm-serve",
        &[
            "gm-core",
            "gm-ascent",
            "gm-rbm",
            "gm-sbn",
            "gm-dbm",
            "gm-dbn",
            "gm-net",
            "gm-data",
            "gm-eval",
            "gm-train",
            "gm-sweep",
        ],
    ),
    (
        "gm-cli",
        &[
            "gm-core",
            "gm-ascent",
            "gm-rbm",
            "gm-harmonium",
            "gm-sbn",
            "gm-dbm",
            "gm-dbn",
            "gm-net",
            "gm-data",
            "gm-eval",
            "gm-train",
            "gm-sweep",
            "gm-serve",
        ],
    ),
    ("gm-mpi", &["gm-ascent", "gm-cli"]),
    (
        "gm-benches",
        &[
            "gm-core",
            "gm-ascent",
            "gm-rbm",
            "gm-sbn",
            "gm-dbm",
            "gm-dbn",
            "gm-net",
            "gm-data",
            "gm-eval",
            "gm-train",
            "gm-testkit",
            "gm",
        ],
    ),
    ("xtask", &[]),
];

/// The crate that must stay small for programs that embed one model.
const SMALL: &str = "gm-rbm";

/// Packages that the small crate must not compile: those for command lines, pictures, networks and data files.
const HEAVY: &[&str] = &[
    "clap",
    "indicatif",
    "image",
    "plotters",
    "png",
    "reqwest",
    "ureq",
    "hyper",
    "tokio",
    "toml",
    "csv",
    "tracing-subscriber",
];

/// The required version of bincode, and the crate that may use it.
const BINCODE: (&str, &str) = ("=2.0.1", "gm-core");

/// The chapter that gives a reason for every dependency.
const REASONS: &str = "docs/src/reliability.md";

/// All rules on the crates.
pub(crate) fn check(tree: &Tree) -> Result<Vec<Violation>> {
    let root = tree.file("Cargo.toml")?;
    let mut found = declared(root, &tree.members);
    found.extend(reasons(root, tree.file(REASONS)?));
    for member in &tree.members {
        let manifest = tree.file(&format!("{}/Cargo.toml", member.folder))?;
        let names: Vec<&str> = tree.members.iter().map(|m| m.name.as_str()).collect();
        found.extend(arrows(manifest, member, &names));
        found.extend(bincode(manifest, member));
        found.extend(used(manifest, member, &tree.files_of(member).collect::<Vec<_>>()));
        if member.name == SMALL {
            found.extend(heavy(manifest, &tree.graph));
        }
    }
    Ok(found)
}

/// The line of a manifest that names a dependency, or 1.
fn line_of(manifest: &Source, name: &str) -> usize {
    let entry = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', ' ', '=']));
    1 + manifest.text.lines().position(entry).unwrap_or(0)
}

fn arrows(manifest: &Source, member: &Member, members: &[&str]) -> Vec<Violation> {
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == member.name) else {
        return vec![manifest.violation(1, "arrows", format!("{} is not in the table of arrows", member.name))];
    };
    let inside = member.dependencies.iter().filter(|d| members.contains(&d.name.as_str()));
    let wrong = inside.filter(|d| !(allowed.contains(&d.name.as_str()) || d.dev && d.name == "gm-testkit"));
    wrong
        .map(|d| {
            let text = format!("{} must not depend on {}", member.name, d.name);
            manifest.violation(line_of(manifest, &d.name), "arrows", text)
        })
        .collect()
}

fn bincode(manifest: &Source, member: &Member) -> Vec<Violation> {
    let (version, home) = BINCODE;
    let uses = member.dependencies.iter().filter(|d| d.name == "bincode");
    let wrong = uses.filter(|d| d.requirement != version || member.name != home);
    wrong
        .map(|d| {
            let text = format!("bincode {} in {}: allowed is {version} in {home}", d.requirement, member.name);
            manifest.violation(line_of(manifest, "bincode"), "bincode", text)
        })
        .collect()
}

/// Every dependency that the workspace names must be declared by a crate.
fn declared(root: &Source, members: &[Member]) -> Vec<Violation> {
    let all = |name: &str| members.iter().any(|m| m.dependencies.iter().any(|d| d.name == name));
    let names = workspace_dependencies(&root.text).into_iter();
    names
        .filter(|(_, name)| !all(name))
        .map(|(line, name)| root.violation(line, "dependencies", format!("no crate depends on `{name}`")))
        .collect()
}

/// Every dependency from outside has a reason, in the table below "## Dependencies" of the book.
fn reasons(root: &Source, chapter: &Source) -> Vec<Violation> {
    let table = chapter
        .text
        .lines()
        .skip_while(|line| *line != "## Dependencies")
        .skip(1)
        .take_while(|line| !line.starts_with("## "));
    let first = table.filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    let named: Vec<&str> = first.flat_map(|cell| cell.split(", ")).collect();
    let names =
        workspace_dependencies(&root.text).into_iter().filter(|(_, name)| !name.starts_with("gm-") && name != "gm");
    names
        .filter(|(_, name)| !named.contains(&name.as_str()))
        .map(|(line, name)| root.violation(line, "reasons", format!("`{name}` has no reason in {REASONS}")))
        .collect()
}

/// Line and name of the entries of `[workspace.dependencies]`.
fn workspace_dependencies(manifest: &str) -> Vec<(usize, String)> {
    let lines = manifest.lines().enumerate().skip_while(|(_, line)| line.trim() != "[workspace.dependencies]");
    let entries = lines.skip(1).take_while(|(_, line)| !line.starts_with('['));
    entries
        .filter_map(|(i, line)| line.split_once('=').map(|(name, _)| (i + 1, name.trim().to_owned())))
        .filter(|(_, name)| !name.starts_with('#'))
        .collect()
}

/// Every dependency that a crate declares must be named in its code or in an example of its documentation.
fn used(manifest: &Source, member: &Member, files: &[&Source]) -> Vec<Violation> {
    let unused = member.dependencies.iter().filter(|d| !files.iter().any(|file| names(file, d)));
    unused
        .map(|d| {
            let text = format!("{} declares `{}` and does not use it", member.name, d.name);
            manifest.violation(line_of(manifest, &d.name), "dependencies", text)
        })
        .collect()
}

fn names(file: &Source, dependency: &Dependency) -> bool {
    let word = dependency.name.replace('-', "_");
    let in_examples = || file.text.contains(&format!("{word}::"));
    file.is("rs") && (lines_with_word(&code_only(&file.text), &word).next().is_some() || in_examples())
}

fn heavy(manifest: &Source, graph: &Graph) -> Vec<Violation> {
    let parents = reached(graph, SMALL);
    let wrong = parents.keys().filter(|package| HEAVY.contains(&name(package)));
    wrong
        .map(|package| {
            let path = path_to(&parents, package);
            manifest.violation(1, "small", format!("{SMALL} compiles {}: {path}", name(package)))
        })
        .collect()
}

fn name(package: &str) -> &str {
    package.split(' ').next().unwrap_or(package)
}

/// Every package below a crate, with the package that brought it in.
fn reached(graph: &Graph, from: &str) -> BTreeMap<String, Option<String>> {
    let mut queue: VecDeque<String> = graph.keys().filter(|key| name(key) == from).cloned().collect();
    let mut parents: BTreeMap<String, Option<String>> = queue.iter().map(|key| (key.clone(), None)).collect();
    while let Some(package) = queue.pop_front() {
        for dependency in graph.get(&package).into_iter().flatten() {
            if !parents.contains_key(dependency) {
                parents.insert(dependency.clone(), Some(package.clone()));
                queue.push_back(dependency.clone());
            }
        }
    }
    parents
}

fn path_to(parents: &BTreeMap<String, Option<String>>, package: &str) -> String {
    let mut path = vec![package];
    while let Some(Some(parent)) = path.last().and_then(|last| parents.get(*last)) {
        path.push(parent);
    }
    path.iter().rev().map(|package| name(package)).collect::<Vec<_>>().join(" -> ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::testing::{source, texts};

    fn dependency(name: &str, requirement: &str, dev: bool) -> Dependency {
        Dependency { name: name.into(), requirement: requirement.into(), dev }
    }

    fn member(name: &str, dependencies: Vec<Dependency>) -> Member {
        Member { name: name.into(), folder: format!("crates/{name}"), dependencies }
    }

    const MEMBERS: &[&str] = &["gm-core", "gm-rbm", "gm-train", "gm-testkit"];

    #[test]
    fn rejects_arrows_that_point_up() {
        let manifest =
            source("crates/gm-rbm/Cargo.toml", "[dependencies]\nrand.workspace = true\ngm-train.workspace = true\n");
        let needs = |name, dev| member("gm-rbm", vec![dependency(name, "*", dev), dependency("rand", "*", false)]);
        let check = |name, dev| texts(&arrows(&manifest, &needs(name, dev), MEMBERS));
        assert_eq!(
            check("gm-train", false),
            ["crates/gm-rbm/Cargo.toml:3: arrows: gm-rbm must not depend on gm-train"]
        );
        assert_eq!(check("gm-testkit", false).len(), 1);
        assert_eq!(check("gm-train", true).len(), 1);
        assert!(check("gm-testkit", true).is_empty());
        assert!(check("gm-core", false).is_empty());
        let stranger = texts(&arrows(&manifest, &member("gm-new", vec![]), MEMBERS));
        assert!(stranger[0].ends_with("gm-new is not in the table of arrows"));
    }

    #[test]
    fn rejects_another_bincode() {
        let manifest = source("Cargo.toml", "[dependencies]\nbincode = \"2\"\n");
        let check =
            |name, version| texts(&bincode(&manifest, &member(name, vec![dependency("bincode", version, false)])));
        assert_eq!(
            check("gm-core", "^2"),
            ["Cargo.toml:2: bincode: bincode ^2 in gm-core: allowed is =2.0.1 in gm-core"]
        );
        assert_eq!(check("gm-train", "=2.0.1").len(), 1);
        assert!(check("gm-core", "=2.0.1").is_empty());
    }

    #[test]
    fn rejects_workspace_dependencies_that_no_crate_takes() {
        let root = source(
            "Cargo.toml",
            "[workspace]\n[workspace.dependencies]\n# a = b\nrand = \"1\"\nnpyz = \"2\"\n[x]\ny = 1\n",
        );
        let found = declared(&root, &[member("gm-core", vec![dependency("rand", "^1", false)])]);
        assert_eq!(texts(&found), ["Cargo.toml:5: dependencies: no crate depends on `npyz`"]);
    }

    #[test]
    fn rejects_dependencies_without_a_reason() {
        let root = source("Cargo.toml", "[workspace.dependencies]\ngm-core = 1\nrand = 1\nzip = 1\n");
        let text = "# A\n| zip | before |\n## Dependencies\n\n| name | why |\n| rand, rand_chacha | draws |\n## Next\n| zip | after |\n";
        let found = reasons(&root, &source(REASONS, text));
        assert_eq!(texts(&found), ["Cargo.toml:4: reasons: `zip` has no reason in docs/src/reliability.md"]);
    }

    #[test]
    fn rejects_dependencies_that_the_code_does_not_name() {
        let manifest = source("Cargo.toml", "[dependencies]\nrand_chacha = \"1\"\nassert-cmd = \"1\"\n");
        let owner = member("a", vec![dependency("rand_chacha", "*", false), dependency("assert-cmd", "*", true)]);
        let check = |text| texts(&used(&manifest, &owner, &[&source("src/lib.rs", text)]));
        assert_eq!(
            check("use rand_chacha::X; // assert_cmd\n"),
            ["Cargo.toml:3: dependencies: a declares `assert-cmd` and does not use it"]
        );
        assert!(check("use rand_chacha::X;\n/// assert_cmd::run()\n").is_empty());
    }

    #[test]
    fn rejects_heavy_packages_below_the_small_crate() {
        let edges = [
            ("gm-rbm 0.1.0", vec!["gm-core 0.1.0"]),
            ("gm-core 0.1.0", vec!["zip 1.0.0"]),
            ("zip 1.0.0", vec!["clap 4.0.0"]),
        ];
        let mut graph: Graph =
            edges.iter().map(|(from, to)| ((*from).to_owned(), to.iter().map(ToString::to_string).collect())).collect();
        let manifest = source("crates/gm-rbm/Cargo.toml", "");
        assert_eq!(
            texts(&heavy(&manifest, &graph)),
            ["crates/gm-rbm/Cargo.toml:1: small: gm-rbm compiles clap: gm-rbm -> gm-core -> zip -> clap"]
        );
        graph.remove("zip 1.0.0");
        assert!(heavy(&manifest, &graph).is_empty());
    }

    #[test]
    fn table_the_workspace_itself_is_read() {
        let tree = Tree::read(&crate::process::root()).unwrap();
        for path in ["Cargo.toml", "Cargo.lock", ".cargo/config.toml", ".ci/run", "xtask/src/main.rs"] {
            assert!(tree.file(path).is_ok(), "{path}");
        }
        let below = reached(&tree.graph, SMALL);
        for package in ["gm-core", "nalgebra", "serde"] {
            assert!(below.keys().any(|key| name(key) == package), "{package}");
        }
        let cli = tree.members.iter().find(|member| member.name == "gm-cli").unwrap();
        assert!(cli.dependencies.iter().any(|d| d.name == "assert_cmd" && d.dev));
        assert!(cli.dependencies.iter().any(|d| d.name == "clap" && !d.dev));
    }
}
