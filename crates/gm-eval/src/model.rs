//! A model of any kind, for programs that learn from a file which one it is.

use gm_core::layer::Gauge;
use gm_core::{Batch, Error as CoreError, FileError, ModelData, ModelKind, Recognition, VisibleKind, check_len};
use gm_dbm::Dbm;
use gm_dbn::Dbn;
use gm_harmonium::Harmonium;
use gm_rbm::Rbm;
use gm_sbn::Sbn;

use crate::error::Result;

/// A generative model of any kind; a [`Classifier`](gm_net::Classifier) is none.
///
/// Exhaustive on purpose: a kind that is added shows every place that has to know it.
///
/// # Examples
///
/// ```
/// use gm_core::{ModelData, ModelKind, Stack};
/// use gm_eval::Model;
///
/// let data = ModelData::from_stack(ModelKind::Sbn, Stack::zeros(&[4, 3])?)?;
/// let model = Model::from_data(data)?;
/// assert_eq!((model.kind(), model.visible()), (ModelKind::Sbn, 4));
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Model {
    /// A restricted Boltzmann machine (RBM).
    Rbm(Rbm),
    /// A sigmoid belief net (SBN).
    Sbn(Sbn),
    /// A deep Boltzmann machine (DBM).
    Dbm(Dbm),
    /// A deep belief network (DBN).
    Dbn(Dbn),
    /// A harmonium: a restricted Boltzmann machine between any kinds of units.
    Harmonium(Harmonium),
}

/// A model as another kind, where the parameters allow it.
///
/// - An RBM, and a DBM or DBN of one hidden layer, are the same distribution.
/// - An RBM is a harmonium of Bernoulli hidden units, unless its data are standardised.
/// - A DBN becomes a DBM from which joint training can start: see [`Dbm::compose`].
/// - A DBN becomes an SBN with the same directed layers. The RBM on top turns into the last layer of the recognition net, and
///   the top units become independent, with the same biases. This is a start for training, not the same distribution.
///
/// Label units are kept. A DBM or SBN cannot have them, and p(v) would be another without them, so a model with label units
/// does not become one.
///
/// # Errors
///
/// [`gm_core::Error::Param`] for any other conversion.
///
/// # Examples
///
/// ```
/// use gm_core::{ModelData, ModelKind, Stack};
/// use gm_eval::convert_model;
///
/// let rbm = ModelData::from_stack(ModelKind::Rbm, Stack::zeros(&[4, 3])?)?;
/// assert_eq!(convert_model(rbm.clone(), ModelKind::Dbm)?.kind, ModelKind::Dbm);
/// let error = convert_model(rbm, ModelKind::Sbn).unwrap_err().to_string();
/// assert!(error.starts_with("convert_model: `to` is sbn for an rbm of 1 hidden layer and bernoulli visible units, allowed: "));
/// # Ok::<(), gm_eval::Error>(())
/// ```
pub fn convert_model(data: ModelData, to: ModelKind) -> Result<ModelData> {
    let (from, depth) = (data.kind, data.stack.depth());
    let undirected = |kind| matches!(kind, ModelKind::Rbm | ModelKind::Dbm | ModelKind::Dbn);
    if from == to {
        return Ok(data);
    }
    if (from, to) == (ModelKind::Rbm, ModelKind::Harmonium) && data.standardise.is_none() {
        let (units, columns) = (data.visible_units()?, data.columns());
        return Ok(Harmonium::from_stack(&data.stack, &units)?.to_data()?.with_columns(columns.as_deref()));
    }
    refuse_labels(&data, to)?;
    let data = match (data.visible, &data.labels) {
        (VisibleKind::Labelled { .. }, _) => Dbn::from_rbm(&Rbm::from_data(data)?)?.to_data()?,
        (_, Some(_)) if depth == 1 && to == ModelKind::Rbm => return Ok(Dbn::from_data(data)?.top().to_data()?),
        _ => data,
    };
    if from == ModelKind::Dbn && depth > 1 {
        match to {
            ModelKind::Dbm => {
                let units = data.visible_units()?;
                return Ok(Dbm::compose(data.stack, units)?.to_data()?);
            }
            ModelKind::Sbn if data.visible == VisibleKind::Bernoulli => return sbn_from_dbn(Dbn::from_data(data)?),
            _ => {}
        }
    }
    if depth == 1 && undirected(from) && undirected(to) {
        return Ok(ModelData { kind: to, recognition: None, ..data });
    }
    let plural = if depth == 1 { "" } else { "s" };
    Err(CoreError::Param {
        op: "convert_model",
        arg: "to",
        value: format!("{to} for {} of {depth} hidden layer{plural} and {} visible units", from.noun(), data.visible),
        allowed: "rbm, dbm and dbn for each other with one hidden layer, dbm for a dbn, sbn for a dbn with bernoulli units, and \
                  harmonium for an rbm",
    }
    .into())
}

