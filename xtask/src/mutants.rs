//! `cargo xtask mutants`: changes the code in small ways, one at a time, and counts the changes that tests find.

use std::fs;
use std::path::Path;
use std::str::FromStr;

use clap::Args;
use serde::Deserialize;

use crate::Result;
use crate::process::{Step, cargo, target};

/// The packages whose tests are judged.
const PACKAGES: [&str; 9] =
    ["gm-core", "gm-rbm", "gm-sbn", "gm-dbm", "gm-dbn", "gm-net", "gm-ascent", "gm-eval", "gm-train"];

/// The least share of mutants that the tests must find.
const LEAST: f64 = 0.9;

/// Changes the code in small ways with cargo-mutants: another operator, or a constant in place of a function's result.
/// The tests of the same package must find each change. It prints how many they find, and fails below 90 %.
/// .cargo/mutants.toml lists changes that are left out.
#[derive(Args)]
pub(crate) struct Mutants {
    /// The packages; by default gm-core, the crates of models, optimisers and estimators, and gm-train.
    packages: Vec<String>,
    /// A sample: of the mutants of each package, every N-th from number K on, counted from 0.
    #[arg(long, value_name = "K/N")]
    sample: Option<Sample>,
    /// The least number of seconds after which tests count as without end, for a machine that does other work too; by default
    /// cargo-mutants takes five times as long as the tests need without a change.
    #[arg(long, value_name = "SECONDS")]
    patience: Option<u32>,
}

/// Every `every`-th mutant from number `first` on.
#[derive(Clone, Debug, PartialEq)]
struct Sample {
    first: usize,
    every: usize,
}

impl FromStr for Sample {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
        match numbers {
            Some((first, every)) if first < every => Ok(Self { first, every }),
            _ => Err("expected K/N with K from 0 to N - 1, such as 3/50".into()),
        }
    }
}

impl Mutants {
    /// Tests the mutants of each package in turn and prints the figures.
    pub(crate) fn run(&self) -> Result<()> {
        let packages = chosen(&self.packages)?;
        if !cargo("version", ["mutants", "--version"]).succeeds() {
            return Err("cargo-mutants is not installed; `cargo install cargo-mutants --locked` installs it".into());
        }
        let folder = target().join("mutants");
        let mut rows = vec![];
        for package in packages {
            rows.push((package, of_package(package, (self.sample.as_ref(), self.patience), &folder.join(package))?));
        }
        report(&rows)
    }
}

fn chosen(wanted: &[String]) -> Result<Vec<&str>> {
    match wanted.iter().find(|name| !PACKAGES.contains(&name.as_str())) {
        Some(name) => Err(format!("no package `{name}` among {}", PACKAGES.join(", ")).into()),
        None if wanted.is_empty() => Ok(PACKAGES.to_vec()),
        None => Ok(wanted.iter().map(String::as_str).collect()),
    }
}

/// The sample and the patience.
type Choice<'a> = (Option<&'a Sample>, Option<u32>);

/// The command for one package. It works in a copy of the tree, so that the tree stays as it is.
fn step(package: &str, (sample, patience): Choice<'_>, folder: &Path) -> Step {
    let place = folder.display().to_string();
    let step = cargo(package, ["mutants", "--package", package, "--output", &place])
        .env("CARGO_TARGET_DIR", target().join("mutants/build").display().to_string())
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_PROFILE_TEST_DEBUG", "0");
    let step = match patience {
        Some(seconds) => step.args(["--minimum-test-timeout".into(), seconds.to_string()]),
        None => step,
    };
    match sample {
        Some(Sample { first, every }) => {
            step.args(["--sharding".into(), "round-robin".into(), "--shard".into(), format!("{first}/{every}")])
        }
        None => step,
    }
}

fn of_package(package: &str, choice: Choice<'_>, folder: &Path) -> Result<Figures> {
    // cargo-mutants makes only the last folder of its path.
    fs::create_dir_all(folder)?;
    let outcomes = folder.join("mutants.out/outcomes.json");
    if outcomes.exists() {
        fs::remove_file(&outcomes)?;
    }
    // cargo-mutants ends with a status other than 0 when a mutant is missed. Its file of outcomes tells more.
    let ended = step(package, choice, folder).run();
    match fs::read_to_string(&outcomes) {
        Ok(text) => Figures::read(&text).map_err(|error| format!("{}: {error}", outcomes.display()).into()),
        Err(error) => Err(ended.err().unwrap_or_else(|| format!("{}: {error}", outcomes.display()).into())),
    }
}

/// What became of the mutants of a package.
#[derive(Debug, Default, PartialEq)]
struct Figures {
    caught: usize,
    /// The tests did not end; this counts as found.
    timeouts: usize,
    unviable: usize,
    /// The names of mutants that no test found.
    missed: Vec<String>,
}

/// The file outcomes.json of cargo-mutants, as far as it is needed here.
#[derive(Deserialize)]
struct Outcomes {
    outcomes: Vec<Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    scenario: Scenario,
    summary: String,
}

#[derive(Deserialize)]
enum Scenario {
    Baseline,
    Mutant { name: String },
}

