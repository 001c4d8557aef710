//! What sweeps report, how chains of classes run, and how networks grow and begin.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use crate::common::{fixtures, random_model};
use gm_core::{Batch, BitMatrix, Chains, Labels, Matrix, Stack, Streams, Vector, VisibleKind, VisibleUnits, logit};
use gm_dbn::Dbn;
use gm_rbm::Rbm;
use gm_testkit::assert_close;

/// The share of hidden units that differ between two states of the same chains.
fn share(a: &Chains, b: &Chains) -> f64 {
    let hidden: usize = a.layers[1..].iter().map(Batch::units).sum();
    let pairs = a.layers[1..].iter().zip(&b.layers[1..]);
    let differ: u64 = pairs.map(|(a, b)| a.bits().differences(b.bits())).sum();
    differ as f64 / (hidden * a.count()) as f64
}

#[test]
fn oracle_flips_are_the_share_of_hidden_units_that_differ() {
    let kind = VisibleKind::Softmax { categories: 3 };
    let units = |n| VisibleUnits::new(kind, n, None).unwrap();
    let networks = [
        fixtures().swap_remove(0).1,
        random_model(1, &[6, 4, 3], 0.9).with_units(units(6)).unwrap(),
        random_model(2, &[6, 4], 0.9).with_units(units(6)).unwrap(),
    ];
    for (case, dbn) in networks.iter().enumerate() {
        let streams = Streams::new(3);
        let v = dbn.exact_samples(5, &streams).unwrap().swap_remove(0);
        let start = dbn.posterior_chains(v, &streams).unwrap();
        let (mut chains, mut sum) = (start.clone(), 0.0);
        for _ in 0..6 {
            let before = chains.clone();
            let info = dbn.gibbs(&mut chains, None, 1, &streams);
            assert_close(info.flips, share(&before, &chains), 1e-12, 0.0, "share of one sweep");
            assert_eq!(before.v(), chains.v(), "the visible units are given");
            sum += info.flips;
        }
        assert!(sum > 0.0, "some units change");
        let mut again = start;
        let info = dbn.gibbs(&mut again, None, 6, &streams);
        assert_eq!((&again, info.sweeps, again.sweeps), (&chains, 6, 6), "network {case}");
        assert_close(info.flips, sum / 6.0, 1e-12, 0.0, "share of six sweeps");
    }
}

/// A network of one or two hidden layers whose top goes with three classes, each with a unit of its own.
fn labelled(hidden: &[usize]) -> Dbn {
    let layers = [&[4], hidden].concat();
    let top = hidden[hidden.len() - 1];
    let weights = layers.windows(2).map(|n| Matrix::from_fn(n[0], n[1], |i, j| if i == j { 6.0 } else { -3.0 }));
    let stack = Stack::new(weights.collect(), layers.iter().map(|&n| Vector::zeros(n)).collect()).unwrap();
    let labels = Labels::new(
        Matrix::from_fn(3, top, |class, unit| if class == unit { 9.0 } else { -9.0 }),
        Vector::from_column_slice(&[0.1, 0.2, 0.3]),
    );
    Dbn::new(stack, None).unwrap().with_labels(Some(labels.unwrap())).unwrap()
}

#[test]
fn law_chains_of_classes_keep_their_classes() {
    for hidden in [&[3][..], &[3, 3]] {
        let dbn = labelled(hidden);
        let (sampler, streams, classes) = (dbn.sampler(), Streams::new(4), [2, 0, 1, 2, 0]);
        let mut chains = dbn.chains(5, &streams);
        let info = sampler.run_with_classes(&mut chains, &classes, 8, &streams).unwrap();
        assert_eq!((info.sweeps, chains.sweeps), (8, 8));
        let v = chains.v().bits();
        let lower = v.units() - 3;
        for (chain, &class) in classes.iter().enumerate() {
            let on: Vec<usize> = (lower..v.units()).filter(|&unit| v.get(unit, chain)).collect();
            assert_eq!(on, [lower + class], "chain {chain}");
            // The weights make the unit of the class likely, and the others unlikely.
            let h = chains.h();
            assert!((0..3).all(|unit| h.get(unit, chain) == (unit == class)), "chain {chain}");
        }
        let error = |classes: &[usize]| {
            sampler.run_with_classes(&mut chains.clone(), classes, 1, &streams).unwrap_err().to_string()
        };
        assert_eq!(error(&[0; 4]), "Sampler::run_with_classes: `classes` has length 4, expected 5");
        assert!(error(&[0, 1, 3, 0, 0]).starts_with("Sampler::run_with_classes: `classes` is 3, allowed: a class"));
    }
}

