//! A feed-forward net with a softmax layer on top, from random weights or from those of a generative model.

use std::collections::BTreeMap;

use gm_core::{
    BatchRef, Error, FileError, Matrix, ModelData, ModelKind, Purpose, Result, Stack, Streams, Vector, VisibleKind,
    check_len,
};
use gm_dbm::{Dbm, MeanFieldSettings};
use rand_distr::{Distribution, StandardNormal};
use serde_with::{DeserializeFromStr, SerializeDisplay};
use strum::{Display, EnumString, VariantNames};

use crate::gradient::Pass;

/// The activation function of the hidden units of a feed-forward net.
///
/// The text form is `sigmoid` or `relu`.
///
/// # Examples
///
/// ```
/// use gm_net::HiddenUnits;
///
/// assert_eq!("relu".parse::<HiddenUnits>()?, HiddenUnits::Relu);
/// assert_eq!(HiddenUnits::default().to_string(), "sigmoid");
/// let error = "rely".parse::<HiddenUnits>().unwrap_err().to_string();
/// assert!(error.starts_with("unknown kind of hidden units `rely`, did you mean `relu`?"));
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case", parse_err_ty = Error, parse_err_fn = unknown_units)]
#[derive(DeserializeFromStr, SerializeDisplay)]
pub enum HiddenUnits {
    /// 1 / (1 + exp(-x)), the means of binary units.
    #[default]
    Sigmoid,
    /// max(0, x).
    Relu,
}

fn unknown_units(text: &str) -> Error {
    Error::unknown("kind of hidden units", text, HiddenUnits::VARIANTS)
}

impl HiddenUnits {
    /// The standard deviation of random weights at which signals neither fade nor grow from layer to layer.
    ///
    /// It is 4 sqrt(2 / (below + above)) for sigmoid units, since their slope is 1/4, and sqrt(2 / below) for rectified
    /// units.
    fn scale(self, below: usize, above: usize) -> f32 {
        match self {
            Self::Sigmoid => 4.0 * linear_scale(below, above),
            Self::Relu => (2.0 / below as f32).sqrt(),
        }
    }
}

fn linear_scale(below: usize, above: usize) -> f32 {
    (2.0 / (below + above) as f32).sqrt()
}

/// A feed-forward net that gives the probabilities of classes.
///
/// y_0 = v, y_(l+1) = f(b_(l+1) + W_l' y_l), and log p(k | v) = x_k - log sum_j exp x_j of the inputs x of the last
/// layer.
///
/// A net that starts from a DBM of two hidden layers or more has the input (v, q_2), where q_2 are the mean-field means
/// of the second hidden layer of the DBM given v. Before training the first hidden layer of the net then has the
/// mean-field means of the first hidden layer of the DBM. Training does not change the DBM.
///
/// # Source
///
/// `hinton2006reducing`; `salakhutdinov2009deep`, section 3.3.
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, ModelData, ModelKind, Stack, Streams};
/// use gm_net::{Classifier, HiddenUnits};
///
/// let rbm = ModelData::from_stack(ModelKind::Rbm, Stack::zeros(&[6, 4])?)?;
/// let net = Classifier::from_model(rbm, 3, HiddenUnits::Sigmoid, &Streams::new(1))?;
/// assert_eq!((net.inputs(), net.classes(), net.stack().layers()), (6, 3, vec![6, 4, 3]));
/// let log_p = net.log_class_probs((&Matrix::from_element(6, 2, 0.5)).into())?;
/// assert!((log_p.column(1).map(f32::exp).sum() - 1.0).abs() < 1e-6);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Classifier {
    stack: Stack,
    units: HiddenUnits,
    features: Option<Dbm>,
}

const OP: &str = "Classifier::from_model";

/// The key of a file's metadata that names the hidden units.
const UNITS_KEY: &str = "hidden_units";

/// Number of rows that are computed together.
const ROWS: usize = 1_000;

