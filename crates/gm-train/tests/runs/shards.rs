//! Shards of a run: the same bits however many processes hold them, and what they learn is what one shard would.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use gm_ascent::{Exchange, Team, threads};
use gm_core::{Batch, BitMatrix, Matrix, Streams};
use gm_data::Dataset;
use gm_train::{
    Algorithm, Backfit, Clock, Config, DbmLearner, DbmSettings, DbnLearner, DbnSettings, Event, FitOptions, Learner,
    OptimiserSettings, Outcome, Pretrain, RbmLearner, RbmSettings, Run, SbnLearner, SbnRule, SbnSettings, Unobserved,
    Visible, fit_sbn,
};
use tempfile::TempDir;

use crate::common::{break_at, results};

/// A run in four shards on the digits: 12 updates an epoch.
fn config(model: &str) -> Config {
    let text = format!(
        "seed = 5\nshards = 4\ncheckpoint_every = 5\n[data]\nspec = 'digits'\n[model]\nbatch_size = 100\n{model}\n\
         [monitor]\nrows = 50\n"
    );
    Config::parse(&text).expect("a sound configuration")
}

const RBM: &str = "kind = 'rbm'\nhidden = 10\nepochs = 2\nchains = 20";

/// Every model, and every way in which one has chains or draws.
fn all_kinds() -> Vec<String> {
    let rbm = |rest: &str| format!("{RBM}\n{rest}");
    let sbn = |rule: &str| format!("kind = 'sbn'\nhidden = [8, 5]\nepochs = 2\nrule = '{rule}'");
    let lateral = |hidden: &str| format!("kind = 'sbn'\nhidden = [{hidden}]\nepochs = 2\nlateral = 'all'");
    let dbm =
        |rest: &str| format!("kind = 'dbm'\nhidden = [8, 5]\npretrain_epochs = 1\nepochs = 2\nchains = 20\n{rest}");
    let dbn =
        |rest: &str| format!("kind = 'dbn'\nhidden = [8, 5]\nepochs = [1]\nbackfit_epochs = 1\nchains = 20\n{rest}");
    vec![
        rbm("algorithm = 'pcd'\nlog_z_chains = 10\nsparsity = 0.2"),
        rbm("algorithm = 'cd'\noptimiser = 'adam'\nlearning_rate = 0.01"),
        rbm("algorithm = 'pt'\ntemperatures = 3"),
        rbm("algorithm = 'exact'"),
        rbm("labels = true\nclass_weight = 2.0"),
        rbm("visible = 'gaussian'\nlearning_rate = 0.01"),
        sbn("rws"),
        sbn("nvil"),
        sbn("gibbs-em"),
        lateral("8, 5"),
        lateral(""),
        dbm("pretrain = 'grow'"),
        dbm("pretrain = '2009'\ntemperatures = 2"),
        dbm("pretrain = 'none'\nvisible = 'gaussian'\nlearning_rate = 0.01"),
        dbn("backfit = 'rws'"),
        dbn("backfit = 'up-down'\nlabels = true"),
    ]
}

/// What each of so many processes, with so many threads each, does.
fn over<T: Send>(ranks: usize, width: usize, work: impl Fn(Arc<dyn Exchange>) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let work = &work;
        let process = |exchange: Arc<dyn Exchange>| {
            scope.spawn(move || {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(width).build().expect("a few threads");
                pool.install(|| work(exchange))
            })
        };
        let running: Vec<_> = threads(ranks).into_iter().map(process).collect();
        running.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Starts a run in so many processes, and lets it come to its end.
fn train(folder: &Path, config: &Config, ranks: usize, width: usize) {
    let outcomes = over(ranks, width, |exchange| {
        let data = config.load_data().expect("built-in data");
        let run = Run::create_over(folder, config, data, exchange).expect("a sound configuration");
        run.train(&mut Unobserved).expect("sound data")
    });
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Finished { .. })), "{outcomes:?}");
}

