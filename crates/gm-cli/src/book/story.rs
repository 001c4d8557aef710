//! The pictures of the chapter `story.md`: small models on the built-in digits, all likelihoods exact.

use gm_core::{BitMatrix, Matrix, Stack, Streams, Vector};
use gm_data::{Binarise, Dataset};
use gm_dbm::{Dbm, MeanFieldSettings, MeanFieldStart};
use gm_dbn::Dbn;
use gm_rbm::Rbm;
use gm_sbn::Sbn;
use gm_train::{
    Backfit, DbnSettings, EpochRecord, FitOptions, MonitorSettings, RbmSettings, Unobserved, fit_dbn, fit_rbm_with,
};
use image::RgbImage;

use super::{place, writing};
use crate::files::png;
use crate::picture::{Chart, Curve, samples};

/// Width and height of the charts.
const SIZE: (u32, u32) = (720, 400);

/// Hidden units of the RBMs whose states are enumerated.
const HIDDEN: usize = 12;
/// Units of the second hidden layer.
const ABOVE: usize = 128;

/// One seed for the whole chapter.
fn streams() -> Streams {
    Streams::new(1)
}

fn digits() -> Dataset {
    Dataset::builtin("digits").expect("built in")
}

fn options() -> FitOptions {
    let monitor = MonitorSettings { every: 5, ..Default::default() };
    FitOptions { binarise: Some(Binarise::Threshold(0.5)), monitor, ..Default::default() }
}

