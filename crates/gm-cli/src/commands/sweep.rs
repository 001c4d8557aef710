//! `dgm sweep`: runs over combinations of settings.

use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use gm_sweep::{
    Candidate, Comparison, RunRecord, RunState, Search, SearchEvent, SearchObserver, SearchOutcome, Share, Sweep,
};
use gm_train::{Config, DataConfig, Observer};
use serde::Serialize;

use super::Context;
use super::train::{default_folder, placed};
use crate::comparison;
use crate::console::Interrupt;
use crate::data::Folders;
use crate::error::{Error, Result};
use crate::needs;
use crate::output::{Report, shown, table};
use crate::training::{Watcher, data_options, quoted};

/// Trains a run for each of many combinations of settings, and compares the runs
///
/// The sweep file has a table [sweep] (`method`: grid, random or latin-hypercube; `runs`, `seed`, `figure`, and
/// `halving` with `first_epochs` and `factor`), a table [settings] with the values of settings by their keys in
/// config.toml, such as `"model.hidden" = [50, 100]` or `"model.learning_rate" = { from = 0.01, to = 0.1, scale =
/// "log" }`, and the config.toml that all runs share.
///
/// The same command again skips finished runs and continues interrupted ones. Settings are judged by validation rows.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  dgm sweep rates.toml --dry-run\n  dgm sweep rates.toml\n  \
    dgm sweep rates.toml --out runs/rates --part 2/8\n  dgm compare runs/rates")]
pub(crate) struct SweepRuns {
    /// The sweep file, in TOML
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The folder of the runs [default: runs/ and the name of the file]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Train one of N equal shares of the runs, I from 1 to N, beside other processes with the same folder; halving
    /// judges the runs of a share among themselves
    #[arg(long, value_name = "I/N")]
    part: Option<Share>,
    /// List the runs and train none
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    folders: Folders,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    sweep: String,
    out: String,
    part: String,
    /// `finished`, `interrupted` or `listed`.
    outcome: &'static str,
    candidates: Vec<Listed>,
    /// The folder of the best run.
    #[serde(skip_serializing_if = "Option::is_none")]
    best: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<Comparison>,
}

/// A candidate in a document.
#[derive(Serialize)]
struct Listed {
    name: String,
    settings: serde_json::Map<String, serde_json::Value>,
}

impl SweepRuns {
    pub(super) fn run(&self, context: &Context) -> Result<Report> {
        if let Some(seed) = context.seed {
            let allowed = "none, since the sweep file has the seeds: `seed` in [sweep] and `seed` of the runs".into();
            return Err(Error::Option { option: "--seed", value: seed.to_string(), allowed });
        }
        let (sweep, part) = (Sweep::read(&self.file)?, self.part.unwrap_or(Share::WHOLE));
        let mut candidates = sweep.candidates()?;
        for candidate in &mut candidates {
            candidate.config = placed(candidate.config.clone(), &self.folders, context);
        }
        if self.dry_run {
            candidates.retain(|candidate| part.has(candidate.index));
            return self.listed(&candidates, part);
        }
        // A signal from now on ends the run that trains with a checkpoint.
        let interrupt = Interrupt::listen();
        check_memory(candidates.iter().filter(|candidate| part.has(candidate.index)))?;
        let search = Search::open(self.folder(), &sweep, candidates, part)?;
        let outcome = search.run(&mut Teller { interrupt, watcher: None })?;
        self.compared(&search, &sweep, part, outcome)
    }

