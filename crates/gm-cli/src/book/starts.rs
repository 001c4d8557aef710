//! The picture on the first page of the chapter on sigmoid belief nets: two nets that differ in their start alone.

use std::path::{Path, PathBuf};

use gm_core::Streams;
use gm_data::{Binarise, DataSpec, LoadOptions, load};
use gm_train::{EpochRecord, FitOptions, MonitorSettings, SbnSettings, Unobserved, fit_sbn};

use super::story::{chart, check, curve, figure};
use crate::picture::{Canvas, PAPER};

/// Passes over the 50,000 training rows of MNIST, 500 updates each.
const EPOCHS: u64 = 16;

fn shared() -> PathBuf {
    let near = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    std::env::var_os("GM_SHARED").map_or(near, PathBuf::from)
}

/// The figures of a net 784-200-200-200 whose hidden biases begin at a value.
fn history(hidden_bias: f32, folder: &Path) -> Vec<EpochRecord> {
    let options = LoadOptions { data_dir: Some(folder.into()), ..LoadOptions::default() };
    let mnist = load(&DataSpec::parse("mnist").expect("a known set"), &options).expect("the set is there");
    let settings = SbnSettings {
        hidden: vec![200; 3],
        sleep: 0.25,
        epochs: EPOCHS,
        learning_rate: 0.015,
        hidden_bias,
        ..Default::default()
    };
    let monitor = MonitorSettings { every: 1, ..Default::default() };
    let options = FitOptions { binarise: Some(Binarise::Dynamic), monitor, ..Default::default() };
    fit_sbn(&mnist, &settings, &options, &Streams::new(1), &mut Unobserved).expect("training").history
}

#[test]
#[ignore = "minutes of training on MNIST; run by `cargo xtask ci --long`"]
fn slow_golden_picture_of_two_starts() {
    let folder = shared();
    if !folder.join("mnist").is_dir() {
        eprintln!("skipped: no mnist in {}; set GM_SHARED to a folder of data sets", folder.display());
        return;
    }
    let starts = [("hidden biases of 0", 0.0), ("hidden biases of -3", -3.0)];
    let histories = starts.map(|(name, bias)| (name, history(bias, &folder)));
    let last = |at: usize, name: &str| figure(&histories[at].1, name, 0).last().expect("evaluations").1;
    assert!(last(1, "importance_weighted") > last(0, "importance_weighted") + 2.0, "the start is worth nats");
    let bounds = histories.each_ref().map(|(name, history)| curve(name, figure(history, "importance_weighted", 0)));
    let epochs = "passes over the training rows";
    let left = chart("A bound of ln p(v), validation rows", (epochs, "nats a row"), bounds.to_vec());
    let active = histories.iter().flat_map(|(name, history)| {
        [2, 3].map(|l| {
            let bias = name.rsplit(' ').next().unwrap_or_default();
            curve(&format!("layer {l}, from {bias}"), figure(history, &format!("active_units_{l}"), 0))
        })
    });
    let right = chart("Active units of 200", (epochs, "units"), active.collect());
    let mut both = Canvas::new(left.width() + right.width(), left.height(), PAPER);
    both.paste(&left, 0, 0);
    both.paste(&right, left.width(), 0);
    check("starts.png", &both.into_image());
}