impl Figures {
    fn read(text: &str) -> Result<Self> {
        let mut figures = Self::default();
        for Outcome { scenario, summary } in serde_json::from_str::<Outcomes>(text)?.outcomes {
            match (scenario, summary.as_str()) {
                (Scenario::Baseline, "Success") => {}
                (Scenario::Baseline, _) => return Err("the tests fail without any change".into()),
                (_, "CaughtMutant") => figures.caught += 1,
                (_, "Timeout") => figures.timeouts += 1,
                (_, "Unviable") => figures.unviable += 1,
                (Scenario::Mutant { name }, "MissedMutant") => figures.missed.push(name),
                (Scenario::Mutant { name }, other) => return Err(format!("{name} has the outcome {other}").into()),
            }
        }
        Ok(figures)
    }

    fn found(&self) -> usize {
        self.caught + self.timeouts
    }

    /// The mutants that compile.
    fn viable(&self) -> usize {
        self.found() + self.missed.len()
    }

    /// The share of the mutants that compile which the tests find.
    fn share(&self) -> f64 {
        self.found() as f64 / self.viable().max(1) as f64
    }

    fn row(&self, name: &str) -> String {
        let Self { caught, timeouts, unviable, missed } = self;
        format!("| {name} | {caught} | {timeouts} | {} | {unviable} | {:.1} % |", missed.len(), 100.0 * self.share())
    }
}

const HEAD: &str = "| package | caught | no end of tests | missed | do not compile | found of those that compile |\n\
                    |---|---|---|---|---|---|";

/// Prints the table and the mutants that were missed; a share of less than nine in ten is an error.
fn report(rows: &[(&str, Figures)]) -> Result<()> {
    println!("\n{HEAD}");
    let mut all = Figures::default();
    for (package, figures) in rows {
        println!("{}", figures.row(package));
        all.caught += figures.caught;
        all.timeouts += figures.timeouts;
        all.unviable += figures.unviable;
        all.missed.extend_from_slice(&figures.missed);
    }
    println!("{}", all.row("all"));
    all.missed.iter().for_each(|name| println!("missed: {name}"));
    verdict(&all)
}

fn verdict(all: &Figures) -> Result<()> {
    match all.viable() {
        0 => Err("no mutant compiles".into()),
        _ if all.share() < LEAST => {
            Err(format!("tests find {} of {} mutants, less than 90 %", all.found(), all.viable()).into())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(summaries: &[&str]) -> String {
        let mutant = |n: usize, summary: &&str| {
            format!(r#"{{"scenario":{{"Mutant":{{"name":"m{n}","package":"p"}}}},"summary":"{summary}"}}"#)
        };
        let list: Vec<String> = summaries.iter().enumerate().map(|(n, summary)| mutant(n, summary)).collect();
        format!(
            r#"{{"outcomes":[{{"scenario":"Baseline","summary":"Success"}},{}],"total_mutants":0}}"#,
            list.join(",")
        )
    }

    #[test]
    fn table_figures_count_each_outcome() {
        let text = outcomes(&["CaughtMutant", "MissedMutant", "Timeout", "Unviable", "CaughtMutant"]);
        let figures = Figures::read(&text).unwrap();
        assert_eq!(figures, Figures { caught: 2, timeouts: 1, unviable: 1, missed: vec!["m1".into()] });
        assert_eq!(figures.row("gm-core"), "| gm-core | 2 | 1 | 1 | 1 | 75.0 % |");
    }

    #[test]
    fn rejects_few_found_mutants_broken_baselines_and_unknown_outcomes() {
        let of = |caught, missed: usize| Figures { caught, missed: vec![String::new(); missed], ..Figures::default() };
        assert!(verdict(&of(9, 1)).is_ok());
        let error = |figures: &Figures| verdict(figures).unwrap_err().to_string();
        assert_eq!(error(&of(89, 11)), "tests find 89 of 100 mutants, less than 90 %");
        assert_eq!(error(&Figures { unviable: 3, ..of(0, 0) }), "no mutant compiles");
        let broken = r#"{"outcomes":[{"scenario":"Baseline","summary":"Failure"}]}"#;
        assert_eq!(Figures::read(broken).unwrap_err().to_string(), "the tests fail without any change");
        assert_eq!(Figures::read(&outcomes(&["New"])).unwrap_err().to_string(), "m0 has the outcome New");
    }

    #[test]
    fn rejects_samples_and_packages_that_do_not_exist() {
        assert_eq!("3/50".parse(), Ok(Sample { first: 3, every: 50 }));
        for text in ["50/50", "3", "0/0", "-1/2", "a/b"] {
            assert!(text.parse::<Sample>().unwrap_err().starts_with("expected K/N"), "{text}");
        }
        assert_eq!(chosen(&[]).unwrap(), PACKAGES);
        let error = chosen(&["gm-cor".to_owned()]).unwrap_err().to_string();
        assert!(error.starts_with("no package `gm-cor` among gm-core, gm-rbm"), "{error}");
    }

    #[test]
    fn table_a_sample_takes_every_nth_mutant() {
        let line = |choice| step("gm-rbm", choice, Path::new("out")).to_string();
        let (sample, all) = (line((Some(&Sample { first: 3, every: 50 }), None)), line((None, Some(900))));
        let ends = "mutants --package gm-rbm --output out --sharding round-robin --shard 3/50";
        assert!(sample.ends_with(ends), "{sample}");
        assert!(all.ends_with("mutants --package gm-rbm --output out --minimum-test-timeout 900"), "{all}");
    }
}
