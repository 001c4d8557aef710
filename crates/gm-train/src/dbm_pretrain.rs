//! Pretraining of a deep Boltzmann machine one matrix at a time, with scaled inputs that stand in for missing neighbours.

use gm_core::{
    Activations, BitMatrix, Coactivation, Coupling, LayerUpdate, Purpose, Stack, Streams, coactivations_into,
};
use gm_dbm::{Dbm, Offsets};

/// What the weights of a matrix are multiplied by on the way up and on the way down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scales {
    pub(crate) up: f32,
    pub(crate) down: f32,
}

/// One matrix trained as a machine of two layers, on data drawn upwards through the matrices below.
#[derive(Debug)]
pub(crate) struct Pretraining<'a> {
    pub(crate) dbm: &'a Dbm,
    /// Scales of the matrices up to the one that is trained.
    pub(crate) scales: &'a [Scales],
    pub(crate) centred: bool,
}

impl Pretraining<'_> {
    /// The gradient of contrastive divergence with one sweep, zero for all other tensors, and the means of each layer where
    /// they are known, the offsets elsewhere.
    ///
    /// The bias of a layer that has been an upper layer stays as it is, because the matrix below was trained with it.
    pub(crate) fn gradient_into(
        &self,
        batch: &BitMatrix,
        offsets: &Offsets,
        streams: &Streams,
        out: &mut Stack,
    ) -> Vec<Vec<f32>> {
        let l = self.scales.len() - 1;
        let below = self.drawn_upwards(batch, streams);
        let (data, model) = self.phases(&below, streams);
        out.tensors_mut().for_each(|tensor| tensor.fill(0.0));
        out.update_weights(l, |pairs| coactivations_into(&[data.pairs(1.0), model.pairs(-1.0)], pairs));
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
        own.centre(out);
        for k in (0..out.depth()).filter(|&k| k != l) {
            out.update_weights(k, |weights| weights.fill(0.0));
        }
        for k in (0..=out.depth()).filter(|&k| k != l && k != l + 1) {
            out.bias_mut(k).fill(0.0);
        }
    }

    /// States of the lower layer of the matrix given the data.
    fn drawn_upwards(&self, batch: &BitMatrix, streams: &Streams) -> BitMatrix {
        let mut x = batch.clone();
        for (k, scales) in self.scales.iter().enumerate().take(self.scales.len() - 1) {
            let up = Coupling::up(&(self.dbm.weights(k) * scales.up));
            let mut above = BitMatrix::zeros(self.dbm.units(k + 1), x.samples());
            let update = LayerUpdate::new(self.dbm.bias(k + 1)).given(&up, &x);
            update.sample_into(&mut above, &streams.fork(Purpose::Layer, k as u64 + 1));
            x = above;
        }
        x
    }

    fn phases(&self, below: &BitMatrix, streams: &Streams) -> (PairPhase, PairPhase) {
        let l = self.scales.len() - 1;
        let Scales { up, down } = self.scales[l];
        let up = Coupling::up(&(self.dbm.weights(l) * up));
        let down = Coupling::down(&(self.dbm.weights(l) * down));
        let means_above = |x: &BitMatrix| LayerUpdate::new(self.dbm.bias(l + 1)).given(&up, x).means();
        let data = PairPhase::new(below, means_above(below));
        let mut above = BitMatrix::zeros(self.dbm.units(l + 1), below.samples());
        data.means.sample_into(&mut above, &streams.fork(Purpose::Start, 1));
        let mut again = BitMatrix::zeros(self.dbm.units(l), below.samples());
        LayerUpdate::new(self.dbm.bias(l))
            .given(&down, &above)
            .sample_into(&mut again, &streams.fork(Purpose::Start, 0));
        let model = PairPhase::new(&again, means_above(&again));
        (data, model)
    }
}

/// Statistics of a pair of layers.
struct PairPhase {
    transposed: BitMatrix,
    means: Activations,
    below: Vec<f32>,
    above: Vec<f32>,
}

impl PairPhase {
    fn new(x: &BitMatrix, means: Activations) -> Self {
        let samples = x.samples().max(1) as f64;
        let transposed = x.transposed();
        let below = transposed.ones_per_sample().iter().map(|&on| (on as f64 / samples) as f32).collect();
        let above = means.unit_sums().iter().map(|sum| (sum / samples) as f32).collect();
        Self { transposed, means, below, above }
    }

    fn pairs(&self, sign: f32) -> Coactivation<'_> {
        let scale = sign / self.transposed.units().max(1) as f32;
        Coactivation { transposed: &self.transposed, y: &self.means, scale }
    }
}
