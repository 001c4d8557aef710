//! Learners, settings and runs as their users see them: training, evaluation, files and interruptions.
//!
//! All tests are in one binary, so that they link once and leave no core idle at the end of each file.

mod common;

mod algorithms;
mod classifier;
mod config;
mod dbm;
mod dbm_units;
mod dbn;
mod dbn_units;
mod evaluation;
mod extremes;
mod faults;
mod harmonium;
mod learners;
mod resume;
mod sbn_gradients;
mod sbn_training;
mod settings;
mod shards;
mod start;
mod training;
mod units;
mod versions;
