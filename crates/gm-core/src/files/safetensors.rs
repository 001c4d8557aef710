//! safetensors models: tensors by name, and metadata `format`, `model` and `visible`.
//!
//! The crate safetensors reads them. This module writes them, because the crate orders metadata at random.

use std::collections::BTreeMap;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorInfo, TensorView};
use serde::Serialize;

use super::decode_error;
use super::tensors::{Parts, Tensor, field};
use crate::error::{FileError, Result};

const FORMAT: &str = "safetensors";
const NAMING: &str = "gm/1";

pub(super) fn read(bytes: &[u8]) -> Result<Parts> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| decode_error(FORMAT, e))?;
    let file = SafeTensors::deserialize(bytes).map_err(|e| decode_error(FORMAT, e))?;
    let mut metadata: BTreeMap<String, String> = header.metadata().clone().into_iter().flatten().collect();
    if let Some(naming) = metadata.remove("format").filter(|naming| naming != NAMING) {
        return Err(field(FORMAT, "format", naming, NAMING).into());
    }
    let tensors = file.iter().map(|(name, view)| tensor(name, &view).map(|tensor| (name.to_owned(), tensor)));
    Ok(Parts {
        model: metadata.remove("model"),
        visible: metadata.remove("visible"),
        tensors: tensors.collect::<Result<_>>()?,
        metadata,
    })
}

fn tensor(name: &str, view: &TensorView<'_>) -> Result<Tensor> {
    let values = match view.dtype() {
        Dtype::F32 => view.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
        Dtype::F64 => view.data().as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes) as f32).collect(),
        other => return Err(field(FORMAT, name, format!("of type {other}"), "of type F32 or F64").into()),
    };
    Ok(Tensor { shape: view.shape().to_vec(), values })
}

#[derive(Serialize)]
struct Header<'a> {
    #[serde(rename = "__metadata__")]
    metadata: BTreeMap<&'a str, &'a str>,
    #[serde(flatten)]
    tensors: BTreeMap<&'a str, TensorInfo>,
}

pub(super) fn write(parts: &Parts) -> Result<Vec<u8>> {
    let mut bytes = header(parts)?;
    // The header is padded with spaces to keep the numbers aligned.
    bytes.resize(bytes.len().next_multiple_of(8), b' ');
    let length = (bytes.len() as u64).to_le_bytes();
    bytes.splice(..0, length);
    for tensor in parts.tensors.values() {
        bytes.extend(tensor.values.iter().flat_map(|x| x.to_le_bytes()));
    }
    Ok(bytes)
}

fn header(parts: &Parts) -> std::result::Result<Vec<u8>, FileError> {
    let mut metadata: BTreeMap<&str, &str> = BTreeMap::new();
    metadata.extend(parts.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    metadata.insert("format", NAMING);
    metadata.extend(parts.model.as_deref().map(|model| ("model", model)));
    metadata.extend(parts.visible.as_deref().map(|visible| ("visible", visible)));
    let mut end = 0;
    let mut tensors = BTreeMap::new();
    for (name, tensor) in &parts.tensors {
        let start = end;
        end += tensor.values.len() * size_of::<f32>();
        let shape = tensor.shape.clone();
        tensors.insert(name.as_str(), TensorInfo { dtype: Dtype::F32, shape, data_offsets: (start, end) });
    }
    serde_json::to_vec(&Header { metadata, tensors }).map_err(|e| decode_error(FORMAT, e))
}
