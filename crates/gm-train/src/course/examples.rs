//! What a learner is trained on, and how often.

use gm_core::{Batch, BitMatrix, Error as CoreError, Purpose, Streams};
use gm_data::{Binarise, Dataset, Split};
use rand::seq::index::sample;

use crate::course::monitor::MonitorSettings;
use crate::error::Result;
use crate::learner::{Learner, ModelSettings, Probe};

/// How often and on what a learner is trained.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) epochs: u64,
    /// Number of hidden layers of the whole model.
    pub(crate) depth: usize,
    pub(crate) batch_size: usize,
    pub(crate) binarise: Binarise,
    /// Whether grey levels that nothing binarises are taken as they are.
    pub(crate) reals: bool,
    /// Whether values between 0 and 1 that nothing binarises are learnt from as means of binary units.
    pub(crate) means: bool,
    pub(crate) monitor: MonitorSettings,
}

impl Plan {
    /// How settings train on data that are binarised like this.
    pub(crate) fn of(settings: &dyn ModelSettings, binarise: Binarise, monitor: &MonitorSettings) -> Self {
        Self {
            epochs: settings.epochs(),
            depth: settings.hidden().len(),
            batch_size: settings.batch_size(),
            binarise,
            reals: settings.takes_reals(),
            means: false,
            monitor: monitor.clone(),
        }
    }
}

/// Training examples that give batches, with what is known of them.
pub(crate) struct Examples<'a> {
    pub(crate) split: &'a Split,
    binarise: Binarise,
    /// Whether batches are the values as they are.
    reals: bool,
    /// All examples, where they are binary and the same in every epoch.
    fixed: Option<BitMatrix>,
    /// The means of the visible units.
    pub(crate) means: Vec<f32>,
    pub(super) probe: Probe,
}

impl<'a> Examples<'a> {
    pub(crate) fn new(data: &'a Dataset, plan: &Plan, streams: &Streams) -> Result<Self> {
        plan.monitor.check()?;
        let (split, binarise) = (&data.train, plan.binarise);
        let reals = (plan.reals || plan.means) && binarise == Binarise::None && !split.is_binary();
        let drawn_anew = binarise == Binarise::Dynamic && !split.is_binary();
        let fixed = if reals || drawn_anew { None } else { Some(split.to_bits(binarise)?) };
        let means = match &fixed {
            Some(bits) if split.weights().is_none() => {
                bits.unit_counts().iter().map(|&n| (n as f64 / split.len() as f64) as f32).collect()
            }
            _ => split.unit_means(),
        };
        let probe = Probe {
            train: watched(split, plan, &streams.fork(Purpose::Choose, 1))?,
            valid: watched(&data.valid, plan, &streams.fork(Purpose::Choose, 2))?,
            exact_units: plan.monitor.exact_units(),
        };
        Ok(Self { split, binarise, reals, fixed, means, probe })
    }

    /// Refuses weights of rows for a model that cannot use them.
    pub(crate) fn check_weights(&self, learner: &mut dyn Learner) -> Result<()> {
        if self.split.weights().is_none() || learner.weighted().is_some() {
            return Ok(());
        }
        let (op, arg, value) = ("training", "weights", "given".into());
        Err(CoreError::Param { op, arg, value, allowed: "none but for restricted Boltzmann machines" }.into())
    }

    pub(super) fn weights(&self, rows: &[u32]) -> Option<Vec<f32>> {
        self.split.weights().map(|weights| rows.iter().map(|&row| weights[row as usize]).collect())
    }

    pub(super) fn batch(&self, rows: &[u32], streams: &Streams) -> Result<Batch> {
        match &self.fixed {
            Some(bits) => Ok(bits.select(&rows.iter().map(|&row| row as usize).collect::<Vec<_>>()).into()),
            None if self.reals => Ok(self.split.to_matrix(rows).into()),
            None => Ok(self.split.binary_batch(rows, self.binarise, streams)?.into()),
        }
    }
}

/// A random subset of a split; values that training draws anew, or takes as means, are drawn once.
fn watched(split: &Split, plan: &Plan, streams: &Streams) -> Result<Batch> {
    let anew = plan.binarise == Binarise::Dynamic || (plan.means && plan.binarise == Binarise::None);
    let binarise = if anew { split.evaluation_binarise() } else { plan.binarise };
    let count = plan.monitor.rows.min(split.len());
    let mut rows: Vec<u32> =
        sample(&mut streams.stream(0), split.len(), count).into_iter().map(|row| row as u32).collect();
    rows.sort_unstable();
    if plan.reals && binarise == Binarise::None && !split.is_binary() {
        return Ok(split.to_matrix(&rows).into());
    }
    Ok(split.binary_batch(&rows, binarise, streams)?.into())
}