/// A model with softmax visible units in a gauge: the same distribution with other weights and biases, as a file holds it.
///
/// # Errors
///
/// [`gm_core::Error::Param`] for a model without softmax visible units or of a kind other than `rbm`, `dbm` and `harmonium`, and
/// for a reference that some group does not have.
///
/// # Examples
///
/// ```
/// use gm_core::layer::Gauge;
/// use gm_core::{Matrix, ModelData, ModelKind, Stack, Vector, VisibleKind};
/// use gm_eval::gauge_model;
///
/// let stack = Stack::new(vec![Matrix::from_row_slice(2, 1, &[1.0, 3.0])], vec![Vector::zeros(2), Vector::zeros(1)])?;
/// let rbm = ModelData::from_stack(ModelKind::Rbm, stack)?;
/// assert!(gauge_model(rbm.clone(), Gauge::ZeroSum).is_err());
/// let potts = ModelData { visible: VisibleKind::Softmax { categories: 2 }, ..rbm };
/// let gauged = gauge_model(potts, Gauge::ZeroSum)?;
/// assert_eq!((gauged.stack.weights(0).as_slice(), gauged.stack.bias(1)[0]), ([-1.0, 1.0].as_slice(), 2.0));
/// # Ok::<(), gm_eval::Error>(())
/// ```
pub fn gauge_model(mut data: ModelData, gauge: Gauge) -> Result<ModelData> {
    match (data.kind, data.visible) {
        (ModelKind::Harmonium, _) if data.visible_name().contains("softmax") => {
            let metadata = data.metadata.clone();
            let gauged = Harmonium::from_data(data)?.gauged(gauge)?.to_data()?;
            Ok(ModelData { metadata: metadata.into_iter().chain(gauged.metadata.clone()).collect(), ..gauged })
        }
        (ModelKind::Rbm | ModelKind::Dbm, VisibleKind::Softmax { categories }) => {
            let units = data.stack.bias(0).len();
            let groups: Vec<_> = (0..units).step_by(categories).map(|first| first..first + categories).collect();
            let mut lost = Ok(vec![]);
            data.stack.update_weights(0, |weights| lost = gauge.fix(&groups, weights));
            data.stack.bias_mut(1).iter_mut().zip(lost?).for_each(|(bias, lost)| *bias += lost);
            gauge.fix_biases(&groups, data.stack.bias_mut(0))?;
            Ok(data)
        }
        _ => Err(CoreError::Param {
            op: "gauge_model",
            arg: "gauge",
            value: format!("{gauge} for {} with {} visible units", data.kind.noun(), data.visible_name()),
            allowed: "an rbm, dbm or harmonium with softmax visible units",
        }
        .into()),
    }
}

/// Refuses a model with label units for a kind that cannot have them.
fn refuse_labels(data: &ModelData, to: ModelKind) -> Result<()> {
    let classes = match (data.visible, &data.labels) {
        (VisibleKind::Labelled { classes }, _) => classes,
        (_, Some(labels)) => labels.classes(),
        _ => return Ok(()),
    };
    if !matches!(to, ModelKind::Dbm | ModelKind::Sbn) {
        return Ok(());
    }
    let value = format!("{to} for a {} with {classes} label units", data.kind);
    let allowed = "rbm or dbn for a model with label units, without which p(v) would be another";
    Err(CoreError::Param { op: "convert_model", arg: "to", value, allowed }.into())
}

/// An SBN of all layers, whose recognition net ends with the posterior of the RBM on top.
fn sbn_from_dbn(dbn: Dbn) -> Result<ModelData> {
    let (top, depth) = (dbn.top(), dbn.depth());
    let (stack, net, _) = dbn.untied()?.into_parts();
    let net = net.map(|net| {
        let weights = (0..net.depth()).map(|l| net.weights(l).clone()).chain([top.weights().clone()]);
        let biases = (1..depth).map(|l| net.bias(l).clone()).chain([top.stack().bias(1).clone()]);
        Recognition::new(weights.collect(), biases.collect())
    });
    Ok(Sbn::new(stack, net.transpose()?)?.to_data()?)
}

