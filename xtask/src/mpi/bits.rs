//! Runs and evaluations by different numbers of processes and threads, whose bits must agree.

use std::fs;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::job::{How, Programs};
use crate::Result;

/// A kind of model: the words of its training, the first of which is its name, of its evaluation and of its samples.
struct Kind {
    train: &'static [&'static str],
    eval: &'static [&'static str],
    sample: &'static [&'static str],
}

/// Small models of every kind, with what is drawn at random in their training and evaluation.
const KINDS: [Kind; 4] = [
    Kind { train: &["rbm", "--hidden", "20", "--chains", "40", "--epochs", "2"], eval: ANNEALED, sample: CHAINS },
    Kind {
        train: &["sbn", "--hidden", "24,8", "--epochs", "1"],
        eval: &["--samples", "20", "--gap-rows", "20"],
        sample: &[],
    },
    Kind { train: &["dbm", "--hidden", "12,6", "--chains", "40", "--epochs", "2"], eval: ANNEALED, sample: CHAINS },
    Kind { train: NETWORK, eval: ANNEALED, sample: CHAINS },
];

const NETWORK: &[&str] =
    &["dbn", "--hidden", "12,8", "--chains", "40", "--epochs", "1", "--backfit", "up-down", "--backfit-epochs", "1"];

const ANNEALED: &[&str] = &["--ais-runs", "20", "--ais-temperatures", "50", "--reverse-sweeps", "20"];

const CHAINS: &[&str] = &["--chains", "10", "--steps", "40", "--thin", "5"];

/// Options of every training.
const COMMON: [&str; 8] = ["--data", "digits", "--shards", "4", "--seed", "3", "--no-report", "--quiet"];

/// Some ways to run a command, with each number of threads and of processes.
fn some_ways() -> [How<'static>; 4] {
    let job = |ranks, threads| How::Job { ranks, threads, network: None };
    [How::Alone { threads: 1 }, job(1, 2), job(2, 2), job(4, 1)]
}

/// All ways to run a command.
fn ways() -> Vec<How<'static>> {
    let threads = [1, 2];
    let alone = threads.map(|threads| How::Alone { threads });
    let jobs =
        [1, 2, 4].into_iter().flat_map(|ranks| threads.map(|threads| How::Job { ranks, threads, network: None }));
    alone.into_iter().chain(jobs).collect()
}

/// Trains every kind of model in all ways, and measures and samples it in some.
pub(super) fn check(programs: &Programs) -> Result<()> {
    let (ways, some) = (ways(), some_ways());
    for kind in &KINDS {
        let name = kind.train[0];
        let trained = agreed(&format!("train {name}"), &ways, |how| train_kind(programs, kind, how, name))?;
        let eval = ["eval", name, "--data", "digits"];
        let measured = agreed(&format!("eval {name}"), &some, |how| document(programs, how, &[&eval, kind.eval]))?;
        let model = programs.path(name).join("model.gm").display().to_string();
        let sample = ["sample", &model, "-n", "23"];
        let drawn = agreed(&format!("sample {name}"), &some, |how| document(programs, how, &[&sample, kind.sample]))?;
        let (all, some) = (ways.len(), some.len());
        println!(
            "{name}: train in {all} ways {trained}, eval in {some} ways {measured}, sample in {some} ways {drawn}"
        );
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

/// The hash of the document of a command.
fn document(programs: &Programs, how: &How<'_>, words: &[&[&str]]) -> Result<String> {
    let report = programs.output(how, &[&words.concat()[..], &["--shards", "4", "--json", "--quiet"]].concat())?;
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
