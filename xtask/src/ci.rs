//! `cargo xtask ci`: runs every check in turn and prints the time that each took.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Result;
use crate::book;
use crate::browser;
use crate::mpi;
use crate::page;
use crate::process::{Step, cargo, nightly, root, target};

/// The folder, below the root, to which the quick commands of the program write their files.
const SCRATCH: &str = "target/ci";

/// Quick commands of the program, in order; `OUT` stands for a folder that starts empty.
const DGM: &[&str] = &[
    "--version",
    "--help",
    "data list",
    "data info digits",
    "train rbm --data bars-and-stripes:3 --hidden 8 --epochs 20 --seed 1 --out OUT/run",
    "eval OUT/run/model.gm --data bars-and-stripes:3 --exact --json",
    "sample OUT/run/model.gm -n 9 --steps 10 --out OUT/samples.npy",
    "inspect OUT/run/model.gm",
    "report OUT/run --data bars-and-stripes:3",
    "compare OUT/run",
    "convert OUT/run/model.gm OUT/model.safetensors",
    "completions bash",
    "man --out OUT/man",
    "train sbn --data bars-and-stripes:3 --hidden 5,2 --epochs 20 --seed 1 --out OUT/belief",
    "eval OUT/belief/model.gm --data bars-and-stripes:3 --samples 200 --repeats 2 --json",
    "infer OUT/belief/model.gm --data bars-and-stripes:3 --method gibbs --out OUT/hidden.npy",
    "inspect OUT/belief/model.gm --posterior 111000111",
];