#[test]
fn law_processes_and_threads_change_no_bit() {
    for model in all_kinds() {
        let (alone, config) = (folder(), config(&model));
        Run::create(alone.path(), &config).unwrap().train(&mut Unobserved).unwrap();
        let expected = results(alone.path());
        for (ranks, width) in [(1, 2), (2, 1), (4, 2)] {
            let divided = folder();
            train(divided.path(), &config, ranks, width);
            assert!(results(divided.path()) == expected, "{ranks} processes of {width} threads: {model}");
        }
        // A test of the test: other shards have other chains and draws, but for what draws nothing.
        let other = folder();
        let single = Config { shards: 2, ..config };
        Run::create(other.path(), &single).unwrap().train(&mut Unobserved).unwrap();
        assert_ne!(results(other.path()).model, expected.model, "{model}");
    }
}

#[test]
fn law_an_interrupted_run_goes_on_in_another_number_of_processes() {
    for model in all_kinds() {
        let (alone, divided, config) = (folder(), folder(), config(&model));
        Run::create(alone.path(), &config).unwrap().train(&mut Unobserved).unwrap();
        // Only the last process is interrupted, and all stop together.
        let stopped = over(4, 1, |exchange| {
            let (last, data) = (exchange.rank() == 3, config.load_data().unwrap());
            let run = Run::create_over(divided.path(), &config, data, exchange).unwrap();
            run.train(&mut break_at(move |event| last && matches!(event, Event::Step { step: 3, .. }))).unwrap()
        });
        assert_eq!(stopped, [Outcome::Interrupted { step: 8 }; 4], "{model}");
        let stopped = over(2, 1, |exchange| {
            let mut stop = break_at(|event| matches!(event, Event::Step { step: 14, .. }));
            Run::resume_over(divided.path(), exchange).unwrap().train(&mut stop).unwrap()
        });
        assert_eq!(stopped, [Outcome::Interrupted { step: 16 }; 2], "{model}");
        Run::resume(divided.path()).unwrap().train(&mut Unobserved).unwrap();
        assert!(results(divided.path()) == results(alone.path()), "{model}");
    }
}

#[test]
fn law_a_run_from_a_model_starts_alike_in_every_process() {
    let first = folder();
    Run::create(first.path(), &config(RBM)).unwrap().train(&mut Unobserved).unwrap();
    let start = first.path().join("model.gm").display().to_string();
    for kind in ["dbm", "dbn"] {
        let epochs = if kind == "dbn" { "epochs = [1]" } else { "epochs = 1\npretrain = 'none'" };
        let config = config(&format!("kind = '{kind}'\nhidden = [10, 5]\n{epochs}\nchains = 20\nstart = '{start}'"));
        let (alone, divided) = (folder(), folder());
        Run::create(alone.path(), &config).unwrap().train(&mut Unobserved).unwrap();
        train(divided.path(), &config, 2, 1);
        assert!(results(divided.path()) == results(alone.path()), "{kind}");
    }
}

/// The parameters after a few updates at a high rate, in so many shards.
fn learnt(mut learner: Box<dyn Learner>, shards: usize, batch: &Batch, weights: Option<&[f32]>) -> Vec<f32> {
    let streams = Streams::new(3);
    learner.divide(Team::new(shards).expect("a power of two"), &streams).expect("chains that can be divided");
    let total = 12;
    for step in 0..total {
        if let (Some(weights), Some(learner)) = (weights, learner.weighted()) {
            learner.weigh(weights.to_vec());
        }
        learner.step(batch, &Clock { step, total, per_epoch: total / 3 }, &streams).expect("a sound batch");
    }
    learner.tensors().into_iter().flat_map(|(_, tensor)| tensor.to_vec()).collect()
}

/// A machine with so many chains that what they are is the same but for a little noise.
fn machine(algorithm: Algorithm) -> RbmSettings {
    RbmSettings { hidden: 3, algorithm, chains: 20_000, learning_rate: 0.5, log_z_chains: 0, ..RbmSettings::default() }
}

