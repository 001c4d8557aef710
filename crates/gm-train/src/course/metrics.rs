//! The figures of an epoch and the file that keeps them.

use std::path::Path;

use gm_ascent::Figures;
use gm_core::{Error as CoreError, FileError};
use gm_data::AppendFile;
use serde::Serialize;

use crate::error::{Error, Result};

/// One line of `metrics.jsonl`: the state of training at the end of an epoch.
///
/// | field | meaning |
/// |---|---|
/// | `epoch` | epochs made, from 1 |
/// | `step` | updates made |
/// | `seconds` | time spent in training, over all sessions of the run; the only field that two equal runs differ in |
/// | `learning_rate` | of the last update |
/// | `chain_flips` | share of visible units that changed in the last sweep of the chains (persistent chains only) |
/// | `mean_field_iterations` | passes of mean field in the last update (deep Boltzmann machines) |
/// | `elbo` | evidence lower bound on log p of validation rows, nats a row (belief nets and networks; deep Boltzmann machines small enough) |
/// | `reconstruction` | cross-entropy of validation rows and their means given one draw of the hidden units, or their mean-field means, nats a row |
/// | `free_energy_gap` | mean free energy of validation rows minus that of training rows, or the gap between their mean-field bounds, nats; grows with overfitting |
/// | `pseudo_log_likelihood` | stochastic log-pseudo-likelihood of validation rows, the same unit of a row each time, nats a row |
/// | `batch_bound` | mean K-sample bound of the last batch, with the K of training (belief nets only); log p of a net without hidden layers |
/// | `importance_weighted`, `train_importance_weighted` | bounds from 20 draws of validation and training rows, the same random numbers each time, nats a row (belief nets; the first also of deep belief networks) |
/// | `ess` | effective sample size of those 20 weights, mean over validation rows (belief nets only) |
/// | `squared_error`, `variance` | mean square of standardised rows less their means given one draw of the hidden units, and mean variance of the units given them (Gaussian units only; of deep Boltzmann machines the variance alone) |
/// | `weight_rms` | root mean square of the weights, those next to the data in deep models, those of the machine on top in deep belief networks, those within the visible layer of a net without hidden layers |
/// | `active_units_1`, `active_units_2`, ... | units of each hidden layer whose posterior means vary over validation rows ([`gm_core::active_units`]): means of 20 draws of the recognition net (belief nets), of mean field (deep Boltzmann machines), of a pass up (deep belief networks) |
/// | `layers`, `train_elbo` | hidden layers so far (also of deep Boltzmann machines), and the bound of training rows (deep belief networks) |
/// | `next_elbo` | at the end of a layer: the bound of validation rows with which the next layer begins (deep belief networks) |
/// | `error_rate`, `train_error_rate` | share of validation and training rows whose most probable class is not their label (classifiers; of models with label units `error_rate` alone) |
/// | `cross_entropy`, `train_cross_entropy` | mean -log p of the labels of validation and training rows, nats (classifiers) |
/// | `swap_acceptance`, `lowest_swap_acceptance` | share of the offered swaps that were made since temperatures moved last: mean over the pairs of neighbouring temperatures, and of the pair with the fewest (parallel tempering) |
/// | `estimated_log_likelihood`, `train_estimated_log_likelihood` | mean log p of validation and training rows with log Z as chains along training find it; above the truth in expectation (restricted Boltzmann machines too large to enumerate) |
/// | `log_partition`, `log_partition_error` | that log Z and its standard error, which knows nothing of modes that no chain has found; of deep belief networks log Z of the machine on top as a short annealing finds it |
/// | `log_likelihood`, `train_log_likelihood` | exact mean log p of validation and training rows, for models small enough |
///
/// Validation and training rows are fixed random subsets of the two splits.
///
/// # Examples
///
/// ```
/// use gm_train::{RbmSettings, Unobserved, fit_rbm};
///
/// let bars = gm_data::Dataset::builtin("bars-and-stripes:2")?;
/// let settings = RbmSettings { hidden: 3, epochs: 5, batch_size: 4, chains: 10, ..Default::default() };
/// let record = &fit_rbm(&bars, &settings, &gm_core::Streams::new(1), &mut Unobserved)?.history[2];
/// assert_eq!((record.epoch, record.step), (3, 6)); // 8 rows in batches of 4
/// assert!(record.figures.get("learning_rate").is_some_and(|rate| (rate - 0.05).abs() < 1e-12));
/// assert!(serde_json::to_string(record)?.starts_with(r#"{"epoch":3,"step":6,"seconds":"#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EpochRecord {
    /// Epochs made.
    pub epoch: u64,
    /// Updates made.
    pub step: u64,
    /// Time spent in training.
    pub seconds: f64,
    /// All other fields.
    #[serde(flatten)]
    pub figures: Figures,
}