impl Classifier {
    /// Joins weights and biases, and the DBM whose means join the input, if there is one. The biases of the input must
    /// be 0.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] for biases on the input or a DBM of one hidden layer, [`gm_core::Error::Shape`] when
    /// DBM and net do not fit.
    pub fn new(stack: Stack, units: HiddenUnits, features: Option<Dbm>) -> Result<Self> {
        let net = Self { stack, units, features };
        net.to_data()?;
        Ok(net)
    }

    /// A net of random weights with biases of 0; `layers` are the numbers of units from the input up to the classes.
    ///
    /// Weights are normal with standard deviation `scale`. `None` takes 4 sqrt(2 / (below + above)) for sigmoid and
    /// sqrt(2 / below) for rectified units, and sqrt(2 / (below + above)) in the last layer.
    ///
    /// # Randomness
    ///
    /// One normal draw for each weight. The weights above layer l read stream 0 of family l of [`Purpose::Initialise`].
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Empty`] with fewer than two layers, [`gm_core::Error::Param`] for a layer without units or a
    /// scale that is negative or not finite.
    ///
    /// # Source
    ///
    /// `glorot2010understanding`, section 4.2; `he2015delving`, section 2.2.
    pub fn random(layers: &[usize], units: HiddenUnits, scale: Option<f32>, streams: &Streams) -> Result<Self> {
        if let Some(scale) = scale.filter(|scale| !(scale.is_finite() && *scale >= 0.0)) {
            let (op, arg, value) = ("Classifier::random", "scale", scale.to_string());
            return Err(Error::Param { op, arg, value, allowed: "a finite number, 0 or more" });
        }
        let mut stack = Stack::zeros(layers)?;
        let depth = stack.depth();
        for (l, pair) in layers.windows(2).enumerate() {
            let usual = if l + 1 < depth { units.scale(pair[0], pair[1]) } else { linear_scale(pair[0], pair[1]) };
            stack.update_weights(l, |weights| fill(weights, l, scale.unwrap_or(usual), streams));
        }
        Self::new(stack, units, None)
    }

    /// A net with the weights of a generative model and a last layer of small random weights with biases of 0.
    ///
    /// An RBM gives its weights and hidden biases, without the weights of label units, an SBN its recognition net,
    /// without weights within layers, and a DBN its recognition net and its topmost weights. A DBM gives its weights and
    /// hidden biases; if it has two hidden layers or more, its means join the input.
    ///
    /// # Randomness
    ///
    /// The last layer reads the draws of [`random`](Self::random).
    ///
    /// # Errors
    ///
    /// [`gm_core::FileError`] for a classifier and for visible units that are real numbers or categories,
    /// [`gm_core::Error::Param`] for an SBN without recognition net.
    pub fn from_model(data: ModelData, classes: usize, units: HiddenUnits, streams: &Streams) -> Result<Self> {
        refuse_unfit(&data)?;
        let features = joins_input(&data).then(|| Dbm::from_data(data.clone())).transpose()?;
        let (mut weights, biases) = upward(&data);
        if features.is_some() {
            weights[0] = beside(&weights[0], &data.stack.weights(1).transpose());
        }
        let top = weights.last().map_or(0, Matrix::ncols);
        let mut head = Matrix::zeros(top, classes);
        fill(&mut head, weights.len(), linear_scale(top, classes), streams);
        weights.push(head);
        let unbiased = Vector::zeros(weights[0].nrows());
        let biases = std::iter::once(unbiased).chain(biases).chain([Vector::zeros(classes)]).collect();
        Self::new(Stack::new(weights, biases)?, units, features)
    }

    /// Takes a classifier in the form in which files hold it.
    ///
    /// # Errors
    ///
    /// [`gm_core::FileError::WrongKind`] for another model, [`Error::Unknown`] for other hidden units.
    pub fn from_data(data: ModelData) -> Result<Self> {
        data.expect_kind(ModelKind::Classifier)?;
        let missing = || FileError::Missing { format: "model", name: UNITS_KEY.into() };
        let units = data.metadata.get(UNITS_KEY).ok_or_else(|| Error::from(missing()))?.parse()?;
        let features = data.features.map(Dbm::from_stack).transpose()?;
        Self::new(data.stack, units, features)
    }

    /// The classifier in the form in which files hold it.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::NonFinite`] when an update has made a parameter NaN or infinite.
    pub fn to_data(&self) -> Result<ModelData> {
        let metadata = BTreeMap::from([(UNITS_KEY.into(), self.units.to_string())]);
        let (kind, visible, stack) = (ModelKind::Classifier, VisibleKind::Bernoulli, self.stack.clone());
        let features = self.features.as_ref().map(|dbm| dbm.stack().clone());
        ModelData::new(kind, visible, stack, None, None, metadata)?.with_features(features)
    }

    /// Weights and biases, layer by layer; the biases of the input are 0.
    #[must_use]
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// Weights and biases, to be changed by training.
    pub fn stack_mut(&mut self) -> &mut Stack {
        &mut self.stack
    }

    /// The activation function of the hidden units.
    #[must_use]
    pub fn units(&self) -> HiddenUnits {
        self.units
    }

    /// The DBM whose means of its second hidden layer join the input, if there is one.
    #[must_use]
    pub fn features(&self) -> Option<&Dbm> {
        self.features.as_ref()
    }

    /// The DBM whose means join the input of a net that starts from `model`; `None` for models whose data are the whole
    /// input.
    ///
    /// # Errors
    ///
    /// The errors of [`Dbm::from_data`].
    pub fn features_of(model: &ModelData) -> Result<Option<Dbm>> {
        joins_input(model).then(|| Dbm::from_data(model.clone())).transpose()
    }

    /// Number of units of a row of data of a net that starts from `model`, or that `model` is. Label units are not part of
    /// a row.
    #[must_use]
    pub fn inputs_of(model: &ModelData) -> usize {
        let stack = model.features.as_ref().unwrap_or(&model.stack);
        stack.bias(0).len() - label_units(model)
    }

    /// Number of units of a row of data.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.features.as_ref().map_or(self.stack.bias(0).len(), Dbm::visible)
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.stack.bias(self.stack.depth()).len()
    }

    /// log p(k | v) of each class k, `[classes, samples]`.
    ///
    /// # Shapes
    ///
    /// `v` is `[inputs, samples]` and holds grey levels from 0 to 1, or bits.
    ///
    /// # Numerics
    ///
    /// Products are dense and of single precision; the softmax is of double precision.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Shape`] for data of another width, [`gm_core::Error::NonFinite`] for NaN or an infinity in the
    /// data.
    pub fn log_class_probs(&self, v: BatchRef<'_>) -> Result<Matrix> {
        const OP: &str = "Classifier::log_class_probs";
        check_len(OP, "data", "units", v.units(), self.inputs())?;
        let mut v = v.to_matrix();
        gm_core::check_finite(OP, "data", v.as_slice())?;
        if let Some(dbm) = &self.features {
            v = with_features(dbm, &v)?;
        }
        let mut log_probs = Matrix::zeros(self.classes(), v.ncols());
        for first in (0..v.ncols()).step_by(ROWS) {
            let count = ROWS.min(v.ncols() - first);
            let pass = Pass::new(self, v.columns(first, count).transpose(), None);
            log_probs.columns_mut(first, count).copy_from(&pass.log_probs.transpose());
        }
        Ok(log_probs)
    }
}

