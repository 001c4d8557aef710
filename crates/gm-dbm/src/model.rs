//! Parameters and energies.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::ops::Range;

use gm_core::{
    Activations, Batch, BatchRef, BitMatrix, Error, FileError, Gaussian, Matrix, ModelData, ModelKind, Purpose, Result,
    Stack, Streams, Vector, VisibleKind, VisibleUnits, check_finite, normal_matrix, widened,
};
use gm_rbm::Rbm;

/// A deep Boltzmann machine with binary hidden units and visible units that are binary, Gaussian or softmax.
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
    units: VisibleUnits,
}

/// The kinds of visible units that a deep Boltzmann machine has.
const KINDS: &str = "bernoulli, gaussian or softmax:K";

impl Dbm {
    /// A DBM with the parameters of a stack of any depth, with Bernoulli visible units.
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`] when an update has made a parameter NaN or infinite.
    pub fn from_stack(stack: Stack) -> Result<Self> {
        stack.check_plain("Dbm::from_stack")?;
        stack.check_finite()?;
        Ok(Self { stack, units: VisibleUnits::Bernoulli })
    }

    /// The same parameters with visible units of the given kind.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for units whose number differs from that of the visible layer. [`Error::Param`] for binary
    /// units followed by a group of label units, which only an RBM may have.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Stack, VisibleKind, VisibleUnits};
    ///
    /// let units = VisibleUnits::new(VisibleKind::Gaussian, 4, None)?;
    /// let dbm = gm_dbm::Dbm::from_stack(Stack::zeros(&[4, 3, 2])?)?.with_units(units)?;
    /// let expected = 2.0 * std::f64::consts::TAU.ln() + 5.0 * 2.0_f64.ln();
    /// assert!((dbm.log_partition()? - expected).abs() < 1e-12);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn with_units(self, units: VisibleUnits) -> Result<Self> {
        const OP: &str = "Dbm::with_units";
        if let kind @ VisibleKind::Labelled { .. } = units.kind() {
            return Err(Error::Param { op: OP, arg: "visible", value: kind.to_string(), allowed: KINDS });
        }
        units.fit(OP, self.visible())?;
        Ok(Self { units, ..self })
    }

    /// A model to start training from. Weights are drawn from N(0, scale^2), visible biases give the means of the data,
    /// and hidden biases are 0.
    ///
    /// # Randomness
    ///
    /// One normal draw for each weight of W_l, column by column, from stream 0 in family l of [`Purpose::Initialise`].
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] without hidden layers, [`Error::Param`] for an empty layer and for a `scale` that is negative
    /// or not finite, [`Error::NonFinite`] for means that are not finite.
    ///
    /// # Examples
    ///
    /// ```
    /// let dbm = gm_dbm::Dbm::initial(&[0.5, 0.9], &[3, 2], 0.01, &gm_core::Streams::new(1))?;
    /// assert_eq!(dbm.layers(), [2, 3, 2]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn initial(visible_means: &[f32], hidden: &[usize], scale: f32, streams: &Streams) -> Result<Self> {
        Self::initial_with(VisibleUnits::Bernoulli, visible_means, hidden, scale, streams)
    }

    /// [`initial`](Self::initial) with visible units of the given kind.
    ///
    /// # Errors
    ///
    /// The errors of [`initial`](Self::initial) and of [`with_units`](Self::with_units).
    pub fn initial_with(
        units: VisibleUnits,
        visible_means: &[f32],
        hidden: &[usize],
        scale: f32,
        streams: &Streams,
    ) -> Result<Self> {
        units.fit("Dbm::initial", visible_means.len())?;
        check_finite("Dbm::initial", "visible_means", visible_means)?;
        let layers: Vec<usize> = std::iter::once(visible_means.len()).chain(hidden.iter().copied()).collect();
        let weights = |(l, pair): (usize, &[usize])| {
            let mut stream = streams.fork(Purpose::Initialise, l as u64).stream(0);
            normal_matrix("Dbm::initial", (pair[0], pair[1]), scale, &mut stream)
        };
        let weights = layers.windows(2).enumerate().map(weights).collect::<Result<_>>()?;
        let visible = Vector::from_vec(units.bias_of_means(visible_means));
        let biases = std::iter::once(visible).chain(hidden.iter().map(|&n| Vector::zeros(n))).collect();
        Self::from_stack(Stack::new(weights, biases)?)?.with_units(units)
    }

    /// Composes a DBM of weight matrices each of which was trained as an RBM of its own.
    ///
    /// A layer between two others gets input from both. The inner matrices W_1, ..., W_(L-2) are therefore halved. The
    /// first and the last matrix stay as they are, because they were trained with doubled input on their inner side.
    /// The biases stay as well.
    ///
    /// # Errors
    ///
    /// As [`with_units`](Self::with_units).
    ///
    /// # Source
    ///
    /// `salakhutdinov2009deep`, section 3.1.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Matrix, Stack, Vector, VisibleUnits};
    ///
    /// let stack = Stack::new(vec![Matrix::from_element(1, 1, 2.0); 3], vec![Vector::zeros(1); 4])?;
    /// let dbm = gm_dbm::Dbm::compose(stack, VisibleUnits::Bernoulli)?;
    /// assert_eq!([0, 1, 2].map(|l| dbm.stack().weights(l)[(0, 0)]), [2.0, 1.0, 2.0]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn compose(mut stack: Stack, units: VisibleUnits) -> Result<Self> {
        for l in 1..stack.depth().saturating_sub(1) {
            stack.update_weights(l, |weights| *weights *= 0.5);
        }
        Self::from_stack(stack)?.with_units(units)
    }

    /// The DBM of one hidden layer that has the distribution of an RBM.
    ///
    /// # Errors
    ///
    /// As [`with_units`](Self::with_units).
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::Stack;
    ///
    /// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
    /// assert_eq!(gm_dbm::Dbm::from_rbm(rbm)?.layers(), [4, 3]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn from_rbm(rbm: Rbm) -> Result<Self> {
        let units = rbm.units().clone();
        Self::from_stack(rbm.into_stack())?.with_units(units)
    }

    /// Takes a model from the content of a model file.
    ///
    /// # Errors
    ///
    /// [`FileError::WrongKind`] if the file holds another kind of model, [`FileError::Field`] for binary units followed
    /// by label units.
    pub fn from_data(data: ModelData) -> Result<Self> {
        data.expect_kind(ModelKind::Dbm)?;
        if let kind @ VisibleKind::Labelled { .. } = data.visible {
            let (name, found) = ("visible".into(), kind.to_string());
            return Err(FileError::Field { format: "model", name, found, expected: KINDS }.into());
        }
        let units = data.visible_units()?;
        Self::from_stack(data.stack)?.with_units(units)
    }

    /// The content of a model file.
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`] when an update has made a parameter NaN or infinite.
    pub fn to_data(&self) -> Result<ModelData> {
        let (kind, gaussian) = (self.units.kind(), self.units.gaussian());
        let variance = gaussian.map(Gaussian::variance_vector);
        let data = ModelData::new(ModelKind::Dbm, kind, self.stack.clone(), None, variance, BTreeMap::new())?;
        data.with_standardise(gaussian.and_then(|gaussian| gaussian.standardise().cloned()))
    }

    /// Reads a model file (`.gm`).
    ///
    /// # Errors
    ///
    /// A [`FileError`] that says what is wrong with the file.
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

    /// The parameters, for changes in place.
    pub fn stack_mut(&mut self) -> &mut Stack {
        &mut self.stack
    }

    /// The parameters, by value.
    #[must_use]
    pub fn into_stack(self) -> Stack {
        self.stack
    }

    /// The visible units.
    #[must_use]
    pub fn units(&self) -> &VisibleUnits {
        &self.units
    }

    /// The visible units, for changes of their variances.
    pub fn units_mut(&mut self) -> &mut VisibleUnits {
        &mut self.units
    }

    /// The number of units of each layer, the visible layer first.
    #[must_use]
    pub fn layers(&self) -> Vec<usize> {
        self.stack.layers()
    }

    /// L, the number of hidden layers.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.stack.depth()
    }

    /// The number of visible units.
    #[must_use]
    pub fn visible(&self) -> usize {
        self.size(0)
    }

    /// The number of hidden units, all layers together.
    #[must_use]
    pub fn hidden(&self) -> usize {
        self.layers().iter().skip(1).sum()
    }

    /// The number of units of layer `l`.
    pub(crate) fn size(&self, l: usize) -> usize {
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

    /// The energy of each sample, `[samples]`.
    ///
    /// E(x) = -sum_l b_l' x_l - sum_l x_l' W_l x_(l+1). With Gaussian units sum_i (v_i - a_i)^2 / (2 s_i^2) takes the
    /// place of -b_0' v, and v / s^2 takes the place of v beside W_0.
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
    /// use gm_core::{Batch, BitMatrix, Matrix, Stack, Vector};
    ///
    /// let weights = vec![Matrix::from_element(1, 1, 2.0), Matrix::from_element(1, 1, -0.5)];
    /// let dbm = gm_dbm::Dbm::from_stack(Stack::new(weights, vec![Vector::from_element(1, 0.25); 3])?)?;
    /// let on = Batch::from(BitMatrix::from_fn(1, 1, |_, _| true));
    /// assert_eq!(dbm.energy(&[on.clone(), on.clone(), on]), [-2.25]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn energy(&self, states: &[Batch]) -> Vec<f64> {
        assert_eq!(states.len(), self.depth() + 1, "states of every layer");
        let couplings = self.couplings();
        let mut energies = self.units.log_weights(states[0].view(), &widened(self.bias(0)));
        energies.iter_mut().for_each(|energy| *energy = -*energy);
        for (l, pair) in states.windows(2).enumerate() {
            let (below, x) = (&pair[0], &pair[1]);
            assert_eq!(below.samples(), x.samples(), "as many samples in every layer");
            let inputs = couplings.given(self, l + 1, Some(below.view()), None).inputs();
            energies.iter_mut().zip(sums_where_on(x.bits(), &inputs)).for_each(|(energy, sum)| *energy -= sum);
        }
        energies
    }

    /// The RBM that has the same distribution. Its visible units are those of the even layers and its hidden units are
    /// those of the odd layers, each half in the order of the layers.
    ///
    /// Given one half, the units of the other half are independent. All exact computations of an RBM therefore hold for
    /// a DBM.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] unless visible units are Bernoulli, because the visible layer of an RBM cannot hold them beside
    /// binary units.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::Stack;
    ///
    /// let flat = gm_dbm::Dbm::from_stack(Stack::zeros(&[5, 4, 3, 2])?)?.flattened()?;
    /// assert_eq!((flat.visible(), flat.hidden()), (8, 6));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn flattened(&self) -> Result<Rbm> {
        if self.has_bits() {
            return Ok(flatten(&self.stack));
        }
        let (op, arg, value) = ("Dbm::flattened", "visible", self.units.kind().to_string());
        Err(Error::Param { op, arg, value, allowed: "bernoulli" })
    }

    /// Whether visible units are Bernoulli, like all other units.
    pub(crate) fn has_bits(&self) -> bool {
        self.units == VisibleUnits::Bernoulli
    }

    /// The range of the units of layer `l` in its half of [`flattened`](Self::flattened).
    ///
    /// # Panics
    ///
    /// When `l` exceeds [`depth`](Self::depth).
    #[must_use]
    pub fn place(&self, l: usize) -> Range<usize> {
        place(&self.stack.layers(), l)
    }

    /// Refuses states that visible units of this kind and number do not have.
    ///
    /// # Errors
    ///
    /// As [`VisibleUnits::check`].
    pub fn check_data<'v>(&self, op: &'static str, v: impl Into<BatchRef<'v>>) -> Result<()> {
        self.units.check(op, self.visible(), v.into())
    }
}

/// The range of the units of layer `l` among the units of all layers of its parity.
pub(crate) fn place(layers: &[usize], l: usize) -> Range<usize> {
    let first = layers[..l].iter().skip(l % 2).step_by(2).sum();
    first..first + layers[l]
}

/// The RBM whose visible units are the even layers and whose hidden units are the odd layers.
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

/// The sum of the inputs of the units that are on, `[samples]`.
fn sums_where_on(x: &BitMatrix, inputs: &Activations) -> Vec<f64> {
    let sum = |s| (0..x.units()).filter(|&j| x.get(j, s)).map(|j| f64::from(inputs.get(j, s))).sum();
    (0..x.samples()).map(sum).collect()
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
        assert_eq!(Dbm::from_data(rbm).unwrap_err().to_string(), "the file holds an rbm, expected a dbm");
        let units = VisibleUnits::new(VisibleKind::Labelled { classes: 2 }, 3, None).unwrap();
        let labelled = Rbm::from_stack(Stack::zeros(&[3, 2]).unwrap()).unwrap().with_units(units).unwrap();
        let data = ModelData { kind: ModelKind::Dbm, ..labelled.to_data().unwrap() };
        assert_eq!(
            Dbm::from_rbm(labelled).unwrap_err().to_string(),
            "Dbm::with_units: `visible` is bernoulli+softmax:2, allowed: bernoulli, gaussian or softmax:K"
        );
        let error = Dbm::from_data(data).unwrap_err().to_string();
        assert!(error.contains("bernoulli+softmax:2") && error.contains("bernoulli, gaussian or softmax:K"), "{error}");
        let gaussian = VisibleUnits::new(VisibleKind::Gaussian, 2, None).unwrap();
        let unfit = Dbm::from_stack(Stack::zeros(&[3, 2, 1]).unwrap())
            .and_then(|model| model.with_units(gaussian.clone()))
            .unwrap_err();
        assert_eq!(unfit.to_string(), "Dbm::with_units: `visible_variance` has length 2, expected 3");
        let flat = Dbm::from_stack(Stack::zeros(&[2, 2]).unwrap())
            .unwrap()
            .with_units(gaussian)
            .unwrap()
            .flattened()
            .unwrap_err();
        assert_eq!(flat.to_string(), "Dbm::flattened: `visible` is gaussian, allowed: bernoulli");
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
