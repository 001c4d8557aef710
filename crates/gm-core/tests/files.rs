//! Model files: round trips, the fixtures, and every kind of bad file.

#![allow(clippy::unwrap_used, reason = "the helpers of a test may panic as the tests themselves do")]

use std::collections::BTreeMap;
use std::io::{Cursor, Write};

use gm_core::{
    EnvelopeKind, Error, FileError, Format, Matrix, ModelData, ModelKind, Recognition, Stack, Vector, VisibleKind,
    read_envelope, write_envelope,
};
use gm_testkit::Fixture;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const MODEL: EnvelopeKind = EnvelopeKind { magic: *b"gm-model", version: 1, oldest: 1, name: "model" };

fn tiny() -> ModelData {
    let stack = Stack::new(
        vec![Matrix::from_row_slice(3, 2, &[0.5, -1.25, 3.0, f32::MIN_POSITIVE, -0.0, 0.1])],
        vec![Vector::from_vec(vec![1.0, -2.0, 1e30]), Vector::from_vec(vec![0.25, 1e-42])],
    );
    ModelData::from_stack(ModelKind::Rbm, stack.unwrap()).unwrap()
}

fn bytes_of(model: &ModelData, format: Format) -> Vec<u8> {
    let mut bytes = Vec::new();
    model.write_as(format, &mut bytes).unwrap();
    bytes
}

fn refusal(format: Format, bytes: &[u8]) -> Error {
    ModelData::read_as(format, bytes).unwrap_err()
}

fn refusal_text(format: Format, bytes: &[u8]) -> String {
    refusal(format, bytes).to_string()
}

fn bits(model: &ModelData) -> Vec<u32> {
    let recognition = model.recognition.iter().flat_map(Recognition::tensors);
    let variance = model.visible_variance.iter().map(|v| v.as_slice());
    let tensors = model.stack.tensors().chain(recognition).chain(variance);
    tensors.flatten().map(|x| x.to_bits()).collect()
}

// Round trips.

fn finite() -> impl Strategy<Value = f32> {
    any::<u32>().prop_map(f32::from_bits).prop_filter("finite", |x| x.is_finite())
}

fn numbers(count: usize) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(finite(), count)
}

/// A model of the given layers, with numbers from the list.
fn build(layers: &[usize], (kind, has_net, visible): (ModelKind, bool, VisibleKind), pool: &[f32]) -> ModelData {
    let mut pool = pool.iter().copied().cycle();
    let mut stack = Stack::zeros(layers).unwrap();
    stack.tensors_mut().flatten().for_each(|x| *x = pool.next().unwrap());
    if kind == ModelKind::Classifier {
        stack.bias_mut(0).fill(0.0);
    }
    let directed = match kind {
        ModelKind::Sbn => layers.len() - 1,
        ModelKind::Dbn => layers.len() - 2,
        _ => 0,
    };
    let net = (has_net && directed > 0).then(|| {
        let mut net = Recognition::zeros(&layers[..=directed]).unwrap();
        net.tensors_mut().flatten().for_each(|x| *x = pool.next().unwrap());
        net
    });
    let positive = |x: f32| x.abs().max(f32::MIN_POSITIVE);
    let variance =
        (visible == VisibleKind::Gaussian).then(|| Vector::from_fn(layers[0], |_, _| positive(pool.next().unwrap())));
    let metadata = BTreeMap::from([("source".into(), "a \"b\" \u{e9}".into()), ("zeta".into(), String::new())]);
    let joined = |pool: &mut dyn Iterator<Item = f32>| {
        let mut features = Stack::zeros(&[layers[0] - 1, 2, 1]).unwrap();
        features.tensors_mut().flatten().for_each(|x| *x = pool.next().unwrap());
        features
    };
    let features = (kind == ModelKind::Classifier && has_net && layers[0] > 1).then(|| joined(&mut pool));
    ModelData::new(kind, visible, stack, net, variance, metadata).unwrap().with_features(features).unwrap()
}

fn models() -> impl Strategy<Value = ModelData> {
    // Harmoniums, whose layers have kinds of their own, have such a test in gm-harmonium.
    let kinds = ModelKind::ALL.into_iter().filter(|&kind| kind != ModelKind::Harmonium);
    let kind = prop::sample::select(kinds.collect::<Vec<_>>());
    let visible = prop::sample::select(vec![VisibleKind::Bernoulli, VisibleKind::Gaussian]);
    let layers = prop::collection::vec(1_usize..6, 2..5);
    (kind, any::<bool>(), visible, layers, numbers(97)).prop_map(|(kind, has_net, visible, mut layers, pool)| {
        if kind == ModelKind::Rbm {
            layers.truncate(2);
        }
        build(&layers, (kind, has_net, visible), &pool)
    })
}

