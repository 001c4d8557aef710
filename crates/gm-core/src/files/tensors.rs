//! A model as named tensors, the common form of all files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, FileError, Result, check_len};
use crate::labels::Labels;
use crate::layer::LayerSpec;
use crate::model_data::{HIDDEN, ModelData};
use crate::recognition::Recognition;
use crate::stack::{Matrix, Stack, Vector};
use crate::units::{ModelKind, VisibleKind};
use crate::visible::Standardise;

const KNOWN: &str = "weights.L, bias.L, within.L, recognition.weights.L, recognition.bias.L, recognition.within.L, \
                     label.weights, label.bias, features.weights.L, features.bias.L, visible_variance, visible_shift, visible_scale or units.L.NAME";

/// Numbers in row-major order, as in NumPy: the last index varies fastest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tensor {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

impl Tensor {
    fn from_matrix(w: &Matrix) -> Self {
        Self { shape: vec![w.nrows(), w.ncols()], values: w.transpose().as_slice().to_vec() }
    }

    fn from_vector(b: &Vector) -> Self {
        Self::from_slice(b.as_slice())
    }

    fn from_slice(values: &[f32]) -> Self {
        Self { shape: vec![values.len()], values: values.to_vec() }
    }

    /// True if the number of values fits the shape.
    fn is_complete(&self) -> bool {
        let count = self.shape.iter().try_fold(1_usize, |n, &size| n.checked_mul(size));
        count == Some(self.values.len())
    }
}

/// The content of a model file before checks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Parts {
    pub(crate) model: Option<String>,
    pub(crate) visible: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) tensors: BTreeMap<String, Tensor>,
}

impl From<&ModelData> for Parts {
    fn from(model: &ModelData) -> Self {
        let mut tensors = BTreeMap::new();
        let mut add = |name: String, tensor| drop(tensors.insert(name, tensor));
        add_stack("", &model.stack, usize::from(model.kind == ModelKind::Classifier), &mut add);
        if let Some(features) = &model.features {
            add_stack("features.", features, 0, &mut add);
        }
        if let Some(net) = &model.recognition {
            for l in 0..net.depth() {
                add(format!("recognition.weights.{l}"), Tensor::from_matrix(net.weights(l)));
                add(format!("recognition.bias.{}", l + 1), Tensor::from_vector(net.bias(l + 1)));
                if let Some(within) = net.within(l + 1) {
                    add(format!("recognition.within.{}", l + 1), Tensor::from_matrix(within));
                }
            }
        }
        if let Some(variance) = &model.visible_variance {
            add("visible_variance".into(), Tensor::from_vector(variance));
        }
        if let Some(standardise) = &model.standardise {
            add("visible_shift".into(), Tensor::from_slice(standardise.shift()));
            add("visible_scale".into(), Tensor::from_slice(standardise.scale()));
        }
        if let Some(labels) = &model.labels {
            add("label.weights".into(), Tensor::from_matrix(labels.weights()));
            add("label.bias".into(), Tensor::from_vector(labels.bias()));
        }
        for (name, values) in model.unit_tensors() {
            tensors.insert(name, Tensor::from_slice(&values));
        }
        let mut metadata = model.metadata.clone();
        metadata.extend(model.hidden_name().map(|name| (HIDDEN.to_string(), name)));
        Self { model: Some(model.kind.to_string()), visible: Some(model.visible_name()), metadata, tensors }
    }
}

/// Adds the tensors of a stack, with the biases of layers from `first_bias` on.
fn add_stack(prefix: &str, stack: &Stack, first_bias: usize, add: &mut impl FnMut(String, Tensor)) {
    for l in 0..stack.depth() {
        add(format!("{prefix}weights.{l}"), Tensor::from_matrix(stack.weights(l)));
    }
    for l in first_bias..=stack.depth() {
        add(format!("{prefix}bias.{l}"), Tensor::from_vector(stack.bias(l)));
    }
    for (l, within) in (0..=stack.depth()).filter_map(|l| Some((l, stack.within(l)?))) {
        add(format!("{prefix}within.{l}"), Tensor::from_matrix(within));
    }
}

impl From<ModelData> for Parts {
    fn from(model: ModelData) -> Self {
        Self::from(&model)
    }
}

impl TryFrom<Parts> for ModelData {
    type Error = Error;

    fn try_from(parts: Parts) -> Result<Self> {
        parts.into_model("model")
    }
}

