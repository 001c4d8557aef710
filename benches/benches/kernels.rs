//! The layer engine's parts at 784 x 500 with 500 chains.

use criterion::{Criterion, criterion_group, criterion_main};
use gm_benches::{batch, model, pool};
use gm_core::{
    Activations, Arrangement, BitMatrix, Coactivation, Coupling, Matrix, Purpose, Streams, add_coactivation_counts,
    coactivations_into,
};
use gm_rbm::Sampler;
use rand::Rng;

fn engine(c: &mut Criterion) {
    let rbm = model(784, 500);
    let (v, h) = (batch(784, 500, 0.13), batch(500, 500, 0.3));
    let sampler = Sampler::new(rbm.clone(), Arrangement::FewDraws);
    let streams = Streams::new(3);
    let mut out = BitMatrix::zeros(500, 500);
    let mut coupling = Coupling::up(rbm.weights());
    for threads in [1, 2] {
        let name = |what: &str| format!("{what}/{threads}");
        let pool = pool(threads);
        c.bench_function(&name("arrange weights"), |b| b.iter(|| pool.install(|| coupling.refresh(rbm.weights()))));
        c.bench_function(&name("inputs h from v"), |b| b.iter(|| pool.install(|| sampler.inputs_h_from_v(&v))));
        c.bench_function(&name("inputs v from h"), |b| b.iter(|| pool.install(|| sampler.inputs_v_from_h(&h))));
        c.bench_function(&name("sample h from v"), |b| {
            b.iter(|| pool.install(|| sampler.hidden_update(&v).sample_into(&mut out, &streams)));
        });
    }
}

fn statistics(c: &mut Criterion) {
    let (v, h) = (batch(784, 500, 0.13), batch(500, 500, 0.3));
    let means = Activations::from_matrix(&Matrix::from_element(500, 500, 0.3));
    let (vt, ht) = (v.transposed(), h.transposed());
    let mut out = Matrix::zeros(784, 500);
    let streams = Streams::new(3);
    for threads in [1, 2] {
        let name = |what: &str| format!("{what}/{threads}");
        let pool = pool(threads);
        c.bench_function(&name("transpose"), |b| b.iter(|| pool.install(|| v.transposed())));
        c.bench_function(&name("co-activation with means"), |b| {
            let term = Coactivation { transposed: &vt, y: &means, scale: 1.0 };
            b.iter(|| pool.install(|| coactivations_into(&[term], &mut out)))
        });
        c.bench_function(&name("co-activation counts"), |b| {
            b.iter(|| pool.install(|| add_coactivation_counts(&vt, &ht, 1.0, &mut out)))
        });
        c.bench_function(&name("draw from means"), |b| {
            let mut bits = h.clone();
            b.iter(|| pool.install(|| means.sample_into(&mut bits, &streams)));
        });
        c.bench_function(&name("softplus sums"), |b| b.iter(|| pool.install(|| means.softplus_sums())));
    }
}

fn random_bits(c: &mut Criterion) {
    let mut stream = Streams::new(1).fork(Purpose::Test, 0).stream(0);
    let mut bytes = vec![0; 1 << 20];
    c.bench_function("1 MiB of random bits", |b| b.iter(|| stream.fill_bytes(&mut bytes)));
}

criterion_group!(benches, engine, statistics, random_bits);
criterion_main!(benches);
