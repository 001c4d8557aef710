//! Training of sigmoid belief nets.

pub(crate) mod learner;
pub(crate) mod rule;
