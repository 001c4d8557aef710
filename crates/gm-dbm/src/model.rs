//! Parameters and energies.

use std::io::{Read, Write};
use std::ops::Range;

use gm_core::{
    Activations, BitMatrix, Error, FileError, Matrix, ModelData, ModelKind, Purpose, Result, Stack, Streams, Vector,
    VisibleKind, check_finite,
};
use gm_rbm::{Rbm, base_rate_bias};
use rand_distr::{Distribution, Normal};

/// A deep Boltzmann machine with Bernoulli units in all layers.
///
/// # Examples
///
/// ```
/// use gm_core::Stack;
/// use gm_dbm::Dbm;
///
/// let dbm = Dbm::from_stack(Stack::zeros(&[4, 3, 2])?)?;
/// assert_eq!((dbm.visible(), dbm.depth()), (4, 2));
/// assert!((dbm.log_partition()? - 9.0 * 2.0_f64.ln()).abs() < 1e-12);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dbm {
    stack: Stack,
}

impl Dbm {
    /// Takes a stack of any depth.
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`] when an update has made a parameter NaN or infinite.
    pub fn from_stack(stack: Stack) -> Result<Self> {
        stack.check_finite()?;
        Ok(Self { stack })
    }

    /// A model to start training from: weights from N(0, scale^2), visible biases that give the data's means, hidden
    /// biases 0.
    ///
    /// # Randomness
    ///
    /// One normal draw a weight of W_l, column by column, from stream 0 of [`Purpose::Initialise`] l.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] without hidden layers, [`Error::Param`] for an empty layer, or a `scale` that is negative or not
    /// finite, [`Error::NonFinite`] for means that are not finite.
    ///
    /// # Examples
    ///
    /// ```
    /// let dbm = gm_dbm::Dbm::initial(&[0.5, 0.9], &[3, 2], 0.01, &gm_core::Streams::new(1))?;
    /// assert_eq!(dbm.layers(), [2, 3, 2]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn initial(visible_means: &[f32], hidden: &[usize], scale: f32, streams: &Streams) -> Result<Self> {
        let refuse = |_| Error::Param {
            op: "Dbm::initial",
            arg: "scale",
            value: scale.to_string(),
            allowed: "a finite number, 0 or more",
        };
        let normal = Normal::new(0.0, scale).map_err(refuse)?;
        check_finite("Dbm::initial", "visible_means", visible_means)?;
        let layers: Vec<usize> = std::iter::once(visible_means.len()).chain(hidden.iter().copied()).collect();
        let weights = |(l, pair): (usize, &[usize])| {
            let mut stream = streams.fork(Purpose::Initialise, l as u64).stream(0);
            Matrix::from_fn(pair[0], pair[1], |_, _| normal.sample(&mut stream))
        };
        let weights = layers.windows(2).enumerate().map(weights).collect();
        let visible = Vector::from_vec(base_rate_bias(visible_means));
        let biases = std::iter::once(visible).chain(hidden.iter().map(|&n| Vector::zeros(n))).collect();
        Self::from_stack(Stack::new(weights, biases)?)
    }

    /// Composes a stack of matrices that were each trained as a machine of two layers.
    ///
    /// A layer between two others gets input from both, so weights that both of their layers would count twice are
    /// halved: W_1, ..., W_(L-2). The first and the last matrix stay as they are, being trained with doubled input on their
    /// inner side, and so do the biases.
    ///
    /// # Errors
    ///
    /// As [`from_stack`](Self::from_stack).
    ///
    /// # Source
    ///
    /// `salakhutdinov2009deep`, section 3.1.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Matrix, Stack, Vector};
    ///
    /// let stack = Stack::new(vec![Matrix::from_element(1, 1, 2.0); 3], vec![Vector::zeros(1); 4])?;
    /// let dbm = gm_dbm::Dbm::compose(stack)?;
    /// assert_eq!([0, 1, 2].map(|l| dbm.stack().weights(l)[(0, 0)]), [2.0, 1.0, 2.0]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn compose(mut stack: Stack) -> Result<Self> {
        for l in 1..stack.depth().saturating_sub(1) {
            stack.update_weights(l, |weights| *weights *= 0.5);
        }
        Self::from_stack(stack)
    }

    /// A restricted Boltzmann machine as a deep one of one hidden layer; the same distribution.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::Stack;
    ///
    /// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
    /// assert_eq!(gm_dbm::Dbm::from_rbm(rbm).layers(), [4, 3]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn from_rbm(rbm: Rbm) -> Self {
        Self { stack: rbm.into_stack() }
    }

    /// Takes a model as files hold it.
    ///
    /// # Errors
    ///
    /// [`FileError::WrongKind`] for another model, [`FileError::Field`] for other visible units than Bernoulli.
    pub fn from_data(data: ModelData) -> Result<Self> {
        data.expect_kind(ModelKind::Dbm)?;
        if data.visible != VisibleKind::Bernoulli {
            let (name, found) = ("visible".into(), data.visible.to_string());
            return Err(FileError::Field { format: "model", name, found, expected: "bernoulli" }.into());
        }
        Self::from_stack(data.stack)
    }

    /// The model as files hold it.
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`] when an update has made a parameter NaN or infinite.
    pub fn to_data(&self) -> Result<ModelData> {
        ModelData::from_stack(ModelKind::Dbm, self.stack.clone())
    }

    /// Reads a model file (`.gm`).
    ///
    /// # Errors
    ///
    /// [`FileError`] for whatever is wrong with the file.
    pub fn read(reader: impl Read) -> Result<Self> {
        Self::from_data(ModelData::read(reader)?)
    }

    /// Writes a model file (`.gm`).
    ///
    /// # Errors
    ///
    /// [`FileError::Io`] when writing fails, [`Error::NonFinite`] for parameters that no reader would accept.
    pub fn write(&self, writer: impl Write) -> Result<()> {
        self.to_data()?.write(writer)
    }

    /// The parameters.
    #[must_use]
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// The parameters for in-place updates.
    pub fn stack_mut(&mut self) -> &mut Stack {
        &mut self.stack
    }

    /// Gives the parameters back.
    #[must_use]
    pub fn into_stack(self) -> Stack {
        self.stack
    }

    /// Units of each layer, visible first.
    #[must_use]
    pub fn layers(&self) -> Vec<usize> {
        self.stack.layers()
    }

    /// L, the number of hidden layers.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.stack.depth()
    }

    /// Visible units.
    #[must_use]
    pub fn visible(&self) -> usize {
        self.units(0)
    }

    /// Units of one layer.
    ///
    /// # Panics
    ///
    /// When `l` exceeds [`depth`](Self::depth).
    #[must_use]
    pub fn units(&self, l: usize) -> usize {
        self.stack.bias(l).len()
    }

    /// W_l, `[n_l, n_(l+1)]`.
    ///
    /// # Panics
    ///
    /// When `l` is not below [`depth`](Self::depth).
    #[must_use]
    pub fn weights(&self, l: usize) -> &Matrix {
        self.stack.weights(l)
    }

    /// b_l, `[n_l]`.
    ///
    /// # Panics
    ///
    /// When `l` exceeds [`depth`](Self::depth).
    #[must_use]
    pub fn bias(&self, l: usize) -> &[f32] {
        self.stack.bias(l).as_slice()
    }

    /// The energy -sum_l b_l' x_l - sum_l x_l' W_l x_(l+1) of each sample, `[samples]`.
    ///
    /// # Shapes
    ///
    /// `states[l]` is `[n_l, samples]`.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Matrix, Stack, Vector};
    ///
    /// let weights = vec![Matrix::from_element(1, 1, 2.0), Matrix::from_element(1, 1, -0.5)];
    /// let dbm = gm_dbm::Dbm::from_stack(Stack::new(weights, vec![Vector::from_element(1, 0.25); 3])?)?;
    /// let on = BitMatrix::from_fn(1, 1, |_, _| true);
    /// assert_eq!(dbm.energy(&[on.clone(), on.clone(), on]), [-2.25]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn energy(&self, states: &[BitMatrix]) -> Vec<f64> {
        assert_eq!(states.len(), self.depth() + 1, "states of every layer");
        let couplings = self.couplings();
        let mut energies = states[0].weighted_sums(&widened(self.bias(0)));
        energies.iter_mut().for_each(|energy| *energy = -*energy);
        for (l, pair) in states.windows(2).enumerate() {
            let (below, x) = (&pair[0], &pair[1]);
            assert_eq!(below.samples(), x.samples(), "as many samples in every layer");
            let inputs = couplings.given(self, l + 1, Some(below), None).inputs();
            energies.iter_mut().zip(sums_where_on(x, &inputs)).for_each(|(energy, sum)| *energy -= sum);
        }
        energies
    }

    /// The same distribution as a restricted Boltzmann machine: even layers are its visible units, odd layers its hidden
    /// ones, each half in the order of the layers.
    ///
    /// Given one half the units of the other are independent, so that all that is exact for a restricted machine is so for a
    /// deep one.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::Stack;
    ///
    /// let flat = gm_dbm::Dbm::from_stack(Stack::zeros(&[5, 4, 3, 2])?)?.flattened();
    /// assert_eq!((flat.visible(), flat.hidden()), (8, 6));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Never: shapes and numbers of a stack are those of a machine.
    #[must_use]
    pub fn flattened(&self) -> Rbm {
        flatten(&self.stack)
    }

    /// Where the units of a layer lie in its half of [`flattened`](Self::flattened).
    ///
    /// # Panics
    ///
    /// When `l` exceeds [`depth`](Self::depth).
    #[must_use]
    pub fn place(&self, l: usize) -> Range<usize> {
        place(&self.stack.layers(), l)
    }

    /// Refuses data of another width than the visible layer.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`].
    pub(crate) fn check_data(&self, op: &'static str, units: usize) -> Result<()> {
        gm_core::check_len(op, "data", "units", units, self.visible())
    }
}

