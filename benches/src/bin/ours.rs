//! Prints the median milliseconds of the operations that `benches/peers.py` and, with a second argument `sbn`,
//! `benches/peers_sbn.py` time in other packages.
#![allow(clippy::print_stdout, reason = "a command-line tool reports on its standard output")]

use std::time::Instant;

use gm_benches::{batch, model, pool};
use gm_core::Streams;
use gm_dbm::Dbm;
use gm_train::{Clock, Learner, RbmLearner, RbmSettings, SbnLearner, SbnSettings};

/// Calls of an operation that are timed.
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

fn sweep() -> f64 {
    let (rbm, streams) = (model(784, 500), Streams::new(1));
    let (sampler, mut chains) = (rbm.sampler(), rbm.chains(500, &streams));
    median(|| {
        sampler.run(&mut chains, 1, &streams);
    })
}

fn deep_sweep() -> f64 {
    let streams = Streams::new(1);
    let dbm = Dbm::initial(&[0.13; 784], &[500, 1000], 0.1, &streams).expect("layers with units");
    let (sampler, mut chains) = (dbm.sampler(), dbm.chains(500, &streams));
    median(|| {
        sampler.run(&mut chains, 1, &streams);
    })
}

fn training_step() -> f64 {
    let (streams, data) = (Streams::new(1), batch(784, 500, 0.13).into());
    let settings = RbmSettings { hidden: 500, ..RbmSettings::default() };
    let mut learner = RbmLearner::start_from(model(784, 500), &[0.13; 784], &settings, &streams).expect("sizes agree");
    let clock = Clock { step: 0, total: 1_000_000, per_epoch: 100 };
    median(|| {
        learner.step(&data, &clock, &streams).expect("a batch of the model's width");
    })
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

fn main() {
    let threads = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(2);
    let belief_nets = std::env::args().nth(2).is_some_and(|which| which == "sbn");
    pool(threads).install(|| match belief_nets {
        true => println!("training step {}", sbn_training_step()),
        false => {
            println!("sweep {}", sweep());
            println!("training step {}", training_step());
            println!("sweep of 784-500-1000 {}", deep_sweep());
        }
    });
}
