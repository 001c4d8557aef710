//! Slow oracles, exact samplers and statistical tests that the workspace is checked against.
//!
//! The crate shares no code with the crates that it checks. Parameters are plain nested vectors of `f64`. A state is a
//! `Vec<u8>` of zeros and ones with the units of all layers, visible units first, and a batch is a list of states.
//! [`Joint`] enumerates every state of a small model from the defining equations
//!
//! | model | joint distribution |
//! |---|---|
//! | RBM, DBM | p(x) = exp(sum_l b_l' x_l + sum_l x_l' W_l x_(l+1)) / Z |
//! | SBN | p(x) = Ber(x_L; s(b_L)) prod_(l<L) Ber(x_l; s(W_l x_(l+1) + b_l)) |
//! | DBN | p(x) = [RBM over (x_(L-1), x_L)] prod_(l<L-1) Ber(x_l; s(W_l x_(l+1) + b_l)) |
//!
//! The checks ask three questions about a Markov kernel. Does it leave the joint distribution invariant
//! ([`check_joint_invariance`])? Does it draw a layer from its exact conditional ([`check_conditional`])? Does a whole
//! sweep give the right distribution from a given state ([`check_sweep`])? Each check must catch wrong kernels:
//! [`Bug`].
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
mod weights;

pub use book::{check_part, markdown_table};
pub use checks::{check_conditional, check_joint_draws, check_joint_invariance, check_sweep, check_visible_draws};
pub use chi_squared::{TestResult, binomial_test, chi_squared_test, mean_test, two_sample_test};
pub use differences::{assert_all_close, assert_close, central_difference};
pub use fixtures::{Fixture, layers, peers, published};
pub use joint::{Joint, Model};
pub use parameters::Parameters;
pub use planted::{Bug, Gibbs};
pub use sampling::{Categorical, rng};
pub use weights::{assert_side, weight_ratios};