/// A check, or the reason for leaving it out.
enum Stage {
    Run(Step),
    Check { name: &'static str, check: fn() -> Result<()> },
    Skip { name: &'static str, why: String },
}

/// Runs all stages, stops at the first failure and prints the time of each.
pub(crate) fn run(long: bool) -> Result<()> {
    clear_scratch()?;
    let mut stages: Vec<Stage> = quick()?.into_iter().map(Stage::Run).collect();
    stages.push(deny());
    stages.push(scripts(&root())?);
    stages.extend(over_mpi(long));
    stages.extend([browser(), page(), pages()]);
    if long {
        stages.extend([Stage::Run(ignored()), Stage::Run(crash()), miri(), sanitizer(), fuzz()]);
    }
    let mut lines = vec![];
    let outcome = stages.iter().try_for_each(|stage| timed(stage, &mut lines));
    println!("\nTime of each stage:\n{}", lines.join("\n"));
    outcome.inspect(|()| println!("All stages passed."))
}

fn timed(stage: &Stage, lines: &mut Vec<String>) -> Result<()> {
    match stage {
        Stage::Skip { name, why } => {
            println!("\n==> {name} SKIPPED: {why}");
            lines.push(format!("  {:>9}  {name}: {why}", "skipped"));
            Ok(())
        }
        Stage::Run(step) => measured(&step.name, &step.to_string(), || step.run(), lines),
        Stage::Check { name, check } => measured(name, "a check of our own", check, lines),
    }
}

fn measured(name: &str, what: &str, work: impl FnOnce() -> Result<()>, lines: &mut Vec<String>) -> Result<()> {
    println!("\n==> {name}: {what}");
    let start = Instant::now();
    let outcome = work();
    lines.push(line(name, start.elapsed(), outcome.is_ok()));
    outcome
}

fn line(name: &str, time: Duration, passed: bool) -> String {
    format!("  {:>7.1} s  {name}{}", time.as_secs_f64(), if passed { "" } else { " FAILED" })
}

fn quick() -> Result<Vec<Step>> {
    let mut steps = vec![
        cargo("test", ["xtask", "test"]),
        cargo("fmt", ["fmt", "--all", "--check"]),
        cargo("clippy", ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
        cargo("doc", ["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"),
        cargo("tidy", ["xtask", "tidy"]),
        cargo("pages of the book", ["xtask", "book", "--pages", "--out"]).args([format!("{SCRATCH}/book")]),
    ];
    steps.extend(examples(&root().join("crates"))?.into_iter().map(|(krate, name)| example(&krate, &name)));
    steps.extend(DGM.iter().map(|line| dgm(line)));
    steps.push(cargo("Python package", ["xtask", "python", "--quick"]));
    steps.push(cargo("reproduce, tiny", ["xtask", "reproduce", "--quick", "--program"]).args([program()]));
    Ok(steps)
}

/// The program that the tests have built; a build in release mode would take minutes.
fn program() -> String {
    target().join("debug/dgm").display().to_string()
}

/// Runs an example that the tests have built; a build of its own would take minutes.
fn example(krate: &str, name: &str) -> Step {
    let program = target().join("debug/examples").join(name);
    Step::new(format!("example {name} of {krate}"), program.display().to_string(), [""; 0])
}

fn dgm(line: &str) -> Step {
    let name = line.split(' ').take_while(|word| !word.contains('/')).take(2).collect::<Vec<_>>().join(" ");
    Step::new(format!("dgm {name}"), program(), line.split(' ').map(|word| word.replace("OUT", SCRATCH)))
}

/// Crate and name of every example, found as crates/CRATE/examples/NAME.rs.
fn examples(crates: &Path) -> Result<Vec<(String, String)>> {
    let mut found = vec![];
    for krate in fs::read_dir(crates)? {
        let krate = krate?;
        let Ok(files) = fs::read_dir(krate.path().join("examples")) else { continue };
        for file in files {
            let path = file?.path();
            if let (Some("rs"), Some(stem)) = (path.extension().and_then(|x| x.to_str()), path.file_stem()) {
                found.push((krate.file_name().display().to_string(), stem.display().to_string()));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn clear_scratch() -> Result<()> {
    let scratch = root().join(SCRATCH);
    if scratch.exists() {
        fs::remove_dir_all(&scratch)?;
    }
    Ok(fs::create_dir_all(scratch)?)
}

/// The tests marked `#[ignore]`; by the naming rule these are the slow and the fuzz tests.
fn ignored() -> Step {
    cargo("slow and fuzz tests", ["test", "--workspace", "--", "--ignored"])
}

fn miri() -> Stage {
    const NAME: &str = "Miri on the kernels";
    if !nightly(NAME, ["miri", "--version"]).succeeds() {
        return Stage::Skip { name: NAME, why: "no nightly toolchain with the miri component is installed".into() };
    }
    let step = nightly(NAME, ["miri", "test", "-p", "gm-core", "--lib", "--target-dir", "target/miri", "kernels"]);
    Stage::Run(step.env("MIRIFLAGS", "-Zmiri-disable-isolation"))
}

fn sanitizer() -> Stage {
    const NAME: &str = "AddressSanitizer on the engine";
    const TARGET: &str = "x86_64-unknown-linux-gnu";
    let skip = |why: &str| Stage::Skip { name: NAME, why: why.into() };
    if !cfg!(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")) {
        return skip("only set up for x86-64 Linux");
    }
    if !nightly(NAME, ["--version"]).succeeds() {
        return skip("no nightly toolchain is installed");
    }
    let args = ["test", "-p", "gm-core", "--lib", "--target", TARGET, "--target-dir", "target/asan"];
    Stage::Run(nightly(NAME, args).env("RUSTFLAGS", "-Zsanitizer=address"))
}

fn crash() -> Step {
    cargo("a hundred kills", ["xtask", "crash", "--kills", "100"])
}

fn deny() -> Stage {
    const NAME: &str = "licences and sources of dependencies";
    match cargo(NAME, ["deny", "--version"]).succeeds() {
        true => Stage::Run(cargo(NAME, ["deny", "--offline", "check", "bans", "licenses", "sources"])),
        false => Stage::Skip { name: NAME, why: "cargo-deny is not installed".into() },
    }
}

/// Jobs of several processes, and the lints of what only they compile.
fn over_mpi(long: bool) -> Vec<Stage> {
    const NAME: &str = "several processes over MPI";
    if let Some(why) = mpi::missing() {
        return vec![Stage::Skip { name: NAME, why }];
    }
    let lints = ["clippy", "--workspace", "--features", "gm-mpi/mpi", "--all-targets", "--", "-D", "warnings"];
    let kills = if long { "20" } else { "3" };
    vec![Stage::Run(cargo("clippy over MPI", lints)), Stage::Run(cargo(NAME, ["xtask", "mpi", "--kills", kills]))]
}

/// The shell scripts: those of the checks themselves, and those for clusters.
fn scripts(root: &Path) -> Result<Stage> {
    const NAME: &str = "shell scripts";
    if !Step::new(NAME, "shellcheck", ["--version"]).succeeds() {
        return Ok(Stage::Skip { name: NAME, why: "shellcheck is not installed".into() });
    }
    let mut found = vec![root.join(".ci/run")];
    for file in fs::read_dir(root.join("docs/slurm"))? {
        found.push(file?.path());
    }
    found.sort();
    Ok(Stage::Run(Step::new(NAME, "shellcheck", found.iter().map(|path| path.display().to_string()))))
}

fn fuzz() -> Stage {
    const NAME: &str = "fuzz targets";
    match nightly(NAME, ["--version"]).succeeds() {
        true => Stage::Run(cargo(NAME, ["xtask", "fuzz", "--seconds", "20"])),
        false => Stage::Skip { name: NAME, why: "no nightly toolchain is installed".into() },
    }
}

fn browser() -> Stage {
    const NAME: &str = "reports in a browser";
    match browser::find() {
        Some(_) => Stage::Check { name: NAME, check: || browser::check(&root().join(SCRATCH)) },
        None => Stage::Skip { name: NAME, why: "no chromium is installed".into() },
    }
}

fn page() -> Stage {
    const NAME: &str = "the local page in a browser";
    match browser::find() {
        Some(_) => Stage::Check { name: NAME, check: || page::check(&program(), &root().join(SCRATCH)) },
        None => Stage::Skip { name: NAME, why: "no chromium is installed".into() },
    }
}

fn pages() -> Stage {
    const NAME: &str = "the book in a browser";
    match browser::find() {
        Some(_) => Stage::Check { name: NAME, check: || book::check(&root().join(SCRATCH).join("book")) },
        None => Stage::Skip { name: NAME, why: "no chromium is installed".into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_a_failed_stage_ends_the_run_and_is_named() {
        let mut lines = vec![];
        let stages = [
            Stage::Skip { name: "left out", why: "for a reason".into() },
            Stage::Run(Step::new("good", "true", [""])),
            Stage::Run(Step::new("bad", "false", [""])),
            Stage::Run(Step::new("never", "true", [""])),
        ];
        let outcome = stages.iter().try_for_each(|stage| timed(stage, &mut lines));
        assert!(outcome.is_err());
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0], "    skipped  left out: for a reason");
        assert!(lines[1].ends_with(" s  good"));
        assert!(lines[2].ends_with(" s  bad FAILED"));
    }

    #[test]
    fn table_the_first_stage_is_the_command_of_the_readme() {
        assert_eq!(quick().unwrap()[0].to_string(), "cargo xtask test");
    }

    #[test]
    fn table_program_lines_become_commands() {
        let step = dgm("inspect OUT/run/model.gm");
        assert_eq!(step.name, "dgm inspect");
        assert!(step.to_string().ends_with("/dgm inspect target/ci/run/model.gm"));
        assert_eq!(dgm("data list").name, "dgm data list");
    }

    #[test]
    fn table_examples_are_found_in_order() {
        let crates = root().join(SCRATCH).join(format!("examples-{}", std::process::id()));
        for file in ["b/examples/two.rs", "b/examples/data.txt", "a/examples/one.rs", "c/src/lib.rs"] {
            let path = crates.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found = examples(&crates).unwrap();
        fs::remove_dir_all(&crates).unwrap();
        assert_eq!(found, [("a".into(), "one".into()), ("b".into(), "two".into())]);
    }
}
