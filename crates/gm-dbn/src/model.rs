//! Parameters, the joint distribution, and how networks grow from machines.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use gm_core::{
    BatchRef, BitMatrix, Error, FileError, Gaussian, Labels, Matrix, ModelData, ModelKind, Purpose, Recognition,
    Result, Stack, Streams, Vector, VisibleKind, VisibleUnits, check_len, log_sum_exp,
};
use gm_rbm::Rbm;
use gm_sbn::{Directed, Net, Passes};
use rand_distr::{Distribution, Normal};

use crate::below::Below;

/// A deep belief network of any depth with binary hidden units and visible units of any kind, perhaps with a recognition net
/// and with label units.
///
/// Without a recognition net, recognition is tied: q(x_(l+1) | x_l) = Ber(s(W_l' x_l + b_(l+1))), with v / s^2 in place of x_0
/// for Gaussian units, as in a machine.
///
/// # Examples
///
/// ```
/// use gm_core::Stack;
/// use gm_dbn::Dbn;
///
/// let dbn = Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?;
/// assert_eq!((dbn.visible(), dbn.depth()), (4, 2));
/// assert!((dbn.log_partition()? - 5.0 * 2.0_f64.ln()).abs() < 1e-12);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dbn {
    stack: Stack,
    units: VisibleUnits,
    recognition: Option<Recognition>,
    labels: Option<Labels>,
}

/// How the machine on top of a network begins when a layer is added.
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
    /// As the machine below turned over: the distribution stays as it is. The new layer needs as many units as the
    /// second-highest layer has, or more, and that layer has to be binary.
    Unrolled,
    /// With small random weights.
    Random,
}

impl Dbn {
    /// Joins the generative parameters with a recognition net for the directed layers, with Bernoulli visible units.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when the recognition net has other layers, which are all but the last; [`Error::Param`] for one in a
    /// network of a single hidden layer.
    pub fn new(stack: Stack, recognition: Option<Recognition>) -> Result<Self> {
        const OP: &str = "Dbn::new";
        if let Some(net) = &recognition {
            check_len(OP, "recognition", "depth", net.depth(), stack.depth() - 1)?;
            for (l, (found, expected)) in net.layers().into_iter().zip(stack.layers()).enumerate() {
                check_len(OP, format!("recognition layer {l}"), "units", found, expected)?;
            }
        }
        Ok(Self { stack, units: VisibleUnits::Bernoulli, recognition, labels: None })
    }

    /// The same network with visible units of another kind.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for units made for another number, [`Error::Param`] for a group of a class, which
    /// [`with_labels`](Self::with_labels) joins to the machine on top, and for label units beside visible ones that are not
    /// Bernoulli.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Matrix, Stack, VisibleKind, VisibleUnits};
    ///
    /// let units = VisibleUnits::new(VisibleKind::Gaussian, 4, None)?;
    /// let dbn = gm_dbn::Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?.with_units(units)?;
    /// let log_p = dbn.log_prob(&Matrix::zeros(4, 1), dbn.log_partition()?)?;
    /// assert!((log_p[0] + 2.0 * std::f64::consts::TAU.ln()).abs() < 1e-6); // of 4 standard normals
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn with_units(mut self, units: VisibleUnits) -> Result<Self> {
        const OP: &str = "Dbn::with_units";
        units.fit(OP, self.visible())?;
        if let kind @ VisibleKind::Labelled { .. } = units.kind() {
            let allowed = "bernoulli, gaussian or softmax:K; label units belong to the machine on top";
            return Err(Error::Param { op: OP, arg: "visible", value: kind.to_string(), allowed });
        }
        check_labels(OP, self.depth(), &units, self.labels.as_ref())?;
        self.units = units;
        Ok(self)
    }