/// Fills a matrix with normal weights.
fn fill(weights: &mut Matrix, layer: usize, scale: f32, streams: &Streams) {
    let mut stream = streams.fork(Purpose::Initialise, layer as u64).stream(0);
    weights.iter_mut().for_each(|w| {
        let x: f32 = StandardNormal.sample(&mut stream);
        *w = scale * x;
    });
}

/// Refuses models whose weights cannot start a classifier.
fn refuse_unfit(data: &ModelData) -> Result<()> {
    if matches!(data.kind, ModelKind::Classifier | ModelKind::Harmonium) {
        let expected = "model to start from (rbm, sbn, dbm or dbn)".into();
        return Err(Error::from(FileError::WrongKind { expected, found: data.kind.to_string() }));
    }
    if !matches!(data.visible, VisibleKind::Bernoulli | VisibleKind::Labelled { .. }) {
        let (name, found) = ("visible".into(), data.visible.to_string());
        return Err(Error::from(FileError::Field { format: "model", name, found, expected: "bernoulli" }));
    }
    if data.kind == ModelKind::Sbn && data.recognition.is_none() {
        let (arg, value) = ("recognition", "absent".into());
        return Err(Error::Param { op: OP, arg, value, allowed: "an sbn with a recognition net" });
    }
    Ok(())
}

