//! A model as data: the content of files, from which the model crates build models.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, FileError, Result, check_len};
use crate::files::{self, Format, Parts};
use crate::labels::Labels;
use crate::layer::{Bernoulli, Layer};
use crate::recognition::Recognition;
use crate::stack::{Matrix, Stack, Vector};
use crate::units::{ModelKind, VisibleKind};
use crate::visible::{Standardise, VisibleUnits};

const OP: &str = "ModelData::new";

/// The key of the metadata that holds the names of columns, as a JSON list of texts.
const COLUMNS: &str = "columns";

/// The key of the metadata that holds the letters of categories, as a text.
const ALPHABET: &str = "alphabet";

/// Metadata keys with a meaning of their own in files.
const RESERVED: [&str; 4] = ["format", "model", "visible", HIDDEN];

/// The key of the metadata that names the kinds of the hidden units of a harmonium.
pub(crate) const HIDDEN: &str = "hidden";

/// A stack of layers with its kind of model and the parts that belong to it.
///
/// # Examples
///
/// ```
/// use gm_core::{Format, ModelData, ModelKind, Stack};
///
/// let model = ModelData::from_stack(ModelKind::Dbn, Stack::zeros(&[6, 4, 2])?)?;
/// let mut file = Vec::new();
/// model.write(&mut file)?;
/// assert_eq!(ModelData::read(&file[..])?, model);
///
/// let json = br#"{"model": "rbm", "tensors": {"weights.0": [[1], [2]], "bias.0": [3, 4], "bias.1": [5]}}"#;
/// assert_eq!(ModelData::read_as(Format::Json, &json[..])?.stack.layers(), [2, 1]);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct ModelData {
    /// The kind of model.
    pub kind: ModelKind,
    /// The distribution of the visible units.
    pub visible: VisibleKind,
    /// Weights and biases.
    pub stack: Stack,
    /// The recognition net of a directed model.
    pub recognition: Option<Recognition>,
    /// The variance of each visible unit, `[n_0]`, for Gaussian visible units only.
    pub visible_variance: Option<Vector>,
    /// The deep Boltzmann machine whose means of the second hidden layer join the input of a classifier. Only some
    /// classifiers have one.
    pub features: Option<Stack>,
    /// The standardisation of data before the model sees them, for Gaussian visible units only.
    pub standardise: Option<Standardise>,
    /// The label units of a deep belief network, if it has them.
    pub labels: Option<Labels>,
    /// The layers of a harmonium, visible first, of which the stack has the biases; `None` for other models. `visible` says how
    /// rows of data are read for the first one.
    pub units: Option<[Layer; 2]>,
    /// Free text by key, such as the origin of a model.
    pub metadata: BTreeMap<String, String>,
}

impl ModelData {
    /// Joins the parts of a model.
    ///
    /// # Shapes
    ///
    /// `recognition` covers all layers of a sigmoid belief net, and all but the last of a deep belief
    /// network; `visible_variance` is `[n_0]`.
    ///
    /// # Errors
    ///
    /// The errors of [`check`](Self::check).
    pub fn new(
        kind: ModelKind,
        visible: VisibleKind,
        stack: Stack,
        recognition: Option<Recognition>,
        visible_variance: Option<Vector>,
        metadata: BTreeMap<String, String>,
    ) -> Result<Self> {
        let (features, standardise, labels) = (None, None, None);
        // Without more words a harmonium has Bernoulli units.
        let bernoulli = |l: usize| {
            Layer::new(Arc::new(Bernoulli), stack.bias(l).len())?.with_parameters(stack.bias(l).as_slice().to_vec())
        };
        let units = match kind {
            ModelKind::Harmonium => Some([bernoulli(0)?, bernoulli(1)?]),
            _ => None,
        };
        let model = Self {
            kind,
            visible,
            stack,
            recognition,
            visible_variance,
            features,
            standardise,
            labels,
            units,
            metadata,
        };
        model.check()?;
        Ok(model)
    }

    /// The same classifier, with a deep Boltzmann machine whose means join its input.
    ///
    /// # Errors
    ///
    /// The errors of [`check`](Self::check).
    pub fn with_features(mut self, features: Option<Stack>) -> Result<Self> {
        self.features = features;
        self.check()?;
        Ok(self)
    }

    /// The same model, with a standardisation of its data.
    ///
    /// # Errors
    ///
    /// The errors of [`check`](Self::check).
    pub fn with_standardise(mut self, standardise: Option<Standardise>) -> Result<Self> {
        self.standardise = standardise;
        self.check()?;
        Ok(self)
    }

