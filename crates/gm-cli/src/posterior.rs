//! Posterior means of the hidden units of deep models.

use gm_core::{Batch, BitMatrix, Matrix, Streams};
use gm_dbm::Dbm;
use gm_dbn::Dbn;
use gm_eval::Model;
use gm_sbn::{MeanFieldSettings, Sbn};

use crate::commands::Method;
use crate::console::Progress;
use crate::error::{Error, Result};

/// Means of the hidden units, the first hidden layer first, [hidden, rows].
pub(crate) struct Posterior {
    pub(crate) means: Matrix,
    /// The bound on log p that mean field reached, mean over rows.
    pub(crate) bound: Option<f64>,
}

impl Posterior {
    /// Means of a model of any kind, from `samples` draws or `steps` sweeps where the method takes them.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for a method that the model does not have, and whatever the model refuses.
    pub(crate) fn new(
        model: &Model,
        rows: &Batch,
        method: Method,
        (samples, steps): (usize, usize),
        streams: &Streams,
    ) -> Result<Self> {
        match model {
            Model::Rbm(rbm) => Ok(Self::of(rbm.mean_h_of_rows(rows)?)),
            Model::Dbm(dbm) => Self::of_dbm(dbm, &dbm.states_of_rows(rows)?, method, steps, streams),
            Model::Dbn(dbn) => Self::of_dbn(dbn, &dbn.states_of_rows(rows)?, method, steps, streams),
            Model::Sbn(sbn) => Self::of_sbn(sbn, rows.bits(), method, (samples, steps), streams),
        }
    }

    /// Means that need no more.
    fn of(means: Matrix) -> Self {
        Self { means, bound: None }
    }

    /// Means of a sigmoid belief net, from `samples` draws or `steps` sweeps.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for draws without a recognition net, and whatever the model refuses.
    fn of_sbn(
        sbn: &Sbn,
        rows: &BitMatrix,
        method: Method,
        (samples, steps): (usize, usize),
        streams: &Streams,
    ) -> Result<Self> {
        if matches!(method, Method::Recognition | Method::Importance) && sbn.recognition().is_none() {
            let (value, allowed) = ("a model without recognition net".into(), "gibbs, mean-field or exact".into());
            return Err(Error::Option { option: "--method", value, allowed });
        }
        Ok(match method {
            Method::Recognition => Self::of(stacked(&sbn.recognised_means(rows, samples, false, streams)?)),
            Method::Importance => Self::of(stacked(&sbn.recognised_means(rows, samples, true, streams)?)),
            Method::Gibbs => Self::of(by_gibbs(sbn, rows, steps, streams)?),
            Method::MeanField => {
                let found = sbn.mean_field(rows, &MeanFieldSettings { sweeps: steps, ..Default::default() })?;
                let bound = found.bound.iter().sum::<f64>() / found.bound.len() as f64;
                Self { means: stacked(&found.means), bound: Some(bound) }
            }
            Method::Exact => Self::of(by_enumeration(sbn, rows)?),
        })
    }
}

impl Posterior {
    /// Means of a deep Boltzmann machine, by mean field within `steps` passes, by `steps` sweeps or by enumeration.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for a method that needs a recognition net, and whatever the model refuses.
    fn of_dbm(dbm: &Dbm, rows: &Batch, method: Method, steps: usize, streams: &Streams) -> Result<Self> {
        match method {
            Method::MeanField => {
                let settings = gm_dbm::MeanFieldSettings { iterations: steps, ..Default::default() };
                let found = dbm.mean_field(rows, &settings)?;
                Ok(Self::of(stacked(&found.means)))
            }
            Method::Gibbs => Ok(Self::of(dbm_by_gibbs(dbm, rows, steps, streams)?)),
            Method::Exact => Ok(Self::of(dbm_by_enumeration(dbm, rows)?)),
            Method::Recognition | Method::Importance => Err(Error::Option {
                option: "--method",
                value: "one that needs a recognition net".into(),
                allowed: "mean-field, gibbs or exact for a dbm".into(),
            }),
        }
    }
}