/// Where layer `l` lies among the layers of its parity.
pub(crate) fn place(layers: &[usize], l: usize) -> Range<usize> {
    let first = layers[..l].iter().skip(l % 2).step_by(2).sum();
    first..first + layers[l]
}

/// Even layers against odd ones.
pub(crate) fn flatten(stack: &Stack) -> Rbm {
    let layers = stack.layers();
    let half = |parity: usize| -> Vector {
        let biases = (parity..layers.len()).step_by(2).flat_map(|l| stack.bias(l).iter().copied());
        Vector::from_vec(biases.collect())
    };
    let (even, odd) = (half(0), half(1));
    let mut weights = Matrix::zeros(even.len(), odd.len());
    for l in 0..stack.depth() {
        let (below, above) = (place(&layers, l), place(&layers, l + 1));
        let w = stack.weights(l);
        if l % 2 == 0 {
            weights.view_mut((below.start, above.start), w.shape()).copy_from(w);
        } else {
            weights.view_mut((above.start, below.start), (w.ncols(), w.nrows())).copy_from(&w.transpose());
        }
    }
    Rbm::new(weights, even, odd).expect("shapes and numbers of a stack")
}

/// Sums of the inputs of those units that are on, `[samples]`.
fn sums_where_on(x: &BitMatrix, inputs: &Activations) -> Vec<f64> {
    let sum = |s| (0..x.units()).filter(|&j| x.get(j, s)).map(|j| f64::from(inputs.get(j, s))).sum();
    (0..x.samples()).map(sum).collect()
}

