//! Deep belief networks in training: layer by layer, then all layers together.

use std::borrow::Cow;

use gm_ascent::{Clock, Figures, LearnerState, ParametersState, Team, named};
use gm_core::{
    AisSettings, Arrangement, Batch, BatchRef, BitMatrix, Matrix, ModelData, Purpose, Recognition, Schedule, Stack,
    Streams, VisibleUnits, Watch, active_units, check_len, mean, rms, unwatched,
};
use gm_dbn::{Dbn, Sampler};
use gm_rbm::{Rbm, free_energy_gap};
use gm_sbn::BoundSettings;

use crate::dbn::labels::{joined, joined_in_turn, labelled};
use crate::dbn::settings::{Backfit, DbnSettings, LayerInputs};
use crate::dbn::together::Together;
use crate::error::Result;
use crate::learner::{
    Learner, Probe, STAGE, Staged, StepReport, VISIBLE_MEANS, binary, check_layers, error_rate, refuse_start,
};
use crate::rbm::{RbmLearner, WATCHED};
use gm_data::Dataset;

/// Runs and temperatures of annealing at the end of a layer, whose bound is compared with that of the next.
const COMPARED: (usize, usize) = (100, 5_000);

/// Draws of the recognition net for each row that is looked at.
const WATCHED_SAMPLES: usize = 20;

/// A deep belief network in training.
///
/// Stage by stage a layer is added, and its machine learns from what the frozen layers below make of the data; in a last stage
/// all layers may be trained together.
///
/// # Randomness
///
/// The first machine learns as [`RbmLearner`] says, and machine l above it likewise from family l of [`Purpose::Layer`], its
/// inputs drawn at update t from family 2 of [`Purpose::Start`] below family t of [`Purpose::Propose`]; weights of a new layer as
/// [`Dbn::grown`] says.
///
/// # Examples
///
/// ```
/// use gm_core::{Batch, BitMatrix, Streams};
/// use gm_train::{Clock, DbnLearner, DbnSettings, Learner, RbmSettings};
///
/// let streams = Streams::new(0);
/// let settings = DbnSettings { hidden: vec![3, 5], epochs: vec![1], layer: RbmSettings { chains: 10, ..Default::default() }, ..Default::default() };
/// let mut learner = DbnLearner::new(&[0.5; 4], &settings, &streams)?;
/// let rows = Batch::from(BitMatrix::zeros(4, 5));
/// for (step, stage) in [(0, "layer 1 of 2"), (1, "layer 2 of 2")] {
///     learner.step(&rows, &Clock { step, total: 2, per_epoch: 1 }, &streams)?;
///     assert_eq!(learner.stage_name().as_deref(), Some(stage));
/// }
/// assert_eq!(learner.into_dbn().layers(), [4, 3, 5]);
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DbnLearner {
    settings: DbnSettings,
    /// Of visible states, and of label units behind them.
    visible_means: Vec<f32>,
    /// The network. While a layer is trained, the RBM on top has the parameters with which it began.
    sampler: Sampler,
    work: Work,
    team: Team,
    stage: usize,
    /// Whether the last update was the last of its stage.
    complete: bool,
}

/// A batch as the network sees it.
#[derive(Clone)]
pub(super) struct Rows {
    /// Visible states.
    pub(super) v: Batch,
    /// Label units, [classes, samples].
    pub(super) labels: BitMatrix,
}

impl Rows {
    /// The rows of each shard of this process.
    fn parts(&self, team: &Team) -> Result<Vec<Cow<'_, Self>>> {
        if team.shards() == 1 {
            return Ok(vec![Cow::Borrowed(self)]);
        }
        let labels = |own| self.labels.select(&team.rows(own, self.v.samples()).collect::<Vec<_>>());
        let of = |(own, v): (usize, Cow<'_, Batch>)| Cow::Owned(Self { v: v.into_owned(), labels: labels(own) });
        Ok(team.own().zip(team.parts(&self.v)?).map(of).collect())
    }
}

/// What is being trained.
#[derive(Clone, Debug)]
enum Work {
    /// The first update has not been made.
    Nothing,
    /// The machine on top.
    Layer(Box<RbmLearner>),
    /// All layers.
    Together(Box<Together>),
}

