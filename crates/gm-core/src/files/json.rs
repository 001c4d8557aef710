//! JSON models: `{"model": "rbm", "visible": "bernoulli", "tensors": {"weights.0": [[...]], ...}}`.
//!
//! Without `visible` the units are bernoulli. `metadata` is an object of texts and optional. Other keys are ignored.
//! Numbers are written as exact decimal expansions of their `f32`, so that any reader gets the same bits back.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use super::decode_error;
use super::tensors::{Parts, Tensor, field};
use crate::error::{FileError, Result};

const FORMAT: &str = "json";

pub(super) fn read(bytes: &[u8]) -> Result<Parts> {
    let document: Document = serde_json::from_slice(bytes).map_err(|e| decode_error(FORMAT, e))?;
    let lists = document.tensors.ok_or_else(|| FileError::Missing { format: FORMAT, name: "tensors".into() })?;
    let tensors = lists.into_iter().map(|(name, list)| list.into_tensor(&name).map(|tensor| (name, tensor)));
    Ok(Parts {
        model: document.model,
        visible: document.visible,
        metadata: document.metadata.unwrap_or_default(),
        tensors: tensors.collect::<Result<_>>()?,
    })
}

pub(super) fn write(parts: &Parts) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(&Written(parts)).map_err(|e| decode_error(FORMAT, e))?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[derive(Deserialize)]
struct Document {
    model: Option<String>,
    visible: Option<String>,
    metadata: Option<BTreeMap<String, String>>,
    tensors: Option<BTreeMap<String, Nested>>,
}

/// A list of numbers, or of equally long lists of numbers.
#[derive(Default)]
struct Nested {
    values: Vec<f32>,
    /// Lists within the list.
    rows: usize,
    /// Numbers in each of these lists.
    columns: Option<usize>,
    /// Numbers directly in the list.
    loose: usize,
    ragged: bool,
}

impl Nested {
    fn into_tensor(self, name: &str) -> Result<Tensor> {
        if self.ragged || (self.rows > 0 && self.loose > 0) {
            let expected = "a list of numbers or of equally long lists of numbers";
            return Err(field(FORMAT, name, "a list with parts of different lengths", expected).into());
        }
        let shape = self.columns.map_or(vec![self.loose], |columns| vec![self.rows, columns]);
        Ok(Tensor { shape, values: self.values })
    }

    fn end_row(&mut self, length: usize) {
        self.rows += 1;
        self.ragged |= *self.columns.get_or_insert(length) != length;
    }
}

impl<'de> Deserialize<'de> for Nested {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_seq(Outer)
    }
}

struct Outer;

impl<'de> Visitor<'de> for Outer {
    type Value = Nested;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of numbers or of lists of numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Nested, A::Error> {
        let mut nested = Nested::default();
        while list.next_element_seed(Item(&mut nested))?.is_some() {}
        Ok(nested)
    }
}

/// An element of the outer list.
struct Item<'a>(&'a mut Nested);

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Item<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or a list of numbers")
    }

    fn visit_f64<E: Error>(self, value: f64) -> std::result::Result<(), E> {
        self.0.values.push(value as f32);
        self.0.loose += 1;
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> std::result::Result<(), E> {
        self.visit_f64(value as f64)
    }

    fn visit_i64<E: Error>(self, value: i64) -> std::result::Result<(), E> {
        self.visit_f64(value as f64)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut row: A) -> std::result::Result<(), A::Error> {
        let before = self.0.values.len();
        while let Some(value) = row.next_element::<f64>()? {
            self.0.values.push(value as f32);
        }
        self.0.end_row(self.0.values.len() - before);
        Ok(())
    }
}

struct Written<'a>(&'a Parts);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("model", &self.0.model)?;
        map.serialize_entry("visible", &self.0.visible)?;
        if !self.0.metadata.is_empty() {
            map.serialize_entry("metadata", &self.0.metadata)?;
        }
        let lists = self.0.tensors.iter().map(|(name, tensor)| (name, Rows(tensor)));
        map.serialize_entry("tensors", &lists.collect::<BTreeMap<_, _>>())?;
        map.end()
    }
}

struct Rows<'a>(&'a Tensor);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self.0.shape[..] {
            [_, columns] => serializer.collect_seq(self.0.values.chunks(columns).map(Row)),
            _ => Row(&self.0.values).serialize(serializer),
        }
    }
}

struct Row<'a>(&'a [f32]);

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        // Numbers are written as f64, because reading a short decimal of an f32 may round twice.
        serializer.collect_seq(self.0.iter().map(|&x| f64::from(x)))
    }
}