    /// The same network with label units beside the lower layer of its machine.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for label weights to another number of units, [`Error::Param`] for visible units of the machine itself
    /// that are not Bernoulli.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Labels, Matrix, Stack, Vector};
    ///
    /// let dbn = gm_dbn::Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?;
    /// let dbn = dbn.with_labels(Some(Labels::new(Matrix::zeros(10, 2), Vector::zeros(10))?))?;
    /// assert_eq!(dbn.top().visible(), 13);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn with_labels(mut self, labels: Option<Labels>) -> Result<Self> {
        const OP: &str = "Dbn::with_labels";
        if let Some(labels) = &labels {
            check_len(OP, "label.weights", "columns", labels.weights().ncols(), self.top_units())?;
        }
        check_labels(OP, self.depth(), &self.units, labels.as_ref())?;
        self.labels = labels;
        Ok(self)
    }

    /// The network of one hidden layer that a machine is; the group of a class, if it has one, becomes label units.
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

    /// A machine unrolled into a network of `depth` hidden layers with tied weights: W, W', W, ... from the bottom up.
    ///
    /// p(v), and p(h_1 | v), are those of the machine: the layers above the first hidden one are a complementary prior. The second
    /// hidden layer mirrors the visible one, so that visible units of other kinds than Bernoulli allow one hidden layer only.
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
    /// let gaussian = Rbm::with_units(rbm.into_stack(), VisibleUnits::new(VisibleKind::Gaussian, 4, None)?)?;
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

    /// A network with one layer more: what was its machine becomes the topmost directed layer, whose recognition is the
    /// posterior of that machine, and a new machine begins as `growth` says.
    ///
    /// Unrolled, the first units of the new layer mirror the layer two below, with the machine's weights turned over. Units
    /// beyond get weights from N(0, scale^2) that break the symmetry between them; a shift of the biases below takes back
    /// what these do on average, so that with a scale of 0 the distribution is what it was, and with a small one nearly.
    ///
    /// # Shapes
    ///
    /// `means` are those of the layer that becomes the lower one of the new machine, `[n_L]`; random growth takes its visible
    /// biases from them.
    ///
    /// # Randomness
    ///
    /// One normal draw a weight, column by column, from stream 0 of family L of [`Purpose::Initialise`].
    ///
    /// # Errors
    ///
    /// [`Error::Param`] for an empty layer, fewer units than unrolling needs, unrolling a machine whose visible units are not
    /// Bernoulli, a scale that is negative or not finite, or a network with label units, whose machine must stay on top;
    /// [`Error::Shape`] for other means.
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
        if self.labels.is_some() {
            return Err(refuse("labels", "present".into(), "a network without label units"));
        }
        let (last, below) = (self.depth() - 1, self.stack.bias(self.depth() - 1).len());
        if growth == Growth::Unrolled && self.depth() == 1 && self.units != VisibleUnits::Bernoulli {
            let value = format!("unrolled from {} visible units", self.units.kind());
            return Err(refuse(
                "growth",
                value,
                "random for the second hidden layer, unless visible units are bernoulli",
            ));
        }
        if growth == Growth::Unrolled && units < below {
            return Err(refuse("units", units.to_string(), "as many units as two layers below, or more"));
        }
        let normal =
            Normal::new(0.0, scale).map_err(|_| refuse("scale", scale.to_string(), "a finite number, 0 or more"))?;
        let mut stream = streams.fork(Purpose::Initialise, self.depth() as u64).stream(0);
        let mut weights = Matrix::from_fn(self.top_units(), units, |_, _| normal.sample(&mut stream));
        let mut bias = Vector::zeros(units);
        let (mut all_weights, mut all_biases) = self.stack.clone().into_parts();
        let lower = &mut all_biases[self.depth()];
        match growth {
            Growth::Random => lower.copy_from_slice(&gm_rbm::base_rate_bias(means)),
            Growth::Unrolled => {
                weights.columns_mut(0, below).copy_from(&self.stack.weights(last).transpose());
                bias.rows_mut(0, below).copy_from(self.stack.bias(last));
                // A new unit with input z adds log (1 + exp(z)), log 2 + z / 2 and a little.
                *lower -= weights.columns(below, units - below).column_sum() * 0.5;
            }
        }
        all_weights.push(weights);
        all_biases.push(bias);
        Self::new(Stack::new(all_weights, all_biases)?, Some(self.extended_recognition()?))?
            .with_units(self.units.clone())
    }

    /// The recognition net with one layer more, the posterior of the machine.
    fn extended_recognition(&self) -> Result<Recognition> {
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for l in 1..self.depth() {
            let (w, b) = self.recogniser(l);
            weights.push(w.clone());
            biases.push(b.clone());
        }
        weights.push(self.stack.weights(self.depth() - 1).clone());
        biases.push(self.stack.bias(self.depth()).clone());
        Recognition::new(weights, biases)
    }

    /// The network above the first hidden layer, of which that layer is the visible one: copied, not checked again.
    ///
    /// # Panics
    ///
    /// When there is one hidden layer.
    pub(crate) fn above_first(&self) -> Self {
        let layers = self.layers();
        let mut stack = Stack::zeros(&layers[1..]).expect("a network of two hidden layers or more");
        for l in 1..=self.depth() {
            stack.bias_mut(l - 1).copy_from_slice(self.stack.bias(l).as_slice());
            if l < self.depth() {
                stack.update_weights(l - 1, |weights| weights.copy_from(self.stack.weights(l)));
            }
        }
        let recognition = self.recognition.as_ref().filter(|net| net.depth() > 1).map(|net| {
            let mut upper = Recognition::zeros(&layers[1..self.depth()]).expect("layers with units");
            for l in 1..net.depth() {
                upper.update_weights(l - 1, |weights| weights.copy_from(net.weights(l)));
                upper.bias_mut(l).copy_from_slice(net.bias(l + 1).as_slice());
            }
            upper
        });
        Self { stack, units: VisibleUnits::Bernoulli, recognition, labels: self.labels.clone() }
    }

    /// Weights and biases of q(x_l | x_(l-1)), tied ones where there is no recognition net.
    pub(crate) fn recogniser(&self, l: usize) -> (&Matrix, &Vector) {
        match &self.recognition {
            Some(net) => (net.weights(l - 1), net.bias(l)),
            None => (self.stack.weights(l - 1), self.stack.bias(l)),
        }
    }

    /// The same network with a recognition net of its own, which begins as the tied one; as it is when it has one, or has no
    /// directed layers.
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`] for parameters that an update has spoilt.
    pub fn untied(mut self) -> Result<Self> {
        if self.recognition.is_none() && self.depth() > 1 {
            let (weights, biases): (Vec<_>, Vec<_>) =
                (1..self.depth()).map(|l| self.recogniser(l)).map(|(w, b)| (w.clone(), b.clone())).unzip();
            self.recognition = Some(Recognition::new(weights, biases)?);
        }
        Ok(self)
    }

    /// Takes a model as files hold it.
    ///
    /// # Errors
    ///
    /// [`FileError::WrongKind`] for another model, [`FileError::Field`] for visible units with the group of a class, which
    /// such a network has beside its machine; [`Error::Param`] for label units beside visible ones that are not Bernoulli.
    pub fn from_data(data: ModelData) -> Result<Self> {
        data.expect_kind(ModelKind::Dbn)?;
        if let VisibleKind::Labelled { .. } = data.visible {
            let (name, found) = ("visible".into(), data.visible.to_string());
            let expected = "bernoulli, gaussian or softmax:K";
            return Err(FileError::Field { format: "model", name, found, expected }.into());
        }
        let units = data.visible_units()?;
        Self::new(data.stack, data.recognition)?.with_units(units)?.with_labels(data.labels)
    }

    /// The model as files hold it.
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`] when an update has made a parameter NaN or infinite.
    pub fn to_data(&self) -> Result<ModelData> {
        let (stack, net) = (self.stack.clone(), self.recognition.clone());
        let (kind, gaussian) = (self.units.kind(), self.units.gaussian());
        let variance = gaussian.map(Gaussian::variance_vector);
        ModelData::new(ModelKind::Dbn, kind, stack, net, variance, BTreeMap::new())?
            .with_standardise(gaussian.and_then(|gaussian| gaussian.standardise().cloned()))?
            .with_labels(self.labels.clone())
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

    /// The generative parameters, without those of label units.
    #[must_use]
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// The generative parameters for in-place updates, without those of label units.
    pub fn stack_mut(&mut self) -> &mut Stack {
        &mut self.stack
    }

    /// The visible units.
    #[must_use]
    pub fn units(&self) -> &VisibleUnits {
        &self.units
    }

    /// The visible units, for updates of their variances.
    pub fn units_mut(&mut self) -> &mut VisibleUnits {
        &mut self.units
    }

    /// The recognition net for in-place updates.
    pub fn recognition_mut(&mut self) -> Option<&mut Recognition> {
        self.recognition.as_mut()
    }

    /// The recognition net.
    #[must_use]
    pub fn recognition(&self) -> Option<&Recognition> {
        self.recognition.as_ref()
    }

    /// The label units.
    #[must_use]
    pub fn labels(&self) -> Option<&Labels> {
        self.labels.as_ref()
    }

    /// Classes of the label units, 0 without any.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.labels.as_ref().map_or(0, Labels::classes)
    }

    /// All parameters for in-place updates: the tensors of the stack, of the recognition net, and of the label units. Variances
    /// of Gaussian units are not among them.
    pub fn tensors_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let net = self.recognition.iter_mut().flat_map(Recognition::tensors_mut);
        self.stack.tensors_mut().chain(net).chain(self.labels.iter_mut().flat_map(Labels::tensors_mut))
    }

    /// All parameters, in the order of [`tensors_mut`](Self::tensors_mut).
    pub fn tensors(&self) -> impl Iterator<Item = &[f32]> {
        let net = self.recognition.iter().flat_map(Recognition::tensors);
        self.stack.tensors().chain(net).chain(self.labels.iter().flat_map(Labels::tensors))
    }

    /// Gives the parameters back.
    #[must_use]
    pub fn into_parts(self) -> (Stack, Option<Recognition>, Option<Labels>) {
        (self.stack, self.recognition, self.labels)
    }

    /// Units of each layer, visible first, without label units.
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
        self.stack.bias(0).len()
    }

    /// Units of the top layer.
    fn top_units(&self) -> usize {
        self.stack.bias(self.depth()).len()
    }

    /// The machine on top, over (x_(L-1), x_L); label units are a group of its visible units, behind the others.
    ///
    /// # Panics
    ///
    /// Never: layers and label units have been checked.
    #[must_use]
    pub fn top(&self) -> Rbm {
        let (last, classes) = (self.depth() - 1, self.classes());
        let (w, b, c) = (self.stack.weights(last), self.stack.bias(last), self.stack.bias(last + 1));
        let (units, sizes) = (w.nrows(), [w.nrows() + classes, w.ncols()]);
        // Copied, not checked again: whoever trains has to be told of NaN by name, not here.
        let mut stack = Stack::zeros(&sizes).expect("layers of a stack have units");
        stack.update_weights(0, |to| to.rows_mut(0, units).copy_from(w));
        stack.bias_mut(0)[..units].copy_from_slice(b.as_slice());
        stack.bias_mut(1).copy_from_slice(c.as_slice());
        let Some(labels) = &self.labels else {
            let units = if last == 0 { self.units.clone() } else { VisibleUnits::Bernoulli };
            return Rbm::with_units(stack, units).expect("units that have been checked");
        };
        stack.update_weights(0, |to| to.rows_mut(units, classes).copy_from(labels.weights()));
        stack.bias_mut(0)[units..].copy_from_slice(labels.bias().as_slice());
        let kind = VisibleKind::Labelled { classes };
        let kinds = VisibleUnits::new(kind, units + classes, None).expect("label units have been checked");
        Rbm::with_units(stack, kinds).expect("as many units as were joined")
    }

    /// Takes over the parameters of the machine on top, those of [`top`](Self::top) after an update.
    ///
    /// # Panics
    ///
    /// When it has other layers.
    pub fn set_top(&mut self, top: &Stack) {
        let last = self.depth() - 1;
        let units = self.stack.bias(last).len();
        assert_eq!(top.layers(), [units + self.classes(), self.top_units()], "the layers of the machine on top");
        self.stack.update_weights(last, |weights| weights.copy_from(&top.weights(0).rows(0, units)));
        self.stack.bias_mut(last).copy_from_slice(&top.bias(0).as_slice()[..units]);
        self.stack.bias_mut(last + 1).copy_from_slice(top.bias(1).as_slice());
        if let Some(labels) = &mut self.labels {
            let classes = labels.classes();
            let [weights, bias] = labels.tensors_mut();
            for (to, from) in weights.chunks_mut(classes).zip(top.weights(0).column_iter()) {
                to.copy_from_slice(&from.as_slice()[units..]);
            }
            bias.copy_from_slice(&top.bias(0).as_slice()[units..]);
        }
    }

    /// The directed layers.
    pub(crate) fn directed(&self) -> Directed<'_> {
        Directed::below_rbm(&self.stack, self.recognition.as_ref())
    }

    /// log p(x) of states of all layers for a given log Z of the machine, `[samples]`.
    ///
    /// # Shapes
    ///
    /// `layers[l]` is x_l, `[n_l, samples]`, all as packed bits or as batches; the lower layer of the machine includes label
    /// units, where there are any.
    ///
    /// # Units
    ///
    /// Of Gaussian units the density is that of standardised data, where data are standardised.
    ///
    /// # Panics
    ///
    /// When shapes or kinds of states disagree.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack};
    ///
    /// let dbn = gm_dbn::Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?;
    /// let states = [BitMatrix::zeros(4, 1), BitMatrix::zeros(3, 1), BitMatrix::zeros(2, 1)];
    /// assert!((dbn.log_joint(&states, dbn.log_partition()?)[0] + 9.0 * 2.0_f64.ln()).abs() < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn log_joint<X>(&self, layers: &[X], log_partition: f64) -> Vec<f64>
    where
        for<'x> &'x X: Into<BatchRef<'x>>,
    {
        let last = self.depth() - 1;
        assert_eq!(layers.len(), last + 2, "states of all layers");
        let bits = |l: usize| packed((&layers[l]).into());
        let v = (&layers[0]).into();
        let energy = match last {
            0 => self.top().energy(v, bits(1)),
            _ => self.top().energy(bits(last), bits(last + 1)),
        };
        let log_p = match Below::new(self) {
            _ if last == 0 => vec![0.0; v.samples()],
            Some(below) => {
                let plain: Vec<BitMatrix> = (1..=last).map(|l| bits(l).narrowed(self.stack.bias(l).len())).collect();
                let mut log_p = below.log_prob(v, &plain[0]);
                let upper = log_p_below_top(below.upper(), plain);
                log_p.iter_mut().zip(upper).for_each(|(sum, term)| *sum += term);
                log_p
            }
            None => {
                let plain = bits(last).narrowed(self.stack.bias(last).len());
                let states = (0..last).map(|l| bits(l).clone()).chain([plain]).collect();
                log_p_below_top(self, states)
            }
        };
        log_p.iter().zip(energy).map(|(log_p, energy)| log_p - energy - log_partition).collect()
    }

    /// Refuses states that the visible units do not have, or none.
    ///
    /// # Errors
    ///
    /// As [`VisibleUnits::check`], and [`Error::Empty`] without samples.
    pub fn check_data<'v>(&self, op: &'static str, data: impl Into<BatchRef<'v>>) -> Result<()> {
        let data = data.into();
        self.units.check(op, self.visible(), data)?;
        if data.samples() == 0 { Err(Error::Empty { op, arg: "data" }) } else { Ok(()) }
    }
}