    fn folder(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| default_folder("", &self.file.display().to_string()))
    }

    fn document(&self, candidates: &[Candidate], part: Share, outcome: &'static str) -> Result<Document> {
        let listed = |candidate: &Candidate| -> Result<Listed> {
            let json = |(key, value): &(String, toml::Value)| {
                Ok((key.clone(), serde_json::to_value(value).map_err(Error::content("JSON document"))?))
            };
            Ok(Listed {
                name: candidate.name.clone(),
                settings: candidate.settings.iter().map(json).collect::<Result<_>>()?,
            })
        };
        Ok(Document {
            schema: "gm-sweep/1",
            sweep: shown(&self.file),
            out: shown(self.folder()),
            part: part.to_string(),
            outcome,
            candidates: candidates.iter().map(listed).collect::<Result<_>>()?,
            best: None,
            comparison: None,
        })
    }

    /// The candidates, none of which was trained.
    fn listed(&self, candidates: &[Candidate], part: Share) -> Result<Report> {
        let keys = candidates.first().map(|first| first.settings.iter().map(|(key, _)| key.clone()));
        let heading = std::iter::once("run".into()).chain(keys.into_iter().flatten()).collect();
        let row = |candidate: &Candidate| {
            let values = candidate.settings.iter().map(|(_, value)| value.to_string());
            std::iter::once(candidate.name.clone()).chain(values).collect()
        };
        let rows: Vec<Vec<String>> = std::iter::once(heading).chain(candidates.iter().map(row)).collect();
        let count = if candidates.len() == 1 { "1 run".into() } else { format!("{} runs", candidates.len()) };
        let text = format!("{}\n{count} of part {part}, none of which was trained", table(&rows));
        Report::new(text, &self.document(candidates, part, "listed")?)
    }

    /// The runs of this part side by side.
    fn compared(&self, search: &Search, sweep: &Sweep, part: Share, outcome: SearchOutcome) -> Result<Report> {
        let records = search.records()?;
        let failed = records.iter().filter(|record| record.state == RunState::Failed).count();
        let all_failed = failed > 0 && failed == search.candidates().len();
        let comparison = Comparison::of(records, sweep.figure)?;
        let interrupted = outcome == SearchOutcome::Interrupted;
        let mut text = comparison::text(&comparison);
        let again = self.words(part);
        let mut line = |name: &str, value: String| text += &format!("\n{name:<5} {value}");
        let leader = comparison.leader();
        if let Some(row) = leader {
            let figure = comparison.groups[0].figure;
            let words = figure.map_or(String::new(), |figure| format!("{figure} "));
            let (run, best) = (&row.record.folder, comparison::number(figure, row.best));
            line("best", format!("{}: {words}{best}", run.display()));
        }
        match (interrupted, leader) {
            (true, _) => line("next", again),
            (false, Some(row)) => line("next", measure(&row.record)),
            _ => {}
        }
        if part != Share::WHOLE {
            line("all", format!("dgm compare {}", quoted(&shown(self.folder()))));
        }
        let word = if interrupted { "interrupted" } else { "finished" };
        let mut document = self.document(search.candidates(), part, word)?;
        document.best = leader.map(|row| shown(&row.record.folder));
        document.comparison = Some(comparison);
        let mut report = Report::new(text, &document)?;
        report.interrupted = interrupted;
        report.failure = all_failed.then(|| "all runs have failed".into());
        Ok(report)
    }

    /// The command that goes on with the sweep.
    fn words(&self, part: Share) -> String {
        let mut words = format!("dgm sweep {}", quoted(&shown(&self.file)));
        if let Some(out) = &self.out {
            words += &format!(" --out {}", quoted(&shown(out)));
        }
        if part != Share::WHOLE {
            words += &format!(" --part {part}");
        }
        words
    }
}

/// The command that measures a run.
fn measure(record: &RunRecord) -> String {
    let data = record.config.as_ref().map(|config| data_options(&config.data)).unwrap_or_default();
    let run = shown(&record.folder);
    format!("dgm eval {} {data} --out {}", quoted(&run), quoted(&format!("{run}/eval.json")))
}

/// Refuses runs that do not fit into memory, and data that cannot be read, before the first run trains.
fn check_memory<'a>(candidates: impl Iterator<Item = &'a Candidate>) -> Result<()> {
    let mut known: Vec<(&DataConfig, bool, [usize; 2])> = Vec::new();
    for Candidate { config, .. } in candidates {
        let numbers = config.model.settings().visible_kind().takes_numbers();
        let found = known.iter().find(|(data, kind, _)| *data == &config.data && *kind == numbers);
        let [units, rows] = match found {
            Some((_, _, sizes)) => *sizes,
            None => {
                let sizes = sizes(config)?;
                known.push((&config.data, numbers, sizes));
                sizes
            }
        };
        needs::run(config, units, rows).check()?;
    }
    Ok(())
}

/// Units and training rows.
fn sizes(config: &Config) -> Result<[usize; 2]> {
    let data = config.load_data()?;
    Ok([data.units(), data.train.len()])
}

/// Shows how far a search is, and stops it on a signal.
struct Teller {
    interrupt: Interrupt,
    watcher: Option<Watcher>,
}

impl SearchObserver for Teller {
    fn event(&mut self, event: &SearchEvent<'_>) -> ControlFlow<()> {
        match event {
            SearchEvent::Begins { candidate, until } => {
                let until = until.map_or("to its end".into(), |until| format!("until epoch {until}"));
                tracing::info!("{} trains {until}", candidate.name);
                self.watcher = Some(Watcher::named(&candidate.name));
            }
            SearchEvent::Training { event, .. } => {
                if let Some(watcher) = &mut self.watcher {
                    return watcher.event(event);
                }
            }
            SearchEvent::Ends { candidate, reason, .. } => {
                self.watcher = None;
                if let Some(reason) = reason {
                    tracing::warn!("{} failed: {reason}", candidate.name);
                }
            }
            SearchEvent::Judged { epoch, kept, of } => {
                tracing::info!("after {epoch} epochs {kept} of {of} runs go on");
            }
            _ => {}
        }
        self.interrupt.flow()
    }
}