proptest! {
    #[test]
    fn law_every_format_keeps_every_bit(model in models()) {
        for format in Format::ALL {
            let bytes = bytes_of(&model, format);
            let back = ModelData::read_as(format, &bytes[..]).unwrap();
            prop_assert_eq!(&back, &model);
            prop_assert_eq!(bits(&back), bits(&model));
            prop_assert_eq!(&bytes_of(&back, format), &bytes);
            prop_assert_eq!(Format::sniff(&bytes), Some(format));
        }
    }

    #[test]
    fn fuzz_readers_never_panic(junk in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..400) {
        for format in Format::ALL {
            let _ = ModelData::read_as(format, &junk[..]);
            let mut bytes = bytes_of(&tiny(), format);
            let at = at.min(bytes.len());
            bytes.splice(at.., junk.iter().copied());
            let _ = ModelData::read_as(format, &bytes[..]);
        }
    }
}

#[test]
fn law_no_flip_or_truncation_of_any_format_panics() {
    for format in Format::ALL {
        let bytes = bytes_of(&tiny(), format);
        for i in 0..bytes.len() {
            let _ = ModelData::read_as(format, &bytes[..i]);
            for mask in [0x01, 0x80, 0xff] {
                let mut flipped = bytes.clone();
                flipped[i] ^= mask;
                let _ = ModelData::read_as(format, &flipped[..]);
            }
        }
    }
}

#[test]
fn law_model_data_goes_through_serde_inside_other_payloads() {
    let mut file = Vec::new();
    write_envelope(&mut file, &MODEL, 9, &(tiny(), 7_u64)).unwrap();
    assert_eq!(read_envelope::<(ModelData, u64)>(&file[..], &MODEL).unwrap(), (9, (tiny(), 7)));
}

#[test]
fn stable_bytes_of_a_tiny_model() {
    let hash = |format| {
        let digest = Sha256::digest(bytes_of(&tiny(), format));
        digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    assert_eq!(hash(Format::Gm), "515ac62b18920f4b83358a9b72654237dca8d412022a8c5b605ee5e358e0fc7d");
    // The bytes of an archive also depend on the version of the zip library.
    let text = [Format::Safetensors, Format::Json].map(hash);
    assert_eq!(text[0], "a2ec174ac941c1c13a644b6cf2d8d72ab7d1df53f998b0b89074b1f9cb70c99b");
    assert_eq!(text[1], "981b0b31ae2f8bb65a4a64462b9bc4d301b064746cf8b542df014c78297a3541");
}

#[test]
fn table_a_classifier_has_no_biases_on_its_input() {
    let text = r#"{"model": "classifier", "metadata": {"hidden_units": "relu"},
        "tensors": {"weights.0": [[1, 2], [3, 4]], "bias.1": [5, 6], "features.weights.0": [[7]], "features.weights.1": [[8]],
                    "features.bias.0": [9], "features.bias.1": [10], "features.bias.2": [11]}}"#;
    let model = ModelData::read_as(Format::Json, text.as_bytes()).unwrap();
    assert_eq!((model.kind, model.stack.bias(0).as_slice()), (ModelKind::Classifier, &[0.0, 0.0][..]));
    assert_eq!(model.features.as_ref().map(|stack| stack.layers()), Some(vec![1, 1, 1]));
    let written = String::from_utf8(bytes_of(&model, Format::Json)).unwrap();
    assert!(!written.contains("\"bias.0\"") && written.contains("\"features.bias.0\""), "{written}");
    let refused = |from: &str, to: &str| refusal_text(Format::Json, text.replace(from, to).as_bytes());
    assert_eq!(refused("\"bias.1\": [5, 6], ", ""), "json file lacks `bias.1`");
    let error = refused("\"weights.0\": [[1, 2], [3, 4]]", "\"weights.0\": [[1, 2]]");
    assert_eq!(error, "ModelData::new: `weights.0` has rows 1, expected 2");
    let error = refused("\"bias.1\": [5, 6]", "\"bias.0\": [1, 0], \"bias.1\": [5, 6]");
    assert!(error.contains("`bias.0` is not a tensor of such a model"), "{error}");
    let biased = Stack::new(vec![Matrix::zeros(2, 2)], vec![Vector::from_element(2, 1.0), Vector::zeros(2)]).unwrap();
    let error = ModelData::from_stack(ModelKind::Classifier, biased).unwrap_err().to_string();
    assert_eq!(
        error,
        "ModelData::new: `bias.0` is not zero, allowed: zeros in a classifier, whose file has no `bias.0`"
    );
    let rbm = tiny().with_features(Some(Stack::zeros(&[2, 1, 1]).unwrap())).unwrap_err().to_string();
    assert_eq!(rbm, "ModelData::new: `features` is present, allowed: only in a classifier");
}

// The fixtures.