/// sum_(l<L-1) log p(x_l | x_(l+1)) of states of all directed layers.
fn log_p_below_top(dbn: &Dbn, states: Vec<BitMatrix>) -> Vec<f64> {
    let passes = Passes::new(dbn.directed());
    let flat = |x: &BitMatrix| vec![0.0; x.samples()];
    gm_sbn::Generated::new(Net::with_prior(&passes, &flat), states).log_p().to_vec()
}

/// Refuses label units beside visible ones of another kind than Bernoulli, in the one machine of a network.
fn check_labels(op: &'static str, depth: usize, units: &VisibleUnits, labels: Option<&Labels>) -> Result<()> {
    if labels.is_none() || depth > 1 || *units == VisibleUnits::Bernoulli {
        return Ok(());
    }
    let value = format!("present beside {} visible units", units.kind());
    let allowed = "two hidden layers or more, unless visible units are bernoulli";
    Err(Error::Param { op, arg: "labels", value, allowed })
}

/// States of binary units.
///
/// # Panics
///
/// When they are real numbers.
pub(crate) fn packed(states: BatchRef<'_>) -> &BitMatrix {
    match states {
        BatchRef::Bits(bits) => Some(bits),
        BatchRef::Reals(_) => None,
    }
    .expect("hidden units have packed states")
}

/// log p(x) + log Z of states of the lower layer of a machine, with its hidden units and label units summed out.
pub(crate) fn log_weights(top: &Rbm, x: &BitMatrix) -> Vec<f64> {
    if x.units() == top.visible() {
        return top.free_energy(x).into_iter().map(|f| -f).collect();
    }
    let scores = top.log_class_weights(&x.widened(top.visible() - x.units())).expect("a machine with label units");
    scores.iter().map(|scores| log_sum_exp(scores)).collect()
}
