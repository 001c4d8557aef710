//! Markov chains of a model, run with progress, and how well they mix.

mod dbm;
mod dbn;
mod rbm;
mod sbn;
mod tempered;
mod watch;

use gm_core::{Batch, BitMatrix, Matrix, Streams};
use gm_eval::Model;
use gm_sbn::Sbn;

use crate::error::Result;

pub(crate) use dbm::DbmWalk;
pub(crate) use dbn::{DbnPosteriorWalk, DbnWalk};
pub(crate) use rbm::Walk;
pub(crate) use sbn::{Kernel, SbnWalk, ancestral, below_the_same_top};
pub(crate) use tempered::TemperedWalk;
pub(crate) use watch::{Diagnostics, Watched};

/// Markov chains of a model of any kind.
pub(crate) trait Chain {
    /// Makes sweeps.
    ///
    /// # Errors
    ///
    /// Whatever the model refuses.
    fn advance(&mut self, sweeps: usize) -> Result<()>;

    /// Rows of data, [units, chains].
    fn states(&self) -> Matrix;

    /// Means of such rows given the layer above, the given values where units are given, [units, chains].
    fn means(&self) -> Matrix;
}

/// How samples of a model come about when no units are given.
pub(crate) enum Source<'a> {
    /// By chains of states.
    Chains(Box<dyn Watched + 'a>),
    /// From the top layer down, each sample independent of the others.
    Ancestral(&'a Sbn),
}

impl<'a> Source<'a> {
    /// So many chains, started anywhere, of a model that has chains.
    pub(crate) fn of(model: &'a Model, count: usize, streams: &Streams) -> Self {
        match model {
            Model::Sbn(sbn) => Self::Ancestral(sbn),
            Model::Rbm(rbm) => Self::Chains(Box::new(Walk::new(rbm, count, None, streams))),
            Model::Dbm(dbm) => Self::Chains(Box::new(DbmWalk::new(dbm, count, None, streams))),
            Model::Dbn(dbn) => Self::Chains(Box::new(DbnWalk::new(dbn, count, None, streams))),
        }
    }
}

/// Sweeps over the hidden layers that lead from data to a draw of their posterior.
const SETTLING: usize = 20;

/// Means of the visible units given one draw of the hidden units given the data, [visible, rows].
///
/// # Errors
///
/// Whatever the model refuses.
pub(crate) fn reconstructions(model: &Model, rows: &Batch, streams: &Streams) -> Result<Matrix> {
    match model {
        Model::Rbm(rbm) => {
            let (sampler, v) = (rbm.sampler(), rbm.states_of_rows(rows, streams)?);
            let h = sampler.sample_h_from_v(&v, streams);
            Ok(rbm.rows_of_states(&sampler.mean_v_from_h(&h).to_matrix()))
        }
        Model::Dbm(dbm) => {
            let (sampler, mut chains) = (dbm.sampler(), dbm.chains_from(dbm.states_of_rows(rows)?, streams)?);
            sampler.run_hidden(&mut chains, SETTLING, streams);
            Ok(dbm.rows_of_states(&sampler.mean_v_from_chains(&chains).to_matrix()))
        }
        Model::Dbn(dbn) => {
            let sampler = dbn.sampler();
            let chains = dbn.chains_from(dbn.states_of_rows(rows)?, streams)?;
            // Behind the visible units of a machine on its own there may be label units.
            let means = sampler.mean_v_from_chains(&chains, streams).to_matrix();
            Ok(dbn.rows_of_states(&means.rows(0, dbn.visible()).into_owned()))
        }
        Model::Sbn(sbn) => {
            let mut chains = sbn.posterior_chains(rows.bits().clone(), streams)?;
            match Kernel::of(None, sbn) {
                Kernel::Importance => sbn.resample(&mut chains, None, (SETTLING, sbn::PROPOSALS), streams)?,
                Kernel::Gibbs => sbn.gibbs(&mut chains, None, SETTLING, streams),
            };
            Ok(sbn.sampler().mean_v_from_chains(&chains).to_matrix())
        }
    }
}

/// Means with given values put in.
fn with_given(means: Matrix, mask: &BitMatrix, values: &Batch) -> Matrix {
    let mut means = Batch::Reals(means);
    means.replace_where(mask, &values.to_matrix().into());
    means.to_matrix()
}