#[test]
fn oracle_every_fixture_is_a_model_file() {
    for fixture in Fixture::all().into_iter().chain([Fixture::published("pydeep_4x4")]) {
        let model = ModelData::read_as(Format::Json, fixture.json().as_bytes()).unwrap();
        assert_eq!(model.kind.as_str(), fixture.model(), "{}", fixture.name());
        assert_eq!(model.visible.to_string(), fixture.visible());
        let stack = fixture.parameters();
        assert_eq!(model.stack.layers(), stack.layers());
        for (l, rows) in stack.weights.iter().enumerate() {
            for (i, row) in rows.iter().enumerate() {
                for (j, &x) in row.iter().enumerate() {
                    assert_eq!(model.stack.weights(l)[(i, j)], x as f32, "{} weights.{l}[{i}, {j}]", fixture.name());
                }
            }
        }
        assert_eq!(model.recognition.is_some(), fixture.tensor_names().contains(&"recognition.weights.0"));
        if let Some(net) = &model.recognition {
            let last = net.depth();
            let expected = fixture.vector(&format!("recognition.bias.{last}"));
            assert!(net.bias(last).iter().zip(expected).all(|(&a, b)| a == b as f32));
        }
        assert_eq!(model.visible_variance.is_some(), fixture.tensor_names().contains(&"visible_variance"));
        for format in Format::ALL {
            assert_eq!(ModelData::read_as(format, &bytes_of(&model, format)[..]).unwrap(), model);
        }
    }
    let shared = Fixture::published("one_stack_three_models");
    assert_eq!(refusal_text(Format::Json, shared.json().as_bytes()), "json file lacks `model`");
}

// `.gm` and the envelope.

#[test]
fn rejects_a_model_file_truncated_at_any_length() {
    let bytes = bytes_of(&tiny(), Format::Gm);
    for length in 0..bytes.len() {
        let error = refusal(Format::Gm, &bytes[..length]);
        let expected = if length < 24 { 24 } else { bytes.len() as u64 };
        assert!(
            matches!(error, Error::File(FileError::Truncated { expected: e, found, .. })
                if e == expected && found == length as u64),
            "{length}: {error}"
        );
    }
}

#[test]
fn rejects_a_model_file_with_any_byte_changed() {
    let bytes = bytes_of(&tiny(), Format::Gm);
    for i in 0..bytes.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[i] ^= mask;
            let Error::File(error) = refusal(Format::Gm, &damaged) else { panic!("byte {i}") };
            let fits = match i {
                0..8 => matches!(error, FileError::Foreign { .. }),
                8..12 => matches!(error, FileError::NewerVersion { .. } | FileError::Field { .. }),
                16..24 => matches!(error, FileError::Truncated { .. } | FileError::Checksum { .. }),
                _ => matches!(error, FileError::Checksum { .. }),
            };
            assert!(fits, "byte {i}, mask {mask:#x}: {error}");
        }
    }
}

#[test]
fn rejects_a_foreign_file() {
    assert_eq!(refusal_text(Format::Gm, b"\x89PNG\r\n"), "not a model file: it begins with other bytes");
    let json = bytes_of(&tiny(), Format::Json);
    assert_eq!(refusal_text(Format::Gm, &json), "not a model file: it begins with other bytes");
}

#[test]
fn rejects_a_newer_version() {
    let mut bytes = Vec::new();
    write_envelope(&mut bytes, &EnvelopeKind { version: 2, ..MODEL }, 1, &"from the future").unwrap();
    assert_eq!(refusal_text(Format::Gm, &bytes), "model file has format version 2, this program reads up to 1");
    bytes[8] = 0;
    assert_eq!(refusal_text(Format::Gm, &bytes), "model file: `version` is 0, expected 1 or more");
}

#[test]
fn rejects_lengths_that_lie() {
    for length in [u64::MAX, u64::MAX - 56, 1 << 62, 1 << 40] {
        let mut bytes = bytes_of(&tiny(), Format::Gm);
        bytes[16..24].copy_from_slice(&length.to_le_bytes());
        assert!(matches!(refusal(Format::Gm, &bytes), Error::File(FileError::Truncated { .. })));
    }
}

#[test]
fn rejects_trailing_bytes() {
    let mut bytes = bytes_of(&tiny(), Format::Gm);
    bytes.extend(b"abc");
    assert_eq!(refusal_text(Format::Gm, &bytes), "model file has 3 bytes after its end");
    let endless = std::io::Read::chain(Cursor::new(bytes), std::io::repeat(0));
    assert!(ModelData::read(endless).unwrap_err().to_string().contains("bytes after its end"));
}

