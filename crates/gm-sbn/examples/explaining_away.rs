//! Explaining away: two independent causes compete once their effect is seen.
//!
//! A burglar or an earthquake sets off the alarm. `cargo run -p gm-sbn --example explaining_away`
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use gm_core::{BitMatrix, Matrix, Recognition, Result, Stack, Streams, Vector};
use gm_sbn::{MeanFieldSettings, Posterior, Sbn};

/// A burglar comes in 1 night of 10, and the earth shakes in 1 night of 20. The alarm goes off by itself in 1 night of
/// 400, and almost surely with either cause.
fn alarm() -> Result<Sbn> {
    let weights = Matrix::from_row_slice(1, 2, &[9.0, 8.0]);
    let causes = Vector::from_vec(vec![(0.1_f32 / 0.9).ln(), (0.05_f32 / 0.95).ln()]);
    let stack = Stack::new(vec![weights], vec![Vector::from_element(1, -6.0), causes])?;
    // The best that independent units can give: the two posterior means.
    let recognition =
        Recognition::new(vec![Matrix::from_row_slice(1, 2, &[2.83, 2.07])], vec![Vector::from_vec(vec![-2.0, -2.8])])?;
    Sbn::new(stack, Some(recognition))
}

fn line(what: &str, p: [f64; 2], correlation: f64) {
    // A value that is zero up to rounding has no sign.
    let correlation = if correlation.abs() < 5e-4 { 0.0 } else { correlation };
    println!("{what:34} burglar {:.3}   earthquake {:.3}   correlation {correlation:+.3}", p[0], p[1]);
}

fn show(what: &str, distribution: &Posterior) {
    let means = distribution.means();
    line(what, [means[0], means[1]], distribution.correlation(0, 1));
}

fn main() -> Result<()> {
    let sbn = alarm()?;
    let heard = BitMatrix::from_fn(1, 1, |_, _| true);
    let posterior = sbn.posterior(&heard, 0)?;
    println!("Exactly, by enumeration:");
    show("before anything is known", &sbn.prior()?);
    show("after the alarm is heard", &posterior);
    // The states with an earthquake: it explains the alarm, and a burglar is almost as unlikely as before.
    let states = posterior.states()[0].to_matrix();
    let shaken = |burglar: bool| {
        let fits = |s: &usize| states[(1, *s)] == 1.0 && (!burglar || states[(0, *s)] == 1.0);
        (0..states.ncols()).filter(fits).map(|s| posterior.probabilities()[s]).sum::<f64>()
    };
    println!("{:34} burglar {:.3}", "and the radio reports an earthquake", shaken(true) / shaken(false));

    println!("\nAs other inference sees the alarm:");
    let streams = Streams::new(1);
    let mut chains = sbn.posterior_chains(heard.select(&[0; 20_000]), &streams)?;
    sbn.gibbs(&mut chains, None, 50, &streams);
    let of = |bits: &BitMatrix| moments(&bits.to_matrix());
    let (means, correlation) = of(chains.h());
    line("Gibbs sampling, 20,000 chains", means, correlation);
    let recognised = sbn.sampler().recognise(heard.select(&[0; 20_000]), &streams);
    let (means, correlation) = of(&recognised[1]);
    line("recognition net, 20,000 draws", means, correlation);
    let field = sbn.mean_field(&heard, &MeanFieldSettings::default())?;
    line("mean field", [0, 1].map(|unit| f64::from(field.means[0][(unit, 0)])), 0.0);
    println!("mean field bounds log p(alarm) = {:.3} from below by {:.3}", sbn.log_prob(&heard)?[0], field.bound[0]);
    Ok(())
}

/// Means of two units and their correlation over samples.
fn moments(states: &Matrix) -> ([f64; 2], f64) {
    let n = states.ncols() as f64;
    let mean = |f: &dyn Fn(usize) -> f32| (0..states.ncols()).map(|s| f64::from(f(s))).sum::<f64>() / n;
    let [a, b] = [0, 1].map(|unit| mean(&|s| states[(unit, s)]));
    let both = mean(&|s| states[(0, s)] * states[(1, s)]);
    ([a, b], (both - a * b) / (a * (1.0 - a) * b * (1.0 - b)).sqrt())
}
