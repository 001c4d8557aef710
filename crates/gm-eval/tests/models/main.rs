//! Evaluation, sampling, completion and posterior means of all models, against enumeration.
//!
//! All tests are in one binary, so that they link once and leave no core idle at the end of each file.

mod common;

mod completion;
mod figures;
mod likelihood;
mod parts;
mod posterior;
mod reports;
mod sampling;
mod watching;
