//! The loop that all models share: batches, updates, figures, early stopping, checkpoints.

use std::ops::ControlFlow;
use std::time::Instant;

use gm_ascent::{Clock, Divergence, Figures, LearnerState, Team};
use gm_core::{Batch, Error as CoreError, Progress, Purpose, Streams};

use crate::course::checkpoint::{Checkpoint, DataMark, gathered};
use crate::course::examples::{Examples, Plan};
use crate::course::journal::Journal;
use crate::course::metrics::EpochRecord;
use crate::course::monitor::Stopping;
use crate::course::observer::{Event, Observer};
use crate::error::{Error, Result};
use crate::learner::{Learner, Staged, StepReport};

/// How training ended.
///
/// # Examples
///
/// ```
/// use gm_train::{FitOptions, MonitorSettings, Outcome, RbmSettings, StopOn, Unobserved, fit_rbm_with};
///
/// let bars = gm_data::Dataset::builtin("bars-and-stripes:2")?;
/// // A rate at which nothing improves after the first epoch.
/// let settings = RbmSettings { hidden: 3, epochs: 12, chains: 10, learning_rate: 1e-60, ..Default::default() };
/// let monitor = MonitorSettings { stop_on: StopOn::LogLikelihood, patience: 2, ..Default::default() };
/// let options = FitOptions { monitor, ..Default::default() };
/// let fit = fit_rbm_with(&bars, &settings, &options, &gm_core::Streams::new(1), &mut Unobserved)?;
/// assert_eq!(fit.outcome, Outcome::Finished { epochs: 3, stopped_early: true });
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It came to its end.
    Finished {
        /// Epochs made.
        epochs: u64,
        /// Whether early stopping ended it.
        stopped_early: bool,
    },
    /// The observer interrupted it.
    Interrupted {
        /// Updates made.
        step: u64,
    },
}

/// Updates after which the processes of a team agree whether to go on.
const AGREE_EVERY: u64 = 8;

/// A learner with its examples and its place in the run.
pub(crate) struct Trainer<'a> {
    learner: &'a mut dyn Learner,
    examples: Examples<'a>,
    plan: Plan,
    streams: Streams,
    team: Team,
    /// Whether the observer of this process of a team has broken.
    broken: bool,
    step: u64,
    stopping: Stopping,
    /// The update after which the last checkpoint was written.
    saved: Option<u64>,
    order: (u64, Vec<u32>),
    before: f64,
    began: Instant,
    made: u64,
    /// The stage that was told last.
    stage: Option<String>,
}

impl<'a> Trainer<'a> {
    /// A learner before its first update.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] for a rule of early stopping that does not suit the learner.
    pub(crate) fn new(
        learner: &'a mut dyn Learner,
        examples: Examples<'a>,
        plan: Plan,
        streams: Streams,
        team: Team,
    ) -> Result<Self> {
        plan.monitor.check_rule(learner)?;
        examples.check_weights(learner)?;
        let order = (u64::MAX, Vec::new());
        let (stopping, began) = (Stopping::default(), Instant::now());
        Ok(Self {
            learner,
            examples,
            plan,
            streams,
            team,
            broken: false,
            step: 0,
            stopping,
            saved: None,
            order,
            before: 0.0,
            began,
            made: 0,
            stage: None,
        })
    }