/// The content of the payload of a model file, for writing wrong content with right checksums.
#[derive(Clone, Serialize, Deserialize)]
struct Payload {
    model: Option<String>,
    visible: Option<String>,
    metadata: BTreeMap<String, String>,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

fn payload() -> Payload {
    read_envelope(&bytes_of(&tiny(), Format::Gm)[..], &MODEL).unwrap().1
}

fn sealed(kind: u32, payload: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_envelope(&mut bytes, &MODEL, kind, payload).unwrap();
    bytes
}

fn payload_refusal(change: impl Fn(&mut Payload)) -> String {
    let mut payload = payload();
    change(&mut payload);
    refusal_text(Format::Gm, &sealed(1, &payload))
}

#[test]
fn rejects_lengths_that_lie_within_a_sound_payload() {
    for lie in [u64::MAX, i64::MAX as u64, 1 << 40, 5000] {
        // The payload of an option that is present, with a text of that length.
        let text = refusal_text(Format::Gm, &sealed(1, &(1_u8, lie, 0_u64)));
        assert!(text.starts_with("model file cannot be decoded: "), "{text}");
        // A payload without model, visible and metadata, and with that number of tensors.
        let text = refusal_text(Format::Gm, &sealed(1, &(0_u8, 0_u8, 0_u64, lie)));
        assert!(text.starts_with("model file cannot be decoded: "), "{text}");
    }
    let text = refusal_text(Format::Gm, &sealed(1, &(payload(), 0_u8)));
    assert_eq!(text, "model file cannot be decoded: 1 bytes of the payload are not part of its content");
}

#[test]
fn rejects_a_kind_that_the_content_contradicts() {
    let text = refusal_text(Format::Gm, &sealed(4, &payload()));
    assert_eq!(text, "the file holds a dbn, expected an rbm as its content says");
    assert!(refusal_text(Format::Gm, &sealed(77, &payload())).contains("holds a model of kind 77"));
    let error = tiny().expect_kind(ModelKind::Sbn).unwrap_err();
    assert_eq!(error.to_string(), "the file holds an rbm, expected an sbn");
    assert!(tiny().expect_kind(ModelKind::Rbm).is_ok());
}

#[test]
fn rejects_content_that_is_not_a_model() {
    let text = payload_refusal(|p| p.model = None);
    assert_eq!(text, "model file lacks `model`");
    let text = payload_refusal(|p| p.model = Some("cnn".into()));
    assert_eq!(text, "model file: `model` is cnn, expected rbm, sbn, dbm, dbn, classifier or harmonium");
    let text = payload_refusal(|p| p.visible = Some("poisson".into()));
    assert_eq!(
        text,
        "model file: `visible` is poisson, expected bernoulli, gaussian, softmax:K or bernoulli+softmax:K with K of 2 or more"
    );
    let text = payload_refusal(|p| drop(p.tensors.remove("bias.1")));
    assert_eq!(text, "model file lacks `bias.1`");
    let text = payload_refusal(|p| p.tensors.clear());
    assert_eq!(text, "model file lacks `weights.0`");
    let text = payload_refusal(|p| p.tensors.get_mut("bias.0").unwrap().1[2] = f32::NAN);
    assert_eq!(text, "Stack::new: `bias.0` is NaN at position 2, allowed: finite numbers");
}

#[test]
fn rejects_tensors_of_other_shapes() {
    let text = payload_refusal(|p| p.tensors.get_mut("weights.0").unwrap().0 = vec![6]);
    assert_eq!(text, "model file: `weights.0` is of shape [6] with 6 numbers, expected a matrix");
    let text = payload_refusal(|p| p.tensors.get_mut("weights.0").unwrap().0 = vec![usize::MAX, 2]);
    assert!(text.contains("`weights.0` is of shape [18446744073709551615, 2]"), "{text}");
    let text = payload_refusal(|p| p.tensors.get_mut("weights.0").unwrap().0 = vec![2, 3]);
    assert_eq!(text, "Stack::new: `bias.0` has length 3, expected 2");
    let text = payload_refusal(|p| p.tensors.get_mut("bias.0").unwrap().0 = vec![3, 1]);
    assert_eq!(text, "model file: `bias.0` is of shape [3, 1] with 3 numbers, expected a vector");
    let text = payload_refusal(|p| *p.tensors.get_mut("weights.0").unwrap() = (vec![0, usize::MAX], vec![]));
    assert!(text.starts_with("Stack::new: `bias.0` has length 3, expected 0"), "{text}");
}

#[test]
fn rejects_tensors_that_do_not_belong() {
    let vector = (vec![1], vec![0.0]);
    let with = |name: &str| {
        payload_refusal(|p| {
            p.tensors.insert(name.into(), vector.clone());
        })
    };
    let known = "weights.L, bias.L, within.L, recognition.weights.L, recognition.bias.L, recognition.within.L, label.weights, \
                 label.bias, features.weights.L, features.bias.L, visible_variance, visible_shift, visible_scale or \
                 units.L.NAME";
    assert_eq!(with("wieghts.1"), format!("model file: `wieghts.1` is not a tensor of such a model, expected {known}"));
    assert_eq!(with("bias.00"), format!("model file: `bias.00` is not a tensor of such a model, expected {known}"));
    assert_eq!(with("bias.2"), "model file lacks `weights.1`");
    assert_eq!(with("weights.18446744073709551615"), "model file lacks `weights.1`");
    assert_eq!(with("recognition.bias.1"), "model file lacks `recognition.weights.0`");
    assert_eq!(with("label.bias"), "model file lacks `label.weights`");
    assert_eq!(
        with("visible_variance"),
        "VisibleUnits::new: `visible_variance` is present, allowed: only with gaussian visible units"
    );
}

// Parts and the models to which they belong.

#[test]
fn rejects_parts_that_do_not_fit_the_model() {
    let stack = |layers: &[usize]| Stack::zeros(layers).unwrap();
    let make = |kind, visible, stack, net: Option<&[usize]>, variance: Option<Vec<f32>>| {
        let net = net.map(|layers| Recognition::zeros(layers).unwrap());
        ModelData::new(kind, visible, stack, net, variance.map(Vector::from_vec), BTreeMap::new())
    };
    let text = |result: gm_core::Result<ModelData>| result.unwrap_err().to_string();
    let (plain, gaussian) = (VisibleKind::Bernoulli, VisibleKind::Gaussian);

    let deep = make(ModelKind::Rbm, plain, stack(&[4, 3, 2]), None, None);
    assert_eq!(text(deep), "ModelData::new: `stack` has depth 2, expected 1");
    let undirected = make(ModelKind::Dbm, plain, stack(&[4, 3]), Some(&[4, 3]), None);
    assert_eq!(text(undirected), "ModelData::new: `recognition` is present, allowed: only in a directed model");
    let short = make(ModelKind::Sbn, plain, stack(&[4, 3, 2]), Some(&[4, 3]), None);
    assert_eq!(text(short), "ModelData::new: `recognition` has depth 1, expected 2");
    let long = make(ModelKind::Dbn, plain, stack(&[4, 3, 2]), Some(&[4, 3, 2]), None);
    assert_eq!(text(long), "ModelData::new: `recognition` has depth 2, expected 1");
    let wide = make(ModelKind::Sbn, plain, stack(&[4, 3]), Some(&[4, 5]), None);
    assert_eq!(text(wide), "ModelData::new: `recognition layer 1` has units 5, expected 3");
    let bare = make(ModelKind::Rbm, gaussian, stack(&[2, 1]), None, None);
    assert_eq!(text(bare), "ModelData::new: `visible_variance` is absent, allowed: a variance for each visible unit");
    let longer = make(ModelKind::Rbm, gaussian, stack(&[2, 1]), None, Some(vec![1.0; 3]));
    assert_eq!(text(longer), "VisibleUnits::new: `visible_variance` has length 3, expected 2");
    let negative = make(ModelKind::Rbm, gaussian, stack(&[2, 1]), None, Some(vec![1.0, -0.5]));
    assert!(text(negative).contains("`visible_variance` is -0.5 at unit 1, allowed: positive numbers"));
    let odd = make(ModelKind::Rbm, VisibleKind::Softmax { categories: 3 }, stack(&[7, 1]), None, None);
    assert!(text(odd).contains("`visible` is softmax:3 with 7 units"));
}

#[test]
fn rejects_writing_a_model_that_could_not_be_read() {
    for format in Format::ALL {
        let mut model = tiny();
        model.stack.bias_mut(0)[1] = f32::INFINITY;
        let mut bytes = Vec::new();
        let error = model.write_as(format, &mut bytes).unwrap_err();
        assert!(error.to_string().contains("`bias.0` is inf at position 1"), "{error}");
        assert!(bytes.is_empty());
    }
    let mut model = tiny();
    model.metadata.insert("format".into(), "mine".into());
    let error = model.write(Vec::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "ModelData::new: `metadata` is format, allowed: keys other than format, model, visible and hidden"
    );
}

#[test]
fn rejects_a_writer_that_fails() {
    for format in Format::ALL {
        let mut disk = [0; 10];
        let error = tiny().write_as(format, &mut disk[..]).unwrap_err();
        assert!(error.to_string().starts_with("reading or writing failed: "), "{error}");
    }
}

// JSON.

const JSON: &str = r#"{"model": "rbm", "tensors": {"weights.0": [[1, 2.5], [-3, 4e0]], "bias.0": [1, 2], "bias.1": [0, 0]},
    "note": {"deep": [[[1]]]}, "expected": null}"#;

