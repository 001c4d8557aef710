//! An RBM unrolled into belief networks of one to six layers: ln p(v) stays the same and the posterior has no
//! explaining away, until the layers are no longer tied.
//!
//! `cargo run -p gm-dbn --example complementary_prior`
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use gm_core::{BitMatrix, Matrix, Result, Vector};
use gm_dbn::Dbn;
use gm_rbm::Rbm;

fn main() -> Result<()> {
    let rbm = Rbm::new(
        Matrix::from_row_slice(3, 2, &[2.0, -1.0, 1.5, 2.0, -0.5, 2.5]),
        Vector::from_vec(vec![-0.5, -1.0, 0.5]),
        Vector::from_vec(vec![-1.0, -0.5]),
    )?;
    let seen = BitMatrix::from_fn(3, 1, |unit, _| unit != 2);
    println!("RBM           ln p(v) = {:.6}", rbm.log_prob(&seen, rbm.log_partition()?)?[0]);
    for depth in 1..=6 {
        show(&format!("{depth} layers tied"), &Dbn::unroll(&rbm, depth)?, &seen)?;
    }
    // Another RBM on top is another prior, which no longer complements the directed layer.
    let mut free = Dbn::unroll(&rbm, 2)?;
    free.stack_mut().update_weights(1, |weights| *weights *= 0.2);
    show("2 layers free", &free, &seen)
}

/// ln p(v), its lower bound with the recognition net, and the correlation of the causes of v.
fn show(name: &str, dbn: &Dbn, seen: &BitMatrix) -> Result<()> {
    let log_z = dbn.log_partition()?;
    let (log_prob, bound) = (dbn.log_prob(seen, log_z)?[0], dbn.exact_bound(seen, log_z, 1)?[0]);
    let correlation = dbn.posterior(seen, 0)?.correlation(0, 1);
    println!("{name} ln p(v) = {log_prob:.6}, bound {bound:.6}, correlation of two causes {correlation:+.4}");
    Ok(())
}
