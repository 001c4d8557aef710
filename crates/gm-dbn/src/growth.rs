//! How networks grow from restricted Boltzmann machines, layer by layer.

use gm_core::{
    Error, Labels, Purpose, Recognition, Result, Stack, Streams, Vector, VisibleUnits, check_len, normal_matrix,
};
use gm_rbm::Rbm;

use crate::model::Dbn;

/// The start of the RBM on top of a network to which a layer is added.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Streams};
/// use gm_dbn::{Dbn, Growth};
/// use gm_rbm::Rbm;
///
/// let streams = Streams::new(1);
/// let dbn = Dbn::from_rbm(&Rbm::initial(&[0.3; 4], 3, 1.0, &streams)?)?;
/// let v = BitMatrix::from_fn(4, 5, |unit, sample| unit < sample);
/// let log_prob = |dbn: &Dbn| dbn.log_prob(&v, dbn.log_partition()?);
/// let change = |growth| -> gm_core::Result<f64> {
///     let deeper = dbn.grown(4, growth, 0.0, &[0.5; 3], &streams)?;
///     Ok((log_prob(&deeper)?[2] - log_prob(&dbn)?[2]).abs())
/// };
/// assert!(change(Growth::Unrolled)? < 1e-4 && change(Growth::Random)? > 1e-2);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// With the weights of the RBM below, transposed: the distribution stays as it is. The new layer needs at least the
    /// number of units of the second-highest layer, and that layer has to be binary.
    Unrolled,
    /// With small random weights.
    Random,
}

