//! Learners by themselves: the models, batches and states that they refuse, and the parameters that they leave alone.

use gm_ascent::Team;
use gm_core::{Batch, BitMatrix, Matrix, Stack, Streams, Vector};
use gm_net::{Classifier, HiddenUnits};
use gm_rbm::Rbm;
use gm_sbn::Sbn;
use gm_train::{
    Algorithm, ClassifierLearner, ClassifierSettings, Clock, DbmLearner, DbmSettings, DbnLearner, DbnSettings, Error,
    LayerStart, Learner, Pretrain, RbmLearner, RbmSettings, Regularise, SbnLearner, SbnRule, SbnSettings,
};

#[test]
fn rejects_models_that_do_not_fit() {
    let streams = Streams::new(0);
    let rbm = || Rbm::from_stack(Stack::zeros(&[4, 3]).unwrap()).unwrap();
    let settings = RbmSettings { hidden: 3, chains: 2, ..Default::default() };
    let refuse = |settings: &RbmSettings, means: &[f32]| {
        RbmLearner::start_from(rbm(), means, settings, &streams).unwrap_err().to_string()
    };
    assert_eq!(refuse(&settings, &[0.5; 3]), "RbmLearner::start_from: `visible_means` has length 3, expected 4");
    let other = RbmSettings { hidden: 2, ..settings.clone() };
    assert_eq!(refuse(&other, &[0.5; 4]), "RbmLearner::start_from: `rbm` has hidden units 3, expected 2");
    let large = RbmSettings { algorithm: Algorithm::Exact, hidden: 30, ..Default::default() };
    assert_eq!(
        RbmLearner::new(&[0.5; 25], &large, &streams).unwrap_err().to_string(),
        "training on the exact gradient: 25 units must be enumerated, at most 20 can be"
    );
    let mut learner = RbmLearner::start_from(rbm(), &[0.5; 4], &settings, &streams).unwrap();
    let clock = Clock { step: 0, total: 1, per_epoch: 1 };
    let error = learner.step(&BitMatrix::zeros(5, 2).into(), &clock, &streams).unwrap_err();
    assert_eq!(error.to_string(), "RbmLearner::step: `batch` has units 5, expected 4");
    let mut state = learner.state();
    state.chains.clear();
    assert_eq!(learner.restore(state).unwrap_err().to_string(), "checkpoint file lacks `chains`");
}

#[test]
fn law_chains_of_a_trained_machine_begin_where_the_machine_is() {
    // Both hidden units on, and all visible ones, or none of them: states that independent units hardly have.
    let (streams, units) = (Streams::new(4), 12);
    let weights = Matrix::from_element(units, 2, 3.0);
    let biases = vec![Vector::from_element(units, -3.0), Vector::from_element(2, -6.0 * units as f32 / 4.0)];
    let rbm = Rbm::from_stack(Stack::new(vec![weights], biases).unwrap()).unwrap();
    for algorithm in [Algorithm::Pcd, Algorithm::Pt] {
        let settings = RbmSettings { hidden: 2, algorithm, chains: 40, temperatures: 6, ..Default::default() };
        for shards in [1, 4] {
            let mut learner = RbmLearner::start_from(rbm.clone(), &vec![0.5; units], &settings, &streams).unwrap();
            learner.divide(Team::new(shards).unwrap(), &streams).unwrap();
            let chains = learner.chains().unwrap();
            assert_eq!((chains.sweeps, chains.count()), (500, 40 / shards), "{algorithm}");
            let ones = chains.v().bits().ones_per_sample();
            let alike = ones.iter().filter(|on| !(3..=9).contains(*on)).count();
            assert!(alike * 10 > 8 * ones.len(), "{algorithm} {ones:?}");
        }
    }
}

