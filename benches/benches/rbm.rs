//! Sweeps, training steps and annealing of an RBM at 784 x 500.

use criterion::{Criterion, criterion_group, criterion_main};
use gm_benches::{batch, model, pool};
use gm_core::{AisSettings, Schedule, Streams, unwatched};
use gm_rbm::{Offsets, Phase, gradient_into};

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

fn pcd_step(c: &mut Criterion) {
    let mut rbm = model(784, 500);
    let streams = Streams::new(1);
    let data = batch(784, 500, 0.13);
    let mut chains = rbm.chains(500, &streams);
    let mut couplings = rbm.couplings();
    let (mut positive, mut negative) = (Phase::new(&rbm, &couplings, &data), Phase::new(&rbm, &couplings, &data));
    let offsets = Offsets { visible: vec![0.13; 784], hidden: vec![0.3; 500] };
    let mut gradient = rbm.stack().clone();
    for threads in [1, 2] {
        let pool = pool(threads);
        c.bench_function(&format!("PCD-1 step, centred/{threads}"), |b| {
            b.iter(|| {
                pool.install(|| {
                    positive.refill(&rbm, &couplings, &data);
                    couplings.run(&rbm, &mut chains, 1, &streams);
                    negative.refill(&rbm, &couplings, &chains.v);
                    gradient_into(&positive, &negative, &mut gradient);
                    offsets.centre(&mut gradient);
                    for (p, g) in rbm.stack_mut().tensors_mut().zip(gradient.tensors()) {
                        p.iter_mut().zip(g).for_each(|(p, g)| *p += 1e-6 * g);
                    }
                    couplings.refresh(&rbm);
                })
            });
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

criterion_group!(benches, sweep, pcd_step, annealing);
criterion_main!(benches);
