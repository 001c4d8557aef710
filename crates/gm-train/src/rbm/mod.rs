//! Training of restricted Boltzmann machines.

pub(crate) mod chains;
pub(crate) mod learner;
