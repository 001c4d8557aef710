//! Feed-forward nets that classify: parameters, backpropagation, training.

mod dropout;
mod learner;
mod net;
mod pass;

pub use dropout::Dropout;
pub use learner::{ClassifierLearner, ClassifierSettings};
pub use net::{Classifier, HiddenUnits};