    /// The same model, with label units beside the lower layer of its top RBM.
    ///
    /// # Errors
    ///
    /// The errors of [`check`](Self::check).
    pub fn with_labels(mut self, labels: Option<Labels>) -> Result<Self> {
        self.labels = labels;
        self.check()?;
        Ok(self)
    }

    /// The content of a harmonium's file.
    ///
    /// # Shapes
    ///
    /// `weights` is W, `[visible, hidden]`.
    ///
    /// # Errors
    ///
    /// The errors of [`check`](Self::check).
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::layer::LayerSpec;
    /// use gm_core::{Matrix, ModelData};
    ///
    /// let layer = |text: &str, units| text.parse::<LayerSpec>()?.layer(units);
    /// let data = ModelData::harmonium(Matrix::zeros(4, 2), [layer("spin", 4)?, layer("drelu", 2)?])?;
    /// let mut file = vec![];
    /// data.write(&mut file)?;
    /// assert_eq!(ModelData::read(&file[..])?, data);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn harmonium(weights: Matrix, layers: [Layer; 2]) -> Result<Self> {
        let bias = |layer: &Layer| Vector::from_vec(layer.biases());
        let stack = Stack::new(vec![weights], layers.iter().map(bias).collect())?;
        let mut model = Self::new(ModelKind::Harmonium, VisibleKind::Bernoulli, stack, None, None, BTreeMap::new())?;
        model.visible = layers[0].data_kind();
        model.units = Some(layers);
        model.check()?;
        Ok(model)
    }

    /// The tensors of a harmonium's layers that are neither weights nor biases, by the names that files give them:
    /// `units.L.NAME`.
    #[must_use]
    pub fn unit_tensors(&self) -> Vec<(String, Vec<f32>)> {
        let of_layer = |(l, layer): (usize, &Layer)| {
            let biases = layer.bias_names();
            let others = layer.tensors().into_iter().filter(move |(name, _)| !biases.contains(name));
            others.map(move |(name, values)| (format!("units.{l}.{name}"), values)).collect::<Vec<_>>()
        };
        self.units.iter().flatten().enumerate().flat_map(of_layer).collect()
    }

    /// The kinds of the visible units, as files name them.
    #[must_use]
    pub fn visible_name(&self) -> String {
        self.units.as_ref().map_or_else(|| self.visible.to_string(), |[visible, _]| visible.name())
    }

    /// The kinds of the hidden units of a harmonium, as files name them; `None` for other models, which have Bernoulli units.
    #[must_use]
    pub fn hidden_name(&self) -> Option<String> {
        self.units.as_ref().map(|[_, hidden]| hidden.name())
    }

    /// The same model with the names of the columns of its data, in order; without names the model stays as it is.
    #[must_use]
    pub fn with_columns(mut self, names: Option<&[String]>) -> Self {
        if let Some(text) = names.and_then(|names| serde_json::to_string(names).ok()) {
            self.metadata.insert(COLUMNS.into(), text);
        }
        self
    }

    /// The names of the columns of the data that the model was trained on, where they are known.
    #[must_use]
    pub fn columns(&self) -> Option<Vec<String>> {
        serde_json::from_str(self.metadata.get(COLUMNS)?).ok()
    }

    /// The same model with a letter for each category of its data, in order; without letters the model stays as it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{ModelData, ModelKind, Stack, VisibleKind};
    ///
    /// let names = ["p1".to_string(), "p2".to_string()];
    /// let data = ModelData::from_stack(ModelKind::Rbm, Stack::zeros(&[6, 4])?)?.with_columns(Some(&names));
    /// let data = ModelData { visible: VisibleKind::Softmax { categories: 3 }, ..data }.with_alphabet(Some("-AC"));
    /// assert_eq!(data.alphabet(), Some("-AC"));
    /// assert_eq!(data.unit_names().expect("names")[2..4], ["p1=C", "p2=-"]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn with_alphabet(mut self, letters: Option<&str>) -> Self {
        if let Some(letters) = letters {
            self.metadata.insert(ALPHABET.into(), letters.into());
        }
        self
    }

    /// The letters of the categories of the data that the model was trained on, where they are known.
    #[must_use]
    pub fn alphabet(&self) -> Option<&str> {
        self.metadata.get(ALPHABET).map(String::as_str)
    }

    /// The names of the visible units, where those of the columns are known. A column of categories has a unit `name=K`
    /// for each category K, or `name=LETTER` where categories have letters. The units of labels are called `label=K`.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{ModelData, ModelKind, Stack, VisibleKind};
    ///
    /// let names = ["colour".to_string(), "size".to_string()];
    /// let data = ModelData::from_stack(ModelKind::Rbm, Stack::zeros(&[6, 4])?)?.with_columns(Some(&names));
    /// let data = ModelData { visible: VisibleKind::Softmax { categories: 3 }, ..data };
    /// assert_eq!(data.unit_names().expect("names")[2..4], ["colour=2", "size=0"]);
    /// assert_eq!(ModelData { visible: VisibleKind::Bernoulli, ..data }.unit_names(), None);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn unit_names(&self) -> Option<Vec<String>> {
        let (names, units) = (self.columns()?, self.stack.bias(0).len());
        let each = |name: &str, count: usize| (0..count).map(|k| format!("{name}={k}")).collect::<Vec<_>>();
        let letters: Vec<char> = self.alphabet().unwrap_or_default().chars().collect();
        let found = match self.visible {
            VisibleKind::Softmax { categories } if names.len() < units && letters.len() == categories => {
                names.iter().flat_map(|name| letters.iter().map(move |letter| format!("{name}={letter}"))).collect()
            }
            VisibleKind::Softmax { categories } if names.len() < units => {
                names.iter().flat_map(|name| each(name, categories)).collect()
            }
            VisibleKind::Labelled { classes } => names.into_iter().chain(each("label", classes)).collect(),
            _ => names,
        };
        (found.len() == units).then_some(found)
    }

    /// The visible units as the models use them.
    ///
    /// # Errors
    ///
    /// The errors of [`check`](Self::check).
    pub fn visible_units(&self) -> Result<VisibleUnits> {
        let variance = self.visible_variance.as_ref().map(Vector::as_slice);
        match VisibleUnits::new(self.visible, self.stack.bias(0).len(), variance)? {
            VisibleUnits::Gaussian(units) => {
                Ok(VisibleUnits::Gaussian(units.with_standardise(self.standardise.clone())?))
            }
            units => Ok(units),
        }
    }

    /// A model with binary visible units and no recognition net.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for a restricted Boltzmann machine of more than one layer.
    pub fn from_stack(kind: ModelKind, stack: Stack) -> Result<Self> {
        Self::new(kind, VisibleKind::Bernoulli, stack, None, None, BTreeMap::new())
    }

    /// Checks that the parts fit together. Writing does the same.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when shapes disagree, [`Error::Param`] when a part does not belong to such a model,
    /// [`Error::NonFinite`] for NaN or an infinity anywhere.
    pub fn check(&self) -> Result<()> {
        if matches!(self.kind, ModelKind::Rbm | ModelKind::Harmonium) {
            check_len(OP, "stack", "depth", self.stack.depth(), 1)?;
        }
        if self.kind != ModelKind::Sbn {
            self.stack.check_plain(OP)?;
        }
        if let Some(features) = &self.features {
            features.check_plain(OP)?;
        }
        self.stack.check_finite()?;
        self.check_recognition()?;
        self.check_input()?;
        self.check_visible()?;
        self.check_labels()?;
        self.check_units()?;
        match self.metadata.keys().find(|key| RESERVED.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => Err(param("metadata", key, "keys other than format, model, visible and hidden")),
        }
    }

    /// Checks that the model is of the given kind, for readers of one kind.
    ///
    /// # Errors
    ///
    /// [`FileError::WrongKind`] with both kinds.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{ModelData, ModelKind, Stack};
    ///
    /// let dbn = ModelData::from_stack(ModelKind::Dbn, Stack::zeros(&[3, 2])?)?;
    /// let error = dbn.expect_kind(ModelKind::Rbm).unwrap_err();
    /// assert_eq!(error.to_string(), "the file holds a dbn, expected an rbm");
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn expect_kind(&self, kind: ModelKind) -> Result<()> {
        if self.kind == kind {
            return Ok(());
        }
        Err(FileError::WrongKind { expected: kind.to_string(), found: self.kind.to_string() }.into())
    }

    /// Reads a `.gm` file.
    ///
    /// # Errors
    ///
    /// A [`FileError`] that says what is wrong with the file, or the errors of [`check`](Self::check).
    pub fn read(reader: impl Read) -> Result<Self> {
        Self::read_as(Format::Gm, reader)
    }

    /// Writes a `.gm` file. Equal models give equal bytes.
    ///
    /// # Errors
    ///
    /// The errors of [`check`](Self::check), or [`FileError::Io`] from the writer.
    pub fn write(&self, writer: impl Write) -> Result<()> {
        self.write_as(Format::Gm, writer)
    }

    /// Reads a file of the given format.
    ///
    /// # Numerics
    ///
    /// Numbers of 64 bits are rounded to 32 bits. Memory stays within a small multiple of the size of the file. For
    /// compressed archives it stays within a small multiple of 64 times the size plus 16 MiB.
    ///
    /// # Errors
    ///
    /// A [`FileError`] that says what is wrong with the file, or the errors of [`check`](Self::check).
    pub fn read_as(format: Format, reader: impl Read) -> Result<Self> {
        let (code, parts) = files::read(format, reader)?;
        let model = parts.into_model(format.name())?;
        match code {
            Some(code) if code != model.kind.code() => {
                let found = ModelKind::from_code(code).map_or(format!("model of kind {code}"), |kind| kind.to_string());
                let expected = format!("{} as its content says", model.kind);
                Err(FileError::WrongKind { expected, found }.into())
            }
            _ => Ok(model),
        }
    }

    /// Writes a file of the given format. Equal models give equal bytes.
    ///
    /// # Errors
    ///
    /// The errors of [`check`](Self::check), or [`FileError::Io`] from the writer.
    pub fn write_as(&self, format: Format, writer: impl Write) -> Result<()> {
        self.check()?;
        files::write(format, writer, self.kind.code(), &Parts::from(self))
    }

    fn check_recognition(&self) -> Result<()> {
        let Some(net) = &self.recognition else {
            return Ok(());
        };
        let directed = match self.kind {
            ModelKind::Rbm | ModelKind::Dbm | ModelKind::Harmonium => {
                return Err(param("recognition", "present", "only in a directed model"));
            }
            ModelKind::Classifier => return Err(param("recognition", "present", "only in a directed model")),
            ModelKind::Sbn if self.stack.depth() == 0 => {
                return Err(param("recognition", "present", "only in a model with hidden layers"));
            }
            ModelKind::Sbn => self.stack.depth(),
            ModelKind::Dbn => self.stack.depth() - 1,
        };
        if self.kind == ModelKind::Dbn && net.is_autoregressive() {
            return Err(param("recognition", "autoregressive", "only in an SBN"));
        }
        check_len(OP, "recognition", "depth", net.depth(), directed)?;
        for (l, (found, expected)) in net.layers().into_iter().zip(self.stack.layers()).enumerate() {
            check_len(OP, format!("recognition layer {l}"), "units", found, expected)?;
        }
        net.check_finite()
    }

    /// Checks the layers of a harmonium: their biases are those of the stack.
    fn check_units(&self) -> Result<()> {
        let Some(layers) = &self.units else { return Ok(()) };
        if self.kind != ModelKind::Harmonium {
            return Err(param("units", "present", "only in a harmonium"));
        }
        if self.visible != layers[0].data_kind() {
            return Err(param("visible", self.visible.to_string(), "the kind of data of the visible units"));
        }
        for (l, layer) in layers.iter().enumerate() {
            check_len(OP, format!("bias.{l}"), "length", self.stack.bias(l).len(), layer.units())?;
            if layer.biases() != self.stack.bias(l).as_slice() {
                return Err(param("units", "other biases", "those of the stack"));
            }
        }
        Ok(())
    }

    fn check_labels(&self) -> Result<()> {
        let Some(labels) = &self.labels else {
            return Ok(());
        };
        if self.kind != ModelKind::Dbn {
            return Err(param("labels", "present", "only in a deep belief network"));
        }
        labels.check(OP, self.stack.bias(self.stack.depth()).len())
    }

    /// Checks the input of a classifier: it has no biases, and features are appended to the rows of data.
    fn check_input(&self) -> Result<()> {
        if self.kind == ModelKind::Classifier && self.stack.bias(0).iter().any(|&b| b != 0.0) {
            return Err(param("bias.0", "not zero", "zeros in a classifier, whose file has no `bias.0`"));
        }
        let Some(features) = &self.features else { return Ok(()) };
        if self.kind != ModelKind::Classifier {
            return Err(param("features", "present", "only in a classifier"));
        }
        features.check_finite()?;
        if features.depth() < 2 {
            return Err(param("features", "one hidden layer", "two hidden layers or more"));
        }
        let joined = features.bias(0).len() + features.bias(2).len();
        check_len(OP, "weights.0", "rows", self.stack.bias(0).len(), joined)
    }

    fn check_visible(&self) -> Result<()> {
        if self.kind == ModelKind::Harmonium {
            return Ok(());
        }
        if self.visible == VisibleKind::Gaussian && self.visible_variance.is_none() {
            return Err(param("visible_variance", "absent", "a variance for each visible unit"));
        }
        if self.visible != VisibleKind::Gaussian && self.standardise.is_some() {
            return Err(param("visible_shift", "present", "only with gaussian visible units"));
        }
        self.visible_units().map(|_| ())
    }
}

fn param(arg: &'static str, value: impl Into<String>, allowed: &'static str) -> Error {
    Error::Param { op: OP, arg, value: value.into(), allowed }
}
