//! The program as its users run it: each test starts `dgm` in a folder of its own.
//!
//! All tests are in one binary, so that they link once and leave no core idle at the end of each file.
//! `large.rs` is apart, since it measures how soon a signal ends a run.

mod common;

mod cluster;
mod columns;
mod commands;
mod counts;
mod crash;
mod dbn;
mod demo;
mod faults;
mod finetune;
mod harmonium;
mod hints;
mod kept;
mod parts;
mod paths;
mod rbm;
mod rejects;
mod report;
mod runs;
mod same_bits;
mod sbn;
mod sequences;
mod serve;
mod shell;
mod splits;
mod sweep;
mod tables;
mod units;
