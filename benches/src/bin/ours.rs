//! Prints the median milliseconds of the operations that `benches/peers.py` and, with a second argument `sbn`,
//! `benches/peers_sbn.py` time in other packages. With the file of a restricted Boltzmann machine as second argument
//! it also times a sweep and a training step of that model on its own samples.
#![allow(clippy::print_stdout, reason = "a command-line tool reports on its standard output")]

use std::error::Error;
use std::fs::File;
use std::io::BufReader;
use std::time::Instant;

use gm_benches::{batch, model, pool};
use gm_core::{Batch, Streams};
use gm_dbm::Dbm;
use gm_rbm::Rbm;
use gm_train::{Clock, Learner, RbmLearner, RbmSettings, SbnLearner, SbnSettings};

/// The error if the model of a file cannot be timed.
type Failure = Box<dyn Error + Send + Sync>;

/// The number of timed calls of an operation.
const CALLS: usize = 101;

/// The median time of a call, in milliseconds, after a few calls to warm up.
fn median(mut call: impl FnMut()) -> f64 {
    (0..10).for_each(|_| call());
    let mut times: Vec<f64> = (0..CALLS)
        .map(|_| {
            let start = Instant::now();
            call();
            1e3 * start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[CALLS / 2]
}

/// The number of chains of every sweep, and of rows of every batch of a restricted Boltzmann machine.
const CHAINS: usize = 500;

/// The number of sweeps from a new chain to a sample that serves as a row of data.
const BURN_IN: usize = 1000;

fn sweep(rbm: &Rbm, burn_in: usize) -> f64 {
    let streams = Streams::new(1);
    let (sampler, mut chains) = (rbm.sampler(), rbm.chains(CHAINS, &streams));
    sampler.run(&mut chains, burn_in, &streams);
    median(|| {
        sampler.run(&mut chains, 1, &streams);
    })
}

fn deep_sweep() -> f64 {
    let streams = Streams::new(1);
    let dbm = Dbm::initial(&[0.13; 784], &[500, 1000], 0.1, &streams).expect("layers with units");
    let (sampler, mut chains) = (dbm.sampler(), dbm.chains(CHAINS, &streams));
    median(|| {
        sampler.run(&mut chains, 1, &streams);
    })
}

fn training_step(rbm: Rbm, data: &Batch, warm_up: usize) -> f64 {
    let streams = Streams::new(1);
    let settings = RbmSettings { hidden: rbm.hidden(), chains: CHAINS, ..RbmSettings::default() };
    let means = vec![0.13; rbm.visible()];
    let mut learner = RbmLearner::start_from(rbm, &means, &settings, &streams).expect("sizes agree");
    let clock = Clock { step: 0, total: 1_000_000, per_epoch: 100 };
    let mut step = || {
        learner.step(data, &clock, &streams).expect("a batch of the model's width");
    };
    (0..warm_up).for_each(|_| step());
    median(step)
}

/// Times the RBM of a file on its own samples.
fn of_file(path: &str) -> Result<(), Failure> {
    let file = File::open(path).map_err(|error| format!("{path}: {error}"))?;
    let (rbm, streams) = (Rbm::read(BufReader::new(file))?, Streams::new(2));
    println!("sweep of the given model {}", sweep(&rbm, BURN_IN));
    let mut chains = rbm.chains(CHAINS, &streams);
    rbm.sampler().run(&mut chains, BURN_IN, &streams);
    println!("training step of the given model {}", training_step(rbm, chains.v(), BURN_IN));
    Ok(())
}

/// An update of a sigmoid belief net by reweighted wake-sleep: batch of 100, 5 samples.
fn sbn_training_step() -> f64 {
    let (streams, data) = (Streams::new(1), batch(784, 100, 0.13).into());
    let settings = SbnSettings { hidden: vec![200; 3], learning_rate: 1e-6, ..SbnSettings::default() };
    let mut learner = SbnLearner::new(&[0.13; 784], &settings, &streams).expect("sizes agree");
    let clock = Clock { step: 0, total: 1_000_000, per_epoch: 100 };
    median(|| {
        learner.step(&data, &clock, &streams).expect("a batch of the model's width");
    })
}

fn main() -> Result<(), Failure> {
    let threads = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(2);
    let second = std::env::args().nth(2);
    pool(threads).install(|| match second.as_deref() {
        Some("sbn") => {
            println!("training step {}", sbn_training_step());
            Ok(())
        }
        path => {
            println!("sweep {}", sweep(&model(784, 500), 0));
            println!("training step {}", training_step(model(784, 500), &batch(784, CHAINS, 0.13).into(), 0));
            println!("sweep of 784-500-1000 {}", deep_sweep());
            path.map_or(Ok(()), of_file)
        }
    })
}
