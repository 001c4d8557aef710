//! Slow oracles, exact samplers and statistical tests that the workspace is checked against.
//!
//! The crate shares no code with what it checks: parameters are plain nested vectors of `f64`, a state is
//! a `Vec<u8>` of zeros and ones that holds all layers, visible units first, and a batch is a list of
//! states. [`Joint`] enumerates every state of a small model from the defining equations
//!
//! | model | joint distribution |
//! |---|---|
//! | RBM, DBM | p(x) = exp(sum_l b_l' x_l + sum_l x_l' W_l x_(l+1)) / Z |
//! | SBN | p(x) = Ber(x_L; s(b_L)) prod_(l<L) Ber(x_l; s(W_l x_(l+1) + b_l)) |
//! | DBN | p(x) = [RBM over (x_(L-1), x_L)] prod_(l<L-1) Ber(x_l; s(W_l x_(l+1) + b_l)) |
//!
//! and the checks put a Markov kernel to three questions: does it leave the joint distribution invariant
//! ([`check_joint_invariance`]), does it draw a layer from its exact conditional ([`check_conditional`]),
//! and does a whole sweep lead from a given state where it should ([`check_sweep`])? Each check has wrong
//! kernels to catch: [`Bug`].
//!
//! # Examples
//!
//! ```
//! use gm_testkit::{Fixture, Gibbs, check_joint_invariance};
//!
//! let joint = Fixture::load("rbm_small").joint();
//! let mut gibbs = Gibbs::correct(&joint, 1);
//! let result = check_joint_invariance(&joint, |states| gibbs.sweep(states), 20_000, 2);
//! result.assert_passes(1e-6, 2);
//! ```

mod book;
mod checks;
mod chi_squared;
mod differences;
mod fixtures;
mod joint;
mod parameters;
mod planted;
mod sampling;

pub use book::{check_part, markdown_table};
pub use checks::{check_conditional, check_joint_draws, check_joint_invariance, check_sweep, check_visible_draws};
pub use chi_squared::{TestResult, binomial_test, chi_squared_test, mean_test, two_sample_test};
pub use differences::{assert_all_close, assert_close, central_difference};
pub use fixtures::{Fixture, published};
pub use joint::{Joint, Model};
pub use parameters::Parameters;
pub use planted::{Bug, Gibbs};
pub use sampling::{Categorical, rng};
