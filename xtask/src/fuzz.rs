//! `cargo xtask fuzz`: runs the fuzz targets of the folder `fuzz` and prints the executions and the coverage of each.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::Result;
use crate::process::{Step, nightly, root, target};

/// The instrumentation by which libFuzzer sees the code that an input reaches: counters at every edge, and the operands
/// of comparisons.
const INSTRUMENTED: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                            -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
                            -Cllvm-args=-sanitizer-coverage-trace-compares -Zsanitizer=address --cfg fuzzing";

/// Limits of every target: seconds per input, MiB for one allocation and for all, bytes of an input.
const LIMITS: [&str; 4] = ["-timeout=10", "-malloc_limit_mb=256", "-rss_limit_mb=2048", "-max_len=8192"];

/// Runs fuzz targets one after the other, with AddressSanitizer, on a nightly toolchain. It writes findings to
/// target/fuzz/found, and inputs that reached new code to target/fuzz/corpus.
#[derive(Args)]
pub(crate) struct Fuzz {
    /// The targets to run; all targets by default.
    targets: Vec<String>,
    /// Seconds for each target.
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
}

impl Fuzz {
    /// Builds and runs the targets; a finding is an error.
    pub(crate) fn run(&self) -> Result<()> {
        let targets = chosen(&self.targets, known(&root().join("fuzz/fuzz_targets"))?)?;
        let folder = build()?;
        println!("{HEAD}");
        targets.iter().try_for_each(|name| {
            let figures = fuzz(&folder.join(name), name, self.seconds)?;
            println!("{}", figures.row(name));
            Ok(())
        })
    }
}

const HEAD: &str =
    "| target | executions | per second | edges covered | edges in all | inputs kept |\n|---|---|---|---|---|---|";

/// The names of all targets, in order.
fn known(folder: &Path) -> Result<Vec<String>> {
    let mut names = vec![];
    for entry in fs::read_dir(folder)? {
        names.extend(entry?.path().file_stem().map(|stem| stem.display().to_string()));
    }
    names.sort();
    Ok(names)
}

fn chosen(wanted: &[String], known: Vec<String>) -> Result<Vec<String>> {
    match wanted.iter().find(|name| !known.contains(name)) {
        Some(name) => Err(format!("no fuzz target `{name}`; the targets are {}", known.join(", ")).into()),
        None if wanted.is_empty() => Ok(known),
        None => Ok(wanted.to_vec()),
    }
}

/// Builds all targets and returns the folder of the programs.
fn build() -> Result<PathBuf> {
    let host = Step::new("host", "rustup", ["run", "nightly", "rustc", "--print", "host-tuple"]).output();
    let host = host.map_err(|error| format!("fuzzing needs `rustup toolchain install nightly`: {error}"))?;
    let (host, folder) = (host.trim(), target().join("fuzz"));
    let place = folder.display().to_string();
    let args = ["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", host, "--target-dir", &place];
    nightly("fuzz targets", args).env("RUSTFLAGS", INSTRUMENTED).run()?;
    Ok(folder.join(host).join("release"))
}

/// The figures of a target's run.
#[derive(Debug, PartialEq)]
struct Figures {
    executions: u64,
    rate: u64,
    edges: u64,
    all_edges: u64,
    inputs: u64,
}

impl Figures {
    fn row(&self, name: &str) -> String {
        let Self { executions, rate, edges, all_edges, inputs } = self;
        format!("| {name} | {executions} | {rate} | {edges} | {all_edges} | {inputs} |")
    }

    /// Reads the output of libFuzzer: its first lines, lines such as `#64 pulse cov: 7 ft: 9 corp: 3/4b`, and the
    /// statistics at its end.
    fn read(log: &str) -> Option<Self> {
        let number = |text: &str| text.trim().split(|c: char| !c.is_ascii_digit()).next()?.parse().ok();
        let after = |mark: &str| log.rsplit_once(mark).and_then(|(_, rest)| number(rest));
        Some(Self {
            executions: after("stat::number_of_executed_units:")?,
            rate: after("stat::average_exec_per_sec:")?,
            edges: after(" cov: ")?,
            all_edges: after("Loaded 1 modules   (")?,
            inputs: after(" corp: ")?,
        })
    }
}

fn fuzz(program: &Path, name: &str, seconds: u64) -> Result<Figures> {
    let place = |part: &str| target().join("fuzz").join(part);
    let (corpus, found, log) = (place("corpus").join(name), place("found"), place(&format!("{name}.log")));
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&found)?;
    let step = Step::new(name, program.display().to_string(), LIMITS)
        .args([format!("-max_total_time={seconds}"), "-print_final_stats=1".into()])
        .args([format!("-artifact_prefix={}/{name}-", found.display())])
        .args([corpus.display().to_string(), format!("fuzz/seeds/{name}")])
        // Targets that read files are several times as fast with a file system in memory.
        .env(
            "TMPDIR",
            if Path::new("/dev/shm").is_dir() { "/dev/shm".into() } else { std::env::temp_dir().display().to_string() },
        );
    let outcome = step.logged(&log);
    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    if let Err(error) = outcome {
        let last = text.lines().rev().take(40).collect::<Vec<_>>();
        let last: Vec<&str> = last.into_iter().rev().collect();
        return Err(format!("{error}\n{}\nthe input lies in {}", last.join("\n"), found.display()).into());
    }
    Figures::read(&text).ok_or_else(|| format!("{} holds no statistics", log.display()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_figures_are_those_of_the_last_line() {
        let log = "INFO: Loaded 1 modules   (40512 inline 8-bit counters): 40512 [0x5, 0x6),\n\
                   #2\tINITED cov: 301 ft: 400 corp: 9/1Kb exec/s: 0 rss: 60Mb\n\
                   #524288\tpulse  cov: 1417 ft: 2003 corp: 310/22Kb lim: 4096 exec/s: 17476 rss: 90Mb\n\
                   Done 900000 runs in 31 second(s)\nstat::number_of_executed_units: 900000\n\
                   stat::average_exec_per_sec:     29032\nstat::new_units_added:          311\n";
        let expected = Figures { executions: 900_000, rate: 29_032, edges: 1417, all_edges: 40_512, inputs: 310 };
        assert_eq!(Figures::read(log), Some(expected));
        assert_eq!(Figures::read("nothing"), None);
    }

    #[test]
    fn table_every_reader_has_a_target_with_seeds() {
        let names = known(&root().join("fuzz/fuzz_targets")).unwrap();
        let all = [
            "amat",
            "checkpoint",
            "csv",
            "fasta",
            "idx",
            "json",
            "libsvm",
            "model",
            "npy",
            "npz",
            "safetensors",
            "stockholm",
            "sweep",
            "toml",
        ];
        assert_eq!(names, all);
        for name in names {
            assert!(fs::read_dir(root().join("fuzz/seeds").join(&name)).unwrap().count() > 0, "{name} has no seeds");
        }
    }

    #[test]
    fn rejects_unknown_targets_by_name() {
        let known = vec!["csv".to_owned(), "idx".to_owned()];
        assert_eq!(chosen(&[], known.clone()).unwrap(), known);
        let error = chosen(&["cvs".to_owned()], known).unwrap_err().to_string();
        assert_eq!(error, "no fuzz target `cvs`; the targets are csv, idx");
    }
}