impl Parts {
    /// Checks names, shapes and numbers. `format` is used in error texts.
    pub(crate) fn into_model(self, format: &'static str) -> Result<ModelData> {
        let model = self.model.clone().ok_or_else(|| FileError::Missing { format, name: "model".into() })?;
        let kind = model.parse().map_err(|_| field(format, "model", model, ModelKind::ALLOWED))?;
        if kind == ModelKind::Harmonium {
            return self.into_harmonium(format);
        }
        let visible = match self.visible {
            Some(text) => text.parse().map_err(|_| field(format, "visible", text, VisibleKind::ALLOWED))?,
            None => VisibleKind::Bernoulli,
        };
        let mut shelf = Shelf { format, tensors: self.tensors };
        let stack = shelf.take_stack("", kind != ModelKind::Classifier)?;
        let features = shelf.take_features()?;
        let recognition = shelf.take_recognition()?;
        let visible_variance = shelf.take_optional_vector("visible_variance")?;
        let standardise = shelf.take_standardise()?;
        let labels = shelf.take_labels()?;
        shelf.refuse_rest()?;
        ModelData::new(kind, visible, stack, recognition, visible_variance, self.metadata)?
            .with_features(features)?
            .with_standardise(standardise)?
            .with_labels(labels)
    }
}

impl Parts {
    fn into_harmonium(mut self, format: &'static str) -> Result<ModelData> {
        let mut shelf = Shelf { format, tensors: self.tensors };
        let stack = shelf.take_stack("", true)?;
        check_len("ModelData::read", "stack", "depth", stack.depth(), 1)?;
        let mut layer = |l: usize, name: &str, text: Option<String>| {
            let text = text.unwrap_or_else(|| "bernoulli".into());
            let spec = text.parse::<LayerSpec>().map_err(|_| field(format, name, text, LayerSpec::ALLOWED))?;
            let bias = stack.bias(l).as_slice();
            let blank = spec.layer(bias.len())?;
            let (names, mut first) = (blank.bias_names(), 0);
            let sizes: BTreeMap<_, _> =
                blank.tensors().into_iter().map(|(name, values)| (name, values.len())).collect();
            blank.with_tensors(|name| {
                if !names.iter().any(|bias| bias == name) {
                    return Ok(shelf.take_vector(&format!("units.{l}.{name}"))?.as_slice().to_vec());
                }
                let of_part = first..first + sizes[name];
                first = of_part.end;
                Ok(bias[of_part].to_vec())
            })
        };
        let layers = [layer(0, "visible", self.visible)?, layer(1, "hidden", self.metadata.remove(HIDDEN))?];
        shelf.refuse_rest()?;
        let mut model = ModelData::harmonium(stack.weights(0).clone(), layers)?;
        model.metadata = self.metadata;
        model.check()?;
        Ok(model)
    }
}

pub(crate) fn field(
    format: &'static str,
    name: impl Into<String>,
    found: impl Into<String>,
    expected: &'static str,
) -> FileError {
    FileError::Field { format, name: name.into(), found: found.into(), expected }
}

/// The tensors of a file that are not yet part of the model.
struct Shelf {
    format: &'static str,
    tensors: BTreeMap<String, Tensor>,
}

impl Shelf {
    /// Takes a stack. Without `biased` the first layer has no biases in the file, and they are 0.
    fn take_stack(&mut self, prefix: &str, biased: bool) -> Result<Stack> {
        let depth = self.depth(prefix);
        if depth == 0 {
            let bias = self.take_vector(&format!("{prefix}bias.0"))?;
            return Stack::fully_visible(bias, self.take_matrix(&format!("{prefix}within.0"))?);
        }
        let weights = (0..depth).map(|l| self.take_matrix(&format!("{prefix}weights.{l}")));
        let weights: Vec<Matrix> = weights.collect::<Result<_>>()?;
        let unbiased = (!biased).then(|| Ok(Vector::zeros(weights[0].nrows())));
        let taken = (usize::from(!biased)..=depth).map(|l| self.take_vector(&format!("{prefix}bias.{l}")));
        let biases = unbiased.into_iter().chain(taken).collect::<Result<_>>()?;
        let stack = Stack::new(weights, biases)?;
        self.take_within(prefix, stack)
    }

    fn take_within(&mut self, prefix: &str, mut stack: Stack) -> Result<Stack> {
        for l in 0..=stack.depth() {
            let name = format!("{prefix}within.{l}");
            if self.tensors.contains_key(&name) {
                stack = stack.with_within(l, self.take_matrix(&name)?)?;
            }
        }
        Ok(stack)
    }