/// The first 200 training rows.
fn rows() -> BitMatrix {
    let bits = digits().train.to_bits(Binarise::Threshold(0.5)).expect("grey levels");
    bits.select(&(0..200).collect::<Vec<usize>>())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

pub(super) fn curve(name: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Curve {
    Curve { name: name.into(), points: points.into_iter().collect() }
}

pub(super) fn chart(title: &str, (across, up): (&str, &str), curves: Vec<Curve>) -> RgbImage {
    let chart = Chart { title: title.into(), across: across.into(), up: up.into(), curves, dots: false };
    chart.draw(SIZE.0, SIZE.1).expect("a chart of a few lines")
}

/// Writes a picture of the chapter, or compares it with the existing one, pixel by pixel.
pub(super) fn check(name: &str, picture: &RgbImage) {
    let path = place("images/story").join(name);
    if writing() {
        std::fs::write(&path, png(picture).expect("a picture")).expect("a folder of pictures");
    }
    let found = image::open(&path).map(|found| found.to_rgb8()).unwrap_or_default();
    assert!(found == *picture, "{}: another picture; `cargo xtask book` draws it anew", path.display());
}

// ANCHOR: alarm
/// An alarm that a burglar or an earthquake sets off, with earthquakes of any rate.
fn alarm(earthquake: f64) -> Sbn {
    let odds = |p: f64| (p / (1.0 - p)).ln() as f32;
    let weights = Matrix::from_row_slice(1, 2, &[9.0, 8.0]);
    let causes = Vector::from_vec(vec![odds(0.1), odds(earthquake)]);
    let stack = Stack::new(vec![weights], vec![Vector::from_element(1, -6.0), causes]).expect("shapes");
    Sbn::new(stack, None).expect("a net")
}

/// p(burglar | alarm), and p(burglar | alarm, earthquake).
fn burglar(earthquake: f64) -> [f64; 2] {
    let heard = BitMatrix::from_fn(1, 1, |_, _| true);
    let posterior = alarm(earthquake).posterior(&heard, 0).expect("two units");
    let (states, p) = (posterior.states()[0].to_matrix(), posterior.probabilities());
    let sum = |fits: fn(bool, bool) -> bool| {
        let both = |s: usize| (states[(0, s)] == 1.0, states[(1, s)] == 1.0);
        (0..p.len()).filter(|&s| fits(both(s).0, both(s).1)).map(|s| p[s]).sum::<f64>()
    };
    [sum(|burglar, _| burglar), sum(|burglar, earthquake| burglar && earthquake) / sum(|_, earthquake| earthquake)]
}
// ANCHOR_END: alarm

#[test]
fn golden_picture_of_explaining_away() {
    let rates = (1..=100).map(|step| 0.005 * f64::from(step));
    let both: Vec<(f64, [f64; 2])> = rates.map(|rate| (rate, burglar(rate))).collect();
    let [unknown, known] = [0, 1].map(|which| both.iter().map(|(rate, p)| (*rate, p[which])).collect::<Vec<_>>());
    // The more common earthquakes are, the less the alarm says about burglars. Once an earthquake is known it says
    // nothing.
    assert!(unknown.windows(2).all(|pair| pair[1].1 < pair[0].1));
    assert!(known.iter().all(|(_, p)| (p - 0.11).abs() < 0.01), "{known:?}");
    let prior = [(0.005, 0.1), (0.5, 0.1)];
    let curves = vec![
        curve("given the alarm", unknown),
        curve("given the alarm and the earthquake", known),
        curve("before the alarm", prior),
    ];
    let axes = ("probability of an earthquake before the alarm", "probability of a burglar");
    check("explaining-away.png", &chart("One cause explains the other away", axes, curves));
}

/// An RBM of 64 visible and `hidden` hidden units, trained by PCD.
fn machine(hidden: usize, epochs: u64) -> Rbm {
    let settings = RbmSettings { hidden, epochs, batch_size: 100, chains: 100, ..Default::default() };
    fit_rbm_with(&digits(), &settings, &options(), &streams(), &mut Unobserved).expect("training").model
}

// ANCHOR: gibbs
/// The visible units of some chains after each number of sweeps: first the states, then the means given the hidden
/// units.
fn film(rbm: &Rbm, count: usize, moments: &[u64]) -> Vec<Matrix> {
    let sampler = rbm.sampler();
    let mut chains = rbm.chains(count, &streams());
    let mut pictures = vec![chains.v().to_matrix()];
    for &sweeps in &moments[1..] {
        let more = sweeps - chains.sweeps;
        sampler.run(&mut chains, more as usize, &streams());
        pictures.push(sampler.mean_v_from_chains(&chains).to_matrix());
    }
    pictures
}
// ANCHOR_END: gibbs

#[test]
fn golden_picture_of_block_gibbs_sampling() {
    const CHAINS: usize = 6;
    let moments = [0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000];
    let pictures = film(&machine(100, 300), CHAINS, &moments);
    // One row per chain, one column per number of sweeps.
    let columns = (0..CHAINS).flat_map(|chain| pictures.iter().map(move |at| at.column(chain)));
    let tiles = Matrix::from_columns(&columns.collect::<Vec<_>>());
    check("block-gibbs.png", &samples(&tiles, (8, 8), Some(moments.len())));
}

// ANCHOR: prior
/// Mean ln p(v) of an RBM unrolled once, with its top weights scaled, and the bound from a posterior that is a product.
fn unrolled(rbm: &Rbm, scale: f64, v: &BitMatrix) -> [f64; 2] {
    let mut dbn = Dbn::unroll(rbm, 2).expect("two layers");
    dbn.stack_mut().update_weights(1, |weights| *weights *= scale as f32);
    let log_z = dbn.log_partition().expect("few units");
    [dbn.log_prob(v, log_z), dbn.exact_bound(v, log_z, 1)].map(|nats| mean(&nats.expect("few units")))
}
// ANCHOR_END: prior

#[test]
fn golden_picture_of_the_complementary_prior() {
    let (rbm, rows) = (machine(HIDDEN, 150), rows());
    let scales = (0..=30).map(|step| 0.05 * f64::from(step));
    let both: Vec<(f64, [f64; 2])> = scales.map(|scale| (scale, unrolled(&rbm, scale, &rows))).collect();
    let [exact, bounds] =
        [0, 1].map(|which| both.iter().map(|(scale, nats)| (*scale, nats[which])).collect::<Vec<_>>());
    let gaps: Vec<f64> = exact.iter().zip(&bounds).map(|(exact, bound)| exact.1 - bound.1).collect();
    let closest = (0..gaps.len()).min_by(|&a, &b| gaps[a].total_cmp(&gaps[b])).expect("some");
    assert_eq!(closest, 20, "the bound is exact where weights are tied: {gaps:?}");
    assert!(gaps[20].abs() < 1e-4, "{gaps:?}");
    let curves = vec![curve("ln p(v), exact", exact), curve("bound, posterior taken to be factorial", bounds)];
    let axes = ("weights of the machine on top, as a multiple of the tied ones", "nats a row");
    check("complementary-prior.png", &chart("Where causes are independent given the data", axes, curves));
}

// ANCHOR: greedy
/// A network of two hidden layers, learnt layer by layer, and the figures of its epochs.
fn greedy() -> (Dbn, Vec<EpochRecord>) {
    let settings = DbnSettings { epochs: vec![150, 300], ..layers() };
    let fit = fit_dbn(&digits(), &settings, &options(), &streams(), &mut Unobserved).expect("training");
    (fit.model, fit.history)
}
// ANCHOR_END: greedy

// ANCHOR: backfit
/// The figures of the epochs in which all layers of a network learn together.
fn together(dbn: &Dbn, backfit: Backfit) -> Vec<EpochRecord> {
    let settings = DbnSettings { backfit, backfit_epochs: 300, backfit_learning_rate: 1e-3, ..layers() };
    let options = FitOptions { start: Some(dbn.to_data().expect("a model")), ..options() };
    fit_dbn(&digits(), &settings, &options, &streams(), &mut Unobserved).expect("training").history
}
// ANCHOR_END: backfit

fn layers() -> DbnSettings {
    DbnSettings {
        hidden: vec![HIDDEN, ABOVE],
        layer: RbmSettings { batch_size: 100, chains: 100, ..Default::default() },
        ..Default::default()
    }
}

pub(super) fn figure(history: &[EpochRecord], name: &str, from: u64) -> Vec<(f64, f64)> {
    let known = |record: &EpochRecord| Some((record.epoch as f64, record.figures.get(name)?));
    history.iter().filter(|record| record.epoch >= from).filter_map(known).collect()
}

#[test]
fn golden_pictures_of_greedy_learning_and_backfitting() {
    let (dbn, history) = greedy();
    let (exact, bound) = (figure(&history, "train_log_likelihood", 75), figure(&history, "train_elbo", 75));
    let first = exact.iter().rfind(|(epoch, _)| *epoch <= 150.0).expect("the first layer");
    let last = exact.last().expect("the second layer");
    assert!(last.1 > first.1 + 0.05, "the second layer is worth something: {first:?}, {last:?}");
    let greedy_end = last.1;
    let curves = vec![curve("ln p(v), exact", exact), curve("bound", bound)];
    let axes = ("epochs: the first layer to 150, then the second", "nats a row");
    check("greedy.png", &chart("A second layer", axes, curves));

    let mut curves = vec![];
    for (name, backfit) in [("up-down algorithm", Backfit::UpDown), ("reweighted wake-sleep", Backfit::Rws)] {
        let mut points = figure(&together(&dbn, backfit), "train_log_likelihood", 0);
        assert!(points.last().expect("evaluations").1 > greedy_end, "{name}: {points:?}");
        points.insert(0, (0.0, greedy_end));
        curves.push(curve(name, points));
    }
    let axes = ("epochs with all layers together", "ln p(v), nats a row");
    check("backfitting.png", &chart("All layers together", axes, curves));
}

// ANCHOR: field
/// The mean gap between ln p(v) and the bound of mean field after each number of passes, in nats per row.
fn lost<const N: usize>(dbm: &Dbm, v: &BitMatrix, passes: [usize; N]) -> [f64; N] {
    let log_z = dbm.log_partition().expect("few units");
    let exact = mean(&dbm.log_prob(v, log_z).expect("few units"));
    passes.map(|iterations| {
        let settings = MeanFieldSettings { iterations, start: MeanFieldStart::Half, ..Default::default() };
        let field = dbm.mean_field(v, &settings).expect("settings");
        exact - mean(&field.bound(dbm, v, log_z))
    })
}
// ANCHOR_END: field

#[test]
fn golden_picture_of_mean_field() {
    const PASSES: [usize; 4] = [1, 2, 5, 50];
    // The RBM of 12 hidden units and, above it, its transposed weights.
    let doubled = Dbn::unroll(&machine(HIDDEN, 150), 2).expect("two layers");
    let rows = rows();
    let mut curves = ["1 pass", "2 passes", "5 passes", "50 passes"].map(|name| curve(name, []));
    for step in 0..=30 {
        let scale = 0.05 * f64::from(step);
        let mut stack = doubled.stack().clone();
        stack.update_weights(1, |weights| *weights *= scale as f32);
        let gaps = lost(&Dbm::from_stack(stack).expect("a machine"), &rows, PASSES);
        assert!(gaps.windows(2).all(|pair| pair[1] <= pair[0] + 1e-4) && gaps[3] > -1e-4, "{gaps:?} at {scale}");
        // Without weights between the hidden layers their posterior is a product.
        assert!(step > 0 || gaps[1] < 1e-4, "{gaps:?}");
        curves.iter_mut().zip(gaps).for_each(|(curve, gap)| curve.points.push((scale, gap)));
    }
    let axes = ("weights between the hidden layers, as a multiple of those below", "nats below ln p(v)");
    check("mean-field.png", &chart("What mean field loses", axes, curves.to_vec()));
}