/// Number of label units beside the visible units of an RBM.
fn label_units(model: &ModelData) -> usize {
    if let VisibleKind::Labelled { classes } = model.visible { classes } else { 0 }
}

/// Whether the means of a model's second hidden layer join the input.
fn joins_input(model: &ModelData) -> bool {
    model.kind == ModelKind::Dbm && model.stack.depth() > 1
}

/// Weights and biases from the visible layer up. The recognition net gives them as far as it reaches, the model the
/// others.
fn upward(data: &ModelData) -> (Vec<Matrix>, Vec<Vector>) {
    let layer = |l: usize| match &data.recognition {
        Some(net) if l < net.depth() => (net.weights(l).clone(), net.bias(l + 1).clone()),
        _ => (data.stack.weights(l).clone(), data.stack.bias(l + 1).clone()),
    };
    let (mut weights, biases): (Vec<Matrix>, Vec<Vector>) = (0..data.stack.depth()).map(layer).unzip();
    let visible = weights[0].nrows() - label_units(data);
    weights[0] = weights[0].rows(0, visible).into_owned();
    (weights, biases)
}

/// One matrix above another with the same number of columns.
fn beside(upper: &Matrix, lower: &Matrix) -> Matrix {
    let mut joined = Matrix::zeros(upper.nrows() + lower.nrows(), upper.ncols());
    joined.rows_mut(0, upper.nrows()).copy_from(upper);
    joined.rows_mut(upper.nrows(), lower.nrows()).copy_from(lower);
    joined
}