fn sgd() -> OptimiserSettings {
    "sgd".parse().expect("a known optimiser")
}

/// 30 rows, which four shards do not divide evenly.
fn thirty() -> Batch {
    BitMatrix::from_fn(4, 30, |unit, row| (row + row / 7) % 3 > unit % 2).into()
}

/// Four shards come to where one comes, within a distance that is small beside the way of one.
fn check(name: &str, new: &dyn Fn() -> Box<dyn Learner>, batch: &Batch, weights: Option<&[f32]>, within: f32) {
    let (one, four) = (learnt(new(), 1, batch, weights), learnt(new(), 4, batch, weights));
    let start: Vec<f32> = new().tensors().into_iter().flat_map(|(_, tensor)| tensor.to_vec()).collect();
    let far = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(far(&one, &four) < within, "{name}: {one:?} {four:?}");
    // They have learnt something that a wrong factor would change. Networks have grown since.
    assert!(start.len() != one.len() || far(&one, &start) > 5.0 * within, "{name}: {start:?} {one:?}");
}

#[test]
fn oracle_shards_learn_what_one_shard_learns() {
    let streams = Streams::new(1);
    let reals = Batch::from(Matrix::from_fn(4, 30, |unit, row| ((unit * 3 + row * 5) as f32).sin()));
    let weights: Vec<f32> = (0..30).map(|row| 0.2 + (row % 4) as f32 * 0.5).collect();
    let rbm =
        |settings: &RbmSettings| Box::new(RbmLearner::new(&[0.5; 4], settings, &streams).unwrap()) as Box<dyn Learner>;
    let sbn = |rule| {
        let net = SbnSettings { hidden: vec![3, 2], rule, samples: 2_000, sleep: 0.0, ..Default::default() };
        let settings = SbnSettings { learning_rate: 0.5, optimiser: sgd(), ..net };
        Box::new(SbnLearner::new(&[0.5; 4], &settings, &streams).unwrap()) as Box<dyn Learner>
    };
    let gaussian = RbmSettings { visible: Visible::Gaussian, learning_rate: 0.05, ..machine(Algorithm::Pcd) };
    check("exact", &|| rbm(&machine(Algorithm::Exact)), &thirty(), None, 1e-4);
    check("exact, weighted", &|| rbm(&machine(Algorithm::Exact)), &thirty(), Some(&weights), 1e-4);
    check("pcd", &|| rbm(&machine(Algorithm::Pcd)), &thirty(), None, 0.03);
    check("gaussian", &|| rbm(&gaussian), &reals, None, 0.01);
    check("sbn, exact", &|| sbn(SbnRule::Exact), &thirty(), None, 1e-5);
    check("sbn, rws", &|| sbn(SbnRule::Reweighted), &thirty(), None, 0.03);
}

#[test]
fn oracle_shards_of_deep_models_learn_what_one_shard_learns() {
    let streams = Streams::new(1);
    let dbm = |pretrain| {
        let layers = DbmSettings { hidden: vec![3, 2], pretrain, pretrain_epochs: 1, epochs: 2, ..Default::default() };
        let settings = DbmSettings { chains: 20_000, learning_rate: 0.5, ..layers };
        Box::new(DbmLearner::new(&[0.5; 4], &settings, &streams).unwrap()) as Box<dyn Learner>
    };
    let dbn = |backfit| {
        let settings = DbnSettings {
            hidden: vec![3, 2],
            epochs: vec![1],
            learning_rate: vec![0.5],
            backfit,
            backfit_epochs: 1,
            backfit_learning_rate: 0.5,
            backfit_optimiser: sgd(),
            layer: RbmSettings { chains: 20_000, ..RbmSettings::default() },
            ..Default::default()
        };
        Box::new(DbnLearner::new(&[0.5; 4], &settings, &streams).unwrap()) as Box<dyn Learner>
    };
    check("dbm", &|| dbm(Pretrain::None), &thirty(), None, 0.03);
    check("dbm, pretrained", &|| dbm(Pretrain::Rules2009), &thirty(), None, 0.04);
    // Networks draw what their upper layers learn from, so that more rows are needed.
    let many = thirty().select(&(0..3_000).map(|row| row % 30).collect::<Vec<_>>());
    check("dbn, rws", &|| dbn(Backfit::Rws), &many, None, 0.03);
    check("dbn, layers", &|| dbn(Backfit::None), &many, None, 0.03);
}

