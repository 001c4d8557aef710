//! Sweeps, training steps and annealing of an RBM at 784 x 500.

use criterion::{Criterion, criterion_group, criterion_main};
use gm_benches::{batch, model, pool};
use gm_core::{AisSettings, Schedule, Streams, unwatched};
use gm_train::{Clock, Learner, RbmLearner, RbmSettings};

fn sweep(c: &mut Criterion) {
    let rbm = model(784, 500);
    let streams = Streams::new(1);
    let mut chains = rbm.chains(500, &streams);
    let sampler = rbm.sampler();
    for threads in [1, 2] {
        let pool = pool(threads);
        c.bench_function(&format!("sweep/{threads}"), |b| {
            b.iter(|| pool.install(|| sampler.run(&mut chains, 1, &streams)))
        });
    }
}

fn training_step(c: &mut Criterion) {
    let streams = Streams::new(1);
    let data = batch(784, 500, 0.13).into();
    let means = vec![0.13; 784];
    let settings = RbmSettings { hidden: 500, ..RbmSettings::default() };
    let mut learner = RbmLearner::start_from(model(784, 500), &means, &settings, &streams).expect("sizes agree");
    let clock = Clock { step: 0, total: 1_000_000, per_epoch: 100 };
    for threads in [1, 2] {
        let pool = pool(threads);
        c.bench_function(&format!("PCD-1 step, centred/{threads}"), |b| {
            b.iter(|| pool.install(|| learner.step(&data, &clock, &streams)));
        });
    }
}

fn annealing(c: &mut Criterion) {
    let rbm = model(784, 500);
    let settings = AisSettings { runs: 100, schedule: Schedule::Graded(201) };
    for threads in [1, 2] {
        let pool = pool(threads);
        c.bench_function(&format!("AIS, 200 steps x 100 runs/{threads}"), |b| {
            b.iter(|| {
                pool.install(|| {
                    rbm.log_partition_ais(&settings, Some(rbm.visible_bias()), &Streams::new(1), &mut unwatched)
                })
            });
        });
    }
}

criterion_group!(benches, sweep, training_step, annealing);
criterion_main!(benches);