    /// Continues where a checkpoint stopped.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] for a place that this run cannot have come to, and those of [`Learner::restore`].
    pub(crate) fn restore(&mut self, checkpoint: Checkpoint) -> Result<()> {
        self.learner.restore(checkpoint.learner)?;
        (self.step, self.stopping, self.before) = (checkpoint.step, checkpoint.stopping, checkpoint.seconds);
        let (clock, best) = (self.clock(), self.stopping.best.as_ref().map_or(0, |best| best.epoch));
        let refuse = |arg, value: u64, allowed| {
            Err(CoreError::Param { op: "checkpoint", arg, value: value.to_string(), allowed })
        };
        if clock.step > clock.total {
            return Ok(refuse("step", clock.step, "updates of this run")?);
        }
        if best > clock.epoch() {
            return Ok(refuse("best epoch", best, "an epoch before the checkpoint")?);
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        self.examples.split.len()
    }

    fn clock(&self) -> Clock {
        let per_epoch = self.rows().div_ceil(self.plan.batch_size) as u64;
        Clock { step: self.step, total: per_epoch.saturating_mul(self.plan.epochs), per_epoch }
    }

    pub(crate) fn train(&mut self, journal: &mut dyn Journal, observer: &mut dyn Observer) -> Result<Outcome> {
        self.began = Instant::now();
        let clock = self.clock();
        let parameters = self.learner.parameters().count();
        let (epochs, rows) = (self.plan.epochs, self.rows());
        let mut flow =
            observer.event(&Event::Started { step: self.step, total: clock.total, epochs, rows, parameters });
        while self.step < clock.total && !self.stopping.over {
            if self.breaks(flow)? {
                if self.saved != Some(self.step) {
                    self.save(false, journal, observer)?;
                }
                return Ok(Outcome::Interrupted { step: self.step });
            }
            let before = self.before_the_end_of_an_epoch(journal);
            let report = self.update()?;
            self.tell_stage(observer);
            flow = observer.event(&self.progress());
            if self.clock().within_epoch() == 0 {
                match self.end_epoch(&report, journal, observer) {
                    Ok(true) => flow = ControlFlow::Break(()),
                    Ok(false) => {}
                    Err(error) if error.is_interruption() => return self.leave_epoch_open(before, journal, observer),
                    Err(error) => return Err(error),
                }
            }
            if journal.is_due(self.step) && self.save(false, journal, observer)? {
                flow = ControlFlow::Break(());
            }
        }
        self.finish(journal, observer)
    }

    /// Whether to stop here: at once when the observer breaks, and in a team when its processes have agreed on it.
    fn breaks(&mut self, flow: ControlFlow<()>) -> Result<bool> {
        self.broken |= flow.is_break();
        match self.team.ranks() {
            1 => Ok(self.broken),
            _ if self.step.is_multiple_of(AGREE_EVERY) => Ok(self.team.any(self.broken)?),
            _ => Ok(false),
        }
    }

    /// The state before the last update of an epoch, where figures that follow may be interrupted: there is no other place to go on
    /// from, since the figures need what the update reports.
    fn before_the_end_of_an_epoch(&self, journal: &dyn Journal) -> Option<LearnerState> {
        let clock = self.clock();
        let last = clock.within_epoch() + 1 == clock.per_epoch;
        (last && journal.lasts() && self.learner.staged().is_some()).then(|| self.learner.state())
    }

    /// Ends a run whose figures were interrupted: a resumed one repeats the last update, with the same bits, and the figures.
    fn leave_epoch_open(
        &mut self,
        before: Option<LearnerState>,
        journal: &mut dyn Journal,
        observer: &mut dyn Observer,
    ) -> Result<Outcome> {
        if let Some(learner) = before {
            self.step -= 1;
            self.save_state(learner, false, journal, observer)?;
        }
        Ok(Outcome::Interrupted { step: self.step })
    }

    /// Tells the observer when another stage begins.
    fn tell_stage(&mut self, observer: &mut dyn Observer) {
        let name = self.learner.staged().and_then(Staged::name);
        if name != self.stage {
            self.stage = name;
            if let Some(name) = &self.stage {
                // The beginning of a stage cannot be broken; the update that follows it can.
                let _ = observer.event(&Event::Stage { name });
            }
        }
    }

    fn update(&mut self) -> Result<StepReport> {
        let clock = self.clock();
        let (batch, weights) = self.batch(&clock)?;
        if let Some((weights, weighted)) = weights.zip(self.learner.weighted()) {
            weighted.weigh(weights);
        }
        let report = self.learner.step(&batch, &clock, &self.streams)?;
        self.step += 1;
        self.made += batch.samples() as u64;
        if let Some(Divergence { tensor, rms, limit }) = Divergence::find(self.learner.tensors()) {
            return Err(Error::Diverged { step: self.step, tensor, rms, limit });
        }
        Ok(report)
    }

    /// The examples of an update with their weights: the epoch's order cut into batches that differ by at most one.
    fn batch(&mut self, clock: &Clock) -> Result<(Batch, Option<Vec<f32>>)> {
        if self.order.0 != clock.epoch() {
            self.order = (clock.epoch(), self.examples.split.epoch_order(&self.streams, clock.epoch()));
        }
        let cut = |i: u64| (i * self.rows() as u64 / clock.per_epoch) as usize;
        let rows = &self.order.1[cut(clock.within_epoch())..cut(clock.within_epoch() + 1)];
        let batch = self.examples.batch(rows, &self.streams.fork(Purpose::Binarise, clock.step))?;
        Ok((batch, self.examples.weights(rows)))
    }

    fn progress(&self) -> Event<'static> {
        let clock = self.clock();
        let examples_per_second = self.made as f64 / self.began.elapsed().as_secs_f64().max(1e-9);
        let epoch = (clock.step - 1) / clock.per_epoch + 1;
        Event::Step { step: clock.step, total: clock.total, epoch, epochs: self.plan.epochs, examples_per_second }
    }