#[test]
fn rejects_shards_that_do_not_fit() {
    let refused = |change: &dyn Fn(&mut Config)| {
        let mut config = config(RBM);
        change(&mut config);
        Run::create(folder().path(), &config).unwrap_err().to_string()
    };
    let error = refused(&|config| config.shards = 3);
    assert_eq!(error, "training: `shards` is 3, allowed: a power of two up to 1024");
    let error = refused(&|config| config.shards = 8);
    assert_eq!(error, "training: `chains` is 20 for 8 shards, allowed: a multiple of the shards");
    // Contrastive divergence has no chains to divide.
    let network = |rest: &str| {
        let settings = config(&format!("kind = 'dbn'\nhidden = [8, 5]\nepochs = [1]\nchains = 30\n{rest}"));
        Run::create(folder().path(), &settings).map(drop).map_err(|error| error.to_string())
    };
    let error = "training: `chains` is 30 for 4 shards, allowed: a multiple of the shards";
    assert_eq!(network("algorithm = 'pcd'"), Err(error.into()));
    assert_eq!(network("algorithm = 'cd'\nbackfit = 'rws'\nbackfit_epochs = 1"), Err(error.into()));
    assert_eq!(network("algorithm = 'cd'"), Ok(()));
    let error = refused(&|config| config.shards = 128);
    assert_eq!(error, "training: `rows of a batch` is 99 for 128 shards, allowed: at least a row for each shard");
    let net = "kind = 'classifier'\nhidden = [5]\nclasses = 10\nepochs = 1";
    let error = Run::create(folder().path(), &config(net)).unwrap_err().to_string();
    assert_eq!(error, "training: `shards` is 4, allowed: 1 for this model");
    let processes = over(4, 1, |exchange| {
        let config = Config { shards: 2, ..config(RBM) };
        let data = config.load_data().unwrap();
        Run::create_over(folder().path(), &config, data, exchange).unwrap_err().to_string()
    });
    let few =
        "training: `processes` is 4 for 2 shards, allowed: a power of two, no more than there are shards (`--shards`)";
    assert!(processes.iter().all(|error| error == few), "{processes:?}");
    // Another seed in one process would be another run.
    let outcomes = over(2, 1, |exchange| {
        let config = Config { seed: 5 + exchange.rank() as u64, ..config(RBM) };
        let data = config.load_data().unwrap();
        Run::create_over(folder().path(), &config, data, exchange).map(drop).map_err(|error| error.to_string())
    });
    let other = "training: `run` is another one in process 1, allowed: the same settings and data in every process";
    assert_eq!(outcomes[0], Err(other.into()));
}

#[test]
fn law_fits_in_memory_are_divided_too() {
    let bars = Dataset::builtin("bars-and-stripes:3").unwrap();
    let settings = SbnSettings { hidden: vec![4], epochs: 3, batch_size: 8, ..Default::default() };
    let fit = |team: Team| {
        let options = FitOptions { team, ..Default::default() };
        fit_sbn(&bars, &settings, &options, &Streams::new(1), &mut |_: &Event<'_>| ControlFlow::Continue(())).unwrap()
    };
    let alone = fit(Team::new(4).unwrap());
    let models = over(2, 1, |exchange| fit(Team::over(4, exchange).unwrap()).model);
    assert!(models.iter().all(|model| *model == alone.model));
    assert_ne!(fit(Team::default()).model, alone.model);
}
