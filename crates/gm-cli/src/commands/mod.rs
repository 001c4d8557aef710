//! The subcommands of dgm. Each takes its options and returns a report.

mod compare;
mod complete;
mod convert;
mod data;
mod demo;
mod eval;
mod finetune;
mod infer;
mod inspect;
mod merge;
mod report;
mod sample;
mod serve;
mod shell;
mod sweep;
mod train;

use std::ffi::OsString;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use clap::Subcommand;
use clap::builder::{OsStringValueParser, PossibleValue, PossibleValuesParser, TypedValueParser};
use gm_ascent::Exchange;

pub(crate) use complete::{picture_of, side_by_side};
pub(crate) use eval::{examples, label};

use crate::error::{Error, Result};
use crate::hints::in_options;
use crate::output::Report;

/// The subcommands.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    Demo(demo::Demo),
    #[command(subcommand)]
    Data(data::Data),
    Train(train::Train),
    Sweep(sweep::SweepRuns),
    Finetune(Box<finetune::Finetune>),
    Eval(eval::Eval),
    Merge(merge::Merge),
    Sample(sample::Sample),
    Infer(infer::Infer),
    Complete(complete::Complete),
    Inspect(inspect::Inspect),
    Report(report::ReportPage),
    Compare(compare::Compare),
    Serve(serve::Serve),
    Convert(convert::Convert),
    Completions(shell::Completions),
    Man(shell::Man),
}

/// Options that every command has.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// The seed of all random numbers.
    pub(crate) seed: Option<u64>,
    /// Whether the number of threads was given.
    pub(crate) threads: bool,
    /// The words of the command line, with the name of the program.
    pub(crate) words: Vec<OsString>,
    /// Whether standard output is one JSON document.
    pub(crate) json: bool,
    /// The processes that share the work, of `dgm-mpi`.
    pub(crate) exchange: Option<Arc<dyn Exchange>>,
}

impl Context {
    /// The given seed; 0 if none is given.
    pub(crate) fn seed(&self) -> u64 {
        self.seed.unwrap_or(0)
    }

    /// The processes among which work is divided, if there are several.
    pub(crate) fn processes(&self) -> Option<&dyn Exchange> {
        self.exchange.as_deref().filter(|exchange| exchange.ranks() > 1)
    }

    /// Whether this process writes files and reports.
    pub(crate) fn leads(&self) -> bool {
        self.exchange.as_ref().is_none_or(|exchange| exchange.rank() == 0)
    }

    /// All random numbers of a command.
    pub(crate) fn streams(&self) -> gm_core::Streams {
        gm_core::Streams::new(self.seed())
    }
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// The error that stopped the command.
    pub(crate) fn run(&self, context: &Context) -> Result<Report> {
        match self {
            Self::Demo(demo) => demo.run(context),
            Self::Data(data) => data.run(),
            Self::Train(train) => train.run(context),
            Self::Sweep(sweep) => sweep.run(context),
            Self::Finetune(finetune) => finetune.run(context),
            Self::Eval(eval) => eval.run(context),
            Self::Merge(merge) => merge.run(),
            Self::Sample(sample) => sample.run(context),
            Self::Infer(infer) => infer.run(context),
            Self::Complete(complete) => complete.run(context),
            Self::Inspect(inspect) => inspect.run(context),
            Self::Report(report) => report.run(context),
            Self::Compare(compare) => compare.run(),
            Self::Serve(serve) => serve.run(context),
            Self::Convert(convert) => convert.run(),
            Self::Completions(completions) => completions.run(),
            Self::Man(man) => man.run(),
        }
    }
}

/// A word in which characters that do not suit a file name are replaced.
fn plain(word: &str) -> String {
    word.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect()
}

/// Reads a count that must not be 0.
pub(crate) fn at_least_one(text: &str) -> std::result::Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be 1 or more".into()),
        Ok(count) => Ok(count),
        Err(error) => Err(format!("{error}")),
    }
}

/// Reads one of several words, each of which has a line of help.
fn words<T, const N: usize>(words: [(&'static str, &'static str); N]) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: fmt::Display> + Clone + Send + Sync + 'static,
{
    let value = |(word, help): (&'static str, &str)| PossibleValue::new(word).help(in_options(help));
    PossibleValuesParser::new(words.map(value)).try_map(|word| word.parse::<T>().map_err(|error| error.to_string()))
}

/// Reads a text that has to be UTF-8, such as a specification of data, which `config.toml` holds.
pub(crate) fn utf8() -> impl TypedValueParser<Value = String> {
    OsStringValueParser::new().try_map(|word| {
        let refused = |word: OsString| format!("{} is not UTF-8; rename the file or its folder", word.display());
        word.into_string().map_err(refused)
    })
}

/// Refuses the first option that was given.
fn refuse_given<'a>(
    mut options: impl Iterator<Item = &'a (&'static str, Option<String>)>,
    allowed: &str,
) -> Result<()> {
    match options.find_map(|(option, given)| given.clone().map(|given| (*option, given))) {
        Some((option, value)) => Err(Error::Option { option, value, allowed: allowed.into() }),
        None => Ok(()),
    }
}
