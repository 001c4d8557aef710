//! Reconstruction of rows from one draw of the hidden units.

use gm_core::{Batch, Matrix, Purpose, Streams};

use crate::chains::{PROPOSALS, SbnKernel};
use crate::error::{Error, Result};
use crate::model::Model;

/// Sweeps over the hidden layers that lead from data to a draw of their posterior.
const SETTLING: usize = 20;

/// Means of the visible units given one draw of the hidden units given the rows, `[units, rows]`.
///
/// The draw is exact for an RBM, comes after 20 sweeps over the hidden layers of a DBM or SBN, and from the recognition
/// net of a DBN. In an SBN with weights within its visible layer, each unit has its mean given drawn units before it as well.
///
/// # Errors
///
/// [`gm_core::Error::Shape`] for rows of another width, [`gm_core::Error::Param`] for rows that the visible units
/// cannot take, and for a model without hidden layers.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Matrix, Stack, Streams, Vector};
/// use gm_eval::{Model, reconstruct};
///
/// // The hidden unit copies the visible unit, and the visible unit copies the hidden unit.
/// let stack = Stack::new(vec![Matrix::from_element(1, 1, 40.0)], vec![Vector::from_element(1, -20.0); 2])?;
/// let model = Model::Rbm(gm_rbm::Rbm::from_stack(stack)?);
/// let rows = BitMatrix::from_fn(1, 10, |_, row| row > 4).into();
/// let means = reconstruct(&model, &rows, &Streams::new(1))?;
/// assert!(means[(0, 0)] < 1e-6 && means[(0, 9)] > 0.999);
/// # Ok::<(), gm_eval::Error>(())
/// ```
pub fn reconstruct(model: &Model, rows: &Batch, streams: &Streams) -> Result<Matrix> {
    model.check_rows("reconstruct", rows)?;
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
            // In a DBN of one hidden layer, label units may follow the visible units.
            let means = sampler.mean_v_from_chains(&chains, streams).to_matrix();
            Ok(dbn.rows_of_states(&means.rows(0, dbn.visible()).into_owned()))
        }
        Model::Harmonium(model) => {
            let v = model.visible().states_of_rows("reconstruct", rows.view())?;
            let h = model.sample_h_from_v(v.view(), streams);
            Ok(model.visible().rows_of_states(&model.mean_v_from_h(h.view())))
        }
        Model::Sbn(sbn) => {
            if sbn.depth() == 0 {
                return Err(Error::setting(
                    "reconstruct",
                    "model",
                    "without hidden layers",
                    "hidden layers, which remember rows",
                ));
            }
            let mut chains = sbn.posterior_chains(rows.bits().clone(), streams)?;
            match SbnKernel::usual(sbn) {
                SbnKernel::Importance => sbn.resample(&mut chains, None, (SETTLING, PROPOSALS), streams)?,
                SbnKernel::Gibbs => sbn.gibbs(&mut chains, None, SETTLING, streams),
            };
            // Where units depend on those before them, drawn units take the place of those of the row.
            let family = streams.fork(Purpose::Choose, 0);
            Ok(sbn.sampler().draw_visible(chains.h(), &family).1.to_matrix())
        }
    }
}