impl DbnLearner {
    /// A network that starts as the settings say, to learn data of the given means, `[visible]`, those of label units behind.
    ///
    /// Of Gaussian units the means are those of data that are standardised already.
    ///
    /// # Errors
    ///
    /// Those of [`DbnSettings::check`], and [`gm_core::Error::Param`] for settings that name a model to start from, which
    /// [`start_from`](Self::start_from) takes.
    pub fn new(visible_means: &[f32], settings: &DbnSettings, streams: &Streams) -> Result<Self> {
        let visible = visible_means.len().saturating_sub(settings.layer.classes);
        let units = VisibleUnits::new(settings.layer.visible.kind(0), visible, None)?;
        Self::with_units(units, visible_means, settings, streams)
    }

    /// [`new`](Self::new) for prepared data, whose binary values have the given means; Gaussian units standardise them.
    pub(crate) fn with_data(
        data: &Dataset,
        visible_means: &[f32],
        settings: &DbnSettings,
        streams: &Streams,
    ) -> Result<Self> {
        let visible = visible_means.len().saturating_sub(settings.layer.classes);
        let units = settings.layer.visible.first_units(settings.layer.visible.kind(0), visible, data)?;
        Self::with_units(units, visible_means, settings, streams)
    }

    fn with_units(
        units: VisibleUnits,
        visible_means: &[f32],
        settings: &DbnSettings,
        streams: &Streams,
    ) -> Result<Self> {
        refuse_start("DbnLearner::new", settings.start.as_deref())?;
        let visible = visible_means.len().saturating_sub(settings.layer.classes);
        let settings = DbnSettings { start_layers: 0, ..settings.clone() };
        settings.check()?;
        let mut means = visible_means.to_vec();
        if units.standardise().is_some() {
            means[..visible].fill(0.0);
        }
        let rbm = Rbm::initial_with(units, &means[..visible], settings.hidden[0], settings.layer.init_scale, streams)?;
        let dbn = labelled(Dbn::from_rbm(&rbm)?, 1, &settings, &means)?;
        Ok(Self::of(dbn, &means, settings))
    }

    /// A network of one hidden layer as settings and data ask for, which takes over a saved state.
    pub(super) fn blank(data: &Dataset, visible_means: &[f32], settings: &DbnSettings) -> Result<Self> {
        settings.check()?;
        let visible = visible_means.len().saturating_sub(settings.layer.classes);
        let units = settings.layer.visible.first_units(settings.layer.visible.kind(0), visible, data)?;
        let rbm = Rbm::from_stack(Stack::zeros(&[visible, settings.hidden[0]])?)?.with_units(units)?;
        Ok(Self::of(Dbn::from_rbm(&rbm)?, visible_means, settings.clone()))
    }

    /// A network whose first layers are those of a given one, to be extended or trained further; see [`new`](Self::new).
    ///
    /// The means are those of data as they are, before Gaussian units standardise them.
    ///
    /// # Errors
    ///
    /// Those of [`DbnSettings::check`], and [`gm_core::Error::Param`] for a network that the settings do not extend.
    pub fn start_from(dbn: Dbn, visible_means: &[f32], settings: &DbnSettings) -> Result<Self> {
        let settings = DbnSettings { start_layers: dbn.depth(), ..settings.clone() };
        settings.check()?;
        let visible = visible_means.len().saturating_sub(settings.layer.classes);
        settings.check_start(&dbn, visible)?;
        let mut means = visible_means.to_vec();
        let of_rows = Matrix::from_column_slice(visible, 1, &means[..visible]);
        means[..visible].copy_from_slice(dbn.standardised(&of_rows).as_slice());
        Ok(Self::of(dbn, &means, settings))
    }

    fn of(dbn: Dbn, visible_means: &[f32], settings: DbnSettings) -> Self {
        let (sampler, visible_means) = (arranged(dbn), visible_means.to_vec());
        let (work, team) = (Work::Nothing, Team::default());
        Self { settings, visible_means, sampler, work, team, stage: 0, complete: false }
    }

    /// The network; while a layer is trained, the RBM on top has the parameters with which it began.
    fn net(&self) -> &Dbn {
        self.sampler.model()
    }

