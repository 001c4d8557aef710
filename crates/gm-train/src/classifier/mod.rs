//! Training of feed-forward nets that classify.

pub(crate) mod learner;