    fn take_features(&mut self) -> Result<Option<Stack>> {
        let present = self.tensors.keys().any(|name| name.starts_with("features."));
        present.then(|| self.take_stack("features.", true)).transpose()
    }

    fn take_recognition(&mut self) -> Result<Option<Recognition>> {
        if !self.tensors.keys().any(|name| name.starts_with("recognition.")) {
            return Ok(None);
        }
        let depth = self.depth("recognition.");
        let weight = |l| format!("recognition.weights.{l}");
        let bias = |l| format!("recognition.bias.{l}");
        let weights = (0..depth).map(|l| self.take_matrix(&weight(l))).collect::<Result<_>>()?;
        let biases = (1..=depth).map(|l| self.take_vector(&bias(l))).collect::<Result<_>>()?;
        let net = Recognition::new(weights, biases)?;
        if !self.tensors.keys().any(|name| name.starts_with("recognition.within.")) {
            return Ok(Some(net));
        }
        let within = (1..=depth).map(|l| self.take_matrix(&format!("recognition.within.{l}")));
        net.with_within(within.collect::<Result<_>>()?).map(Some)
    }

    /// The depth according to the highest number among the names, at most the number of tensors. It is 0 with weights within
    /// the first layer and no other weights or biases above it, otherwise 1 or more, so that the error for a missing first
    /// tensor names it.
    fn depth(&self, prefix: &str) -> usize {
        let number = |name: &str, kind: &str| name.strip_prefix(prefix)?.strip_prefix(kind)?.parse::<usize>().ok();
        let depth = |name: &String| {
            let weights = number(name, "weights.").map(|l| l.saturating_add(1));
            weights.or_else(|| number(name, "bias."))
        };
        let highest = self.tensors.keys().filter_map(depth).max().unwrap_or(1);
        let fewest = usize::from(!self.tensors.contains_key(&format!("{prefix}within.0")));
        highest.min(self.tensors.len()).max(fewest)
    }

    fn take(&mut self, name: &str) -> Result<Tensor> {
        let tensor = self.tensors.remove(name);
        Ok(tensor.ok_or_else(|| FileError::Missing { format: self.format, name: name.into() })?)
    }

    fn take_matrix(&mut self, name: &str) -> Result<Matrix> {
        let tensor = self.take(name)?;
        match tensor.shape[..] {
            [rows, columns] if tensor.is_complete() => Ok(Matrix::from_row_slice(rows, columns, &tensor.values)),
            _ => Err(self.refuse_shape(name, &tensor, "a matrix")),
        }
    }

    fn take_vector(&mut self, name: &str) -> Result<Vector> {
        let tensor = self.take(name)?;
        match tensor.shape[..] {
            [_] if tensor.is_complete() => Ok(Vector::from_vec(tensor.values)),
            _ => Err(self.refuse_shape(name, &tensor, "a vector")),
        }
    }

    fn take_optional_vector(&mut self, name: &str) -> Result<Option<Vector>> {
        if self.tensors.contains_key(name) { self.take_vector(name).map(Some) } else { Ok(None) }
    }

    fn take_standardise(&mut self) -> Result<Option<Standardise>> {
        let names = ["visible_shift", "visible_scale"];
        if !names.iter().any(|&name| self.tensors.contains_key(name)) {
            return Ok(None);
        }
        let [shift, scale] = names.map(|name| self.take_vector(name).map(|values| values.as_slice().to_vec()));
        Standardise::new(shift?, scale?).map(Some)
    }

    fn take_labels(&mut self) -> Result<Option<Labels>> {
        if !self.tensors.keys().any(|name| name.starts_with("label.")) {
            return Ok(None);
        }
        let (weights, bias) = (self.take_matrix("label.weights")?, self.take_vector("label.bias")?);
        Labels::new(weights, bias).map(Some)
    }

    fn refuse_shape(&self, name: &str, tensor: &Tensor, expected: &'static str) -> Error {
        let found = format!("of shape {:?} with {} numbers", tensor.shape, tensor.values.len());
        field(self.format, name, found, expected).into()
    }

    fn refuse_rest(mut self) -> Result<()> {
        match self.tensors.pop_first() {
            None => Ok(()),
            Some((name, _)) => Err(field(self.format, name, "not a tensor of such a model", KNOWN).into()),
        }
    }
}