impl Dbn {
    /// The network of one hidden layer that an RBM is; the group of a class, if it has one, becomes label units.
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`] for parameters that an update has spoilt.
    ///
    /// # Examples
    ///
    /// ```
    /// let rbm = gm_rbm::Rbm::from_stack(gm_core::Stack::zeros(&[4, 3])?)?;
    /// assert_eq!(gm_dbn::Dbn::from_rbm(&rbm)?.top(), rbm);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn from_rbm(rbm: &Rbm) -> Result<Self> {
        let classes = rbm.classes();
        if classes == 0 {
            return Self::new(rbm.stack().clone(), None)?.with_units(rbm.units().clone());
        }
        let plain = rbm.visible() - classes;
        let (weights, bias) = (rbm.weights(), rbm.stack().bias(0));
        let stack = Stack::new(
            vec![weights.rows(0, plain).into_owned()],
            vec![bias.rows(0, plain).into_owned(), rbm.stack().bias(1).clone()],
        )?;
        let labels = Labels::new(weights.rows(plain, classes).into_owned(), bias.rows(plain, classes).into_owned())?;
        Self::new(stack, None)?.with_labels(Some(labels))
    }

    /// An RBM unrolled into a network of `depth` hidden layers with tied weights: W, W', W, ... from the bottom up.
    ///
    /// p(v) and p(h_1 | v) stay as in the RBM: the layers above the first hidden one are a complementary prior. The
    /// second hidden layer mirrors the visible one, so that visible units of other kinds than Bernoulli allow one
    /// hidden layer only.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for a depth of 0, or of more than 1 with visible units that are not Bernoulli.
    ///
    /// # Source
    ///
    /// `hinton2006fast`, section 4 and appendix A.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Stack, VisibleKind, VisibleUnits};
    /// use gm_dbn::Dbn;
    /// use gm_rbm::Rbm;
    ///
    /// let rbm = Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
    /// assert_eq!(Dbn::unroll(&rbm, 3)?.layers(), [4, 3, 4, 3]);
    /// let gaussian = rbm.with_units(VisibleUnits::new(VisibleKind::Gaussian, 4, None)?)?;
    /// assert!(Dbn::unroll(&gaussian, 2).is_err() && Dbn::unroll(&gaussian, 1).is_ok());
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn unroll(rbm: &Rbm, depth: usize) -> Result<Self> {
        const OP: &str = "Dbn::unroll";
        if depth == 0 {
            return Err(Error::Param { op: OP, arg: "depth", value: "0".into(), allowed: "1 or more" });
        }
        if *rbm.units() == VisibleUnits::Bernoulli {
            let weights =
                |l: usize| if l.is_multiple_of(2) { rbm.weights().clone() } else { rbm.weights().transpose() };
            let bias = |l: usize| rbm.stack().bias(l % 2).clone();
            return Self::new(Stack::new((0..depth).map(weights).collect(), (0..=depth).map(bias).collect())?, None);
        }
        if depth == 1 {
            return Self::from_rbm(rbm);
        }
        let value = format!("{depth} with {} visible units", rbm.units().kind());
        let allowed =
            "1 unless visible units are bernoulli: hidden layers are binary, and the second one mirrors the visible";
        Err(Error::Param { op: OP, arg: "depth", value, allowed })
    }

    /// A network with one layer more: what was its RBM becomes the topmost directed layer, whose recognition is the
    /// posterior of that RBM, and a new RBM begins as `growth` says.
    ///
    /// Unrolled, the first units of the new layer mirror the layer two below, with the RBM's weights transposed. Units
    /// beyond get weights from N(0, scale^2) that break the symmetry between them; a shift of the biases below takes
    /// back what these do on average, so that with a scale of 0 the distribution is what it was, and with a small one
    /// nearly.
    ///
    /// # Shapes
    ///
    /// `means` are the means of the layer that becomes the lower one of the new RBM, `[n_L]`. Random growth takes its
    /// visible biases from them.
    ///
    /// # Randomness
    ///
    /// One normal draw a weight, column by column, from stream 0 of family L of [`Purpose::Initialise`].
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for an empty layer, fewer units than unrolling needs, unrolling an RBM whose visible units are
    /// not Bernoulli, a scale that is negative or not finite, or a network with label units, whose RBM must stay on
    /// top; [`Error::Shape`] for other means.
    ///
    /// # Source
    ///
    /// `hinton2006fast`, section 6.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Stack, Streams};
    /// use gm_dbn::{Dbn, Growth};
    ///
    /// let dbn = Dbn::new(Stack::zeros(&[4, 3])?, None)?;
    /// let deeper = dbn.grown(5, Growth::Unrolled, 0.01, &[0.5; 3], &Streams::new(1))?;
    /// assert_eq!(deeper.layers(), [4, 3, 5]);
    /// let text = deeper.grown(2, Growth::Unrolled, 0.01, &[0.5; 5], &Streams::new(1)).unwrap_err().to_string();
    /// assert!(text.contains("`units` is 2, allowed: as many units as two layers below, or more"));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn grown(&self, units: usize, growth: Growth, scale: f32, means: &[f32], streams: &Streams) -> Result<Self> {
        const OP: &str = "Dbn::grown";
        let refuse = |arg, value: String, allowed| Error::Param { op: OP, arg, value, allowed };
        check_len(OP, "means", "length", means.len(), self.top_units())?;
        if self.labels().is_some() {
            return Err(refuse("labels", "present".into(), "a network without label units"));
        }
        let (last, below) = (self.depth() - 1, self.stack().bias(self.depth() - 1).len());
        if growth == Growth::Unrolled && self.depth() == 1 && *self.units() != VisibleUnits::Bernoulli {
            let value = format!("unrolled from {} visible units", self.units().kind());
            return Err(refuse(
                "growth",
                value,
                "random for the second hidden layer, unless visible units are bernoulli",
            ));
        }
        if growth == Growth::Unrolled && units < below {
            return Err(refuse("units", units.to_string(), "as many units as two layers below, or more"));
        }
        let mut stream = streams.fork(Purpose::Initialise, self.depth() as u64).stream(0);
        let mut weights = normal_matrix(OP, (self.top_units(), units), scale, &mut stream)?;
        let mut bias = Vector::zeros(units);
        let (mut all_weights, mut all_biases) = self.stack().clone().into_parts();
        let lower = &mut all_biases[self.depth()];
        match growth {
            Growth::Random => lower.copy_from_slice(&gm_rbm::base_rate_bias(means)),
            Growth::Unrolled => {
                weights.columns_mut(0, below).copy_from(&self.stack().weights(last).transpose());
                bias.rows_mut(0, below).copy_from(self.stack().bias(last));
                // A new unit with input z adds log (1 + exp(z)), log 2 + z / 2 and a little.
                *lower -= weights.columns(below, units - below).column_sum() * 0.5;
            }
        }
        all_weights.push(weights);
        all_biases.push(bias);
        Self::new(Stack::new(all_weights, all_biases)?, Some(self.extended_recognition()?))?
            .with_units(self.units().clone())
    }

    /// The recognition net with one layer more, the posterior of the RBM.
    fn extended_recognition(&self) -> Result<Recognition> {
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for l in 1..self.depth() {
            let (w, b) = self.recogniser(l);
            weights.push(w.clone());
            biases.push(b.clone());
        }
        weights.push(self.stack().weights(self.depth() - 1).clone());
        biases.push(self.stack().bias(self.depth()).clone());
        Recognition::new(weights, biases)
    }

    /// The same network with a recognition net of its own, which begins as the tied one; as it is when it has one, or
    /// has no directed layers.
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`] for parameters that an update has spoilt.
    pub fn untied(mut self) -> Result<Self> {
        if self.recognition().is_none() && self.depth() > 1 {
            let (weights, biases): (Vec<_>, Vec<_>) =
                (1..self.depth()).map(|l| self.recogniser(l)).map(|(w, b)| (w.clone(), b.clone())).unzip();
            self.set_recognition(Recognition::new(weights, biases)?);
        }
        Ok(self)
    }
}