    /// A batch of rows, label units behind, as the network sees it.
    fn rows(&self, op: &'static str, batch: &Batch) -> Result<Rows> {
        let (visible, classes) = (self.net().visible(), self.settings.layer.classes);
        check_len(op, "batch", "units", batch.units(), self.visible_means.len())?;
        let samples = batch.samples();
        if self.net().units().is_binary() {
            let bits = binary(op, batch, self.visible_means.len())?;
            let labels = BitMatrix::from_fn(classes, samples, |class, row| bits.get(visible + class, row));
            return Ok(Rows { v: bits.narrowed(visible).into(), labels });
        }
        let numbers = batch.to_matrix();
        let labels = BitMatrix::from_fn(classes, samples, |class, row| numbers[(visible + class, row)] > 0.5);
        Ok(Rows { v: self.net().states_of_rows(&numbers.rows(0, visible).into_owned())?, labels })
    }

    /// The network as it is now; while layers are added it has fewer than in the end.
    #[must_use]
    pub fn dbn(&self) -> Dbn {
        let mut dbn = self.net().clone();
        if let Work::Layer(learner) = &self.work {
            dbn.set_top(learner.stack());
            if dbn.depth() == 1 && dbn.units().gaussian().is_some() {
                dbn.units_mut().clone_from(learner.rbm().units());
            }
        }
        dbn
    }

    /// The network, when training is over.
    #[must_use]
    pub fn into_dbn(self) -> Dbn {
        self.dbn()
    }

    /// The name of the layer that is being trained, or of the way in which all are; `None` before the first update.
    #[must_use]
    pub fn stage_name(&self) -> Option<String> {
        let (layers, start) = (self.settings.hidden.len(), self.settings.start_layers);
        Some(match &self.work {
            Work::Nothing => return None,
            Work::Layer(_) => format!("layer {} of {layers}", start + self.stage + 1),
            Work::Together(_) => self.settings.backfit.to_string(),
        })
    }

    /// Goes on to a stage.
    fn enter(&mut self, stage: usize, rows: &Rows, streams: &Streams) -> Result<()> {
        let dbn = self.dbn();
        self.stage = stage;
        if stage == self.settings.trained_layers() {
            self.sampler = arranged(dbn.untied()?);
            let together = Together::new(self.net(), &self.settings, self.team.clone(), streams);
            self.work = Work::Together(Box::new(together));
            return Ok(());
        }
        // What the chains of the machine below have in their hidden layer are states of the new machine's visible one.
        let carried: Vec<BitMatrix> = match &self.work {
            Work::Layer(learner) => learner.chains_of_shards().map(|chains| chains.h().clone()).collect(),
            _ => vec![],
        };
        let grows = self.settings.start_layers + stage >= dbn.depth();
        self.sampler = arranged(if grows { self.grown(&dbn, rows.v.view(), streams)? } else { dbn });
        let means = self.lower_means(rows.v.view());
        let mut learner = self.layer_learner(&means, streams)?;
        if self.net().depth() > 1 {
            let streams = self.streams_of_stage(streams);
            let begun = |own, part: &Rows| self.recognised(&part.v, &self.team.streams(own, &streams));
            let states: Vec<BitMatrix> = match carried.is_empty() {
                true => self.team.own().zip(rows.parts(&self.team)?).map(|(own, part)| begun(own, &part)).collect(),
                false => carried,
            };
            let (classes, each) = (self.net().classes(), self.settings.layer.chains / self.team.shards());
            let joined: Vec<_> = states.iter().map(|states| joined_in_turn(states, classes, each)).collect();
            learner.start_chains(&joined, &streams)?;
        }
        self.work = Work::Layer(Box::new(learner));
        Ok(())
    }

    /// The learner of the machine on top, at its start.
    fn layer_learner(&self, means: &[f32], streams: &Streams) -> Result<RbmLearner> {
        let (settings, streams) = (self.settings.layer_settings(self.stage), self.streams_of_stage(streams));
        let mut learner = RbmLearner::on_top(self.net().top(), means, &settings, &streams)?;
        learner.divide(self.team.clone(), &streams)?;
        Ok(learner)
    }

    /// The first layer learns as a machine of its own would, bit for bit.
    fn streams_of_stage(&self, streams: &Streams) -> Streams {
        match self.settings.start_layers + self.stage {
            0 => streams.clone(),
            stage => streams.fork(Purpose::Layer, stage as u64),
        }
    }

