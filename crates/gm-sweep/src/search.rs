//! The runs of a sweep in one folder: new ones, resumed ones, and those that are stopped early.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use gm_data::write_atomically;
use gm_train::{Error as TrainError, Event, Outcome, Run};

use crate::candidate::Candidate;
use crate::error::{Error, Result};
use crate::figure::Figure;
use crate::halving::{Halving, best};
use crate::record::{Left, RunRecord, RunState};
use crate::sweep::Sweep;
use gm_eval::Share;

/// The file that describes the sweep of a folder.
const SWEEP: &str = "sweep.toml";

/// Something that happens during a search.
///
/// # Examples
///
/// ```
/// use std::ops::ControlFlow;
/// use gm_sweep::{Share, Search, SearchEvent, Sweep};
///
/// let sweep = Sweep::parse(
///     "[sweep]\nmethod = 'grid'\n[settings]\nseed = [1, 2]\n[data]\nspec = 'bars-and-stripes:2'
///      [model]\nkind = 'rbm'\nhidden = 2\nepochs = 1\nbatch_size = 4\nchains = 5",
/// )?;
/// let folder = tempfile::tempdir()?;
/// let mut told = vec![];
/// let mut observer = |event: &SearchEvent<'_>| {
///     if let SearchEvent::Ends { candidate, state, .. } = event {
///         told.push(format!("{} {state}", candidate.name));
///     }
///     ControlFlow::Continue(())
/// };
/// Search::open(folder.path(), &sweep, sweep.candidates()?, Share::WHOLE)?.run(&mut observer)?;
/// assert_eq!(told, ["1-seed-1 finished", "2-seed-2 finished"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum SearchEvent<'a> {
    /// A candidate begins to train, or goes on.
    Begins {
        /// The candidate.
        candidate: &'a Candidate,
        /// The epoch after which it is judged; `None` if it trains to its end.
        until: Option<u64>,
    },
    /// A candidate trains.
    Training {
        /// The candidate.
        candidate: &'a Candidate,
        /// What its training tells.
        event: &'a Event<'a>,
    },
    /// A candidate has trained as far as it was to.
    Ends {
        /// The candidate.
        candidate: &'a Candidate,
        /// How far its run has come.
        state: RunState,
        /// Why it has failed.
        reason: Option<&'a str>,
    },
    /// Candidates were judged.
    Judged {
        /// The epoch.
        epoch: u64,
        /// How many go on.
        kept: usize,
        /// How many were judged.
        of: usize,
    },
}

/// Watches a search and may interrupt it.
///
/// Any closure `FnMut(&SearchEvent) -> ControlFlow<()>` is an observer. Breaking interrupts the run that trains, which
/// writes a checkpoint; a later search goes on from there.
///
/// # Examples
///
/// ```
/// use std::ops::ControlFlow;
/// use gm_sweep::{SearchEvent, SearchObserver};
///
/// let mut observer = |_: &SearchEvent<'_>| ControlFlow::Break(());
/// assert!(observer.event(&SearchEvent::Judged { epoch: 3, kept: 1, of: 3 }).is_break());
/// ```
pub trait SearchObserver: Send {
    /// Takes notice of an event.
    fn event(&mut self, event: &SearchEvent<'_>) -> ControlFlow<()>;
}

impl<F: FnMut(&SearchEvent<'_>) -> ControlFlow<()> + Send> SearchObserver for F {
    fn event(&mut self, event: &SearchEvent<'_>) -> ControlFlow<()> {
        self(event)
    }
}

/// How a search ended.
///
/// # Examples
///
/// ```
/// use gm_sweep::{Share, Search, SearchOutcome, Sweep};
///
/// let text = "[sweep]\nmethod = 'grid'\n[settings]\nseed = [1]\n[data]\nspec = 'digits'\n[model]\nkind = 'rbm'";
/// let (sweep, folder) = (Sweep::parse(text)?, tempfile::tempdir()?);
/// let search = Search::open(folder.path(), &sweep, sweep.candidates()?, Share::WHOLE)?;
/// let outcome = search.run(&mut |_: &gm_sweep::SearchEvent<'_>| std::ops::ControlFlow::Break(()))?;
/// assert_eq!(outcome, SearchOutcome::Interrupted);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchOutcome {
    /// All its candidates are finished, stopped early or failed.
    Finished,
    /// The observer interrupted it.
    Interrupted,
}

