//! Pretraining of a deep Boltzmann machine one matrix at a time, with scaled inputs that stand in for missing neighbours.

use gm_core::{
    Activations, Batch, BatchRef, BitMatrix, Coactivation, Coupling, LayerUpdate, Matrix, Purpose, Stack, Streams,
    VisibleUnits, coactivations_into, dense_coactivations_into, dense_inputs_up,
};

use crate::{Dbm, Offsets};

/// What the weights of a matrix are multiplied by while it is trained alone.
///
/// # Examples
///
/// ```
/// use gm_dbm::Scales;
///
/// // The first matrix of a deep machine: a second copy of the data stands in for the layer above (Salakhutdinov and Hinton 2009).
/// let first = Scales { up: 2.0, down: 1.0 };
/// assert_ne!(first, Scales { up: 1.0, down: 2.0 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scales {
    /// The factor of the upper layer's input.
    pub up: f32,
    /// The factor of the lower layer's input.
    pub down: f32,
}

/// One matrix trained as a machine of two layers, on data drawn upwards through the matrices below.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, Streams};
/// use gm_dbm::{Dbm, Offsets, Pretraining, Scales};
///
/// let dbm = Dbm::from_stack(Stack::zeros(&[3, 2, 2])?)?;
/// let pretraining = Pretraining { dbm: &dbm, scales: &[Scales { up: 2.0, down: 1.0 }], centred: false };
/// let (rows, offsets) = (BitMatrix::from_fn(3, 8, |unit, _| unit == 0), Offsets { layers: vec![vec![0.5; 3], vec![0.5; 2], vec![0.5; 2]] });
/// let mut gradient = dbm.stack().clone();
/// let means = pretraining.gradient_into((&rows).into(), &offsets, &Streams::new(1), &mut gradient);
/// // The first unit is always on in the data, and every second time in the model.
/// assert!(means[0] == [1.0, 0.0, 0.0] && gradient.bias(0)[0] > 0.0 && gradient.weights(1).amax() == 0.0);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Pretraining<'a> {
    /// The machine.
    pub dbm: &'a Dbm,
    /// Scales of the matrices up to the one that is trained.
    pub scales: &'a [Scales],
    /// Whether the gradient is that of centred units.
    pub centred: bool,
}