    /// A network with one layer more.
    fn grown(&self, dbn: &Dbn, v: BatchRef<'_>, streams: &Streams) -> Result<Dbn> {
        let units = self.settings.hidden[dbn.depth()];
        let means = dbn.averages_up_from_v(v).swap_remove(dbn.depth() - 1);
        let growth = self.settings.growth(units, dbn);
        let grown = dbn.grown(units, growth, self.settings.layer.init_scale, &means, streams)?;
        labelled(grown, dbn.depth() + 1, &self.settings, &self.visible_means)
    }

    /// Means of what the machine on top learns from.
    fn lower_means(&self, v: BatchRef<'_>) -> Vec<f32> {
        if self.net().depth() == 1 {
            return self.visible_means[..self.net().visible() + self.net().classes()].to_vec();
        }
        let means = self.net().averages_up_from_v(v).swap_remove(self.net().depth() - 2);
        means.into_iter().chain(self.label_means().iter().copied()).collect()
    }

    /// Means of the label units, of a machine that has them.
    fn label_means(&self) -> &[f32] {
        if self.net().labels().is_some() { &self.visible_means[self.net().visible()..] } else { &[] }
    }

    /// What the machine on top learns from in a batch.
    fn inputs(&self, Rows { v, labels }: &Rows, step: u64, streams: &Streams) -> Batch {
        let classes = self.net().classes();
        if self.net().depth() == 1 {
            return match v {
                Batch::Bits(bits) => joined(bits, labels, classes).into(),
                reals => reals.clone(),
            };
        }
        if self.settings.inputs == LayerInputs::Means {
            let means = self.net().means_up_from_v(&v.to_matrix()).swap_remove(self.net().depth() - 2);
            let units = means.nrows();
            let mut joined = means.insert_rows(units, classes, 0.0);
            joined.rows_mut(units, classes).copy_from(&labels.to_matrix().rows(0, classes));
            return Batch::Reals(joined);
        }
        let x = self.recognised(v, &streams.fork(Purpose::Propose, step));
        Batch::Bits(joined(&x, labels, classes))
    }

    /// Draws of the lower layer of the machine on top, without label units, in a network of more than one hidden layer.
    fn recognised(&self, v: &Batch, streams: &Streams) -> BitMatrix {
        let layers = self.sampler.recognise(v.clone(), &streams.fork(Purpose::Start, 2));
        layers[self.net().depth() - 1].bits().clone()
    }

    /// The bounds of a network on log p of visible states, less the logarithm of the volume in which they were standardised.
    fn bounds(&self, dbn: &Dbn, probe: &Batch, log_partition: f64, watch: Watch<'_>) -> Result<(f64, f64)> {
        let settings = BoundSettings { samples: WATCHED_SAMPLES, repeats: 1 };
        // The same random numbers at every epoch, so that epochs can be compared.
        let bounds = dbn.bounds(probe, log_partition, &settings, &Streams::new(0), watch)?;
        Ok((mean(&bounds.elbo) - dbn.log_volume(), bounds.mean().value - dbn.log_volume()))
    }
}

/// log Z of the machine of a network in training: exact where it is small, else by annealing.
fn log_partition(
    dbn: &Dbn,
    exact_units: usize,
    v: &Batch,
    (runs, temperatures): (usize, usize),
    watch: Watch<'_>,
) -> Result<f64> {
    if dbn.enumerable_units() <= exact_units {
        return Ok(dbn.log_partition()?);
    }
    let settings = AisSettings { runs, schedule: Schedule::Graded(temperatures) };
    let base = dbn.base_rates(v)?;
    Ok(dbn.log_partition_ais(&settings, Some(&base), &Streams::new(0), watch)?.log_partition.value)
}

/// A network with its weights arranged for the few passes between two updates.
fn arranged(dbn: Dbn) -> Sampler {
    Sampler::new(dbn, Arrangement::FewDraws)
}