#[test]
fn table_chains_from_rows_begin_with_the_most_probable_class() {
    let dbn = labelled(&[3, 3]);
    let rows = BitMatrix::from_fn(4, 3, |unit, row| unit == row);
    let chains = dbn.chains_from(rows.clone(), &Streams::new(5)).unwrap();
    let (v, log_p) = (chains.v().bits(), dbn.log_class_probs(&rows.to_matrix()).unwrap());
    for row in 0..3 {
        assert_eq!(log_p.column(row).imax(), row);
        let on: Vec<usize> = (3..6).filter(|&unit| v.get(unit, row)).collect();
        assert_eq!(on, [3 + row], "row {row}");
    }
}

#[test]
fn table_a_machine_with_classes_becomes_a_network_with_labels() {
    let weights = Matrix::from_fn(5, 2, |i, j| (10 * i + j) as f32 / 10.0);
    let rbm = Rbm::new(weights.clone(), Vector::from_fn(5, |i, _| i as f32), Vector::from_column_slice(&[7.0, 8.0]));
    let units = VisibleUnits::new(VisibleKind::Labelled { classes: 2 }, 5, None).unwrap();
    let dbn = Dbn::from_rbm(&rbm.unwrap().with_units(units).unwrap()).unwrap();
    assert_eq!((dbn.visible(), dbn.classes(), dbn.depth()), (3, 2, 1));
    assert_eq!(dbn.stack().weights(0), &weights.rows(0, 3).into_owned());
    assert_eq!(
        (dbn.stack().bias(0).as_slice(), dbn.stack().bias(1).as_slice()),
        (&[0.0, 1.0, 2.0][..], &[7.0, 8.0][..])
    );
    let labels = dbn.labels().unwrap();
    assert_eq!((labels.weights(), labels.bias().as_slice()), (&weights.rows(3, 2).into_owned(), &[3.0, 4.0][..]));
}

#[test]
fn table_a_network_gets_a_recognition_net_of_its_own_once() {
    let tied = Dbn::from_stack(random_model(6, &[4, 3, 2], 1.0).stack().clone()).unwrap();
    assert!(tied.recognition().is_none());
    let own = tied.clone().untied().unwrap();
    let net = own.recognition().unwrap();
    assert_eq!((net.depth(), net.weights(0), net.bias(1)), (1, tied.stack().weights(0), tied.stack().bias(1)));
    assert_eq!(own.clone().untied().unwrap(), own);
    // A network of one hidden layer has no directed layer to recognise.
    let flat = Dbn::from_stack(Stack::zeros(&[4, 3]).unwrap()).unwrap().untied().unwrap();
    assert!(flat.recognition().is_none());
}

#[test]
fn oracle_base_rates_are_those_of_the_layer_below_the_top() {
    let rows = BitMatrix::from_fn(4, 5, |unit, row| row < unit + 1);
    let flat = Dbn::from_stack(Stack::zeros(&[4, 3]).unwrap()).unwrap();
    for (unit, found) in flat.base_rates(&rows).unwrap().into_iter().enumerate() {
        assert_close(f64::from(found), logit((unit + 1) as f64 / 5.0), 1e-5, 1e-6, "one hidden layer");
    }
    let deep = random_model(7, &[4, 3, 2], 1.0);
    let means = deep.means_up_from_v(&rows.to_matrix()).swap_remove(0);
    for (unit, found) in deep.base_rates(&rows).unwrap().into_iter().enumerate() {
        let mean = means.row(unit).iter().map(|&x| f64::from(x)).sum::<f64>() / 5.0;
        assert_close(f64::from(found), logit(mean), 1e-4, 1e-5, "two hidden layers");
    }
    let found = labelled(&[3, 3]).base_rates(&rows).unwrap();
    assert_eq!((found.len(), &found[3..]), (6, &[0.0; 3][..]), "label units have no preference");
    let units = VisibleUnits::new(VisibleKind::Gaussian, 2, None).unwrap();
    let real = Dbn::from_stack(Stack::zeros(&[2, 3]).unwrap()).unwrap().with_units(units).unwrap();
    let rows = Matrix::from_row_slice(2, 3, &[1.0, 2.0, 6.0, -1.0, 0.5, 2.0]);
    assert_eq!(real.base_rates(&rows).unwrap(), [3.0, 0.5]);
}
