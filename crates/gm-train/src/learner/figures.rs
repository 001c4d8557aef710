//! How some figures of an epoch are computed.

use gm_core::{BitMatrix, Matrix};

/// The share of rows whose label units, behind `before` others, do not say the class that is most probable.
pub(crate) fn error_rate(log_p: &Matrix, rows: &BitMatrix, before: usize) -> f64 {
    let wrong = (0..rows.samples()).filter(|&row| !rows.get(before + log_p.column(row).imax(), row)).count();
    wrong as f64 / rows.samples() as f64
}