/// The input of a net that starts from a DBM: rows of data joined with the mean-field means of the second hidden layer.
///
/// # Shapes
///
/// `v` is `[visible, samples]`; the result is `[visible + hidden_2, samples]`, data first.
///
/// # Errors
///
/// The errors of [`Dbm::mean_field_of_means`].
///
/// # Examples
///
/// ```
/// use gm_core::{Matrix, Stack};
/// use gm_dbm::Dbm;
///
/// let dbm = Dbm::from_stack(Stack::zeros(&[4, 3, 2])?)?;
/// let joined = gm_net::with_features(&dbm, &Matrix::zeros(4, 5))?;
/// assert_eq!((joined.nrows(), joined[(0, 0)], joined[(5, 0)]), (6, 0.0, 0.5));
/// # Ok::<(), gm_core::Error>(())
/// ```
pub fn with_features(dbm: &Dbm, v: &Matrix) -> Result<Matrix> {
    let posterior = dbm.mean_field_of_means(v, &MeanFieldSettings::default())?;
    Ok(beside(v, &posterior.means[1]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gm_core::{Recognition, logistic_in_place};

    fn model(kind: ModelKind, layers: &[usize], recognition: Option<Recognition>) -> ModelData {
        let mut stack = Stack::zeros(layers).unwrap();
        stack.tensors_mut().flatten().enumerate().for_each(|(i, x)| *x = (1.3 * i as f32 + 0.2).sin());
        ModelData { recognition, ..ModelData::from_stack(kind, stack).unwrap() }
    }

    fn net_of(data: &ModelData) -> Classifier {
        Classifier::from_model(data.clone(), 3, HiddenUnits::Sigmoid, &Streams::new(2)).unwrap()
    }

    #[test]
    fn oracle_a_deep_boltzmann_machine_starts_with_its_mean_field_means() {
        let data = model(ModelKind::Dbm, &[5, 4, 3], None);
        let (net, dbm) = (net_of(&data), Dbm::from_data(data).unwrap());
        assert_eq!((net.inputs(), net.stack().layers()), (5, vec![8, 4, 3, 3]));
        let v = Matrix::from_fn(5, 7, |i, s| (0.3 * (i + 2 * s) as f32).sin().abs());
        let settings = MeanFieldSettings { tolerance: 0.0, iterations: 500, ..Default::default() };
        let means = dbm.mean_field_of_means(&v, &settings).unwrap().means;
        let joined = beside(&v, &means[1]);
        let pass = Pass::new(&net, joined.transpose(), None);
        for (l, means) in (1..).zip(&means) {
            assert!((pass.outputs[l].transpose() - means).amax() < 1e-5, "layer {l}");
        }
        // From the data, the net computes the means with the default tolerance.
        let by_way = net.log_class_probs((&v).into()).unwrap();
        assert!((by_way - pass.log_probs.transpose()).amax() < 1e-3);
    }

    #[test]
    fn oracle_other_models_give_their_weights_upwards() {
        let rbm = model(ModelKind::Rbm, &[5, 4], None);
        assert_eq!(net_of(&rbm).stack().weights(0), rbm.stack.weights(0));
        let mut recognition = Recognition::zeros(&[5, 4, 3]).unwrap();
        recognition.tensors_mut().flatten().enumerate().for_each(|(i, x)| *x = i as f32);
        let sbn = model(ModelKind::Sbn, &[5, 4, 3], Some(recognition.clone()));
        let net = net_of(&sbn);
        assert_eq!((net.stack().weights(1), net.stack().bias(2)), (recognition.weights(1), recognition.bias(2)));
        let mut below = Recognition::zeros(&[5, 4]).unwrap();
        below.bias_mut(1).fill(7.0);
        let dbn = model(ModelKind::Dbn, &[5, 4, 3], Some(below));
        let net = net_of(&dbn);
        assert_eq!((net.stack().bias(1)[0], net.stack().weights(1)), (7.0, dbn.stack.weights(1)));
        assert_eq!(net_of(&model(ModelKind::Dbn, &[5, 4, 3], None)).stack().bias(1), &dbn.stack.bias(1).clone());
        assert_eq!(net_of(&model(ModelKind::Dbm, &[5, 4], None)).features(), None);
    }

    #[test]
    fn stat_mean_random_weights_have_the_size_that_their_units_ask_for() {
        // Standard deviations of 10,000 weights, each with a relative standard error of 0.007.
        let layers = [50, 200, 50, 200];
        for (units, expected) in [
            (HiddenUnits::Sigmoid, [16.0 * 2.0 / 250.0, 16.0 * 2.0 / 250.0, 2.0 / 250.0_f32]),
            (HiddenUnits::Relu, [2.0 / 50.0, 2.0 / 200.0, 2.0 / 250.0]),
        ] {
            let net = Classifier::random(&layers, units, None, &Streams::new(6)).unwrap();
            for (l, variance) in expected.into_iter().enumerate() {
                let found = net.stack().weights(l).variance() / variance;
                assert!((found - 1.0).abs() < 0.07, "{units}, layer {l}: {found}");
            }
        }
        let given = Classifier::random(&layers, HiddenUnits::Relu, Some(0.5), &Streams::new(6)).unwrap();
        assert!((0..3).all(|l| (given.stack().weights(l).variance() / 0.25 - 1.0).abs() < 0.07));
    }

    #[test]
    fn oracle_label_units_of_a_machine_are_not_part_of_the_net() {
        let visible = VisibleKind::Labelled { classes: 2 };
        let rbm = ModelData { visible, ..model(ModelKind::Rbm, &[5, 4], None) };
        let net = net_of(&rbm);
        assert_eq!((Classifier::inputs_of(&rbm), net.inputs(), net.stack().layers()), (3, 3, vec![3, 4, 3]));
        assert_eq!(net.stack().weights(0), &rbm.stack.weights(0).rows(0, 3).into_owned());
        assert_eq!(net.stack().bias(1), rbm.stack.bias(1));
        let dbm = net_of(&model(ModelKind::Dbm, &[5, 4, 3], None)).to_data().unwrap();
        assert_eq!((Classifier::inputs_of(&dbm), dbm.stack.layers()[0]), (5, 8));
    }

    #[test]
    fn law_files_keep_a_classifier() {
        for data in [model(ModelKind::Dbm, &[5, 4, 3], None), model(ModelKind::Rbm, &[5, 4], None)] {
            let net = net_of(&data);
            assert_eq!(Classifier::from_data(net.to_data().unwrap()).unwrap(), net);
        }
        let net = Classifier::random(&[4, 3, 2], HiddenUnits::Relu, None, &Streams::new(1)).unwrap();
        let data = net.to_data().unwrap();
        assert_eq!(data.metadata[UNITS_KEY], "relu");
        assert_eq!(Classifier::from_data(data).unwrap(), net);
    }

    #[test]
    fn oracle_probabilities_by_hand() {
        let net = Classifier::random(&[3, 2, 2], HiddenUnits::Sigmoid, Some(0.7), &Streams::new(3)).unwrap();
        let v = Matrix::from_column_slice(3, 2, &[0.1, 0.9, 0.4, 1.0, 0.0, 1.0]);
        let mut hidden = net.stack().weights(0).tr_mul(&v);
        logistic_in_place(&mut hidden);
        let x = net.stack().weights(1).tr_mul(&hidden);
        let found = net.log_class_probs((&v).into()).unwrap();
        for s in 0..2 {
            let total = (x[(0, s)].exp() + x[(1, s)].exp()).ln();
            assert!((found[(1, s)] - (x[(1, s)] - total)).abs() < 1e-6);
        }
    }

    #[test]
    fn rejects_models_that_give_no_net() {
        let refused = |data: ModelData| {
            Classifier::from_model(data, 3, HiddenUnits::Sigmoid, &Streams::new(1)).unwrap_err().to_string()
        };
        let sbn = refused(model(ModelKind::Sbn, &[5, 4], None));
        assert_eq!(sbn, "Classifier::from_model: `recognition` is absent, allowed: an sbn with a recognition net");
        let net = net_of(&model(ModelKind::Rbm, &[5, 4], None)).to_data().unwrap();
        assert_eq!(
            refused(net.clone()),
            "the file holds a classifier, expected a model to start from (rbm, sbn, dbm or dbn)"
        );
        for (visible, name) in
            [(VisibleKind::Softmax { categories: 5 }, "softmax:5"), (VisibleKind::Gaussian, "gaussian")]
        {
            let error = refused(ModelData { visible, ..model(ModelKind::Rbm, &[5, 4], None) });
            assert_eq!(error, format!("model file: `visible` is {name}, expected bernoulli"));
        }
        let error = Classifier::from_data(ModelData { metadata: BTreeMap::new(), ..net }).unwrap_err().to_string();
        assert_eq!(error, "model file lacks `hidden_units`");
        assert!("tanh".parse::<HiddenUnits>().unwrap_err().to_string().contains("known: sigmoid, relu"));
        let error = Classifier::random(&[2, 2], HiddenUnits::Relu, Some(f32::NAN), &Streams::new(1)).unwrap_err();
        assert_eq!(error.to_string(), "Classifier::random: `scale` is NaN, allowed: a finite number, 0 or more");
    }
}
