//! Runs and evaluations by different numbers of processes and threads, whose bits must agree.

use std::fs;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::job::{How, Programs};
use crate::Result;

/// A kind of model: its name, the words of its training, and those of its evaluation.
struct Kind {
    train: &'static [&'static str],
    eval: &'static [&'static str],
}

/// Small models of every kind, with what is drawn at random in their training and evaluation.
const KINDS: [Kind; 4] = [
    Kind { train: &["rbm", "--hidden", "20", "--chains", "40", "--epochs", "2"], eval: ANNEALED },
    Kind { train: &["sbn", "--hidden", "24,8", "--epochs", "1"], eval: &["--samples", "20", "--gap-rows", "20"] },
    Kind { train: &["dbm", "--hidden", "12,6", "--chains", "40", "--epochs", "2"], eval: ANNEALED },
    Kind { train: NETWORK, eval: ANNEALED },
];

const NETWORK: &[&str] =
    &["dbn", "--hidden", "12,8", "--chains", "40", "--epochs", "1", "--backfit", "up-down", "--backfit-epochs", "1"];

const ANNEALED: &[&str] = &["--ais-runs", "20", "--ais-temperatures", "50", "--reverse-sweeps", "20"];

/// Options of every training.
const COMMON: [&str; 8] = ["--data", "digits", "--shards", "4", "--seed", "3", "--no-report", "--quiet"];

/// All ways to run a command.
fn ways() -> Vec<How<'static>> {
    let threads = [1, 2];
    let alone = threads.map(|threads| How::Alone { threads });
    let jobs =
        [1, 2, 4].into_iter().flat_map(|ranks| threads.map(|threads| How::Job { ranks, threads, network: None }));
    alone.into_iter().chain(jobs).collect()
}

/// Trains and evaluates every kind of model in all ways.
pub(super) fn check(programs: &Programs) -> Result<()> {
    for kind in &KINDS {
        let name = kind.train[0];
        let trained = agreed(&format!("train {name}"), &ways(), |how| train_kind(programs, kind, how, name))?;
        println!("train {name}: {} ways, {trained}", ways().len());
        let measured = agreed(&format!("eval {name}"), &ways(), |how| evaluate(programs, kind, how))?;
        println!("eval {name}: {} ways, {measured}", ways().len());
    }
    Ok(())
}

/// The answer that all ways have in common.
fn agreed(what: &str, ways: &[How<'_>], answer: impl Fn(&How<'_>) -> Result<String>) -> Result<String> {
    let mut first = None;
    for how in ways {
        let found = answer(how)?;
        let expected = first.get_or_insert_with(|| found.clone());
        if *expected != found {
            return Err(format!("{what}: {how} gives {found}, {} gives {expected}", ways[0]).into());
        }
    }
    first.ok_or_else(|| "no way to run it".into())
}

/// Trains the first kind of model, and compares it with that of dgm.
pub(super) fn train(programs: &Programs, how: &How<'_>, name: &str) -> Result<String> {
    agreed("train", &[How::Alone { threads: 1 }, *how], |how| train_kind(programs, &KINDS[0], how, name))
}

/// The hash of a trained model and its metrics.
fn train_kind(programs: &Programs, kind: &Kind, how: &How<'_>, name: &str) -> Result<String> {
    let folder = programs.path(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    programs.output(how, &[&["train"], kind.train, &COMMON, &["--out", name]].concat())?;
    hash(programs, name)
}

/// The hash of the model and of the metrics of a run, whose seconds do not count.
pub(super) fn hash(programs: &Programs, run: &str) -> Result<String> {
    let folder = programs.path(run);
    let mut digest = Sha256::new();
    digest.update(fs::read(folder.join("model.gm"))?);
    for line in fs::read_to_string(folder.join("metrics.jsonl"))?.lines() {
        digest.update(timeless(line)?);
    }
    Ok(hex(digest))
}

/// The hash of the report of an evaluation.
fn evaluate(programs: &Programs, kind: &Kind, how: &How<'_>) -> Result<String> {
    let words = ["eval", kind.train[0], "--data", "digits", "--shards", "4", "--json", "--quiet"];
    let report = programs.output(how, &[&words, kind.eval].concat())?;
    let mut digest = Sha256::new();
    digest.update(timeless(&report)?);
    Ok(hex(digest))
}

/// A JSON document without the fields in which equal results differ.
fn timeless(text: &str) -> Result<String> {
    let mut document: Value = serde_json::from_str(text).map_err(|error| format!("{error} in `{text}`"))?;
    if let Some(fields) = document.as_object_mut() {
        fields.retain(|name, _| !["seconds", "threads"].contains(&name.as_str()));
    }
    Ok(document.to_string())
}

fn hex(digest: Sha256) -> String {
    digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_ways_that_disagree() {
        let ways = ways();
        assert_eq!(agreed("it", &ways, |_| Ok("a".into())).unwrap(), "a");
        let error = agreed("it", &ways, |how| Ok(how.to_string())).unwrap_err().to_string();
        assert_eq!(error, "it: dgm, 2 threads gives dgm, 2 threads, dgm, 1 threads gives dgm, 1 threads");
    }

    #[test]
    fn table_only_seconds_and_threads_do_not_count() {
        assert_eq!(timeless(r#"{"seconds":1,"x":2,"threads":3}"#).unwrap(), r#"{"x":2}"#);
        assert!(timeless("no JSON").unwrap_err().to_string().ends_with("in `no JSON`"));
    }
}
