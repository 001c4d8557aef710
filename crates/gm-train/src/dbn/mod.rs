//! Training of deep belief networks: layer by layer, then all layers together.

pub(crate) mod learner;
pub(crate) mod settings;
pub(crate) mod together;