impl Model {
    /// Takes a model as files hold it.
    ///
    /// # Errors
    ///
    /// Whatever the model refuses.
    pub fn from_data(data: ModelData) -> Result<Self> {
        Ok(match data.kind {
            ModelKind::Sbn => Self::Sbn(Sbn::from_data(data)?),
            ModelKind::Dbm => Self::Dbm(Dbm::from_data(data)?),
            ModelKind::Dbn => Self::Dbn(Dbn::from_data(data)?),
            ModelKind::Rbm => Self::Rbm(Rbm::from_data(data)?),
            ModelKind::Harmonium => Self::Harmonium(Harmonium::from_data(data)?),
            ModelKind::Classifier => {
                let expected = "generative model (rbm, sbn, dbm, dbn or harmonium)".into();
                return Err(CoreError::from(FileError::WrongKind { expected, found: data.kind.to_string() }).into());
            }
        })
    }

    /// The model as files hold it.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::NonFinite`] for parameters that no file may hold.
    pub fn to_data(&self) -> Result<ModelData> {
        Ok(match self {
            Self::Rbm(rbm) => rbm.to_data()?,
            Self::Sbn(sbn) => sbn.to_data()?,
            Self::Dbm(dbm) => dbm.to_data()?,
            Self::Dbn(dbn) => dbn.to_data()?,
            Self::Harmonium(model) => model.to_data()?,
        })
    }

    /// The kind of model.
    #[must_use]
    pub fn kind(&self) -> ModelKind {
        match self {
            Self::Rbm(_) => ModelKind::Rbm,
            Self::Sbn(_) => ModelKind::Sbn,
            Self::Dbm(_) => ModelKind::Dbm,
            Self::Dbn(_) => ModelKind::Dbn,
            Self::Harmonium(_) => ModelKind::Harmonium,
        }
    }

    /// Units of each layer, visible first.
    #[must_use]
    pub fn layers(&self) -> Vec<usize> {
        match self {
            Self::Rbm(rbm) => rbm.layers(),
            Self::Sbn(sbn) => sbn.layers(),
            Self::Dbm(dbm) => dbm.layers(),
            Self::Dbn(dbn) => dbn.layers(),
            Self::Harmonium(model) => model.layers(),
        }
    }

    /// Units of a row of data: visible ones but for those of a label.
    #[must_use]
    pub fn visible(&self) -> usize {
        match self {
            Self::Rbm(rbm) => rbm.row_units(),
            other => other.layers()[0],
        }
    }

    /// Classes that label units tell apart; 0 for a model without label units.
    #[must_use]
    pub fn classes(&self) -> usize {
        match self {
            Self::Rbm(rbm) => rbm.classes(),
            Self::Dbn(dbn) => dbn.classes(),
            Self::Sbn(_) | Self::Dbm(_) | Self::Harmonium(_) => 0,
        }
    }

    /// Refuses rows of data that the visible units cannot take, and no rows.
    pub(crate) fn check_rows(&self, op: &'static str, rows: &Batch) -> Result<()> {
        check_len(op, "rows", "units", rows.units(), self.visible())?;
        if rows.samples() == 0 {
            return Err(CoreError::Empty { op, arg: "rows" }.into());
        }
        check_values(op, "rows", self.visible_kind(), rows)
    }

    /// The kind of the visible units. An SBN has Bernoulli units. Of a harmonium it is the kind of the rows of data:
    /// Bernoulli for spins, Gaussian for all units that take numbers as they are.
    #[must_use]
    pub fn visible_kind(&self) -> VisibleKind {
        match self {
            Self::Rbm(rbm) => rbm.units().kind(),
            Self::Dbm(dbm) => dbm.units().kind(),
            Self::Dbn(dbn) => dbn.units().kind(),
            Self::Sbn(_) => VisibleKind::Bernoulli,
            Self::Harmonium(model) => model.visible().data_kind(),
        }
    }
}

/// Refuses values that visible units of a kind cannot take.
pub(crate) fn check_values(op: &'static str, arg: &'static str, kind: VisibleKind, values: &Batch) -> Result<()> {
    let (value, allowed) = match (kind, values) {
        (VisibleKind::Gaussian, Batch::Bits(_)) => ("bits", "real numbers for gaussian units"),
        (VisibleKind::Gaussian, Batch::Reals(_)) | (_, Batch::Bits(_)) => return Ok(()),
        (_, Batch::Reals(_)) => ("real numbers", "zeros and ones"),
    };
    Err(CoreError::Param { op, arg, value: value.into(), allowed }.into())
}