impl Learner for DbnLearner {
    fn step(&mut self, batch: &Batch, clock: &Clock, streams: &Streams) -> Result<StepReport> {
        let rows = self.rows("DbnLearner::step", batch)?;
        let (stage, within) = self.settings.stage(clock);
        if stage != self.stage || matches!(self.work, Work::Nothing) {
            self.enter(stage, &rows, streams)?;
        }
        self.complete = within.step + 1 == within.total;
        let stage_streams = self.streams_of_stage(streams);
        let (parts, samples) = (rows.parts(&self.team)?, batch.samples());
        if let Work::Together(together) = &mut self.work {
            return together.step(&mut self.sampler, (&parts, samples), &within, &stage_streams);
        }
        let inputs = |(own, part): (usize, &Cow<'_, Rows>)| {
            Cow::Owned(self.inputs(part, within.step, &self.team.streams(own, &stage_streams)))
        };
        let inputs: Vec<Cow<'_, Batch>> = self.team.own().zip(&parts).map(inputs).collect();
        match &mut self.work {
            Work::Layer(learner) => learner.learn(&inputs, samples, &within, &stage_streams),
            _ => Ok(StepReport { learning_rate: 0.0, figures: Figures::default() }),
        }
    }

    fn divide(&mut self, team: Team, _: &Streams) -> Result<()> {
        // Chains of every stage are divided alike, where one has some.
        if self.settings.layer.algorithm.persists() || self.settings.backfit == Backfit::Rws {
            team.each("chains", self.settings.layer.chains)?;
        }
        self.team = team;
        Ok(())
    }

    fn stack(&self) -> &Stack {
        match &self.work {
            Work::Layer(learner) => learner.stack(),
            _ => self.net().stack(),
        }
    }

    fn tensors(&self) -> Vec<(String, &[f32])> {
        let net = match &self.work {
            Work::Layer(_) => None,
            _ => self.net().recognition(),
        };
        let of_net = |net| Recognition::tensor_names(net).into_iter().zip(Recognition::tensors(net));
        named(self.stack()).chain(net.into_iter().flat_map(of_net)).collect()
    }

    fn parameters(&self) -> ParametersState {
        let dbn = self.dbn();
        ParametersState::new(dbn.stack(), dbn.recognition()).with_labels(dbn.labels()).with_variance(dbn.units())
    }

    fn set_parameters(&mut self, mut parameters: ParametersState) -> Result<()> {
        const OP: &str = "DbnLearner::set_parameters";
        let units = parameters.take_units(OP, self.net().units())?;
        let visible = self.visible_means.len() - self.settings.layer.classes;
        let wanted: Vec<usize> = std::iter::once(visible).chain(self.settings.hidden.iter().copied()).collect();
        let depth = parameters.layers.len().clamp(1, wanted.len()) - 1;
        let labels = parameters.take_labels(OP, [self.settings.layer.classes, wanted[depth]])?;
        let (stack, recognition) = parameters.into_parts()?;
        check_layers(OP, &stack, &wanted[..=depth])?;
        self.sampler = arranged(Dbn::new(stack, recognition)?.with_units(units)?.with_labels(labels)?);
        self.work = Work::Nothing;
        Ok(())
    }

    fn enumerable_units(&self) -> usize {
        let visible = self.visible_means.len();
        let layers: Vec<usize> = std::iter::once(visible).chain(self.settings.hidden.iter().copied()).collect();
        let binary = *self.net().units() == VisibleUnits::Bernoulli;
        let machine = |l: usize| if l > 0 || binary { layers[l].min(layers[l + 1]) } else { layers[1] };
        let directed: usize = layers[1..layers.len() - 1].iter().sum();
        (0..layers.len() - 1).map(machine).max().unwrap_or(0).max(directed)
    }