/// The runs of a sweep, each in a folder of its own below one folder.
///
/// Runs that are finished or have failed are left as they are, interrupted ones are resumed, and a run that explodes does
/// not end the search. Several processes may share the folder, each with another part of the candidates. Successive
/// halving judges the candidates of a part among themselves, since a part that waited for others would wait for ever where
/// a queue starts them one after the other.
///
/// # Examples
///
/// ```
/// use gm_sweep::{Share, Search, SearchEvent, Sweep};
///
/// let sweep = Sweep::parse(
///     "[sweep]\nmethod = 'grid'\n[settings]\nseed = [1, 2, 3]\n[data]\nspec = 'bars-and-stripes:2'
///      [model]\nkind = 'rbm'\nhidden = 2\nepochs = 1\nbatch_size = 4\nchains = 5",
/// )?;
/// let folder = tempfile::tempdir()?;
/// let search = Search::open(folder.path(), &sweep, sweep.candidates()?, "1/2".parse()?)?;
/// search.run(&mut |_: &SearchEvent<'_>| std::ops::ControlFlow::Continue(()))?;
/// assert!(folder.path().join("1-seed-1/model.gm").exists() && folder.path().join("3-seed-3/model.gm").exists());
/// assert!(!folder.path().join("2-seed-2").exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Search {
    folder: PathBuf,
    figure: Option<Figure>,
    halving: Option<Halving>,
    /// The candidates of this part.
    candidates: Vec<Candidate>,
}

impl Search {
    /// Prepares a folder, or takes up one in which the same sweep was made before.
    ///
    /// # Errors
    ///
    /// [`Error::OtherSweep`] for a folder with another sweep, [`Error::IsRun`] for one of a run, and
    /// [`gm_data::Error::Io`].
    pub fn open(folder: impl AsRef<Path>, sweep: &Sweep, candidates: Vec<Candidate>, part: Share) -> Result<Self> {
        let folder = folder.as_ref();
        if folder.join("config.toml").exists() {
            return Err(Error::IsRun { folder: folder.into() });
        }
        let path = folder.join(SWEEP);
        if !path.exists() {
            fs::create_dir_all(folder).map_err(gm_data::Error::io("creating", folder))?;
            write_atomically(&path, |out| Ok(out.write_all(sweep.to_toml().as_bytes())?))?;
        }
        // Another part may have written the file in the meantime.
        check_same(folder, &Sweep::read(&path)?, sweep)?;
        let candidates = candidates.into_iter().filter(|candidate| part.has(candidate.index)).collect();
        Ok(Self { folder: folder.into(), figure: sweep.figure, halving: sweep.halving, candidates })
    }

    /// The candidates of this part.
    #[must_use]
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// The folder of a candidate's run.
    #[must_use]
    pub fn folder_of(&self, candidate: &Candidate) -> PathBuf {
        self.folder.join(&candidate.name)
    }

    /// The runs of this part that have begun.
    ///
    /// # Errors
    ///
    /// Those of [`RunRecord::read`].
    pub fn records(&self) -> Result<Vec<RunRecord>> {
        let read = self.candidates.iter().map(|candidate| RunRecord::read(self.folder_of(candidate)));
        Ok(read.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// Trains the candidates of this part, as far as successive halving lets them.
    ///
    /// # Errors
    ///
    /// [`Error::NoFigure`] when the runs do not have the figure of the sweep; the errors of [`Run`], except those of the
    /// settings of one candidate, which is recorded as failed.
    pub fn run(&self, observer: &mut dyn SearchObserver) -> Result<SearchOutcome> {
        let mut entered: Vec<&Candidate> = self.candidates.iter().collect();
        for rung in self.rungs() {
            for candidate in &entered {
                if self.train(candidate, Some(rung.0), observer)? == SearchOutcome::Interrupted {
                    return Ok(SearchOutcome::Interrupted);
                }
            }
            let of = entered.len();
            entered = self.judge(&entered, rung)?;
            let judged = SearchEvent::Judged { epoch: rung.0, kept: entered.len(), of };
            if observer.event(&judged).is_break() {
                return Ok(SearchOutcome::Interrupted);
            }
        }
        for candidate in entered {
            if self.train(candidate, None, observer)? == SearchOutcome::Interrupted {
                return Ok(SearchOutcome::Interrupted);
            }
        }
        Ok(SearchOutcome::Finished)
    }

    /// The epochs after which candidates are judged, and the rule.
    fn rungs(&self) -> Vec<(u64, Halving)> {
        let Some(halving) = self.halving else { return vec![] };
        let epochs = self.candidates.iter().map(|candidate| candidate.config.model.settings().epochs()).max();
        halving.rungs(epochs.unwrap_or(0)).into_iter().map(|rung| (rung, halving)).collect()
    }

    /// Trains a candidate until an epoch or to its end.
    fn train(
        &self,
        candidate: &Candidate,
        until: Option<u64>,
        observer: &mut dyn SearchObserver,
    ) -> Result<SearchOutcome> {
        let folder = self.folder_of(candidate);
        let record = RunRecord::read(&folder)?;
        let over = |record: &RunRecord| matches!(record.state, RunState::Finished | RunState::Failed);
        if record.as_ref().is_some_and(|record| over(record) || until.is_some_and(|until| record.epochs() >= until)) {
            return Ok(SearchOutcome::Finished);
        }
        if observer.event(&SearchEvent::Begins { candidate, until }).is_break() {
            return Ok(SearchOutcome::Interrupted);
        }
        Left::remove(&folder)?;
        if train(&folder, candidate, until, observer)? == SearchOutcome::Interrupted {
            return Ok(SearchOutcome::Interrupted);
        }
        if let Some(record) = RunRecord::read(&folder)? {
            self.check_figure(&record)?;
            let (state, reason) = (record.state, record.reason.as_deref());
            if observer.event(&SearchEvent::Ends { candidate, state, reason }).is_break() {
                return Ok(SearchOutcome::Interrupted);
            }
        }
        Ok(SearchOutcome::Finished)
    }

    /// Refuses a run without the figure of the sweep.
    fn check_figure(&self, record: &RunRecord) -> Result<()> {
        let Some((figure, line)) = self.figure.zip(record.history.last()) else { return Ok(()) };
        if figure.is_in(line) { Ok(()) } else { Err(no_figure(record, figure.to_string())) }
    }

    /// The candidates that go on after an epoch. The others are recorded as stopped.
    fn judge<'a>(&self, entered: &[&'a Candidate], (epoch, halving): (u64, Halving)) -> Result<Vec<&'a Candidate>> {
        let mut records = Vec::new();
        for candidate in entered {
            records.extend(RunRecord::read(self.folder_of(candidate))?.map(|record| (*candidate, record)));
        }
        // What has failed cannot go on, and counts among those that are left behind.
        let kept = halving.kept(entered.len());
        records.retain(|(_, record)| record.state != RunState::Failed);
        let Some((_, first)) = records.first() else { return Ok(vec![]) };
        let histories: Vec<_> = records.iter().map(|(_, record)| &record.history[..]).collect();
        let kind = entered[0].config.model.settings().kind();
        let Some(figure) = self.figure.or_else(|| Figure::common(kind, &histories)) else {
            return Err(no_figure(first, "for [sweep.halving]".into()));
        };
        let marks: Vec<_> = records.iter().map(|(_, record)| figure.best(&record.history, epoch)).collect();
        let scores: Vec<_> = marks.iter().map(|mark| mark.map(|mark| figure.score(mark.value))).collect();
        let order = best(&scores, scores.len());
        for (rank, &place) in order.iter().enumerate().skip(kept) {
            let (candidate, record) = &records[place];
            if record.state != RunState::Finished {
                let value = marks[place].map_or("not finite".into(), |mark| format!("{:.4}", mark.value));
                let (rank, of) = (rank + 1, entered.len());
                let reason = format!("rank {rank} of {of} after {epoch} epochs, {figure} {value}; {kept} went on");
                Left::new(RunState::Stopped, reason, &candidate.settings).write(&record.folder)?;
            }
        }
        let mut places: Vec<usize> = order.into_iter().take(kept).collect();
        places.sort_unstable();
        Ok(places.into_iter().map(|place| records[place].0).collect())
    }
}

