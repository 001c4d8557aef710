//! Exact computations for softmax and Gaussian visible units: the odd layers are enumerated, and the even layers are
//! summed or integrated out.

use gm_core::{Batch, Bipartite, BipartiteMoments, BitMatrix, Chains, Matrix, Purpose, Result, Streams, widened};

use crate::model::{Dbm, flatten, place};

/// Moments of the two halves of the layers.
pub(crate) struct Halves {
    pub(crate) even: Vec<f64>,
    pub(crate) odd: Vec<f64>,
    /// E[x y'] of even units x and odd units y, `[even, odd]`.
    pub(crate) pairs: Matrix,
    /// E[v^2], for Gaussian units only.
    pub(crate) squares: Vec<f64>,
}

/// The odd layers, which are enumerated, and the even layers, visible units first.
pub(crate) fn halves(dbm: &Dbm) -> Bipartite<'_> {
    let flat = flatten(dbm.stack());
    let rows = flat.weights().column_iter().map(|column| widened(column.as_slice())).collect();
    let (bias, other_bias) = (widened(flat.hidden_bias()), widened(flat.visible_bias()));
    Bipartite { bias, other_bias, rows, units: dbm.units(), visible: dbm.visible() }
}

/// Moments under the model.
pub(crate) fn moments(dbm: &Dbm) -> Result<Halves> {
    let BipartiteMoments { enumerated: odd, other: even, squares, pairs } = halves(dbm).moments()?;
    let pairs = Matrix::from_iterator(even.len(), odd.len(), pairs.iter().flatten().map(|&x| x as f32));
    Ok(Halves { even, odd, pairs, squares })
}

/// Independent draws of all layers. The state of the odd layers is drawn among all their states, and the even layers
/// are drawn given it.
pub(crate) fn samples(dbm: &Dbm, count: usize, streams: &Streams) -> Result<Chains> {
    let chosen = halves(dbm).draw(count, &streams.fork(Purpose::Exact, 0))?;
    let (mut layers, sizes) = (dbm.blank(count), dbm.layers());
    for l in (1..sizes.len()).step_by(2) {
        let first = place(&sizes, l).start;
        layers[l] = BitMatrix::from_fn(sizes[l], count, |unit, s| chosen[s] >> (first + unit) & 1 == 1).into();
    }
    let other = streams.fork(Purpose::Exact, 1);
    dbm.couplings().draw_half(dbm, &mut layers, 0, &|l, layer, out: &mut Batch| {
        layer.sample_into(out, &other.fork(Purpose::Layer, l as u64));
    });
    Ok(Chains::new(layers))
}