/// Single-precision parameters in double precision.
pub(crate) fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_kinds_scales_and_numbers() {
        let scale = Dbm::initial(&[0.5], &[1], f32::NAN, &Streams::new(0)).unwrap_err();
        assert_eq!(scale.to_string(), "Dbm::initial: `scale` is NaN, allowed: a finite number, 0 or more");
        let none = Dbm::initial(&[0.5], &[], 0.1, &Streams::new(0)).unwrap_err();
        assert_eq!(none.to_string(), "Stack::new: `weights` is empty");
        let empty = Dbm::initial(&[0.5], &[2, 0], 0.1, &Streams::new(0)).unwrap_err();
        assert!(empty.to_string().contains("1 or more units in each layer"));
        let rbm = ModelData::from_stack(ModelKind::Rbm, Stack::zeros(&[2, 2]).unwrap()).unwrap();
        assert_eq!(Dbm::from_data(rbm).unwrap_err().to_string(), "the file holds a rbm, expected a dbm");
        let mut stack = Stack::zeros(&[2, 2, 1]).unwrap();
        stack.bias_mut(2)[0] = f32::NAN;
        assert!(Dbm::from_stack(stack).unwrap_err().to_string().contains("`bias.2` is NaN"));
    }

    #[test]
    fn table_places_of_layers_in_their_halves() {
        let layers = [5, 4, 3, 2, 6];
        let places = [0, 1, 2, 3, 4].map(|l| place(&layers, l));
        assert_eq!(places, [0..5, 0..4, 5..8, 4..6, 8..14]);
    }
}