    fn judged_by(&self) -> &'static [&'static str] {
        &["free_energy_gap", "importance_weighted"]
    }

    fn staged(&self) -> Option<&dyn Staged> {
        Some(self)
    }

    fn model(&self) -> Result<ModelData> {
        Ok(self.dbn().to_data()?)
    }

    fn figures(&self, probe: &Probe, streams: &Streams) -> Result<Figures> {
        self.figures_watched(probe, streams, &mut unwatched)
    }

    fn state(&self) -> LearnerState {
        let mut state = match &self.work {
            Work::Nothing => LearnerState::default(),
            Work::Layer(learner) => learner.state(),
            Work::Together(together) => together.state(),
        };
        state.parameters = self.parameters();
        // Before its first update a run is in no stage.
        if !matches!(self.work, Work::Nothing) {
            state.counts.insert(STAGE.into(), vec![self.stage as u64]);
        }
        state.tensors.insert(VISIBLE_MEANS.into(), self.visible_means.clone());
        state.put_standardise(self.net().units());
        state
    }

    fn restore(&mut self, mut state: LearnerState) -> Result<()> {
        const OP: &str = "DbnLearner::restore";
        self.visible_means = state.take_tensor(OP, VISIBLE_MEANS, self.visible_means.len())?;
        let mut units = self.net().units().clone();
        state.take_standardise(OP, &mut units)?;
        self.sampler.update(|dbn| *dbn.units_mut() = units);
        self.set_parameters(std::mem::take(&mut state.parameters))?;
        if !state.counts.contains_key(STAGE) {
            return Ok(());
        }
        self.stage = state.take_count(OP, STAGE)?.min(self.settings.trained_layers());
        if self.stage == self.settings.trained_layers() {
            let mut together = Together::new(self.net(), &self.settings, self.team.clone(), &Streams::new(0));
            together.restore(state)?;
            self.work = Work::Together(Box::new(together));
            return Ok(());
        }
        let top = self.net().top();
        let mut learner = self.layer_learner(&vec![0.5; top.visible()], &Streams::new(0))?;
        state.parameters = ParametersState::new(top.stack(), None).with_variance(top.units());
        learner.restore(state)?;
        self.work = Work::Layer(Box::new(learner));
        Ok(())
    }
}

impl Staged for DbnLearner {
    fn name(&self) -> Option<String> {
        self.stage_name()
    }

    fn is_complete(&self) -> bool {
        self.complete && matches!(self.work, Work::Layer(_))
    }

    fn figures_watched(&self, probe: &Probe, streams: &Streams, watch: Watch<'_>) -> Result<Figures> {
        const OP: &str = "DbnLearner::figures";
        let dbn = self.dbn();
        let (train, valid) = (self.rows(OP, &probe.train)?, self.rows(OP, &probe.valid)?);
        let effort = if self.is_complete() { COMPARED } else { WATCHED };
        let log_z = log_partition(&dbn, probe.exact_units, &train.v, effort, watch)?;
        let (elbo, weighted) = self.bounds(&dbn, &valid.v, log_z, watch)?;
        let (train_elbo, _) = self.bounds(&dbn, &train.v, log_z, watch)?;
        let (sampler, top) = (arranged(dbn.clone()), dbn.top());
        let lower = |rows: &Rows| {
            let mut layers = sampler.recognise(rows.v.clone(), &Streams::new(0));
            match layers.swap_remove(dbn.depth() - 1) {
                Batch::Bits(x) => Batch::from(joined(&x, &rows.labels, dbn.classes())),
                reals => reals,
            }
        };
        let gap = free_energy_gap(&top, &lower(&valid), &lower(&train));
        let mut figures = Figures::new([
            ("layers", dbn.depth() as f64),
            ("elbo", elbo),
            ("importance_weighted", weighted),
            ("train_elbo", train_elbo),
            ("log_partition", log_z),
            ("free_energy_gap", gap),
            ("weight_rms", rms(top.weights().as_slice())),
        ]);
        figures.push_layers("active_units", active_units(&dbn.means_up_from_v(&valid.v.to_matrix()), None));
        if self.enumerable_units() <= probe.exact_units && dbn.enumerable_units() <= probe.exact_units {
            figures.push("log_likelihood", mean(&dbn.log_prob(&valid.v, log_z)?) - dbn.log_volume());
            figures.push("train_log_likelihood", mean(&dbn.log_prob(&train.v, log_z)?) - dbn.log_volume());
        }
        if dbn.labels().is_some() {
            let log_p = dbn.log_class_probs(&valid.v.to_matrix())?;
            figures.push("error_rate", error_rate(&log_p, &valid.labels, 0));
        }
        if self.complete && dbn.depth() < self.settings.hidden.len() {
            // What the next layer begins with.
            let next = self.grown(&dbn, train.v.view(), streams)?;
            let log_z = log_partition(&next, probe.exact_units, &train.v, effort, watch)?;
            figures.push("next_elbo", self.bounds(&next, &valid.v, log_z, watch)?.0);
        }
        Ok(figures)
    }
}