/// The file `metrics.jsonl` of a run.
#[derive(Debug)]
pub(crate) struct Metrics {
    file: AppendFile,
    bytes: u64,
}

impl Metrics {
    /// Opens the file and drops what was written after `bytes`; says when there is less than that, and drops half a
    /// line then, so that the next one does not run into it.
    pub(crate) fn open(path: &Path, bytes: u64) -> Result<(Self, Option<String>)> {
        let mut file = AppendFile::open(path)?;
        let present = file.bytes()?;
        let warning = (present < bytes).then(|| {
            format!(
                "{}: {present} bytes where the checkpoint counted {bytes}; earlier epochs are missing",
                path.display()
            )
        });
        let bytes = if warning.is_some() { file.whole_lines()? } else { bytes };
        file.truncate(bytes)?;
        Ok((Self { file, bytes }, warning))
    }

    pub(crate) fn append(&mut self, record: &EpochRecord) -> Result<()> {
        let undecodable = |e: serde_json::Error| FileError::Decode { format: "json", detail: e.to_string() };
        let mut line =
            serde_json::to_vec(record).map_err(|e| Error::at(self.file.path())(CoreError::from(undecodable(e))))?;
        line.push(b'\n');
        self.file.append(&line)?;
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// Makes what was written last, and returns its length.
    pub(crate) fn sync(&mut self) -> Result<u64> {
        self.file.sync()?;
        Ok(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(epoch: u64, value: f64) -> EpochRecord {
        EpochRecord { epoch, step: 2 * epoch, seconds: 0.5, figures: Figures::new([("learning_rate", value)]) }
    }

    #[test]
    fn table_lines_are_flat_and_finite() {
        let text = serde_json::to_string(&record(1, f64::NAN)).unwrap();
        assert_eq!(text, r#"{"epoch":1,"step":2,"seconds":0.5,"learning_rate":null}"#);
    }

    #[test]
    fn law_reopening_drops_lines_after_the_mark() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let (mut metrics, _) = Metrics::open(&path, 0).unwrap();
        metrics.append(&record(1, 0.5)).unwrap();
        let mark = metrics.sync().unwrap();
        let kept = std::fs::read(&path).unwrap();
        metrics.append(&record(2, 0.25)).unwrap();
        let (mut metrics, warning) = Metrics::open(&path, mark).unwrap();
        assert_eq!((std::fs::read(&path).unwrap(), warning), (kept.clone(), None));
        metrics.append(&record(3, 0.125)).unwrap();
        assert!(std::fs::read(&path).unwrap().starts_with(&kept));
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], b"{\"epoch\":"].concat()).unwrap();
        let (mut metrics, warning) = Metrics::open(&path, 10_000).unwrap();
        assert!(warning.unwrap().contains("bytes where the checkpoint counted 10000"));
        assert_eq!((std::fs::read(&path).unwrap(), metrics.sync().unwrap()), (whole.clone(), whole.len() as u64));
    }
}