impl Posterior {
    /// Means of a deep belief network: those of one pass up, over `steps` sweeps of the full model, or by enumeration.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for another method, and whatever the model refuses.
    fn of_dbn(dbn: &Dbn, rows: &Batch, method: Method, steps: usize, streams: &Streams) -> Result<Self> {
        match method {
            Method::Recognition => Ok(Self::of(stacked(&dbn.means_up_from_v(&rows.to_matrix())))),
            Method::Gibbs => Ok(Self::of(dbn_by_gibbs(dbn, rows, steps, streams)?)),
            Method::Exact => {
                let mut means = Matrix::zeros(dbn.layers()[1..].iter().sum(), rows.samples());
                for row in 0..rows.samples() {
                    let found = dbn.posterior(rows, row)?.means();
                    means.column_mut(row).iter_mut().zip(found).for_each(|(to, mean)| *to = mean as f32);
                }
                Ok(Self::of(means))
            }
            Method::Importance | Method::MeanField => Err(Error::Option {
                option: "--method",
                value: "importance or mean-field".into(),
                allowed: "recognition, gibbs or exact for a dbn".into(),
            }),
        }
    }
}

/// Means over the second half of the sweeps of one chain for each row.
fn dbn_by_gibbs(dbn: &Dbn, rows: &Batch, steps: usize, streams: &Streams) -> Result<Matrix> {
    let mut chains = dbn.posterior_chains(rows.clone(), streams)?;
    let mut progress = Progress::new("sampling", steps as u64);
    dbn.gibbs(&mut chains, None, steps / 2, streams);
    let counted = steps - steps / 2;
    let mut sums = Matrix::zeros(dbn.layers()[1..].iter().sum(), rows.samples());
    for sweep in 0..counted {
        dbn.gibbs(&mut chains, None, 1, streams);
        let layers: Vec<Matrix> = chains.layers[1..].iter().map(Batch::to_matrix).collect();
        sums += stacked(&layers);
        progress.set((steps / 2 + sweep) as u64, "");
    }
    Ok(sums / counted as f32)
}

/// Means over the second half of the sweeps of one chain for each row.
fn dbm_by_gibbs(dbm: &Dbm, rows: &Batch, steps: usize, streams: &Streams) -> Result<Matrix> {
    let (sampler, mut chains) = (dbm.sampler(), dbm.chains_from(rows.clone(), streams)?);
    let mut progress = Progress::new("sampling", steps as u64);
    sampler.run_hidden(&mut chains, steps / 2, streams);
    let counted = steps - steps / 2;
    let mut sums = Matrix::zeros(dbm.layers()[1..].iter().sum(), rows.samples());
    for sweep in 0..counted {
        sampler.run_hidden(&mut chains, 1, streams);
        let layers: Vec<Matrix> = chains.layers[1..].iter().map(Batch::to_matrix).collect();
        sums += stacked(&layers);
        progress.set((steps / 2 + sweep) as u64, "");
    }
    Ok(sums / counted as f32)
}

fn dbm_by_enumeration(dbm: &Dbm, rows: &Batch) -> Result<Matrix> {
    let mut means = Matrix::zeros(dbm.layers()[1..].iter().sum(), rows.samples());
    for row in 0..rows.samples() {
        let moments = dbm.posterior_moments(&rows.select(&[row]))?;
        means.column_mut(row).iter_mut().zip(moments.means[1..].iter().flatten()).for_each(|(to, &m)| *to = m as f32);
    }
    Ok(means)
}

/// Layers below one another.
fn stacked(layers: &[Matrix]) -> Matrix {
    let units = layers.iter().map(Matrix::nrows).sum();
    let mut all = Matrix::zeros(units, layers.first().map_or(0, Matrix::ncols));
    let mut first = 0;
    for layer in layers {
        all.rows_mut(first, layer.nrows()).copy_from(layer);
        first += layer.nrows();
    }
    all
}

/// Means over the second half of the sweeps of one chain for each row.
fn by_gibbs(sbn: &Sbn, rows: &BitMatrix, steps: usize, streams: &Streams) -> Result<Matrix> {
    let mut chains = sbn.posterior_chains(rows.clone(), streams)?;
    let mut progress = Progress::new("sampling", steps as u64);
    sbn.gibbs(&mut chains, None, steps / 2, streams);
    let counted = steps - steps / 2;
    let mut sums = Matrix::zeros(sbn.hidden(), rows.samples());
    for sweep in 0..counted {
        sbn.gibbs(&mut chains, None, 1, streams);
        let layers: Vec<Matrix> = chains.layers[1..].iter().map(Batch::to_matrix).collect();
        sums += stacked(&layers);
        progress.set((steps / 2 + sweep) as u64, "");
    }
    Ok(sums / counted as f32)
}

fn by_enumeration(sbn: &Sbn, rows: &BitMatrix) -> Result<Matrix> {
    let mut means = Matrix::zeros(sbn.hidden(), rows.samples());
    for row in 0..rows.samples() {
        let posterior = sbn.posterior(rows, row)?;
        means.column_mut(row).iter_mut().zip(posterior.means()).for_each(|(to, mean)| *to = mean as f32);
    }
    Ok(means)
}
