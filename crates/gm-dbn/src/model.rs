//! Parameters, and the joint distribution.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use gm_core::{
    BatchRef, BitMatrix, Error, FileError, Gaussian, Labels, Matrix, ModelData, ModelKind, Recognition, Result, Stack,
    Vector, VisibleKind, VisibleUnits, check_len, log_sum_exp,
};
use gm_rbm::Rbm;
use gm_sbn::{Directed, Net, Passes};

use crate::below::Below;

/// A deep belief network of any depth with binary hidden units and visible units of any kind, perhaps with a
/// recognition net and with label units.
///
/// Without a recognition net, recognition is tied: q(x_(l+1) | x_l) = Ber(s(W_l' x_l + b_(l+1))), with v / s^2 in place
/// of x_0 for Gaussian units, as in an RBM.
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

impl Dbn {
    /// A network without a recognition net, with Bernoulli visible units.
    ///
    /// # Errors
    ///
    /// None: a stack of any depth is a deep belief network.
    pub fn from_stack(stack: Stack) -> Result<Self> {
        Self::new(stack, None)
    }

    /// Joins the generative parameters with a recognition net for the directed layers, with Bernoulli visible units.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when the recognition net has other layers, which are all but the last; [`Error::Param`] for one
    /// in a network of a single hidden layer.
    pub fn new(stack: Stack, recognition: Option<Recognition>) -> Result<Self> {
        const OP: &str = "Dbn::new";
        stack.check_plain(OP)?;
        if let Some(net) = &recognition {
            if net.is_autoregressive() {
                let (value, allowed) =
                    ("autoregressive".into(), "a net whose units are independent given the layer below");
                return Err(Error::Param { op: OP, arg: "recognition", value, allowed });
            }
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
    /// [`with_labels`](Self::with_labels) joins to the RBM on top, and for label units beside visible ones that are not
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
            let allowed = "bernoulli, gaussian or softmax:K; label units belong to the RBM on top";
            return Err(Error::Param { op: OP, arg: "visible", value: kind.to_string(), allowed });
        }
        check_labels(OP, self.depth(), &units, self.labels.as_ref())?;
        self.units = units;
        Ok(self)
    }

    /// The same network with label units beside the lower layer of its RBM.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for label weights to another number of units, [`Error::Param`] for visible units of the RBM
    /// itself that are not Bernoulli.
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

    /// Takes a model as files hold it.
    ///
    /// # Errors
    ///
    /// [`FileError::WrongKind`] for another model, [`FileError::Field`] for visible units with the group of a class,
    /// which such a network has beside its RBM; [`Error::Param`] for label units beside visible ones that are not
    /// Bernoulli.
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
    /// [`FileError`] for any fault of the file.
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

    /// The generative parameters, without the weights and biases of label units.
    #[must_use]
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// The generative parameters for in-place updates, without the weights and biases of label units.
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

    /// Takes a recognition net for the directed layers, whose layers have been checked.
    pub(crate) fn set_recognition(&mut self, recognition: Recognition) {
        self.recognition = Some(recognition);
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

    /// All parameters for in-place updates: the tensors of the stack, of the recognition net, and of the label units.
    /// Variances of Gaussian units are not among them.
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

    /// Hidden units of all layers together.
    #[must_use]
    pub fn hidden(&self) -> usize {
        self.layers()[1..].iter().sum()
    }

    /// Units of the top layer.
    pub(crate) fn top_units(&self) -> usize {
        self.stack.bias(self.depth()).len()
    }

    /// The RBM on top, over (x_(L-1), x_L); label units are a group of its visible units, behind the others.
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
            return Rbm::from_stack(stack)
                .expect("units that have been checked")
                .with_units(units)
                .expect("units that have been checked");
        };
        stack.update_weights(0, |to| to.rows_mut(units, classes).copy_from(labels.weights()));
        stack.bias_mut(0)[units..].copy_from_slice(labels.bias().as_slice());
        let kind = VisibleKind::Labelled { classes };
        let kinds = VisibleUnits::new(kind, units + classes, None).expect("label units have been checked");
        Rbm::from_stack(stack).and_then(|rbm| rbm.with_units(kinds)).expect("the units that were joined")
    }

    /// Takes over the parameters of the RBM on top: an updated stack of [`top`](Self::top).
    ///
    /// # Panics
    ///
    /// When it has other layers.
    pub fn set_top(&mut self, top: &Stack) {
        let last = self.depth() - 1;
        let units = self.stack.bias(last).len();
        assert_eq!(top.layers(), [units + self.classes(), self.top_units()], "the layers of the RBM on top");
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

    /// log p(x) of states of all layers for a given log Z of the RBM, `[samples]`.
    ///
    /// # Shapes
    ///
    /// `layers[l]` is x_l, `[n_l, samples]`, all as packed bits or as batches; the lower layer of the RBM includes
    /// label units, where there are any.
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

    /// Refuses states that the visible units do not have, and batches without samples.
    ///
    /// # Errors
    ///
    /// As [`VisibleUnits::check`], and [`Error::Empty`] without samples.
    pub fn check_data<'v>(&self, op: &'static str, v: impl Into<BatchRef<'v>>) -> Result<()> {
        let v = v.into();
        self.units.check(op, self.visible(), v)?;
        if v.samples() == 0 { Err(Error::Empty { op, arg: "data" }) } else { Ok(()) }
    }
}

/// sum_(l<L-1) log p(x_l | x_(l+1)) of states of all directed layers.
fn log_p_below_top(dbn: &Dbn, states: Vec<BitMatrix>) -> Vec<f64> {
    let passes = Passes::new(dbn.directed());
    let flat = |x: &BitMatrix| vec![0.0; x.samples()];
    gm_sbn::Generated::new(Net::with_prior(&passes, &flat), states).log_p().to_vec()
}

/// Refuses label units beside visible ones of another kind than Bernoulli, in the one RBM of a network.
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

/// log p(x) + log Z of states of the lower layer of an RBM, with its hidden units and label units summed out.
pub(crate) fn log_weights(top: &Rbm, x: &BitMatrix) -> Vec<f64> {
    if x.units() == top.visible() {
        return top.free_energy(x).into_iter().map(|f| -f).collect();
    }
    let scores = top.log_class_weights(&x.widened(top.visible() - x.units())).expect("an RBM with label units");
    scores.iter().map(|scores| log_sum_exp(scores)).collect()
}
