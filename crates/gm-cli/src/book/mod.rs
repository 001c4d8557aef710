//! The parts of the book that the program makes itself, and tests that they are up to date. `cargo xtask book` writes
//! them.

mod commands;
mod cost;
mod examples;
mod starts;
mod story;

use std::path::{Path, PathBuf};

/// The variable that `cargo xtask book` sets. The parts are then written instead of compared.
const WRITE: &str = "DGM_WRITE_BOOK";

/// Whether this run writes the book.
fn writing() -> bool {
    std::env::var_os(WRITE).is_some()
}

/// A file of the book.
fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src").join(name)
}