impl Pretraining<'_> {
    /// The gradient of contrastive divergence with one sweep, zero for all other tensors, and the means of each layer where
    /// they are known, the offsets elsewhere.
    ///
    /// The bias of a layer that has been an upper layer stays as it is, because the matrix below was trained with it.
    ///
    /// # Panics
    ///
    /// When scales, offsets or gradient do not fit the machine.
    pub fn gradient_into(
        &self,
        batch: BatchRef<'_>,
        offsets: &Offsets,
        streams: &Streams,
        out: &mut Stack,
    ) -> Vec<Vec<f32>> {
        let l = self.scales.len() - 1;
        let below = self.drawn_upwards(batch, streams);
        let (data, model) = self.phases(&below, streams);
        out.tensors_mut().for_each(|tensor| tensor.fill(0.0));
        out.update_weights(l, |pairs| difference_into(&data, &model, pairs));
        let difference = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>();
        out.bias_mut(l).copy_from_slice(&difference(&data.below, &model.below));
        out.bias_mut(l + 1).copy_from_slice(&difference(&data.above, &model.above));
        if self.centred {
            self.centre(l, offsets, out);
        }
        if l > 0 {
            out.bias_mut(l).fill(0.0);
        }
        let mut means = offsets.layers.clone();
        (means[l], means[l + 1]) = (data.below, data.above);
        means
    }

    /// The centred gradient; with zero offsets in other layers it leaves their tensors zero.
    fn centre(&self, l: usize, offsets: &Offsets, out: &mut Stack) {
        let zero_elsewhere = |(k, layer): (usize, &Vec<f32>)| match k == l || k == l + 1 {
            true => layer.clone(),
            false => vec![0.0; layer.len()],
        };
        let own = Offsets { layers: offsets.layers.iter().enumerate().map(zero_elsewhere).collect() };
        own.centre_for(self.dbm.units(), out);
        for k in (0..out.depth()).filter(|&k| k != l) {
            out.update_weights(k, |weights| weights.fill(0.0));
        }
        for k in (0..=out.depth()).filter(|&k| k != l && k != l + 1) {
            out.bias_mut(k).fill(0.0);
        }
    }

    /// States of the lower layer of the matrix given the data.
    fn drawn_upwards(&self, batch: BatchRef<'_>, streams: &Streams) -> Batch {
        let mut x = batch.to_batch();
        for k in 0..self.scales.len() - 1 {
            let streams = streams.fork(Purpose::Layer, k as u64 + 1);
            let mut above = BitMatrix::zeros(self.dbm.layers()[k + 1], x.samples());
            match &x {
                Batch::Bits(bits) => {
                    let up = self.up(k);
                    LayerUpdate::new(self.dbm.bias(k + 1)).given(&up, bits).sample_into(&mut above, &streams);
                }
                Batch::Reals(v) => self.means_of_reals(v).sample_into(&mut above, &streams),
            }
            x = above.into();
        }
        x
    }

    /// The weights of a matrix on the way up.
    fn up(&self, l: usize) -> Coupling {
        Coupling::up(&(self.dbm.weights(l) * self.scales[l].up))
    }

    /// Means of the upper layer of the trained matrix given the lower one.
    fn means_above(&self, up: &Coupling, x: BatchRef<'_>) -> Activations {
        match x {
            BatchRef::Bits(bits) => LayerUpdate::new(self.dbm.bias(self.scales.len())).given(up, bits).means(),
            BatchRef::Reals(v) => self.means_of_reals(v),
        }
    }

    /// Means of the first hidden layer given real-valued visible units, of which it sees v / s^2.
    fn means_of_reals(&self, v: &Matrix) -> Activations {
        let weights = self.dbm.weights(0) * self.scales[0].up;
        let inputs = dense_inputs_up(&weights, &self.dbm.units().signal(v), self.dbm.bias(1));
        let mut means = Activations::from_matrix(&inputs);
        means.logistic();
        means
    }

    fn phases(&self, below: &Batch, streams: &Streams) -> (PairPhase, PairPhase) {
        let l = self.scales.len() - 1;
        let (up, down) = (self.up(l), Coupling::down(&(self.dbm.weights(l) * self.scales[l].down)));
        let data = PairPhase::new(below.view(), self.means_above(&up, below.view()));
        let mut above = BitMatrix::zeros(self.dbm.layers()[l + 1], below.samples());
        data.means.sample_into(&mut above, &streams.fork(Purpose::Start, 1));
        let (update, streams) =
            (LayerUpdate::new(self.dbm.bias(l)).given(&down, &above), streams.fork(Purpose::Start, 0));
        let units = if l == 0 { self.dbm.units() } else { &VisibleUnits::Bernoulli };
        let mut again = units.blank(self.dbm.layers()[l], below.samples());
        match units {
            VisibleUnits::Bernoulli => update.sample_into(again.bits_mut(), &streams),
            units => units.sample_into(&update.inputs(), &mut again, &streams),
        }
        let model = PairPhase::new(again.view(), self.means_above(&up, again.view()));
        (data, model)
    }
}

/// Statistics of a pair of layers.
struct PairPhase {
    x: States,
    means: Activations,
    below: Vec<f32>,
    above: Vec<f32>,
}

/// States of the lower layer of a pair.
enum States {
    /// Units and samples exchanged.
    Bits(BitMatrix),
    /// As they are.
    Reals(Matrix),
}

impl PairPhase {
    fn new(x: BatchRef<'_>, means: Activations) -> Self {
        let samples = x.samples().max(1) as f64;
        let mean = |sum: f64| (sum / samples) as f32;
        let (x, below) = match x {
            BatchRef::Bits(bits) => {
                let transposed = bits.transposed();
                let below = transposed.ones_per_sample().iter().map(|&on| mean(on as f64)).collect();
                (States::Bits(transposed), below)
            }
            BatchRef::Reals(reals) => {
                let below = reals.row_iter().map(|row| mean(row.iter().map(|&x| f64::from(x)).sum())).collect();
                (States::Reals(reals.clone()), below)
            }
        };
        let above = means.unit_sums().into_iter().map(mean).collect();
        Self { x, means, below, above }
    }

    /// 1 over the number of samples.
    fn scale(&self) -> f32 {
        1.0 / self.means.samples().max(1) as f32
    }

    /// The mean products of both layers.
    fn pairs(&self) -> Matrix {
        let mut pairs = Matrix::zeros(self.below.len(), self.above.len());
        match &self.x {
            States::Bits(transposed) => {
                coactivations_into(&[Coactivation { transposed, y: &self.means, scale: self.scale() }], &mut pairs);
            }
            States::Reals(reals) => {
                dense_coactivations_into(reals, &self.means.to_matrix(), self.scale(), &mut pairs);
            }
        }
        pairs
    }
}

