//! Training of deep Boltzmann machines.

pub(crate) mod chains;
pub(crate) mod learner;
pub(crate) mod pretrain;