fn json_refusal(from: &str, to: &str) -> String {
    assert!(JSON.contains(from));
    refusal_text(Format::Json, JSON.replace(from, to).as_bytes())
}

#[test]
fn table_json_may_have_other_keys_and_lack_optional_ones() {
    let model = ModelData::read_as(Format::Json, JSON.as_bytes()).unwrap();
    assert_eq!(model.visible, VisibleKind::Bernoulli);
    assert_eq!(*model.stack.weights(0), Matrix::from_row_slice(2, 2, &[1.0, 2.5, -3.0, 4.0]));
    let text = String::from_utf8(bytes_of(&model, Format::Json)).unwrap();
    assert_eq!(
        text,
        "{\"model\":\"rbm\",\"visible\":\"bernoulli\",\"tensors\":{\"bias.0\":[1.0,2.0],\"bias.1\":[0.0,0.0],\
         \"weights.0\":[[1.0,2.5],[-3.0,4.0]]}}\n"
    );
}

#[test]
fn rejects_json_that_is_not_a_model() {
    let ragged = "parts of different lengths, expected a list of numbers or of equally long lists of numbers";
    assert!(json_refusal("[-3, 4e0]", "[-3]").ends_with(ragged));
    assert!(json_refusal("[-3, 4e0]", "5").ends_with(ragged));
    assert!(json_refusal("[-3, 4e0]", "5").starts_with("json file: `weights.0` is "));
    assert!(
        json_refusal("4e0", "[4]").starts_with("json file cannot be decoded: invalid type: sequence, expected f64")
    );
    assert!(json_refusal("4e0", "NaN").starts_with("json file cannot be decoded: expected value at line 1"));
    assert!(json_refusal("4e0", "\"4\"").starts_with("json file cannot be decoded: invalid type: string"));
    assert_eq!(json_refusal("4e0", "4e200"), "Stack::new: `weights.0` is inf at position 3, allowed: finite numbers");
    assert_eq!(
        json_refusal("rbm", "rmb"),
        "json file: `model` is rmb, expected rbm, sbn, dbm, dbn, classifier or harmonium"
    );
    assert_eq!(json_refusal("\"model\"", "\"modle\""), "json file lacks `model`");
    assert_eq!(json_refusal("\"tensors\"", "\"tensor\""), "json file lacks `tensors`");
    assert_eq!(json_refusal("bias.1", "bias.l").split(',').next(), Some("json file lacks `bias.1`"));
    assert_eq!(json_refusal("[0, 0]", "[0]"), "Stack::new: `bias.1` has length 1, expected 2");
    assert!(json_refusal("null}", "null} x").contains("trailing characters"));
    let deep = format!("{{\"tensors\": {}", "[".repeat(100_000));
    assert!(refusal_text(Format::Json, deep.as_bytes()).starts_with("json file cannot be decoded: "));
}

