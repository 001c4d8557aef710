//! Gibbs sampling of the first hidden layer, unit by unit, below which visible units are of any kind.

use gm_core::{Batch, BitMatrix, Matrix, Streams, VisibleUnits, logistic_f64, widened};
use rand::RngExt;
use rayon::prelude::*;

use crate::model::Dbn;

/// Draws each unit of x_1 given v, x_2 and the other units of x_1, in turn.
pub(crate) fn sweep_first(dbn: &Dbn, layers: &mut [Batch], streams: &Streams) {
    let columns = |l: usize| dbn.stack().weights(l).column_iter().map(|c| widened(c.as_slice())).collect();
    let (down, above): (Vec<Vec<f64>>, Vec<Vec<f64>>) = (columns(0), columns(1));
    let biases = [0, 1].map(|l| widened(dbn.stack().bias(l).as_slice()));
    let (v, x, x_2): (Matrix, &BitMatrix, &BitMatrix) = (layers[0].to_matrix(), layers[1].bits(), layers[2].bits());
    let run = |chain: usize| {
        let of_chain = |x: &BitMatrix| (0..x.units()).map(|unit| x.get(unit, chain)).collect::<Vec<bool>>();
        let mut walker = Walker {
            units: dbn.units(),
            columns: &down,
            v: widened(v.column(chain).as_slice()),
            prior: sums(&biases[1], &above, &of_chain(x_2)),
            inputs: sums(&biases[0], &down, &of_chain(x)),
            x: of_chain(x),
        };
        walker.sweep(&mut streams.stream(chain as u64));
        walker.x
    };
    let ends: Vec<Vec<bool>> = (0..x.samples()).into_par_iter().map(run).collect();
    layers[1] = BitMatrix::from_fn(x.units(), x.samples(), |unit, chain| ends[chain][unit]).into();
}

/// Biases with the columns of the units that are on.
fn sums(bias: &[f64], columns: &[Vec<f64>], on: &[bool]) -> Vec<f64> {
    let mut sums = bias.to_vec();
    for (column, _) in columns.iter().zip(on).filter(|(_, on)| **on) {
        sums.iter_mut().zip(column).for_each(|(sum, w)| *sum += w);
    }
    sums
}

/// The first hidden layer of one chain.
struct Walker<'a> {
    units: &'a VisibleUnits,
    columns: &'a [Vec<f64>],
    v: Vec<f64>,
    /// W_1 x_2 + b_1.
    prior: Vec<f64>,
    /// W_0 x_1 + b_0.
    inputs: Vec<f64>,
    x: Vec<bool>,
}

impl Walker<'_> {
    fn sweep(&mut self, stream: &mut impl rand::Rng) {
        let mut log_p = self.units.log_prob_given(&self.v, &self.inputs);
        for (unit, column) in self.columns.iter().enumerate() {
            let sign = if self.x[unit] { -1.0 } else { 1.0 };
            let flipped: Vec<f64> = self.inputs.iter().zip(column).map(|(input, w)| input + sign * w).collect();
            let log_p_flipped = self.units.log_prob_given(&self.v, &flipped);
            // The log-probability of the flipped state less that of the state as it is.
            let gain = sign * self.prior[unit] + log_p_flipped - log_p;
            if stream.random::<f64>() < logistic_f64(gain) {
                self.x[unit] = !self.x[unit];
                (self.inputs, log_p) = (flipped, log_p_flipped);
            }
        }
    }
}