    fn seconds(&self) -> f64 {
        self.before + self.began.elapsed().as_secs_f64()
    }

    /// Whether the last update has completed a layer.
    fn completes_a_layer(&self) -> bool {
        self.learner.staged().is_some_and(Staged::is_complete)
    }

    /// Looks at the model when it is time to; true when the observer breaks.
    fn end_epoch(
        &mut self,
        report: &StepReport,
        journal: &mut dyn Journal,
        observer: &mut dyn Observer,
    ) -> Result<bool> {
        let (epoch, monitor) = (self.clock().epoch(), &self.plan.monitor);
        if epoch % monitor.every != 0 && epoch != self.plan.epochs && !self.completes_a_layer() {
            return Ok(false);
        }
        let mut figures = Figures::new([("learning_rate", report.learning_rate)]);
        figures.extend(&report.figures);
        let (broken, alone) = (&mut self.broken, self.team.ranks() == 1);
        // The processes of a team cannot leave figures at different places.
        let mut watch = |Progress { done, total }| {
            let flow = observer.event(&Event::Measuring { done: done as u64, total: total as u64 });
            *broken |= flow.is_break();
            if alone { flow } else { ControlFlow::Continue(()) }
        };
        let streams = self.streams.fork(Purpose::Evaluate, epoch);
        let probe = &self.examples.probe;
        figures.extend(&match self.learner.staged() {
            Some(staged) => staged.figures_watched(probe, &streams, &mut watch)?,
            None => self.learner.figures(probe, &streams)?,
        });
        let record = EpochRecord { epoch, step: self.step, seconds: self.seconds(), figures };
        journal.record(&record)?;
        // Models of fewer layers, on the way to the whole one, are not kept.
        let whole = record.figures.get("layers").is_none_or(|layers| layers as usize >= self.plan.depth);
        if whole && self.stopping.judge(monitor, &record, || self.learner.parameters())? && journal.lasts() {
            journal.model(&self.learner.model()?)?;
        }
        if self.completes_a_layer() && journal.lasts() {
            journal.layer(&self.learner.model()?)?;
        }
        Ok(observer.event(&Event::Epoch { record: &record }).is_break())
    }

    /// Writes a checkpoint; true when the observer breaks.
    fn save(&mut self, finished: bool, journal: &mut dyn Journal, observer: &mut dyn Observer) -> Result<bool> {
        if !journal.lasts() {
            return Ok(false);
        }
        self.save_state(self.learner.state(), finished, journal, observer)
    }

    fn save_state(
        &mut self,
        learner: LearnerState,
        finished: bool,
        journal: &mut dyn Journal,
        observer: &mut dyn Observer,
    ) -> Result<bool> {
        let checkpoint = Checkpoint {
            config: String::new(),
            data: DataMark::default(),
            step: self.step,
            finished,
            seconds: self.seconds(),
            metrics_bytes: 0,
            stopping: self.stopping.clone(),
            learner: gathered(&self.team, learner)?,
        };
        let written = journal.checkpoint(checkpoint)?;
        self.saved = Some(self.step);
        Ok(written.is_some_and(|path| observer.event(&Event::Checkpoint { path: &path, step: self.step }).is_break()))
    }

    fn finish(&mut self, journal: &mut dyn Journal, observer: &mut dyn Observer) -> Result<Outcome> {
        if let Some(best) = &self.stopping.best {
            self.learner.set_parameters(best.parameters.clone())?;
        }
        if journal.lasts() {
            journal.model(&self.learner.model()?)?;
        }
        self.save(true, journal, observer)?;
        let (epochs, stopped_early) = (self.clock().epoch(), self.step < self.clock().total);
        // The end cannot be broken.
        let _ = observer.event(&Event::Finished { step: self.step, epoch: epochs, stopped_early });
        Ok(Outcome::Finished { epochs, stopped_early })
    }
}
