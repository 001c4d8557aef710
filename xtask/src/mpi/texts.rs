//! What jobs say: once, whatever the number of processes; and the commands of the chapter on clusters.

use std::fs;

use super::job::{How, PATIENCE, Programs};
use crate::Result;
use crate::process::root;

/// The words of a job, its number of processes, its status, and what it says exactly once.
const TEXTS: [(usize, &str, i32, &str); 7] = [
    (2, "--help", 0, "Usage: dgm-mpi"),
    (2, "--version", 0, "dgm-mpi 0."),
    (2, "inspect model.gm", 2, "dgm-mpi has train, eval and sample; use dgm for inspect"),
    (2, "eval", 2, "required arguments were not provided"),
    (2, "sample no.gm", 1, "dgm-mpi: rank 0: error: opening no.gm"),
    (3, "train rbm --data digits --shards 4 --out three", 1, "is 3 for 4 shards, allowed: a power of two"),
    (2, "train rbm --data digits --out one", 1, "is 2 for 1 shards, allowed: a power of two"),
];

/// What a process says that is not the first one.
const ECHO: &str = "dgm-mpi: rank 1";

/// Compares what jobs say with what they should.
pub(super) fn check(programs: &Programs) -> Result<()> {
    for (ranks, line, status, text) in TEXTS {
        let words: Vec<&str> = line.split(' ').collect();
        let ended = programs.start(&How::Job { ranks, threads: 1, network: None }, &words)?.within(PATIENCE)?;
        let all = format!("{}{}", ended.out, ended.err);
        if ended.status.code() != Some(status) || all.matches(text).count() != 1 || all.contains(ECHO) {
            return Err(
                format!("`{line}` ended with {}, expected {status} and once `{text}`:\n{all}", ended.status).into()
            );
        }
    }
    chapter(programs)
}

/// Runs the jobs of the chapter on clusters.
fn chapter(programs: &Programs) -> Result<()> {
    let text = fs::read_to_string(root().join("docs/src/cluster.md"))?;
    let jobs = jobs(&text);
    for (ranks, words) in &jobs {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        programs.output(&How::Job { ranks: *ranks, threads: 1, network: None }, &words)?;
    }
    println!("{} texts, {} jobs of the chapter on clusters", TEXTS.len(), jobs.len());
    if jobs.is_empty() { Err("the chapter on clusters has no jobs".into()) } else { Ok(()) }
}

/// The lines `mpirun -n N dgm-mpi WORDS` of the blocks `sh` of a chapter.
fn jobs(chapter: &str) -> Vec<(usize, Vec<String>)> {
    let job = |line: &str| {
        let mut words = line.strip_prefix("mpirun -n ")?.split_whitespace().map(str::to_owned);
        let ranks = words.next()?.parse().ok()?;
        (words.next()? == "dgm-mpi").then(|| (ranks, words.collect()))
    };
    let blocks = chapter.split("```").filter_map(|block| block.strip_prefix("sh\n"));
    blocks.flat_map(|block| block.replace("\\\n", " ").lines().filter_map(job).collect::<Vec<_>>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_jobs_are_found_in_a_chapter() {
        let lines = "mpirun -n 4 dgm-mpi train \\\n    --out a\nmpirun -n x dgm-mpi\nmpirun -n 2 true\n";
        let found = jobs(&format!("text\n```sh\n{lines}```\ntext\n```bash\nmpirun -n 2 dgm-mpi eval\n```\n"));
        assert_eq!(found, [(4, vec!["train".into(), "--out".into(), "a".into()])]);
    }
}
