//! The native part of the Python package `dgm`. The package itself, with its docstrings, is in `python/dgm`.
#![allow(missing_docs, reason = "the module's macro makes public items; users see the package in python/dgm")]

mod chains;
mod errors;
mod evaluation;
mod fit;
mod model;
mod pool;
mod rows;

use std::ffi::OsString;

use pyo3::prelude::*;

/// Runs the program `dgm` with these words, and returns its exit status.
#[pyfunction]
fn program(py: Python<'_>, words: Vec<OsString>) -> u8 {
    py.detach(|| gm_cli::run(words))
}

/// Effective sample size of chains of equal length.
#[pyfunction]
fn effective_sample_size(chains: Vec<Vec<f64>>) -> PyResult<f64> {
    gm::core::effective_sample_size(&chains).map_err(|e| errors::to_python(e.into()))
}

/// Split R-hat of chains of equal length.
#[pyfunction]
fn split_r_hat(chains: Vec<Vec<f64>>) -> PyResult<f64> {
    gm::core::split_r_hat(&chains).map_err(|e| errors::to_python(e.into()))
}

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("DivergedError", py.get_type::<errors::DivergedError>())?;
    module.add("ModelFileError", py.get_type::<errors::ModelFileError>())?;
    module.add_class::<model::Model>()?;
    module.add_class::<chains::Chains>()?;
    module.add_function(wrap_pyfunction!(fit::fit_model, module)?)?;
    module.add_function(wrap_pyfunction!(fit::default_settings, module)?)?;
    module.add_function(wrap_pyfunction!(evaluation::default_evaluation, module)?)?;
    module.add_function(wrap_pyfunction!(pool::shut_down, module)?)?;
    module.add_function(wrap_pyfunction!(program, module)?)?;
    module.add_function(wrap_pyfunction!(effective_sample_size, module)?)?;
    module.add_function(wrap_pyfunction!(split_r_hat, module)?)?;
    Ok(())
}
