//! The model as its users see it: laws, exact answers, estimators and samplers.
//!
//! All tests are in one binary, so that they link once and leave no core idle at the end of each file.

mod common;

mod autoregressive;
mod bounds;
mod fixtures;
mod lateral;
mod posterior;
mod records;
mod sampling;