// safetensors.

fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn safetensors_header(metadata: &str, dtype: &str, size: usize) -> String {
    let [a, b, c] = [size, 2 * size, 3 * size];
    format!(
        r#"{{{metadata}"weights.0": {{"dtype": "{dtype}", "shape": [1, 1], "data_offsets": [0, {a}]}},
        "bias.0": {{"dtype": "{dtype}", "shape": [1], "data_offsets": [{a}, {b}]}},
        "bias.1": {{"dtype": "{dtype}", "shape": [1], "data_offsets": [{b}, {c}]}}}}"#
    )
}

const RBM: &str = r#""__metadata__": {"model": "rbm"}, "#;

#[test]
fn table_safetensors_of_64_bits_are_rounded() {
    let data: Vec<u8> = [0.1_f64, 2.0, 3.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let file = safetensors(&safetensors_header(RBM, "F64", 8), &data);
    let model = ModelData::read_as(Format::Safetensors, &file[..]).unwrap();
    assert_eq!(model.stack.weights(0)[0], 0.1_f32);
    assert_eq!(model.stack.bias(1)[0], 3.0);
}

#[test]
fn table_safetensors_header_is_aligned_and_carries_the_names() {
    let bytes = bytes_of(&tiny(), Format::Safetensors);
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    assert_eq!(length % 8, 0);
    let header = std::str::from_utf8(&bytes[8..8 + length]).unwrap();
    let metadata = r#"{"__metadata__":{"format":"gm/1","model":"rbm","visible":"bernoulli"},"bias.0":"#;
    assert!(header.starts_with(metadata), "{header}");
}

#[test]
fn rejects_safetensors_that_are_not_a_model() {
    let text = |header: &str, data: &[u8]| refusal_text(Format::Safetensors, &safetensors(header, data));
    assert_eq!(text(&safetensors_header("", "F32", 4), &[0; 12]), "safetensors file lacks `model`");
    let unknown = safetensors_header(&RBM.replace("rbm", "gan"), "F32", 4);
    assert_eq!(
        text(&unknown, &[0; 12]),
        "safetensors file: `model` is gan, expected rbm, sbn, dbm, dbn, classifier or harmonium"
    );
    let other = safetensors_header(&RBM.replace("{", r#"{"format": "gm/9", "#), "F32", 4);
    assert_eq!(text(&other, &[0; 12]), "safetensors file: `format` is gm/9, expected gm/1");
    let half = text(&safetensors_header(RBM, "F16", 2), &[0; 6]);
    assert!(half.ends_with("is of type F16, expected of type F32 or F64"), "{half}");
    let sound = safetensors_header(RBM, "F32", 4);
    for length in [0, 4, 11, 13] {
        assert!(text(&sound, &vec![0; length]).starts_with("safetensors file cannot be decoded: "));
    }
    let mut lie = safetensors(&sound, &[0; 12]);
    lie[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(refusal_text(Format::Safetensors, &lie), "safetensors file cannot be decoded: header too large");
    let nan = [f32::NAN.to_le_bytes(), [0; 4], [0; 4]].concat();
    assert!(text(&sound, &nan).contains("`weights.0` is NaN at position 0"));
    let wide = sound.replace("[1, 1]", "[18446744073709551615, 2]");
    assert!(text(&wide, &[0; 12]).contains("overflow"), "{}", text(&wide, &[0; 12]));
}

// npz.

/// An npy file as NumPy writes it.
fn npy(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let text = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\x00", &(text.len() as u16).to_le_bytes()[..], text.as_bytes(), data].concat()
}

fn npz(method: CompressionMethod, entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, data) in entries {
        archive.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        archive.write_all(data).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn le4(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn entries() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("model.npy", npy("|u1", "False", "(3,)", b"rbm")),
        ("weights.0.npy", npy("<f4", "False", "(2, 3)", &le4(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))),
        ("bias.0.npy", npy("<f4", "False", "(2,)", &le4(&[7.0, 8.0]))),
        ("bias.1.npy", npy("<f4", "False", "(3,)", &le4(&[0.0; 3]))),
    ]
}

fn npz_refusal(at: usize, name: &'static str, content: Vec<u8>) -> String {
    let mut entries = entries();
    entries[at] = (name, content);
    refusal_text(Format::Npz, &npz(CompressionMethod::Deflated, &entries))
}

#[test]
fn table_npz_of_either_order_type_and_compression() {
    let weights = Matrix::from_row_slice(2, 3, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let f8 = |order: &[f64]| order.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>();
    let big = |order: &[f32]| order.iter().flat_map(|x| x.to_be_bytes()).collect::<Vec<_>>();
    let versions = [
        npy("<f4", "False", "(2, 3)", &le4(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])),
        npy("<f4", "True", "(2, 3)", &le4(&[1.0, 4.0, 2.0, 5.0, 3.0, 6.0])),
        npy("<f8", "False", "(2, 3)", &f8(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])),
        npy("<f8", "True", "(2, 3)", &f8(&[1.0, 4.0, 2.0, 5.0, 3.0, 6.0])),
        npy(">f4", "False", "(2, 3)", &big(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])),
    ];
    for content in versions {
        for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
            let mut entries = entries();
            entries[1].1 = content.clone();
            let model = ModelData::read_as(Format::Npz, &npz(method, &entries)[..]).unwrap();
            assert_eq!(*model.stack.weights(0), weights);
            assert_eq!(model.visible, VisibleKind::Bernoulli);
        }
    }
}

#[test]
fn table_npz_names_may_be_texts_of_numpy() {
    let utf32: Vec<u8> = "rbm".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    for content in [npy("<U3", "False", "()", &utf32), npy("|S4", "False", "(1,)", b"rbm\0")] {
        let mut entries = entries();
        entries[0].1 = content;
        assert!(ModelData::read_as(Format::Npz, &npz(CompressionMethod::Stored, &entries)[..]).is_ok());
    }
}

#[test]
fn rejects_npz_that_is_not_a_model() {
    let plain = |descr, shape, data: &[u8]| npy(descr, "False", shape, data);
    let text = npz_refusal(0, "modle.npy", plain("|u1", "(3,)", b"rbm"));
    assert_eq!(text, "npz file: `modle` is of type |u1, expected of type float32 or float64 (<f4 or <f8)");
    assert_eq!(npz_refusal(0, "visible.npy", plain("|u1", "(9,)", b"bernoulli")), "npz file lacks `model`");
    let text = npz_refusal(0, "model.npy", plain("|u1", "(3,)", b"vae"));
    assert_eq!(text, "npz file: `model` is vae, expected rbm, sbn, dbm, dbn, classifier or harmonium");
    let text = npz_refusal(0, "model.npy", plain("<f4", "(1,)", &[0; 4]));
    assert_eq!(text, "npz file: `model` is of type <f4, expected text as an array of uint8");
    let text = npz_refusal(0, "README.txt", b"hello".to_vec());
    assert_eq!(text, "npz file: `README.txt` is not an array, expected a name that ends in .npy");
    let text = npz_refusal(3, "bias.1.npy", plain("<f4", "(2,)", &[0; 8]));
    assert_eq!(text, "Stack::new: `bias.1` has length 2, expected 3");
    let text = npz_refusal(3, "bias.1.npy", plain("<f4", "(3, 1)", &[0; 12]));
    assert_eq!(text, "npz file: `bias.1` is of shape [3, 1] with 3 numbers, expected a vector");
    let text = npz_refusal(3, "bias.2.npy", plain("<f4", "(3,)", &[0; 12]));
    assert_eq!(text, "npz file lacks `weights.1`");
    let text = npz_refusal(2, "bias.0.npy", plain("<f4", "(2,)", &le4(&[0.0, f32::NAN])));
    assert_eq!(text, "Stack::new: `bias.0` is NaN at position 1, allowed: finite numbers");
    let text = npz_refusal(2, "bias.0.npy", plain("<i8", "(2,)", &[0; 16]));
    assert_eq!(text, "npz file: `bias.0` is of type <i8, expected of type float32 or float64 (<f4 or <f8)");
}

#[test]
fn rejects_npz_that_lies_or_expands_without_bound() {
    let plain = |shape, data: &[u8]| npz_refusal(2, "bias.0.npy", npy("<f4", "False", shape, data));
    let text = plain("(2,)", &[0; 12]);
    assert_eq!(text, "npz file cannot be decoded: `bias.0`: its header announces 8 bytes, but it has another size");
    assert_eq!(plain("(2,)", &[0; 4]), text);
    assert!(plain("(999999999, 999999999)", &[]).contains("would expand to more than 64 times the size of the file"));
    assert!(plain("(99999999999, 99999999999)", &[]).contains("it is not a vector or a matrix of numbers"));
    assert!(plain("(0xffffffffff, 0xffffffffff)", &[]).contains("it is not a vector or a matrix of numbers"));
    assert!(plain("(99_999, 1)", &[]).contains("it is not a vector or a matrix of numbers"));
    assert!(plain("(18000000000000000000, 1+1)", &[]).contains("it is not a vector or a matrix of numbers"));
    assert_eq!(
        plain("(1, 1, 2)", &[0; 8]),
        "npz file: `bias.0` is of shape [1, 1, 2] with 2 numbers, expected a vector"
    );
    let nested = format!("{}2{}", "(".repeat(4000), ")".repeat(4000));
    assert!(plain(&nested, &[]).contains("it is not a vector or a matrix of numbers"));
    // 64 MiB of zeros that deflate to 64 KiB, with an honest header.
    let bomb = plain("(16777216,)", &vec![0; 1 << 26]);
    assert!(bomb.contains("would expand to more than 64 times the size of the file plus 16 MiB"), "{bomb}");
    let mut long = npy("<f4", "False", "(2,)", &[0; 8]);
    long.splice(6..10, [2, 0, 0xff, 0xff, 0xff, 0xff]);
    let text = npz_refusal(2, "bias.0.npy", long);
    assert!(text.contains("a header of 4294967295 bytes is too long"), "{text}");
    assert!(refusal_text(Format::Npz, b"PK\x03\x04").starts_with("npz file cannot be decoded: "));
}

#[test]
fn rejects_npz_that_is_damaged() {
    let bytes = npz(CompressionMethod::Stored, &entries());
    let at = bytes.windows(4).position(|window| window == 7.0_f32.to_le_bytes()).unwrap();
    let mut damaged = bytes.clone();
    damaged[at + 2] ^= 1;
    let text = refusal_text(Format::Npz, &damaged);
    assert!(text.starts_with("npz file cannot be decoded: `bias.0`: "), "{text}");
    for length in 0..bytes.len() {
        assert!(matches!(refusal(Format::Npz, &bytes[..length]), Error::File(FileError::Decode { .. })));
    }
}

// Formats.

#[test]
fn table_formats_by_extension_and_content() {
    for format in Format::ALL {
        assert_eq!(Format::from_path(format!("a.b/model.{format}").as_ref()), Some(format));
        assert_eq!(Format::from_path(format!("MODEL.{}", format.extension().to_uppercase()).as_ref()), Some(format));
        assert_eq!(Format::sniff(&bytes_of(&tiny(), format)), Some(format));
        assert!(Format::ALLOWED.contains(format.extension()));
    }
    for path in ["model", "model.", "gm", ".gm", "model.gm.bak"] {
        assert_eq!(Format::from_path(path.as_ref()), None, "{path}");
    }
    for bytes in [&b""[..], b"gm", b"\x89PNG", b"[1]", b"\0\0\0\0"] {
        assert_eq!(Format::sniff(bytes), None, "{bytes:?}");
    }
}
