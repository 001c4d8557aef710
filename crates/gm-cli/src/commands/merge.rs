//! `dgm merge`: one report from the parts of an evaluation.

use std::ffi::OsString;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use clap::{Args, Parser};
use gm_eval::{EvalPart, merge_parts};
use serde::{Deserialize, Serialize};

use super::eval::Kept;
use super::{Command, Context};
use crate::Program;
use crate::console::watched;
use crate::error::{Error, Result};
use crate::output::{Listing, Report, threads_of};

/// Joins the parts of an evaluation, which `dgm eval --part I/N` has measured, into one report
///
/// The report equals that of `dgm eval --shards N` in one process, bit for bit, but for the time and the number of
/// threads. The model and the data are read again from where the parts have read them, so that relative paths start from
/// the same folder. Parts of other models, data or settings are refused, and missing parts are named.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  dgm eval model.gm --data digits --ais-runs 100 --part 1/2 --out part-1.json\n  \
    dgm eval model.gm --data digits --ais-runs 100 --part 2/2 --out part-2.json\n  \
    dgm merge part-1.json part-2.json --out eval.json")]
pub(crate) struct Merge {
    /// The files of all parts, in any order
    #[arg(value_name = "FILE", required = true)]
    parts: Vec<PathBuf>,
    #[command(flatten)]
    kept: Kept,
}

/// A part of an evaluation, with the command that measured it.
#[derive(Serialize, Deserialize)]
pub(super) struct PartDocument {
    #[serde(flatten)]
    pub(super) part: EvalPart,
    /// The words of the command line.
    pub(super) command: Vec<String>,
}

/// The words of a command line, to be kept in a document.
///
/// # Errors
///
/// [`Error::Option`] for a word that is not UTF-8.
pub(super) fn words(words: &[OsString]) -> Result<Vec<String>> {
    let text = |word: &OsString| match word.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => {
            let (value, allowed) = (format!("of {}", word.display()), "paths that are UTF-8, which the part records");
            Err(Error::Option { option: "--part", value, allowed: allowed.into() })
        }
    };
    words.iter().map(text).collect()
}

/// A part for people.
pub(super) fn summary(part: &EvalPart) -> String {
    let mut listing = Listing::default();
    let shards: Vec<String> = part.shards().iter().map(ToString::to_string).collect();
    listing.add("part", format!("{} (shard {})", part.share(), shards.join(", ")));
    listing.add("numbers", part.tasks().into_iter().collect::<Vec<_>>().join(", "));
    listing.add("time", format!("{:.1} s, {}", part.seconds(), threads_of(rayon::current_num_threads())));
    listing.add("next", "`dgm merge` with the files of all parts");
    listing.text()
}

impl Merge {
    pub(super) fn run(&self) -> Result<Report> {
        let files = self.kept.files()?;
        let documents = self.parts.iter().map(read).collect::<Result<Vec<_>>>()?;
        let (path, command) = (&self.parts[0], &documents[0].command);
        let refused = |detail: String| Error::Content { path: path.clone(), detail };
        let program = Program::try_parse_from(command)
            .map_err(|error| refused(format!("its command is not one of this dgm: {}", error.kind())))?;
        let Command::Eval(eval) = &program.command else {
            return Err(refused("its command is not `dgm eval`".into()));
        };
        let context = Context { seed: program.common.seed, threads: false, json: false, words: vec![], exchange: None };
        let (model, data, settings) = eval.inputs(&context)?;
        let parts: Vec<EvalPart> = documents.into_iter().map(|document| document.part).collect();
        let report = watched("merging", |watch| Ok(merge_parts(&model, &data, &settings, &parts, watch)?))?;
        let report = self.kept.report(&report, &files)?;
        files.write(&report)?;
        Ok(report)
    }
}

/// Reads a part.
fn read(path: &PathBuf) -> Result<PartDocument> {
    let file = File::open(path).map_err(Error::io("opening", path))?;
    let found: PartDocument = serde_json::from_reader(BufReader::new(file))
        .map_err(|error| Error::content(path)(format!("not a part of an evaluation: {error}")))?;
    Ok(PartDocument { part: found.part.named(path.display().to_string()), ..found })
}