fn no_figure(record: &RunRecord, figure: String) -> Error {
    let known = record.history.last().map(Figure::known).unwrap_or_default();
    Error::NoFigure { folder: record.folder.clone(), figure, known }
}

/// Trains a candidate in its folder, and records what its settings make impossible.
fn train(
    folder: &Path,
    candidate: &Candidate,
    until: Option<u64>,
    observer: &mut dyn SearchObserver,
) -> Result<SearchOutcome> {
    let mut interrupted = false;
    let mut watch = |event: &Event<'_>| {
        interrupted |= observer.event(&SearchEvent::Training { candidate, event }).is_break();
        let reached = match event {
            Event::Epoch { record } => until.is_some_and(|until| record.epoch >= until),
            _ => false,
        };
        if interrupted || reached { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    match prepare(folder, candidate).and_then(|run| run.train(&mut watch)) {
        Ok(Outcome::Interrupted { .. }) if interrupted => Ok(SearchOutcome::Interrupted),
        Ok(_) | Err(TrainError::Finished { .. }) => Ok(SearchOutcome::Finished),
        Err(error) if error.is_interruption() => Ok(SearchOutcome::Interrupted),
        Err(error @ (TrainError::Diverged { .. } | TrainError::Core(_))) => {
            Left::new(RunState::Failed, error.to_string(), &candidate.settings).write(folder)?;
            Ok(SearchOutcome::Finished)
        }
        Err(error) => Err(error.into()),
    }
}

/// The run of a candidate: a new one, or the one in the folder.
fn prepare(folder: &Path, candidate: &Candidate) -> gm_train::Result<Run> {
    if folder.join("config.toml").exists() { Run::resume(folder) } else { Run::create(folder, &candidate.config) }
}

/// Refuses a folder in which another sweep was made.
fn check_same(folder: &Path, made: &Sweep, wanted: &Sweep) -> Result<()> {
    let (made, wanted) = (made.binding(), wanted.binding());
    let Some(key) = made.keys().chain(wanted.keys()).find(|key| made.get(*key) != wanted.get(*key)) else {
        return Ok(());
    };
    let text = |value: Option<&toml::Value>| value.map_or("absent".into(), ToString::to_string);
    let (expected, found) = (text(made.get(key)), text(wanted.get(key)));
    Err(Error::OtherSweep { folder: folder.into(), key: key.clone(), expected, found })
}