/// The mean products of the data minus those of the model.
fn difference_into(data: &PairPhase, model: &PairPhase, out: &mut Matrix) {
    match (&data.x, &model.x) {
        (States::Bits(of_data), States::Bits(of_model)) => {
            let of_data = Coactivation { transposed: of_data, y: &data.means, scale: data.scale() };
            let of_model = Coactivation { transposed: of_model, y: &model.means, scale: -model.scale() };
            coactivations_into(&[of_data, of_model], out);
        }
        _ => *out = data.pairs() - model.pairs(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gm_core::{Estimate, Side, Vector, VisibleKind};

    /// A machine of two hidden layers with Gaussian visible units.
    fn machine(scale: f32) -> Dbm {
        let weights = vec![
            Matrix::from_fn(3, 2, |i, j| scale * (i as f32 - 0.7 * j as f32)),
            Matrix::from_fn(2, 2, |i, j| scale * (0.3 - (i * j) as f32)),
        ];
        let biases = vec![Vector::from_vec(vec![0.5, -1.0, 0.2]), Vector::from_vec(vec![0.1, -0.3]), Vector::zeros(2)];
        let units = VisibleUnits::new(VisibleKind::Gaussian, 3, Some(&[0.5, 2.0, 1.0])).expect("a small model");
        Dbm::from_stack(Stack::new(weights, biases).expect("a small model"))
            .expect("a small model")
            .with_units(units)
            .expect("a small model")
    }

    #[test]
    fn oracle_gaussian_units_are_seen_twice_on_the_way_up_and_once_on_the_way_down() {
        const SAMPLES: usize = 40_000;
        let (dbm, scales) = (machine(0.8), [Scales { up: 2.0, down: 1.0 }]);
        let pretraining = Pretraining { dbm: &dbm, scales: &scales, centred: false };
        let v = [1.0_f32, -0.5, 2.0];
        let batch = Batch::from(Matrix::from_fn(3, SAMPLES, |unit, _| v[unit]));
        let (data, model) = pretraining.phases(&batch, &Streams::new(1));
        let variance = [0.5, 2.0, 1.0];
        let expected: Vec<f32> = (0..2)
            .map(|j| {
                let input: f32 = (0..3).map(|i| 2.0 * v[i] / variance[i] * dbm.weights(0)[(i, j)]).sum();
                gm_core::logistic(dbm.bias(1)[j] + input)
            })
            .collect();
        assert!(data.above.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 1e-4));
        // v' has the mean a + W E[h]: the hidden units are drawn with their doubled input.
        let States::Reals(again) = &model.x else { panic!("real numbers") };
        for (i, row) in again.row_iter().enumerate() {
            let down: f32 = (0..2).map(|j| dbm.weights(0)[(i, j)] * expected[j]).sum();
            let values: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            let found = Estimate::mean(&values, Side::Unbiased, "mean");
            let truth = f64::from(dbm.bias(0)[i] + down);
            assert!((found.value - truth).abs() < 6.0 * found.std_error, "unit {i}: {found:?} against {truth}");
        }
        let pairs = data.pairs();
        assert!((pairs[(2, 1)] - v[2] * expected[1]).abs() < 1e-3);
    }

    #[test]
    fn law_upper_matrices_learn_from_what_gaussian_units_draw() {
        let (dbm, scales) = (machine(0.0), [Scales { up: 2.0, down: 1.0 }, Scales { up: 1.0, down: 2.0 }]);
        let pretraining = Pretraining { dbm: &dbm, scales: &scales, centred: false };
        let batch = Batch::from(Matrix::from_element(3, 20_000, 1.0));
        let mut gradient = dbm.stack().clone();
        let offsets = Offsets { layers: dbm.layers().into_iter().map(|units| vec![0.5; units]).collect() };
        let means = pretraining.gradient_into(batch.view(), &offsets, &Streams::new(2), &mut gradient);
        // Without weights the first hidden layer is drawn from its biases alone, and nothing is left to learn but noise.
        assert!((means[1][1] - gm_core::logistic(-0.3)).abs() < 0.02);
        assert!(gradient.weights(1).amax() < 0.02 && gradient.weights(0).amax() == 0.0);
    }
}