#[test]
fn law_a_frozen_net_learns_in_its_last_layer_alone() {
    let net = Classifier::random(&[4, 3, 2], HiddenUnits::Sigmoid, None, &Streams::new(1)).unwrap();
    let settings = ClassifierSettings {
        hidden: vec![3],
        head_epochs: 1,
        regularise: Regularise { l2: 0.1, max_norm: Some(0.1), ..Default::default() },
        ..Default::default()
    };
    let mut learner = ClassifierLearner::start_from(net.clone(), &settings).unwrap();
    let batch = Batch::from(Matrix::from_fn(6, 5, |unit, s| match unit {
        4 | 5 => f32::from(u8::from(unit - 4 == s % 2)),
        _ => (unit + s) as f32 / 10.0,
    }));
    let clock = |step| Clock { step, total: 4, per_epoch: 2 };
    learner.step(&batch, &clock(1), &Streams::new(2)).unwrap();
    let (before, after) = (net.stack(), learner.net().stack().clone());
    assert_eq!((after.weights(0), after.bias(1)), (before.weights(0), before.bias(1)));
    assert!(after.weights(1) != before.weights(1) && after.bias(2) != before.bias(2));
    learner.step(&batch, &clock(2), &Streams::new(2)).unwrap();
    let last = learner.net().stack();
    assert!(last.weights(0) != after.weights(0) && last.bias(1) != after.bias(1));
    assert_eq!(last.bias(0), before.bias(0));
    assert!(last.weights(0).column_iter().all(|column| column.norm() < 0.1001));
}

#[test]
fn table_divergence_says_where_it_was_seen_and_what_to_do() {
    let error = Error::Diverged { step: 7, tensor: "bias.1".into(), rms: 2e5, limit: 1e5 };
    assert_eq!(
        error.to_string(),
        "training diverged at update 7: `bias.1` has root mean square 200000, allowed up to 100000; \
         lower the learning rate or add a penalty on weights"
    );
}

#[test]
fn table_layers_before_the_first_update() {
    let streams = Streams::new(0);
    let (hidden, chains) = (vec![3, 2], 10);
    let layer = RbmSettings { chains, ..Default::default() };
    let dbn = DbnSettings { hidden: hidden.clone(), layer, ..Default::default() };
    assert_eq!(DbnLearner::new(&[0.5; 4], &dbn, &streams).unwrap().dbn().layers(), [4, 3]); // the next layer comes later
    let dbm = DbmSettings { hidden: hidden.clone(), pretrain: Pretrain::None, chains, ..Default::default() };
    assert_eq!(DbmLearner::new(&[0.5; 4], &dbm, &streams).unwrap().stack().layers(), [4, 3, 2]);
    let sbn = Sbn::initial(&[0.5; 4], &[3, 2], 1.0, &streams).unwrap();
    let learner = SbnLearner::start_from(sbn, &SbnSettings { hidden, ..Default::default() }).unwrap();
    assert_eq!(learner.stack().layers(), [4, 3, 2]);
    let net = Classifier::random(&[4, 3, 2], HiddenUnits::Relu, None, &streams).unwrap();
    let learner = ClassifierLearner::start_from(net, &ClassifierSettings { hidden: vec![3], ..Default::default() });
    assert_eq!(learner.unwrap().stack().layers(), [4, 3, 2]);
}

#[test]
fn table_coefficients_of_vargrad() {
    assert_eq!(SbnRule::VarGrad.coefficients(&[1.0, 3.0], 0.0), (vec![0.5, 0.5], vec![-1.0, 1.0]));
}

#[test]
fn rejects_other_starts_of_a_layer() {
    let error = "rolled".parse::<LayerStart>().unwrap_err().to_string();
    assert!(error.starts_with("unknown start of a layer `rolled`, did you mean `unrolled`?"), "{error}");
}

#[test]
fn table_an_interruption_is_told_from_other_errors() {
    assert!(Error::from(gm_core::Error::Interrupted { op: "ais" }).is_interruption());
    assert!(!Error::NoRun { folder: "run".into() }.is_interruption());
}
